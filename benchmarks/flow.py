"""The path of gradient flow against SciPy's integrators in the weights (u, v).

All follow the flow up to the time at which the residual is 1e-5 of the data. The error of a path is its largest
distance to a reference, relative to the largest norm, at times where the reference took its steps: dense where the path
moves. Each peer gets the loosest of the tolerances with which its error is below 1e-3. An integrator that gives up
early looks fast, so a run counts only if it reached the last time.
"""

from statistics import median
from time import process_time

import numpy as np
from implicit_bias.flow import gradient_flow
from implicit_bias.parametrizations import SignedHadamardPower
from implicit_bias.problems import sparse_recovery
from scipy.integrate import solve_ivp

from .timing import cpu_time, table

ALPHA = 1e-3
FINAL_RESIDUAL = 1e-5
WANTED_ERROR = 1e-3
POINTS = 400
CAP = 30  # seconds of CPU time for one run of a peer
PEERS = ("RK45", "DOP853", "LSODA", "BDF")
TOLERANCES = (1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9)


class TooSlow(Exception):
    """Raised inside the right-hand side when the cap is reached."""


def reference(A, y, parametrization):
    """Times and path of a tight Radau run on ``d grad h(x)/dt = A.T (y - A x)``, in its `m` dual unknowns."""

    def x(mu):
        return parametrization.inverse_mirror_map(A.T @ mu, ALPHA)

    def small_residual(t, mu):
        return np.linalg.norm(y - A @ x(mu)) - FINAL_RESIDUAL * np.linalg.norm(y)

    small_residual.terminal = True
    with np.errstate(all="ignore"):  # trial points outside the domain
        run = solve_ivp(
            lambda t, mu: y - A @ x(mu),
            (0, 1e20),
            np.zeros(len(y)),
            method="Radau",
            rtol=1e-10,
            atol=1e-12,
            events=small_residual,
        )
    kept = np.unique(np.linspace(0, len(run.t) - 1, POINTS).astype(int))
    return run.t[kept], np.array([x(mu) for mu in run.y.T[kept]])


def in_weights(A, y, depth, times, method, rtol):
    """The path by a method of `solve_ivp` in the 2n weights, or None if it failed; `TooSlow` after the cap."""
    n, stop = A.shape[1], process_time() + CAP

    def velocity(t, w):
        if process_time() > stop:
            raise TooSlow
        # Products, since powers with real exponents are slow and would slow the peer.
        slope = w.copy()
        for _ in range(depth - 2):
            slope *= w
        powers = slope * w
        gradient = A.T @ (A @ (powers[:n] - powers[n:]) - y)
        slope *= depth
        slope[:n] *= -gradient
        slope[n:] *= gradient
        return slope

    with np.errstate(all="ignore"):  # a step that diverges is refused
        run = solve_ivp(
            velocity, (0, times[-1]), np.full(2 * n, ALPHA), method, t_eval=times, rtol=rtol, atol=rtol * ALPHA
        )
    if run.status != 0 or len(run.t) != len(times):
        return None
    return (run.y[:n] ** depth - run.y[n:] ** depth).T


def loosest(A, y, depth, times, truth, method):
    """Seconds, tolerance and error of the loosest run of a peer that is accurate enough; no error after the cap."""
    for rtol in TOLERANCES:
        try:
            seconds, path = cpu_time(lambda rtol=rtol: in_weights(A, y, depth, times, method, rtol))
        except TooSlow:
            return CAP, rtol, None
        if path is not None and distance(path, truth) < WANTED_ERROR:
            return seconds, rtol, distance(path, truth)
    raise RuntimeError(f"{method} is not accurate at any tolerance")


def distance(path, truth):
    return np.max(np.linalg.norm(path - truth, axis=1)) / np.max(np.linalg.norm(truth, axis=1))


def compare(seed, depth):
    problem = sparse_recovery(300, 100, 10, seed=seed)
    A, y, parametrization = problem.A, problem.y, SignedHadamardPower(depth)
    times, truth = reference(A, y, parametrization)
    case = (f"{seed}", f"{depth}", f"{times[-1]:.0f}")
    ours, peers = [], {}
    for method in (None, *PEERS):
        ours += [cpu_time(lambda: gradient_flow(A, y, parametrization, alpha=ALPHA, times=times)) for _ in range(3)]
        if method:
            peers[method] = loosest(A, y, depth, times, truth, method)
    path = ours[0][1].path
    if len(path.times) != len(times):
        raise RuntimeError("gradient_flow stopped early")
    second = median(seconds for seconds, _ in ours)
    yield *case, "gradient_flow", f"{second:.3f}", "1", "", f"{distance(path.x, truth):.0e}"
    for method, (seconds, rtol, error) in peers.items():
        more, shown = (">", "") if error is None else ("", f"{error:.0e}")
        yield *case, method, f"{more}{seconds:.3g}", f"{more}{seconds / second:.1f}", f"{rtol:.0e}", shown


def run():
    table(
        "gradient_flow against solve_ivp in (u, v), m = 100, n = 300, 10 non-zero entries, alpha = 1e-3\n"
        "(targets: the explicit RK45 and DOP853 at least 50 times slower at depth 2 and 6 times at depth 3)",
        ("seed", "depth", "end time", "method", "seconds", "ratio", "rtol", "path error"),
        (row for depth in (2, 3) for seed in (0, 1) for row in compare(seed, depth)),
    )
