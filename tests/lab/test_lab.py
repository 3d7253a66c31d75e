"""The chapters in a real JupyterLab, as `make lab` opens them: the sessions, a chapter as a notebook, a slider that moves."""

import re
import shlex
import shutil
import statistics

import pytest

from tests import jupyterlab
from tests.shared import ROOT

pytestmark = pytest.mark.slow


def options_of_make_lab(chapters):
    """The options with which the Makefile starts JupyterLab, for a copy of the chapters."""
    makefile = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    options = re.search(r"\$\(BIN\)/jupyter lab (.*)", makefile)[1]
    return shlex.split(options.replace("$(CURDIR)/chapters", str(chapters)).replace("$(CURDIR)", str(ROOT)))


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of a JupyterLab with a copy of the chapters, and the page it opens."""
    folder = tmp_path_factory.mktemp("lab") / "with a space"
    shutil.copytree(ROOT / "chapters", folder / "chapters")
    options = options_of_make_lab(folder / "chapters")
    with jupyterlab.serve(folder, options) as address:
        yield address, next(o.split("=")[1] for o in options if o.startswith("--LabApp.default_url="))


@pytest.fixture
def page(browser):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(120_000)
    yield page
    page.close()


def test_the_sessions_lead_to_a_chapter_whose_slider_moves(server, page, record_property):
    address, start = server
    page.goto(address + start)
    index = page.locator(".jp-NotebookPanel").first
    index.get_by_role("heading", name="The seminar").wait_for()
    # The chapters run elsewhere too; this one is among those that take least.
    index.locator("a[href*='overparameterization']").first.wait_for()
    assert index.locator("table a[href]").count() >= 12
    index.locator("a[href*='overparameterization']").first.click()
    chapter = page.locator(".jp-NotebookPanel:visible", has=page.get_by_role("heading", name="Overparameterization"))
    chapter.wait_for()
    assert page.locator(".lm-TabBar-tab.lm-mod-current", has_text="overparameterization.md").count() == 1

    # Run all, and wait until the kernel has done the last cell.
    page.wait_for_function(
        """() => {
            const session = jupyterapp.shell.currentWidget.sessionContext;
            return session?.isReady && session.path.endsWith("overparameterization.md")
                && session.kernelDisplayStatus === "idle";
        }"""
    )
    page.evaluate("void jupyterapp.commands.execute('notebook:run-all-cells')")
    page.wait_for_function(
        """() => {
            const cells = jupyterapp.shell.currentWidget.content.model.cells;
            const code = [...cells].filter((cell) => cell.type === "code");
            return code.every((cell) => cell.executionCount !== null);
        }""",
        timeout=600_000,
    )
    errors = page.evaluate(
        """() => [...jupyterapp.shell.currentWidget.content.model.cells].filter((cell) => cell.type === "code")
            .flatMap((cell) => cell.toJSON().outputs).filter((output) => output.output_type === "error")"""
    )
    assert errors == []

    chapter.locator(".jp-WindowedPanel-outer").evaluate("element => element.scrollTop = 0")
    slider = chapter.locator(".noUi-handle").first
    slider.wait_for()
    slider.scroll_into_view_if_needed()
    picture = chapter.locator(".explore").first
    text = picture.locator("div").first
    slider.focus()
    times = []
    for key in ["ArrowRight", "ArrowLeft"] * 10:
        before, said = picture.locator("svg").inner_html(), text.inner_text()
        page.evaluate(jupyterlab.ANSWERED, picture.element_handle())
        page.keyboard.press(key)
        times.append(page.evaluate("window.answered"))
        assert picture.locator("svg").inner_html() != before
        assert text.inner_text() != said
    report = (
        f"a move is answered after {statistics.median(times):.0f} ms (median of {len(times)}, longest {max(times):.0f})"
    )
    record_property("move", report)
    print(report)
