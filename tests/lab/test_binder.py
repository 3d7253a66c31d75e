"""What repo2docker does with this repository, as far as that can be tried without Docker."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
from pathlib import Path

import pytest

from tests.shared import ROOT

BINDER = ROOT / ".binder"


def run(*command, **options):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_the_python_is_one_that_the_book_takes():
    major, minor = re.fullmatch(r"python-(\d+)\.(\d+)\n", (BINDER / "runtime.txt").read_text()).groups()
    requires = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    least, below = (tuple(map(int, version)) for version in re.findall(r"(\d+)\.(\d+)", requires))
    assert least <= (int(major), int(minor)) < below


def test_it_installs_the_pins_of_the_book_and_nothing_else():
    """The environment of the tests has them all, so that nothing is left to download."""
    said = run(
        *(sys.executable, "-m", "pip", "install", "--dry-run", "--no-index", "--require-hashes"),
        *("-r", BINDER / "requirements.txt"),
        cwd=ROOT,
    )
    assert "Would install" not in said


def test_it_installs_the_library_as_make_does():
    step = "-m pip install --quiet --no-deps --no-build-isolation -e ."
    assert step in (ROOT / "Makefile").read_text()
    assert step in (BINDER / "postBuild").read_text()


def test_a_kernel_in_the_image_has_one_thread():
    """repo2docker runs every command of a container through this file."""
    command = "import os; print(os.environ['OPENBLAS_NUM_THREADS'])"
    assert run(BINDER / "start", sys.executable, "-c", command) == "1\n"


@pytest.mark.slow
def test_the_last_step_of_the_build_runs(tmp_path):
    copy, environment = tmp_path / "copy", tmp_path / "environment"
    files = ["pyproject.toml", "README.md", "LICENSE", "LICENSE-TEXT", "requirements.txt"]
    copy.mkdir()
    for name in files:
        shutil.copy(ROOT / name, copy)
    for folder in ("lib", ".binder"):
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / folder, copy / folder, ignore=ignored)
    venv.create(environment, with_pip=False)
    python = environment / "bin" / "python"
    own = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    Path(own, "packages_of_the_tests.pth").write_text(sysconfig.get_path("purelib") + "\n")
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    variables |= {"PATH": f"{environment / 'bin'}{os.pathsep}{os.environ['PATH']}"}

    run(copy / ".binder" / "postBuild", cwd=copy, env=variables)

    where = run(python, "-c", "from implicit_bias import check; print(check.__file__)", cwd=tmp_path, env=variables)
    assert where.strip() == str(copy / "lib" / "implicit_bias" / "check.py")
    settings = environment / "share" / "jupyter" / "lab" / "settings" / "overrides.json"
    assert settings.read_bytes() == (ROOT / "lib" / "book" / "lab" / "overrides.json").read_bytes()
