"""What Python in the browser consists of, each part only with the hash that it must have.

- Pyodide, and the official list of its packages with their hashes, are the npm package ``pyodide``, pinned in
  ``package-lock.json``.
- The packages of that list which have compiled code, and what they need, come from the first source that has them: the
  folder in the variable ``PYODIDE``, the official distribution, an archive in which others pass them on. Wherever a file
  comes from, its hash has to be the one in the list.
- The kernel and the widgets are wheels of PyPI, pinned in ``wheels.txt``, and those which the package
  ``jupyterlite-pyodide-kernel`` brings.
- The library of the book is a wheel made of this checkout.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import urllib.request
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from sphinx.errors import ExtensionError

from book import wheel
from book.mathematics import install_packages

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
EXTENSIONS = Path(sysconfig.get_path("data")) / "share" / "jupyter" / "labextensions"
KERNEL = EXTENSIONS / "@jupyterlite" / "pyodide-kernel-extension"

LOCK = "pyodide-lock.json"
CORE = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip")
OFFICIAL = ("numpy", "scipy", "matplotlib", "scikit-learn", "micropip")
OF_KERNEL = ("piplite", "pyodide_kernel", "ipykernel", "widgetsnbextension-4")
DISTRIBUTION = "https://cdn.jsdelivr.net/pyodide/v{version}/full/"
SECONDS = 20  # that the official distribution may be silent

Source = Callable[[str], bytes | None]  # the content of the file with this name, if it has one


def collect(folder: Path) -> list[Path]:
    """The files of Pyodide, of the kernel and of the library, below `folder`, where they stay for the next build."""
    if not KERNEL.exists():
        raise ExtensionError("[book] Python in the page needs what make live installs: run make live")
    npm = install_packages(folder, HERE) / "pyodide"
    version = json.loads((npm / "package.json").read_text(encoding="utf-8"))["version"]
    lock = json.loads((npm / LOCK).read_text(encoding="utf-8"))

    target = folder / "pyodide"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for name in CORE:
        shutil.copy(npm / name, target)
    packages = needed(lock["packages"], OFFICIAL)
    wanted = {package["file_name"]: package["sha256"] for package in packages.values()}
    for file in official_files(wanted, folder, version):
        shutil.copy(file, target)

    wheels = [file for name in OF_KERNEL for file in (KERNEL / "static" / "pypi").glob(f"{name}*.whl")]
    wheels += downloaded(folder, "wheels", "3.14").glob("*.whl")
    wheels += [wheel.build(ROOT, folder / "library"), startup(folder)]
    for file in wheels:
        shutil.copy(file, target)
        name, version, *_ = file.name.split("-")
        packages[name.replace("_", "-").lower()] = {
            "name": name.replace("_", "-").lower(),
            "version": version,
            "file_name": file.name,
            "sha256": sha256(file.read_bytes()),
            "install_dir": "site",
            "package_type": "package",
            "depends": [],
            "imports": [],
            "unvendored_tests": False,
        }
    text = json.dumps({"info": lock["info"], "packages": packages}, sort_keys=True)
    (target / LOCK).write_text(text, encoding="utf-8")
    return sorted(target.iterdir())


def needed(packages: dict[str, dict], names: Iterable[str]) -> dict[str, dict]:
    """The entries of packages, and of all they need."""
    found, waiting = {}, list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = packages[name]
            waiting += packages[name]["depends"]
    return found


# --- The official files


def official_files(wanted: dict[str, str], folder: Path, version: str) -> list[Path]:
    """The files with these names and hashes, kept in `folder`, else from the first source that has them as they must be."""
    kept = folder / "official"
    kept.mkdir(exist_ok=True)
    missing = [name for name, digest in wanted.items() if not is_right(kept / name, digest)]
    for source in sources(folder, version) if missing else ():
        for name in list(missing):
            content = source(name)
            if content is not None and sha256(content) == wanted[name]:
                (kept / name).write_bytes(content)
                missing.remove(name)
        if not missing:
            break
    if missing:
        raise ExtensionError(
            f"[book] nowhere was there, with the official hash, {', '.join(missing)}: "
            f"unpack the release {version} of Pyodide, and run make live PYODIDE=its folder"
        )
    return [kept / name for name in wanted]


def is_right(file: Path, digest: str) -> bool:
    return file.exists() and sha256(file.read_bytes()) == digest


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def sources(folder: Path, version: str) -> Iterator[Source]:
    if given := os.environ.get("PYODIDE"):
        yield from_folder(Path(given))
    yield from_distribution(DISTRIBUTION.format(version=version))
    yield from_archive(folder)


def from_folder(given: Path) -> Source:
    return lambda name: (given / name).read_bytes() if (given / name).exists() else None


def from_distribution(address: str) -> Source:
    unheard = False

    def read(name):
        nonlocal unheard
        if unheard:
            return None
        try:
            with urllib.request.urlopen(address + name, timeout=SECONDS) as answer:
                return answer.read()
        except OSError:  # whoever cannot be reached for one file is not asked for the others
            unheard = True
            return None

    return read


def from_archive(folder: Path) -> Source:
    archive = zipfile.ZipFile(next(downloaded(folder, "archive", "3.12").glob("*.whl")))
    names = {name.rpartition("/")[2]: name for name in archive.namelist()}
    return lambda name: archive.read(names[name]) if name in names else None


# --- Wheels


def downloaded(folder: Path, pins: str, python: str) -> Path:
    """The folder with the wheels that ``pins.txt`` names: pip compares their hashes when it downloads them."""
    text = HERE / f"{pins}.txt"
    target = folder / f"{pins}-{sha256(text.read_bytes())[:12]}"
    if not target.exists():
        coming = folder / f"{pins}-coming"
        shutil.rmtree(coming, ignore_errors=True)
        of = ["--only-binary=:all:", "--platform=any", f"--python-version={python}"]
        pip("download", "--require-hashes", *of, "-d", coming, "-r", text)
        coming.rename(target)
    return target


def startup(folder: Path) -> Path:
    """A wheel with the profile in which a kernel in the browser starts."""
    wheel = folder / "book_live_profile-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted((HERE / "ipython").rglob("*.py")):
            name = f"book_live_profile/{file.relative_to(HERE / 'ipython').as_posix()}"
            archive.writestr(zipfile.ZipInfo(name), file.read_bytes())
        metadata = "Metadata-Version: 2.1\nName: book-live-profile\nVersion: 1\n"
        archive.writestr(zipfile.ZipInfo("book_live_profile-1.dist-info/METADATA"), metadata)
    return wheel


def pip(command: str, *arguments: object, **environment: str):
    """Run pip, which takes nothing along that is not named."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", command, "--no-deps", "--quiet", *map(str, arguments)],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        raise ExtensionError(f"[book] pip {command} failed:\n{done.stdout}")
