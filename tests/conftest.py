import gc
import os
import re
from pathlib import Path

import pytest
from book import SELDOM


def group(nodeid):
    """Tests of one group share something that takes long to make: they run on one core, one after the other."""
    file, _, test = nodeid.partition("::")
    name = Path(file).stem
    of_sliders = test.startswith("test_the_sliders_of_a_chapter")
    if of_sliders or name in ("test_reproducible", "test_predictions"):
        return "the build elsewhere"
    if name == "test_students":
        return nodeid
    page = re.search(r"[\w/]+\.html", test)
    return page[0] if page else file


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """What is imported here stays: nothing looks through it for what could be freed, now or later, nor often for more."""
    gc.disable()
    found = yield
    gc.freeze()
    gc.set_threshold(*SELDOM)
    gc.enable()
    return found


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config):
    """One more than there are cores where browsers run, for which a test waits; `make check` has none, and asks for as many."""
    return (os.cpu_count() or 1) + (config.option.numprocesses == "auto")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return group(nodeid)

    return Groups(config, log)


# The groups that take longest begin first, so that none of them is alone at the end.
FILES = ("chapters/test_papers", "lib/test_collector", "book/test_build", "book/test_course", "site/test_pdf")
FILES += ("live/test_live", "lab/test_lab", "book/test_making", "book/test_address")
LONGEST = ["the build elsewhere", *(f"tests/{file}.py" for file in FILES)]


def pytest_collection_modifyitems(items):
    """Fast tests first, then those that build books, then those in a browser; on several cores the longest before all."""

    def order(item):
        of = group(item.nodeid)
        place = LONGEST.index(of) if "PYTEST_XDIST_WORKER" in os.environ and of in LONGEST else len(LONGEST)
        return place, "site" in item.path.parts, item.get_closest_marker("slow") is not None

    items.sort(key=order)


@pytest.fixture(scope="session")
def browser():
    """A Chromium that makes no request of its own."""
    # Not for the process that only gives out the tests: it takes seconds.
    from book.browser import find_chromium, launch

    executable = find_chromium()
    if not executable:
        message = "no Chromium found: install it, or set CHROMIUM to its path"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(message)
    with launch(executable) as chromium:
        yield chromium
