"""References by number: Sphinx loads the page that is meant anew for each, which with its figures takes long."""

from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.domains.std import StandardDomain
from sphinx.environment import BuildEnvironment


class Loaded:
    """The environment of Sphinx, whose pages are loaded once: for who only looks at them."""

    def __init__(self, env: BuildEnvironment):
        self._env, self._pages = env, {}

    def __getattr__(self, name: str):
        return getattr(self._env, name)

    def get_doctree(self, docname: str) -> nodes.document:
        written = Path(self._env.doctreedir, f"{docname}.doctree").stat().st_mtime_ns
        if docname not in self._pages or self._pages[docname][0] != written:
            self._pages[docname] = written, self._env.get_doctree(docname)
        return self._pages[docname][1]


class Standard(StandardDomain):
    loaded = None

    def resolve_xref(self, env, fromdocname, builder, typ, target, node, contnode):
        if typ == "numref":
            self.loaded = env = self.loaded or Loaded(env)
        return super().resolve_xref(env, fromdocname, builder, typ, target, node, contnode)


def setup(app: Sphinx):
    app.add_domain(Standard, override=True)
