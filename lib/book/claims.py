"""Ties every theorem of the book to the tests that would fail if it were false.

A theorem bears a label; a test in ``tests/claims`` bears ``@pytest.mark.claim("that label")``, or ``@attack("that label",
...)`` if it tries to refute the theorem over its whole hypothesis. Each theorem gets a mark that links to its tests, and the
directive ``{claims}`` prints them, with what came of the attacks, from ``tests/claims/record.json``.
"""

import ast
import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx_design.dropdown import dropdown_main, dropdown_title

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


def read_attacks(root: Path) -> dict[str, list[dict]]:
    """What came of the attacks on each label; the tests fail if it is not so."""
    path = root / "tests" / "claims" / "record.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def read_tests(app: Sphinx, config):
    app.claim_tests = find_tests(Path(app.srcdir))
    app.attacks = read_attacks(Path(app.srcdir))
    # In the environment, so that Sphinx reads the pages again when a test has changed.
    config.claims_digest = hashlib.sha256(repr((app.claim_tests, app.attacks)).encode()).hexdigest()


def check(app: Sphinx, env):
    for text in mismatches(Path(app.srcdir)):
        LOGGER.warning(text)
    if app.claim_tests and getattr(env, "claims_page", None) not in env.found_docs:
        LOGGER.warning("there are tests of theorems, but no page of the table of contents has a {claims} directive")


def written_before(app: Sphinx, pages: Iterable[str]) -> list[str]:
    """Those of the pages that are older than what was read last: what they show of others may have changed."""
    last = max((file.stat().st_mtime for file in Path(app.doctreedir).rglob("*.doctree")), default=0.0)
    files = {page: Path(app.builder.get_outfilename(page)) for page in pages}
    return [page for page, file in files.items() if not file.exists() or file.stat().st_mtime <= last]


def rewrite_claims_page(app: Sphinx, env):
    """Numbers of theorems are among what it shows of others."""
    return written_before(app, {getattr(env, "claims_page", None)} & env.found_docs)


def is_theorem(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Element) and node.get("realtype") in KINDS


def fill_in(app: Sphinx, doctree: nodes.document, docname: str):
    claims_page = getattr(app.env, "claims_page", None)
    tested = {label for test in app.claim_tests for label in test.labels}
    for theorem in doctree.findall(is_theorem):
        if claims_page and theorem["label"] in tested:
            uri = app.builder.get_relative_uri(docname, claims_page)
            mark = link("Tested", f"{uri}#{tested_anchor(theorem['label'])}")
            theorem[-1].append(nodes.paragraph("", "", mark, classes=["tested-by"]))
    for placeholder in list(doctree.findall(claim_list)):
        placeholder.replace_self([*contents(app, docname), *list_of_tests(app, docname)])


@dataclass(frozen=True)
class Tested:
    """A theorem with its tests, in the order of the book."""

    page: str
    label: str
    name: str  # as "Theorem 2.1"
    title: list[nodes.Node]
    tests: list[ClaimTest]
    attacks: list[dict]


def tested_theorems(app: Sphinx) -> list[Tested]:
    found = []
    for page in pages_in_order(app.env, app.config.root_doc):
        for theorem in app.env.get_doctree(page).findall(is_theorem):
            label = theorem["label"]
            tests = [test for test in app.claim_tests if label in test.labels]
            if tests:
                numbers = app.env.toc_fignumbers.get(page, {}).get(theorem["countertype"], {})
                name = f"{theorem['realtype'].title()} {'.'.join(map(str, numbers.get(label, ())))}".strip()
                title = [child.deepcopy() for child in theorem[0].children]
                found.append(Tested(page, label, name, title, tests, app.attacks.get(label, [])))
    return found


def contents(app: Sphinx, docname: str) -> list[nodes.Node]:
    """A table with a line for each theorem: what was tried, how near it came, how many false statements were refuted."""
    theorems, rows = tested_theorems(app), []
    for one in theorems:
        words = [nodes.paragraph("", "", link(one.name, f"#{tested_anchor(one.label)}"), *one.title)]
        tried = sum(attack["tried"] for attack in one.attacks)
        nearest = min((ratio for attack in one.attacks for ratio in attack["nearest"].values()), default=None)
        verdicts = [verdict for attack in one.attacks for verdict in attack["mutants"].values()]
        refuted = f"{verdicts.count('refuted')} of {len(verdicts)}" if verdicts else ""
        cells = (str(tried or ""), f"{nearest:.2g}" if nearest else "–" if tried else "", refuted)
        rows.append([words, *([nodes.paragraph("", cell)] for cell in cells)])
    if not any(one.attacks for one in theorems):
        return []
    return [table(["Statement", "Instances tried", "Nearest approach", "Mutants refuted"], rows)]


def table(head: list[str], rows: list[list[list[nodes.Node]]]) -> nodes.table:
    def row(cells):
        return nodes.row("", *(nodes.entry("", *cell) for cell in cells))

    group = nodes.tgroup("", *(nodes.colspec(colwidth=1) for _ in head), cols=len(head))
    group += nodes.thead("", row([[nodes.paragraph("", title)] for title in head]))
    group += nodes.tbody("", *(row(cells) for cells in rows))
    return nodes.table("", group, classes=["attacks"])


def list_of_tests(app: Sphinx, docname: str) -> list[nodes.Node]:
    """For every theorem a link to it, what came of the attacks on it, and its tests in full, folded."""
    content, shown = [], set()
    for one in tested_theorems(app):
        uri = f"{app.builder.get_relative_uri(docname, one.page)}#{one.label}"
        content.append(nodes.rubric("", "", link(one.name, uri), *one.title, ids=[tested_anchor(one.label)]))
        for attack in one.attacks:
            content += report(attack)
        again = [test for test in one.tests if test in shown]
        if again:
            content.append(line_of_links("See above: ", [(test.name, f"#{anchor(test)}") for test in again]))
        for test in one.tests:
            if test not in shown:
                shown.add(test)
                code = nodes.literal_block(
                    test.source, test.source, language="none"
                )  # coloured it weighs twice as much
                title = dropdown_title("", "", nodes.literal(test.name, test.name), nodes.Text(f" in {test.path}"))
                content.append(dropdown_main("", title, code, ids=[anchor(test)], classes=["test"]))
    return content


def report(attack: dict) -> list[nodes.Node]:
    """What an attack tried, how near it came, and what became of the mutants."""
    nearest = "; ".join(f"{name}: {ratio:.2g}" for name, ratio in attack["nearest"].items())
    parts = [
        nodes.paragraph(
            "", "", nodes.strong("", "Tried: "), nodes.Text(f"{attack['hypothesis']}; {attack['tried']} instances.")
        )
    ]
    if nearest:
        words = f"{nearest} (1 is equality)."
        parts.append(nodes.paragraph("", "", nodes.strong("", "Nearest approach: "), nodes.Text(words)))
    refuted = [words for words, verdict in attack["mutants"].items() if verdict == "refuted"]
    if refuted:
        words = f"{'; '.join(refuted)}."
        parts.append(nodes.paragraph("", "", nodes.strong("", f"Mutants refuted, {len(refuted)}: "), nodes.Text(words)))
    for words, reason in attack["mutants"].items():
        if reason != "refuted":
            text = f"{words}. {reason}"
            parts.append(nodes.paragraph("", "", nodes.strong("", "Mutant that survives: "), nodes.Text(text)))
    return parts


def pages_in_order(env, page: str):
    yield page
    for child in env.toctree_includes.get(page, []):
        yield from pages_in_order(env, child)


def anchor(test: ClaimTest) -> str:
    return nodes.make_id(f"{Path(test.path).stem}-{test.name}")


def tested_anchor(label: str) -> str:
    return nodes.make_id(f"tested-{label}")


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
