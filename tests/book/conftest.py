"""A tiny book, built with the real configuration and the real extension."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from book.mathematics import install_packages

ROOT = Path(__file__).parents[2]

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

import implicit_bias
import matplotlib.pyplot as plt
from myst_nb import glue

with open("../runs", "a") as runs:
    runs.write("run\\n")
glue("value", implicit_bias.VALUE, display=False)
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
        for name in ("_config.yml", "requirements.txt"):
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

    def runs(self) -> int:
        """How often the chapter has been executed."""
        return self.read("runs").count("run")

    def build(self, hash_seed: str = "0") -> subprocess.CompletedProcess:
        """Build as the README says it is done by hand."""
        program = Path(sys.executable).with_name("jupyter-book")
        return subprocess.run(
            [program, "build", ".", "-W", "-n", "--keep-going"],
            cwd=self.root,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


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
    return book
