"""Random instances as frozen records: the data, the truth behind them, and how they were drawn.

Every draw comes from ``numpy.random.default_rng(seed)``; nothing is global, so the same call gives the same instance.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.polynomial.legendre import legvander
from scipy.fft import dctn, idctn
from scipy.sparse import csr_array, diags_array, eye_array, issparse, kron, vstack
from scipy.sparse.linalg import LinearOperator

from ._validation import as_numbers, as_positive, as_reals, as_seed

# The ten ellipses of `phantom`: brightness, half axes, centre, and degrees of rotation, in a square from -1 to 1.
ELLIPSES = (
    (1.0, 0.69, 0.92, 0.0, 0.0, 0),
    (-0.8, 0.6624, 0.874, 0.0, -0.0184, 0),
    (-0.2, 0.11, 0.31, 0.22, 0.0, -18),
    (-0.2, 0.16, 0.41, -0.22, 0.0, 18),
    (0.1, 0.21, 0.25, 0.0, 0.35, 0),
    (0.1, 0.046, 0.046, 0.0, 0.1, 0),
    (0.1, 0.046, 0.046, 0.0, -0.1, 0),
    (0.1, 0.046, 0.023, -0.08, -0.605, 0),
    (0.1, 0.023, 0.023, 0.0, -0.606, 0),
    (0.1, 0.023, 0.046, 0.06, -0.605, 0),
)


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
        entries = self.A.data if issparse(self.A) else self.A
        for array in (entries, self.y, self.x_true):
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


def linear_regression(n, p, *, seed, noise=0.0, signal=1.0):
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


def weak_features(n, p, total, *, seed, noise=0.0, signal=1.0):
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


def separable(n, p, *, seed, gap):
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


def noisy_digits(n, *, label_noise, seed):
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


def legendre_design(t, p):
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
    image = _as_picture(image)
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


def nonnegative_regression(n, m, s, *, seed, noise=0.0, binary=False):
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


def spectral_unmixing(n, bands, s, *, seed, noise=0.0):
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


def deblurring(image, width, *, seed, noise=0.0):
    """An image behind a Gaussian blur; outside of it there is darkness.

    Taught in the chapter "Non-negative least squares".

    Parameters
    ----------
    image : array_like, shape (rows, columns)
        Brightness, not negative.
    width : float
        Standard deviation of the blur in pixels. It is cut off at four times that.
    seed : int
    noise : float
        Standard deviation of normal noise on each pixel.

    Returns
    -------
    Problem
        `A` is sparse and symmetric; `x_true` and `y` are images, row by row.

    Raises
    ------
    ValueError
        If `image` has a negative or non-finite entry, or `width` is not positive.

    Examples
    --------
    >>> problem = deblurring([[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]], 0.5, seed=0)
    >>> problem.y.reshape(3, 3).round(2).tolist()
    [[0.01, 0.08, 0.01], [0.08, 0.62, 0.08], [0.01, 0.08, 0.01]]
    """
    image = _as_picture(image, nonnegative=True)
    width, noise = as_positive("width", width), as_positive("noise", noise, zero=True)
    reach = np.arange(-int(np.ceil(4 * width)), int(np.ceil(4 * width)) + 1)
    kernel = np.exp(-((reach / width) ** 2) / 2)
    kernel /= kernel.sum()

    def along(size):
        inside = np.abs(reach) < size
        diagonals = [np.full(size - abs(k), value) for k, value in zip(reach[inside], kernel[inside], strict=True)]
        return diags_array(diagonals, offsets=reach[inside], shape=(size, size))

    rows, columns = image.shape
    A = csr_array(kron(along(rows), along(columns), format="csr"))
    x_true = image.ravel()
    y = A @ x_true + noise * np.random.default_rng(as_seed(seed)).standard_normal(x_true.size)
    return Problem(A, y, x_true, f"{rows} x {columns} image, blur of width {width:g}, noise {noise:g}, seed {seed}")


def tomography(image, angles, *, seed, noise=0.0):
    """A square image seen by parallel rays from some directions: each measurement is the brightness along one ray.

    The directions are spread evenly over half a turn, the first along the rows. For each there are as many rays, one pixel
    apart, as the diagonal is long (up to two more), so that every pixel is seen from every direction.

    Taught in the chapter "Non-negative least squares".

    Parameters
    ----------
    image : array_like, shape (size, size)
        Brightness, not negative.
    angles : int
        Number of directions.
    seed : int
    noise : float
        Standard deviation of normal noise on each ray.

    Returns
    -------
    Problem
        `A` is sparse: the length of each ray (rows, direction by direction) within each pixel (columns).

    Raises
    ------
    ValueError
        If `image` is not square, has a negative or non-finite entry, or `angles` is not a positive integer.

    Examples
    --------
    >>> problem = tomography(np.eye(2), 2, seed=0)
    >>> problem.A.shape, problem.y.tolist()
    ((8, 4), [0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0])
    """
    image = _as_picture(image, nonnegative=True)
    size = len(image)
    if image.shape != (size, size):
        raise ValueError(f"image must be square, got shape {image.shape}")
    angles, noise = as_positive("angles", angles, integer=True), as_positive("noise", noise, zero=True)
    A = vstack([_rays(size, k * np.pi / angles) for k in range(angles)], format="csr")
    x_true = image.ravel()
    y = A @ x_true + noise * np.random.default_rng(as_seed(seed)).standard_normal(A.shape[0])
    return Problem(A, y, x_true, f"{size} x {size} image, {angles} directions, noise {noise:g}, seed {seed}")


def _rays(size, angle):
    """Lengths of parallel rays in the pixels of a square of this size, which is centred at the origin."""
    # As many rays outside as inside on both sides: along the axes they go through the middles of pixels.
    half, count = size / 2, size + 2 * int(np.ceil((np.sqrt(2) - 1) / 2 * size))
    offsets = np.arange(count) - (count - 1) / 2
    direction, normal = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    # Where each ray crosses the lines of the grid, in order; between two crossings it stays in one pixel.
    lines = np.arange(size + 1) - half
    crossings = [np.zeros((count, 0))]
    for axis in (0, 1):
        if abs(direction[axis]) > 1e-12:
            crossings.append((lines - np.outer(offsets, normal)[:, axis : axis + 1]) / direction[axis])
    crossings = np.sort(np.hstack(crossings), axis=1)
    lengths, middles = np.diff(crossings), (crossings[:, 1:] + crossings[:, :-1]) / 2
    along, up = (offsets[:, None] * normal[axis] + middles * direction[axis] for axis in (0, 1))
    column, row = np.floor(along + half).astype(int), np.floor(half - up).astype(int)
    hit = (lengths > 1e-12) & (column >= 0) & (column < size) & (row >= 0) & (row < size)
    ray = np.nonzero(hit)[0]
    return csr_array((lengths[hit], (ray, row[hit] * size + column[hit])), shape=(count, size * size))


def phantom(size):
    """A picture of a head in cross-section for tomography: ten ellipses of constant brightness, between 0 and 1.

    Source: Shepp and Logan (1974), with the stronger contrasts of Toft (1996). Taught in the chapter "Non-negative least
    squares".

    Parameters
    ----------
    size : int
        Pixels in each row and column.

    Returns
    -------
    ndarray, shape (size, size)

    Examples
    --------
    >>> phantom(8)[4].round(1).tolist()
    [0.0, 0.2, 0.2, 0.0, 0.0, 0.2, 0.2, 0.0]
    """
    size = as_positive("size", size, integer=True)
    middles = (2 * np.arange(size) + 1) / size - 1
    x, y = middles[None, :], -middles[:, None]
    image = np.zeros((size, size))
    for brightness, half_width, half_height, x0, y0, degrees in ELLIPSES:
        cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        across, along = (x - x0) * cos + (y - y0) * sin, (y - y0) * cos - (x - x0) * sin
        image[(across / half_width) ** 2 + (along / half_height) ** 2 <= 1] += brightness
    return np.clip(image, 0, 1)  # sums of tenths leave -2e-17


def star_field(size, s, *, seed):
    """A dark sky with `s` stars, each one pixel, of brightness uniform in [0.2, 1].

    Taught in the chapter "Non-negative least squares".

    Parameters
    ----------
    size : int
        Pixels in each row and column.
    s : int
        Number of stars.
    seed : int

    Returns
    -------
    ndarray, shape (size, size)

    Examples
    --------
    >>> int(np.count_nonzero(star_field(16, 5, seed=0)))
    5
    """
    size, s = as_positive("size", size, integer=True), as_positive("s", s, integer=True)
    if s > size**2:
        raise ValueError(f"s must be at most the number of pixels {size**2}, got {s}")
    rng = np.random.default_rng(as_seed(seed))
    image = np.zeros(size**2)
    image[rng.choice(size**2, s, replace=False)] = rng.uniform(0.2, 1, s)
    return image.reshape(size, size)


def matrix_target(eigenvalues, *, seed, noise=0.0):
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


def matrix_sensing(n, rank, m, *, seed):
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


def matrix_completion(n, rank, fraction, *, seed):
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


def observed_entries(matrix, mask):
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


def _as_picture(image, nonnegative=False):
    """`image` as a float matrix of grey values."""
    image = as_reals("image", image).astype(float)
    if image.ndim != 2 or not image.size or not np.all(np.isfinite(image)):
        raise ValueError(f"image must be a finite matrix of grey values, got shape {image.shape}")
    if nonnegative and np.min(image) < 0:
        raise ValueError(f"image must not have negative entries, got {np.min(image):g}")
    return image


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
