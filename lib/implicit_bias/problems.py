"""Random instances as frozen records: the data, the truth behind them, and how they were drawn.

Every draw comes from ``numpy.random.default_rng(seed)``; nothing is global, so the same call gives the same instance.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.polynomial.legendre import legvander
from numpy.typing import ArrayLike
from scipy.sparse import csr_array, eye_array, issparse
from scipy.sparse.linalg import LinearOperator

from ._extras import extra
from ._validation import as_numbers, as_positive, as_reals, as_seed


@dataclass(frozen=True, eq=False)
class Problem:
    """A linear inverse problem ``A x_true + noise = y``.

    Attributes
    ----------
    A : ndarray, sparse array or LinearOperator, shape (m, n)
    y : ndarray, shape (m,)
    x_true : ndarray, shape (n,)
        Where the unknown is a matrix, its entries row by row.
    drawn : str
        How the instance was drawn, in words.
    """

    A: np.ndarray | csr_array | LinearOperator
    y: np.ndarray
    x_true: np.ndarray
    drawn: str

    def __post_init__(self):
        if not np.all(np.isfinite(self.y)):
            raise ValueError("y must be finite: take smaller entries, a smaller signal or less noise")
        for name in ("A", "y", "x_true"):
            if isinstance(array := getattr(self, name), np.ndarray):
                array = array.view()  # that of the caller is left as it is
                array.flags.writeable = False
                object.__setattr__(self, name, array)
        if issparse(self.A):
            self.A.data.flags.writeable = False


def sparse_recovery(n: int, m: int, s: int, *, seed: int, signed: bool = True, noise: float = 0.0) -> Problem:
    """An `s`-sparse vector seen through a Gaussian matrix.

    The entries of `A` are normal with variance ``1/m``; the support is uniform; the non-zero entries are normal (their
    absolute values if not `signed`); `noise` is the standard deviation of normal noise on each measurement.

    Taught in the chapter "Sparse recovery".

    Parameters
    ----------
    n, m, s : int
        Unknowns, measurements, non-zero entries.
    seed : int
    signed : bool
    noise : float

    Returns
    -------
    Problem

    Raises
    ------
    ValueError
        If a size is not a positive integer, or `s` exceeds `n`.

    Examples
    --------
    >>> problem = sparse_recovery(100, 40, 5, seed=1)
    >>> problem.A.shape, int(np.count_nonzero(problem.x_true))
    ((40, 100), 5)
    """
    n, m, s = (as_positive(name, size, integer=True) for name, size in (("n", n), ("m", m), ("s", s)))
    if s > n:
        raise ValueError(f"s must be at most n = {n}, got {s}")
    noise = as_positive("noise", noise, zero=True)
    rng = np.random.default_rng(as_seed(seed))
    A = rng.standard_normal((m, n)) / np.sqrt(m)
    x_true = np.zeros(n)
    values = rng.standard_normal(s)
    x_true[rng.choice(n, s, replace=False)] = values if signed else np.abs(values)
    y = A @ x_true + noise * rng.standard_normal(m)
    sign = "signed" if signed else "non-negative"
    return Problem(A, y, x_true, f"Gaussian {m} x {n}, {s} non-zero {sign} entries, noise {noise:g}, seed {seed}")


def linear_regression(n: int, p: int, *, seed: int, noise: float = 0.0, signal: float = 1.0) -> Problem:
    """Linear regression with a standard normal design, and coefficients uniform on a sphere.

    Taught in the chapter "Overparameterization".

    Parameters
    ----------
    n, p : int
        Samples and features.
    seed : int
    noise : float
        Standard deviation of normal noise on each sample.
    signal : float
        Norm of the coefficients.

    Returns
    -------
    Problem

    Raises
    ------
    ValueError
        If a size is not a positive integer, or `noise` or `signal` is negative.

    Examples
    --------
    >>> problem = linear_regression(20, 30, seed=0, signal=2.0)
    >>> problem.A.shape, round(float(np.linalg.norm(problem.x_true)), 12)
    ((20, 30), 2.0)
    """
    n, p = as_positive("n", n, integer=True), as_positive("p", p, integer=True)
    noise, signal = as_positive("noise", noise, zero=True), as_positive("signal", signal, zero=True)
    rng = np.random.default_rng(as_seed(seed))
    A, direction = rng.standard_normal((n, p)), rng.standard_normal(p)
    x_true = signal * direction / np.linalg.norm(direction)
    y = A @ x_true + noise * rng.standard_normal(n)
    return Problem(A, y, x_true, f"Gaussian design {n} x {p}, signal {signal:g}, noise {noise:g}, seed {seed}")


def weak_features(n: int, p: int, total: int, *, seed: int, noise: float = 0.0, signal: float = 1.0) -> Problem:
    """Linear regression on `total` equally important Gaussian features, only the first `p` of which are known.

    Every coefficient is ``signal / sqrt(total)``. For one seed the features do not depend on `p`, nor do the data.

    Source: Belkin, Hsu and Xu (2020). Taught in the chapter "Overparameterization".

    Parameters
    ----------
    n, p, total : int
        Samples, known features, and all features.
    seed : int
    noise : float
        Standard deviation of normal noise on each sample.
    signal : float
        Norm of all coefficients.

    Returns
    -------
    Problem
        `A` has `p` columns, and `x_true` their coefficients; `y` depends on the other features too.

    Raises
    ------
    ValueError
        If a size is not a positive integer, `p` exceeds `total`, or `noise` or `signal` is negative.

    Examples
    --------
    >>> problem = weak_features(20, 4, 100, seed=0)
    >>> problem.A.shape, problem.x_true.tolist()
    ((20, 4), [0.1, 0.1, 0.1, 0.1])
    """
    n, p, total = (as_positive(name, size, integer=True) for name, size in (("n", n), ("p", p), ("total", total)))
    if p > total:
        raise ValueError(f"p must be at most total = {total}, got {p}")
    noise, signal = as_positive("noise", noise, zero=True), as_positive("signal", signal, zero=True)
    rng = np.random.default_rng(as_seed(seed))
    features, beta = rng.standard_normal((n, total)), np.full(total, signal / np.sqrt(total))
    y = features @ beta + noise * rng.standard_normal(n)
    drawn = f"{p} of {total} Gaussian features, {n} samples, signal {signal:g}, noise {noise:g}, seed {seed}"
    return Problem(features[:, :p], y, beta[:p], drawn)


def separable(n: int, p: int, *, seed: int, gap: float) -> Problem:
    """Two classes of Gaussian points that a plane through the origin separates with a margin of at least `gap`.

    A standard normal point is moved away from the plane by `gap`, on the side of its class; the classes are of equal size, or
    differ by one.

    Taught in the chapter "Overparameterization".

    Parameters
    ----------
    n, p : int
        Points, at least 2, and dimension.
    seed : int
    gap : float
        Positive.

    Returns
    -------
    Problem
        `y` are the labels +1 and -1; `x_true` is the unit normal of the plane.

    Raises
    ------
    ValueError
        If a size is not a positive integer, `n` is 1, or `gap` is not positive.

    Examples
    --------
    >>> problem = separable(10, 2, seed=0, gap=0.5)
    >>> bool(np.all(problem.y * (problem.A @ problem.x_true) > 0.499))
    True
    """
    n, p = as_positive("n", n, integer=True), as_positive("p", p, integer=True)
    if n < 2:
        raise ValueError("n must be at least 2, a point of each class")
    gap = as_positive("gap", gap)
    rng = np.random.default_rng(as_seed(seed))
    direction, points = rng.standard_normal(p), rng.standard_normal((n, p))
    normal = direction / np.linalg.norm(direction)
    y = rng.permutation(np.where(np.arange(n) % 2, -1.0, 1.0))
    heights = points @ normal
    A = points + np.outer(y * (gap + np.abs(heights)) - heights, normal)
    return Problem(A, y, normal, f"{n} points in two classes, dimension {p}, gap {gap:g}, seed {seed}")


@dataclass(frozen=True, eq=False)
class Digits:
    """Handwritten digits, some of them with a wrong label.

    Attributes
    ----------
    inputs : ndarray, shape (n, 64)
        Grey values of 8 x 8 pixels in [0, 1], one picture in each row.
    labels : ndarray of int, shape (n,)
        From 0 to 9, some of them wrong.
    test_inputs : ndarray, shape (test, 64)
        All other pictures, in random order.
    test_labels : ndarray of int, shape (test,)
        All of them right.
    """

    inputs: np.ndarray
    labels: np.ndarray
    test_inputs: np.ndarray
    test_labels: np.ndarray


def noisy_digits(n: int, *, label_noise: float, seed: int) -> Digits:
    """So many of the 1797 digits of scikit-learn, a share of them with one of the nine wrong labels; the rest is for testing.

    Taught in the chapter "Overparameterization".

    Parameters
    ----------
    n : int
        Pictures to learn from, at most 1796.
    label_noise : float
        Share of wrong labels, in [0, 1].
    seed : int

    Returns
    -------
    Digits

    Raises
    ------
    ValueError
        If `n` or `label_noise` is out of its range.

    Examples
    --------
    >>> digits = noisy_digits(300, label_noise=0.2, seed=0)
    >>> digits.inputs.shape, digits.test_inputs.shape
    ((300, 64), (1497, 64))
    """
    # Only this function needs scikit-learn, whose import takes a second.
    with extra("baselines"):
        from sklearn.datasets import load_digits

    pictures, labels = load_digits(return_X_y=True)
    n = as_positive("n", n, integer=True)
    if n >= len(labels):
        raise ValueError(f"n must be less than the number of pictures {len(labels)}, got {n}")
    label_noise = as_positive("label_noise", label_noise, zero=True)
    if label_noise > 1:
        raise ValueError(f"label_noise must be at most 1, got {label_noise}")
    rng = np.random.default_rng(as_seed(seed))
    order = rng.permutation(len(labels))
    inputs, labels = pictures[order] / 16, labels[order]
    noisy = labels[:n].copy()
    wrong = rng.choice(n, round(label_noise * n), replace=False)
    noisy[wrong] = (noisy[wrong] + rng.integers(1, 10, wrong.size)) % 10
    return Digits(inputs[:n], noisy, inputs[n:], labels[n:])


def legendre_design(t: ArrayLike, p: int) -> np.ndarray:
    r"""Values of the orthonormal Legendre polynomials of degree 0 to ``p - 1``, that of degree `k` divided by ``1 + k``.

    They are orthonormal in :math:`L^2(-1, 1)`. Because of the weights, a function of small norm is one whose high degrees
    are small: its derivatives count.

    Taught in the chapter "Overparameterization".

    Parameters
    ----------
    t : array_like, shape (n,)
        Points in [-1, 1].
    p : int

    Returns
    -------
    ndarray, shape (n, p)

    Raises
    ------
    ValueError
        If a point is not in [-1, 1], or `p` is not a positive integer.

    Examples
    --------
    >>> legendre_design([1.0], 3).round(3).tolist()
    [[0.707, 0.612, 0.527]]
    """
    t = as_numbers("t", t)
    if np.any(np.abs(t) > 1):
        raise ValueError("t must be in [-1, 1]")
    degrees = np.arange(as_positive("p", p, integer=True))
    return legvander(t, degrees[-1]) * (np.sqrt(degrees + 0.5) / (1 + degrees))


def nonnegative_regression(n: int, m: int, s: int, *, seed: int, noise: float = 0.0, binary: bool = False) -> Problem:
    """An `s`-sparse non-negative vector seen through a matrix without negative entries.

    The entries of `A` are uniform in [0, 1], or zero or one with equal chances if `binary`; the support is uniform; the
    non-zero entries are uniform in [0.5, 1.5].

    Taught in the chapter "Non-negative least squares".

    Parameters
    ----------
    n, m, s : int
        Unknowns, measurements, non-zero entries.
    seed : int
    noise : float
        Standard deviation of normal noise on each measurement.
    binary : bool

    Returns
    -------
    Problem

    Raises
    ------
    ValueError
        If a size is not a positive integer, or `s` exceeds `n`.

    Examples
    --------
    >>> problem = nonnegative_regression(30, 50, 4, seed=1)
    >>> problem.A.shape, bool(problem.A.min() >= 0), int(np.count_nonzero(problem.x_true))
    ((50, 30), True, 4)
    """
    n, m, s = (as_positive(name, size, integer=True) for name, size in (("n", n), ("m", m), ("s", s)))
    if s > n:
        raise ValueError(f"s must be at most n = {n}, got {s}")
    noise = as_positive("noise", noise, zero=True)
    rng = np.random.default_rng(as_seed(seed))
    A = rng.integers(0, 2, (m, n)).astype(float) if binary else rng.uniform(size=(m, n))
    x_true = np.zeros(n)
    x_true[rng.choice(n, s, replace=False)] = rng.uniform(0.5, 1.5, s)
    y = A @ x_true + noise * rng.standard_normal(m)
    entries = "zeros and ones" if binary else "uniform"
    return Problem(A, y, x_true, f"{m} x {n}, {entries}, {s} non-zero entries, noise {noise:g}, seed {seed}")


def spectral_unmixing(n: int, bands: int, s: int, *, seed: int, noise: float = 0.0) -> Problem:
    """The spectrum of a mixture of `s` out of `n` materials, each with a smooth spectrum of its own.

    The reflectance of a material at the wavelengths ``linspace(0.4, 2.5, bands)`` (micrometres) is a line between two random
    levels, dimmed by one to five absorption bands of random place, width and depth; it lies in [0, 1]. The shares of the
    materials are uniform on the simplex. The columns are strongly correlated, as those of real spectral libraries are.

    Taught in the chapter "Non-negative least squares".

    Parameters
    ----------
    n, bands, s : int
        Materials in the library, wavelengths, and materials in the mixture.
    seed : int
    noise : float
        Standard deviation of normal noise on each band.

    Returns
    -------
    Problem
        `A` has one spectrum in each column; `x_true` are the shares, of sum 1.

    Raises
    ------
    ValueError
        If a size is not a positive integer, or `s` exceeds `n`.

    Examples
    --------
    >>> problem = spectral_unmixing(40, 100, 3, seed=1)
    >>> problem.A.shape, round(float(problem.x_true.sum()), 12)
    ((100, 40), 1.0)
    """
    n, bands, s = (as_positive(name, size, integer=True) for name, size in (("n", n), ("bands", bands), ("s", s)))
    if s > n:
        raise ValueError(f"s must be at most n = {n}, got {s}")
    noise = as_positive("noise", noise, zero=True)
    rng = np.random.default_rng(as_seed(seed))
    wavelengths = np.linspace(0.4, 2.5, bands)
    A = np.empty((bands, n))
    for column in A.T:
        column[:] = np.linspace(*rng.uniform(0.2, 0.9, 2), bands)
        for _ in range(rng.integers(1, 6)):
            place, width, depth = rng.uniform(0.4, 2.5), rng.uniform(0.03, 0.25), rng.uniform(0.1, 0.7)
            column *= 1 - depth * np.exp(-(((wavelengths - place) / width) ** 2) / 2)
    x_true = np.zeros(n)
    x_true[rng.choice(n, s, replace=False)] = rng.dirichlet(np.ones(s))
    y = A @ x_true + noise * rng.standard_normal(bands)
    return Problem(A, y, x_true, f"{s} of {n} spectra, {bands} bands, noise {noise:g}, seed {seed}")


def matrix_target(eigenvalues: ArrayLike, *, seed: int, noise: float = 0.0) -> Problem:
    """A symmetric matrix with given eigenvalues, all of whose entries are seen.

    The basis of eigenvectors is uniformly random. `noise` is the standard deviation of the entries off the diagonal of a
    symmetric Gaussian matrix (twice the variance on the diagonal) that is added to the data.

    Taught in the chapter "Matrix factorization".

    Parameters
    ----------
    eigenvalues : array_like, shape (n,)
    seed : int
    noise : float

    Returns
    -------
    Problem
        `A` is the sparse identity, so a product with it costs next to nothing.

    Raises
    ------
    ValueError
        If an eigenvalue is not finite, or `noise` is negative.

    Examples
    --------
    >>> problem = matrix_target([3.0, 1.0], seed=0)
    >>> np.linalg.eigvalsh(problem.y.reshape(2, 2)).round(9).tolist()
    [1.0, 3.0]
    """
    eigenvalues = as_numbers("eigenvalues", eigenvalues)
    noise = as_positive("noise", noise, zero=True)
    n = eigenvalues.size
    rng = np.random.default_rng(as_seed(seed))
    V = np.linalg.qr(rng.standard_normal((n, n)))[0]
    target = _symmetric((V * eigenvalues) @ V.T)
    disturbance = np.sqrt(2) * _symmetric(rng.standard_normal((n, n)))
    drawn = f"Symmetric {n} x {n} matrix with given eigenvalues, noise {noise:g}, seed {seed}"
    return Problem(eye_array(n * n, format="csr"), (target + noise * disturbance).ravel(), target.ravel(), drawn)


def matrix_sensing(n: int, rank: int, m: int, *, seed: int) -> Problem:
    """A positive semidefinite matrix of low rank seen through `m` symmetric Gaussian matrices.

    The matrix is ``U U^T`` with `U` of shape (n, rank) and normal entries of variance ``1/n``, so its eigenvalues are about
    1. A measurement is ``<(G + G^T)/2, X> / sqrt(m)`` with standard normal `G`, so ``|A x|`` is about ``|x|``.

    Source: Gunasekar et al. (2017). Taught in the chapter "Matrix factorization".

    Parameters
    ----------
    n, rank, m : int
    seed : int

    Returns
    -------
    Problem
        `A` has the shape ``(m, n^2)``.

    Raises
    ------
    ValueError
        If a size is not a positive integer, or `rank` exceeds `n`.

    Examples
    --------
    >>> problem = matrix_sensing(4, 1, 8, seed=0)
    >>> problem.A.shape, int(np.linalg.matrix_rank(problem.x_true.reshape(4, 4)))
    ((8, 16), 1)
    """
    m = as_positive("m", m, integer=True)
    truth, rng = _low_rank(n, rank, seed)
    A = _symmetric(rng.standard_normal((m, *truth.shape))).reshape(m, -1) / np.sqrt(m)
    drawn = f"{n} x {n} matrix of rank {rank}, {m} symmetric Gaussian measurements, seed {seed}"
    return Problem(A, A @ truth.ravel(), truth.ravel(), drawn)


def matrix_completion(n: int, rank: int, fraction: float, *, seed: int) -> Problem:
    """A positive semidefinite matrix of low rank of which only some entries are seen.

    The matrix is drawn as in `matrix_sensing`; the entries that are seen are chosen uniformly, without regard to symmetry.

    Taught in the chapter "Matrix factorization".

    Parameters
    ----------
    n, rank : int
    fraction : float
        Share of the entries that are seen, in (0, 1].
    seed : int

    Returns
    -------
    Problem
        `A` is sparse, with one 1 in each row.

    Raises
    ------
    ValueError
        If a size is not a positive integer, `rank` exceeds `n`, or `fraction` is not in (0, 1].

    Examples
    --------
    >>> problem = matrix_completion(4, 1, 0.5, seed=0)
    >>> problem.A.shape, bool(np.allclose(problem.A @ problem.x_true, problem.y))
    ((8, 16), True)
    """
    fraction = as_positive("fraction", fraction)
    if fraction > 1:
        raise ValueError(f"fraction must be at most 1, got {fraction}")
    truth, rng = _low_rank(n, rank, seed)
    mask = np.zeros(truth.size, dtype=bool)
    mask[rng.choice(truth.size, max(1, round(fraction * truth.size)), replace=False)] = True
    problem = observed_entries(truth, mask.reshape(truth.shape))
    return replace(problem, drawn=f"{problem.drawn} of rank {rank}, seed {seed}")


def observed_entries(matrix: ArrayLike, mask: ArrayLike) -> Problem:
    """A given matrix of which only some entries are seen.

    Parameters
    ----------
    matrix : array_like, shape (p, q)
        Entries that are not seen may be NaN, for unknown.
    mask : array_like of bool, shape (p, q)
        Which entries are seen, at least one.

    Returns
    -------
    Problem
        `A` is sparse, with one 1 in each row.

    Raises
    ------
    ValueError
        If the shapes differ, no entry is seen, or one that is seen is not finite.

    Examples
    --------
    >>> problem = observed_entries([[np.nan, 1.0], [1.0, 0.0]], [[False, True], [True, True]])
    >>> problem.y.tolist()
    [1.0, 1.0, 0.0]
    """
    matrix = as_reals("matrix", matrix).astype(float)
    if matrix.ndim != 2 or not matrix.size:
        raise ValueError(f"matrix must have two dimensions, got shape {matrix.shape}")
    mask = np.asarray(mask)
    if mask.dtype != bool or mask.shape != matrix.shape or not np.any(mask):
        raise ValueError(f"mask must be a boolean array of shape {matrix.shape} with at least one True")
    y = matrix[mask]
    if not np.all(np.isfinite(y)):
        raise ValueError("matrix must be finite where it is seen")
    A = eye_array(matrix.size, format="csr")[np.flatnonzero(mask)]
    rows, columns = matrix.shape
    return Problem(A, y, matrix.ravel(), f"{y.size} of {matrix.size} entries of a {rows} x {columns} matrix")


def _low_rank(n, rank, seed):
    """A positive semidefinite matrix, and the generator for what else is drawn."""
    n, rank = as_positive("n", n, integer=True), as_positive("rank", rank, integer=True)
    if rank > n:
        raise ValueError(f"rank must be at most n = {n}, got {rank}")
    rng = np.random.default_rng(as_seed(seed))
    U = rng.standard_normal((n, rank)) / np.sqrt(n)
    return U @ U.T, rng


def _symmetric(W):
    return (W + W.mT) / 2
