"""Prints the built site, for ``make pdf``, ``make slides`` and ``make sheets``: ``python -m book.pdf book`` and so on.

``make pdf LISTINGS=no`` leaves out the pages of the appendix that list the library and the tests of the theorems.
"""

import gc
import logging
import os
import sys
from copy import copy
from io import BytesIO
from pathlib import Path
from posixpath import dirname, join, normpath
from typing import NamedTuple
from urllib.parse import urlsplit

from bs4 import BeautifulSoup, Tag
from jinja2 import Environment, FileSystemLoader
from playwright.sync_api import Browser, Page
from pypdf import PdfReader, PdfWriter
from pypdf.generic import NameObject

from book import SELDOM
from book.browser import BUILD, NOT_BUILT, SITE, fetch_states, find_chromium, launch, pages

DECKS = SITE / "chapters" / "seminar" / "slides"
SHEETS = SITE / "chapters" / "seminar" / "sheets.html"
TARGET = BUILD / "pdf"
HERE = Path(__file__).parent
FRONT = "chapters/index.html"
LISTINGS = ("chapters/library.html", "chapters/claims.html")  # a third of the book
NAMES = ("id", "name", "for", "aria-labelledby", "aria-describedby")  # attributes that hold names of elements


def print_deck(browser: Browser, deck: Path, target: Path):
    """One page for each slide, in the size of the slides."""
    page = browser.new_page(viewport={"width": 1280, "height": 720}, color_scheme="light")
    page.goto(f"{deck.as_uri()}?view=print")
    page.wait_for_function("Reveal.isReady() && document.querySelector('.pdf-page')")
    fetch_states(page)
    page.pdf(path=target, prefer_css_page_size=True, print_background=True)
    page.close()


def print_sheets(browser: Browser, sheets: Path, folder: Path):
    """Each section of the page on its own: what stands around it is taken away."""
    page = browser.new_page(color_scheme="light")
    page.goto(sheets.as_uri())
    page.add_style_tag(content="footer, .download, .headerlink { display: none !important; }")
    for number in range(page.locator("article h2").count()):
        page.evaluate(
            """(number) => {
                const sections = [...document.querySelectorAll("article section section")];
                for (const part of sections[0].parentElement.children) part.hidden = part !== sections[number];
            }""",
            number,
        )
        target = folder / f"sheet-{number + 1:02}.pdf"
        page.pdf(path=target, format="A4", print_background=True)
        print(target)
    page.close()


def print_book(browser: Browser, target: Path):
    """All pages in the order of the contents, which stand at the front, with the numbers of the pages."""
    front, parts, chapters = contents()
    environment = Environment(loader=FileSystemLoader(HERE / "templates"), autoescape=True)
    template = environment.get_template("book.html").render
    book = {
        "title": front.title.get_text(),
        "lead": front.select_one(".lead").get_text(),
        "logo": (HERE / "static" / "logo.svg").read_text(encoding="utf-8"),
        "styles": [relative(FRONT, link["href"]) for link in front.select("link[rel=stylesheet]")],
        "sliders": relative(FRONT, front.select_one("script[src*='explore.js']")["src"]),
        "parts": parts,
        "chapters": chapters,
        "numbers": {},
    }
    tab = browser.new_page(color_scheme="light")
    printed = print_html(tab, template(book), target)
    places = printed.named_destinations.items()
    numbers = {name.lstrip("/"): printed.get_destination_page_number(place) + 1 for name, place in places}
    writer = PdfWriter(clone_from=printed)
    # Only a printed book knows the numbers of its pages. The contents are printed once more with these, which take as much
    # room as what stood there, and are drawn on the pages that are there: to print all once more takes a minute.
    front = print_html(tab, template(book | {"chapters": [], "numbers": numbers}), target).pages
    tab.close()
    for page, drawn in zip(writer.pages[: len(front)], front, strict=True):
        page[NameObject("/Resources")] = drawn["/Resources"].clone(writer)
        page[NameObject("/Contents")] = drawn["/Contents"].clone(writer).indirect_reference
    add_bookmarks(writer, parts, numbers)
    writer.write(target)


def print_html(tab: Page, text: str, target: Path) -> PdfReader:
    """What is printed of a page that lies beside `target`, where its style sheets and pictures are found."""
    source = target.with_suffix(".html")
    source.write_text(text, encoding="utf-8")
    tab.goto(source.resolve().as_uri())
    fetch_states(tab)
    printed = tab.pdf(prefer_css_page_size=True, print_background=True, tagged=True)
    source.unlink()
    return PdfReader(BytesIO(printed))


def add_bookmarks(writer: PdfWriter, parts: list[tuple[str, list["Chapter"]]], numbers: dict[str, int]):
    for caption, members in parts:
        part = writer.add_outline_item(title=caption, page_number=numbers[members[0].id] - 1)
        for chapter in members:
            above = writer.add_outline_item(title=chapter.title, page_number=numbers[chapter.id] - 1, parent=part)
            for section in chapter.sections:
                writer.add_outline_item(title=section.title, page_number=numbers[section.id] - 1, parent=above)


def contents() -> tuple[BeautifulSoup, list[tuple[str, list["Chapter"]]], list["Chapter"]]:
    """The front page, the parts of the book with their titles, and all chapters, the front page included."""
    front = read(FRONT)
    order, parts = [FRONT], []
    left_out = LISTINGS if os.environ.get("LISTINGS") == "no" else ()
    for entry in front.select(".sidebar-tree p.caption, .sidebar-tree a.reference"):
        if entry.name == "p":
            parts.append((entry.get_text(), []))
        # The decks are printed on their own.
        elif "/slides/" not in entry["href"] and resolve(FRONT, entry["href"]) not in left_out:
            order.append(resolve(FRONT, entry["href"]))
            parts[-1][1].append(len(order) - 1)
    chapters = [Chapter(name, order) for name in order]
    return front, [(caption, [chapters[k] for k in numbers]) for caption, numbers in parts], chapters


class Section(NamedTuple):
    html: str
    title: str
    id: str


class Chapter:
    """A page of the site as a part of one long page, on which its names begin with what no other begins with."""

    def __init__(self, name: str, order: list[str]):
        self.name, self.order, self.id = name, order, f"p{order.index(name)}"
        self.body = read(name).article
        self.body["id"] = ""
        for element in self.body.select(".download, .headerlink"):
            element.decompose()
        self.set_answers_apart()
        self.title = words(self.body.h1)
        self.sections = [
            Section(heading.decode_contents(), words(heading), self.id + heading.find_parent("section")["id"])
            for heading in self.body.select("h2")
        ]
        # What a page begins with: Chromium finds neither a section whose heading had to leave a page, nor some terms.
        for element in self.body.select("dt[id], section[id]"):
            place = element if element.name == "dt" else element.find(["h1", "h2", "h3", "h4"])
            place.insert(0, Tag(name="span", attrs={"id": element.attrs.pop("id")}))
        # Inside of a drawing the names come from what it shows: where they are the same, the drawing is.
        drawn = {id(part) for drawing in self.body.find_all("svg") for part in drawing.find_all(True)}
        for element in [self.body, *self.body.find_all(True)]:
            if id(element) not in drawn or element.name == "a":
                self.rename(element)
        self.html = str(self.body)

    def set_answers_apart(self):
        """Move what is said of the answers of a quiz to the end of the chapter."""
        explained = self.body.select(".quiz details")
        if not explained:
            return
        section = BeautifulSoup(
            '<section id="quiz-answers"><h2>Answers to the quiz</h2></section>', "html.parser"
        ).section
        for details in explained:
            number = Tag(name="p")
            number.append(copy(details.find_parent(class_="quiz").select_one(".quiz-number")))
            section.append(number)
            details.summary.decompose()
            section.extend(details.extract().find_all("div", recursive=False))
        self.body.section.append(section)

    def rename(self, element: Tag):
        for attribute in element.attrs.keys() & NAMES:
            element[attribute] = " ".join(f"{self.id}{name}" for name in element[attribute].split() or [""])
        for attribute in element.attrs.keys() & {"href", "src"}:
            element[attribute] = self.address(element[attribute], element.name == "a")
            if not element[attribute]:
                del element[attribute]

    def address(self, address: str, of_link: bool) -> str | None:
        parts = urlsplit(address)
        if parts.scheme:
            return address
        page = resolve(self.name, parts.path) if parts.path else self.name
        if page in self.order:
            return f"#p{self.order.index(page)}{parts.fragment}"
        return None if of_link else relative(self.name, address)  # a link on paper leads to no file of this machine


def read(name: str) -> BeautifulSoup:
    return BeautifulSoup((SITE / name).read_text(encoding="utf-8"), "html.parser")


def words(heading: Tag) -> str:
    """The text, a formula in it as it is drawn and not once more as it is read aloud."""
    heading = copy(heading)
    for spoken in heading.select(".katex-mathml"):
        spoken.decompose()
    return heading.get_text()


def resolve(page: str, address: str) -> str:
    return normpath(join(dirname(page), address))


def relative(page: str, address: str) -> str:
    return f"../{SITE.name}/{resolve(page, address)}"


def main(what: str):
    logging.getLogger("pypdf").setLevel(logging.ERROR)  # else it tells of a number that Chromium writes too small
    if not pages():
        sys.exit(NOT_BUILT)
    TARGET.mkdir(exist_ok=True)
    gc.set_threshold(*SELDOM)
    with launch(find_chromium()) as browser:
        if what == "book":
            print_book(browser, TARGET / "book.pdf")
            print(TARGET / "book.pdf")
        elif what == "sheets":
            print_sheets(browser, SHEETS, TARGET)
        else:
            for deck in sorted(DECKS.glob("*.html")):
                print_deck(browser, deck, TARGET / f"{deck.stem}.pdf")
                print(TARGET / f"{deck.stem}.pdf")


if __name__ == "__main__":
    main(*sys.argv[1:])
