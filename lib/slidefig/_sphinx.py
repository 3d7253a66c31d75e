"""An extension of Sphinx: all pages share one style sheet and one script, instead of each carrying them."""

from slidefig._page import ASSETS, STATIC


def add_static_files(app):
    # As late as here, for Sphinx to leave this absolute path out of what it writes into the site.
    app.config.html_static_path.append(str(STATIC))


def leave_to_the_files(app, doctree):
    """Take the style and the script out of the outputs, which may have been made before the extension was there."""
    from docutils import nodes  # here, as notebooks draw where no Sphinx is installed

    for node in doctree.findall(nodes.raw):
        if ASSETS.search(node.astext()):
            text = ASSETS.sub("", node.astext())
            node.clear()
            node += nodes.Text(text)


def setup(app):
    app.connect("builder-inited", add_static_files)
    app.connect("doctree-read", leave_to_the_files)
    app.add_css_file("explore.css")
    app.add_js_file("explore.js", loading_method="defer")
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
