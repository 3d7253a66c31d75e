"""What chapters/making.md tells an author to write is enough: its own snippets make a chapter that the tests accept."""

import os
import re
import shutil
import subprocess
import sys

import nbformat
import pytest
from book import wheel

from tests.shared import CHAPTERS, ROOT

pytestmark = pytest.mark.slow
RULES = ("lib/test_check", "site/test_students")
BLOCK = re.compile(r"^(`{3,})(\w+)\n(.*?)^\1$", re.DOTALL | re.MULTILINE)


def shown(language, containing):
    """The block of the page that contains a text."""
    page = (CHAPTERS / "making.md").read_text(encoding="utf-8")
    (block,) = [code for _, kind, code in BLOCK.findall(page) if kind == language and containing in code]
    return block


@pytest.fixture(scope="module")
def copy(seminar):
    """A small book with the library and the rules of this one, and with the chapter of the page."""
    book = seminar
    for folder in ("lib/implicit_bias", "lib/slidefig"):
        shutil.copytree(
            ROOT / folder, book.root / folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
        )
    for path in (*wheel.DESCRIPTION, *(f"tests/{name}.py" for name in ("conftest", "shared", "site/conftest", *RULES))):
        book.write(path, (ROOT / path).read_text(encoding="utf-8"))
    book.add("heat")
    book.add("seminar/slides/heat")
    text = [shown("text", piece) for piece in ("(chap-heat)=", "draw_diffusion", 'glue("width"', "{prf:theorem}")]
    quiz = ["## Quiz\n", shown("text", "{quiz}")]
    book.write("chapters/heat.md", "\n".join([shown("yaml", "jupytext:"), *text, *quiz, shown("text", "{exercise}")]))
    book.write("chapters/seminar/slides/heat.md", f"# Heat\n\n{shown('text', '{reuse}')}")
    book.write("chapters/first.md", "# Another chapter\n")
    book.write("tests/claims/test_first.py", "")
    book.write("tests/claims/test_heat.py", shown("py", "pytest.mark.claim"))
    book.append("lib/implicit_bias/check.py", "\n\n" + shown("py", "def heat"))
    checks = book.read("tests/lib/test_check.py")
    assert checks.count("\nWRONG = {\n") == 1
    book.write("tests/lib/test_check.py", checks.replace("\nWRONG = {\n", "\nWRONG = {\n" + shown("py", '"heat": [')))
    return book


@pytest.fixture(scope="module")
def said(copy):
    """What its tests say, of which one is of a wrong claim."""
    copy.write("tests/claims/test_wrong.py", shown("py", "pytest.mark.claim").replace("np.pi", "3.14159"))
    files = [
        "lib/implicit_bias/check.py",
        *(f"tests/{name}.py" for name in (*RULES, "claims/test_heat", "claims/test_wrong")),
    ]
    chosen = ["--doctest-modules", *files, "-k", "every_chapter or three_wrong_answers or heat"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", *chosen],
        cwd=copy.root,
        env={**os.environ, "PYTHONPATH": str(copy.root / "lib")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ).stdout


def test_the_chapter_is_built(copy, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(copy.root / "lib"))  # as if it were installed
    result = copy.build()
    assert result.returncode == 0, result.stdout
    page = copy.page("heat")
    assert "After one unit of time the width is 1.41." in re.sub("<.*?>", "", page)
    assert 'class="explore-group"' in page and 'href="claims.html#tested-thm-heat"' in page
    assert "test_heat_is_conserved" in copy.page("claims")
    assert page.count('<fieldset class="quiz">') == 1
    assert 'class="explore-group"' in copy.page("seminar/slides/heat")
    student = nbformat.read(copy.root / "_build" / "html" / "chapters" / "exercises" / "heat.ipynb", as_version=4)
    answers = [cell.source for cell in student.cells if cell.cell_type == "code" and "# your answer" in cell.source]
    assert [re.findall(r"^check\.(\w+)\(", answer, re.MULTILINE) for answer in answers] == [
        [name] for name in ("heat", "heat_width", "heat_moment")
    ]


def test_the_claim_is_tested_and_can_be_refuted(said):
    verdicts = re.findall(r"claims/test_(heat|wrong)\.py::\S+ (PASSED|FAILED) ", said)
    assert sorted(verdicts) == [("heat", "PASSED")] * 2 + [("wrong", "FAILED")] * 2


def test_its_exercises_and_checks_obey_the_rules(said):
    assert re.search(r"^=+ 2 failed, \d+ passed", said, re.MULTILINE), said  # the wrong claim, and nothing else
    assert said.count("check.heat") == 3 and "without_a_network[heat] PASSED" in said
    assert len(re.findall(r"kind_of_wrong\[heat[\w-]*\] PASSED", said)) == 11
    assert "test_every_check_is_tried_with_three_wrong_answers PASSED" in said
    assert "test_every_chapter_has_checked_exercises PASSED" in said
