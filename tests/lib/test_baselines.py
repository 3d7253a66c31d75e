"""Baselines against brute force and optimality conditions."""

import functools
import warnings
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from implicit_bias import baselines
from implicit_bias.baselines import lasso_path, minimum_norm
from implicit_bias.measures import margin
from implicit_bias.problems import separable
from scipy.linalg import solve_triangular
from scipy.optimize import linprog, nnls
from scipy.sparse import csr_array, eye_array, random_array
from scipy.sparse.linalg import aslinearoperator

from tests.shared import sparse_rows


def watched(function):
    """The function, of which all of this file asks: is there a warning in its name exactly where nothing is certified?"""

    @functools.wraps(function)
    def call(*arguments, **named):
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            result = function(*arguments, **named)
        messages = [str(one.message) for one in said if one.filename == __file__]
        assert messages == ([] if result.converged else [f"{function.__name__}: {result.message}"])
        return result

    return call


basis_pursuit, maximum_margin = watched(baselines.basis_pursuit), watched(baselines.maximum_margin)
group_lasso, nuclear_norm = watched(baselines.group_lasso), watched(baselines.nuclear_norm)

FORMS = pytest.mark.parametrize("form", [np.array, np.asfortranarray, csr_array, aslinearoperator, np.ndarray.tolist])
SCALES = st.sampled_from([1e-90, 1e-20, 1e-9, 1.0, 1e9, 1e20, 1e90])


def instance(seed, m=3, n=6):
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((m, n))
    return A, A @ rng.uniform(0.5, 1.5, n)


def least_l1_by_brute_force(A, y, nonnegative):
    """Some minimizer is a basic solution: try the bases."""
    best = np.inf
    for S in map(list, combinations(range(A.shape[1]), A.shape[0])):
        x = np.linalg.solve(A[:, S], y)
        if not nonnegative or np.all(x >= -1e-12):
            best = min(best, np.abs(x).sum())
    return best


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("nonnegative", [False, True])
def test_basis_pursuit(seed, nonnegative):
    A, y = instance(seed)
    result = basis_pursuit(A, y, nonnegative=nonnegative)
    assert result.converged
    np.testing.assert_allclose(A @ result.x, y)
    assert np.abs(result.x).sum() == pytest.approx(least_l1_by_brute_force(A, y, nonnegative))
    assert not nonnegative or np.all(result.x >= 0)


def test_basis_pursuit_without_a_solution():
    for result in (basis_pursuit([[1.0], [1.0]], [1.0, 2.0]), basis_pursuit([[1.0]], [-1.0], nonnegative=True)):
        assert not result.converged
        assert "infeasible" in result.message
        assert result.x.tolist() == [0]
        assert result.optimality == pytest.approx(1)


def test_basis_pursuit_with_rows_of_different_size():
    result = basis_pursuit([[-1e4, 1e4, 3e4], [2e-6, 0, 3e-6]], [1e4, 0])
    assert result.converged
    np.testing.assert_allclose(result.x, [-1 / 3, 0, 2 / 9], rtol=1e-12)


@pytest.mark.parametrize("nonnegative", [False, True])
@pytest.mark.parametrize("spread", [4, 8])
def test_basis_pursuit_does_not_see_the_size_of_a_row(nonnegative, spread):
    rng = np.random.default_rng(spread)
    for k in range(60):
        m, n = rng.integers(2, 12), rng.integers(3, 30)
        A = rng.standard_normal((m, n)) if k % 2 else rng.integers(-3, 4, (m, n)).astype(float)
        sparse = np.where(rng.random(n) < 0.2, rng.standard_normal(n), 0)
        y = A @ (np.abs(sparse) if nonnegative else sparse)
        rows = 10 ** rng.uniform(-spread, spread, m)
        plain = basis_pursuit(A, y, nonnegative=nonnegative)
        scaled = basis_pursuit(rows[:, None] * A, rows * y, nonnegative=nonnegative)
        assert plain.converged and scaled.converged
        assert np.abs(scaled.x).sum() == pytest.approx(np.abs(plain.x).sum(), rel=1e-8)
        np.testing.assert_allclose(A @ scaled.x, y, atol=1e-10 * max(1, np.max(np.abs(y))))


@pytest.mark.parametrize("spread", [2, 4])
def test_basis_pursuit_with_columns_of_different_size(spread):
    """Weights of the norm: compared with the bases, all of them."""
    for seed in range(20):
        A, y = instance(seed)
        columns = 10 ** np.random.default_rng(seed).uniform(-spread, spread, 6)
        result = basis_pursuit(A * columns, y)
        assert result.converged
        assert np.abs(result.x).sum() == pytest.approx(least_l1_by_brute_force(A * columns, y, False))


def test_basis_pursuit_is_converged_only_with_a_proof(monkeypatch):
    """A solution that is not the shortest, as from a solver with loose tolerances."""
    A, y = instance(1)

    def careless(costs, **options):
        return linprog(np.arange(1.0, 1 + len(costs)), **options)

    monkeypatch.setattr("implicit_bias.baselines.linprog", careless)
    result = basis_pursuit(A, y)
    assert not result.converged and "could be proved" in result.message


@pytest.mark.parametrize("form", [np.array, csr_array, aslinearoperator])
def test_minimum_norm_with_rows_and_columns_of_any_size(form):
    rng = np.random.default_rng(0)
    for _ in range(10):
        A = rng.standard_normal((4, 7))
        y = A @ rng.standard_normal(7)
        rows, columns = 10 ** rng.uniform(-8, 8, 4), 10 ** rng.uniform(-40, 40, 3)
        expected = np.linalg.pinv(A) @ y
        np.testing.assert_allclose(minimum_norm(form(rows[:, None] * A), rows * y), expected, rtol=1e-8)
        # Where it is unique, the size of a column is the unit of its entry.
        tall = A.T[:, :3]
        found = minimum_norm(form(tall * columns), tall @ np.ones(3)) * columns
        np.testing.assert_allclose(found, np.ones(3), rtol=1e-10)
    # Of two columns of one direction the larger carries nearly all.
    x = minimum_norm(form(np.array([[1e9, 1.0]])), [1.0])
    np.testing.assert_allclose(x, [1e-9, 1e-18], rtol=1e-12)


@pytest.mark.parametrize("spread", [0, 4])
@pytest.mark.parametrize("seed", range(12))
def test_minimum_norm_of_sparse_rows_of_any_size(seed, spread):
    """Against the same rows of size 1, by orthonormal factors: a column that meets a large row need not be a large one."""
    A, y, rows, _ = sparse_rows(seed, spread)
    sizes = np.linalg.norm(A, axis=1)
    Q, R = np.linalg.qr((A / sizes[:, None]).T)
    found = minimum_norm(rows[:, None] * A, rows * y)
    np.testing.assert_allclose(A @ found, y, rtol=1e-7)
    expected = Q @ solve_triangular(R, y / sizes, trans="T")
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-7 * np.max(expected))


@pytest.mark.parametrize("form", [np.array, csr_array, aslinearoperator])
@pytest.mark.parametrize("spread, columns", [(0, 0), (4, 0), (8, 0), (0, 3), (3, 2)])
def test_minimum_norm_of_a_large_matrix(form, spread, columns, monkeypatch):
    """Above the size that is made dense at once: against the orthonormal factors of its equal rows."""
    monkeypatch.setattr("implicit_bias.baselines.SMALL", 10_000)
    rng = np.random.default_rng(spread)
    A = random_array((120, 140), density=0.1, rng=rng).toarray() + np.eye(120, 140)
    A *= 10 ** rng.uniform(-columns, columns, 140)
    sizes = 10 ** rng.uniform(-spread, spread, 120)
    y = A @ rng.standard_normal(140)
    Q, R = np.linalg.qr((A / np.linalg.norm(A, axis=1, keepdims=True)).T)
    expected = Q @ solve_triangular(R, y / np.linalg.norm(A, axis=1), trans="T")
    found = minimum_norm(form(sizes[:, None] * A), sizes * y)
    np.testing.assert_allclose(found, expected, atol=1e-6 * np.max(np.abs(expected)))


def test_minimum_norm_of_a_matrix_that_is_too_large_says_what_it_does_not_meet(monkeypatch):
    rng = np.random.default_rng(0)
    A = csr_array(random_array((480, 560), density=0.03, rng=rng) + eye_array(480, 560))
    wanted, noise = rng.standard_normal(560), rng.standard_normal(560)
    monkeypatch.setattr("implicit_bias.baselines.DENSE", 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        minimum_norm(A, A @ wanted)
        minimum_norm(A.T.tocsr(), noise)  # no solution: least squares
        minimum_norm(A.astype(np.float32), A @ wanted)
    with pytest.warns(RuntimeWarning, match=r"^minimum_norm: the equations"):
        minimum_norm(A * 10.0 ** rng.uniform(-5, 5, (480, 1)), A @ wanted)


@FORMS
def test_form_of_the_matrix_does_not_matter(form):
    A, y = instance(1)
    np.testing.assert_allclose(basis_pursuit(form(A), y).x, basis_pursuit(A, y).x, atol=1e-12)
    np.testing.assert_allclose(minimum_norm(form(A), y), np.linalg.pinv(A) @ y, atol=1e-10)
    np.testing.assert_allclose(lasso_path(form(A), y, [0.3]), lasso_path(A, y, [0.3]), atol=1e-12)


def test_float32_stays_float32():
    A, y = instance(1)
    single = A.astype(np.float32)
    for x in (basis_pursuit(single, y).x, minimum_norm(single, y), minimum_norm(csr_array(single), y)):
        assert x.dtype == np.float32
    np.testing.assert_allclose(minimum_norm(single, y), np.linalg.pinv(A) @ y, atol=1e-5)


@settings(max_examples=30)
@given(a=SCALES, b=SCALES, form=st.sampled_from([np.array, csr_array, aslinearoperator]))
def test_units_do_not_matter(a, b, form):
    """HiGHS and LSMR have tolerances that are not relative to the data."""
    A, y = instance(2)
    for solve in (lambda A, y: basis_pursuit(A, y).x, minimum_norm):
        np.testing.assert_allclose(solve(form(a * A), b * y) * (a / b), solve(A, y), atol=1e-8)


def test_minimum_norm_meets_each_row_whatever_its_size():
    """Also one whose data and terms are rounding beside those of others."""
    for seed in range(900):
        rng = np.random.default_rng(seed)
        m = rng.integers(1, 7)
        n = m + rng.integers(6)
        A = rng.integers(0, 2, (m, n)) * 10 ** rng.uniform(-6, 6, n) * 10 ** rng.uniform(-8, 8, (m, 1))
        truth = rng.standard_normal(n) / np.max(A, axis=0, initial=1e-30)
        x = minimum_norm(A, A @ truth)
        terms = np.abs(A) @ (np.abs(x) + np.abs(truth))
        if np.linalg.matrix_rank(A > 0) == m:
            assert np.all(np.abs(A @ x - A @ truth) <= 1e-7 * terms), seed


def test_minimum_norm_of_inconsistent_and_deficient_data():
    A, y = instance(3)
    A, y = np.vstack([A, A[:1]]), np.r_[y, 7.0]
    np.testing.assert_allclose(minimum_norm(A, y), np.linalg.pinv(A) @ y, atol=1e-12)
    np.testing.assert_allclose(minimum_norm(csr_array(A), y), np.linalg.pinv(A) @ y, atol=1e-8)
    np.testing.assert_array_equal(minimum_norm(0 * A, y), 0)


@pytest.mark.parametrize("seed", range(4))
def test_lasso_is_optimal(seed):
    """The correlation with the residual is at most the penalty, and equal to it, with the sign of x, on the support."""
    A, y = instance(seed, 8, 12)
    penalties = np.array([3.0, 0.1, 1.0])  # in any order
    for penalty, x in zip(penalties, lasso_path(A, y, penalties), strict=True):
        correlation = A.T @ (y - A @ x)
        assert np.max(np.abs(correlation)) <= penalty * (1 + 1e-6)
        on = x != 0
        np.testing.assert_allclose(correlation[on], penalty * np.sign(x[on]), rtol=1e-5)


def test_lasso_is_zero_above_the_largest_correlation():
    A, y = instance(0)
    largest = np.max(np.abs(A.T @ y))
    above, below, far_above = lasso_path(A, y, [1.001 * largest, 0.999 * largest, 1e300])
    assert not np.any(far_above)
    with np.errstate(over="raise"):  # orthogonal data: nothing is steep, whatever the penalty is
        assert not np.any(lasso_path([[1.0], [0.0]], [0.0, 1.0], [1e300]))
    assert not np.any(above)
    assert np.count_nonzero(below) == 1


# --- Nuclear norm ---


def test_nuclear_norm_of_a_rank_one_matrix():
    """Enough measurements of a matrix of rank one: it is the solution of least nuclear norm."""
    rng = np.random.default_rng(0)
    X, A = np.outer(rng.standard_normal(5), rng.standard_normal(4)), rng.standard_normal((18, 20))
    result = nuclear_norm(A, A @ X.ravel(), (5, 4))
    assert result.converged
    np.testing.assert_allclose(result.x, X.ravel(), atol=1e-6)


def test_nuclear_norm_has_a_dual_certificate():
    """The least norm is the largest <y, v> with |A* v| <= 1 in the spectral norm: there is one that nearly attains it."""
    rng = np.random.default_rng(1)
    A, y = rng.standard_normal((6, 16)), rng.standard_normal(6)
    result = nuclear_norm(A, y, (4, 4))
    U, sigma, V = np.linalg.svd(result.x.reshape(4, 4))
    np.testing.assert_allclose(A @ result.x, y, atol=1e-7)
    r = np.count_nonzero(sigma > 1e-4)
    # A* v = U V^T on the range of the solution determines v, by least squares on what is tangent to it.
    left, right = U[:, :r] @ U[:, :r].T, V[:r].T @ V[:r]
    tangent = [(left @ M + M @ right - left @ M @ right).ravel() for M in A.reshape(-1, 4, 4)]
    v = np.linalg.lstsq(np.array(tangent).T, (U[:, :r] @ V[:r]).ravel())[0]
    assert np.linalg.norm((A.T @ v).reshape(4, 4), 2) <= 1 + 1e-3
    assert y @ v == pytest.approx(np.sum(sigma), rel=1e-4)


@pytest.mark.parametrize("form", [np.array, csr_array, aslinearoperator])
@pytest.mark.parametrize("a, b", [(1.0, 1.0), (1e-60, 1e30), (1e20, 1e-9)])
def test_nuclear_norm_in_any_form_and_unit(form, a, b):
    A, y = instance(4)
    expected = nuclear_norm(A, y, (2, 3)).x
    np.testing.assert_allclose(nuclear_norm(form(a * A), b * y, (2, 3)).x * (a / b), expected, atol=1e-6)


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 4), st.floats(0, 5), st.floats(-5, 0))
def test_nuclear_norm_of_rows_of_any_size_and_nearly_equal_ones(seed, p, q, spread, apart):
    """It is proved; no solution nearby and no matrix that made the data has a smaller norm."""
    rng = np.random.default_rng(seed)
    n, m = p * q, rng.integers(1, p * q + 1)
    A = rng.standard_normal((m, 1)) + 10**apart * rng.standard_normal((m, n))
    W = np.outer(rng.standard_normal(p), rng.standard_normal(q)).ravel()
    sizes = 10 ** rng.uniform(-spread, spread, m)
    found = nuclear_norm(sizes[:, None] * A, sizes * (A @ W), (p, q))
    assert found.converged and found.optimality <= 1e-6
    np.testing.assert_allclose(A @ found.x, A @ W, atol=1e-5 * np.max(np.abs(A)) * np.max(np.abs(W)))
    kernel = np.linalg.svd(A)[2][m:]
    moves = rng.standard_normal((50, n - m)) @ kernel * 10 ** rng.uniform(-4, 0, (50, 1))
    others = np.vstack([W, found.x + moves]).reshape(-1, p, q)
    norms = np.linalg.norm(others, "nuc", axis=(1, 2))
    assert np.linalg.norm(found.x.reshape(p, q), "nuc") <= np.min(norms) * (1 + 1e-5)


def test_nuclear_norm_says_when_the_solver_gives_up(monkeypatch):
    """No error of CVXPY, and no word that is not proved."""
    import cvxpy

    def solve(program, **options):
        raise cvxpy.SolverError("it failed")

    monkeypatch.setattr(cvxpy.Problem, "solve", solve)
    A, y = instance(4)
    programs = (
        nuclear_norm(A, y, (2, 3)),
        group_lasso(A, y, [0, 0, 1, 1, 2, 2], 0.1),
        maximum_margin(np.eye(4), [1, -1, 1, -1], norm="spectral", shape=(2, 2)),
    )
    for found in programs:
        assert not found.converged and np.all(np.isfinite(found.x)) and found.optimality > 0.1


def test_nuclear_norm_without_a_solution():
    result = nuclear_norm([[1.0, 0.0], [1.0, 0.0]], [1.0, 2.0], (1, 2))
    assert not result.converged
    assert "infeasible" in result.message
    assert result.x.tolist() == [0, 0]


# --- Maximum margin ---


@pytest.mark.parametrize("n, p, gap", [(2, 1, 1.0), (8, 3, 0.5), (40, 2, 1e-3), (200, 10, 0.1), (20, 50, 0.01)])
def test_maximum_margin_satisfies_the_optimality_conditions(n, p, gap):
    """Feasible, and a non-negative combination of the support vectors: then no other point is as short."""
    problem = separable(n, p, seed=3, gap=gap)
    found = maximum_margin(problem.A, problem.y)
    signed = problem.y[:, None] * problem.A
    assert found.converged
    assert np.min(signed @ found.x) == pytest.approx(1, abs=1e-8)
    support = signed[signed @ found.x < 1 + 1e-6]
    assert found.iterations <= len(support)
    assert nnls(support.T, found.x)[1] < 1e-8 * np.linalg.norm(found.x)
    assert margin(problem.A, problem.y, found.x) >= margin(problem.A, problem.y, problem.x_true)


@given(st.integers(0, 10**6), st.integers(2, 12), st.integers(1, 5))
def test_a_margin_exists_or_it_is_said_that_none_does(seed, n, p):
    rng = np.random.default_rng(seed)
    A, labels = rng.standard_normal((n, p)), rng.permutation(np.where(np.arange(n) % 2, -1.0, 1.0))
    program = linprog(np.zeros(p), A_ub=-labels[:, None] * A, b_ub=-np.ones(n), bounds=(None, None))
    found = maximum_margin(A, labels)
    assert found.converged == (program.status == 0)
    if not found.converged:
        assert "no margin exists" in found.message
        assert found.optimality == 1 and not np.any(found.x)


@settings(max_examples=20)
@given(SCALES)
def test_margin_scales_with_the_points(scale):
    problem = separable(10, 3, seed=1, gap=0.2)
    expected = maximum_margin(problem.A, problem.y).x
    np.testing.assert_allclose(scale * maximum_margin(scale * problem.A, problem.y).x, expected, rtol=1e-8)


@FORMS
def test_form_of_the_points_does_not_matter(form):
    problem = separable(10, 3, seed=1, gap=0.2)
    np.testing.assert_allclose(
        maximum_margin(form(problem.A), problem.y).x, maximum_margin(problem.A, problem.y).x, atol=1e-12
    )


@pytest.mark.parametrize("norm, order", [("l2", 2), ("l1", 1), ("linf", np.inf)])
@settings(max_examples=60)
@given(st.integers(0, 10**6), st.integers(2, 12), st.integers(1, 9), st.floats(0, 8), st.floats(-9, 0))
def test_points_of_any_length_have_the_widest_separator_or_it_is_said(norm, order, seed, m, n, spread, gap):
    """A separable problem is never called inseparable, and no separator nearby is wider than one that is certified."""
    rng = np.random.default_rng(seed)
    w = rng.standard_normal(n)
    w /= np.linalg.norm(w)
    labels = np.where(np.arange(m) % 2, -1.0, 1.0)
    A = rng.standard_normal((m, n))
    A += np.outer(labels * (10.0**gap + np.abs(rng.standard_normal(m))) - A @ w, w)
    A *= 10 ** rng.uniform(-spread, spread, (m, 1))
    found, signed = maximum_margin(A, labels, norm=norm), labels[:, None] * A
    assert "no margin exists" not in found.message
    if spread < 2 and gap > -3:
        assert found.converged
    if found.converged:
        length = np.linalg.norm(found.x, order)
        assert np.min(signed @ found.x) > 1 - 1e-7
        steps = 10 ** rng.uniform(-6, 0, (300, 1)) * np.vstack([rng.standard_normal((299, n)), w])
        others = found.x + length * steps
        margins = np.min(others @ signed.T, axis=1) / np.linalg.norm(others, order, axis=1)
        assert np.max(margins) <= (1 + 1e-6) / length


@pytest.mark.parametrize("thin", [1e-3, 1e-5, 1e-9])
@pytest.mark.parametrize("norm", ["l2", "l1", "linf"])
def test_a_thin_margin_of_long_points_is_a_margin(norm, thin):
    points = np.array([[1, thin, 0.3], [-1, thin, 0.1], [0, thin, -0.2]])
    found = maximum_margin(points * [[1], [1e8], [-1]], [1, 1, -1], norm=norm)
    assert np.all(points[:, 1] > 0) and "no margin exists" not in found.message


@pytest.mark.parametrize("norm", ["l2", "l1", "linf"])
@settings(max_examples=40)
@given(st.integers(0, 10**6), st.integers(3, 12), st.integers(1, 9), st.floats(0, 8))
def test_points_of_any_length_around_zero_have_no_margin(norm, seed, m, n, spread):
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((m, n))
    A[-1] = -rng.uniform(0.1, 1, m - 1) @ A[:-1]
    A *= 10 ** rng.uniform(-spread, spread, (m, 1))
    labels = np.where(np.arange(m) % 2, -1.0, 1.0)
    found = maximum_margin(labels[:, None] * A, labels, norm=norm)
    assert not found.converged and not np.any(found.x) and "no margin exists" in found.message


def test_points_without_margin():
    assert "no margin exists" in maximum_margin([[1.0, 0.0], [1.0, 0.0]], [1, -1]).message
    assert "no margin exists" in maximum_margin([[1.0, 0.0], [0.0, 0.0]], [1, -1]).message
    assert "no margin exists" in maximum_margin(np.zeros((2, 2)), [1, -1]).message


@pytest.mark.parametrize("labels", [[1, 1], [1, 0], [1, np.nan], [1], ["a", "b"]])
def test_wrong_labels(labels):
    with pytest.raises(ValueError, match=r"^y\b"):
        maximum_margin(np.eye(2), labels)
