"""Whoever builds the book gets the same site: on one machine byte by byte, on another the same text."""

import html
import json
import os
import re
import shutil

import pytest

from tests.arithmetic import arithmetic, kernels
from tests.shared import ROOT
from tests.site.conftest import build

pytestmark = pytest.mark.slow


def files(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.xdist_group("elsewhere")
def test_a_clean_build_elsewhere_gives_the_same_bytes(site, elsewhere):
    html, _ = elsewhere
    here, there = files(site), files(html)
    assert here.keys() == there.keys()
    assert [name for name in here if here[name] != there[name]] == [], "if you have not just run make clean book, do"
    assert [name for name in there if str(html.parents[2]).encode() in there[name]] == []


def words(page):
    """What is read on a page: its text without the pictures, and the live texts of all states of its figures."""
    tables = re.findall(r'<script type="application/json">(.*?)</script>', page, re.S)
    live = [panel["texts"] for table in tables for panel in json.loads(table)["panels"]]
    article = page[page.index("<article") : page.index("</article>")]
    text = re.sub(r"<(script|style|svg)\b.*?</\1>", "", article, flags=re.S)
    return html.unescape(re.sub(r"<[^>]*>", " ", text)).split(), live


@pytest.mark.skipif(not kernels(), reason="the kernels of OpenBLAS to compare are those of x86-64")
def test_another_processor_gives_the_same_text(site, tmp_path):
    """The chapter with the most that rounding can reach is executed in the arithmetic of another processor."""
    chapter = "chapters/nnls"
    outputs = shutil.copytree(ROOT / "_build" / "outputs", tmp_path / "outputs")
    (outputs / f"{chapter}.ipynb").unlink()
    other = kernels()[-1] if os.environ.get("OPENBLAS_CORETYPE") == "Prescott" else "Prescott"
    there = build(tmp_path / "book", arithmetic(other), outputs=outputs)
    assert (there.parent / "outputs" / f"{chapter}.ipynb").exists(), "it was not executed"
    name = f"{chapter}.html"
    assert words((site / name).read_text()) == words((there / name).read_text())
