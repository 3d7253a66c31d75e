"""A JupyterLab on this machine, for the tests."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
# For a figure that is about to be moved: ``answered`` are the milliseconds from the next key to its new picture.
ANSWERED = """(figure) => {
    window.answered = new Promise((resolve) => {
        let pressed;
        document.addEventListener("keydown", () => { pressed = performance.now() }, {capture: true, once: true});
        const seen = new MutationObserver(() => {
            seen.disconnect();
            resolve(performance.now() - pressed);
        });
        seen.observe(figure.parentElement, {childList: true, subtree: true});
    });
}"""


@contextmanager
def serve(folder: Path, options: list[str]):
    """The address of a JupyterLab that keeps what it writes about itself in `folder`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    variables = {name: str(folder / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")}
    command = [sys.executable, "-m", "jupyterlab", *options, "--no-browser", "--allow-root", f"--ServerApp.port={port}"]
    command += ["--ServerApp.port_retries=0", "--IdentityProvider.token=", "--LabApp.expose_app_in_browser=True"]
    path = os.pathsep.join(filter(None, [str(ROOT / "lib"), os.environ.get("PYTHONPATH")]))
    with open(folder / "log", "w") as log:
        process = subprocess.Popen(
            command, cwd=folder, env={**os.environ, **variables, "PYTHONPATH": path}, stdout=log, stderr=log
        )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{address}/api").close()
                break
            except OSError:
                assert process.poll() is None, (folder / "log").read_text()
                time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
