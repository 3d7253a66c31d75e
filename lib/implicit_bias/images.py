"""Pictures, and problems whose unknown is a picture: `implicit_bias.problems.Problem` records, drawn in the same way."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.fft import dctn, idctn
from scipy.sparse import csr_array, diags_array, kron, vstack
from scipy.sparse.linalg import LinearOperator

from ._validation import as_integers, as_positive, as_reals, as_seed
from .problems import Problem

WIDEST = 1e6  # pixels: a blur
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


def missing_pixels(image: ArrayLike, fraction: float, *, seed: int) -> Problem:
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
        return _picture(coefficients.T, image.shape).reshape(-1, n)[:, seen].T

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


def as_image(coefficients: ArrayLike, shape: tuple[int, int]) -> np.ndarray:
    """The picture with these cosine coefficients.

    Examples
    --------
    >>> as_image(np.array([2.0, 0.0, 0.0, 0.0]), (2, 2)).round(12).tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """
    coefficients, shape = as_reals("coefficients", coefficients), as_integers("shape", shape)
    if len(shape) != 2 or coefficients.shape[-1:] != (shape[0] * shape[1],):
        raise ValueError(f"coefficients must have shape (..., rows * columns) for {shape}, got {coefficients.shape}")
    image = _picture(coefficients, shape)
    if not np.all(np.isfinite(image)):
        raise ValueError("coefficients must be finite, and so small that the picture is, too")
    return image


def _picture(coefficients, shape):
    return idctn(coefficients.reshape(*coefficients.shape[:-1], *shape), norm="ortho", axes=(-2, -1))


def deblurring(image: ArrayLike, width: float, *, seed: int, noise: float = 0.0) -> Problem:
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
    if width > WIDEST:
        raise ValueError(f"width must be at most {WIDEST:g} pixels, got {width:g}")
    reach = np.arange(-int(np.ceil(4 * width)), int(np.ceil(4 * width)) + 1)
    with np.errstate(over="ignore"):
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


def tomography(image: ArrayLike, angles: int, *, seed: int, noise: float = 0.0) -> Problem:
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


def phantom(size: int) -> np.ndarray:
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


def star_field(size: int, s: int, *, seed: int) -> np.ndarray:
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


def _as_picture(image, nonnegative=False):
    """`image` as a float matrix of grey values."""
    image = as_reals("image", image).astype(float)
    if image.ndim != 2 or not image.size or not np.all(np.isfinite(image)):
        raise ValueError(f"image must be a finite matrix of grey values, got shape {image.shape}")
    if nonnegative and np.min(image) < 0:
        raise ValueError(f"image must not have negative entries, got {np.min(image):g}")
    return image
