"""The build does what it promises, and stops at whatever is broken."""

import os
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
    assert 'math katex"' in page and "<math " in page
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

    book.write("lib/implicit_bias/check.py", '"""Checks."""\n\n\ndef answer():\n    """Says no."""\n')
    assert book.build().returncode == 0
    assert book.runs() == 2, "no cell imports that module"


def test_a_changed_test_changes_the_appendix(built):
    built.write("tests/claims/test_first.py", built.read("tests/claims/test_first.py").replace("2 + 2", "3 + 1"))
    executed = built.runs()
    assert built.build().returncode == 0
    assert "3" in built.page("claims").split("test-first-test-of-the-lemma")[1]
    assert built.runs() == executed


def executed(result):
    """The chapters in the order in which they began."""
    return re.findall(r"chapter \d of \d, chapters/(\w+): executing", result.stdout)


def test_a_failing_cell_ends_the_build_and_its_message_stands_last(book):
    book.add("long", "import time\n\ntime.sleep(500)")
    book.append("chapters/first.md", "\n```{code-cell} ipython3\nvalue = 1 / 0  # broken\n```\n")
    result = book.build()
    assert result.returncode == 1
    assert "chapters/first failed in cell 2: value = 1 / 0  # broken" in result.stdout
    assert re.fullmatch(
        r"\[book\] chapter . of 2, chapters/first, cell 2: ZeroDivisionError: division by zero",
        result.stdout.rstrip().splitlines()[-1],
    )
    assert "chapters/long: done" not in result.stdout
    assert "KeyboardInterrupt" not in result.stdout and "CancelledError" not in result.stdout


def test_what_was_never_executed_or_failed_runs_first(book):
    book.add("long", *["from implicit_bias import VALUE"] * 5)
    assert executed(book.build()) == ["long", "first"]

    book.write("lib/implicit_bias/__init__.py", "VALUE = 'twelve'\n")  # which both have to be executed for
    book.add("new", "print('a typo)")
    result = book.build()
    assert executed(result)[0] == "new" and "chapters/new failed in cell 1: print('a typo)" in result.stdout

    book.write("chapters/new.md", book.read("chapters/new.md").replace("typo", "typo'"))
    book.write("lib/implicit_bias/__init__.py", "VALUE = 'thirteen'\n")
    result = book.build()
    assert result.returncode == 0, result.stdout
    assert executed(result) == ["new", "long", "first"]


def test_a_build_that_is_cut_off_says_where_and_leaves_no_kernel(book):
    book.add(
        "long", "import os, pathlib, time\npathlib.Path('../kernel').write_text(str(os.getpid()))\ntime.sleep(500)"
    )
    process = book.start()
    said = ""
    while "chapters/first: done" not in said:
        said += process.stdout.readline()
    while not (book.root / "kernel").exists():
        assert process.poll() is None
    process.terminate()
    said += process.communicate()[0]
    assert process.returncode == 1
    assert re.fullmatch(
        r"\[book\] interrupted in chapter . of 2, chapters/long, cell 1", said.rstrip().splitlines()[-1]
    )
    assert "Traceback" not in said
    with pytest.raises(ProcessLookupError):
        os.kill(int(book.read("kernel")), 0)

    book.write("chapters/long.md", book.read("chapters/long.md").replace("500", "0"))
    assert executed(book.build()) == ["long"]
    assert book.runs() == 1, "what was done before is kept"


@pytest.mark.parametrize("number", ["SIGTERM", "SIGKILL"])
def test_a_dead_kernel_is_told(book, number):
    book.add("dying", "1", f"import os, signal, time\nos.kill(os.getpid(), signal.{number})\ntime.sleep(500)")
    result = book.build()
    assert result.returncode == 1
    assert "chapters/dying failed in cell 2: import os, signal, time" in result.stdout
    assert result.stdout.rstrip().endswith("chapters/dying, cell 2: the kernel died, perhaps for want of memory")


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


MISTAKES = [
    ("{cite}`nobody`", "nobody"),
    ("{ref}`nowhere`", "nowhere"),
    ("{prf:ref}`thm-nowhere`", "thm-nowhere"),
    ("{numref}`fig-nowhere`", "fig-nowhere"),
    ("[a link](nowhere.md)", "nowhere"),
    (r"$\frac{1}{$", r"\frac{1}{"),
    ("```{reuse} fig-nowhere\n```", "no figure with a name, no theorem and no exercise is labelled 'fig-nowhere'"),
    ("```{quiz}\nWhich?\n\n- [x] One.\n\n  Why.\n- [x] Two.\n\n  Why.\n```", "a quiz is a question in paragraphs"),
    (":::{prf:theorem}\nTrue.\n:::", "5: this theorem has no label"),
    (
        ":::{prf:theorem}\n:label: thm-new\nTrue.\n:::",
        "no test in tests/claims bears the claim 'thm-new'",
    ),
]


@pytest.fixture(scope="module")
def mistaken(tmp_path_factory, packages, built):
    """What the build says of a book in which every chapter has one mistake."""
    book = type(built)(tmp_path_factory.mktemp("mistaken") / "book", packages)
    book.write("tests/claims/test_first.py", "")
    book.write("chapters/first.md", "# A chapter\n")
    for k, (text, _) in enumerate(MISTAKES):
        book.add(f"mistake{k}x")
        book.write(f"chapters/mistake{k}x.md", f"# A chapter\n\nSome text.\n\n{text}\n")
    return book.build()


@pytest.mark.parametrize("k", range(len(MISTAKES)))
def test_a_mistake_in_the_text_stops_the_build(mistaken, k):
    """With -W each warning does so. Most name the page."""
    assert mistaken.returncode == 1
    said = re.sub(r"\x1b\[\d+m", "", mistaken.stdout)  # colours
    # Each message up to the next one; some go on below.
    _, *messages = re.split(r"^(?=.*\b(?:WARNING|ERROR): )", said, flags=re.MULTILINE)
    of_this = [text for text in messages if f"mistake{k}x" in text or "mistake" not in text]
    assert any(MISTAKES[k][1] in text for text in of_this), said


def test_two_builds_give_the_same_bytes(book, built):
    """One that forks from a process with another hash seed, and one by hand."""
    assert book.build_by_hand(hash_seed="2").returncode == 0
    files = book.files()
    assert files.keys() == built.fresh.keys()
    assert [name for name in files if files[name] != built.fresh[name]] == []
    places = [str(folder).encode() for folder in (book.root, built.root)]
    assert [name for name, content in files.items() if any(place in content for place in places)] == []
