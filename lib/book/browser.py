"""The browser that prints and weighs the built site."""

import os
import shutil
import sys
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

BUILD = Path(__file__).parents[2] / "_build"
SITE = BUILD / "html"
NOT_BUILT = "[book] there is no built site: run make book first"


def find_chromium() -> str | None:
    """The browser that `CHROMIUM` names, none if that is empty; by default the first that is installed."""
    if "CHROMIUM" in os.environ:
        return os.environ["CHROMIUM"] or None
    names = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
    return next(filter(None, map(shutil.which, names)), None)


RUNNING = []


@contextmanager
def _playwright():
    """The one that runs already, if there is one: a process can have no second one."""
    if RUNNING:
        yield RUNNING[0]
        return
    with sync_playwright() as playwright:
        RUNNING.append(playwright)
        try:
            yield playwright
        finally:
            RUNNING.clear()


@contextmanager
def launch(executable: str | None, further: Sequence[str] = ()):
    """A Chromium that makes no request of its own, with further options if there are any."""
    if not executable:
        sys.exit("[book] no Chromium found: install it, or set CHROMIUM to its path")
    switches = ["sandbox", "first-run"]
    disabled = ["gpu", "background-networking", "component-update", "sync"]
    arguments = [f"--no-{name}" for name in switches] + [f"--disable-{name}" for name in disabled]
    with _playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=[*arguments, *further])
        try:
            yield browser
        finally:
            browser.close()


def wait_for_all(page: Page):
    """Wait until a page is there, and half a second more for what its scripts do then.

    To wait for a quiet network is no help: a pause while a long page is read passes for the end of it, and then there is none.
    """
    # The first page leads on to another.
    page.wait_for_function("document.readyState === 'complete' && !document.querySelector('meta[http-equiv=refresh]')")
    page.wait_for_timeout(500)


def fetch_states(page: Page):
    """Let a page fetch the states of its figures, which it does when the reader does something for the first time."""
    page.mouse.move(1, 1)
    page.wait_for_function("[...document.querySelectorAll('.explore-group > script')].every((table) => table.text)")


def pages() -> list[Path]:
    """The pages of the built site."""
    return sorted(path for path in SITE.rglob("*.html") if "_static" not in path.parts)
