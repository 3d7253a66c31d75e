"""The instances by name, each drawn from a fixed seed.

The data have noise, so that the solution is unique and its zeros are decided (hardly, for the decays), except for
``gaussian 500x2000``: so many Gaussian columns fit any data, in many ways. On the large dense instances except
the Gaussian one fewer than a quarter of the entries of the solution are positive.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

import numpy as np
from implicit_bias import images, problems
from implicit_bias.problems import Problem
from scipy.sparse import diags_array, random_array

SEED = 5


@dataclass(frozen=True)
class Instance:
    """How to draw a problem; `short` says whether it belongs to the short version."""

    family: str
    short: bool
    shape: tuple[int, int]
    draw: Callable[[], Problem]


def gaussian(m, n):
    """Half of the entries of the truth are positive, and half of the others appear in the solution for the noise."""
    return problems.sparse_recovery(n, m, n // 2, seed=SEED, signed=False, noise=0.1)


def uniform(m, n):
    return problems.nonnegative_regression(n, m, n // 10, seed=SEED, noise=0.01 * n)


def bernoulli(m, n, s):
    return problems.nonnegative_regression(n, m, s, seed=SEED, noise=0.01 * s, binary=True)


def ill_conditioned(m, n, condition):
    """Singular values in geometric progression between random orthonormal vectors."""
    rng = np.random.default_rng(SEED)
    U, V = (np.linalg.qr(rng.standard_normal((size, n)))[0] for size in (m, n))
    A = (U * np.geomspace(1, 1 / condition, n)) @ V.T
    return _planted(A, n // 2, rng, 1e-3, f"{m} x {n}, condition number {condition:g}")


def inverse_laplace(m, n):
    """A sum of decays ``exp(-rate time)``, whose rates have two humps, measured at `m` times."""
    times, rates = np.geomspace(1e-3, 10, m), np.geomspace(0.1, 1e3, n)
    A = np.exp(-np.outer(times, rates))
    x_true = sum(np.exp(-((np.log(rates / rate) / 0.3) ** 2) / 2) for rate in (2, 40))
    y = A @ x_true
    y += 1e-4 * np.max(y) * np.random.default_rng(SEED).standard_normal(m)
    return Problem(A, y, x_true, f"{n} rates of decay at {m} times, seed {SEED}")


def very_sparse(m, n, per_column):
    rng = np.random.default_rng(SEED)
    A = random_array((m, n), density=per_column / m, format="csr", rng=rng)
    return _planted(A, n // 4, rng, 1e-2, f"{m} x {n}, {per_column} entries in a column")


def half(m, n):
    """Half of the entries of the truth are positive, all columns correlated, noise of size 1."""
    rng = np.random.default_rng(SEED)
    A = rng.random((m, n))
    x_true = np.where(rng.random(n) < 0.5, rng.random(n), 0)
    y = A @ x_true + rng.standard_normal(m)
    return Problem(A, y, x_true, f"{m} x {n}, half of the entries positive, seed {SEED}")


def dense_rows(m, n, density):
    """A sparse matrix whose columns meet each other in most rows, so that its Gram matrix is dense."""
    rng = np.random.default_rng(SEED)
    A = random_array((m, n), density=density, format="csr", rng=rng)
    return _planted(A, n // 4, rng, 1e-2, f"{m} x {n}, {density:.0%} of the entries")


def sum_to_one(m, n):
    """Shares of `n` spectra in a measured one of `m` channels; a last row asks for a sum of 1 by its weight."""
    spectra = problems.spectral_unmixing(n, m, 5, seed=SEED, noise=1e-3)
    size = np.sum(spectra.x_true)
    A, y = np.vstack([spectra.A, np.full((1, n), 1e4)]), np.r_[spectra.y / size, 1e4]
    return Problem(A, y, spectra.x_true / size, f"{spectra.drawn}, and a row for the sum")


def blurred_spectrum(n, width):
    """Lines in a spectrum, as an instrument shows them that spreads each by a normal distribution."""
    rng = np.random.default_rng(SEED)
    reach = np.arange(-int(4 * width), int(4 * width) + 1)
    values = np.exp(-((reach / width) ** 2) / 2)
    A = diags_array(np.repeat(values[:, None], n, axis=1), offsets=reach, shape=(n, n)).tocsr()
    return _planted(A, n // 50, rng, 1e-2, f"{n} channels, lines of width {width:g}")


def benchopt_default():
    """What benchopt's benchmark of non-negative least squares simulates, in its default size."""
    rng = np.random.default_rng(27)
    return _planted(rng.standard_normal((100, 5000)), 50, rng, 0.1, "100 x 5000, Gaussian")


def data_sets():
    """Not imported before they are asked for: each of some hundred processes would take twice as long to begin."""
    return import_module("sklearn.datasets")


def digits_by_others():
    """The first handwritten digit as a combination of the 1796 others."""
    images = data_sets().load_digits().data
    return Problem(images[1:].T.copy(), images[0].copy(), np.zeros(len(images) - 1), "a digit from all others")


def digits_by_pixels():
    """The number that a digit shows, from the brightness of its 64 pixels."""
    pictures, numbers = data_sets().load_digits(return_X_y=True)
    return Problem(pictures, numbers.astype(float), np.zeros(64), "the number from the pixels")


def photograph(size):
    """A photograph in grey, averaged down to ``size x size`` pixels."""
    grey = data_sets().load_sample_image("china.jpg").mean(axis=2) / 255
    step = min(grey.shape) // size
    return grey[: step * size, : step * size].reshape(size, step, size, step).mean(axis=(1, 3))


def blurred(image, noise):
    return images.deblurring(image, 2.0, seed=SEED, noise=noise)


def _planted(A, s, rng, noise, drawn):
    """Data of a random vector with `s` positive entries; `noise` is relative to the size of the data."""
    m, n = A.shape
    x_true = np.zeros(n)
    x_true[rng.choice(n, s, replace=False)] = rng.uniform(0.5, 1.5, s)
    y = A @ x_true
    y += noise * np.linalg.norm(y) / np.sqrt(m) * rng.standard_normal(m)
    return Problem(A, y, x_true, f"{drawn}, {s} non-zero entries, noise {noise:g}, seed {SEED}")


INSTANCES = {
    "gaussian 20x10": Instance("small", True, (20, 10), lambda: gaussian(20, 10)),
    "uniform 100x50": Instance("small", True, (100, 50), lambda: uniform(100, 50)),
    "bernoulli 50x200": Instance("small", True, (50, 200), lambda: bernoulli(50, 200, 5)),
    "gaussian 200x100": Instance("gaussian", True, (200, 100), lambda: gaussian(200, 100)),
    "gaussian 2000x1000": Instance("gaussian", True, (2000, 1000), lambda: gaussian(2000, 1000)),
    "gaussian 500x2000": Instance("gaussian", True, (500, 2000), lambda: gaussian(500, 2000)),
    "gaussian 20000x5000": Instance("gaussian", False, (20_000, 5000), lambda: gaussian(20_000, 5000)),
    "uniform 2000x1000": Instance("uniform", True, (2000, 1000), lambda: uniform(2000, 1000)),
    "uniform 20000x5000": Instance("uniform", False, (20_000, 5000), lambda: uniform(20_000, 5000)),
    "bernoulli 500x2000": Instance("bernoulli", True, (500, 2000), lambda: bernoulli(500, 2000, 30)),
    "bernoulli 5000x20000": Instance("bernoulli", False, (5000, 20_000), lambda: bernoulli(5000, 20_000, 300)),
    "condition 1e3": Instance("ill-conditioned", True, (1000, 500), lambda: ill_conditioned(1000, 500, 1e3)),
    "condition 1e6": Instance("ill-conditioned", True, (1000, 500), lambda: ill_conditioned(1000, 500, 1e6)),
    "unmixing": Instance(
        "unmixing", True, (224, 500), lambda: problems.spectral_unmixing(500, 224, 5, seed=SEED, noise=1e-3)
    ),
    "inverse laplace": Instance("inverse laplace", True, (200, 400), lambda: inverse_laplace(200, 400)),
    "uniform 66x3": Instance("small", True, (66, 3), lambda: half(66, 3)),
    "uniform 4000x1500": Instance("uniform", True, (4000, 1500), lambda: half(4000, 1500)),
    "condition 1e2": Instance("ill-conditioned", True, (3000, 2000), lambda: ill_conditioned(3000, 2000, 1e2)),
    "inverse laplace 700x600": Instance("inverse laplace", True, (700, 600), lambda: inverse_laplace(700, 600)),
    "sum to one 3001x120": Instance("unmixing", True, (3001, 120), lambda: sum_to_one(3000, 120)),
    "sum to one 121x3000": Instance("unmixing", True, (121, 3000), lambda: sum_to_one(120, 3000)),
    "benchopt": Instance("gaussian", True, (100, 5000), benchopt_default),
    "spectrum": Instance("deblurring", True, (3000, 3000), lambda: blurred_spectrum(3000, 6.0)),
    "stars": Instance("deblurring", True, (4096, 4096), lambda: blurred(images.star_field(64, 60, seed=SEED), 1e-3)),
    "photograph": Instance("deblurring", False, (4096, 4096), lambda: blurred(photograph(64), 1e-3)),
    "tomography": Instance(
        "tomography", False, (4140, 4096), lambda: images.tomography(images.phantom(64), 45, seed=SEED, noise=0.1)
    ),
    "tomography without noise": Instance(
        "tomography", True, (1798, 1600), lambda: images.tomography(images.phantom(40), 31, seed=SEED)
    ),
    "sparse 8000x1032": Instance("very sparse", True, (8000, 1032), lambda: dense_rows(8000, 1032, 0.26)),
    "sparse 20000x10000": Instance("very sparse", True, (20_000, 10_000), lambda: very_sparse(20_000, 10_000, 20)),
    "sparse 1e5x1e5": Instance("very sparse", False, (100_000, 100_000), lambda: very_sparse(100_000, 100_000, 10)),
    "digit by others": Instance("digits", True, (64, 1796), digits_by_others),
    "digits by pixels": Instance("digits", True, (1797, 64), digits_by_pixels),
}
