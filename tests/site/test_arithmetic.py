"""Whoever builds the book on another processor gets the same text."""

import html
import os
import re

import pytest

from tests.arithmetic import arithmetic, kernels
from tests.site.conftest import build, tables

pytestmark = pytest.mark.slow


def words(page, site):
    """What is read on a page: its text without the pictures, and the live texts of all states of its figures."""
    live = [panel["texts"] for table in tables(page, site) for panel in table["panels"]]
    article = page[page.index("<article") : page.index("</article>")]
    text = re.sub(r"<(script|style|svg)\b.*?</\1>", "", article, flags=re.S)
    return html.unescape(re.sub(r"<[^>]*>", " ", text)).split(), live


@pytest.mark.skipif(not kernels(), reason="the kernels of OpenBLAS to compare are those of x86-64")
def test_another_processor_gives_the_same_text(site, elsewhere, tmp_path):
    """The chapter with the most that rounding can reach is executed once more, in the arithmetic of another processor."""
    chapter = "chapters/nnls"
    outputs = elsewhere.book / "_build" / "outputs" / f"{chapter}.ipynb"
    outputs.unlink()
    with (elsewhere.book / f"{chapter}.md").open("a") as text:
        text.write("\n")  # else it is not looked at
    other = kernels()[-1] if os.environ.get("OPENBLAS_CORETYPE") == "Prescott" else "Prescott"
    there = build(elsewhere.book, {**elsewhere.environment, "STATES": str(tmp_path), **arithmetic(other)})
    assert outputs.exists(), "it was not executed"
    name = f"{chapter}.html"
    assert words((site / name).read_text(), site) == words((there / name).read_text(), there)
