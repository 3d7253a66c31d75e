"""Processes that begin where all programs have been loaded: builds of tiny books, their kernels and prints; workers."""

import gc
import multiprocessing
import os
import signal
import sys
import time
from multiprocessing.forkserver import ensure_running
from pathlib import Path

# Not `book`: each tiny book has a copy of its own, and may have changed it.
LOADED = ["jupyter_book.cli.main", "jupyter_book.sphinx", "myst_nb.sphinx_ext", "sphinxcontrib.bibtex", "sphinx_design"]
LOADED += ["furo", "jupytext", "matplotlib.figure", "sphinx.ext.autodoc", "sphinx.builders.html", "fontTools.subset"]
LOADED += ["sphinx.builders.epub3", "sphinx.domains.cpp", "sphinx_design.extension", "slidefig", "latexcodec"]

# What the kernels import.
LOADED += ["ipykernel.kernelapp", "ipykernel.ipkernel", "matplotlib.pyplot", "matplotlib.backends.backend_svg"]

# And what the workers of a cluster import, without the library: that too is the one of each tiny book.
LOADED += ["distributed", "scipy.integrate", "scipy.optimize", "scipy.sparse.linalg"]

server = multiprocessing.get_context("forkserver")


def load():
    """Start the process that loads them and from which the others are forked, if there is none."""
    server.set_forkserver_preload(LOADED)
    ensure_running()


def build(folder: Path, arguments: list[str], variables: dict[str, str], said: Path) -> int:
    """What the program would have ended with; what it says is written into a file."""
    return _run(_build, folder, arguments, variables, said)


def print_pdf(folder: Path, what: str) -> int:
    """The same of ``python -m book.pdf``, in a book that has been built."""
    return _run(_print, folder, what)


def _run(target, *arguments) -> int:
    load()
    process = server.Process(target=target, args=arguments)
    process.start()
    process.join()
    return process.exitcode


def _print(folder, what):
    sys.path.insert(0, str(folder / "lib"))
    os.chdir(folder)
    gc.freeze()
    from book.pdf import main

    main(what)


def _build(folder, arguments, variables, said):
    from jupyter_book.cli.main import main
    from jupyter_client.provisioning import local_provisioner
    from sphinxcontrib.katex import KaTeXServer

    os.environ.update(variables)
    # As if the program had just been started there.
    sys.path[:0] = [path for path in variables.get("PYTHONPATH", "").split(os.pathsep) if path]
    os.chdir(folder)
    with said.open("w") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    gc.freeze()  # nothing looks through what has been loaded, nor copies it for that
    local_provisioner.launch_kernel = Kernel
    Kernel.server, connection = multiprocessing.Pipe()
    if not os.fork():
        Kernel.server.close()
        _serve_kernels(connection)
    connection.close()
    sys.argv = ["jupyter-book", "build", *arguments]
    try:
        main()
    finally:
        if katex := KaTeXServer.katex_server:
            katex.terminate()  # a program does so when it ends, and a fork does not


class Kernel:
    """A kernel for a build, for which it is what `subprocess.Popen` gives; it is forked as it was before the build began."""

    stdin = stdout = stderr = returncode = None

    def __init__(self, command, cwd, env, **_):
        self.pid = self.ask((cwd, command[command.index("ipykernel_launcher") :], env))
        while self.poll() is None and os.getpgid(self.pid) != self.pid:  # signals are sent to all of its group
            time.sleep(0.001)

    def ask(self, what):
        self.server.send(what)
        return self.server.recv()

    def poll(self):
        if self.returncode is None:
            ended, status = self.ask(self.pid)
            self.returncode = os.waitstatus_to_exitcode(status) if ended else None
        return self.returncode

    def wait(self):
        while self.poll() is None:
            time.sleep(0.01)
        return self.returncode

    def send_signal(self, number):
        os.kill(self.pid, number)

    def kill(self):
        self.send_signal(signal.SIGKILL)

    def terminate(self):
        self.send_signal(signal.SIGTERM)


def _serve_kernels(connection):
    """Start a kernel for whom asks with what it needs, and tell whether it still runs."""
    try:
        while True:
            asked = connection.recv()
            if isinstance(asked, int):
                connection.send(os.waitpid(asked, os.WNOHANG))
            elif pid := os.fork():
                connection.send(pid)
            else:
                _kernel(*asked)
    finally:
        os._exit(0)


def _kernel(folder, arguments, variables):
    import matplotlib
    from ipykernel.kernelapp import launch_new_instance

    os.setsid()
    os.chdir(folder)
    os.environ.update(variables)
    sys.path[:0] = variables["PYTHONPATH"].split(os.pathsep)
    matplotlib.rcParams["backend"] = "module://matplotlib_inline.backend_inline"  # else the import reads a variable
    sys.argv = [*arguments, f"--IPKernelApp.parent_handle={os.getppid()}"]
    launch_new_instance()
