r"""Products of matrices on a symmetric target, eigenvalue by eigenvalue.

From the identical start ``W_j(0) = alpha I`` all factors stay diagonal in the basis of the target's eigenvectors, and each
eigenvalue :math:`\lambda` of the target is learned on its own. An experiment with `n` by `n` matrices is then one with `n`
numbers: the eigenvalues `d` of each factor, or :math:`w = d^N` of the product, which follow

.. math:: d \leftarrow d - \eta\, d^{N-1}(d^N - \lambda), \qquad \dot w = N w^{2-2/N} (\lambda - w).

In a time of its own, `s` with :math:`ds = w^{1-2/N} dt`, each eigenvalue follows the logistic equation
:math:`w' = N w (\lambda - w)` at every depth. The clock of an eigenvalue is the slower, the smaller the eigenvalue still is.

Source: Chou, Gieshoff, Maly and Rauhut (2024). Taught in the chapter "Matrix factorization".
"""

import warnings

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import solve_ivp
from scipy.special import hyp2f1, psi

from ._validation import as_finite_matrix, as_numbers, as_positive, as_reals
from .descent import _log_spaced
from .parametrizations import _log_start
from .results import Path, Result

TOLERANCE = 1e-8  # of the error of an eigenvalue, relative to the target, at which a descent counts as converged


def eigendecomposition(target: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues, the largest first, and eigenvectors of a symmetric matrix.

    Parameters
    ----------
    target : array_like, shape (n, n)

    Returns
    -------
    eigenvalues : ndarray, shape (n,)
    V : ndarray, shape (n, n)
        With ``target = V @ np.diag(eigenvalues) @ V.T``.

    Raises
    ------
    ValueError
        If `target` is not square, not symmetric up to rounding, or not finite.

    Examples
    --------
    >>> eigendecomposition([[0.0, 2.0], [2.0, 0.0]])[0].round(12).tolist()
    [2.0, -2.0]
    """
    target = as_finite_matrix("target", target)
    if target.ndim != 2 or target.shape[0] != target.shape[1]:
        raise ValueError(f"target must be a square matrix, got shape {target.shape}")
    if not np.allclose(target, target.T, rtol=0, atol=1e-6 * np.max(np.abs(target))):
        raise ValueError("target must be symmetric, it differs from its transpose")
    eigenvalues, V = np.linalg.eigh(target)
    return eigenvalues[::-1], V[:, ::-1]


def diagonal_descent(
    eigenvalues: ArrayLike,
    *,
    depth: int,
    alpha: float,
    step_size: float,
    max_iterations: int,
    record: int = 200,
    perturbation: float = 0.0,
) -> Result:
    """Gradient descent on ``1/2 |W_N ... W_1 - T|^2`` for a symmetric `T`, from the (perturbed) identical start.

    The same iterates as `gradient_descent` with `MatrixProduct`, but for rounding, at the cost of `n` numbers.

    Parameters
    ----------
    eigenvalues : array_like, shape (n,)
        Of the target, in any order.
    depth : int
        Number `N` of factors, at least 2.
    alpha : float
        Scale of the start.
    step_size : float
    max_iterations : int
    record : int
        How many iterates to keep, at iterations spaced evenly in the logarithm (`max_iterations`: all); the last always.
    perturbation : float
        In [0, 1): ``W_1(0) = (1 - perturbation) alpha I``.

    Returns
    -------
    Result
        ``path.x`` of shape (k, n) holds the eigenvalues of the product, in the order of `eigenvalues`; `weights` of shape
        (2, n) those of `W_1` and of every other factor at the end. `converged` says whether all are within 1e-8 of the norm
        of the target; where that is zero, of the start.

    Raises
    ------
    ValueError
        For an argument out of its range.

    Warns
    -----
    RuntimeWarning
        When the iteration diverged. The path then ends at the last finite iterate that was recorded.

    Examples
    --------
    >>> run = diagonal_descent([4.0, 1.0, -1.0], depth=3, alpha=0.1, step_size=0.02, max_iterations=2000)
    >>> np.abs(run.x).round(2).tolist()
    [4.0, 1.0, 0.0]
    """
    eigenvalues, depth, alpha = as_numbers("eigenvalues", eigenvalues), _as_depth(depth), as_positive("alpha", alpha)
    step_size = as_positive("step_size", step_size)
    max_iterations = as_positive("max_iterations", max_iterations, integer=True, zero=True)
    record = as_positive("record", record, integer=True)
    perturbation = as_positive("perturbation", perturbation, zero=True)
    if perturbation >= 1:
        raise ValueError(f"perturbation must be less than 1, got {perturbation}")
    # With d = unit * u the step size drops out, which saves an operation on n numbers in each iteration.
    unit = step_size ** (-1 / (2 * depth - 2))
    others = np.full(eigenvalues.shape, alpha / unit)
    first = (1 - perturbation) * others if perturbation else others
    advance = _advance_two if perturbation else _advance_one
    goal = eigenvalues / unit**depth
    kept, found = sorted({*_log_spaced(max_iterations, record), max_iterations}), []
    with np.errstate(over="ignore", invalid="ignore"):  # divergence is found below, and reported
        for before, k in zip([0, *kept], kept, strict=False):
            advance(first, others, goal, depth, k - before)
            found.append(np.array([first, others]) * unit)
        weights = np.array(found)
        x = weights[:, 0] * weights[:, 1] ** (depth - 1)
        loss = np.sum((x - eigenvalues) ** 2, axis=1) / 2
    finite = np.logical_and.accumulate(np.isfinite(loss))
    if not finite[0]:
        raise ValueError(f"alpha or eigenvalues must be smaller: the first loss leaves float64, got alpha {alpha:g}")
    x, weights, iterations = x[finite], weights[finite], np.array(kept)[finite]
    path = Path(step_size * iterations, x, loss[finite], iterations)
    # Of zero eigenvalues the start is the only size there is; squares may leave float64.
    size = np.max(np.abs(eigenvalues)) or np.max(np.abs(x[0])) or 1.0
    with np.errstate(over="ignore"):
        error = float(np.max(np.abs(x[-1] - eigenvalues)) / size / (np.linalg.norm(eigenvalues / size) or 1.0))
    if not np.isfinite(error):
        raise ValueError(f"eigenvalues must be larger: the error relative to them leaves float64, got {size:g} at most")
    converged = bool(np.all(finite)) and error <= TOLERANCE
    if not np.all(finite):
        message = f"Diverged after iteration {iterations[-1]}: the step size is too large."
        warnings.warn(f"diagonal_descent: {message}", RuntimeWarning, stacklevel=2)
    else:
        message = f"After {iterations[-1]} iterations the largest error of an eigenvalue is {error:.1e} of the target."
    measured_by = "largest error of an eigenvalue relative to |target|"
    return Result(x[-1], converged, int(iterations[-1]), message, error, measured_by, path, weights[-1])


def _advance_one(first, d, goal, depth, steps):
    """So many steps ``d <- d - d^(N-1) (d^N - goal)``, in place: `first` is the same array as `d`."""
    power, step = np.empty_like(d), np.empty_like(d)
    for _ in range(steps):
        _power(d, depth - 1, power)
        np.multiply(power, d, out=step)
        step -= goal
        step *= power
        d -= step


def _advance_two(a, e, goal, depth, steps):
    """So many steps for the eigenvalues `a` of `W_1` and `e` of every other factor, in place."""
    below, power, residual = (np.empty_like(e) for _ in range(3))
    for _ in range(steps):
        _power(e, depth - 2, below)
        np.multiply(below, e, out=power)
        np.multiply(power, a, out=residual)
        residual -= goal
        below *= a
        below *= residual
        power *= residual
        a -= power
        e -= below


def _power(d, exponent, out):
    """``d ** exponent`` by multiplications, several times as fast as NumPy's power of real numbers."""
    if exponent == 0:
        out[...] = 1
        return
    out[...] = d
    for bit in bin(exponent)[3:]:
        out *= out
        if bit == "1":
            out *= d


def diagonal_flow(eigenvalues: ArrayLike, *, depth: float, alpha: float, times: ArrayLike) -> np.ndarray:
    r"""Gradient flow on ``1/2 |W_N ... W_1 - T|^2`` for a symmetric `T`, from the identical start.

    At depth 2 in closed form, the logistic curve

    .. math:: w(t) = \frac{\lambda w_0 e^{2\lambda t}}{\lambda - w_0 + w_0 e^{2\lambda t}}, \qquad w_0 = \alpha^2.

    Above, the same curve (with `N` for 2) in the time `s` of the module's description, which comes from integrating
    ``ds/dt = w(s)^(1-2/N)``: smooth and never stiff. It is exact to about 1e-8.

    Parameters
    ----------
    eigenvalues : array_like, shape (n,)
        Of the target, of any sign.
    depth : float
        At least 2.
    alpha : float
    times : array_like, shape (k,)
        Increasing and non-negative.

    Returns
    -------
    ndarray, shape (k, n)
        The eigenvalues of the product.

    Raises
    ------
    ValueError
        For an argument out of its range.

    Examples
    --------
    >>> diagonal_flow([2.0], depth=2, alpha=0.1, times=[0.5, 1.0, 2.0]).ravel().round(8).tolist()
    [0.07160318, 0.43058792, 1.87484111]
    """
    eigenvalues, alpha = as_numbers("eigenvalues", eigenvalues), as_positive("alpha", alpha)
    depth, times = _as_depth(depth, real=True), as_numbers("times", times)
    if times[0] < 0 or np.any(np.diff(times) <= 0):
        raise ValueError("times must be non-negative and increasing")
    _log_start(alpha, depth)
    start = alpha**depth
    if depth == 2:
        return _logistic(times[:, None], eigenvalues, 2, start)

    # The largest eigenvalue is the unit, for the tolerances are absolute too; a larger start moves on a faster clock.
    unit = np.max(np.abs(eigenvalues)) or start
    with np.errstate(over="ignore", invalid="ignore"):
        eigenvalues, start, scaled = eigenvalues / unit, start / unit, times * unit ** (2 - 2 / depth)
    if not np.all(np.isfinite([start, scaled[-1]])) or np.any(np.diff(scaled) <= 0):
        raise ValueError(f"times and alpha must not leave float64 in units of the largest eigenvalue, {unit:g}")

    def speed(t, s):
        return _logistic(s, eigenvalues, depth, start) ** (1 - 2 / depth)

    end, floor = max(scaled[-1], np.finfo(float).tiny), 1e-13 / max(start, 1.0)
    with np.errstate(over="ignore", invalid="ignore"):  # of trial steps, which are refused
        run = solve_ivp(speed, (0, end), np.zeros(eigenvalues.size), "DOP853", scaled, rtol=1e-12, atol=floor)
    if run.status < 0:
        raise ValueError(f"times must be reached by the integrator, which stopped before {times[-1]:g}: {run.message}")
    return unit * _logistic(run.y.T, eigenvalues, depth, start)


def _logistic(s, eigenvalues, depth, w0):
    """The solution of ``w' = N w (lambda - w)``, ``w(0) = w0``, also for `lambda` = 0, where it is ``1/(1/w0 + N s)``."""
    with np.errstate(over="ignore"):  # e^(-x) is infinite where w has decayed to 0
        exponent = eigenvalues * s * depth  # in this order no infinity meets a zero
        decay = np.exp(-exponent)
        # (1 - e^(-x)) / lambda, which tends to N s
        gained = np.where(exponent == 0, depth * s, -np.expm1(-exponent) / np.where(eigenvalues == 0, 1, eigenvalues))
        return w0 / (decay + w0 * gained)


def learning_time(
    eigenvalue: ArrayLike, *, depth: float, alpha: ArrayLike, fraction: float = 0.95
) -> float | np.ndarray:
    r"""How long the flow from the identical start needs until the product has `fraction` of an eigenvalue.

    It is :math:`T_N(\lambda) = \int_\alpha^b dx / (x^{N-1}(\lambda - x^N))` with :math:`b^N` the fraction of :math:`\lambda`.
    For small :math:`\alpha` that is about :math:`\frac1\lambda \ln\frac1\alpha` at depth 2, and
    :math:`1/((N-2)\lambda\alpha^{N-2})` above.

    Parameters
    ----------
    eigenvalue : float or array_like
    depth : float
        At least 2.
    alpha : float
    fraction : float
        In (0, 1).

    Returns
    -------
    float or ndarray
        0 where the start has the fraction already, infinite where the eigenvalue is not positive: it is never learned.

    Raises
    ------
    ValueError
        For an argument out of its range.

    Examples
    --------
    >>> [round(float(learning_time(1.0, depth=depth, alpha=0.01)), 4) for depth in (2, 3, 4)]
    [6.0773, 100.2226, 5000.5761]
    """
    eigenvalue = as_reals("eigenvalue", eigenvalue).astype(float)
    if not np.all(np.isfinite(eigenvalue)):
        raise ValueError(f"eigenvalue must be finite, got {eigenvalue}")
    depth, alpha = _as_depth(depth, real=True), as_positive("alpha", alpha)
    fraction = as_positive("fraction", fraction)
    if fraction >= 1:
        raise ValueError(f"fraction must be less than 1, got {fraction}")
    _log_start(alpha, depth)
    positive = eigenvalue > 0
    level = np.where(positive, eigenvalue, 1.0)
    b = (fraction * level) ** (1 / depth)
    a = np.minimum(alpha, b)

    # 1 / (x^(N-1) (lambda - x^N)) = (x^(1-N) + x / (lambda - x^N)) / lambda, and the last term is a hypergeometric series.
    def rest(x, share):  # of the level, which x^N is
        with np.errstate(divide="ignore"):
            # Its limit, where SciPy's function is wrong.
            near = 2 / depth * (psi(1) - psi(2 / depth) - np.log(1 - share))
        return x**2 / (2 * level) * np.where(share > 1 - 1e-9, near, hyp2f1(1, 2 / depth, 1 + 2 / depth, share))

    away = np.log(b) - np.log(a)
    with np.errstate(over="ignore"):
        start = away if depth == 2 else b ** (2 - depth) * np.expm1((depth - 2) * away) / (depth - 2)
    begun = np.where(a < b, a**depth / level, fraction)
    with np.errstate(over="ignore", invalid="ignore"):
        times = np.where(positive, (start + rest(b, fraction) - rest(a, begun)) / level, np.inf)
    if not np.all(np.isfinite(times) | ~positive):
        raise ValueError(f"eigenvalue and alpha must be larger: a learning time leaves float64, got alpha {alpha:g}")
    return times[()]


def effective_rank_plateaus(eigenvalues: ArrayLike) -> np.ndarray:
    r"""Effective ranks :math:`(\lambda_1 + \dots + \lambda_l)/\lambda_1` of the best approximations of rank `l` = 1, 2, ...

    These are the plateaus on which the effective rank of the product rests from the identical start, which reaches the
    positive eigenvalues only: the others are left out.

    Parameters
    ----------
    eigenvalues : array_like, shape (n,)

    Returns
    -------
    ndarray
        One number for each positive eigenvalue.

    Raises
    ------
    ValueError
        If no eigenvalue is positive.

    Examples
    --------
    >>> effective_rank_plateaus([4.0, 2.0, 1.0, 0.0]).tolist()
    [1.0, 1.5, 1.75]
    """
    levels = _positive_levels(eigenvalues)
    return np.cumsum(levels / levels[0])


def plateau_intervals(
    eigenvalues: ArrayLike, *, depth: int, alpha: float, step_size: float, epsilon: float = 0.05, delta: float = 0.05
) -> np.ndarray:
    r"""The iterations in which the product provably rests near the best approximation of rank `l` = 1, 2, ...

    In each of them the first `l` eigenvalues have at least ``1 - epsilon`` of their value and all others are at most `delta`
    times the largest. The ends come from the two bounds on the number `k` of steps until an eigenvalue of the product is
    :math:`\theta`,

    .. math::
        (1 - \eta N \lambda^{2-2/N})\, T_N(\lambda, \theta) \le \eta k
        \le (1 + \eta\lambda^{2-2/N})^{N-1}\, T_N(\lambda, \theta) + \eta ,

    the upper one for the first `l` eigenvalues and the lower one for the next.

    Parameters
    ----------
    eigenvalues : array_like, shape (n,)
    depth : int
    alpha : float
    step_size : float
        Less than ``1 / (N lambda^(2-2/N))`` for the largest eigenvalue, and at most
        ``1 / (alpha^(N-2) (alpha^N - lambda))`` for the smallest one, if it is negative.
    epsilon, delta : float
        In (0, 1).

    Returns
    -------
    ndarray, shape (number of positive eigenvalues, 2)
        First and last iteration of each plateau. A plateau has no end (infinity) where the next eigenvalue is at most
        `delta` times the largest. Where the first iteration exceeds the last, the bounds say nothing; so it is, too, where
        ``alpha^N`` exceeds the eigenvalue `l` or `delta` times the largest one.

    Raises
    ------
    ValueError
        For an argument out of its range, or a step size for which the bounds do not hold.

    Examples
    --------
    >>> plateau_intervals([4.0, 1.0], depth=3, alpha=0.01, step_size=0.01).tolist()
    [[2832.0, 9552.0], [10224.0, inf]]
    """
    eigenvalues = as_numbers("eigenvalues", eigenvalues)
    levels = _positive_levels(eigenvalues)
    depth, step_size = _as_depth(depth), as_positive("step_size", step_size)
    epsilon, delta = as_positive("epsilon", epsilon), as_positive("delta", delta)
    for name, share in (("epsilon", epsilon), ("delta", delta)):
        if share >= 1:
            raise ValueError(f"{name} must be less than 1, got {share}")
    with np.errstate(over="ignore"):
        rates = step_size * levels ** (2 - 2 / depth)
    if depth * rates[0] >= 1:
        raise ValueError(f"step_size must be less than 1 / (N lambda^(2-2/N)) = {step_size / (depth * rates[0]):.3g}")
    alpha = as_positive("alpha", alpha)
    _log_start(alpha, depth)
    lowest = np.min(eigenvalues)
    shrinks = 1 / (alpha ** (depth - 2) * (alpha**depth + max(-lowest, 0)))  # a longer step takes a factor past zero
    if lowest < 0 and step_size > shrinks:
        raise ValueError(f"step_size must be at most {shrinks:.3g} for the eigenvalue {lowest:g}, which is not learned")
    if not 0 < 1 - epsilon < 1:
        raise ValueError(f"epsilon must be larger: 1 - epsilon is 1 in float64, got {epsilon:g}")
    learned = learning_time(levels, depth=depth, alpha=alpha, fraction=1 - epsilon)
    last = np.full(levels.size, np.inf)
    with np.errstate(over="ignore"):  # after more steps than float64 counts
        first = np.floor(np.maximum.accumulate((1 + rates) ** (depth - 1) * learned) / step_size + 1)
        for i, (level, rate) in enumerate(zip(levels[1:], rates[1:], strict=True)):
            share = delta * levels[0] / level
            if share < 1:
                begun = learning_time(level, depth=depth, alpha=alpha, fraction=share)
                last[i] = np.ceil((1 - depth * rate) * begun / step_size) - 1
    last[alpha**depth > np.minimum(levels, delta * levels[0])] = -1
    return np.stack([first, last], axis=1)


def _positive_levels(eigenvalues):
    """The positive eigenvalues, the largest first."""
    levels = -np.sort(-as_numbers("eigenvalues", eigenvalues))
    if levels[0] <= 0:
        raise ValueError("eigenvalues must have a positive one among them")
    return levels[levels > 0]


def _as_depth(depth, real=False):
    depth = as_positive("depth", depth, integer=not real)
    if depth < 2:
        raise ValueError(f"depth must be at least 2, got {depth}")
    return depth
