"""The sliders in a browser: each state that they reach is the one the library draws.

First by keyboard on pages made here, then on the chapters of the built site. The states to compare with are noted when they
are drawn, before they are packed for the page. Those of the chapters are drawn once more for that, by other kernels, in the
build elsewhere, and not taken from the site.
"""

import gzip
import html
import itertools
import json
import re
import statistics

import numpy as np
import pytest
import slidefig
from book.browser import fetch_states, wait_for_all
from implicit_bias.look import explore
from slidefig import ID_PREFIX

from tests.shared import MOVING, ROOT, typical
from tests.site.conftest import tables

STATIC = ROOT / "lib" / "slidefig" / "static"


# --- What a state should look like


def normal(svg):
    """Rid an SVG of what may differ: the names of ids, and how a character is escaped."""
    return html.unescape(ID_PREFIX.sub("", svg))


# The controls of a group, each a slider or buttons, and their positions.
CONTROLS = """const controls = (group) => [...group.querySelectorAll(".explore-input")]
    .map((control) => [...control.querySelectorAll("input")]);"""
SHOWN = """group => ({
    values: [...group.querySelectorAll(".explore-value")].map((value) => value.textContent),
    spoken: [...group.querySelectorAll("input[type=range]")].map((input) => input.getAttribute("aria-valuetext")),
    pictures: [...group.querySelectorAll("svg")].map((svg) => svg.outerHTML),
    texts: [...group.querySelectorAll(".explore-panel")].map((panel) => panel.querySelector("output")?.textContent ?? ""),
})"""
# The browser draws no frame of these states, which takes most of the time by keyboard.
WALK = f"""(group, walk) => {{ {CONTROLS} return walk.map((positions) => {{
    controls(group).forEach((inputs, k) => {{
        const [input] = inputs;
        if (input.type === "radio") return inputs[positions[k]].click();
        if (input.valueAsNumber === positions[k]) return;
        input.value = positions[k];
        input.dispatchEvent(new Event("input", {{ bubbles: true }}));
    }});
    return ({SHOWN})(group);
}}); }}"""
COUNTS = f"""group => {{
    {CONTROLS}
    return controls(group).map((inputs) => Number(inputs[0].max || inputs.length - 1) + 1);
}}"""


def by_keyboard(group, walk):
    controls = [control.locator("input") for control in group.locator(".explore-input").all()]
    choices = [control.count() > 1 for control in controls]
    for control, choice in zip(controls, choices, strict=True):
        control.first.press("Space" if choice else "Home")
    now = [0] * len(controls)
    for positions in walk:
        for k, control in enumerate(controls):
            if positions[k] == now[k]:
                continue
            if choices[k]:  # from the last button the arrow leads to the first
                control.nth(now[k]).press("ArrowRight")
            else:
                control.press("Home" if positions[k] == 0 else "ArrowRight")
            now[k] = positions[k]
        yield group.evaluate(SHOWN)


def by_script(group, walk):
    return group.evaluate(WALK, walk)


def compare_all_states(group, expected, move):
    """Move the sliders of a group through all combinations, and compare each with what is expected."""
    table = json.loads(group.locator("script").text_content())
    counts = [len(slider["shown"]) for slider in table["sliders"]]
    assert counts == group.evaluate(COUNTS)
    sliders = [k for k, control in enumerate(group.locator(".explore-input").all()) if control.locator("[max]").count()]
    walk = list(itertools.product(*map(range, counts)))
    for positions, shown in zip(walk, move(group, walk), strict=True):
        assert shown["values"] == [table["sliders"][k]["shown"][positions[k]] for k in sliders]
        assert shown["spoken"] == [table["sliders"][k]["spoken"][positions[k]] for k in sliders]
        for panel, states, picture, text in zip(
            table["panels"], expected, shown["pictures"], shown["texts"], strict=True
        ):
            state = 0
            for slider in panel["sliders"]:
                state = state * counts[slider] + positions[slider]
            assert text == states[state][1]
            assert normal(picture) == states[state][0]


# --- Pages made here


def growing(fig, m=2):
    """As many lines as m says, and every second time a note."""
    ax = fig.subplots()
    for k in range(m):
        ax.plot([0, 1], [k, k * m], "o-")
    if m % 2:
        ax.text(0.5, 0.5, f"<{m} & more>", transform=ax.transAxes)


def image(fig, depth=3, m=2):
    """An image with mathematics below it."""
    ax = fig.subplots()
    fig.colorbar(ax.imshow(np.outer(np.arange(m + 3), np.arange(7)) ** (1 / depth)))
    ax.set(xlabel=rf"$x^{depth}$")
    return "</script> & <b>"


def alone(fig, method="hat"):
    """A word that is independent of the rest."""
    fig.text(0.1, 0.5, method)


def still(fig):
    """A figure without sliders."""
    fig.subplots().plot([0, 1])


def running(fig, time=3):
    """A line that turns."""
    fig.subplots().plot([0, 1], [0, time])


PLACES = list(itertools.product([0.2, 0.5, 0.8], [0.3, 0.7, 0.9]))


def dragged(fig, x=0.2, y=0.9):
    """A marker that can be dragged, and a curve."""
    ax = fig.subplots()
    ax.plot(np.linspace(0, 1, 50), np.linspace(0, 1, 50) ** 2)
    ax.plot(x, y, "o", ms=10, gid="drag")
    ax.set(xlim=(0, 1), ylim=(0, 1), xlabel="time", ylabel="$y$")
    return f"at ({x}, {y})"


def follower(fig, x=0.2):
    """A figure that follows another."""
    fig.subplots().plot([0, x])


FIGURES = {
    "typical": ((typical,), {"alpha": np.geomspace(1, 1e-6, 31), "depth": [2, 3]}),
    "panels": ((growing, image, alone), {"m": [1, 2, 3, 4], "depth": [2, 3, 4], "method": ["hat", "check"]}),
    "time": ((running,), {"time": range(21)}),
    "still": ((still,), {}),
    "dragged": ((dragged,), {"x": [0.2, 0.5, 0.8], "y": [0.3, 0.7, 0.9], "linked": "x"}),
    "follower": ((follower,), {"x": [0.2, 0.4, 0.6, 0.8, 1.0], "linked": "x"}),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The address of a page with all figures, the HTML of each, and what each state of its panels shows: picture and text."""
    folder = tmp_path_factory.mktemp("page")
    figures, drawn = {}, {}
    for name, (draws, grid) in FIGURES.items():
        panels = drawn[name] = {}
        end = slidefig.watch(
            lambda draw, state, panels=panels: panels.setdefault(draw, []).append((normal(state.svg), state.text))
        )
        figures[name] = explore(*draws, **grid).html
        end()
    body = "".join(f'<section id="{name}">{figure}</section>' for name, figure in figures.items())
    folder.joinpath("page.html").write_text(
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Figures</title>'
        '<meta name="viewport" content="width=device-width">'
        f'<link rel="stylesheet" href="{(STATIC / "explore.css").as_uri()}">'
        f'<script defer src="{(STATIC / "explore.js").as_uri()}"></script>'
        f"<body><p>before</p>{body}<p>after</p>",
        encoding="utf-8",
    )
    return folder.joinpath("page.html").as_uri(), figures, {name: [*panels.values()] for name, panels in drawn.items()}


@pytest.fixture
def page(browser, made):
    page = browser.new_page()
    wrong = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda line: wrong.append(line.text))
    page.goto(made[0])
    yield page
    assert not wrong
    page.close()


@pytest.mark.parametrize("name", ["typical", "panels", "time"])
def test_every_state_is_the_one_that_was_drawn(page, made, name):
    panels = iter(made[2][name])
    for group in page.locator(f"#{name} .explore-group").all():
        compare_all_states(group, [next(panels) for _ in group.locator(".explore-panel").all()], by_keyboard)
    assert not list(panels)


def test_the_figure_opens_with_the_values_of_the_signature(page):
    sliders = page.locator("#typical input")
    assert sliders.first.input_value() == "20" and sliders.nth(1).is_checked()
    assert page.locator("#typical output").text_content().startswith("α = 0.01, depth 2: ")


def test_a_move_fits_into_one_frame(page, record_property):
    times = page.evaluate(
        """() => {
            const group = document.querySelector("#typical .explore-group");
            const [alpha, ...depths] = group.querySelectorAll("input");
            const times = [];
            for (let round = 0; round < 3; round++)
                for (const depth of depths) {
                    depth.checked = true;
                    for (let i = 0; i < 31; i++) {
                        const start = performance.now();
                        alpha.value = i;
                        alpha.dispatchEvent(new Event("input", {bubbles: true}));
                        group.getBoundingClientRect();
                        times.push(performance.now() - start);
                    }
                }
            return times;
        }"""
    )
    report = f"median {statistics.median(times):.2f} ms, longest {max(times):.2f} ms of {len(times)} moves"
    record_property("move", report)
    print(report)
    assert statistics.median(times) < 16, report


def test_sixty_states_are_small(made, record_property):
    size = len(gzip.compress(made[1]["typical"].encode())) / 1000
    record_property("kilobytes", size)
    print(f"{size:.1f} kB gzipped")
    assert size < 60


def test_nothing_moves_when_the_script_starts_or_a_slider_moves(browser, made):
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.route("**/explore.js", lambda route: route.abort())
    page.goto(made[0])
    boxes = "[...document.querySelectorAll('svg, p')].map((e) => JSON.stringify(e.getBoundingClientRect()))"
    before = page.evaluate(boxes)
    assert not page.locator("#typical input").first.is_visible()
    page.add_script_tag(path=STATIC / "explore.js")
    assert page.locator("#typical input").first.is_visible()
    assert page.evaluate(boxes) == before
    for position in range(31):
        page.locator("#typical input").first.press("ArrowRight" if position else "Home")
        assert page.evaluate(boxes) == before
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.close()


def test_a_picture_that_is_far_away_has_its_size(browser, made):
    page = browser.new_page(viewport={"width": 390, "height": 200})
    page.goto(made[0])
    skipped = "[...document.querySelectorAll('svg > g')].filter((part) => !part.checkVisibility({contentVisibilityAuto: true}))"
    assert page.evaluate(f"{skipped}.length") > 0
    boxes = "[...document.querySelectorAll('svg, p')].map((e) => JSON.stringify(e.getBoundingClientRect()))"
    before = page.evaluate(boxes)
    page.add_style_tag(content="svg { content-visibility: visible !important; aspect-ratio: auto !important; }")
    assert page.evaluate(boxes) == before
    page.close()


def test_a_slider_is_large_enough_for_a_finger(page):
    for control in page.locator("input[type=range], label:has([type=radio]), button").all():
        assert control.bounding_box()["height"] >= 44


def test_time_runs_to_its_end_unless_the_reader_takes_over(page, made):
    slider, button = page.locator("#time input"), page.get_by_role("button", name="Play time t")
    assert page.locator("[aria-label^=Play]").count() == 1, "nothing but a time runs"
    now = "document.querySelector('#time input').value"
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    page.wait_for_function(f"{now} === '20' && document.querySelector('#time .explore-play').ariaPressed === 'false'")
    (expected,) = made[2]["time"]
    assert normal(page.locator("#time svg").evaluate("svg => svg.outerHTML")) == expected[20][0]

    button.focus()
    page.keyboard.press("Enter")  # once more, from the beginning
    page.wait_for_function(f"Number({now}) > 2 && Number({now}) < 20")
    for stop in (lambda: slider.press("ArrowLeft"), lambda: button.click(), lambda: page.keyboard.press("Space")):
        stop()
        running = button.get_attribute("aria-pressed") == "true"
        before = page.evaluate(now)
        page.wait_for_timeout(700)  # some steps
        assert (page.evaluate(now) != before) is running
    page.emulate_media(reduced_motion="reduce")
    assert not button.is_visible()


def test_each_slider_has_a_name(page):
    page.get_by_role("slider", name="initialization scale α", exact=True).press("Home")
    assert page.locator("#typical output").text_content().startswith("α = 10⁻⁶")
    assert page.get_by_role("img", name=typical.__doc__).count() == 1


def test_without_scripts_the_opening_state_is_there(browser, made):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(made[0])
    assert page.locator("#typical svg").bounding_box()["width"] > 300
    assert not page.locator("#typical input").first.is_visible()
    assert page.locator("#typical output").text_content().startswith("α = 0.01")
    context.close()


def test_paper_shows_chosen_states(page):
    page.locator("#typical input").last.check()
    before = page.locator("#typical").inner_html()
    page.emulate_media(media="print", color_scheme="dark")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    texts = [text.split(":")[0] for text in page.locator("#typical output:visible").all_text_contents()]
    assert texts == ["α = 10⁻⁶, depth 3", "α = 10⁻³, depth 3", "α = 1, depth 3"]
    tops = {svg.bounding_box()["y"] for svg in page.locator("#typical svg:visible").all()}
    assert len(tops) == 1  # side by side
    assert not any(slider.is_visible() for slider in page.locator("input, button").all())
    assert page.locator("#panels svg:visible").count() == 3 + 3 + 2
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((element) => element.id)")
    assert len(ids) == len(set(ids))
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.locator("#typical").inner_html().replace(' hidden=""', "") == before


def test_printing_calls_for_the_chosen_states(page):
    page.evaluate("addEventListener('beforeprint', () => { window.seen = document.querySelectorAll('svg').length })")
    before = page.locator("svg").count()
    assert page.pdf()[:4] == b"%PDF"
    assert page.evaluate("window.seen") > before
    assert page.locator("svg").count() == before


# --- What a reader shares, reads off and drags


def moved_to_rest(page, wanted):
    page.wait_for_function("wanted => location.search === wanted", arg=wanted)


def test_the_address_has_the_state_and_gives_it_back(page, made):
    steps = page.evaluate("history.length")
    page.evaluate("location.hash = 'still'")
    slider, text = page.locator("#typical input").first, page.locator("#typical output")
    for _ in range(3):
        slider.press("ArrowRight")
    page.get_by_role("radio", name="check").check()
    moved_to_rest(page, "?typical.alpha=0.0398107&panels.method=check")
    assert page.evaluate("[history.length, location.hash]") == [steps + 1, "#still"], "a move is no step of the history"
    shown = text.text_content()
    assert shown.startswith("α = 0.0398, depth 2")

    page.reload()
    assert (text.text_content(), slider.input_value()) == (shown, "23")
    assert page.get_by_role("radio", name="check").is_checked()
    page.evaluate("location.hash = 'time'")
    slider.press("End")
    moved_to_rest(page, "?typical.alpha=1&panels.method=check")
    page.go_back()
    page.wait_for_function("shown => document.querySelector('#typical output').textContent === shown", arg=shown)
    page.go_forward()
    page.wait_for_function("document.querySelector('#typical input').value === '30'")

    page.get_by_role("radio", name="hat").check()
    slider.evaluate("slider => { slider.value = 20; slider.dispatchEvent(new Event('input', { bubbles: true })); }")
    moved_to_rest(page, "")  # nothing where it opens


@pytest.mark.parametrize(
    ("query", "position"),
    [
        ("typical.alpha=1e-06", 0),
        ("typical.alpha=0.011", 20),
        ("typical.alpha=-4", 0),
        ("typical.alpha=1e999", 30),
        ("typical.alpha=", 20),
        ("typical.alpha=<b>", 20),
        ("typical.alpha", 20),
        ("other.alpha=1&alpha=1&typical.=1&.=&%E0%A4", 20),
    ],
)
def test_any_address_opens_the_page(page, made, query, position):
    page.goto(f"{made[0]}?{query}#typical")
    assert page.locator("#typical input").first.input_value() == str(position)
    assert page.locator(".explore-group:not(.explore-ready)").count() == 0


def test_a_link_to_one_figure_is_copied(browser, made):
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(made[0])
    page.locator("#typical input").first.press("End")
    page.locator("#time input").press("Home")
    page.locator("#time").get_by_role("button", name="Copy a link to this state").click()
    page.get_by_role("status").get_by_text("Link copied").wait_for()
    link = page.evaluate("navigator.clipboard.readText()")
    assert link == made[0] + "?time.time=0#time"
    page.goto(link)
    assert page.locator("#time input").input_value() == "0"
    assert page.locator("#typical input").first.input_value() == "20"
    context.close()


def test_what_is_linked_moves_together(page):
    page.locator("#dragged input").first.press("ArrowRight")
    assert page.locator("#dragged output").text_content() == "x = 0.5, y 0.9: at (0.5, 0.9)"
    assert page.locator("#follower .explore-value").text_content() == "0.6"  # the nearest, by its ratio
    page.locator("#follower input").press("End")
    assert page.locator("#dragged output").text_content() == "x = 0.8, y 0.9: at (0.8, 0.9)"
    assert page.locator("#dragged input").first.input_value() == "2"


def test_a_double_click_goes_to_the_nearer_end(page):
    slider = page.locator("#typical input").first
    box = slider.bounding_box()
    slider.dblclick(position={"x": box["width"] - 5, "y": 20})
    assert slider.input_value() == "30"
    slider.dblclick(position={"x": box["width"] / 3, "y": 20})
    assert slider.input_value() == "0"
    assert page.locator("#typical output").text_content().startswith("α = 10⁻⁶")


def places_in_axes(svg):
    """A function from shares of the width and the height of the axes to places in the window, and that width and height."""
    svg.scroll_into_view_if_needed()
    box, view = svg.bounding_box(), svg.evaluate("svg => svg.viewBox.baseVal.width")
    left, bottom, right, top = svg.evaluate("svg => JSON.parse(svg.dataset.axes)[0].slice(0, 4)")

    def at(x, y):
        place = left + x * (right - left), bottom + y * (top - bottom)
        return [start + part * box["width"] / view for start, part in zip((box["x"], box["y"]), place, strict=True)]

    return at, np.array([right - left, bottom - top])


def test_values_are_read_off_under_the_pointer_and_by_keyboard(page):
    svg = page.locator("#dragged svg")
    before = svg.evaluate("svg => svg.outerHTML")
    at, _ = places_in_axes(svg)

    bubble = page.locator("#dragged .explore-bubble")
    for x in (0.1, 0.4, 0.62, 0.95):
        page.mouse.move(*at(x, x**2))
        (_, time), (_, value) = (line.split(": ") for line in bubble.inner_text().splitlines())
        assert float(time) == pytest.approx(x, abs=0.01) and float(value) == pytest.approx(x**2, abs=0.015)
    page.mouse.move(*at(0.1, 0.95))
    assert bubble.count() == 0, "far from every curve"

    button = page.locator("#dragged").get_by_role("button", name="Read values off the curves")
    button.focus()
    page.keyboard.press("Enter")
    assert button.get_attribute("aria-pressed") == "true" and bubble.get_attribute("aria-live") == "polite"
    page.keyboard.press("Home")
    assert bubble.inner_text() == "time: 0\ny: 0"
    seen = []
    for _ in range(60):
        page.keyboard.press("ArrowRight")
        seen.append(float(bubble.inner_text().split()[1]))
    assert seen == sorted(seen) and seen[-1] == pytest.approx(1, abs=0.01)
    page.keyboard.press("Escape")
    assert bubble.count() == 0 and button.get_attribute("aria-pressed") == "false"
    assert svg.evaluate("svg => svg.outerHTML") == before


def test_a_marker_is_dragged_to_the_nearest_state(page):
    svg, text = page.locator("#dragged svg"), page.locator("#dragged output")
    at, shape = places_in_axes(svg)
    now = (0.2, 0.9)
    for goal in np.random.default_rng(0).uniform(0.05, 0.95, size=(12, 2)):
        page.mouse.move(*at(*now))
        page.mouse.down()
        page.mouse.move(*at(*goal), steps=3)
        page.mouse.up()
        now = min(PLACES, key=lambda place: np.hypot(*((np.array(place) - goal) * shape)))
        assert text.text_content() == f"x = {now[0]}, y {now[1]}: at {now}"
        page.mouse.move(*at(0.5, 0.1))  # released, it stays
        assert text.text_content().endswith(f"at {now}")


def test_a_swipe_that_scrolls_leaves_a_slider_where_it_was(browser, made):
    context = browser.new_context(viewport={"width": 390, "height": 500}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(made[0])
    slider = page.locator("#typical input").first
    box = slider.bounding_box()
    start, touch = page.evaluate("scrollY"), context.new_cdp_session(page).send
    x, y = box["x"] + box["width"] * 0.9, box["y"] + 20
    touch("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for k in range(1, 12):
        touch("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": x, "y": y - 12 * k}]})
    touch("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.wait_for_function("start => scrollY > start", arg=start)
    assert slider.input_value() == "20"
    assert page.locator("#typical output").text_content().startswith("α = 0.01,")
    context.close()


# --- The chapters


def test_the_states_of_a_chapter_come_with_the_first_thing_that_its_reader_does(browser, address):
    page, asked = browser.new_page(), []
    page.on("request", lambda one: "/states/" in one.url and asked.append(one.url))
    page.goto(address + "chapters/sparse_recovery.html")
    wait_for_all(page)
    assert asked == []
    group = page.locator(".explore-group", has=page.locator("[type=range]")).first
    slider, text = group.locator("[type=range]").first, group.locator("output").first
    opening = text.text_content()
    to_end = "slider => { slider.value = slider.max; slider.dispatchEvent(new Event('input', { bubbles: true })); }"

    page.route("**/states/*", lambda route: route.abort())  # by no pointer and no key, as a screen reader does it
    with page.expect_event("requestfailed"):
        slider.evaluate(to_end)
    page.unroute("**/states/*")
    assert len(asked) == 1 and text.text_content() == opening
    slider.evaluate(to_end)
    page.wait_for_function("location.search")
    there = text.text_content()
    assert there != opening and len(asked) == 2

    page.goto(page.evaluate("location.href"))  # as it is sent to someone else
    page.wait_for_function("([text, there]) => text.textContent === there", arg=[text.element_handle(), there])
    assert len(asked) == 3
    page.keyboard.press("Shift")
    fetch_states(page)
    keys = page.locator("[data-states]").evaluate_all("all => all.map((script) => script.dataset.states)")
    assert {url.rpartition("/")[2] for url in asked} == {f"{key}.js" for key in keys}
    page.close()


@pytest.mark.parametrize("chapter", MOVING)
def test_the_sliders_of_a_chapter_show_what_the_library_computes(browser, site, drawn, chapter):
    page = browser.new_page()
    page.goto((site / "chapters" / f"{chapter}.html").as_uri())
    fetch_states(page)
    shown = page.locator(".explore-panel svg").evaluate_all("svgs => svgs.map((svg) => svg.getAttribute('aria-label'))")
    assert shown == [" ".join(panel.description.split()) for panel in drawn[chapter]]
    panels = iter(drawn[chapter])
    for group in page.locator(".explore-group").all():
        expected = [
            [(normal(state.svg), state.text) for state in next(panels).states]
            for _ in group.locator(".explore-panel").all()
        ]
        if group.locator("input").count():
            compare_all_states(group, expected, by_script)
        else:
            assert [normal(svg.evaluate("svg => svg.outerHTML")) for svg in group.locator("svg").all()] == [
                picture for ((picture, _),) in expected
            ]
    page.close()


def test_larger_is_right_in_every_slider_and_on_every_axis(site):
    sliders, axes = 0, 0
    for path in site.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        for table in tables(text, site):
            for slider in table["sliders"]:
                try:
                    values = [float(value) for value in slider["written"]]
                except ValueError:
                    continue
                assert values == sorted(values), path
                sliders += len(values) > 2
        for found in re.findall(r' data-axes="(.*?)"', text):
            for *_, horizontal, _vertical in json.loads(found.replace("&quot;", '"')):
                assert horizontal[2] < horizontal[3], (path, horizontal)
                axes += 1
    assert sliders > 40 and axes > 60
