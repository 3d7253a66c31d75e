"""The built site, a server for it, and a browser."""

import functools
import http.server
import os
import threading

import pytest
from book.browser import NOT_BUILT, SITE, find_chromium, launch, pages


def pytest_generate_tests(metafunc):
    """Run a test that takes `path` for every page of the site, and one that takes `text_path` for those that are no decks.

    When nothing is built there is the one that must exist.
    """
    paths = [page.relative_to(SITE).as_posix() for page in pages()] or ["index.html"]
    if "path" in metafunc.fixturenames:
        metafunc.parametrize("path", paths)
    if "text_path" in metafunc.fixturenames:
        metafunc.parametrize("text_path", [path for path in paths if "/slides/" not in path])


@pytest.fixture(scope="session")
def site():
    """The folder of the built site."""
    if not (SITE / "index.html").exists():
        pytest.fail(NOT_BUILT)
    return SITE


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def serve(folder):
    handler = functools.partial(_Quiet, directory=folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture(scope="session")
def address(site):
    """The address of the built site at the root of a server of this machine."""
    server = serve(site)
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def course_address(site, tmp_path_factory):
    """The address of the built site below a path, as on many hosts."""
    root = tmp_path_factory.mktemp("server")
    (root / "course").mkdir()
    (root / "course" / "bias").symlink_to(site)
    server = serve(root)
    yield f"http://127.0.0.1:{server.server_port}/course/bias/"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def browser():
    """A Chromium that makes no request of its own."""
    executable = find_chromium()
    if not executable:
        message = "no Chromium found: install it, or set CHROMIUM to its path"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(message)
    with launch(executable) as chromium:
        yield chromium
