"""How the kernels of a build show plain matplotlib figures: as sharp on paper as on any screen."""

c = get_config()  # noqa: F821
c.InlineBackend.figure_formats = {"svg"}
c.InlineBackend.rc = {"svg.hashsalt": "book"}  # else the ids in a file are different each time
