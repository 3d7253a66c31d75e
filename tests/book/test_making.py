"""What chapters/making.md tells an author to write is enough: its own snippets make a chapter that the tests accept."""

import os
import re
import shutil
import subprocess
import sys

import pytest
from tests.shared import CHAPTERS, ROOT

pytestmark = pytest.mark.slow
BLOCK = re.compile(r"^(`{3,})(\w+)\n(.*?)^\1$", re.DOTALL | re.MULTILINE)


def shown(language, containing):
    """The block of the page that contains a text."""
    page = (CHAPTERS / "making.md").read_text(encoding="utf-8")
    (block,) = [code for _, kind, code in BLOCK.findall(page) if kind == language and containing in code]
    return block


@pytest.fixture(scope="module")
def copy(tmp_path_factory, packages, seminar):
    """A copy of the book with the chapter of the page."""
    book = seminar
    for folder in ("lib/implicit_bias", "lib/slidefig", "chapters", "tests"):
        shutil.rmtree(book.root / folder, ignore_errors=True)
        shutil.copytree(ROOT / folder, book.root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", book.root)
    book.write("chapters/index.md", "# The book\n")
    pieces = [
        shown("yaml", "jupytext:"),
        shown("text", "(chap-heat)="),
        shown("text", "draw_diffusion"),
        shown("text", 'glue("width"'),
        shown("text", "{prf:theorem}"),
        "## Quiz\n",
        shown("text", "{quiz}"),
        shown("text", "{exercise}"),
    ]
    book.write("chapters/heat.md", "\n".join(pieces))
    book.write("chapters/seminar/slides/heat.md", f"# Heat\n\n{shown('text', '{reuse}')}")
    book.write("_toc.yml", "format: jb-book\nroot: chapters/index\nparts:\n")
    book.append("_toc.yml", "  - numbered: true\n    chapters:\n      - file: chapters/heat\n")
    book.append("_toc.yml", "  - chapters:\n      - file: chapters/seminar/slides/heat\n      - file: chapters/claims\n")
    book.write("chapters/claims.md", "# Tests\n\n```{claims}\n```\n")
    for path in (book.root / "tests" / "claims").glob("test_*.py"):
        path.unlink()
    for path in CHAPTERS.glob("*.md"):
        if "{prf:" in path.read_text(encoding="utf-8") and path.stem != "making":
            (book.root / "chapters" / path.name).unlink()
    book.write("tests/claims/test_heat.py", shown("py", "pytest.mark.claim"))
    book.append("lib/implicit_bias/check.py", "\n\n" + shown("py", "def heat"))
    wrong = book.read("tests/lib/test_check.py")
    assert wrong.count("WRONG = {\n") == 1
    book.write("tests/lib/test_check.py", wrong.replace("WRONG = {\n", "WRONG = {\n" + shown("py", '"heat": [')))
    return book


def run_tests(book, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=book.root,
        env={**os.environ, "PYTHONPATH": str(book.root / "lib")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_the_chapter_is_built(copy):
    result = copy.build()
    assert result.returncode == 0, result.stdout
    page = copy.page("heat")
    assert "After one unit of time the width is 1.41." in page
    assert 'class="explore"' in page and 'href="claims.html#tested-thm-heat"' in page
    assert "test_heat_is_conserved" in copy.page("claims")
    assert page.count('<fieldset class="quiz">') == 1
    assert 'class="explore"' in copy.page("seminar/slides/heat")
    student = copy.read("_build/html/chapters/exercises/heat.ipynb")
    for name in ("heat", "heat_width", "heat_moment"):
        assert f"check.{name}(" in student


def test_the_claim_is_tested_and_can_be_refuted(copy):
    claim = copy.read("tests/claims/test_heat.py")
    assert "2 passed" in run_tests(copy, "tests/claims/test_heat.py").stdout
    copy.write("tests/claims/test_heat.py", claim.replace("np.pi", "3.14159"))
    assert "2 failed" in run_tests(copy, "tests/claims/test_heat.py").stdout
    copy.write("tests/claims/test_heat.py", claim)


def test_exercises_and_checks_obey_the_rules(copy):
    rules = ["every_chapter", "three_wrong_answers", "heat-", "heat]", "ex-heat", "-heat"]
    result = run_tests(
        copy, "tests/lib/test_check.py", "-k", "every_chapter or three_wrong_answers or heat", "--doctest-modules"
    )
    assert re.search(r"\d\d passed", result.stdout) and result.returncode == 0, result.stdout
    result = run_tests(copy, "tests/chapters/test_solutions.py", "-k", "heat")
    assert "1 passed" in result.stdout, result.stdout
    assert rules
