"""Gradient flow: against closed forms and against an explicit integrator in the weights."""

import functools
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from implicit_bias import (
    GroupHadamard,
    HadamardPower,
    SignedHadamardPower,
    accelerated_flow,
    flow_limit,
    gradient_flow,
    group_lasso,
    minimum_norm,
)
from scipy.integrate import solve_ivp
from scipy.sparse import csr_array
from scipy.sparse.linalg import aslinearoperator
from scipy.special import j1

models = pytest.mark.parametrize(
    "model", [power(depth) for power in (HadamardPower, SignedHadamardPower) for depth in (2, 2.5, 3, 4)], ids=repr
)
TIMES = np.array([0.0, 0.05, 0.2, 1.0])


def instance(seed=0, m=3, n=6):
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((m, n))
    return A, A @ rng.uniform(0.5, 1.5, n)


def followed_in_the_weights(A, y, model, alpha, times):
    start = model.start(alpha, A.shape[1])

    def velocity(t, w):
        w = w.reshape(start.shape)
        return -model.pullback(w, A.T @ (A @ model.value(w) - y)).ravel()

    run = solve_ivp(velocity, (0, times[-1]), start.ravel(), "DOP853", times, rtol=1e-10, atol=1e-12)
    return np.array([model.value(w.reshape(start.shape)) for w in run.y.T])


@models
@pytest.mark.parametrize("alpha", [0.1, 0.7, np.linspace(0.2, 0.6, 6)], ids=["small", "large", "non-uniform"])
def test_path_of_the_weights(model, alpha):
    A, y = instance()
    path = gradient_flow(A, y, model, alpha=alpha, times=TIMES).path
    np.testing.assert_array_equal(path.times, TIMES)
    np.testing.assert_allclose(path.x, followed_in_the_weights(A, y, model, alpha, TIMES), atol=1e-4)
    np.testing.assert_allclose(path.loss, np.sum((path.x @ A.T - y) ** 2, axis=1) / 2)


def test_logistic_growth():
    """One measurement of one positive number at depth 2: x = 1 / (1 + (1/x(0) - 1) e^(-4 t))."""
    times = np.linspace(0, 10, 30)
    for alpha in (1e-6, 0.1, 3.0):
        x = gradient_flow([[1.0]], [1.0], HadamardPower(2), alpha=alpha, times=times).path.x[:, 0]
        np.testing.assert_allclose(x, 1 / (1 + (alpha**-2 - 1) * np.exp(-4 * times)), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("depth, alpha", [(2, 1e2), (2, 1e6), (3, 1e2), (3, 1e4)])
def test_large_start_is_the_linear_flow(depth, alpha):
    """Far out, u and v hardly move: x follows the flow of least squares at the speed 2 L^2 alpha^(2L-2)."""
    A, y = instance()
    speed = 2 * depth**2 * alpha ** (2.0 * depth - 2)
    values, vectors = np.linalg.eigh(A @ A.T)
    x = gradient_flow(A, y, SignedHadamardPower(depth), alpha=alpha, times=TIMES / speed).path.x
    for t, point in zip(TIMES, x, strict=True):
        fitted = vectors @ ((1 - np.exp(-values * t)) / values * (vectors.T @ y))
        np.testing.assert_allclose(point, A.T @ fitted, atol=1e-5)


@models
def test_flow_without_times_is_followed_to_its_end(model):
    A, y = instance()
    result = gradient_flow(A, y, model, alpha=0.3)
    assert result.converged
    assert result.optimality <= 1e-8
    assert result.iterations > 0
    assert result.path.times[0] == 0
    assert np.all(np.diff(result.path.loss) < 0)
    np.testing.assert_array_equal(result.x, result.path.x[-1])
    np.testing.assert_allclose(result.x, flow_limit(A, y, model, alpha=0.3).x, atol=1e-6)


def test_flow_that_has_not_arrived_says_so():
    A, y = instance()
    result = gradient_flow(A, y, SignedHadamardPower(2), alpha=0.3, times=[0.01])
    assert not result.converged
    assert "up to time 0.01" in result.message
    assert result.optimality > 1e-3


def test_time_zero_is_the_start():
    A, y = instance()
    np.testing.assert_allclose(gradient_flow(A, y, HadamardPower(3), alpha=0.3, times=[0]).x, 0.027)


@pytest.mark.parametrize("alpha", [1e-12, 1e-50, 1e-100])
def test_tiny_start_at_depth_two(alpha):
    A, y = instance()
    model = SignedHadamardPower(2)
    result = gradient_flow(A, y, model, alpha=alpha)
    assert result.converged
    np.testing.assert_allclose(result.x, flow_limit(A, y, model, alpha=alpha).x, atol=1e-6)


FORMS = [np.asfortranarray, csr_array, aslinearoperator, np.ndarray.tolist]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("model", [HadamardPower(3), SignedHadamardPower(2)], ids=repr)
def test_form_of_the_matrix_does_not_matter(form, model):
    A, y = instance()
    expected = gradient_flow(A, y, model, alpha=0.3, times=TIMES).path.x
    # Another order of the sums is another rounding, which the integrator may answer with another step.
    np.testing.assert_allclose(gradient_flow(form(A), y, model, alpha=0.3, times=TIMES).path.x, expected, atol=1e-5)


@models
def test_float32_stays_float32(model):
    A, y = instance()
    result = gradient_flow(A.astype(np.float32), y, model, alpha=0.3, times=TIMES)
    assert result.x.dtype == result.path.x.dtype == np.float32
    np.testing.assert_allclose(result.path.x, gradient_flow(A, y, model, alpha=0.3, times=TIMES).path.x, atol=1e-4)


@functools.cache
def plain(signed, depth, weight_decay=0.0, times=tuple(TIMES)):
    """The path with which many others are compared."""
    model = (SignedHadamardPower if signed else HadamardPower)(depth)
    return gradient_flow(*instance(), model, alpha=0.3, weight_decay=weight_decay, times=times).path.x


@settings(max_examples=20)
@given(
    a=st.sampled_from([1e-90, 1e-3, 1.0, 1e5, 1e90]),
    b=st.sampled_from([1e-90, 1e-3, 1.0, 1e5, 1e90]),
    signed=st.booleans(),
    depth=st.sampled_from([2, 3]),
)
def test_units_do_not_matter(a, b, signed, depth):
    """x scales by b/a, and time by 1 / (a b (b/a)^(1-2/L)), if the start does."""
    A, y = instance()
    model, unit = (SignedHadamardPower if signed else HadamardPower)(depth), b / a
    clock = a * b * unit ** (1 - 2 / depth)
    scaled = gradient_flow(a * A, b * y, model, alpha=0.3 * unit ** (1 / depth), times=TIMES / clock)
    np.testing.assert_allclose(scaled.x / unit, plain(signed, depth)[-1], atol=1e-5)


@settings(max_examples=10)
@given(order=st.permutations(range(6)), flips=st.lists(st.sampled_from([1.0, -1.0]), min_size=6, max_size=6))
def test_permuted_and_reflected_columns(order, flips):
    A, y = instance()
    for model, matrix, expected in (
        (HadamardPower(3), A[:, order], plain(False, 3)[-1][order]),
        (SignedHadamardPower(3), A * flips, plain(True, 3)[-1] * flips),
    ):
        np.testing.assert_allclose(gradient_flow(matrix, y, model, alpha=0.3, times=TIMES).x, expected, atol=1e-5)


@models
def test_zero_columns_and_duplicate_rows(model):
    A, y = instance()
    expected = gradient_flow(A, y, model, alpha=0.3).x
    wide = gradient_flow(np.c_[A, np.zeros(3)], y, model, alpha=0.3).x
    np.testing.assert_allclose(wide[:6], expected, atol=1e-6)
    assert wide[6] == pytest.approx(0.3**model.depth if model.nonnegative else 0)
    np.testing.assert_allclose(gradient_flow(np.vstack([A, A]), np.r_[y, y], model, alpha=0.3).x, expected, atol=1e-6)


def test_more_rows_than_columns():
    rng = np.random.default_rng(0)
    A, y = rng.standard_normal((8, 3)), rng.standard_normal(8)
    x = gradient_flow(A, y, SignedHadamardPower(2), alpha=0.3).x
    np.testing.assert_allclose(x, minimum_norm(A, y), atol=1e-6)


def test_an_ordinary_flow_warns_of_nothing():
    A, y = instance()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for depth in (2, 3, 4):
            for alpha in (1e-3, 0.5, 10.0):
                gradient_flow(A, y, SignedHadamardPower(depth), alpha=alpha)


def test_an_integrator_without_progress_is_stopped(monkeypatch):
    monkeypatch.setattr("implicit_bias.flow.MAX_EVALUATIONS", 10)
    A, y = instance()
    with pytest.warns(RuntimeWarning, match="no progress after 10 evaluations"):
        result = gradient_flow(A, y, HadamardPower(2), alpha=0.1)
    assert not result.converged
    np.testing.assert_allclose(result.x, 0.01, rtol=1e-3)  # the path goes as far as ten evaluations lead


def uniform_problem(seed, m, n):
    rng = np.random.default_rng(seed)
    A = rng.random((m, n))
    return A, A @ rng.random(n)


@pytest.mark.parametrize("model", [HadamardPower(6), SignedHadamardPower(6), HadamardPower(2)], ids=repr)
def test_the_end_of_a_flow_is_not_searched_inside_of_a_step(model):
    """The event of SciPy raised an error of its own root search on about one of thirty such flows."""
    for seed in range(8):
        A, y = uniform_problem(seed, 12, 25)
        flow, limit = gradient_flow(A, y, model, alpha=0.5), flow_limit(A, y, model, alpha=0.5)
        assert limit.converged and flow.converged
        np.testing.assert_allclose(flow.x, limit.x, atol=1e-4 * np.max(np.abs(limit.x)))


def test_a_small_residual_is_not_the_end():
    """The residual is small from a third of the way on, in a row of small size that says all about the difference."""
    A, y = [[1.0, 1.0], [0.0, 1e-5]], [1.0, 0.75e-5]
    for model in (HadamardPower(2), SignedHadamardPower(2)):
        flow = gradient_flow(A, y, model, alpha=0.7)
        assert flow.converged
        np.testing.assert_allclose(flow.x, [0.25, 0.75], atol=1e-6)
        early = gradient_flow(A, y, model, alpha=0.7, times=[100.0])
        assert not early.converged and early.optimality > 0.1
        np.testing.assert_allclose(early.x, [0.5, 0.5], atol=1e-2)


@pytest.mark.parametrize("model", [HadamardPower(2), HadamardPower(3), SignedHadamardPower(3)], ids=repr)
def test_the_size_of_a_row_does_not_decide_when_a_flow_ends(model):
    A, y = instance()
    rows = np.array([1.0, 1e-3, 1e3])
    flow, limit = gradient_flow(rows[:, None] * A, rows * y, model, alpha=0.5), flow_limit(A, y, model, alpha=0.5)
    assert flow.converged
    np.testing.assert_allclose(flow.x, limit.x, atol=1e-5)


# --- The accelerated flow ---


def followed_in_mirror_coordinates(A, y, model, alpha, times):
    """`X` by an explicit integrator of the pair of equations as they stand, from a time soon after zero."""
    n = A.shape[1]
    x0 = model.value(model.start(alpha, n))

    def velocity(t, state):
        X, theta = np.split(state, 2)
        return np.concatenate([2 / t * (model.inverse_mirror_map(theta, alpha) - X), -t / 2 * A.T @ (A @ X - y)])

    start = np.r_[x0, model.mirror_map(x0, alpha)]
    run = solve_ivp(velocity, (1e-6, times[-1]), start, "DOP853", np.maximum(times, 1e-6), rtol=1e-8, atol=1e-10)
    return run.y[:n].T


@models
@pytest.mark.parametrize("alpha", [0.1, 0.7, np.linspace(0.2, 0.6, 6)], ids=["small", "large", "non-uniform"])
def test_path_of_the_accelerated_flow(model, alpha):
    A, y = instance()
    times = np.array([0.0, 0.01, 0.5, 2.0, 2.5, 5.0])
    result = accelerated_flow(A, y, model, alpha=alpha, times=times)
    np.testing.assert_array_equal(result.path.times, times)
    np.testing.assert_allclose(result.path.x, followed_in_mirror_coordinates(A, y, model, alpha, times), atol=2e-4)
    np.testing.assert_allclose(result.path.loss, np.sum((result.path.x @ A.T - y) ** 2, axis=1) / 2)
    np.testing.assert_array_equal(result.x, result.path.x[-1])


def test_accelerated_flow_of_one_number_far_out_is_a_bessel_function():
    """Where u and v hardly move, X'' + 3/t X' = -speed (X - y) / 1: the solution is y (1 - 2 J_1(c t) / (c t))."""
    alpha, times = 1e3, np.array([0.0, 1.0, 3.0, 10.0, 30.0])
    speed = 2 * 4 * alpha**2
    x = accelerated_flow([[1.0]], [1.0], SignedHadamardPower(2), alpha=alpha, times=times / np.sqrt(speed)).path.x[:, 0]
    safe = np.maximum(times, 1e-9)
    np.testing.assert_allclose(x, 1 - 2 * j1(safe) / safe, atol=1e-4)


def test_accelerated_flow_that_has_not_arrived_says_so():
    A, y = instance()
    result = accelerated_flow(A, y, SignedHadamardPower(2), alpha=0.5, times=[1.0])
    assert not result.converged and result.optimality > 1e-3
    assert "up to time 1;" in result.message


def test_accelerated_flow_at_its_start():
    A, y = instance()
    for times in ([0], [0, 1e-30], [1e-30]):
        np.testing.assert_allclose(accelerated_flow(A, y, HadamardPower(3), alpha=0.3, times=times).path.x, 0.027)
    at_rest = accelerated_flow(A, A @ np.full(6, 0.09), HadamardPower(2), alpha=0.3, times=[0, 10])
    np.testing.assert_allclose(at_rest.path.x, 0.09)
    assert at_rest.converged


@pytest.mark.parametrize("form", FORMS)
def test_form_of_the_matrix_does_not_matter_to_the_accelerated_flow(form):
    A, y = instance()
    expected = accelerated_flow(A, y, HadamardPower(2), alpha=0.3, times=TIMES).path.x
    found = accelerated_flow(form(A), y, HadamardPower(2), alpha=0.3, times=TIMES)
    np.testing.assert_allclose(found.path.x, expected, atol=1e-5)
    float32 = accelerated_flow(A.astype(np.float32), y, HadamardPower(2), alpha=0.3, times=TIMES)
    assert float32.path.x.dtype == np.float32
    np.testing.assert_allclose(float32.path.x, expected, atol=1e-4)


@pytest.mark.parametrize("a, b", [(1e-90, 1.0), (1.0, 1e-90), (1e90, 1e5), (1e-3, 1e3)])
@pytest.mark.parametrize("model", [HadamardPower(2), SignedHadamardPower(3)], ids=repr)
def test_units_do_not_matter_to_the_accelerated_flow(a, b, model):
    A, y = instance()
    unit = b / a
    clock = np.sqrt(a * b * unit ** (1 - 2 / model.depth))
    scaled = accelerated_flow(a * A, b * y, model, alpha=0.3 * unit ** (1 / model.depth), times=TIMES / clock)
    expected = accelerated_flow(A, y, model, alpha=0.3, times=TIMES)
    np.testing.assert_allclose(scaled.path.x / unit, expected.path.x, atol=1e-4)


@pytest.mark.parametrize("options", [{"times": [1e99]}, {"times": [1e50, 1e99], "weight_decay": 0.1}])
def test_an_integrator_that_does_not_reach_the_first_of_the_times(options):
    A, y = instance()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.warns(RuntimeWarning, match="stopped at time"):
            result = gradient_flow(A, y, HadamardPower(2), alpha=0.1, **options)
    assert not result.converged and np.all(np.isfinite(result.path.x)) and "successfully" not in result.message
    assert len(result.path.times) == len(result.path.x)


def test_an_accelerated_flow_without_progress_is_stopped(monkeypatch):
    A, y = instance()
    monkeypatch.setattr("implicit_bias.flow.MAX_EVALUATIONS", 10)
    for times in ([1.0], [0.0, 1.0]):
        with pytest.warns(RuntimeWarning, match="accelerated_flow: .* no progress after 10 evaluations"):
            result = accelerated_flow(A, y, HadamardPower(2), alpha=0.1, times=times)
        assert not result.converged
        np.testing.assert_allclose(result.path.x, [[0.01] * 6])


# --- Weight decay


def decayed_in_the_weights(A, y, model, alpha, weight_decay, times):
    start = model.start(alpha, A.shape[1])

    def velocity(t, w):
        w = w.reshape(start.shape)
        return (-model.pullback(w, A.T @ (A @ model.value(w) - y)) - weight_decay * w).ravel()

    with np.errstate(over="ignore", invalid="ignore"):  # a step that is refused
        run = solve_ivp(velocity, (0, times[-1]), start.ravel(), "LSODA", times, rtol=1e-11, atol=1e-13)
    return np.array([model.value(w.reshape(start.shape)) for w in run.y.T])


@models
@pytest.mark.parametrize("alpha", [0.1, 1.5, np.linspace(0.2, 0.6, 6)], ids=["small", "large", "non-uniform"])
@pytest.mark.parametrize("weight_decay", [1e-3, 0.5])
def test_path_with_decay_is_that_of_the_weights(model, alpha, weight_decay):
    A, y = instance()
    times = np.array([0.0, 0.05, 0.2, 1.0, 8.0])
    path = gradient_flow(A, y, model, alpha=alpha, weight_decay=weight_decay, times=times).path
    expected = decayed_in_the_weights(A, y, model, alpha, weight_decay, times)
    np.testing.assert_allclose(path.x, expected, atol=1e-5 * np.max(np.abs(expected)))
    np.testing.assert_allclose(path.loss, np.sum((path.x @ A.T - y) ** 2, axis=1) / 2)


@pytest.mark.parametrize("alpha", [1e-6, 0.5, 1e3])
@pytest.mark.parametrize("weight_decay", [1e-4, 0.1, 3.0, 100.0])
@pytest.mark.parametrize("signed", [False, True])
def test_flow_with_decay_ends_at_the_lasso(alpha, weight_decay, signed):
    A, y = instance(m=4, n=7)
    model = (SignedHadamardPower if signed else HadamardPower)(2)
    result = gradient_flow(A, y, model, alpha=alpha, weight_decay=weight_decay)
    assert result.converged and result.optimality <= 1e-10
    g = A.T @ (A @ result.x - y)  # the conditions of the lasso with the parameter weight_decay / 2, written out
    level, size = weight_decay / 2, np.max(np.abs(A.T @ y))
    assert np.max(np.abs(g) if signed else -g) <= level + 1e-4 * size
    assert np.max(np.abs(result.x * (g + level * np.sign(result.x)))) <= 1e-4 * size


@pytest.mark.parametrize("model", [HadamardPower(3), SignedHadamardPower(3), SignedHadamardPower(4)], ids=repr)
@pytest.mark.parametrize("alpha", [0.01, 0.5, 5.0])
@pytest.mark.parametrize("weight_decay", [0.01, 1.0, 100.0])
def test_deep_flow_with_decay_ends_at_a_stationary_point(model, alpha, weight_decay):
    A, y = instance(m=4, n=7)
    result = gradient_flow(A, y, model, alpha=alpha, weight_decay=weight_decay)
    assert result.converged
    size, L = np.abs(result.x), model.depth
    pull = L * size ** (1 - 2 / L) * (A.T @ (A @ result.x - y)) * np.sign(result.x)
    awake = size > 1e-9
    np.testing.assert_allclose(pull[awake], -weight_decay, rtol=1e-4)


def test_a_plateau_of_grokking_is_not_the_end():
    """Long fitted, far from the lasso: what counts without decay is zero there."""
    A, y = instance()
    for model in (SignedHadamardPower(2), SignedHadamardPower(3)):
        result = gradient_flow(A, y, model, alpha=30.0, weight_decay=1e-4, times=[100.0])
        assert np.linalg.norm(A @ result.x - y) < 1e-5 * np.linalg.norm(y)
        assert not result.converged and result.optimality > 1e-5


def test_decay_of_a_very_long_time_stays_finite():
    A, y = instance()
    for model in (SignedHadamardPower(2), HadamardPower(2), SignedHadamardPower(3)):
        result = gradient_flow(A, y, model, alpha=1.0, weight_decay=0.3, times=[0.0, 1e4])
        assert np.all(np.isfinite(result.path.x)) and len(result.path.x) == 2
        assert result.converged


@settings(max_examples=20, deadline=None)
@given(a=st.sampled_from([1e-20, 1e-3, 1e5]), b=st.sampled_from([1e-20, 1e2, 1e15]), depth=st.sampled_from([2, 3]))
def test_units_do_not_matter_with_decay(a, b, depth):
    """A and y in other units: the flow of the scaled weights in another time."""
    A, y = instance()
    model, times = SignedHadamardPower(depth), np.array([0.1, 1.0, 5.0])
    unit, clock = b / a, a * b * (b / a) ** (1 - 2 / depth)
    scaled = gradient_flow(
        a * A, b * y, model, alpha=0.3 * unit ** (1 / depth), weight_decay=0.1 * clock, times=times / clock
    ).path.x
    np.testing.assert_allclose(scaled / unit, plain(True, depth, 0.1, tuple(times)), atol=1e-5)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("depth", [2, 3])
def test_form_of_the_matrix_does_not_matter_with_decay(form, depth):
    A, y = instance()
    options = {"alpha": 0.3, "weight_decay": 0.1, "times": TIMES}
    expected = gradient_flow(A, y, SignedHadamardPower(depth), **options).path.x
    np.testing.assert_allclose(
        gradient_flow(form(A), y, SignedHadamardPower(depth), **options).path.x, expected, atol=1e-5
    )


# --- Groups

GROUPS = GroupHadamard([0, 1, 0, 2, 1, 2])
DECAYS = pytest.mark.parametrize("weight_decay", [0.0, 1e-3, 0.5])


@pytest.mark.parametrize("alpha", [1e-3, 0.3, 3.0])
@DECAYS
def test_path_of_groups_is_that_of_the_weights(alpha, weight_decay):
    A, y = instance()
    times = np.r_[0, np.geomspace(1e-3, 20, 12)]
    path = gradient_flow(A, y, GROUPS, alpha=alpha, weight_decay=weight_decay, times=times).path
    n = len(GROUPS.groups)
    which = (np.arange(GROUPS.number)[:, None] == GROUPS.groups).astype(float)

    def velocity(t, w):
        u, v = w[:-n], w[-n:]
        g = A.T @ (A @ (u[GROUPS.groups] * v) - y)
        return np.concatenate([-which @ (v * g), -u[GROUPS.groups] * g]) - weight_decay * w

    start = np.r_[np.full(GROUPS.number, alpha), np.zeros(n)]
    run = solve_ivp(velocity, (0, times[-1]), start, "LSODA", times, rtol=1e-11, atol=1e-14)
    expected = run.y[:-n].T[:, GROUPS.groups] * run.y[-n:].T
    np.testing.assert_allclose(path.x, expected, atol=1e-6 * np.max(np.abs(expected)))
    np.testing.assert_allclose(path.loss, np.sum((path.x @ A.T - y) ** 2, axis=1) / 2)


@DECAYS
def test_groups_of_one_entry_are_the_signed_model(weight_decay):
    """A product of two factors is a difference of squares, at half of the scale and in twice the time."""
    A, y = instance()
    times = np.r_[0, np.geomspace(1e-2, 50, 10)]
    single = gradient_flow(A, y, GroupHadamard(range(6)), alpha=0.4, weight_decay=weight_decay, times=times).path.x
    signed = gradient_flow(
        A, y, SignedHadamardPower(2), alpha=0.2, weight_decay=2 * weight_decay, times=times / 2
    ).path.x
    np.testing.assert_allclose(single, signed, atol=1e-4 * np.max(np.abs(signed)))


@pytest.mark.parametrize("alpha", [1e-6, 0.5, 30.0])
@pytest.mark.parametrize("weight_decay", [1e-3, 0.1, 100.0])
def test_groups_end_at_the_group_lasso(alpha, weight_decay):
    rng = np.random.default_rng(0)
    A, y, groups = rng.standard_normal((4, 9)), rng.standard_normal(4), np.repeat([0, 1, 2], 3)
    result = gradient_flow(A, y, GroupHadamard(groups), alpha=alpha, weight_decay=weight_decay)
    assert result.converged and result.optimality <= 1e-10
    expected = group_lasso(A, y, groups, weight_decay).x
    np.testing.assert_allclose(result.x, expected, atol=1e-4 * max(np.max(np.abs(expected)), 1e-3))


def test_groups_without_decay_end_at_a_solution():
    A, y = instance()
    result = gradient_flow(A, y, GROUPS, alpha=1e-2)
    assert result.converged and "certificate" in result.measured_by
    assert np.linalg.norm(A @ result.x - y) < 1e-6 * np.linalg.norm(y)
    early = gradient_flow(A, y, GROUPS, alpha=1e-2, times=[0.1])
    assert not early.converged and early.optimality > 1e-3


def test_a_tiny_start_of_groups_wakes_up_in_time():
    times, alpha = np.array([20.0, 40.0, 60.0]), 1e-8
    path = gradient_flow(np.eye(2), [1.0, 0.0], GroupHadamard([0, 0]), alpha=alpha, times=times).path.x
    # Along one direction u^2 - v^2 = alpha^2 and x = alpha^2 / 2 sinh(2 s) with ds/dt = 1 - x, a logistic equation.
    with np.errstate(over="ignore"):  # a step that is refused
        run = solve_ivp(
            lambda t, s: 1 - alpha**2 / 2 * np.sinh(2 * s), (0, 60), [0.0], "Radau", times, rtol=1e-11, atol=1e-12
        )
    np.testing.assert_allclose(path[:, 0], alpha**2 / 2 * np.sinh(2 * run.y[0]), rtol=1e-5)


@pytest.mark.parametrize("form", FORMS)
@DECAYS
def test_form_and_units_do_not_matter_for_groups(form, weight_decay):
    A, y = instance()
    expected = gradient_flow(A, y, GROUPS, alpha=0.3, weight_decay=weight_decay, times=TIMES).path.x
    options = {"alpha": 0.3 * 1e-4, "weight_decay": weight_decay * 1e3 * 1e-5, "times": TIMES / (1e3 * 1e-5)}
    found = gradient_flow(form(1e3 * A), 1e-5 * y, GROUPS, **options).path.x
    np.testing.assert_allclose(found / 1e-8, expected, atol=1e-5)


def test_jacobian_of_groups_is_the_derivative_of_the_velocity():
    from implicit_bias.flow import _Groups

    A, y = instance()
    flow, rng = _Groups(A, y, GROUPS, np.float64(0.3), 0.2), np.random.default_rng(1)
    for size in (1e-5, 1e-2, 1.0, 3.0):
        s = size * rng.standard_normal(6)
        steps = 1e-4 * size * np.eye(6)
        expected = np.array([(flow.velocity(0.3, s + h) - flow.velocity(0.3, s - h)) / (2e-4 * size) for h in steps]).T
        np.testing.assert_allclose(flow.jacobian(0.3, s), expected, atol=1e-4 * np.max(np.abs(expected)))


@pytest.mark.parametrize("seed", range(24))
def test_groups_of_any_size_end_where_the_conditions_of_the_group_lasso_hold(seed):
    """Zero, equal and very different columns, rows that repeat, data out of reach; any units, starts and decays."""
    rng = np.random.default_rng(seed)
    m, n = rng.integers(1, 8), rng.integers(2, 12)
    A = rng.standard_normal((m, n))
    A[:, 0] = [A[:, 1], 0 * A[:, 1], A[:, 0], A[:, 0]][seed % 4]
    A[-1] = A[0] if seed % 3 else A[-1]
    A *= 10 ** rng.uniform(-2, 2, n) if seed % 5 == 0 else 1
    A, y = A * 10.0 ** rng.integers(-20, 20), rng.standard_normal(m) * 10.0 ** rng.integers(-10, 10)
    groups = np.unique(rng.integers(0, max(1, n // 2), n), return_inverse=True)[1]
    sizes = np.max(np.abs(A)), np.max(np.abs(y))
    alpha = np.sqrt(sizes[1] / sizes[0]) * 10 ** rng.uniform(-9, 2)
    decay = sizes[0] * sizes[1] * 10 ** rng.uniform(-4, 1)
    result = gradient_flow(A, y, GroupHadamard(groups), alpha=alpha, weight_decay=decay)
    assert result.converged
    g, steepest = A.T @ (A @ result.x - y), np.linalg.norm(A.T @ y)
    for group in range(groups.max() + 1):
        own, x = g[groups == group], result.x[groups == group]
        assert np.linalg.norm(own) <= decay + 1e-4 * steepest
        assert np.linalg.norm(np.linalg.norm(x) * own + decay * x) <= 1e-4 * steepest * (np.linalg.norm(result.x) or 1)
