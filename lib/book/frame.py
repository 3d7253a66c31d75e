"""What stands around the text: the logo, the front door at the top of the site, and the page for wrong addresses.

The hosts of static sites show ``404.html`` at the wrong address itself, at any depth. Its links are relative like all
others, and a few lines of script in it find the folder of the site; with a base address (``html: baseurl`` in
``_config.yml``) none are needed. It brings its style with it, so it is legible wherever it is shown.
"""

import base64
import os
from pathlib import Path

from sphinx.application import Sphinx

from book.claims import pages_in_order
from book.slides import FOLDER

HERE = Path(__file__).parent


def add_templates(app: Sphinx, config):
    # Relative to the book, because Sphinx writes a hash of this setting into the site.
    config.templates_path.append(os.path.relpath(HERE / "templates", app.confdir))


def logo() -> str:
    return (HERE / "static" / "logo.svg").read_text(encoding="utf-8")


def pages(app: Sphinx):
    data = "data:image/svg+xml;base64," + base64.b64encode(logo().encode()).decode()
    inside = [page for page in pages_in_order(app.env, app.config.root_doc) if not page.startswith(FOLDER)][1:]
    linked = [(app.builder.get_target_uri(page), app.env.titles[page].astext()) for page in inside]
    shared = {"base": app.config.site_url, "favicon_data": data}
    yield "index", shared, "front_door.html"
    yield "404", {**shared, "pages": linked}, "404.html"


def add_logo(app: Sphinx, pagename, templatename, context, doctree):
    context["book_logo"] = logo()


def setup(app: Sphinx):
    app.connect("config-inited", add_templates)
    app.connect("html-collect-pages", pages)
    app.connect("html-page-context", add_logo)
