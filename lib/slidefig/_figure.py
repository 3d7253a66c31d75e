"""What a figure is: sliders, panels that listen to them, and the look that a book gives to all."""

import copy
import functools
import inspect
import itertools
import json
import math
import re
import sys
from numbers import Integral, Real
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from matplotlib.transforms import Bbox

from slidefig import _svg
from slidefig._page import NO_PREFIX, StaticFigure
from slidefig._values import shown, with_powers

# The names that every look has: letters and axes, what may be overlooked, the lines of a grid, the page.
_NEEDED = ("ink", "muted", "grid", "paper")

# They stay apart for colour-blind readers, and stand out from the page as WCAG asks.
_COLORS = {
    "ink": "#1f2328",
    "muted": "#6a737d",
    "grid": "#d8dce1",
    "paper": "#ffffff",
    "blue": "#0072b2",
    "orange": "#d55e00",
    "green": "#008562",
    "purple": "#a64d8d",
    "gold": "#a87000",
}
_DARK = {
    "ink": "#e3e6ea",
    "muted": "#98a1ab",
    "grid": "#3a3f46",
    "paper": "#131416",
    "blue": "#56a9e8",
    "orange": "#ff8c42",
    "green": "#35c79c",
    "purple": "#dd8fc6",
    "gold": "#e6b54a",
}

_STYLE = {
    "axes.axisbelow": True,
    "axes.facecolor": "none",
    "axes.formatter.limits": (-4, 5),
    "axes.grid": True,
    "axes.labelsize": 10,
    "axes.linewidth": 0.7,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titley": 1.0,
    "figure.constrained_layout.h_pad": 0.06,
    "figure.constrained_layout.w_pad": 0.06,
    "figure.edgecolor": "none",
    "figure.facecolor": "none",
    "figure.figsize": (4.2, 2.9),  # small: on a phone the letters are still of 11 pixels
    "font.size": 10,
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
    "xtick.labelsize": 9.5,
    "xtick.minor.size": 0,
    "ytick.labelsize": 9.5,
    "ytick.minor.size": 0,
}


_watching = []


def watch(saw):
    """Let a function see every picture that is drawn from now on, for tests of a book.

    Parameters
    ----------
    saw : callable
        Called as ``saw(draw, state)`` with the function that draws and a `State`, in the order of drawing. A page shows
        some pictures only in part, and some not at all: this is what they were.

    Returns
    -------
    callable
        Without arguments; it ends the watch.

    Examples
    --------
    >>> def draw(fig, m=1):
    ...     '''A line of slope m.'''
    ...     fig.subplots().plot([0, m])
    ...     return f"slope {m}"
    >>> seen = []
    >>> end = watch(lambda draw, state: seen.append((draw.__name__, state.values, state.text)))
    >>> _ = states(draw, m=[1, 2])
    >>> end()
    >>> seen
    [('draw', {'m': 1}, 'm 1: slope 1'), ('draw', {'m': 2}, 'm 2: slope 2')]
    """
    _watching.append(saw)
    return functools.partial(_watching.remove, saw)


class State(NamedTuple):
    """A panel at one place of its sliders, as `states` returns it."""

    values: dict  #: the value of each slider by its name
    svg: str  #: the picture; its ids begin with nothing, where on a page `ID_PREFIX` stands
    text: str  #: what stands below


class Look:
    """How the figures of a book look, and how their sliders are called.

    Parameters
    ----------
    colors : dict of str to str, optional
        Hexadecimal colours of a light page by name. ``ink``, ``muted``, ``grid`` and ``paper`` have to be among them. What
        is drawn in one of these colours turns with the page; other colours are the same everywhere.
    dark : dict of str to str, optional
        The same names with their colours on a dark page.
    cycle : sequence of str, optional
        The names of the colours that matplotlib takes in turn, its ``C0``, ``C1`` and so on. The first is that of the
        controls, too.
    labels : dict of str to (str, str), optional
        For the name of an argument, what stands beside its slider, and how a value is said in the text below the figure:
        ``{"alpha": ("initialization scale α", "α = {}")}``. Without it this is the name itself.
    style : dict, optional
        Settings of matplotlib (``rcParams``), such as line styles, that go before those of this package.
    played : collection of str, optional
        The names of arguments that are a time: a button beside their sliders lets them run.

    Raises
    ------
    ValueError
        If an argument does not fit; the message names it.

    Examples
    --------
    >>> look = Look(labels={"alpha": ("step α", "α = {}")}, style={"lines.linewidth": 2.5})
    >>> explore = look.explore
    """

    def __init__(self, colors=_COLORS, dark=_DARK, cycle=None, labels=None, style=None, played=()):
        for argument, table in (("colors", colors), ("dark", dark)):
            wrong = [name for name, color in table.items() if not re.fullmatch("#[0-9a-f]{6}", str(color))]
            if wrong:
                raise ValueError(f"{argument}: a colour is written like #1f2328, and {wrong[0]} is {table[wrong[0]]!r}")
            if wrong := [name for name in table if not re.fullmatch(r"\w+", name)]:
                raise ValueError(
                    f"{argument}: the name of a colour has letters, digits and _ only, unlike {wrong[0]!r}"
                )
            if missing := [name for name in {**dict.fromkeys(_NEEDED), **colors} if name not in table]:
                raise ValueError(f"{argument}: there is no colour {missing[0]!r}")
        if len(set(colors.values())) != len(colors):
            raise ValueError("colors: two names have the same colour, and could not differ on a dark page")
        self.cycle = tuple(cycle or (name for name in colors if name not in _NEEDED))
        if missing := [name for name in self.cycle if name not in colors]:
            raise ValueError(f"cycle: there is no colour {missing[0]!r} in colors")
        if not self.cycle:
            raise ValueError("cycle: it needs a colour, that of the first curve and of the controls")
        for name, pair in (labels or {}).items():
            if isinstance(pair, str) or len(pair) != 2 or "{}" not in pair[1]:
                raise ValueError(f"labels: {name} needs a pair such as ('step size η', 'η = {{}}'), and has {pair!r}")
        if isinstance(played, str):
            raise ValueError(f"played: it takes names of arguments, such as {{{played!r}}}, and not a text")
        self.colors, self.dark, self.played = dict(colors), dict(dark), frozenset(played)
        self.labels, self.style = dict(labels or {}), dict(style or {})

    def explore(self, *draws, linked=(), ends=None, **grid):
        """Show a figure with a slider for each parameter in `grid`.

        Parameters
        ----------
        *draws : callable
            One for each panel. ``draw(fig, alpha=..., depth=...)`` draws with matplotlib on the empty figure `fig`. Its
            further arguments name the sliders it listens to, their default values give the opening state. Its docstring
            is the alternative text of the panel. It returns a short text that says what is seen, or None; the values of
            the sliders are put before this text, and 7.9e+03 in it becomes 7.9·10³. On a page, values can be read off the
            lines that are drawn in the units of the axes, and a marker whose ``gid`` is ``"drag"`` can be dragged to the
            places that it has in other states.
        linked : str or collection of str, optional
            The names of sliders that, on a page, move together with those of the same name in its other figures that are
            linked, too.
        ends : mapping of str to two str, optional
            By the name of a slider, words below its left and its right end, on a page.
        **grid : array_like, one-dimensional
            The values of each slider: numbers, strings or truth values. Of numbers the larger is on the right, in
            whatever order they come. In a live kernel, a slider over evenly or geometrically spaced reals takes any
            value in between. Words, truth values and at most three integers are a row of buttons instead.

        Returns
        -------
        object
            What a notebook displays: sliders that recompute where someone sits before the kernel, else HTML with all
            states. Panels that share no slider are drawn independently: their states add, and do not multiply.

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
        ...     ax.plot(x, np.tanh(x / alpha), color="C0")
        ...     return f"slope at the origin {1 / alpha:.3g}"
        >>> figure = explore(draw, alpha=np.geomspace(1, 1e-3, 13))

        A figure without sliders has the same look:

        >>> figure = explore(draw)
        """
        groups = _groups(draws, grid, self, linked, ends)
        if not _is_live():
            return StaticFigure(groups, self)
        from slidefig._live import LiveFigure  # where nobody moves a widget, none is imported

        return LiveFigure(groups, self)

    def states(self, *draws, linked=(), ends=None, **grid):
        """Draw every state of a figure, for tests.

        Parameters
        ----------
        *draws, linked, ends, **grid
            As for `explore`.

        Returns
        -------
        list of list of list of State
            For each group of panels that share sliders, for each of its panels, the states; the last slider runs
            fastest. Panels that share no slider are in different groups, in the order in which the page has them.

        Examples
        --------
        >>> def draw(fig, m=1):
        ...     '''A line of slope m.'''
        ...     fig.subplots().plot([0, m])
        ...     return f"slope {m}"
        >>> [[panel]] = states(draw, m=[1, 2])
        >>> [state.text for state in panel]
        ['m 1: slope 1', 'm 2: slope 2']
        """

        def of(panel):
            names = [slider.name for slider in panel.sliders]
            return [
                State(dict(zip(names, values, strict=True)), str(tree).replace(NO_PREFIX, ""), text)
                for values, (tree, text) in zip(panel.states, panel.pictures(), strict=True)
            ]

        groups = _groups(draws, grid, self, linked, ends)
        with self._context():
            return [[of(panel) for panel in group] for group in groups]

    @property
    def _css(self):
        """The colours as custom properties; whether the page is dark, its ``color-scheme`` says."""
        pairs = "".join(f"--fig-{name}:light-dark({color},{self.dark[name]});" for name, color in self.colors.items())
        return f"{pairs}--fig-accent:var(--fig-{self.cycle[0]})"

    @property
    def _replaced(self):
        """What is written in a picture for each colour."""
        table = {color: f"var(--fig-{name},{color})" for name, color in self.colors.items()}
        # matplotlib's own black and white have to turn with the page
        return {"#000000": table[self.colors["ink"]], "#ffffff": table[self.colors["paper"]], **table}

    def _context(self):
        """Return a context with this style, whatever the notebook has set."""
        colors = self.colors
        colored = {
            "axes.edgecolor": colors["muted"],
            "axes.labelcolor": colors["ink"],
            "axes.prop_cycle": mpl.cycler(color=[colors[name] for name in self.cycle]),
            "grid.color": colors["grid"],
            "text.color": colors["ink"],
            "xtick.color": colors["muted"],
            "xtick.labelcolor": colors["ink"],
            "ytick.color": colors["muted"],
            "ytick.labelcolor": colors["ink"],
        }
        own = {**_STYLE, **colored, **self.style, "backend": mpl.rcParams["backend"]}
        return mpl.rc_context({**mpl.rcParamsDefault, **own})


def _is_live():
    """Tell whether someone sits before this kernel, for whom a slider can recompute.

    Programs that execute a notebook (nbconvert, MyST-NB, nbsphinx, Voilà) tell the kernel that nobody can be asked for
    input; the interfaces to people do not.
    """
    if "IPython" not in sys.modules:
        return False
    kernel = getattr(sys.modules["IPython"].get_ipython(), "kernel", None)
    return kernel is not None and getattr(kernel, "_allow_stdin", True)


class _Slider:
    """A parameter and its grid."""

    def __init__(self, name, values, look, linked, ends):
        self.name, self.played, self.linked, self.ends = name, name in look.played, linked, ends
        self.values = _grid_values(name, values)
        first = self.values[0]
        if self.numbers:
            self.values.sort()  # one direction in all figures, that of an axis
        word = name.replace("_", " ")
        self.label, self._sentence = look.labels.get(name, (word, word + " {}"))
        self.opening = self.values.index(first)

    def say(self, value):
        return self._sentence.format(shown(value))

    def nearest(self, value):
        """Return the position of the grid value nearest to `value`, or None where nothing is near."""
        if value in self.values:
            return self.values.index(value)
        if self.numbers and isinstance(value, Real):
            scale = math.log if self.geometric and value > 0 else float
            return int(np.argmin([abs(scale(v) - scale(value)) for v in self.values]))
        return None

    def open_at(self, value):
        """Let the slider start at the grid value nearest to `value`."""
        position = self.nearest(value)
        if position is not None:
            self.opening = position

    @property
    def numbers(self):
        return all(isinstance(v, Real) and not isinstance(v, bool) for v in self.values)

    @property
    def choice(self):
        """Whether there is nothing between the values, and they are few: buttons say so, and a slider would not."""
        few = len(self.values) <= 3 and all(isinstance(value, Integral) for value in self.values)
        return not self.played and (few or not self.numbers)

    @property
    def even(self):
        return _evenly_spaced(self.values)

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

    def __init__(self, draw, sliders, number, colors):
        self.draw, self.sliders, self.colors = draw, sliders, colors
        self.prefix = f"{NO_PREFIX}{number}-"
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

    def pictures(self):
        """Return tree and live text of every state.

        The axes have one place in all, which leaves room for the labels in the opening and in extreme states: they would
        jump otherwise when a slider moves.
        """
        ends = dict.fromkeys([self.opening, self.states[0], self.states[-1]])
        laid_out = {state: self.laid_out(state) for state in ends}
        return [self.picture(laid_out.pop(state, None) or self._figure(state), state) for state in self.states]

    def laid_out(self, state):
        """Return figure and text of one state, and let the axes of all later pictures leave room for its labels."""
        fig, text = self._figure(state)
        self._keep(fig)
        return fig, text

    def picture(self, drawn, state):
        """Return the tree and the live text of one state, whose figure and text are given."""
        fig, text = drawn
        places = self._places.get(self._kind(fig)) or self._keep(fig)
        if fig.get_layout_engine() is not None:
            fig.set_layout_engine("none")
            for axes, (box, anchor, aspect) in zip(fig.axes, places, strict=True):
                axes.set(position=box, anchor=anchor, box_aspect=aspect)
        for axes in fig.axes:
            for line in axes.lines:
                if line.get_gid() is None and line.get_transform() == axes.transData and line.get_linestyle() != "None":
                    line.set_gid("curve")
        tree = _svg.render(fig, self.colors, self.prefix)
        tree.attributes |= {"role": "img", "aria-label": self.description}
        if scales := [scale for axes in fig.axes if (scale := _scale(axes))]:
            tree.attributes["data-axes"] = json.dumps(scales, ensure_ascii=False, separators=(",", ":"))
        if text:  # without it the values would say once more what the sliders say
            said = ", ".join(slider.say(value) for slider, value in zip(self.sliders, state, strict=True))
            text = ": ".join(part for part in (said, with_powers(text)) if part)
        for saw in _watching:
            values = {slider.name: value for slider, value in zip(self.sliders, state, strict=True)}
            saw(self.draw, State(values, str(tree).replace(NO_PREFIX, ""), text or ""))
        return tree, text or ""

    def _figure(self, state):
        fig = Figure(dpi=72, layout="constrained")
        _svg.Canvas(fig)
        text = self.draw(fig, **{slider.name: value for slider, value in zip(self.sliders, state, strict=True)})
        if text is not None and not isinstance(text, str):
            raise ValueError(f"{_name(self.draw)}: it has to return a text or None, not {text!r}")
        _leave_out_invisible_ticks(fig)
        _fill_in_ticks(fig)
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


def _scale(axes):
    """Return where axes with curves lie in the SVG, and for each direction its label, whether it is logarithmic, its ends."""
    if not any(line.get_gid() == "curve" for line in axes.lines):
        return None
    directions = []
    for axis, label, ends in (
        (axes.xaxis, axes.get_xlabel(), axes.get_xlim()),
        (axes.yaxis, axes.get_ylabel(), axes.get_ylim()),
    ):
        if axis.get_scale() not in ("linear", "log"):
            return None
        word = "" if "$" in label else label
        directions.append([word, int(axis.get_scale() == "log"), *(float(f"{end:.6g}") for end in ends)])
    height = axes.figure.get_figheight() * 72
    (left, bottom), (right, top) = axes.bbox.get_points()
    return [round(value * _svg.UNIT) for value in (left, height - bottom, right, height - top)] + directions


def _leave_out_invisible_ticks(fig):
    """Take away the small ticks of logarithmic axes over two decades: they have neither size nor label, and matplotlib spends a
    third of its time on them."""
    for axes in fig.axes:
        for axis, limits in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
            sizeless = mpl.rcParams.get(f"{axis.axis_name}tick.minor.size") == 0  # a polar axis has no setting
            if sizeless and axis.get_scale() == "log" and max(limits) > 100 * min(limits):
                axis.set_minor_locator(NullLocator())


def _fill_in_ticks(fig):
    """Copy the first tick of each axis as often as matplotlib would make one anew, on which it spends a third of its time.

    Not those of other projections, which have more parts.
    """
    for axes in fig.axes:
        for axis in (axes.xaxis, axes.yaxis) if axes.name == "rectilinear" else ():
            for _ in range(len(axis.majorTicks), len(axis.get_majorticklocs())):
                tick = copy.copy(axis.majorTicks[0])
                for part in ("tick1line", "tick2line", "gridline", "label1", "label2"):
                    setattr(tick, part, copy.copy(getattr(tick, part)))
                axis.majorTicks.append(tick)


def _unwrapped(draw):
    while isinstance(draw, functools.partial):
        draw = draw.func
    return draw


def _name(draw):
    return getattr(_unwrapped(draw), "__name__", repr(draw))


def _groups(draws, grid, look, linked=(), ends=None):
    """Return lists of panels such that only panels of one list share sliders."""
    linked = {linked} if isinstance(linked, str) else set(linked)
    if missing := sorted(linked - set(grid)):
        raise ValueError(f"linked: it names sliders of this figure, and there is none for {missing[0]!r}")
    ends = dict(ends or {})
    for name, words in ends.items():
        if name not in grid or isinstance(words, str) or len(words) != 2:
            raise ValueError(f"ends: it takes two words for a slider of this figure, not {words!r} for {name!r}")
    sliders = {name: _Slider(name, values, look, name in linked, ends.get(name)) for name, values in grid.items()}
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
        heard_by = [slider for name, slider in sliders.items() if name in listens]
        panels.append(_Panel(draw, heard_by, len(panels), look._replaced))
    for name, slider in sliders.items():
        if not any(slider in panel.sliders for panel in panels):
            raise ValueError(f"{name}: no draw function takes this argument")
    return _sharing(panels)


def _sharing(panels):
    groups = []
    for panel in panels:
        sharing = [group for group in groups if any(s in other.sliders for other in group for s in panel.sliders)]
        joined = [*itertools.chain(*sharing), panel]
        groups = [*(group for group in groups if group not in sharing), joined]
    return groups
