"""The collector: a folder of forty notebooks, some of them hostile, in one command: every verdict is right, nothing stays."""

import contextlib
import csv
import http.server
import importlib
import json
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import threading
from decimal import Decimal
from fractions import Fraction

import nbformat
import numpy as np
import psutil
import pytest
from implicit_bias import _collect, _kernel, _marking, check

START = "import numpy as np\nfrom implicit_bias import check"
MARGIN = "check.margin(np.array([2, 1]) / np.sqrt(5))"
SHARP = "check.flow_sharpness(np.sqrt((3**2 - 0.2**2) ** 2 + 4))"
FACTORS = "check.hidden_factors(lambda x, L: L / 2 * abs(x) ** (2 / L))"
RIGHT = {"margin": "right"}
DAEMON = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for fd in range(3, 256):
            try:
                os.close(fd)
            except OSError:
                pass
        while True:
            time.sleep(60)
    os._exit(0)
"""

# For each student the cells of the notebook, and what the table must say.
FOLDER = {
    "right": (
        [START, MARGIN, SHARP, FACTORS],
        {"margin": "right", "flow_sharpness": "right", "hidden_factors": "right"},
    ),
    "right-by-name": (
        ["from implicit_bias.check import flow_sharpness", "flow_sharpness(9.1795)"],
        {"flow_sharpness": "right"},
    ),
    "right-after-three-guesses": (
        [START, "for x in (1.0, 2.0, 9.18):\n    check.flow_sharpness(x)"],
        {"flow_sharpness": "right"},
    ),
    "wrong-at-last": ([START, "for x in (1.0, 9.18, 2.0):\n    check.flow_sharpness(x)"], {"flow_sharpness": "value"}),
    "right-valley": ([START, "check.valley(lambda r, sigma: r / (r - sigma))"], {"valley": "right"}),
    "right-in-place": (
        [
            START,
            "def update(A, y, x):\n    x *= A.T @ y / (A.T @ (A @ x))\n    return x",
            "check.nnls_multiplicative(update)",
        ],
        {"nnls_multiplicative": "right"},
    ),
    "right-with-magic": (
        ["%matplotlib inline", START, "import matplotlib.pyplot as plt\nplt.plot([1])", MARGIN],
        RIGHT,
    ),
    "right-number-types": ([START, "check.flow_sharpness(np.float32(9.1795))"], {"flow_sharpness": "right"}),
    "right-seed": ([START, "check.not_lasso(np.int64(1))"], {"not_lasso": "property"}),
    "wrong-sign": ([START, "check.margin(-np.array([2, 1]) / np.sqrt(5))"], {"margin": "sign"}),
    "wrong-order": ([START, "check.margin(np.array([1, 2]) / np.sqrt(5))"], {"margin": "order"}),
    "wrong-shape": ([START, "check.margin([1, 2, 3])"], {"margin": "shape"}),
    "wrong-type": ([START, "check.margin('two')", "check.valley(2.0)"], {"margin": "type", "valley": "type"}),
    "wrong-not-finite": ([START, "check.margin([np.nan, 1])"], {"margin": "finite"}),
    "wrong-complex": (
        [START, "check.margin([1j, 1])", "check.flow_sharpness({})"],
        {"margin": "type", "flow_sharpness": "type"},
    ),
    "wrong-function": ([START, "check.hidden_factors(lambda x, L: 1 / 0)"], {"hidden_factors": "type"}),
    "untouched": ([START, "answer = ...  # your answer\n\ncheck.margin(answer)"], {"margin": "missing"}),
    "empty": ([], {}),
    "no-code": ([START, "# Your code"], {}),
    "fails-before": ([START, "x = undefined\n" + MARGIN, SHARP], {"margin": "error", "flow_sharpness": "right"}),
    "no-python": ([START, "this is no Python check.margin(", SHARP], {"margin": "error", "flow_sharpness": "right"}),
    "not-called": ([START, "def never():\n    " + MARGIN], {"margin": "missing"}),
    "endless-loop": (
        [START, SHARP, "while True:\n    pass\n" + MARGIN, FACTORS],
        {"flow_sharpness": "right", "margin": "time", "hidden_factors": "right"},
    ),
    "endless-and-deaf": (
        [
            START,
            SHARP,
            "while True:\n    try:\n        import time; time.sleep(1)\n    except BaseException:\n        pass",
            MARGIN,
        ],
        {"flow_sharpness": "right", "margin": "time"},
    ),
    "endless-function": (
        [START, "def f(x, L):\n    import time; time.sleep(500)", "check.hidden_factors(f)", MARGIN],
        {"hidden_factors": "time", "margin": "right"},
    ),
    "exit": ([START, MARGIN + "\nexit()", "quit()", SHARP], {"margin": "right", "flow_sharpness": "right"}),
    "sys-exit": ([START, MARGIN, "import sys\nsys.exit(1)\n" + SHARP], {"margin": "right", "flow_sharpness": "error"}),
    "os-exit": ([START, MARGIN, "import os\nos._exit(0)", SHARP], {"margin": "right", "flow_sharpness": "ended"}),
    "crash": ([START, "import ctypes\nctypes.string_at(0)", MARGIN], {"margin": "ended"}),
    "writes": ([START, "open('here.txt', 'w').write('x')\nassert open('here.txt').read() == 'x'", MARGIN], RIGHT),
    "writes-elsewhere": (
        [START, "open('{outside}/written', 'w').write('x')\n" + MARGIN, SHARP],
        {"margin": "error", "flow_sharpness": "right"},
    ),
    "reads-others": ([START, "assert open('{folder}/right.ipynb').read()\n" + MARGIN], {"margin": "error"}),
    "network": (
        [START, "import urllib.request\nurllib.request.urlopen('{address}', timeout=2)\n" + MARGIN, SHARP],
        {"margin": "error", "flow_sharpness": "right"},
    ),
    "forks": ([START, DAEMON, MARGIN], RIGHT),
    "fork-bomb": (
        [START, SHARP, "import os\nwhile True:\n    os.fork()", MARGIN],
        {"flow_sharpness": "right", "margin": "processes"},
    ),
    "eats-memory": (
        [START, SHARP, "x = []\nwhile True:\n    x.append(np.ones(10**7))\n", MARGIN],
        {"flow_sharpness": "right", "margin": "right"},
    ),
    "asks-for-too-much": ([START, "x = np.ones(10**10)\n" + MARGIN], {"margin": "memory"}),
    "prints-without-end": (
        [START, "while True:\n    print('Right.' * 1000)\n" + MARGIN, SHARP],
        {"margin": "time", "flow_sharpness": "right"},
    ),
    "forges-by-printing": (
        [START, 'print(\'Right.\')\nprint(\'{{"margin": ["right", "Right."]}}\')\ncheck.margin([1, 0])'],
        {"margin": "value"},
    ),
    "forges-the-check": (
        [START, "check.margin = lambda answer: check.RIGHT", "check.margin([1, 0])"],
        {"margin": "missing"},
    ),
    "forges-the-comparison": (
        [
            START,
            "check._compare = lambda *a, **k: check.RIGHT\ncheck.Verdict.__bool__ = lambda self: True",
            "check.margin([1, 0])",
        ],
        {"margin": "value"},
    ),
    "broken": (None, {}),
}


@pytest.fixture
def handed_in(tmp_path):
    """The folder, a folder elsewhere, and a server that counts."""
    folder, outside = tmp_path / "handed in", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    asked = []

    class Server(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/"
    for name, (cells, _) in FOLDER.items():
        file = folder / f"{name}.ipynb"
        if cells is None:
            file.write_text('{"cells": [')
            continue
        places = {"{outside}": str(outside), "{folder}": str(folder), "{address}": address, "{{": "{", "}}": "}"}
        for k, source in enumerate(cells):
            for word, place in places.items():
                source = source.replace(word, place)
            cells[k] = source
        nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells]), file)
    (folder / "no-notebook.pdf").write_bytes(b"%PDF")
    (folder / "empty folder").mkdir()
    (folder / "=of a platform").mkdir()
    nbformat.write(
        nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(START), nbformat.v4.new_code_cell(MARGIN)]),
        folder / "=of a platform" / "homework.ipynb",
    )
    yield folder, outside, asked
    server.shutdown()
    server.server_close()


def survivors() -> list[psutil.Process]:
    """Processes that a submission has started."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            known = _collect.COOKIE in process.environ() or _kernel.__name__ in process.cmdline()
            if known and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def verdicts_in(folder) -> dict[str, dict[str, str]]:
    with (folder / "verdicts.csv").open(encoding="utf-8") as file:
        rows = {row.pop("student"): row for row in csv.DictReader(file)}
    return {
        student: {name: kind for name, kind in row.items() if name != "notebook" and kind != "absent"}
        for student, row in rows.items()
    }


@pytest.mark.slow
def test_a_folder_of_forty_notebooks_is_marked_in_one_command(handed_in, tmp_path):
    folder, outside, asked = handed_in
    if not _marking.walls(tmp_path):
        missing = os.environ.get("CI") == "true" and not shutil.which("bwrap")
        (pytest.fail if missing else pytest.skip)("bubblewrap is not here, or may not make namespaces")
    assert len(FOLDER) >= 40
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    # Two of them spin for so long. No other cell computes for more than one second: numpy and the checks have been loaded.
    command = [sys.executable, "-m", "implicit_bias.check", ".", "--seconds", "4"]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=900, check=False)
    assert result.returncode == 0, result.stderr
    assert "no protection" not in result.stderr
    assert not survivors() and not asked and not list(outside.iterdir())
    after = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.stem != "verdicts"}
    assert after == before

    wanted = {name: verdicts for name, (_, verdicts) in FOLDER.items()}
    wanted |= {"no-notebook": {}, "empty folder": {}, "'=of a platform": RIGHT}
    found = verdicts_in(folder)
    # What nobody has read yet is kept in memory: which of two limits comes first, the machine decides.
    assert found["prints-without-end"]["margin"] in ("time", "memory")
    found["prints-without-end"]["margin"] = "time"
    wrong = {name: (found[name], wanted[name]) for name in wanted if found[name] != wanted[name]}
    assert not wrong, wrong
    assert found.keys() == wanted.keys()
    page = (folder / "verdicts.html").read_text(encoding="utf-8")
    assert page.count("<tr>") == len(wanted) + 1
    assert "NotJSONError" in page and "There is no notebook." in page


@pytest.mark.slow
def test_without_bubblewrap_it_says_so_and_still_ends_what_was_started(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(_collect, "walls", lambda folder: [])
    monkeypatch.setenv("PATH", str(tmp_path))  # where there is no bwrap
    monkeypatch.setattr(_collect, "PROCESSES", multiprocessing.get_context("spawn"))  # as where there is no fork
    folder = tmp_path / "handed in"
    folder.mkdir()
    asks = "import urllib.request\nurllib.request.urlopen('http://127.0.0.1:9')\n" + SHARP
    cells = [nbformat.v4.new_code_cell(cell) for cell in (START, DAEMON, MARGIN, asks, FACTORS)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "forks-and-asks.ipynb")
    _collect.main([str(folder), "--seconds", "20"])
    assert "no protection against malice" in capsys.readouterr().err
    assert verdicts_in(folder) == {
        "forks-and-asks": {"margin": "right", "flow_sharpness": "error", "hidden_factors": "right"}
    }
    assert "there is no network" in (folder / "verdicts.html").read_text(encoding="utf-8")
    assert not survivors()


@pytest.mark.parametrize(
    "value, same",
    [
        (None, None),
        (..., None),
        ([1, 2.5, np.float32(0.5), None], [1, 2.5, 0.5, None]),
        (np.arange(4.0).reshape(2, 2), [[0.0, 1.0], [2.0, 3.0]]),
        (np.array(3), 3),
        (np.bool_(True), True),
        (b"1", "1"),
        (Fraction(1, 4), 0.25),
        ((np.inf, -np.inf), [np.inf, -np.inf]),
        (2 + 1j, 2 + 1j),
    ],
    ids=repr,
)
def test_an_answer_arrives_as_the_check_would_see_it(value, same):
    arrived = _marking.decode(None, json.loads(json.dumps(_kernel.encode(value))))
    assert arrived == same and type(arrived) is type(same)


IN_ITSELF: list = []
IN_ITSELF.append(IN_ITSELF)


@pytest.mark.parametrize(
    "value",
    [{"a": 1}, object(), np.zeros(200_000), [0.0] * 200_000, {1, 2}, Fraction(10**400), Decimal("sNaN"), IN_ITSELF],
    ids=lambda x: type(x).__name__,
)
def test_what_is_no_answer_arrives_as_nothing_that_a_check_takes(value):
    arrived = _marking.decode(None, json.loads(json.dumps(_kernel.encode(value))))
    assert check.margin(arrived).kind == check.flow_sharpness(arrived).kind == "type"


def test_an_answer_that_is_none_does_not_stop_the_others(monkeypatch):
    """It was asked for again after each cell, in vain, and no check had an answer any more."""
    monkeypatch.setattr(_kernel, "handed", {"margin": [Fraction(10**400)], "filter": [1.0]})
    assert json.loads(_kernel.fresh()) == {"margin": [{"other": "Fraction"}], "filter": [1.0]} and not _kernel.handed


def test_a_name_is_text_in_both_tables(tmp_path):
    verdicts = {"state": "ran", "verdicts": {"margin": ["error", "<script>alert(1)</script>"]}}
    _collect.write(tmp_path, ["=1+1", "<b>"], [verdicts, {"state": "none", "verdicts": {}}])
    assert verdicts_in(tmp_path) == {"'=1+1": {"margin": "error"}, "<b>": {}}
    page = (tmp_path / "verdicts.html").read_text(encoding="utf-8")
    assert "<script>" not in page and "&lt;b&gt;" in page


@pytest.mark.parametrize("package", ["psutil", "nbclient", "nbformat"])
def test_what_is_missing_says_which_extra_brings_it(monkeypatch, package):
    for name in ("_collect", "_marking"):
        monkeypatch.delitem(sys.modules, f"implicit_bias.{name}")
        monkeypatch.delattr(f"implicit_bias.{name}")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf"{package}\b.*pip install '\.\[marking\]'"):
        importlib.import_module("implicit_bias._collect")


@pytest.mark.parametrize("arguments", [["nowhere"], [".", "--seconds", "0"]])
def test_a_wrong_call_is_refused(arguments, capsys):
    with pytest.raises(SystemExit):
        _collect.main(arguments)
    assert re.search("nowhere is no folder|--seconds is 0: give", capsys.readouterr().err)
