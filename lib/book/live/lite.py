"""JupyterLite with the notebooks of a built site."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from sphinx.errors import ExtensionError

from book.live.parts import EXTENSIONS, KERNEL, LOCK

FOLDER = "jupyter"  # within that of everything live


def notebooks(site: Path) -> list[Path]:
    return sorted((site / "chapters").rglob("*.ipynb"))


def path(site: Path, notebook: Path) -> str:
    """Where JupyterLite has a notebook of the site."""
    return notebook.relative_to(site / "chapters").as_posix()


def build(site: Path, parts: Iterable[Path], work: Path):
    """Put JupyterLite into the folder ``live`` of a site, with its notebooks and the parts of Python.

    Parameters
    ----------
    site : Path
        Where below ``chapters`` the notebooks are.
    parts : iterable of Path
        As `book.live.parts.collect` returns them.
    work : Path
        A folder to work in.
    """
    source = work / "lite"
    shutil.rmtree(source, ignore_errors=True)
    pyodide, contents = source / "static" / "pyodide", source / "files"
    pyodide.mkdir(parents=True)
    for part in parts:
        shutil.copy(part, pyodide)
    for notebook in notebooks(site):
        copy = contents / path(site, notebook)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(notebook, copy)

    packages = json.loads((pyodide / LOCK).read_text(encoding="utf-8"))["packages"]
    kernel = {
        "disablePyPIFallback": True,
        "loadPyodideOptions": {
            "packages": sorted(packages),
            "env": {"HOME": "/home/pyodide", "IPYTHONDIR": "/lib/python3.14/site-packages/book_live_profile"},
        },
    }
    settings = {
        "jupyter-lite-schema-version": 0,
        "jupyter-config-data": {
            "appName": "The Implicit Bias of Gradient Descent",
            "exposeAppInBrowser": True,  # the tests ask it what it does
            "disabledExtensions": ["@jupyter-notebook/notebook-extension:checkpoints"],  # files have no dates here
            "litePluginSettings": {"@jupyterlite/pyodide-kernel-extension:kernel": kernel},
        },
    }
    options = {
        "LiteBuildConfig": {
            "apps": ["notebooks"],
            "contents": [str(contents)],
            "federated_extensions": [str(KERNEL), str(EXTENSIONS / "@jupyter-widgets" / "jupyterlab-manager")],
            "ignore_sys_prefix": ["federated_extensions"],
            "no_sourcemaps": True,
            "no_unused_shared_packages": True,
            "source_date_epoch": 315532800,
        }
    }
    (source / "jupyter-lite.json").write_text(json.dumps(settings), encoding="utf-8")
    (source / "jupyter_lite_config.json").write_text(json.dumps(options), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "jupyterlite_core", "build", "--output-dir", site / "live" / FOLDER],
        cwd=source,
        env={**os.environ, "JUPYTER_PREFER_ENV_PATH": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        raise ExtensionError(f"[book] JupyterLite could not be built:\n{done.stdout}")
