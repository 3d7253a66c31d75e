import os

import pytest
from book.browser import find_chromium, launch


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items):
    """Fast tests first, then those that build books, then those that drive a browser; the build elsewhere beside them all.

    What shares something that takes long to make is a group, which stays together when the tests run on several cores: by
    default the tests of one file.
    """
    for item in items:
        if not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(str(item.path)))

    def order(item):
        elsewhere = item.get_closest_marker("xdist_group").args == ("elsewhere",)
        return not elsewhere, "site" in item.path.parts, item.get_closest_marker("slow") is not None

    if os.environ.get("PYTEST_XDIST_WORKER"):
        items.sort(key=order)
    else:
        items.sort(key=lambda item: order(item)[1:])


@pytest.fixture(scope="session")
def browser():
    """A Chromium that makes no request of its own."""
    executable = find_chromium()
    if not executable:
        message = "no Chromium found: install it, or set CHROMIUM to its path"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(message)
    with launch(executable) as chromium:
        yield chromium
