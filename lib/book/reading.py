"""How long a chapter takes to read, below its title and on its card, which bears its number, too."""

from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx

from book import course


def hours(app: Sphinx, page: str) -> str:
    """In words, to half an hour; a chapter that is not numbered is none."""
    if not app.env.toc_secnumbers.get(page):
        return ""
    words = course.words_to_read(Path(app.env.doc2path(page)).read_text(encoding="utf-8"))
    halves = max(round(2 * words / course.PACE), 1)
    return {1: "half an hour", 2: "an hour"}.get(halves, f"{halves // 2}{'½' * (halves % 2)} hours")


def complete_cards(app: Sphinx, doctree: nodes.document, docname: str):
    pages = {app.builder.get_relative_uri(docname, page): page for page in app.env.toc_secnumbers}
    for card in doctree.findall(lambda node: isinstance(node, nodes.container) and "sd-card" in node["classes"]):
        link = next((one for one in card.findall(nodes.reference) if "refuri" in one), None)
        page = pages.get(link["refuri"].partition("#")[0]) if link else None
        title = next((part for part in card.findall(nodes.container) if "sd-card-title" in part["classes"]), None)
        if page and title and (time := hours(app, page)):
            number = ".".join(map(str, app.env.toc_secnumbers[page][""]))
            title.insert(0, nodes.inline("", f"{number}. ", classes=["section-number"]))
            title.parent.append(nodes.paragraph("", time, classes=["reading-time"]))


def add_time(app: Sphinx, pagename, templatename, context, doctree):
    if pagename in app.env.found_docs and (time := hours(app, pagename)):
        line = f'<p class="download">About {time} with a pencil'
        context["body"] = context["body"].replace('<p class="download">', f"{line} · ", 1)


def setup(app: Sphinx):
    app.connect("doctree-resolved", complete_cards)
    app.connect("html-page-context", add_time, priority=600)  # after the links to the notebooks, to which it belongs
