"""Gradient descent from many scales at once against one run for each scale."""

import numpy as np
from implicit_bias.descent import gradient_descent
from implicit_bias.parametrizations import SignedHadamardPower
from implicit_bias.problems import sparse_recovery

from .timing import alternate, table

ALPHAS = np.geomspace(1, 1e-3, 31)
STEPS = 1000


def run():
    def rows():
        for m, n, s in ((20, 50, 2), (100, 300, 10), (200, 500, 20)):
            problem = sparse_recovery(n, m, s, seed=0)
            for depth in (2, 3):

                def descend(alpha, problem=problem, depth=depth):
                    return gradient_descent(
                        problem.A, problem.y, SignedHadamardPower(depth), alpha=alpha, max_iterations=STEPS, tol=0
                    ).x

                calls = {
                    "stack": lambda descend=descend: descend(ALPHAS[:, None]),
                    "singles": lambda descend=descend: np.array([descend(alpha) for alpha in ALPHAS]),
                }
                seconds, x = alternate(calls, 3)
                yield (
                    f"{m} x {n}",
                    f"{depth}",
                    f"{seconds['stack']:.2f}",
                    f"{seconds['singles'] / seconds['stack']:.1f}",
                    f"{np.max(np.abs(x['stack'] - x['singles'])):.0e}",
                )

    table(
        f"gradient_descent, {STEPS} steps from 31 scales: one stack against 31 runs",
        ("m x n", "depth", "seconds", "runs/stack", "difference"),
        rows(),
    )
