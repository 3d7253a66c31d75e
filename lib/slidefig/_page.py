"""The figure on a page without a kernel: all states as HTML, which `static/explore.js` moves."""

import gc
import hashlib
import html
import json
import re
from collections import Counter
from pathlib import Path
from typing import ClassVar

from slidefig import _svg
from slidefig._values import shown, spoken, written

STATIC = Path(__file__).parent / "static"

#: The pattern of what every id in a figure begins with: it tells the figures of a page apart.
ID_PREFIX = re.compile(r"fig-[0-9a-f]{8}-")
#: What stands in its place until the whole figure is known.
NO_PREFIX = "FIGURE-"

#: The pattern of the style and the script that a figure carries, and the one of its colours.
ASSETS = re.compile(r"<style data-slidefig>.*?</style>\s*<script data-slidefig>.*?</script>\s*", re.S)
COLOURS = re.compile(r'(?<=<div class="explore)(" style="--groups:\d+);(--fig-[^"]*)')


def with_prefix(markup, digits):
    """Let the ids of a figure begin with eight hexadecimal `digits`."""
    return markup.replace(NO_PREFIX, f"fig-{digits[:8]}-")


def style():
    """Return the style sheet, without what is for its authors."""
    text = (STATIC / "explore.css").read_text(encoding="utf-8")
    return re.sub(r"^\s+", "", re.sub(r"/\*.*?\*/", "", text, flags=re.S), flags=re.M)


def script():
    """Return the script, without what is for its authors."""
    text = (STATIC / "explore.js").read_text(encoding="utf-8")
    return re.sub(r"^\s+", "", re.sub(r"(^|\s)//( .*)?$", "", text, flags=re.M), flags=re.M)


class StaticFigure:
    """All states of a figure. The first one that a kernel shows brings the style and the script, for the whole page."""

    _made: ClassVar[Counter] = Counter()
    _carried: ClassVar[bool] = False

    def __init__(self, groups, look):
        gc.freeze()  # figures leave many cycles, and to search all modules for them each time would take a tenth longer
        with look._context():
            inside = "".join(map(_group_html, groups, range(len(groups))))
        gc.unfreeze()
        # Ids have to differ between the figures of a page and be the same at every build: they come from the content.
        start = f'<div class="explore" style="--groups:{len(groups)}'
        page = f'{start}">{inside}</div>'
        self._made[page] += 1
        again = self._made[page] - 1
        digest = hashlib.sha256((page + str(again or "")).encode()).hexdigest()
        self.html = with_prefix(f'{start};{look._css}">{inside}</div>', digest)
        self._plain = "\n".join(panel.description for group in groups for panel in group)

    def _repr_mimebundle_(self, **_):
        carried = f"<style data-slidefig>{style()}</style>\n<script data-slidefig>{script()}</script>\n"
        shown = self.html if StaticFigure._carried else carried + self.html
        StaticFigure._carried = True
        return {"text/html": shown, "text/plain": self._plain}


def _group_html(panels, number):
    sliders = list(dict.fromkeys(slider for panel in panels for slider in panel.sliders))
    pieces, data, has_curves = [], [], False
    for panel in panels:
        opening = panel.states.index(panel.opening)
        pictures, texts = zip(*panel.pictures(), strict=True)
        has_curves |= any("data-axes" in picture.attributes for picture in pictures)
        pieces.append(_panel_html(pictures[opening], texts[opening], max(texts, key=len)))
        data.append(
            {
                "sliders": [sliders.index(slider) for slider in panel.sliders],
                "texts": texts,
                "slots": _svg.slots(pictures, opening),
            }
        )
    controls = script = ""
    tools = _tool_html("link", "Copy a link to this state") if sliders else ""
    if has_curves:
        tools += _tool_html("read", "Read values off the curves", ' aria-pressed="false"')
    if tools:
        inputs = "".join(_input_html(slider, f"{NO_PREFIX}{number}-{slider.name}") for slider in sliders)
        name = html.escape("controls: " + "; ".join(panel.description for panel in panels))
        controls = (
            f'<div class="explore-sliders" role="group" aria-label="{name}">'
            f'<div class="explore-inputs">{inputs}</div><div class="explore-tools">{tools}</div></div>'
        )
    if sliders:
        values = [
            {what.__name__: list(map(what, slider.values)) for what in (written, shown, spoken)} for slider in sliders
        ]
        data = json.dumps({"sliders": values, "panels": data}, ensure_ascii=False, separators=(",", ":"))
        data = data.replace("</", "<\\/")  # which would end the script element
        script = f'<script type="application/json">{data}</script>'
    row = f'<div class="explore-panels" style="--panels:{len(panels)}">{"".join(pieces)}</div>'
    return f'<div class="explore-group">{controls}{row}{script}</div>'


def _panel_html(tree, text, longest):
    live = ""
    if longest:
        # The longest text holds the place, so that nothing below moves.
        live = f'<output data-longest="{html.escape(longest)}"><span>{html.escape(text)}</span></output>'
    return f'<div class="explore-panel">{tree}{live}</div>'


def _tool_html(kind, name, state=""):
    return f'<button type="button" class="explore-{kind}" aria-label="{name}" title="{name}"{state}></button>'


def _input_html(slider, name):
    label = html.escape(slider.label)
    marks = f'class="explore-input" data-name="{html.escape(slider.name)}"{" data-linked" * slider.linked}'
    if slider.choice:
        buttons = "".join(
            f'<label><input type="radio" name="{html.escape(name)}" value="{i}" autocomplete="off"'
            f"{' checked' * (i == slider.opening)}><span>{html.escape(shown(value))}</span></label>"
            for i, value in enumerate(slider.values)
        )
        return f'<fieldset {marks}><legend class="explore-label">{label}</legend>{buttons}</fieldset>'
    value = slider.values[slider.opening]
    words = "".join(f"<span>{html.escape(word)}</span>" for word in slider.ends or ())
    ends = f'<span class="explore-ends" aria-hidden="true">{words}</span>' if words else ""
    control = (
        f'<label {marks}><span class="explore-label">{label}</span>'
        f'<input type="range" min="0" max="{len(slider.values) - 1}" step="1" value="{slider.opening}"'
        f' autocomplete="off" aria-valuetext="{html.escape(spoken(value))}">'
        f'<span class="explore-value" aria-hidden="true">{html.escape(shown(value))}</span>{ends}</label>'
    )
    if not slider.played:
        return control
    button = f'<button type="button" class="explore-play" aria-label="Play {label}" aria-pressed="false"></button>'
    return f'<div class="explore-played">{control}{button}</div>'
