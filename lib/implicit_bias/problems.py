"""Random instances as frozen records: the data, the truth behind them, and how they were drawn.

Every draw comes from ``numpy.random.default_rng(seed)``; nothing is global, so the same call gives the same instance.
"""

from dataclasses import dataclass

import numpy as np
from scipy.fft import dctn, idctn
from scipy.sparse.linalg import LinearOperator

from ._validation import as_positive, as_reals, as_seed


@dataclass(frozen=True)
class Problem:
    """A linear inverse problem ``A x_true + noise = y``.

    Attributes
    ----------
    A : ndarray or LinearOperator, shape (m, n)
    y : ndarray, shape (m,)
    x_true : ndarray, shape (n,)
    drawn : str
        How the instance was drawn, in words.
    """

    A: np.ndarray | LinearOperator
    y: np.ndarray
    x_true: np.ndarray
    drawn: str

    def __post_init__(self):
        for array in (self.A, self.y, self.x_true):
            if isinstance(array, np.ndarray):
                array.flags.writeable = False


def sparse_recovery(n, m, s, *, seed, signed=True, noise=0.0):
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


def missing_pixels(image, fraction, *, seed):
    """An image of which only some pixels are seen; the unknowns are its coefficients in the cosine basis.

    `A` is the inverse cosine transform followed by the choice of pixels, a `LinearOperator` with orthonormal rows that costs
    one fast transform.

    Taught in the chapter "Sparse recovery".

    Parameters
    ----------
    image : array_like, shape (rows, columns)
        Grey values.
    fraction : float
        Share of the pixels that are seen, in (0, 1].
    seed : int

    Returns
    -------
    Problem
        ``x_true`` are the cosine coefficients of `image`; `as_image` turns coefficients into a picture.

    Examples
    --------
    >>> problem = missing_pixels(np.eye(8), 0.5, seed=0)
    >>> problem.A.shape
    (32, 64)
    """
    image = as_reals("image", image).astype(float)
    if image.ndim != 2 or not image.size or not np.all(np.isfinite(image)):
        raise ValueError(f"image must be a finite matrix of grey values, got shape {image.shape}")
    fraction = as_positive("fraction", fraction)
    if fraction > 1:
        raise ValueError(f"fraction must be at most 1, got {fraction}")
    n = image.size
    m = max(1, round(fraction * n))
    seen = np.sort(np.random.default_rng(as_seed(seed)).choice(n, m, replace=False))

    def pixels(coefficients):
        return as_image(coefficients.T, image.shape).reshape(-1, n)[:, seen].T

    def coefficients(values):
        full = np.zeros((values.shape[1], n))
        full[:, seen] = values.T
        return dctn(full.reshape(-1, *image.shape), norm="ortho", axes=(1, 2)).reshape(-1, n).T

    A = LinearOperator(
        (m, n),
        matvec=lambda x: pixels(x.reshape(n, 1))[:, 0],
        rmatvec=lambda y: coefficients(y.reshape(m, 1))[:, 0],
        matmat=pixels,
        rmatmat=coefficients,
        dtype=float,
    )
    x_true = dctn(image, norm="ortho").ravel()
    return Problem(A, image.ravel()[seen], x_true, f"{m} of {n} pixels of an image, cosine basis, seed {seed}")


def as_image(coefficients, shape):
    """The picture with these cosine coefficients.

    Examples
    --------
    >>> as_image(np.array([2.0, 0.0, 0.0, 0.0]), (2, 2)).round(12).tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """
    return idctn(np.reshape(coefficients, (*np.shape(coefficients)[:-1], *shape)), norm="ortho", axes=(-2, -1))
