"""A figure, a theorem or an exercise of one page, shown on another: ``{reuse} fig-opening``, ``{reuse} ex-scale``.

Nothing is executed or written twice. What is shown is what stands in the chapter, sliders included, with a link to it.
"""

from collections import Counter
from functools import cache

from docutils import nodes
from slidefig import ID_PREFIX
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx_exercise.nodes import exercise_subtitle

from book.claims import link, written_before

LOGGER = logging.getLogger(__name__)


class reused(nodes.General, nodes.Element):
    """Placeholder, filled in when all pages have been read."""


class ReuseDirective(SphinxDirective):
    required_arguments = 1

    def run(self):
        self.env.metadata[self.env.docname]["reuses"] = "yes"
        node = reused(label=self.arguments[0])
        self.set_source_info(node)
        return [node]


class ShowAgain(SphinxPostTransform):
    default_priority = 3  # before MyST-NB chooses the form of an output, and before references are resolved

    def run(self, **kwargs):
        self.page = cache(self.env.get_doctree)  # a chapter with its sliders takes long to load
        uses = Counter()
        for placeholder in list(self.document.findall(reused)):
            label = placeholder["label"]
            uses[label] += 1
            shown = self.figure(label, uses[label]) or self.box(label)
            if not shown:
                words = "no figure with a name, no theorem and no exercise is labelled %r"
                LOGGER.warning(words, label, location=placeholder)
            placeholder.replace_self(shown or [])

    def figure(self, label: str, use: int) -> nodes.Node | None:
        page, anchor, _ = self.env.get_domain("std").labels.get(label, ("", "", ""))
        for figure in self.page(page).findall(nodes.figure) if page else ():
            if anchor in figure["ids"]:
                picture = figure[0].deepcopy()
                if use > 1:
                    rename(picture, use)
                name = self.config.numfig_format["figure"] % self.number(page, "figure", anchor)
                return nodes.container("", picture, self.source(name, page, anchor), classes=["reused"])
        return None

    def box(self, label: str) -> nodes.Node | None:
        """A theorem or an exercise."""
        for registry in ("proof_list", "sphinx_exercise_registry"):
            if label in getattr(self.env, registry, {}):
                page = getattr(self.env, registry)[label]["docname"]
                break
        else:
            return None
        box = next(node for node in self.page(page).findall() if is_labelled(node, label))
        copy = box.deepcopy()
        for node in copy.findall(addnodes.pending_xref):
            node["refdoc"] = self.env.docname  # its links start here now
        for node in copy.findall(nodes.Element):
            node["ids"] = []
        kind, counted = box.get("realtype", "exercise"), box.get("countertype", "exercise")
        name = f"{kind.title()} {self.number(page, counted, label)}"
        title = nodes.paragraph("", "", self.source(name, page, label)[0], classes=["admonition-title"])
        for subtitle in copy[0].findall(exercise_subtitle):
            title += [nodes.Text(" ("), *subtitle.children, nodes.Text(")")]
        if kind != "exercise":
            title += copy[0].children
        return nodes.container("", title, *copy[1].children, classes=["admonition", kind, "reused"])

    def number(self, page: str, kind: str, anchor: str) -> str:
        return ".".join(map(str, self.env.toc_fignumbers.get(page, {}).get(kind, {}).get(anchor, ())))

    def source(self, name: str, page: str, anchor: str) -> nodes.paragraph:
        uri = f"{self.app.builder.get_relative_uri(self.env.docname, page)}#{anchor}"
        return nodes.paragraph("", "", link(name.strip(), uri), classes=["source"])


def is_labelled(node: nodes.Node, label: str) -> bool:
    is_box = isinstance(node, nodes.Element) and ("realtype" in node or node.get("type") == "exercise")
    return is_box and node.get("label") == label


def rename(picture: nodes.Node, use: int):
    """Give the ids inside of a figure that is shown once more on the same page other names."""
    for raw in list(picture.findall(nodes.raw)):
        text = ID_PREFIX.sub(rf"\g<0>{use}-", raw.astext())
        raw.replace_self(nodes.raw("", text, format=raw["format"]))


def write_again(app: Sphinx, env):
    """What a page reuses may have changed although the page itself has not."""
    return written_before(app, [page for page in env.found_docs if "reuses" in env.metadata.get(page, {})])


def setup(app: Sphinx):
    app.add_directive("reuse", ReuseDirective)
    app.add_post_transform(ShowAgain)
    app.connect("env-updated", write_again)
