"""Whoever builds the book gets the same site, byte by byte."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


def files(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_clean_build_elsewhere_gives_the_same_bytes(site, tmp_path):
    elsewhere = tmp_path / "some where else"
    shutil.copytree(ROOT, elsewhere, ignore=shutil.ignore_patterns(".*", "_build", "__pycache__", "*.egg-info"))
    (elsewhere / "_build").mkdir()
    (elsewhere / "_build" / "npm").symlink_to(ROOT / "_build" / "npm")  # no network
    result = subprocess.run(
        [Path(sys.executable).with_name("jupyter-book"), "build", ".", "-W", "-n", "--keep-going", "-q"],
        cwd=elsewhere,
        env={**os.environ, "PYTHONHASHSEED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert result.returncode == 0, result.stdout
    here, there = files(site), files(elsewhere / "_build" / "html")
    assert here.keys() == there.keys()
    assert [name for name in here if here[name] != there[name]] == [], "if you have not just run make clean book, do"
    assert [name for name in there if str(tmp_path).encode() in there[name]] == []
