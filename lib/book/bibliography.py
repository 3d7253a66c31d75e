"""Says below each entry of the bibliography where it is cited."""

from docutils import nodes
from sphinx.application import Sphinx

from book.claims import link, pages_in_order
from book.slides import FOLDER


def add_places(app: Sphinx, doctree: nodes.document, docname: str):
    if docname not in pages_of(app.env):
        return
    cited: dict[str, set[str]] = {}
    for reference in app.env.get_domain("cite").citation_refs:
        for target in reference.targets:
            cited.setdefault(nodes.make_id(target.key), set()).add(reference.docname)
    order = [page for page in pages_in_order(app.env, app.config.root_doc) if not page.startswith(FOLDER)]
    for entry in doctree.findall(nodes.citation):
        pages = [page for page in order if page in cited.get(entry["ids"][0], ())]
        if pages:
            links = [link(app.env.titles[page].astext(), app.builder.get_relative_uri(docname, page)) for page in pages]
            line = nodes.inline("", " Cited in ", classes=["cited-in"])
            line += [part for one in links for part in (nodes.Text(", "), one)][1:]
            line += nodes.Text(".")
            next(entry.findall(nodes.paragraph)).append(line)


def pages_of(env) -> set[str]:
    return {key.docname for key in env.get_domain("cite").bibliographies}


def write_again(app: Sphinx, env):
    return sorted(pages_of(env) & env.found_docs)


def setup(app: Sphinx):
    app.connect("doctree-resolved", add_places)
    app.connect("env-updated", write_again)
