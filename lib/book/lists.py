"""Lists of what can be looked up by its number: ``{list} theorems``, ``{list} figures``, ``{list} sliders``.

They are filled in when all pages have been read, and written again in every build, since any page may have changed.
"""

import html
import re

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective

from book.claims import is_theorem, link, pages_in_order

SLIDER = re.compile(r'<span class="explore-label">(.*?)</span>')
SENTENCE = re.compile(r"[.:](?=\s|$)")
SHORTEST = 25  # characters; "First panel." is no sentence


class listing(nodes.General, nodes.Element):
    """Placeholder for one list."""


class ListDirective(SphinxDirective):
    required_arguments = 1

    def run(self):
        self.env.lists_page = self.env.docname
        return [listing(kind=self.arguments[0])]


class FillLists(SphinxPostTransform):
    default_priority = 4  # after what is reused stands on its page, before references in captions are resolved

    def run(self, **kwargs):
        placeholders = list(self.document.findall(listing))
        if not placeholders:
            return
        trees = {page: self.env.get_doctree(page) for page in pages_in_order(self.env, self.config.root_doc)}
        for placeholder in placeholders:
            placeholder.replace_self(getattr(self, placeholder["kind"])(trees))

    def theorems(self, trees) -> list[nodes.Node]:
        content = []
        for page, tree in trees.items():
            items = []
            for theorem in tree.findall(is_theorem):
                label, title = theorem["label"], [child.deepcopy() for child in theorem[0].children]
                name = f"{theorem['realtype'].title()} {self.number(page, theorem['countertype'], label)}"
                items.append([link(name, self.address(page, label)), nodes.Text(" "), *title])
            content += self.section(page, items)
        return content

    def figures(self, trees) -> list[nodes.Node]:
        content = []
        for page, tree in trees.items():
            items = [
                [link(name, address), nodes.Text(" "), *self.first_sentence(figure)]
                for name, address, figure in self.numbered(page, tree)
            ]
            content += self.section(page, items)
        return content

    def sliders(self, trees) -> list[nodes.Node]:
        """For each quantity that a slider sets, the figures that have one."""
        found: dict[str, list[nodes.Node]] = {}
        for page, tree in trees.items():
            for name, address, figure in self.numbered(page, tree):
                text = "".join(raw.astext() for raw in figure.findall(nodes.raw))
                for label in dict.fromkeys(SLIDER.findall(text)):
                    found.setdefault(html.unescape(label), []).append(link(name, address))
        items = [
            [nodes.strong("", f"{label}: "), *(part for one in links for part in (nodes.Text(", "), one))]
            for label, links in sorted(found.items(), key=lambda item: item[0].lower())
        ]
        return [bullets([[first, *rest[1:]] for first, *rest in items])] if items else []

    def numbered(self, page: str, tree: nodes.document):
        """The numbered figures of a page: name, address, node."""
        numbers = self.env.toc_fignumbers.get(page, {}).get("figure", {})
        for figure in tree.findall(nodes.figure):
            for anchor in figure["ids"][:1]:
                if anchor in numbers:
                    yield f"Figure {self.number(page, 'figure', anchor)}", self.address(page, anchor), figure

    def first_sentence(self, figure: nodes.figure) -> list[nodes.Node]:
        kept = []
        caption = next(figure.findall(nodes.caption), nodes.caption())
        for child in caption.children:
            said = sum(len(part.astext()) for part in kept)
            if isinstance(child, nodes.Text) and (end := SENTENCE.search(child, max(SHORTEST - said, 0))):
                return [*kept, nodes.Text(child[: end.start()] + ".")]
            child = child.deepcopy()
            for reference in child.findall(addnodes.pending_xref):
                reference["refdoc"] = self.env.docname  # it starts here now
            kept.append(child)
        return kept

    def section(self, page: str, items: list[list[nodes.Node]]) -> list[nodes.Node]:
        if not items:
            return []
        numbers = self.env.toc_secnumbers.get(page, {}).get("", ())
        start = f"{'.'.join(map(str, numbers))}. " if numbers else ""
        title = [nodes.Text(start), *(child.deepcopy() for child in self.env.titles[page].children)]
        return [nodes.rubric("", "", *title), bullets(items)]

    def number(self, page: str, kind: str, anchor: str) -> str:
        return ".".join(map(str, self.env.toc_fignumbers.get(page, {}).get(kind, {}).get(anchor, ())))

    def address(self, page: str, anchor: str) -> str:
        return f"{self.app.builder.get_relative_uri(self.env.docname, page)}#{anchor}"


def bullets(items: list[list[nodes.Node]]) -> nodes.bullet_list:
    return nodes.bullet_list(
        "", *(nodes.list_item("", nodes.paragraph("", "", *item)) for item in items), classes=["lists"]
    )


def write_again(app: Sphinx, env):
    page = getattr(env, "lists_page", None)
    return [page] if page in env.found_docs else []


def setup(app: Sphinx):
    app.add_directive("list", ListDirective)
    app.add_post_transform(FillLists)
    app.connect("env-updated", write_again)
