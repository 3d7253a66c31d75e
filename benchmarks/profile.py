"""``python -m benchmarks.profile FILE``: where `nnls` spends its time on some rows of the benchmark, as a table.

Processor time with one thread, of the median run of several. What a function spends in another one of the list counts there.
"""

import argparse
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from time import process_time
from unittest import mock

from implicit_bias import _backends, _normalized, nnls
from threadpoolctl import threadpool_limits

from benchmarks.nnls.families import INSTANCES
from benchmarks.timing import write

SOLVER = import_module("implicit_bias.nnls")  # the name in the package is the function
ROWS = (
    "unmixing",
    "gaussian 2000x1000",
    "uniform 2000x1000",
    "bernoulli 5000x20000",
    "sparse 20000x10000",
    "tomography without noise",
    "inverse laplace 700x600",
    "stars",
    "spectrum",
)
MATRICES = (_backends.Dense, _backends.Sparse)
PARTS = {
    "products": [
        *((matrix, name) for matrix in MATRICES for name in ("forward", "backward", "normal", "column_norms")),
        (_normalized.OrdinaryProblem, "point"),
    ],
    "gram": [(matrix, name) for matrix in MATRICES for name in ("inner", "part", "columns")],
    "support": [
        (SOLVER, name)
        for name in (
            "finish",
            "meet",
            "one_by_one",
            "by_active_set",
            "by_block_pivoting",
            "active_set",
            "accurate_point",
        )
    ],
    "certificate": [(_normalized, "_certify")],
}
REPETITIONS = 5


class Watch:
    """How much time each part has taken, without what the others have taken within it."""

    def __init__(self):
        self.spent, self.running, self.since = dict.fromkeys([*PARTS, "rest"], 0.0), ["rest"], process_time()

    def switch(self):
        now = process_time()
        self.spent[self.running[-1]] += now - self.since
        self.since = now

    def watched(self, part, call):
        def timed(*arguments, **options):
            self.switch()
            self.running.append(part)
            try:
                return call(*arguments, **options)
            finally:
                self.switch()
                self.running.pop()

        return timed


def profile(A, y):
    """The seconds of each part, and the result."""
    watch = Watch()
    with ExitStack() as stack:
        for part, functions in PARTS.items():
            for owner, name in functions:
                stack.enter_context(mock.patch.object(owner, name, watch.watched(part, getattr(owner, name))))
        watch.since = process_time()
        result = nnls(A, y)
        watch.switch()
    return watch.spent, result


def measure(row, repetitions=REPETITIONS):
    """A line of the table, as a dictionary."""
    problem = INSTANCES[row].draw()
    with threadpool_limits(1):
        runs = [profile(problem.A, problem.y) for _ in range(repetitions)]
    spent, found = sorted(runs, key=lambda run: sum(run[0].values()))[repetitions // 2]
    assert found.converged, found.message
    seconds = sum(spent.values())
    shares = {part: f"{value / seconds:.3f}" for part, value in spent.items()}
    return {"row": row, "seconds": f"{seconds:.2g}", "number": found.products} | shares


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    options = parser.parse_args()
    write(options.file, [measure(row) for row in ROWS])


if __name__ == "__main__":
    main()
