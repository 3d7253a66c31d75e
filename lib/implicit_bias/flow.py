"""Gradient flow, the path of gradient descent in continuous time, and its accelerated form.

In the dual coordinate the flow on a non-convex loss in `n` or `2n` weights is the flow of a smooth concave function of `m`
unknowns. It is stiff (off the support the time scales grow like ``1/alpha``), so an implicit integrator follows it with
some hundred steps where an explicit one in the weights needs 1e4 to 1e5.
"""

import warnings
from contextlib import contextmanager
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import BDF, Radau, solve_ivp
from scipy.linalg import LinAlgError, LinAlgWarning
from scipy.optimize import OptimizeResult

from ._matrices import as_entries, gram, largest_entry
from ._projection import Projection
from ._types import Matrix
from ._validation import as_alpha, as_data, as_matrix, as_parametrization, as_reals
from .baselines import minimum_norm
from .measures import _certify, column_norms
from .parametrizations import DualPoint, HadamardPower, SignedHadamardPower
from .results import NOTHING, Path, Result

# Below this value of alpha^(L-2) the subtraction 1 - s in the dual coordinate loses all digits that a plot can show.
SMALLEST_GAP = 1e-11
# A start this many times the size of a solution: rounding hides the flow (one sign), the integrator overflows (both).
LARGEST_POSITIVE_START, LARGEST_SIGNED_START = 1e12, 1e50
LONGEST = 1e40  # a flow that has not converged at this time (in units of the problem) never will
TOLERANCE = 1e-8
DISTANCE = "distance to the limit: that of A x relative to A x(inf), in orthonormal rows, or the certificate if larger"
UNSEEN = 1e-2  # of the distance of an entry to its limit counts, in the unit of the predictions
MAX_EVALUATIONS = 50_000  # some hundred times what a flow needs; an integrator that goes on longer makes no progress


def gradient_flow(
    A: Matrix,
    y: ArrayLike,
    parametrization: HadamardPower | SignedHadamardPower,
    *,
    alpha: ArrayLike,
    times: ArrayLike | None = None,
) -> Result:
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
        Increasing non-negative times at which the path is wanted. By default the flow is followed until `optimality`
        is below 1e-8, and the path holds the integrator's own steps.

    Returns
    -------
    Result
        With `path`; `x` is its last point. `optimality` is the larger of two numbers there: that of the certificate of
        least squares, `implicit_bias.measures.Certificate`; and the distance of the predictions ``A x`` to those of the
        limit, relative to them, where the rows of `A` are made orthonormal, so that no direction counts less than others.
        Near the end, a hundredth of the distance of an entry of `x` to that of `flow_limit` counts too.
        `converged` says whether it is below 1e-8.

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
    A, y, parametrization, alpha = _checked(A, y, parametrization, alpha)
    if times is not None:
        times = _as_times(times)
    if 0 in A.shape:
        return _at_rest(A, y, parametrization, alpha, times)
    dual = _Dual(as_entries(A), y, parametrization, alpha)

    # Radau takes each step afresh: BDF's extrapolated history overruns the end of the domain (depth > 2).
    method = BDF if dual.parametrization.depth == 2 else Radau
    start, tolerances = np.zeros(A.shape[0]), {"rtol": 1e-6, "atol": 1e-9 * dual.size}
    if times is None:
        run = _until_settled(dual, method, start, **tolerances)
    else:
        span = (0.0, max(times[-1] * dual.clock, np.finfo(float).tiny))
        run = _integrate(dual, span, start, method=method, t_eval=times * dual.clock, **tolerances)
    return _result("gradient_flow", A, y, dual, run, run.t / dual.clock, np.array([dual.x(mu) for mu in run.y.T]))


def accelerated_flow(
    A: Matrix, y: ArrayLike, parametrization: HadamardPower | SignedHadamardPower, *, alpha: ArrayLike, times: ArrayLike
) -> Result:
    r"""Accelerated mirror flow for ``1/2 |A x - y|^2``, from ``x(0) = alpha^L``: the limit of Nesterov's method.

    With the potential `h` of the parametrization it is the pair

    .. math:: \dot X = \frac2t (Z - X), \qquad \frac{d}{dt}\nabla h(Z) = -\frac t2\,A^\top(AX - y), \qquad X(0) = Z(0) = x(0),

    and the loss of `X` exceeds the least one by at most :math:`4 D_h(x^*, x(0)) / t^2`. Integrated by SciPy's Radau method in
    the logarithm of time, where ``t = 0`` is no singularity, with the exact Jacobian, in the `2m` unknowns ``A X`` and
    ``mu``; `X` is the mean of `Z` with the weight `t`. It oscillates, so long times cost as many steps as there are periods.

    Source: Krichene, Bayen and Bartlett (2015). Taught in the chapter "Non-negative least squares".

    Parameters
    ----------
    A : array_like, sparse matrix or LinearOperator, shape (m, n)
        A `LinearOperator` is turned into a dense matrix by `min(m, n)` products.
    y : array_like, shape (m,)
    parametrization : HadamardPower or SignedHadamardPower
    alpha : float or array_like, shape (n,)
        Scale of the start, not too small for depth > 2; see `gradient_flow`.
    times : array_like, shape (k,)
        Increasing non-negative times at which the path is wanted.

    Returns
    -------
    Result
        With `path`, which holds `X`; `x` is its last point, and `optimality` as for `gradient_flow`.

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
    >>> from implicit_bias.parametrizations import HadamardPower
    >>> result = accelerated_flow([[1.0]], [1.0], HadamardPower(2), alpha=0.1, times=[0.0, 1.0, 3.0])
    >>> result.path.x[:, 0].round(3).tolist()
    [0.01, 0.017, 1.29]
    """
    A, y, parametrization, alpha = _checked(A, y, parametrization, alpha)
    times = _as_times(times)
    if 0 in A.shape:
        return _at_rest(A, y, parametrization, alpha, times)
    dual = _AcceleratedDual(as_entries(A), y, parametrization, alpha)
    m = A.shape[0]
    first = np.log(dual.first)
    with np.errstate(divide="ignore"):
        logs = np.maximum(np.log(times * np.sqrt(dual.clock)), first)
    run = _integrate(
        dual,
        (first, max(logs[-1], first + 1e-9)),
        np.r_[dual.A @ dual.x(np.zeros(m)), np.zeros(m)],
        method="Radau",
        dense_output=True,
        rtol=1e-5 * max(dual.gap, 1e-2),  # an entry wakes up where 1 - s is of the order of the gap
        atol=np.repeat([1e-6, 1e-6 * dual.size], m),
    )
    passed = logs <= run.t[-1]
    if not np.any(passed):  # what is left is the start
        times, logs, passed = np.zeros(1), run.t[:1], np.ones(1, dtype=bool)
    x = dual.mean(run, logs[passed])
    return _result("accelerated_flow", A, y, dual, run, times[passed], x)


def _checked(A, y, parametrization, alpha):
    """The input of both flows, with one scale of the start for each coordinate."""
    A = as_matrix(A, empty=True)
    n = A.shape[1]
    y = as_data(y, A).astype(float)
    parametrization = as_parametrization(parametrization, potential=True)
    alpha = as_alpha(alpha, n)
    if alpha.ndim == 2:
        raise ValueError(f"alpha must be a number or have shape ({n},), got {alpha.shape}: one flow at a time")
    return A, y, parametrization, np.broadcast_to(alpha, (n,))


def _at_rest(A, y, parametrization, alpha, times):
    """The flow of a matrix without entries."""
    times = np.zeros(1) if times is None else times
    x = np.tile(parametrization.value(parametrization.start(alpha, A.shape[1])).astype(A.dtype), (len(times), 1))
    return Result(x[-1], True, 0, NOTHING, 0.0, DISTANCE, Path(times, x, np.full(len(times), y @ y / 2)))


def _until_settled(dual, method, start, **tolerances):
    """Step after step until the point has converged.

    SciPy's own events look for the time inside of a step, where the interpolated point need not be what the step says.
    """
    t, states, status, message = [0.0], [start], 0, ""
    with _quiet():
        stepper = method(dual.velocity, 0.0, start, LONGEST, jac=dual.jacobian, **tolerances)
        while dual.optimality(dual.x(states[-1])) > TOLERANCE and stepper.status == "running":
            try:
                message = stepper.step()
            except BROKEN as error:
                stepper.status, message = "failed", str(error)
            if stepper.status == "failed" or not np.all(np.isfinite(dual.x(stepper.y))):
                status, message = -1, message or "the point is beyond float64"
                break
            t.append(stepper.t)
            states.append(stepper.y)
    return OptimizeResult(t=np.array(t), y=np.array(states).T, status=status, message=message, nfev=dual.evaluations)


def _integrate(dual, span, start, **options):
    with _quiet():
        try:
            return solve_ivp(dual.velocity, span, start, jac=dual.jacobian, **options)
        except BROKEN as error:  # all that is left is the start
            return OptimizeResult(
                t=np.array(span[:1]), y=start[:, None], sol=None, status=-1, message=str(error), nfev=dual.evaluations
            )


def _result(name, A, y, dual, run, times, x):
    """The record of a flow that passed the points `x` (in the units of `dual`) at `times`."""
    finite = np.logical_and.accumulate(np.all(np.isfinite(x), axis=1))
    x, times = x[finite], times[finite]
    optimality = dual.optimality(x[-1])
    x = x * dual.unit
    residuals = (A @ x.T.astype(A.dtype)).T - y
    path = Path(times, x.astype(A.dtype), np.sum(residuals**2, axis=-1) / 2)
    converged = optimality <= TOLERANCE
    if run.status < 0 or not np.all(finite):
        message = f"The integrator stopped at time {path.times[-1]:.3g}: {run.message}"
        warnings.warn(f"{name}: {message}", RuntimeWarning, stacklevel=3)
    elif converged:
        message = f"The limit was reached to {TOLERANCE:g} at time {path.times[-1]:.3g}."
    else:
        message = (
            f"The flow was followed up to time {path.times[-1]:.3g}; its distance to the limit is {optimality:.1e}."
        )
    return Result(path.x[-1], bool(converged), run.nfev, message, optimality, DISTANCE, path)


class _NoProgressError(Exception):
    """The integrator would go on for ever."""


BROKEN = (_NoProgressError, ValueError, LinAlgError)  # the last two from inside of SciPy: no finite Jacobian


@contextmanager
def _quiet():
    """Trial points outside the domain overflow, and their Jacobians may be singular; the integrator refuses them."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", LinAlgWarning)
        yield


class _Dual:
    """The flow in the dual unknowns, for a problem whose entries have been brought to size 1.

    With ``A = a A'``, ``y = b y'`` the vector is ``x = (b/a) x'`` and the time of the scaled flow is
    ``clock = a b (b/a)^(1-2/L)`` times the time of the flow.
    """

    def __init__(self, A, y, parametrization, alpha):
        L = parametrization.depth
        a = largest_entry(A) or 1.0
        # Where the data are zero, the start is the only size there is.
        b = np.max(np.abs(y)) or a * np.exp(np.clip(np.max(parametrization.log_start(alpha)), -200, 200))
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
        self.columns, self.data = column_norms(self.A), y / b
        self.projection = Projection(self.A, self.data, parametrization)
        self.start = np.exp(self.log_start)
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
        self.count()
        # Outside the domain of the dual coordinate this is NaN, and the integrator tries a shorter step.
        return self.rate * (self.y - self.A @ self.x(mu))

    def jacobian(self, t, mu):
        return -self.rate * self.slope(mu)

    def slope(self, mu):
        """The derivative of ``A x(mu)``."""
        # Asked for at predicted points too, which may lie outside: there the nearest point of the domain is taken.
        point = self.point(mu)
        floor = 1e-4 * self.gap
        inside = DualPoint(point.s, np.maximum(point.below, floor), np.maximum(point.above, floor))
        return gram(self.A, self.rates * self.parametrization.from_dual(inside, self.log_start)[1])

    def count(self):
        self.evaluations += 1
        if self.evaluations > MAX_EVALUATIONS:
            raise _NoProgressError(f"no progress after {MAX_EVALUATIONS} evaluations")

    def optimality(self, x):
        """How far `x` is from the limit: see `DISTANCE`."""
        residual = self.A @ x - self.data
        norm = np.linalg.norm(self.data)
        nonnegative = self.parametrization.nonnegative
        certificate = _certify(x, residual, self.A.T @ residual, self.columns, norm, nonnegative)
        proved = 0.0 if certificate.at_floor or not norm else float(certificate.optimality)
        distance = max(proved, self.projection.distance(x, self.start))
        # Entries that the predictions hardly see come last. The limit is not asked for before it is near.
        return distance if distance > TOLERANCE else max(distance, UNSEEN * self._apart(x))

    @cached_property
    def _limit(self):
        limit = self.projection.limit(self.log_start, self.rates)
        return limit.x if limit is not None and limit.converged else None

    def _apart(self, x):
        """The largest distance of an entry to its limit, in columns of size 1, relative to the largest entry and the data."""
        if self._limit is None:
            return 0.0
        columns, unit = self.projection.columns, self.projection.size or np.max(self.projection.columns * self.start)
        size = max(np.max(np.abs(columns * self._limit)), unit)
        return float(np.max(np.abs(columns * (x - self._limit))) / size)


class _AcceleratedDual(_Dual):
    """The accelerated flow in the unknowns ``(A X, mu)`` and the logarithm `u` of time, with ``Z = x(mu)``."""

    @property
    def first(self):
        """A time up to which next to nothing happens: `mu` is ``rate t^2 / 4 (y - A x(0))`` at first."""
        mu = np.zeros(len(self.y))
        moved = np.max(np.abs(self.rates * (self.A.T @ (self.y - self.A @ self.x(mu)))))
        return np.sqrt(1e-10 * self.size / (self.rate * moved)) if moved else 1.0

    def velocity(self, u, state):
        self.count()
        predictions, mu = np.split(state, 2)
        return np.r_[2 * (self.A @ self.x(mu) - predictions), self.rate * np.exp(2 * u) / 2 * (self.y - predictions)]

    def jacobian(self, u, state):
        identity = np.eye(len(self.y))
        return np.block(
            [
                [-2 * identity, 2 * self.slope(np.split(state, 2)[1])],
                [-self.rate * np.exp(2 * u) / 2 * identity, np.zeros_like(identity)],
            ]
        )

    def mean(self, run, logs):
        """`X` at the logarithms of time `logs`: the mean of `Z` with the weight `t`, by Gauss's rule on each step."""
        start = self.x(np.zeros(len(self.y)))
        if run.sol is None:
            return np.tile(start, (len(logs), 1))
        nodes, weights = np.polynomial.legendre.leggauss(4)
        x, at, found = start, run.t[0], []
        edges = np.union1d(run.t, logs)
        for end in edges[edges >= at]:
            u = (at + end) / 2 + (end - at) / 2 * nodes
            # The square of time counts; it is taken relative to the end of the step, where it cannot overflow.
            shares = weights * (end - at) * np.exp(2 * (u - end))
            Z = np.array([self.x(mu) for mu in run.sol(u)[len(self.y) :].T])
            x, at = np.exp(2 * (at - end)) * x + shares @ Z, end
            if end in logs:
                found.append(x)
        return np.array(found)[np.searchsorted(np.unique(logs), logs)]


def _as_times(times):
    times = as_reals("times", times).astype(float)
    if times.ndim != 1 or not times.size or not np.all(np.isfinite(times)):
        raise ValueError("times must be a non-empty list of numbers")
    if times[0] < 0 or np.any(np.diff(times) <= 0):
        raise ValueError("times must be non-negative and increasing")
    return times
