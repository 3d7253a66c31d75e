"""Every page of the built site: complete, no foreign requests, accessible, fit for a phone and for paper."""

import re
from pathlib import Path

import pytest

AXE = Path(__file__).parents[2] / "_build" / "npm" / "node_modules" / "axe-core" / "axe.min.js"
PHONE, SCREEN = {"width": 390, "height": 844}, {"width": 1280, "height": 800}

# Sum of all shifts of the layout since the page began to load.
WATCH_SHIFTS = """
    window.shifts = [];
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries())
            shifts.push(`${entry.value}: ` + entry.sources.map((s) => s.node?.nodeName + "." + s.node?.className).join());
    }).observe({type: "layout-shift", buffered: true});
"""


@pytest.fixture
def watch():
    """Return a function that notes in a list whatever goes wrong on a page."""

    def start(page, home):
        wrong = []

        def request(request):
            if not request.url.startswith((home, "data:", "blob:")):
                wrong.append(f"asks for {request.url}")

        def console(line):
            if line.type == "error":
                wrong.append(f"console: {line.text}")

        page.on("request", request)
        page.on("console", console)
        page.on("requestfailed", lambda request: wrong.append(f"{request.url} failed"))
        page.on("response", lambda answer: answer.status >= 400 and wrong.append(f"{answer.url}: {answer.status}"))
        page.on("pageerror", lambda error: wrong.append(f"script: {error}"))
        return wrong

    return start


@pytest.fixture
def opened(request, browser, address, path):
    """The page on a server, when all of it has arrived, with whatever can be folded out open."""
    viewport = request.node.callspec.params.get("viewport", SCREEN)
    page = browser.new_page(viewport=viewport, color_scheme="light")
    page.goto(address + path, wait_until="networkidle")
    page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
    page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")  # scripts have seen it
    yield page
    page.close()


@pytest.mark.parametrize("place", ["root", "prefix", "file"])
def test_a_page_is_complete_wherever_it_lies(browser, site, address, course_address, watch, path, place):
    home = {"root": address, "prefix": course_address, "file": site.as_uri() + "/"}[place]
    page = browser.new_page()
    wrong = watch(page, home)
    page.goto(home + path, wait_until="load")
    page.wait_for_load_state("networkidle")  # the first page leads on to another
    assert not wrong
    tables = "[...document.querySelectorAll('.explore-group > script')]"
    assert page.evaluate(f"{tables}.every((table) => table.closest('.explore-ready'))"), "a slider does not move"
    page.close()


@pytest.mark.parametrize("viewport", [SCREEN, PHONE], ids=["screen", "phone"])
def test_nothing_moves_while_a_page_arrives(browser, address, path, viewport):
    page = browser.new_page(viewport=viewport)
    page.add_init_script(WATCH_SHIFTS)
    page.goto(address + path, wait_until="networkidle")
    page.evaluate("document.fonts.ready")
    page.mouse.wheel(0, 5000)  # what comes into view only now must not move either
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert page.evaluate("shifts") == []
    page.close()


@pytest.mark.parametrize("viewport", [SCREEN, PHONE], ids=["screen", "phone"])
def test_accessibility_checks_find_nothing(opened, viewport):
    scroll, width = opened.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert scroll <= width, "the page scrolls sideways"
    opened.add_script_tag(path=AXE)
    # On a dark page nothing but the colours is different, and all the rules on a long chapter take half a minute.
    for scheme, rules in ("light", {}), ("dark", {"runOnly": ["cat.color"]}):
        opened.emulate_media(color_scheme=scheme)
        opened.wait_for_timeout(300)  # colours fade from one scheme to the other
        found = opened.evaluate("rules => axe.run({resultTypes: ['violations'], ...rules})", rules)["violations"]
        found = [
            f"{rule['id']} ({rule['impact']}): {node['target']} {node['failureSummary']}"
            for rule in found
            for node in rule["nodes"]
        ]
        assert not found, "\n".join([scheme, *found])


def test_pictures_are_said_in_words(opened):
    said = opened.evaluate(
        """() => [...document.querySelectorAll("article img, article svg")]
            .filter((picture) => !picture.closest("[aria-hidden='true'], button, a.headerlink"))
            .map((picture) => picture.getAttribute("alt") ?? picture.getAttribute("aria-label") ?? "")"""
    )
    assert [text for text in said if len(text.split()) < 8] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_in_figures_stand_out(opened, scheme):
    opened.emulate_media(color_scheme=scheme)
    opened.wait_for_timeout(300)
    faint = opened.evaluate(
        """() => {
            const light = (color) => {
                const [r, g, b] = color.match(/[\\d.]+/g).map((x) => x / 255)
                    .map((x) => (x <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4));
                return 0.2126 * r + 0.7152 * g + 0.0722 * b;
            };
            const paper = light(getComputedStyle(document.body).backgroundColor);
            return [...document.querySelectorAll(".explore svg text")].flatMap((text) => {
                const ink = light(getComputedStyle(text).fill);
                const contrast = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
                return contrast < 4.5 ? [`${text.textContent}: ${contrast}`] : [];
            });
        }"""
    )
    assert faint == []
    turned = "[...document.querySelectorAll('article img, article svg')].map((e) => getComputedStyle(e).filter)"
    assert set(opened.evaluate(turned)) <= {"none"}, "a picture is inverted"


def test_mathematics_is_in_the_page_for_eyes_and_ears(opened):
    formulas = opened.evaluate(
        """() => [...document.querySelectorAll("article .math")].map((formula) => ({
            source: formula.textContent.slice(0, 80),
            mathml: formula.querySelectorAll(".katex math").length,
            drawn: formula.querySelectorAll(".katex-html[aria-hidden='true']").length,
        }))"""
    )
    assert [formula for formula in formulas if not formula["mathml"] or formula["mathml"] != formula["drawn"]] == []


def test_mathematics_is_drawn_in_its_own_fonts(opened):
    """The fonts carry those letters alone that the pages need: here is checked that none was left out."""
    probes = opened.evaluate(
        """() => {
            const seen = new Set();
            for (const formula of document.querySelectorAll(".katex-html")) {
                const texts = document.createTreeWalker(formula, NodeFilter.SHOW_TEXT);
                while (texts.nextNode()) {
                    const element = texts.currentNode.parentElement, font = getComputedStyle(element);
                    const look = [font.fontFamily, font.fontWeight, font.fontStyle, element.textContent].join();
                    if (seen.has(look) || !element.textContent.replace("\\u200b", "").trim()) continue;
                    seen.add(look);
                    element.dataset.probe = element.textContent;
                }
            }
            return seen.size;
        }"""
    )
    devtools = opened.context.new_cdp_session(opened)
    devtools.send("DOM.enable")
    devtools.send("CSS.enable")
    root = devtools.send("DOM.getDocument")["root"]["nodeId"]
    nodes = devtools.send("DOM.querySelectorAll", {"nodeId": root, "selector": "[data-probe]"})["nodeIds"]
    assert len(nodes) == probes
    foreign = []
    for node in nodes:
        fonts = devtools.send("CSS.getPlatformFontsForNode", {"nodeId": node})["fonts"]
        if any(not font["isCustomFont"] for font in fonts):
            attributes = devtools.send("DOM.getAttributes", {"nodeId": node})["attributes"]
            foreign.append((attributes, [font["familyName"] for font in fonts]))
    assert foreign == []


def test_a_page_without_scripts_shows_its_figures(browser, site, path):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((site / path).as_uri())
    for svg in page.locator(".explore svg").all():
        box = svg.bounding_box()
        assert box["width"] > 200 and box["height"] > 100
    assert not any(control.is_visible() for control in page.locator(".explore input").all())
    context.close()


def test_paper_has_the_text_alone_and_all_of_it(browser, address, text_path):
    page = browser.new_page(
        viewport={"width": 718, "height": 1000}, color_scheme="dark"
    )  # as wide as A4 within its margins
    page.goto(address + text_path, wait_until="networkidle")
    page.emulate_media(media="print")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    folded = "details:not(.hide) > .sd-card-body"
    assert all(body.bounding_box()["height"] > 10 for body in page.locator(folded).all()), "a dropdown is closed"
    unwanted = (
        ".sidebar-drawer, .toc-drawer, .mobile-header, .related-pages, .skip-to-content, .explore-sliders, button"
    )
    assert not any(part.is_visible() for part in page.locator(unwanted).all())
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") in (
        "rgb(255, 255, 255)",
        "rgba(0, 0, 0, 0)",
    )
    ink = page.evaluate(
        "[...document.querySelectorAll('.explore svg text')].map((text) => getComputedStyle(text).fill)"
    )
    assert not [color for color in ink if sum(map(int, re.findall(r"\d+", color))) > 400], "light letters on paper"
    wide = page.evaluate(
        """() => [...document.querySelectorAll("article *")]
            .filter((e) => e.checkVisibility() && e.getBoundingClientRect().right > innerWidth + 1
                           && !e.closest(".katex-mathml, clipPath, defs, svg"))
            .map((e) => e.tagName + "." + e.className + ": " + e.textContent.slice(0, 60))"""
    )
    assert wide == [], "paper cannot scroll"
    page.close()
