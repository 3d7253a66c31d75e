"""The library as a wheel in the site: ``pip install`` of its address is all that a notebook needs.

It is built from a copy of the sources, since a build leaves files behind, and only when they have changed.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from packaging.utils import canonicalize_name
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

DESCRIPTION = ("pyproject.toml", "README.md", "LICENSE", "LICENSE-TEXT")
EPOCH = "315532800"  # 1980, the first time that an archive can name: the bytes must not depend on when it is made
EXTRAS = "figures,baselines"  # what the chapters need


def project(root: Path) -> dict:
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def file_name(root: Path) -> str:
    about = project(root)
    return f"{canonicalize_name(about['name']).replace('-', '_')}-{about['version']}-py3-none-any.whl"


def requirement(root: Path, site: str) -> str:
    """What pip is asked for, to install the library from the site."""
    return f"{project(root)['name']}[{EXTRAS}] @ {site}/{file_name(root)}"


def sources(root: Path) -> list[Path]:
    inside = (root / "lib" / name for name in ("implicit_bias", "slidefig"))
    files = [path for folder in inside for path in folder.rglob("*") if path.is_file()]
    return [root / name for name in DESCRIPTION] + sorted(
        path for path in files if not {"__pycache__", "build", "node_modules"} & set(path.parts)
    )


def build(root: Path, folder: Path) -> Path:
    """Build the wheel in a folder, unless the one there is of the same sources."""
    wheel, note = folder / file_name(root), folder / "sources"
    files = {path.relative_to(root): path.read_bytes() for path in sources(root)}
    digest = hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()
    if wheel.exists() and note.exists() and note.read_text() == digest:
        return wheel
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as copy:
        for name, content in files.items():
            target = Path(copy, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
        done = subprocess.run(
            [*pip, "--disable-pip-version-check", "--wheel-dir", str(folder.resolve()), copy],
            env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    if done.returncode or not wheel.exists():
        raise ExtensionError(f"[book] the wheel of the library could not be built:\n{done.stdout}")
    note.write_text(digest)
    return wheel


def is_made(app: Sphinx) -> bool:
    """Whether the book has a library; the tiny books of the tests have none."""
    return Path(app.srcdir, "pyproject.toml").exists()


def put_into_site(app: Sphinx, exception: Exception | None):
    if exception or app.builder.name != "html" or not is_made(app):
        return
    for old in Path(app.outdir).glob("*.whl"):
        old.unlink()
    shutil.copy(build(Path(app.srcdir), Path(app.outdir).parent / "wheel"), app.outdir)


def setup(app: Sphinx):
    app.connect("build-finished", put_into_site)
