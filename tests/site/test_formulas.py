"""A formula is built of fewer elements than KaTeX makes, and each of its letters is where KaTeX puts it."""

import random
import re

import pytest
from book.mathematics import LIGHT_STYLE, light

from tests.shared import ROOT
from tests.site.conftest import serve

KATEX = ROOT / "_build" / "npm" / "node_modules" / "katex" / "dist"
# The formulas as KaTeX draws them, or after they were made lighter: the box of each letter and line, and of the whole.
BOXES = """async (formulas) => {
    const style = "font: 17px/1.6 serif; white-space: nowrap";
    document.body.innerHTML = formulas.map((formula) => `<p style="${style}">so ${formula} is</p>`).join("");
    await document.fonts.ready;
    return [...document.querySelectorAll("p")].map((line) => {
        const boxes = [line.getBoundingClientRect()], range = document.createRange();
        const texts = document.createTreeWalker(line.querySelector(".katex-html"), NodeFilter.SHOW_TEXT);
        while (texts.nextNode()) {
            if (texts.currentNode.data === "\\u200b") continue;
            range.selectNodeContents(texts.currentNode);
            boxes.push(range.getBoundingClientRect());
        }
        boxes.push(...[...line.querySelectorAll(".frac-line, svg")].map((part) => part.getBoundingClientRect()));
        const top = boxes[0].top;
        return boxes.map(({ x, y, width, height }) => [x, y - top, width, height]);
    });
}"""
LEAVES = [
    "x",
    "A",
    "2",
    "10",
    "+",
    ",",
    "f'",
    r"\alpha",
    r"\ell",
    r"\mathbf{w}",
    r"\mathbb{R}",
    r"\infty",
    r"\ln",
    r"\mu^*",
]
LEAVES += [r"\notin", r"\|", r"\text{if}", r"\odot"]
SHAPES = (
    "{0}_{{{1}}}",
    "{0}^{{{1}}}",
    "{0}_{{{1}}}^{{{2}}}",
    r"\frac{{{0}}}{{{1}}}",
    r"\sqrt{{{0}}}",
    r"\dot{{{0}}}",
    r"\bar{{{0}}}",
    r"\sum_{{{0}}}^{{{1}}}{2}",
    r"\left({0}\right)^{{{1}}}",
    r"\min_{{{0}}}{1}",
    r"\lVert{0}\rVert_{{{1}}}",
    r"{0}\,{1}",
    r"{0}={1}-{2}",
    r"\begin{{cases}}{0}&{1}\\{2}\end{{cases}}",
    r"\underset{{{0}}}{{\operatorname{{argmin}}}}\,{1}",
    r"\widehat{{{0}}}",
)
OTHERS = [
    r"x^{\small y}",
    r"{\small x}_{\large y}",
    r"\Large{\small x}",
    r"\left.\frac{a}{b}\right|_{x=0}",
    r"\quad x\!\!y",
    r"\,",
]
OTHERS += [r"x^{y^{z^w}}", r"\binom{n}{k}", r"\cfrac{1}{1+\cfrac1x}", r"\raisebox{2pt}{x}_{\raisebox{2pt}{y}}"]
OTHERS += [r"\sqrt[3]{x}", r"\not=", r"\arg\max_x", r"x^{\arg z}", r"\log_2\deg\gcd\Pr"]


def draw(random, depth):
    if depth == 0 or random.random() < 0.2:
        return random.choice(LEAVES)
    return random.choice(SHAPES).format(*(f"{{{draw(random, depth - 1)}}}" for _ in range(3)))


@pytest.fixture(scope="module")
def drawn(browser):
    """Formulas of every kind, each as KaTeX draws it, and a page with the style sheet of KaTeX."""
    generator = random.Random(0)
    sources = [draw(generator, depth) for depth in (1, 2, 3) for _ in range(150)] + OTHERS
    server = serve(KATEX)
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{server.server_port}/README.md")
    page.add_script_tag(url="katex.min.js")
    page.add_style_tag(url="katex.min.css")
    page.add_style_tag(content="* { box-sizing: border-box }")  # as in the theme
    render = "(all) => all.map((tex, i) => katex.renderToString(tex, { displayMode: i % 3 === 0, throwOnError: true }))"
    formulas = [re.sub(' xmlns="[^"]*"', "", formula) for formula in page.evaluate(render, sources)]
    yield page, sources, formulas
    page.close()
    server.shutdown()
    server.server_close()


def test_a_light_formula_looks_as_before(drawn):
    page, sources, formulas = drawn
    page.evaluate(BOXES, formulas)  # fonts come
    before = page.evaluate(BOXES, formulas)
    page.add_style_tag(content=LIGHT_STYLE)
    moved = []
    for in_one_piece in (False, True):
        lighter = [light(formula, in_one_piece and "katex-display" not in formula) for formula in formulas]
        for source, old, new in zip(sources, before, page.evaluate(BOXES, lighter), strict=True):
            far = max((abs(a - b) for box in zip(old, new, strict=True) for a, b in zip(*box, strict=True)), default=0)
            if far > 0.2:  # of a pixel: browsers round each length to a 64th
                moved.append((source, in_one_piece, round(far, 3)))
    assert len(sources) > 400 and moved == []


def test_a_light_formula_has_fewer_elements(drawn):
    _, _, formulas = drawn
    lighter = [light(formula) for formula in formulas]
    assert sum(formula.count("<span") for formula in lighter) < 0.6 * sum(
        formula.count("<span") for formula in formulas
    )


def test_a_light_formula_is_said_in_the_same_words(drawn):
    """The same letters under the same roots, fractions and scripts, each of as many parts, of which a row is one."""
    page, sources, formulas = drawn
    say = r"""(formulas) => {
        const read = (part) => {
            const parts = [...part.children].map(read);
            if (!parts.length) return `${part.tagName} ${part.textContent} ${part.getAttribute("mathvariant")}`;
            return /^(math|mrow)$/.test(part.tagName) && parts.length === 1 ? parts[0] : [part.tagName, ...parts];
        };
        const place = document.createElement("div");
        return formulas.map((formula) => {
            place.innerHTML = formula;
            place.querySelectorAll("annotation").forEach((part) => part.remove());
            place.querySelectorAll("semantics").forEach((part) => part.replaceWith(...part.children));
            return JSON.stringify(read(place.querySelector("math"))).replace(/^\["mrow"/, '["math"');
        });
    }"""
    bare = [re.sub(r"</?semantics>|<annotation.*?</annotation>", "", formula) for formula in formulas]
    before, after = page.evaluate(say, formulas), page.evaluate(say, [light(formula) for formula in bare])
    assert [(source, old, new) for source, old, new in zip(sources, before, after, strict=True) if old != new] == []
    assert len(set(before)) > 300
