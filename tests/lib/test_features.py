"""Random features: their definition, their nesting, and the kernel they approximate."""

import numpy as np
import pytest
from implicit_bias.features import fourier_features, relu_features

INPUTS = np.random.default_rng(0).standard_normal((7, 3))
both = pytest.mark.parametrize(
    "features",
    [relu_features, lambda Z, p, seed: fourier_features(Z, p, seed=seed, bandwidth=2.0)],
    ids=["relu", "fourier"],
)


@both
def test_more_features_only_add_columns(features):
    many = features(INPUTS, 50, seed=1)
    np.testing.assert_allclose(features(INPUTS, 20, seed=1), many[:, :20], rtol=0, atol=1e-14)
    assert len(np.unique(many[0])) > 20


@both
def test_a_row_depends_on_its_input_only(features):
    np.testing.assert_allclose(features(INPUTS[2:4], 9, seed=1), features(INPUTS, 9, seed=1)[2:4], rtol=0, atol=1e-14)


@both
def test_seed_decides(features):
    np.testing.assert_array_equal(features(INPUTS, 9, seed=1), features(INPUTS, 9, seed=1))
    assert not np.allclose(features(INPUTS, 9, seed=1), features(INPUTS, 9, seed=2))


def test_relu_features_are_rectified_and_scale_with_the_input():
    found = relu_features(INPUTS, 40, seed=1)
    assert np.all(found >= 0)
    np.testing.assert_allclose(relu_features(3 * INPUTS, 40, seed=1), 3 * found, atol=1e-13)
    linear = found - relu_features(-INPUTS, 40, seed=1)  # max(a, 0) - max(-a, 0) = a
    assert np.linalg.matrix_rank(linear) == 3


@pytest.mark.parametrize("bandwidth", [0.5, 2.0])
def test_fourier_features_approximate_the_gaussian_kernel(bandwidth):
    p = 100_000
    found = fourier_features(INPUTS, p, seed=1, bandwidth=bandwidth)
    distances = np.sum((INPUTS[:, None] - INPUTS) ** 2, axis=2)
    np.testing.assert_allclose(found @ found.T / p, np.exp(-distances / (2 * bandwidth**2)), atol=0.02)


@both
@pytest.mark.parametrize(
    "name, arguments",
    [
        ("inputs", {"Z": [1.0, 2.0]}),
        ("inputs", {"Z": np.zeros((0, 3))}),
        ("inputs", {"Z": [[np.nan]]}),
        ("inputs", {"Z": INPUTS[None]}),
        ("p", {"p": 0}),
        ("p", {"p": 2.5}),
        ("seed", {"seed": None}),
    ],
)
def test_wrong_input_is_named(features, name, arguments):
    arguments = {"Z": INPUTS, "p": 3, "seed": 0} | arguments
    with pytest.raises(ValueError, match=rf"^{name}\b"):
        features(arguments["Z"], arguments["p"], seed=arguments["seed"])


@pytest.mark.parametrize("bandwidth", [0, -1.0, np.nan, None])
def test_wrong_bandwidth_is_named(bandwidth):
    with pytest.raises(ValueError, match=r"^bandwidth\b"):
        fourier_features(INPUTS, 3, seed=0, bandwidth=bandwidth)
