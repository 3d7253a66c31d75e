"""The figure in a live kernel: sliders that recompute, and for a notebook that is saved, a still picture."""

import gc
import hashlib
import html
import math
import re
import textwrap
import traceback
from numbers import Integral

import ipywidgets

from slidefig._page import with_prefix
from slidefig._svg import Node
from slidefig._values import shown

_WIDTH = 960  # CSS pixels: what two panels of the usual size need beside each other
_GAP = 16
_PLAY, _SHORTEST = 4000, 150  # milliseconds from one end of a slider to the other, and for one of its pictures
_STEPS = 200  # that a slider over reals has at least
_LETTER, _LINE = 15, 20  # CSS pixels: the size of the letters below a panel, and of a line of them


class LiveFigure:
    """Sliders that recompute."""

    def __init__(self, groups, look):
        boxes, opening = [], []
        for group in groups:
            controls = {slider: _widget(slider) for panel in group for slider in panel.sliders}
            views = [_View(panel, controls, look) for panel in group]
            opening += [(view.tree, view.text) for view in views]
            row = ipywidgets.HBox([view.widget for view in views], layout=ipywidgets.Layout(flex_flow="row wrap"))
            rows = [_with_play(slider, control) if slider.played else control for slider, control in controls.items()]
            boxes.append(ipywidgets.VBox([*rows, row]))
        # What is there by now, most of it modules, stays. To search it for cycles takes longer than to draw, every few
        # moves.
        gc.collect()
        gc.freeze()
        self.widget = boxes[0] if len(boxes) == 1 else ipywidgets.VBox(boxes)
        self._still = still(opening, look)
        self._plain = "\n".join(panel.description for group in groups for panel in group)

    def _repr_mimebundle_(self, **_):
        # A widget is gone with its kernel: the rest is for whoever converts, shows or prints the saved notebook.
        return {**self.widget._repr_mimebundle_(), "image/svg+xml": self._still, "text/plain": self._plain}


class _View:
    """A panel that is drawn again when a slider moves."""

    def __init__(self, panel, controls, look):
        self.panel, self.controls, self.look = panel, controls, look
        self.widget = ipywidgets.HTML()
        self.show()
        for slider in panel.sliders:
            controls[slider].observe(self.move, "value")

    def show(self):
        state = [self.controls[slider].value for slider in self.panel.sliders]
        with self.look._context():
            self.tree, self.text = self.panel.picture(self.panel.laid_out(state), state)
        style = (
            # JupyterLab says on its body whether it is dark.
            "<style>[data-jp-theme-light='false'] .explore{color-scheme:dark}"
            ".explore svg{max-width:100%;height:auto}"
            "@media (prefers-reduced-motion:reduce){.explore-play{visibility:hidden}}</style>"
        )
        live = f"<div>{html.escape(self.text)}</div>"
        self.widget.value = with_prefix(
            f'<div class="explore" style="{self.look._css}">{style}{self.tree}{live}</div>', self.widget.model_id
        )

    def move(self, _):
        try:
            self.show()
        except Exception:  # whatever it is, a reader who moved a slider has to see it
            self.widget.value = f"<pre>{html.escape(traceback.format_exc())}</pre>"


def still(panels, look):
    """Return an SVG file that shows pictures with their texts, in the colours of a light page and on white.

    Where a saved notebook is shown, nobody knows of style sheets or of a dark page.
    """
    ink = look.colors["ink"]
    children, x, y, width, bottom = [], 0, 0, 0, 0
    for tree, text in panels:
        size = tree.attributes
        if x and x + size["width"] > _WIDTH:
            x, y = 0, bottom + _GAP
        children.append(Node("svg", {**size, "x": x, "y": y}, tree.children))
        below = y + size["height"]
        for line in textwrap.wrap(text, size["width"] // (_LETTER // 2)):
            place = {"x": x + size["width"] / 2, "y": below + _LETTER, "text-anchor": "middle"}
            children.append(Node("text", {**place, "font-size": _LETTER, "fill": ink}, [], line))
            below += _LINE
        x += size["width"] + _GAP
        width, bottom = max(width, x - _GAP), max(bottom, below)
    paper = Node("rect", {"width": "100%", "height": "100%", "fill": look.colors["paper"]})
    size = {"width": width, "height": bottom, "viewBox": f"0 0 {width} {bottom}", "font-family": "sans-serif"}
    file = Node("svg", {"xmlns": "http://www.w3.org/2000/svg", **size}, [paper, *children])
    markup = re.sub(r"var\(--fig-\w+,(#\w+)\)", r"\1", str(file))
    return with_prefix(markup, hashlib.sha256(markup.encode()).hexdigest())


def _widget(slider):
    """Return the control that fits the grid: any real in the range where the grid is evenly or geometrically spaced."""
    look = {
        "description": slider.label,
        "style": {"description_width": "12em"},
        "layout": ipywidgets.Layout(width="32em"),
        "value": slider.values[slider.opening],
    }
    if slider.choice:
        return ipywidgets.ToggleButtons(options=[(shown(value), value) for value in slider.values], **look)
    if slider.numbers and math.isfinite(sum(slider.values)):
        low, high = min(slider.values), max(slider.values)
        between = len(slider.values) - 1
        steps = between * math.ceil(
            _STEPS / between
        )  # the values of the grid are among them: a browser takes no others
        integers = all(isinstance(value, Integral) for value in slider.values)
        if integers and sorted(slider.values) == list(range(low, high + 1)):
            return ipywidgets.IntSlider(min=low, max=high, **look)
        if not integers and slider.even:
            return ipywidgets.FloatSlider(min=low, max=high, step=(high - low) / steps, readout_format=".3g", **look)
        if not integers and slider.geometric:
            low, high = math.log10(low), math.log10(high)
            return ipywidgets.FloatLogSlider(min=low, max=high, step=(high - low) / steps, readout_format=".3g", **look)
    options = [(shown(value), value) for value in slider.values]
    return ipywidgets.SelectionSlider(options=options, **look)


def _with_play(slider, control):
    """Return the control with a button that lets it run over its grid, until the reader moves it."""
    last = len(slider.values) - 1
    play = ipywidgets.Play(
        max=last,
        value=slider.opening,
        interval=max(_PLAY // last, _SHORTEST),
        show_repeat=False,
        tooltip=f"Play {slider.label}",
    )
    play.add_class("explore-play")

    def run(change):
        if slider.nearest(control.value) != change.new:
            control.value = slider.values[change.new]

    def follow(change):
        at = slider.nearest(change.new)
        on_grid = change.new == slider.values[at] or (slider.numbers and math.isclose(change.new, slider.values[at]))
        # A browser answers with the value that it was given, rounded, and perhaps late.
        if not (on_grid and 0 <= play.value - at <= 1):
            play.playing, play.value = False, at

    play.observe(run, "value")
    control.observe(follow, "value")
    return ipywidgets.HBox([control, play])
