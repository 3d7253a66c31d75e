"""What the build adds for readers: notebooks, the page of the library, metadata, the pages around the book."""

import json
import os
import re

import nbformat
import pytest
from book.notebooks import Page, markdown, without_glue
from book.sources import has_cells, without_shown_code

# --- Text alone


def test_a_directive_in_shown_code_is_an_example():
    text = "````text\n```{code-cell}\n1\n```\n````\n\n```{prf:theorem}\n:label: a\n```python\n```{exercise}\n```\n```\n"
    kept = without_shown_code(text)
    assert kept.split("\n")[6:8] == ["```{prf:theorem}", ":label: a"]
    assert "{code-cell}" not in kept and "{exercise}" not in kept
    assert kept.count("\n") == text.count("\n")
    assert not has_cells(text) and has_cells("```{code-cell}\n1\n```\n")


@pytest.mark.parametrize(
    ("code", "left"),
    [
        ("import numpy as np\nfrom myst_nb import glue", "import numpy as np"),
        ('glue("a", float(\n    1\n))', ""),
        ("x = 1\nfor k in range(3):\n    glue(f'{k}', k)", "x = 1"),
        ("for k in range(3):\n    x = k\n    glue(f'{k}', k)", "for k in range(3):\n    x = k"),
        ("values = glued(2)", "values = glued(2)"),
    ],
)
def test_lines_that_glue_are_left_out(code, left):
    assert without_glue(code) == left


@pytest.mark.parametrize(
    ("myst", "plain"),
    [
        ("(sec-a)=\n## Title", "## Title"),
        ("{cite:t}`Key` and {numref}`fig-a`", "Someone [2020] and Fig. 1.1"),
        ("{ref}`these words <sec-a>`, {doc}`page`", "these words, A page"),
        ("{glue:text}`small:.1e`, {glue:text}`one:.2f`", r"$2.0\cdot 10^{-7}$, 1.00"),
        ("[`name`](#sec-a), [site](https://a.b)", "`name`, [site](https://a.b)"),
        ("$$\nx\n$$ (eq-a)\n\nby {eq}`eq-a`", "$$\nx \\tag{1.2}\n$$\n\nby (1.2)"),
        ("```{prf:theorem} On $x$\n:label: thm-a\n\n$x=1$\n```", "**Theorem 1.1 (On $x$).**\n\n$x=1$"),
        (
            "````{solution} ex-a\n:class: dropdown\n\nSo:\n\n```python\nglue = '{ref}`a`'\n```\n````",
            "<details>\n<summary>Solution of Exercise 1.1</summary>\n\nSo:\n\n"
            "```python\nglue = '{ref}`a`'\n```\n\n</details>",
        ),
        (":::{note}\nText.\n:::", "**Note.**\n\nText."),
    ],
)
def test_myst_becomes_plain_markdown(myst, plain):
    page = Page(
        references={
            ("cite:t", "Key"): "Someone [2020]",
            ("numref", "fig-a"): "Fig. 1.1",
            ("doc", "page"): "A page",
            ("eq", "eq-a"): "(1.2)",
            ("prf:ref", "thm-a"): "Theorem 1.1",
            ("ref", "ex-a"): "Exercise 1.1",
        },
        glued={"small": "2e-07", "one": "1.0"},
    )
    assert markdown(myst, page) == plain


# --- A book that is built


@pytest.mark.slow
def test_the_notebook_says_what_the_page_says(built):
    notebook = nbformat.reads(built.read("_build/html/chapters/first.ipynb"), as_version=4)
    nbformat.validate(notebook)
    text, code, caption, boxes, references = (cell.source for cell in notebook.cells)
    assert text.startswith("# A chapter\n\n*This is a chapter of The Implicit Bias of Gradient Descent.")
    assert "In Fig. 1.1 and One [2020], eleven is the value" in text
    assert "glue" not in code and "plt.plot([1, 2]);" in code
    assert caption == "**Fig. 1.1.** A line."
    assert "**Theorem 1.1 (One).**" in boxes and "**Lemma 1.1.**" in boxes
    assert "**Exercise 1.1.**\n\nProve Theorem 1.1." in boxes
    assert "<summary>Solution of Exercise 1.1</summary>" in boxes
    assert "- Some One. *A Book*. Press, 2020." in references
    assert '<a href="first.ipynb" download>' in built.page("first")


@pytest.mark.slow
def test_a_site_without_an_address_names_none(built):
    assert not (built.root / "_build/html/sitemap.xml").exists()
    for page in ("index.html", "404.html", "chapters/first.html"):
        text = built.read(f"_build/html/{page}")
        assert "canonical" not in text and "og:url" not in text and 'href="/' not in text
    assert 'content="0; url=chapters/index.html"' in built.read("_build/html/index.html")


MODULE = '''\
"""Finds things."""


def find(A):
    """The thing in `A`.

    Taught in the chapter "A chapter", Theorem "One".

    Parameters
    ----------
    A : array_like, shape (m, n)

    Returns
    -------
    Thing

    Raises
    ------
    ValueError
        Never.
    """


class Thing:
    """What `find` finds."""
'''


@pytest.fixture
def book_with_library(book, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(book.root / "lib"), os.environ.get("PYTHONPATH", "")]))
    book.write("lib/implicit_bias/__init__.py", '"""A package of `search`."""\n\nVALUE = "eleven"\n')
    book.write("lib/implicit_bias/search.py", MODULE)
    book.write("chapters/library.md", "# The library\n\n```{library}\n```\n")
    book.append("_toc.yml", "      - file: chapters/library\n")
    return book


@pytest.mark.slow
def test_a_site_with_an_address_and_a_library(book_with_library):
    book = book_with_library
    book.append("chapters/first.md", "\nCall `find(A)`, `search`, `Thing` and `other`.\n")
    book.write(
        "chapters/first.md", book.read("chapters/first.md").replace("---\n\n#", "description: So & so.\n---\n\n#")
    )
    book.write("_config.yml", book.read("_config.yml").replace('baseurl: ""', "baseurl: https://example.org/bias"))
    result = book.build()
    assert result.returncode == 0, result.stdout

    page, library = (re.sub(r' data-preview="\w+"', "", book.page(name)) for name in ("first", "library"))
    for anchor in ("implicit_bias.search.find", "module-implicit_bias.search", "implicit_bias.search.Thing"):
        assert f'href="library.html#{anchor}"' in page and f'id="{anchor}"' in library
    assert page.count('href="library.html#') == 3
    assert 'chapter <a class="reference internal" href="first.html">A chapter</a>' in library
    assert 'Theorem <a class="reference internal" href="first.html#thm-one">One</a>' in library
    assert 'href="../_modules/implicit_bias/search.html#find"' in library

    assert '<meta name="description" content="So &amp; so.">' in page
    assert '<meta property="og:url" content="https://example.org/bias/chapters/first.html">' in page
    assert '<link rel="canonical" href="https://example.org/bias/chapters/first.html">' in page
    sitemap = book.read("_build/html/sitemap.xml")
    assert "<loc>https://example.org/bias/chapters/first.html</loc>" in sitemap and "lastmod" not in sitemap
    assert '<base href="https://example.org/bias/">' in book.read("_build/html/404.html")
    front = book.read("_build/html/index.html")
    assert '<link rel="canonical" href="https://example.org/bias/chapters/index.html">' in front
    assert json.loads(book.read("_build/html/chapters/first.ipynb"))["nbformat"] == 4


@pytest.mark.slow
def test_a_docstring_that_names_a_missing_chapter_stops_the_build(book_with_library):
    book = book_with_library
    book.write("lib/implicit_bias/search.py", MODULE.replace('"A chapter"', '"No chapter"'))
    result = book.build()
    assert result.returncode == 1
    assert "No chapter" in result.stdout and "which the book does not have" in result.stdout
