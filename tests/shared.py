"""What several test files need: where the book is, its chapters, their cells executed once."""

import contextlib
import functools
import inspect
import io
from pathlib import Path
from typing import NamedTuple

import implicit_bias.look
import jupytext
import pytest
from book.sources import has_cells, without_shown_code
from implicit_bias import check

ROOT = Path(__file__).parents[1]
CHAPTERS = ROOT / "chapters"
DECKS = sorted(path.stem for path in (CHAPTERS / "seminar" / "slides").glob("*.md"))
MOVING = sorted(path.stem for path in CHAPTERS.glob("*.md") if has_cells(path.read_text(encoding="utf-8")))
EXERCISED = sorted(path.stem for path in CHAPTERS.glob("*.md") if "{exercise}" in without_shown_code(path.read_text()))
CHECKS = {
    name: function
    for name, function in inspect.getmembers(check, inspect.isfunction)
    if function.__module__ == check.__name__ and not name.startswith("_")
}


class Executed(NamedTuple):
    """A chapter at its end: the names it has defined, the sliders of each figure, and what it has printed."""

    names: dict
    grids: dict
    printed: str


@contextlib.contextmanager
def without_figures(note=lambda *draws, **grid: None):
    """Within it, `explore` draws nothing: the figures are compared with the page in tests/site."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(implicit_bias.look, "explore", note)
        patch.setattr("myst_nb.glue", lambda *args, **kwargs: None)
        yield


@functools.cache
def executed(path: Path) -> Executed:
    names, grids, printed = {}, {}, io.StringIO()
    with (
        without_figures(lambda *draws, **grid: grids.update(dict.fromkeys(draws, grid))),
        contextlib.redirect_stdout(printed),
    ):
        for cell in jupytext.read(path).cells:
            if cell.cell_type == "code":
                exec(compile(cell.source, str(path), "exec"), names)
    return Executed(names, grids, printed.getvalue())
