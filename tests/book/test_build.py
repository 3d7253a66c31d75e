"""The build does what it promises, and stops at whatever is broken."""

import re

import pytest

pytestmark = pytest.mark.slow


def test_a_good_book_is_built(built):
    assert built.result.returncode == 0, built.result.stdout
    assert "chapter 1 of 1, chapters/first: executing 1 cells" in built.result.stdout
    assert re.search(r"chapter 1 of 1, chapters/first: done in \d+\.\d s", built.result.stdout)


def test_the_page_is_complete(built):
    page = built.page("first")
    assert "eleven" in page
    assert 'class="katex"' in page and "<math " in page
    assert 'alt="A rising line."' in page
    assert re.search(r"<details[^>]*solution", page)
    assert "_static/katex.css" in page


def test_no_page_asks_another_host(built):
    for file in (built.root / "_build" / "html").rglob("*.html"):
        page = file.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|img|iframe|source)[^>]*src=\"([^\"]*)", page)
        loaded += re.findall(r"<link[^>]*href=\"([^\"]*)", page)
        assert [address for address in loaded if "//" in address or address.startswith("/")] == []
    for file in (built.root / "_build" / "html").rglob("*.css"):
        assert not re.search(r"(?:url\(|@import)\s*['\"]?(?:https?:)?//", file.read_text(encoding="utf-8")), file


def test_theorems_and_their_tests_link_to_each_other(built):
    page, claims = built.page("first"), built.page("claims")
    assert page.count('href="claims.html#tested-thm-one"') == page.count('href="claims.html#tested-lem-two"') == 1
    assert 'id="tested-thm-one"' in claims and 'id="tested-lem-two"' in claims
    assert claims.count('id="test-first-test-of-both"') == 1
    assert 'href="first.html#thm-one"' in claims and 'href="first.html#lem-two"' in claims
    assert "Theorem 1.1" in claims and "Lemma 1.1" in claims
    assert 'href="#tested-thm-one"' in claims
    assert [cell for cell in re.findall(r"<td><p>([^<]*)</p></td>", claims)][:3] == ["1234", "0.05", "1 of 2"]
    assert "the constant halved" in claims and "It is true as well." in claims


def test_what_changed_is_executed_and_nothing_else(book):
    assert book.build().returncode == 0
    assert book.runs() == 1

    again = book.build()
    assert again.returncode == 0 and "executing" not in again.stdout
    assert book.runs() == 1

    book.append("chapters/first.md", "\nOne more thought.\n")
    assert book.build().returncode == 0
    assert book.runs() == 1
    assert "One more thought." in book.page("first")

    book.write("lib/implicit_bias/__init__.py", "VALUE = 'twelve'\n")
    assert book.build().returncode == 0
    assert book.runs() == 2
    assert "twelve" in book.page("first")
    assert len(list((book.root / "_build" / "outputs").iterdir())) == 1


def test_a_changed_test_changes_the_appendix(built):
    built.write("tests/claims/test_first.py", built.read("tests/claims/test_first.py").replace("2 + 2", "3 + 1"))
    executed = built.runs()
    assert built.build().returncode == 0
    assert "3" in built.page("claims").split("test-first-test-of-the-lemma")[1]
    assert built.runs() == executed


def test_a_failing_cell_stops_the_build(book):
    book.append("chapters/first.md", "\n```{code-cell} ipython3\nvalue = 1 / 0  # broken\n```\n")
    result = book.build()
    assert result.returncode == 1
    assert "chapters/first failed in cell 2: value = 1 / 0  # broken" in result.stdout
    assert "ZeroDivisionError: division by zero" in result.stdout


def test_a_failing_cell_ends_the_other_chapters(book):
    book.write("_toc.yml", book.read("_toc.yml").replace("/first", "/first\n      - file: chapters/long"))
    header = book.read("chapters/first.md").split("# A chapter")[0]
    book.write("chapters/long.md", header + "# Long\n\n```{code-cell} ipython3\nimport time\n\ntime.sleep(500)\n```\n")
    book.append("chapters/first.md", "\n```{code-cell} ipython3\nvalue = 1 / 0\n```\n")
    result = book.build()
    assert result.returncode == 1
    assert "chapters/first failed in cell 2: value = 1 / 0" in result.stdout
    assert "chapters/long: done" not in result.stdout


def test_a_dead_widget_stops_the_build(book):
    output = '{"application/vnd.jupyter.widget-view+json": {"model_id": "0"}, "text/plain": ""}'
    book.append("chapters/first.md", f"\n```{{code-cell}} ipython3\ndisplay({output}, raw=True)\n```\n")
    result = book.build()
    assert result.returncode == 1
    assert "chapters/first failed in cell 2" in result.stdout and "widget" in result.stdout
    assert book.build().returncode == 1, "the outputs of the first try must not pass the second time"


def test_a_warning_of_the_code_stops_the_build(book):
    book.append("chapters/first.md", "\n```{code-cell} ipython3\nimport warnings\nwarnings.warn('odd')\n```\n")
    result = book.build()
    assert result.returncode == 1
    assert "chapters/first.md" in result.stdout and "stderr" in result.stdout


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{cite}`nobody`", "nobody"),
        ("{ref}`nowhere`", "nowhere"),
        ("{prf:ref}`thm-nowhere`", "thm-nowhere"),
        ("{numref}`fig-nowhere`", "fig-nowhere"),
        ("[a link](nowhere.md)", "nowhere"),
        (r"$\frac{1}{$", r"\frac{1}{"),
        ("```{reuse} fig-nowhere\n```", "no figure with a name and no theorem is labelled 'fig-nowhere'"),
        ("```{quiz}\nWhich?\n\n- [x] One.\n\n  Why.\n- [x] Two.\n\n  Why.\n```", "a quiz is a question in paragraphs"),
        (":::{prf:theorem}\nTrue.\n:::", "first.md:5: this theorem has no label"),
        (
            ":::{prf:theorem}\n:label: thm-new\nTrue.\n:::",
            "no test in tests/claims bears the claim 'thm-new'",
        ),
    ],
)
def test_a_mistake_in_the_text_stops_the_build(book, text, message):
    book.write("chapters/first.md", f"# A chapter\n\nSome text.\n\n{text}\n")
    book.write("tests/claims/test_first.py", "")
    result = book.build()
    assert result.returncode == 1, result.stdout
    assert message in result.stdout


def test_two_builds_give_the_same_bytes(tmp_path, packages, built):
    first, second = (type(built)(tmp_path / name, packages) for name in ("one", "another"))
    assert first.build(hash_seed="1").returncode == 0
    assert second.build(hash_seed="2").returncode == 0
    files = [
        {path.relative_to(html).as_posix(): path.read_bytes() for path in html.rglob("*") if path.is_file()}
        for html in (book.root / "_build" / "html" for book in (first, second))
    ]
    assert files[0].keys() == files[1].keys()
    assert [name for name in files[0] if files[0][name] != files[1][name]] == []
    assert [name for name, content in files[0].items() if str(tmp_path).encode() in content] == []
