"""What the website needs while it is built: a Sphinx extension, loaded by ``_config.yml``.

``jupyter-book build . -W -n --keep-going`` does with it all that ``make book`` does.
"""

from pathlib import Path

from sphinx.application import Sphinx

from book import boxes, claims, execution, mathematics

STATIC = Path(__file__).parent / "static"


def setup(app: Sphinx) -> dict:
    # Both read settings that Sphinx otherwise calls unknown: Furo is loaded too late, sphinx-comments not at all.
    app.setup_extension("furo")
    app.add_config_value("comments_config", {}, "html")
    app.connect("config-inited", lambda app, config: config.html_static_path.append(str(STATIC)))
    app.add_css_file("explore.css")
    app.add_css_file("book.css", priority=900)  # last, so that it has the last word
    app.add_js_file("explore.js", loading_method="defer")
    app.add_js_file("book.js", loading_method="defer")
    for part in (execution, mathematics, claims, boxes):
        part.setup(app)
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": False}
