"""Python in the page: what it is made of, what it does to the site, and a notebook in a browser that reaches no other host.

The notebook is one that takes a minute; ``make test-live`` opens all of them.
"""

import json
import os
import re
import shutil

import pytest
from book import wheel
from book.browser import BUILD
from book.live import lite, parts
from bs4 import BeautifulSoup
from sphinx.errors import ExtensionError

from tests.book import building
from tests.book.conftest import ARGUMENTS, Book
from tests.live import reader
from tests.shared import ROOT
from tests.site.conftest import files, serve

pytestmark = pytest.mark.slow

CHAPTER = "exercises/geometries.ipynb"
WAYS = """
```{container} ways
- [Run it](#how)

  Somehow.
```

(how)=
## How
"""

# --- The official files


@pytest.fixture
def sources(monkeypatch):
    """Where files come from: one dictionary after the other. Returns them, and the names that each was asked for."""
    given, asked = [], []

    def source(content):
        asked.append(names := [])
        return lambda name: names.append(name) or content.get(name)

    monkeypatch.setattr(parts, "sources", lambda folder, version: map(source, given))
    return given, asked


RIGHT = {"a.whl": b"first", "b.whl": b"second"}
WANTED = {name: parts.sha256(content) for name, content in RIGHT.items()}


def test_a_file_with_another_hash_is_taken_from_the_next_source(sources, tmp_path):
    given, asked = sources
    given += [{"a.whl": b"forged", "b.whl": b"second"}, {"b.whl": b"forged"}, RIGHT, RIGHT]
    found = parts.official_files(WANTED, tmp_path, "1.0")
    assert {file.name: file.read_bytes() for file in found} == RIGHT
    assert asked == [["a.whl", "b.whl"], ["a.whl"], ["a.whl"]]  # and nobody afterwards
    assert parts.official_files(WANTED, tmp_path, "1.0") == found and len(asked) == 3
    found[0].write_bytes(b"forged")
    assert parts.official_files(WANTED, tmp_path, "1.0")[0].read_bytes() == b"first"


def test_a_file_that_is_nowhere_as_it_must_be_ends_the_build(sources, tmp_path):
    sources[0].append({"a.whl": b"forged", "b.whl": b"second"})
    with pytest.raises(ExtensionError, match=r"a\.whl: unpack the release 1\.0 of Pyodide, and run make live PYODIDE="):
        parts.official_files(WANTED, tmp_path, "1.0")
    assert not (tmp_path / "official" / "a.whl").exists()


def test_the_sources_are_a_folder_the_distribution_and_an_archive(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setenv("PYODIDE", str(tmp_path))
    for name in ("from_folder", "from_distribution", "from_archive"):
        monkeypatch.setattr(parts, name, lambda argument, name=name: calls.append((name, argument)))
    list(parts.sources(BUILD, "1.0"))
    assert calls == [
        ("from_folder", tmp_path),
        ("from_distribution", "https://cdn.jsdelivr.net/pyodide/v1.0/full/"),
        ("from_archive", BUILD),
    ]


def test_who_cannot_be_reached_is_asked_once():
    started = parts.from_distribution("http://127.0.0.1:9/")
    assert [started(name) for name in WANTED] == [None, None]


# --- The site


@pytest.fixture(scope="module")
def collected(site):
    """The parts for the built site, which stay for the next run of the tests."""
    return parts.collect(BUILD / "live")


@pytest.fixture(scope="module")
def live(site, collected, tmp_path_factory):
    """The notebooks of the built site, and JupyterLite."""
    return add_to_copy(site, collected, tmp_path_factory.mktemp("live"))


def add_to_copy(site, collected, folder):
    for notebook in lite.notebooks(site):
        copy = folder / "chapters" / lite.path(site, notebook)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(notebook, copy)
    lite.build(folder, collected, folder / "work")
    return folder


def test_each_official_file_has_the_official_hash(collected):
    lock = json.loads((BUILD / "live" / "npm" / "node_modules" / "pyodide" / parts.LOCK).read_text())
    official = {package["file_name"]: package["sha256"] for package in lock["packages"].values()}
    compiled = [file for file in collected if "wasm32" in file.name]
    assert {file.name.partition("-")[0] for file in compiled} >= {"numpy", "scipy", "matplotlib", "scikit_learn"}
    for file in compiled:
        assert parts.sha256(file.read_bytes()) == official[file.name]


def test_two_builds_are_identical(site, live, collected, tmp_path, monkeypatch):
    monkeypatch.setenv("PYODIDE", str(BUILD / "live" / "official"))
    monkeypatch.setattr(parts, "from_distribution", None)  # nobody else is asked
    for kept in (BUILD / "live").glob("[nw]*"):  # npm, and the wheels with their pins
        (tmp_path / kept.name).symlink_to(kept)
    again = add_to_copy(site, parts.collect(tmp_path), tmp_path / "elsewhere")
    first, second = files(live / "live"), files(again / "live")
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []
    assert [name for name in first if str(ROOT).encode() in first[name]] == []


def test_a_site_has_it_if_asked_for_and_is_otherwise_as_before(collected, tmp_path):
    book = Book(tmp_path / "book", BUILD / "npm")
    for name in wheel.DESCRIPTION:
        shutil.copy(ROOT / name, book.root)
    shutil.copytree(ROOT / "lib" / "slidefig", book.root / "lib" / "slidefig")
    book.append("chapters/index.md", WAYS)
    (book.root / "_build" / "live").mkdir()
    kept_folders = (folder for name in ("npm", "official", "wheels-*") for folder in (BUILD / "live").glob(name))
    for kept in kept_folders:
        (book.root / "_build" / "live" / kept.name).symlink_to(kept)

    def build(**variables):
        said = book.root / "said"
        assert building.build(book.root, ARGUMENTS, {**os.environ, **variables}, said) == 0, said.read_text()
        return book.files()

    before, with_it, after = build(), build(LIVE="1"), build(LIVE="0")
    assert after == before
    assert {name for name in with_it if not name.startswith("live/")} == before.keys()
    # A hash of the settings, the pages, and the style sheets, which have the rules that some page needs.
    others = [name for name in before if not name.endswith((".buildinfo", ".html", ".css"))]
    assert [name for name in others if with_it[name] != before[name]] == []
    for site, way, words in (before, "#how", "Run it"), (with_it, "../live/index.html", "Run it in the browser"):
        (link,) = BeautifulSoup(site["chapters/index.html"], "html.parser").select(".ways a")
        assert link["href"] == way and link.get_text() == words
    page, plain = (re.sub(r"\.css\?v=\w+", ".css", site["chapters/first.html"].decode()) for site in (with_it, before))
    added = re.search(r'\n<p class="download">.*Run in the browser.*</p>', page)[0]
    assert page.replace(added, "") == plain
    links = re.findall(r'href="\.\./([^"]*)"', added)
    assert links[0] == "live/jupyter/notebooks/index.html?path=first.ipynb"
    assert links[-1] == "live/index.html"
    assert with_it["live/jupyter/files/first.ipynb"] == with_it["chapters/first.ipynb"]
    about = with_it["live/index.html"].decode()
    megabytes = re.search(r"loads (\d+) MB", added)[1]
    assert f"{megabytes} MB" in about
    assert "Mozilla Public License 2.0" in about and "https://github.com/pyodide/pyodide/tree/314.0.4" in about


# --- In the browser


@pytest.fixture(scope="module")
def page(live):
    """A tab in a browser that reaches this machine alone, and the address of the site."""
    server = serve(live, reader.Cached)
    with reader.alone() as browser:
        yield browser.new_page(viewport={"width": 1280, "height": 900}), f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def test_a_notebook_runs_its_slider_moves_and_its_exercises_are_judged(page, record_property):
    tab, home = page
    report = reader.read(tab, home, CHAPTER)
    record_property("live", str(report))
    assert report.wrong == []
    assert report.texts >= 3 and report.judged >= 3 and len(report.moves) == 6


def test_a_cell_says_in_one_line_that_a_package_is_not_there(page):
    tab, home = page
    if "jupyter" not in tab.url:
        reader.start(tab, home, CHAPTER)
    told = "This cell needs the package cvxpy, which is not in the browser. On your own machine the cell runs.\n"
    assert ran(tab, "from implicit_bias import nuclear_norm\nfar = nuclear_norm([[1.0]], [1.0], (1, 1)).x") == (
        "ok",
        told,
    )
    assert ran(tab, "twice, (once, *_) = 2 * far, far") == ("ok", told)
    assert ran(tab, "print(once)") == ("ok", told)
    assert ran(tab, "far = 3\nprint(far)") == ("ok", "3\n")
    assert ran(tab, "farther")[0] == "error"


def test_what_a_reader_changes_is_there_the_next_time(page):
    tab, home = page
    change = "cell => cell.sharedModel.setSource('changed = 1')"
    cell = "window.jupyterapp?.shell.currentWidget?.content.model?.cells?.get(1)"
    if "jupyter" not in tab.url:
        reader.start(tab, home, CHAPTER)
    tab.evaluate(f"({change})({cell})")
    tab.evaluate("jupyterapp.commands.execute('docmanager:save')")
    tab.reload()
    tab.wait_for_function(f"{cell}?.sharedModel.source === 'changed = 1'")


def ran(tab, code):
    """How the kernel says that some code ended, and what it printed."""
    return tuple(
        tab.evaluate(
            """async (code) => {
                const future = jupyterapp.shell.currentWidget.sessionContext.session.kernel.requestExecute({code});
                let said = "";
                future.onIOPub = ({content}) => { said += content.text ?? ""; };
                const {content} = await future.done;
                return [content.status, said];
            }""",
            code,
        )
    )
