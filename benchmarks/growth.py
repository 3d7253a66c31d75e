"""``python -m benchmarks.growth FILE``: how the time of `nnls` grows with the entries of the matrix, as a table.

The time is that of the processor for one thread, which no other program disturbs, and by the clock for two: then the machine
should be idle. It is the least of several runs. Lines that are in the file already are kept.
"""

import argparse
import csv
from pathlib import Path
from time import perf_counter, process_time

import dask
import dask.array as array
import numpy as np
from implicit_bias import nnls
from implicit_bias._backends import as_backend
from implicit_bias.problems import nonnegative_regression
from scipy.sparse import csr_array
from threadpoolctl import threadpool_limits

from benchmarks.timing import write

ENTRIES = [10.0 ** (k / 2) for k in range(4, 17)]  # 1e2 to 1e8
KINDS = {  # how many entries there are at least, and for how many threads
    "dense": (1e2, (1, 2)),
    "sparse": (200, (1,)),  # SciPy multiplies sparse matrices in one thread
    "chunks": (1e6, (1, 2)),  # smaller ones are taken into memory
}
CHUNK = 100e6  # bytes
APART = 100  # columns of a sparse matrix for one entry of a row
LONG = 0.5  # seconds of repetitions


def instance(kind, entries):
    """A matrix with about so many entries that are not zero and twice as many rows as columns, and data with noise."""
    if kind == "sparse":
        return sparse(max(1, round(np.sqrt(entries / (2 * APART)))))
    n = max(1, round(np.sqrt(entries / 2)))
    problem = nonnegative_regression(n, 2 * n, max(1, n // 10), seed=0, noise=0.01 * n)
    if kind == "dense":
        return problem.A, problem.y
    return array.from_array(problem.A, chunks=(max(1, int(CHUNK / (8 * n))), -1), name=False), problem.y


def sparse(blocks):
    """Each row has one entry in each block of columns, at a random place, uniform in [0, 1]."""
    n = APART * blocks
    m, rng = 2 * n, np.random.default_rng(0)
    columns = rng.integers(0, APART, (m, blocks), dtype=np.int32) + APART * np.arange(blocks, dtype=np.int32)
    A = csr_array((rng.random(m * blocks), columns.ravel(), blocks * np.arange(m + 1, dtype=np.int64)), shape=(m, n))
    x = np.where(rng.random(n) < 0.1, rng.uniform(0.5, 1.5, n), 0.0)
    y = A @ x
    return A, y + 0.1 * np.linalg.norm(y) / np.sqrt(m) * rng.standard_normal(m)


def measure(kind, threads, entries):
    """A line of the table, as a dictionary."""
    A, y = instance(kind, entries)
    # dask has threads of its own, each of which multiplies alone.
    with (
        threadpool_limits(1 if kind == "chunks" else threads),
        dask.config.set(scheduler="threads", num_workers=threads),
    ):
        seconds, found = timed(lambda: nnls(A, y), threads)
        matrix = as_backend(A)
        product, _ = timed(lambda: matrix.backward(matrix.forward(found.x)), threads)
    assert found.converged, found.message
    m, n = A.shape
    return {
        "kind": kind,
        "threads": threads,
        "wanted": f"{entries:.1e}",
        "entries": A.nnz if kind == "sparse" else m * n,
        "rows": m,
        "columns": n,
        "seconds": f"{seconds:.2e}",
        "product": f"{product / 2:.2e}",
        "products": found.products,
        "gap": f"{found.optimality:.0e}",
        "method": found.message.partition(",")[0],
    }


def timed(call, threads):
    """The least time of some repetitions, at least three if they are short, and what the last one returned."""
    clock = process_time if threads == 1 else perf_counter
    least, end, number = np.inf, clock() + LONG, 0
    while clock() < end or (number < 3 and least < 10):
        start = clock()
        result = call()
        least, number = min(least, clock() - start), number + 1
    return least, result


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--most", type=float, default=1e8, help="entries (default: 1e8, for which 4 GB are needed)")
    options = parser.parse_args()
    known = {}
    if options.file.exists():
        with options.file.open(newline="", encoding="utf-8") as lines:
            known = {(row["kind"], row["threads"], row["wanted"]): row for row in csv.DictReader(lines)}
    runs = [
        (kind, str(threads), f"{entries:.1e}")
        for kind, (least, numbers) in KINDS.items()
        for threads in numbers
        for entries in ENTRIES
        if least <= 1.01 * entries
    ]
    for run in runs:
        kind, threads, entries = run[0], int(run[1]), float(run[2])
        if run not in known and threads in options.threads and entries <= options.most:
            known[run] = measure(kind, threads, entries)
            write(options.file, [known[run] for run in runs if run in known])


if __name__ == "__main__":
    main()
