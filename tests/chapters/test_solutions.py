"""The code in the solutions of the exercises runs, in the namespace that a reader has at the end of the chapter.

Where an exercise has a check, its solution calls it and passes.
"""

import contextlib
import inspect
import io
import re
from pathlib import Path

import implicit_bias.look
import jupytext
import pytest
from implicit_bias import check

CHAPTERS = Path(__file__).parents[2] / "chapters"
CHECKS = [
    name
    for name, function in inspect.getmembers(check, inspect.isfunction)
    if function.__module__ == check.__name__ and not name.startswith("_")
]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def solutions(path):
    """The Python blocks of a chapter, which are not executed when the book is built."""
    return BLOCK.findall(path.read_text(encoding="utf-8"))


def record_verdicts(monkeypatch):
    """Return a list to which every check that is called adds its name and verdict."""
    verdicts = []

    def recording(name, function):
        def call(*answers):
            verdicts.append((name, function(*answers)))
            return verdicts[-1][1]

        return call

    for name in CHECKS:
        monkeypatch.setattr(check, name, recording(name, getattr(check, name)))
    return verdicts


@pytest.mark.slow
@pytest.mark.parametrize("path", [p for p in sorted(CHAPTERS.rglob("*.md")) if solutions(p)], ids=lambda p: p.stem)
@pytest.mark.filterwarnings("ignore:gradient_descent. Diverged")  # an exercise asks for it
def test_solutions_run(path, monkeypatch):
    # The figures are drawn when the book is built, and compared with the page in tests/site.
    monkeypatch.setattr(implicit_bias.look, "explore", lambda *draws, **grid: None)
    monkeypatch.setattr("myst_nb.glue", lambda *args, **kwargs: None)
    verdicts = record_verdicts(monkeypatch)
    namespace = {}
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        for cell in jupytext.read(path).cells:
            if cell.cell_type == "code":
                exec(compile(cell.source, str(path), "exec"), namespace)
        for code in solutions(path):
            exec(compile(code, f"{path}: solution", "exec"), namespace)
    assert "nan" not in printed.getvalue()
    text = path.read_text(encoding="utf-8")
    checked = {name for name in CHECKS if re.search(rf"^:label: ex-{name.replace('_', '-')}$", text, re.M)}
    assert checked == {name for name, _ in verdicts}
    assert all(verdict for _, verdict in verdicts), verdicts
