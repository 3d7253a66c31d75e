"""Marks one submitted notebook.

The notebook runs in a kernel of its own, in a folder that is thrown away, if it can be within the walls of bubblewrap. The
kernel is asked what was handed to the checks, and the checks judge that here, where no line of the notebook runs. Nothing
that a notebook prints is looked at.
"""

import ast
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from queue import Empty

import nbformat
import psutil
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError

from ._kernel import CHECKS, MEMORY

PROCESSES = 25  # of one notebook at a time
DISK = 256 * 2**20  # bytes of the folder that is thrown away, within the walls
TOTAL = 5  # the time for a notebook, in units of that for a cell
WORK = "work"


nbformat.validate(nbformat.v4.new_notebook())  # what it compiles, a process that is forked from this one has


class OutOfTime(BaseException):
    """A function that was handed in does not end. Not an Exception: a check takes those for a mistake in the function."""


class Client(NotebookClient):
    """Runs cells and does not look at what they show."""

    def process_message(self, msg, cell, cell_index):
        if msg["msg_type"] == "status":
            return super().process_message(msg, cell, cell_index)
        return None

    def ask(self, expression: str):
        """The value of an expression of `_kernel`, which returns JSON."""
        asked = f"__import__('implicit_bias._kernel', fromlist=['']).{expression}"
        answer = self.wait_for_reply(self.kc.execute("", silent=True, user_expressions={"it": asked}))
        if answer is None:
            raise OutOfTime
        it = answer["content"].get("user_expressions", {}).get("it", {})
        if it.get("status") != "ok":
            return None
        return json.loads(ast.literal_eval(it["data"]["text/plain"]))


class Watch(threading.Thread):
    """Ends a kernel that takes too long, too much memory or too many processes."""

    def __init__(self, seconds: float):
        super().__init__(daemon=True)
        self.seconds, self.over, self.reason = seconds, threading.Event(), None

    def run(self):
        deadline = time.monotonic() + self.seconds
        own = psutil.Process()
        while not self.over.wait(0.2):
            running = own.children(recursive=True)
            memory = 0
            for process in running:
                with contextlib.suppress(psutil.Error):
                    memory += process.memory_info().rss
            if len(running) > PROCESSES:
                self.reason = "processes"
            elif memory > 1.5 * MEMORY:
                self.reason = "memory"
            elif time.monotonic() > deadline:
                self.reason = "time"
            if self.reason:
                for process in own.children():  # within walls this is all of them
                    with contextlib.suppress(psutil.Error):
                        process.kill()
                return


def walls(folder: Path) -> list[str]:
    """The call of bubblewrap, or nothing if it is not there or cannot work here."""
    program = shutil.which("bwrap")
    if not program or not sys.platform.startswith("linux"):
        return []
    packages = Path(__file__).parents[1]
    system = ["/usr", "/bin", "/lib", "/lib64", "/etc/alternatives", "/etc/fonts", "/etc/ld.so.cache"]
    seen = {
        str(path)
        for path in (*system, sys.prefix, sys.base_prefix, packages, *sys.path)
        if path and Path(path).exists()
    }
    call = [program, "--unshare-all", "--die-with-parent", "--new-session", "--proc", "/proc", "--dev", "/dev"]
    call += ["--size", str(DISK), "--tmpfs", "/tmp"]
    for path in sorted(seen):
        call += ["--ro-bind", path, path]
    call += ["--bind", str(folder), str(folder), "--size", str(DISK), "--tmpfs", str(folder / WORK)]
    call += ["--chdir", str(folder / WORK), "--unsetenv", "JPY_PARENT_PID"]  # by which a kernel looks for its parent
    tried = subprocess.run([*call, "true"], capture_output=True, check=False)
    return call if tried.returncode == 0 else []


def decode(client: Client, value):
    """What `_kernel.encode` has written."""
    if isinstance(value, list):
        return [decode(client, entry) for entry in value]
    if not isinstance(value, dict):
        return value
    if "complex" in value:
        return complex(*value["complex"])
    if "function" not in value:
        return object()

    def function(*arguments):
        plain = json.dumps([x.tolist() if hasattr(x, "tolist") else x for x in arguments])
        answer = client.ask(f"call({int(value['function'])}, {plain!r})") or {"error": "no answer"}
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return decode(client, answer["value"])

    return function


def judge(client: Client, name: str, arguments: list) -> tuple[str, str]:
    """What a check says of its arguments."""
    try:
        verdict = CHECKS[name](*(decode(client, argument) for argument in arguments))
    except OutOfTime:
        return "time", "The function does not end."
    except Exception as error:  # of numbers that no check has foreseen
        return "error", f"{type(error).__name__}: {error}"
    return verdict.kind, verdict.message


def called(source: str) -> list[str]:
    """The checks that a cell calls, as far as its text tells."""
    return [name for name in dict.fromkeys(re.findall(r"\bcheck\.(\w+)\(", source)) if name in CHECKS]


def kernel_manager(folder: Path, call: list[str]) -> AsyncKernelManager:
    """A manager for our kernel, which speaks through files: there is no network."""
    argv = [*call, sys.executable, "-P", "-m", "implicit_bias._kernel", "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": "", "language": "python", "interrupt_mode": "message"}
    place = folder / "kernels" / "submission"
    place.mkdir(parents=True)
    (place / "kernel.json").write_text(json.dumps(spec))
    manager = AsyncKernelManager(
        kernel_name="submission",
        kernel_spec_manager=KernelSpecManager(kernel_dirs=[str(folder / "kernels")], ensure_native_kernel=False),
        connection_file=str(folder / "kernel.json"),
    )
    if os.name == "posix":
        manager.transport, manager.ip = "ipc", str(folder / "kernel")
    return manager


def environment(folder: Path) -> dict[str, str]:
    """What the kernel sees of the environment: nothing that might be secret."""
    kept = ("PATH", "LANG", "SYSTEMROOT", "IMPLICIT_BIAS_SUBMISSION")
    work = str(folder / WORK)
    own = {name: work for name in ("HOME", "TMPDIR", "IPYTHONDIR", "MPLCONFIGDIR", "JUPYTER_RUNTIME_DIR")}
    path = os.pathsep.join(entry for entry in sys.path if entry)
    own |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    return {name: os.environ[name] for name in kept if name in os.environ} | own


def mark(notebook: nbformat.NotebookNode, seconds: int) -> dict:
    """The verdict on every check that a notebook calls, and what became of the notebook."""
    verdicts: dict[str, tuple[str, str]] = {}
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    watch = Watch(TOTAL * seconds)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        (folder / WORK).mkdir()
        client = Client(
            nbformat.v4.new_notebook(cells=cells),
            km=kernel_manager(folder, walls(folder)),
            timeout=seconds,
            interrupt_on_timeout=True,
            allow_errors=True,
            shell_timeout_interval=1,
            iopub_timeout=1,
            ipython_hist_file="",
            shutdown_kernel="immediate",
            log_level="CRITICAL",
        )
        watch.start()
        state, left = "ran", [name for cell in cells for name in called(cell.source)]
        try:
            quiet = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
            with client.setup_kernel(cleanup_kc=True, env=environment(folder), cwd=str(folder / WORK), **quiet):
                for number, cell in enumerate(cells):
                    failure = run(client, cell, number)
                    handed = client.ask("fresh()") or {}
                    for check_name, arguments in handed.items():
                        if check_name in CHECKS:
                            verdicts[check_name] = judge(client, check_name, arguments)
                    for check_name in called(cell.source):
                        left.remove(check_name)
                        if check_name not in handed:
                            verdicts[check_name] = failure or ("missing", "Nothing was handed to the check.")
        except (DeadKernelError, OutOfTime, RuntimeError, Empty):
            state = watch.reason or "ended"
        watch.over.set()
    words = {
        "time": "The notebook takes too long.",
        "memory": "The notebook takes too much memory.",
        "processes": "The notebook starts too many processes.",
        "ended": "The notebook ends its kernel before it comes to this.",
    }
    for check_name in left:
        verdicts.setdefault(check_name, (state, words.get(state, "")))
    return {"state": state, "verdicts": verdicts}


def run(client: Client, cell: nbformat.NotebookNode, number: int) -> tuple[str, str] | None:
    """Run a cell, and say how it failed if it did."""
    failures = []
    client.on_cell_error = lambda cell, cell_index, execute_reply: failures.append(execute_reply["content"])
    client.execute_cell(cell, number)
    if not failures:
        return None
    name, value = (str(failures[0].get(key, ""))[:300] for key in ("ename", "evalue"))
    if name == "KeyboardInterrupt":
        return "time", "The cell takes too long."
    if name == "MemoryError":
        return "memory", "The cell takes too much memory."
    return "error", f"{name}: {value}"


def main(path: Path, result: Path, seconds: int):
    """Mark the notebook in a file, and write what came of it into another."""
    try:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
    except Exception as error:  # a file can be broken in many ways
        found = {
            "state": "broken",
            "verdicts": {},
            "message": f"{type(error).__name__}: {str(error).splitlines()[0][:200]}",
        }
    else:
        found = mark(notebook, seconds)
    result.write_text(json.dumps(found), encoding="utf-8")
