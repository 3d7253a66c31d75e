"""What the website needs while it is built: a Sphinx extension, loaded by ``_config.yml``.

``jupyter-book build . -W -n --keep-going`` does with it all that ``make book`` does.
"""

import gc
import hashlib
import importlib
from pathlib import Path

from sphinx.application import Sphinx

HERE = Path(__file__).parent
# When to look for garbage: to search all trees as often as Python does takes a fifth of a build and a third of a print.
SELDOM = (100_000, 20, 100)
PARTS = (
    "address",
    "course",
    "execution",
    "mathematics",
    "katex_server",
    "claims",
    "bibliography",
    "boxes",
    "numbers",
    "library",
    "lists",
    "live",
    "notebooks",
    "frame",
    "metadata",
    "card",
    "quiz",
    "reading",
    "reuse",
    "slides",
    "standard",
    "states",
    "previews",
    "search",
    "wheel",
    "finishing",
)


def own_digest() -> str:
    files = sorted(path for path in HERE.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def add_static_files(app: Sphinx):
    # As late as here, for Sphinx to leave this absolute path out of what it writes into the site.
    app.config.html_static_path.append(str(HERE / "static"))


def setup(app: Sphinx) -> dict:
    gc.set_threshold(*SELDOM)
    # Both read settings that Sphinx otherwise calls unknown: Furo is loaded too late, sphinx-comments not at all.
    app.setup_extension("furo")
    app.setup_extension("slidefig")
    app.add_config_value("comments_config", {}, "html")
    # In the environment, so that Sphinx makes every page again when this extension has changed.
    app.add_config_value("book_digest", own_digest(), "env")
    app.connect("builder-inited", add_static_files)
    app.add_css_file("book.css", priority=900)  # last, so that it has the last word
    app.add_js_file("book.js", loading_method="defer")
    for part in PARTS:  # imported here: who prints or tests needs few of them
        importlib.import_module(f"book.{part}").setup(app)
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": False}
