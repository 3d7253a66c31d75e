"""Python in the page: with ``LIVE=1``, which ``make live`` sets, every notebook also opens in the browser of the reader.

The setting ``live`` says so to templates, as the variable of that name, and to other parts of this extension.
"""

import os

from sphinx.application import Sphinx


def tell_templates(app: Sphinx, pagename, templatename, context, doctree):
    context["live"] = app.config.live


def setup(app: Sphinx):
    app.add_config_value("live", os.environ.get("LIVE") == "1", "html")  # all pages are written anew when it changes
    app.connect("html-page-context", tell_templates)
