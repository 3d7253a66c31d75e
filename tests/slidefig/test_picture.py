"""What a browser shows of a figure is what matplotlib itself draws, for all kinds of marks that it knows."""

import io

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from PIL import Image
from scipy.ndimage import uniform_filter
from slidefig import _svg

SIZE = (3.0, 2.0)  # in inches, whole ones: a tile of hatches begins at another edge than matplotlib's
SCALE = 2  # pixels in a point
LARGEST = 0.2  # a frame that lies a pixel beside the other differs by 0.15, dashes of another length by 0.6
X = np.linspace(0, 1, 60)
WAVE = np.sin(9 * X)


def image_in_a_circle(ax):
    ax.imshow(np.arange(12.0).reshape(3, 4)).set_clip_path(Circle((1, 1), 1.4, transform=ax.transData))


def beyond_the_edge(ax):
    ax.plot(X * 40 - 20, WAVE * 30, "o-")
    ax.set(xlim=(0, 1), ylim=(-1, 1))


KINDS = {
    "dashes": lambda ax: [
        ax.plot(X, WAVE + k, ls=style, lw=3) for k, style in enumerate(("--", "-.", ":", (2, (8, 3))))
    ],
    "caps": lambda ax: ax.plot(X[::8], WAVE[::8], lw=14, solid_capstyle="projecting", solid_joinstyle="miter"),
    "markers": lambda ax: [ax.plot(X[::6], WAVE[::6] + k, m, ms=9, mfc="none") for k, m in enumerate("osv*d^")],
    "scatter": lambda ax: ax.scatter(X, WAVE, s=400 * X, c=X, alpha=0.4, edgecolor="black"),
    "beyond the edge": beyond_the_edge,
    "hatch": lambda ax: ax.bar([0, 1], [1, 2], hatch="//", color="white", edgecolor="black"),
    "bands": lambda ax: ax.fill_between(X, WAVE, WAVE - X, alpha=0.5),
    "mesh": lambda ax: ax.pcolormesh(np.outer(X[::9], X[::9])),
    "contours": lambda ax: (ax.contourf(np.outer(WAVE, X)), ax.contour(np.outer(X, X), colors="black")),
    "image": image_in_a_circle,
    "gaps": lambda ax: ax.plot(X, np.where(abs(X - 0.5) < 0.1, np.nan, WAVE), lw=4),
    "steps": lambda ax: (ax.step(X[::6], WAVE[::6], lw=2), ax.vlines(X[::6], 0, WAVE[::6]), ax.grid(visible=True)),
}


def brightness(png):
    """The image as numbers between 0 and 1 for each colour, blurred, since no two programs smooth an edge in the same way."""
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), dtype=float) / 255
    return uniform_filter(pixels, size=(7, 7, 1))


@pytest.mark.parametrize("kind", KINDS)
def test_a_browser_shows_what_matplotlib_draws(browser, kind):
    fig = Figure(SIZE, dpi=72)
    ax = fig.subplots()
    KINDS[kind](ax)
    ax.tick_params(labelbottom=False, labelleft=False)  # letters are those of the page
    agg = io.BytesIO()
    fig.savefig(agg, dpi=72 * SCALE)

    width, height = (round(72 * SCALE * inches) for inches in SIZE)
    page = browser.new_page(viewport={"width": width, "height": height})
    page.set_content(
        f"<style>body {{margin: 0}} svg {{width: 100vw; height: 100vh}}</style>{_svg.render(fig, {}, 'x')}"
    )
    shown = brightness(page.screenshot())
    page.close()
    assert np.abs(shown - brightness(agg.getvalue())).max() < LARGEST
