"""Non-negative least squares: our solver against the packages a user would call, and against references of our own.

``python -m benchmarks nnls`` runs the short version; ``python -m benchmarks.nnls --help`` shows the rest.
"""


def run():
    """The short version: small and middle instances, at most 5 seconds for a call."""
    from .__main__ import main

    main([])
