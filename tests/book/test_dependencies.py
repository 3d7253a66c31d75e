"""A chapter depends on what it imports, and on what that imports, and on nothing else of the library."""

import re
import shutil

import jupytext
import pytest
from book import execution
from book.dependencies import files_called
from implicit_bias import spectrum

from tests.shared import CHAPTERS, MOVING, ROOT

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
    "figures/__pycache__/pen.draw-1.py311.nbi": "What numba has compiled.",
    "figures/__pycache__/pen.cpython-311.pyc": "",
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


def test_a_change_executes_the_chapters_that_call_the_changed_module_and_no_others(tmp_path):
    shutil.copytree(ROOT / "lib", tmp_path / "lib", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    shutil.copy(ROOT / "requirements.txt", tmp_path)
    cells = {}
    for name in MOVING:
        notebook = jupytext.read(CHAPTERS / f"{name}.md")
        cells[name] = [cell.source for cell in notebook.cells if cell.cell_type == "code"]

    def executed_after_a_change_of(module):
        with (tmp_path / "lib" / "implicit_bias" / f"{module}.py").open("a") as file:
            file.write("\n\ndef new():\n    pass\n")
        before = dict(keys)
        keys.update({name: execution.key(tmp_path, cells[name]) for name in cells})
        return {name for name in cells if keys[name] != before.get(name)}

    keys = {}
    assert executed_after_a_change_of("check") == cells.keys(), "nothing has been executed before"
    assert executed_after_a_change_of("check") == set()
    assert executed_after_a_change_of("look") == cells.keys()
    functions = [
        name for name, value in vars(spectrum).items() if getattr(value, "__module__", "") == spectrum.__name__
    ]
    call = re.compile(rf"\b({'|'.join(functions)})\(")
    calling = {name for name in cells if any(map(call.search, cells[name]))}
    assert executed_after_a_change_of("spectrum") == calling
    assert 1 <= len(calling) < len(cells)
