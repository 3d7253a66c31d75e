"""Spectral filters against iterations and normal equations, shared fits against single ones, and the risk formulas."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from implicit_bias import minimum_norm, nested_fits, ridge_path, spectral_path
from implicit_bias.features import relu_features
from implicit_bias.problems import legendre_design, linear_regression, noisy_digits
from implicit_bias.regression import ridgeless_risk, ridgeless_risk_limit, weak_feature_risk
from scipy.integrate import solve_ivp
from scipy.sparse import csr_array
from scipy.sparse.linalg import aslinearoperator

SHAPES = [(4, 9), (9, 4), (6, 6)]
shapes = pytest.mark.parametrize("n, p", SHAPES)


def instance(n, p):
    problem = linear_regression(n, p, seed=0, noise=0.3)
    return problem.A, problem.y


# --- Filters ----------------------------------------------------------------------------------------------------------


@shapes
@pytest.mark.parametrize("start", [None, 1.0], ids=["from zero", "from one"])
def test_flow_is_that_of_an_integrator(n, p, start):
    A, y = instance(n, p)
    origin = np.zeros(p) if start is None else np.full(p, start)
    times = [0.0, 0.01, 0.1, 1.0]
    run = solve_ivp(lambda t, b: A.T @ (y - A @ b), (0, 1), origin, "DOP853", times, rtol=1e-11, atol=1e-12)
    found = spectral_path(A, y, times=times, start=None if start is None else origin)
    np.testing.assert_allclose(found, run.y.T, atol=1e-8)


@shapes
@pytest.mark.parametrize("share", [0.3, 1.0, 1.7])
def test_descent_is_the_iteration(n, p, share):
    A, y = instance(n, p)
    eta = share / np.linalg.norm(A, 2) ** 2
    b = start = np.linspace(-1, 1, p)
    for _ in range(25):
        b = b - eta * A.T @ (A @ b - y)
    found = spectral_path(A, y, iterations=[25, 0], step_size=eta, start=start)
    np.testing.assert_allclose(found, [b, start], atol=1e-12)


def test_default_step_is_one_over_the_squared_norm():
    A, y = instance(4, 9)
    explicit = spectral_path(A, y, iterations=[3], step_size=1 / np.linalg.norm(A, 2) ** 2)
    np.testing.assert_allclose(spectral_path(A, y, iterations=[3]), explicit, atol=1e-14)


@shapes
def test_long_times_and_small_penalties_give_the_least_norm(n, p):
    A, y = instance(n, p)
    least = minimum_norm(A, y)
    np.testing.assert_allclose(spectral_path(A, y, times=[1e8])[0], least, atol=1e-9)
    np.testing.assert_allclose(spectral_path(A, y, iterations=[10**8])[0], least, atol=1e-9)
    np.testing.assert_allclose(ridge_path(A, y, [0.0])[0], least, atol=1e-12)


def test_tiny_rates_keep_their_precision():
    """1 - (1 - 1e-20)^k is k * 1e-20, which a subtraction would round to 0."""
    found = spectral_path(np.diag([1.0, 1e-10]), [0.0, 1.0], iterations=[1, 7], step_size=1.0)
    np.testing.assert_allclose(found[:, 1], [1e-10, 7e-10], rtol=1e-12)


@shapes
def test_ridge_solves_its_normal_equations(n, p):
    A, y = instance(n, p)
    penalties = [0.01, 1.0, 100.0]
    expected = [np.linalg.solve(A.T @ A + penalty * np.eye(p), A.T @ y) for penalty in penalties]
    np.testing.assert_allclose(ridge_path(A, y, penalties), expected, atol=1e-11)


@pytest.mark.parametrize("form", [csr_array, aslinearoperator, np.ndarray.tolist])
def test_form_of_the_matrix_does_not_matter(form):
    A, y = instance(4, 9)
    np.testing.assert_allclose(spectral_path(form(A), y, times=[1.0]), spectral_path(A, y, times=[1.0]), atol=1e-12)
    np.testing.assert_allclose(ridge_path(form(A), y, [1.0]), ridge_path(A, y, [1.0]), atol=1e-12)


def test_zero_and_deficient_matrices():
    assert spectral_path(np.zeros((2, 3)), [1.0, 2.0], times=[1.0], start=[1.0, 2.0, 3.0]).tolist() == [[1, 2, 3]]
    assert spectral_path(np.zeros((2, 3)), [1.0, 2.0], iterations=[5]).tolist() == [[0, 0, 0]]
    assert ridge_path(np.zeros((2, 3)), [1.0, 2.0], [0.0]).tolist() == [[0, 0, 0]]
    np.testing.assert_allclose(ridge_path(np.ones((2, 2)), [1.0, 3.0], [0.0]), [[1.0, 1.0]], atol=1e-14)


# --- Nested fits ------------------------------------------------------------------------------------------------------


def single_fits(features, y, sizes, test_features):
    coefficients = [np.linalg.lstsq(features[:, :p], y, rcond=None)[0] for p in sizes]
    return (
        [features[:, :p] @ b for p, b in zip(sizes, coefficients, strict=True)],
        [test_features[:, :p] @ b for p, b in zip(sizes, coefficients, strict=True)],
        [np.linalg.norm(b) for b in coefficients],
    )


@pytest.mark.parametrize("outputs", [(), (1,), (3,)], ids=["vector", "one column", "three columns"])
@pytest.mark.parametrize("sizes", [[5], [50], [1, 7, 19, 20, 21, 22, 30, 100]], ids=["few", "many", "all"])
def test_shared_fits_are_single_fits(sizes, outputs):
    rng = np.random.default_rng(0)
    features, y, new = (
        rng.standard_normal((20, 100)),
        rng.standard_normal((20, *outputs)),
        rng.standard_normal((9, 100)),
    )
    found = nested_fits(features, y, sizes, new)
    predictions, test_predictions, norms = single_fits(features, y, sizes, new)
    assert found.sizes.tolist() == sizes
    np.testing.assert_allclose(found.predictions, predictions, atol=1e-8)
    np.testing.assert_allclose(found.test_predictions, test_predictions, atol=1e-8)
    np.testing.assert_allclose(found.norms, norms, rtol=1e-8)


@pytest.mark.parametrize("unit", [2.0**-300, 2.0**300])
def test_fits_of_tiny_features_and_data_of_any_size(unit):
    rng = np.random.default_rng(0)
    features, y, new = rng.standard_normal((4, 6)), rng.standard_normal(4), rng.standard_normal((2, 6))
    expected, found = nested_fits(features, y, [1, 4, 6], new), nested_fits(features / 2**300, unit * y, [1, 4, 6], new)
    np.testing.assert_allclose(found.predictions / unit, expected.predictions, rtol=1e-9)
    np.testing.assert_allclose(found.norms / unit / 2**300, expected.norms, rtol=1e-9)


@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 30), st.sampled_from([1e-30, 1.0, 1e30]))
def test_any_shape_and_unit(seed, n, largest, unit):
    rng = np.random.default_rng(seed)
    features, y, new = rng.standard_normal((n, largest)), rng.standard_normal(n), rng.standard_normal((2, largest))
    sizes = np.arange(1, largest + 1)
    found = nested_fits(unit * features, y, sizes, unit * new)
    predictions, test_predictions, norms = single_fits(features, y, sizes, new)
    np.testing.assert_allclose(found.predictions, predictions, atol=1e-6)
    scale = 1 + np.max(np.abs(test_predictions), axis=1, keepdims=True)
    np.testing.assert_allclose(found.test_predictions / scale, test_predictions / scale, atol=1e-5)
    np.testing.assert_allclose(unit * found.norms, norms, rtol=1e-5)


def test_dependent_columns():
    """Features that vanish or repeat have no triangular factor to share."""
    rng = np.random.default_rng(0)
    features = rng.standard_normal((6, 4))[:, [0, 1, 1, 2, 2, 3, 0, 1, 2, 3]]
    features[:, 4] = 0
    y, new = rng.standard_normal(6), features[:2]
    found = nested_fits(features, y, range(1, 11), new)
    for part, expected in zip(
        (found.predictions, found.test_predictions, found.norms),
        single_fits(features, y, range(1, 11), new),
        strict=True,
    ):
        np.testing.assert_allclose(part, expected, atol=1e-11)


def test_features_without_use():
    found = nested_fits(np.zeros((3, 5)), np.ones(3), [1, 3, 5], np.ones((2, 5)))
    assert not np.any(found.predictions) and not np.any(found.test_predictions) and not np.any(found.norms)


def test_polynomials_close_to_the_threshold_are_fitted_as_well_as_can_be():
    """The condition of the first 20 columns is beyond 1e8; 500 columns are harmless."""
    t = np.sort(np.random.default_rng(0).uniform(-1, 1, 20))
    features, y = legendre_design(t, 500), np.cos(3 * t)
    found = nested_fits(features, y, [20, 25, 60, 500], features)
    assert np.max(np.abs(found.predictions[2:] - y)) < 1e-7
    np.testing.assert_allclose(found.norms, single_fits(features, y, [20, 25, 60, 500], features)[2], rtol=1e-6)


def test_digits_agree():
    digits = noisy_digits(100, label_noise=0.2, seed=0)
    features, new = (relu_features(Z, 1000, seed=0) for Z in (digits.inputs, digits.test_inputs[:50]))
    classes, sizes = np.eye(10)[digits.labels], [10, 60, 95, 100, 105, 130, 400, 1000]
    found = nested_fits(features, classes, sizes, new)
    expected = np.array(single_fits(features, classes, sizes, new)[1])
    np.testing.assert_allclose(found.test_predictions, expected, atol=1e-6)


# --- Risk -------------------------------------------------------------------------------------------------------------


def test_threshold_is_infinite_unless_there_is_no_noise():
    assert ridgeless_risk(10, [9, 10, 11], signal=1, noise=0.1).tolist() == [np.inf] * 3
    np.testing.assert_allclose(ridgeless_risk(10, [5, 9, 10, 11, 20], signal=2, noise=0), [0, 0, 0, 4 / 11, 2])
    assert ridgeless_risk_limit(1.0, signal=1, noise=1) == np.inf
    assert ridgeless_risk_limit(1.0, signal=1, noise=0) == 0


def test_risk_has_the_shape_of_its_sizes():
    assert np.ndim(ridgeless_risk(10, 5, signal=1, noise=1)) == 0
    assert ridgeless_risk(10, [[5], [20]], signal=1, noise=1).shape == (2, 1)
    assert ridgeless_risk_limit([0.5, 2], signal=1, noise=1).shape == (2,)
    assert weak_feature_risk(10, [5, 20], 30, signal=1, noise=1).shape == (2,)


def test_all_weak_features_are_the_isotropic_model():
    weak = weak_feature_risk(20, 50, 50, signal=2, noise=0.5)
    assert weak == pytest.approx(ridgeless_risk(20, 50, signal=2, noise=0.5) + 0.25)


# --- Wrong input ------------------------------------------------------------------------------------------------------

A, y = instance(4, 9)


@pytest.mark.parametrize(
    "name, call",
    [
        ("times", lambda: spectral_path(A, y)),
        ("times", lambda: spectral_path(A, y, times=[1.0], iterations=[1])),
        ("times", lambda: spectral_path(A, y, times=[-1.0])),
        ("times", lambda: spectral_path(A, y, times=[np.nan])),
        ("times", lambda: spectral_path(A, y, times=1.0)),
        ("iterations", lambda: spectral_path(A, y, iterations=[-1])),
        ("iterations", lambda: spectral_path(A, y, iterations=[1.5])),
        ("iterations", lambda: spectral_path(A, y, iterations=[])),
        ("step_size", lambda: spectral_path(A, y, times=[1.0], step_size=0.1)),
        ("step_size", lambda: spectral_path(A, y, iterations=[1], step_size=0)),
        ("step_size", lambda: spectral_path(A, y, iterations=[10**6], step_size=1.0)),
        ("start", lambda: spectral_path(A, y, times=[1.0], start=[1.0])),
        ("start", lambda: spectral_path(A, y, times=[1.0], start=np.full(9, np.nan))),
        ("penalties", lambda: ridge_path(A, y, [-1.0])),
        ("penalties", lambda: ridge_path(A, y, [])),
        ("features", lambda: nested_fits(A[0], y, [1], A)),
        ("features", lambda: nested_fits(np.zeros((0, 9)), [], [1], A)),
        ("features", lambda: nested_fits(np.full((4, 9), np.nan), y, [1], A)),
        ("y", lambda: nested_fits(A, y[:3], [1], A)),
        ("y", lambda: nested_fits(A, 1.0, [1], A)),
        ("y", lambda: nested_fits(A, np.full(4, np.nan), [1], A)),
        ("y", lambda: nested_fits(A, np.zeros((4, 0)), [1], A)),
        ("sizes", lambda: nested_fits(A, y, [0, 1], A)),
        ("sizes", lambda: nested_fits(A, y, [2, 2], A)),
        ("sizes", lambda: nested_fits(A, y, [10], A)),
        ("sizes", lambda: nested_fits(A, y, [], A)),
        ("sizes", lambda: nested_fits(A, y, 3, A)),
        ("sizes", lambda: nested_fits(A, y, [1.5], A)),
        ("test_features", lambda: nested_fits(A, y, [1], A[:, :8])),
        ("n", lambda: ridgeless_risk(0, 5, signal=1, noise=1)),
        ("p", lambda: ridgeless_risk(5, 0, signal=1, noise=1)),
        ("p", lambda: ridgeless_risk(5, [1, -1], signal=1, noise=1)),
        ("signal", lambda: ridgeless_risk(5, 1, signal=-1, noise=1)),
        ("noise", lambda: ridgeless_risk(5, 1, signal=1, noise=np.nan)),
        ("gamma", lambda: ridgeless_risk_limit(0.0, signal=1, noise=1)),
        ("gamma", lambda: ridgeless_risk_limit([1.0, np.inf], signal=1, noise=1)),
        ("p", lambda: weak_feature_risk(5, 11, 10, signal=1, noise=1)),
        ("total", lambda: weak_feature_risk(5, 1, 0, signal=1, noise=1)),
    ],
)
def test_wrong_input_is_named(name, call):
    with pytest.raises(ValueError, match=rf"^{name}\b"):
        call()
