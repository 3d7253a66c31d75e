"""What the README of slidefig shows. ``python tests/slidefig/test_readme.py`` draws its picture anew."""

import re
from pathlib import Path
from xml.etree import ElementTree

import slidefig
from slidefig import Look, _figure, _live

README = Path(__file__).parents[2] / "lib" / "slidefig" / "README.md"
PICTURE = README.parent / "picture.svg"


def examples():
    """Run the examples, and return for each call of `explore` its arguments."""
    calls, names = [], {}
    code = "\n".join(re.findall(r"```python\n(.*?)```", README.read_text(), re.S))
    explore, slidefig.explore = slidefig.explore, lambda *draws, **grid: calls.append((draws, grid))
    try:
        exec(code, names)
    finally:
        slidefig.explore = explore
    return calls


def drawn():
    """Draw the first figure as it opens and after a move."""
    (((draw,), grid),) = examples()
    look = Look()
    ((opens, moves),) = _figure._groups([draw, draw], grid, look)
    with look._context():
        pictures = [opens.pictures()[opens.states.index(opens.opening)], moves.pictures()[0]]
    return _live.still(pictures, look) + "\n"


def texts(svg):
    return [element.text for element in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def test_the_picture_is_that_of_the_example():
    """In its words: where a line begins may differ by a tenth of a point between versions of matplotlib."""
    words = texts(drawn())
    assert texts(PICTURE.read_text()) == words
    assert words[-1] == "alpha 0.01: slope at the origin 100"
    assert len(PICTURE.read_bytes()) < 15_000


if __name__ == "__main__":
    PICTURE.write_text(drawn())
