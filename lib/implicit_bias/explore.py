"""The slider figure: one call for a notebook, for a web page without a kernel, and for paper.

A chapter writes ``explore(draw, alpha=grid)``, where ``draw(fig, alpha=...)`` is ordinary matplotlib. In a live kernel
this shows sliders that recompute. While the book is built (``IMPLICIT_BIAS_FIGURES=static``) every state is drawn
beforehand and travels in the page, where `explore.js` moves it.
"""

import functools
import gc
import hashlib
import html
import inspect
import itertools
import json
import math
import os
import traceback
from collections import Counter
from numbers import Integral, Real
from typing import ClassVar

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from implicit_bias import _svg

__all__ = ["COLORS", "DEPTH", "explore", "show_gray"]

#: What a colour means, in every chapter. In the SVG each is a CSS custom property (``--fig-depth2``), because a dark
#: page needs lighter ones. They stay apart for colour-blind readers; a line style or a marker says the same once more.
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

#: How a curve of each depth is drawn, in every chapter.
DEPTH = {
    2: {"color": COLORS["depth2"], "linestyle": "-"},
    3: {"color": COLORS["depth3"], "linestyle": "--"},
    4: {"color": COLORS["depth4"], "linestyle": "-."},
}

#: The same colours on a dark page; `explore.css` has them too, and a test compares the two.
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

_PREFIX = "FIGURE-"  # stands before every id until the whole figure is known

_CSS_COLORS = {value: f"var(--fig-{name},{value})" for name, value in COLORS.items()}
_CSS_COLORS["#000000"] = _CSS_COLORS[COLORS["ink"]]  # matplotlib's own black and white have to turn with the page

_STYLE = {
    "axes.axisbelow": True,
    "axes.edgecolor": COLORS["muted"],
    "axes.facecolor": "none",
    "axes.formatter.limits": (-4, 5),
    "axes.grid": True,
    "axes.labelcolor": COLORS["ink"],
    "axes.labelsize": 10,
    "axes.linewidth": 0.7,
    "axes.prop_cycle": mpl.cycler(color=[COLORS[name] for name in ("depth2", "depth3", "l1", "depth4", "l2", "muted")]),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titley": 1.0,
    "figure.constrained_layout.h_pad": 0.06,
    "figure.constrained_layout.w_pad": 0.06,
    "figure.edgecolor": "none",
    "figure.facecolor": "none",
    "figure.figsize": (4.2, 2.9),  # small: on a phone the letters are still of 11 pixels
    "font.size": 10,
    "grid.color": COLORS["grid"],
    "grid.linewidth": 0.6,
    "image.cmap": "viridis",
    "image.interpolation": "none",
    "legend.borderaxespad": 0.2,
    "legend.fontsize": 9.5,
    "legend.frameon": False,
    "legend.handlelength": 1.8,
    "lines.linewidth": 1.6,
    "lines.markersize": 5,
    "mathtext.fontset": "dejavusans",
    "path.simplify_threshold": 1.0,  # in the units of the SVG: a tenth of a point
    "text.color": COLORS["ink"],
    "xtick.color": COLORS["muted"],
    "xtick.labelcolor": COLORS["ink"],
    "xtick.labelsize": 9.5,
    "xtick.minor.size": 0,
    "ytick.color": COLORS["muted"],
    "ytick.labelcolor": COLORS["ink"],
    "ytick.labelsize": 9.5,
    "ytick.minor.size": 0,
}

# For each parameter: what stands beside its slider, and how a value is said in the live text.
_LABELS = {
    "alpha": ("initialization scale α", "α = {}"),
    "angles": ("directions", "{} directions"),
    "batch_size": ("batch size B", "B = {}"),
    "correlation": ("correlation of the columns", "correlation {}"),
    "depth": ("depth", "depth {}"),
    "difference": ("difference δ", "δ = {}"),
    "iterations": ("iterations k", "k = {}"),
    "m": ("measurements m", "m = {}"),
    "momentum": ("momentum β", "β = {}"),
    "n": ("dimension n", "n = {}"),
    "noise": ("noise level σ", "σ = {}"),
    "p": ("parameters p", "p = {}"),
    "rank": ("rank r", "rank {}"),
    "s": ("sparsity s", "s = {}"),
    "seed": ("random seed", "seed {}"),
    "signal": ("signal r = ‖β‖", "r = {}"),
    "step_size": ("step size η", "η = {}"),
    "t": ("time t", "t = {}"),
    "time": ("time t", "t = {}"),
}


def explore(*draws, **grid):
    """Show a figure with a slider for each parameter in `grid`.

    Parameters
    ----------
    *draws : callable
        One for each panel. ``draw(fig, alpha=..., depth=...)`` draws with matplotlib on the empty figure `fig`. Its
        further arguments name the sliders it listens to, their default values give the opening state. Its docstring is
        the alternative text of the panel. It returns a short text that says what is seen, or None; the values of the
        sliders are put before this text.
    **grid : array_like, one-dimensional
        The values of each slider, in order: numbers, strings or truth values. In a live kernel, a slider over evenly or
        geometrically spaced reals takes any value in between.

    Returns
    -------
    object
        What a notebook displays: ipywidgets, or HTML when the environment variable ``IMPLICIT_BIAS_FIGURES`` is
        ``static``. Panels that share no slider are drawn independently: their states add, and do not multiply.

    Raises
    ------
    ValueError
        If an argument does not fit; the message names it.

    Examples
    --------
    >>> import numpy as np
    >>> def draw(fig, alpha=1.0):
    ...     '''The curve tanh(x / α), which becomes a jump as α tends to zero.'''
    ...     ax = fig.subplots()
    ...     x = np.linspace(-1, 1, 101)
    ...     ax.plot(x, np.tanh(x / alpha), color=COLORS["descent"])
    ...     return f"slope at the origin {1 / alpha:.3g}"
    >>> figure = explore(draw, alpha=np.geomspace(1, 1e-3, 13))

    A figure without sliders has the same look:

    >>> figure = explore(draw)
    """
    panels = _panels(draws, {name: _Slider(name, values) for name, values in grid.items()})
    if os.environ.get("IMPLICIT_BIAS_FIGURES") == "static":
        return _StaticFigure(panels)
    return _live_figure(panels)


def show_gray(ax, image, largest=1.0):
    """Show an image as it is, grey from 0 (black) to `largest` (white), without axes.

    Parameters
    ----------
    ax : matplotlib Axes
    image : ndarray, shape (rows, columns)
        NaN is left empty.
    largest : float

    Examples
    --------
    >>> show_gray(Figure().subplots(), np.eye(3))
    """
    ax.imshow(image, cmap="gray", vmin=0, vmax=largest)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)


class _Slider:
    """A parameter and its grid."""

    def __init__(self, name, values):
        self.name = name
        self.values = _grid_values(name, values)
        word = name.replace("_", " ")
        self.label, self._sentence = _LABELS.get(name, (word, word + " {}"))
        self.opening = 0

    def say(self, value):
        return self._sentence.format(_shown(value))

    def open_at(self, value):
        """Let the slider start at the grid value nearest to `value`."""
        if value in self.values:
            self.opening = self.values.index(value)
        elif self.numbers and isinstance(value, Real):
            scale = math.log if self.geometric and value > 0 else float
            self.opening = int(np.argmin([abs(scale(v) - scale(value)) for v in self.values]))

    @property
    def numbers(self):
        return all(isinstance(v, Real) and not isinstance(v, bool) for v in self.values)

    @property
    def geometric(self):
        return self.numbers and min(self.values) > 0 and _evenly_spaced(np.log(self.values))


def _grid_values(name, values):
    if isinstance(values, str) or not np.iterable(values):
        raise ValueError(f"{name}: the values of a slider are a one-dimensional sequence, not {values!r}")
    values = [value.item() if isinstance(value, np.generic) else value for value in values]
    for value in values:
        if not isinstance(value, (Real, str)) or value != value:
            raise ValueError(f"{name}: a slider cannot take the value {value!r}")
    if len(set(values)) != len(values) or len(values) < 2:
        raise ValueError(f"{name}: a slider needs at least two values, all different, and got {values!r}")
    return values


def _evenly_spaced(values):
    steps = np.diff(values)
    return bool(np.isfinite(values).all() and np.allclose(steps, steps[0], rtol=1e-6))


class _Panel:
    """A draw function, the sliders it listens to, and its layout."""

    def __init__(self, draw, sliders, number):
        self.draw = draw
        self.sliders = sliders
        self.prefix = f"{_PREFIX}{number}-"
        self.description = " ".join((inspect.getdoc(_unwrapped(draw)) or "").split())
        if not self.description:
            raise ValueError(f"{_name(draw)}: the docstring is the alternative text of the figure and is missing")
        self._places = {}

    @property
    def opening(self):
        return tuple(slider.values[slider.opening] for slider in self.sliders)

    @property
    def states(self):
        """The values of the sliders in every state; the last slider runs fastest."""
        return list(itertools.product(*(slider.values for slider in self.sliders)))

    def lay_out(self):
        """Find one place for the axes that leaves room for the labels in the opening and in extreme states.

        Otherwise the axes would jump when a slider moves.
        """
        for state in dict.fromkeys([self.opening, self.states[0], self.states[-1]]):
            fig, _ = self._figure(state)
            self._keep(fig)

    def picture(self, state):
        """Return the tree and the live text of one state."""
        fig, text = self._figure(state)
        places = self._places.get(self._kind(fig)) or self._keep(fig)
        if fig.get_layout_engine() is not None:
            fig.set_layout_engine("none")
            for axes, (box, anchor, aspect) in zip(fig.axes, places, strict=True):
                axes.set(position=box, anchor=anchor, box_aspect=aspect)
        tree = _svg.render(fig, _CSS_COLORS, self.prefix)
        tree.attributes |= {"role": "img", "aria-label": self.description}
        said = ", ".join(slider.say(value) for slider, value in zip(self.sliders, state, strict=True))
        return tree, ": ".join(part for part in (said, text) if part)

    def _figure(self, state):
        fig = Figure(dpi=72, layout="constrained")
        _svg.Canvas(fig)
        text = self.draw(fig, **{slider.name: value for slider, value in zip(self.sliders, state, strict=True)})
        if text is not None and not isinstance(text, str):
            raise ValueError(f"{_name(self.draw)}: it has to return a text or None, not {text!r}")
        return fig, text

    @staticmethod
    def _kind(fig):
        return len(fig.axes), *fig.get_size_inches()

    def _keep(self, fig):
        """Let matplotlib lay this figure out, and shrink the places kept for such figures to what it found."""
        if fig.get_layout_engine() is not None and any(axes.get_subplotspec() for axes in fig.axes):
            fig.get_layout_engine().execute(fig)
        places = [(axes.get_position(original=True), axes.get_anchor(), axes.get_box_aspect()) for axes in fig.axes]
        kept = self._places.get(self._kind(fig), places)
        self._places[self._kind(fig)] = [
            (Bbox.intersection(box, other), anchor, aspect)
            for (box, anchor, aspect), (other, *_) in zip(places, kept, strict=True)
        ]
        return self._places[self._kind(fig)]


def _unwrapped(draw):
    while isinstance(draw, functools.partial):
        draw = draw.func
    return draw


def _name(draw):
    return getattr(_unwrapped(draw), "__name__", repr(draw))


def _panels(draws, sliders):
    if not draws:
        raise ValueError("draws: explore needs at least one function that draws")
    panels, heard = [], set()
    for draw in draws:
        if not callable(draw):
            raise ValueError(f"draws: {draw!r} cannot be called")
        try:
            _, *parameters = inspect.signature(draw).parameters.values()
        except ValueError:
            raise ValueError(f"{_name(draw)}: its first argument has to be the figure") from None
        listens = []
        for parameter in parameters:
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
                raise ValueError(f"{_name(draw)}: the sliders have to be named, instead of {parameter}")
            if parameter.name in sliders:
                listens.append(parameter.name)
                if parameter.name not in heard and parameter.default is not parameter.empty:
                    sliders[parameter.name].open_at(parameter.default)
                    heard.add(parameter.name)
            elif parameter.default is parameter.empty:
                raise ValueError(f"{parameter.name}: {_name(draw)} takes this argument, but no values are given for it")
        panels.append(_Panel(draw, [slider for name, slider in sliders.items() if name in listens], len(panels)))
    for name, slider in sliders.items():
        if not any(slider in panel.sliders for panel in panels):
            raise ValueError(f"{name}: no draw function takes this argument")
    return panels


def _groups(panels):
    """Return lists of panels such that only panels of one list share sliders."""
    groups = []
    for panel in panels:
        sharing = [group for group in groups if any(s in other.sliders for other in group for s in panel.sliders)]
        joined = [*itertools.chain(*sharing), panel]
        groups = [*(group for group in groups if group not in sharing), joined]
    return groups


def _sliders(panels):
    return list(dict.fromkeys(slider for panel in panels for slider in panel.sliders))


def _style():
    """Return a context with the style of the book, whatever the notebook has set."""
    return mpl.rc_context({**mpl.rcParamsDefault, **_STYLE, "backend": mpl.rcParams["backend"]})


# --- Numbers as text


def _decimal(value):
    """Return mantissa and exponent of `value` to three digits, as strings."""
    mantissa, exponent = f"{value:.2e}".split("e")
    return mantissa.rstrip("0").rstrip("."), int(exponent)


def _shown(value):
    """Write a value as it stands beside its slider: 0.0316, 10⁻³, 3.16·10⁻⁵, yes."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Integral):
        return str(value).replace("-", "−")
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    mantissa, exponent = _decimal(value)
    if value == 0 or (-3 if mantissa != "1" else -2) <= exponent <= 2:
        return f"{value:.3g}".replace("-", "−")
    power = "10" + str(exponent).translate(_svg.SUPERSCRIPTS)
    return power if mantissa == "1" else f"{mantissa}·{power}".replace("-", "−")


def _spoken(value):
    """Write a value for a screen reader, which may skip superscripts."""
    shown = _shown(value)
    if isinstance(value, str) or "10" not in shown or not set(shown) & set("⁰¹²³⁴⁵⁶⁷⁸⁹"):
        return shown
    mantissa, exponent = _decimal(value)
    spoken = f"10 to the power {exponent}" if mantissa == "1" else f"{mantissa} times 10 to the power {exponent}"
    return spoken.replace("-", "minus ")


# --- On the website


class _StaticFigure:
    """All states of a figure, as HTML that `explore.js` moves."""

    _made: ClassVar[Counter] = Counter()

    def __init__(self, panels):
        gc.freeze()  # figures leave many cycles, and to search all modules for them each time would take a tenth longer
        with _style():
            groups = [_StaticFigure._group(group) for group in _groups(panels)]
        gc.unfreeze()
        page = f'<div class="explore" style="--groups:{len(groups)}">{"".join(groups)}</div>'
        # Ids have to differ between the figures of a page and be the same at every build: they come from the content.
        digest = hashlib.sha256(page.encode()).hexdigest()[:8]
        self._made[digest] += 1
        prefix = f"fig-{digest}-" if self._made[digest] == 1 else f"fig-{digest}-{self._made[digest]}-"
        self._html = page.replace(_PREFIX, prefix)
        self._plain = "\n".join(panel.description for panel in panels)

    def _repr_mimebundle_(self, **_):
        return {"text/html": self._html, "text/plain": self._plain}

    @staticmethod
    def _group(panels):
        sliders = _sliders(panels)
        shown, data = [], []
        for panel in panels:
            opening = panel.states.index(panel.opening)
            panel.lay_out()
            pictures, texts = zip(*map(panel.picture, panel.states), strict=True)
            shown.append(_panel_html(pictures[opening], texts[opening], max(texts, key=len)))
            data.append(
                {
                    "sliders": [sliders.index(slider) for slider in panel.sliders],
                    "texts": texts,
                    "slots": _svg.slots(pictures, opening),
                }
            )
        controls = script = ""
        if sliders:
            name = html.escape("sliders: " + "; ".join(panel.description for panel in panels))
            inputs = "".join(_input_html(slider) for slider in sliders)
            controls = f'<div class="explore-sliders" role="group" aria-label="{name}">{inputs}</div>'
            values = [
                {"shown": list(map(_shown, slider.values)), "spoken": list(map(_spoken, slider.values))}
                for slider in sliders
            ]
            data = json.dumps({"sliders": values, "panels": data}, ensure_ascii=False, separators=(",", ":"))
            data = data.replace("</", "<\\/")  # which would end the script element
            script = f'<script type="application/json">{data}</script>'
        row = f'<div class="explore-panels" style="--panels:{len(panels)}">{"".join(shown)}</div>'
        return f'<div class="explore-group">{controls}{row}{script}</div>'


def _panel_html(tree, text, longest):
    live = ""
    if longest:
        # The longest text holds the place, so that nothing below moves.
        live = f'<output data-longest="{html.escape(longest)}"><span>{html.escape(text)}</span></output>'
    return f'<div class="explore-panel">{tree}{live}</div>'


def _input_html(slider):
    value = slider.values[slider.opening]
    return (
        f'<label><span class="explore-label">{html.escape(slider.label)}</span>'
        f'<input type="range" min="0" max="{len(slider.values) - 1}" step="1" value="{slider.opening}"'
        f' autocomplete="off" aria-valuetext="{html.escape(_spoken(value))}">'
        f'<span class="explore-value" aria-hidden="true">{html.escape(_shown(value))}</span></label>'
    )


# --- In a live kernel

# JupyterLab says on its body whether it is dark.
_LIVE_CSS = (
    "<style>body[data-jp-theme-light='false'] .explore{{{}}}.explore svg{{max-width:100%;height:auto}}</style>".format(
        "".join(f"--fig-{name}:{value};" for name, value in DARK_COLORS.items())
    )
)


def _live_figure(panels):
    import ipywidgets

    boxes = []
    for group in _groups(panels):
        controls = {slider: _widget(slider) for slider in _sliders(group)}
        views = [_live_view(panel, controls) for panel in group]
        row = ipywidgets.HBox(views, layout=ipywidgets.Layout(flex_flow="row wrap"))
        boxes.append(ipywidgets.VBox([*controls.values(), row]))
    # What is there by now, most of it modules, stays. To search it for cycles takes longer than to draw, every few moves.
    gc.collect()
    gc.freeze()
    return boxes[0] if len(boxes) == 1 else ipywidgets.VBox(boxes)


def _live_view(panel, controls):
    import ipywidgets

    view = ipywidgets.HTML()

    def show():
        state = [controls[slider].value for slider in panel.sliders]
        with _style():
            tree, text = panel.picture(state)
        live = f"<div>{html.escape(text)}</div>"
        view.value = f'<div class="explore">{_LIVE_CSS}{tree}{live}</div>'.replace(_PREFIX, f"fig-{view.model_id}-")

    def move(_):
        try:
            show()
        except Exception:  # whatever it is, a reader who moved a slider has to see it
            view.value = f"<pre>{html.escape(traceback.format_exc())}</pre>"

    show()
    for slider in panel.sliders:
        controls[slider].observe(move, "value")
    return view


def _widget(slider):
    """Return the control that fits the grid: any real in the range where the grid is evenly or geometrically spaced."""
    import ipywidgets

    look = {
        "description": slider.label,
        "style": {"description_width": "12em"},
        "layout": ipywidgets.Layout(width="32em"),
        "value": slider.values[slider.opening],
    }
    if slider.numbers and math.isfinite(sum(slider.values)):
        low, high = min(slider.values), max(slider.values)
        integers = all(isinstance(value, Integral) for value in slider.values)
        if integers and sorted(slider.values) == list(range(low, high + 1)):
            return ipywidgets.IntSlider(min=low, max=high, **look)
        if not integers and _evenly_spaced(slider.values):
            return ipywidgets.FloatSlider(min=low, max=high, step=(high - low) / 200, readout_format=".3g", **look)
        if not integers and slider.geometric:
            low, high = math.log10(low), math.log10(high)
            return ipywidgets.FloatLogSlider(min=low, max=high, step=(high - low) / 200, readout_format=".3g", **look)
    options = [(_shown(value), value) for value in slider.values]
    return ipywidgets.SelectionSlider(options=options, **look)
