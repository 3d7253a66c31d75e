"""The limit of the flow by its optimality conditions, the bound by its properties, the plateaus by hand."""

import math
import warnings
from decimal import Decimal, localcontext
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from implicit_bias import (
    HadamardPower,
    SignedHadamardPower,
    descent_limit,
    flow_limit,
    gradient_descent,
    l1_bound,
    label_noise_flow,
    minimum_norm,
    saddle_to_saddle,
)
from implicit_bias.measures import kkt_residual, sharpness
from implicit_bias.problems import sparse_recovery
from scipy.integrate import quad_vec
from scipy.linalg import null_space
from scipy.optimize import linprog
from scipy.sparse import csr_array
from scipy.sparse.linalg import aslinearoperator

from tests.lib.trials import KINDS
from tests.lib.trials_of_flows import complaints
from tests.shared import sparse_rows

MODELS = [power(depth) for power in (HadamardPower, SignedHadamardPower) for depth in (2, 2.5, 3, 4)]
models = pytest.mark.parametrize("model", MODELS, ids=repr)


def instance(seed=0, m=3, n=6):
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((m, n))
    return A, A @ rng.uniform(0.5, 1.5, n)


@settings(max_examples=60)
@given(model=st.sampled_from(MODELS), seed=st.integers(0, 1000), exponent=st.floats(-1, 0.3))
def test_optimality_conditions(model, seed, exponent):
    """Feasible, and grad h(x) - grad h(x(0)) is in the range of the transpose."""
    A, y = instance(seed)
    alpha = 10**exponent
    result = flow_limit(A, y, model, alpha=alpha)
    assert result.converged
    np.testing.assert_allclose(A @ result.x, y, atol=1e-9 * np.max(np.abs(A)) * np.sum(np.abs(result.x)))
    assert not model.nonnegative or np.all(result.x > 0)
    x0 = model.value(model.start(alpha, 6))
    dual = model.mirror_map(result.x, alpha) - model.mirror_map(x0, alpha)
    assert np.max(np.abs(null_space(A).T @ dual)) < 1e-6 * max(1, np.max(np.abs(dual)))


@settings(max_examples=60)
@given(model=st.sampled_from(MODELS), seed=st.integers(0, 1000), exponent=st.floats(-12, 2))
def test_converges_at_every_scale(model, seed, exponent):
    A, y = instance(seed, 8, 20)
    result = flow_limit(A, y, model, alpha=10**exponent)
    assert result.converged
    np.testing.assert_allclose(A @ result.x, y, atol=1e-8 * np.max(np.abs(A)) * np.sum(np.abs(result.x)))


@models
def test_record(model):
    A, y = instance()
    result = flow_limit(A, y, model, alpha=0.1)
    assert 0 < result.iterations < 60
    assert result.optimality < 1e-10
    assert result.path is None
    assert "Newton steps" in result.message


@models
def test_stack_equals_single_solves(model):
    """In any order, and with copies: the stack is walked from the largest scale to the smallest."""
    A, y = instance(0, 8, 20)
    alphas = np.array([1e-3, 1.0, 1e-6, 1e-3, 10.0])
    stack = flow_limit(A, y, model, alpha=alphas[:, None])
    assert stack.x.shape == (5, 20)
    assert stack.optimality.shape == (5,)
    for x, alpha in zip(stack.x, alphas, strict=True):
        single = flow_limit(A, y, model, alpha=alpha).x
        np.testing.assert_allclose(x, single, atol=1e-6 * np.max(np.abs(single)))


def test_stack_of_non_uniform_starts():
    A, y = instance()
    alphas = np.random.default_rng(1).uniform(0.1, 1, (3, 6))
    stack = flow_limit(A, y, SignedHadamardPower(3), alpha=alphas).x
    for x, alpha in zip(stack, alphas, strict=True):
        np.testing.assert_allclose(x, flow_limit(A, y, SignedHadamardPower(3), alpha=alpha).x, atol=1e-9)


@models
def test_constant_non_uniform_start_is_the_uniform_one(model):
    A, y = instance()
    full = flow_limit(A, y, model, alpha=np.full(6, 0.2)).x
    np.testing.assert_allclose(full, flow_limit(A, y, model, alpha=0.2).x, atol=1e-12)


@pytest.mark.parametrize("form", [np.asfortranarray, csr_array, aslinearoperator, np.ndarray.tolist])
@models
def test_form_of_the_matrix_does_not_matter(form, model):
    A, y = instance()
    np.testing.assert_allclose(
        flow_limit(form(A), y, model, alpha=0.1).x, flow_limit(A, y, model, alpha=0.1).x, atol=1e-9
    )


@models
def test_float32_stays_float32(model):
    A, y = instance()
    x = flow_limit(A.astype(np.float32), y, model, alpha=0.1).x
    assert x.dtype == np.float32
    np.testing.assert_allclose(x, flow_limit(A, y, model, alpha=0.1).x, atol=1e-4)


@settings(max_examples=40)
@given(
    model=st.sampled_from(MODELS),
    a=st.sampled_from([1e-90, 1e-3, 1.0, 1e5, 1e90]),
    b=st.sampled_from([1e-90, 1e-3, 1.0, 1e5, 1e90]),
)
def test_units_do_not_matter(model, a, b):
    A, y = instance()
    unit = b / a
    scaled = flow_limit(a * A, b * y, model, alpha=0.1 * unit ** (1 / model.depth)).x
    np.testing.assert_allclose(scaled / unit, flow_limit(A, y, model, alpha=0.1).x, atol=1e-8)


@settings(max_examples=30)
@given(order=st.permutations(range(6)), flips=st.lists(st.sampled_from([1.0, -1.0]), min_size=6, max_size=6))
def test_permuted_and_reflected_columns(order, flips):
    A, y = instance()
    for depth in (2, 3):
        one, both = HadamardPower(depth), SignedHadamardPower(depth)
        expected = flow_limit(A, y, one, alpha=0.1).x[order]
        np.testing.assert_allclose(flow_limit(A[:, order], y, one, alpha=0.1).x, expected, atol=1e-9)
        expected = flow_limit(A, y, both, alpha=0.1).x * flips
        np.testing.assert_allclose(flow_limit(A * flips, y, both, alpha=0.1).x, expected, atol=1e-9)


@models
@pytest.mark.parametrize("seed", range(3))
def test_inconsistent_data(model, seed):
    """More rows than columns, where the least-squares solution is unique."""
    rng = np.random.default_rng(seed)
    A, y = rng.standard_normal((9, 5)), rng.standard_normal(9)
    result = flow_limit(A, y, model, alpha=0.1)
    assert result.converged
    assert "certificate" in result.measured_by
    assert kkt_residual(A, y, result.x, nonnegative=model.nonnegative) < 1e-9


@models
def test_data_zero(model):
    A, y = instance()
    result = flow_limit(np.abs(A), 0 * y, model, alpha=0.1)
    assert result.converged
    np.testing.assert_allclose(result.x, 0, atol=1e-6)


@models
def test_zero_columns_and_duplicate_rows(model):
    A, y = instance()
    expected = flow_limit(A, y, model, alpha=0.1).x
    wide = flow_limit(np.c_[A, np.zeros(3)], y, model, alpha=0.1).x
    np.testing.assert_allclose(wide, [*expected, 0.1**model.depth if model.nonnegative else 0], atol=1e-9)
    np.testing.assert_allclose(flow_limit(np.vstack([A, A]), [*y, *y], model, alpha=0.1).x, expected, atol=1e-7)


def test_square_system():
    A, y = instance(0, 4, 4)
    for model in MODELS:
        np.testing.assert_allclose(flow_limit(A, y, model, alpha=0.1).x, np.linalg.solve(A, y), atol=1e-8)


def test_an_ordinary_solve_warns_of_nothing():
    A, y = instance(0, 8, 20)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for model in MODELS:
            flow_limit(A, y, model, alpha=[[1e2], [1.0], [1e-6], [1e-12]])


# --- The bound ---


@settings(max_examples=60)
@given(
    model=st.sampled_from(MODELS),
    Q=st.floats(0.1, 10),
    alpha=st.floats(1e-6, 0.3),
    n=st.integers(1, 1000),
    sharp=st.booleans(),
)
def test_bound_is_monotone(model, Q, alpha, n, sharp):
    """It falls with the scale and the size of the solution, and grows with the number of unknowns."""
    eps = l1_bound(Q, model, alpha=alpha, n=n, sharp=sharp)
    assert eps >= 0
    assert l1_bound(Q, model, alpha=alpha / 2, n=n, sharp=sharp) <= eps
    assert l1_bound(2 * Q, model, alpha=alpha, n=n, sharp=sharp) <= eps
    assert l1_bound(Q, model, alpha=alpha, n=n + 1, sharp=sharp) >= eps


@settings(max_examples=40)
@given(model=st.sampled_from(MODELS), unit=st.sampled_from([1e-20, 1e-3, 1e6]))
def test_bound_has_no_unit(model, unit):
    scaled = l1_bound(unit * 3.5, model, alpha=0.1 * unit ** (1 / model.depth), n=30)
    assert scaled == pytest.approx(l1_bound(3.5, model, alpha=0.1, n=30))


@models
def test_bound_of_a_constant_non_uniform_start(model):
    """For depth > 2 it is about the weighted norm, in which all weights are alpha^(2-L) here."""
    weight = 0.1 ** (2 - model.depth)
    weighted = l1_bound(3.5 * weight, model, alpha=np.full(30, 0.1), n=30)
    assert weighted == pytest.approx(l1_bound(3.5, model, alpha=0.1, n=30))


@pytest.mark.parametrize(("Q", "alpha"), [(1.7e308, [0.1, 0.2]), (1.7e308, [1e-149, 1e149]), (10.0, [1e-149, 1.0])])
def test_bound_of_numbers_whose_ratios_leave_float64(Q, alpha):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        eps = l1_bound(Q, HadamardPower(2), alpha=alpha, n=2)
    total, least = alpha[0] ** 2 + alpha[1] ** 2, min(alpha) ** 2
    assert eps == pytest.approx((math.log(total) - math.log(least)) / (math.log(Q) - math.log(total)))


# --- Plateaus ---


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("nonnegative", [False, True])
def test_plateaus_are_least_squares_fits(seed, nonnegative):
    rng = np.random.default_rng(seed)
    A, y = rng.standard_normal((6, 9)), rng.standard_normal(6)
    plateaus = saddle_to_saddle(A, y, nonnegative=nonnegative)
    assert np.all(np.diff(plateaus.times) > 0)
    losses = np.sum((plateaus.x @ A.T - y) ** 2, axis=1) / 2
    assert np.all(np.diff(losses) < 0)
    for x in plateaus.x:
        assert not nonnegative or np.all(x >= 0)
        np.testing.assert_allclose(A[:, x != 0].T @ (A @ x - y), 0, atol=1e-9)
    assert kkt_residual(A, y, plateaus.x[-1], nonnegative=nonnegative) < 1e-9


def test_value_and_mean_of_plateaus():
    rng = np.random.default_rng(0)
    plateaus = saddle_to_saddle(rng.standard_normal((4, 6)), rng.standard_normal(4))
    edges = [0, *plateaus.times, 2 * plateaus.times[-1]]
    for k, (start, end) in enumerate(pairwise(edges)):
        np.testing.assert_array_equal(plateaus.at((start + end) / 2), plateaus.x[k])
    taus = np.linspace(0.01, edges[-1], 7)
    for tau, mean in zip(taus, plateaus.mean(taus), strict=True):
        integral = quad_vec(plateaus.at, 0, tau, points=plateaus.times[plateaus.times < tau])[0]
        np.testing.assert_allclose(mean, integral / tau, atol=1e-8)


@settings(max_examples=20)
@given(a=st.sampled_from([1e-90, 1e-3, 1e90]), b=st.sampled_from([1e-90, 1e3, 1e90]))
def test_units_of_plateaus(a, b):
    A, y = instance()
    scaled, plain = saddle_to_saddle(a * A, b * y), saddle_to_saddle(A, y)
    np.testing.assert_allclose(scaled.times * a * b, plain.times)
    np.testing.assert_allclose(scaled.x * a / b, plain.x, atol=1e-12)


def test_weights_of_plateaus_are_a_change_of_columns():
    A, y = instance()
    omega = np.linspace(0.5, 2, 6)
    weighted, plain = saddle_to_saddle(A, y, weights=omega, depth=4), saddle_to_saddle(A / omega, y)
    np.testing.assert_allclose(4 * weighted.times, plain.times)
    np.testing.assert_allclose(weighted.x * omega, plain.x, atol=1e-12)


@pytest.mark.parametrize(
    "name, value",
    [("depth", 1.5), ("depth", np.nan), ("weights", [1.0, 2.0]), ("weights", np.zeros(6)), ("weights", 2.0)],
)
def test_refused_depth_and_weights_of_plateaus(name, value):
    A, y = instance()
    with pytest.raises(ValueError, match=f"^{name} must"):
        saddle_to_saddle(A, y, **{name: value})


def test_plateaus_of_nothing():
    assert saddle_to_saddle([[1.0, 2.0]], [0.0]).x.tolist() == [[0, 0]]
    assert saddle_to_saddle([[1.0, 2.0]], [-1.0], nonnegative=True).x.tolist() == [[0, 0]]


def test_too_many_jumps_are_reported():
    with pytest.warns(RuntimeWarning, match="max_jumps"):
        path = saddle_to_saddle(np.eye(3), [3.0, 2.0, 1.0], max_jumps=2)
    assert path.x[-1].tolist() == [3, 2, 0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        saddle_to_saddle(np.eye(3), [3.0, 2.0, 1.0], max_jumps=3)


@pytest.mark.parametrize("depth", [2, 3])
def test_large_start_is_the_minimum_norm(depth):
    A, y = instance()
    x = flow_limit(A, y, SignedHadamardPower(depth), alpha=1e4).x
    np.testing.assert_allclose(x, minimum_norm(A, y), atol=1e-10)


# --- What once failed: rows and columns of different size, collinear ones, entries that have to vanish ---


def test_entries_that_shrink_do_not_hold_back_the_others():
    """At depth 2 the logarithm of one entry has to fall by thousands: the data leave no room for it."""
    limit = flow_limit([[1e4, -20, 100], [-2e4, 20, 100]], [-1, 2], HadamardPower(2), alpha=1e-3)
    assert limit.converged
    np.testing.assert_allclose(limit.x, [0, 0.075, 0.005], atol=1e-12)


@pytest.mark.parametrize("depth", [2, 2.5, 3, 4, 6])
@pytest.mark.parametrize("alpha", [1e-12, 1.0, 20.0, 400.0])
@pytest.mark.parametrize("A, vanish", [([[1.0]], [0]), ([[1.0, 2.0], [3.0, 1.0]], [0, 1]), ([[1.0, 2.0, 0.0]], [0, 1])])
def test_data_zero_of_positive_columns(depth, alpha, A, vanish):
    """Only zero solves it, exactly; a zero column leaves its entry where it began."""
    limit = flow_limit(A, np.zeros(len(A)), HadamardPower(depth), alpha=alpha)
    expected = np.full(len(A[0]), alpha**depth)
    expected[vanish] = 0
    assert limit.converged
    np.testing.assert_allclose(limit.x, expected, rtol=1e-12)


def test_data_zero_with_positive_solutions():
    """(A, -A) z = 0 leaves all pairs of equal entries: the projection of the start is the geometric mean at depth 2."""
    A, _ = instance(0, 2, 3)
    alpha = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    limit = flow_limit(np.hstack([A, -A]), np.zeros(2), HadamardPower(2), alpha=np.r_[alpha[:3], alpha[:3]])
    np.testing.assert_allclose(limit.x, np.r_[alpha[:3], alpha[:3]] ** 2, rtol=1e-9)
    square, y = instance(1, 3, 3)
    limit = flow_limit(np.hstack([square, -square]), 0 * y, HadamardPower(2), alpha=alpha)
    mean = alpha[:3] * alpha[3:]
    np.testing.assert_allclose(limit.x, np.r_[mean, mean], rtol=1e-9)


@models
@pytest.mark.parametrize("spread", [1e2, 1e4, 1e8])
def test_the_size_of_a_row_does_not_matter(model, spread):
    A, y = instance(0, 5, 9)
    rows = np.geomspace(1 / spread, spread, 5)[[3, 0, 4, 1, 2]]
    for form in (np.asarray, csr_array, aslinearoperator):
        limit = flow_limit(form(rows[:, None] * A), rows * y, model, alpha=0.1)
        assert limit.converged
        np.testing.assert_allclose(limit.x, flow_limit(A, y, model, alpha=0.1).x, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("model", [HadamardPower(2), SignedHadamardPower(2), SignedHadamardPower(3)], ids=repr)
@pytest.mark.parametrize("spread", [0, 4])
@pytest.mark.parametrize("seed", range(12))
def test_the_size_of_a_row_does_not_matter_in_sparse_matrices(seed, model, spread):
    """Each column meets a few rows only: its size must not be that of the largest of them."""
    A, y, rows, columns = sparse_rows(seed, spread)
    limit = flow_limit(rows[:, None] * A, rows * y, model, alpha=0.1)
    expected = flow_limit(A, y, model, alpha=0.1)
    assert limit.converged and expected.converged
    np.testing.assert_allclose(A @ limit.x, y, rtol=1e-7)
    np.testing.assert_allclose(
        limit.x * columns, expected.x * columns, rtol=0, atol=1e-7 * np.max(expected.x * columns)
    )


@pytest.mark.parametrize("model", [HadamardPower(3), *(SignedHadamardPower(depth) for depth in (2, 3, 4))], ids=repr)
def test_columns_of_any_size_that_say_the_same(model):
    """Multiples of one column, slow and fast ones, share what they can say as exactly as the others do."""
    wrong = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        A = np.where(rng.random((5, 6)) < 0.5, rng.uniform(0.5, 1, (5, 6)), np.eye(5, 6))
        A = np.hstack([A, A[:, :3]])
        # Powers of two: a product that is rounded is no multiple.
        scaled = A * 2.0 ** np.round(rng.uniform(-27, 27, 9))
        y = A @ (rng.uniform(0.1, 1, 9) if model.nonnegative else rng.standard_normal(9))
        alpha = 10 ** rng.uniform(-1, 1)
        limit = flow_limit(scaled, y, model, alpha=alpha)
        if not limit.converged or complaints(scaled, y, model, alpha, limit.x):
            wrong.append(seed)
    assert wrong == []


def test_every_row_is_met_whatever_the_sizes_of_rows_columns_and_data():
    """Each to rounding of what it meets: a row with tiny data must not vanish in what is rounding of the others."""
    wrong, converged = [], 0
    for seed in range(240):
        rng = np.random.default_rng(seed)
        m = rng.integers(1, 10)
        n = m + rng.integers(6)
        A = KINDS[("bernoulli", "laplace", "triangular", "vandermonde")[seed % 4]](rng, m, n)
        A = A * 10 ** rng.uniform(-20, 20, n) * 10 ** rng.uniform(-8, 8, (m, 1))
        sizes = np.max(np.abs(A), axis=0)
        y = A @ np.where(rng.random(n) < 0.5, rng.standard_normal(n) / np.where(sizes > 0, sizes, 1), 0)
        model, alpha = SignedHadamardPower(rng.choice([2, 2.5, 3, 4, 6])), 10 ** rng.uniform(-8, 1)
        with warnings.catch_warnings(action="ignore", category=RuntimeWarning):
            limit = flow_limit(A, y, model, alpha=alpha)
        converged += limit.converged
        if limit.converged and complaints(A, y, model, alpha, limit.x):
            wrong.append(seed)
    assert wrong == [] and converged >= 236


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_columns_of_one_size_beside_a_large_one_that_is_zero(depth):
    """All that can be positive has one rate, however much the columns differ."""
    for seed in range(6):
        rng = np.random.default_rng(seed)
        m, n = rng.integers(1, 4), rng.integers(4, 7)
        part, unit = rng.uniform(0.5, 1, (m, n)), 10 ** rng.uniform(5, 12)
        part /= np.max(part, axis=0)
        y = part @ rng.uniform(0.1, 1, n)
        A = np.block([[part, np.zeros((m, 1))], [np.zeros((1, n)), unit]])
        alpha = 10 ** rng.uniform(-2, 1)
        limit = flow_limit(A, np.r_[y, 0], HadamardPower(depth), alpha=alpha)
        expected = flow_limit(part, y, HadamardPower(depth), alpha=alpha)
        assert limit.converged and expected.converged
        np.testing.assert_allclose(limit.x, np.r_[expected.x, 0], rtol=0, atol=1e-8 * np.max(expected.x))


@models
def test_columns_of_any_size_where_the_solution_is_unique(model):
    A, y = instance(0, 9, 5)
    columns = np.geomspace(1e-90, 1e90, 5)[[2, 4, 0, 3, 1]]
    limit = flow_limit(A * columns, y, model, alpha=0.1)
    assert limit.converged
    np.testing.assert_allclose(limit.x * columns, flow_limit(A, y, model, alpha=0.1).x, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("depth, alpha", [(2, 1e-3), (3, 1e-3), (6, 1e-12)])
def test_rows_that_nearly_depend_on_each_other(depth, alpha):
    """They say as much as their sum and their difference do, whose sizes do not matter."""
    rng = np.random.default_rng(0)
    a, b = rng.integers(1, 9, (2, 6)).astype(float)
    near = 2.0**-20
    x = rng.uniform(0.5, 1.5, 6)
    twins, parts = np.array([a, a + near * b]), np.array([a, b])
    limit = flow_limit(twins, [a @ x, a @ x + near * (b @ x)], HadamardPower(depth), alpha=alpha)
    assert limit.converged
    np.testing.assert_allclose(limit.x, flow_limit(parts, parts @ x, HadamardPower(depth), alpha=alpha).x, atol=1e-7)


def test_what_rounding_decides_is_said():
    A = 1 / (1.0 + np.arange(8)[:, None] + np.arange(10))
    limit = flow_limit(A, A @ np.ones(10), SignedHadamardPower(2), alpha=0.1)
    assert limit.converged and "determine the limit only to about" in limit.message
    A, y = instance()
    assert "only" not in flow_limit(A, y, SignedHadamardPower(2), alpha=0.1).message


# --- The limit of descent ---------------------------------------------------------------------------------------------


def descended(A, y, alpha, step, *, rows=None, seed=0, steps=200_000):
    """The weights one by one until nothing moves, with what the steps do to the geometry: x, the scale, the whole of S."""
    n, rng = A.shape[1], np.random.default_rng(seed)
    u, v = np.full(n, alpha), np.full(n, alpha)
    log_scale, S = np.zeros(n), np.zeros(n)
    for _ in range(steps):
        part = slice(None) if rows is None else rng.choice(A.shape[0], rows, replace=False)
        share = 1 if rows is None else A.shape[0] / rows
        a = 2 * step * share * (A[part].T @ (A[part] @ (u**2 - v**2) - y[part]))
        log_scale += np.log(np.abs(1 - a**2)) / 2
        S += np.log(np.abs((1 - a) / (1 + a))) + 2 * a
        u, v = u * (1 - a), v * (1 + a)
        if np.linalg.norm(A @ (u**2 - v**2) - y) < 1e-14 * np.linalg.norm(y):
            break
    return u**2 - v**2, alpha * np.exp(log_scale), S


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_limit_of_descent_up_to_nine_tenths_of_the_edge(seed, share):
    """The step is chosen so that it is this share of 2 over the sharpness at the end, or just below."""
    p = sparse_recovery(n=30, m=15, s=4, seed=seed)
    A, y, model = p.A, p.y, SignedHadamardPower(2)
    step = 1e-2
    for _ in range(7):  # a longer step ends flatter or sharper
        found = descent_limit(A, y, alpha=0.3, step_size=step)
        reached = step * sharpness(A, y, model, found.weights) / 2
        if reached == pytest.approx(share, rel=0.05):
            break
        step *= share / reached
    assert reached == pytest.approx(share, rel=0.05)
    x, scale, S = descended(A, y, 0.3, step)
    assert found.converged
    np.testing.assert_allclose(found.x, x, atol=1e-10)
    np.testing.assert_allclose(found.scale, scale, rtol=1e-8)
    kernel = null_space(A)
    np.testing.assert_allclose(found.shift, kernel @ (kernel.T @ S), atol=1e-8)


def test_limit_of_stochastic_descent():
    p = sparse_recovery(n=30, m=15, s=3, seed=1)
    found = descent_limit(p.A, p.y, alpha=0.2, step_size=0.01, batch_size=2, seed=7)
    x, scale, _ = descended(p.A, p.y, 0.2, 0.01, rows=2, seed=7, steps=found.iterations + 6000)
    np.testing.assert_allclose(found.x, x, atol=1e-10)
    np.testing.assert_allclose(found.scale, scale, rtol=1e-8)


@pytest.mark.parametrize("seed", [8, 11, 120, 129])
def test_a_scale_that_a_step_nearly_kills_is_right_relative_to_the_start(seed):
    """Signs change, and the scale falls to as little as 1e-4 of the start; the recursion with fifty digits."""
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((2, 4)) / np.sqrt(2)
    y, step = A @ [1.0, 1.0, 0.0, 0.0], rng.uniform(0.1, 0.6)
    found = descent_limit(A, y, alpha=0.3, step_size=step)
    assert found.converged and np.min(found.scale) < 0.02 * 0.3
    digits = np.vectorize(lambda number: Decimal(float(number)), otypes=[object])
    with localcontext(prec=50):
        matrix, data, u, v = digits(A), digits(y), digits(np.full(4, 0.3)), digits(np.full(4, 0.3))
        for _ in range(found.iterations + 60):
            a = 2 * Decimal(step) * matrix.T.dot(matrix.dot(u * u - v * v) - data)
            u, v = u * (1 - a), v * (1 + a)
        scale = np.array([float(abs(product).sqrt()) for product in u * v])
    np.testing.assert_allclose(found.scale, scale, rtol=0, atol=1e-10 * 0.3)


@pytest.mark.parametrize("form", [csr_array, aslinearoperator])
def test_limit_of_descent_with_other_matrices(form):
    A, y = instance()
    found, expected = (descent_limit(B, y, alpha=0.3, step_size=0.02) for B in (form(A), A))
    np.testing.assert_allclose(found.x, expected.x, atol=1e-11)
    np.testing.assert_allclose(found.shift, expected.shift, atol=1e-9)


def test_limit_of_descent_tends_to_that_of_the_flow():
    A, y = instance()
    flow = flow_limit(A, y, SignedHadamardPower(2), alpha=0.3).x
    far = [np.abs(descent_limit(A, y, alpha=0.3, step_size=step).x - flow).max() for step in (2e-3, 1e-3)]
    assert far[0] / far[1] == pytest.approx(2, rel=0.05)


def test_limit_of_descent_that_diverges_says_so():
    with pytest.warns(RuntimeWarning, match=r"^descent_limit: Diverged"):
        found = descent_limit(*instance(), alpha=0.3, step_size=5.0)
    assert not found.converged and np.all(np.isfinite(found.x)) and np.all(np.isfinite(found.shift))
    with pytest.warns(RuntimeWarning, match=r"^descent_limit: Stopped after 3 iterations"):
        assert not descent_limit(*instance(), alpha=0.3, step_size=1e-3, max_iterations=3).converged


def test_limit_of_descent_onto_a_weight_that_is_zero():
    """2 eta g = 1 in the first step: u is exactly zero and stays there."""
    found = descent_limit([[1.0]], [-1.0], alpha=0.5, step_size=0.5)
    assert found.weights[0] == 0 and found.scale == 0
    assert found.converged and found.x == pytest.approx(-1)
    assert "exactly zero" in found.message


# --- Label noise ------------------------------------------------------------------------------------------------------


def test_flow_of_label_noise_against_the_projected_gradient_of_the_trace():
    """Its definition: steps of Heun's method against the trace, in the tangent space of the solutions, from the same start."""
    A, y = instance(seed=4, m=2, n=4)
    times = np.array([0.0, 0.05, 0.2])
    start = flow_limit(A, y, SignedHadamardPower(2), alpha=0.6).x
    root = np.hypot(start, 2 * 0.6**2)
    w = np.r_[np.sqrt((root + start) / 2), np.sqrt((root - start) / 2)]
    squares = np.tile(np.sum(A**2, axis=0), 2)

    def velocity(w):
        J = np.hstack([2 * A * w[:4], -2 * A * w[4:]])
        step = -2 * squares * w  # a quarter of the gradient of 4 sum |a_j|^2 (u_j^2 + v_j^2)
        return step - np.linalg.pinv(J) @ (J @ step)

    found, now = [w], 0.0
    for end in times[1:]:
        steps = 4000
        h = (end - now) / steps
        for _ in range(steps):
            first = velocity(w)
            w = w + h / 2 * (first + velocity(w + h * first))
        found.append(w)
        now = end
    x = np.array([w[:4] ** 2 - w[4:] ** 2 for w in found])
    np.testing.assert_allclose(label_noise_flow(A, y, alpha=0.6, times=times).path.x, x, atol=1e-6)


def test_flow_of_label_noise_ends_at_the_least_weighted_norm():
    """From a large and from a small start alike: the linear program."""
    p = sparse_recovery(n=20, m=8, s=8, seed=2)
    weights = np.sum(p.A**2, axis=0)
    least = linprog(np.tile(weights, 2), A_eq=np.hstack([p.A, -p.A]), b_eq=p.y)
    for alpha in (2.0, 1e-3):
        x = label_noise_flow(p.A, p.y, alpha=alpha, times=[85.0]).x
        np.testing.assert_allclose(x, least.x[:20] - least.x[20:], atol=1e-6)


def test_noisy_labels_follow_their_flow_in_the_mean():
    """The descent itself, one row or all, against the closed form: the logarithm of u v falls at the rate 4 |a_j|^2."""
    A, y = instance(seed=5, m=3, n=6)
    A, y = A / 2, y / 2
    for rows, share in ((None, 1.0), (1, 3.0)):
        step, noise, steps = 2e-3, 1.0, 20_000
        run = gradient_descent(
            A,
            y,
            SignedHadamardPower(2),
            alpha=1.0,
            step_size=step,
            batch_size=rows,
            label_noise=noise,
            seed=0,
            max_iterations=steps,
            record=0,
        )
        tau = share * step**2 * noise**2 * steps
        fall = -np.log(np.abs(np.prod(run.weights, axis=0)))
        np.testing.assert_allclose(fall, 4 * tau * np.sum(A**2, axis=0), rtol=0.1)


@pytest.mark.parametrize(
    "argument, call",
    [
        ("step_size", lambda: descent_limit(*instance(), alpha=0.1, step_size=None)),
        ("step_size", lambda: descent_limit(*instance(), alpha=0.1, step_size=-1.0)),
        ("alpha", lambda: descent_limit(*instance(), alpha=[[0.1], [0.2]], step_size=0.01)),
        ("alpha", lambda: descent_limit(*instance(), alpha=0.0, step_size=0.01)),
        ("seed", lambda: descent_limit(*instance(), alpha=0.1, step_size=0.01, batch_size=1)),
        ("y", lambda: descent_limit(instance()[0], [1.0], alpha=0.1, step_size=0.01)),
        ("alpha", lambda: label_noise_flow(*instance(), alpha=[[0.1], [0.2]], times=[1.0])),
        ("times", lambda: label_noise_flow(*instance(), alpha=0.1, times=[1.0, 0.5])),
        ("times", lambda: label_noise_flow(*instance(), alpha=0.1, times=[1e6])),
        ("times", lambda: label_noise_flow(*instance(), alpha=0.1, times="soon")),
    ],
)
def test_limits_of_descent_and_noise_refuse(argument, call):
    with pytest.raises(ValueError, match=rf"^{argument}\b"):
        call()


@pytest.mark.parametrize("alpha", [1.0, 1e-90])
def test_the_latest_time_of_label_noise_is_the_one_that_is_named(alpha):
    def flow(time):
        return label_noise_flow([[1.0, 1.0]], [1.0], alpha=alpha, times=[0.0, time])

    with pytest.raises(ValueError, match="times must be at most about") as caught:
        flow(300.0)
    latest = float(str(caught.value).split("about ")[1].split()[0])
    assert flow(0.99 * latest).converged
    with pytest.raises(ValueError, match="times"):
        flow(1.01 * latest)
