"""The whole book on paper."""

import re

import pypdfium2
import pytest
from book import pdf
from pypdf import PdfReader

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def printed(browser, site, tmp_path_factory):
    # Beside the site, which its style sheets and pictures are taken from.
    target = site.parent / tmp_path_factory.mktemp("pdf").name / "book.pdf"
    target.parent.mkdir()
    pdf.print_book(browser, target)
    yield target
    target.unlink()
    target.parent.rmdir()


@pytest.fixture(scope="module")
def book(printed):
    return PdfReader(printed)


@pytest.fixture(scope="module")
def pages(printed):
    """The text of each page."""
    with pypdfium2.PdfDocument(printed) as document:
        return [page.get_textpage().get_text_range().replace("\r\n", "\n") for page in document]


def bookmarks(book):
    """Title, level and page of each."""

    def walk(entries, level):
        for entry in entries:
            if isinstance(entry, list):
                yield from walk(entry, level + 1)
            else:
                yield " ".join(entry.title.split()), level, book.get_destination_page_number(entry)

    return list(walk(book.outline, 0))


def test_every_page_but_the_cover_has_its_number_and_is_not_empty(pages):
    assert len(pages) > 150
    for number, text in enumerate(pages[1:], 2):
        lines = text.split("\n")
        assert str(number) in lines[:3], f"page {number}"
        assert len(text) > 100, f"page {number}"


def test_bookmarks_lead_to_their_headings(book, pages):
    found = bookmarks(book)
    titles = [title for title, level, _ in found if level == 1]
    for title in ("1. Overparameterization", "4. Non-negative least squares", "Syllabus", "Notation", "Bibliography"):
        assert title in titles
    for title, level, page in found:
        assert page > 4, "that is in the contents"
        assert level == 0 or all(word in pages[page] for word in re.findall(r"[A-Za-z]{3,}", title)), (title, page + 1)


def test_contents_say_where_a_section_is(book, pages):
    found = [(title, page + 1) for title, level, page in bookmarks(book) if level]
    end = next(number for number, text in enumerate(pages, 1) if text.startswith("The Implicit Bias") and number > 1)
    contents = re.sub(r"\s+", "", "".join(pages[1 : end - 1]))
    assert len(found) > 100
    for title, number in found:
        if title.isascii():
            assert f"{title}{number}".replace(" ", "") in contents


def test_equations_are_numbered_and_links_lead_within_the_book(book, pages):
    text = "\n".join(pages)
    assert len(re.findall(r"\(\d\.\d+\)", text)) > 20
    targets = 0
    for page in book.pages:
        for note in page.get("/Annots", []):
            note = note.get_object()
            action = note.get("/A", {})
            assert not str(action.get("/URI", "")).startswith("file:"), action
            name = note.get("/Dest") or action.get("/D")
            if isinstance(name, str):
                assert name in book.named_destinations, name
                targets += 1
    assert targets > 1000


def test_proofs_and_solutions_are_open_and_sliders_are_shown_in_three_states(pages):
    text = "\n".join(pages)
    assert "p = 1: norm of the coefficients" in text and "p = 500: norm of the coefficients" in text
    assert text.count("Solution to Exercise") > 25
    assert text.count("□") > 20  # ends of proofs


def test_answers_of_a_quiz_stand_behind_all_of_its_questions(pages):
    text = "\n".join(pages)
    chapters = re.split(r"\nQuestion 1\. ", text)[1:]
    assert len(chapters) >= 7
    for chapter in chapters:
        questions, heading, answers = chapter.partition("\nAnswers to the quiz\n")
        verdict = re.compile(r"^[a-e] is (?:not )?right\.$", re.M)
        assert heading and not verdict.search(questions)
        numbers = re.findall(r"^Question (\d)\.", questions, re.M)
        assert re.findall(r"^Question (\d)\.$", answers, re.M) == ["1", *numbers]
        assert len(verdict.findall(answers)) >= 2 * len(numbers)


def test_a_book_without_listings_does_not_point_to_them(site, monkeypatch):
    chapter, orders = pdf.Chapter, []
    monkeypatch.setattr(pdf, "Chapter", lambda name, order: orders.append(order) or name)  # to read all takes a minute
    whole = pdf.contents()[2]
    monkeypatch.setenv("LISTINGS", "no")
    _, parts, names = pdf.contents()
    assert names == [name for name in whole if name not in pdf.LISTINGS] != whole
    assert {name for _, members in parts for name in members} < set(names)
    inside = {f"p{number}" for number in range(len(names))}
    for name in ("chapters/lists.html", "chapters/making.html", "chapters/index.html"):
        text = chapter(name, orders[-1]).html
        assert {place.split("-")[0] for place in re.findall(r'href="#(p\d+)', text)} <= inside
        assert chapter(name, orders[0]).html.count("<a ") == text.count("<a ")  # the words stay
