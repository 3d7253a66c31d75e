"""The code in the solutions of the exercises runs, in the namespace that a reader has at the end of the chapter.

Where an exercise has a check, its solution calls it and passes.
"""

import contextlib
import io
import re

import pytest
from book.sources import without_shown_code
from implicit_bias import check

from tests.shared import CHAPTERS, CHECKS, executed, without_figures

BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def solutions(path):
    """The Python blocks of a chapter, which are not executed when the book is built; none of a page that only shows some."""
    text = path.read_text(encoding="utf-8")
    return BLOCK.findall(text) if "{solution}" in without_shown_code(text) else []


def record_verdicts(monkeypatch):
    """Return a list to which every check that is called adds its name and verdict."""
    verdicts = []

    def recording(name, function):
        def call(*answers):
            verdicts.append((name, function(*answers)))
            return verdicts[-1][1]

        return call

    for name, function in CHECKS.items():
        monkeypatch.setattr(check, name, recording(name, function))
    return verdicts


@pytest.fixture
def ended(path):
    """A chapter at its end; afterwards its names are as they were."""
    chapter = executed(path)
    names = dict(chapter.names)
    yield chapter
    chapter.names.clear()
    chapter.names.update(names)


@pytest.mark.slow
@pytest.mark.parametrize("path", [p for p in sorted(CHAPTERS.rglob("*.md")) if solutions(p)], ids=lambda p: p.stem)
@pytest.mark.filterwarnings("ignore:gradient_descent. Diverged")  # an exercise asks for it
def test_solutions_run(path, ended, monkeypatch):
    verdicts = record_verdicts(monkeypatch)
    printed = io.StringIO()
    with without_figures(), contextlib.redirect_stdout(printed):
        for code in solutions(path):
            exec(compile(code, f"{path}: solution", "exec"), ended.names)
    assert "nan" not in ended.printed + printed.getvalue()
    text = path.read_text(encoding="utf-8")
    checked = {name for name in CHECKS if re.search(rf"^:label: ex-{name.replace('_', '-')}$", text, re.M)}
    assert checked == {name for name, _ in verdicts}
    assert all(verdict for _, verdict in verdicts), verdicts
