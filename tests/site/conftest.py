"""The built site, a server for it, and visits of its pages that serve all tests of a page."""

import functools
import html
import http.server
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import NamedTuple

import pytest
from book.browser import NOT_BUILT, SITE, fetch_states, pages, wait_for_all
from book.states import KEY
from book.weight import weigh
from playwright.sync_api import Page

from tests.shared import MOVING, ROOT

PHONE, SCREEN, PAPER = {"width": 390, "height": 844}, {"width": 1280, "height": 800}, {"width": 718, "height": 1000}

# All shifts of the layout since the page began to load.
WATCH_SHIFTS = """
    window.shifts = [];
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries())
            shifts.push(`${entry.value}: ` + entry.sources.map((s) => s.node?.nodeName + "." + s.node?.className).join());
    }).observe({type: "layout-shift", buffered: true});
"""


def pytest_generate_tests(metafunc):
    """Run a test that takes `path` for every page of the site, or for those with a certain mark: no decks, or figures.

    When nothing is built there is the one that must exist.
    """
    if "path" in metafunc.fixturenames:
        paths = [page.relative_to(SITE).as_posix() for page in pages()] or ["index.html"]
        if metafunc.definition.get_closest_marker("text_pages"):
            paths = [path for path in paths if "/slides/" not in path]
        if metafunc.definition.get_closest_marker("figure_pages"):
            figured = [page.relative_to(SITE).as_posix() for page in pages() if 'class="explore' in page.read_text()]
            paths = figured or paths
        metafunc.parametrize("path", paths, scope="module")


@pytest.fixture(scope="session")
def site():
    """The folder of the built site."""
    if not (SITE / "index.html").exists():
        pytest.fail(NOT_BUILT)
    return SITE


class Quiet(http.server.SimpleHTTPRequestHandler):
    def end_headers(self):
        self.send_header("Cache-Control", "no-store")  # each visit is a first one
        super().end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture(scope="session")
def open_tab(browser):
    """Opens a tab. Those that look alike share a context: one of its own costs more than the page in it."""
    contexts = {}

    def open_tab(**look):
        key = str(look)
        if key not in contexts:
            contexts[key] = browser.new_context(**look)
        return contexts[key].new_page()

    return open_tab


class Tab:
    """A tab in which one page after the other is visited, and whatever went wrong since the last one was asked for."""

    def __init__(self, page):
        self.page, self.home, self.wrong = page, "", []
        page.on("request", self.request)
        page.on("console", lambda line: line.type == "error" and self.wrong.append(f"console: {line.text}"))
        page.on("requestfailed", lambda request: self.wrong.append(f"{request.url} failed"))
        page.on("response", lambda answer: answer.status >= 400 and self.wrong.append(f"{answer.url}: {answer.status}"))
        page.on("pageerror", lambda error: self.wrong.append(f"script: {error}"))
        page.add_init_script(WATCH_SHIFTS)

    def request(self, request):
        if not request.url.startswith((self.home, "data:", "blob:")):
            self.wrong.append(f"asks for {request.url}")


@pytest.fixture(scope="session")
def tab(open_tab):
    """The tab of a size. A new one for each page would compile all scripts again, the checks of axe among them."""
    tabs = {}

    def tab(size):
        key = tuple(size.values())
        if key not in tabs:
            tabs[key] = Tab(open_tab(viewport=size))
        return tabs[key]

    return tab


def files(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def serve(folder, handler=Quiet):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture(scope="session")
def address(site):
    """The address of the built site at the root of a server of this machine."""
    server = serve(site)
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def course_address(site, tmp_path_factory):
    """The address of the built site below a path, as on many hosts."""
    root = tmp_path_factory.mktemp("server")
    (root / "course").mkdir()
    (root / "course" / "bias").symlink_to(site)
    server = serve(root)
    yield f"http://127.0.0.1:{server.server_port}/course/bias/"
    server.shutdown()
    server.server_close()


class Visit(NamedTuple):
    """A page in the browser, and what happened while it arrived."""

    page: Page
    wrong: list[str]  # whatever went wrong
    shifts: list[str]  # what moved
    weights: dict[str, int]
    most: int  # what the page may weigh


def visit(tab, home, path, scheme):
    """Open a page, wait until all of it has arrived, and fold out whatever can be.

    A test that takes the visit may change how the page is looked at, so each chooses that itself.
    """
    page, tab.home, tab.wrong = tab.page, home, []
    page.emulate_media(media="null", color_scheme=scheme)
    page.bring_to_front()  # a tab behind another one gets a frame once a second
    page.mouse.move(0, 0)
    weights, most = weigh(page, home + path) if home.startswith("file:") else ({}, 0)
    if not weights:
        page.goto(home + path, wait_until="load")
        wait_for_all(page)
    page.evaluate("document.fonts.ready")
    page.mouse.wheel(0, 5000)  # what comes into view only now must not move either
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    shifts = page.evaluate("shifts")
    page.evaluate("scrollTo({ top: 0, behavior: 'instant' })")  # a second of frames, else
    page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
    page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")  # scripts have seen it
    fetch_states(page)
    return Visit(page, list(tab.wrong), shifts, weights, most)


def look(page, scheme):
    """Let the page be light or dark, and all of it."""
    page.emulate_media(color_scheme=scheme)
    page.evaluate(  # colours fade from one scheme to the other: not here
        """() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => {
            document.getAnimations().forEach((change) => change.finish());
            requestAnimationFrame(done);
        })))"""
    )


@pytest.fixture(scope="module")
def screen(tab, address, path):
    """The page on a wide screen, from a server of its own."""
    return visit(tab(SCREEN), address, path, "light")


@pytest.fixture(scope="module")
def phone(tab, course_address, path):
    """The page on a phone, from a server that has it below a path."""
    return visit(tab(PHONE), course_address, path, "light")


@pytest.fixture(scope="module")
def paper(tab, site, path):
    """The page from a file, as wide as A4 within its margins, by a reader whose pages are dark."""
    return visit(tab(PAPER), site.as_uri() + "/", path, "dark")


# Every state of a figure, as the library draws it and before anything is left out of it for the page.
NOTE_STATES = """
import inspect
import json
import os

import slidefig


def note(draw, state):
    places = {name: parameter.default for name, parameter in inspect.signature(draw).parameters.items()}
    opening = {name: places[name] for name in state.values}
    with open(os.path.join(os.environ["STATES"], str(os.getpid())), "a") as file:
        drawn = [draw.__name__, inspect.getdoc(draw), state.values, opening, state.svg, state.text]
        file.write(json.dumps(drawn, default=lambda number: number.item()) + "\\n")


slidefig.watch(note)
"""


class State(NamedTuple):
    """A panel as the library has drawn it."""

    values: dict  # of the sliders
    opening: dict  # near which these begin
    svg: str
    text: str  # below the panel


class Drawn(NamedTuple):
    draw: str  # the name of the function
    description: str
    states: list[State]


def build(book, environment):
    """Build the book in a folder, and return its site."""
    result = subprocess.run(
        [Path(sys.executable).with_name("jupyter-book"), "build", ".", "-W", "-n", "--keep-going", "-q"],
        cwd=book,
        env={**os.environ, "PYTHONPATH": str(book / "lib"), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert result.returncode == 0, result.stdout
    return book / "_build" / "html"


class Elsewhere(NamedTuple):
    """A clean build in another folder."""

    book: Path
    files: dict[str, bytes]  # of the site
    states: Path  # the states that each kernel has drawn


@pytest.fixture(scope="session")
def elsewhere(tmp_path_factory):
    folder = tmp_path_factory.mktemp("elsewhere")
    book, states = folder / "some where else", folder / "states"
    shutil.copytree(ROOT, book, ignore=shutil.ignore_patterns(".*", "_build", "__pycache__", "*.egg-info"))
    (book / "_build").mkdir()
    (book / "_build" / "npm").symlink_to(ROOT / "_build" / "npm")  # no network
    startup = book / "lib" / "book" / "ipython" / "profile_default" / "startup"
    startup.mkdir()
    (startup / "note_states.py").write_text(NOTE_STATES)
    states.mkdir()
    environment = {"PYTHONHASHSEED": "1", "STATES": str(states)}
    return Elsewhere(book, files(build(book, environment)), states)


def tables(page, site):
    """The tables of the sliders of a page, which have files of their own."""
    keys = KEY.findall(page)
    texts = [(site / "_static" / "states" / f"{key}.js").read_text(encoding="utf-8") for key in keys]
    return [json.loads(json.loads(text[text.index(" ") : text.rindex(")")])) for text in texts]


@pytest.fixture(scope="session")
def drawn(site, elsewhere):
    """The panels of each chapter."""
    kernels = []
    for file in elsewhere.states.iterdir():
        notes = [json.loads(line) for line in file.read_text().splitlines()]
        panels = itertools.groupby(notes, key=lambda note: note[:2])
        kernels.append([Drawn(*panel, [State(*note[2:]) for note in states]) for panel, states in panels])
    found = {}
    for name in MOVING:
        page = html.unescape((site / "chapters" / f"{name}.html").read_text(encoding="utf-8"))
        described = re.findall(r'<svg [^>]*role="img" aria-label="(.*?)"', page)
        (found[name],) = [
            panels for panels in kernels if [" ".join(panel.description.split()) for panel in panels] == described
        ]
    return found
