"""Weighs the pages of the built site: ``python -m book.weight``, which is what ``make weight`` runs.

What counts is all that a browser asks for when it opens a page for the first time, as a host sends it, compressed with gzip.
What it asks for when the reader does something, is not in the sum: previews, and the states of figures, which come all at once
with the first move of the pointer or the first key, and stand in the last column.
"""

import gzip
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

from playwright.sync_api import Page, Request

from book.browser import NOT_BUILT, SITE, find_chromium, launch, pages, wait_for_all
from book.states import KEY

KINDS = ("document", "stylesheet", "script", "font", "image", "other")
WITH_SLIDERS = 250_000  # bytes that a page may weigh
WITHOUT = 175_000  # the longest without sliders shows all tests of theorems


def weigh(tab: Page, address: str) -> tuple[dict[str, int], int]:
    """Open a page from its file; the bytes of each kind that a first visit brings, and how many they may be together."""
    asked = {}

    def note(request: Request):
        asked.setdefault(request.url.partition("#")[0], request.resource_type)

    tab.on("request", note)
    tab.goto(address, wait_until="load")
    wait_for_all(tab)
    tab.remove_listener("request", note)
    most = WITH_SLIDERS if tab.locator(".explore-group").count() else WITHOUT
    weights = dict.fromkeys(KINDS, 0)
    for loaded, kind in asked.items():
        if not loaded.startswith("data:"):  # that is part of another file
            content = Path(unquote(urlsplit(loaded).path)).read_bytes()
            weights[kind if kind in KINDS else "other"] += len(gzip.compress(content))
    return weights, most


def weight_of_states(page: Path) -> int:
    """The bytes that follow when the reader does something for the first time."""
    keys = set(KEY.findall(page.read_text(encoding="utf-8")))
    return sum(len(gzip.compress((SITE / "_static" / "states" / f"{key}.js").read_bytes())) for key in keys)


def main():
    names = {page: page.relative_to(SITE).as_posix() for page in pages()} or sys.exit(NOT_BUILT)
    width = max(map(len, names.values()))
    print("kB, gzipped".ljust(width), *(f"{kind:>10}" for kind in (*KINDS, "all", "at most", "states")))
    heavy = []
    with launch(find_chromium()) as browser:
        for page, name in names.items():
            tab = browser.new_page()
            weights, most = weigh(tab, page.as_uri())
            tab.close()
            total = sum(weights.values())
            numbers = (*weights.values(), total, most, weight_of_states(page))
            print(name.ljust(width), *(f"{number / 1000:10.1f}" for number in numbers))
            if total > most:
                heavy.append(name)
    if heavy:
        sys.exit(f"[book] too heavy: {', '.join(heavy)}")


if __name__ == "__main__":
    main()
