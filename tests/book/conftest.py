"""A tiny book, built with the real configuration and the real extension."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from book.mathematics import install_packages

from tests.book import building
from tests.shared import ROOT

ARGUMENTS = [".", "-W", "-n", "--keep-going"]

HEADER = """\
---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

"""

CHAPTER = """\
# A chapter

In {numref}`fig-line` and {cite:t}`someone`, {glue:text}`value` is the value, and $\\alpha \\to 0$.

```{code-cell} ipython3
---
mystnb:
  figure:
    caption: A line.
    name: fig-line
  image:
    alt: A rising line.
---
from pathlib import Path

import matplotlib.pyplot as plt
from implicit_bias import VALUE
from myst_nb import glue

with open("../runs", "a") as runs:
    runs.write("run\\n")
glue("value", VALUE, display=False)
plt.plot([1, 2]);
```

:::{prf:theorem} One
:label: thm-one
$x = 1$.
:::

:::{prf:lemma}
:label: lem-two
$x = 2$.
:::

:::{exercise}
:label: ex-one
Prove {prf:ref}`thm-one`.
:::

:::{solution} ex-one
:class: dropdown
Done.
:::
"""

CLAIMS = """\
import pytest


@pytest.mark.claim("thm-one", "lem-two")
def test_of_both():
    assert 1 + 1 == 2


@pytest.mark.claim("lem-two")
def test_of_the_lemma():
    assert 2 + 2 == 4
"""


RECORD = """\
{"thm-one": [{"test": "test_first", "hypothesis": "all numbers", "tried": 1234, "nearest": {"bound": 0.11, "rest": 0.05},
 "mutants": {"the constant halved": "refuted", "no sign": "It is true as well."}}]}
"""


TOC = """\
format: jb-book
root: chapters/index
parts:
  - numbered: true
    chapters:
      - file: chapters/first
  - chapters:
      - file: chapters/claims
      - file: chapters/bibliography
"""


class Book:
    def __init__(self, root: Path, packages: Path):
        self.root = root
        shutil.copytree(ROOT / "lib" / "book", root / "lib" / "book", ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("_config.yml", "requirements.txt", "CITATION.cff"):
            shutil.copy(ROOT / name, root)
        self.write("_toc.yml", TOC)
        self.write("lib/implicit_bias/__init__.py", "VALUE = 'eleven'\n")
        self.write("lib/implicit_bias/check.py", '"""Checks."""\n')
        self.write("tests/claims/test_first.py", CLAIMS)
        self.write("tests/claims/record.json", RECORD)
        self.write(
            "chapters/references.bib",
            "@book{someone, title={A Book}, author={One, Some}, year={2020}, publisher={Press}}\n",
        )
        self.write("chapters/index.md", "# The book\n")
        self.write("chapters/first.md", HEADER + CHAPTER)
        self.write("chapters/claims.md", "# Tests\n\n```{claims}\n```\n")
        self.write("chapters/bibliography.md", "# Bibliography\n\n```{bibliography}\n```\n")
        (root / "_build").mkdir()
        (root / "_build" / "npm").symlink_to(packages)  # what the real book has installed: no network

    def write(self, path: str, text: str):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def append(self, path: str, text: str):
        self.write(path, self.read(path) + text)

    def read(self, path: str) -> str:
        return (self.root / path).read_text(encoding="utf-8")

    def page(self, name: str) -> str:
        return self.read(f"_build/html/chapters/{name}.html")

    def files(self) -> dict[str, bytes]:
        """The files of the site."""
        html = self.root / "_build" / "html"
        return {path.relative_to(html).as_posix(): path.read_bytes() for path in html.rglob("*") if path.is_file()}

    def runs(self) -> int:
        """How often the chapter has been executed."""
        return self.read("runs").count("run")

    def add(self, name: str, *cells: str):
        """Add a chapter."""
        blocks = "".join(f"```{{code-cell}} ipython3\n{cell}\n```\n\n" for cell in cells)
        self.write(f"chapters/{name}.md", f"{HEADER}# Of {name}\n\n{blocks}")
        self.write("_toc.yml", self.read("_toc.yml").replace("/first", f"/first\n      - file: chapters/{name}"))

    def start(self, hash_seed: str = "0") -> subprocess.Popen:
        """Build as the README says it is done by hand."""
        program = Path(sys.executable).with_name("jupyter-book")
        return subprocess.Popen(
            [program, "build", *ARGUMENTS],
            cwd=self.root,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def build_by_hand(self, hash_seed: str) -> subprocess.CompletedProcess:
        process = self.start(hash_seed)
        stdout, _ = process.communicate()
        return subprocess.CompletedProcess(process.args, process.returncode, stdout)

    def build(self) -> subprocess.CompletedProcess:
        """The same, in a fraction of the time."""
        said = self.root / "said"
        returncode = building.build(self.root, ARGUMENTS, dict(os.environ), said)
        return subprocess.CompletedProcess(ARGUMENTS, returncode, said.read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def packages() -> Path:
    return install_packages(ROOT / "_build").parent


@pytest.fixture
def book(tmp_path, packages) -> Book:
    return Book(tmp_path / "book", packages)


@pytest.fixture(scope="module")
def seminar(tmp_path_factory, packages) -> Book:
    """A book that a test module completes and builds."""
    return Book(tmp_path_factory.mktemp("seminar") / "book", packages)


@pytest.fixture(scope="module")
def built(tmp_path_factory, packages) -> Book:
    """A book that has been built; tests that take it only look, or build it again."""
    book = Book(tmp_path_factory.mktemp("built") / "book", packages)
    book.result = book.build()
    book.fresh = book.files()
    return book
