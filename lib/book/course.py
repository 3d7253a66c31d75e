"""The class: which solutions a build holds, and the weekly sheets.

The variable ``SOLUTIONS`` of the environment, or of make, says which solutions this build of the book holds:

- ``all``, or nothing: those of all exercises; so the book is published,
- ``3``: those of sessions 1 to 3 of the seminar, which are over,
- ``none``: those of no exercise,
- ``lecturer``: all, and those of the exam.

They are taken out of the source of a page, before anything is made of it: whatever the build writes, it has never seen
them. No cell is executed anew. The sources of the checks, which compute the answers, are not shown unless all solutions are.

``{sheets}`` makes a sheet for each session of what the syllabus says is to be handed in, by reference; ``{reading}`` counts how
long the chapters take to be read.
"""

import functools
import itertools
import math
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import jupytext
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

from book.sources import without_shown_code

SYLLABUS = Path("chapters", "seminar", "syllabus.md")
CHAPTER = re.compile(r"^## (.*)$", re.M)
SESSION = re.compile(r"^\(session-(\w+)\)=\n### (?:\d+\. )?(.*)$", re.M)
TERM = re.compile(r"^(\w[^\n]*)\n: (.*?)(?=\n\n)", re.M | re.S)
EXERCISE = re.compile(r"\{ref\}`(ex-[\w-]+)`")
SOLUTION = re.compile(
    r"^(?P<fence>`{3,}|~{3,}|:{3,})\{solution\}[ \t]*(?P<label>\S+).*?^(?P=fence)[ \t]*$", re.M | re.S
)
CELL = re.compile(r"^```\{code-cell\}.*?^```$", re.M | re.S)
FORMULA = re.compile(r"\$\$.*?\$\$|\$[^$]+\$", re.S)
PACE = 3000  # words an hour that a student reads with a pencil; a formula counts as a word
OF_EXAM = "exam-"  # how the labels of its questions begin
CHECKS = "implicit_bias.check"


@dataclass(frozen=True)
class Session:
    number: int
    title: str
    chapter: str  # the title
    parts: dict[str, str]  # "Hand in" and the like, with what stands there

    def exercises(self, part: str) -> list[str]:
        return EXERCISE.findall(self.parts.get(part, ""))


@functools.cache
def sessions(root: Path) -> list[Session]:
    """The sessions of the syllabus, without that of the students' talks."""
    path, found = root / SYLLABUS, []
    _, *pieces = CHAPTER.split(path.read_text(encoding="utf-8") + "\n\n") if path.exists() else [""]
    for chapter, within in zip(pieces[::2], pieces[1::2], strict=True):
        _, *parts = SESSION.split(within)
        for number, title, text in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
            if number.isdecimal():
                found.append(Session(int(number), title, chapter, dict(TERM.findall(text))))
    return found


@functools.cache
def deadlines(root: Path) -> dict[str, int]:
    """For each exercise of a chapter the session after which its solution may be seen.

    That is the one in which it is handed in, else the last one that names it, else the last one of its chapter.
    """
    found: dict[str, int] = {}
    for session in sessions(root):
        found |= {label: session.number for part in session.parts for label in session.exercises(part)}
    for session in sessions(root):
        found |= dict.fromkeys(session.exercises("Hand in"), session.number)
    for path in sorted((root / "chapters").glob("*.md")):
        labels = solved(path.read_text(encoding="utf-8"))
        if taught := [found[label] for label in labels if label in found]:
            found |= {label: max(taught) for label in labels if label not in found}
    return found


def solved(text: str) -> list[str]:
    """The labels of the exercises that the text of a page solves."""
    return re.findall(r"^[ \t]*(?:`{3,}|~{3,}|:{3,})\{solution\}[ \t]*(\S+)", without_shown_code(text), re.M)


def released(root: Path, setting: str, label: str) -> bool:
    """Whether the solution of an exercise is in a build with this setting."""
    if setting == "lecturer" or label.startswith(OF_EXAM):
        return setting == "lecturer"
    if setting == "all":
        return True
    return deadlines(root).get(label, math.inf) <= int(setting.replace("none", "0"))


def solutions_in(text: str):
    """For each solution in the text of a page: its label, and its first line and the one behind its last."""
    looked_at = without_shown_code(text)
    for match in SOLUTION.finditer(looked_at):
        first, last = (looked_at.count("\n", 0, place) for place in match.span())
        yield match["label"], first, last + 1


def withhold(text: str, hidden) -> str:
    """The text with the line ``{withheld} label`` in place of every solution whose label `hidden` is true of."""
    lines = text.split("\n")
    for label, first, end in reversed(list(solutions_in(text))):
        if hidden(label):
            code = " code" if "```python" in lines[first:end] else ""
            lines[first:end] = [f"```{{withheld}} {label}{code}", "```"]
    text = "\n".join(lines)
    if left := [label for label in solved(text) if hidden(label)]:
        raise ExtensionError(f"[book] the solutions of {', '.join(left)} end with another fence than they begin with")
    return text


def read(app: Sphinx, docname: str, solutions: bool = True) -> str:
    """The source of a page, with the solutions of this build or with none."""
    text = Path(app.env.doc2path(docname)).read_text(encoding="utf-8")
    return withhold(text, functools.partial(is_hidden, app) if solutions else lambda label: True)


def code_of(app: Sphinx, docname: str) -> tuple[list[str], dict[str, list[str]]]:
    """The cells of a chapter, and the blocks of code in its solutions by the labels of the exercises."""
    text = Path(app.env.doc2path(docname)).read_text(encoding="utf-8")
    lines = text.split("\n")
    blocks = {
        label: re.findall(r"^```python\n(.*?)^```$", "\n".join(lines[first:end]), re.M | re.S)
        for label, first, end in solutions_in(text)
    }
    cells = [cell.source for cell in jupytext.reads(text, fmt="md:myst").cells if cell.cell_type == "code"]
    return cells, blocks


def is_hidden(app: Sphinx, label: str) -> bool:
    return not released(Path(app.srcdir), app.config.solutions, label)


# --- The build


class WithheldDirective(SphinxDirective):
    required_arguments = 1
    optional_arguments = 1

    def run(self):
        session = deadlines(Path(self.env.srcdir)).get(self.arguments[0])
        if session is None:  # of the exam
            return []
        return [nodes.paragraph("", f"The solution follows after session {session}.", classes=["withheld"])]


class SheetsDirective(SphinxDirective):
    """A section for each session, with the text under "Hand in" and the exercises that it names."""

    def run(self):
        root = Path(self.env.srcdir)
        self.env.note_dependency(str(root / SYLLABUS))
        self.env.sheets_page = self.env.docname
        lines = []
        for session in sessions(root):
            lines += [f"## Sheet {session.number}: {session.title}", ""]
            lines += [f"{{ref}}`Session {session.number} <session-{session.number}>`: {session.parts['Hand in']}", ""]
            for label in session.exercises("Hand in"):
                lines += [f"```{{reuse}} {label}", "```", ""]
        container = nodes.Element()
        self.state.nested_parse(StringList(lines, self.env.docname), 0, container, match_titles=True)
        return container.children


def chapter_files(root: Path) -> dict[str, Path]:
    """The files of the chapters by their titles."""
    titles = {
        path: re.search(r"^# (.*)$", path.read_text(encoding="utf-8"), re.M)
        for path in (root / "chapters").glob("*.md")
    }
    return {title[1]: path for path, title in titles.items() if title}


def words_to_read(text: str) -> int:
    """How many words a chapter has up to its quiz, without code."""
    body = text.partition("\n# ")[2]
    body = CELL.sub("", re.split(r"^## (?:Quiz|The code|Exercises)$", body, maxsplit=1, flags=re.M)[0])
    return len(FORMULA.sub(" formula ", body).split())


class ReadingDirective(SphinxDirective):
    """A table of how long the chapters take to be read, counted."""

    def run(self):
        root, rows = Path(self.env.srcdir), []
        self.env.note_dependency(str(root / SYLLABUS))
        files = chapter_files(root)
        for chapter, members in itertools.groupby(sessions(root), key=lambda session: session.chapter):
            numbers = [session.number for session in members]
            self.env.note_dependency(str(files[chapter]))
            words = words_to_read(files[chapter].read_text(encoding="utf-8"))
            hours = math.ceil(4 * words / PACE / len(numbers)) / 4
            of_sessions = f"{numbers[0]} to {numbers[-1]}" if len(numbers) > 1 else str(numbers[0])
            rows.append(f"| {chapter} | {of_sessions} | {round(words, -2)} | {hours:g} |")
        lines = ["| chapter | sessions | words | hours before each session |", "|---|---|---|---|", *rows]
        container = nodes.Element()
        self.state.nested_parse(StringList(lines, self.env.docname), 0, container)
        return container.children


def choose(app: Sphinx, config):
    setting = os.environ.get("SOLUTIONS") or "all"
    if not re.fullmatch(r"all|none|lecturer|\d+", setting):
        raise ExtensionError(
            f"[book] SOLUTIONS={setting}: it must be all, none, lecturer, or the number of the last session that is over"
        )
    config.solutions = setting
    build = Path(app.outdir).parent
    note = build / "solutions"
    before = note.read_text(encoding="utf-8") if note.exists() else "all"
    if setting != before:  # no page of the other build, no picture of a solution, no print of it may stay
        for folder in (app.outdir, app.doctreedir, build / "pdf"):
            shutil.rmtree(folder, ignore_errors=True)
        Path(app.outdir).mkdir(parents=True)
    build.mkdir(parents=True, exist_ok=True)
    note.write_text(setting, encoding="utf-8")


def take_out(app: Sphinx, docname: str, source: list[str]):
    source[0] = withhold(source[0], functools.partial(is_hidden, app))


def hide_checks(app: Sphinx, module: str):
    """The checks are described on the page of the library, but how they compute is shown with all solutions only."""
    if module == CHECKS and app.config.solutions not in ("all", "lecturer"):
        return "# Not in this copy of the book: a check computes the answer.\n", {}
    return None


def setup(app: Sphinx):
    app.add_config_value("solutions", "all", "env")
    app.add_directive("withheld", WithheldDirective)
    app.add_directive("sheets", SheetsDirective)
    app.add_directive("reading", ReadingDirective)
    app.connect("config-inited", choose)
    app.connect("source-read", take_out)
    app.connect("viewcode-find-source", hide_checks)
