"""A notebook of ten lines, by someone who has never heard of this book, in the programs that show notebooks."""

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from PIL import Image
from pypdf import PdfReader
from slidefig import ID_PREFIX, states

from tests.jupyterlab import serve

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
NOTEBOOK = '''\
import numpy as np
from slidefig import explore

def wave(fig, a=1.0):
    """A wave, which becomes faster."""
    x = np.linspace(0, 6, 100)
    fig.subplots().plot(x, np.sin(a * x))
    return f"{6 * a / (2 * np.pi):.2f} periods"

explore(wave, a=[0.5, 1.0, 1.5, 2.0])
'''
AGAIN = "explore(wave, a=[1.0, 3.0])"
INDEX = "A book\n======\n\n.. toctree::\n\n   foreign\n"
TITLE = nbformat.v4.new_raw_cell(
    "A foreign notebook\n==================", metadata={"raw_mimetype": "text/restructuredtext"}
)
HEADING = nbformat.v4.new_markdown_cell("# A foreign notebook")

#: For each program: the files of its book, the cell above the code, the command, and the page.
SPHINX = [sys.executable, "-m", "sphinx", "-q", "-W", "-b", "html", ".", "out"]
PROGRAMS = {
    "MyST-NB": ({"conf.py": 'extensions = ["myst_nb"]', "index.rst": INDEX}, HEADING, SPHINX, "out/foreign.html"),
    "MyST-NB and the extension": (
        {"conf.py": 'extensions = ["myst_nb", "slidefig"]\nhtml_theme = "furo"', "index.rst": INDEX},
        HEADING,
        SPHINX,
        "out/foreign.html",
    ),
    "nbsphinx": ({"conf.py": 'extensions = ["nbsphinx"]', "index.rst": INDEX}, TITLE, SPHINX, "out/foreign.html"),
    "nbconvert": (
        {},
        HEADING,
        [sys.executable, "-m", "nbconvert", "--to", "html", "--execute", "foreign.ipynb"],
        "foreign.html",
    ),
    "Jupyter Book": (
        {"_toc.yml": "format: jb-book\nroot: foreign\n", "_config.yml": "title: A book\n"},
        HEADING,
        [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build", "-q", "."],
        "_build/html/foreign.html",
    ),
}
DARK_PAGES = {"Jupyter Book", "MyST-NB and the extension"}  # which turn dark for a reader who has a dark system


def foreign(heading, *code):
    notebook = nbformat.v4.new_notebook(cells=[heading, *map(nbformat.v4.new_code_cell, code)])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return notebook


def environment(folder):
    path = os.pathsep.join(filter(None, [str(ROOT / "lib"), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, "IPYTHONDIR": str(folder / "ipython")}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The page that each program made; they work at the same time."""
    at_work = {}
    for name, (files, heading, command, page) in PROGRAMS.items():
        folder = tmp_path_factory.mktemp("book")
        for file, text in files.items():
            (folder / file).write_text(text)
        nbformat.write(foreign(heading, NOTEBOOK, AGAIN), folder / "foreign.ipynb")
        process = subprocess.Popen(
            command, cwd=folder, env=environment(folder), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        at_work[name] = process, folder / page
    said = {name: process.communicate()[0] for name, (process, _) in at_work.items()}
    for name, (process, _) in at_work.items():
        assert process.returncode == 0, f"{name}: {said[name]}"
    return {name: page for name, (_, page) in at_work.items()}


@pytest.fixture(scope="module")
def expected():
    """Every state of both figures, drawn here."""
    names = {}
    exec(NOTEBOOK.replace("explore(wave", "pass; (lambda *draws, **grid: None)(wave"), names)
    return [states(names["wave"], a=values)[0][0] for values in ([0.5, 1.0, 1.5, 2.0], [1.0, 3.0])]


def normal(svg):
    """Rid an SVG of what may differ: the beginning of ids, and the order of attributes, which nbconvert changes."""
    attribute = r' [\w-]+="[^"]*"'
    return re.sub(
        f"({attribute})+", lambda all_: "".join(sorted(re.findall(attribute, all_[0]))), ID_PREFIX.sub("", svg)
    )


#: For a figure: the colours of its letters, of its text and of its curve, and what they stand on.
COLOURS = """figure => {
    const number = (color) => color.match(/[\\d.]+/g).map(Number);
    let ground = figure;
    while (ground && (number(getComputedStyle(ground).backgroundColor)[3] ?? 1) === 0) ground = ground.parentElement;
    const curve = [...figure.querySelectorAll("svg path")].find((path) => path.getAttribute("stroke")?.includes("blue"));
    return {
        ground: ground ? number(getComputedStyle(ground).backgroundColor) : [255, 255, 255],
        letters: [...figure.querySelectorAll("svg text")].map((text) => number(getComputedStyle(text).fill)),
        curve: number(getComputedStyle(curve).stroke),
    };
}"""


def luminance(color):
    parts = [part / 255 for part in color[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def can_be_read(figure, dark):
    """See whether letters and curve stand out from what they lie on, and whether that is dark."""
    colours = figure.evaluate(COLOURS)
    assert (luminance(colours["ground"]) < 0.1) == dark
    assert len(colours["letters"]) > 4
    assert min(contrast(color, colours["ground"]) for color in colours["letters"]) >= 4.5
    assert contrast(colours["curve"], colours["ground"]) >= 3


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_the_figures_move_on_a_page_without_kernel_and_network(made, browser, expected, program, scheme):
    page = browser.new_page(viewport={"width": 1100, "height": 800}, color_scheme=scheme)
    wrong = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.route(lambda address: not address.startswith(("file:", "data:")), lambda route: route.abort())
    page.goto(made[program].as_uri(), wait_until="load")
    figures = page.locator(".explore").all()
    assert len(figures) == len(expected)
    for figure, panel in zip(figures, expected, strict=True):
        slider = figure.get_by_role("slider", name="a", exact=True)
        slider.press("Home")
        for k, state in enumerate(panel):
            if k:
                slider.press("ArrowRight")
            assert normal(figure.locator("svg").evaluate("svg => svg.outerHTML")) == normal(state.svg)
            assert figure.locator("output").text_content() == state.text
        can_be_read(figure, dark=scheme == "dark" and program in DARK_PAGES)
        box = figure.locator("svg").bounding_box()
        assert box["width"] > 400 and slider.bounding_box()["height"] >= 44
    assert page.locator("style[data-slidefig]").count() == (0 if "extension" in program else 1)
    assert [error for error in wrong if "slidefig" in error or "explore" in error] == []
    page.close()


# --- In JupyterLab, and what is left of it


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The folder and the address of a JupyterLab with the notebook."""
    folder = tmp_path_factory.mktemp("lab")
    (folder / "work").mkdir()
    nbformat.write(foreign(HEADING, NOTEBOOK, AGAIN), folder / "work" / "foreign.ipynb")
    with serve(folder, [f"--ServerApp.root_dir={folder / 'work'}"]) as address:
        yield folder / "work" / "foreign.ipynb", address


@pytest.fixture(scope="module")
def saved(lab, browser):
    """The notebook after it was run, moved and saved in JupyterLab."""
    path, address = lab
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(120_000)
    page.route(lambda asked: not asked.startswith((address, "data:", "blob:")), lambda route: route.abort())
    page.goto(f"{address}/lab/tree/foreign.ipynb")
    page.wait_for_function(
        """() => {
            const session = window.jupyterapp?.shell.currentWidget?.sessionContext;
            return session?.isReady && session.kernelDisplayStatus === "idle";
        }"""
    )
    page.evaluate("void jupyterapp.commands.execute('notebook:run-all-cells')")
    page.locator(".explore svg").nth(1).wait_for()
    for theme, dark in (("JupyterLab Dark", True), ("JupyterLab Light", False)):
        page.evaluate("theme => jupyterapp.commands.execute('apputils:change-theme', {theme})", theme)
        page.wait_for_function(f"document.body.dataset.jpThemeLight === '{str(not dark).lower()}'")
        can_be_read(page.locator(".explore").first, dark)
    figure = page.locator(".explore").first
    before, handle = figure.locator("svg").inner_html(), page.locator(".noUi-handle").first
    handle.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("before => document.querySelector('.explore svg').innerHTML !== before", arg=before)
    assert "a 1.01: 0.96 periods" in figure.inner_text()  # between two values of the grid
    page.evaluate("jupyterapp.commands.execute('docmanager:save')")
    page.close()
    return path


def test_a_slider_moves_in_jupyterlab_light_and_dark(saved):
    """The fixture has moved it; what was saved is a widget and a still picture of the opening state."""
    notebook = nbformat.read(saved, as_version=4)
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert [sorted(output.data) for output in outputs] == [
        ["application/vnd.jupyter.widget-view+json", "image/svg+xml", "text/plain"]
    ] * 2
    for output in outputs:
        svg = "".join(output.data["image/svg+xml"])
        assert "a 1: 0.95 periods" in svg and not re.search("<script|<style|var[(]|class=", svg)


def test_a_saved_notebook_keeps_its_figures(saved, browser, tmp_path):
    command = [sys.executable, "-m", "nbconvert", "--to", "html", str(saved), "--output-dir", str(tmp_path)]
    subprocess.run(command, env=environment(tmp_path), capture_output=True, check=True)
    page = browser.new_page(viewport={"width": 1100, "height": 800})
    page.route(lambda address: not address.startswith(("file:", "data:")), lambda route: route.abort())
    page.goto((tmp_path / "foreign.html").as_uri(), wait_until="load")
    pictures = page.locator("img[src^='data:image/svg+xml']").all()
    assert len(pictures) == 2
    for picture in pictures:
        box = picture.bounding_box()
        assert box["width"] > 400 and box["height"] > 300
        seen = Image.open(io.BytesIO(picture.screenshot())).convert("RGB").getcolors(1 << 24)
        blue = sum(count for count, (r, g, b) in seen if b > r + 80 and b > 150)
        ink = sum(count for count, color in seen if max(color) < 80)
        white = sum(count for count, color in seen if color == (255, 255, 255))
        assert blue > 300 and ink > 300 and white > 0.8 * box["width"] * box["height"]
    paper = "".join(sheet.extract_text() for sheet in PdfReader(io.BytesIO(page.pdf())).pages)
    assert paper.count("a 1: 0.95 periods") == 2
    page.close()
