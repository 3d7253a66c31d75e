"""The quizzes in a browser: answered by keyboard, explained, without scripts too."""

import re

import pytest

from tests.shared import EXERCISED


@pytest.fixture(scope="module", params=[True, False], ids=["scripts", "no scripts"])
def page(request, open_tab):
    page = open_tab(java_script_enabled=request.param)
    yield page
    page.close()


@pytest.mark.parametrize("chapter", EXERCISED)
def test_a_quiz_has_five_or_six_questions_and_explains_each_answer(page, site, chapter):
    page.goto((site / "chapters" / f"{chapter}.html").as_uri())
    page.evaluate(  # else at each key the browser lays out the whole chapter
        """() => {
            const quizzes = [...document.querySelectorAll("fieldset.quiz")], kept = new Set(quizzes);
            for (let block of quizzes) while ((block = block.parentElement)) kept.add(block);
            for (const block of kept)
                if (document.body.contains(block) && !quizzes.includes(block))
                    for (const part of [...block.children]) kept.has(part) || part.remove();
        }"""
    )
    # All explanations of a question: whether they are seen, and what they say.
    open_ones = """question => [...question.querySelectorAll("details > div")].map((part) =>
        part.checkVisibility({ contentVisibilityAuto: true, visibilityProperty: true }) ? part.innerText : null)"""
    questions = page.query_selector_all("fieldset.quiz")
    assert len(questions) in (5, 6)
    for number, question in enumerate(questions, 1):
        assert question.query_selector("legend").inner_text().startswith(f"Question {number}.")
        answers = question.query_selector_all("input")
        assert len(answers) == len(question.query_selector_all("details > div")) >= 2
        assert len(question.query_selector_all(".quiz-right")) == 1
        assert not any(question.evaluate(open_ones))

        answers[0].focus()
        page.keyboard.press("Space")
        for place, (letter, answer) in enumerate(zip("abcde", answers, strict=False)):
            assert answer.is_checked()
            if letter == "a":
                page.keyboard.press("Tab")
                page.keyboard.press("Enter")
                page.keyboard.press("Shift+Tab")
            texts = question.evaluate(open_ones)
            assert [other for other, text in enumerate(texts) if text is not None] == [place]
            assert re.match(rf"{letter} is (not )?right\.\s+\S", texts[place])
            page.keyboard.press("ArrowDown")


@pytest.mark.parametrize("scripts", [True, False])
def test_on_paper_no_answer_is_seen_before_the_last_question(open_tab, site, scripts):
    page = open_tab(java_script_enabled=scripts)
    page.goto((site / "chapters" / f"{EXERCISED[0]}.html").as_uri())
    page.emulate_media(media="print")
    for event, expected in (("beforeprint", scripts), ("afterprint", False)):
        page.evaluate("(name) => dispatchEvent(new Event(name))", event)
        text = page.locator("article").inner_text()
        questions, apart, answers = text.partition("Answers to the quiz")
        assert bool(apart) == expected
        if scripts:
            assert not re.search(r"^[a-e] is (not )?right\.", questions, re.M)
            assert len(re.findall(r"^[a-e] is (?:not )?right\.", answers, re.M)) == (15 if expected else 0)
    page.close()
