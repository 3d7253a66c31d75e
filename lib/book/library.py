"""The page of the library: every public function from its docstring, and links between it and the chapters.

The directive ``{library}`` lists the modules in the order in which the docstring of the package names them. A name of the
library that stands in code font anywhere in the book is a link to its entry, and ``chapter "Title"`` in a docstring is a
link to the chapter: neither has to be written as a link, and so neither can be forgotten.
"""

import importlib
import pkgutil
import re
import shutil
from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from book import claims

LOGGER = logging.getLogger(__name__)
PACKAGE = "implicit_bias"
QUOTED = re.compile(r'((?:[Cc]hapter|Theorem|Proposition)\s+)["“]([^"”]+)["”]')
CALL = re.compile(r"([A-Za-z_][\w.]*)(?:\(.*\))?", re.S)


def public_modules() -> list[str]:
    """Those that the docstring of the package names, in its order, then the others."""
    package = importlib.import_module(PACKAGE)
    names = [module.name for module in pkgutil.iter_modules(package.__path__) if not module.name.startswith("_")]
    named = re.findall(r"`(\w+)`", package.__doc__)
    return sorted(names, key=lambda name: (named.index(name) if name in named else len(named), name))


class LibraryDirective(SphinxDirective):
    def run(self):
        self.env.library_page = self.env.docname
        lines = []
        for name in public_modules():
            full = f"{PACKAGE}.{name}"
            lines += [
                f"(module-{name})=",
                f"## `{full}`",
                "",
                "```{eval-rst}",
                f".. automodule:: {full}",
                "   :members:",
                "   :exclude-members: set_fit_request, set_score_request",  # scikit-learn puts them there
            ]
            lines += ["```", ""]
        container = nodes.Element()
        self.state.nested_parse(StringList(lines, self.env.docname), 0, container, match_titles=True)
        return container.children


def entries(env) -> dict[str, str]:
    """For each name a reader may meet, ``flow_limit`` or ``limits.flow_limit`` or ``limits``, the anchor of its entry."""
    objects = env.get_domain("py").objects.items()
    found = {}
    for kind in ("class", "function", "data", "method", "module"):  # `nnls` is the function, not its module
        for full, entry in objects:
            if entry.objtype == kind:
                parts = full.split(".")
                names = [".".join(parts[start:]) for start in range(len(parts))]
                if kind == "method":
                    names.pop()  # methods have names like `value`, so they need that of their class
                elif kind != "module":
                    names.append(f"{PACKAGE}.{parts[-1]}")  # from where it can be imported, too
                for name in names:
                    found.setdefault(name, entry.node_id)
    return found


class LinkNames(SphinxPostTransform):
    """Turn names of the library in code font into links, except where they name an argument."""

    default_priority = 950  # after all references are resolved

    def run(self, **kwargs):
        page = getattr(self.env, "library_page", None)
        if page not in self.env.found_docs:
            return
        anchors = entries(self.env)
        here = self.env.docname == page
        start = "" if here else self.app.builder.get_relative_uri(self.env.docname, page)
        kinds = (nodes.literal, nodes.emphasis) if here else nodes.literal  # what is returned is in italics there
        for node in list(self.document.findall(lambda node: isinstance(node, kinds))):
            match = CALL.fullmatch(node.astext())
            anchor = match and anchors.get(match[1])
            if not anchor or is_linked(node) or (here and match[1] in names_of_arguments(node)):
                continue
            node.replace_self(nodes.reference("", "", node.deepcopy(), refuri=f"{start}#{anchor}", internal=True))


def ancestors(node: nodes.Node):
    while (node := node.parent) is not None:
        yield node


def is_linked(node: nodes.Node) -> bool:
    kinds = (nodes.reference, nodes.title, nodes.rubric, addnodes.desc_signature, addnodes.toctree)
    return any(isinstance(above, kinds) for above in ancestors(node))


def names_of_arguments(node: nodes.Node) -> set[str]:
    """The arguments of the functions in whose description the node stands, and the fields of its lists."""
    names = set()
    for above in ancestors(node):
        if isinstance(above, addnodes.desc):
            names |= {argument[0].astext() for argument in above.findall(addnodes.desc_parameter)}
            names |= {strong.astext() for strong in above.findall(nodes.strong)}
    return names


def link_chapters(app: Sphinx, doctree: nodes.document, docname: str):
    if docname != getattr(app.env, "library_page", None):
        return
    targets = titles(app.env)
    for text in list(doctree.findall(nodes.Text)):
        pieces, end = [], 0
        if isinstance(text.parent, nodes.literal_block):
            continue
        for match in QUOTED.finditer(text):
            title = " ".join(match[2].split())
            if title not in targets:
                LOGGER.warning("a docstring of %s names %r, which the book does not have", PACKAGE, match[0])
                continue
            page, anchor = targets[title]
            uri = app.builder.get_relative_uri(docname, page) + anchor
            pieces += [nodes.Text(text[end : match.start()] + match[1]), claims.link(title, uri)]
            end = match.end()
        if pieces:
            text.parent.replace(text, [*pieces, nodes.Text(text[end:])])


def titles(env) -> dict[str, tuple[str, str]]:
    """Page and anchor of every chapter and of every theorem, by its title."""
    found = {}
    for page in claims.pages_in_order(env, env.config.root_doc):
        for theorem in env.get_doctree(page).findall(claims.is_theorem):
            title = theorem[0].astext().strip("() ").replace(r"\ell_", "l")  # docstrings are plain text
            found.setdefault(title, (page, f"#{theorem['label']}"))
    return found | {title.astext(): (page, "") for page, title in env.titles.items()}


def forget_sources(app: Sphinx):
    """Have all pages with sources made again: Sphinx looks at the sources only, not at what stands around them."""
    shutil.rmtree(Path(app.outdir) / "_modules", ignore_errors=True)
    return []


def setup(app: Sphinx):
    app.connect("html-collect-pages", forget_sources, priority=400)  # before they are made, if any page is
    app.add_directive("library", LibraryDirective)
    app.add_post_transform(LinkNames)
    app.connect("doctree-resolved", link_chapters)
