"""Prints the decks of the built site into PDF files: ``python -m book.pdf``, which is what ``make slides`` runs.

It needs Chromium or Chrome; the variable ``CHROMIUM`` may name one.
"""

import os
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

SITE = Path("_build") / "html" / "chapters" / "seminar" / "slides"
TARGET = Path("_build") / "slides"


def find_chromium() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome")
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


@contextmanager
def launch(executable: str):
    """A Chromium that makes no request of its own."""
    switches = ["sandbox", "first-run"]
    disabled = ["gpu", "background-networking", "component-update", "sync"]
    arguments = [f"--no-{name}" for name in switches] + [f"--disable-{name}" for name in disabled]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=arguments)
        yield browser
        browser.close()


def print_deck(browser: Browser, deck: Path, target: Path):
    """One page for each slide, in the size of the slides."""
    page = browser.new_page(viewport={"width": 1280, "height": 720}, color_scheme="light")
    page.goto(f"{deck.resolve().as_uri()}?view=print")
    page.wait_for_function("Reveal.isReady() && document.querySelector('.pdf-page')")
    page.pdf(path=target, prefer_css_page_size=True, print_background=True)
    page.close()


def main():
    executable = find_chromium()
    decks = sorted(SITE.glob("*.html"))
    if not executable:
        sys.exit("make slides: no Chromium found: install it, or set CHROMIUM to its path")
    if not decks:
        sys.exit("make slides: there is no built site")
    TARGET.mkdir(exist_ok=True)
    with launch(executable) as browser:
        for deck in decks:
            print_deck(browser, deck, TARGET / f"{deck.stem}.pdf")
            print(TARGET / f"{deck.stem}.pdf")


if __name__ == "__main__":
    main()
