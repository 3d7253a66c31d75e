"""The statements of the chapter "Overparameterization", each with the numbers that would refute it.

Closed forms are held against plain iterations, risks against simulations, and limits against convex programs that know
nothing of gradient descent.
"""

from types import SimpleNamespace

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
from scipy.linalg import block_diag, expm, null_space
from scipy.optimize import linprog, minimize, minimize_scalar

from tests.claims import instances_linear as instances
from tests.claims.attacks import at_most, attack, equal, holds

WIDE = linear_regression(10, 30, seed=0, noise=0.5)
START = np.random.default_rng(1).standard_normal(30)
SINGULAR = np.linalg.svd(WIDE.A, compute_uv=False)


def plain_descent(problem, start, step_size, steps):
    """Gradient descent in two lines."""
    for _ in range(steps):
        start = start - step_size * problem.A.T @ (problem.A @ start - problem.y)
    return start


# --- Descent from any start -------------------------------------------------------------------------------------------


@attack(
    "prop-minimum-norm",
    hypothesis="up to 6 data and 6 features, Gaussian, of very different scale, with equal or zero columns or of rank 1,"
    " consistent or not, starts at zero and of size 0.01 to 100, steps from 0.01 to 0.99 of the limit; 8 "
    "steps and up to a million steps by doubling",
    draw=instances.least_squares,
    tries=150,
    mutants={
        "the limit is the solution of least norm from every start": {"forget": True},
        "half the step in the filter": {"filter": 0.5},
        "k + 1 for k": {"more": 1},
        "convergence up to 2.2 / s_1^2": {"stretch": 1.1},
        "at 2 / s_1^2 it does not oscillate": {"edge": 0.9},
    },
)
def test_descent_from_any_start(run, *, forget=False, filter=1.0, more=0, stretch=1.0, edge=1.0):
    X, b0 = run.X, run.start
    U, s, Vt = np.linalg.svd(X, full_matrices=False)
    U, s, Vt = U[:, s > 1e-10 * s[0]], s[s > 1e-10 * s[0]], Vt[s > 1e-10 * s[0]]
    residual, size = U.T @ (run.y - X @ b0), 1 + np.linalg.norm(b0)
    covered = 1 - (1 - filter * 2 * run.share * s**2 / s[0] ** 2) ** (8 + more)
    formula = b0 + Vt.T @ (covered / s * residual)
    yield equal("after 8 steps", run.descent(run.share, 3) / size, formula / size, 1e-9)
    # The nearest least-squares solution solves the normal equations and differs from the start by a vector of range X^T.
    free = null_space(X, rcond=1e-10)
    limit = np.linalg.lstsq(X, run.y, rcond=1e-10)[0] + (0 if forget else free @ (free.T @ b0))
    rate = np.max(np.abs(1 - 2 * run.share * s**2 / s[0] ** 2))
    doublings = int(np.ceil(np.log2(40 / max(-np.log(rate), 1e-9)))) if rate > 0 else 1
    if stretch == 1 and doublings <= 20:
        yield equal("limit", run.descent(run.share, max(doublings, 1)) / size, limit / size, 1e-6)
    elif stretch > 1:
        yield equal("limit", run.descent(0.999 * stretch, 8) / size, limit / size, 1e-1)
    if abs(residual[0]) > 1e-6:
        swing = abs(Vt[0] @ (run.descent(1.0, 1) - run.descent(1.0, 0))) / (2 * abs(residual[0]) / s[0])
        later = abs(Vt[0] @ (run.descent(edge, 9) - run.descent(edge, 8))) / (2 * abs(residual[0]) / s[0])
        yield equal(
            "at the limit",
            [swing, abs(Vt[0] @ (run.descent(edge, 0) - b0)) / (2 * abs(residual[0]) / s[0])],
            [1, 1],
            1e-6,
        )
        yield holds(
            "beyond the limit", np.linalg.norm(run.descent(1.1, 9) - b0) > 1e6 * abs(residual[0]) / s[0] and later <= 1
        )


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


@attack(
    "prop-early-stopping",
    hypothesis="s^2 t from 1e-6 to 1e4, and from 2 to 3; the two shares by the exponential of a matrix and by the normal"
    " equations",
    draw=instances.share_of_a_direction,
    tries=200,
    mutants={
        "0.2 for 0.2037": {"constant": 0.2},
        "half of 0.2037": {"constant": 0.2037 / 2},
        "a lower bound of 1e-3": {"lower": 1e-3},
        "ridge regression with 2 / t": {"penalty": 2},
        "ridge regression with 1 / (2 t)": {"penalty": 0.5},
    },
)
def test_two_ways_to_shrink(x, *, constant=0.2037, lower=0.0, penalty=1.0):
    flow = 1 - expm(np.array([[-x]]))[0, 0]
    ridge = np.linalg.lstsq([[np.sqrt(x)], [np.sqrt(penalty)]], [np.sqrt(x), 0.0], rcond=None)[0][0]
    yield at_most("upper bound", flow - ridge, constant)
    yield at_most("", lower - 1e-12, flow - ridge)


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


@attack(
    "thm-ridgeless-risk",
    hypothesis="1 to 8 data and up to 20 features, at least 6 from the peak, signals and noise from 0.1 to 3, noise that"
    " is normal, of two values or uniform; the mean of 4000 repetitions within six standard errors",
    draw=instances.risk,
    tries=25,
    mutants={
        "|n - p| for |n - p| - 1": {"shift": 0},
        "without 1 - n/p": {"seen": False},
        "half the noise": {"noise": 0.5},
        "features that are not independent": {"draw": lambda source: instances.risk(source, correlated=True)},
    },
)
def test_risk_by_simulation(run, *, shift=1, seen=True, noise=1.0):
    n, p = run.n, run.p
    bias = run.signal**2 * (max(1 - n / p, 0) if seen else 1)
    expected = bias + noise * run.noise**2 * min(n, p) / (abs(n - p) - shift)
    error = 6 * np.std(run.errors) / np.sqrt(run.errors.size)
    yield at_most("", abs(np.mean(run.errors) - expected), error)


@attack(
    "thm-ridgeless-risk",
    hypothesis="the limit: signals and noise from 0.1 to 3, ratios from 1 + 1e-3 to 1e3; the finite risk for n = 10^7",
    draw=lambda source: (
        source.log_uniform(0.1, 3),
        source.log_uniform(0.1, 3),
        1 + source.log_uniform(1e-3, 1e3),
        source.uniform(0.001, 0.99),
    ),
    tries=200,
    mutants={
        "the minimum is sigma (2r - sigma / 2)": {"half": 0.5},
        "twice the minimum": {"twice": 2},
        "sigma^2 for the minimum": {"square": True},
        "gamma* = r / (r + sigma)": {"sign": 1},
        "the limit without 1 - 1/gamma": {"seen": False},
    },
)
def test_second_branch(run, *, half=1.0, twice=1, square=False, sign=-1, seen=True):
    r, sigma, gamma, below = run

    def branch(gamma):
        return r**2 * (1 - 1 / gamma if seen else 1) + sigma**2 / (gamma - 1)

    n = 10**7
    exact = ridgeless_risk(n, np.array([round(gamma * n), round(below * n)]), signal=r, noise=sigma)
    yield equal("limit", exact, [branch(round(gamma * n) / n), sigma**2 * below / (1 - below)], 1e-3)
    if r > 1.001 * sigma:
        least = sigma**2 if square else twice * sigma * (2 * r - half * sigma)
        yield at_most("least risk on the right", least, branch(gamma))
        best = r / (r + sign * sigma)
        yield equal("at its minimum", branch(best) if best > 1 else np.inf, least, 1e-9)
    elif r <= sigma:
        yield at_most("", branch(gamma * 1.01), branch(gamma))


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


@attack(
    "prop-weak-features",
    hypothesis="1 to 8 data, up to 20 features of which at least one and up to 10 more are not used, at least 6 from the"
    " peak; the mean of 4000 repetitions within six standard errors",
    draw=lambda source: instances.risk(source, weak=True),
    tries=25,
    mutants={
        "unused features do no harm": {"unused": 0},
        "the signal of all features on the right": {"whole": True},
        "without the 1 in brackets": {"one": 0},
        "features that are not independent": {
            "draw": lambda source: instances.risk(source, weak=True, correlated=True)
        },
    },
)
def test_weak_features_by_simulation(run, *, unused=1, whole=False, one=1):
    n, p = run.n, run.p
    rest = run.all_signal**2 - run.signal**2
    tau = unused * rest + run.noise**2
    used = (run.all_signal if whole else run.signal) ** 2
    expected = used * max(1 - n / p, 0) + tau * (one + min(n, p) / (abs(n - p) - 1))
    error = 6 * np.std(run.errors) / np.sqrt(run.errors.size)
    yield at_most("", abs(np.mean(run.errors) + run.noise**2 - expected), error)


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


def digit_fits(source):
    """Errors on new digits, training errors and norms, for these numbers of features."""
    seed = source.integer(0, 10_000)
    digits = noisy_digits(300, label_noise=0.2, seed=seed)
    inputs, test = (relu_features(Z, 5000, seed=seed) for Z in (digits.inputs, digits.test_inputs))
    sizes = np.array([10, 30, 50, 70, 100, 200, 300, 320, 350, 600, 5000])
    fits = nested_fits(inputs, np.eye(10)[digits.labels], sizes, test)
    train = np.mean(fits.predictions.argmax(-1) != digits.labels, axis=1)
    return sizes, np.mean(fits.test_predictions.argmax(-1) != digits.test_labels, axis=1), train, fits.norms


@attack(
    "obs-double-descent",
    hypothesis="300 digits with 20 % wrong labels and up to 5000 random rectified features, random seeds",
    draw=digit_fits,
    tries=2,
    mutants={
        "the peak is at 100 features": {"peak": (90, 110)},
        "at 5000 features less than a tenth of the peak": {"share": 0.1},
        "at 5000 features better than the first valley by 0.05": {"beside": -0.05},
        "the training error is zero at 200 features": {"fitted": 200},
    },
)
def test_double_descent_on_digits(run, *, peak=(300, 350), share=1 / 3, beside=0.1, fitted=350):
    sizes, error, train, norms = run
    valley = np.min(error[:5])
    yield holds("the peak", peak[0] <= sizes[np.argmax(error)] <= peak[1] and np.max(error) > 0.6 and valley < error[0])
    yield at_most("the end against the peak", error[-1], share * np.max(error))
    yield at_most("the end against the valley", error[-1], valley + beside)
    yield holds("training error", np.all(train[sizes >= fitted] == 0))
    yield holds("the norm", norms[-1] < 0.05 * np.max(norms))


def small_features(source, *, many=100_000, fixed=False):
    """The solution of least norm with many small features of normal or two-valued entries, by a QR factorization."""
    n, p, penalty = source.integer(1, 5), source.integer(1, 5), source.log_uniform(0.1, 10)
    X, y = source.normal(n, p), source.normal(n)
    Z = source.normal(n, many)
    if source.choice([False, True]):
        Z = np.sign(Z)
    A = np.hstack([X, np.sqrt(1.0 if fixed else penalty / many) * Z])
    Q, R = np.linalg.qr(A.T)
    found = Q @ np.linalg.solve(R.T, y)
    return SimpleNamespace(**locals())


@attack(
    "prop-benign",
    hypothesis="up to 5 data and 5 features, penalties from 0.1 to 10, 100000 normal or two-valued small features",
    draw=small_features,
    tries=20,
    mutants={
        "the penalty 2 lambda": {"factor": 2.0},
        "no penalty": {"factor": 1e-9},
        "ten small features": {"draw": lambda source: small_features(source, many=10)},
        "features of variance 1": {"draw": lambda source: small_features(source, fixed=True)},
    },
)
def test_interpolation_becomes_ridge(run, *, factor=1.0):
    """A deviation of the Gram matrix by lambda times sqrt(n / D) moves the estimate by at most that much."""
    X, y, p = run.X, run.y, run.p
    yield equal("interpolation", run.A @ run.found, y, 1e-8)
    ridge = np.linalg.solve(X.T @ X + factor * run.penalty * np.eye(p), X.T @ y)
    size = np.linalg.norm(y) / np.sqrt(run.penalty)
    yield at_most("", np.linalg.norm(run.found[:p] - ridge), 0.03 * size)
    yield at_most("", run.penalty / run.many * np.sum(run.found[p:] ** 2), 1e-3 * (y @ y))


def risks_along_the_scale(source, *, noise=(0.3, 0.8)):
    """Mean risks over 20 draws from the scales 10, 0.05 and 1e-6, a row for each noise."""
    rng = np.random.default_rng(source.integer(0, 2**40))
    signal = np.r_[np.full(5, 5**-0.5), np.zeros(195)]
    scales = np.array([10, 0.05, 1e-6])[:, None]
    risks = np.zeros((2, 3))
    for _ in range(20):
        X, e = rng.standard_normal((50, 200)), rng.standard_normal(50)
        for row, size in zip(risks, noise, strict=True):
            found = flow_limit(X, X @ signal + size * e, SignedHadamardPower(2), alpha=scales).x
            row += np.sum((found - signal) ** 2, axis=1) / 20
    return risks


@attack(
    "obs-risk-alpha",
    hypothesis="means over 20 random draws each, of the matrix and of the noise; the large scale also against the formula "
    "of the least norm",
    draw=risks_along_the_scale,
    tries=4,
    mutants={
        "a third less than both ends": {"gain": 2 / 3},
        "with little noise the middle is better, too": {"turned": True},
        "less noise": {"draw": lambda source: risks_along_the_scale(source, noise=(0.3, 0.3))},
        "more noise": {"draw": lambda source: risks_along_the_scale(source, noise=(0.8, 1.5))},
    },
)
def test_risk_along_the_scale(risks, *, gain=0.95, turned=False):
    (kernel, middle, rich), loud = risks
    yield at_most("much noise, kernel end", loud[1], gain * loud[0])
    yield at_most("much noise, rich end", loud[1], gain * loud[2])
    yield at_most("little noise", rich, kernel / 3)
    yield at_most("", *((middle, rich) if turned else (rich, middle)))
    yield equal("", kernel, ridgeless_risk(50, 200, signal=1.0, noise=0.3), 0.1)


def polynomial_fits(source, *, weighted=True):
    """The mean squared errors with 6, 20 and 500 polynomials, medians of 20 draws."""
    degrees = np.arange(500)

    def truth(t):
        return np.sin(3 * t) + 0.3 * np.cos(9 * t)

    def features(t):
        return legendre_design(t, 500) * (1 if weighted else 1 + degrees)

    new, errors = np.linspace(-1, 1, 401), []
    rng = np.random.default_rng(source.integer(0, 10_000))
    for _ in range(20):
        t = rng.uniform(-1, 1, 20)
        y = truth(t) + 0.15 * rng.standard_normal(20)
        fits = nested_fits(features(t), y, [6, 20, 500], features(new))
        errors.append(np.mean((fits.test_predictions - truth(new)) ** 2, axis=1))
    return np.median(errors, axis=0)


@attack(
    "obs-legendre",
    hypothesis="twenty values of one smooth function with noise 0.15, medians of 20 draws, random seeds",
    draw=polynomial_fits,
    tries=4,
    mutants={
        "less than 1e3 for p = 20": {"peak": -1e3},
        "for p = 500 less than a fifth of that for p = 6": {"better": 0.2},
        "without the weights": {"draw": lambda source: polynomial_fits(source, weighted=False)},
    },
)
def test_more_polynomials_than_data(errors, *, peak=1e6, better=1.0):
    few, as_many, more = errors
    yield holds("moderate", 0.02 < few < 0.5)
    yield holds("the peak", as_many > peak if peak > 0 else as_many < -peak)
    yield at_most("the end against the left", more, better * few)


@attack(
    "prop-random-labels",
    hypothesis="2 to 6 distinct inputs in dimension 1 to 3, exactly as many features, normal frequencies of scale 3 to "
    "30 and uniform phases; the rank by singular values",
    draw=instances.fourier,
    tries=150,
    mutants={
        "all phases zero": {"draw": lambda source: instances.fourier(source, phase=False)},
        "p = n - 1": {"draw": lambda source: instances.fourier(source, missing=1)},
        "two equal inputs": {"draw": lambda source: instances.fourier(source, twins=True)},
    },
)
def test_as_many_features_as_inputs(run):
    singular = np.linalg.svd(run.X, compute_uv=False)
    yield holds("linearly independent rows", len(run.inputs) == len(singular) and singular[-1] > 1e-11 * singular[0])


@pytest.mark.claim("prop-random-labels")
@pytest.mark.parametrize("p", [300, 301, 1000])
def test_random_labels_are_interpolated(p):
    """As soon as there are as many random features as samples, the labels need have nothing to do with the pictures."""
    pictures = noisy_digits(300, label_noise=0, seed=0).inputs
    labels = np.random.default_rng(1).choice([-1.0, 1.0], 300)
    features = fourier_features(pictures, p, seed=2, bandwidth=1.0)
    np.testing.assert_allclose(features @ minimum_norm(features, labels), labels, atol=1e-8)


# --- Maximum margin ---------------------------------------------------------------------------------------------------


@attack(
    "thm-max-margin",
    hypothesis="1 to 6 points of the plane, within 74 degrees of a direction, of size 0.3 to 3, starts of size 0.01 to "
    "3; the flow until the time e^10000 in its logarithm, the largest margin from the segments between the "
    "points",
    draw=instances.separable_points,
    tries=40,
    mutants={
        "the norm grows like 2 ln k / gamma": {"constant": 2},
        "the norm grows like ln k": {"unit": True},
        "the direction is the mean of the points": {"mean": True},
        "the direction converges like 1 / (ln k)^2": {"power": 2},
        "the loss is of order k^(-1.1)": {"loss": 1.1},
    },
)
def test_flow_turns_to_the_largest_margin(run, *, constant=1, unit=False, mean=False, power=1, loss=1.0):
    norms, s = np.linalg.norm(run.b, axis=1), run.clock
    widest = np.mean(run.z, axis=0) if mean else run.widest
    turned = np.linalg.norm(run.b / norms[:, None] - widest / np.linalg.norm(widest), axis=1)
    yield equal(
        "growth of the norm", (norms[-1] - norms[-2]) * (1 if unit else run.margin) / (s[-1] - s[-2]), constant, 0.02
    )
    *before, last = turned[1:] * s[1:] ** power
    yield holds("direction", turned[-1] < 0.1 and last <= 1.25 * max(before) + 0.1)
    # ln(loss * k^power) stays bounded.
    grows = run.log_loss + loss * s
    yield holds("loss", grows[-1] < max(grows[1], 0) + 3)


@pytest.mark.claim("thm-max-margin")
def test_logistic_descent_turns_to_the_maximum_margin():
    """Up to a bounded vector, w is log(k) times the shortest vector that separates with y <a, w> >= 1."""
    problems = [separable(6, 3, seed=seed, gap=1) for seed in range(3)]
    A, y = block_diag(*(problem.A for problem in problems)), np.concatenate([problem.y for problem in problems])
    # Three descents at once, none of which sees the others.
    path = gradient_descent(A, y, Linear(), alpha=1, loss="logistic", tol=0, max_iterations=100_000, record=6).path
    log_k = np.log(path.iterations[2:])  # after 10, 100, ..., 100000 steps
    for problem, w in zip(problems, np.split(path.x[2:], 3, axis=1), strict=True):
        shortest = maximum_margin(problem.A, problem.y).x
        widest = 1 / np.linalg.norm(shortest)
        norms, loss = np.linalg.norm(w, axis=1), np.sum(np.logaddexp(0, -problem.y * (w @ problem.A.T)), axis=1)
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


@attack(
    "prop-kernel-rich",
    hypothesis="1 to 3 equations with up to 6 unknowns, also with equal and zero columns and of rank 1, alpha from 0.05 "
    "to 30, the flow of the weights by an integrator; for alpha = 1e4 and 1e-9 the least l2-norm and the "
    "least l1-norm by a linear program",
    draw=instances.signed_flow,
    tries=30,
    mutants={
        "alpha for alpha^2": {"power": 1},
        "arsinh z for arsinh z/2": {"scale": 1.0},
        "the least l2-norm for every alpha": {"flat": True},
        "the least l2-norm for alpha = 1": {"large": 1.0},
        "the least l1-norm for alpha = 0.3": {"small": 0.3},
        "u(0) and v(0) not equal": {"draw": lambda source: instances.signed_flow(source, shifted=True)},
    },
)
def test_flow_of_the_weights(run, *, power=2, scale=2.0, flat=False, large=1e4, small=1e-9):
    """The gradient of the potential at the limit is orthogonal to the kernel: the condition for its least value."""
    free, x = null_space(run.A, rcond=1e-10), run.x
    yield equal("a solution", run.A @ x, run.y, 1e-4)
    gradient = x if flat else np.arcsinh(x / (scale * run.alpha**power))
    if np.linalg.norm(gradient) > 1e-3:
        yield equal("least potential", 1 + free.T @ gradient / np.linalg.norm(gradient), np.ones(free.shape[1]), 1e-4)
    least = np.linalg.lstsq(run.A, run.y, rcond=1e-10)[0]
    found = flow_limit(run.A, run.y, SignedHadamardPower(2), alpha=np.array([[large], [small]])).x
    yield equal("kernel", found[0], least, 1e-4)
    n = x.size
    l1 = linprog(np.ones(2 * n), A_eq=np.hstack([run.A, -run.A]), b_eq=run.y).fun
    if l1 > 1e-6:
        yield at_most("rich", np.sum(np.abs(found[1])), l1 * (1 + np.log(2 * n) / np.log(l1 / (2 * n * 1e-18))))


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
