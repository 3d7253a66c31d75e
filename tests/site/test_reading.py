"""What readers find their way with: links, search, notebooks, the library, the page for wrong addresses."""

import functools
import html.parser
import http.server
import importlib
import inspect
import json
import re
import threading
import tomllib
import urllib.parse
from pathlib import Path

import nbformat
import pytest
from book import claims
from book.search import without_drawings

from tests.shared import EXERCISED, ROOT
from tests.site.queries import QUERIES


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


def test_next_leads_through_the_whole_book_and_previous_back(site):
    """That a reader can click these links is tested with each page."""
    ways = {}
    for path in [*site.glob("chapters/*.html"), *site.glob("chapters/seminar/*.html")]:  # decks are left by a key
        text = path.read_text(encoding="utf-8")
        found = {way: re.findall(rf'<a class="{way}-page" href="([^"#]+)"', text) for way in ("next", "prev")}
        ways[path] = {way: [(path.parent / link).resolve() for link in links] for way, links in found.items()}
    visited = [site / "chapters" / "index.html"]
    while forward := ways[visited[-1]]["next"]:
        assert len(forward) == 1 and forward[0] not in visited
        assert ways[forward[0]]["prev"] == [visited[-1]]
        visited += forward
    assert set(visited) == ways.keys()


@pytest.fixture(params=["served", "file"])
def search(request, browser, site, address):
    """The search page, which asks no other host."""
    home = address if request.param == "served" else site.as_uri() + "/"
    page = browser.new_page()
    wrong = []
    page.on("request", lambda request: request.url.startswith((home, "data:")) or wrong.append(request.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda line: line.type == "error" and wrong.append(line.text))
    page.goto(home + "chapters/index.html")
    yield page
    assert wrong == []
    page.close()


def hits(page):
    return page.locator(".search-results li").evaluate_all(
        """items => items.map((item) => ({
            address: item.querySelector("a").getAttribute("href"), text: item.querySelector("p")?.textContent ?? "" }))"""
    )


def test_a_search_finds_what_is_meant_while_one_types(search):
    assert len(QUERIES) == 20
    box = search.get_by_role("textbox", name="Search").first
    box.fill("bregman")
    box.press("Enter")
    search.wait_for_url("**/search.html?q=bregman*")
    assert any("sparse_recovery.html" in hit["address"] for hit in hits(search))
    box = search.get_by_role("searchbox", name="Search for")
    missed = {}
    for query, answer in QUERIES.items():
        box.fill(query)
        first = [hit["address"] for hit in hits(search)[:3]]
        if not any(address.removeprefix("chapters/").startswith(answer) for address in first):
            missed[query] = first
    assert missed == {}
    box.fill("flow_limit")
    assert "library.html#implicit_bias.limits.flow_limit" in "".join(hit["address"] for hit in hits(search)[:3])
    box.fill("implicit")
    assert not any("library.html" in hit["address"] for hit in hits(search)[:3]), "the text comes before the library"
    box.fill("qxzqxz")
    assert hits(search) == [] and "Nothing found" in search.get_by_role("status").text_content()
    box.fill("theorem 3.2")
    assert search.evaluate("location.search") == "?q=theorem%203.2"
    search.locator(".search-results a").first.click()
    search.wait_for_url("**/sparse_recovery.html#thm-l1-norm")


def test_what_a_search_quotes_can_be_read(site):
    """No source of a formula, no numbers along an axis, no code; and what it finds is there."""
    script = (site / "_static" / "search-data.js").read_text(encoding="utf-8")
    pages = json.loads(script.removeprefix("const PAGES = ").removesuffix(";\n"))
    assert {name for name, *_ in pages} >= {f"chapters/{path.name}" for path in chapters(site)}
    assert not any("/slides/" in name for name, *_ in pages)
    for name, _, found in pages:
        ids = read(site / name).ids
        for _, anchor, title, text in found:
            assert not anchor or anchor in ids
            quoted = f"{title} {text}"
            if "making" not in name and "changes" not in name:  # these tell of code
                assert not re.search(r"\\[a-zA-Z]+|\$|\bimport \w+$", quoted), f"{name}#{anchor}: {quoted}"
            assert not re.search(r"(?:[\d.−]+ ){6}", quoted), f"{name}#{anchor}: numbers of an axis"
    titles = {title for name, _, found in pages for _, _, title, _ in found}
    assert "Theorem 3.2 (The ℓ1-norm of the limit)" in titles


def test_no_page_but_that_of_the_search_loads_its_data(site):
    loading = [path for path in pages(site) if "search-data.js" in path.read_text(encoding="utf-8")]
    assert loading == [site / "search.html"]


def test_every_theorem_and_figure_is_in_the_lists_and_bears_a_link_to_itself(site):
    lists = read(site / "chapters" / "lists.html").links
    for path in chapters(site):
        text = path.read_text(encoding="utf-8")
        boxes = re.findall(r'<div class="proof (\w+) admonition" id="([^"]+)"', text)
        theorems = [label for kind, label in boxes if kind in claims.KINDS]
        figures = re.findall(r'<figure class="[^"]*" id="([^"]+)"', text)
        exercises = re.findall(r'<div class="exercise admonition" id="([^"]+)"', text)
        assert {f"{path.name}#{label}" for label in [*theorems, *figures]} <= set(lists)
        assert {f"#{label}" for label in [*theorems, *figures, *exercises]} <= set(read(path).links)
        assert figures


def test_the_bibliography_says_where_each_source_is_cited(site):
    text = (site / "chapters" / "bibliography.html").read_text(encoding="utf-8")
    entries = re.findall(r'<div class="citation" id="([^"]+)">(.*?)</div>', text, re.S)
    assert len(entries) > 50
    for name, entry in entries:
        assert not re.fullmatch(r"id\d+", name), "a number that changes with every new entry"
        cited = re.search(r"Cited in (.*)", entry, re.S)
        assert cited and all(
            f'href="bibliography.html#{name}"' in (site / "chapters" / link).read_text(encoding="utf-8")
            for link in re.findall(r'href="([^"/]+)"', cited[1])
        )


def test_no_source_of_a_formula_is_left_in_the_text(site):
    left = {}
    for path in pages(site):
        text = re.sub(
            r"<(pre|code|title)\b.*?</\1>", "", without_drawings(path.read_text(encoding="utf-8")), flags=re.S
        )
        if found := re.findall(r"\\[a-zA-Z]{2,}.{20}", re.sub(r"<[^>]*>", "", text)):
            left[path.name] = found
    assert left == {}


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
    assert page.get_by_role("heading", name="There is no such page").is_visible()
    assert page.locator("svg").bounding_box()["width"] == 64
    right = f"{host}/course/bias/chapters/sparse_recovery.html"
    # The page asks the host first where the site is.
    page.wait_for_function("right => [...document.links].some(link => link.href === right)", arg=right)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.get_by_role("link", name="Sparse recovery", exact=True).click()
    page.wait_for_url(right, wait_until="commit")
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
    assert (
        page.locator(".explore").bounding_box()["y"]
        < page.locator("article section > p:not(.lead, .take-away)").first.bounding_box()["y"]
    )
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
