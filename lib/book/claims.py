"""Ties every theorem of the book to the tests that would fail if it were false.

A theorem bears a label; a test in ``tests/claims`` bears ``@pytest.mark.claim("that label")``, or ``@attack("that label",
...)`` if it tries to refute the theorem over its whole hypothesis. Each theorem gets a mark that links to its tests, and the
directive ``{claims}`` prints them, with what came of the attacks, from ``tests/claims/record.json``.
"""

import ast
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from book.sources import without_shown_code

LOGGER = logging.getLogger(__name__)
KINDS = ("theorem", "lemma", "proposition", "corollary", "observation")


@dataclass(frozen=True)
class ClaimTest:
    name: str
    path: str  # relative to the root of the book
    line: int
    source: str
    labels: tuple[str, ...]


def find_tests(root: Path) -> list[ClaimTest]:
    """The tests that bear a claim, read without importing them."""
    found = []
    for path in sorted((root / "tests" / "claims").glob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text, filename=str(path))):
            if not isinstance(node, ast.FunctionDef):
                continue
            labels = tuple(
                label.value
                for mark in node.decorator_list
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) in ("pytest.mark.claim", "attack")
                for label in mark.args
            )
            if labels:
                first = min(node.lineno, *(mark.lineno for mark in node.decorator_list))
                source = "\n".join(text.splitlines()[first - 1 : node.end_lineno])
                found.append(ClaimTest(node.name, path.relative_to(root).as_posix(), first, source, labels))
    return found


def find_theorems(root: Path) -> list[tuple[str, int, str | None]]:
    """Page, line and label (or None) of every theorem below ``chapters``, read without building."""
    found = []
    opening = re.compile(
        rf"^[ \t]*(?:`{{3,}}|:{{3,}})\{{prf:(?:{'|'.join(KINDS)})\}}.*\n((?:[ \t]*:[\w-]+:.*\n)*)", re.M
    )
    for path in sorted((root / "chapters").rglob("*.md")):
        text = without_shown_code(path.read_text(encoding="utf-8"))
        for match in opening.finditer(text):
            label = re.search(r":label:[ \t]*(\S+)", match[1])
            line = text.count("\n", 0, match.start()) + 1
            found.append((path.relative_to(root).as_posix(), line, label and label[1]))
    return found


def mismatches(root: Path) -> list[str]:
    """In words, every theorem without a label or a test, and every claim without a theorem."""
    theorems, tests = find_theorems(root), find_tests(root)
    tested = {label for test in tests for label in test.labels}
    stated = {label for _, _, label in theorems}
    return (
        [f"{page}:{line}: this theorem has no label" for page, line, label in theorems if label is None]
        + [
            f"{page}:{line}: no test in tests/claims bears the claim {label!r}"
            for page, line, label in theorems
            if label is not None and label not in tested
        ]
        + [
            f"{test.path}:{test.line}: {test.name} bears the claim {label!r}, which no theorem has"
            for test in tests
            for label in test.labels
            if label not in stated
        ]
    )


class claim_list(nodes.General, nodes.Element):
    """Placeholder for the tests, filled in when every theorem has its number."""


class ClaimsDirective(SphinxDirective):
    def run(self):
        self.env.claims_page = self.env.docname
        return [claim_list()]


def read_tests(app: Sphinx, config):
    app.claim_tests = find_tests(Path(app.srcdir))
    # In the environment, so that Sphinx reads the pages again when a test has changed.
    config.claims_digest = hashlib.sha256(repr(app.claim_tests).encode()).hexdigest()


def check(app: Sphinx, env):
    for text in mismatches(Path(app.srcdir)):
        LOGGER.warning(text)
    if app.claim_tests and getattr(env, "claims_page", None) not in env.found_docs:
        LOGGER.warning("there are tests of theorems, but no page of the table of contents has a {claims} directive")


def rewrite_claims_page(app: Sphinx, env):
    """Numbers of theorems may have changed although the page itself has not."""
    return [page] if (page := getattr(env, "claims_page", None)) in env.found_docs else []


def is_theorem(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Element) and node.get("realtype") in KINDS


def fill_in(app: Sphinx, doctree: nodes.document, docname: str):
    claims_page = getattr(app.env, "claims_page", None)
    for theorem in doctree.findall(is_theorem):
        tests = [test for test in app.claim_tests if theorem["label"] in test.labels]
        if tests and claims_page:
            uri = app.builder.get_relative_uri(docname, claims_page)
            theorem[-1].append(line_of_links("Tested by ", [(test.name, f"{uri}#{anchor(test)}") for test in tests]))
    for placeholder in list(doctree.findall(claim_list)):
        placeholder.replace_self(list_of_tests(app, docname))


def list_of_tests(app: Sphinx, docname: str) -> list[nodes.Node]:
    """For every theorem, in the order of the book: a link to it, and its tests in full."""
    content, shown = [], set()
    for page in pages_in_order(app.env, app.config.root_doc):
        for theorem in app.env.get_doctree(page).findall(is_theorem):
            tests = [test for test in app.claim_tests if theorem["label"] in test.labels]
            if not tests:
                continue
            uri = f"{app.builder.get_relative_uri(docname, page)}#{theorem['label']}"
            numbers = app.env.toc_fignumbers.get(page, {}).get(theorem["countertype"], {})
            number = ".".join(map(str, numbers.get(theorem["label"], ())))
            name = f"{theorem['realtype'].title()} {number}".strip()
            title = [child.deepcopy() for child in theorem[0].children]
            content.append(nodes.rubric("", "", link(name, uri), *title))
            again = [test for test in tests if test in shown]
            if again:
                content.append(line_of_links("See above: ", [(test.name, f"#{anchor(test)}") for test in again]))
            for test in tests:
                if test not in shown:
                    shown.add(test)
                    content.append(nodes.paragraph("", "", nodes.literal(test.path, test.path)))
                    content.append(nodes.literal_block(test.source, test.source, language="python", ids=[anchor(test)]))
    return content


def pages_in_order(env, page: str):
    yield page
    for child in env.toctree_includes.get(page, []):
        yield from pages_in_order(env, child)


def anchor(test: ClaimTest) -> str:
    return nodes.make_id(f"{Path(test.path).stem}-{test.name}")


def link(text: str, uri: str) -> nodes.reference:
    return nodes.reference("", text, refuri=uri, internal=True)


def line_of_links(start: str, links: list[tuple[str, str]]) -> nodes.paragraph:
    line = nodes.paragraph("", start, classes=["tested-by"])
    for k, (name, uri) in enumerate(links):
        line += [
            nodes.Text(", " if k else ""),
            nodes.reference("", "", nodes.literal(name, name), refuri=uri, internal=True),
        ]
    return line


def setup(app: Sphinx):
    app.add_node(claim_list)
    app.add_directive("claims", ClaimsDirective)
    app.add_config_value("claims_digest", "", "env")
    app.connect("config-inited", read_tests)
    app.connect("env-check-consistency", check)
    app.connect("env-updated", rewrite_claims_page)
    app.connect("doctree-resolved", fill_in)
