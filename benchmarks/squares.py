"""``python -m benchmarks.squares FILE``: the square matrices of 2207.08437, up to 4000, as a table of CPU times."""

import sys

import numpy as np
from implicit_bias import HadamardPower, gradient_descent, nnls
from scipy.optimize import nnls as scipy_nnls

from .timing import cpu_time, write

SIZES = (50, 100, 200, 400, 1000, 2000, 4000)
STEPS = 1500


def square(n):
    """The matrix and the data of one size; the page "The papers, reproduced" has the same ones."""
    M = np.random.default_rng(n).standard_normal((n, n + 1)) / np.sqrt(n)
    return M[:, :-1], M[:, -1]


def measure(n):
    """A row of the table, as a dictionary."""
    A, y = square(n)
    direct, found = min((cpu_time(lambda: nnls(A, y)) for _ in range(3)), key=lambda run: run[0])
    active, _ = cpu_time(lambda: scipy_nnls(A, y, maxiter=10 * n))
    options = {"alpha": 0.1, "max_iterations": STEPS, "record": 1}
    descent, run = cpu_time(lambda: gradient_descent(A, y, HadamardPower(2), **options))
    return {
        "size": n,
        "`nnls`": f"{direct:.2g}\N{NO-BREAK SPACE}s",
        "SciPy's `nnls`": f"{active:.2g}\N{NO-BREAK SPACE}s",
        f"{STEPS} steps": f"{descent:.2g}\N{NO-BREAK SPACE}s",
        "descent is above": power((np.linalg.norm(A @ run.x - y) / found.residual_norm) ** 2 - 1),
    }


def power(value):
    """One digit and a power of ten, as the book writes them."""
    digit, exponent = f"{value:.0e}".split("e")
    return f"${digit}\\cdot10^{{{int(exponent)}}}$"


def main(file):
    rows = []
    for n in SIZES:
        rows.append(measure(n))
        print(*(f"{name}: {value}" for name, value in rows[-1].items()), sep=", ", flush=True)
    write(file, rows)


if __name__ == "__main__":
    main(*sys.argv[1:])
