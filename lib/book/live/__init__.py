"""Python in the page: with ``LIVE=1``, which ``make live`` sets, every notebook also opens in the browser of the reader.

JupyterLite shows it, Pyodide runs it: both become part of the site, in the folder ``live``, and no page loads anything of
them before a reader follows a link there. Without ``LIVE`` there is no such folder, and the pages do not mention it.

The setting ``live`` says to templates, as the variable of that name, and to other parts of this extension which it is.
"""

import json
import os
import shutil
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx

from book.claims import pages_in_order
from book.live import lite, parts

HERE = Path(__file__).parent
MEASURED = HERE / "measured.json"  # by make test-live
FOLDER = "live"
RUN = "Run it"  # the way in on the front page


def get_ready(app: Sphinx):
    """Remove what an earlier build has put into the site; if it is asked for, get all that is needed to put it there."""
    shutil.rmtree(Path(app.outdir) / FOLDER, ignore_errors=True)
    if app.config.live:
        app.live_parts = parts.collect(Path(app.outdir).parent / FOLDER)


def tell_templates(app: Sphinx, pagename, templatename, context, doctree):
    context["live"] = app.config.live


def open_front_door(app: Sphinx, doctree: nodes.document, docname: str):
    """Of the ways into the book that the front page shows, the one to run it leads to the browser."""
    if not app.config.live:
        return
    for way in (link for box in doctree.findall(nodes.container) for link in box.findall(nodes.reference)):
        if way.astext() == RUN:
            way["refuri"] = app.builder.get_relative_uri(docname, f"{FOLDER}/index")
            way.attributes.pop("refid", None)
            way.children = [nodes.Text(f"{RUN} in the browser")]


def link(app: Sphinx, pagename: str, notebook: Path, text: str) -> str:
    """A link from a page to a notebook of the site, opened in the browser."""
    app_page = app.builder.get_relative_uri(pagename, f"{FOLDER}/{lite.FOLDER}/notebooks/index")
    return f'<a href="{app_page}?path={lite.path(Path(app.outdir), notebook)}">{text}</a>'


def price(app: Sphinx, pagename: str) -> str:
    """How much the browser loads, with a link to what there is to know before."""
    return f'<a href="{app.builder.get_relative_uri(pagename, f"{FOLDER}/index")}">loads {megabytes(app)} MB</a>'


def megabytes(app: Sphinx) -> int:
    """The size of Python; JupyterLite comes on top, and a host that compresses saves about as much."""
    return round(sum(file.stat().st_size for file in app.live_parts) / 1e6)


def pages(app: Sphinx):
    """The page that says what is loaded, how long that takes, and what is different in a browser."""
    if not app.config.live:
        return
    shown = {"title": "Python in your browser", "measured": None}
    if MEASURED.exists():
        shown["measured"] = json.loads(MEASURED.read_text(encoding="utf-8"))
    chapters = [page for page in pages_in_order(app.env, app.config.root_doc) if page in app.env.chapters_with_code]
    shown["chapters"] = [
        link(app, f"{FOLDER}/index", Path(app.outdir) / f"{page}.ipynb", app.env.titles[page].astext())
        for page in chapters
    ]
    locked = json.loads((HERE / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    shown["pyodide"] = locked["node_modules/pyodide"]["version"]
    yield f"{FOLDER}/index", {**shown, "megabytes": megabytes(app)}, "live.html"


def add_notebooks(app: Sphinx, exception: Exception | None):
    if app.config.live and not exception:
        lite.build(Path(app.outdir), app.live_parts, Path(app.outdir).parent / FOLDER)


def setup(app: Sphinx):
    app.add_config_value("live", os.environ.get("LIVE") == "1", "html")  # all pages are written anew when it changes
    app.connect("builder-inited", get_ready)
    app.connect("doctree-resolved", open_front_door)
    app.connect("html-page-context", tell_templates)
    app.connect("html-collect-pages", pages)
    app.connect("build-finished", add_notebooks, priority=950)  # none of the last touches is for these files
