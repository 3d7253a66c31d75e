"""Decks of slides: every page in ``chapters/seminar/slides`` is shown with reveal.js, one slide for each heading.

The first heading and what follows it is the title slide. ``{notes}`` holds what only the speaker sees (key S), ``{reuse}``
brings figures and theorems of the chapters. reveal.js comes from the npm package, as KaTeX does; the look is
``static/slides.css``.
"""

import shutil
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective

from book.mathematics import install_packages

FOLDER = "chapters/seminar/slides/"
SUFFIX = " (slides)"
FILES = ("reveal.js", "reveal.css", "plugin/notes.js")


class speaker_notes(nodes.General, nodes.Element):
    pass


class NotesDirective(SphinxDirective):
    has_content = True

    def run(self):
        node = speaker_notes()
        self.state.nested_parse(self.content, self.content_offset, node)
        return [node]


def open_notes(translator, node):
    translator.body.append('<aside class="notes">')


def close_notes(translator, node):
    translator.body.append("</aside>\n")


class SideBySide(SphinxPostTransform):
    """Sections within a section are slides below a slide; here all follow each other."""

    default_priority = 800

    def run(self, **kwargs):
        if not self.env.docname.startswith(FOLDER):
            return
        top = next(self.document.findall(nodes.section))
        slides = [node for node in top.children if isinstance(node, nodes.section)]
        for slide in slides:
            top.remove(slide)
        top["classes"].append("title-slide")
        top.parent.extend(slides)


def copy_reveal(app: Sphinx):
    build = Path(app.outdir).parent
    source = install_packages(build) / "reveal.js" / "dist"
    target = build / "reveal"
    shutil.rmtree(target, ignore_errors=True)
    for file in FILES:
        (target / "reveal" / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source / file, target / "reveal" / file)
    app.config.html_static_path.append(str(target))


def name_decks(app: Sphinx, env):
    """In lists of pages, and in the results of a search, a deck has to be told from its chapter."""
    for deck in env.found_docs:
        if deck.startswith(FOLDER) and not env.titles[deck].astext().endswith(SUFFIX):
            env.titles[deck] += nodes.Text(SUFFIX)
    return []


def choose_template(app: Sphinx, pagename, templatename, context, doctree):
    if pagename.startswith(FOLDER):
        return "slides.html" if doctree is not None else None
    skip_decks(app, pagename, context)
    return None


def skip_decks(app: Sphinx, pagename: str, context: dict):
    """A deck has no links to the page before and after it, so these pages have to lead to each other."""
    for place, name in ((1, "prev"), (2, "next")):
        page = pagename
        while (page := app.builder.relations.get(page, (None, None, None))[place]) and page.startswith(FOLDER):
            pass
        if page:
            title = app.builder.render_partial(app.env.titles[page])["title"]
            context[name] = {"link": app.builder.get_relative_uri(pagename, page), "title": title}
        else:
            context[name] = None


def setup(app: Sphinx):
    app.add_node(speaker_notes, html=(open_notes, close_notes))
    app.add_directive("notes", NotesDirective)
    app.add_post_transform(SideBySide)
    app.connect("builder-inited", copy_reveal)
    app.connect("env-updated", name_decks)
    app.connect("html-page-context", choose_template, priority=100)  # before Furo looks where to go next
