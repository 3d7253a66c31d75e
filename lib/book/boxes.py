"""Makes the boxes and captions of the pages accessible; ``:class: dropdown`` works without JavaScript."""

import re

from docutils import nodes
from myst_nb.sphinx_ import HideCodeCellNode
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx_design.shared import create_component


class FoldDropdowns(SphinxPostTransform):
    """Turn a box with a title and the class ``dropdown`` into a dropdown of sphinx-design (``<details>``)."""

    default_priority = 150  # after sphinx-exercise wrote its titles, before sphinx-design makes HTML

    def run(self, **kwargs):
        for node in list(self.document.findall(nodes.Admonition)):
            if "dropdown" not in node["classes"] or not isinstance(node[0], nodes.title):
                continue
            for link in list(node[0].findall(nodes.reference)):
                link.replace_self(link.children)  # a link inside of a button cannot be reached by keyboard
            title = nodes.rubric("", "", *node[0].children, ids=node["ids"])
            dropdown = create_component(
                "dropdown",
                opened=False,
                type="dropdown",
                has_title=True,
                icon=None,
                chevron=None,
                container_classes=["sd-mb-3", *node["classes"]],
                title_classes=[],
                body_classes=[],
                children=[title, *node.children[1:]],
            )
            node.replace_self(dropdown)


class CodeBelowFigures(SphinxPostTransform):
    """A figure whose code is folded comes first, then the line that unfolds the code."""

    default_priority = 950  # after MyST-NB has folded it

    def run(self, **kwargs):
        for node in list(self.document.findall(HideCodeCellNode)):
            cell = node.parent
            if cell[0] is node and cell[-1].get("nb_element") == "cell_code_output":
                cell.remove(node)
                cell.append(node)


class DropRepeatedIds(SphinxPostTransform):
    """Sphinx-proof and sphinx-exercise give every box on a page the same inner id."""

    default_priority = 900
    repeated = ("proof", "proof-content", "exercise-content", "solution-content")

    def run(self, **kwargs):
        for node in self.document.findall(nodes.Element):
            if "ids" in node.attributes:
                node["ids"] = [name for name in node["ids"] if name not in self.repeated]


# The title of a box, with the anchor of the box.
TITLE = re.compile(
    r'<div class="[^"]*\b(proof (?P<kind>\w+)|exercise) admonition[^"]*" id="(?P<id>[^"]+)">\s*<p class="admonition-title">'
    r".*?(?=</p>)",
    re.S,
)


def with_permalinks(body: str) -> str:
    """Give the boxes that have a label of their own the link that headings and figures have."""

    def add(match: re.Match) -> str:
        kind = match["kind"] or "exercise"
        return f'{match[0]}<a class="headerlink" href="#{match["id"]}" title="Link to this {kind}">#</a>'

    return TITLE.sub(add, body)


def tidy_page(app: Sphinx, pagename, templatename, context, doctree):
    # Sphinx makes headings of the captions in the table of contents, without a level.
    tree = context["furo_navigation_tree"]
    context["furo_navigation_tree"] = tree.replace('role="heading"', 'role="heading" aria-level="2"')
    # Docutils gives bibliographies roles that ARIA has withdrawn, and that leave a list without items.
    if "body" in context:
        context["body"] = (
            with_permalinks(context["body"])
            .replace(' role="doc-biblioentry"', "")
            .replace('<div role="list" class', "<div class")
        )
        # Names, points, signs and spaces have the colour of the code around them: a tenth of all elements of a chapter.
        context["body"] = re.sub(r'<span class="(?:n|p|o|w)">([^<]*)</span>', r"\1", context["body"])
    # The boxes are styled in book.css, and no page has tabs that belong together.
    unused = ("_static/proof.css", "_static/exercise.css", "_static/design-tabs.js")
    for kind in ("css_files", "script_files"):
        context[kind] = [file for file in context[kind] if getattr(file, "filename", file) not in unused]


def setup(app: Sphinx):
    app.connect("html-page-context", tidy_page, priority=900)  # after Furo
    app.add_post_transform(FoldDropdowns)
    app.add_post_transform(CodeBelowFigures)
    app.add_post_transform(DropRepeatedIds)
