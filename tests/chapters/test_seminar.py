"""The seminar kit: every session, talk and project has its parts, and what it tells students to run does run."""

import contextlib
import io
import re

import numpy as np
import pytest
from book import course
from implicit_bias import SignedHadamardPower, flow_limit
from scipy.integrate import quad
from scipy.optimize import nnls as lawson_hanson

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


def text_of(name):
    return (SEMINAR / f"{name}.md").read_text(encoding="utf-8")


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


ROWS = re.findall(r"^\| \{ref\}`(\d+|talks) <session-\1>` \|(.*)\|$", text_of("guide"), re.MULTILINE)
MINUTES = {f"session-{name}": [int(minutes) for minutes in row.split("|")] for name, row in ROWS}
TAUGHT = course.sessions(ROOT)
# Of the proofs that a session only sketches or leaves for reading.
ASIDE = re.compile(r"reading|statement|quote|preview|idea")


def test_every_session_takes_ninety_minutes():
    assert list(MINUTES) == [label for label, _ in SESSIONS]
    assert {sum(row) for row in MINUTES.values()} == {90}


@pytest.mark.parametrize("session", TAUGHT, ids=lambda session: str(session.number))
def test_a_session_has_time_for_what_it_shows_and_proves(session):
    """Seven words of proof a minute, formulas counted as words; five minutes for a figure, and for a vote."""
    opening, board, _, _, talk = MINUTES[f"session-{session.number}"]
    proved = " ".join(part for part in re.split(r"(?<=[.;])\s", session.parts["Prove"]) if not ASIDE.search(part))
    assert sum(map(words_of_proof, re.findall(r"\{prf:ref\}`([\w-]+)`", proved))) <= 7 * board
    figures = re.findall(r"`(fig-[\w-]+)`", session.parts["Show"])
    votes = re.findall(r"\*\(\w\)\*", session.parts["Predict, then move"])
    assert 5 * max(len(figures), len(votes)) <= opening
    assert (talk == 25 and "Talk" in session.parts) or (talk == 0 and "Talk" not in session.parts)


def words_of_proof(label):
    """Of the proof that stands between a claim and the next one; what is proved in passing counts nothing."""
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "chapters").glob("*.md")]
    (text,) = [text for text in texts if f":label: {label}\n" in text]
    following = re.split(r"^`{3,}\{prf:", text.split(f":label: {label}\n")[1], maxsplit=1, flags=re.MULTILINE)[0]
    proof = re.search(r"^(`{3,})\{dropdown\} Proof[^\n]*\n(.*?)^\1$", following, re.DOTALL | re.MULTILINE)
    return len(course.FORMULA.sub(" formula ", proof[2]).split()) if proof else 0


def test_the_count_of_words_finds_proofs():
    assert words_of_proof("thm-limit") > 100 and words_of_proof("thm-effective-rank") > 7 * 30


@pytest.mark.parametrize("session", TAUGHT, ids=lambda session: str(session.number))
def test_a_sheet_has_two_parts(session):
    handed_in = session.parts["Hand in"]
    named = session.exercises("Hand in")
    assert len(named) == 2 or (len(named) == 1 and len(re.sub(r"\{[^`]*`[^`]*`", "", handed_in).split()) > 8)


def test_the_two_courses_are_what_the_tables_and_the_texts_say():
    table = re.findall(r"^\| (.+?) \| (.+?) \| (.+?) \|$", text_of("syllabus"), re.MULTILINE)
    rows = {name: pair for name, *pair in table}
    lasts = [int(sessions.removeprefix("1 to ")) for sessions in rows["sessions"]]
    assert lasts[-1] == len(TAUGHT)
    for k, (last, weeks) in enumerate(zip(lasts, (12, 14), strict=True)):
        within = TAUGHT[:last]
        assert (rows["the students' session"][k], last) in ((f"week {weeks}", weeks - 1), ("the week after", weeks))
        assert rows["chapters"][k] == f"1 to {len({session.chapter for session in within})}"
        assert TAUGHT[last:] == [] or TAUGHT[last].chapter != within[-1].chapter
        talks = sum("Talk" in session.parts for session in within) + MINUTES["session-talks"][-1] // 25
        assert int(rows["talks"][k]) == talks
        sheets, count = (int(rows[name][k]) for name in ("{ref}`sheets <seminar-sheets>`", "of which count"))
        assert sheets == len(within) > count
        spelled = {12: "twelve", 14: "fourteen"}[weeks]
        assert f"the best {count} of {sheets}" in text_of("rubric") and f"in {spelled}" in text_of("rubric")
        assert re.search(rf"in {spelled} weeks {talks} talk and {20 - talks} do a", text_of("guide"))


def test_every_talk_is_offered_once_or_left_for_the_students_session():
    offered = [label for session in TAUGHT for label in re.findall(r"`(talk-[\w-]+)`", session.parts.get("Talk", ""))]
    assert len(offered) == len(set(offered)) and set(offered) <= {label for label, _ in TALKS}


# --- The exam


def test_the_points_of_the_exam_add_up():
    exam = text_of("exam")
    points = [int(number) for number in re.findall(r"^```\{exercise\} .*, (\d+) points$", exam, re.MULTILINE)]
    keys = re.findall(r"^\*\*Key\.\*\* (.*)$", exam, re.MULTILINE)
    assert [sum(int(number) for number in re.findall(r"\(\w\) (\d+)", key)) for key in keys] == points
    assert f"Two hours, {sum(points)} points" in exam


def test_the_solutions_of_the_exam_are_the_lecturers():
    solved = course.solved(text_of("exam"))
    asked = re.findall(r"^:label: (exam-[\w-]+)$", text_of("exam"), re.MULTILINE)
    assert solved == asked and len(asked) == 6
    for setting in ("all", "none", "13"):
        assert not any(course.released(ROOT, setting, label) for label in solved)
    assert all(course.released(ROOT, "lecturer", label) for label in solved)


def test_the_numbers_in_the_solutions_of_the_exam():
    a, b, velocity = np.array([1.0, -2.0]), np.array([1.0, 3.0]), np.zeros(2)
    for _ in range(200):
        velocity = 0.5 * velocity - 0.1 * a * (a @ b - 5)
        b += velocity
    np.testing.assert_allclose(b, [3, -1], atol=1e-9)
    gamma = np.linspace(1.001, 6, 100_001)
    risk = 9 * (1 - 1 / gamma) + 1 / (gamma - 1)
    np.testing.assert_allclose([gamma[risk.argmin()], risk.min(), risk[-1]], [1.5, 5, 7.7], atol=1e-4)
    for alpha in (1e-3, 1e-5):
        time = quad(lambda s: 1 / (2 * (4 - np.exp(s))), 2 * np.log(alpha), np.log(2))[0]
        assert abs(time - np.log(2 / alpha) / 4) < 2 * alpha**2
    distances = []
    for alpha in (1e-3, 1e-4):
        x = flow_limit([[1.0, 3.0]], [3.0], SignedHadamardPower(2), alpha=alpha).x
        distances.append(np.linalg.norm(x - [0, 1]))
    assert abs(np.log10(distances[0] / distances[1]) - 4 / 3) < 0.01
    wide = flow_limit([[1.0, 3.0]], [3.0], SignedHadamardPower(2), alpha=100.0).x
    np.testing.assert_allclose(wide, [0.3, 0.9], rtol=1e-4)
    A = np.array([[1.0, 1.0], [0.0, 1.0]])
    for y, x, g in [((1, -1), (1, 0), (0, 1)), ((1, 3), (0, 2), (1, 0)), ((-2, 1), (0, 0), (2, 1))]:
        np.testing.assert_allclose(lawson_hanson(A, np.array(y, dtype=float))[0], x, atol=1e-12)
        np.testing.assert_allclose(A.T @ (A @ x - np.array(y)), g, atol=1e-12)


@pytest.mark.slow
@by_label(TALKS + PROJECTS)
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_the_starting_cell_runs_by_itself(text):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(CELL.findall(text)[0], "starting cell", "exec"), {})
    assert printed.getvalue().strip()
    assert "nan" not in printed.getvalue()
