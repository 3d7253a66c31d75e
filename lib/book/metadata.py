"""What search engines and messengers show of a page: its description, Open Graph tags, and a sitemap.

The description is ``description`` in the front matter of the page, or the beginning of its first paragraph. Addresses
can only be told if the site knows its own, ``html: baseurl`` in ``_config.yml``: without it there is no sitemap.
"""

import html
import itertools
import re
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx

from book import card

LONGEST = 200  # characters; what is longer is cut off by those who show it


def describe(doctree: nodes.document) -> str:
    """The sentences at the beginning of a paragraph that have no formula and fit into a description."""
    for paragraph in doctree.findall(nodes.paragraph):
        if not isinstance(paragraph.parent, nodes.section):
            continue
        plain = itertools.takewhile(lambda child: not any(child.findall(nodes.math)), paragraph.children)
        text = " ".join("".join(child.astext() for child in plain).split())
        if sentences := re.match(rf"(.{{1,{LONGEST - 1}}}[.!?])(?=\s|$)", text):
            return sentences[1]
    return ""


def picture(site: str) -> dict[str, str]:
    width, height = map(str, card.SIZE)
    return {
        "og:image": f"{site}/_static/{card.NAME}",
        "og:image:width": width,
        "og:image:height": height,
        "og:image:alt": card.WORDS,
    }


def add_tags(app: Sphinx, pagename, templatename, context, doctree):
    root = app.config.root_doc
    if pagename == "index":
        pagename, doctree = root, app.env.get_doctree(root)
    front_matter = app.env.metadata.get(pagename, {})
    description = front_matter.get("description") or (describe(doctree) if doctree else "")
    title = app.env.titles[pagename].astext() if pagename in app.env.titles else context.get("title", "")
    tags = {
        "name": {"description": description},
        "property": {
            "og:site_name": app.config.html_title,
            "og:title": title,
            "og:description": description,
            "og:type": "website" if pagename == root else "article",
            "og:url": context.get("pageurl") or "",
            **(picture(app.config.site_url) if app.config.site_url else {}),
        },
    }
    context["metatags"] = context.get("metatags", "") + "".join(
        f'\n    <meta {kind}="{name}" content="{html.escape(content)}">'
        for kind, pairs in tags.items()
        for name, content in pairs.items()
        if content
    )


def write_sitemap(app: Sphinx, exception: Exception | None):
    base = app.config.site_url
    if exception or not base or app.builder.name != "html":
        return
    addresses = [f"{base}/{app.builder.get_target_uri(page)}" for page in sorted(app.env.found_docs)]
    lines = [f"  <url><loc>{html.escape(address)}</loc></url>" for address in addresses]
    text = "\n".join(
        [
            '<?xml version="1.0" encoding="utf-8"?>',
            '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">',
            *lines,
            "</urlset>\n",
        ]
    )
    (Path(app.outdir) / "sitemap.xml").write_text(text, encoding="utf-8")


def setup(app: Sphinx):
    app.connect("html-page-context", add_tags)
    app.connect("build-finished", write_sitemap)
