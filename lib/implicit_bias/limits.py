r"""Where the flow ends, without following it, and what the theorems say about that point.

The flow of every Hadamard power has one limit: among the solutions of ``A x = y`` (and signs, where the model has one) it
is the Bregman projection of the start. In the dual coordinate this is a smooth convex problem in `m` unknowns, so
Newton's method finds the limit in some tens of steps for scales as small as ``1e-12``, for which the flow itself would need
astronomical times.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.optimize import nnls as lawson_hanson
from scipy.sparse import issparse

from ._matrices import as_entries, gram, largest_entry
from ._validation import as_alpha, as_data, as_matrix, as_parametrization, as_positive
from .measures import _kkt, column_norms
from .parametrizations import DualPoint
from .results import Result

TOLERANCE = 1e-12  # of the residual, relative to the data
ACCEPTED = 1e-10  # what rounding does not let go below TOLERANCE still counts as converged up to here
MAX_STEPS = 200
RESIDUAL = "|A x - y| relative to |y| or, where larger, to ||A| |x||"
# Newton's matrix is singular to rounding for tiny scales (its entries spread over 20 orders of magnitude). Without a ridge
# of this relative size the noise in the residual would be blown up into steps that leave the domain at once.
RIDGE = 1e-15
LARGEST_START = 345  # logarithm of x(0) in units of a solution, beyond which its square leaves float64


def flow_limit(A, y, parametrization, *, alpha):
    r"""The point to which gradient flow on ``1/2 |A x(w) - y|^2`` converges.

    It is the Bregman projection of ``x(0)`` onto the solutions of ``A x = y`` (with ``x >= 0`` for `HadamardPower`); where
    there is no solution, onto the (non-negative) least-squares solutions. Newton's method on the convex dual: each step
    costs the products ``A D A.T`` and a Cholesky factorization of that `m` by `m` matrix. A stack of scales is walked from
    the largest to the smallest, each limit starting the next, which costs about a third of the single solves.

    Source: the dual of the mirror flow (Amid and Warmuth 2020; Li, Wang, Lee and Arora 2022), the projection as in Chou, Maly
    and Rauhut (2023). Taught in the chapter "Sparse recovery", Theorem "The limit of the flow".

    Parameters
    ----------
    A : array_like, sparse matrix or LinearOperator, shape (m, n)
        A `LinearOperator` is turned into a dense matrix by `min(m, n)` products.
    y : array_like, shape (m,)
    parametrization : HadamardPower or SignedHadamardPower
    alpha : float or array_like
        Scale of the start: a number; shape (n,), one scale for each coordinate; (k, 1) or (k, n), a stack of k starts.

    Returns
    -------
    Result
        `x` of shape (n,) or (k, n); `optimality` is ``|A x - y| / |y|`` where the data can be met, else the KKT residual.
        The number of Newton steps is in `iterations`; there is no `path`.

    Raises
    ------
    ValueError
        For a wrong shape, a non-finite or non-real entry, or an `alpha` that is not positive.

    Warns
    -----
    RuntimeWarning
        When Newton's method did not reach a relative residual of 1e-10.

    Examples
    --------
    A small start finds the solution of least l1-norm:

    >>> from implicit_bias.parametrizations import SignedHadamardPower
    >>> result = flow_limit([[1.0, 2.0]], [2.0], SignedHadamardPower(3), alpha=1e-4)
    >>> result.x.round(6).tolist()
    [0.0, 1.0]
    """
    A = as_matrix(A)
    y = as_data(y, A)
    parametrization = as_parametrization(parametrization, potential=True)
    alpha = as_alpha(alpha, A.shape[1])
    matrix = as_entries(A)
    starts = np.broadcast_to(alpha, (*alpha.shape[:-1], A.shape[1]))
    stack = np.atleast_2d(starts)
    found = _walk(matrix, y.astype(float), parametrization, stack)
    converged = bool(np.all([point.converged for point in found]))
    steps = sum(point.steps for point in found)
    message = (
        f"The dual problem was solved in {steps} Newton steps."
        if converged
        else f"Newton's method stopped after {steps} steps before the residual reached {ACCEPTED:g}."
    )
    if not converged:
        warnings.warn(f"flow_limit: {message}", RuntimeWarning, stacklevel=2)
    shape = starts.shape
    return Result(
        x=np.array([point.x for point in found]).reshape(shape).astype(A.dtype),
        converged=converged,
        iterations=steps,
        message=message,
        optimality=np.array([point.optimality for point in found]).reshape(shape[:-1])[()],
        measured_by=found[0].measured_by,
    )


@dataclass(frozen=True)
class _Limit:
    x: np.ndarray
    point: DualPoint
    steps: int
    optimality: float
    measured_by: str

    @property
    def converged(self):
        return bool(self.optimality <= ACCEPTED)


def _walk(A, y, parametrization, stack):
    """The limits of all starts of a stack, from the largest scale to the smallest, each warm-starting the next."""
    # Entries of size 1: x scales as y / A, and with it the start.
    size_A, size_y = largest_entry(A), np.max(np.abs(y)) or 1.0
    A, y = A / (size_A or 1.0), y / size_y
    unit = size_y / (size_A or 1.0)
    depth = parametrization.depth
    solvable = A.shape[0] < A.shape[1]  # taken as true until Newton's method says otherwise
    found, previous, previous_rates = {}, None, None
    for k in np.argsort(-np.max(stack, axis=1), kind="stable"):
        log_start = parametrization.log_start(stack[k]) - np.log(unit)
        if np.max(log_start) > LARGEST_START:
            raise ValueError(
                f"alpha {np.max(stack[k]):g} is too large at depth {depth} for a solution of size {unit:g}"
            )
        # A coordinate that starts higher moves faster: its dual rate is alpha_i^(L-2).
        rates = (stack[k] / np.max(stack[k])) ** (depth - 2)
        limit = None
        if solvable:
            guess = None
            # With other rates the old dual coordinate would be outside the range of the new ones.
            if previous is not None and np.allclose(rates, previous_rates, rtol=1e-14, atol=0):
                guess = _carry_over(*previous, log_start, depth)
            limit = _newton(A, y, parametrization, log_start, rates, guess)
            solvable = limit.converged
            previous, previous_rates = (limit, log_start), rates
        if not solvable:
            limit = _least_squares_limit(A, y, parametrization, log_start, rates)
        found[k] = _Limit(limit.x * unit, limit.point, limit.steps, limit.optimality, limit.measured_by)
    return [found[k] for k in range(len(stack))]


def _carry_over(limit, old_start, log_start, depth):
    """Where Newton's method for a smaller start begins, given the limit of a larger one."""
    if depth > 2:
        return limit.point
    # At depth 2, s = log(x / x(0)) grows in proportion to log(1 / x(0)) where x stays what it is.
    largest = np.log(np.max(np.abs(limit.x)) or 1.0)
    gap, old_gap = largest - np.min(log_start), largest - np.min(old_start)
    return DualPoint.at(limit.point.s * (gap / old_gap if min(gap, old_gap) > 1 else 1.0))


def _newton(A, y, parametrization, log_start, rates, point=None):
    """Solve ``A x(s) = y``, ``s`` in the range of ``(A diag(rates)).T``, by damped Newton steps in the dual."""
    point = point or DualPoint.at(np.zeros(A.shape[1]))
    x, slope = parametrization.from_dual(point, log_start)
    sizes = abs(A)
    data = np.linalg.norm(y) or np.linalg.norm(sizes @ np.exp(log_start))
    residual = y - A @ x
    ridge, steps, before = RIDGE, 0, np.inf
    work = None if issparse(A) else np.empty_like(A)
    # exp may overflow in trial points, which the line search then refuses
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        while True:
            # Where large entries of x cancel in A x, no residual below their rounding error can be reached.
            optimality = np.linalg.norm(residual) / max(data, np.linalg.norm(sizes @ np.abs(x)))
            stalled = optimality <= ACCEPTED and optimality > 0.9 * before
            if optimality <= TOLERANCE or stalled or steps == MAX_STEPS:
                break
            before = optimality
            direction, ridge = _solve(A, slope * rates, residual, ridge, work)
            ds = rates * (A.T @ direction)
            step = min(1.0, parametrization.longest_step(point, ds))
            descent = residual @ direction
            for _ in range(60):
                trial = point.moved(step * ds)
                x_trial, slope_trial = parametrization.from_dual(trial, log_start)
                residual_trial = y - A @ x_trial
                # The dual function is convex, so its slope along the step tells overshoot; NaN compares false.
                if residual_trial @ direction >= -0.9 * descent:
                    break
                step /= 2
            else:
                break
            point, x, slope, residual = trial, x_trial, slope_trial, residual_trial
            steps += 1
    return _Limit(x, point, steps, optimality, RESIDUAL)


def _solve(A, slope, residual, ridge, work):
    """Solve ``(A diag(slope) A.T + ridge) d = residual``; the ridge grows until the factorization succeeds."""
    H = gram(A, slope, work)
    diagonal = H.diagonal().copy()
    largest = np.max(diagonal) or 1.0
    while True:
        np.fill_diagonal(H, diagonal + ridge * largest)
        try:
            factor = cho_factor(H, lower=True, check_finite=False)
        except LinAlgError:
            ridge *= 10
        else:
            return cho_solve(factor, residual, check_finite=False), ridge


def _least_squares_limit(A, y, parametrization, log_start, rates):
    """The limit when the data cannot be met: project them, drop the coordinates that must vanish, and solve again."""
    A = A.toarray() if issparse(A) else A
    free = np.ones(A.shape[1], dtype=bool)
    if parametrization.nonnegative:
        solution = lawson_hanson(A, y, maxiter=100 * A.shape[1])[0]
        multipliers = A.T @ (A @ solution - y)
        # A positive multiplier forces its coordinate to zero in every solution.
        free = multipliers <= 1e-10 * np.linalg.norm(A, axis=0) * np.linalg.norm(y)
    else:
        solution = np.linalg.lstsq(A, y, rcond=None)[0]
    x = np.zeros(A.shape[1])
    point, steps = DualPoint.at(np.zeros(A.shape[1])), 0
    if np.any(free):
        inner = _newton(A[:, free], A @ solution, parametrization, log_start[free], rates[free])
        x[free], steps = inner.x, inner.steps
    gradient = A.T @ (A @ x - y)
    optimality = _kkt(x, gradient, column_norms(A), np.linalg.norm(y), parametrization.nonnegative)
    return _Limit(x, point, steps, optimality, "kkt_residual")


def l1_bound(minimal_norm, parametrization, *, alpha, n, sharp=False):
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
        Use the denominator ``2 (Q^s - beta_1^s)``, which the proof also gives, under ``Q > beta_1`` only.

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
        return float(np.log(total / least) / np.log(Q / total))
    denominator = 2 * (Q**s - total**s) if sharp else 2 * Q**s - L * total**s
    return float(L * (total**s - least**s) / denominator)


@dataclass(frozen=True, eq=False)
class Plateaus:
    """The limit ``alpha -> 0`` of the depth-2 path in the time ``tau = t / ln(1/alpha)``: constant between jumps.

    Attributes
    ----------
    times : ndarray, shape (k,)
        Times ``tau`` of the jumps.
    x : ndarray, shape (k + 1, n)
        ``x[0] = 0`` up to the first jump, ``x[j]`` after jump `j`.
    """

    times: np.ndarray
    x: np.ndarray

    def at(self, tau):
        """The vector at the times `tau`, shape (..., n)."""
        return self.x[np.searchsorted(self.times, tau, side="right")]

    def mean(self, tau):
        r"""The running mean :math:`\frac1\tau\int_0^\tau x` at the positive times `tau`, shape (..., n)."""
        tau = np.asarray(tau, dtype=float)[..., None]
        edges = np.r_[self.times, np.inf]
        lengths = np.clip(tau - self.times, 0, edges[1:] - self.times)
        return lengths @ self.x[1:] / tau


def saddle_to_saddle(A, y, *, nonnegative=False, max_jumps=1000):
    r"""The path of the depth-2 flow in the limit ``alpha -> 0``: from saddle to saddle, a least-squares problem for each.

    The dual coordinate moves with velocity ``-2 A.T (A x - y)`` in the time ``tau = t / ln(1/alpha)``. Whenever an entry of it
    reaches 1 (or -1), `x` jumps to the least-squares solution among the vectors that are positive only where it is 1,
    negative only where it is -1, and zero elsewhere.

    Source: Pesme and Flammarion (2023). Taught in the chapter "Sparse recovery", "From saddle to saddle".

    Parameters
    ----------
    A : array_like, sparse matrix or LinearOperator, shape (m, n)
    y : array_like, shape (m,)
    nonnegative : bool
        The model ``w^2`` instead of ``u^2 - v^2``: only the bound +1 counts.
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
    """
    A = as_matrix(A)
    y = as_data(y, A).astype(float)
    A = as_entries(A)
    A = A.toarray() if issparse(A) else A
    max_jumps = as_positive("max_jumps", max_jumps, integer=True)
    n = A.shape[1]
    lower = -np.inf if nonnegative else -1.0
    s, x = np.zeros(n), np.zeros(n)
    rounding = 1e-10 * np.max(np.abs(A.T @ y))
    times, plateaus, tau = [], [x], 0.0
    while True:
        velocity = -2 * A.T @ (A @ x - y)
        velocity[np.abs(velocity) <= rounding] = 0
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
        x[active] = signs * lawson_hanson(A[:, active] * signs, y, maxiter=100 * n)[0]
        times.append(tau)
        plateaus.append(x)
    return Plateaus(np.array(times), np.array(plateaus))
