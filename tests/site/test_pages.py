"""Every page of the built site: complete, no foreign requests, accessible, light, fit for a phone and for paper."""

import math
import re
from collections import Counter

import pytest

from tests.shared import ROOT
from tests.site.conftest import PHONE, SCREEN, look

AXE = ROOT / "_build" / "npm" / "node_modules" / "axe-core" / "axe.min.js"

# Notes what axe is to be asked about colours. How letters look is their colour, whether they are large, and the grounds of all
# that they are in, which is what their contrast is judged by; of a link it is all of its letters and its parent's. Of each look
# that has not passed before, on this page or another, three examples are examined, since axe cannot tell of each what is behind
# it, and of those that it can never tell of, twelve.
NOTE_LOOKS = """([scheme, known]) => {
    known = new Set(known);
    const grounds = new Map([[document, ""]]), looks = new Map(), tries = new Map();
    const ground = (element) => {
        if (!grounds.has(element)) {
            const look = getComputedStyle(element);
            const own = [look.backgroundColor, look.backgroundImage, look.opacity, look.filter, look.mixBlendMode].join();
            const below = ground(element.parentNode);
            grounds.set(element, below.endsWith(own) ? below : below + ";" + own);
        }
        return grounds.get(element);
    };
    const note = (element) => {
        if (element.closest(".katex-mathml, svg")) return;
        const link = element.closest("a"), parts = [element, ...(link ? [link, link.parentElement] : [])];
        const look = parts.map((part) => {
            const { color, fontSize, fontWeight, textShadow, textDecoration, borderBottom } = getComputedStyle(part);
            const large = parseFloat(fontSize) >= (fontWeight >= 700 ? 56 / 3 : 24);
            return [color, textShadow, link ? [fontSize, fontWeight, textDecoration, borderBottom] : large].join();
        }).join() + ground(element);
        if (known.has(look) || tries.get(look) === 3) return;
        const box = element.getBoundingClientRect();
        if (box.width < 2 || box.height < 2 || !element.checkVisibility({ visibilityProperty: true })) return;
        tries.set(look, (tries.get(look) ?? 0) + 1);
        looks.set(element, look);
    };
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), seen = new Set();
    while (texts.nextNode()) {
        const element = texts.currentNode.parentElement;
        if (!seen.has(element) && texts.currentNode.data.replace("\\u200b", "").trim()) note(element);
        seen.add(element);
    }
    document.querySelectorAll("input, select, textarea").forEach(note);
    window.looks = { ...window.looks, [scheme]: looks };
    window.isExample = (block) => Object.values(window.looks).some((looks) => looks.keys().some((one) => block.contains(one)));
}"""
# Leaves of every formula in a line an empty box, of its MathML the letters, and of listings their text, where the parts are
# nothing but letters with a look, of which no rule but those on colours speaks, and none of those that these are asked about.
TAKE_LOOKS = """() => {
    const mathml = "http://www.w3.org/1998/Math/MathML", letters = /^(span|svg|path)$/i;
    const spoken = /^(id|role|tabindex|(xlink:)?href|(xml:)?lang|title|alt|name|for|on.*|aria-.*)$/;
    const isPlain = (part) => (part.namespaceURI === mathml || letters.test(part.tagName))
        && ![...part.attributes].some((attribute) => spoken.test(attribute.name));
    const isMade = (block) => !isExample(block) && [...block.querySelectorAll("*")].every(isPlain);
    const drawn = [...document.querySelectorAll(".katex-html:not(.katex-display *)")].filter(isMade).map((block) => {
        const bare = block.cloneNode(false), box = block.getBoundingClientRect();
        bare.style.cssText = `display: inline-block; width: ${box.width}px; height: ${box.height}px`;
        return [block, bare];
    });
    const said = [...document.querySelectorAll(".katex-mathml")].filter(isMade).map((block) => {
        const bare = block.cloneNode(false);
        bare.textContent = block.textContent;
        return [block, bare];
    });
    const code = [...document.querySelectorAll("pre span")]
        .filter((part) => !part.parentElement.closest("pre span") && isPlain(part) && isMade(part))
        .map((part) => [part, document.createTextNode(part.textContent)]);
    for (const [block, bare] of [...drawn, ...said, ...code]) block.replaceWith(bare);
}"""
KEEP_EXAMPLES = """() => {
    for (const block of document.querySelectorAll(".katex, .explore svg, pre")) if (!isExample(block)) block.remove();
}"""
COLOURS = """([scheme, rules]) => {
    const looks = window.looks[scheme];
    if (!looks.size) return { found: [], passed: [], tried: [] };
    const include = [...looks.keys()].map((element) => element.closest("a") ?? element);
    const options = { runOnly: rules, elementRef: true, resultTypes: ["violations", "passes"],
        checks: { "color-contrast": { options: { ignoreLength: true } } } };
    return axe.run({ include }, options).then(({ violations, passes }) => ({
        found: violations.map(({ id, impact, nodes }) => ({
            id, impact, nodes: nodes.map(({ target, failureSummary }) => ({ target, failureSummary })),
        })),
        passed: passes.filter(({ id }) => id === "color-contrast")
            .flatMap(({ nodes }) => nodes.map(({ element }) => looks.get(element)).filter(Boolean)),
        tried: [...looks.values()],
    }));
}"""
STRUCTURE = """() => axe.run({ resultTypes: ["violations"], rules: Object.fromEntries(
    axe.getRules(["cat.color"]).map(({ ruleId }) => [ruleId, { enabled: false }])) }).then(({ violations }) => violations)"""
FAINT = """() => {
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
FILTERS = (
    "[...document.querySelectorAll('article img, article svg')].map((picture) => getComputedStyle(picture).filter)"
)
MATHML = {
    "math": "MathMLMath",
    "mi": "MathMLIdentifier",
    "mo": "MathMLOperator",
    "mn": "MathMLNumber",
    "msub": "MathMLSub",
}


@pytest.fixture
def seen(request, place):
    return request.getfixturevalue({"root": "screen", "prefix": "phone", "file": "paper"}.get(place, place))


@pytest.fixture(scope="session")
def known_looks():
    """How often each look of letters was examined without a fault; infinitely often if its contrast was found good."""
    return Counter()


@pytest.mark.parametrize("place", ["root", "prefix", "file"])
def test_a_page_is_complete_wherever_it_lies(seen, path, place):
    assert not seen.wrong
    tables = "[...document.querySelectorAll('.explore-group > script')]"
    assert seen.page.evaluate(f"{tables}.every((table) => table.closest('.explore-ready'))"), "a slider does not move"


@pytest.mark.parametrize("place", ["screen", "phone"])
def test_nothing_moves_while_a_page_arrives(seen, path, place):
    assert seen.shifts == []


def test_pictures_are_said_in_words(screen, path):
    said = screen.page.evaluate(
        """() => [...document.querySelectorAll("article img, article svg")]
            .filter((picture) => !picture.closest("[aria-hidden='true'], button, a.headerlink"))
            .map((picture) => picture.getAttribute("alt") ?? picture.getAttribute("aria-label") ?? "")"""
    )
    assert [text for text in said if len(text.split()) < 8] == []


def test_mathematics_is_in_the_page_for_eyes_and_ears(screen, path):
    formulas = screen.page.evaluate(
        """() => [...document.querySelectorAll("article .math")].map((formula) => ({
            source: formula.textContent.slice(0, 80),
            mathml: formula.querySelectorAll(".katex math").length,
            drawn: formula.querySelectorAll(".katex-html[aria-hidden='true']").length,
        }))"""
    )
    assert [formula for formula in formulas if not formula["mathml"] or formula["mathml"] != formula["drawn"]] == []


def test_a_screen_reader_is_given_every_formula_and_every_picture(open_tab, address):
    page = open_tab(viewport=SCREEN)
    page.goto(address + "chapters/sparse_recovery.html", wait_until="load")  # far from most of them
    shown = "(name) => [...document.querySelectorAll(name)].filter((part) => part.checkVisibility()).length"
    there = {name: page.evaluate(shown, name) for name in (*MATHML, "article svg[role=img]")}
    devtools = page.context.new_cdp_session(page)
    nodes = devtools.send("Accessibility.getFullAXTree")["nodes"]
    said = Counter(node["role"]["value"] for node in nodes if not node["ignored"])
    page.close()
    assert there["math"] > 100 and {name: said[role] for name, role in MATHML.items()} == {
        name: there[name] for name in MATHML
    }
    assert said["image"] >= there["article svg[role=img]"] > 5


@pytest.mark.parametrize("place", ["screen", "phone"])
def test_no_line_begins_with_the_full_stop_behind_a_formula(seen, path, place):
    alone = seen.page.evaluate(
        """() => [...document.querySelectorAll("article span.math")].flatMap((formula) => {
            const behind = formula.nextSibling;
            if (behind?.nodeType !== Node.TEXT_NODE || !/^[.,;:!?)]/.test(behind.data)) return [];
            const range = document.createRange();
            const last = [...formula.querySelectorAll(".base, .katex-html:not(:has(.base))")].at(-1);
            range.setStart(behind, 0);
            range.setEnd(behind, 1);
            const [stop, letter] = [range, last].map((part) => part.getBoundingClientRect());
            return stop.width && stop.left < letter.left && stop.top > letter.top ? [formula.textContent + behind.data] : [];
        })"""
    )
    assert alone == []


@pytest.mark.parametrize("place", ["screen", "phone"])
def test_what_a_general_selector_of_a_theme_would_find_has_its_look(seen, path, place):
    """Such selectors are left out or narrowed: a browser would try them on every element."""
    wrong = seen.page.evaluate(
        """() => {
            const scrolls = (part) => part.scrollWidth > part.clientWidth + 1
                && /auto|scroll/.test(getComputedStyle(part).overflowX) && part.checkVisibility();
            const broad = [...document.querySelectorAll("article[role=main] *")]
                .filter((part) => scrolls(part) && getComputedStyle(part).scrollbarWidth !== "thin");
            const grows = [...document.querySelectorAll("div.math span:last-child")].filter((part) => {
                if (!getComputedStyle(part.parentElement).display.includes("flex")) return false;
                const { width } = part.getBoundingClientRect();
                part.style.flexGrow = 1;
                return part.getBoundingClientRect().width !== width;
            });
            const lines = [...document.querySelectorAll(".katex .frac-line")].filter((part) => {
                const { borderBottomColor, color } = getComputedStyle(part);
                return borderBottomColor !== color;
            });
            return [...broad, ...grows, ...lines, ...document.querySelectorAll(".sd-row > :not(.sd-col)")]
                .map((part) => part.outerHTML.slice(0, 200));
        }"""
    )
    assert wrong == []


def test_lines_of_a_formula_that_breaks_keep_apart(open_tab, address):
    page = open_tab(viewport=PHONE)
    page.goto(address + "chapters/matrix_factorization.html")
    gaps = page.evaluate(
        """() => [...document.querySelectorAll(".katex-display .base + .base")].flatMap((part) => {
            const [above, here] = [part.previousElementSibling, part].map((base) => base.getBoundingClientRect());
            return here.top >= above.bottom - 1 ? [here.top - above.bottom] : [];
        })"""
    )
    page.close()
    assert len(gaps) > 5 and min(gaps) > 4, "a fraction would touch the one above"


def test_what_scrolls_sideways_ends_in_a_shade_without_a_key(open_tab, address):
    page = open_tab(viewport=PHONE, has_touch=True)
    page.goto(address + "chapters/sparse_recovery.html")
    page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
    boxes = page.locator(".highlight pre, .katex-display, .table-wrapper")
    shown = """async (boxes) => {
        for (const box of boxes) {
            box.scrollIntoView({ block: "center", behavior: "instant" });
            await new Promise(requestAnimationFrame);
        }
        for (let frame = 0; frame < 3; frame++) await new Promise(requestAnimationFrame);
        return boxes.map((box) => [box.scrollWidth > box.clientWidth, getComputedStyle(box).boxShadow !== "none"]);
    }"""
    wide = []
    for size in (PHONE, SCREEN):
        page.set_viewport_size(size)
        looks = boxes.evaluate_all(shown)
        assert [scrolls for scrolls, _ in looks] == [shade for _, shade in looks]
        wide.append(sum(scrolls for scrolls, _ in looks))
    assert wide[0] > wide[1]
    page.close()


def test_mathematics_is_drawn_in_its_own_fonts(screen, path):
    """The fonts carry those letters alone that the pages need: here is checked that none was left out."""
    probes = screen.page.evaluate(
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
    devtools = screen.page.context.new_cdp_session(screen.page)
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
    devtools.detach()
    assert foreign == []


@pytest.fixture(scope="session")
def without_scripts(open_tab):
    return open_tab(java_script_enabled=False)


@pytest.mark.figure_pages
def test_a_page_without_scripts_shows_its_figures(without_scripts, site, path):
    page = without_scripts
    page.goto((site / path).as_uri())
    boxes = page.locator(".explore svg").evaluate_all("all => all.map((svg) => svg.getBoundingClientRect().toJSON())")
    assert boxes and not [box for box in boxes if box["width"] <= 200 or box["height"] <= 100]
    assert page.locator(".explore input:visible").count() == 0


def test_a_page_is_light(paper, path):
    assert paper.weights["document"]
    assert sum(paper.weights.values()) <= paper.most, paper.weights


@pytest.mark.text_pages
def test_the_links_to_the_next_page_and_the_one_before_can_be_clicked(screen, path):
    for link in screen.page.locator(".next-page, .prev-page").all():
        link.click(trial=True)


@pytest.mark.text_pages
def test_paper_has_the_text_alone_and_all_of_it(paper, path):
    page = paper.page
    page.emulate_media(media="print")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    folded = page.locator("details:not(.hide) > .sd-card-body")
    heights = folded.evaluate_all("all => all.map((body) => body.getBoundingClientRect().height)")
    assert all(height > 10 for height in heights), "a dropdown is closed"
    unwanted = (
        ".sidebar-drawer, .toc-drawer, .mobile-header, .related-pages, .skip-to-content, .explore-sliders, button"
    )
    assert page.locator(unwanted).locator("visible=true").count() == 0
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


@pytest.mark.parametrize("place", ["screen", "phone"])
def test_accessibility_checks_find_nothing(seen, known_looks, path, place):
    """The last of the tests of a visit: it leaves of the page what the next question is about."""
    page = seen.page
    scroll, width = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert scroll <= width, "the page scrolls sideways"
    known = sorted(look for look, times in known_looks.items() if times >= 12)
    for scheme in ("light", "dark"):
        look(page, scheme)
        assert page.evaluate(FAINT) == [], f"words in figures do not stand out, {scheme}"
        assert set(page.evaluate(FILTERS)) <= {"none"}, f"a picture is inverted, {scheme}"
        page.evaluate(NOTE_LOOKS, [scheme, known])
    page.add_script_tag(path=AXE)
    page.evaluate(TAKE_LOOKS)
    look(page, "light")
    found = {"light": page.evaluate(STRUCTURE)}  # nothing but the colours of a dark page is different
    page.evaluate(KEEP_EXAMPLES)
    for scheme, rules in {"light": ["color-contrast", "link-in-text-block"], "dark": ["cat.color"]}.items():
        look(page, scheme)
        colours = page.evaluate(COLOURS, [scheme, rules])
        found[scheme] = found.get(scheme, []) + colours["found"]
        if not colours["found"]:
            known_looks.update(colours["tried"])
        known_looks.update(dict.fromkeys(colours["passed"], math.inf))
    found = [
        f"{scheme}: {rule['id']} ({rule['impact']}): {node['target']} {node['failureSummary']}"
        for scheme, rules in found.items()
        for rule in rules
        for node in rule["nodes"]
    ]
    assert not found, "\n".join(found)
