"""``python -m benchmarks.chunks``: a matrix of 3.2 GB in a file, solved by two processes that may have 1 GB each.

With ``--scheduler ADDRESS`` the processes are those of a cluster; then FILE has to be where all of them can read it.
"""

import argparse
import resource
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import dask
import dask.array as array
import numpy as np
from distributed import Client, LocalCluster
from implicit_bias import nnls
from implicit_bias._backends import Chunks

CHUNK = 100e6  # bytes


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
    """Seconds of all workers and of this process."""
    return sum(client.run(time.process_time).values()) + time.process_time()


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def measure(client, file, m, n, tol):
    y = written(file, m, n)
    A = in_chunks(file, m, n)
    before, start = processor_time(client), time.perf_counter()
    found = nnls(A, y, tol=tol)
    spent, seconds = processor_time(client) - before, time.perf_counter() - start
    print(f"converged={found.converged}. {found.message}")
    print(f"{found.products} products, {np.count_nonzero(found.x)} of {n} entries are positive.")
    print(f"nnls: {spent:.1f} s of all processors, {seconds:.1f} s on the clock.")
    matrix, before = Chunks(A), processor_time(client)
    for k in range(found.products):
        matrix.backward(y) if k % 2 else matrix.forward(found.x)
    products = processor_time(client) - before
    print(f"Its products alone: {products:.1f} s of all processors; nnls takes {spent / products:.2f} times as long.")
    memory = client.run(peak).values()
    print(
        f"Peak memory of the workers: {', '.join(f'{size:.2f} GB' for size in memory)}; of this process {peak():.2f} GB."
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--columns", type=int, default=2000)
    parser.add_argument("--tol", type=float, default=1e-8)
    parser.add_argument("--scheduler", help="the address of a running scheduler")
    parser.add_argument("--file", type=Path, help="where to write the matrix; a temporary folder, if not given")
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        file = options.file or Path(folder) / "matrix"
        problem = file, options.rows, options.columns, options.tol
        if options.scheduler:
            with Client(options.scheduler) as client:
                measure(client, *problem)
        else:
            local = {"n_workers": 2, "threads_per_worker": 1, "memory_limit": "1GB", "dashboard_address": None}
            with LocalCluster(**local) as cluster, Client(cluster) as client:
                measure(client, *problem)


if __name__ == "__main__":
    main()
