"""Pictures and the problems made of them: against filters, sums and lengths that are known otherwise."""

import numpy as np
import pytest
from implicit_bias.images import as_image, deblurring, missing_pixels, phantom, star_field, tomography
from scipy.ndimage import gaussian_filter


def test_missing_pixels_sees_pixels_of_the_image():
    image = np.random.default_rng(0).uniform(size=(6, 9))
    problem = missing_pixels(image, 0.5, seed=3)
    assert problem.A.shape == (27, 54)
    np.testing.assert_allclose(problem.A @ problem.x_true, problem.y)
    assert np.all(np.isin(problem.y, image))
    np.testing.assert_allclose(as_image(problem.x_true, image.shape), image)


def test_missing_pixels_operator_has_its_adjoint_and_orthonormal_rows():
    A = missing_pixels(np.eye(5), 0.4, seed=3).A
    dense = A @ np.eye(25)
    np.testing.assert_allclose(A.T @ np.eye(10), dense.T, atol=1e-14)
    np.testing.assert_allclose(dense @ dense.T, np.eye(10), atol=1e-14)
    x, y = np.random.default_rng(1).standard_normal((2, 25))
    np.testing.assert_allclose(A @ x, dense @ x)
    np.testing.assert_allclose(A.T @ y[:10], dense.T @ y[:10])


def test_all_pixels_and_one_pixel():
    assert missing_pixels(np.eye(4), 1, seed=0).A.shape == (16, 16)
    assert missing_pixels(np.eye(4), 1e-6, seed=0).A.shape == (1, 16)


@pytest.mark.parametrize("shape, width", [((9, 14), 1.3), ((5, 4), 3.0), ((1, 6), 0.1)])
def test_deblurring_is_a_convolution(shape, width):
    """Against the filter of SciPy, for images smaller than the kernel as well."""
    image = np.random.default_rng(0).uniform(size=shape)
    problem = deblurring(image, width, seed=0)
    radius = int(np.ceil(4 * width))
    expected = gaussian_filter(image, width, mode="constant", radius=radius)
    np.testing.assert_allclose(problem.y.reshape(shape), expected, atol=1e-13)
    np.testing.assert_array_equal(problem.A.toarray(), problem.A.toarray().T)
    np.testing.assert_array_equal(problem.x_true, image.ravel())
    noisy = deblurring(np.zeros((100, 100)), width, seed=0, noise=0.2)
    assert np.std(noisy.y) == pytest.approx(0.2, rel=0.03)


@pytest.mark.parametrize("size", [1, 6, 7])
def test_tomography_along_the_axes_sums_rows_and_columns(size):
    image = np.random.default_rng(0).uniform(size=(size, size))
    horizontal, vertical = tomography(image, 2, seed=0).y.reshape(2, -1)
    outside = (len(horizontal) - size) // 2
    inside = slice(outside, outside + size)
    np.testing.assert_allclose(horizontal[inside], image.sum(axis=1)[::-1])  # offsets count upwards, rows downwards
    np.testing.assert_allclose(vertical[inside], image.sum(axis=0)[::-1])
    for projection in (horizontal, vertical):
        assert np.all(np.delete(projection, np.r_[inside]) == 0)


def test_tomography_has_the_lengths_of_the_rays():
    """Length in the square against its closed form for a ray, length in a pixel against many points on the ray."""
    size, angles = 5, 7
    A = tomography(np.zeros((size, size)), angles, seed=0).A
    count = A.shape[0] // angles
    t = np.linspace(-4, 4, 200_001)
    for k in range(angles):
        angle = k * np.pi / angles
        for ray in range(count):
            offset = ray - (count - 1) / 2
            x, y = (offset * -np.sin(angle) + t * np.cos(angle), offset * np.cos(angle) + t * np.sin(angle))
            column, row = np.floor(x + size / 2), np.floor(size / 2 - y)
            inside = (np.minimum(column, row) >= 0) & (np.maximum(column, row) < size)
            pixels = (row * size + column)[inside].astype(int)
            lengths = np.bincount(pixels, minlength=size**2) * (t[1] - t[0])
            np.testing.assert_allclose(A[[k * count + ray]].toarray()[0], lengths, atol=2e-4)


def test_every_pixel_is_seen_from_every_direction():
    size, angles = 9, 11
    A = tomography(np.zeros((size, size)), angles, seed=0).A
    per_direction = A.toarray().reshape(angles, -1, size**2).sum(axis=1)
    assert per_direction.min() > 0
    np.testing.assert_allclose(per_direction.sum(axis=1), size**2, rtol=0.06)  # a sum over rays is nearly the area


def test_phantom():
    image = phantom(128)
    assert image.shape == (128, 128)
    assert np.all((image >= 0) & (image <= 1))
    assert image[0, 0] == 0 and image[8, 64] == 1 and image[64, 64] == pytest.approx(0.2, abs=0.11)
    # The area of the skull, in pixels: the outer ellipse without the one inside.
    skull = np.pi * (0.69 * 0.92 - 0.6624 * 0.874) / 4 * 128**2
    assert np.count_nonzero(image > 0.9) == pytest.approx(skull, rel=0.03)


def test_star_field():
    image = star_field(20, 15, seed=3)
    stars = image[image > 0]
    assert image.shape == (20, 20) and stars.size == 15
    assert stars.min() >= 0.2 and stars.max() <= 1
    assert np.all(star_field(3, 9, seed=0) > 0)


@pytest.mark.parametrize(
    "draw",
    [
        lambda seed: deblurring(star_field(5, 3, seed=seed), 1, seed=seed),
        lambda seed: tomography(np.ones((4, 4)), 3, seed=seed, noise=0.1),
    ],
)
def test_seed_decides_the_problem(draw):
    first, again, other = map(draw, (1, 1, 2))
    np.testing.assert_array_equal(first.y, again.y)
    assert not np.array_equal(first.y, other.y)
    with pytest.raises(ValueError, match="read-only"):
        (first.A if isinstance(first.A, np.ndarray) else first.A.data)[...] = 0


@pytest.mark.parametrize(
    "name, call",
    [
        ("image", lambda: deblurring([1.0, 2.0], 1, seed=0)),
        ("image", lambda: deblurring([[1.0, -2.0]], 1, seed=0)),
        ("image", lambda: deblurring([[1.0, np.nan]], 1, seed=0)),
        ("width", lambda: deblurring([[1.0]], 0, seed=0)),
        ("noise", lambda: deblurring([[1.0]], 1, seed=0, noise=-1)),
        ("image", lambda: tomography([[1.0, 2.0]], 3, seed=0)),
        ("image", lambda: tomography([[-1.0]], 3, seed=0)),
        ("angles", lambda: tomography([[1.0]], 0, seed=0)),
        ("noise", lambda: tomography([[1.0]], 3, seed=0, noise=-1)),
        ("size", lambda: phantom(0)),
        ("size", lambda: star_field(0, 1, seed=0)),
        ("s", lambda: star_field(2, 5, seed=0)),
    ],
)
def test_wrong_input_is_named(name, call):
    with pytest.raises(ValueError, match=rf"^{name}\b"):
        call()
