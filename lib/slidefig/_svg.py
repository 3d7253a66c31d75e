"""Small SVG from matplotlib, and what changes from one picture to the next.

`Renderer` is a matplotlib backend that builds a tree of `Node` instead of a file. Compared with matplotlib's own SVG it
has integer coordinates (a tenth of a point is the unit), colours that a style sheet can replace, text that stays text,
and one path where many markers look alike: a state of a figure is a few kilobytes.
`slots` compares the trees of many states and returns what has to be set to go from one to another.
"""

import base64
import io
import re
from dataclasses import dataclass, field

import numpy as np
from matplotlib import font_manager
from matplotlib.backend_bases import FigureCanvasBase, RendererBase
from matplotlib.colors import to_hex
from matplotlib.path import Path
from matplotlib.textpath import TextToPath
from matplotlib.transforms import Affine2D
from PIL import Image

from slidefig._values import SUPERSCRIPTS

UNIT = 10  # units of the SVG in a point: what is smaller cannot be seen
ZOOM = (
    1.5  # CSS pixels in a point, where there is room: letters of 10 points are then about as large as those of the page
)
_TEXT = TextToPath()  # of all pictures, as it remembers the formulas that it has set


@dataclass
class Node:
    """An SVG element: it has text or children, not both."""

    tag: str
    attributes: dict = field(default_factory=dict)
    children: list = field(default_factory=list)
    text: str = ""

    def __str__(self):
        # Written as a browser writes it back, so that tests can compare the two.
        attributes = "".join(f' {name}="{_escape(value)}"' for name, value in self.attributes.items())
        inside = _escape(self.text) + "".join(map(str, self.children))
        return f"<{self.tag}{attributes}>{inside}</{self.tag}>"

    def size(self):
        """Return the number of elements, this one included."""
        return 1 + sum(child.size() for child in self.children)


def _escape(text):
    return str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def slots(states, opening):
    """Return what differs between the trees `states`, as few and as small pieces as possible.

    Each slot is ``(number, name, values, index)``: in state `i`, the element with this number (counted in document
    order in the tree of the opening state) has ``values[index[i]]`` as the attribute `name`, or as its text where
    `name` is ``"#"``; where `name` is empty the element as a whole is this piece of SVG.
    """
    found = []

    def compare(nodes, number):
        first = nodes[opening]
        if all(node is first or node == first for node in nodes):
            return
        if any(
            node.tag != first.tag
            or list(node.attributes) != list(first.attributes)
            or len(node.children) != len(first.children)
            for node in nodes
        ):
            add(number, "", map(str, nodes))
            return
        for name in first.attributes:
            add(number, name, [str(node.attributes[name]) for node in nodes])
        add(number, "#", [node.text for node in nodes])
        number += 1
        for children in zip(*(node.children for node in nodes), strict=True):
            compare(children, number)
            number += children[opening].size()

    def add(number, name, values):
        table = {}
        index = [table.setdefault(value, len(table)) for value in values]
        if len(table) > 1:
            found.append((number, name, list(table), index))

    compare(states, 0)
    return found


class Canvas(FigureCanvasBase):
    """A canvas that measures text with `Renderer`, so that a layout is made for what is drawn."""

    def get_renderer(self):
        width, height = self.figure.get_size_inches() * 72
        return Renderer(width, height, {}, "")


def render(fig, colors, prefix):
    """Draw a figure as a tree; `colors` maps hexadecimal colours to what is written for them, `prefix` begins ids."""
    width, height = fig.get_size_inches() * 72
    renderer = Renderer(width, height, colors, prefix)
    fig.draw(renderer)
    return renderer.finish()


class Renderer(RendererBase):
    """Builds the tree of a figure. Lengths are in points, as everywhere in matplotlib at 72 dots per inch."""

    def __init__(self, width, height, colors, prefix):
        super().__init__()
        self._text2path = _TEXT
        self.width, self.height, self.colors, self.prefix = width, height, colors, prefix
        self._definitions = {}
        self._open = [Node("g")]
        self._gids = []
        self._flip = Affine2D().scale(1, -1).translate(0, height)

    def finish(self):
        """Return the tree of all that was drawn."""
        size = {"width": round(self.width * ZOOM), "height": round(self.height * ZOOM)}
        view = f"0 0 {_number(self.width * UNIT)} {_number(self.height * UNIT)}"
        definitions = Node("defs", {}, list(self._definitions.values()))
        drawing = Node("g", {"fill": "none", "stroke-linejoin": "round"}, self._open[0].children)
        return Node("svg", {**size, "viewBox": view}, [definitions, drawing])

    # What matplotlib asks about the canvas.

    def flipy(self):
        return True

    def get_canvas_width_height(self):
        return self.width, self.height

    def get_image_magnification(self):
        return 2

    def option_image_nocomposite(self):
        return True

    def option_scale_image(self):
        return True

    def get_text_width_height_descent(self, s, prop, ismath):
        s, ismath = _plain(s, ismath)
        return super().get_text_width_height_descent(s, prop, ismath)

    # What matplotlib draws.

    def open_group(self, s, gid=None):
        self._open.append(Node("g"))
        self._gids.append(gid)

    def close_group(self, s):
        group, gid = self._open.pop(), self._gids.pop()
        if gid in ("curve", "drag") and group.children:  # what the script has to find again
            group.children[0].attributes[f"data-{gid}"] = ""
        # A group of one is that one. An empty group stays: it keeps the place of what another state draws there.
        self._open[-1].children.append(group.children[0] if len(group.children) == 1 else group)

    def draw_path(self, gc, path, transform, rgbFace=None):
        hatch = gc.get_hatch()
        open_line = rgbFace is None and hatch is None
        attributes = self._style(gc, rgbFace)
        data = _path(
            path,
            transform + self._flip,
            clip=(0, 0, self.width * UNIT, self.height * UNIT) if open_line else None,
            simplify=path.should_simplify and open_line,
        )
        if attributes:
            self._add(Node("path", {"d": data, **attributes}), gc)
        if hatch:
            self._add(Node("path", {"d": data, **self._hatch(gc)}), gc)

    def draw_markers(self, gc, marker_path, marker_trans, path, trans, rgbFace=None):
        attributes = self._style(gc, rgbFace)
        (x, y), shape = _path_data(marker_path, marker_trans + Affine2D().scale(1, -1))
        color = attributes.get("fill")
        one_color = len({attributes.get(part, "none") for part in ("fill", "stroke")} - {"none"}) == 1
        solid = one_color and not any("opacity" in name for name in attributes)
        if solid and color and marker_path is Path.unit_circle():
            # A dot is a line without length and with round ends: a tenth of what its outline takes.
            width = 2 * UNIT * np.hypot(*marker_trans.get_matrix()[:2, 0]) + float(attributes.get("stroke-width", 0))
            attributes = {"stroke": color, "stroke-width": _number(width), "stroke-linecap": "round"}
            x, y, shape = 0, 0, "h0"
        points = _points(path, trans + self._flip, self.width, self.height)
        data = [f"M{i + x} {j + y}{shape}" for i, j in points.tolist()]
        if solid:
            data = ["".join(data)]  # else each has to lie on the one before
        for piece in data:
            self._add(Node("path", {"d": piece, **attributes}), gc)

    def draw_image(self, gc, x, y, im, transform=None):
        height, width = im.shape[:2]
        if not width or not height:
            return
        if transform is None:
            transform = Affine2D().scale(
                width / self.get_image_magnification(), height / self.get_image_magnification()
            )
        place = Affine2D().scale(1 / width, 1 / height) + transform + Affine2D().translate(x, y)
        matrix = (place + self._flip + Affine2D().scale(UNIT)).get_affine().to_values()
        attributes = {
            "width": width,
            "height": height,
            "transform": f"matrix({' '.join(map(_number, matrix))})",
            "href": "data:image/png;base64," + base64.b64encode(_png(im)).decode(),
            "style": "image-rendering:pixelated",
        }
        if (gc.get_alpha() or 1) != 1:
            attributes["opacity"] = _number(gc.get_alpha())
        self._add(Node("image", attributes), gc)

    def draw_text(self, gc, x, y, s, prop, angle, ismath=False, mtext=None):
        s, ismath = _plain(s, ismath)
        if ismath:
            # Mathematics needs fonts that a reader may not have: it is drawn, on a finer grid as letters are small.
            group = Node("g", {"transform": "scale(.1)"})
            self._open.append(group)
            flip, self._flip = self._flip, self._flip + Affine2D().scale(10)
            super().draw_text(gc, x, y, s, prop, angle, ismath, mtext)
            self._flip = flip
            self._open.pop()
            for glyph in group.children:
                glyph.attributes.pop("clip-path", None)  # it belongs to the group, in whose units it is
            self._add(group, gc)
            return
        anchor = "start"
        if mtext and (angle == 0 or mtext.get_rotation_mode() == "anchor"):
            # The reader's font has other widths: hold the text where the author aligned it.
            anchor = {"left": "start", "center": "middle", "right": "end"}[mtext.get_ha()]
            at = mtext.get_transform().transform(mtext.get_unitless_position()) * (1, -1) + (0, self.height)
            down = np.array([np.sin(np.deg2rad(angle)), np.cos(np.deg2rad(angle))])
            x, y = at + down * (down @ ((x, y) - at))
        attributes = {
            "x": _number(x * UNIT),
            "y": _number(y * UNIT),
            "font-size": _number(prop.get_size_in_points() * UNIT),
        }
        color, opacity = self._color(gc.get_rgb(), gc)
        attributes["fill"] = color
        if opacity != 1:
            attributes["opacity"] = _number(opacity)
        if anchor != "start":
            attributes["text-anchor"] = anchor
        if prop.get_style() != "normal":
            attributes["font-style"] = prop.get_style()
        weight = font_manager.weight_dict.get(prop.get_weight(), prop.get_weight())
        if weight != 400:
            attributes["font-weight"] = weight
        if angle:
            attributes["transform"] = f"rotate({_number(-angle)} {attributes['x']} {attributes['y']})"
        self._add(Node("text", attributes, [], s), gc)

    # How it is written.

    def _add(self, node, gc):
        clip = self._clip(gc)
        if clip and "transform" in node.attributes:  # the clip would be transformed too
            node = Node("g", {}, [node])
        if clip:
            node.attributes["clip-path"] = f"url(#{clip})"
        self._open[-1].children.append(node)

    def _define(self, tag, attributes, child):
        key = tag + str(child)
        if key not in self._definitions:
            self._definitions[key] = Node(tag, {"id": f"{self.prefix}{len(self._definitions)}", **attributes}, [child])
        return self._definitions[key].attributes["id"]

    def _clip(self, gc):
        path, transform = gc.get_clip_path()
        if path is not None:
            return self._define("clipPath", {}, Node("path", {"d": _path(path, transform.frozen() + self._flip)}))
        rectangle = gc.get_clip_rectangle()
        if rectangle is None:
            return None
        x, y, width, height = rectangle.bounds
        place = {"x": x, "y": self.height - y - height, "width": width, "height": height}
        rectangle = Node("rect", {name: _number(value * UNIT) for name, value in place.items()})
        return self._define("clipPath", {}, rectangle)

    def _hatch(self, gc):
        color, _ = self._color(gc.get_hatch_color(), gc)
        data = _path(gc.get_hatch_path(), Affine2D().scale(72, -72).translate(0, 72))
        lines = {"d": data, "fill": color, "stroke": color, "stroke-width": _number(gc.get_hatch_linewidth() * UNIT)}
        size = {"width": 72 * UNIT, "height": 72 * UNIT, "patternUnits": "userSpaceOnUse"}
        return {"fill": f"url(#{self._define('pattern', size, Node('path', lines))})"}

    def _color(self, rgba, gc):
        color = to_hex(rgba)
        opacity = gc.get_alpha() if gc.get_forced_alpha() or len(rgba) == 3 else rgba[3]
        return self.colors.get(color, color), 1 if opacity is None else opacity

    def _style(self, gc, face):
        attributes = {}
        if face is not None:
            color, opacity = self._color(face, gc)
            if opacity:
                attributes["fill"] = color
            if opacity not in (0, 1):
                attributes["fill-opacity"] = _number(opacity)
        if attributes and not gc.get_antialiased():  # the cells of a mesh, between which seams would show
            attributes["shape-rendering"] = "crispEdges"
        color, opacity = self._color(gc.get_rgb(), gc)
        if gc.get_linewidth() and opacity:
            attributes["stroke"] = color
            attributes["stroke-width"] = _number(gc.get_linewidth() * UNIT)
            if opacity != 1:
                attributes["stroke-opacity"] = _number(opacity)
            offset, dashes = gc.get_dashes()
            if dashes is not None:
                attributes["stroke-dasharray"] = " ".join(_number(dash * UNIT) for dash in dashes)
                if offset:
                    attributes["stroke-dashoffset"] = _number(offset * UNIT)
            if gc.get_capstyle() != "butt":
                attributes["stroke-linecap"] = {"projecting": "square"}.get(gc.get_capstyle(), "round")
            if gc.get_joinstyle() != "round":
                attributes["stroke-linejoin"] = gc.get_joinstyle()
        return attributes


def _png(im):
    """Write an image of RGBA as the smallest PNG without loss: grey, with a palette, or as it is."""
    colors, index = np.unique(im.reshape(-1, 4), axis=0, return_inverse=True)
    gray = (colors[:, :3] == colors[:, :1]).all() and (colors[:, 3] == 255).all()
    if gray:
        image = Image.fromarray(im[..., 0])
    elif len(colors) <= 256:
        image = Image.fromarray(index.reshape(im.shape[:2]).astype(np.uint8))
        image.putpalette(colors[:, :3].tobytes())
        image.info["transparency"] = colors[:, 3].tobytes()
    else:
        image = Image.fromarray(im)
    file = io.BytesIO()
    image.save(file, "png", optimize=True)
    return file.getvalue()


def _number(value):
    return f"{value:.4g}" if abs(value) < 1000 else f"{value:.0f}"


def _plain(s, ismath):
    """Turn the tick labels of matplotlib, such as ``$\\mathdefault{10^{-3}}$``, into text: 10⁻³."""
    found = ismath and re.fullmatch(r"\$\\mathdefault\{([-−0-9.]*?)(?:\\times)?(10)?(?:\^\{([-−0-9]+)\})?\}\$", s)
    if not found:
        return s, ismath
    factor, base, power = (part or "" for part in found.groups())
    times = "·" if factor not in ("", "-", "−") and base else ""
    return factor.replace("-", "−") + times + base + power.translate(SUPERSCRIPTS), False


def _points(path, transform, width, height):
    """Return the vertices of a path that are on the canvas or near it, in units of the SVG."""
    points = transform.transform(path.vertices)
    with np.errstate(invalid="ignore"):
        near = (np.abs(points - (width / 2, height / 2)) < (width, height)).all(axis=1)
    return np.rint(points[near] * UNIT).astype(int)


_LETTERS = {Path.LINETO: ("l", 1), Path.CURVE3: ("q", 2), Path.CURVE4: ("c", 3)}


def _path(path, transform, **cleaning):
    """Write a path for the attribute ``d``."""
    (x, y), shape = _path_data(path, transform, **cleaning)
    return f"M{x} {y}{shape}"


def _path_data(path, transform, **cleaning):
    """Return where a path starts, and the rest of it in relative integer coordinates: short, and easy to compress."""
    path = path.cleaned(transform + Affine2D().scale(UNIT), remove_nans=True, curves=True, **cleaning)
    vertices, codes = np.rint(path.vertices).astype(int).tolist(), path.codes.tolist()
    origin = here = start = vertices[0]
    data, last, i = [], "", 0
    while codes[i] != Path.STOP:
        code = codes[i]
        if code == Path.CLOSEPOLY:
            data.append("z")
            here, last, i = start, "", i + 1
        elif code == Path.MOVETO:
            x, y = start = vertices[i]
            if data or i:
                data.append(f"m{x - here[0]} {y - here[1]}")
            here, last, i = start, "", i + 1
        else:
            letter, count = _LETTERS[code]
            points = vertices[i : i + count]
            i += count
            if letter == "l" and points[0] == here and codes[i] == Path.LINETO:
                continue  # too small a step to be seen
            numbers = " ".join(f"{x - here[0]} {y - here[1]}" for x, y in points)
            data.append((letter if letter != last else " ") + numbers)
            here, last = points[-1], letter
    return origin, "".join(data).replace(" -", "-")
