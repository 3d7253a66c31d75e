r"""Separators that descent finds: steepest descent in any norm, and the rich regime, down to losses beyond float64.

Both compute with the margins ``z_i = y_i <a_i, x>``. The gradient of a loss whose tail is exponential is the loss times a
mean of the points with weights that depend on the differences of the `z_i` only, so a normalized step never underflows.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import logsumexp

from ._types import Matrix
from ._validation import ENTRIES, as_matrix, as_norm, as_numbers, as_positive, check_size
from .baselines import _signed
from .flow import MAX_EVALUATIONS, _quiet, _Radau
from .measures import _norm_of


@dataclass(frozen=True, eq=False)
class Separators:
    r"""The separators on the way of a descent, with a bracket of the largest margin.

    Attributes
    ----------
    iterations : ndarray of int, shape (k,)
    x : ndarray, shape (k, n)
    margin : ndarray, shape (k,)
        :math:`\min_i y_i\langle a_i, x\rangle / |x|` in the norm of the descent: no larger than the largest margin.
    bound : ndarray, shape (k,)
        The least dual norm so far of a mean :math:`\sum_i q_i y_i a_i` with weights :math:`q_i \ge 0` of sum 1: no smaller than
        the largest margin.
    """

    iterations: np.ndarray
    x: np.ndarray
    margin: np.ndarray
    bound: np.ndarray


def steepest_descent(
    A: Matrix,
    y: ArrayLike,
    *,
    norm: str = "l2",
    shape: tuple[int, int] | None = None,
    step_size: float = 0.3,
    beta1: float = 0.0,
    beta2: float | None = None,
    max_iterations: int = 10_000,
    record: int = 50,
) -> Separators:
    r"""Normalized steepest descent for the exponential loss :math:`\sum_i e^{-y_i\langle a_i, x\rangle}`, in a norm, from zero.

    Step `k` is ``step_size / sqrt(k)`` long in that norm, in the direction in which the loss falls fastest: the normalized
    gradient for "l2", its signs for "linf", its largest entry for "l1" (coordinate descent), and ``U V.T`` of its singular
    value decomposition for "spectral". With `beta1` the gradients are averaged,
    :math:`m \leftarrow \beta_1 m + (1 - \beta_1) g`, and the direction is that of the mean `m`: Signum for "linf", Muon for
    "spectral". With `beta2` it is that of Adam without the constant in the denominator, :math:`m / \sqrt v` with the mean `v`
    of the squares, both means divided by the sum of their weights.

    Source: Telgarsky (2013), Gunasekar, Lee, Soudry and Srebro (2018). Taught in the chapter "Other geometries", Theorem
    "Steepest descent finds the largest margin".

    Parameters
    ----------
    A : array_like, sparse matrix or LinearOperator, shape (m, n)
        One point in each row.
    y : array_like, shape (m,)
        Labels +1 and -1, both of which occur.
    norm : {"l2", "l1", "linf", "spectral"}
    shape : tuple of int, optional
        Of the matrix that `x` stands for, whose rows follow each other, for the spectral norm.
    step_size : float
    beta1 : float
        In [0, 1).
    beta2 : float, optional
        In [0, 1), for "linf" only: with ``beta1 = beta2 = 0`` Adam is sign descent.
    max_iterations : int
    record : int
        How many iterates to keep, evenly spaced in the logarithm.

    Returns
    -------
    Separators
        The means in `bound` are those of the gradients of all steps, with weights ``step * k``.

    Raises
    ------
    ValueError
        For a wrong shape, a non-finite entry, or an option out of its range.

    Examples
    --------
    >>> points, labels = [[2.0, 0.0], [-1.0, 1.0]], [1, -1]
    >>> found = steepest_descent(points, labels, norm="linf", max_iterations=1000)
    >>> float(found.margin[-1].round(2)), float(found.bound[-1].round(2))  # the largest is 2
    (2.0, 2.0)
    """
    signed = _signed(as_matrix(A), y)
    m, n = signed.shape
    norm, shape = as_norm(norm, shape, n)
    step_size = as_positive("step_size", step_size)
    check_size("step_size", step_size, ENTRIES, "a value")
    beta1 = _as_share("beta1", beta1)
    if beta2 is not None:
        if norm != "linf":
            raise ValueError(f"beta2 is for the norm linf, whose steepest descent Adam follows; got {norm}")
        beta2 = _as_share("beta2", beta2)
    max_iterations = as_positive("max_iterations", max_iterations, integer=True)
    record = as_positive("record", record, integer=True)
    kept = set(np.rint(np.geomspace(1, max_iterations, record)).astype(np.int64).tolist())

    x, z = np.zeros(n), np.zeros(m)
    mean = square = np.zeros(n), -np.inf  # a vector, and the logarithm of its unit
    average, mass, bound, rows = np.zeros(n), 0.0, np.inf, []
    for k in range(1, max_iterations + 1):
        # The gradient in units of exp(-lowest); what is remembered has a unit of its own.
        lowest = np.min(z)
        weights = np.exp(lowest - z)
        gradient = weights @ signed
        mean = _remember(mean, beta1, gradient, -lowest) if beta1 or beta2 is not None else (gradient, -lowest)
        direction = mean[0]
        if beta2 is not None:
            square = _remember(square, beta2, gradient**2, -2 * lowest)
            spread = np.sqrt(square[0] / (1 - beta2**k)) * np.exp(square[1] / 2 - mean[1]) * (1 - beta1**k)
            direction = np.divide(direction, spread, out=np.zeros(n), where=spread > 0)
        step = step_size / np.sqrt(k)
        mass += step * k
        average += step * k / mass * (gradient / np.sum(weights) - average)
        move = direction if beta2 is not None else _steepest(direction, norm, shape)
        x = x + step * move
        z = signed @ x
        if k in kept:
            bound = min(bound, float(_norm_of(average, norm, shape, dual=True)))
            rows.append((k, x, np.min(z) / (_norm_of(x, norm, shape) or 1.0), bound))
    iterations, points, margins, bounds = (np.array(column) for column in zip(*rows, strict=True))
    return Separators(iterations, points, margins, bounds)


def _remember(memory, share, new, unit):
    """The mean with `share` of the past: a vector of largest entry 1, and the logarithm of its unit, like that of `new`.

    The past may be larger than float64 in units of the present: where the loss falls faster than it is forgotten.
    """
    mean, old_unit = memory
    top = max(old_unit, unit)
    mean = share * np.exp(old_unit - top) * mean + (1 - share) * np.exp(unit - top) * new
    size = np.max(np.abs(mean)) or 1.0
    return mean / size, top + np.log(size)


def _steepest(gradient, norm, shape):
    """The vector of norm 1 (or zero) with the largest inner product with the gradient."""
    if norm == "linf":
        return np.sign(gradient)
    if norm == "l1":
        move = np.zeros_like(gradient)
        largest = np.argmax(np.abs(gradient))
        move[largest] = np.sign(gradient[largest])
        return move
    if norm == "l2":
        return gradient / (np.linalg.norm(gradient) or 1.0)
    left, values, right = np.linalg.svd(gradient.reshape(shape), full_matrices=False)
    return ((left * (values > 1e-12 * values[0])) @ right).ravel()


def margin_flow(A: Matrix, y: ArrayLike, *, alpha: float, log_losses: ArrayLike) -> np.ndarray:
    r"""Gradient flow of ``x = u^2 - v^2`` on the logistic loss, from ``u = v = alpha``, where the loss reaches given values.

    In the dual, :math:`x = 2\alpha^2\sinh(s)` with :math:`s = \sum_i\mu_i y_i a_i` and multipliers that grow at the rates
    :math:`4/(1 + e^{z_i})`, :math:`z_i = y_i\langle a_i, x\rangle`. Their sum takes the place of time: then only the ratios of
    the rates count, which do not underflow, and a loss of ``exp(-1e5)`` is reached in some hundred steps of SciPy's Radau
    method with the exact Jacobian.

    Source: Moroshko et al. (2020) for the question. Taught in the chapter "Other geometries".

    Parameters
    ----------
    A : array_like, sparse matrix or LinearOperator, shape (m, n)
        One point in each row; the labels are those of a separable problem.
    y : array_like, shape (m,)
        Labels +1 and -1, both of which occur.
    alpha : float
        Scale of the start.
    log_losses : array_like, shape (k,)
        Natural logarithms of the losses, decreasing, below that of the start, ``ln(m ln 2)``.

    Returns
    -------
    ndarray, shape (k, n)
        The vectors `x`.

    Raises
    ------
    ValueError
        For a wrong shape, a non-finite entry, losses that do not decrease, or one that is not reached, as where the labels
        cannot be separated.

    Examples
    --------
    >>> x = margin_flow([[2.0, 1.0], [-1.0, -2.0]], [1, -1], alpha=0.01, log_losses=[-10.0, -1e4])
    >>> (x / abs(x).sum(axis=1, keepdims=True)).round(3).tolist()
    [[0.5, 0.5], [0.5, 0.5]]
    """
    points = _signed(as_matrix(A), y)
    largest = np.max(np.abs(points)) or 1.0
    points /= largest
    alpha = as_positive("alpha", alpha)
    twice = 2 * alpha * alpha
    unit = twice * largest  # of the margins, and by the next line of the multipliers where the margins are about 1
    if not 1e-299 < unit < 1e299:
        raise ValueError(f"alpha^2 times the largest entry of A must be between 1e-299 and 1e299, got alpha {alpha:g}")
    size = np.arcsinh(1 / unit)
    # Multipliers of nearly opposite points cancel in `s`, which is followed itself, in orthonormal coordinates.
    basis, spread = np.linalg.qr(points.T)
    targets = as_numbers("log_losses", log_losses)
    if targets[0] >= np.log(len(points) * np.log(2)) or np.any(np.diff(targets) >= 0):
        raise ValueError("log_losses must decrease, and begin below the logarithm of the first loss, ln(m ln 2)")

    def margins(s):
        return points @ (unit * np.sinh(size * (basis @ s)))

    def log_loss(s):
        z = margins(s)
        # ln(ln(1 + e^-z)), which is -z to rounding where e^-z is small
        return logsumexp(np.where(z > 30, -z, np.log(np.logaddexp(0, -np.minimum(z, 30)))))

    def rates(s):
        """The shares of the multipliers in their growth, and each sigmoid."""
        logs = -np.logaddexp(0, margins(s))
        return np.exp(logs - logsumexp(logs)), np.exp(logs)

    def jacobian(tau, s):
        share, sigmoid = rates(s)
        slope = np.outer(share, share * (1 - sigmoid)) - np.diag(share * (1 - sigmoid))
        return spread @ slope @ points @ (unit * size * np.cosh(size * (basis @ s))[:, None] * basis)

    found = []
    with _quiet():
        start = np.zeros(len(spread))
        run = _Radau(lambda tau, s: spread @ rates(s)[0], 0.0, start, 1e9, rtol=1e-6, atol=1e-8, jac=jacobian)
        for target in targets:
            while log_loss(run.y) > target:
                if run.status == "running":
                    run.step()
                ended = run.status == "failed" or run.nfev > MAX_EVALUATIONS
                if ended or (run.status == "finished" and log_loss(run.y) > target):
                    raise ValueError(
                        f"log_losses must be reached by the flow: it ends before {target:g}. Are the data separable?"
                    )
            path = run.dense_output()
            tau = brentq(_above, run.t_old, run.t, args=(path, log_loss, target), xtol=1e-14 * run.t)
            found.append(twice * np.sinh(size * (basis @ path(tau))))
    return np.array(found)


def _above(tau, path, log_loss, target):
    return log_loss(path(tau)) - target


def _as_share(name, value):
    value = as_positive(name, value, zero=True)
    if value >= 1:
        raise ValueError(f"{name} must be less than 1, got {value}")
    return value
