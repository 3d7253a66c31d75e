"""KaTeX is waited for."""

import sys

import pytest
from book import katex_server

LATE = """
import socket, sys, time
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
time.sleep(0.2)
server.listen()
server.accept()[0].sendall(b"ready")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the extension uses no such socket there")
def test_a_server_that_listens_late_is_asked_again(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "sphinxcontrib.katex.KaTeXServer.build_command", lambda socket: [sys.executable, "-c", LATE, str(socket)]
    )
    process, connection = katex_server.start(tmp_path, timeout=60)
    assert connection.recv(5) == b"ready"
    connection.close()
    assert process.wait() == 0
