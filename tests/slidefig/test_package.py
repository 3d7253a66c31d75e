"""slidefig is a package of its own, and in the book it is found without being installed."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import slidefig

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "lib" / "slidefig"
TRY = """\
import sys
sys.path.insert(0, sys.argv[1])
import slidefig
assert slidefig.__file__.startswith(sys.argv[1])
assert not {"docutils", "ipywidgets", "implicit_bias", "book"} & set(sys.modules)
def draw(fig, m=1):
    "A line."
    fig.subplots().plot([0, m])
shown = slidefig.explore(draw, m=[1, 2])._repr_mimebundle_()["text/html"]
assert "<script data-slidefig>" in shown and "<svg" in shown
"""


def test_the_book_finds_it_where_it_is():
    assert Path(slidefig.__file__).parent == SOURCE


def test_its_licence_is_that_of_the_code_of_the_book():
    assert (SOURCE / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


@pytest.mark.slow
def test_it_can_be_installed_alone(tmp_path):
    ignored = shutil.ignore_patterns("__pycache__", "build", "*.egg-info")
    shutil.copytree(SOURCE, tmp_path / "copy", ignore=ignored)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    target = tmp_path / "packages"
    subprocess.run([*command, "--target", target, tmp_path / "copy"], check=True, capture_output=True)
    installed = {path.name for path in (target / "slidefig").rglob("*") if path.is_file() and path.suffix != ".pyc"}
    assert installed == {path.name for path in SOURCE.glob("*.py")} | {"explore.css", "explore.js"}
    assert [path.name for path in target.iterdir() if path.suffix != ".dist-info"] == ["slidefig"]
    subprocess.run([sys.executable, "-I", "-c", TRY, target], cwd=tmp_path, check=True)
