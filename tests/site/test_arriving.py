"""A page that arrives in pieces: what the reader already sees stays where it is while the rest comes.

Whether a browser shows a page between two panels of a figure, or two rows of a table, depends on the moment. This server waits
there.
"""

import contextlib
import itertools
import re
import time

import pytest
from book.browser import wait_for_all

from tests.site.conftest import PHONE, SCREEN, WATCH_SHIFTS, Quiet, serve

# A panel is there, the one beside it is not; the title of the page is there, the buttons are not; the last line is missing.
PIECE = re.compile(rb'(?<=</svg>)(?=<output|</div>)|(?=<div class="header-right">)|(?<=<div class="bottom-of-page">)')
ROW = re.compile(rb"(?<=</tr>)")


def pieces(page):
    rows = [match.start() for match in ROW.finditer(page)]
    places = {match.start() for match in PIECE.finditer(page)} | set(rows[:40:10])
    ends = [0, *sorted(places), len(page)]
    return [page[start:end] for start, end in itertools.pairwise(ends)]


class _Slow(Quiet):
    def copyfile(self, source, outputfile):
        with contextlib.suppress(ConnectionError):  # the reader has gone on
            for piece in pieces(source.read()) if self.path.endswith(".html") else [source.read()]:
                outputfile.write(piece)
                outputfile.flush()
                time.sleep(0.15)  # some frames, on a busy machine too


@pytest.fixture(scope="module")
def slow_address(site):
    server = serve(site, _Slow)
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def slow_tabs(open_tab):
    """Two tabs in which one page after the other arrives."""
    tabs = {name: open_tab(viewport=size) for name, size in (("screen", SCREEN), ("phone", PHONE))}
    for page in tabs.values():
        page.add_init_script(WATCH_SHIFTS)
        page.route("**/*.woff2", lambda route: route.abort())  # else the page is hidden until they are there
    return tabs


@pytest.mark.text_pages
def test_what_is_there_stays_where_it_is_when_the_rest_comes(slow_tabs, slow_address, path):
    for page in slow_tabs.values():  # together: they wait most of the time
        page.goto(slow_address + path, wait_until="commit")
    for page in slow_tabs.values():
        page.wait_for_load_state("load")
        wait_for_all(page)
        page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert {name: page.evaluate("shifts") for name, page in slow_tabs.items()} == {"screen": [], "phone": []}
