"""The notebooks for students: they run, and their exercises are checked, on a machine without a network.

So does the code in all solutions, in the namespace that a reader has at the end of the chapter.
"""

import re

import nbformat
import pytest
from nbclient import NotebookClient

from tests.shared import CHECKS, EXERCISED, solutions

CUT_OFF = """\
import sys

asked = []

def refuse(event, arguments):
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
    else:
        return
    if host not in ("127.0.0.1", "::1", "localhost"):
        asked.append(host)
        raise OSError("there is no network")

sys.addaudithook(refuse)
"""

# An exercise asks for a descent that diverges.
STRICT = """\
import warnings

warnings.simplefilter("error", RuntimeWarning)
warnings.filterwarnings("ignore", "gradient_descent: Diverged", RuntimeWarning)
"""

TRY_THE_NETWORK = """\
import urllib.request

try:
    urllib.request.urlopen("https://example.org")
except OSError as error:
    print(error)
asked.pop()
"""


def said(cell):
    """What the last line of a cell shows."""
    return [output["data"]["text/plain"] for output in cell.outputs if output.output_type == "execute_result"]


@pytest.mark.slow
@pytest.mark.parametrize("chapter", EXERCISED)
def test_a_student_is_told_right_and_wrong_without_a_network(site, tmp_path, monkeypatch, chapter):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")  # as in make lab
    notebook = nbformat.read(site / "chapters" / "exercises" / f"{chapter}.ipynb", as_version=4)
    new, solved = nbformat.v4.new_code_cell, solutions(chapter)
    cells, tried = [new(CUT_OFF), new(STRICT), offline := new(TRY_THE_NETWORK)], {}
    for cell in notebook.cells:
        cells.append(cell)
        call = re.search(r"^check\.(\w+)\(", cell.source, re.MULTILINE) if cell.cell_type == "code" else None
        if call:
            assert cell.source.count("...  # your answer") == 1
            tried[call[1]] = cell, new(cell.source.replace("...", "-3.0", 1)), new("".join(solved.pop(call[1])))
            cells += tried[call[1]][1:]
    assert not solved.keys() & CHECKS.keys(), "an exercise with a check lacks its cell"
    cells += [new(block) for blocks in solved.values() for block in blocks]
    cells.append(unheard := new("print(asked)"))
    notebook.cells = cells
    assert len(tried) >= 3

    client = NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": tmp_path}})
    client.on_notebook_start = lambda notebook: setattr(client.kc, "allow_stdin", True)  # as if a student sat before it
    client.execute()

    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert not any("nan" in output.text for output in outputs if output.get("name") == "stdout")
    shown = [output.get("data", {}) for output in outputs]
    assert any("application/vnd.jupyter.widget-view+json" in data for data in shown), "no slider moves"
    assert "there is no network" in offline.outputs[0].text
    assert unheard.outputs[0].text == "[]\n"
    for name, (untouched, wrong, right) in tried.items():
        assert said(untouched) == ["No answer yet: put yours in place of the three dots."], name
        assert len(said(wrong)) == 1 and not said(wrong)[0].startswith(("Right", "No answer")), name
        assert said(right) == ["Right."], name
