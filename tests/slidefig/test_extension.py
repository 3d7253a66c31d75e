"""The extension of Sphinx: what all figures have in common stands in two files, in those and in no others."""

import re
import subprocess
import sys

import pytest
from slidefig import Look, _page

PLAIN = Look()
OTHER = Look(dark={**PLAIN.dark, "blue": "#abcdef"})


def line(fig, m=1):
    """A line."""
    fig.subplots().plot([0, m])


def build(folder):
    """Build the book in two processes, and return its pages and its style sheet."""
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-j", "2", "-b", "html", ".", "out"]
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout
    pages = {page.stem: page.read_text() for page in (folder / "out").glob("page*.html")}
    return pages, (folder / "out" / "_static" / "explore.css").read_text()


@pytest.mark.slow
def test_what_figures_have_in_common_is_in_the_files(tmp_path, monkeypatch):
    monkeypatch.setattr(_page.StaticFigure, "_carried", False)
    figures = [PLAIN.explore(line, m=[1, 2])._repr_mimebundle_()["text/html"], OTHER.explore(line, m=[1, 3]).html]
    (tmp_path / "conf.py").write_text('extensions = ["slidefig"]')
    names = [f"page{k}" for k in range(8)]  # as many as Sphinx needs before it reads them in two processes
    (tmp_path / "index.rst").write_text("Book\n====\n\n.. toctree::\n\n" + "".join(f"   {name}\n" for name in names))
    for k, name in enumerate(names):
        (tmp_path / f"{name}.html").write_text(figures[k == 5])
        (tmp_path / f"{name}.rst").write_text(f"Page {k}\n======\n\n.. raw:: html\n   :file: {name}.html\n")

    pages, css = build(tmp_path)
    looks = dict(re.findall(r"^\.(explore-[0-9a-f]{8})\{(.*)\}$", css, re.M))
    assert sorted(looks.values()) == sorted([PLAIN._css, OTHER._css])
    for name, page in pages.items():
        assert "data-slidefig" not in page and "light-dark" not in page
        assert page.count("explore.css?v=") == page.count("explore.js?v=") == 1
        (look,) = re.findall(r'<div class="explore (explore-\w+)" style="--groups:1">', page)
        assert looks[look] == (OTHER if name == "page5" else PLAIN)._css

    (tmp_path / "page5.rst").unlink()  # with it goes its look
    index = (tmp_path / "index.rst").read_text()
    (tmp_path / "index.rst").write_text(index.replace("   page5\n", ""))
    _, css = build(tmp_path)
    assert "#abcdef" not in css and PLAIN._css in css
