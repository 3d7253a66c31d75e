"""Search as one types: MiniSearch, from npm as KaTeX is, and what there is to find, in a script that the search page loads.

What can be found are the pages, their sections, boxes and figures, and the entries of the library: each with its title and
its text as a reader sees it, without code, drawings, the sources of formulas, and what is folded. What only repeats the
chapters is left out: decks, sheets, lists, the tests of theorems.
"""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

from sphinx.application import Sphinx

from book import bibliography
from book.claims import pages_in_order
from book.mathematics import install_packages
from book.slides import FOLDER

KINDS = ("page", "section", "box", "figure", "exercise", "library")
VOID = {"area", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}
# What is no text: code, controls, what figures say in words as they move, proofs and solutions, which are folded.
SKIPPED = {
    "headerlink",
    "sd-dropdown",
    "highlight",
    "explore",
    "tested-by",
    "download",
    "eqno",
    "toctree-wrapper",
    "sig",
}
SKIPPED |= {"section-number", "hide", "ways", "take-away"}
# Characters of the text of a record: the whole would weigh more than a page may. What stands first in a section says what it is
# about, and an entry of the library what it does.
IN_CHAPTERS, ELSEWHERE, IN_LIBRARY = 600, 300, 150
UNUSED = ("explore", "sphinx-design", "design-tabs", "mystnb", "copybutton", "clipboard", "sphinx_highlight")
DRAWN = re.compile(r"<(svg|script|style)\b.*?</\1>", re.S)
NUMBERS = re.compile(r"(?:[\d.,%−]+ ){4,}")  # the rows of a table
SPAN = re.compile(r"<(/?)span\b")
BETWEEN = {"mfrac": "/", "msup": "^"}  # the parts of a formula, read in a line


class Reader(HTMLParser):
    """Cuts the article of a page into records."""

    def __init__(self):
        super().__init__()
        self.records: list[dict] = []
        self.stack: list[dict] = []  # the elements that are open
        self.inside = False

    def handle_starttag(self, tag, attributes):
        if tag in VOID:
            return
        attributes = dict(attributes)
        classes, above = set((attributes.get("class") or "").split()), self.stack[-1] if self.stack else {}
        if above.get("tag") in BETWEEN and above["children"] == 1:
            self.handle_data(BETWEEN[above["tag"]])
        if above:
            above["children"] += 1
        element = {"tag": tag, "children": 0, "record": above.get("record"), "title": above.get("title", False)}
        element["skipped"] = (
            above.get("skipped", not self.inside) or bool(classes & SKIPPED) or tag in ("button", "pre")
        )
        if tag == "article":
            self.inside, element["skipped"] = True, False
        elif not element["skipped"] and (kind := self.kind_of(tag, classes, attributes.get("id"))):
            element["record"] = {"kind": kind, "id": attributes["id"], "title": "", "text": ""}
            self.records.append(element["record"])
        elif tag == "dt" and "sig" in classes and attributes.get("id"):
            # The description follows as the next element.
            name = attributes["id"].split(".", 1)[1]
            element["record"] = {"kind": "library", "id": attributes["id"], "title": name, "text": ""}
            self.records.append(element["record"])
            above["record"] = element["record"]
        if tag in ("h1", "h2", "h3") or "admonition-title" in classes or "caption-number" in classes:
            element["title"] = True
        if "katex-display" in classes and not element["skipped"]:
            self.handle_data(" … ")
            element["skipped"] = True
        self.stack.append(element)
        if tag in ("p", "li", "dd", "td", "th", "div", "label"):
            self.handle_data(" ")

    def kind_of(self, tag, classes, anchor):
        if not anchor:
            return None
        if tag == "section" and anchor.startswith("module-"):
            return "library"
        if tag == "section":
            return "section" if self.records else "page"
        if tag == "figure":
            return "figure"
        if "admonition" in classes and classes & {"proof", "exercise"}:
            return "exercise" if "exercise" in classes else "box"
        return None

    def handle_endtag(self, tag):
        if not any(element["tag"] == tag for element in self.stack):
            return
        while self.stack.pop()["tag"] != tag:
            pass
        if tag == "article":
            self.inside = False

    def handle_data(self, data):
        if self.stack and not self.stack[-1]["skipped"] and (record := self.stack[-1]["record"]):
            record["title" if self.stack[-1]["title"] else "text"] += data


def without_drawings(page: str) -> str:
    """The page without pictures, and with formulas only as they are read aloud."""
    page = DRAWN.sub("", page)
    pieces, end = [], 0
    for match in re.finditer(r'<span class="katex-html"', page):
        pieces.append(page[end : match.start()])
        depth = 0
        for tag in SPAN.finditer(page, match.start()):
            depth += -1 if tag[1] else 1
            if not depth:
                end = page.index(">", tag.end()) + 1
                break
    return "".join([*pieces, page[end:]])


def records(text: str, longest: int) -> list[list]:
    """What can be found on a page: kind, anchor, title, text; first the page itself, without an anchor."""
    reader = Reader()
    reader.feed(without_drawings(text))
    found = []
    for record in reader.records:
        title, text = (" ".join(record[part].replace("\u2061", "").split()) for part in ("title", "text"))
        anchor = "" if record["kind"] == "page" else record["id"]
        text = NUMBERS.sub("… ", text)
        text = shortened(text, IN_LIBRARY if record["kind"] == "library" else longest)
        if anchor.startswith("module-"):
            title = f"{title.rpartition('.')[2]} (module)"  # all begin with the name of the package
        if title:
            found.append([KINDS.index(record["kind"]), anchor, title, text])
    return found


def shortened(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[:longest].rpartition(" ")[0] + " …"


def write(app: Sphinx, exception: Exception | None):
    if exception or app.builder.name != "html":
        return
    pages = []
    for page in pages_in_order(app.env, app.config.root_doc):
        if page.startswith(FOLDER):
            continue
        address = app.builder.get_target_uri(page)
        text = (Path(app.outdir) / address).read_text(encoding="utf-8")
        number = app.env.toc_secnumbers.get(page, {}).get("", ())
        names = page in bibliography.pages_of(app.env)  # all of them
        found = records(text, len(text) if names else IN_CHAPTERS if number else ELSEWHERE)
        if page in (getattr(app.env, f"{name}_page", None) for name in ("claims", "lists", "sheets")):
            found = [[*found[0][:3], ""]]
        pages.append([address, ".".join(map(str, number)), found])
    data = json.dumps(pages, ensure_ascii=False, separators=(",", ":"))
    (Path(app.outdir) / "_static" / "search-data.js").write_text(f"const PAGES = {data};\n", encoding="utf-8")


def copy_package(app: Sphinx):
    app.builder.search = False  # Sphinx need not make an index of its own
    build = Path(app.outdir).parent
    target = build / "search"
    target.mkdir(parents=True, exist_ok=True)
    source = install_packages(build) / "minisearch"
    about = json.loads((source / "package.json").read_text(encoding="utf-8"))
    code = (source / "dist" / "umd" / "index.js").read_text(encoding="utf-8")
    code = re.sub(r"^\s*(?:/\*.*?\*/|//.*?$)|^\s+", "", code, flags=re.M | re.S)  # half of it is comments
    note = f"/* MiniSearch {about['version']}, licence {about['license']}, {about['author']} */\n"
    (target / "minisearch.js").write_text(note + code, encoding="utf-8")
    app.config.html_static_path.append(str(target))


def search_page(app: Sphinx):
    yield "search", {"title": "Search"}, "search.html"


def lighten(app: Sphinx, pagename, templatename, context, doctree):
    """The page of the search has no figures, cards or code, but much to search in."""
    if pagename == "search":
        for kind in ("css_files", "script_files"):
            context[kind] = [
                file
                for file in context[kind]
                if not any(name in str(getattr(file, "filename", file)) for name in UNUSED)
            ]


def setup(app: Sphinx):
    app.connect("builder-inited", copy_package)
    app.connect("html-collect-pages", search_page)
    app.connect("html-page-context", lighten, priority=950)
    app.connect("build-finished", write)
