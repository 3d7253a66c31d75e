"""Runs the chapters: once per state of the code they call, together, with progress, and never past an error."""

import asyncio
import contextlib
import functools
import hashlib
import logging
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import ClassVar

import myst_nb.core.execute
import nbformat
from myst_nb.core.execute.base import NotebookClientBase
from myst_nb.core.read import create_nb_reader
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError
from nbformat import NotebookNode
from sphinx.application import Sphinx

from book.dependencies import files_called, find_modules

WIDGET = "application/vnd.jupyter.widget-view+json"
# What the figures and numbers of a chapter depend on besides the code.
ENVIRONMENT = {
    "PYTHONHASHSEED": "0",
    "OPENBLAS_NUM_THREADS": "1",  # sums in one order on every machine; on small matrices threads only wait
    "SOURCE_DATE_EPOCH": "0",  # no dates in SVG files
}
SILENCE = 5.0  # a chapter that is still running says so after this many seconds


def digest(root: Path, files: list[Path]) -> str:
    """Hash of files, and of the names they have in the book."""
    found = hashlib.sha256()
    for path in files:
        found.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()


@functools.cache
def surroundings(root: Path) -> str:
    """What decides about every cell: the interpreter, its packages, how a kernel is set up."""
    kernel = sorted((root / "lib" / "book" / "ipython").rglob("*.py"))
    return sys.version + digest(root, [root / "requirements.txt", *kernel])


def key(root: Path, cells: list[str]) -> str:
    """Hash of all that decides what the cells of a chapter compute."""
    library = digest(root, files_called(cells, root / "lib"))
    return hashlib.sha256(repr([surroundings(root), library, cells]).encode()).hexdigest()


class ChapterClient(NotebookClientBase):
    """Takes the outputs of a chapter from where `execute_chapters` has put them.

    It stands in for MyST-NB's own client, which executes one chapter after the other, goes on after a failed cell,
    says nothing while it runs and tells the failure without the cell.
    """

    executed: ClassVar[dict[Path, Path]] = {}  # for each chapter, where its outputs are

    def start_client(self):
        if not code_cells(self.notebook):
            return
        executed = nbformat.read(self.executed[self.path], as_version=4)
        self.notebook.metadata["language_info"] = executed.metadata["language_info"]
        for cell, done in zip(code_cells(self.notebook), code_cells(executed), strict=True):
            cell.update(outputs=done.outputs, execution_count=done.execution_count)


class ChapterError(Exception):
    """A cell failed: which, how, and the traceback."""

    def __init__(self, chapter: "Chapter", number: int, what: str, traceback: str = ""):
        chapter.outputs.unlink(missing_ok=True)  # it runs first the next time
        first_line = next((line for line in chapter.cells[number - 1].source.splitlines() if line.strip()), "")
        super().__init__(
            f"[book] {chapter.name} failed in cell {number}: {first_line}\n{traceback}\n"
            f"[book] {chapter.name}, cell {number}: {what}"
        )


class Chapter:
    """A notebook to be executed; it says how far it is, and what went wrong."""

    def __init__(self, name: str, path: Path, notebook: NotebookNode, key: str, outputs: Path):
        self.name, self.path = name, path  # name: chapter 2 of 7, chapters/sparse_recovery
        self.notebook, self.key, self.outputs = notebook, key, outputs
        self.cells = code_cells(notebook)
        self.running = None  # number of the cell

    def is_done(self) -> bool:
        """Whether there are outputs of these cells, and of the code they call."""
        return self.outputs.exists() and nbformat.read(self.outputs, as_version=4).metadata.get("book") == self.key

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
            coalesce_streams=True,  # how a kernel cuts up what a cell prints depends on the moment
            shutdown_kernel="immediate",  # a kernel that is asked to end interrupts its cell, with a traceback of that
        )
        try:
            self.running = 1
            await client.async_execute()
        except CellExecutionError as error:
            raise ChapterError(self, self.running, f"{error.ename}: {error.evalue}", error.traceback) from None
        except CellTimeoutError:
            raise ChapterError(self, self.running, f"no end after {client.timeout} s") from None
        except RuntimeError:  # from nbclient, or before a cell has begun from its client
            if asyncio.current_task().cancelling():  # which nbclient takes for that
                raise asyncio.CancelledError from None
            raise ChapterError(self, self.running, "the kernel died, perhaps for want of memory") from None
        for number, cell in enumerate(self.cells, 1):
            if any(WIDGET in output.get("data", {}) for output in cell.outputs):
                raise ChapterError(self, number, "shows a widget, which is dead on a page; use explore()")
        self.running = None
        self.notebook.metadata["book"] = self.key
        self.outputs.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(self.notebook, self.outputs)
        say(f"{self.name}: done in {time.monotonic() - started:.1f} s")


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def chapters_called(app: Sphinx, env, added: set[str], changed: set[str], removed: set[str]) -> list[str]:
    """The chapters whose own text is as it was, but not the code they call."""
    executed, root = getattr(env, "executed", {}), Path(app.srcdir)
    return [name for name, (cells, done) in executed.items() if name in env.found_docs and key(root, cells) != done]


def execute_chapters(app: Sphinx, env, docnames: list[str]):
    """Execute those chapters to be read of which there are no outputs, as many at a time as there are cores."""
    notebooks = {}
    for docname in docnames:
        path = Path(env.doc2path(docname))
        text = path.read_text(encoding="utf-8")
        reader = create_nb_reader(str(path), env.myst_config, env.mystnb_config, text)
        notebook = reader and reader.read(text)
        if notebook and code_cells(notebook):
            notebooks[docname] = path, notebook
    called = {docname: [cell.source for cell in code_cells(notebook)] for docname, (_, notebook) in notebooks.items()}
    keys = {docname: key(Path(app.srcdir), cells) for docname, cells in called.items()}
    outputs = Path(app.outdir).parent / "outputs"
    chapters = [
        Chapter(
            f"chapter {k} of {len(notebooks)}, {docname}", path, notebook, keys[docname], outputs / f"{docname}.ipynb"
        )
        for k, (docname, (path, notebook)) in enumerate(notebooks.items(), 1)
    ]
    stale = [chapter for chapter in chapters if not chapter.is_done()]
    if stale:
        # What was never executed, or failed, is what somebody waits for; then the longest, so that none is alone at the end.
        stale.sort(key=lambda chapter: (chapter.outputs.exists(), -len(chapter.cells)))
        started = time.monotonic()
        try:
            asyncio.run(execute_together(stale, env.mystnb_config.execution_timeout))
        except ChapterError as error:
            stop(str(error))
        except asyncio.CancelledError:
            stop("[book] interrupted in " + "; ".join(f"{c.name}, cell {c.running}" for c in stale if c.running))
        say(f"{len(stale)} of {len(notebooks)} chapters executed in {time.monotonic() - started:.0f} s")
    ChapterClient.executed = {chapter.path: chapter.outputs for chapter in chapters}
    before = {docname: done for docname, done in getattr(env, "executed", {}).items() if docname not in docnames}
    env.executed = before | {docname: (called[docname], keys[docname]) for docname in notebooks}


async def execute_together(chapters: list[Chapter], timeout: int):
    cores = asyncio.Semaphore(os.cpu_count() or 1)
    loop, whole = asyncio.get_running_loop(), asyncio.current_task()
    with contextlib.suppress(NotImplementedError):  # on Windows
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, whole.cancel)
    # Else nbclient puts its own in their place: these end one kernel, and the others run on.
    loop.add_signal_handler = loop.remove_signal_handler = lambda *_: None

    async def execute(chapter: Chapter):
        async with cores:
            await chapter.execute(timeout)

    try:
        async with asyncio.TaskGroup() as group:  # at the first failure it ends the other kernels
            for chapter in chapters:
                group.create_task(execute(chapter))
    except* ChapterError as errors:
        failure = errors.exceptions[0]
    else:
        return
    finally:
        del loop.add_signal_handler, loop.remove_signal_handler  # the loop takes ours away when it closes
    raise failure


def say(text: str):
    print("[book]", text, flush=True)  # not through Sphinx, which -q makes silent


def stop(message: str):
    """End the build with exit code 1, whatever its options.

    An exception would do so too, but Jupyter Book buries its message under a traceback of Sphinx.
    """
    print(message, file=sys.stderr, flush=True)
    sys.exit(1)


def read_library(app: Sphinx, config):
    """A page shows more of the library than it calls, links to entries for example: after any change all are written again."""
    root = Path(app.srcdir)
    config.library_digest = digest(root, sorted(find_modules(root / "lib").values()))


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
    app.add_config_value("library_digest", "", "html")
    app.connect("config-inited", read_library)
    app.connect("builder-inited", prepare_kernels)
    app.connect("env-get-outdated", chapters_called)
    app.connect("env-before-read-docs", execute_chapters)
