"""Homework whose solutions are not on the table: a course's build of the book holds those of the sessions that are over."""

import builtins
import re
from types import SimpleNamespace

import pypdfium2
import pytest
from book import course, notebooks
from book.browser import find_chromium

from tests.book import building
from tests.book.conftest import HEADER, Book
from tests.shared import CHAPTERS, EXERCISED, ROOT

ROLE = re.compile(r"\{[\w:]+\}`([^`]+)`")
PAGES = sorted(CHAPTERS.rglob("*.md"))
SESSIONS = course.sessions(ROOT)
LABELS = {name: course.solved((CHAPTERS / f"{name}.md").read_text(encoding="utf-8")) for name in EXERCISED}
MARKED = [label for labels in LABELS.values() for label in labels]


# --- What is withheld, and when


def test_every_exercise_has_a_session_after_which_its_solution_may_be_seen():
    assert course.deadlines(ROOT).keys() >= set(MARKED)
    assert len(MARKED) >= 47


def test_no_exercise_is_handed_in_twice():
    handed_in = [label for session in SESSIONS for label in session.exercises("Hand in")]
    assert len(handed_in) == len(set(handed_in)) and all(session.exercises("Hand in") for session in SESSIONS)


@pytest.mark.parametrize("setting, kept", [("all", 1.0), ("lecturer", 1.0), ("none", 0.0), ("0", 0.0), ("99", 1.0)])
def test_the_ends_of_the_setting(setting, kept):
    assert sum(course.released(ROOT, setting, label) for label in MARKED) == kept * len(MARKED)


@pytest.mark.parametrize("last", [session.number for session in SESSIONS])
def test_a_solution_is_released_after_its_session_and_stays(last):
    for label in MARKED:
        session = course.deadlines(ROOT)[label]
        assert course.released(ROOT, str(last), label) == (session <= last)
    for session in SESSIONS:
        for label in session.exercises("Hand in"):
            assert not course.released(ROOT, str(session.number - 1), label)
            assert course.released(ROOT, str(session.number), label)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_the_source_of_a_page_loses_its_hidden_solutions_and_nothing_else(path):
    text = path.read_text(encoding="utf-8")
    assert course.withhold(text, lambda label: False) == text
    labels = course.solved(text)
    for hidden in [{label} for label in labels] + [set(labels)]:
        left = course.withhold(text, hidden.__contains__)
        assert course.solved(left) == [label for label in labels if label not in hidden]
        blocks = {match["label"]: match[0] for match in course.SOLUTION.finditer(text)}
        others = text
        for label in hidden:
            others = others.replace(blocks[label], "")
        for line in (line for label in hidden for line in blocks[label].split("\n")[1:] if len(line) > 15):
            assert line in others or line not in left
        assert re.sub(r"```\{withheld\} \S+( code)?\n```", "", left) == others


def test_a_solution_that_ends_with_another_fence_stops_the_build():
    text = "````{solution} ex-one\nA secret.\n```\n"
    with pytest.raises(Exception, match="ex-one"):
        course.withhold(text, lambda label: True)


@pytest.mark.parametrize("setting, shown", [("all", True), ("lecturer", True), ("none", False), ("13", False)])
def test_the_sources_of_the_checks_are_shown_with_all_solutions_only(setting, shown):
    app = SimpleNamespace(config=SimpleNamespace(solutions=setting))
    assert (course.hide_checks(app, "implicit_bias.check") is None) == shown
    assert course.hide_checks(app, "implicit_bias.nnls") is None


@pytest.mark.parametrize("session", SESSIONS, ids=lambda session: str(session.number))
def test_the_notebook_of_a_sheet_defines_what_its_solutions_use(session):
    app = SimpleNamespace(env=SimpleNamespace(doc2path=lambda name: CHAPTERS / f"{name}.md"))
    given = {*dir(builtins), "check"}  # the cell for the answer imports it
    for label in session.exercises("Hand in"):
        (name,) = [name for name, labels in LABELS.items() if label in labels]
        cells, solutions = course.code_of(app, name)
        code = notebooks.needed(cells, solutions, label) + solutions.get(label, [])
        assert not notebooks.free("\n".join(code)) - given


# --- A book of the exercises of all chapters, built for a course


def marked(text: str) -> str:
    """The exercises of a chapter, with a word in the text, the formulas and the code of each solution that is nowhere else."""
    start = text.index("\n## Exercises\n")
    text = ROLE.sub(r"\1", text[start : text.index("\n## ", start + 1)])

    def mark(match):
        word = secret(match["label"])
        body = match[0].replace("```python\n", f"```python\n{word}c = 1\n")
        head, _, rest = body.partition("\n\n")
        return f"{head}\n\nA {word}t and ${{\\rm {word}m}}$.\n\n{rest}"

    return course.SOLUTION.sub(mark, text)


def secret(label: str) -> str:
    return f"zq{MARKED.index(label):03}"


@pytest.fixture(scope="module")
def class_book(tmp_path_factory, packages) -> Book:
    """All chapters, with nothing but their exercises; the syllabus, with nothing but what is handed in; a sheet and an exam."""
    book = Book(tmp_path_factory.mktemp("class") / "book", packages)
    book.write("chapters/index.md", "# The book\n\n```{div} lead\nFor a class.\n```\n")
    for name in EXERCISED:
        text = (CHAPTERS / f"{name}.md").read_text(encoding="utf-8")
        book.write(
            f"chapters/{name}.md", f"{HEADER}# Of {name}\n\n```{{code-cell}} ipython3\nx = 1\n```\n{marked(text)}"
        )
    pieces = ["# Syllabus\n\n## Sessions\n"]
    for session in SESSIONS:
        handed_in = ", ".join(f"{{ref}}`{label}`" for label in session.exercises("Hand in"))
        pieces.append(f"(session-{session.number})=\n### {session.number}. {session.title}\n\nHand in\n: {handed_in}\n")
    book.write("chapters/seminar/syllabus.md", "\n".join(pieces))
    book.write("chapters/seminar/sheets.md", "# Sheets\n\n```{sheets}\n```\n")
    exam = (
        "```{exercise} One\n:label: exam-one\nHow much?\n```\n\n```{solution} exam-one\n:class: dropdown\nzqexam\n```\n"
    )
    book.write("chapters/seminar/exam.md", f"# Exam\n\n{exam}")
    files = "".join(f"      - file: chapters/{name}\n" for name in EXERCISED)
    toc = f"format: jb-book\nroot: chapters/index\nparts:\n  - caption: Chapters\n    numbered: true\n    chapters:\n{files}"
    for name in ("seminar/syllabus", "seminar/sheets", "seminar/exam"):
        toc += f"      - file: chapters/{name}\n"
    book.write("_toc.yml", toc + "  - caption: Appendix\n    chapters:\n      - file: chapters/claims\n")
    for unused in ("tests/claims/test_first.py", "chapters/first.md"):
        (book.root / unused).unlink()
    return book


def build_for(book: Book, setting: str):
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SOLUTIONS", setting)
        result = book.build()
    assert result.returncode == 0, result.stdout


def words(book: Book, printed: str) -> dict[str, set[str]]:
    """The marks in every file that the build leaves, the kept outputs of cells excepted; those in the PDF as they are read."""
    if find_chromium():
        assert [building.print_pdf(book.root, what) for what in printed.split()] == [0] * len(printed.split())
    found = {}
    for path in (book.root / "_build").rglob("*"):
        name = path.relative_to(book.root / "_build").as_posix()
        if path.is_file() and not name.startswith(("outputs", "npm")):
            text = path.read_bytes().decode(errors="replace")
            if path.suffix == ".pdf":
                text = "".join(page.get_textpage().get_text_range() for page in pypdfium2.PdfDocument(path))
            found[name] = set(re.findall(r"zq(?:\d{3}|exam)", text))
    return found


@pytest.mark.slow
def test_no_file_of_a_course_holds_a_solution_of_a_later_session(class_book):
    build_for(class_book, "lecturer")
    everywhere = words(class_book, "book")
    all_marks = {secret(label) for label in MARKED}
    assert not everywhere["html/_static/search-data.js"], "a search tells what a solution says"
    of_pages = set().union(*(everywhere[f"html/chapters/{name}.html"] for name in EXERCISED))
    of_notebooks = set().union(*(everywhere[f"html/chapters/{name}.ipynb"] for name in EXERCISED))
    assert of_pages == of_notebooks == all_marks
    assert not any(everywhere[f"html/chapters/exercises/{name}.ipynb"] for name in EXERCISED)
    if find_chromium():
        assert everywhere["pdf/book.pdf"] >= {"zqexam"} and len(everywhere["pdf/book.pdf"]) > 40

    build_for(class_book, "3")  # over the other one
    early = {secret(label) for label in MARKED if course.deadlines(ROOT)[label] <= 3}
    seen = words(class_book, "book sheets")
    assert set().union(*seen.values()) == early
    assert seen["html/chapters/overparameterization.html"] == early
    assert not any(path.startswith("pdf/") and marks - early for path, marks in seen.items())
