"""What a reader does with a notebook in the browser: opens it, runs all cells, moves a slider, answers an exercise.

``python -m tests.live.reader``, which is ``make test-live``, does so with every notebook of a site made with ``make live``,
one after the other, and writes how long it took into ``lib/book/live/measured.json``, which the site shows.
"""

import ast
import json
import os
import re
import statistics
import sys
import time
from contextlib import contextmanager
from typing import NamedTuple

from book.browser import SITE, find_chromium, launch
from book.live import FOLDER, MEASURED, lite
from bs4 import BeautifulSoup
from playwright.sync_api import Page

from tests import jupyterlab
from tests.shared import solutions
from tests.site.conftest import Quiet, serve

# Nothing but this machine has an address.
ALONE = ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
FIRST = "sparse_recovery.ipynb"  # the notebook whose first figure is waited for
APP = f"{FOLDER}/{lite.FOLDER}/"
# The packages that some cells ask for, and that are not in the browser.
ABSENT = {"cvxpy", "dask", "distributed"}
TOLD = re.compile(
    r"This cell needs the package (\w+), which is not in the browser\. On your own machine the cell runs\.\n"
)

# All code cells, with their outputs.
CELLS = """() => [...jupyterapp.shell.currentWidget.content.model.cells].filter((cell) => cell.type === "code")
    .map((cell) => ({...cell.toJSON(), source: cell.sharedModel.source}))"""

# What the last line of some code shows, or else its error.
ASK = """async (code) => {
    const future = jupyterapp.shell.currentWidget.sessionContext.session.kernel.requestExecute({code});
    let said = "";
    future.onIOPub = ({content}) => {
        said = content.evalue ?? content.data?.["text/plain"] ?? said;
    };
    await future.done;
    return said;
}"""


class Report(NamedTuple):
    """How it went with one notebook; times in seconds, of a slider in milliseconds."""

    first_figure: float
    whole: float
    moves: list[float]
    judged: int  # exercises
    texts: int  # below figures, that are those of the page
    missing: set[str]  # packages
    wrong: list[str]  # whatever should not have happened


class Cached(Quiet):
    """A server that lets the browser keep what it has, as all do, and counts what it sends."""

    sent = 0

    def end_headers(self):
        super(Quiet, self).end_headers()

    def copyfile(self, source, outputfile):
        Cached.sent += os.fstat(source.fileno()).st_size
        super().copyfile(source, outputfile)


@contextmanager
def alone():
    """A Chromium that reaches no other host."""
    with launch(find_chromium(), ALONE) as browser:
        yield browser


def start(page: Page, home: str, name: str) -> float:
    """Open a notebook and run all its cells; the seconds until the first figure, if there is one, or the end."""
    opened = time.monotonic()
    page.goto(f"{home}{APP}notebooks/index.html?path={name}")
    page.wait_for_function(
        """() => {
            const session = window.jupyterapp?.shell.currentWidget?.sessionContext;
            return session?.isReady && session.kernelDisplayStatus === "idle";
        }""",
        timeout=240_000,
    )
    page.evaluate("void jupyterapp.commands.execute('notebook:run-all-cells')")
    page.wait_for_function(
        f"""() => {{
            const cells = ({CELLS})();
            const shows = ({{data}}) => data?.["image/svg+xml"] || data?.["image/png"];
            return cells.some((cell) => cell.outputs.some(shows)) || cells.every((cell) => cell.execution_count !== null);
        }}""",
        timeout=240_000,
    )
    return time.monotonic() - opened


def read(page: Page, home: str, name: str, tried: int = 6) -> Report:
    """Do with a notebook all that a reader does, and say how it went."""
    wrong = []
    page.on("request", lambda request: request.url.startswith((home, "data:", "blob:")) or wrong.append(request.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    opened = time.monotonic()
    first_figure = start(page, home, name)
    page.wait_for_function(f"({CELLS})().every((cell) => cell.execution_count !== null)", timeout=900_000)
    whole = time.monotonic() - opened
    cells = page.evaluate(CELLS)
    missing = set()
    for cell in cells:
        for output in cell["outputs"]:
            if output["output_type"] == "error":
                wrong.append(f"{cell['source'][:200]}\n{output['ename']}: {output['evalue']}")
            elif output["output_type"] == "stream":
                missing |= set(TOLD.findall(output["text"]))
    if missing - ABSENT:
        wrong.append(f"misses {missing - ABSENT}")
    told, printed = ast.literal_eval(page.evaluate(ASK, TEXTS)), texts_of_page(name)
    wrong += [f"{text!r} is not below a figure of the page" for text in told if text and text not in printed]
    moves = move(page, tried) if page.evaluate(ASK, SLIDERS) == "True" else []
    judged = 0
    for cell in cells:
        if call := re.search(r"^check\.(\w+)\(", cell["source"], re.MULTILINE):
            wrong += judge(page, name, call[1], cell["source"])
            judged += 1
    return Report(first_figure, whole, moves, judged, len(told), missing, wrong)


def texts_of_page(name: str) -> set[str]:
    """What the build has put below the figures of the page: where integers are larger, and versions are others."""
    page = SITE / "chapters" / name.replace("exercises/", "").replace(".ipynb", ".html")
    outputs = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser").select(".explore output span")
    return {output.get_text() for output in outputs}


def move(page: Page, tried: int) -> list[float]:
    """Move the first slider some times; the milliseconds until each new picture, or none if there is no slider."""
    place = page.evaluate(
        """() => [...jupyterapp.shell.currentWidget.content.model.cells].findIndex((cell) => cell.type === "code" &&
            cell.toJSON().outputs.some(({data}) => data?.["application/vnd.jupyter.widget-view+json"]))"""
    )
    if place < 0:
        return []
    page.evaluate("(place) => jupyterapp.shell.currentWidget.content.scrollToItem(place, 'start')", place)
    slider = page.locator(".noUi-handle").first
    slider.wait_for()
    figure = slider.evaluate_handle("slider => slider.closest('.jp-OutputArea-output')")
    pictures = "figure => [...figure.querySelectorAll('.explore')].map((panel) => panel.innerHTML).join()"
    slider.press("Home")
    page.evaluate(ASK, "None")  # the kernel does one thing after the other
    times = []
    for key in ["End", "Home"] * (tried // 2):  # a short step may show the same
        slider.focus()
        before = figure.evaluate(pictures)
        page.evaluate(jupyterlab.ANSWERED, figure.as_element().query_selector(".explore"))
        page.keyboard.press(key)
        times.append(page.evaluate("window.answered"))
        page.wait_for_function(f"([figure, before]) => ({pictures})(figure) !== before", arg=[figure, before])
    return times


def judge(page: Page, name: str, check: str, source: str) -> list[str]:
    """Answer an exercise not at all, wrong and right; what is judged otherwise."""
    solved = "".join(solutions(name.rpartition("/")[2].removesuffix(".ipynb"))[check])
    verdicts = [page.evaluate(ASK, code) for code in (source, source.replace("...", "-3.0", 1), solved)]
    untouched, mistaken, right = verdicts
    as_they_should = (
        untouched.startswith("No answer yet"),
        mistaken and not mistaken.startswith(("Right", "No answer")) and "Error" not in mistaken,
        right == "Right.",
    )
    return [] if all(as_they_should) else [f"{check}: {verdicts}"]


def notebooks() -> list[str]:
    """Those that hold each exercise and each cell once: of a chapter with exercises the one for students, and no sheets."""
    names = [lite.path(SITE, notebook) for notebook in lite.notebooks(SITE)]
    return [name for name in names if f"exercises/{name}" not in names and "/sheets/" not in name]


def main():
    reports, server = {}, serve(SITE, Cached)
    home = f"http://127.0.0.1:{server.server_port}/"
    with alone() as browser:
        for name in notebooks():
            page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
            reports[name] = report = read(page, home, name)
            page.context.close()
            print(
                f"{name}: first figure {report.first_figure:.1f} s, all {report.whole:.0f} s, {report.texts} texts compared, "
                f"a move {statistics.median(report.moves or [0]):.0f} ms, {report.judged} exercises judged, "
                f"not there: {', '.join(sorted(report.missing)) or 'nothing'}",
                *report.wrong,
                sep="\n  ",
                flush=True,
            )
        context, visits = browser.new_context(), []
        for _ in range(2):
            before, page = Cached.sent, context.new_page()
            visits.append((start(page, home, FIRST), (Cached.sent - before) / 1e6))
            versions = page.evaluate(ASK, VERSIONS)
            page.close()
    python, numpy, scipy, bits = ast.literal_eval(versions)
    moves = [time for report in reports.values() for time in report.moves]
    measured = {
        "machine": f"a machine with {os.cpu_count()} cores in Chromium {browser.version.partition('.')[0]}",
        "first_figure": round(visits[0][0]),
        "first_figure_again": round(visits[1][0]),
        "megabytes": round(visits[0][1]),
        "move": round(statistics.median(moves)),
        "whole_shortest": round(min(report.whole for report in reports.values())),
        "whole_longest": round(max(report.whole for report in reports.values())),
        "missing": sorted(set().union(*(report.missing for report in reports.values()))),
        "python": python,
        "numpy": numpy,
        "scipy": scipy,
        "integer_bits": bits,
    }
    MEASURED.write_text(json.dumps(measured, indent=2) + "\n", encoding="utf-8")
    print(MEASURED.read_text(encoding="utf-8"))
    if any(report.wrong for report in reports.values()):
        sys.exit("[book] some notebooks do not run as they should")


# What stands below each figure.
TEXTS = """\
import html, re
from ipywidgets.widgets.widget import _instances
values = [widget.value for widget in _instances.values() if "explore" in str(getattr(widget, "value", ""))]
[html.unescape(re.search("<div>([^<]*)</div></div>$", value)[1]) for value in values]
"""

# Whether there is one.
SLIDERS = """\
from ipywidgets.widgets.widget import _instances
any("Slider" in type(widget).__name__ for widget in _instances.values())
"""

VERSIONS = """\
import platform, numpy, scipy
platform.python_version(), numpy.__version__, scipy.__version__, 8 * numpy.arange(1).itemsize
"""

if __name__ == "__main__":
    main()
