"""Previews of what links lead to: there when asked for, gone when not, from a server and from a file."""

import gzip
import json
import re

import pytest

from tests.shared import ROOT

AXE = ROOT / "_build" / "npm" / "node_modules" / "axe-core" / "axe.min.js"
PAGE = "chapters/sparse_recovery.html"
CARD = "#preview"


@pytest.fixture(scope="module", params=["server", "file"])
def home(request):
    """The site from a server, and as files."""
    return (
        request.getfixturevalue("course_address")
        if request.param == "server"
        else request.getfixturevalue("site").as_uri() + "/"
    )


@pytest.fixture(scope="module")
def opened(open_tab, home):
    """The page, its requests and its errors."""
    page = open_tab(viewport={"width": 1280, "height": 800})
    asked, wrong = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(home + PAGE, wait_until="load")
    yield page, asked, wrong
    page.close()


@pytest.fixture
def page(opened, home):
    page, asked, wrong = opened
    page.asked = asked
    page.mouse.move(0, 0)  # over no link
    yield page
    assert not wrong
    assert [url for url in asked if not url.startswith((home, "data:"))] == []
    asked.clear()


def link(page, address):
    return page.locator(f"article a[data-preview][href*='{address}']").locator("visible=true").first


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("#thm-limit", "Theorem 3.1"),
        ("#equation-eq-flow", "(3.1)"),
        ("#fig-", "Fig. "),
        (".html#thm-", "Theorem "),
    ],
)
def test_a_link_is_previewed_while_it_is_pointed_at(page, address, words):
    assert not [url for url in page.asked if "/previews/" in url], "nothing is loaded before it is asked for"
    target = link(page, address)
    target.scroll_into_view_if_needed()
    page.wait_for_timeout(100)
    places = """[...document.querySelectorAll("article h2, article p, article .proof")].filter((e) => !e.closest("#preview"))
        .map((e) => e.getBoundingClientRect()).filter(({ bottom, top }) => bottom > 0 && top < innerHeight)
        .map((box) => JSON.stringify(box))"""
    before, url = page.evaluate(places), page.evaluate("location.href")
    target.hover()
    card = page.locator(CARD)
    card.wait_for()
    assert words in card.inner_text()
    assert page.evaluate(places) == before and page.evaluate("location.href") == url
    box = card.bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 1280 and box["y"] >= 0 and box["y"] + box["height"] <= 800
    page.mouse.move(box["x"] + 30, box["y"] + box["height"] / 2, steps=4)  # to read at leisure
    page.wait_for_timeout(400)
    assert card.is_visible()
    page.keyboard.press("Escape")
    assert card.count() == 0
    assert len([url for url in page.asked if "/previews/" in url]) == 1


def test_citations_and_sections_by_keyboard(page):
    cited = link(page, "bibliography.html#")
    page.keyboard.press("Tab")  # so that the focus is seen
    cited.focus()
    card = page.locator(CARD)
    card.wait_for()
    assert re.search(r"\b(19|20)\d\d\b", card.inner_text())
    assert cited.get_attribute("aria-describedby") == "preview" == card.get_attribute("id")
    assert card.get_attribute("role") == "tooltip" and card.locator("a, [tabindex], button, input").count() == 0
    page.keyboard.press("Escape")
    assert card.count() == 0 and page.evaluate("document.activeElement.matches('[data-preview]')")
    section = link(page, "#sec-")
    section.focus()
    card.wait_for()
    assert card.locator("h1, h2, h3").count() == 1 and len(card.inner_text()) > 80
    page.evaluate("document.activeElement.blur()")
    assert card.count() == 0

    cited.focus()
    card.wait_for()
    page.evaluate(  # axe looks at all of the page, whatever it is asked about: what is around leaves it, for good
        """() => {
            const card = document.querySelector("#preview"), link = document.querySelector("[aria-describedby=preview]");
            for (const block of document.querySelectorAll(".katex, .explore, pre, nav, aside"))
                if (![card, link].some((part) => block.contains(part) || part.contains(block))) block.remove();
            link.scrollIntoView({ block: "center" });
        }"""
    )
    page.add_script_tag(path=AXE)
    found = page.evaluate("axe.run('#preview, [aria-describedby=preview]', { resultTypes: ['violations'] })")[
        "violations"
    ]
    assert card.is_visible()
    assert [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found] == []


def test_a_tap_previews_and_a_second_one_goes_there(browser, course_address):
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(course_address + PAGE)
    target = link(page, "#thm-limit")
    target.tap()
    card = page.locator(CARD)
    card.wait_for()
    assert not page.evaluate("location.hash") and "Tap the link again" in card.inner_text()
    box = card.bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 390
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    target.tap()
    page.wait_for_url("**#thm-limit")
    assert card.count() == 0
    context.close()


def test_every_marked_link_has_its_piece_and_no_id_is_there_twice(site):
    script = re.compile(r'bookPreview[(]"(\w+)", (".*")[)];', re.S)
    pieces = {}
    for path in (site / "_static" / "previews").iterdir():
        key, piece = script.fullmatch(path.read_text(encoding="utf-8").strip()).groups()
        assert path.name == f"{key}.js"
        pieces[key] = json.loads(piece)
        assert len(gzip.compress(path.read_bytes())) < 25_000, "one waits for it"
    kinds, used = set(), set()
    for path in sorted(site.rglob("*.html")):
        text = path.read_text(encoding="utf-8")
        for key in set(re.findall(r' data-preview="(\w+)"', text)):
            used.add(key)
            kinds.add(re.match(r'<(\w+)(?: class="(proof|math|citation|exercise))?', pieces[key]).groups())
            assert not re.search(r'<script|<a\b|<button|<input| tabindex|href="#', pieces[key]), key
            for own in re.findall(r' id="([^"]*)"', pieces[key]):
                assert f'id="{own}"' not in text
    assert used == pieces.keys()
    assert {("div", "proof"), ("div", "math"), ("div", "citation"), ("figure", None), ("h2", None)} <= kinds
