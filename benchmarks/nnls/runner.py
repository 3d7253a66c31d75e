"""Runs solvers on instances, one process after the other, and keeps what they took in a file."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from .families import INSTANCES
from .solvers import OURS, SOLVERS, TARGETS

ROOT = Path(__file__).parents[2]
RECORDS = ROOT / "_build" / "benchmarks" / "nnls.json"
FACTOR = 30  # a peer gets this many times the CPU time that ours takes to the strictest target
LEAST, MOST = 5.0, 300.0  # but at least and at most so many seconds for each setting, and at least twice ours


def run(instances, solvers, *, most=MOST, records=RECORDS):
    """Measure the named solvers on the named instances; what the file has of others stays.

    Parameters
    ----------
    instances, solvers : list of str
    most : float
        Largest time limit of a call, in seconds of CPU time.
    records : Path

    Returns
    -------
    dict
        For each instance the record of each solver, see `measured`.
    """
    known = json.loads(records.read_text()) if records.exists() else {}
    records.parent.mkdir(parents=True, exist_ok=True)
    for instance in instances:
        results = known.setdefault(instance, {})
        # Ours first: its time sets the limit of the others.
        for name in sorted(solvers, key=lambda name: name != OURS):
            limit = MOST if name == OURS else time_limit(results.get(OURS), most)
            results[name] = measured(instance, name, limit)
            print(f"{instance}: {name}: {in_words(results[name])}", file=sys.stderr, flush=True)
            records.write_text(json.dumps(known, indent=1))
    return known


def time_limit(ours, most):
    """Seconds for each call of a peer; `ours` is the record of our solver, or None."""
    times = [run["seconds"] for run in ours["runs"] if "seconds" in run] if ours else []
    if not times:
        return most
    return max(2 * max(times), min(most, max(LEAST, FACTOR * max(times))))


def measured(instance, name, limit):
    """What one solver did: ``installed``, ``applies``, ``limit`` and ``runs``, one for each setting that was tried.

    A run has the ``setting``, ``seconds`` and ``kkt``, or an ``error``.
    """
    solver = SOLVERS[name]
    record = {"installed": solver.installed, "applies": True, "limit": limit, "runs": []}
    if not solver.installed:
        return record
    record["applies"] = solver.applies_to(*INSTANCES[instance].shape)
    if record["applies"]:
        for sequence in range(len(solver.sequences)):
            record["runs"] += one_process(instance, name, sequence, limit)
    return record


def one_process(instance, name, sequence, limit):
    command = [sys.executable, "-m", "benchmarks.nnls.worker", instance, name, str(sequence), str(limit)]
    path = os.pathsep.join(filter(None, (str(ROOT / "lib"), os.environ.get("PYTHONPATH"))))
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False
    )
    runs = [json.loads(line) for line in done.stdout.splitlines()]
    if done.returncode == -signal.SIGXCPU:
        runs.append({"error": "out of time"})
    elif done.returncode:
        runs.append({"error": (done.stderr.strip().splitlines() or [f"ended with {done.returncode}"])[-1][:200]})
    return runs


def in_words(record):
    if not record["installed"]:
        return "not installed"
    if not record["applies"]:
        return "needs a dense matrix that would be too large"
    reached = ", ".join(f"{target:.0e} {time_to(record, target):.3g} s" for target in TARGETS if solved(record, target))
    errors = {run["error"] for run in record["runs"] if "error" in run}
    return "; ".join(filter(None, (reached, *sorted(errors)))) or "did not reach the loosest target"


def solved(record, target):
    return any(run.get("kkt", 1) <= target for run in record["runs"])


def time_to(record, target):
    """The least time over the settings whose answer reaches the target; infinite if none does."""
    return min((run["seconds"] for run in record["runs"] if run.get("kkt", 1) <= target), default=float("inf"))
