"""Gradient flow, the path of gradient descent in continuous time.

In the dual coordinate the flow on a non-convex loss in `n` or `2n` weights is the flow of a smooth concave function of `m`
unknowns. It is stiff (off the support the time scales grow like ``1/alpha``), so an implicit integrator follows it with
some hundred steps where an explicit one in the weights needs 1e4 to 1e5.
"""

import warnings

import numpy as np
from scipy.integrate import solve_ivp
from scipy.optimize import OptimizeResult

from ._matrices import as_entries, gram, largest_entry
from ._validation import as_alpha, as_data, as_matrix, as_parametrization, as_reals
from .baselines import minimum_norm
from .measures import _kkt, column_norms
from .parametrizations import DualPoint
from .results import Path, Result

# Below this value of alpha^(L-2) the subtraction 1 - s in the dual coordinate loses all digits that a plot can show.
SMALLEST_GAP = 1e-11
# A start this many times the size of a solution: rounding hides the flow (one sign), the integrator overflows (both).
LARGEST_POSITIVE_START, LARGEST_SIGNED_START = 1e12, 1e50
LONGEST = 1e40  # a flow that has not converged at this time (in units of the problem) never will
TOLERANCE = 1e-8
MAX_EVALUATIONS = 200_000  # some hundred times what a flow needs; an integrator that goes on longer makes no progress


def gradient_flow(A, y, parametrization, *, alpha, times=None):
    r"""Gradient flow ``dw/dt = -grad (1/2 |A x(w) - y|^2)``, ``w(0) = alpha``.

    Integrated by SciPy's BDF method at depth 2 and Radau above, with the exact Jacobian, in the `m` dual unknowns
    ``dmu/dt = c (y - A x(A.T mu))``. The error of the path is about 1e-5 of its size; while it jumps, which it does the
    faster the greater the depth and the smaller `alpha`, it may be some 1e-4.

    Source: the mirror flow of Amid and Warmuth (2020) in the dual. Taught in the chapter "Sparse recovery".

    Parameters
    ----------
    A : array_like, sparse matrix or LinearOperator, shape (m, n)
        A `LinearOperator` is turned into a dense matrix by `min(m, n)` products.
    y : array_like, shape (m,)
    parametrization : HadamardPower or SignedHadamardPower
    alpha : float or array_like, shape (n,)
        Scale of the start, at least about ``1e-11 ** (1 / (depth - 2))`` for depth > 2: smaller ones need times that no
        integrator reaches in this coordinate, use `flow_limit`.
    times : array_like, shape (k,), optional
        Increasing non-negative times at which the path is wanted. By default the flow is followed until the KKT residual is
        below 1e-8, and the path holds the integrator's own steps.

    Returns
    -------
    Result
        With `path`; `x` is its last point. `optimality` is the KKT residual there; with `times` given, `converged` says
        whether it is below 1e-8.

    Raises
    ------
    ValueError
        For a wrong shape, a non-finite or non-real entry, times that do not increase, or a too small `alpha`.

    Warns
    -----
    RuntimeWarning
        When the integrator gave up before the last of `times`; the path ends where it did.

    Examples
    --------
    One measurement of one positive number: logistic growth.

    >>> from implicit_bias.parametrizations import HadamardPower
    >>> result = gradient_flow([[1.0]], [1.0], HadamardPower(2), alpha=0.1, times=[0.0, 1.0, 2.0])
    >>> result.path.x[:, 0].round(3).tolist()
    [0.01, 0.355, 0.968]
    """
    A = as_matrix(A)
    dtype, n = A.dtype, A.shape[1]
    y = as_data(y, A).astype(float)
    parametrization = as_parametrization(parametrization, potential=True)
    alpha = as_alpha(alpha, n)
    if alpha.ndim == 2:
        raise ValueError(f"alpha must be a number or have shape ({n},), got {alpha.shape}: one flow at a time")
    if times is not None:
        times = _as_times(times)
    dual = _Dual(as_entries(A), y, parametrization, np.broadcast_to(alpha, (n,)))

    def settled(t, mu):
        return dual.kkt_residual(mu) - TOLERANCE / 2

    settled.terminal = True
    end = LONGEST if times is None else times[-1] * dual.clock
    if times is None and settled(0.0, np.zeros(A.shape[0])) <= 0:
        end = 0.0  # the event is a change of sign, and a start at the solution has none
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # trial points outside the domain: refused
        try:
            run = solve_ivp(
                dual.velocity,
                (0.0, max(end, np.finfo(float).tiny)),
                np.zeros(A.shape[0]),
                # Radau takes each step afresh: BDF's extrapolated history overruns the end of the domain (depth > 2).
                method="BDF" if parametrization.depth == 2 else "Radau",
                jac=dual.jacobian,
                t_eval=None if times is None else times * dual.clock,
                events=settled if times is None else None,
                rtol=1e-6,
                atol=1e-9 * dual.size,
            )
        except _NoProgressError as error:  # all that is left is the start
            run = OptimizeResult(
                t=np.zeros(1), y=np.zeros((A.shape[0], 1)), status=-1, message=str(error), nfev=dual.evaluations
            )
    x = np.array([dual.x(mu) for mu in run.y.T]) * dual.unit
    finite = np.logical_and.accumulate(np.all(np.isfinite(x), axis=1))
    x, run.t, run.y = x[finite], run.t[finite], run.y[:, finite]
    residuals = (A @ x.T.astype(dtype)).T - y
    path = Path(run.t / dual.clock, x.astype(dtype), np.sum(residuals**2, axis=-1) / 2)
    optimality = float(dual.kkt_residual(run.y[:, -1]))
    converged = optimality <= TOLERANCE
    if run.status < 0 or not np.all(finite):
        message = f"The integrator stopped at time {path.times[-1]:.3g}: {run.message}"
        warnings.warn(f"gradient_flow: {message}", RuntimeWarning, stacklevel=2)
    elif converged:
        message = f"The KKT residual is below {TOLERANCE:g} at time {path.times[-1]:.3g}."
    else:
        message = f"The flow was followed up to time {path.times[-1]:.3g}; the KKT residual is {optimality:.1e}."
    return Result(path.x[-1], bool(converged), run.nfev, message, optimality, "kkt_residual", path)


class _NoProgressError(Exception):
    """The integrator would go on for ever."""


class _Dual:
    """The flow in the dual unknowns, for a problem whose entries have been brought to size 1.

    With ``A = a A'``, ``y = b y'`` the vector is ``x = (b/a) x'`` and the time of the scaled flow is
    ``clock = a b (b/a)^(1-2/L)`` times the time of the flow.
    """

    def __init__(self, A, y, parametrization, alpha):
        L = parametrization.depth
        a, b = largest_entry(A) or 1.0, np.max(np.abs(y)) or 1.0
        self.A, self.parametrization = A / a, parametrization
        # The part of y outside the range of A moves nothing but mu, which would grow without end.
        self.y = self.A @ minimum_norm(self.A, y / b)
        self.unit = b / a
        self.clock = a * b * self.unit ** (1 - 2 / L)
        self.log_start = parametrization.log_start(alpha) - np.log(self.unit)
        largest = LARGEST_POSITIVE_START if parametrization.nonnegative else LARGEST_SIGNED_START
        if np.max(self.log_start) > np.log(largest):
            raise ValueError(
                f"alpha {np.max(alpha):g} is too large at depth {L}: the start exceeds the size of a solution "
                f"{largest:g} times, beyond what can be integrated"
            )
        scale = np.exp(np.max(self.log_start) / L)
        self.rate = parametrization.dual_rate(scale)
        # A coordinate that starts higher moves faster: its dual rate is alpha_i^(L-2).
        self.rates = (alpha / np.max(alpha)) ** (L - 2)
        self.gap = min(1.0, scale ** (L - 2))
        # How far mu goes: up to the gap, or only as far as moves the signed model, whose dx/ds is the start, by 1.
        self.size = self.gap if parametrization.nonnegative else min(self.gap, 1 / max(scale, 1.0) ** L)
        if self.gap < SMALLEST_GAP:
            raise ValueError(
                f"alpha {np.max(alpha):g} is too small to follow the flow at depth {L}: it would stay at its start for a time "
                f"of about alpha^(2-L); use flow_limit for its end, or a larger alpha"
            )
        self.columns, self.data_norm = column_norms(self.A), np.linalg.norm(y / b)
        self.evaluations = 0

    def point(self, mu):
        s = self.rates * (self.A.T @ mu)
        if self.parametrization.depth == 2:
            # The integrator's predictions overshoot where x wakes up; e^18 times the scale of the data is far enough.
            far = 18.0 + np.maximum(-self.log_start, 0)
            s = np.clip(s, -np.inf if self.parametrization.nonnegative else -far, far)
        return DualPoint.at(s)

    def x(self, mu):
        return self.parametrization.from_dual(self.point(mu), self.log_start)[0]

    def velocity(self, t, mu):
        self.evaluations += 1
        if self.evaluations > MAX_EVALUATIONS:
            raise _NoProgressError(f"no progress after {MAX_EVALUATIONS} evaluations; the path holds the start only")
        # Outside the domain of the dual coordinate this is NaN, and the integrator tries a shorter step.
        return self.rate * (self.y - self.A @ self.x(mu))

    def jacobian(self, t, mu):
        # Asked for at predicted points too, which may lie outside: there the nearest point of the domain is taken.
        point = self.point(mu)
        floor = 1e-4 * self.gap
        inside = DualPoint(point.s, np.maximum(point.below, floor), np.maximum(point.above, floor))
        return -self.rate * gram(self.A, self.rates * self.parametrization.from_dual(inside, self.log_start)[1])

    def kkt_residual(self, mu):
        x = self.x(mu)
        gradient = self.A.T @ (self.A @ x - self.y)
        return _kkt(x, gradient, self.columns, self.data_norm, self.parametrization.nonnegative)


def _as_times(times):
    times = as_reals("times", times).astype(float)
    if times.ndim != 1 or not times.size or not np.all(np.isfinite(times)):
        raise ValueError("times must be a non-empty list of numbers")
    if times[0] < 0 or np.any(np.diff(times) <= 0):
        raise ValueError("times must be non-negative and increasing")
    return times
