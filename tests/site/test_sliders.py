"""The sliders in a browser: each state that they reach is the one the library draws.

First by keyboard on pages made here, then on the chapters of the built site. There the states to compare with are those that
the library has drawn in the build elsewhere, noted before they are packed for the page: drawn once more, by other kernels, and
not taken from the site.
"""

import gzip
import html
import itertools
import json
import statistics

import numpy as np
import pytest
from implicit_bias import look
from implicit_bias.look import explore
from slidefig import ID_PREFIX

from tests.shared import MOVING, ROOT, typical

STATIC = ROOT / "lib" / "slidefig" / "static"


# --- What a state should look like


def fresh_states(draws, grid):
    """Draw all panels of a figure anew: for each group, for each panel, the picture and text of every state."""
    return [
        [[(normal(state.svg), state.text) for state in panel] for panel in group]
        for group in look.states(*draws, **grid)
    ]


def normal(svg):
    """Rid an SVG of what may differ: the names of ids, and how a character is escaped."""
    return html.unescape(ID_PREFIX.sub("", svg))


SHOWN = """group => ({
    values: [...group.querySelectorAll(".explore-value")].map((value) => value.textContent),
    spoken: [...group.querySelectorAll("input")].map((input) => input.ariaValueText ?? input.getAttribute("aria-valuetext")),
    pictures: [...group.querySelectorAll("svg")].map((svg) => svg.outerHTML),
    texts: [...group.querySelectorAll(".explore-panel")].map((panel) => panel.querySelector("output")?.textContent ?? ""),
})"""
# The browser draws no frame of these states, which takes most of the time by keyboard.
WALK = f"""(group, walk) => walk.map((positions) => {{
    group.querySelectorAll("input").forEach((input, k) => {{
        if (input.valueAsNumber === positions[k]) return;
        input.value = positions[k];
        input.dispatchEvent(new Event("input", {{ bubbles: true }}));
    }});
    return ({SHOWN})(group);
}})"""


def by_keyboard(group, walk):
    inputs = group.locator("input").all()
    for slider in inputs:
        slider.press("Home")
    now = [0] * len(inputs)
    for positions in walk:
        for k, slider in enumerate(inputs):
            if positions[k] != now[k]:
                slider.press("Home" if positions[k] == 0 else "ArrowRight")
                now[k] = positions[k]
        yield group.evaluate(SHOWN)


def by_script(group, walk):
    return group.evaluate(WALK, walk)


def compare_all_states(group, expected, move):
    """Move the sliders of a group through all combinations, and compare each with what is expected."""
    inputs = group.locator("input").all()
    table = json.loads(group.locator("script").text_content())
    counts = [len(slider["shown"]) for slider in table["sliders"]]
    assert counts == [int(slider.get_attribute("max")) + 1 for slider in inputs]
    walk = list(itertools.product(*map(range, counts)))
    for positions, shown in zip(walk, move(group, walk), strict=True):
        assert shown["values"] == [s["shown"][i] for s, i in zip(table["sliders"], positions, strict=True)]
        assert shown["spoken"] == [s["spoken"][i] for s, i in zip(table["sliders"], positions, strict=True)]
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


FIGURES = {
    "typical": ((typical,), {"alpha": np.geomspace(1, 1e-6, 31), "depth": [2, 3]}),
    "panels": ((growing, image, alone), {"m": [1, 2, 3, 4], "depth": [2, 3, 4], "method": ["hat", "check"]}),
    "time": ((running,), {"time": range(21)}),
    "still": ((still,), {}),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The address of a page with all figures, and the HTML of each."""
    folder = tmp_path_factory.mktemp("page")
    figures = {name: explore(*draws, **grid).html for name, (draws, grid) in FIGURES.items()}
    body = "".join(f'<section id="{name}">{figure}</section>' for name, figure in figures.items())
    folder.joinpath("page.html").write_text(
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Figures</title>'
        '<meta name="viewport" content="width=device-width">'
        f'<link rel="stylesheet" href="{(STATIC / "explore.css").as_uri()}">'
        f'<script defer src="{(STATIC / "explore.js").as_uri()}"></script>'
        f"<body><p>before</p>{body}<p>after</p>",
        encoding="utf-8",
    )
    return folder.joinpath("page.html").as_uri(), figures


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
def test_every_state_is_the_one_that_is_drawn_afresh(page, name):
    expected = fresh_states(*FIGURES[name])
    groups = page.locator(f"#{name} .explore-group").all()
    assert len(groups) == len(expected)
    for group, states in zip(groups, expected, strict=True):
        compare_all_states(group, states, by_keyboard)


def test_the_figure_opens_with_the_values_of_the_signature(page):
    sliders = page.locator("#typical input")
    assert [slider.input_value() for slider in sliders.all()] == ["10", "0"]
    assert page.locator("#typical output").text_content().startswith("α = 0.01, depth 2: ")


def test_a_move_fits_into_one_frame(page, record_property):
    times = page.evaluate(
        """() => {
            const group = document.querySelector("#typical .explore-group");
            const [alpha, depth] = group.querySelectorAll("input");
            const times = [];
            for (let round = 0; round < 3; round++)
                for (depth.value = 0; ; depth.value = 1) {
                    for (let i = 0; i < 31; i++) {
                        const start = performance.now();
                        alpha.value = i;
                        alpha.dispatchEvent(new Event("input", {bubbles: true}));
                        group.getBoundingClientRect();
                        times.push(performance.now() - start);
                    }
                    if (depth.value === "1") break;
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


def test_a_slider_is_large_enough_for_a_finger(page):
    for control in page.locator("input, button").all():
        assert control.bounding_box()["height"] >= 44


def test_time_runs_to_its_end_unless_the_reader_takes_over(page):
    slider, button = page.locator("#time input"), page.get_by_role("button", name="Play time t")
    assert page.locator("button").count() == 1, "nothing but a time runs"
    now = "document.querySelector('#time input').value"
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    page.wait_for_function(f"{now} === '20' && document.querySelector('#time button').ariaPressed === 'false'")
    expected = fresh_states(*FIGURES["time"])[0][0]
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
    page.get_by_role("slider", name="initialization scale α", exact=True).press("End")
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
    page.locator("#typical input").last.press("End")
    before = page.locator("#typical").inner_html()
    page.emulate_media(media="print", color_scheme="dark")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    texts = [text.split(":")[0] for text in page.locator("#typical output:visible").all_text_contents()]
    assert texts == ["α = 1, depth 3", "α = 10⁻³, depth 3", "α = 10⁻⁶, depth 3"]
    tops = {svg.bounding_box()["y"] for svg in page.locator("#typical svg:visible").all()}
    assert len(tops) == 1  # side by side
    assert not any(slider.is_visible() for slider in page.locator("input").all())
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


# --- The chapters


@pytest.mark.parametrize("chapter", MOVING)
def test_the_sliders_of_a_chapter_show_what_the_library_computes(browser, site, drawn, chapter):
    page = browser.new_page()
    page.goto((site / "chapters" / f"{chapter}.html").as_uri())
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
