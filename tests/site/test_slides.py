"""The decks in a browser: complete, moved by keyboard alone, nothing beyond the edge, legible in the dark, on paper too."""

import re

import pytest
from book.browser import fetch_states
from book.pdf import print_deck

from tests.shared import DECKS, ROOT

HALL = {"width": 1280, "height": 720}


@pytest.fixture(scope="module", params=DECKS)
def deck(request):
    return request.param


@pytest.fixture(scope="module")
def visit(browser, address, deck):
    """The deck in a browser, its address, and whatever has gone wrong."""
    page = browser.new_page(viewport=HALL)
    wrong = []
    page.on("request", lambda asked: asked.url.startswith((address, "data:", "blob:")) or wrong.append(asked.url))
    # What is aborted did not fail: the page was left.
    page.on("requestfailed", lambda asked: asked.failure == "net::ERR_ABORTED" or wrong.append(asked.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    yield page, f"{address}chapters/seminar/slides/{deck}.html", wrong
    page.close()


@pytest.fixture
def page(visit):
    """The deck at its first slide."""
    page, place, wrong = visit
    if page.url.partition("#")[0] != place:
        page.goto(place)
        page.wait_for_function("Reveal.isReady()")
        fetch_states(page)
    page.emulate_media(color_scheme="light")
    page.evaluate("Reveal.slide(0); document.activeElement.blur()")
    yield page
    assert not wrong


def number(page):
    return page.evaluate("Reveal.getIndices().h")


def test_the_arrow_keys_visit_fifteen_to_twenty_five_slides(page):
    total = page.evaluate("Reveal.getTotalSlides()")
    assert 15 <= total <= 25
    titles = set()
    for k in range(total):
        assert number(page) == k
        titles.add(page.evaluate("Reveal.getCurrentSlide().querySelector('h1').textContent"))
        page.keyboard.press("ArrowRight")
    assert len(titles) == total
    assert number(page) == total - 1
    page.keyboard.press("PageUp")
    assert number(page) == total - 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_beyond_the_edge(page, scheme):
    page.emulate_media(color_scheme=scheme)
    beyond = page.evaluate(
        """() => Reveal.getSlides().flatMap((slide, k) => {
            Reveal.slide(k);
            return [...slide.querySelectorAll(":scope > :not(.notes), :scope > :not(.notes) *")]
                .filter((e) => e.checkVisibility({visibilityProperty: true}))
                // Inside a drawing the box of a path ignores that the path is clipped.
                .filter((e) => !e.closest(".katex-mathml, .headerlink, .pstrut, svg *"))
                .map((e) => [e, e.getBoundingClientRect()])
                .filter(([e, box]) => box.height && box.width)
                .filter(([e, box]) => box.left < 0 || box.top < 0 || box.right > innerWidth || box.bottom > innerHeight)
                .map(([e]) => `slide ${k + 1}: ${e.tagName} ${e.textContent.slice(0, 40)}`);
        })"""
    )
    scrolling = page.evaluate(
        """() => Reveal.getSlides().flatMap((slide, k) => {
            Reveal.slide(k);
            return [...slide.querySelectorAll(".katex-display, pre")].filter((e) => e.scrollWidth > e.clientWidth + 1)
                .map((e) => `slide ${k + 1}: ${e.textContent.slice(0, 40)} is cut off`);
        })"""
    )
    assert beyond + scrolling == []


def test_a_slider_moves_and_the_slide_stays(page):
    slides = page.evaluate("Reveal.getSlides().flatMap((slide, k) => slide.querySelector('.explore input') ? [k] : [])")
    assert slides
    for k in slides:
        page.evaluate(f"Reveal.slide({k})")
        page.evaluate("document.activeElement.blur()")
        for _ in range(30):  # Tab reaches the slider of this slide before anything else that could be moved
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.matches('input')"):
                break
        assert page.evaluate("Reveal.getCurrentSlide().contains(document.activeElement)")
        picture = "document.activeElement.closest('.explore-group').querySelector('.explore-panels').innerHTML"
        page.keyboard.press("Home")
        before = page.evaluate(picture)
        page.keyboard.press("ArrowRight")
        assert page.evaluate(picture) != before
        assert number(page) == k
        page.keyboard.press("Escape")
        page.keyboard.press("ArrowLeft")
        assert number(page) == k - 1
        page.keyboard.press("ArrowRight")
        page.locator("section.present .explore input").first.focus()
        page.keyboard.press("PageDown")
        assert number(page) == k + 1


def test_each_slide_has_notes_that_only_the_speaker_sees(page):
    assert page.evaluate("Reveal.getSlides().every((slide) => slide.querySelector('.notes')?.textContent.trim())")
    assert not any(notes.is_visible() for notes in page.locator(".notes").all())
    with page.expect_popup() as popup:
        page.keyboard.press("s")
    speaker = popup.value
    speaker.wait_for_load_state()
    speaker.locator(".speaker-controls-notes .value").wait_for()
    first = page.evaluate("Reveal.getCurrentSlide().querySelector('.notes').textContent.trim()")
    speaker.get_by_text(first[:40]).first.wait_for()
    speaker.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_text_can_be_told_from_the_ground(page, scheme):
    """Contrast of 4.5 or more, as WCAG asks, for all text outside of the figures."""
    page.emulate_media(color_scheme=scheme)
    poor = page.evaluate(
        """() => {
            const channel = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
            const luminance = (color) => {
                const [r, g, b] = color.match(/[\\d.]+/g).map(Number).map(channel);
                return 0.2126 * r + 0.7152 * g + 0.0722 * b;
            };
            const ground = luminance(getComputedStyle(document.body).backgroundColor);
            return [...document.querySelectorAll(".slides h1, .slides p, .slides li, .slides a, .slide-number a")]
                .filter((e) => !e.closest(".notes"))
                .map((e) => [e.textContent, luminance(getComputedStyle(e).color)])
                .map(([text, l]) => [text, (Math.max(l, ground) + 0.05) / (Math.min(l, ground) + 0.05)])
                .filter(([, contrast]) => contrast < 4.5);
        }"""
    )
    assert poor == []


def test_on_a_phone_a_deck_is_a_page_to_read(browser, address, deck):
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(f"{address}chapters/seminar/slides/{deck}.html")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    slides = page.locator("section").all()
    assert 15 <= len(slides) <= 25 and all(slide.is_visible() for slide in slides)
    sizes = "[...document.querySelectorAll('p, li, td, label')].map((e) => parseFloat(getComputedStyle(e).fontSize))"
    assert min(page.evaluate(sizes)) >= 16
    assert not any(notes.is_visible() for notes in page.locator(".notes").all()), "the notes hold the answers"
    fetch_states(page)
    picture = page.locator(".explore-group", has=page.locator("input")).first
    before = picture.locator(".explore-panels").inner_html()
    moved = picture.locator("input").first
    if moved.get_attribute("type") == "radio":
        picture.locator("input:not(:checked)").first.check()
    else:
        moved.press("ArrowRight")
    assert picture.locator(".explore-panels").inner_html() != before
    page.close()


def test_b_goes_back_to_the_book(page, address):
    page.keyboard.press("b")
    page.wait_for_url(f"{address}chapters/seminar/slides.html")


def test_no_script_asks_whether_the_deck_is_dark(site, deck):
    """So that what is done by keyboard is tried in one scheme alone."""
    folder = site / "chapters" / "seminar" / "slides"
    scripts = re.findall(r'<script [^>]*src="([^"?]*)', (folder / f"{deck}.html").read_text(encoding="utf-8"))
    assert len(scripts) >= 5
    assert not [name for name in scripts if "color-scheme" in (folder / name).read_text(encoding="utf-8")]


def test_a_deck_is_linked_from_the_page_of_decks(site, deck):
    page = (site / "chapters" / "seminar" / "slides.html").read_text(encoding="utf-8")
    assert f'href="slides/{deck}.html"' in page[page.index("<article") : page.index("</article>")]


def test_the_pdf_has_one_page_for_each_slide(browser, site, deck, tmp_path):
    slides = (ROOT / "chapters" / "seminar" / "slides" / f"{deck}.md").read_text(encoding="utf-8")
    print_deck(browser, site / "chapters" / "seminar" / "slides" / f"{deck}.html", tmp_path / "deck.pdf")
    pdf = (tmp_path / "deck.pdf").read_bytes()
    assert pdf.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == len(re.findall(r"^##? ", slides, re.M))
