"""Many right-hand sides: `nnls(A, Y)` against a loop of `scipy.optimize.nnls` over the columns."""

from unittest import mock

import numpy as np
from implicit_bias import _fast, nnls
from scipy.optimize import nnls as lawson_hanson

from benchmarks.timing import alternate, table

CASES = [(200, 50, 20, 1000), (200, 50, 1e3, 1000), (200, 50, 1e7, 300), (224, 12, 20, 2000), (600, 200, 20, 300)]


def data(m, n, condition, k):
    """A matrix with geometric singular values, and data from vectors of which half of the entries are positive."""
    rng = np.random.default_rng(0)
    U, V = (np.linalg.qr(rng.standard_normal((rows, n)))[0] for rows in (m, n))
    A = U * np.geomspace(1, 1 / condition, n) @ V.T
    return A, A @ np.maximum(rng.standard_normal((n, k)), 0) + 0.01 * rng.standard_normal((m, k))


def rows():
    for case in CASES:
        A, Y = data(*case)
        calls = {
            "loop": lambda A=A, Y=Y: np.transpose([lawson_hanson(A, y, maxiter=10_000)[0] for y in Y.T]),
            "nnls": lambda A=A, Y=Y: without_numba(A, Y),
            "fast": lambda A=A, Y=Y: nnls(A, Y),
        }
        calls["fast"]()  # compiles
        seconds, results = alternate(calls, repetitions=5)
        assert results["nnls"].converged
        m, n, condition, k = case
        error = max(np.max(np.abs(results[name].x - results["loop"])) for name in ("nnls", "fast"))
        times = (f"{1e6 * seconds[name] / k:.0f}" for name in calls)
        ratios = (f"{seconds['loop'] / seconds[name]:.1f}" for name in ("nnls", "fast"))
        yield f"{m}x{n}", f"{condition:g}", k, *times, *ratios, f"{error:.0e}"


def without_numba(A, Y):
    with mock.patch.object(_fast, "find_spec", lambda name: None):
        return nnls(A, Y)


def run():
    table(
        "Many right-hand sides: microseconds a column",
        ("matrix", "condition", "columns", "SciPy", "nnls", "fast", "SciPy / nnls", "SciPy / fast", "difference"),
        rows(),
    )
