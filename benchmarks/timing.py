"""CPU times of several calls whose repetitions alternate, so that a busy machine slows all of them alike."""

import csv
from pathlib import Path
from statistics import median
from time import process_time


def cpu_time(call):
    """Seconds of CPU time of one call, and what it returned."""
    start = process_time()
    result = call()
    return process_time() - start, result


def alternate(calls, repetitions=7):
    """The median time and the last result of each of the named `calls`."""
    seconds, results = {name: [] for name in calls}, {}
    for _ in range(repetitions):
        for name, call in calls.items():
            second, results[name] = cpu_time(call)
            seconds[name].append(second)
    return {name: median(seconds[name]) for name in calls}, results


def table(title, header, rows):
    """Print a table of strings as rows arrive."""
    print(title)
    print("  ".join(f"{name:>12}" for name in header))
    for row in rows:
        print("  ".join(f"{cell:>12}" for cell in row), flush=True)


def write(file, rows):
    """Write rows, which are dictionaries, as a table that a page of the book shows or draws."""
    with Path(file).open("w", newline="", encoding="utf-8") as out:
        table = csv.DictWriter(out, rows[0], lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
