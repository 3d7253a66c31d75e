"""The statements of the chapter "Overparameterization", each with the numbers that would refute it.

Closed forms are held against plain iterations, risks against simulations, and limits against convex programs that know
nothing of gradient descent.
"""

import numpy as np
import pytest
from implicit_bias import (
    Linear,
    SignedHadamardPower,
    basis_pursuit,
    flow_limit,
    gradient_descent,
    maximum_margin,
    minimum_norm,
    nested_fits,
    ridge_path,
    spectral_path,
)
from implicit_bias.features import fourier_features, relu_features
from implicit_bias.measures import margin
from implicit_bias.problems import legendre_design, linear_regression, noisy_digits, separable, weak_features
from implicit_bias.regression import ridgeless_risk, ridgeless_risk_limit, weak_feature_risk
from scipy.linalg import null_space
from scipy.optimize import minimize, minimize_scalar

WIDE = linear_regression(10, 30, seed=0, noise=0.5)
START = np.random.default_rng(1).standard_normal(30)
SINGULAR = np.linalg.svd(WIDE.A, compute_uv=False)


def plain_descent(problem, start, step_size, steps):
    """Gradient descent in two lines."""
    for _ in range(steps):
        start = start - step_size * problem.A.T @ (problem.A @ start - problem.y)
    return start


# --- Descent from any start -------------------------------------------------------------------------------------------


@pytest.mark.claim("prop-minimum-norm")
@pytest.mark.parametrize("share", [0.5, 1.0, 1.99], ids="eta = {} / s_max^2".format)
def test_descent_finds_the_solution_next_to_its_start(share):
    nearest = START + np.linalg.pinv(WIDE.A) @ (WIDE.y - WIDE.A @ START)
    found = plain_descent(WIDE, START, share / SINGULAR[0] ** 2, 5000)
    np.testing.assert_allclose(found, nearest, atol=1e-12)


@pytest.mark.claim("prop-minimum-norm")
def test_from_zero_it_is_the_solution_of_least_norm():
    run = gradient_descent(WIDE.A, WIDE.y, Linear(), alpha=1, tol=1e-14)
    np.testing.assert_allclose(run.x, np.linalg.pinv(WIDE.A) @ WIDE.y, atol=1e-12)


@pytest.mark.claim("prop-minimum-norm")
@pytest.mark.parametrize("share", [0.5, 1.0, 1.9])
def test_every_iterate_is_a_filter_of_the_singular_values(share):
    eta = share / SINGULAR[0] ** 2
    closed = spectral_path(WIDE.A, WIDE.y, iterations=[0, 1, 7, 300], step_size=eta, start=START)
    plain = [plain_descent(WIDE, START, eta, k) for k in (0, 1, 7, 300)]
    np.testing.assert_allclose(closed, plain, atol=1e-12)


@pytest.mark.claim("prop-minimum-norm")
def test_rate_is_set_by_the_smallest_singular_value():
    path = gradient_descent(WIDE.A, WIDE.y, Linear(), alpha=1, tol=0, max_iterations=101, record=101).path.x
    before, after = np.linalg.norm(path[100:] - minimum_norm(WIDE.A, WIDE.y), axis=1)
    assert after / before == pytest.approx(1 - (SINGULAR[-1] / SINGULAR[0]) ** 2, rel=1e-4)


@pytest.mark.claim("prop-minimum-norm")
def test_beyond_twice_the_safe_step_it_diverges():
    size = [np.linalg.norm(plain_descent(WIDE, START, 2.01 / SINGULAR[0] ** 2, k)) for k in (1000, 2000)]
    assert size[1] / size[0] == pytest.approx(1.01**1000, rel=0.01)


# --- Early stopping ---------------------------------------------------------------------------------------------------


@pytest.mark.claim("prop-early-stopping")
@pytest.mark.parametrize("t", [0.01, 0.1, 1.0])
def test_flow_and_ridge_are_filters(t):
    U, s, V = np.linalg.svd(WIDE.A, full_matrices=False)
    least_squares = U.T @ WIDE.y / s
    flow = spectral_path(WIDE.A, WIDE.y, times=[t])[0]
    np.testing.assert_allclose(V @ flow, -np.expm1(-(s**2) * t) * least_squares, atol=1e-13)
    ridge = np.linalg.solve(WIDE.A.T @ WIDE.A + np.eye(30) / t, WIDE.A.T @ WIDE.y)
    np.testing.assert_allclose(V @ ridge, s**2 / (s**2 + 1 / t) * least_squares, atol=1e-12)
    np.testing.assert_allclose(ridge_path(WIDE.A, WIDE.y, [1 / t])[0], ridge, atol=1e-12)


@pytest.mark.claim("prop-early-stopping")
def test_the_filters_differ_by_a_fifth_at_most():
    worst = minimize_scalar(lambda x: -(1 - np.exp(-x) - x / (1 + x)), bounds=(0, 10), method="bounded")
    assert -worst.fun == pytest.approx(0.2036, abs=1e-4)
    t = np.geomspace(1e-4, 1e2, 50)
    flow, ridge = spectral_path(WIDE.A, WIDE.y, times=t), ridge_path(WIDE.A, WIDE.y, 1 / t)
    size = np.linalg.norm(minimum_norm(WIDE.A, WIDE.y))
    assert np.max(np.linalg.norm(flow - ridge, axis=1)) <= 0.20364 * size


# --- The risk of the interpolant --------------------------------------------------------------------------------------


def within_five_standard_errors(sample, mean):
    return abs(np.mean(sample) - mean) < 5 * np.std(sample) / np.sqrt(len(sample))


@pytest.mark.claim("thm-ridgeless-risk")
@pytest.mark.parametrize("p, risk", [(25, 1.0417), (40, 4.4444), (75, 3.4167), (100, 3.0204), (250, 3.4513)])
def test_excess_risk_is_exact(p, risk):
    """500 Gaussian designs with n = 50, |beta| = 2 and noise 1."""
    assert ridgeless_risk(50, p, signal=2, noise=1) == pytest.approx(risk, abs=5e-5)
    problems = [linear_regression(50, p, seed=seed, signal=2, noise=1) for seed in range(500)]
    errors = [np.sum((minimum_norm(problem.A, problem.y) - problem.x_true) ** 2) for problem in problems]
    assert within_five_standard_errors(errors, risk)


@pytest.mark.claim("thm-ridgeless-risk")
def test_excess_risk_has_the_limit():
    gamma = np.array([0.2, 0.8, 1.25, 2, 5])
    exact = ridgeless_risk(10**6, (gamma * 10**6).astype(int), signal=2, noise=1)
    np.testing.assert_allclose(exact, ridgeless_risk_limit(gamma, signal=2, noise=1), rtol=1e-4)


@pytest.mark.claim("thm-ridgeless-risk")
@pytest.mark.parametrize("signal, noise", [(2.0, 1.0), (1.5, 1.0), (3.0, 0.5)])
def test_best_ratio_above_one(signal, noise):
    best = minimize_scalar(
        lambda gamma: ridgeless_risk_limit(gamma, signal=signal, noise=noise), bounds=(1.01, 20), method="bounded"
    )
    assert best.x == pytest.approx(signal / (signal - noise), rel=1e-3)
    assert best.fun == pytest.approx(noise * (2 * signal - noise), rel=1e-6)


# --- Weak features ----------------------------------------------------------------------------------------------------


@pytest.mark.claim("prop-weak-features")
@pytest.mark.parametrize("p, risk", [(5, 1.164), (35, 8.43), (45, 8.99), (200, 0.850)])
def test_risk_of_weak_features(p, risk):
    """1000 draws of 40 samples; the error on new data is worked out from the coefficients."""
    assert weak_feature_risk(40, p, 200, signal=1, noise=0.2) == pytest.approx(risk, abs=5e-3)
    problems = [weak_features(40, p, 200, seed=seed, noise=0.2) for seed in range(1000)]
    unused = 1 - p / 200
    errors = [np.sum((minimum_norm(problem.A, problem.y) - problem.x_true) ** 2) for problem in problems]
    assert within_five_standard_errors(errors, weak_feature_risk(40, p, 200, signal=1, noise=0.2) - unused - 0.04)


@pytest.mark.claim("prop-weak-features")
def test_all_features_beat_the_best_classical_number():
    risk = weak_feature_risk(40, np.arange(1, 201), 200, signal=1, noise=0.2)
    assert np.argmin(risk) == 199
    assert risk[-1] < 0.85 * np.min(risk[:39])


# --- Double descent ---------------------------------------------------------------------------------------------------


@pytest.mark.claim("obs-double-descent")
@pytest.mark.parametrize("seed", range(3))
def test_double_descent_on_digits(seed):
    """300 digits, a fifth of the labels wrong, random ReLU features: descent, peak at the threshold, second descent."""
    digits = noisy_digits(300, label_noise=0.2, seed=seed)
    inputs, test = (relu_features(Z, 5000, seed=seed) for Z in (digits.inputs, digits.test_inputs))
    sizes = [10, 30, 50, 70, 100, 200, 300, 320, 350, 600, 5000]
    fits = nested_fits(inputs, np.eye(10)[digits.labels], sizes, test)
    error = np.mean(fits.test_predictions.argmax(-1) != digits.test_labels, axis=1)
    valley, peak = np.min(error[:5]), np.max(error)
    assert 300 <= sizes[np.argmax(error)] <= 350
    assert peak > 0.7
    assert valley < 0.25 < 0.4 < error[0]
    assert error[-1] < min(peak / 3, valley + 0.05)
    assert fits.norms[-1] < 0.05 * np.max(fits.norms)


@pytest.mark.claim("obs-legendre")
def test_more_polynomials_than_data():
    """20 values with noise 0.15: the median of 20 draws, with 6, 20 and 500 weighted polynomials."""

    def truth(t):
        return np.sin(3 * t) + 0.3 * np.cos(9 * t)

    new, errors = np.linspace(-1, 1, 401), []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        t = rng.uniform(-1, 1, 20)
        y = truth(t) + 0.15 * rng.standard_normal(20)
        fits = nested_fits(legendre_design(t, 500), y, [6, 20, 500], legendre_design(new, 500))
        errors.append(np.mean((fits.test_predictions - truth(new)) ** 2, axis=1))
    few, as_many, more = np.median(errors, axis=0)
    assert 0.03 < few < 0.3
    assert as_many > 1e6
    assert more < few


@pytest.mark.claim("prop-random-labels")
@pytest.mark.parametrize("p", [300, 301, 1000])
def test_random_labels_are_interpolated(p):
    """As soon as there are as many random features as samples, the labels need have nothing to do with the pictures."""
    pictures = noisy_digits(300, label_noise=0, seed=0).inputs
    labels = np.random.default_rng(1).choice([-1.0, 1.0], 300)
    features = fourier_features(pictures, p, seed=2, bandwidth=1.0)
    np.testing.assert_allclose(features @ minimum_norm(features, labels), labels, atol=1e-8)


# --- Maximum margin ---------------------------------------------------------------------------------------------------


@pytest.mark.claim("thm-max-margin")
@pytest.mark.parametrize("seed", range(3))
def test_logistic_descent_turns_to_the_maximum_margin(seed):
    """Up to a bounded vector, w is log(k) times the shortest vector that separates with y <a, w> >= 1."""
    problem = separable(6, 3, seed=seed, gap=1)
    shortest = maximum_margin(problem.A, problem.y).x
    widest = 1 / np.linalg.norm(shortest)
    path = gradient_descent(
        problem.A, problem.y, Linear(), alpha=1, loss="logistic", tol=0, max_iterations=100_000, record=6
    ).path
    k, w, loss = path.iterations[2:], path.x[2:], path.loss[2:]  # after 10, 100, ..., 100000 steps
    norms, log_k = np.linalg.norm(w, axis=1), np.log(k)
    assert np.all(np.linalg.norm(w - log_k[:, None] * shortest, axis=1) < 1.5)
    assert np.diff(norms)[-1] / np.diff(log_k)[-1] == pytest.approx(1 / widest, rel=0.05)
    directions = w / norms[:, None]
    assert np.all(np.linalg.norm(directions - widest * shortest, axis=1) < 1.5 / log_k)
    assert 0.97 * widest < margin(problem.A, problem.y, w[-1]) <= widest
    assert loss[-2] / loss[-1] == pytest.approx(10, rel=0.05)


@pytest.mark.claim("thm-max-margin")
def test_no_other_direction_has_a_larger_margin():
    problem = separable(30, 2, seed=4, gap=0.3)
    angles = np.linspace(0, 2 * np.pi, 100_001)
    margins = margin(problem.A, problem.y, np.stack([np.cos(angles), np.sin(angles)], axis=1))
    shortest = maximum_margin(problem.A, problem.y).x
    assert np.max(margins) == pytest.approx(1 / np.linalg.norm(shortest), rel=1e-4)


# --- From kernel to rich ----------------------------------------------------------------------------------------------


def potential_of_woodworth(x, alpha):
    """Q_alpha(x) = alpha^2 sum q(x_i / alpha^2)."""
    z = x / alpha**2
    return alpha**2 * np.sum(2 - np.sqrt(4 + z**2) + z * np.arcsinh(z / 2), axis=-1)


@pytest.mark.claim("prop-kernel-rich")
@pytest.mark.parametrize("alpha", [0.1, 0.3, 1.0, 3.0])
def test_limit_minimizes_the_potential(alpha):
    """Against a quasi-Newton method that walks through the solutions of A x = y, which descent knows nothing of."""
    one, directions = minimum_norm(WIDE.A, WIDE.y), null_space(WIDE.A).T
    best = minimize(
        lambda c: potential_of_woodworth(one + c @ directions, alpha),
        np.zeros(20),
        jac=lambda c: directions @ np.arcsinh((one + c @ directions) / (2 * alpha**2)),
        options={"gtol": 1e-9},
    )
    x = flow_limit(WIDE.A, WIDE.y, SignedHadamardPower(2), alpha=alpha).x
    np.testing.assert_allclose(x, one + best.x @ directions, atol=1e-7)


@pytest.mark.claim("prop-kernel-rich")
def test_descent_arrives_there():
    x = gradient_descent(WIDE.A, WIDE.y, SignedHadamardPower(2), alpha=0.3, step_size=1e-4, max_iterations=50_000).x
    np.testing.assert_allclose(x, flow_limit(WIDE.A, WIDE.y, SignedHadamardPower(2), alpha=0.3).x, atol=1e-3)


@pytest.mark.claim("prop-kernel-rich")
def test_large_start_is_the_kernel_regime_and_small_start_the_rich_one():
    large, small = flow_limit(WIDE.A, WIDE.y, SignedHadamardPower(2), alpha=np.array([[1e2], [1e-6]])).x
    np.testing.assert_allclose(large, minimum_norm(WIDE.A, WIDE.y), atol=1e-7)
    least = np.sum(np.abs(basis_pursuit(WIDE.A, WIDE.y).x))
    assert least <= np.sum(np.abs(small)) + 1e-9 < 1.01 * least
    assert np.sum(np.abs(large)) > 1.2 * least
