"""Waits until KaTeX listens. The extension connects as soon as the socket is there, and if that is too soon, the build ends."""

import socket
import subprocess
import time
from pathlib import Path

import sphinxcontrib.katex as katex
from sphinx.application import Sphinx


def start(folder: Path, timeout: float) -> tuple[subprocess.Popen, socket.socket]:
    """Start KaTeX in Node and connect to it."""
    address = folder / "katex.sock"
    command = katex.KaTeXServer.build_command(socket=address)
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder)
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(str(address))
            return process, connection
        except (FileNotFoundError, ConnectionRefusedError):
            connection.close()
            time.sleep(0.001)
    process.kill()
    raise katex.KaTeXServer.timeout_error(timeout)


def setup(app: Sphinx):
    katex.KaTeXServer.start_server_process = start  # on Windows the extension asks again by itself
