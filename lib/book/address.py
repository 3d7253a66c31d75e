"""Where the book is: its sources (``repository: url``) and its site (``html: baseurl``), both in ``_config.yml``.

What is given is linked: the source of each page, "report a mistake", Binder, the clone command, the address to cite.
What is not given is not mentioned.
"""

import os
import re
from pathlib import Path
from urllib.parse import quote, urlencode

import yaml
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

from book import wheel
from book.claims import link

GITHUB = re.compile(r"https://github\.com/([\w.-]+/[\w.-]+)")
PDF = "implicit-bias.pdf"


def read(app: Sphinx, config):
    # Jupyter Book hands its settings to the theme, but Furo knows none of them.
    config.repository_url = (config.html_theme_options.get("repository_url") or "").removesuffix("/")
    config.html_theme_options = {}
    config.site_url = config.html_baseurl = (config.html_baseurl or "").rstrip("/")
    if config.repository_url and not GITHUB.fullmatch(config.repository_url):
        raise ExtensionError(
            f"[book] repository: url in _config.yml is {config.repository_url!r}; it must be empty or the address of a "
            "repository on GitHub, like https://github.com/owner/name"
        )
    if config.site_url and not re.fullmatch(r"https?://[^/\s]+\S*", config.site_url):
        raise ExtensionError(
            f"[book] html: baseurl in _config.yml is {config.site_url!r}; it must be empty or the whole address of the "
            "site, like https://owner.github.io/name"
        )
    app.edition = yaml.safe_load(Path(app.confdir, "CITATION.cff").read_text(encoding="utf-8"))


def with_pdf() -> bool:
    """Whether this build is one of ``make site``, which prints the book afterwards."""
    return os.environ.get("PDF") == "yes"


def source_of(app: Sphinx, page: str) -> str:
    return f"{app.config.repository_url}/blob/HEAD/{Path(app.env.doc2path(page)).relative_to(app.srcdir).as_posix()}"


def report(app: Sphinx, page: str) -> str:
    """Where to tell of a mistake: a new issue that names the page."""
    title = app.env.titles[page].astext()
    asked = {"title": f'Mistake on the page "{title}"', "body": f"In {page}.md: which sentence, what it should say."}
    return f"{app.config.repository_url}/issues/new?{urlencode(asked)}"


def binder(app: Sphinx, path: str = "chapters") -> str:
    name = GITHUB.fullmatch(app.config.repository_url)[1]
    return f"https://mybinder.org/v2/gh/{name}/HEAD?urlpath={quote(f'lab/tree/{path}', safe='')}"


# --- In the text


class CloneDirective(SphinxDirective):
    """Commands that run in a copy of the sources, after those that make it, if their address is known."""

    has_content = True
    option_spec = {"to": str}  # noqa: RUF012

    def run(self):
        url, folder = self.config.repository_url, self.options.get("to", "")
        lines = list(self.content)
        if url or folder:
            lines.insert(0, f"cd {folder or url.rpartition('/')[2]}")
        if url:
            lines.insert(0, f"git clone {url} {folder}".strip())
        text = "\n".join(lines)
        return [nodes.literal_block(text, text, language="text")]


class InstallDirective(SphinxDirective):
    """The command that installs the library with what the chapters need."""

    def run(self):
        text = install(self.env.app) + ("" if self.config.site_url else "  # where the wheel is")
        return [nodes.literal_block(text, text, language="text")]


def install(app: Sphinx) -> str:
    """The command that does so: from the site, or from the wheel that a reader has downloaded there."""
    if app.config.site_url and wheel.is_made(app):
        return f'pip install "{wheel.requirement(Path(app.srcdir), app.config.site_url)}"'
    where = f"./{wheel.file_name(Path(app.srcdir))}" if wheel.is_made(app) else "."
    return f'pip install "{where}[{wheel.EXTRAS}]"'


class CitationDirective(SphinxDirective):
    """How to cite the book, from ``CITATION.cff``, as a sentence and for BibTeX."""

    def run(self):
        edition, url = self.env.app.edition, self.config.site_url
        author = " and ".join(author["name"] for author in edition["authors"])
        title, version, date = edition["title"], edition["version"], edition["date-released"]
        words = [nodes.Text(f"{author}, "), nodes.emphasis("", title), nodes.Text(f", version {version}, {date.year}")]
        words += [nodes.Text(", "), nodes.reference("", url, refuri=url), nodes.Text(".")] if url else [nodes.Text(".")]
        fields = {"author": f"{{{author}}}", "title": title, "year": date.year, "note": f"Version {version}"}
        fields |= {"url": url} if url else {}
        lines = [f"  {name:6} = {{{value}}}," for name, value in fields.items()]
        entry = "\n".join(["@book{implicit-bias-book,", *lines, "}"])
        self.env.note_dependency(str(Path(self.env.srcdir, "CITATION.cff")))
        return [
            nodes.block_quote("", nodes.paragraph("", "", *words)),
            nodes.literal_block(entry, entry, language="bibtex"),
        ]


class take_away(nodes.General, nodes.Element):
    """Placeholder for the line of links to what one can take away, filled in when the page is written."""


class TakeAwayDirective(SphinxDirective):
    def run(self):
        self.env.take_away_page = self.env.docname
        return [take_away()]


def fill_in(app: Sphinx, doctree: nodes.document, docname: str):
    for placeholder in list(doctree.findall(take_away)):
        here = app.builder.get_target_uri(docname)
        up = "../" * here.count("/")
        links = [link("The book as PDF", up + PDF)] if with_pdf() else []
        if wheel.is_made(app):
            links.append(link("The library (wheel)", up + wheel.file_name(Path(app.srcdir))))
        if app.config.repository_url:
            links.append(nodes.reference("", "Sources", refuri=app.config.repository_url))
            links.append(nodes.reference("", "Open in Binder", refuri=binder(app)))
        links.append(link("Cite it", "#how-to-cite-it"))
        links = [part for one in links for part in (nodes.Text(" · "), one)][1:]
        placeholder.replace_self(nodes.paragraph("", "", *links, classes=["take-away"]))


def write_again(app: Sphinx, env):
    """The page that links the PDF: whether there is one is no setting of which Sphinx knows."""
    page = getattr(env, "take_away_page", None)
    return [page] if page in env.found_docs else []


def remove_old_pdf(app: Sphinx, exception):
    if app.builder.name == "html" and not with_pdf():
        Path(app.outdir, PDF).unlink(missing_ok=True)


# --- At the foot of every page


def add_to_foot(app: Sphinx, pagename, templatename, context, doctree):
    context["edition"] = app.edition
    if app.config.repository_url and pagename in app.env.found_docs:
        context["report_url"], context["source_url"] = report(app, pagename), source_of(app, pagename)


def setup(app: Sphinx):
    app.add_config_value("repository_url", "", "env")
    app.add_config_value("site_url", "", "env")
    app.add_node(take_away)
    app.add_directive("clone", CloneDirective)
    app.add_directive("install", InstallDirective)
    app.add_directive("citation", CitationDirective)
    app.add_directive("take-away", TakeAwayDirective)
    app.connect("config-inited", read)
    app.connect("env-updated", write_again)
    app.connect("doctree-resolved", fill_in)
    app.connect("html-page-context", add_to_foot)
    app.connect("build-finished", remove_old_pdf)
