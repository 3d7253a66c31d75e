"""What readers find their way with: links, search, notebooks, the library, the page for wrong addresses."""

import functools
import html.parser
import http.server
import importlib
import inspect
import re
import threading
import tomllib
import urllib.parse
from pathlib import Path

import nbformat
import pytest

from tests.shared import EXERCISED, ROOT


class Page(html.parser.HTMLParser):
    """The anchors of a page and what it links to."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.metadata = set(), [], {}
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if attributes.get("id"):
            self.ids.add(attributes["id"])
        if tag == "a" and attributes.get("name"):
            self.ids.add(attributes["name"])
        if tag in ("a", "link", "script", "img"):
            self.links += [attributes[key] for key in ("href", "src") if attributes.get(key)]
        if tag == "meta":
            self.metadata[attributes.get("name") or attributes.get("property")] = attributes.get("content")


@functools.cache
def read(path):
    return Page(path.read_text(encoding="utf-8"))


def pages(site):
    return sorted(path for path in site.rglob("*.html") if "_static" not in path.parts)


def chapters(site):
    """The pages that are notebooks."""
    return [path.with_suffix(".html") for path in sorted(site.glob("chapters/*.ipynb"))]


def test_every_link_within_the_site_leads_somewhere(site):
    dead = []
    for path in pages(site):
        for link in read(path).links:
            address, _, fragment = link.partition("#")
            if re.match(r"[a-z]+:|//", address):
                continue
            target = (path.parent / urllib.parse.unquote(address.split("?")[0])).resolve() if address else path
            if not target.is_file():
                dead.append(f"{path.relative_to(site)}: {link}")
            elif fragment and target.suffix == ".html" and urllib.parse.unquote(fragment) not in read(target).ids:
                dead.append(f"{path.relative_to(site)}: {link} has no such place")
    assert dead == []


def test_each_page_says_what_it_is_about(site):
    said = {}
    for path in pages(site):
        metadata = read(path).metadata
        if path.parent.name != "chapters":
            continue
        assert 20 <= len(metadata["description"]) <= 205, path
        assert metadata["og:description"] == metadata["description"] and metadata["og:title"]
        assert "\\" not in metadata["description"], f"{path}: formulas cannot be read there"
        said.setdefault(metadata["description"], []).append(path.name)
    assert [names for names in said.values() if len(names) > 1] == []


def test_next_leads_through_the_whole_book_and_previous_back(browser, site):
    page = browser.new_page()
    page.goto((site / "chapters" / "index.html").as_uri())
    visited = [page.url]
    while (forward := page.locator(".next-page")).count():
        forward.click()
        page.wait_for_url(lambda url: url != visited[-1])
        visited.append(page.url)
    pages = [*site.glob("chapters/*.html"), *site.glob("chapters/seminar/*.html")]  # decks are left by a key
    assert set(visited) == {path.as_uri() for path in pages}
    for url in reversed(visited[:-1]):
        page.locator(".prev-page").click()
        page.wait_for_url(url)
    page.close()


@pytest.mark.parametrize("where", ["served", "file"])
def test_search_finds_pages_and_functions_without_a_network(browser, site, address, where):
    home = address if where == "served" else site.as_uri() + "/"
    page = browser.new_page()
    wrong = []
    page.on("request", lambda request: request.url.startswith((home, "data:")) or wrong.append(request.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda line: line.type == "error" and wrong.append(line.text))
    page.goto(home + "chapters/index.html")
    box = page.get_by_role("textbox", name="Search").first
    box.fill("bregman")
    box.press("Enter")
    page.locator("#search-results li a").first.wait_for()
    page.wait_for_load_state("networkidle")
    assert "search.html" in page.url
    assert page.locator("#search-results li a").filter(has_text="Sparse recovery").count() >= 1
    page.goto(home + "search.html")
    page.get_by_role("searchbox", name="Search for").fill("flow_limit")
    page.get_by_role("button", name="Search", exact=True).click()
    found = page.locator("#search-results li a").filter(has_text="flow_limit").first
    found.wait_for()
    page.wait_for_load_state("networkidle")
    found.click()
    page.wait_for_url("**/library.html*")
    assert page.locator("[id='implicit_bias.limits.flow_limit']").is_visible()
    assert wrong == []
    page.close()


# --- The library


def public_objects():
    for path in sorted((ROOT / "lib" / "implicit_bias").glob("[!_]*.py")):
        module = importlib.import_module(f"implicit_bias.{path.stem}")
        for name, value in vars(module).items():
            own = getattr(value, "__module__", None) == module.__name__
            if own and not name.startswith("_") and (inspect.isfunction(value) or inspect.isclass(value)):
                yield f"{module.__name__}.{name}"


def test_every_public_function_has_an_entry_with_its_source(site):
    library = read(site / "chapters" / "library.html")
    for name in public_objects():
        module, _, short = name.rpartition(".")
        assert name in library.ids
        source = f"../_modules/{module.replace('.', '/')}.html#{short}"
        assert source in library.links


def test_the_code_of_each_chapter_is_linked_to_the_library(site):
    for path in chapters(site):
        text = path.read_text(encoding="utf-8")
        assert "The code<a" in text, f"{path.name} has no section on its code"
        section = text.split("The code<a", 1)[1].split("</section>", 1)[0]
        names = re.findall(r"<code[^>]*>(.*?)</code>", section)
        linked = re.findall(r'<a [^>]*href="library\.html#[^"]*"[^>]*><code[^>]*>(.*?)</code></a>', section)
        assert names and names == linked, f"{path.name}: no entry for {set(names) - set(linked)}"


def test_the_library_leads_to_the_chapters(site):
    links = read(site / "chapters" / "library.html").links
    for path in chapters(site):
        assert path.name in links
    assert "sparse_recovery.html#thm-limit" in links


# --- Notebooks


def test_each_chapter_offers_a_clean_notebook(site):
    assert len(chapters(site)) >= 3
    for path in chapters(site):
        assert path.with_suffix(".ipynb").name in read(path).links
        notebook = nbformat.read(path.with_suffix(".ipynb"), as_version=4)
        nbformat.validate(notebook)
        assert [cell.id for cell in notebook.cells] == [f"cell-{k}" for k in range(1, len(notebook.cells) + 1)]
        for cell in notebook.cells:
            if cell.cell_type == "code":
                assert cell.outputs == [] and cell.execution_count is None
                assert "glue(" not in cell.source and "myst_nb" not in cell.source
                continue
            left = re.findall(r"\{[\w:]+\}`|^ *[`:~]{3,}\{|^\([\w-]+\)=|\]\(#|^:\w+:", cell.source, re.M)
            assert left == [], f"{path.name}: {left} in {cell.source[:200]}"
        text = "\n".join(cell.source for cell in notebook.cells)
        assert text.count("<details>") == text.count("</details>") > 0
        assert "## References" in text


def test_a_downloaded_notebook_has_the_code_of_the_one_for_students(site):
    """That one is run in a kernel, with answers: see test_students."""
    for path in (path for path in chapters(site) if path.stem in EXERCISED):
        solved, unsolved = (
            [cell.source for cell in nbformat.read(file, as_version=4).cells if cell.cell_type == "code"]
            for file in (path.with_suffix(".ipynb"), path.parent / "exercises" / f"{path.stem}.ipynb")
            if file.exists()
        )
        answers = ("from implicit_bias import check\n\n", "# Your code")
        assert solved == [code for code in unsolved if not code.startswith(answers)]


# --- A wrong address


class Host(http.server.SimpleHTTPRequestHandler):
    """Like the hosts of static sites: below a prefix, with the site's own page at wrong addresses."""

    def translate_path(self, path):
        path = urllib.parse.urlsplit(path).path
        if not path.startswith("/course/bias/"):
            return str(Path(self.directory) / "nothing")
        return super().translate_path(path.removeprefix("/course/bias"))

    def send_error(self, code, message=None, explain=None):
        body = (Path(self.directory) / "404.html").read_bytes()
        self.send_response(code)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def host(site):
    handler = functools.partial(Host, directory=site)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    "wrong", ["nothing.html", "chapters/nothing.html", "chapters/a/b/c/", "_static/none", "404.html"]
)
def test_the_page_for_wrong_addresses_leads_back(open_tab, host, wrong):
    page = open_tab(viewport={"width": 390, "height": 844})
    asked = []
    page.on("request", lambda request: request.url.startswith((host, "data:")) or asked.append(request.url))
    page.goto(f"{host}/course/bias/{wrong}")
    page.wait_for_load_state("networkidle")
    assert page.get_by_role("heading", name="There is no such page").is_visible()
    assert page.locator("svg").bounding_box()["width"] == 64
    link = page.get_by_role("link", name="Sparse recovery", exact=True)
    assert link.evaluate("link => link.href") == f"{host}/course/bias/chapters/sparse_recovery.html"
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    link.click()
    page.wait_for_url(f"{host}/course/bias/chapters/sparse_recovery.html")
    assert asked == []
    page.close()


# --- The look


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_logo_is_drawn_in_the_colours_of_the_figures(browser, site, scheme):
    from implicit_bias.look import COLORS, DARK_COLORS

    colours = {"light": COLORS, "dark": DARK_COLORS}[scheme]
    page = browser.new_page(color_scheme=scheme)
    page.goto((site / "chapters" / "index.html").as_uri())
    strokes = page.locator(".sidebar-brand svg path").evaluate_all(
        "paths => paths.map(p => getComputedStyle(p).stroke)"
    )
    expected = [tuple(int(colours[name][i : i + 2], 16) for i in (1, 3, 5)) for name in ("truth", "l1", "descent")]
    assert [tuple(map(int, re.findall(r"\d+", stroke))) for stroke in strokes] == expected
    page.close()


def test_the_front_page_leads_into_each_chapter(browser, site):
    page = browser.new_page()
    page.goto((site / "index.html").as_uri())
    page.wait_for_url("**/chapters/index.html")
    cards = page.locator(".chapters a").evaluate_all("links => links.map(link => link.pathname.split('/').pop())")
    course, appendix = "index.html", "papers.html"
    assert set(cards) == {path.name for path in chapters(site)} - {appendix} | {course}
    titles = page.locator(".chapters .sd-card-title").all_text_contents()
    assert [title.strip()[:3] for title in titles] == [*(f"{number}. " for number in range(1, len(cards))), "The"]
    times = page.locator(".chapters .reading-time").all_text_contents()
    assert len(times) == len(cards) - 1 and all("hour" in time for time in times)
    ways = page.locator(".ways a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    assert ways == [
        "overparameterization.html#chap-overparameterization",
        "#how-to-run-it",
        "seminar/index.html#seminar",
    ]
    assert page.locator(".explore").bounding_box()["y"] < page.locator("article p:not(.lead)").first.bounding_box()["y"]
    page.close()


def test_the_version_to_cite_is_that_of_the_package(browser, site):
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    page = browser.new_page()
    page.goto((site / "chapters" / "index.html").as_uri())
    entry = page.locator(".highlight-bibtex")
    assert f"Version {version}" in entry.text_content()
    assert f"version {version}" in page.locator("blockquote").text_content()
    assert entry.get_by_role("button").count() == 1  # it copies the entry
    page.close()
