"""Gradient descent: its steps, its options, its record, and what must not change its result."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from implicit_bias import (
    GroupHadamard,
    HadamardPower,
    Linear,
    MatrixProduct,
    SignedHadamardPower,
    SymmetricProduct,
    gradient_descent,
)
from implicit_bias.measures import certificate
from implicit_bias.problems import matrix_target, separable
from scipy.optimize import approx_fprime, minimize
from scipy.sparse import csr_array, eye_array
from scipy.sparse.linalg import aslinearoperator

models = pytest.mark.parametrize(
    "model", [power(depth) for power in (HadamardPower, SignedHadamardPower) for depth in (2, 2.5, 3)], ids=repr
)
SIGNED = SignedHadamardPower(2)


def instance(seed=0, m=3, n=6):
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((m, n))
    return A, A @ rng.uniform(0.5, 1.5, n)


def run(A, y, model, steps=200, **options):
    return gradient_descent(A, y, model, **{"alpha": 0.3, "tol": 0, "max_iterations": steps, **options})


@models
def test_one_step(model):
    A, y = instance()
    weights = model.start(0.3, 6)
    expected = weights - 0.01 * model.pullback(weights, A.T @ (A @ model.value(weights) - y))
    np.testing.assert_allclose(run(A, y, model, 1, step_size=0.01).weights, expected)


def test_momentum_is_the_heavy_ball():
    A, y = instance()
    one, two, three = (run(A, y, SIGNED, k, step_size=0.01, momentum=0.7).weights for k in (1, 2, 3))
    gradient = SIGNED.pullback(two, A.T @ (A @ SIGNED.value(two) - y))
    np.testing.assert_allclose(three, two - 0.01 * gradient + 0.7 * (two - one))


@models
def test_default_step_descends_and_converges(model):
    A, y = instance()
    result = gradient_descent(A, y, model, alpha=0.3, max_iterations=50_000)
    assert result.converged
    assert result.optimality <= 1e-8
    assert "certificate" in result.measured_by
    assert "fell below" in result.message
    assert np.all(np.diff(result.path.loss) < 0)
    np.testing.assert_allclose(A @ result.x, y, atol=1e-7)


@models
def test_large_start_is_safe_by_default(model):
    A, y = instance()
    result = run(A, y, model, alpha=30)
    assert np.all(np.diff(result.path.loss) <= 1e-12 * result.path.loss[0])


def test_momentum_is_faster():
    A, y = instance()
    plain, heavy = (gradient_descent(A, y, SIGNED, alpha=0.3, momentum=momentum) for momentum in (0.0, 0.8))
    assert heavy.converged
    assert heavy.iterations < 0.5 * plain.iterations


@models
def test_stack_equals_single_runs(model):
    A, y = instance()
    alphas = [0.1, 0.5, 2.0]
    stack = run(A, y, model, alpha=np.reshape(alphas, (3, 1)))
    assert stack.x.shape == (3, 6)
    assert stack.path.x.shape[1:] == (3, 6)
    assert stack.path.times.shape == stack.path.loss.shape == (len(stack.path.iterations), 3)
    for k, alpha in enumerate(alphas):
        single = run(A, y, model, alpha=alpha)
        np.testing.assert_allclose(stack.x[k], single.x, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(stack.path.times[:, k], single.path.times, rtol=1e-12)
        np.testing.assert_allclose(stack.path.loss[:, k], single.path.loss, rtol=1e-8, atol=1e-12)


FORMS = [np.asfortranarray, csr_array, aslinearoperator, np.ndarray.tolist, lambda A: A[::-1][::-1]]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("alpha", [0.3, [[0.3], [0.1]]])
def test_form_of_the_matrix_does_not_matter(form, alpha):
    A, y = instance()
    options = {"step_size": 0.01, "alpha": alpha}
    np.testing.assert_allclose(run(form(A), y, SIGNED, **options).x, run(A, y, SIGNED, **options).x, rtol=1e-10)


def test_integers():
    A, y = [[1, 2, 0], [0, 1, 3]], [3, 4]
    result = run(A, y, SIGNED, alpha=1)
    assert result.x.dtype == np.float64
    np.testing.assert_array_equal(result.x, run(np.array(A, float), np.array(y, float), SIGNED, alpha=1.0).x)


@pytest.mark.parametrize("form", [np.array, csr_array, aslinearoperator])
@pytest.mark.parametrize("options", [{}, {"momentum": 0.5}, {"step_size": 0.01}, {"alpha": [[0.1], [0.3]]}])
def test_float32_stays_float32(form, options):
    A, y = instance()
    result = run(form(A.astype(np.float32)), y, SIGNED, **options)
    assert result.x.dtype == result.weights.dtype == result.path.x.dtype == np.float32
    np.testing.assert_allclose(result.x, run(form(A), y, SIGNED, **options).x, atol=1e-3)


@settings(max_examples=15)
@given(
    a=st.sampled_from([1e-90, 1e-3, 1.0, 1e5, 1e90]),
    b=st.sampled_from([1e-90, 1e-3, 1.0, 1e5, 1e90]),
    signed=st.booleans(),
    depth=st.sampled_from([2, 2.5, 3]),
)
def test_units_do_not_matter(a, b, signed, depth):
    """With A -> a A and y -> b y the iterates scale by b/a, if the start does."""
    A, y = instance()
    model, unit = (SignedHadamardPower if signed else HadamardPower)(depth), b / a
    scaled, plain = run(a * A, b * y, model, 100, alpha=0.3 * unit ** (1 / depth)), run(A, y, model, 100)
    np.testing.assert_allclose(scaled.x / unit, plain.x, rtol=1e-7, atol=1e-10)
    assert scaled.optimality == pytest.approx(plain.optimality, rel=1e-6)


@settings(max_examples=15)
@given(order=st.permutations(range(6)), flips=st.lists(st.sampled_from([1.0, -1.0]), min_size=6, max_size=6))
def test_permuted_and_reflected_columns(order, flips):
    A, y = instance()
    np.testing.assert_allclose(run(A[:, order], y, HadamardPower(3)).x, run(A, y, HadamardPower(3)).x[order], rtol=1e-8)
    np.testing.assert_allclose(run(A * flips, y, SIGNED).x, run(A, y, SIGNED).x * flips, rtol=1e-8)


def test_non_uniform_start():
    A, y = instance()
    alpha = np.linspace(0.1, 0.6, 6)
    result = run(A, y, HadamardPower(3), alpha=alpha)
    np.testing.assert_allclose(result.path.x[0], alpha**3)


# --- Stochastic gradients ---


@models
def test_seed_decides_the_run(model):
    A, y = instance()
    options = {"batch_size": 2, "step_size": 0.005}
    first, again, other = (run(A, y, model, seed=seed, **options).x for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.max(np.abs(first - other)) > 1e-6


@pytest.mark.parametrize("form", [np.array, csr_array])
def test_batch_of_all_rows_is_the_full_gradient(form):
    A, y = instance()
    full, batch = run(form(A), y, SIGNED), run(form(A), y, SIGNED, batch_size=3, seed=0)
    np.testing.assert_allclose(batch.x, full.x, rtol=1e-8)


def test_estimate_is_unbiased():
    """One step from the mean over many seeds is the step of the full gradient."""
    A, y = instance()
    steps = [run(A, y, SIGNED, 1, step_size=0.01, batch_size=1, seed=seed).weights for seed in range(3000)]
    full = run(A, y, SIGNED, 1, step_size=0.01).weights
    spread = np.std(steps, axis=0) / np.sqrt(len(steps))
    assert np.all(np.abs(np.mean(steps, axis=0) - full) < 4 * spread)


def test_stack_shares_its_rows():
    A, y = instance()
    options = {"batch_size": 1, "seed": 5, "step_size": 0.005}
    stack = run(A, y, SIGNED, alpha=[[0.1], [0.3]], **options)
    np.testing.assert_allclose(stack.x[1], run(A, y, SIGNED, alpha=0.3, **options).x, rtol=1e-9)


# --- The record ---


@pytest.mark.parametrize("steps, record", [(1, 1), (5, 100), (1000, 20), (1000, 1000), (17, 3)])
def test_recorded_iterations(steps, record):
    A, y = instance()
    path = run(A, y, SIGNED, steps, record=record, step_size=0.01).path
    assert path.iterations[0] == 0
    assert path.iterations[-1] == steps
    assert np.all(np.diff(path.iterations) > 0)
    assert len(path.iterations) <= record + 1 or record >= steps
    assert len(path.iterations) == steps + 1 or record < steps
    np.testing.assert_allclose(path.times, 0.01 * path.iterations)
    np.testing.assert_allclose(path.loss, np.sum((path.x @ A.T - y) ** 2, axis=1) / 2)


def test_record_does_not_change_the_run():
    A, y = instance()
    none, some = run(A, y, SIGNED, record=0), run(A, y, SIGNED, record=7)
    assert none.path is None
    np.testing.assert_array_equal(none.x, some.x)
    np.testing.assert_array_equal(some.path.x[-1], some.x)


def test_last_iterate_is_recorded_when_the_run_ends_early():
    A, y = instance()
    result = gradient_descent(A, y, SIGNED, alpha=0.3, tol=1e-4, record=5)
    assert result.path.iterations[-1] == result.iterations < 10_000


def test_no_iterations():
    A, y = instance()
    result = run(A, y, HadamardPower(2), 0)
    assert (result.iterations, result.converged) == (0, False)
    np.testing.assert_allclose(result.x, 0.09)
    assert "Stopped after 0" in result.message


def test_inputs_are_left_alone():
    A, y = instance()
    alpha = np.full(6, 0.3)
    before = A.copy(), y.copy(), alpha.copy()
    run(A, y, SIGNED, alpha=alpha)
    for array, copy in zip((A, y, alpha), before, strict=True):
        np.testing.assert_array_equal(array, copy)


# --- Divergence ---


@models
@pytest.mark.parametrize("form", [np.array, lambda A: A.astype(np.float32), csr_array])
def test_divergence_is_reported_and_never_nan(model, form):
    A, y = instance()
    with pytest.warns(RuntimeWarning, match="step size is too large for 1 of 1"):
        result = run(form(A), y, model, 10_000, step_size=10.0)
    assert not result.converged
    assert "Diverged" in result.message
    assert np.all(np.isfinite(result.x))
    assert np.all(np.isfinite(result.path.x))


def test_one_diverging_start_leaves_the_others_alone():
    A, y = instance()
    with pytest.warns(RuntimeWarning, match="1 of 2"):
        result = run(A, y, SIGNED, 300, step_size=0.02, alpha=[[0.3], [30.0]])
    assert np.all(np.isfinite(result.x))
    np.testing.assert_allclose(result.x[0], run(A, y, SIGNED, 300, step_size=0.02).x, rtol=1e-9)


@pytest.mark.filterwarnings("ignore:gradient_descent")
@pytest.mark.parametrize(("other", "steps"), [(1e-6, 100), (30.0, 10_000)], ids=["not yet there", "diverged"])
def test_beside_a_start_that_does_not_arrive_the_certificate_counts(other, steps):
    A, y = instance()
    result = run(A, y, SIGNED, steps, step_size=0.02, alpha=[[0.3], [other]], tol=0.02)
    first = certificate(A, y, result.x[0])
    assert first.kkt_residual <= 0.02 and not result.converged
    assert result.optimality[0] == pytest.approx(first.optimality)


def test_an_ordinary_run_warns_of_nothing():
    A, y = instance()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(A, y, HadamardPower(3))
        run(np.c_[A, np.zeros(3)], y, SIGNED)


# --- Products of matrices ---

MATRICES = pytest.mark.parametrize(
    "matrices",
    [
        MatrixProduct((3, 4, 2), start="gaussian", seed=1),
        MatrixProduct((3, 2, 5, 2), start="balanced", seed=1),
        MatrixProduct((2, 2, 3)),
        SymmetricProduct(3, rank=2),
    ],
    ids=repr,
)


def matrix_instance(matrices, seed=0):
    """Random measurements of a matrix that the model can reach."""
    n = matrices.shape[0] * matrices.shape[1]
    A = np.random.default_rng(seed).standard_normal((4, n))
    return A, A @ matrices.value(matrices.start(1.2, n))


@MATRICES
def test_one_step_of_a_product(matrices):
    A, y = matrix_instance(matrices)
    w = matrices.start(0.5, A.shape[1])
    expected = w - 0.01 * matrices.pullback(w, A.T @ (A @ matrices.value(w) - y))
    np.testing.assert_allclose(run(A, y, matrices, 1, alpha=0.5, step_size=0.01).weights, expected, atol=1e-15)


@MATRICES
def test_default_step_of_a_product_descends_and_converges(matrices):
    A, y = matrix_instance(matrices)
    result = gradient_descent(A, y, matrices, alpha=0.8, max_iterations=50_000)
    assert result.converged
    assert np.all(np.diff(result.path.loss) < 0)


@MATRICES
@pytest.mark.parametrize("options", [{}, {"momentum": 0.5}, {"batch_size": 2, "seed": 3, "step_size": 0.005}])
def test_stack_of_products_equals_single_runs(matrices, options):
    A, y = matrix_instance(matrices)
    stack = run(A, y, matrices, alpha=[[0.1], [0.6]], **options)
    for k, alpha in enumerate((0.1, 0.6)):
        single = run(A, y, matrices, alpha=alpha, **options)
        np.testing.assert_allclose(stack.path.x[:, k], single.path.x, rtol=1e-7, atol=1e-11)
        np.testing.assert_allclose(stack.weights[k], single.weights, rtol=1e-7, atol=1e-11)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("alpha", [0.3, [[0.3], [0.1]]])
def test_identity_in_any_form(form, alpha):
    """The sparse identity is recognized and skipped: the same numbers."""
    problem, matrices = matrix_target([2.0, 1.0, -1.0], seed=0), MatrixProduct.square(3, 3)
    options = {"alpha": alpha, "step_size": 0.05}
    expected = run(problem.A, problem.y, matrices, **options)
    np.testing.assert_allclose(run(form(np.eye(9)), problem.y, matrices, **options).x, expected.x, atol=1e-13)


@pytest.mark.parametrize("A", [2 * eye_array(9), eye_array(9, k=1), eye_array(8, 9), csr_array(np.eye(9)[::-1])])
def test_what_is_nearly_the_identity_is_not_taken_for_it(A):
    matrices = MatrixProduct.square(3, 2)
    y = np.arange(1.0, A.shape[0] + 1)
    options = {"alpha": 0.5, "step_size": 0.01}
    np.testing.assert_allclose(run(A, y, matrices, **options).x, run(A.toarray(), y, matrices, **options).x, atol=1e-13)


def test_matrices_in_float32():
    problem, matrices = matrix_target([2.0, 1.0, -1.0], seed=0), MatrixProduct.square(3, 3)
    single = run(problem.A.astype("f"), problem.y, matrices, momentum=0.5)
    assert single.x.dtype == single.weights.dtype == single.path.x.dtype == np.float32
    np.testing.assert_allclose(single.x, run(problem.A, problem.y, matrices, momentum=0.5).x, atol=1e-4)


def test_divergence_of_a_product():
    problem, matrices = matrix_target([2.0, 1.0], seed=0), MatrixProduct.square(2, 3)
    with pytest.warns(RuntimeWarning, match="1 of 2"):
        result = run(problem.A, problem.y, matrices, alpha=[[0.3], [30.0]], step_size=0.02)
    assert np.all(np.isfinite(result.x))
    np.testing.assert_allclose(result.x[0], run(problem.A, problem.y, matrices, step_size=0.02).x, rtol=1e-9)


# --- The linear model and the logistic loss ---


def test_linear_model_is_plain_least_squares():
    A, y = instance()
    found = run(A, y, Linear(np.arange(6.0)), steps=5, alpha=0.5, step_size=0.05)
    b = 0.5 * np.arange(6)
    for _ in range(5):
        b = b - 0.05 * A.T @ (A @ b - y)
    np.testing.assert_allclose(found.x, b, atol=1e-13)
    np.testing.assert_array_equal(found.weights, found.x)


def test_default_step_of_the_linear_model():
    A, y = instance()
    step = run(A, y, Linear(), steps=1, record=1).path.times[-1]
    assert step == pytest.approx(1 / np.linalg.norm(A, 2) ** 2)


def test_linear_model_from_many_starts():
    A, y = instance()
    stack = run(A, y, Linear(np.ones(6)), alpha=np.array([[1.0], [10.0]]))
    single = [run(A, y, Linear(np.ones(6)), alpha=alpha).x for alpha in (1.0, 10.0)]
    np.testing.assert_allclose(stack.x, single, atol=1e-12)


CLASSES = separable(12, 4, seed=0, gap=0.5)


@pytest.mark.parametrize("model", [Linear(), HadamardPower(2), SIGNED, SignedHadamardPower(3)], ids=repr)
def test_logistic_step_is_along_the_gradient_of_the_loss(model):
    A, labels = CLASSES.A, CLASSES.y
    alpha = np.linspace(0.5, 0.8, 4)

    def loss(w):
        return np.sum(np.log1p(np.exp(-labels * (A @ model.value(w.reshape(start.shape))))))

    start = model.start(alpha, 4)
    found = run(A, labels, model, steps=1, alpha=alpha, step_size=0.01, loss="logistic", record=1)
    slope = approx_fprime(start.ravel(), loss, 1e-7).reshape(start.shape)
    np.testing.assert_allclose(found.weights, start - 0.01 * slope, atol=1e-7)
    np.testing.assert_allclose(found.path.loss, [loss(start), loss(found.weights)], rtol=1e-12)


@pytest.mark.parametrize("form", [np.array, csr_array, aslinearoperator])
def test_logistic_loss_falls_with_the_default_step(form):
    found = run(form(CLASSES.A), CLASSES.y, Linear(), steps=300, record=300, loss="logistic")
    assert np.all(np.diff(found.path.loss) < 0)
    assert np.diff(found.path.times)[0] == pytest.approx(4 / np.linalg.norm(CLASSES.A, 2) ** 2)
    assert np.all(CLASSES.y * (CLASSES.A @ found.x) > 0)


def test_logistic_descent_says_by_what_it_stopped():
    found = gradient_descent(CLASSES.A, CLASSES.y, Linear(), alpha=1, loss="logistic", tol=0.01)
    first = np.linalg.norm(CLASSES.A.T @ CLASSES.y / 2)
    slope = CLASSES.A.T @ (-CLASSES.y / (1 + np.exp(CLASSES.y * (CLASSES.A @ found.x))))
    assert found.converged and "gradient norm fell below 0.01" in found.message
    assert found.optimality == pytest.approx(np.linalg.norm(slope) / first)
    assert "gradient" in found.measured_by and "start" in found.measured_by


def test_logistic_minimum_of_classes_that_overlap():
    rng = np.random.default_rng(0)
    A, labels = rng.standard_normal((30, 3)), rng.choice([-1.0, 1.0], 30)
    found = gradient_descent(A, labels, Linear(), alpha=1, loss="logistic", tol=1e-10)
    assert found.converged
    expected = minimize(lambda x: np.sum(np.log1p(np.exp(-labels * (A @ x)))), np.zeros(3), tol=1e-12).x
    np.testing.assert_allclose(found.x, expected, atol=1e-5)


def test_logistic_loss_of_a_stack_and_of_batches():
    options = {"loss": "logistic", "steps": 50, "step_size": 0.05}
    stack = run(CLASSES.A, CLASSES.y, SIGNED, alpha=np.array([[0.2], [0.5]]), batch_size=4, seed=1, **options)
    single = run(CLASSES.A, CLASSES.y, SIGNED, alpha=0.5, batch_size=4, seed=1, **options)
    np.testing.assert_allclose(stack.x[1], single.x, atol=1e-13)
    everything = run(CLASSES.A, CLASSES.y, SIGNED, alpha=0.5, batch_size=12, seed=1, **options)
    np.testing.assert_allclose(everything.x, run(CLASSES.A, CLASSES.y, SIGNED, alpha=0.5, **options).x, atol=1e-12)


def test_logistic_loss_of_huge_predictions_stays_finite():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = run(1e4 * CLASSES.A, CLASSES.y, Linear(-CLASSES.x_true), alpha=1e3, steps=3, loss="logistic", record=3)
    assert np.all(np.isfinite(found.path.loss)) and found.path.loss[0] > 1e6


def test_float32_labels_stay_float32():
    found = run(CLASSES.A.astype(np.float32), CLASSES.y.astype(int), Linear(), steps=5, loss="logistic")
    assert found.x.dtype == np.float32


def test_a_small_residual_is_not_the_end():
    """The gradient is small where the residual is, in a row of small size that says all about the difference."""
    A, y = [[1.0, 1.0], [0.0, 1e-5]], [1.0, 0.75e-5]
    for model in (HadamardPower(2), SIGNED):
        result = gradient_descent(A, y, model, alpha=0.7, max_iterations=3000)
        assert np.linalg.norm(result.x - [0.25, 0.75]) > 0.3
        assert not result.converged and result.optimality > 1e-7


@pytest.mark.parametrize("seed", range(3))
def test_converged_bounds_the_loss(seed):
    """More rows than columns: the least loss is known."""
    rng = np.random.default_rng(seed)
    A, y = rng.standard_normal((9, 3)), rng.standard_normal(9)
    result = gradient_descent(A, y, SIGNED, alpha=0.3, max_iterations=50_000)
    least = np.linalg.lstsq(A, y)[1][0]
    assert result.converged
    assert np.sum((A @ result.x - y) ** 2) <= least * (1 + 1e-8)


# --- Noise of the labels ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [np.array, csr_array, aslinearoperator])
def test_label_noise_is_other_labels_in_each_step(form):
    """Each step is the one that descent without noise would take for these labels."""
    A, y = instance()
    noisy = run(form(A), y, SIGNED, 3, step_size=0.01, label_noise=0.5, seed=4)
    w, rng = SIGNED.start(0.3, A.shape[1]), np.random.default_rng(4)
    for _ in range(3):
        labels = y + 0.5 * rng.standard_normal(y.size)
        w = w - 0.01 * SIGNED.pullback(w, A.T @ (A @ SIGNED.value(w) - labels))
    np.testing.assert_allclose(noisy.weights, w, rtol=1e-12)


def test_label_noise_of_batches_and_of_stacks():
    A, y = instance()
    options = {"step_size": 0.005, "label_noise": 0.3, "seed": 1, "batch_size": 2}
    stack = run(A, y, SIGNED, 50, alpha=np.array([[0.2], [0.4]]), **options)
    for x, alpha in zip(stack.x, (0.2, 0.4), strict=True):
        np.testing.assert_allclose(run(A, y, SIGNED, 50, alpha=alpha, **options).x, x, rtol=1e-10)
    silent = run(A, y, SIGNED, 50, **{**options, "label_noise": 0.0})
    assert np.max(np.abs(silent.x - stack.x[0])) > 1e-4


def test_label_noise_does_not_come_to_rest():
    """Not even where the data are met at the start."""
    A = instance()[0]
    still = run(A, np.zeros(3), SIGNED, 100, step_size=0.005, label_noise=0.1, seed=0)
    assert still.iterations == 100 and not still.converged and np.any(still.x != 0)


# --- Weight decay


@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_steps_with_decay_are_those_of_the_penalized_loss(momentum):
    A, y = instance()
    model, eta, decay = SignedHadamardPower(3), 0.01, 0.3
    w, velocity = model.start(0.4, 6), 0.0

    def penalized(w):
        return np.sum((A @ model.value(w) - y) ** 2) / 2 + decay / 2 * np.sum(w**2)

    for _ in range(5):
        slope = np.empty_like(w)
        for place in np.ndindex(w.shape):
            e = np.zeros_like(w)
            e[place] = 1e-6
            slope[place] = (penalized(w + e) - penalized(w - e)) / 2e-6
        velocity = momentum * velocity - eta * slope
        w = w + velocity
    found = gradient_descent(
        A, y, model, alpha=0.4, step_size=eta, weight_decay=decay, momentum=momentum, max_iterations=5, tol=0.0
    )
    np.testing.assert_allclose(found.weights, w, atol=1e-8)


def test_descent_with_decay_ends_at_the_lasso_and_at_ridge():
    A, y = instance(m=4, n=7)
    result = gradient_descent(A, y, SIGNED, alpha=[[0.5], [0.1]], weight_decay=0.2, max_iterations=100_000)
    assert result.converged
    for x in result.x:
        g = A.T @ (A @ x - y)
        assert np.max(np.abs(g)) <= 0.1 + 1e-6
        np.testing.assert_allclose(x * (np.abs(g) - 0.1), 0, atol=1e-6)
    linear = gradient_descent(A, y, Linear(), alpha=1.0, weight_decay=0.2, max_iterations=100_000)
    ridge = np.linalg.solve(A.T @ A + 0.2 * np.eye(7), A.T @ y)
    assert linear.converged
    np.testing.assert_allclose(linear.x, ridge, atol=1e-6)


def test_a_fitted_model_with_decay_has_not_converged():
    """The gradient with respect to x is zero long before the weights have stopped to shrink."""
    A, y = instance()
    result = gradient_descent(A, y, SIGNED, alpha=20.0, weight_decay=1e-4, max_iterations=3000)
    assert np.linalg.norm(A @ result.x - y) < 1e-3 * np.linalg.norm(y)
    assert not result.converged and np.all(result.optimality > 0.1)


def test_zero_weights_are_the_end_of_a_large_decay():
    A, y = instance()
    for model in (SIGNED, SignedHadamardPower(3), Linear()):
        result = gradient_descent(A, y, model, alpha=1.0, weight_decay=1e3, max_iterations=20_000)
        assert result.converged
        assert np.max(np.abs(result.x)) < 0.1


def test_groups_are_pulled_back_and_end_at_the_group_lasso():
    A, y = instance(m=5, n=6)
    groups = np.array([1, 0, 1, 2, 0, 2])
    model = GroupHadamard(groups)
    w, rng = np.random.default_rng(1).standard_normal(9), np.random.default_rng(2)
    gradient = rng.standard_normal(6)
    slope = [gradient @ (model.value(w + e) - model.value(w - e)) / 2e-6 for e in 1e-6 * np.eye(9)]
    np.testing.assert_allclose(model.pullback(w, gradient), slope, atol=1e-8)
    penalty = 0.3 * np.linalg.norm(A.T @ y)
    result = gradient_descent(A, y, model, alpha=[[0.7], [0.2]], weight_decay=penalty, max_iterations=200_000)
    assert result.converged
    for x in result.x:
        for g in range(3):  # the conditions of the group lasso
            own = groups == g
            pull, size = A.T[own] @ (y - A @ x), np.linalg.norm(x[own])
            assert np.linalg.norm(pull) <= penalty * (1 + 1e-5)
            np.testing.assert_allclose(pull * size, penalty * x[own], atol=1e-5 * penalty)
        assert any(np.linalg.norm(x[groups == g]) < 1e-6 for g in range(3))
