"""The slider figure: what it refuses, what it writes, and that a move leads to the picture it should."""

import base64
import gzip
import html
import importlib
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from implicit_bias import _svg
from implicit_bias.explore import COLORS, DARK_COLORS, explore
from matplotlib.figure import Figure
from PIL import Image

explore_module = importlib.import_module("implicit_bias.explore")
ALPHAS = np.geomspace(1, 1e-6, 31)
STATIC = Path(__file__).parents[2] / "lib" / "book" / "static"


def typical(fig, alpha=1e-2, depth=2):
    """The recovered vector beside the truth, and the error along the path."""
    fig.set_size_inches(5.6, 2.9)
    left, right = fig.subplots(1, 2)
    noise = np.random.default_rng(0).normal(size=40) * alpha**0.5 / depth
    left.vlines(range(40), 0, noise, color=COLORS["depth2"])
    left.plot(noise, "o", color=COLORS["depth2"], label="recovered")
    left.plot(np.zeros(40), "o", color=COLORS["truth"], mfc="none", label="truth")
    left.set(xlabel="coordinate", ylabel="value")
    left.legend()
    t = np.geomspace(1e-2, 1e6, 300)
    right.loglog(t, alpha + 1 / (1 + t ** (1 / depth) * alpha), color=COLORS["descent"], label="descent")
    right.loglog(t, alpha / 2 + 1 / (1 + t * alpha**0.5) ** 2, "--", color=COLORS["l1"], label="l1")
    right.loglog(t, np.exp(-alpha * t) + alpha**2, "-.", color=COLORS["l2"], label="l2")
    right.axhline(alpha, color=COLORS["bound"], ls=":")
    right.set(xlabel="time t", ylabel="error")
    right.legend()
    return f"error {abs(noise).sum():.2g}"


def simple(fig, alpha=0.1):
    """A line."""
    fig.subplots().plot([0, alpha])


def growing(fig, m=1):
    """As many lines as m says, and every second time a note."""
    ax = fig.subplots()
    for k in range(m):
        ax.plot([0, 1], [k, k * m], "o-")
    if m % 2:
        ax.text(0.5, 0.5, f"<{m} & more>", transform=ax.transAxes)
    return f"{m} lines"


@pytest.fixture(autouse=True)
def static(monkeypatch):
    monkeypatch.setenv("IMPLICIT_BIAS_FIGURES", "static")


def page(*draws, **grid):
    return explore(*draws, **grid)._repr_mimebundle_()["text/html"]


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
    assert explore_module._shown(value) == shown
    assert explore_module._spoken(value) == spoken


def test_the_figure_opens_at_the_nearest_value():
    def draw(fig, alpha=3e-3, depth=3, method="b", flag=True):
        """x"""

    markup = page(draw, alpha=[1, 1e-2, 1e-3, 1e-4], depth=[2, 3], method=["a", "b"], flag=[False, True])
    assert re.findall(r' value="(\d)"', markup) == ["2", "1", "1", "1"]
    assert "alpha" not in markup and "initialization scale α" in markup


def test_the_live_text_begins_with_the_values():
    (table,) = tables(page(typical, alpha=[1, 1e-3], depth=[2, 3]))
    assert [text.split(":")[0] for text in table["panels"][0]["texts"]] == [
        "α = 1, depth 2",
        "α = 1, depth 3",
        "α = 10⁻³, depth 2",
        "α = 10⁻³, depth 3",
    ]


# --- What travels in the page


def states(draw, name, values):
    slider = explore_module._Slider(name, values)
    panel = explore_module._panels([draw], {name: slider})[0]
    with explore_module._style():
        return [panel.picture((value,))[0] for value in slider.values]


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
    trees = states(growing, "m", [1, 2, 3, 4, 5])
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
    program = (
        "from tests.lib.test_explore import *\n"
        "sys.stdout.write(page(typical, growing, alpha=[1, 1e-3], depth=[2, 3], m=[1, 2]))"
    )
    outputs = [
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "IMPLICIT_BIAS_FIGURES": "static"},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert outputs[0] == outputs[1] and b"<svg" in outputs[0]


def test_sixty_states_are_small():
    markup = page(typical, alpha=ALPHAS, depth=[2, 3])
    assert len(gzip.compress(markup.encode())) < 60_000


# --- How it is drawn


def drawing(draw):
    return str(states(draw, "alpha", [1, 2])[0])


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
        ax.plot([0, 1], color=COLORS["l1"])
        ax.plot([1, 0], "ko", mfc="white")
        ax.plot([1, 1], color="#123456")

    markup = drawing(draw)
    for name in ("l1", "ink", "paper"):
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
    width, height = (72 * 10 * inch for inch in explore_module._STYLE["figure.figsize"])
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
        assert re.sub("fig-[0-9a-f]{8}(-[0-9]+)?-", "", page(simple, alpha=[1, 2])) == re.sub(
            "fig-[0-9a-f]{8}(-[0-9]+)?-", "", plain
        )
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
    numbers = [abs(float(number)) for number in re.findall(r"M(-?\d+)", markup)]
    assert max(numbers) < 20_000


# --- Colours


def luminance(color):
    part = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("name", sorted(set(COLORS) - {"grid", "paper"}))
def test_colours_stand_out(name):
    least = 4.5 if name in ("ink", "muted") else 3
    assert contrast(COLORS[name], "#ffffff") >= least
    assert contrast(DARK_COLORS[name], "#131416") >= least


def test_colours_differ():
    assert len(set(COLORS.values())) == len(COLORS) == len(DARK_COLORS)


def test_the_style_sheet_has_the_dark_colours_twice():
    sheet = (STATIC / "explore.css").read_text()
    for name, color in DARK_COLORS.items():
        assert re.findall(rf"--fig-{name}: (#\w+);", sheet) == [color] * 2


# --- In a live kernel


@pytest.fixture
def live(monkeypatch):
    monkeypatch.delenv("IMPLICIT_BIAS_FIGURES")


def parts(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from parts(child)


def controls(*draws, **grid):
    found = list(parts(explore(*draws, **grid)))
    return [w for w in found if hasattr(w, "description") and type(w).__name__ != "HTML"], [
        w for w in found if type(w).__name__ == "HTML"
    ]


@pytest.mark.usefixtures("live")
@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (np.geomspace(1, 1e-6, 31), "FloatLogSlider"),
        (np.linspace(0, 1, 11), "FloatSlider"),
        ([2, 3, 4], "IntSlider"),
        (range(9, 1, -1), "IntSlider"),
        ([1, 2, 4, 8], "SelectionSlider"),
        ([0.0, 1.0, 5.0], "SelectionSlider"),
        ([2.0, np.inf], "SelectionSlider"),
        (["a", "b"], "SelectionSlider"),
        ([False, True], "SelectionSlider"),
        ([2, "many"], "SelectionSlider"),
    ],
)
def test_the_widget_fits_the_grid(values, kind):
    seen = []

    def draw(fig, alpha):
        """x"""
        seen.append(alpha)

    (slider,), _ = controls(draw, alpha=values)
    assert type(slider).__name__ == kind
    assert slider.description == "initialization scale α"
    assert seen == [next(iter(values))]  # only the opening state is computed


@pytest.mark.usefixtures("live")
def test_a_live_slider_takes_any_value():
    (alpha, depth), (view,) = controls(typical, alpha=ALPHAS, depth=[2, 3])
    before = view.value
    alpha.value = 3.3e-4
    depth.value = 3
    assert "α = 3.3·10⁻⁴, depth 3: error" in view.value
    assert view.value != before and "<svg" in view.value


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
def test_a_live_picture_is_the_static_one():
    _, (view,) = controls(typical, alpha=ALPHAS, depth=[2, 3])
    panel = explore_module._panels(
        [typical], {"alpha": explore_module._Slider("alpha", ALPHAS), "depth": explore_module._Slider("depth", [2, 3])}
    )[0]
    with explore_module._style():
        tree, text = panel.picture((ALPHAS[10], 2))
    assert html.escape(text) in view.value
    assert re.sub("fig-[0-9a-f]{32}-", "FIGURE-", re.search("<svg.*</svg>", view.value)[0]) == str(tree)


def test_a_figure_can_be_drawn_on_by_itself():
    assert simple(Figure()) is None  # a draw function needs nothing of explore
