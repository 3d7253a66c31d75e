"""The look of the figures of the book: what colours, line styles and the words beside a slider mean, in every chapter.

`explore` and `states` are those of the package `slidefig`, with this look.
"""

from collections.abc import Callable
from pathlib import Path

from numpy.typing import ArrayLike

from ._extras import extra

with extra("figures"):
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from slidefig import Look

__all__ = ["COLORS", "DARK_COLORS", "DEPTH", "above_rounding", "explore", "save", "show_gray", "states"]

#: What a colour means. In a figure each turns with the page, because a dark one needs lighter colours. They stay apart for
#: colour-blind readers; a line style or a marker says the same once more.
COLORS = {
    "ink": "#1f2328",  # text, axes, what has no other meaning
    "muted": "#6a737d",  # what may be overlooked
    "grid": "#d8dce1",
    "paper": "#ffffff",  # the page: the inside of open markers
    "truth": "#3b434d",  # the vector or matrix that was measured
    "descent": "#2a86c0",  # a path of gradient descent or of the flow
    "l1": "#008562",  # the smallest l1-norm, basis pursuit
    "l2": "#a87000",  # the smallest l2-norm
    "bound": "#59616b",  # what a theorem promises
    "depth2": "#0072b2",
    "depth3": "#d55e00",
    "depth4": "#a64d8d",
    "warn": "#c8102e",  # noise, divergence, a hypothesis that fails
}

#: The same colours on a dark page.
DARK_COLORS = {
    "ink": "#e3e6ea",
    "muted": "#98a1ab",
    "grid": "#3a3f46",
    "paper": "#131416",
    "truth": "#c3cad2",
    "descent": "#7cc4f0",
    "l1": "#35c79c",
    "l2": "#e6b54a",
    "bound": "#a8b0ba",
    "depth2": "#56a9e8",
    "depth3": "#ff8c42",
    "depth4": "#dd8fc6",
    "warn": "#ff6b74",
}

#: How a curve of each depth is drawn.
DEPTH = {
    2: {"color": COLORS["depth2"], "linestyle": "-"},
    3: {"color": COLORS["depth3"], "linestyle": "--"},
    4: {"color": COLORS["depth4"], "linestyle": "-."},
}

# For each parameter: what stands beside its slider, and how a value is said in the live text.
LABELS = {
    "R": ("size R of an entry", "R = {}"),
    "alpha": ("initialization scale α", "α = {}"),
    "angles": ("directions", "{} directions"),
    "batch_size": ("batch size B", "B = {}"),
    "c": ("factor c", "c = {}"),
    "correlation": ("correlation of the columns", "correlation {}"),
    "decay": ("weight decay λ", "λ = {}"),
    "depth": ("depth", "depth {}"),
    "difference": ("difference δ", "δ = {}"),
    "first": ("first weight w₁", "w₁ = {}"),
    "iterations": ("iterations k", "k = {}"),
    "m": ("measurements m", "m = {}"),
    "momentum": ("momentum β", "β = {}"),
    "n": ("dimension n", "n = {}"),
    "noise": ("noise level σ", "σ = {}"),
    "p": ("parameters p", "p = {}"),
    "power": ("exponent p", "p = {}"),
    "r": ("accuracy r", "r = {}"),
    "rank": ("rank r", "rank {}"),
    "s": ("sparsity s", "s = {}"),
    "seed": ("random seed", "seed {}"),
    "share": ("relative step size", "relative step {}"),
    "signal": ("signal r = ‖β‖", "r = {}"),
    "step_size": ("step size η", "η = {}"),
    "t": ("time t", "t = {}"),
    "tau": ("time τ", "τ = {}"),
    "time": ("time t", "t = {}"),
    "x": ("number x", "x = {}"),
}

CYCLE = ("depth2", "depth3", "l1", "depth4", "l2", "muted")
LOOK = Look(COLORS, DARK_COLORS, CYCLE, LABELS, played=("iterations", "t", "tau", "time"))
explore = LOOK.explore
states = LOOK.states


def show_gray(ax: Axes, image: ArrayLike, largest: float = 1.0) -> None:
    """Show an image as it is, grey from 0 (black) to `largest` (white), without axes.

    Parameters
    ----------
    ax : matplotlib Axes
    image : ndarray, shape (rows, columns)
        NaN is left empty.
    largest : float

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> show_gray(Figure().subplots(), [[0.0, 1.0], [1.0, 0.0]])
    """
    ax.imshow(image, cmap="gray", vmin=0, vmax=largest)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)


def save(draw: Callable[[Figure], object], path: str | Path) -> None:
    """Draw a picture without sliders into a file, of the kind that its name says.

    Parameters
    ----------
    draw : callable
        Called with a figure of matplotlib.
    path : str or Path

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     save(lambda fig: fig.subplots().plot([1.0, 2.0]), f"{folder}/line.svg")
    """
    fig = Figure(figsize=(8, 4), layout="constrained")
    draw(fig)
    fig.savefig(path)


def above_rounding(value: float, floor: float = 1e-12, digits: int = 2) -> str:
    """Write a small number with the digits that do not depend on the processor: below `floor` there are none.

    Examples
    --------
    >>> above_rounding(0.0123), above_rounding(8.7e-14)
    ('0.012', 'below 1e-12')
    """
    return f"below {floor:.0e}" if value < floor else f"{value:.{digits}g}"
