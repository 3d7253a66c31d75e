"""Builds that begin where all programs have been loaded: that takes longer than to build a tiny book."""

import multiprocessing
import os
import sys
from pathlib import Path

# Not `book`: each tiny book has a copy of its own, and may have changed it.
LOADED = ["jupyter_book.cli.main", "jupyter_book.sphinx", "myst_nb.sphinx_ext", "sphinxcontrib.bibtex", "sphinx_design"]
LOADED += ["furo", "jupytext", "matplotlib.figure", "sphinx.ext.autodoc", "sphinx.builders.html", "fontTools.subset"]

server = multiprocessing.get_context("forkserver")


def build(folder: Path, arguments: list[str], variables: dict[str, str], said: Path) -> int:
    """What the program would have ended with; what it says is written into a file."""
    server.set_forkserver_preload(LOADED)
    process = server.Process(target=_build, args=(folder, arguments, variables, said))
    process.start()
    process.join()
    return process.exitcode


def _build(folder, arguments, variables, said):
    from jupyter_book.cli.main import main

    os.environ.update(variables)
    # As if the program had just been started there.
    sys.path[:0] = [path for path in variables.get("PYTHONPATH", "").split(os.pathsep) if path]
    os.chdir(folder)
    with said.open("w") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    sys.argv = ["jupyter-book", "build", *arguments]
    main()
