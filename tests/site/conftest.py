"""The built site, a server for it, and a browser."""

import functools
import http.server
import os
import shutil
import threading
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[2]
SITE = ROOT / "_build" / "html"


def pytest_generate_tests(metafunc):
    """Run a test that takes `path` for every page of the site, or for the one that must exist when nothing is built."""
    if "path" in metafunc.fixturenames:
        pages = sorted(
            path.relative_to(SITE).as_posix() for path in SITE.rglob("*.html") if "_static" not in path.parts
        )
        metafunc.parametrize("path", pages or ["index.html"])


@pytest.fixture(scope="session")
def site():
    """The folder of the built site."""
    if not (SITE / "index.html").exists():
        pytest.fail("there is no built site: run make book first")
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
    names = ("chromium", "chromium-browser", "google-chrome")
    executable = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if not executable:
        message = "no Chromium found: install it, or set CHROMIUM to its path"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(message)
    switches = ["sandbox", "first-run"]
    disabled = ["gpu", "background-networking", "component-update", "sync"]
    arguments = [f"--no-{name}" for name in switches] + [f"--disable-{name}" for name in disabled]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=arguments)
        yield chromium
        chromium.close()
