"""An extension of Sphinx: all pages share a style sheet and a script, instead of each carrying what its figures need."""

import hashlib
from pathlib import Path

from slidefig._page import ASSETS, COLOURS, script, style


def folder(app):
    return Path(app.doctreedir) / "slidefig"


def looks(env):
    """For each page, the colours of its looks by the name of their class."""
    if not hasattr(env, "slidefig_looks"):
        env.slidefig_looks = {}
    return env.slidefig_looks


def leave_to_the_files(app, doctree):
    """Take out of the outputs what is in the files; it may be older than they are, or than this extension."""
    from docutils import nodes  # here, as notebooks draw where no Sphinx is installed

    found = looks(app.env)[app.env.docname] = {}

    def name(match):
        look = "explore-" + hashlib.sha256(match[2].encode()).hexdigest()[:8]
        found[look] = match[2]
        return f" {look}{match[1]}"

    for node in doctree.findall(nodes.raw):
        text = COLOURS.sub(name, ASSETS.sub("", node.astext()))
        if text != node.astext():
            node.clear()
            node += nodes.Text(text)


def forget(app, env, docname):
    looks(env).pop(docname, None)


def merge(app, env, docnames, other):
    looks(env).update({docname: looks(other)[docname] for docname in docnames})


def write_files(app, env):
    folder(app).mkdir(exist_ok=True)
    rules = {f".{name}{{{colours}}}\n" for page in looks(env).values() for name, colours in page.items()}
    (folder(app) / "explore.css").write_text(style() + "".join(sorted(rules)), encoding="utf-8")
    (folder(app) / "explore.js").write_text(script(), encoding="utf-8")


def add_static_files(app):
    # As late as here, for Sphinx to leave this absolute path out of what it writes into the site.
    app.config.html_static_path.append(str(folder(app)))


def setup(app):
    app.connect("builder-inited", add_static_files)
    app.connect("doctree-read", leave_to_the_files)
    app.connect("env-purge-doc", forget)
    app.connect("env-merge-info", merge)
    app.connect("env-updated", write_files)
    app.add_css_file("explore.css")
    app.add_js_file("explore.js", loading_method="defer")
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
