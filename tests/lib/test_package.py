"""What is installed, for which Python, and under which version: the package says it once, the texts agree."""

import importlib
import importlib.metadata
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import implicit_bias
import numpy as np
import pytest
from implicit_bias import diagram
from implicit_bias.problems import noisy_digits

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOW, END = map(int, re.fullmatch(r">=3\.(\d+),<3\.(\d+)", PROJECT["requires-python"]).groups())
PYTHONS = [f"3.{minor}" for minor in range(LOW, END)]

ALONE = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {refused}:
            raise ImportError(name)

sys.meta_path.insert(0, Refuse())
import implicit_bias as ib, numpy as np
from implicit_bias import check, images, networks, features, spectrum
A, y = np.array([[1.0, 2.0, 0.0], [0.0, 1.0, 1.0]]), np.array([2.0, 1.0])
assert ib.nnls(A, y).converged
assert ib.flow_limit(A, y, ib.SignedHadamardPower(3), alpha=0.01).converged
assert ib.gradient_descent(A, y, ib.HadamardPower(2), alpha=0.1).converged
top = {{name.partition(".")[0] for name in sys.modules}} - sys.stdlib_module_names
print(*sorted(name for name in top if sys.modules[name] and getattr(sys.modules[name], "__file__", None)))
"""


def read(path):
    return (ROOT / path).read_text(encoding="utf-8")


def test_the_solvers_need_numpy_and_scipy_only():
    others = (
        set(importlib.metadata.packages_distributions()) - {"implicit_bias", "numpy", "scipy"} - sys.stdlib_module_names
    )
    assert {"matplotlib", "sklearn", "cvxpy", "ipywidgets"} <= others
    found = subprocess.run(
        [sys.executable, "-c", ALONE.format(refused=others)], capture_output=True, text=True, check=False
    )
    assert not found.returncode, found.stderr
    assert [name for name in found.stdout.split() if not name.startswith("_")] == ["implicit_bias", "numpy", "scipy"]


@pytest.mark.parametrize(
    "package, extra, call",
    [
        ("sklearn", "baselines", lambda: implicit_bias.lasso_path([[1.0]], [1.0], [0.1])),
        ("sklearn", "baselines", lambda: noisy_digits(10, label_noise=0, seed=0)),
        ("cvxpy", "baselines", lambda: implicit_bias.nuclear_norm(np.eye(4), np.ones(4), (2, 2))),
        ("sklearn", "baselines", lambda: importlib.import_module("implicit_bias.estimators")),
        ("distributed", "cluster", lambda: next(diagram._results([0], 20, 1, None, 1))),
        ("slidefig", "figures", lambda: importlib.import_module("implicit_bias.look")),
        ("matplotlib", "figures", lambda: importlib.import_module("implicit_bias.look")),
    ],
)
def test_what_is_missing_says_which_extra_brings_it(monkeypatch, package, extra, call):
    for name in list(sys.modules):
        if name.split(".")[0] in (package, "slidefig") or name in ("implicit_bias.look", "implicit_bias.estimators"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf"{package}\b.*\. .*pip install '\.\[{extra}\]'") as caught:
        call()
    assert caught.value.name.split(".")[0] == package
    assert extra in PROJECT["optional-dependencies"]


@pytest.mark.slow
def test_the_wheel_holds_the_library_and_its_figures_and_nothing_else(tmp_path):
    """Of a copy: a build leaves files behind."""
    for name in ("pyproject.toml", "README.md", "LICENSE", "LICENSE-TEXT"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    for source in (ROOT / "lib").rglob("*.*"):
        if "node_modules" not in source.parts and source.is_file() and source.suffix != ".pyc":
            copy = tmp_path / source.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(source.read_bytes())
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--wheel-dir", tmp_path, tmp_path], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = archive.read(next(name for name in names if name.endswith("METADATA"))).decode()
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {
        "implicit_bias",
        "slidefig",
        "implicit_bias_book",
    }
    files = {path.name for kind in ("*.py", "*.csv") for path in (ROOT / "lib" / "implicit_bias").glob(kind)}
    assert {"diagram.csv"} < files
    assert files | {"py.typed"} == {name.partition("/")[2] for name in names if name.startswith("implicit_bias/")}
    assert {"slidefig/static/explore.css", "slidefig/static/explore.js"} <= set(names)
    required = re.findall(r"^Requires-Dist: ([\w-]+)(?!.*extra ==)", metadata, re.M)
    assert required == ["numpy", "scipy"]


# --- One range of Pythons, one set of pins


def test_every_python_has_a_classifier():
    assert [name for name in PROJECT["classifiers"] if "Python" in name] == [
        f"Programming Language :: Python :: {version}" for version in PYTHONS
    ]
    assert f"{sys.version_info[0]}.{sys.version_info[1]}" in PYTHONS


@pytest.mark.parametrize(
    "path", ["README.md", "Makefile", "chapters/index.md", "chapters/making.md", "chapters/seminar/hub.md"]
)
def test_the_texts_name_the_same_pythons(path):
    ranges = re.findall(r"Python (3\.\d+) (?:to|or) (3\.\d+|later)", read(path))
    assert ranges and set(ranges) == {(PYTHONS[0], PYTHONS[-1])}


def test_the_workflow_tries_every_python():
    matrix = re.search(r"^ +python: \[(.*)\]$", read(".github/workflows/publish.yml"), re.M)[1]
    assert re.findall(r'"(.*?)"', matrix) == PYTHONS


@pytest.mark.parametrize("path", sorted((ROOT / ".github" / "workflows").glob("*.yml")), ids=lambda path: path.stem)
def test_a_workflow_calls_only_targets_that_there_are(path):
    called = re.findall(r"\bmake ([a-z-]+)$", path.read_text(encoding="utf-8"), re.M)
    assert called and set(called) <= set(re.findall(r"^([a-z-]+):", read("Makefile"), re.M))


def test_all_pythons_get_the_same_pins():
    pins = re.findall(r"^([\w.-]+)(?:\[[\w,-]+\])?==\S+", read("requirements.txt"), re.M)
    assert len(pins) > 100
    assert len(pins) == len(set(pins))


# --- One version


def test_the_version_is_that_of_the_package_everywhere():
    assert implicit_bias.__version__ == PROJECT["version"]
    assert re.findall(r"^version: (\S+)$", read("CITATION.cff"), re.M) == [PROJECT["version"]]


def test_the_version_and_the_changes_agree():
    """Between two releases the list begins with "Unreleased", and the version is the next one's, with .dev0."""
    newest, *older = re.findall(r"^## (\S+)", read("CHANGELOG.md"), re.M)
    version = PROJECT["version"]
    if newest == "Unreleased":
        assert version.endswith(".dev0")
        newest = version.removesuffix(".dev0")
    else:
        assert version == newest
    numbers = [tuple(map(int, number.split("."))) for number in (newest, *older)]
    assert numbers == sorted(numbers, reverse=True) and len(set(numbers)) == len(numbers)


def test_the_address_of_the_site_is_known_in_one_place():
    address = re.search(r'^  baseurl: "(.*)"', read("_config.yml"), re.M)[1]
    assert PROJECT.get("urls", {}) == ({"Homepage": address} if address else {})
