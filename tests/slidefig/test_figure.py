"""The slider figure: what it refuses, what it writes, and that a move leads to the picture it should."""

import base64
import doctest
import html
import inspect
import io
import itertools
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from implicit_bias import look as book
from matplotlib.figure import Figure
from PIL import Image
from slidefig import ID_PREFIX, Look, _figure, _page, _svg, _values, watch

from tests.shared import typical

LOOK = Look(labels={"alpha": ("initialization scale α", "α = {}"), "depth": ("depth", "depth {}")})
COLORS = LOOK.colors
explore = LOOK.explore
ALPHAS = np.geomspace(1, 1e-6, 31)


def simple(fig, alpha=0.1):
    """A line."""
    fig.subplots().plot([0, alpha])


def plain(fig, alpha):
    """An empty figure, which opens with the first value that is given."""


def growing(fig, m=1):
    """As many lines as m says, and every second time a note."""
    ax = fig.subplots()
    for k in range(m):
        ax.plot([0, 1], [k, k * m], "o-")
    if m % 2:
        ax.text(0.5, 0.5, f"<{m} & more>", transform=ax.transAxes)
    return f"{m} lines"


def page(*draws, **grid):
    return explore(*draws, **grid).html


def tables(markup):
    return [json.loads(text) for text in re.findall(r'<script type="application/json">(.*?)</script>', markup)]


# --- What it refuses


def without_docstring(fig, alpha=1.0):
    pass


def wants_everything(fig, **sliders):
    """x"""


def needs_beta(fig, beta):
    """x"""


def returns_number(fig, alpha=1.0):
    """x"""
    return 3


@pytest.mark.parametrize(
    ("draws", "grid", "message"),
    [
        ([], {"alpha": [1, 2]}, "draws"),
        ([3], {}, "draws"),
        ([without_docstring], {"alpha": [1, 2]}, "without_docstring: the docstring"),
        ([lambda: None], {}, "lambda"),
        ([wants_everything], {"alpha": [1, 2]}, "wants_everything"),
        ([needs_beta], {}, "beta"),
        ([returns_number], {"alpha": [1, 2]}, "returns_number"),
        ([simple], {"alpha": []}, "alpha"),
        ([simple], {"alpha": [1]}, "alpha"),
        ([simple], {"alpha": [1, 1]}, "alpha"),
        ([simple], {"alpha": [1, np.nan]}, "alpha"),
        ([simple], {"alpha": [1, None]}, "alpha"),
        ([simple], {"alpha": [1, 2j]}, "alpha"),
        ([simple], {"alpha": 3}, "alpha"),
        ([simple], {"alpha": "abc"}, "alpha"),
        ([simple], {"alpha": np.ones((2, 2))}, "alpha"),
        ([simple], {"alpha": [[1], [1, 2]]}, "alpha"),
        ([simple], {"alpha": [1, 2], "depth": [2, 3]}, "depth"),
        ([simple, growing], {"alpha": [1, 2], "beta": [2, 3]}, "beta"),
    ],
)
def test_bad_input_is_named(draws, grid, message):
    with pytest.raises(ValueError, match=message):
        explore(*draws, **grid)


def test_an_error_of_the_draw_function_is_not_swallowed():
    def broken(fig, alpha=1):
        """x"""
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        explore(broken, alpha=[1, 2])


# --- Values as text


@pytest.mark.parametrize(
    ("value", "shown", "spoken"),
    [
        (1.0, "1", "1"),
        (0.01, "0.01", "0.01"),
        (1e-3, "10⁻³", "10 to the power minus 3"),
        (10**-1.5, "0.0316", "0.0316"),
        (10**-2.5, "0.00316", "0.00316"),
        (10**-4.5, "3.16·10⁻⁵", "3.16 times 10 to the power minus 5"),
        (1e-12, "10⁻¹²", "10 to the power minus 12"),
        (1e5, "10⁵", "10 to the power 5"),
        (999.6, "10³", "10 to the power 3"),
        (-0.5, "−0.5", "−0.5"),
        (-2e-5, "−2·10⁻⁵", "minus 2 times 10 to the power minus 5"),
        (0.0, "0", "0"),
        (1000, "1000", "1000"),
        (-2, "−2", "−2"),
        (np.inf, "∞", "∞"),
        (True, "yes", "yes"),
        (False, "no", "no"),
        ("hat 10²", "hat 10²", "hat 10²"),
    ],
)
def test_values_are_written_as_people_write_them(value, shown, spoken):
    assert _values.shown(value) == shown
    assert _values.spoken(value) == spoken


def test_the_figure_opens_at_the_nearest_value():
    def draw(fig, alpha=3e-3, depth=3, method="b", flag=True):
        """x"""

    markup = page(draw, alpha=[1, 1e-2, 1e-3, 1e-4], depth=[2, 3], method=["a", "b"], flag=[False, True])
    assert re.findall(r' value="(\d)" autocomplete="off"(?: checked| aria-valuetext)', markup) == ["1", "1", "1", "1"]
    assert ">alpha" not in markup and "initialization scale α" in markup
    assert re.search(r' value="(\d)" autocomplete="off" aria-valuetext', page(plain, alpha=[1.0, 0.1, 0.5]))[1] == "2"


@pytest.mark.parametrize("draw", [0, 1, 2])
def test_the_larger_number_is_on_the_right_in_whatever_order(draw):
    values = np.random.default_rng(draw).permutation(np.geomspace(1e-9, 1e9, 7))
    (table,) = tables(page(plain, alpha=values))
    written = [float(value) for value in table["sliders"][0]["written"]]
    assert written == sorted(written) and len(written) == 7
    (table,) = tables(page(plain, alpha=["b", "c", "a"]))  # words stay as the author has them
    assert table["sliders"][0]["written"] == ["b", "c", "a"]


@pytest.mark.parametrize(
    ("values", "buttons"),
    [
        (["a", "b", "c", "d"], 4),
        ([True, False], 2),
        ([2, 3, 4], 3),
        ([2, 3, 4, 5], 0),
        ([0.1, 1.0], 0),
        ([1, "many"], 2),
    ],
)
def test_a_choice_is_a_row_of_buttons(values, buttons):
    markup = page(plain, alpha=values)
    assert markup.count('type="radio"') == buttons
    assert markup.count('type="range"') == (not buttons)
    assert markup.count(" checked") == (buttons > 0)


def test_the_ends_of_a_slider_have_words():
    words = '<span class="explore-ends" aria-hidden="true"><span>a &lt; b</span><span>far</span></span></label>'
    assert page(plain, alpha=[0.1, 1.0], ends={"alpha": ("a < b", "far")}).count(words) == 1
    assert "explore-ends" not in page(plain, alpha=[0.1, 1.0]).split("</script>")[-1].split("</style>")[-1]
    for wrong in ({"beta": ("near", "far")}, {"alpha": "near"}, {"alpha": ("near",)}):
        with pytest.raises(ValueError, match="ends: it takes two words"):
            page(plain, alpha=[0.1, 1.0], ends=wrong)


def test_what_is_linked_has_to_be_there():
    assert page(plain, alpha=[0.1, 1.0], linked="alpha").count(" data-linked") == 1
    assert " data-linked" not in page(plain, alpha=[0.1, 1.0])
    with pytest.raises(ValueError, match=r"linked: .*'beta'"):
        page(plain, alpha=[0.1, 1.0], linked=["alpha", "beta"])


def test_a_picture_says_what_its_axes_are():
    def draw(fig, x=1.0):
        """A curve, a line across, a curve between two axes that are logarithmic, and points."""
        left, right, points = fig.subplots(1, 3)
        left.plot([0, x], [0, 1])
        left.axhline(0.5)
        right.loglog([1, 10], [1, 100 * x])
        right.set(xlabel="time", ylabel="$y^2$", xlim=(1, 10), ylim=(1, 1000))
        points.plot([0, 1], [0, 1], "o", gid="drag")

    [[panel]] = LOOK.states(draw, x=[1.0, 2.0])
    for state in panel:
        left, right = json.loads(re.search(r'data-axes="(.*?)"', state.svg)[1].replace("&quot;", '"'))
        assert right[4:] == [["time", 1, 1, 10], ["", 1, 1, 1000]]
        assert left[4][3] == pytest.approx(1.05 * state.values["x"])
        d = re.findall(r'<path d="([^"]*)"[^>]* data-curve=""', state.svg)
        assert len(d) == 2
        for axes, curve, end in zip(
            (left, right), d, ((state.values["x"], 1), (10, 100 * state.values["x"])), strict=True
        ):
            x, y = map(int, re.match(r"M(-?\d+) ?(-?\d+)", curve).groups())
            dx, dy = map(int, re.findall(r"-?\d+", curve)[2:4])
            for k, place in enumerate((x + dx, y + dy)):
                _, log, low, high = axes[4 + k]
                share = (place - axes[k]) / (axes[2 + k] - axes[k])
                value = low * (high / low) ** share if log else low + (high - low) * share
                assert value == pytest.approx(end[k], rel=0.02), "what a reader would read off the end of the curve"
        assert state.svg.count('data-drag=""') == 1


def test_dots_are_short(count=500):
    def draw(fig):
        """Dots."""
        fig.subplots().plot(np.linspace(0, 1, count), np.linspace(0, 1, count), "o")

    assert len(page(draw)) < 20_000 + 20 * count


@pytest.mark.parametrize("size, edge", [(8, 0), (3, 1.5)])
def test_a_dot_is_as_large_as_its_marker_and_its_edge(size, edge):
    def draw(fig, alpha=1):
        """Dots."""
        axes = fig.subplots()
        axes.set_axis_off()
        axes.plot([0, 1], [0, 1], "o", markersize=size, markeredgewidth=edge)

    (width,) = re.findall(r'stroke-width="([\d.]+)"', drawing(draw))
    assert float(width) == pytest.approx((size + edge) * _svg.UNIT, abs=1)


def test_where_dots_can_be_seen_through_each_lies_on_the_one_before():
    def draw(fig, opacity=1):
        """Dots in one place."""
        axes = fig.subplots()
        axes.set_axis_off()
        axes.plot([0, 0, 0], [0, 0, 0], "o", alpha=opacity)

    clear, opaque = trees_of(draw, opacity=[0.5, 1])
    assert (str(clear).count("<path"), str(opaque).count("<path")) == (3, 1)


def test_the_live_text_begins_with_the_values():
    (table,) = tables(page(typical, alpha=[1, 1e-3], depth=[2, 3]))
    assert [text.split(":")[0] for text in table["panels"][0]["texts"]] == [
        "α = 10⁻³, depth 2",
        "α = 10⁻³, depth 3",
        "α = 1, depth 2",
        "α = 1, depth 3",
    ]


def test_a_panel_says_powers_as_its_slider_does_and_nothing_where_it_has_nothing_to_say():
    def draw(fig, alpha=1e-7):
        """x"""
        return {1e-7: "below 1e-12, 7.90e+03", 0.1: "", 1.0: None}[alpha]

    [[panel]] = LOOK.states(draw, alpha=[1e-7, 0.1, 1.0])
    assert [state.text for state in panel] == ["α = 10⁻⁷: below 10⁻¹², 7.9·10³", "", ""]


# --- What travels in the page


def trees_of(draw, **grid):
    """The trees of a figure that has one panel."""
    ((panel,),) = _figure._groups([draw], grid, LOOK)
    with LOOK._context():
        return [tree for tree, _ in panel.pictures()]


def applied(tree, slots, state):
    """Do what the script does, on text: replace the elements of the opening state."""

    def walk(node):
        here = number[0]
        number[0] += 1
        mine = {name: values[index[state]] for n, name, values, index in slots if n == here}
        children = [walk(child) for child in node.children]
        if "" in mine:
            return mine[""]
        attributes = {name: mine.get(name, value) for name, value in node.attributes.items()}
        text = _svg._escape(mine.get("#", node.text))
        inside = "".join(f' {name}="{_svg._escape(value)}"' for name, value in attributes.items())
        return f"<{node.tag}{inside}>{text}{''.join(children)}</{node.tag}>"

    number = [0]
    return walk(tree)


@pytest.mark.parametrize("opening", [0, 2, 4])
def test_slots_lead_from_the_opening_state_to_every_state(opening):
    trees = trees_of(growing, m=[1, 2, 3, 4, 5])
    slots = _svg.slots(trees, opening)
    for i, tree in enumerate(trees):
        assert applied(trees[opening], slots, i) == str(tree)


attributes = st.dictionaries(st.sampled_from("xy"), st.integers(0, 2)).map(lambda them: dict(sorted(them.items())))
trees = st.recursive(
    st.builds(_svg.Node, st.sampled_from("ab"), attributes),
    lambda children: st.builds(_svg.Node, st.just("g"), st.just({}), st.lists(children, min_size=1, max_size=3)),
    max_leaves=6,
)


@given(st.lists(trees, min_size=2, max_size=4), st.data())
def test_slots_hold_for_any_trees(nodes, data):
    opening = data.draw(st.integers(0, len(nodes) - 1))
    slots = _svg.slots(nodes, opening)
    for i, node in enumerate(nodes):
        assert applied(nodes[opening], slots, i) == str(node)


def test_only_what_changes_travels():
    def draw(fig, alpha=1.0):
        """A line in a fixed frame."""
        ax = fig.subplots()
        ax.plot([0, 1, 2], [0, 0.7 * alpha, 0.1])
        ax.set(ylim=(0, 1), xlabel="x", ylabel="y")

    (table,) = tables(page(draw, alpha=[0.2, 0.5, 1.0]))
    ((_, name, values, index),) = table["panels"][0]["slots"]
    assert name == "d" and len(values) == 3 and index == [0, 1, 2]


def test_states_of_independent_panels_add():
    calls = []

    def one(fig, alpha=1):
        """one"""
        calls.append(("one", alpha))

    def two(fig, m=1):
        """two"""
        calls.append(("two", m))

    tables_ = tables(page(one, two, alpha=range(1, 8), m=range(1, 6)))
    assert len(set(calls)) == 7 + 5
    assert len(calls) <= 7 + 5 + 2 * 3  # the layout looks at three states of each
    assert [len(table["sliders"]) for table in tables_] == [1, 1]


def test_panels_that_share_a_slider_share_its_control():
    def one(fig, alpha=1):
        """one"""

    def two(fig, depth=2):
        """two"""

    def both(fig, alpha=1, depth=2):
        """both"""

    (table,) = tables(page(one, two, both, alpha=[1, 2, 3], depth=[2, 3]))
    assert [panel["sliders"] for panel in table["panels"]] == [[0], [1], [0, 1]]
    assert [len(panel["texts"]) for panel in table["panels"]] == [3, 2, 6]


def test_a_figure_without_sliders_has_no_control():
    markup = page(simple)
    assert "<svg" in markup and "<input" not in markup and "<script" not in markup
    assert explore(simple)._repr_mimebundle_()["text/plain"] == "A line."


def test_the_alternative_text_is_the_docstring():
    assert 'role="img" aria-label="A line."' in page(simple, alpha=[1, 2])


def test_nothing_in_a_text_can_end_the_script():
    def draw(fig, name="a"):
        """Quotes "and" <tags> & more."""
        fig.text(0.1, 0.1, f"</script><b>{name}")
        return f"</script><i>{name}"

    markup = page(draw, name=["a", "</script>"])
    (table,) = tables(markup)
    assert table["panels"][0]["texts"][0] == "name a: </script><i>a"
    assert markup.count("</script>") == 1
    assert "<b>" not in markup.split("<script")[0]


def test_ids_of_a_page_differ():
    def same(fig, m=1):
        """As many lines as m says, and every second time a note."""
        growing(fig, m + 1)

    one = page(growing, same, m=[1, 2, 3])
    other = page(growing, m=[1, 2, 4])
    again = page(growing, m=[1, 2, 4])
    shown = [re.sub("<script.*?</script>", "", markup) for markup in (one, other, again)]
    ids = [re.findall(r' id="([^"]*)"', markup) for markup in shown]
    assert all(ids)
    assert len({name for names in ids for name in names}) == sum(map(len, ids))
    for markup, names in zip(shown, ids, strict=True):
        assert set(re.findall(r"url\(#(.*?)\)", markup)) <= set(names)


def test_the_bytes_do_not_depend_on_the_process():
    # What this file imports takes longer than the pictures.
    program = "import sys\nimport numpy as np\nfrom slidefig import Look\n"
    program += f"explore = Look(labels={LOOK.labels!r}).explore\n"
    program += "".join(map(inspect.getsource, (typical, growing, page)))
    program += "sys.stdout.write(page(typical, growing, alpha=[1, 1e-3], depth=[2, 3], m=[1, 2]))"
    there = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONHASHSEED": "1"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        check=True,
    ).stdout
    here = page(typical, growing, alpha=[1, 1e-3], depth=[2, 3], m=[1, 2])
    assert there.decode() == here and "<svg" in here


# --- How it is drawn


def drawing(draw):
    return str(trees_of(draw, alpha=[1, 2])[0])


def test_copied_ticks_are_those_that_matplotlib_makes(monkeypatch):
    def draw(fig, top=3):
        """Axes of all kinds."""
        fig.set_size_inches(8, 5)
        left, middle, right = fig.subplots(1, 3)
        left.loglog([1e-8, 1], [3, 10**top])
        left.twinx().plot([0, top])
        middle.bar(["one", "two", "three"], [1, top, 2])
        middle.tick_params(axis="x", labelrotation=30, labelcolor="C1", pad=6)
        middle.grid(False)
        fig.colorbar(right.imshow(np.eye(top)))
        right.set_yticks([0, 1, 2], ["$x^2$", "b", ""])
        fig.add_axes((0.1, 0.1, 0.2, 0.2), projection="polar").plot([0, 1, 2], [0, 1, top])

    made = [LOOK.states(draw, top=[3, 4])]
    monkeypatch.setattr(_figure, "_fill_in_ticks", lambda fig: None)
    made.append(LOOK.states(draw, top=[3, 4]))
    assert made[0] == made[1]


def test_tick_labels_are_text():
    def draw(fig, alpha=1):
        """x"""
        fig.subplots().loglog([1e-8, 1], [3, 4000])

    markup = drawing(draw)
    assert {"10⁻⁸", "10⁰", "10³"} <= set(re.findall(">([^<>]+)</text>", markup))


@pytest.mark.parametrize(
    ("math", "text"),
    [
        (r"$\mathdefault{10^{-3}}$", "10⁻³"),
        (r"$\mathdefault{-10^{2}}$", "−10²"),
        (r"$\mathdefault{2\times10^{-5}}$", "2·10⁻⁵"),
        (r"$\mathdefault{-2\times10^{-5}}$", "−2·10⁻⁵"),
        (r"$\mathdefault{0}$", "0"),
        (r"$\mathdefault{0.5}$", "0.5"),
    ],
)
def test_powers_of_matplotlib_become_text(math, text):
    assert _svg._plain(math, True) == (text, False)


def test_mathematics_is_drawn():
    assert _svg._plain(r"$\|x\|_1$", True) == (r"$\|x\|_1$", True)

    def draw(fig, alpha=1):
        """x"""
        fig.text(0.5, 0.5, r"$\|x\|_1$")

    markup = drawing(draw)
    assert "<text" not in markup and markup.count("<path") == 1


def test_colours_can_be_replaced_by_the_page():
    def draw(fig, alpha=1):
        """x"""
        ax = fig.subplots()
        ax.plot([0, 1], color=COLORS["green"])
        ax.plot([1, 0], "ko", mfc="white")
        ax.plot([1, 1], color="#123456")

    markup = drawing(draw)
    for name in ("green", "ink", "paper"):
        assert f"var(--fig-{name},{COLORS[name]})" in markup
    assert "#000000" not in markup and '"#ffffff"' not in markup and "#123456" in markup


@given(st.sampled_from(["gray", "few", "many"]), st.integers(1, 40), st.integers(1, 40), st.integers(0, 9))
def test_an_image_loses_nothing(kind, rows, columns, seed):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (rows, columns, 4), dtype=np.uint8)
    if kind == "gray":
        pixels[..., 1:3] = pixels[..., :1]
        pixels[..., 3] = 255
    elif kind == "few":
        pixels = pixels.reshape(-1, 4)[rng.integers(0, min(7, rows * columns), (rows, columns))]
    image = Image.open(io.BytesIO(_svg._png(pixels)))
    assert (np.asarray(image.convert("RGBA")) == pixels).all()
    assert image.mode == "L" or kind != "gray"


def test_an_image_is_upright_and_in_its_place():
    pixels = np.zeros((2, 3, 3))
    pixels[0] = 1  # white above, black below

    def draw(fig, alpha=1):
        """x"""
        ax = fig.add_axes([0, 0, 1, 1])
        ax.imshow(pixels, aspect="auto")
        ax.axis("off")

    markup = drawing(draw)
    data = base64.b64decode(re.search('base64,([^"]*)', markup)[1])
    image = np.asarray(Image.open(io.BytesIO(data)).convert("L"))
    assert image.tolist() == [[255] * 3, [0] * 3]
    width, height = (72 * 10 * inch for inch in _figure._STYLE["figure.figsize"])
    matrix = [float(number) for number in re.search(r"matrix\((.*?)\)", markup)[1].split()]
    assert np.allclose(matrix, [width / 3, 0, 0, height / 2, 0, 0], rtol=1e-3)


def test_nothing_jumps_when_tick_labels_grow():
    def draw(fig, alpha=1.0):
        """x"""
        ax = fig.subplots()
        ax.plot([0, alpha], [0, alpha])
        ax.set(ylabel="y")

    (table,) = tables(page(draw, alpha=[1, 1234.5, 1e-9, 2.0]))
    assert not [slot for slot in table["panels"][0]["slots"] if slot[1] == "width"]


def test_the_style_does_not_leak_and_does_not_depend_on_the_notebook():
    import matplotlib as mpl

    plain = page(simple, alpha=[1, 2])
    with mpl.rc_context({"lines.linewidth": 9, "figure.dpi": 300, "savefig.bbox": "tight"}):
        before = dict(mpl.rcParams)
        assert ID_PREFIX.sub("", page(simple, alpha=[1, 2])) == ID_PREFIX.sub("", plain)
        assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("path", ["hatch", "scatter", "mesh", "clip", "contour", "legend", "nan", "far", "empty"])
def test_ordinary_matplotlib_works(path):
    def draw(fig, alpha=1):
        """x"""
        ax = fig.subplots()
        x = np.linspace(0, 1, 200)
        if path == "hatch":
            ax.bar([0, 1], [1, 2], hatch="//")
        elif path == "scatter":
            ax.scatter(x, x**2, c=x, alpha=0.5, edgecolor="k")
        elif path == "mesh":
            fig.colorbar(ax.pcolormesh(np.outer(x[:5], x[:5])))
        elif path == "clip":
            from matplotlib.patches import Circle

            image = ax.imshow(np.eye(4))
            image.set_clip_path(Circle((0, 0), 2, transform=ax.transData))
        elif path == "contour":
            ax.contour(np.outer(x, x), cmap="viridis")
            ax.contourf(np.outer(x, x))
        elif path == "legend":
            ax.plot(x, x, "s-.", label=r"$x_i^2$")
            ax.legend(title="models", frameon=True)
            ax.annotate("here", (0.5, 0.5), (0.2, 0.8), arrowprops={"arrowstyle": "->"})
        elif path == "nan":
            ax.plot(x, np.where(x > 0.5, np.nan, x), "-o")
        elif path == "far":
            ax.semilogy(x, 10.0 ** (-300 * x), "-+")
            ax.set_ylim(1e-3, 10)
        elif path == "empty":
            ax.plot([], [])
            ax.plot([], [], "o")

    markup = drawing(draw)
    assert "nan" not in markup and "inf" not in markup
    numbers = [abs(int(number)) for place in re.findall(r"M(-?\d+) (-?\d+)", markup) for number in place]
    assert max(numbers) < 20_000


# --- Colours


def luminance(color):
    part = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("look", [LOOK, book.LOOK], ids=["slidefig", "book"])
def test_colours_stand_out_and_differ(look):
    for colors in (look.colors, look.dark):
        assert len(set(colors.values())) == len(look.colors)
        for name in set(colors) - {"grid", "paper"}:
            least = 4.5 if name in ("ink", "muted") else 3
            assert contrast(colors[name], colors["paper"]) >= least, name


def test_each_colour_is_written_once_for_both_kinds_of_page():
    (style,) = re.findall(r'<div class="explore" style="--groups:1;([^"]*)">', page(simple, alpha=[1, 2]))
    pairs = dict(re.findall(r"--fig-(\w+):light-dark\(([^()]*)\)", style))
    assert pairs == {name: f"{color},{LOOK.dark[name]}" for name, color in LOOK.colors.items()}


BAD_LOOKS = [
    ({"colors": {"ink": "#000000"}}, "colors: .*muted"),
    ({"colors": {**LOOK.colors, "red": "red"}}, "colors: .*red"),
    ({"colors": {**LOOK.colors, "copy": "#1f2328"}, "dark": {**LOOK.dark, "copy": "#111111"}}, "colors: two names"),
    ({"colors": {**LOOK.colors, "red": "#ff0000"}}, "dark: .*red"),
    ({"dark": {**LOOK.dark, "ink": "#FFF"}}, "dark: .*ink"),
    ({"cycle": ["violet"]}, "cycle: .*violet"),
    ({"colors": {**LOOK.colors, "light blue": "#0000ff"}}, "colors: .*light blue"),
    ({"labels": {"alpha": "α"}}, "labels: alpha"),
    ({"played": "time"}, "played: .*'time'"),
    ({"labels": {"alpha": ("scale α", "α")}}, "labels: alpha"),
    ({"colors": {n: LOOK.colors[n] for n in ("ink", "muted", "grid", "paper")}}, "cycle"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD_LOOKS)
def test_a_bad_look_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        Look(**arguments)


def test_a_look_hands_in_words_colours_and_lines():
    look = Look(
        colors={**LOOK.colors, "ours": "#123456"},
        dark={**LOOK.dark, "ours": "#abcdef"},
        cycle=["ours"],
        labels={"m": ("number of lines", "of {} lines")},
        style={"lines.linewidth": 7.0},
    )
    markup = look.explore(growing, m=[1, 2]).html
    assert "number of lines" in markup and "of 1 lines: 1 lines" in markup
    assert 'stroke="var(--fig-ours,#123456)" stroke-width="70"' in markup
    assert "--fig-ours:light-dark(#123456,#abcdef)" in markup and "--fig-accent:var(--fig-ours)" in markup


# --- What tests need


def test_states_are_those_of_the_page():
    figure = explore(growing, simple, m=[1, 2, 3], alpha=[1.0, 0.1])
    groups = LOOK.states(growing, simple, m=[1, 2, 3], alpha=[1.0, 0.1])
    assert [[[state.values for state in panel] for panel in group] for group in groups] == [
        [[{"m": 1}, {"m": 2}, {"m": 3}]],
        [[{"alpha": 0.1}, {"alpha": 1.0}]],
    ]
    assert [state.text for state in groups[0][0]] == ["m 1: 1 lines", "m 2: 2 lines", "m 3: 3 lines"]
    shown = re.findall("<svg.*?</svg>", ID_PREFIX.sub("", figure.html))
    assert shown == [groups[0][0][0].svg, groups[1][0][0].svg]  # it opens at m = 1 and α = 0.1


def test_the_first_figure_brings_style_and_script_for_the_page(monkeypatch):
    monkeypatch.setattr(_page.StaticFigure, "_carried", False)
    first, second = explore(simple, alpha=[1, 2]), explore(simple, alpha=[1, 3])
    shown = [figure._repr_mimebundle_()["text/html"] for figure in (second, first)]  # whichever is shown first
    assert shown[1] == first.html and _page.ASSETS.sub("", shown[0]) == second.html
    assert len(shown[0]) - len(second.html) < 25_000
    assert _page.style() in shown[0] and _page.script() in shown[0]


def test_what_is_for_the_authors_does_not_travel():
    for text, name in ((_page.style(), "explore.css"), (_page.script(), "explore.js")):
        written = (_page.STATIC / name).read_text()
        assert not re.search(r"/\*|//(?!www)|^\s", text, re.M)
        code = re.sub(r"/\*.*?\*/|(?<!:)//.*", "", written, flags=re.S if name.endswith("css") else 0)
        assert "".join(text.split()) == "".join(code.split())


@pytest.mark.parametrize("module", [_figure, _page, _svg, _values])
def test_examples_run(module):
    found = {"explore": explore, "states": LOOK.states}
    assert doctest.testmod(module, extraglobs=found, optionflags=doctest.NORMALIZE_WHITESPACE).failed == 0


# --- In a live kernel


@pytest.fixture
def live(monkeypatch):
    monkeypatch.setattr(_figure, "_is_live", lambda: True)


def parts(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from parts(child)


def controls(*draws, **grid):
    found = list(parts(explore(*draws, **grid).widget))
    return [w for w in found if hasattr(w, "description") and type(w).__name__ != "HTML"], [
        w for w in found if type(w).__name__ == "HTML"
    ]


@pytest.mark.usefixtures("live")
@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (np.geomspace(1, 1e-6, 31), "FloatLogSlider"),
        (np.linspace(0, 1, 11), "FloatSlider"),
        ([2, 3, 4], "ToggleButtons"),
        (range(9, 1, -1), "IntSlider"),
        ([1, 2, 4, 8], "SelectionSlider"),
        ([0.0, 1.0, 5.0], "SelectionSlider"),
        ([2.0, np.inf], "SelectionSlider"),
        (["a", "b"], "ToggleButtons"),
        ([False, True], "ToggleButtons"),
        ([2, "many"], "ToggleButtons"),
    ],
)
def test_the_widget_fits_the_grid(values, kind):
    seen = []

    def draw(fig, alpha):
        """x"""
        seen.append(alpha)

    (slider,), _ = controls(draw, alpha=values)
    assert type(slider).__name__ == kind
    if kind.startswith("Float"):  # every value of the grid is a step of the slider
        places = np.log10(values) if "Log" in kind else values
        steps = (places - slider.min) / slider.step
        np.testing.assert_allclose(steps, np.rint(steps), atol=1e-6)
        assert slider.max - slider.min >= 200 * slider.step * (1 - 1e-12)
    assert slider.description == "initialization scale α"
    assert seen == [next(iter(values))]  # the first that is given, and only the opening state is computed


@pytest.mark.usefixtures("live")
def test_a_live_slider_takes_any_value():
    (alpha, depth), (view,) = controls(typical, alpha=ALPHAS, depth=[2, 3])
    before = view.value
    alpha.value = 3.3e-4
    depth.value = 3
    assert "α = 3.3·10⁻⁴, depth 3: ‖x‖₁ = " in view.value
    assert view.value != before and "<svg" in view.value


@pytest.mark.usefixtures("live")
def test_live_axes_make_room_for_labels_that_grow():
    def draw(fig, alpha=1.0):
        """x"""
        ax = fig.subplots()
        ax.plot([0, 1], [0, alpha])
        ax.set(ylabel="y", ylim=(0, alpha))

    (slider,), (view,) = controls(draw, alpha=[1.0, 12345.0])
    left = []
    for slider.value in (1.0, 12345.0, 1.0):
        left.append(int(re.search(r'data-axes="\[\[(\d+),', view.value)[1]))
    assert left[0] < left[1] == left[2]


@pytest.mark.usefixtures("live")
def test_a_live_error_is_shown():
    def draw(fig, m=1):
        """x"""
        if m == 2:
            raise ZeroDivisionError("<m> is two")

    (slider,), (view,) = controls(draw, m=[1, 2, 3])
    slider.value = 2
    assert "ZeroDivisionError: &lt;m&gt; is two" in view.value
    slider.value = 3
    assert "<svg" in view.value


@pytest.mark.usefixtures("live")
@pytest.mark.parametrize("times", [np.geomspace(1, 100, 5), np.linspace(0, 1, 5), [0, 1, 5, 6, 7], range(5)])
def test_a_live_time_can_be_played(times):
    def draw(fig, t=times[1], m=1):
        """x"""
        return f"m is {m}"

    look, times = Look(played=["t"]), [value.item() if isinstance(value, np.generic) else value for value in times]
    found = list(parts(look.explore(draw, t=times, m=[1, 2]).widget))
    (play,) = (widget for widget in found if type(widget).__name__ == "Play")
    slider, _, view = (widget for widget in found if hasattr(widget, "description") and widget is not play)
    assert (play.value, play.min, play.max, play.step) == (1, 0, 4, 1)
    assert play.interval >= 150 and "explore-play" in play._dom_classes and play.tooltip == "Play t"
    assert "@media (prefers-reduced-motion:reduce){.explore-play{visibility:hidden}}" in view.value
    play.playing = True
    for k in (2, 3, 4, 0, 1):
        play.value = k
        assert slider.value == pytest.approx(times[k]) and play.playing
        assert f"t {_values.shown(times[k])}" in view.value
    play.value = 2
    if slider.value != 5:  # what a browser answers: the value rounded, and the one before, late
        slider.value = slider.value * (1 + 1e-15)
    slider.value = times[1]
    assert play.playing and play.value == 2
    play.value = 3
    discrete = type(slider).__name__ in ("SelectionSlider", "IntSlider")
    by_hand, at = (times[0], 0) if discrete else (0.9 * times[3] + 0.1 * times[2], 3)
    slider.value = by_hand  # it stops there, and would go on from there
    assert not play.playing and play.value == at
    assert slider.value == pytest.approx(by_hand)


@pytest.mark.usefixtures("live")
def test_what_is_no_time_is_not_played():
    assert "Play" not in {
        type(widget).__name__ for widget in parts(explore(typical, alpha=ALPHAS, depth=[2, 3]).widget)
    }


def test_every_picture_can_be_watched():
    seen = []
    end = watch(lambda *drawn: seen.append(drawn))
    ((panel,),) = LOOK.states(typical, alpha=ALPHAS[:2], depth=[2, 3])
    end()
    LOOK.states(simple)
    assert seen == [(typical, state) for state in panel] and len(seen) == 4


@pytest.mark.usefixtures("live")
def test_a_live_picture_is_the_static_one():
    _, (view,) = controls(typical, alpha=ALPHAS, depth=[2, 3])
    ((panel,),) = _figure._groups([typical], {"alpha": ALPHAS, "depth": [2, 3]}, LOOK)
    with LOOK._context():
        tree, text = panel.picture(panel.laid_out((ALPHAS[10], 2)), (ALPHAS[10], 2))
    assert html.escape(text) in view.value
    assert ID_PREFIX.sub(_page.NO_PREFIX, re.search("<svg.*</svg>", view.value)[0]) == str(tree)


@pytest.mark.usefixtures("live")
def test_a_live_figure_keeps_a_still_one_for_a_saved_notebook():
    figure = explore(growing, simple, typical, m=[1, 2, 3], alpha=ALPHAS, depth=[2, 3])
    bundle = figure._repr_mimebundle_()
    model = bundle.pop("application/vnd.jupyter.widget-view+json")["model_id"]
    assert model == figure.widget.model_id
    assert bundle.pop("text/plain").split("\n") == [growing.__doc__, simple.__doc__, typical.__doc__]
    assert set(bundle) == {"image/svg+xml"}  # no HTML: code hosts prefer it, and take out what they do not know
    root = ElementTree.fromstring(bundle["image/svg+xml"])
    name = "{http://www.w3.org/2000/svg}"
    assert root.tag == name + "svg"
    texts = [element.text for element in root.findall(f"{name}text")]
    assert texts[0] == "m 1: 1 lines" and " ".join(texts[1:]).startswith("α = 0.1, depth 2: ‖x‖₁ = ")
    assert "var(" not in bundle["image/svg+xml"]
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(ids) == len(set(ids)) and all(map(ID_PREFIX.match, ids))
    assert set(re.findall(r"url\(#(.*?)\)", bundle["image/svg+xml"])) <= set(ids)
    panels = root.findall(f"{name}svg")
    boxes = [[float(panel.get(key)) for key in ("x", "y", "width", "height")] for panel in panels]
    assert len(boxes) == 3 and max(x + width for x, _, width, _ in boxes) == float(root.get("width"))
    for (x, y, w, h), (i, j, k, m) in itertools.combinations(boxes, 2):
        assert x + w <= i or i + k <= x or y + h <= j or j + m <= y, "two panels lie on each other"


def test_a_long_text_is_broken_into_lines(monkeypatch):
    def draw(fig, m=1):
        """x"""
        return "word " * 60

    monkeypatch.setattr(_figure, "_is_live", lambda: True)
    root = ElementTree.fromstring(explore(draw, m=[1, 2])._repr_mimebundle_()["image/svg+xml"])
    lines = [element.text for element in root.findall("{http://www.w3.org/2000/svg}text")]
    assert " ".join(lines) == ("m 1: " + "word " * 60).strip() and max(map(len, lines)) * 7 < float(root.get("width"))


def test_a_figure_can_be_drawn_on_by_itself():
    assert simple(Figure()) is None  # a draw function needs nothing of explore


def test_a_panel_may_be_polar():
    def draw(fig, n=1):
        """A spiral."""
        fig.add_subplot(projection="polar").plot(np.linspace(0, n, 50), np.linspace(0, 1, 50))

    assert "<svg" in explore(draw, n=[1, 2, 5])._repr_mimebundle_()["text/html"]
