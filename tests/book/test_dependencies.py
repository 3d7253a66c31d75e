"""A chapter depends on what it imports, and on what that imports, and on nothing else of the library."""

import pytest
from book.dependencies import files_called

from tests.shared import ROOT

FILES = {
    "solvers/__init__.py": "from .fast import solve\nfrom .fast import helper as renamed\nLIMIT = 1\n",
    "solvers/fast.py": "from . import _tools\nfrom .results import Result\ndef solve(): ...\ndef helper(): ...\n",
    "solvers/slow.py": "def wait():\n    from figures import draw\ndef renamed(): ...\n",
    "solvers/_tools.py": "import numpy\n",
    "solvers/results.py": "class Result: ...\n",
    "solvers/check.py": "from solvers import solve\ndef answer(): ...\n",
    "figures/__init__.py": "def __getattr__(name): ...\n",
    "figures/pen.py": "SIZE: int = 1\ndef draw(): ...\n",
    "figures/static/pen.css": "svg {}",
    "figures/README.md": "No module reads this.",
    "no_package/notes.py": "",
}


@pytest.fixture
def lib(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text(text)
    return tmp_path


FAST = {"solvers/fast.py", "solvers/_tools.py", "solvers/results.py"}
DRAW = {"figures/pen.py", "figures/static/pen.css"}
SOLVERS = {name for name in FILES if name.startswith("solvers")}


@pytest.mark.parametrize(
    ("code", "files"),
    [
        ("import numpy as np\nfrom scipy.optimize import nnls", set()),
        ("from solvers import solve", FAST),
        ("from solvers.fast import solve", FAST),
        ("from solvers import renamed", FAST),  # the function of that name in another module is not meant
        ("from solvers import results", {"solvers/results.py"}),
        ("import solvers.results as r", {"solvers/results.py"}),
        ("from solvers import LIMIT", {"solvers/__init__.py", *FAST}),
        ("from solvers import wait", {"solvers/slow.py", *DRAW}),  # imported within a function
        ("from figures import draw", DRAW),  # a package that imports only what it is asked for
        ("if True:\n    from figures.pen import SIZE", DRAW),
        ("import solvers", SOLVERS | DRAW),
        ("import solvers.results", SOLVERS | DRAW),
        ("from solvers import *", SOLVERS | DRAW),
        ("from solvers import made_at_run_time", SOLVERS | DRAW),
        ("from solvers import (", {name for name in FILES if name.endswith(".py")}),
    ],
)
def test_what_cells_import_is_what_they_call(lib, code, files):
    found = {path.relative_to(lib).as_posix() for path in files_called(["1 + 1", code], lib)}
    assert found == files


def test_no_page_of_the_book_calls_the_checks_of_the_exercises():
    cells = [f"from implicit_bias import {name}" for name in ("flow_limit", "nnls", "gradient_descent", "nested_fits")]
    called = {path.stem for path in files_called([*cells, "from implicit_bias.look import explore"], ROOT / "lib")}
    assert {"limits", "nnls", "descent", "regression", "look", "_page", "explore"} <= called
    assert not {"check", "spectrum"} & called
