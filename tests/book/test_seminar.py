"""What the build makes for a seminar: decks, quizzes, notebooks without solutions."""

import re

import nbformat
import pytest

pytestmark = pytest.mark.slow

QUIZ = """
## Quiz

```{quiz}
Is $1 < 2$?

- [ ] No.

  Count.
- [x] Yes.

  By one.
```
"""

DECK = """\
# The deck

Of {prf:ref}`thm-one`.

```{notes}
Say hello.
```

## A figure

```{reuse} fig-line
```

## A theorem

```{reuse} thm-one
```
"""


@pytest.fixture(scope="module", autouse=True)
def build(seminar):
    decks = "  - chapters:\n      - file: chapters/seminar/slides\n      - file: chapters/seminar/slides/first\n"
    seminar.append("_toc.yml", decks)
    seminar.write("chapters/seminar/slides.md", "# Slides\n\n{doc}`slides/first`\n")
    seminar.write("chapters/seminar/slides/first.md", DECK)
    seminar.append("chapters/first.md", QUIZ)
    result = seminar.build()
    assert result.returncode == 0, result.stdout


def test_a_deck_has_its_slides_side_by_side(seminar):
    deck = seminar.page("seminar/slides/first")
    slides = deck.split('<div class="slides">')[1].split("</main>")[0]
    assert [line for line in re.findall(r"</?section|<h1>", slides)] == ["<section", "<h1>", "</section"] * 3
    assert slides.count("<aside") == 1 and "Say hello." in slides


def test_a_deck_shows_what_the_chapter_shows(seminar):
    deck, chapter = seminar.page("seminar/slides/first"), seminar.page("first")
    assert '<a class="reference internal" href="../../first.html#fig-line">Fig. 1.1</a>' in deck
    assert '<a class="reference internal" href="../../first.html#thm-one">Theorem 1.1</a>' in deck
    assert 'alt="A rising line."' in deck and "<mn>1</mn>" in deck
    assert seminar.runs() == 1, "nothing is executed for a deck"
    assert re.search(r'src="[^"]*/_images/([^"]*)"', deck)[1] in chapter


def test_a_deck_follows_its_chapter(seminar):
    seminar.write("chapters/first.md", seminar.read("chapters/first.md").replace("$x = 1$", "$x = 7$"))
    assert seminar.build().returncode == 0
    assert "<mn>7</mn>" in seminar.page("seminar/slides/first")


def test_a_quiz_is_a_group_of_named_answers(seminar):
    page = seminar.page("first")
    assert page.count('<input type="radio" name="quiz-1"') == 2
    quiz = page.split('<fieldset class="quiz">')[1].split("</fieldset>")[0]
    assert "[x]" not in quiz and 'math katex"' in quiz.split("</legend>")[0]
    assert "a is not right." in quiz and "b is right." in quiz


def test_the_notebook_for_students_has_no_solutions(seminar):
    solved, unsolved = (
        nbformat.reads(seminar.read(f"_build/html/chapters/{path}"), as_version=4)
        for path in ("first.ipynb", "exercises/first.ipynb")
    )
    texts = ["\n".join(cell.source for cell in notebook.cells) for notebook in (solved, unsolved)]
    assert "Done." in texts[0] and "Done." not in texts[1]
    assert "Prove Theorem 1.1" in texts[1] and "*Your answer:*" in texts[1]
    assert all("- b) Yes." in text and "- b) Right. By one." in text for text in texts)
    assert 'href="exercises/first.ipynb"' in seminar.page("first")
