"""The picture that a messenger shows beside a link to the book: its title and its logo, drawn when the site has an address."""

from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.patches import Circle, PathPatch
from matplotlib.path import Path as Line
from sphinx.application import Sphinx

NAME, SIZE = "card.png", (1200, 630)
WORDS = "The title of the book beside its logo: the path of gradient descent bends to the corner of a square."


def draw(title: str, below: str, target: Path):
    figure = Figure(figsize=(SIZE[0] / 100, SIZE[1] / 100), dpi=100, facecolor="white")
    logo = figure.add_axes((0.06, 0.3, 0.21, 0.4), xlim=(0, 32), ylim=(32, 0))
    logo.set_aspect("equal")
    logo.set_axis_off()
    curve = Line([(16, 20.5), (21.5, 18.5), (19, 13), (16, 8.3)], [Line.MOVETO, *[Line.CURVE4] * 3])
    square = Line([(16, 8.3), (26.8, 19.1), (16, 29.9), (5.2, 19.1), (16, 8.3)], closed=True)
    for path, colour, width in (
        (Line([(2, 3.5), (30, 13)]), "#3b434d", 9),
        (square, "#008562", 11),
        (curve, "#2a86c0", 14),
    ):
        logo.add_patch(PathPatch(path, fill=False, edgecolor=colour, linewidth=width, capstyle="round"))
    logo.add_patch(Circle((16, 8.3), 3.2, color="#2a86c0"))
    look = {"x": 0.32, "family": "cmr10", "color": "#1f2328"}
    first, second = title.rsplit(" of ", 1) if " of " in title else (title, "")
    figure.text(y=0.62, s=first, fontsize=52, **look)
    figure.text(y=0.46, s=f"of {second}" if second else "", fontsize=52, **look)
    figure.text(y=0.32, s=below, fontsize=26, **look)
    figure.savefig(target, metadata={"Software": None})


def put_into_site(app: Sphinx, exception: Exception | None):
    if not exception and app.builder.name == "html" and app.config.site_url:
        draw(app.config.html_title, "Lecture notes that run", Path(app.outdir) / "_static" / NAME)


def setup(app: Sphinx):
    app.connect("build-finished", put_into_site)
