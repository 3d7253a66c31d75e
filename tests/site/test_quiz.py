"""The quizzes in a browser: answered by keyboard, explained, without scripts too."""

import re

import pytest

from tests.shared import EXERCISED


@pytest.fixture(params=[True, False], ids=["scripts", "no scripts"])
def context(request, browser):
    context = browser.new_context(java_script_enabled=request.param)
    yield context
    context.close()


@pytest.mark.parametrize("chapter", EXERCISED)
def test_a_quiz_has_five_questions_and_explains_each_answer(context, site, chapter):
    page = context.new_page()
    page.goto((site / "chapters" / f"{chapter}.html").as_uri())
    questions = page.locator("fieldset.quiz").all()
    assert len(questions) == 5
    for number, question in enumerate(questions, 1):
        assert question.locator("legend").inner_text().startswith(f"Question {number}.")
        answers, explanations = question.locator("input").all(), question.locator("details > div").all()
        assert len(answers) == len(explanations) >= 2
        assert question.locator(".quiz-right").count() == 1
        assert not any(explanation.is_visible() for explanation in explanations)

        answers[0].focus()
        page.keyboard.press("Space")
        for letter, answer, explanation in zip("abcde", answers, explanations, strict=False):
            assert answer.is_checked()
            if letter == "a":
                page.keyboard.press("Tab")
                page.keyboard.press("Enter")
                page.keyboard.press("Shift+Tab")
            assert [other.is_visible() for other in explanations] == [other == explanation for other in explanations]
            text = explanation.inner_text()
            assert re.match(rf"{letter} is (not )?right\.\s+\S", text)
            page.keyboard.press("ArrowDown")
