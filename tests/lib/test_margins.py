"""Steepest descent in four norms and the rich regime, against linear, quadratic and semidefinite programs and closed forms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from implicit_bias import margin_flow, maximum_margin, steepest_descent
from implicit_bias.measures import margin
from implicit_bias.problems import separable
from scipy.integrate import solve_ivp

STEPS = {"linf": 0.3, "l2": 1.0, "l1": 3.0}
norms = pytest.mark.parametrize("norm", STEPS)


def data(seed, m=40, n=8):
    problem = separable(m, n, seed=seed, gap=0.5)
    return problem.A, problem.y


@norms
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_margin_of_steepest_descent_is_that_of_the_program(norm, seed):
    A, y = data(seed)
    best = maximum_margin(A, y, norm=norm)
    largest = margin(A, y, best.x, norm=norm)
    found = steepest_descent(A, y, norm=norm, step_size=STEPS[norm], max_iterations=10_000)
    assert 0.99 * largest <= found.margin[-1] <= largest * (1 + 1e-9)
    assert largest * (1 - 1e-9) <= found.bound[-1] <= 1.05 * largest
    assert np.all(found.margin <= largest * (1 + 1e-9)) and np.all(found.bound >= largest * (1 - 1e-9))
    np.testing.assert_allclose(found.margin, margin(A, y, found.x, norm=norm), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("seed", [0, 1])
def test_spectral_bracket_and_program(seed):
    A, y = data(seed, 40, 16)
    found = steepest_descent(A, y, norm="spectral", shape=(4, 4), max_iterations=5_000)
    best = maximum_margin(A, y, norm="spectral", shape=(4, 4))
    largest = margin(A, y, best.x, norm="spectral", shape=(4, 4))
    assert found.margin[-1] <= largest * (1 + 1e-6) and largest <= found.bound[-1] * (1 + 1e-6)
    assert found.bound[-1] <= 1.03 * found.margin[-1]


@norms
@settings(max_examples=30)
@given(seed=st.integers(0, 10**6))
def test_programs_beat_all_random_separators_and_have_a_dual(norm, seed):
    """Every direction has a smaller margin, and the optimality is proved by weights of the points."""
    A, y = data(seed, 12, 3)
    x = maximum_margin(A, y, norm=norm).x
    largest = margin(A, y, x, norm=norm)
    others = np.random.default_rng(seed).standard_normal((200, 3))
    assert np.all(margin(A, y, np.vstack([others, x + 0.1 * others]), norm=norm) <= largest * (1 + 1e-9))


def test_the_first_steps_by_hand():
    A, y = np.array([[3.0, 1.0], [-1.0, -2.0]]), np.array([1.0, -1.0])
    first = {"linf": [1, 1], "l2": np.array([4, 3]) / 5, "l1": [1, 0]}
    for norm, move in first.items():
        found = steepest_descent(A, y, norm=norm, step_size=0.7, max_iterations=1, record=1)
        np.testing.assert_allclose(found.x[0], 0.7 * np.array(move), rtol=1e-14)
    found = steepest_descent([[1.0, 2, 0, 0], [-1, 0, 0, -1]], y, norm="spectral", shape=(2, 2), max_iterations=1)
    left, _, right = np.linalg.svd([[2.0, 2], [0, 1]])
    np.testing.assert_allclose(found.x[0], 0.3 * (left @ right).ravel(), atol=1e-14)


def adam_by_the_book(A, y, steps, step, beta1, beta2):
    """Adam as it is printed, with the gradient of the loss itself."""
    signed, x = y[:, None] * A, np.zeros(A.shape[1])
    m, v = np.zeros_like(x), np.zeros_like(x)
    for k in range(1, steps + 1):
        g = -np.exp(-signed @ x) @ signed
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g**2
        x = x - step / np.sqrt(k) * (m / (1 - beta1**k)) / np.sqrt(v / (1 - beta2**k))
    return x


@pytest.mark.parametrize("betas", [(0.9, 0.99), (0.9, 0.999), (0.0, 0.5)])
def test_adam_is_a_form_of_the_loop(betas):
    A, y = data(3)
    found = steepest_descent(A, y, norm="linf", beta1=betas[0], beta2=betas[1], step_size=0.1, max_iterations=200)
    np.testing.assert_allclose(found.x[-1], adam_by_the_book(A, y, 200, 0.1, *betas), rtol=1e-9, atol=1e-11)


def test_adam_without_memory_is_sign_descent():
    A, y = data(4)
    plain = steepest_descent(A, y, norm="linf", max_iterations=300)
    adam = steepest_descent(A, y, norm="linf", beta1=0.0, beta2=0.0, max_iterations=300)
    np.testing.assert_allclose(plain.x, adam.x, atol=1e-9)


@pytest.mark.parametrize("options", [{"norm": "l2"}, {"norm": "linf", "beta1": 0.9}, {"norm": "linf", "beta2": 0.5}])
def test_long_runs_stay_finite(options):
    """The loss is far below float64; the means of the gradients are in the unit of the last one."""
    A, y = data(5)
    found = steepest_descent(A, y, step_size=10.0, max_iterations=10_000, **options)
    assert np.min(y * (A @ found.x[-1])) > 800 and np.all(np.isfinite(found.bound))
    assert found.margin[-1] > 0.98 * found.margin.max() > 0


@pytest.mark.parametrize(
    "options, match",
    [
        ({"norm": "l3"}, "norm must be"),
        ({"norm": "spectral"}, "shape must be"),
        ({"norm": "spectral", "shape": (3, 3)}, "shape must be"),
        ({"norm": "l1", "shape": (2, 4)}, "shape is for the spectral"),
        ({"beta1": 1.0}, "beta1 must be less than 1"),
        ({"beta2": 0.9}, "beta2 is for the norm linf"),
        ({"norm": "linf", "beta2": -0.1}, "beta2 must be"),
        ({"step_size": 0.0}, "step_size must be"),
        ({"max_iterations": 0}, "max_iterations must be"),
        ({"record": 1.5}, "record must be"),
    ],
)
def test_wrong_options_are_named(options, match):
    with pytest.raises(ValueError, match=match):
        steepest_descent(*data(0), **options)


@pytest.mark.parametrize("norm", ["l2", "l1", "linf", "spectral"])
def test_labels_that_cannot_be_separated(norm):
    A, y = np.array([[1.0, 0, 0, 0], [1.0, 0, 0, 0]]), [1, -1]
    with pytest.warns(RuntimeWarning, match="^maximum_margin: no margin exists"):
        found = maximum_margin(A, y, norm=norm, shape=(2, 2) if norm == "spectral" else None)
    assert not found.converged and not np.any(found.x) and "not separable" in found.message
    A[0, 1], A[1, 1] = 1e-30, -1e-30  # they can, by a margin that is lost in rounding
    with pytest.warns(RuntimeWarning, match="not separable, or by less than 1e-12 of their lengths"):
        assert not maximum_margin(A, y, norm=norm, shape=(2, 2) if norm == "spectral" else None).converged


# --- The rich regime --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [0.03, 0.5, 3.0])
def test_margin_flow_against_the_weights(alpha):
    """The definition: an explicit integrator for u and v, in time, as far as it comes."""
    A, y = data(0, 12, 4)
    signed, m = y[:, None] * A, len(y)

    def log_loss(x):
        return np.log(np.sum(np.logaddexp(0, -signed @ x)))

    def velocity(t, w):
        u, v = np.split(w, 2)
        g = -(1 / (1 + np.exp(signed @ (u**2 - v**2)))) @ signed
        return np.concatenate([-2 * u * g, 2 * v * g])

    end = solve_ivp(velocity, (0, 30), np.full(8, alpha), "DOP853", rtol=1e-11, atol=1e-13, dense_output=True)
    states = [end.sol(t) for t in (0.3, 3.0, 30.0)]
    points = np.array([w[:4] ** 2 - w[4:] ** 2 for w in states])
    targets = [log_loss(x) for x in points]
    assert targets[0] < np.log(m * np.log(2))
    np.testing.assert_allclose(margin_flow(A, y, alpha=alpha, log_losses=targets), points, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("factor", [1e-80, 1e-6, 1e3, 1e80])
@pytest.mark.parametrize("alpha", [0.1, 1e4])
def test_margin_flow_has_no_units(alpha, factor):
    """Points `factor` times as large, with x as much smaller, are the same problem."""
    A, y = data(2, 12, 4)
    losses = [-1.0, -50.0, -1e4]
    expected = margin_flow(A, y, alpha=alpha, log_losses=losses)
    found = margin_flow(A * factor, y, alpha=alpha / factor**0.5, log_losses=losses)
    np.testing.assert_allclose(found * factor, expected, rtol=1e-6, atol=1e-6 * abs(expected).max())


@pytest.mark.parametrize("alpha", [1e4, 1e12, 1e50])
def test_margin_flow_from_a_large_start_is_that_of_the_linear_model(alpha):
    A, y = data(3, 12, 4)
    signed = y[:, None] * A
    end = solve_ivp(
        lambda t, x: (1 / (1 + np.exp(signed @ x))) @ signed, (0, 300), np.zeros(4), "DOP853", rtol=1e-11, atol=1e-13
    )
    points = end.y.T[[len(end.t) // 2, -1]]
    losses = np.log(np.sum(np.logaddexp(0, -points @ signed.T), axis=1))
    np.testing.assert_allclose(margin_flow(A, y, alpha=alpha, log_losses=losses), points, rtol=1e-5, atol=1e-6)


def test_margin_flow_to_a_loss_beyond_float64():
    """From a large start to the largest l2-margin first and to the l1-margin at last, never beyond either."""
    A, y = data(1, 30, 10)
    l1, l2 = (margin(A, y, maximum_margin(A, y, norm=norm).x, norm=norm) for norm in ("l1", "l2"))
    x = margin_flow(A, y, alpha=20.0, log_losses=[-10.0, -200.0, -1e3, -1e5, -1e7])
    in_l1, in_l2 = margin(A, y, x, norm="l1") / l1, margin(A, y, x) / l2
    assert np.all(in_l1 <= 1 + 1e-9) and np.all(in_l2 <= 1 + 1e-9)
    assert np.max(in_l2) > 0.995 and np.argmax(in_l2) in (1, 2) and in_l1[-1] > 0.99 and in_l1[-1] > in_l1[1] + 0.03
    np.testing.assert_allclose(-np.min(y * (x @ A.T), axis=1)[2:] / [-1e3, -1e5, -1e7], 1, rtol=0.02)


@pytest.mark.parametrize(
    "losses, match", [([1.0, 2.0], "must decrease"), ([10.0], "must decrease"), ([np.nan], "log_losses must be")]
)
def test_losses_that_cannot_be(losses, match):
    with pytest.raises(ValueError, match=match):
        margin_flow(*data(0), alpha=1.0, log_losses=losses)


def test_margin_flow_of_what_is_not_separable():
    with pytest.raises(ValueError, match="separable"):
        margin_flow([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]], [1, -1, 1], alpha=0.1, log_losses=[-1000.0, -1e9])
    for alpha in (-1.0, 1e-200, 1e200):
        with pytest.raises(ValueError, match="alpha"):
            margin_flow(*data(0), alpha=alpha, log_losses=[-3.0])


def test_a_memory_longer_than_the_fall_of_the_loss():
    """In units of the last gradient the remembered ones leave float64."""
    A, y = data(6)
    found = steepest_descent(A, y, norm="linf", step_size=300.0, beta1=0.99, max_iterations=300)
    assert np.all(np.isfinite(found.x)) and np.all(np.isfinite(found.margin))
