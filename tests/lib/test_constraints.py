"""What users of `nnls` ask for beyond signs: against enumeration in fractions, SciPy, and the conditions of optimality."""

import pickle
import warnings
from fractions import Fraction
from itertools import combinations, product

import numpy as np
import pytest
import scipy.optimize
from implicit_bias import HadamardPower, flow_limit, nnls
from implicit_bias._constraints import _appended, _nearer
from scipy.optimize import lsq_linear
from scipy.sparse import csr_array, random_array
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from tests.lib.test_nnls import FORMS, instance


def solve(M, b):
    """The solution of a square system in fractions; None where it is singular."""
    rows = [[*row, value] for row, value in zip(M, b, strict=True)]
    for k in range(len(rows)):
        pivot = next((i for i in range(k, len(rows)) if rows[i][k]), None)
        if pivot is None:
            return None
        rows[k], rows[pivot] = rows[pivot], rows[k]
        rows[k] = [entry / rows[k][k] for entry in rows[k]]
        for i in range(len(rows)):
            if i != k:
                rows[i] = [a - rows[i][k] * c for a, c in zip(rows[i], rows[k], strict=True)]
    return [row[-1] for row in rows]


def least_squares(columns, y):
    """The coefficients of these columns, in fractions; None where they depend on each other."""
    inner = [[sum(a * b for a, b in zip(u, v, strict=True)) for v in columns] for u in columns]
    return solve(inner, [sum(a * b for a, b in zip(u, y, strict=True)) for u in columns])


def loss(columns, y, x):
    image = [sum(a * t for a, t in zip(row, x, strict=True)) for row in zip(*columns, strict=True)]
    return sum((a - b) ** 2 for a, b in zip(image, y, strict=True))


def least_in_box(columns, y, upper):
    """The least loss over ``0 <= x <= upper``: each entry is at one of its bounds, or free."""
    values = []
    for where in product(("lower", "free", "upper"), repeat=len(columns)):
        x = [u if at == "upper" else Fraction(0) for at, u in zip(where, upper, strict=True)]
        rest = [b - sum(c[i] * t for c, t in zip(columns, x, strict=True)) for i, b in enumerate(y)]
        free = [j for j, at in enumerate(where) if at == "free"]
        found = least_squares([columns[j] for j in free], rest)
        if found is not None and all(0 <= t <= upper[j] for j, t in zip(free, found, strict=True)):
            for j, t in zip(free, found, strict=True):
                x[j] = t
            values.append(loss(columns, y, x))
    return min(values)


def least_on_simplex(columns, y, total):
    """The least loss over ``x >= 0`` with the given sum: the last entry of each support is what the others leave."""
    n, values = len(columns), []
    for size in range(1, n + 1):
        for *rest, last in combinations(range(n), size):
            differences = [[a - b for a, b in zip(columns[j], columns[last], strict=True)] for j in rest]
            found = least_squares(differences, [b - total * a for a, b in zip(columns[last], y, strict=True)])
            if found is not None and min([*found, total - sum(found)]) >= 0:
                x = [Fraction(0)] * n
                for j, t in zip([*rest, last], [*found, total - sum(found)], strict=True):
                    x[j] = t
                values.append(loss(columns, y, x))
    return min(values)


def integers(seed):
    """A small problem of integers, often with columns that depend on each other, and a bound and a sum in halves."""
    rng = np.random.default_rng(seed)
    m, n = rng.integers(1, 5), rng.integers(1, 5)
    A, y = rng.integers(-3, 4, (m, n)), rng.integers(-6, 7, m)
    if seed % 3 == 0:
        A[:, -1] = A[:, 0]
    return A, y, rng.integers(0, 5, n) / 2, rng.integers(1, 7) / 2


@pytest.mark.parametrize("seed", range(150))
def test_bounds_and_sums_against_all_supports_in_fractions(seed):
    A, y, upper, total = integers(seed)
    columns, data = [[Fraction(int(a)) for a in column] for column in A.T], [Fraction(int(b)) for b in y]
    least = least_in_box(columns, data, [Fraction(u) for u in upper])
    result = nnls(A, y, upper=upper)
    assert result.converged and np.all(result.x >= 0) and np.all(result.x <= upper)
    assert result.residual_norm**2 == pytest.approx(float(least), rel=1e-9, abs=1e-20)
    result = nnls(A, y, sum_to=total)
    assert result.converged and np.all(result.x >= 0)
    assert np.sum(result.x) == pytest.approx(total, rel=1e-15)
    expected = float(least_on_simplex(columns, data, Fraction(total)))
    assert result.residual_norm**2 == pytest.approx(expected, rel=1e-9, abs=1e-20)


@pytest.mark.parametrize("noise", [1e-4, 1e-5, 1e-6, 1e-8, 1e-10])
def test_data_that_are_nearly_met(noise):
    """Rounding of `x` hides the gap in the residual itself, not in its part that no column sees."""
    for seed in range(5):
        rng = np.random.default_rng(seed)
        A, x = rng.random((6, 3)), rng.dirichlet(np.ones(3)) * [1, 1, seed % 2]
        y = A @ x + noise * rng.standard_normal(6)
        columns, data = [[Fraction(a) for a in column] for column in A.T], [Fraction(b) for b in y]
        for upper in (np.inf, 1.0, 0.9 * np.max(x)):
            result = nnls(A, y, upper=upper)
            least = least_in_box(columns, data, [Fraction(min(upper, 100.0))] * 3)
            assert result.converged
            assert loss(columns, data, [Fraction(t) for t in result.x]) <= least * (1 + Fraction(1, 10**8))
        for total in (np.sum(x), 0.9 * np.sum(x)):
            result = nnls(A, y, sum_to=total)
            least = least_on_simplex(columns, data, Fraction(total))
            assert result.converged
            more = 1e-8 + 1e-14 / noise  # the sum is met up to rounding
            assert loss(columns, data, [Fraction(t) for t in result.x]) <= least * (1 + Fraction(more))


@pytest.mark.parametrize("total", [1e-300, 1e-12, 1e-8, 1e-4, 1e4, 1e8, 1e12])
def test_sums_far_from_the_size_of_the_solution(total):
    """A tiny sum leaves one vertex, a huge one the point at which the columns cancel most: neither is lost in rounding."""
    for seed in range(12):
        rng = np.random.default_rng(seed)
        A, y = rng.random((5, 4)), rng.random(5)
        result = nnls(A, y, sum_to=total)
        columns, data = [[Fraction(a) for a in column] for column in A.T], [Fraction(b) for b in y]
        assert result.converged
        if total < 1e-10:
            np.testing.assert_allclose(result.x, total * (np.arange(4) == np.argmax(A.T @ y)), rtol=1e-12)
        least = least_on_simplex(columns, data, Fraction(total))
        assert loss(columns, data, [Fraction(t) for t in result.x]) <= least * (1 + Fraction(1, 10**12))


@pytest.mark.parametrize("upper", [1e-300, 1e200, 1e300, [0.0, 1e300], [np.inf, 1e300], [1e300, 0.2]], ids=str)
def test_bounds_of_any_size_are_taken_without_a_warning(upper):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for seed in range(30):
            rng = np.random.default_rng(seed)
            A, y = rng.standard_normal((1 + seed % 3, 2)), rng.standard_normal(1 + seed % 3)
            result = nnls(A, y, upper=upper)
            expected = scipy.optimize.nnls(A * (np.asarray(upper) > 1e-200), y)
            assert result.converged
            if np.all(expected[0] <= np.where(np.asarray(upper) > 1e-200, upper, np.inf)):
                assert result.residual_norm == pytest.approx(expected[1], abs=1e-9)


def bounds(seed, n, size):
    rng = np.random.default_rng(seed)
    upper = size * rng.random(n) * rng.choice([0.01, 0.1, 1])
    upper[rng.random(n) < 0.2] = np.inf
    upper[rng.random(n) < 0.1] = 0
    return upper


@pytest.mark.filterwarnings("ignore:nnls. ")
def test_it_is_as_good_as_the_bounded_method_of_scipy_on_degenerate_problems():
    """Problems whose columns differ by 10^12, or are powers, need not converge; what converged says is true in all."""
    failures, tried = 0, 0
    for seed in range(600):
        A, y = instance(seed)
        upper = bounds(seed, A.shape[1], np.median(np.abs(y)) / (np.median(np.abs(A)) or 1) or 1.0)
        result = nnls(A, y, upper=upper)
        assert np.all(result.x >= 0) and np.all(result.x <= upper)
        assert np.linalg.norm(A @ result.x - y) == pytest.approx(result.residual_norm, rel=1e-9, abs=1e-12)
        failures += not result.converged and seed % 10 not in (5, 7)
        try:
            other = lsq_linear(A, y, (0, np.where(upper > 0, upper, 1e-300)), "bvls", tol=1e-14, max_iter=2000)
        except np.linalg.LinAlgError:
            continue
        tried += 1
        expected = np.linalg.norm(A @ np.clip(other.x, 0, upper) - y)
        assert result.residual_norm <= expected * (1 + 1e-7) + 1e-9 * np.linalg.norm(y), seed
    assert failures == 0
    assert tried > 550


@pytest.mark.parametrize("kind", ["random", "standard_normal"])
@pytest.mark.parametrize("truth", [lambda x: x, lambda x: x * (x < 0.5), lambda x: 1.0 * (x < 0.5)])
def test_data_that_more_columns_than_rows_can_meet_in_the_box(kind, truth):
    """From inside the box at once: to exchange bounds takes thousands of products. Half of the entries have no bound."""
    rng = np.random.default_rng(0)
    A = getattr(rng, kind)((150, 600))
    y = A @ truth(rng.random(600))
    for upper in (1.0, np.where(rng.random(600) < 0.5, np.inf, 1.0)):
        result = nnls(A, y, upper=upper)
        assert result.converged and result.products < 300
        assert np.all(result.x >= 0) and np.all(result.x <= upper)
        assert np.linalg.norm(A @ result.x - y) <= 1e-12 * np.linalg.norm(y)
    # Where the box is too small, nothing meets them.
    result = nnls(A, y, upper=0.3)
    expected = lsq_linear(A, y, (0, 0.3), tol=1e-12, lsmr_tol="auto", max_iter=500)
    assert result.converged
    assert result.residual_norm == pytest.approx(np.sqrt(2 * expected.cost), rel=1e-5, abs=1e-12 * np.linalg.norm(y))


def large(seed=0, m=700, n=500):
    rng = np.random.default_rng(seed)
    A = rng.random((m, n)) * (rng.random((m, n)) < 0.2)
    return A, A @ np.where(rng.random(n) < 0.3, rng.random(n), 0) + 0.05 * rng.standard_normal(m)


@pytest.mark.parametrize("form", FORMS)
def test_every_kind_of_matrix_above_what_is_left_to_scipy(form):
    A, y = large()
    for constraint in ({"upper": 0.5}, {"sum_to": 40.0}, {"sum_to": 40.0, "tikhonov": 0.3, "weights": 1 / (1 + y**2)}):
        expected = nnls(A, y, tol=1e-12, **constraint)
        result = nnls(FORMS[form](A), y, **constraint)
        assert result.converged and expected.converged
        np.testing.assert_allclose(result.x, expected.x, atol=1e-5)


def slopes(A, y, x, weights, tikhonov):
    """The derivatives of half the sum that is minimized, at `x`."""
    return A.T @ (weights * (A @ x - y)) + tikhonov * x


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", [(9, 6), (6, 9)])
def test_weights_and_the_tikhonov_term_are_what_they_say(form, shape):
    for seed in range(40):
        rng = np.random.default_rng(seed)
        A, y = rng.standard_normal(shape), rng.standard_normal(shape[0])
        weights = rng.random(shape[0]) * (rng.random(shape[0]) < 0.9)
        tikhonov = rng.random(shape[1]) * (rng.random(shape[1]) < 0.9) if seed % 2 else 0.1
        result = nnls(FORMS[form](A), y, weights=weights, tikhonov=tikhonov)
        assert result.converged
        g = slopes(A, y, result.x, weights, tikhonov)
        assert np.max(np.abs(np.minimum(result.x, g))) < 1e-9
        np.testing.assert_allclose(result.dual, g, atol=1e-9)
        total = weights @ (A @ result.x - y) ** 2 + np.sum(tikhonov * result.x**2)
        assert result.residual_norm**2 == pytest.approx(total, rel=1e-9)
        upper = 0.3 * np.max(result.x) + 0.01
        bounded = nnls(FORMS[form](A), y, weights=weights, tikhonov=tikhonov, upper=upper)
        g = slopes(A, y, bounded.x, weights, tikhonov)
        assert bounded.converged
        assert np.max(np.abs(bounded.x - np.clip(bounded.x - g, 0, upper))) < 1e-9
        shares = nnls(FORMS[form](A), y, weights=weights, tikhonov=tikhonov, sum_to=2.0)
        g = slopes(A, y, shares.x, weights, tikhonov)
        assert shares.converged and g @ shares.x - 2 * np.min(g) < 1e-9


def test_a_weight_of_two_is_a_row_twice():
    A, y = large(1, 12, 5)
    twice = nnls(np.vstack([A, A[:4]]), np.r_[y, y[:4]])
    np.testing.assert_allclose(nnls(A, y, weights=np.r_[[2.0] * 4, [1.0] * 8]).x, twice.x, atol=1e-12)


def test_what_is_often_done_instead_is_something_else():
    """A heavy row misses the sum, scaled and clipped solutions have more loss: the tests would see such a method."""
    missed = scaled = clipped = 0
    for seed in range(50):
        rng = np.random.default_rng(seed)
        A, y = rng.random((20, 6)), 2 * rng.random(20)
        plain, shares, bounded = nnls(A, y).x, nnls(A, y, sum_to=1.0), nnls(A, y, upper=0.3)
        heavy = nnls(np.vstack([A, np.full(6, 1e2)]), np.r_[y, 1e2]).x
        missed += abs(np.sum(heavy) - 1) > 1e-6
        assert np.linalg.norm(A @ heavy - y) < shares.residual_norm
        scaled += np.linalg.norm(A @ (plain / np.sum(plain)) - y) > shares.residual_norm * (1 + 1e-6)
        clipped += np.linalg.norm(A @ np.clip(plain, 0, 0.3) - y) > bounded.residual_norm * (1 + 1e-6)
    assert min(missed, scaled, clipped) > 40


def test_the_certificate_is_a_bound_among_the_admissible_vectors():
    """For the solution and for points near it: no drawn vector is better by more than the gap."""
    from implicit_bias._constraints import _admissible

    for seed in range(200):
        rng = np.random.default_rng(seed)
        m, n = rng.integers(2, 8, 2)
        A, y = rng.standard_normal((m, n)), rng.standard_normal(m)
        columns, upper = np.linalg.norm(A, axis=0), rng.random(n)
        z = rng.dirichlet(np.ones(n), 50) * rng.choice([1, 1e-3])
        z = np.vstack([z / z.sum(axis=1, keepdims=True), np.eye(n)])
        for others, constraint in ((z, {"sum_to": 1.0}), (rng.random((100, n)).round() * upper, {"upper": upper})):
            for x in (nnls(A, y, **constraint).x, others[0], others[-1]):
                point = _admissible(A, y, x, columns, 1e-8, **constraint).certificate
                losses = np.sum((others @ A.T - y) ** 2, axis=1) / 2
                assert np.all(point.loss - losses <= point.gap + 1e-14)


def test_the_sum_trick_of_unmixing_needs_no_weight():
    """The input on which a row of weight 1e4 misled an earlier version, and the exact answer."""
    n = 600
    result = nnls(np.eye(n), np.eye(n)[0], sum_to=1.0)
    assert result.converged and result.residual_norm == 0
    assert np.flatnonzero(result.x).tolist() == [0]


def test_callback_and_start_speak_of_admissible_vectors():
    A, y = large()
    told = []
    result = nnls(aslinearoperator(A), y, sum_to=40.0, callback=told.append, x0=np.full(500, 40 / 500))
    assert result.converged and len(told) > 2
    assert all(np.sum(state.x) == pytest.approx(40.0) for state in told)
    np.testing.assert_allclose(told[0].x, 40 / 500, rtol=1e-6)


def test_upper_bounds_that_do_not_bind_change_nothing():
    A, y = large(2, 40, 20)
    plain, free = nnls(A, y), nnls(A, y, upper=np.inf)
    np.testing.assert_array_equal(plain.x, free.x)
    assert np.array_equal(nnls(A, y, upper=0.0).x, np.zeros(20))


def test_several_columns_of_data_have_their_own_sum_and_bounds():
    A, y = large(3, 30, 10)
    Y = np.c_[y, y[::-1], 0 * y]
    for constraint in ({"sum_to": 2.0}, {"upper": 0.2}, {"tikhonov": 0.5, "weights": np.arange(30.0)}):
        several = nnls(A, Y, **constraint)
        assert several.converged and several.x.shape == (10, 3) and several.gap.shape == (3,)
        for k in range(3):
            np.testing.assert_allclose(several.x[:, k], nnls(A, Y[:, k], **constraint).x, atol=1e-12)


def test_rows_of_a_wide_matrix_are_not_written_down():
    A = np.ones((2, 600))
    assert isinstance(_appended(A, np.ones(600), np.arange(600)), LinearOperator)
    result = nnls(A, [1.0, 1.0], tikhonov=2.0)
    np.testing.assert_allclose(result.x, 2 / 1202, rtol=1e-6)  # (A.T A + 2) x = A.T y


@pytest.mark.parametrize("form", [lambda A: A, aslinearoperator], ids=["csr", "operator"])
@pytest.mark.parametrize("heavy", [1.0, 3.0])
@pytest.mark.parametrize("seed", [0, 1])
def test_wide_sparse_data_are_met_at_a_given_sum(seed, heavy, form):
    """Without one entry of the sum the data are a column, and far larger: met relative to them is not met."""
    rng = np.random.default_rng(seed)
    A = random_array((200, 1500), density=0.05, rng=rng, format="csr")
    x = np.exp(heavy * rng.standard_normal(1500))
    total = 10.0 ** rng.integers(-5, 5)
    y = A @ (x * (total / x.sum()))
    found = nnls(form(A), y, sum_to=total)
    assert found.converged and found.products < 300 and np.all(found.x >= 0)
    assert found.x.sum() == pytest.approx(total, rel=1e-13)
    assert np.linalg.norm(A @ found.x - y) <= 1.1e-12 * np.linalg.norm(y)
    # From near by that is one step, and costs little.
    near = x * (1 + 1e-10 * rng.standard_normal(1500))
    near *= total / near.sum()
    closer, steps = _nearer(A, y, near, np.sqrt((A**2).sum(axis=0)))
    assert closer.sum() == pytest.approx(total, rel=1e-13) and steps < 30 and np.all(closer >= 0)
    assert np.linalg.norm(A @ closer - y) <= 1e-12 * np.linalg.norm(y) < np.linalg.norm(A @ near - y)


@pytest.mark.parametrize("shape", [(12, 5), (5, 12), (700, 400)])
def test_an_operator_may_return_the_same_array_each_time(shape):
    """One that saves allocations: what was a product is another one after the next."""
    rng = np.random.default_rng(0)
    A, y = rng.random(shape), rng.random(shape[0])
    image, back = np.empty(shape[0]), np.empty(shape[1])
    saving = LinearOperator(
        shape, lambda v: np.matmul(A, v.ravel(), out=image), lambda r: np.matmul(A.T, r.ravel(), out=back), dtype=float
    )
    for options in ({}, {"upper": 0.1}, {"sum_to": 1.0}, {"tikhonov": 1.0}):
        expected, found = nnls(A, y, **options), nnls(saving, y, **options)
        assert found.converged
        assert found.residual_norm == pytest.approx(expected.residual_norm, rel=1e-6, abs=1e-7)
        np.testing.assert_allclose(np.linalg.norm(A @ found.x - y), np.linalg.norm(A @ expected.x - y), atol=1e-6)
    if max(shape) < 100:
        expected, found = (flow_limit(matrix, A.sum(axis=1), HadamardPower(2), alpha=0.1) for matrix in (A, saving))
        np.testing.assert_allclose(found.x, expected.x, atol=1e-6)


# --- As SciPy's


def test_it_replaces_the_function_of_scipy_in_one_import():
    A, y = large(4, 30, 10)
    expected, norm = scipy.optimize.nnls(A, y, maxiter=100)
    x, rnorm = nnls(A, y, maxiter=100)
    np.testing.assert_allclose(x, expected, atol=1e-12)
    assert rnorm == pytest.approx(norm)
    assert nnls(A, y)[0].tolist() == x.tolist() and nnls(A, y)[1] == nnls(A, y)[-1] == rnorm
    assert len(nnls(A, y)[:]) == 2
    with pytest.raises(IndexError):
        nnls(A, y)[2]


def test_a_result_survives_pickling():
    result = nnls(np.eye(2), [1.0, -1.0])
    again = pickle.loads(pickle.dumps(result))
    assert again.x.tolist() == [1.0, 0.0] and again.residual_norm == 1.0 and again.converged


def test_maxiter_ends_the_iteration():
    A, y = large()
    with pytest.warns(RuntimeWarning, match="after 2 iterations"):
        assert nnls(aslinearoperator(A), y, maxiter=2, tol=1e-12).iterations == 2


# --- Wrong input

WRONG = [
    ("weights", {"weights": np.ones(2)}),
    ("weights", {"weights": -np.ones(3)}),
    ("weights", {"weights": [1.0, np.nan, 1.0]}),
    ("weights", {"weights": [1.0, np.inf, 1.0]}),
    ("weights", {"weights": 2.0}),
    ("tikhonov", {"tikhonov": -1.0}),
    ("tikhonov", {"tikhonov": np.ones(4)}),
    ("tikhonov", {"tikhonov": np.inf}),
    ("tikhonov", {"tikhonov": "a"}),
    ("tikhonov", {"tikhonov": 1e301}),
    ("weights", {"weights": np.full(3, 1e301)}),
    ("weights", {"weights": np.full(3, 1e-310)}),
    ("sum_to", {"sum_to": 1e300}),
    ("sum_to", {"sum_to": 1e-300, "y": np.zeros(3)}),
    ("sum_to", {"sum_to": 0.0}),
    ("sum_to", {"sum_to": -1.0}),
    ("sum_to", {"sum_to": np.inf}),
    ("sum_to", {"sum_to": np.ones(2)}),
    ("upper", {"upper": -1.0}),
    ("upper", {"upper": np.nan}),
    ("upper", {"upper": np.ones(3)}),
    ("upper", {"upper": 1.0, "sum_to": 1.0}),
    ("x0", {"upper": 1.0, "x0": np.ones(2)}),
    ("alpha", {"upper": 1.0, "alpha": 1.0}),
    ("callback", {"upper": 1.0, "callback": print}),
    ("x0", {"sum_to": 1.0, "x0": np.ones(5)}),
    ("maxiter", {"maxiter": -1}),
    ("maxiter", {"maxiter": 3, "max_iterations": 3}),
    ("A", {"A": np.full((3, 2), np.nan), "upper": 1.0}),
    ("A", {"A": np.ones((3, 0)), "sum_to": 1.0}),
    ("y", {"y": [1.0, np.nan, 1.0], "upper": 1.0}),
    ("y", {"y": np.ones(4), "sum_to": 1.0}),
    ("y", {"y": np.ones((2, 2)), "sum_to": 1.0}),
    ("y", {"y": [[1.0], [1.0, 2.0], [3.0]], "sum_to": 1.0}),
    ("sum_to", {"sum_to": np.longdouble("1e-400")}),
    ("tol", {"tol": 0, "upper": 1.0}),
]


@pytest.mark.parametrize("form", [np.asarray, csr_array, aslinearoperator])
@pytest.mark.parametrize(("name", "change"), WRONG, ids=lambda value: value if isinstance(value, str) else "")
def test_wrong_input_is_named(name, change, form):
    given = {"A": np.arange(6.0).reshape(3, 2), "y": np.ones(3)} | change
    with pytest.raises(ValueError, match=rf"^{name}\b"):
        nnls(**given | {"A": form(given["A"])})


def test_what_is_not_solved_says_so():
    A, y = large()
    with pytest.warns(RuntimeWarning, match="nnls: ") as caught:
        assert not nnls(A, y, sum_to=40.0, max_iterations=0).converged
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert nnls(A, y, sum_to=40.0).converged
