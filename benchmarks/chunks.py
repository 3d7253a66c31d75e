"""``python -m benchmarks.chunks``: a matrix of 3.2 GB in a file, solved by two processes that may have 1 GB each.

With ``--scheduler ADDRESS`` the processes are those of a cluster; then FILE has to be where all of them can read it.
"""

import argparse
import contextlib
import resource
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import dask
import dask.array as array
import numpy as np
from distributed import Client, LocalCluster
from implicit_bias import nnls
from implicit_bias._backends import as_backend

from benchmarks.timing import write

CHUNK = 100e6  # bytes
# The peak of a process contains that of the one it comes from: what takes most memory here comes last.
TABLE = [(rows, "two processes") for rows in (5000, 50_000, 200_000)]
TABLE += [(rows, place) for place in ("chunks, threads", "in memory") for rows in (5000, 50_000)]


def written(file, m, n):
    """The data; the matrix is written into the file, some rows at a time."""
    rng, weights = np.random.default_rng(0), np.random.default_rng(1)
    x = np.where(weights.random(n) < 0.1, weights.random(n), 0.0)
    parts = []
    with file.open("wb") as out:
        for start, end in pieces(m, n):
            rows = rng.random((end - start, n))
            rows.tofile(out)
            parts.append(rows @ x)
    y = np.concatenate(parts)
    return y + 0.01 * np.std(y) * weights.standard_normal(m)


def pieces(m, n):
    step = max(1, int(CHUNK / (8 * n)))
    return [(start, min(start + step, m)) for start in range(0, m, step)]


def rows_of(file, start, end, n):
    return np.fromfile(file, count=(end - start) * n, offset=8 * start * n).reshape(-1, n)


def in_chunks(file, m, n):
    read = dask.delayed(rows_of, pure=True)
    parts = [array.from_delayed(read(str(file), *piece, n), (piece[1] - piece[0], n), float) for piece in pieces(m, n)]
    return array.concatenate(parts)


def processor_time(client):
    """Seconds of all workers, if there are any, and of this process."""
    return sum(client.run(time.process_time).values() if client else []) + time.process_time()


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def measure(place, client, file, m, n, tol):
    """A row of the table, as a dictionary."""
    y = written(file, m, n)
    A = np.fromfile(file).reshape(m, n) if place == "in memory" else in_chunks(file, m, n)
    before, start = processor_time(client), time.perf_counter()
    found = nnls(A, y, tol=tol)
    spent, seconds = processor_time(client) - before, time.perf_counter() - start
    matrix, before, start = as_backend(A), processor_time(client), time.perf_counter()
    for k in range(found.products):
        matrix.backward(y) if k % 2 else matrix.forward(found.x)
    alone, product = processor_time(client) - before, (time.perf_counter() - start) / found.products
    memory = max(client.run(peak).values()) if client else peak()
    print(
        f"{found.products} products, gap {found.gap / (0.5 * found.residual_norm**2):.0e} of the loss. {found.message}"
    )
    return {
        "A": place,
        "size": f"{8e-9 * m * n:.2g}\N{NO-BREAK SPACE}GB",
        "chunks": len(pieces(m, n)) if place != "in memory" else "",
        "one product": f"{product:.3f}\N{NO-BREAK SPACE}s",
        "products": found.products,
        "nnls": f"{seconds:.1f}\N{NO-BREAK SPACE}s",
        "times its products": f"{spent / alone:.1f}",
        "memory of a process": f"{memory:.2f}\N{NO-BREAK SPACE}GB" if client else "",
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--columns", type=int, default=2000)
    parser.add_argument("--tol", type=float, default=1e-8)
    parser.add_argument("--scheduler", help="the address of a running scheduler")
    parser.add_argument("--file", type=Path, help="where to write the matrix; a temporary folder, if not given")
    parser.add_argument("--table", type=Path, help="measure the sizes and places of the book, and write them there")
    options = parser.parse_args()
    runs = TABLE if options.table else [(options.rows, "a cluster" if options.scheduler else "two processes")]
    measured = []
    with TemporaryDirectory() as folder:
        file = options.file or Path(folder) / "matrix"
        for rows, place in runs:
            with client_of(place, options.scheduler) as client:
                measured.append(measure(place, client, file, rows, options.columns, options.tol))
            print(*(f"{name}: {value}" for name, value in measured[-1].items()), sep=", ", flush=True)
    if options.table:
        write(options.table, measured)


@contextlib.contextmanager
def client_of(place, scheduler):
    if place == "a cluster":
        with Client(scheduler) as client:
            yield client
    elif place == "two processes":
        local = {"n_workers": 2, "threads_per_worker": 1, "memory_limit": "1GB", "dashboard_address": None}
        with LocalCluster(**local) as cluster, Client(cluster) as client:
            yield client
    else:
        yield None


if __name__ == "__main__":
    main()
