"""Runs the chapters: once per state of the code they call, together, with progress, and never past an error."""

import asyncio
import hashlib
import logging
import os
import shutil
import sys
import time
from pathlib import Path

import myst_nb.core.execute
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from myst_nb.core.execute.base import NotebookClientBase
from myst_nb.core.read import create_nb_reader
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from sphinx.application import Sphinx

WIDGET = "application/vnd.jupyter.widget-view+json"
# What the figures and numbers of a chapter depend on besides the code.
ENVIRONMENT = {
    "PYTHONHASHSEED": "0",
    "OPENBLAS_NUM_THREADS": "1",  # sums in one order on every machine; on small matrices threads only wait
    "SOURCE_DATE_EPOCH": "0",  # no dates in SVG files
}
SILENCE = 5.0  # a chapter that is still running says so after this many seconds


def fingerprint(root: Path) -> str:
    """Hash of all that decides what a cell computes, besides the cells themselves."""
    digest = hashlib.sha256(sys.version.encode())
    folders = [root / "lib" / folder for folder in ("implicit_bias", "slidefig", "book/ipython")]
    code = [path for folder in folders for path in folder.rglob("*.py")]
    for path in [root / "requirements.txt", *sorted(code)]:
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


class ChapterClient(NotebookClientBase):
    """Takes the outputs of a chapter from the cache, where `execute_chapters` has put them.

    It stands in for MyST-NB's own client, which executes one chapter after the other, goes on after a failed cell,
    says nothing while it runs and tells the failure without the cell.
    """

    def start_client(self):
        if code_cells(self.notebook):
            cache = get_cache(self.nb_config.execution_cache_path)
            _, self._notebook = cache.merge_match_into_notebook(self.notebook)


class ChapterError(Exception):
    """A cell failed: which, how, and the traceback."""

    def __init__(self, chapter: "Chapter", number: int, what: str, traceback: str = ""):
        first_line = next((line for line in chapter.cells[number - 1].source.splitlines() if line.strip()), "")
        super().__init__(
            f"[book] {chapter.name} failed in cell {number}: {first_line}\n{traceback}\n"
            f"[book] {chapter.name}, cell {number}: {what}"
        )


class Chapter:
    """A notebook to be executed; it says how far it is, and what went wrong."""

    def __init__(self, name: str, path: Path, notebook: NotebookNode):
        self.name, self.path, self.notebook = name, path, notebook  # name: chapter 2 of 7, chapters/sparse_recovery
        self.cells = code_cells(notebook)
        self.running = None  # number of the cell

    async def execute(self, timeout: int):
        places = [k for k, cell in enumerate(self.notebook.cells) if cell.cell_type == "code"]
        started = spoken = time.monotonic()

        def on_cell_execute(cell, cell_index):
            nonlocal spoken
            self.running = places.index(cell_index) + 1
            if time.monotonic() - spoken > SILENCE:
                spoken = time.monotonic()
                say(f"{self.name}: cell {self.running} of {len(self.cells)}, {spoken - started:.0f} s so far")

        say(f"{self.name}: executing {len(self.cells)} cells")
        client = NotebookClient(
            self.notebook,
            timeout=timeout,
            kernel_name="python3",
            resources={"metadata": {"path": str(self.path.parent)}},
            record_timing=False,
            extra_arguments=["--log-level=ERROR"],  # else each kernel warns that it listens on this machine
            on_cell_execute=on_cell_execute,
        )
        try:
            await client.async_execute()
        except CellExecutionError as error:
            raise ChapterError(self, self.running, f"{error.ename}: {error.evalue}", error.traceback) from None
        except CellTimeoutError:
            raise ChapterError(self, self.running, f"no end after {client.timeout} s") from None
        except DeadKernelError:
            raise ChapterError(self, self.running, "the kernel died, perhaps for want of memory") from None
        except AssertionError:  # at Ctrl-C nbclient ends the kernel, then misses it
            raise KeyboardInterrupt from None
        for number, cell in enumerate(self.cells, 1):
            if any(WIDGET in output.get("data", {}) for output in cell.outputs):
                raise ChapterError(self, number, "shows a widget, which is dead on a page; use explore()")
        self.running = None
        say(f"{self.name}: done in {time.monotonic() - started:.1f} s")


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def execute_chapters(app: Sphinx, env, docnames: list[str]):
    """Execute those chapters to be read whose outputs are not in the cache, as many at a time as there are cores."""
    cache = get_cache(env.mystnb_config.execution_cache_path)
    notebooks = {}
    for docname in docnames:
        path = Path(env.doc2path(docname))
        text = path.read_text(encoding="utf-8")
        reader = create_nb_reader(str(path), env.myst_config, env.mystnb_config, text)
        notebook = reader and reader.read(text)
        if notebook and code_cells(notebook):
            notebooks[docname] = path, notebook
    stale = []
    for k, (docname, (path, notebook)) in enumerate(notebooks.items(), 1):
        try:
            cache.match_cache_notebook(notebook)
        except KeyError:
            stale.append(Chapter(f"chapter {k} of {len(notebooks)}, {docname}", path, notebook))
    if not stale:
        return
    started = time.monotonic()
    # The longest first, so that none is left to run alone at the end.
    stale.sort(key=lambda chapter: -len(chapter.cells))
    try:
        asyncio.run(execute_together(stale, cache, env.mystnb_config.execution_timeout))
    except ChapterError as error:
        stop(str(error))
    except KeyboardInterrupt:
        stop("[book] interrupted in " + "; ".join(f"{c.name}, cell {c.running}" for c in stale if c.running))
    say(f"{len(stale)} of {len(notebooks)} chapters executed in {time.monotonic() - started:.0f} s")


async def execute_together(chapters: list[Chapter], cache, timeout: int):
    cores = asyncio.Semaphore(os.cpu_count() or 1)

    async def execute(chapter: Chapter):
        async with cores:
            await chapter.execute(timeout)
        bundle = CacheBundleIn(chapter.notebook, str(chapter.path))
        cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)

    try:
        async with asyncio.TaskGroup() as group:  # at the first failure it ends the other kernels
            for chapter in chapters:
                group.create_task(execute(chapter))
    except* ChapterError as errors:
        failure = errors.exceptions[0]
    else:
        return
    raise failure


def say(text: str):
    print("[book]", text, flush=True)  # not through Sphinx, which -q makes silent


def stop(message: str):
    """End the build with exit code 1, whatever its options.

    An exception would do so too, but Jupyter Book buries its message under a traceback of Sphinx.
    """
    print(message, file=sys.stderr, flush=True)
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


def setup(app: Sphinx):
    logging.getLogger("traitlets").setLevel(logging.WARNING)  # our own lines tell what runs
    myst_nb.core.execute.NotebookClientCache = ChapterClient
    app.connect("config-inited", choose_cache)
    app.connect("builder-inited", prepare_kernels)
    app.connect("env-before-read-docs", execute_chapters)
