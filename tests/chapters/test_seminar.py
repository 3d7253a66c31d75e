"""The seminar kit: every session, talk and project has its parts, and what it tells students to run does run."""

import contextlib
import io
import re

import pytest

from tests.shared import ROOT

SEMINAR = ROOT / "chapters" / "seminar"
CELL = re.compile(r"^```\{code-cell\} ipython3\n(.*?)^```$", re.DOTALL | re.MULTILINE)
TERM = re.compile(r"^(\w[^\n]*)\n: (.*?)(?=^\w[^\n]*\n: |^```|^````|^\(|^##|\Z)", re.DOTALL | re.MULTILINE)


def parts(name, prefix):
    """The labelled sections of a page as pairs of label and text."""
    text = (SEMINAR / f"{name}.md").read_text(encoding="utf-8")
    pieces = re.split(rf"^\(({prefix}-[\w-]+)\)=$", text, flags=re.MULTILINE)
    return list(zip(pieces[1::2], pieces[2::2], strict=True))


TALKS = parts("talks", "talk")
PROJECTS = parts("projects", "project")
SESSIONS = parts("syllabus", "session")


def by_label(sections):
    return pytest.mark.parametrize("text", [text for _, text in sections], ids=[label for label, _ in sections])


def test_there_are_enough_of_them():
    assert len(TALKS) >= 15
    assert len(PROJECTS) >= 6
    assert len(SESSIONS) >= 12
    taught = [f"session-{number}" for number in range(1, len(SESSIONS))]
    assert [label for label, _ in SESSIONS] == [*taught, "session-talks"]


@by_label(TALKS)
def test_a_talk_has_its_five_parts(text):
    found = dict(TERM.findall(text))
    assert list(found) == ["Paper", "Read", "Question", "Figure", "Further"]
    keys = re.findall(r"\{cite:t\}`(\w+)`", found["Paper"])
    bibliography = (ROOT / "chapters" / "references.bib").read_text(encoding="utf-8")
    assert keys and all(f"{{{key}," in bibliography for key in keys)
    assert re.search(r"\{(prf:ref|ref)\}`", found["Read"])
    assert "?" in found["Question"]
    assert "{numref}`fig-" in found["Figure"]
    assert len(CELL.findall(text)) == 1


@by_label(PROJECTS)
def test_a_project_has_its_five_parts(text):
    found = dict(TERM.findall(text))
    assert list(found) == ["Data", "Question", "Predict", "Compare with", "Trap"]
    assert len(CELL.findall(text)) == 1


@by_label(SESSIONS)
def test_a_session_says_what_to_do(text):
    found = dict(TERM.findall(text))
    first = {"Read before", "Show", "Predict, then move", "Hand in"}
    assert first <= set(found)
    if {"Prove", "Code"} <= set(found):
        predictions = re.findall(r"\*\((\w)\)\*", found["Predict, then move"])
        answers = re.findall(r"\*\((\w)\)\*", text.partition("{dropdown} What happens")[2])
        assert predictions and predictions == answers
        moved, shown = (set(re.findall(r"`(fig-[\w-]+)`", found[part])) for part in ("Predict, then move", "Show"))
        assert moved and moved <= shown


def test_the_index_has_the_sessions_of_the_syllabus():
    index = (SEMINAR / "index.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| \[(.+)\]\(syllabus\.md#[\w-]+\) \|", index, re.MULTILINE)  # the build checks the targets
    assert listed == [text.split("\n")[1].removeprefix("### ") for _, text in SESSIONS]


def test_every_session_takes_ninety_minutes():
    guide = (SEMINAR / "guide.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \{ref\}`(\d+|talks) <session-\1>` \|(.*)\|$", guide, re.MULTILINE)
    assert [f"session-{name}" for name, _ in rows] == [label for label, _ in SESSIONS]
    assert {sum(int(minutes) for minutes in row.split("|")) for _, row in rows} == {90}


@pytest.mark.slow
@by_label(TALKS + PROJECTS)
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_the_starting_cell_runs_by_itself(text):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(CELL.findall(text)[0], "starting cell", "exec"), {})
    assert printed.getvalue().strip()
    assert "nan" not in printed.getvalue()
