"""Last touches to the finished site: style sheets without the rules that no page needs, addresses that change with a file."""

import re
from pathlib import Path
from zlib import crc32

from sphinx.application import Sphinx

RULE = re.compile(r"([^{}@;]+)\{[^{}]*\}")
CLASS = re.compile(r"\.(-?[A-Za-z_][\w-]*)")
# A browser tries a selector that ends in * on each of the 30000 elements of a long page. These find nothing that would look
# otherwise without them, or what others find as well: the columns of a row, and in book.css what scrolls sideways.
EXPENSIVE = {"article[role=main] *", "div.math span:last-child", ".katex *"}
COLUMNS = re.compile(r"(\.sd-row[\w-]*)>\*")
ADDRESS = re.compile(r'((?:href|src)="[^":?]*_static/)([^"?]+\.(?:css|js))(?:\?v=\w+)?"')


def prune(css: str, classes: set[str]) -> str:
    """Return a style sheet without selectors that name a class which is not among `classes`.

    Of a selector with parentheses, as in ``:not(.a)``, the classes do not say whether it is needed.
    """

    def keep(rule):
        each = re.split(r",(?![^()]*\))", rule[1])
        each = [COLUMNS.sub(r"\1>.sd-col", selector) for selector in each if selector.strip() not in EXPENSIVE]
        selectors = [selector for selector in each if "(" in selector or classes.issuperset(CLASS.findall(selector))]
        return rule[0].replace(rule[1], ",".join(selectors), 1) if selectors else ""

    css = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)
    return re.sub(r"@[^{};]+\{\s*\}", "", RULE.sub(keep, css))


def finish(app: Sphinx, exception):
    if exception or app.builder.format != "html":
        return
    static = Path(app.outdir) / "_static"
    pages = {path: path.read_text(encoding="utf-8") for path in Path(app.outdir).rglob("*.html")}
    classes = {
        name for page in pages.values() for names in re.findall(r' class="([^"]*)"', page) for name in names.split()
    }
    # Most rules of the theme, of the formulas and of the boxes are for what no page has. What scripts add, they name; the words
    # of the book that a script searches or shows are no names.
    for path in static.rglob("*.js"):
        if path.name != "search-data.js" and path.parent.name != "previews":
            classes.update(re.findall(r"[\w-]+", path.read_text(encoding="utf-8")))
    for path in (*static.glob("*.css"), *static.glob("styles/*.css")):
        path.write_text(prune(path.read_text(encoding="utf-8"), classes), encoding="utf-8")

    def stamp(address):
        checksum = crc32((static / address[2]).read_bytes())
        return f'{address[1]}{address[2]}?v={checksum:08x}"'

    for path, page in pages.items():
        stamped = ADDRESS.sub(stamp, page)
        if stamped != page:
            path.write_text(stamped, encoding="utf-8")


def setup(app: Sphinx):
    # After all others, whose files are read here. Sphinx too adds checksums, but to pages that it writes anew, and of the
    # files that are there at that time: a page would depend on what was built before.
    app.connect("build-finished", finish, priority=900)
