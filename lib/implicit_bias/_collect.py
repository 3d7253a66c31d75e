"""Marks a folder of submitted notebooks: ``python -m implicit_bias.check FOLDER``.

Each notebook is marked by `_marking` in a process of its own, which on Linux is forked from one that has imported all that is
needed: that takes longer than most notebooks. What a folder holds is one notebook for each student, named as the student, or
a folder for each student, as learning platforms hand them out.
"""

import argparse
import csv
import html
import json
import multiprocessing
import os
import secrets
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from ._extras import extra

with extra("marking"):
    import psutil

    from . import _marking
    from ._marking import TOTAL, walls

COOKIE = "IMPLICIT_BIAS_SUBMISSION"  # a variable by which every process is known that a notebook has started
GRACE = 60  # seconds, after which a marking process is ended that should have ended by itself
TABLE = ("verdicts.csv", "verdicts.html")
PROCESSES = multiprocessing.get_context("forkserver" if sys.platform.startswith("linux") else "spawn")

SAYS = {
    "ran": "",
    "broken": "This is no notebook.",
    "none": "There is no notebook.",
    "ended": "It ended its kernel.",
    "time": "It took too long.",
    "memory": "It took too much memory.",
    "processes": "It started too many processes.",
}
NO_WALLS = """\
bubblewrap (bwrap) is not here, or cannot work here. The notebooks run in folders that are thrown away, with bounded time and
memory, but this is no protection against malice: a notebook could read and write what you can, and use the network."""

PAGE = """\
<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Verdicts</title>
<style>
:root {{ color-scheme: light dark; font-family: system-ui, sans-serif; }}
table {{ border-collapse: collapse; }}
th, td {{ border: 1px solid; padding: 0.3em 0.6em; text-align: left; vertical-align: top; }}
.right {{ font-weight: bold; }}
small {{ display: block; max-width: 20em; overflow-wrap: anywhere; }}
</style>
<h1>Verdicts</h1>
<p>{summary}</p>
<table>
<tr>{head}</tr>
{rows}
</table>
</html>
"""


def submissions(folder: Path) -> list[tuple[str, Path | None]]:
    """The students, with the notebook of each; one with several has several lines, one without has none."""
    found = []
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith(".") or entry.name in TABLE:
            continue
        if entry.is_dir():
            inside = sorted(path for path in entry.rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)
            found += [(entry.name, path) for path in inside] or [(entry.name, None)]
        else:
            found.append((entry.stem, entry if entry.suffix == ".ipynb" else None))
    return found


def mark(path: Path | None, seconds: int) -> dict:
    """What became of a notebook, with the verdicts on it."""
    if path is None:
        return {"state": "none", "verdicts": {}}
    cookie = secrets.token_hex(16)
    with tempfile.TemporaryDirectory() as place:
        result = Path(place) / "result.json"
        process = PROCESSES.Process(target=mark_apart, args=(path, result, seconds, {**os.environ, COOKIE: cookie}))
        process.start()
        try:
            process.join(TOTAL * seconds + GRACE)
            if process.is_alive():
                return {"state": "time", "verdicts": {}}
        finally:
            process.kill()
            end_all(cookie)
        if not result.exists():
            return {"state": "ended", "verdicts": {}}
        return json.loads(result.read_text(encoding="utf-8"))


def mark_apart(path: Path, result: Path, seconds: int, variables: dict[str, str]):
    """Mark in this process, which shows nothing."""
    os.environ.clear()
    os.environ.update(variables)
    # Else the folder in which the command was given would be one of those that a notebook may read.
    sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != Path.cwd()]
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nowhere, stream)
    _marking.main(path, result, seconds)


def end_all(cookie: str):
    """End every process that has the cookie: a notebook may have started some, and these others."""
    for _ in range(100):  # a hostile one without walls may start them faster than they are ended
        running = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get(COOKIE) == cookie and process.status() != psutil.STATUS_ZOMBIE:
                    process.kill()
                    running.append(process)
        if not running:
            return
        psutil.wait_procs(running, timeout=1)


def write(folder: Path, students: list[str], found: list[dict]):
    """The table as CSV and as a page."""
    names = sorted({name for one in found for name in one["verdicts"]})
    head = ["student", "notebook", *names]
    with (folder / TABLE[0]).open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(head)
        for student, one in zip(students, found, strict=True):
            kinds = [one["verdicts"].get(name, ["absent"])[0] for name in names]
            # A spreadsheet would compute a name that begins like a formula.
            table.writerow([f"'{student}" if student[0] in "=+-@" else student, one["state"], *kinds])
    rows = []
    for student, one in zip(students, found, strict=True):
        cells = [f"<th>{html.escape(student)}</th>", cell(one["state"], one.get("message") or SAYS[one["state"]])]
        cells += [cell(*one["verdicts"].get(name, ("absent", ""))) for name in names]
        rows.append(f"<tr>{''.join(cells)}</tr>")
    page = PAGE.format(
        summary=html.escape(summary(found)),
        head="".join(f"<th>{html.escape(name)}</th>" for name in head),
        rows="\n".join(rows),
    )
    (folder / TABLE[1]).write_text(page, encoding="utf-8")


def cell(kind: str, message: str) -> str:
    return f'<td class="{html.escape(kind)}">{html.escape(kind)}<small>{html.escape(message)}</small></td>'


def summary(found: list[dict]) -> str:
    right = sum(kind == "right" for one in found for kind, _ in one["verdicts"].values())
    return f"{len(found)} submissions, {right} right answers."


def main(arguments: list[str] | None = None):
    parser = argparse.ArgumentParser(
        prog="python -m implicit_bias.check", description="Mark the notebooks in a folder by the checks that they call."
    )
    parser.add_argument("folder", type=Path, help="a notebook for each student, or a folder for each")
    parser.add_argument("--seconds", type=int, default=60, help="for a cell; a notebook has five times as long")
    options = parser.parse_args(arguments)
    if not options.folder.is_dir():
        parser.error(f"{options.folder} is no folder")
    if options.seconds < 1:
        parser.error(f"--seconds is {options.seconds}: give a cell at least one")
    with tempfile.TemporaryDirectory() as place:
        if not walls(Path(place)):
            print(NO_WALLS, file=sys.stderr)
    PROCESSES.set_forkserver_preload([__name__])
    handed_in = submissions(options.folder.resolve())
    students = [student for student, _ in handed_in]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = []
        marked = pool.map(lambda one: mark(one[1], options.seconds), handed_in)
        for student, one in zip(students, marked, strict=True):
            found.append(one)
            kinds = ", ".join(f"{name}: {kind}" for name, (kind, _) in one["verdicts"].items())
            print(f"{student}: {kinds or SAYS[one['state']] or 'no check is called'}", flush=True)
    write(options.folder, students, found)
    print(f"{summary(found)} See {options.folder / TABLE[0]} and {options.folder / TABLE[1]}.")
