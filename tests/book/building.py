"""Processes that begin where all programs have been loaded: builds of tiny books, which take less time, and workers."""

import multiprocessing
import os
import sys
from multiprocessing.forkserver import ensure_running
from pathlib import Path

# Not `book`: each tiny book has a copy of its own, and may have changed it.
LOADED = ["jupyter_book.cli.main", "jupyter_book.sphinx", "myst_nb.sphinx_ext", "sphinxcontrib.bibtex", "sphinx_design"]
LOADED += ["furo", "jupytext", "matplotlib.figure", "sphinx.ext.autodoc", "sphinx.builders.html", "fontTools.subset"]

# And what the workers of a cluster import, without the library: that too is the one of each tiny book.
LOADED += ["distributed", "scipy.integrate", "scipy.optimize", "scipy.sparse.linalg"]

server = multiprocessing.get_context("forkserver")


def load():
    """Start the process that loads them and from which the others are forked, if there is none."""
    server.set_forkserver_preload(LOADED)
    ensure_running()


def build(folder: Path, arguments: list[str], variables: dict[str, str], said: Path) -> int:
    """What the program would have ended with; what it says is written into a file."""
    load()
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
