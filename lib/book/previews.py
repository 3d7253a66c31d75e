"""Previews of what a link leads to: theorems, equations, figures, sections and citations, cut out of the finished pages.

Each is a small script of its own, which a browser asks for when the link is pointed at, and not before; a script and no data,
because a browser lets no page that is a file read another file.
"""

import functools
import html
import json
import posixpath
import re
import shutil
from pathlib import Path
from urllib.parse import unquote
from zlib import crc32

from sphinx.application import Sphinx

LINK = re.compile(
    r'<a class="(?P<classes>reference internal)" (?:data-preview="\w+" )?href="(?P<page>[^"#]*)#(?P<id>[^"]+)"'
)
HEADING = re.compile(r"<(h[1-6])\b.*?</\1>", re.DOTALL)
# What a preview has no use for. Links in it could not be reached.
LEFT_OUT = re.compile(
    r'<script\b.*?</script>|<p class="tested-by.*?</p>|<a class="headerlink".*?</a>|<button\b.*?</button>|</?a\b[^>]*>'
    r'|(?<=<div class="explore-group">)<div class="explore-sliders".*?(?=<div class="explore-panels")|<output\b.*?</output>',
    re.DOTALL,
)


def element(page: str, start: int) -> str:
    """Return the element whose tag begins at `start`."""
    tag = re.compile(r"<(\w+)").match(page, start)[1]
    depth = 0
    for part in re.compile(rf"<(/?){tag}\b[^>]*>").finditer(page, start):
        depth += -1 if part[1] else 1
        if not depth:
            return page[start : part.end()]
    raise ValueError(f"element: no </{tag}> closes what begins with {page[start : start + 60]!r}")


def preview(page: str, name: str) -> str | None:
    """Return what a page has under the id `name`, or None where this is nothing of which a part says something."""
    start = page.rfind("<", 0, max(0, page.find(f' id="{html.escape(name)}"')))
    found = re.compile(r"<(\w+)\b[^>]*>").match(page, max(0, start))
    if not found:
        return None
    tag = found[0]
    if re.search(r'class="(?:[^"]* )?(?:proof|exercise|math|math-wrapper|citation)[ "]', tag) or found[1] == "figure":
        piece = element(page, start)
    elif found[1] == "section" or (found[1] == "span" and tag.count("=") == 1):
        heading = HEADING.search(page, start)
        rest = page[heading.end() : heading.end() + 200_000]
        first = re.search(r'\n<p>(?!<span class="caption-number").*?</p>|<section\b', rest, re.DOTALL)
        if not first or "<p>" not in first[0]:
            return None
        piece = heading[0] + first[0]
    else:
        return None
    piece = LEFT_OUT.sub("", piece)
    # An id is there once. What leads to one inside of a picture leads to the copy.
    piece = re.sub(r"(?<![\w-])fig-([0-9a-f]{8}-)", r"look-\1", piece)
    return re.sub(r' id="(?!look-)[^"]*"| (?:data-axes|data-curve|data-drag|tabindex)="[^"]*"', "", piece)


def write(app: Sphinx, exception):
    if exception or app.builder.format != "html":
        return
    root = Path(app.outdir)
    folder = root / "_static" / "previews"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    pages = {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8") for path in root.rglob("*.html")}
    pages = {name: page for name, page in pages.items() if "previews.js" in page}

    @functools.cache
    def written(name, place):
        """Write the script of a preview, and return its name."""
        piece = preview(pages[name], place) if name in pages else None
        if piece is None:
            return None
        key = f"{crc32(piece.encode()):08x}"
        text = f'bookPreview("{key}", {json.dumps(piece, ensure_ascii=False)});\n'
        (folder / f"{key}.js").write_text(text, encoding="utf-8")
        return key

    for name, page in pages.items():

        def mark(link, name=name):
            other = posixpath.join(posixpath.dirname(name), unquote(link["page"])) if link["page"] else name
            key = written(posixpath.normpath(other), html.unescape(unquote(link["id"])))
            marked = f' data-preview="{key}"' if key else ""
            return f'<a class="{link["classes"]}"{marked} href="{link["page"]}#{link["id"]}"'

        start, end = page.find("<article"), page.rfind("</article>")  # beside it are lists of what the reader can see
        marked = page[:start] + LINK.sub(mark, page[start:end]) + page[end:]
        if marked != page:
            (root / name).write_text(marked, encoding="utf-8")


def setup(app: Sphinx):
    app.add_js_file("previews.js", loading_method="defer")
    app.connect("build-finished", write, priority=850)  # the pages are there, and have no checksums yet
