"""Whoever builds the book on another processor gets the same text."""

import ast
import json
import os
import re

import nbformat
import pytest
from book.browser import BUILD
from book.execution import ENVIRONMENT
from nbclient import NotebookClient

from tests.arithmetic import arithmetic, kernels
from tests.shared import CHAPTERS, ROOT

pytestmark = pytest.mark.slow

CHAPTER = "nnls"
# The pictures are not compared: what draws them is not asked to.
UNDRAWN = """\
from slidefig import _svg

_svg.render = lambda *_: _svg.Node("svg")
"""


def words(notebook):
    """What the outputs of a chapter bring to its page, without the pictures.

    That are the glued numbers as its text writes them, what the cells show and print, and the live texts of all states.
    """
    glued, shown, live = {}, [], []
    for output in (output for cell in notebook.cells for output in cell.get("outputs", [])):
        data = output.get("data", {})
        name = output.get("metadata", {}).get("scrapbook", {}).get("name")
        if name:
            glued[name] = data.get("text/plain")
        elif "text/html" in data:
            tables = re.findall(r'<script type="application/json">(.*?)</script>', data["text/html"], re.S)
            live += [panel["texts"] for table in tables for panel in json.loads(table)["panels"]]
            text = re.sub(r"<(script|style|svg)\b.*?</\1>", "", data["text/html"], flags=re.S)
            shown += re.sub(r"<[^>]*>", " ", text).split()
        else:
            shown += (data.get("text/plain") or output["text"]).split()
    text = (CHAPTERS / f"{CHAPTER}.md").read_text(encoding="utf-8")
    uses = re.findall(r"\{glue(?::text)?\}`([^`:]+):?([^`]*)`", text)
    assert len(uses) == text.count("{glue")
    return [format(ast.literal_eval(glued[name]), form) for name, form in uses], shown, live


@pytest.mark.skipif(not kernels(), reason="the kernels of OpenBLAS to compare are those of x86-64")
def test_another_processor_gives_the_same_text(site):
    """The chapter with the most that rounding can reach is executed once more, in the arithmetic of another processor."""
    built = nbformat.read(BUILD / "outputs" / "chapters" / f"{CHAPTER}.ipynb", as_version=4)
    sources = [UNDRAWN, *(cell.source for cell in built.cells if cell.cell_type == "code")]
    again = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    other = kernels()[-1] if os.environ.get("OPENBLAS_CORETYPE") == "Prescott" else "Prescott"
    client = NotebookClient(again, timeout=600, kernel_name="python3", resources={"metadata": {"path": CHAPTERS}})
    client.execute(env={**os.environ, **ENVIRONMENT, "PYTHONPATH": str(ROOT / "lib"), **arithmetic(other)})
    here, there = words(built), words(again)
    assert all(map(len, here)), "nothing to compare"
    assert there == here
