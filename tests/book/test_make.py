"""``make book`` builds when something has changed, and only then."""

import os
import shutil
import subprocess

import pytest

from tests.shared import ROOT

BUILD = """#!/bin/sh
echo built >> .log
mkdir -p _build/html chapters/__pycache__
sh .during
touch chapters/__pycache__/a.pyc _build/html/index.html
[ ! -e .broken ]
"""


class Folder:
    def __init__(self, path):
        self.path = path
        for file in ("Makefile", "requirements.txt", "pyproject.toml"):
            shutil.copy(ROOT / file, path)
        for file in ("_config.yml", "chapters/one.md", "chapters/part/a page.md", ".venv/installed", ".during"):
            self.touch(file)
        self.touch(program := ".venv/bin/jupyter-book")
        (path / program).write_text(BUILD)
        (path / program).chmod(0o755)

    def touch(self, file):
        (self.path / file).parent.mkdir(parents=True, exist_ok=True)
        (self.path / file).touch()

    def make(self, **settings):
        """How often one call of make builds."""
        (self.path / ".log").write_text("")
        environment = {name: value for name, value in os.environ.items() if name not in ("LIVE", "PDF", "SOLUTIONS")}
        self.status = subprocess.run(["make", "book"], cwd=self.path, env=environment | settings).returncode
        return (self.path / ".log").read_text().count("built")


@pytest.fixture
def folder(tmp_path):
    folder = Folder(tmp_path)
    assert folder.make() == 1 and folder.status == 0
    assert folder.make() == 0 and folder.status == 0
    return folder


@pytest.mark.parametrize("file", ["_config.yml", "chapters/one.md", "chapters/part/a page.md", ".venv/installed"])
def test_a_changed_file_is_built(folder, file):
    folder.touch(file)
    assert folder.make() == 1
    assert folder.make() == 0


def test_a_new_and_a_lost_file_are_built(folder):
    folder.touch("chapters/part/three.md")
    assert folder.make() == 1 and folder.make() == 0
    (folder.path / "chapters/part/three.md").unlink()
    assert folder.make() == 1 and folder.make() == 0


def test_what_a_run_leaves_behind_is_not_built(folder):
    for file in (
        "chapters/.ipynb_checkpoints/one.md",
        "chapters/part/__pycache__/a.pyc",
        "_build/pdf/book.pdf",
        ".ruff_cache/a",
    ):
        folder.touch(file)
    assert folder.make() == 0


@pytest.mark.parametrize("name, value", [("LIVE", "1"), ("PDF", "yes"), ("SOLUTIONS", "3")])
def test_other_settings_are_built(folder, name, value):
    assert folder.make(**{name: value}) == 1
    assert folder.make(**{name: value}) == 0
    assert folder.make() == 1


def test_a_site_that_is_gone_is_built(folder):
    shutil.rmtree(folder.path / "_build/html")
    assert folder.make() == 1


def test_a_build_that_failed_is_repeated(folder):
    folder.touch(".broken")
    folder.touch("chapters/one.md")
    assert folder.make() == 1 and folder.status
    assert folder.make() == 1 and folder.status
    (folder.path / ".broken").unlink()
    assert folder.make() == 1 and not folder.status
    assert folder.make() == 0


def test_what_changes_during_a_build_is_built_by_the_next(folder):
    folder.touch("chapters/one.md")
    (folder.path / ".during").write_text("sleep .05; touch chapters/one.md")
    assert folder.make() == 1
    (folder.path / ".during").write_text("")
    assert folder.make() == 1
    assert folder.make() == 0
