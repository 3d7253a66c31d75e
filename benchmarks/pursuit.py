"""The limit of the flow for a tiny start as a basis-pursuit solver, and where that stops being a good idea.

Peers: the simplex method of HiGHS (faster here than its interior-point method), and the homotopy method LARS of
scikit-learn, which follows the lasso path from jump to jump and so profits from few non-zero entries.
"""

import warnings

import numpy as np
from implicit_bias.baselines import basis_pursuit
from implicit_bias.limits import flow_limit
from implicit_bias.parametrizations import SignedHadamardPower
from implicit_bias.problems import sparse_recovery
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import lars_path

from .timing import alternate, table

SQUARES = SignedHadamardPower(2)
# m, n, number of non-zero entries (None: y is normal, and no sparse solution exists)
SPARSE = ((20, 50, 2), (50, 150, 5), (100, 300, 10), (200, 500, 20), (400, 1000, 40), (800, 2000, 80))
HARD = ((100, 20_000, 5), (200, 500, 50), (200, 500, 60), (200, 500, 70), (200, 500, None), (400, 1000, None))
TINY = 1e-12


def instance(m, n, s):
    problem = sparse_recovery(n, m, s or 1, seed=0)
    return problem.A, problem.y if s else np.random.default_rng(0).standard_normal(m)


def homotopy(A, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # rounding at the end of the path; the gap tells
        return lars_path(A, y, method="lasso", alpha_min=0)[2][:, -1]


def compare(sizes):
    for m, n, s in sizes:
        A, y = instance(m, n, s)
        calls = {
            "limit": lambda A=A, y=y: flow_limit(A, y, SQUARES, alpha=TINY).x,
            "HiGHS": lambda A=A, y=y: basis_pursuit(A, y).x,
            "LARS": lambda A=A, y=y: homotopy(A, y),
        }
        seconds, x = alternate(calls, 7 if m * n < 200_000 else 3)
        norm = {name: np.sum(np.abs(found)) for name, found in x.items()}
        residual = np.linalg.norm(A @ x["limit"] - y) / np.linalg.norm(y)
        yield (
            f"{m} x {n}",
            "generic" if s is None else f"{s}",
            f"{1e3 * seconds['limit']:.1f}",
            f"{seconds['HiGHS'] / seconds['limit']:.1f}",
            f"{seconds['LARS'] / seconds['limit']:.2f}",
            f"{norm['limit'] / norm['HiGHS'] - 1:.0e}",
            f"{residual:.0e}",
        )


def sweep(sizes):
    alphas = np.geomspace(1e-1, TINY, 45)[:, None]
    for m, n, s in sizes:
        A, y = instance(m, n, s)
        calls = {
            "limits": lambda A=A, y=y: flow_limit(A, y, SQUARES, alpha=alphas),
            "HiGHS": lambda A=A, y=y: basis_pursuit(A, y),
        }
        seconds, results = alternate(calls, 3)
        yield (
            f"{m} x {n}",
            f"{1e3 * seconds['limits']:.0f}",
            f"{results['limits'].iterations}",
            f"{seconds['HiGHS'] / seconds['limits']:.2f}",
        )


def run():
    header = ("m x n", "non-zeros", "ms", "HiGHS/limit", "LARS/limit", "l1 gap", "residual")
    table(
        "Basis pursuit by flow_limit(alpha=1e-12), sparse truth (target: HiGHS/limit >= 5 from 100 x 300 on)",
        header,
        compare(SPARSE),
    )
    table("\nThe same where the limit is not the least l1-norm, or hardly", header, compare(HARD))
    header = ("m x n", "ms", "Newton steps", "HiGHS/sweep")
    table("\nThe limits for 45 scales from 1e-1 to 1e-12 against one linear program", header, sweep(SPARSE[1:5]))
