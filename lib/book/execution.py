"""Runs the chapters: once per state of the code they call, with progress, and never past an error."""

import hashlib
import logging
import os
import shutil
import sys
import time
from pathlib import Path
from typing import ClassVar

import myst_nb.core.execute
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from myst_nb.core.execute.base import NotebookClientBase
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from sphinx.application import Sphinx

WIDGET = "application/vnd.jupyter.widget-view+json"
# What the figures and numbers of a chapter depend on besides the code.
ENVIRONMENT = {
    "IMPLICIT_BIAS_FIGURES": "static",  # explore() draws for a page, not for a live kernel
    "PYTHONHASHSEED": "0",
    "OPENBLAS_NUM_THREADS": "1",  # sums in one order on every machine; on small matrices threads only wait
    "SOURCE_DATE_EPOCH": "0",  # no dates in SVG files
}
SILENCE = 5.0  # a chapter that is still running says so after this many seconds


def fingerprint(root: Path) -> str:
    """Hash of all that decides what a cell computes, besides the cells themselves."""
    digest = hashlib.sha256(sys.version.encode())
    code = [*(root / "lib" / "implicit_bias").rglob("*.py"), *(root / "lib" / "book" / "ipython").rglob("*.py")]
    for path in [root / "requirements.txt", *sorted(code)]:
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def first_line(cell) -> str:
    return next((line for line in cell.source.splitlines() if line.strip()), "")


class ChapterClient(NotebookClientBase):
    """Takes the outputs of a chapter from the cache, or executes it.

    It stands in for MyST-NB's own client, which goes on after a failed cell, says nothing while it runs and
    tells the failure without the cell.
    """

    started: ClassVar[float]
    chapters: ClassVar[dict[Path, str]]  # path: "chapter 2 of 7, chapters/sparse_recovery"

    def start_client(self):
        if not any(cell.cell_type == "code" for cell in self.notebook.cells):
            return
        name = self.chapters[self.path]
        cache = get_cache(self.nb_config.execution_cache_path)
        try:
            _, self._notebook = cache.merge_match_into_notebook(self.notebook)
        except KeyError:
            self.execute(name)
            cache.cache_notebook_bundle(
                CacheBundleIn(self.notebook, str(self.path)), check_validity=False, overwrite=True
            )
        self.refuse_dead_widgets(name)

    def execute(self, name: str):
        cells = [cell for cell in self.notebook.cells if cell.cell_type == "code"]
        numbers = {self.notebook.cells.index(cell): k for k, cell in enumerate(cells, 1)}
        started = spoken = time.monotonic()
        running = 0

        def on_cell_execute(cell, cell_index):
            nonlocal running, spoken
            running = numbers[cell_index]
            if time.monotonic() - spoken > SILENCE:
                spoken = time.monotonic()
                say(f"{name}: cell {running} of {len(cells)}, {spoken - started:.0f} s so far")

        say(f"{name}: executing {len(cells)} cells")
        client = NotebookClient(
            self.notebook,
            timeout=self.nb_config.execution_timeout,
            kernel_name="python3",
            resources={"metadata": {"path": str(self.path.parent)}},
            record_timing=False,
            extra_arguments=["--log-level=ERROR"],  # else each kernel warns that it listens on this machine
            on_cell_execute=on_cell_execute,
        )
        try:
            client.execute()
        except CellExecutionError as error:
            stop(name, f"cell {running}", cells[running - 1], f"{error.ename}: {error.evalue}", error.traceback)
        except CellTimeoutError:
            stop(name, f"cell {running}", cells[running - 1], f"no end after {client.timeout} s")
        except DeadKernelError:
            stop(name, f"cell {running}", cells[running - 1], "the kernel died, perhaps for want of memory")
        except (KeyboardInterrupt, AssertionError):  # at Ctrl-C nbclient ends the kernel, then misses it
            sys.exit(f"[book] interrupted in {name}, cell {running}")
        done = time.monotonic()
        say(f"{name}: done in {done - started:.1f} s ({done - self.started:.0f} s since the build began)")

    def refuse_dead_widgets(self, name: str):
        cells = [cell for cell in self.notebook.cells if cell.cell_type == "code"]
        for number, cell in enumerate(cells, 1):
            if any(WIDGET in output.get("data", {}) for output in cell.outputs):
                stop(name, f"cell {number}", cell, "shows a widget, which is dead on a page; use explore()")


def say(text: str):
    print("[book]", text, flush=True)  # not through Sphinx, which -q makes silent


def stop(name: str, where: str, cell, what: str, traceback: str = ""):
    """End the build with exit code 1, whatever its options.

    An exception would do so too, but Jupyter Book buries its message under a traceback of Sphinx.
    """
    text = f"[book] {name} failed in {where}: {first_line(cell)}\n{traceback}\n[book] {name}, {where}: {what}"
    print(text, file=sys.stderr, flush=True)
    sys.exit(1)


def choose_cache(app: Sphinx, config):
    """Use one cache per fingerprint.

    Sphinx keeps this path in its environment, so a new fingerprint also makes it read every page again.
    """
    caches = Path(app.outdir).parent / "outputs"
    current = caches / fingerprint(Path(app.srcdir))
    for stale in caches.glob("*"):
        if stale != current:
            shutil.rmtree(stale)
    config.nb_execution_cache_path = str(current)


def prepare_kernels(app: Sphinx):
    """Set what the kernels inherit."""
    root = Path(app.srcdir)
    ipython = Path(app.outdir).parent / "ipython"
    shutil.copytree(Path(__file__).parent / "ipython", ipython, dirs_exist_ok=True)  # a copy: kernels write into it
    lib = os.pathsep.join(filter(None, [str(root / "lib"), os.environ.get("PYTHONPATH")]))
    os.environ.update(
        ENVIRONMENT,
        PYTHONPATH=lib,  # this checkout, even if another one is installed
        IPYTHONDIR=str(ipython),  # ours, not the user's with his start-up files
    )


def number_chapters(app: Sphinx, env, docnames: list[str]):
    paths = [Path(env.doc2path(docname)) for docname in docnames]
    notebooks = [path for path in paths if "{code-cell}" in path.read_text(encoding="utf-8")]
    ChapterClient.started = time.monotonic()
    ChapterClient.chapters = {
        path: f"chapter {k} of {len(notebooks)}, {env.path2doc(str(path))}" for k, path in enumerate(notebooks, 1)
    }


def setup(app: Sphinx):
    logging.getLogger("traitlets").setLevel(logging.WARNING)  # our own lines tell what runs
    myst_nb.core.execute.NotebookClientCache = ChapterClient
    app.connect("config-inited", choose_cache)
    app.connect("builder-inited", prepare_kernels)
    app.connect("env-before-read-docs", number_chapters)
