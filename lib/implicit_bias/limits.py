r"""Where the flow ends, without following it, and what the theorems say about that point.

The flow of every Hadamard power has one limit: among the solutions of ``A x = y`` (and signs, where the model has one) it
is the Bregman projection of the start. In the dual coordinate this is a smooth convex problem in `m` unknowns, so
Newton's method finds the limit in some tens of steps for scales as small as ``1e-12``, for which the flow itself would need
astronomical times.
"""

import warnings
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize
from scipy.sparse import hstack, issparse

from ._matrices import as_entries, dense
from ._projection import (
    ACCEPTED,
    FEASIBLE,
    QR,
    TOLERANCE,
    Projection,
    _newton,
    _nonnegative_solution,
    carry_over,
    equal_rows,
    orthonormal_rows,
)
from ._types import Matrix
from ._validation import as_alpha, as_data, as_matrix, as_parametrization, as_positive, as_reals, as_vector, narrowed
from .baselines import minimum_norm
from .descent import gradient_descent
from .flow import _as_times, _Normalized
from .measures import column_norms
from .parametrizations import DualPoint, HadamardPower, Reparametrization, SignedHadamardPower, WeightNormalized
from .results import NOTHING, Path, Result

RESIDUAL = "|A x - y| relative to |y| or, where larger, to 1e-4 ||A| |x||, in rows of size 1"
SHARP = 1e-8  # the limit is determined to half of the digits
CERTIFICATE = "optimality of the certificate"


def flow_limit(
    A: Matrix,
    y: ArrayLike,
    parametrization: HadamardPower | SignedHadamardPower | Reparametrization | WeightNormalized,
    *,
    alpha: ArrayLike,
) -> Result:
    r"""The point to which gradient flow on ``1/2 |A x(w) - y|^2`` converges.

    It is the Bregman projection of ``x(0)`` onto the solutions of ``A x = y`` (with ``x >= 0`` for `HadamardPower`); where
    there is no solution, onto the (non-negative) least-squares solutions. Newton's method on the convex dual: each step
    costs the products ``A D A.T`` and a Cholesky factorization of that `m` by `m` matrix. Where rows nearly depend on each
    other, columns differ much in size, or entries must vanish, each step is a QR factorization instead, and a sparse matrix
    becomes a dense one. The sizes of the rows have no influence where the data can be met. A stack of scales is walked from
    the largest to the smallest, each limit starting the next, which costs about a third of the single solves. For a
    `Reparametrization` each step is a QR factorization, and the limit has to lie inside of the range of the map.

    Source: the dual of the mirror flow (Amid and Warmuth 2020; Li, Wang, Lee and Arora 2022), the projection as in Chou, Maly
    and Rauhut (2023). Taught in the chapter "Sparse recovery", Theorem "The limit of the flow".

    Parameters
    ----------
    A : array_like, sparse matrix or LinearOperator, shape (m, n)
        A `LinearOperator` is turned into a dense matrix by `min(m, n)` products.
    y : array_like, shape (m,)
    parametrization : HadamardPower, SignedHadamardPower, Reparametrization or WeightNormalized
    alpha : float or array_like
        Scale of the start: a number; shape (n,), one scale for each coordinate; (k, 1) or (k, n), a stack of k starts.

    Returns
    -------
    Result
        `x` of shape (n,) or (k, n). `optimality` is ``|A x - y| / |y|`` where the data can be met, with all rows brought to
        size 1; where they cannot, that of `implicit_bias.measures.Certificate` for least squares. The point is the exact
        limit for data that differ by as much. The `message` says so where rounding of the data decides about half of the
        digits or more. The number of Newton steps is in `iterations`; there is no `path`.

    Raises
    ------
    ValueError
        For a wrong shape, a non-finite or non-real entry, or an `alpha` that is not positive.

    Warns
    -----
    RuntimeWarning
        When Newton's method did not reach a relative residual of 1e-10. That remains possible, in a few of a thousand random
        problems, where rows depend on each other to rounding (Hilbert matrices, near copies), where columns differ by more
        than a factor 1e20, and where rows do, the data cannot be met, and rounding of the large rows hides the small.

    Examples
    --------
    A small start finds the solution of least l1-norm:

    >>> from implicit_bias.parametrizations import SignedHadamardPower
    >>> result = flow_limit([[1.0, 2.0]], [2.0], SignedHadamardPower(3), alpha=1e-4)
    >>> result.x.round(6).tolist()
    [0.0, 1.0]
    """
    A = as_matrix(A, empty=True)
    y = as_data(y, A, float)
    general = isinstance(parametrization, Reparametrization | WeightNormalized)
    parametrization = as_parametrization(parametrization, potential=not general)
    alpha = as_alpha(alpha, A.shape[1])
    if 0 in A.shape:
        x = parametrization.value(parametrization.start(alpha, A.shape[1])).astype(A.dtype)
        return Result(x, True, 0, NOTHING, np.zeros(x.shape[:-1])[()], RESIDUAL)
    if isinstance(parametrization, WeightNormalized):
        return _normalized_limit(A, y, parametrization, alpha)
    matrix = as_entries(A)
    starts = np.broadcast_to(alpha, (*alpha.shape[:-1], A.shape[1]))
    stack = np.atleast_2d(starts)
    find = _in_any_geometry if general else _walk
    found = find(matrix, y, parametrization, stack)
    converged = bool(np.all([point.converged for point in found]))
    steps = sum(point.steps for point in found)
    message = (
        f"The dual problem was solved in {steps} Newton steps."
        if converged
        else f"Newton's method stopped after {steps} steps before the residual reached {ACCEPTED:g}."
    )
    blur = max(point.blur for point in found)
    if blur > SHARP:
        message += f" The data determine the limit only to about {blur:.0e} of its size: the rest is rounding."
    if not converged:
        warnings.warn(f"flow_limit: {message}", RuntimeWarning, stacklevel=2)
    shape = starts.shape
    return Result(
        x=narrowed(np.array([point.x for point in found]).reshape(shape), A.dtype),
        converged=converged,
        iterations=steps,
        message=message,
        optimality=np.array([point.optimality for point in found]).reshape(shape[:-1])[()],
        measured_by=RESIDUAL if all(point.certificate is None for point in found) else CERTIFICATE,
    )


def _walk(A, y, parametrization, stack):
    """The limits of all starts of a stack, from the largest scale to the smallest, each warm-starting the next."""
    problem = Projection(A, y, parametrization)
    depth = parametrization.depth
    found, previous, previous_rates = {}, None, None
    for k in np.argsort(-np.max(stack, axis=1), kind="stable"):
        log_start = parametrization.log_start(stack[k])
        # A coordinate that starts higher moves faster: its dual rate is alpha_i^(L-2).
        rates = (stack[k] / np.max(stack[k])) ** (depth - 2)
        guess = None
        # With other rates the old dual coordinate would be outside the range of the new ones.
        if previous is not None and np.allclose(rates, previous_rates, rtol=1e-14, atol=0):
            guess = carry_over(*previous, log_start, depth)
        limit = problem.limit(log_start, rates, guess)
        if limit is None:
            raise ValueError(
                f"alpha {np.max(stack[k]):g} is too large at depth {depth} for these data: take a smaller one"
            )
        previous, previous_rates = None if limit.point is None else (limit, log_start), rates
        found[k] = limit
    return [found[k] for k in range(len(stack))]


def _in_any_geometry(A, y, parametrization, stack):
    """The limits of all starts of a stack for any map: the same Newton's method, in the units of the caller."""
    A = dense(A)
    B, rows = equal_rows(A, np.ones(A.shape[1]))
    G, c, condition = orthonormal_rows(B, y / rows, rows)
    problem = Projection(A, y, parametrization, by_rows=True)
    found = []
    for alpha in stack:
        first = parametrization.start(alpha, A.shape[1])
        guess = None
        if np.any(parametrization.derivative(first) == 0):
            # Where the map is flat Newton's matrix says nothing: begin near the solution of least norm.
            near = c @ G
            if parametrization.mirror_map is not None:
                near = parametrization.mirror_map(near) - parametrization.mirror_map(parametrization.value(first))
            guess = DualPoint.at(G.T @ (G @ near))
        ones = np.ones(len(first))
        tolerance = 0.0 if np.any(c) else TOLERANCE  # zero is not reached: it may be at the edge of the range
        limit = _newton(G, c, parametrization, first, ones, guess, QR(G), tolerance=tolerance)
        limit = problem.certified(replace(limit, condition=condition))
        # Where columns differ much, the orthonormal rows may leave out one that says something else.
        if limit.certificate is None and (missed := problem.missed_here(limit.x)) > FEASIBLE:
            limit = replace(limit, residual=missed)
        found.append(limit)
    return found


def _normalized_limit(A, y, parametrization, alpha):
    """The same for weight normalization, whose dual is a smooth convex function of `m` unknowns: by SciPy's Newton's method."""
    alpha = as_positive("alpha", alpha)
    flow = _Normalized(as_entries(A), y, parametrization, alpha)
    run = minimize(
        lambda mu: flow.dual(mu)[0],
        flow.first_state,
        jac=lambda mu: flow.dual(mu)[1],
        hess=lambda mu: flow.dual(mu)[2],
        method="trust-exact",
        options={"gtol": 1e-13, "maxiter": 1000},
    )
    mu = run.x
    for _ in range(3):  # the function of a trust region is blind below 1e-8, its gradient is not
        _, gradient, bend, _ = flow.dual(mu)
        mu = mu - np.linalg.lstsq(bend, gradient)[0]
    x = flow.x(mu)
    optimality = float(np.linalg.norm(flow.dual(mu)[1]) / (np.linalg.norm(flow.y) or 1.0))
    converged = optimality <= SHARP
    message = f"The dual problem was solved in {run.nit} Newton steps, to {optimality:.0e}."
    if not converged:
        warnings.warn(f"flow_limit: {message}", RuntimeWarning, stacklevel=3)
    return Result(narrowed(x * flow.unit, A.dtype), converged, int(run.nit), message, optimality, "|A x - y| / |y|")


@dataclass(eq=False)
class DescentLimit(Result):
    r"""Where descent ends: a `Result` with what its steps did to the geometry.

    The limit is :math:`x = 2\alpha_\infty^2\sinh(A^\top\mu + S)`, entry by entry, with the `mu` for which ``A x = y``.

    Attributes
    ----------
    scale : ndarray, shape (n,)
        The scale :math:`\alpha_\infty` that the start has in the end, ``sqrt(|u v|)``, to about 1e-10 of the scale of the
        start. A step that nearly kills a weight makes it small, and the rounding of that one gradient large.
    shift : ndarray, shape (n,)
        The part of `S`, and of ``ln |u / v|``, that is orthogonal to the range of ``A.T``: what no `mu` can make up for.
    """

    scale: np.ndarray | None = None
    shift: np.ndarray | None = None


def descent_limit(
    A: Matrix,
    y: ArrayLike,
    *,
    alpha: ArrayLike,
    step_size: float,
    batch_size: int | None = None,
    seed: int | None = None,
    max_iterations: int = 100_000,
    tol: float = 1e-7,
) -> DescentLimit:
    r"""The point to which gradient descent with a given step converges, for ``x = u^2 - v^2`` from ``u = v = alpha``.

    Descent runs until its residual is at most `tol`. What is left is the limit of the flow from the weights reached: the
    steps to come change the product ``u v`` by the square of the gradients that are left, and the part of ``ln |u / v|``
    outside the range of ``A.T`` by their third power, so a residual of 1e-7 gives the limit to some 1e-12.

    Source: Even, Pesme, Gunasekar and Flammarion (2023). Taught in the chapter "Steps and noise", Theorem "The limit of
    descent".

    Parameters
    ----------
    A : array_like, sparse matrix or LinearOperator, shape (m, n)
    y : array_like, shape (m,)
        For stochastic gradients one for which ``A x = y`` has a solution, or descent does not converge.
    alpha : float or array_like, shape (n,)
        Scale of the start.
    step_size : float
    batch_size, seed, max_iterations, tol
        As in `gradient_descent`, for the run before the last correction.

    Returns
    -------
    DescentLimit
        `iterations`, `optimality` and `message` are those of the descent; `weights` are those it reached.

    Raises
    ------
    ValueError
        For a wrong shape, a non-finite or non-real entry, or an option out of its range.

    Warns
    -----
    RuntimeWarning
        When the descent diverged or did not reach `tol`; `x` is then its last iterate.

    Examples
    --------
    A longer step ends at another point:

    >>> ends = [descent_limit([[1.0, 2.0]], [2.0], alpha=0.5, step_size=step) for step in (0.001, 0.1)]
    >>> [end.x.round(2).tolist() for end in ends]
    [[0.34, 0.83], [0.4, 0.8]]
    """
    A = as_matrix(A)
    n = A.shape[1]
    alpha = as_alpha(alpha, n)
    if alpha.ndim == 2:
        raise ValueError(f"alpha must be a number or have shape ({n},), got {alpha.shape}: one descent at a time")
    if step_size is None:
        raise ValueError("step_size must be given: the limit depends on it")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # said below, in the name of this function
        run = gradient_descent(
            A,
            y,
            SignedHadamardPower(2),
            alpha=alpha,
            step_size=step_size,
            batch_size=batch_size,
            seed=seed,
            max_iterations=max_iterations,
            tol=tol,
            record=0,
        )
    entries, x, converged, message = as_entries(A), run.x, run.converged, run.message
    weights = np.abs(run.weights.astype(float))
    if converged and np.all(weights > 0):
        # Two signs are one sign in twice the dimension, where every weight may have a scale of its own.
        both = hstack([entries, -entries]).tocsr() if issparse(entries) else np.hstack([entries, -entries])
        end = flow_limit(both, y, HadamardPower(2), alpha=weights.ravel())
        x, converged = narrowed(end.x[:n] - end.x[n:], A.dtype), end.converged
    elif converged:
        message += " A weight is exactly zero, and stays so: the point is the last iterate."
    if not converged:
        warnings.warn(f"descent_limit: {message}", RuntimeWarning, stacklevel=2)
    with np.errstate(divide="ignore"):
        dual = np.log(np.maximum(weights, np.finfo(float).tiny))
    dual = dual[0] - dual[1]
    return DescentLimit(
        x,
        converged,
        run.iterations,
        message,
        run.optimality,
        run.measured_by,
        weights=run.weights,
        scale=np.sqrt(weights[0]) * np.sqrt(weights[1]),
        shift=dual - minimum_norm(entries, entries @ dual),
    )


def label_noise_flow(A: Matrix, y: ArrayLike, *, alpha: ArrayLike, times: ArrayLike) -> Result:
    r"""The flow that label noise makes among the solutions, in the mean over many small steps, for ``x = u^2 - v^2``.

    Noise of the labels with standard deviation :math:`\sigma` moves the weights along the solutions of ``A x = y`` against
    the trace of the Hessian, in the time :math:`\tau = \frac mb\,\eta^2\sigma^2 k` after `k` steps of size :math:`\eta` with
    `b` of `m` rows. This flow has a closed form: the scale of each entry shrinks, :math:`\alpha_j(\tau) = \alpha\,
    e^{-2|a_j|^2\tau}`, and `x` is the limit of the gradient flow from this scale. Its weighted l1-norm :math:`\sum_j |a_j|^2
    |x_j|` tends to the least one among the solutions, from every `alpha`.

    Source: Li, Wang and Arora (2022) for the flow; its closed form is proved in the chapter "Steps and noise".

    Parameters
    ----------
    A : array_like, sparse matrix or LinearOperator, shape (m, n)
        A `LinearOperator` is turned into a dense matrix by `min(m, n)` products.
    y : array_like, shape (m,)
        Where ``A x = y`` has no solution, the best approximation of `y` takes its place; then all rows in each step (`b = m`).
    alpha : float or array_like, shape (n,)
        Scale of the start.
    times : array_like, shape (k,)
        Increasing non-negative times :math:`\tau`; up to some ``170 / max |a_j|^2``, where the scale leaves float64.

    Returns
    -------
    Result
        With `path`; `optimality` is the largest one along it, and everything else as for `flow_limit`.

    Raises
    ------
    ValueError
        For a wrong shape, a non-finite or non-real entry, or times that do not increase or are too late.

    Examples
    --------
    One equation, ``x_1 + 2 x_2 = 2``. A unit of the second entry does twice as much, but costs four times as much:

    >>> label_noise_flow([[1.0, 2.0]], [2.0], alpha=1.0, times=[0.0, 1.0, 20.0]).path.x.round(2).tolist()
    [[0.39, 0.8], [2.0, 0.0], [2.0, 0.0]]
    """
    A = as_matrix(A)
    n = A.shape[1]
    alpha, times = as_alpha(alpha, n), _as_times(times)
    if alpha.ndim == 2:
        raise ValueError(f"alpha must be a number or have shape ({n},), got {alpha.shape}: one flow at a time")
    entries = as_entries(A)
    rates = 2 * column_norms(entries) ** 2
    with np.errstate(over="ignore"):
        fall = rates * times[:, None]
    if np.max(fall - np.log(alpha)) > 340:
        with np.errstate(divide="ignore"):
            latest = np.min((340 + np.log(alpha)) / rates)
        raise ValueError(
            f"times must be at most about {latest:.3g} here, got {times[-1]:g}: the scale of an entry would leave float64"
        )
    found = flow_limit(entries, y, SignedHadamardPower(2), alpha=alpha * np.exp(-fall))
    x = narrowed(found.x, A.dtype)
    losses = np.sum((entries @ found.x.T - as_data(y, A, float)[:, None]) ** 2, axis=0) / 2
    path = Path(times, x, losses)
    return Result(
        x[-1],
        found.converged,
        found.iterations,
        found.message,
        float(np.max(found.optimality)),
        found.measured_by,
        path,
    )


def l1_bound(
    minimal_norm: float,
    parametrization: HadamardPower | SignedHadamardPower,
    *,
    alpha: ArrayLike,
    n: int,
    sharp: bool = False,
) -> float:
    r"""The `eps` of the theorem ``|x_inf|_1 - Q <= eps Q`` on the l1-norm of the limit of the flow.

    With :math:`Q` the least l1-norm among the solutions, :math:`\beta_1 = |x(0)|_1` and :math:`\beta_{\min} = \min x(0)` (for
    the signed model of the doubled start ``(u, v)``, so with `2n` in place of `n`):

    .. math:: \varepsilon = \frac{\ln(\beta_1/\beta_{\min})}{\ln(Q/\beta_1)}\ (L = 2),\qquad
              \varepsilon = \frac{L(\beta_1^s - \beta_{\min}^s)}{2Q^s - L\beta_1^s},\ s = 1 - 2/L\ (L > 2),

    provided that :math:`Q > c_L\beta_1` with :math:`c_2 = 1`, :math:`c_L = (L/2)^{L/(L-2)}`.

    Source: Chou, Maly and Rauhut (2023); the sharp form and the weighted one are proved in the chapter "Sparse recovery",
    where the bound is Theorem "The l1-norm of the limit".

    Parameters
    ----------
    minimal_norm : float
        `Q`. If `alpha` has one scale for each coordinate and the depth is above 2, the bound is on the weighted norm
        ``sum(alpha_i^(2-L) |z_i|)`` and this is its least value.
    parametrization : HadamardPower or SignedHadamardPower
    alpha : float or array_like, shape (n,)
        Scale of the start.
    n : int
        Number of columns of `A`.
    sharp : bool
        For L > 2 the smaller ``(beta_1^s - beta_min^s) / (Q^s - beta_1^s)``, under ``Q > beta_1`` only.

    Returns
    -------
    float
        `eps`, or infinity where the hypothesis on `Q` does not hold.

    Examples
    --------
    >>> from implicit_bias.parametrizations import HadamardPower
    >>> round(l1_bound(3.5, HadamardPower(3), alpha=0.1, n=30), 8)
    0.30040105
    """
    parametrization = as_parametrization(parametrization, potential=True)
    n = as_positive("n", n, integer=True)
    Q = as_positive("minimal_norm", minimal_norm)
    alpha = as_alpha(alpha, n)
    if alpha.ndim == 2:
        raise ValueError(f"alpha must be a number or have shape ({n},), got {alpha.shape}")
    parametrization.log_start(alpha)  # refuses what leaves float64
    L = parametrization.depth
    # In the weighted norm the start alpha_i^L weighs alpha_i^2; a uniform start is measured without weights.
    start = np.broadcast_to(alpha**2 if alpha.ndim and L > 2 else alpha**L, (n,))
    if not parametrization.nonnegative:
        start = np.r_[start, start]
    total, least = np.sum(start), np.min(start)
    s = 1 - 2 / L
    needed = total * (1.0 if L == 2 or sharp else (L / 2) ** (1 / s))
    if not needed < Q:
        return np.inf
    if L == 2:
        # Ratios of numbers may leave float64, those of their roots do not.
        return float(np.log(total**0.5 / least**0.5) / np.log(Q**0.5 / total**0.5))
    denominator = (1.0 if sharp else 2 / L) * Q**s - total**s
    return float((total**s - least**s) / denominator)


@dataclass(frozen=True, eq=False)
class Plateaus:
    """The limit ``alpha -> 0`` of the path of the flow in rescaled time (see `saddle_to_saddle`): constant between jumps.

    Attributes
    ----------
    times : ndarray, shape (k,)
        Times ``tau`` of the jumps.
    x : ndarray, shape (k + 1, n)
        ``x[0] = 0`` up to the first jump, ``x[j]`` after jump `j`.
    """

    times: np.ndarray
    x: np.ndarray

    def at(self, tau: ArrayLike) -> np.ndarray:
        """The vector at the times `tau`, shape (..., n)."""
        tau = as_reals("tau", tau)
        if np.any(np.isnan(tau)):
            raise ValueError("tau must be a time, got NaN")
        return self.x[np.searchsorted(self.times, tau, side="right")]

    def mean(self, tau: ArrayLike) -> np.ndarray:
        r"""The running mean :math:`\frac1\tau\int_0^\tau x` at the positive times `tau`, shape (..., n)."""
        tau = as_reals("tau", tau).astype(float)[..., None]
        if not np.all((tau > 0) & np.isfinite(tau)):
            raise ValueError("tau must be positive and finite")
        edges = np.r_[self.times, np.inf]
        lengths = np.clip(tau - self.times, 0, edges[1:] - self.times)
        return lengths @ self.x[1:] / tau


def saddle_to_saddle(
    A: Matrix,
    y: ArrayLike,
    *,
    nonnegative: bool = False,
    depth: float = 2,
    weights: ArrayLike | None = None,
    max_jumps: int = 1000,
) -> Plateaus:
    r"""The path of the flow in the limit ``alpha -> 0``: from saddle to saddle, a least-squares problem for each.

    The dual coordinate moves with velocity ``-k A.T (A x - y)``: in the time ``tau = t / ln(1/alpha)`` with ``k = 2`` at
    depth 2, in the time ``tau = alpha^(L-2) t`` with ``k = L (L-2)`` at depth ``L > 2``. Whenever an entry of it reaches its
    weight (1 for all, if there are no `weights`) or minus that, `x` jumps to the least-squares solution among the vectors that
    are positive only where it is at the weight, negative only where it is at minus the weight, and zero elsewhere. Where there
    are several, as for equal columns, it is the one at which the flow among them ends.

    Source: Pesme and Flammarion (2023) for depth 2 and equal starts. Taught in the chapter "Sparse recovery", "From saddle to
    saddle" and Theorem "The staircase of any depth".

    Parameters
    ----------
    A : array_like, sparse matrix or LinearOperator, shape (m, n)
    y : array_like, shape (m,)
    nonnegative : bool
        The model ``w^L`` instead of ``u^L - v^L``: only the positive bound counts.
    depth : float
        The depth `L`, at least 2. It changes the times only.
    weights : array_like, shape (n,), optional
        Positive numbers ``omega``. The start of entry `j` is ``alpha^omega_j`` at depth 2 and ``alpha omega_j^(-1/(L-2))``
        above; without them it is ``alpha``. A large weight is a small start, which makes the entry expensive.
    max_jumps : int

    Returns
    -------
    Plateaus

    Warns
    -----
    RuntimeWarning
        When the path has more than `max_jumps` jumps, and ends early.

    Examples
    --------
    With orthonormal columns it is hard thresholding of ``A.T @ y`` at ``1/(2 tau)``:

    >>> path = saddle_to_saddle([[1.0, 0.0], [0.0, 1.0]], [2.0, -1.0])
    >>> path.times.tolist(), path.x.tolist()
    ([0.25, 0.5], [[0.0, 0.0], [2.0, 0.0], [2.0, -1.0]])

    A smaller start of the first entry, at depth 4, changes the order:

    >>> path = saddle_to_saddle([[1.0, 0.0], [0.0, 1.0]], [2.0, -1.0], depth=4, weights=[4.0, 1.0])
    >>> path.times.tolist(), path.x.tolist()
    ([0.125, 0.25], [[0.0, 0.0], [0.0, -1.0], [2.0, -1.0]])
    """
    A = as_matrix(A)
    y = as_data(y, A, float)
    A = dense(as_entries(A))
    max_jumps = as_positive("max_jumps", max_jumps, integer=True)
    depth = SignedHadamardPower(depth).depth
    n = A.shape[1]
    omega = np.ones(n) if weights is None else as_vector("weights", weights, n, "one weight for each column of A")
    if not np.all(omega > 0):
        raise ValueError(f"weights must be positive, the smallest is {np.min(omega)}")
    given, A = A, A / omega  # the unknown omega x, whose dual coordinate has its walls at 1
    model = HadamardPower(depth)
    start = 1.0 if depth == 2 else omega ** (-1 / (depth - 2))
    clock = 1.0 if depth == 2 else depth * (depth - 2) / 2
    lower = -np.inf if nonnegative else -1.0
    s, x, image = np.zeros(n), np.zeros(n), np.zeros(len(y))
    sizes, rounding = np.abs(A), 30 * max(A.shape) * np.finfo(float).eps
    times, plateaus, tau = [], [x], 0.0
    while True:
        velocity = -2 * A.T @ (image - y)
        # A velocity is zero where the entry is not, and where it may be rounding of its terms, in which each entry that is free
        # to move counts as the largest.
        largest = np.max(np.abs(x))
        terms = sizes @ (largest * ((s >= 1) | (s <= lower))) + np.abs(y)
        velocity[(np.abs(x) > SHARP * largest) | (np.abs(velocity) <= rounding * (sizes.T @ terms))] = 0
        # What is pushed outwards at its bound belongs to x already and stays there.
        velocity[(s >= 1) & (velocity > 0) | (s <= lower) & (velocity < 0)] = 0
        wait = np.full(n, np.inf)
        moving = velocity != 0
        wait[moving] = (np.where(velocity > 0, 1.0, lower)[moving] - s[moving]) / velocity[moving]
        step = np.min(wait)
        if not np.isfinite(step):
            break
        if len(times) == max_jumps:
            warnings.warn(f"saddle_to_saddle: stopped after max_jumps = {max_jumps}", RuntimeWarning, stacklevel=2)
            break
        tau += step
        s = s + step * velocity
        hit = wait <= step * (1 + 1e-12)
        s[hit] = np.sign(velocity[hit])
        active = np.flatnonzero((s >= 1) | (s <= lower))
        signs = np.sign(s[active])
        x = np.zeros(n)
        columns = A[:, active] * signs
        x[active] = signs * _nonnegative_solution(columns, y)[0]
        image = A @ x
        if np.linalg.matrix_rank(columns) < len(active):
            # Several points are least-squares solutions. All have the same weighted l1-norm, so from any start of the right
            # shape the flow among them ends at the one that it ends at from small ones.
            own, faces = omega[active], given[:, active] * signs
            first = np.broadcast_to(start, n)[active]
            x[active] = signs * own * flow_limit(faces, image, model, alpha=first).x
        times.append(tau)
        plateaus.append(x)
    return Plateaus(np.array(times) / clock, np.array(plateaus) / omega)
