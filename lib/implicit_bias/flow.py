"""Gradient flow, the path of gradient descent in continuous time, and its accelerated form.

In the dual coordinate the flow on a non-convex loss in `n` or `2n` weights is the flow of a smooth concave function of `m`
unknowns. It is stiff (off the support the time scales grow like ``1/alpha``), so an implicit integrator follows it with
some hundred steps where an explicit one in the weights needs 1e4 to 1e5. Weight decay shrinks the scale of the start in the
dual coordinate and changes nothing else; above depth 2 the flow with decay is followed in the logarithms of the weights.
Groups have no dual coordinate of `m` unknowns, but one of `n`.
"""

import warnings
from contextlib import contextmanager
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import BDF, LSODA, Radau, solve_ivp
from scipy.linalg import LinAlgError, LinAlgWarning
from scipy.linalg.lapack import dgetrs, zgetrs
from scipy.optimize import OptimizeResult

from ._matrices import as_entries, dense, gram, largest_entry
from ._projection import Projection
from ._types import Matrix
from ._validation import as_alpha, as_data, as_matrix, as_parametrization, as_positive, as_reals, as_scale, narrowed
from .baselines import minimum_norm
from .measures import _certify, _duality_gap, column_norms
from .parametrizations import (
    DualPoint,
    GroupHadamard,
    HadamardPower,
    Reparametrization,
    SignedHadamardPower,
    WeightNormalized,
)
from .results import NOTHING, Path, Result

# Below this value of alpha^(L-2) the subtraction 1 - s in the dual coordinate loses all digits that a plot can show.
SMALLEST_GAP = 1e-11
# A start this many times the size of a solution: rounding hides the flow (one sign), the integrator overflows (both).
LARGEST_POSITIVE_START, LARGEST_SIGNED_START = 1e12, 1e50
LONGEST = 1e40  # a flow that has not converged at this time (in units of the problem) never will
TOLERANCE, SMALLEST_LASSO_GAP = 1e-8, 1e-10
DISTANCE = "distance to the limit: that of A x relative to A x(inf), in orthonormal rows, or the certificate if larger"
LASSO_GAP = "duality gap of least squares with the penalty weight_decay / 2 |x|_1, relative to the loss of x = 0"
GROUP_GAP = "duality gap of least squares with the penalty weight_decay sum_g |x_g|_2, relative to the loss of x = 0"
CERTIFICATE = "optimality of the certificate of least squares"
STATIONARY = (
    "largest gradient in the weights, relative to the decay of the largest weight or of one of the solution's size"
)
UNSEEN = 1e-2  # of the distance of an entry to its limit counts, in the unit of the predictions
MAX_EVALUATIONS = 50_000  # some hundred times what a flow needs; an integrator that goes on longer makes no progress


def gradient_flow(
    A: Matrix,
    y: ArrayLike,
    parametrization: HadamardPower | SignedHadamardPower | GroupHadamard | Reparametrization | WeightNormalized,
    *,
    alpha: ArrayLike,
    weight_decay: float = 0.0,
    times: ArrayLike | None = None,
) -> Result:
    r"""Gradient flow ``dw/dt = -grad (1/2 |A x(w) - y|^2 + weight_decay/2 |w|^2)``, ``w(0) = alpha``.

    Integrated by SciPy's BDF method at depth 2 and Radau above, with the exact Jacobian, in the `m` dual unknowns
    ``dmu/dt = c (y - A x(A.T mu))``. The error of the path is about 1e-5 of its size; while it jumps, which it does the
    faster the greater the depth and the smaller `alpha`, it may be some 1e-4.

    With weight decay `lambda`, at depth 2, the scale of the start has shrunk to :math:`\alpha e^{-\lambda t}` at time `t`, and
    the equation is the same: for entries of both signs :math:`x(t) = 2\alpha^2 e^{-2\lambda t}\sinh(A^\top\mu)`. LSODA
    follows it, and above depth 2 the logarithms of the weights.

    For groups ``x_g = u_g v_g`` it is followed in vectors :math:`s_g` with :math:`u_g = \alpha e^{-\lambda t}\cosh|s_g|` and
    :math:`v_g = \alpha e^{-\lambda t}\sinh|s_g|\,s_g/|s_g|`, from ``s = 0``, by LSODA: `n` unknowns, of the size of a
    logarithm.

    For a `Reparametrization` it is followed in ``mu``, with :math:`h'(x(t)) = h'(x(0)) + A^\top\mu`, by Radau, to about
    1e-9; so is `WeightNormalized`, where :math:`S = c^2\ln\sum e^{2\theta}` and the shares are those of :math:`e^{2\theta}`.

    Source: the mirror flow of Amid and Warmuth (2020) in the dual. Taught in the chapter "Sparse recovery"; with decay in the
    chapter "Weight decay".

    Parameters
    ----------
    A : array_like, sparse matrix or LinearOperator, shape (m, n)
        A `LinearOperator` is turned into a dense matrix by `min(m, n)` products.
    y : array_like, shape (m,)
    parametrization : HadamardPower, SignedHadamardPower, GroupHadamard, Reparametrization or WeightNormalized
    alpha : float or array_like, shape (n,)
        Scale of the start, for groups and `WeightNormalized` a number; without decay at least about
        ``1e-11 ** (1 / (depth - 2))`` for depth > 2: smaller ones need times that no integrator reaches in this coordinate,
        use `flow_limit`. Below about ``1e-7 ** (1 / (depth - 2))`` so few digits of the coordinate are left near the end of its
        domain that the integrator may stop on the way, with a warning; the path is right as far as it goes.
    weight_decay : float
        The decay `lambda` of the weights, not negative; 0 for the last two.
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
        `converged` says whether it is below 1e-8. With weight decay it is, at depth 2, the duality gap of the lasso with the
        parameter ``weight_decay / 2`` (with ``x >= 0`` for `HadamardPower`), to a solution of which the flow converges,
        relative to the loss of ``x = 0``, and
        `converged` says whether it is below 1e-10; above depth 2, the largest gradient
        in a weight, relative to `weight_decay` times the largest weight (or one of the size of a solution): it says that the
        point is stationary, not that it is the best one. For the last three it
        is the certificate alone, below 1e-8, and for groups with decay the duality gap of the group lasso with the parameter
        `weight_decay`, below 1e-10.

    Raises
    ------
    ValueError
        For a wrong shape, a non-finite or non-real entry, times that do not increase, a negative `weight_decay`, or a too
        small `alpha`.

    Warns
    -----
    RuntimeWarning
        When the integrator gave up before the last of `times`, or before the limit; the path ends where it did.

    Examples
    --------
    One measurement of one positive number: logistic growth.

    >>> from implicit_bias.parametrizations import HadamardPower
    >>> result = gradient_flow([[1.0]], [1.0], HadamardPower(2), alpha=0.1, times=[0.0, 1.0, 2.0])
    >>> result.path.x[:, 0].round(3).tolist()
    [0.01, 0.355, 0.968]

    With weight decay it ends at the lasso, here the soft threshold ``1 - 0.1 / 2``.

    >>> gradient_flow([[1.0]], [1.0], HadamardPower(2), alpha=0.1, weight_decay=0.1).x.round(4).tolist()
    [0.95]
    """
    weight_decay = as_positive("weight_decay", weight_decay, zero=True)
    A, y, parametrization, alpha = _checked(A, y, parametrization, alpha, empty=not weight_decay, others=True)
    if weight_decay and isinstance(parametrization, Reparametrization | WeightNormalized):
        raise ValueError(f"weight_decay must be 0 for {parametrization!r}: with decay it is no mirror flow in general")
    if times is not None:
        times = _as_times(times)
    if 0 in A.shape:
        return _at_rest(A, y, parametrization, alpha, times)
    if isinstance(parametrization, GroupHadamard):
        flow, method = _Groups(as_entries(A), y, parametrization, alpha, weight_decay), LSODA
    elif isinstance(parametrization, Reparametrization):
        flow, method = _Mirror(as_entries(A), y, parametrization, alpha), _Radau
    elif isinstance(parametrization, WeightNormalized):
        flow, method = _Normalized(as_entries(A), y, parametrization, alpha), _Radau
    elif not weight_decay:
        flow = _Dual(as_entries(A), y, parametrization, alpha)
        # Radau takes each step afresh: BDF's extrapolated history overruns the end of the domain (depth > 2).
        method = _BDF if parametrization.depth == 2 else _Radau
    elif parametrization.depth == 2:
        # LSODA begins with explicit steps, which are right as long as the scale is large, and is compiled.
        flow, method = _DecayingDual(as_entries(A), y, parametrization, alpha, weight_decay), LSODA
    else:
        flow, method = _DecayingWeights(as_entries(A), y, parametrization, alpha, weight_decay), LSODA
    if times is None:
        run = _until_settled(flow, method, flow.first_state, **flow.tolerances)
    else:
        span = (0.0, max(times[-1] * flow.clock, np.finfo(float).tiny))
        run = _integrate(flow, span, flow.first_state, method=method, t_eval=times * flow.clock, **flow.tolerances)
    x = np.array([flow.x(state, t) for t, state in zip(run.t, run.y.T, strict=True)])
    return _result("gradient_flow", A, y, flow, run, run.t / flow.clock, x, run.y.T)


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
        method=_Radau,
        dense_output=True,
        rtol=1e-5 * max(dual.gap, 1e-2),  # an entry wakes up where 1 - s is of the order of the gap
        atol=np.repeat([1e-6, 1e-6 * dual.size], m),
    )
    passed = logs <= run.t[-1]
    if not np.any(passed):  # what is left is the start
        times, logs, passed = np.zeros(1), run.t[:1], np.ones(1, dtype=bool)
    x = dual.mean(run, logs[passed])
    return _result("accelerated_flow", A, y, dual, run, times[passed], x, x)


def _checked(A, y, parametrization, alpha, empty=True, others=False):
    """The input of both flows, with one scale of the start for each coordinate, or one for all groups."""
    A = as_matrix(A, empty=empty)
    n = A.shape[1]
    y = as_data(y, A, float)
    if others and isinstance(parametrization, GroupHadamard | WeightNormalized):
        alpha = as_scale(alpha)
        if alpha.ndim:
            raise ValueError(
                f"alpha must be a number for {parametrization!r}, got shape {alpha.shape}: one flow at a time"
            )
        parametrization.start(alpha, n)  # which sees whether the groups fit
        return A, y, parametrization, alpha
    if not (others and isinstance(parametrization, Reparametrization)):
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


class _Quick:
    """What SciPy's implicit methods have for a small system; the checks of their `lu_solve` take as long as the rest."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.solve_lu = _solve_lu


class _BDF(_Quick, BDF):
    pass


class _Radau(_Quick, Radau):
    pass


def _solve_lu(LU, b):
    if not np.isfinite(b).all():
        raise ValueError("array must not contain infs or NaNs")  # what `lu_solve` says
    return (zgetrs if b.dtype == complex else dgetrs)(*LU, b)[0]


def _until_settled(dual, method, start, **tolerances):
    """Step after step until the point has converged.

    SciPy's own events look for the time inside of a step, where the interpolated point need not be what the step says.
    """
    t, states, status, message = [0.0], [start], 0, ""
    with _quiet():
        stepper = method(dual.velocity, 0.0, start, LONGEST, jac=dual.jacobian, **tolerances)
        while dual.optimality(dual.x(states[-1], t[-1]), states[-1]) > dual.tolerance:
            if stepper.status == "finished":
                status, message = -1, "the limit is too far"
                break
            try:
                message = stepper.step()
            except BROKEN as error:
                stepper.status, message = "failed", str(error)
            if stepper.status == "failed" or not np.all(np.isfinite(dual.x(stepper.y, stepper.t))):
                status, message = -1, message or "the point is beyond float64"
                break
            t.append(stepper.t)
            states.append(stepper.y)
    return OptimizeResult(t=np.array(t), y=np.array(states).T, status=status, message=message, nfev=dual.evaluations)


def _integrate(dual, span, start, **options):
    with _quiet():
        try:
            run = solve_ivp(dual.velocity, span, start, jac=dual.jacobian, **options)
            if len(run.t):
                return run
            message = run.message  # it stopped before the first of the times
        except BROKEN as error:
            message = str(error)
        # All that is left is the start.
        return OptimizeResult(
            t=np.array(span[:1]), y=start[:, None], sol=None, status=-1, message=message, nfev=dual.evaluations
        )


def _result(name, A, y, dual, run, times, x, states):
    """The record of a flow that passed the points `x` (in the units of `dual`) at `times`."""
    finite = np.logical_and.accumulate(np.all(np.isfinite(x), axis=1))
    x, times = x[finite], times[finite]
    optimality = dual.optimality(x[-1], states[len(x) - 1])
    x = narrowed(x * dual.unit, A.dtype)
    residuals = (A @ x.T).T - y
    path = Path(times, x, np.sum(residuals**2, axis=-1) / 2)
    converged = optimality <= dual.tolerance
    if run.status < 0 or not np.all(finite):
        reason = run.message if run.status < 0 else "the state left float64."
        message = f"The integrator stopped at time {path.times[-1]:.3g}: {reason}"
        warnings.warn(f"{name}: {message}", RuntimeWarning, stacklevel=3)
    elif converged:
        message = f"The limit was reached to {dual.tolerance:g} at time {path.times[-1]:.3g}."
    else:
        message = (
            f"The flow was followed up to time {path.times[-1]:.3g}; its distance to the limit is {optimality:.1e}."
        )
    return Result(path.x[-1], bool(converged), run.nfev, message, optimality, dual.measured_by, path)


class _NoProgressError(Exception):
    """The integrator would go on for ever."""


BROKEN = (_NoProgressError, ValueError, LinAlgError)  # the last two from inside of SciPy: no finite Jacobian


@contextmanager
def _quiet():
    """Trial points outside the domain overflow, and their Jacobians may be singular; the integrator refuses them."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", LinAlgWarning)
        yield


class _Scaled:
    """A problem whose entries have been brought to size 1.

    With ``A = a A'``, ``y = b y'`` the vector is ``x = (b/a) x'`` and the time of the scaled flow is
    ``clock = a b (b/a)^(1-2/L)`` times the time of the flow.
    """

    def __init__(self, A, y, parametrization, alpha):
        L = parametrization.depth
        a = largest_entry(A) or 1.0
        # Where the data are zero, the start is the only size there is.
        b = np.max(np.abs(y)) or a * np.exp(np.clip(np.max(parametrization.log_start(alpha)), -200, 200))
        self.A, self.parametrization, self.data = A / a, parametrization, y / b
        self.transposed = self.A.T  # of a sparse matrix a new object each time, which takes longer than a small product
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
        self.evaluations = 0

    def count(self):
        self.evaluations += 1
        if self.evaluations > MAX_EVALUATIONS:
            raise _NoProgressError(f"no progress after {MAX_EVALUATIONS} evaluations")


class _Dual(_Scaled):
    """The flow in the dual unknowns. The methods take the time as well, on which a flow with decay depends."""

    measured_by, tolerance = DISTANCE, TOLERANCE

    def __init__(self, A, y, parametrization, alpha):
        super().__init__(A, y, parametrization, alpha)
        L = parametrization.depth
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
        self.columns = column_norms(self.A)
        self.projection = Projection(self.A, self.data, parametrization)
        self.start = np.exp(self.log_start)
        self.first_state, self.tolerances = np.zeros(A.shape[0]), {"rtol": 1e-6, "atol": 1e-9 * self.size}

    def point(self, mu):
        s = self.rates * (self.transposed @ mu)
        if self.parametrization.depth == 2:
            # The integrator's predictions overshoot where x wakes up; e^18 times the scale of the data is far enough.
            s = np.minimum(s, self._far)  # several times as fast as np.clip
            if not self.parametrization.nonnegative:
                s = np.maximum(s, -self._far)
        return DualPoint.at(s)

    @cached_property
    def _far(self):
        return 18.0 + np.maximum(-self.log_start, 0)

    def x(self, mu, t=0.0):
        return self.parametrization.from_dual(self.point(mu), self.log_start)[0]

    def velocity(self, t, mu):
        self.count()
        # Outside the domain of the dual coordinate this is NaN, and the integrator tries a shorter step.
        return self.rate * (self.y - self.A @ self.x(mu, t))

    def jacobian(self, t, mu):
        return -self.rate * self.slope(mu, t)

    def slope(self, mu, t=0.0):
        """The derivative of ``A x(mu)``."""
        # Asked for at predicted points too, which may lie outside: there the nearest point of the domain is taken.
        point = self.point(mu)
        floor = 1e-4 * self.gap
        inside = DualPoint(point.s, np.maximum(point.below, floor), np.maximum(point.above, floor))
        return gram(self.A, self.rates * self.parametrization.from_dual(inside, self.log_start)[1])

    def optimality(self, x, state):
        """How far `x` is from the limit: see `DISTANCE`."""
        residual = self.A @ x - self.data
        norm = np.linalg.norm(self.data)
        nonnegative = self.parametrization.nonnegative
        certificate = _certify(x, residual, self.transposed @ residual, self.columns, norm, nonnegative)
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


class _DecayingDual(_Dual):
    """The flow with weight decay at depth 2: the scale of the start shrinks, and the dual equation is that without decay."""

    measured_by, tolerance = LASSO_GAP, SMALLEST_LASSO_GAP

    def __init__(self, A, y, parametrization, alpha, weight_decay):
        super().__init__(A, y, parametrization, alpha)
        self.decay, self.lowest = weight_decay / self.clock, np.min(self.log_start)
        # The error of mu is the relative error of x, however far mu has gone to make up for the decay.
        self.tolerances = {"rtol": 1e-11, "atol": 3e-7 * max(self.size, 1e-4)}
        self.size_of_loss = self.y @ self.y / 2 or self._penalized(self.x(self.first_state))

    def log_scale(self, t):
        """The logarithm of the start whose potential rules at time `t`."""
        return self.log_start - 2 * self.decay * t

    def point(self, mu, t=0.0):
        far = 18.0 + max(-self.lowest + 2 * self.decay * t, 0.0)
        return np.minimum(np.maximum(self.transposed @ mu, -np.inf if self.parametrization.nonnegative else -far), far)

    def x(self, mu, t=0.0):
        s, scale = self.point(mu, t), self.log_scale(t)
        if self.parametrization.nonnegative:
            return np.exp(scale + s)
        if self.lowest - 2 * self.decay * t > -300.0:
            return 2 * np.exp(scale) * np.sinh(s)
        return np.exp(scale + s) - np.exp(scale - s)  # the scale is beyond float64 and so is its factor

    def slope(self, mu, t=0.0):
        s, scale = self.point(mu, t), self.log_scale(t)
        down = 0.0 if self.parametrization.nonnegative else np.exp(scale - s)
        return gram(self.A, np.exp(scale + s) + down)

    def _penalized(self, x):
        residual = self.y - self.A @ x
        return residual @ residual / 2 + self.decay / 2 * np.sum(np.abs(x))

    def optimality(self, x, state):
        residual = self.y - self.A @ x
        correlations = self.transposed @ residual
        steepest = np.max(correlations if self.parametrization.nonnegative else np.abs(correlations))
        gap = _duality_gap(residual, self.decay / 2, np.abs(x), correlations * x, steepest)
        return gap / self.size_of_loss if self.size_of_loss else 0.0


class _DecayingWeights(_Scaled):
    """The flow with weight decay in the logarithms of the weights, `u` and then `v`: small ones shrink without end."""

    measured_by, tolerance = STATIONARY, TOLERANCE
    tolerances: ClassVar = {"rtol": 1e-10, "atol": 1e-8}

    def __init__(self, A, y, parametrization, alpha, weight_decay):
        super().__init__(A, y, parametrization, alpha)
        self.decay = weight_decay / self.clock
        self.signs = np.repeat([1.0] if parametrization.nonnegative else [1.0, -1.0], A.shape[1])
        self.halves = len(self.signs) // A.shape[1]
        self.first_state = np.tile(self.log_start / parametrization.depth, self.halves)
        self.far = 18.0 + max(np.max(self.first_state), 0.0)  # as in the dual coordinate, predictions overshoot

    def _weights(self, logs):
        return np.exp(np.minimum(logs, self.far))

    def x(self, logs, t):
        entries = self.signs * self._weights(logs) ** self.parametrization.depth
        return np.sum(entries.reshape(self.halves, -1), axis=0)

    def _gradient(self, x):
        """With respect to `x`, with the sign that it has for each weight."""
        return self.signs * np.tile(self.transposed @ (self.A @ x - self.y), self.halves)

    def velocity(self, t, logs):
        self.count()
        L = self.parametrization.depth
        return -L * self._weights(logs) ** (L - 2) * self._gradient(self.x(logs, t)) - self.decay

    @cached_property
    def _gram(self):
        """The second derivative of the loss with respect to `x`, for each pair of weights."""
        lifted = np.tile(dense(self.A), self.halves) * self.signs
        return lifted.T @ lifted

    def jacobian(self, t, logs):
        L, w = self.parametrization.depth, self._weights(logs)
        coupled = (L * w ** (L - 2))[:, None] * self._gram * (L * w**L)
        own = L * (L - 2) * w ** (L - 2) * self._gradient(self.x(logs, t))
        return -coupled - np.diag(own)

    def optimality(self, x, logs):
        L, w = self.parametrization.depth, self._weights(logs)
        gradient = L * w ** (L - 1) * self._gradient(x) + self.decay * w
        return float(np.max(np.abs(gradient)) / (self.decay * max(1.0, np.max(w))))


class _Certified:
    """A flow in `mu` of which the certificate of least squares says how far it has come; entries and data have size 1."""

    measured_by, tolerance = CERTIFICATE, TOLERANCE

    def __init__(self, A, y, parametrization, largest):
        a = largest_entry(A) or 1.0
        b = np.max(np.abs(y)) or a * largest or 1.0
        self.A, self.data, self.unit, self.clock = A / a, y / b, b / a, a * b
        self.transposed = self.A.T
        self.y = self.A @ minimum_norm(self.A, self.data)  # what no `x` reaches would only drive `mu` out
        self.parametrization, self.columns, self.first_state = (
            parametrization,
            column_norms(self.A),
            np.zeros(A.shape[0]),
        )
        # To integrate a map without a mirror map takes as long as a hundred evaluations.
        integrated = getattr(parametrization, "mirror_map", parametrization) is None
        self.evaluations, self.most = 0, MAX_EVALUATIONS // (10 if integrated else 1)

    def count(self):
        self.evaluations += 1
        if self.evaluations > self.most:
            raise _NoProgressError(f"no progress after {self.most} evaluations")

    def optimality(self, x, state):
        residual = self.A @ x - self.data
        norm = np.linalg.norm(self.data)
        nonnegative = self.parametrization.nonnegative
        certificate = _certify(x, residual, self.transposed @ residual, self.columns, norm, nonnegative)
        return 0.0 if certificate.at_floor else float(certificate.optimality)


class _Mirror(_Certified):
    """The mirror flow of any map: ``h'(x) = h'(x(0)) + A.T mu``."""

    def __init__(self, A, y, parametrization, alpha):
        self.first = parametrization.start(alpha, A.shape[1])
        largest = np.max(np.abs(parametrization.value(self.first)))
        super().__init__(A, y, parametrization, largest)
        size = max(largest, self.unit)
        steepest = float(parametrization.curvature(size)) or 1.0
        self.tolerances = {"rtol": 1e-9, "atol": 1e-10 * size / steepest}

    def _point(self, mu):
        x, slope = self.parametrization.from_dual(DualPoint.at(self.transposed @ mu), self.first)
        return x / self.unit, slope / self.unit

    def x(self, mu, t=0.0):
        return self._point(mu)[0]

    def velocity(self, t, mu):
        self.count()
        return self.y - self.A @ self.x(mu)

    def jacobian(self, t, mu):
        slope = self._point(mu)[1]
        return -gram(self.A, np.where(np.isfinite(slope), slope, 0.0))


class _Normalized(_Certified):
    """With weight normalization: ``theta = theta(0) + (A.T mu, -A.T mu)``, and `mu` moves ``2 S / c^2`` times as fast."""

    def __init__(self, A, y, parametrization, alpha):
        n = A.shape[1]
        parametrization.start(alpha, n)  # which refuses what leaves float64
        super().__init__(A, y, parametrization, 2 * n * float(alpha) ** 2)
        self.square = parametrization.radius**2  # c^2
        self.clock *= 2 / self.unit  # x is in its unit, and mu multiplies A of size 1
        self.start = 2 * n * float(alpha) ** 2
        # How far mu goes, where an entry is about (start + c^2 mu^2) mu for small ones.
        reach = min(1.0, self.unit / self.start, (self.unit / self.square) ** (1 / 3))
        self.tolerances = {"rtol": 1e-9, "atol": 1e-10 * reach}

    def _total(self, mu):
        """The total `S`, its growth in units of `c^2`, and the differences and sums of the shares of ``u^2`` and ``v^2``."""
        along = 2 * (self.transposed @ mu)
        largest = np.max(np.abs(along))
        up, down = np.exp(along - largest), np.exp(-along - largest)
        mass = np.sum(up) + np.sum(down)
        # The logarithm of the mean of cosh(along); where that is near 1, and in differences, large terms would cancel.
        growth = largest + np.log(mass / (2 * len(along)))
        if largest < 1:
            growth = np.log1p(np.mean(2 * np.sinh(along / 2) ** 2))
        small = 2 * np.sinh(np.clip(along, -1, 1)) * np.exp(-largest)
        difference = np.where(np.abs(along) < 1, small, up - down)
        return self.start + self.square * growth, growth, difference / mass, (up + down) / mass

    def x(self, mu, t=0.0):
        total, _, difference, _ = self._total(mu)
        return total / self.unit * difference

    def dual(self, mu):
        """The convex function of `mu`, zero at zero, whose gradient is ``A x - y``; gradient and second derivative."""
        total, growth, difference, shares = self._total(mu)
        seen = self.A @ difference
        gradient = total / self.unit * seen - self.y
        bend = 2 * (self.square - total) * np.outer(seen, seen) + 2 * total * gram(self.A, shares)
        return growth * (self.start + total) / (4 * self.unit) - mu @ self.y, gradient, bend / self.unit, seen

    def velocity(self, t, mu):
        self.count()
        return -self._total(mu)[0] / self.square * self.unit * self.dual(mu)[1]

    def jacobian(self, t, mu):
        _, gradient, bend, seen = self.dual(mu)
        return -2 * self.unit * np.outer(gradient, seen) - self._total(mu)[0] / self.square * self.unit * bend


class _Groups(_Scaled):
    r"""The flow of groups in vectors `s_g`, from zero: ``x_g = alpha(t)^2 / 2 sinh(2 |s_g|) s_g / |s_g|``.

    The scale is ``alpha(t)^2 = u_g^2 - |v_g|^2``, and no weight is too small for it. With the gradient `g`, along `s_g` it
    moves by ``-g``, across by ``-|s_g| coth |s_g| g``.
    """

    def __init__(self, A, y, parametrization, alpha, weight_decay):
        super().__init__(A, y, parametrization, alpha)
        self.decay, self.groups, self.sums = weight_decay / self.clock, parametrization.groups, parametrization.sums
        self.measured_by, self.tolerance = (GROUP_GAP, SMALLEST_LASSO_GAP) if weight_decay else (CERTIFICATE, TOLERANCE)
        self.together = self.groups[:, None] == self.groups
        self.columns = column_norms(self.A)
        self.first_state = np.zeros(A.shape[1])
        # The error of s is the relative error of x, or where the start is larger than the data, multiplied by it.
        self.tolerances = {"rtol": 1e-9, "atol": 3e-8 / max(1.0, np.exp(self.log_start))}

    def _polar(self, s, t):
        """Length and direction of each group, the logarithm of the scale, and ``|x_g|`` divided by the length."""
        length = np.sqrt(self.sums(s**2))
        direction = s / np.where(length > 0, length, 1.0)[self.groups]
        scale = self.log_start - 2 * self.decay * t
        length = np.minimum(length, 9.0 + max(-scale / 2, 0.0))  # predictions overshoot, as in the dual coordinate
        relative = np.divide(-np.expm1(-4 * length), 4 * length, out=np.ones_like(length), where=length > 0)
        return length, direction, scale, np.exp(scale + 2 * length) * relative

    def x(self, s, t=0.0):
        length, direction, _, slope = self._polar(s, t)
        return (length * slope)[self.groups] * direction

    def velocity(self, t, s):
        self.count()
        length, direction, _, slope = self._polar(s, t)
        gradient = self.transposed @ (self.A @ ((length * slope)[self.groups] * direction) - self.y)
        along = self.sums(direction * gradient)[self.groups] * direction
        across = np.divide(length, np.tanh(length), out=np.ones_like(length), where=length > 0)
        return -along - across[self.groups] * (gradient - along)

    @cached_property
    def _gram(self):
        return gram(self.A.T, np.ones(self.A.shape[0]))

    def jacobian(self, t, s):
        length, direction, scale, slope = self._polar(s, t)
        gradient = self.transposed @ (self.A @ ((length * slope)[self.groups] * direction) - self.y)
        inner = self.sums(direction * gradient)
        rest = gradient - inner[self.groups] * direction
        near = length < 1e-3  # the leading terms are right to 1e-7, the quotients are not
        far = np.where(near, 1.0, length)
        across = np.where(near, 1 + length**2 / 3, far / np.tanh(far))
        bend = np.where(near, -length / 3, (1 - across) / far)
        change = np.where(near, 2 * length / 3, 1 / np.tanh(far) - 4 * far * np.exp(-2 * far) / np.expm1(-2 * far) ** 2)
        steepest = np.exp(scale + 2 * length) * (1 + np.exp(-4 * length)) / 2

        def each(values):  # of a group, for each of its entries
            return values[self.groups]

        # The derivative of the gradient, and of what is done to it: both are multiples of the identity and of the projection
        # onto the direction, in each group.
        moved = each(slope) * self._gram + self.sums(self._gram * direction)[:, self.groups] * (
            each(steepest - slope) * direction
        )
        onto = self.sums(direction * moved.T).T[self.groups] * direction[:, None]
        result = each(across)[:, None] * moved + each(1 - across)[:, None] * onto
        twist = np.outer(each(change) * rest - each(bend * inner) * direction, direction)
        twist += np.outer(each(bend) * direction, rest)
        result += np.where(self.together, twist, 0.0) + np.diag(each(bend * inner))
        return -result

    def optimality(self, x, state):
        residual = self.A @ x - self.data
        if not self.decay:
            certificate = _certify(
                x, residual, self.transposed @ residual, self.columns, np.linalg.norm(self.data), False
            )
            return 0.0 if certificate.at_floor else float(certificate.optimality)
        residual = self.y - self.A @ x
        correlations = self.transposed @ residual
        sizes, steepest = np.sqrt(self.sums(x**2)), np.max(np.sqrt(self.sums(correlations**2)))
        loss = self.y @ self.y / 2
        return _duality_gap(residual, self.decay, sizes, self.sums(correlations * x), steepest) / loss if loss else 0.0


class _AcceleratedDual(_Dual):
    """The accelerated flow in the unknowns ``(A X, mu)`` and the logarithm `u` of time, with ``Z = x(mu)``."""

    @property
    def first(self):
        """A time up to which next to nothing happens: `mu` is ``rate t^2 / 4 (y - A x(0))`` at first."""
        mu = np.zeros(len(self.y))
        moved = np.max(np.abs(self.rates * (self.transposed @ (self.y - self.A @ self.x(mu)))))
        return np.sqrt(1e-10 * self.size / (self.rate * moved)) if moved else 1.0

    def velocity(self, u, state):
        self.count()
        predictions, mu = state[: len(self.y)], state[len(self.y) :]
        motion = 2 * (self.A @ self.x(mu) - predictions), self.rate * np.exp(2 * u) / 2 * (self.y - predictions)
        return np.concatenate(motion)  # np.r_ takes longer than all the rest

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
