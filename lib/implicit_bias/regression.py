r"""Least squares solved for many times, penalties or model sizes at once, and the risk that theory predicts.

Gradient flow, gradient descent and ridge regression multiply the singular directions of the matrix by different numbers, so
one singular value decomposition gives all of them. Fits with more and more columns share a triangular factor or a kernel.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.linalg.lapack import dpocon, dtrcon

from ._matrices import as_entries, dense
from ._types import Matrix
from ._validation import (
    ENTRIES,
    NORMS,
    as_data,
    as_inputs,
    as_matrix,
    as_numbers,
    as_outputs,
    as_positive,
    as_reals,
    as_sizes,
    as_vector,
    check_size,
)

# A factor is used where LAPACK estimates the reciprocal of its condition above these; elsewhere the singular values decide.
# The condition of the kernel is the square of that of the features.
WELL_CONDITIONED_FACTOR, WELL_CONDITIONED_KERNEL = 1e-8, 1e-9


def spectral_path(
    A: Matrix,
    y: ArrayLike,
    *,
    times: ArrayLike | None = None,
    iterations: ArrayLike | None = None,
    step_size: float | None = None,
    start: ArrayLike | None = None,
) -> np.ndarray:
    r"""Gradient flow or descent for ``1/2 |A b - y|^2`` at any times, from one singular value decomposition.

    From the start :math:`b_0`, the component along a singular direction of value `s` has covered the share
    :math:`1 - e^{-s^2 t}` of its way at time `t` of the flow, and :math:`1 - (1 - \eta s^2)^k` after `k` steps of descent.

    Source: Engl, Hanke and Neubauer (1996). Taught in the chapter "Overparameterization".

    Parameters
    ----------
    A : array_like, sparse matrix or LinearOperator, shape (n, p)
    y : array_like, shape (n,)
    times : array_like, shape (k,), optional
        Times of the flow.
    iterations : array_like of int, shape (k,), optional
        Numbers of steps of the descent. Exactly one of `times` and `iterations` is given.
    step_size : float, optional
        The step of the descent, ``1 / |A|^2`` by default. From ``2 / |A|^2`` on, the descent diverges.
    start : array_like, shape (p,), optional
        Zero by default.

    Returns
    -------
    ndarray, shape (k, p)
        A direction whose singular value rounding of the largest hides does not move.

    Raises
    ------
    ValueError
        For a wrong shape, a non-finite entry, a negative time, or a step with which the descent leaves float64.

    Examples
    --------
    >>> spectral_path([[1.0, 0.0], [0.0, 0.5]], [1.0, 1.0], times=[0.0, 1.0]).round(3).tolist()
    [[0.0, 0.0], [0.632, 0.442]]
    >>> spectral_path([[1.0, 0.0], [0.0, 0.5]], [1.0, 1.0], iterations=[1, 2]).round(12).tolist()
    [[1.0, 0.5], [1.0, 0.875]]
    """
    A = dense(as_entries(as_matrix(A)))
    y = as_data(y, A)
    if (times is None) == (iterations is None):
        raise ValueError("times or iterations must be given, and not both")
    if times is not None and step_size is not None:
        raise ValueError("step_size is for iterations: the flow has none")
    origin = (
        np.zeros(A.shape[1]) if start is None else as_vector("start", start, A.shape[1], "one entry for each column")
    )
    left, s, right = _nonzero_svd(A)
    if times is not None:
        times = as_numbers("times", times)
        if np.any(times < 0):
            raise ValueError("times must not be negative")
        with np.errstate(over="ignore"):  # infinite times
            covered = -np.expm1(-np.multiply.outer(times, s**2))
    else:
        iterations = as_sizes("iterations", iterations, zero=True)
        step_size = 1 / max(s, default=1.0) ** 2 if step_size is None else as_positive("step_size", step_size)
        with np.errstate(over="ignore"):
            covered = _covered(step_size * s**2, iterations[:, None])
    with np.errstate(over="ignore", invalid="ignore"):
        path = origin + (covered * (left.T @ (y - A @ origin)) / s) @ right
    if not np.all(np.isfinite(path)):
        raise ValueError(f"step_size {step_size:g} is so large that the iterates leave float64")
    return path


def ridge_path(A: Matrix, y: ArrayLike, penalties: ArrayLike) -> np.ndarray:
    r"""Minimizers of ``1/2 |A b - y|^2 + penalty/2 |b|^2``, from one singular value decomposition.

    The component along a singular direction of value `s` is the share :math:`s^2/(s^2 + \lambda)` of that of least squares.

    Source: Hoerl and Kennard (1970). Taught in the chapter "Overparameterization".

    Parameters
    ----------
    A : array_like, sparse matrix or LinearOperator, shape (n, p)
    y : array_like, shape (n,)
    penalties : array_like, shape (k,)
        Not negative; zero gives the solution of least norm. A singular value that rounding of the largest hides counts as
        zero: where rows or columns differ by more than 15 orders of magnitude, take `minimum_norm`.

    Returns
    -------
    ndarray, shape (k, p)

    Raises
    ------
    ValueError
        For a wrong shape, a non-finite entry, or a negative penalty.

    Examples
    --------
    >>> ridge_path([[1.0, 0.0], [0.0, 2.0]], [1.0, 2.0], [0.0, 1.0]).tolist()
    [[1.0, 1.0], [0.5, 0.8]]
    """
    A = dense(as_entries(as_matrix(A)))
    y = as_data(y, A)
    penalties = as_numbers("penalties", penalties)
    if np.any(penalties < 0):
        raise ValueError("penalties must not be negative")
    left, s, right = _nonzero_svd(A)
    return (s / (s**2 + penalties[:, None]) * (left.T @ y)) @ right


@dataclass(frozen=True, eq=False)
class NestedFits:
    """Fits of least norm with more and more columns.

    Attributes
    ----------
    sizes : ndarray of int, shape (k,)
        Numbers of columns.
    predictions : ndarray, shape (k, n) or (k, n, outputs)
        On the data of the fit.
    test_predictions : ndarray, shape (k, test) or (k, test, outputs)
    norms : ndarray, shape (k,)
        Euclidean norms of the coefficients, of all outputs together.
    """

    sizes: np.ndarray
    predictions: np.ndarray
    test_predictions: np.ndarray
    norms: np.ndarray


def nested_fits(features: ArrayLike, y: ArrayLike, sizes: ArrayLike, test_features: ArrayLike) -> NestedFits:
    """Least squares of least norm with the first `p` columns of `features`, for every `p` in `sizes`.

    Up to as many columns as rows all fits share one QR decomposition, whose leading blocks belong to the first columns.
    Beyond, they share the kernel, the matrix of inner products of the rows, to which new columns are only added; a fit is
    then a Cholesky factorization of that `n` by `n` matrix, however many columns there are. Where a factor is too badly
    conditioned, as it may be when there are about as many columns as rows, the fit is made afresh from singular values.

    Taught in the chapter "Overparameterization".

    Parameters
    ----------
    features : array_like, shape (n, largest)
    y : array_like, shape (n,) or (n, outputs)
        Several outputs, such as one indicator for each class, cost little more than one.
    sizes : array_like of int, shape (k,), increasing
    test_features : array_like, shape (test, largest)

    Returns
    -------
    NestedFits

    Raises
    ------
    ValueError
        For a wrong shape, a non-finite entry, or sizes that do not increase from at least 1 to at most `largest`.

    Examples
    --------
    >>> fits = nested_fits([[1.0, 0.0, 2.0]], [1.0], [1, 3], [[1.0, 1.0, 1.0]])
    >>> fits.test_predictions.round(12).tolist(), fits.norms.round(3).tolist()
    ([[1.0], [0.6]], [1.0, 0.447])
    """
    features, test_features = as_inputs("features", features), as_inputs("test_features", test_features)
    n, largest = features.shape
    if test_features.shape[1] != largest:
        raise ValueError(f"test_features must have {largest} columns like features, got {test_features.shape[1]}")
    y = as_outputs("y", y, n)
    for name, entries in (("features", features), ("test_features", test_features), ("y", y)):
        check_size(name, float(np.max(np.abs(entries))), ENTRIES, "its largest entry")
    sizes = as_sizes("sizes", sizes)
    if np.any(np.diff(sizes) <= 0) or sizes[-1] > largest:
        raise ValueError(f"sizes must increase, up to at most the {largest} columns of features")
    size = 2.0 ** np.frexp(np.max(np.abs(y)))[1]  # without which squares may leave float64; a power of 2 rounds nothing
    outputs = y.reshape(n, -1) / size
    few, many = sizes[sizes <= n], sizes[sizes > n]
    fits = [
        *_fits_by_qr(features, outputs, few, test_features),
        *_fits_by_kernel(features, outputs, many, test_features),
    ]
    predictions, test_predictions, norms = (size * np.array(part) for part in zip(*fits, strict=True))
    return NestedFits(
        sizes,
        predictions.reshape(len(sizes), *y.shape),
        test_predictions.reshape(len(sizes), len(test_features), *y.shape[1:]),
        norms,
    )


def _fits_by_qr(features, y, sizes, test_features):
    """Predictions, test predictions and norm for each size, for at most as many columns as rows."""
    if not sizes.size:
        return
    Q, R = np.linalg.qr(features[:, : sizes[-1]])
    projections = Q.T @ y
    for p in sizes:
        block = np.asfortranarray(R[:p, :p])
        if dtrcon(block)[0] > WELL_CONDITIONED_FACTOR:
            coefficients = solve_triangular(block, projections[:p])
            yield Q[:, :p] @ projections[:p], test_features[:, :p] @ coefficients, np.linalg.norm(coefficients)
        else:
            yield _fit_afresh(features[:, :p], y, test_features[:, :p])


def _fits_by_kernel(features, y, sizes, test_features):
    """The same for more columns than rows."""
    n = len(features)
    kernel, test_kernel, used = np.zeros((n, n)), np.zeros((len(test_features), n)), 0
    for p in sizes:
        new = features[:, used:p]
        kernel += new @ new.T
        test_kernel += test_features[:, used:p] @ new.T
        used = p
        coefficients = _solve_positive_definite(kernel, y)
        if coefficients is None:
            yield _fit_afresh(features[:, :p], y, test_features[:, :p])
        else:
            predictions = kernel @ coefficients
            yield predictions, test_kernel @ coefficients, np.sqrt(np.vdot(coefficients, predictions))


def _solve_positive_definite(kernel, y):
    """The solution of ``kernel @ a = y``, or None where the kernel is too badly conditioned to trust it."""
    try:
        factor, lower = cho_factor(kernel, lower=True)
    except np.linalg.LinAlgError:
        return None
    reciprocal_condition = dpocon(factor, np.linalg.norm(kernel, 1), uplo="L")[0]
    return cho_solve((factor, lower), y) if reciprocal_condition > WELL_CONDITIONED_KERNEL else None


def _fit_afresh(features, y, test_features):
    coefficients = np.linalg.lstsq(features, y, rcond=None)[0]
    return features @ coefficients, test_features @ coefficients, np.linalg.norm(coefficients)


def ridgeless_risk(n: int, p: ArrayLike, *, signal: float, noise: float) -> float | np.ndarray:
    r"""Exact excess risk :math:`\mathbb E|\hat\beta - \beta|^2` of least squares of least norm, Gaussian design.

    The rows of the design are standard normal, the data are ``A beta`` plus normal noise, and the risk is

    .. math:: \frac{\sigma^2 p}{n-p-1}\ (p \le n-2), \qquad
        |\beta|^2\Big(1 - \frac np\Big) + \frac{\sigma^2 n}{p-n-1}\ (p \ge n+2),

    and infinite in between, unless there is no noise.

    Source: Hastie, Montanari, Rosset and Tibshirani (2022). Taught in the chapter "Overparameterization".

    Parameters
    ----------
    n : int
        Number of samples.
    p : int or array_like of int
        Number of features.
    signal : float
        Norm of `beta`.
    noise : float
        Standard deviation of the noise.

    Returns
    -------
    float or ndarray, of the shape of `p`

    Raises
    ------
    ValueError
        If a size is not a positive integer, or `signal` or `noise` is negative.

    Examples
    --------
    >>> ridgeless_risk(50, [25, 50, 100], signal=2.0, noise=1.0).round(4).tolist()
    [1.0417, inf, 3.0204]
    """
    n, p = as_positive("n", n, integer=True), as_sizes("p", p, any_shape=True)
    signal, noise = _as_deviation("signal", signal), _as_deviation("noise", noise)
    return (signal**2 * np.maximum(1 - n / p, 0) + _variance(n, p, noise**2))[()]


def ridgeless_risk_limit(gamma: ArrayLike, *, signal: float, noise: float) -> float | np.ndarray:
    r"""The limit of `ridgeless_risk` as `n` and `p` grow with the ratio :math:`p/n \to \gamma`.

    It is :math:`\sigma^2\gamma/(1-\gamma)` below 1 and :math:`|\beta|^2(1 - 1/\gamma) + \sigma^2/(\gamma-1)` above.

    Source: Hastie, Montanari, Rosset and Tibshirani (2022). Taught in the chapter "Overparameterization".

    Parameters
    ----------
    gamma : float or array_like, positive
    signal, noise : float
        As in `ridgeless_risk`.

    Returns
    -------
    float or ndarray, of the shape of `gamma`
        Infinite at 1, unless there is no noise.

    Raises
    ------
    ValueError
        If `gamma` is not positive, or `signal` or `noise` is negative.

    Examples
    --------
    >>> ridgeless_risk_limit([0.5, 1.0, 2.0], signal=2.0, noise=1.0).tolist()
    [1.0, inf, 3.0]
    """
    gamma = as_reals("gamma", gamma).astype(float)
    if not (gamma.size and np.all(np.isfinite(gamma)) and np.all(gamma > 0)):
        raise ValueError("gamma must be positive and finite")
    signal, noise = _as_deviation("signal", signal), _as_deviation("noise", noise)
    bias = signal**2 * (1 - 1 / np.maximum(gamma, 1))
    if noise == 0:
        return bias[()]
    with np.errstate(divide="ignore"):
        return (bias + noise**2 * np.minimum(gamma, 1) / np.abs(1 - gamma))[()]


def weak_feature_risk(n: int, p: ArrayLike, total: int, *, signal: float, noise: float) -> float | np.ndarray:
    r"""Exact mean squared error on new data of least squares of least norm with `p` of `total` equally weak features.

    What the unused features contribute acts as noise. The error counts the noise of the new data, so it is at least
    :math:`\sigma^2`; see `implicit_bias.problems.weak_features` for the model.

    Source: Belkin, Hsu and Xu (2020). Taught in the chapter "Overparameterization".

    Parameters
    ----------
    n : int
        Number of samples.
    p : int or array_like of int
        Number of features used, at most `total`.
    total : int
    signal, noise : float
        Norm of all coefficients, and standard deviation of the noise.

    Returns
    -------
    float or ndarray, of the shape of `p`

    Raises
    ------
    ValueError
        If a size is not a positive integer, `p` exceeds `total`, or `signal` or `noise` is negative.

    Examples
    --------
    >>> weak_feature_risk(40, [5, 35, 45, 200], 200, signal=1.0, noise=0.2).round(3).tolist()
    [1.164, 8.434, 8.99, 0.85]
    """
    n, p = as_positive("n", n, integer=True), as_sizes("p", p, any_shape=True)
    total = as_positive("total", total, integer=True)
    if np.any(p > total):
        raise ValueError(f"p must be at most total = {total}")
    signal, noise = _as_deviation("signal", signal), _as_deviation("noise", noise)
    used = signal**2 * p / total
    unexplained = signal**2 * (1 - p / total) + noise**2
    return (used * np.maximum(1 - n / p, 0) + unexplained + _variance(n, p, unexplained))[()]


def _as_deviation(name, value):
    """A number that is not negative and whose square is in float64."""
    value = as_positive(name, value, zero=True)
    check_size(name, value, NORMS, "a value")
    return value


def _variance(n, p, squared_noise):
    """``squared_noise`` times the mean of ``trace((A.T A)^+)``, which is infinite within 1 of ``p = n``."""
    distance = np.abs(p - n) - 1
    factor = np.divide(np.minimum(n, p), distance, out=np.full(p.shape, np.inf), where=distance > 0)
    return np.multiply(squared_noise, factor, out=np.zeros(p.shape), where=np.asarray(squared_noise) > 0)


def _nonzero_svd(A):
    """The singular value decomposition without the values that are zero to rounding."""
    left, s, right = np.linalg.svd(A, full_matrices=False)
    rank = np.count_nonzero(s > max(A.shape) * np.finfo(float).eps * s[0])
    return left[:, :rank], s[:rank], right[:rank]


def _covered(rates, iterations):
    """``1 - (1 - rates)^iterations``, without cancellation for small rates."""
    small = np.minimum(rates, 0.5)
    return np.where(rates < 0.5, -np.expm1(iterations * np.log1p(-small)), 1 - (1 - rates) ** iterations)
