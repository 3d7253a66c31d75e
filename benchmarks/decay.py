"""Gradient flow with weight decay against SciPy's LSODA in the weights (u, v), at depth 2.

The error of a path is its largest distance to a reference, relative to the largest norm. LSODA gets the loosest of the
tolerances with which its error is at most that of `gradient_flow`, or below `ENOUGH` where that is easier.
"""

from time import process_time

import numpy as np
from implicit_bias.flow import gradient_flow
from implicit_bias.parametrizations import SignedHadamardPower
from implicit_bias.problems import sparse_recovery
from scipy.integrate import solve_ivp

from .timing import cpu_time, table

CASES = (
    (100, 40, 3.0, 0.01, 700.0),
    (100, 40, 10.0, 0.02, 400.0),
    (400, 100, 3.0, 0.01, 700.0),
)  # n, m, start, decay, end
ENOUGH = 1e-5
TOLERANCES = (1e-5, 1e-6, 1e-7, 1e-8)
CAP = 120  # seconds of CPU time for one run of LSODA


class TooSlow(Exception):
    """Raised inside the right-hand side when the cap is reached."""


def dual_path(A, y, alpha, decay, times, method="Radau", rtol=1e-10, atol=1e-13):
    """A tight run of the dual equation, ``x = 2 alpha^2 exp(-2 decay t) sinh(A.T mu)``; tests of theorems use it, too."""

    def parts(t, mu):
        s, scale = A.T @ mu, 2 * np.log(alpha) - 2 * decay * t
        return np.exp(scale + s), np.exp(scale - s)

    def velocity(t, mu):
        up, down = parts(t, mu)
        return 4 * (y - A @ (up - down))

    def jacobian(t, mu):
        return -4 * (A * sum(parts(t, mu))) @ A.T

    run = solve_ivp(velocity, (0, times[-1]), np.zeros(len(y)), method, times, jac=jacobian, rtol=rtol, atol=atol)
    return np.array([np.subtract(*parts(t, mu)) for t, mu in zip(run.t, run.y.T, strict=True)])


def in_weights(A, y, alpha, decay, times, rtol):
    n, stop = A.shape[1], process_time() + CAP

    def velocity(t, w):
        if process_time() > stop:
            raise TooSlow
        u, v = w[:n], w[n:]
        pull = 2 * (A.T @ (A @ (u * u - v * v) - y))
        return np.concatenate([-u * pull - decay * u, v * pull - decay * v])

    run = solve_ivp(velocity, (0, times[-1]), np.full(2 * n, alpha), "LSODA", times, rtol=rtol, atol=1e-3 * rtol)
    return (run.y[:n] ** 2 - run.y[n:] ** 2).T


def distance(path, truth):
    return np.max(np.linalg.norm(path - truth, axis=1)) / np.max(np.linalg.norm(truth, axis=1))


def compare(n, m, alpha, decay, end):
    problem = sparse_recovery(n=n, m=m, s=5, seed=0)
    A, y, times = problem.A, problem.y, np.r_[0, np.geomspace(1e-3, end, 300)]
    truth, model = dual_path(A, y, alpha, decay, times), SignedHadamardPower(2)
    second, result = min(
        (cpu_time(lambda: gradient_flow(A, y, model, alpha=alpha, weight_decay=decay, times=times)) for _ in range(3)),
        key=lambda one: one[0],
    )
    error = distance(result.path.x, truth)
    case = f"{n}", f"{alpha:g}", f"{decay:g}", f"{end:g}"
    yield *case, "gradient_flow", f"{second:.3f}", "1", f"{error:.0e}"
    for rtol in TOLERANCES:
        try:
            seconds, path = cpu_time(lambda rtol=rtol: in_weights(A, y, alpha, decay, times, rtol))
        except TooSlow:
            yield *case, f"LSODA, rtol {rtol:.0e}", f">{CAP}", f">{CAP / second:.0f}", ""
            break
        found = distance(path, truth)
        if found <= max(error, ENOUGH):
            yield *case, f"LSODA, rtol {rtol:.0e}", f"{seconds:.3g}", f"{seconds / second:.1f}", f"{found:.0e}"
            break


def run():
    table(
        "gradient_flow with weight decay against LSODA in (u, v), m = 40 or 100, 5 non-zero entries\n"
        "(target for alpha = 3, decay 0.01: at most 1 s, and 10 times faster)",
        ("n", "alpha", "decay", "end time", "method", "seconds", "ratio", "path error"),
        (row for case in CASES for row in compare(*case)),
    )
