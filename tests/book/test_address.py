"""The addresses of sources and site: what is given is linked, what is not is not mentioned."""

import re
import subprocess
import sys
import zipfile

import nbformat
import pytest
from book import wheel

from tests.book.conftest import Book
from tests.shared import ROOT

pytestmark = pytest.mark.slow
REPOSITORY, SITE = "https://github.com/someone/a-book", "https://someone.example/books/bias"
FRONT = """\
# The book

```{take-away}
```

```{install}
```

```{clone}
make book
```

```{clone}
:to: /opt/book
make lab
```

## How to cite it

```{citation}
```
"""


def complete(book):
    book.write("chapters/index.md", FRONT)
    for name in wheel.DESCRIPTION:
        book.write(name, (ROOT / name).read_text(encoding="utf-8"))
    return book


def give(book, repository, site):
    text = book.read("_config.yml").replace('  url: ""', f'  url: "{repository}"')
    book.write("_config.yml", text.replace('baseurl: ""', f'baseurl: "{site}"'))


def code(book):
    """The blocks of code on the front page, and the first cell of the notebook of the chapter."""
    blocks = re.findall(r"<pre>(.*?)</pre>", book.page("index"), re.S)
    blocks = [re.sub("<.*?>", "", block).strip().replace("&quot;", '"') for block in blocks]
    notebook = nbformat.reads(book.read("_build/html/chapters/first.ipynb"), as_version=4)
    return blocks, notebook.cells


@pytest.fixture(scope="module")
def books(tmp_path_factory, packages):
    """Without addresses and with both; the latter is then built as by ``make site``."""
    without, with_both = (complete(Book(tmp_path_factory.mktemp(name) / "book", packages)) for name in "ab")
    give(with_both, REPOSITORY, SITE)
    for book in (without, with_both):
        result = book.build()
        assert result.returncode == 0, result.stdout
    return without, with_both


def test_without_addresses_nothing_is_half_there(books):
    book, _ = books
    page = book.page("index") + book.page("first")
    assert not re.search(
        r"github\.com/(?!pradyunsg)|mybinder|Report a mistake|Source of this page|<this|&lt;this", page
    )
    (install, clone, clone_to, entry), cells = code(book)
    (made,) = (name for name in book.files() if name.endswith(".whl"))
    assert install == f'pip install "./{made}[figures,baselines]"  # where the wheel is'
    assert clone == "make book" and clone_to == "cd /opt/book\nmake lab"
    assert (
        "url" not in entry
        and not re.search("og:url|og:image", page)
        and not {"sitemap.xml", "_static/card.png"} & book.files().keys()
    )
    assert cells[0].cell_type == "markdown" and f'`pip install "./{made}[figures,baselines]"`' in cells[0].source
    pip = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-index", "--no-deps", "--force-reinstall"]
    asked = subprocess.run(
        [*pip, f"./{made}[figures,baselines]"], cwd=book.root / "_build" / "html", capture_output=True
    )
    assert asked.returncode == 0 and b"Would install implicit-bias-book" in asked.stdout


def test_addresses_that_are_given_are_linked(books):
    _, book = books
    front, page = book.page("index"), book.page("first")
    assert f'href="{REPOSITORY}"' in front
    assert 'href="https://mybinder.org/v2/gh/someone/a-book/HEAD?urlpath=lab%2Ftree%2Fchapters"' in front
    assert f'href="{REPOSITORY}/blob/HEAD/chapters/first.md"' in page
    report = re.search(rf'href="({REPOSITORY}/issues/new\?[^"]*)"', page)[1]
    assert "title=Mistake+on+the+page+%22A+chapter%22" in report
    (install, clone, clone_to, entry), cells = code(book)
    (made,) = (name for name in book.files() if name.endswith(".whl"))
    assert install == f'pip install "implicit-bias-book[figures,baselines] @ {SITE}/{made}"'
    assert clone == f"git clone {REPOSITORY}\ncd a-book\nmake book"
    assert clone_to == f"git clone {REPOSITORY} /opt/book\ncd /opt/book\nmake lab"
    assert f"url    = {{{SITE}}}" in entry and f'<meta property="og:url" content="{SITE}/chapters/first.html">' in page
    assert f'<meta property="og:image" content="{SITE}/_static/card.png">' in page
    assert book.files()["_static/card.png"].startswith(b"\x89PNG")
    assert cells[0].cell_type == "code" and f"    %{install}" in cells[0].source.splitlines()


def test_the_wheel_of_the_library_is_in_the_site(books):
    for book in books:
        (made,) = (name for name in book.files() if name.endswith(".whl"))
        assert f'href="../{made}"' in book.page("index")
        with zipfile.ZipFile(book.root / "_build" / "html" / made) as archive:
            assert archive.read("implicit_bias/__init__.py") == b"VALUE = 'eleven'\n"
    (one,), (other,) = ([text for name, text in book.files().items() if name.endswith(".whl")] for book in books)
    assert one == other


def test_the_pdf_is_linked_by_make_site_alone(books, monkeypatch):
    book, _ = books
    assert "implicit-bias.pdf" not in book.page("index")
    monkeypatch.setenv("PDF", "yes")
    assert book.build().returncode == 0
    assert 'href="../implicit-bias.pdf"' in book.page("index")
    book.write("_build/html/implicit-bias.pdf", "printed")
    monkeypatch.delenv("PDF")
    assert book.build().returncode == 0
    assert "implicit-bias.pdf" not in book.page("index") and "implicit-bias.pdf" not in book.files()


@pytest.mark.parametrize(
    ("repository", "site", "said"),
    [
        ("github.com/a/b", "", "repository: url"),
        ("https://github.com/a", "", "repository: url"),
        ("", "a.org", "baseurl"),
    ],
)
def test_half_an_address_stops_the_build(book, repository, site, said):
    give(book, repository, site)
    result = book.build()
    assert result.returncode == 1 and said in result.stdout and "it must be empty or the" in result.stdout
