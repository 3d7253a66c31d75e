"""Questions with answers to choose from, ``{quiz}``: radio buttons and a dropdown, no script.

The directive holds a question and a list of answers, each with ``[x]`` (right) or ``[ ]`` and a paragraph that says why.
The dropdown shows the explanation of the chosen answer, or all of them while none is chosen; `book.css` hides the others.
"""

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

LETTERS = "abcde"


class quiz(nodes.General, nodes.Element):
    pass


class question(nodes.General, nodes.Element):
    pass


class answer(nodes.General, nodes.Element):
    pass


class verdicts(nodes.General, nodes.Element):
    pass


class verdict(nodes.General, nodes.Element):
    pass


class QuizDirective(SphinxDirective):
    has_content = True

    def run(self):
        body = nodes.Element()
        self.state.nested_parse(self.content, self.content_offset, body)
        *asked, items = body.children or [None]
        marked = [mark(item) for item in items] if isinstance(items, nodes.bullet_list) else []
        if not (
            2 <= len(marked) <= len(LETTERS)
            and sum(right is True for right, _ in marked) == 1
            and None not in [right for right, _ in marked]
            and all(len(item) > 1 for item in items)
            and asked
            and all(isinstance(node, nodes.paragraph) for node in asked)
        ):
            raise self.error(
                "a quiz is a question in paragraphs and a list of two to five answers, each with [x] or [ ] at its "
                "beginning, [x] once, and each with a paragraph that explains it"
            )
        number = self.env.temp_data["quiz"] = self.env.temp_data.get("quiz", 0) + 1
        node = quiz(number=number)
        node += question("", *(inline for paragraph in asked for inline in [*paragraph.children, nodes.Text(" ")]))
        explanations = verdicts()
        for letter, (right, item) in zip(LETTERS, marked, strict=False):
            node += answer("", *item[0].children, letter=letter, number=number)
            explanations += verdict("", *item.children[1:], letter=letter, right=right)
        node += explanations
        self.set_source_info(node)
        return [node]


def mark(item: nodes.list_item) -> tuple[bool | None, nodes.list_item]:
    """Whether an answer is right, and the answer without its mark."""
    first = next(item[0].findall(nodes.Text), None) if isinstance(item[0], nodes.paragraph) else None
    sign = first[:4] if first else ""
    if sign not in ("[x] ", "[ ] "):
        return None, item
    first.parent.replace(first, nodes.Text(first[4:]))
    return sign == "[x] ", item


def open_quiz(self, node):
    self.body.append('<fieldset class="quiz">\n')


def close_quiz(self, node):
    self.body.append("</fieldset>\n")


def open_question(self, node):
    number = node.parent["number"]
    self.body.append(f'<legend><span class="quiz-number">Question {number}.</span> ')


def close_question(self, node):
    self.body.append("</legend>\n")


def open_answer(self, node):
    letter = node["letter"]
    self.body.append(
        f'<label><input type="radio" name="quiz-{node["number"]}" value="{letter}" autocomplete="off">'
        f'<span class="quiz-letter">{letter}</span> <span>'
    )


def close_answer(self, node):
    self.body.append("</span></label>\n")


def open_verdicts(self, node):
    self.body.append("<details><summary>Check</summary>\n")


def close_verdicts(self, node):
    self.body.append("</details>\n")


def open_verdict(self, node):
    kind, said = ("right", "is right.") if node["right"] else ("wrong", "is not right.")
    self.body.append(f'<div class="quiz-{kind}"><p><strong>{node["letter"]} {said}</strong></p>')


def close_verdict(self, node):
    self.body.append("</div>\n")


def setup(app: Sphinx):
    app.add_node(quiz, html=(open_quiz, close_quiz))
    app.add_node(question, html=(open_question, close_question))
    app.add_node(answer, html=(open_answer, close_answer))
    app.add_node(verdicts, html=(open_verdicts, close_verdicts))
    app.add_node(verdict, html=(open_verdict, close_verdict))
    app.add_directive("quiz", QuizDirective)
