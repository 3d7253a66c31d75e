"""The solver for non-negative least squares against certificates, SciPy, and everything that can be wrong with a matrix."""

import functools
import itertools
import warnings
from fractions import Fraction
from types import SimpleNamespace

import hypothesis.strategies as st
import implicit_bias._support as support
import numpy as np
import pytest
from hypothesis import given, settings
from implicit_bias import _accurate, _backends, flow_limit, nnls
from implicit_bias._accurate import residual
from implicit_bias._normalized import NormalizedProblem, holds
from implicit_bias.images import deblurring, star_field
from implicit_bias.measures import Certificate, kkt_residual
from implicit_bias.parametrizations import HadamardPower
from implicit_bias.problems import nonnegative_regression, sparse_recovery
from numpy.testing import assert_allclose
from scipy.optimize import nnls as lawson_hanson
from scipy.sparse import coo_array, csr_array, diags_array, random_array
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from tests.lib.trials import draw, exact_loss

_combination, _default_start, _inverse, _quasi_newton = (
    nnls.__globals__[name] for name in ("_combination", "_default_start", "_inverse", "_quasi_newton")
)

LARGE = sparse_recovery(800, 1200, 300, seed=1, signed=False, noise=0.5)
ITERATED = {"callback": lambda state: None}  # a small problem is not left to SciPy if somebody wants to watch


def instance(seed):
    """A small problem of one of many kinds, some of them degenerate, as a dense matrix in float64."""
    rng = np.random.default_rng(seed)
    m, n = rng.integers(1, 30, 2)
    kind = seed % 10
    A = rng.standard_normal((m, n)) if kind < 3 else rng.random((m, n))
    if kind == 1:
        A = np.round(A)
    if kind == 2:
        A[:, rng.integers(n)] = A[:, rng.integers(n)]
    if kind == 4:
        A = A[:, : max(1, n // 3)] @ rng.standard_normal((max(1, n // 3), n))
    if kind == 5:
        A = A * np.geomspace(1e-6, 1e6, n)
    if kind == 6:
        A[:, rng.random(n) < 0.3] = 0
    if kind == 7:
        A = np.vander(rng.random(m), n)
    if kind == 8:
        A = -A
    if kind == 9:
        A = np.tile(A[:, :1], n) * rng.choice([-1, 1], n)
    y = A @ np.maximum(rng.standard_normal(n), 0) if rng.random() < 0.5 else rng.standard_normal(m)
    return A, (np.zeros(m) if rng.random() < 0.1 else y)


@functools.cache
def small(seed):
    """Such a problem, and the least residual by SciPy, None where it takes too many iterations."""
    A, y = instance(seed)
    try:
        return A, y, lawson_hanson(A, y, maxiter=3000)[1]
    except RuntimeError:
        return A, y, None


FORMS = {"dense": np.asarray, "columns": np.asfortranarray, "sparse": csr_array, "operator": aslinearoperator}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("options", [{}, ITERATED], ids=["", "iterated"])
def test_it_is_as_good_as_lawson_and_hanson_on_small_and_degenerate_problems(form, options):
    for seed in range(600):
        A, y, expected = small(seed)
        result = nnls(FORMS[form](A), y, tol=1e-9, **options)
        size = np.linalg.norm(y) or 1.0
        assert result.converged, (seed, result.message)
        assert np.all(result.x >= 0)
        assert_allclose(np.linalg.norm(A @ result.x - y), result.residual_norm, atol=1e-9 * size)
        assert result.residual_norm <= size * (1 + 1e-12)
        if form != "operator":  # whose columns are only known by estimates
            assert kkt_residual(A, y, result.x, nonnegative=True) <= 2e-9
        assert expected is None or result.residual_norm <= expected + 1e-5 * size, seed


@functools.cache
def few_rows(seed):
    """One to three rows, whose columns cancel, repeat, depend on each other or differ in size; their lengths, and SciPy's."""
    rng = np.random.default_rng(seed)
    m, n = rng.integers(1, 4), rng.integers(1, 13)
    A = rng.standard_normal((m, n))
    kind = seed % 5
    if kind == 1:
        A = np.round(2 * A)
    if kind == 2:
        A = np.tile(A[:, :1], n) * rng.choice([-1.0, 1.0], n)
    if kind == 3:
        A = A * 10 ** rng.uniform(-8, 8, n)
    if kind == 4:
        A = np.where(rng.random((m, n)) < 0.5, A, -A[:, rng.integers(n, size=n)])
    y = A @ np.maximum(rng.standard_normal(n), 0) if rng.random() < 0.3 else rng.standard_normal(m)
    columns = np.linalg.norm(A, axis=0)
    return A, y, columns, *lawson_hanson(A / np.where(columns > 0, columns, 1), y, maxiter=1000)


@pytest.mark.filterwarnings("ignore:nnls. ")
@pytest.mark.parametrize("form", ["dense", "sparse", "operator"])
@pytest.mark.parametrize("options", [{}, ITERATED], ids=["", "iterated"])
def test_directions_that_the_data_do_not_see_are_not_followed(form, options):
    """The constant start with columns that cancel would be of size 1e16, and its residual nothing but rounding."""
    failures = 0
    for seed in range(2000):
        A, y, columns, expected, norm = few_rows(seed)
        size = np.linalg.norm(y) or 1.0
        result = nnls(FORMS[form](A), y, **options)
        assert abs(np.linalg.norm(A @ result.x - y) - result.residual_norm) <= 1e-9 * size, seed
        assert np.max(columns * result.x) <= 100 * np.max(expected), seed
        assert result.residual_norm <= norm + 1e-7 * size or not result.converged, seed
        failures += not result.converged
    assert failures <= 10


@given(
    st.integers(1, 12),
    st.integers(1, 12),
    st.integers(0, 2**32 - 1),
    st.sampled_from([1e-150, 1e-21, 1.0, 1e21, 1e149]),
    st.sampled_from([1e-150, 1e-21, 1.0, 1e21, 1e149]),
)
@settings(max_examples=150)
def test_units_do_not_matter(m, n, seed, unit_A, unit_y):
    rng = np.random.default_rng(seed)
    A, y = rng.choice([-3.0, -2.0, 1.0, 2.0], (m, n)), rng.choice([-2.0, -1.0, 1.0, 3.0], m)
    plain, scaled = nnls(A, y, **ITERATED), nnls(A * unit_A, y * unit_y, **ITERATED)
    assert scaled.converged
    unit = unit_y / unit_A
    assert_allclose(A @ scaled.x / unit, A @ plain.x, atol=1e-6 * np.linalg.norm(y))
    assert_allclose(scaled.residual_norm / unit_y, plain.residual_norm, rtol=1e-6, atol=1e-7)


def test_the_certificate_does_not_change_with_a_power_of_two():
    A, y = LARGE.A, LARGE.y
    plain = nnls(A, y, tol=1e-5)
    for unit in (2.0**-70, 2.0**70):  # 1e-21 and 1e21
        scaled = nnls(A * unit, y, tol=1e-5)
        assert (scaled.kkt_residual, scaled.products) == (plain.kkt_residual, plain.products)
        assert_allclose(scaled.x * unit, plain.x)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_kind_of_matrix_gives_the_unique_solution(form, dtype):
    A = LARGE.A.astype(dtype)
    result = nnls(FORMS[form](A), LARGE.y, tol=1e-10)
    expected, norm = lawson_hanson(A.astype(float), LARGE.y, maxiter=10_000)
    assert result.converged
    assert result.x.dtype == np.float64
    assert_allclose(result.x, expected, atol=1e-7)
    assert result.residual_norm == pytest.approx(norm, rel=1e-12)
    assert np.count_nonzero(result.x) == np.count_nonzero(expected)  # zeros are zeros


@pytest.mark.parametrize("tol", [1e-4, 1e-6, 1e-8, 1e-12])
def test_converged_is_a_certificate(tol):
    result = nnls(LARGE.A, LARGE.y, tol=tol)
    assert result.converged
    assert result.kkt_residual <= tol
    assert kkt_residual(LARGE.A, LARGE.y, result.x, nonnegative=True) == pytest.approx(result.kkt_residual, abs=1e-14)


def test_a_sparse_matrix_in_single_precision_reaches_double_precision():
    rng = np.random.default_rng(0)
    A = random_array((3000, 1000), density=0.01, format="csr", rng=rng, dtype=np.float32)
    y = A @ np.maximum(rng.standard_normal(1000), 0) + 0.1 * rng.standard_normal(3000)
    assert nnls(A, y, tol=1e-12).converged


TALL = {
    "gaussian": lambda rng, m, n: rng.standard_normal((m, n)),
    "uniform": lambda rng, m, n: rng.random((m, n)),
    "integers": lambda rng, m, n: rng.integers(-9, 10, (m, n)),
    "single": lambda rng, m, n: rng.random((m, n)).astype(np.float32),
    "sizes": lambda rng, m, n: 1e-6 * rng.standard_normal((m, n)) * 10 ** rng.uniform(-1, 1, n),
    "empty columns": lambda rng, m, n: rng.standard_normal((m, n)) * (rng.random(n) < 0.8),
    "condition 1e3": lambda rng, m, n: conditioned(rng, m, n, 1e3),
    "condition 1e8": lambda rng, m, n: conditioned(rng, m, n, 1e8),
    "near copies": lambda rng, m, n: np.tile(rng.random((m, 1)), n) + 1e-6 * rng.standard_normal((m, n)),
    "copies": lambda rng, m, n: rng.random((m, n))[:, rng.integers(n, size=n)],
}
DEPENDENT = ("condition 1e8", "near copies")


def conditioned(rng, m, n, condition):
    """A matrix with geometric singular values."""
    U, V = (np.linalg.qr(rng.standard_normal((size, n)))[0] for size in (m, n))
    return (U * np.geomspace(1, 1 / condition, n)) @ V.T


@pytest.mark.parametrize("kind", TALL)
@pytest.mark.parametrize(("m", "n"), [(150, 150), (400, 80), (12_000, 30)])
def test_cheap_products_of_columns_are_enough_unless_columns_depend_on_each_other(m, n, kind):
    """What the exchange of blocks finds is what SciPy finds, and where it finds nothing others do."""
    ways = set()
    for seed in range(6):
        rng = np.random.default_rng(seed)
        A = TALL[kind](rng, m, n)
        y = A @ np.where(rng.random(n) < 0.5, rng.random(n), 0.0)
        y = y + [1e-3, 1.0, 100.0][seed % 3] * np.linalg.norm(y) / np.sqrt(m) * rng.standard_normal(m)
        result = nnls(A, y)
        expected = lawson_hanson(A.astype(float), y, maxiter=100 * n)[1]
        assert result.converged and np.all(result.x >= 0), result.message
        assert result.residual_norm <= expected * (1 + 1e-12)
        assert_allclose(result.residual_norm, np.linalg.norm(A @ result.x - y), rtol=1e-12)
        ways.add(result.message.partition(",")[0])
    blocks = "Found by block pivoting"
    few = A.size > 250_000 and A.dtype != float  # others are made float64 at once
    if kind != "copies":  # none of which may fit the data
        assert (blocks in ways) == (not few and kind not in DEPENDENT)


def test_products_are_counted():
    calls = []

    def count(product):
        def call(v):
            calls.append(1)
            return product(v)

        return call

    A = LinearOperator(LARGE.A.shape, count(LARGE.A.__matmul__), count(LARGE.A.T.__matmul__), dtype=float)
    result = nnls(A, LARGE.y, tol=1e-6)
    assert result.converged
    assert result.products == len(calls) < 400


def test_few_products_are_needed():
    """The iteration alone, and with the finish; projected gradients need several hundred here."""
    problem = nonnegative_regression(500, 2000, 40, seed=0, noise=5.0)
    assert nnls(problem.A, problem.y, tol=1e-4, **ITERATED).products < 80
    assert nnls(problem.A, problem.y, tol=1e-10).products < 80


def test_the_iteration_descends_and_tells_where_it_is():
    told = []
    result = nnls(LARGE.A, LARGE.y, tol=1e-9, callback=told.append)
    residuals = [np.linalg.norm(LARGE.A @ state.x - LARGE.y) for state in told]
    assert np.all(np.diff(residuals) <= 1e-9)
    assert [state.iterations for state in told] == list(range(len(told)))
    assert np.all(np.diff([state.products for state in told]) > 0)
    for state in told[::5]:
        expected = kkt_residual(LARGE.A, LARGE.y, state.x, nonnegative=True)
        assert state.kkt_residual == pytest.approx(expected, rel=1e-6, abs=1e-12)
    assert result.iterations == told[-1].iterations


def test_the_scale_of_the_start_is_where_it_begins_and_does_not_change_a_unique_solution():
    expected = nnls(LARGE.A, LARGE.y, tol=1e-10).x
    for alpha in (1e-8, 1e-1, 1e6):
        seen = []
        result = nnls(LARGE.A, LARGE.y, tol=1e-10, alpha=alpha, callback=lambda state, seen=seen: seen.append(state.x))
        first = seen[0] * np.linalg.norm(LARGE.A, axis=0) / np.linalg.norm(LARGE.y)  # columns and data of length 1
        assert_allclose(first, alpha**2)
        assert result.converged
        assert_allclose(result.x, expected, atol=1e-8)


def test_the_fast_method_has_not_the_bias_of_the_flow():
    """So many Gaussian columns fit any data. The flow from a small start chooses the least l1-norm, this solver does not."""
    problem = sparse_recovery(400, 40, 4, seed=3, signed=False)
    fast = nnls(problem.A, problem.y, alpha=1e-3)
    flow = flow_limit(problem.A, problem.y, HadamardPower(2), alpha=1e-3)
    assert fast.residual_norm < 1e-7
    assert np.sum(fast.x) > 2 * np.sum(flow.x)
    assert np.sum(flow.x) < 1.05 * np.sum(problem.x_true)


def test_a_start_at_the_solution_is_recognised():
    solution = nnls(LARGE.A, LARGE.y, tol=1e-12).x
    again = nnls(LARGE.A, LARGE.y, tol=1e-6, x0=solution)
    cold = nnls(LARGE.A, LARGE.y, tol=1e-6)
    assert again.converged
    assert again.products < cold.products
    assert nnls(LARGE.A, LARGE.y, x0=np.zeros(800)).converged


@pytest.mark.parametrize("positive", [0, 3, 800])
def test_zero_entries_of_a_start_can_grow(positive):
    start, seen = np.zeros(800), []
    start[:positive] = 1.0
    result = nnls(LARGE.A, LARGE.y, x0=start, tol=1e-10, callback=lambda state: seen.append(state.x))
    assert np.array_equal(seen[0], start) and result.converged
    assert_allclose(result.x, nnls(LARGE.A, LARGE.y, tol=1e-10).x, atol=1e-8)


def test_entries_that_occur_twice_are_added_as_numbers():
    """Not as the small integers they are: 200 + 100 is 44 in eight bits."""
    twice = coo_array((np.array([200, 100], np.uint8), ([0, 0], [0, 0])), shape=(4, 3))
    assert nnls(twice, [300.0, 0, 0, 0]).x.tolist() == [1.0, 0.0, 0.0]


def test_nothing_to_do():
    assert nnls([[1.0, 2.0]], [0.0]).x.tolist() == [0.0, 0.0]
    outside = nnls([[1.0, 2.0]], [-3.0])
    assert (outside.x.tolist(), outside.residual_norm, outside.kkt_residual) == ([0.0, 0.0], 3.0, 0.0)
    assert nnls([[0.0, 0.0]], [1.0]).x.tolist() == [0.0, 0.0]
    assert nnls([[0.0, 2.0]], [1.0], **ITERATED).x.tolist() == [0.0, 0.5]


def test_a_run_that_is_cut_off_says_so():
    with pytest.warns(RuntimeWarning, match="nnls: Stopped after 2 iterations"):
        result = nnls(LARGE.A, LARGE.y, max_iterations=2, tol=1e-12)
    assert not result.converged
    assert result.kkt_residual > 1e-12
    assert result.residual_norm < np.linalg.norm(LARGE.y)
    assert kkt_residual(LARGE.A, LARGE.y, result.x, nonnegative=True) == pytest.approx(result.kkt_residual)


@pytest.mark.filterwarnings("ignore:nnls. Nothing better")
@pytest.mark.filterwarnings("ignore:nnls. Stopped")
def test_no_start_ends_above_the_residual_of_zero():
    for limit in (0, 1):
        for options in ({"alpha": 1e6}, {"x0": np.full(800, 1e9)}, {}):
            result = nnls(LARGE.A, LARGE.y, max_iterations=limit, **options)
            assert result.residual_norm <= np.linalg.norm(LARGE.y)


@pytest.mark.parametrize("options", [{}, ITERATED])
@pytest.mark.parametrize("size", [1e-9, 1e-11, 1e-13])
def test_columns_that_nearly_cancel(size, options):
    """A solution with entries of 1e8 to 1e13 is called converged only if it is one, in rational arithmetic."""
    rng = np.random.default_rng(2)
    common = rng.random((30, 1))
    A = np.hstack([common, -common]) + size * rng.standard_normal((30, 2))
    A = np.hstack([A, rng.random((30, 5))])
    y = rng.standard_normal(30)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = nnls(A, y, **options)
    first, total = A[:, :1], A[:, :1] + A[:, 1:2]  # exact, and in these columns the problem is well conditioned
    _, residual = lawson_hanson(np.hstack([first, -first, total / size, A[:, 2:]]), y)
    assert result.converged or size < 1e-9
    assert not result.converged or exact_loss(A, y, result.x) <= (1 + 1e-6) * residual**2 / (y @ y)


def test_what_rounding_leaves_in_the_span_of_the_columns_is_no_part_of_the_gap():
    """Columns that are multiples of one up to the last digit, and rows of very different size."""
    for seed in (251, 379, 1336, 1544, 1752, 1952, 3156, 11034, 11209):
        _, _, A, y = draw(seed)
        assert nnls(A.astype(float), y).converged


def test_exchanges_that_gain_nothing_come_to_an_end(monkeypatch):
    """Where rounding lets one column in after the other, and the loss stays."""
    solutions = []
    solve = _accurate._solve
    monkeypatch.setattr(_accurate, "_solve", lambda *args: solutions.append(1) or solve(*args))
    for seed in (6196, 21858, 23528, 25184):
        solutions.clear()
        _, _, A, y = draw(seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            nnls(A, y)
        assert 0 < len(solutions) <= 3


@pytest.mark.parametrize("cached", [0, 10**6])
@pytest.mark.parametrize("form", list(FORMS))
def test_products_with_what_the_matrix_makes(form, cached, monkeypatch):
    """Against the matrix itself, of more entries than a block of rows has, in columns of very different size."""
    monkeypatch.setattr(_backends, "CACHED", cached)
    rng = np.random.default_rng(0)
    A = rng.standard_normal((700, 500)) * (rng.random((700, 500)) < 0.3) * 10.0 ** rng.integers(-8, 8, 500)
    problem = NormalizedProblem(FORMS[form](A), rng.standard_normal(700))
    B, v, before = A / problem.d, rng.standard_normal(500) * (rng.random(500) < 0.4), problem.products
    image, back = problem.normal(v)
    assert_allclose(image, B @ v, atol=1e-12)
    assert_allclose(back, B.T @ (B @ v), atol=1e-11)
    assert problem.products == before + 2


@pytest.mark.parametrize("form", [np.asarray, csr_array, aslinearoperator])
def test_a_column_whose_entry_of_x_would_leave_float64_is_missed(form):
    """It is left out, and what it could have met is not met."""
    with pytest.warns(RuntimeWarning, match="leave float64"):
        result = nnls(form(np.diag([1.0, 1e-160])), [1.0, 1e149])
    assert not result.converged and result.x.tolist() == [1.0, 0.0]
    assert nnls(form(np.diag([1.0, 1e-160])), [1.0, 0.0]).converged


@pytest.mark.parametrize("tol", [1e-4, 1e-8, 1e-12])
def test_what_a_certificate_has_to_say(tol):
    """A small gap and KKT residual, unless rounding hides more than a thousandth; or data that are met far below `tol`."""
    small = {
        "loss": 1.0,
        "gap": max(tol, 1e-8),
        "reach": 1.0,
        "floor": 0.9e-3,
        "kkt_residual": tol,
        "relative_residual": 1.0,
    }
    assert holds(Certificate(**small), tol)
    for wrong in ({"gap": 1.1 * max(tol, 1e-8)}, {"kkt_residual": 1.1 * tol}, {"floor": 1.1e-3}):
        assert not holds(Certificate(**small | wrong), tol)
        assert not holds(Certificate(**small | wrong | {"relative_residual": max(1.1 * tol**1.5, 1.1e-12)}), tol)
        assert holds(Certificate(**small | wrong | {"relative_residual": max(0.9 * tol**1.5, 0.9e-12)}), tol)


@pytest.mark.filterwarnings("ignore:nnls")  # one step is not enough
@pytest.mark.parametrize("unit", [1e-120, 1.0, 1e120])
@pytest.mark.parametrize("size", [(30, 20), (900, 300), (300, 900)])
@pytest.mark.parametrize("form", ["operator", "own"])
def test_a_transpose_of_another_matrix_is_refused(form, size, unit):
    """Zero, of the other sign, with a row too few in it: `x = 0` would be certified by it. The right one passes at any size."""
    rng = np.random.default_rng(0)
    A = rng.standard_normal(size) * 10.0 ** rng.uniform(-20, 20, size[1]) * unit
    y = A @ np.full(size[1], 1 / np.linalg.norm(A, axis=0).max())

    def solve(back):
        if form == "operator":
            return nnls(LinearOperator(size, matvec=lambda v: A @ v, rmatvec=back, dtype=float), y, max_iterations=1)
        return nnls(SimpleNamespace(shape=size, matvec=lambda v: A @ v, rmatvec=back), y, max_iterations=1)

    solve(lambda r: A.T @ r)
    for wrong in (lambda r: 0 * (A.T @ r), lambda r: -(A.T @ r), lambda r: A[1:].T @ r[1:], lambda r: 2 * (A.T @ r)):
        with pytest.raises(ValueError, match="A must have rmatvec that"):
            solve(wrong)


def test_data_of_different_lengths_are_named():
    with pytest.raises(ValueError, match="y must be an array of real numbers, all rows of one length"):
        nnls(np.eye(2), [[1], [1, 2]])


def test_a_start_at_zero_that_is_not_the_solution_needs_no_second_half():
    """The residual of a start is known to double precision only; an entry leaves in the first round of the active set."""
    A = np.array([[0.0, 1, -2, -4], [0, 2, -2, -1], [0, -3, -3, -2], [0, -1, -3, -3]])
    y = np.array([-100.000001, 100.000001, 0, 99.999998])
    least = lawson_hanson(A, y)[1]
    assert nnls(A, y, x0=np.zeros(4)).residual_norm == pytest.approx(least, rel=1e-12)


class TestSteps:
    """The quasi-Newton steps, by themselves: of matrices of many kinds, with rows of large weight and columns of any size."""

    @staticmethod
    def problem(seed):
        rng = np.random.default_rng(seed)
        m, n = rng.integers(5, 60, 2)
        kinds = rng.standard_normal, rng.random, lambda size: rng.integers(0, 2, size).astype(float)
        A = kinds[seed % 3]((m, n))
        if seed % 4 == 0:
            A = np.vstack([A, np.full(n, 10.0 ** rng.integers(1, 4))])
        A = A * 10.0 ** rng.uniform(-3, 3, n)
        y = A @ (rng.random(n) * (rng.random(n) < 0.5) / np.maximum(np.linalg.norm(A, axis=0), 1e-300))
        return NormalizedProblem(A, y + 0.1 * np.linalg.norm(y) * rng.standard_normal(len(A)))

    @pytest.mark.parametrize("seed", range(24))
    def test_each_is_what_it_says_and_loses_nothing(self, seed):
        problem = self.problem(seed)
        if np.min(-problem.correlation) >= 0:
            return  # zero is the solution
        B = problem.columns(np.arange(problem.n))
        before = np.inf
        for point in itertools.islice(_quasi_newton(problem, _default_start(problem)), 60):
            assert np.all(point.x >= 0)
            assert_allclose(point.r, B @ point.x - problem.b, atol=1e-13)
            assert_allclose(point.g, B.T @ point.r, atol=1e-13)
            assert abs(point.r @ (B @ point.x)) < 1e-12, "another multiple of x would be better"
            assert point.loss <= before * (1 + 1e-13) + 1e-28
            before = point.loss

    @pytest.mark.parametrize("seed", range(24))
    def test_they_lead_to_the_solution(self, seed):
        problem = self.problem(seed)
        if np.min(-problem.correlation) >= 0:
            return
        least = lawson_hanson(problem.columns(np.arange(problem.n)), problem.b)[1]
        *_, last = itertools.islice(_quasi_newton(problem, _default_start(problem)), 1500)
        assert last.loss**0.5 <= least * (1 + 1e-9) + 1e-9

    @pytest.mark.parametrize("seed", range(3))
    @pytest.mark.parametrize("kind", ["uniform", "bernoulli", "gaussian"])
    def test_they_are_few(self, monkeypatch, kind, seed):
        """Less than thirty. With the scale of `x` as it was, or without memory, they are more than twice as many."""
        rng = np.random.default_rng(seed)
        A = {"uniform": rng.random, "gaussian": rng.standard_normal, "bernoulli": lambda size: rng.integers(0, 2, size)}
        A = A[kind]((400, 200)).astype(float)
        y = A @ (rng.random(200) * (rng.random(200) < 0.3))
        y += 0.05 * np.linalg.norm(y) / 20 * rng.standard_normal(400)
        problem = NormalizedProblem(A, y)

        def steps():
            path = itertools.islice(_quasi_newton(problem, _default_start(problem)), 70)
            return next((k for k, point in enumerate(path) if point.near < 1e-8), 70)

        assert steps() <= 29
        wrong = {"_inverse": lambda v, pairs, diagonal: v}
        if kind != "gaussian":
            wrong["_combination"] = lambda r, along, image: (t := min(1.0, -(r @ along) / (along @ along)), 0.0, 1 - t)
        for name, function in wrong.items():
            with monkeypatch.context() as patch:
                patch.setitem(nnls.__globals__, name, function)
                assert steps() == 70

    @pytest.mark.parametrize("seed", range(12))
    def test_units_of_columns_change_nothing(self, monkeypatch, seed):
        """Powers of two leave lengths between 1/2 and 1: the diagonal of the Hessian makes up for that."""
        A, y = (
            conditioned(np.random.default_rng(seed), 60, 30, 30.0),
            np.random.default_rng(seed + 100).standard_normal(60),
        )
        units = 2 ** np.random.default_rng(seed + 200).uniform(-3, 3, 30)

        def path(units):
            problem = NormalizedProblem(A / units, y)
            steps = itertools.islice(_quasi_newton(problem, _default_start(problem)), 12)
            return [problem.in_units(point.x) / units for point in steps]

        def furthest():
            return max(np.max(np.abs(x - other)) for x, other in zip(path(np.ones(30)), path(units), strict=True))

        assert furthest() < 1e-11
        monkeypatch.setitem(nnls.__globals__, "_inverse", lambda v, pairs, diagonal: _inverse(v, pairs, np.ones(30)))
        assert furthest() > 1e-4

    @pytest.mark.parametrize("seed", range(4))
    def test_columns_that_nearly_cancel_are_no_start(self, seed):
        """Multiples of one vector with both signs: a constant that fits is so large that its rounding hides the gap."""
        rng = np.random.default_rng(seed)
        v = rng.standard_normal(400)
        A = np.outer(v, np.repeat([1.0, -1.0], [355, 346]) * rng.uniform(0.5, 2, 701))
        y = v + 1e-3 * rng.standard_normal(400)
        result = nnls(A, y)
        assert result.converged and result.products < 20
        assert np.sum(np.linalg.norm(A, axis=0) * result.x) < 3 * np.linalg.norm(y)

    @pytest.mark.parametrize("known", [1, 3, 5])
    def test_the_inverse_knows_the_last_step_and_is_definite(self, known):
        rng = np.random.default_rng(known)
        H = conditioned(rng, 30, 30, 1e2)
        H = H @ H.T
        pairs = [(s, H @ s) for s in rng.standard_normal((known, 30))]
        (step, change), diagonal = pairs[-1], 0.25 + rng.random(30)
        assert_allclose(_inverse(change, pairs, diagonal), step, rtol=1e-9, atol=1e-11)
        for v in rng.standard_normal((20, 30)):
            assert v @ _inverse(v, pairs, diagonal) > 0
        wrong = [*pairs, (step, -change)]  # a negative curvature is no news
        assert_allclose(_inverse(change, wrong, diagonal), step, rtol=1e-9, atol=1e-11)
        assert np.array_equal(_inverse(change, [], diagonal), change / diagonal)

    def test_the_best_combination_is_that_of_a_problem_with_two_unknowns(self):
        """Against the active-set method; images that are nearly parallel, opposite, or zero."""
        rng = np.random.default_rng(0)
        for k in range(300):
            image, target = rng.standard_normal((2, 8))
            image *= 0.0 if k % 10 == 9 else 1.0
            reached = [
                rng.standard_normal(8),
                image + 1e-6 * rng.standard_normal(8),
                -image + 0.1 * rng.standard_normal(8),
            ]
            after = reached[k % 3]
            if image @ target < 0 and image.any():
                continue  # the multiple of a point of the iteration is the best one already
            image = image * ((image @ target) / (image @ image) if image.any() else 0.0)
            along, r = after - image, image - target
            if not r @ along < 0:
                continue
            t, c, kept = _combination(r, along, image)
            assert t >= 0 and kept >= 0 and abs(kept - (1 + c - t)) <= 1e-15 * (1 + t)
            least = lawson_hanson(np.stack([image, after], axis=1), target)[1] if image.any() else np.inf
            assert np.linalg.norm(r + t * along + c * image) <= least * (1 + 1e-9)
            if not image.any():
                assert 0 < t <= 1 and np.linalg.norm(r + t * along) < np.linalg.norm(r)


class TestFinish:
    """The working set where pivoting alone fails."""

    def test_illconditioned_columns_need_the_interior_point_method(self, monkeypatch):
        calls = []
        method = support.WorkingSet.interior_point
        monkeypatch.setattr(support.WorkingSet, "interior_point", lambda *args: calls.append(1) or method(*args))
        stars = deblurring(star_field(24, 20, seed=0), 2.0, seed=0, noise=1e-3)
        assert nnls(stars.A, stars.y, tol=1e-10).converged
        assert calls

    @pytest.mark.parametrize("rank", [0, 700])
    def test_large_sets_of_dependent_columns(self, rank):
        """A blur whose columns occur twice, and a dense matrix of low rank: SciPy's method finds no smaller loss."""
        rng = np.random.default_rng(0)
        if rank:
            A = rng.standard_normal((900, rank)) @ np.abs(rng.standard_normal((rank, 1500)))
            y = A @ np.maximum(rng.standard_normal(1500), 0) + rng.standard_normal(900)
        else:
            blur = np.exp(-((np.arange(-40, 41) / 13) ** 2))
            bands = [np.full(1500 - abs(k), blur[40 + k]) for k in range(-40, 41)]
            A = diags_array(bands, offsets=range(-40, 41)).tocsr()[:, np.repeat(np.arange(1500), 2)]
            y = A @ (np.maximum(rng.standard_normal(3000), 0) * (rng.random(3000) < 0.3)) + 1e-3 * rng.standard_normal(
                1500
            )
        result = nnls(A, y)
        columns = A if rank else A[:, ::2].toarray()
        least = lawson_hanson(columns, y, maxiter=10**5)[1]
        assert result.converged and np.linalg.norm(A @ result.x - y) <= (1 + 1e-7) * least

    @pytest.mark.parametrize("largest", [420_000, 300_000, 100_000])
    def test_a_gram_matrix_without_digits_needs_the_columns(self, monkeypatch, largest):
        """All columns or those in use: as many as the active-set method can take, of length 1."""
        taken = []
        method = support.by_active_set
        monkeypatch.setattr(support, "LARGEST_ACTIVE_SET", largest)
        monkeypatch.setattr(support, "by_active_set", lambda B, b: taken.append(B) or method(B, b))
        times, rates = np.geomspace(1e-3, 10, 700), np.geomspace(1e-2, 1e3, 600)
        A = np.exp(-np.outer(times, rates))
        y = A @ np.exp(-(np.log(rates) ** 2)) + 1e-3 * np.random.default_rng(0).standard_normal(700)
        found = nnls(A, y, tol=1e-10)
        assert taken and (found.converged or largest < A.size)
        for B in taken:
            assert B.size == largest if largest == A.size else B.size <= largest
            assert_allclose(np.linalg.norm(B, axis=0), 1)

    @pytest.mark.parametrize("noise", [1e-2, 1e-3, 1e-4])
    def test_rounding_of_x_is_no_part_of_the_gap(self, monkeypatch, noise):
        """Columns of condition 1e3 with little noise: the multipliers of the rounded `x` would hide a share of the loss."""
        monkeypatch.setattr(support, "accurate_point", None)  # nor is twice the precision needed
        rng = np.random.default_rng(5)
        A = conditioned(rng, 600, 500, 1e3)
        y = A @ np.where(rng.random(500) < 0.5, rng.random(500), 0)
        y += noise * np.linalg.norm(y) / np.sqrt(600) * rng.standard_normal(600)
        result = nnls(A, y, tol=1e-10)
        least = lawson_hanson(A, y, maxiter=5000)[1]
        assert result.converged
        assert result.gap <= 1e-8 * result.residual_norm**2 / 2
        assert result.residual_norm == pytest.approx(least, rel=1e-9)

    def test_the_iteration_ends_by_itself_where_a_gram_matrix_is_dear(self, monkeypatch):
        """The columns of a sparse matrix meet each other in most rows; nothing is lost against the exact solution."""
        add = support.WorkingSet.add

        def few(self, chosen):
            assert len(self.chosen) + len(chosen) < 220, "a Gram matrix of the support, which has 267 columns"
            add(self, chosen)

        monkeypatch.setattr(support.WorkingSet, "add", few)
        rng = np.random.default_rng(1)
        A = random_array((4000, 400), density=0.3, format="csr", rng=rng)
        y = A @ np.maximum(rng.standard_normal(400), 0) + 0.5 * rng.standard_normal(4000)
        expected, least = lawson_hanson(A.toarray(), y, maxiter=4000)
        for form in (csr_array, aslinearoperator):
            result = nnls(form(A), y, tol=1e-12)
            assert result.converged and result.products < 300
            assert_allclose(result.x, expected, atol=1e-10)
            assert result.residual_norm == pytest.approx(least, rel=1e-13)
            assert np.array_equal(result.active, expected == 0)

    def test_the_iteration_ends_by_itself_where_that_takes_less(self):
        """To few digits; to many the inner products of the columns are the shorter way."""
        rng = np.random.default_rng(0)
        A = rng.standard_normal((1500, 700))
        y = A @ np.maximum(rng.standard_normal(700), 0) + 0.5 * rng.standard_normal(1500)
        for tol in (1e-2, 1e-5):  # the slower one of the two forecasts alone would try before 1e-5
            assert nnls(A, y, tol=tol).message.startswith("The iteration converged")
        assert nnls(A, y, tol=1e-8).message.startswith("Solved on the support")

    @pytest.mark.parametrize("seed", [1, 7, 19])
    def test_the_finish_comes_where_rounding_ends_the_iteration(self, seed):
        """A sum to one by a row of large weight: the slopes that tell the others apart are rounding."""
        rng = np.random.default_rng(seed)
        n, weight = int(rng.integers(300, 700)), 10.0 ** rng.uniform(2, 9)
        A = np.vstack([np.diag(rng.random(n) + 0.1), np.full((1, n), weight)])
        x = rng.random(n)
        y = A @ (x / x.sum())
        y[:-1] += 1e-3 * rng.standard_normal(n)
        result = nnls(A, y)
        assert result.converged
        d, target = A.diagonal(), y[:-1]  # the solution for an infinite weight, by its one multiplier

        def sum_of(multiplier):
            return np.maximum(target / d - multiplier / d**2, 0)

        low, high = -1e3, 1e3
        for _ in range(200):
            middle = (low + high) / 2
            low, high = (middle, high) if sum_of(middle).sum() > 1 else (low, middle)
        assert_allclose(result.x, sum_of(low), atol=1e-6)

    def test_what_an_unfinished_finish_has_found_is_not_lost(self, monkeypatch):
        better = nnls(LARGE.A, LARGE.y, tol=1e-10).x * (1 + 1e-4 * np.cos(np.arange(800)))  # not quite the solution
        for name, value in {"EARLY": 0, "PATIENT": 0}.items():
            monkeypatch.setitem(nnls.__globals__, name, value)
        monkeypatch.setitem(
            nnls.__globals__, "finish", lambda problem, near, tol: problem.point(better * problem.d / problem.unit)
        )
        with pytest.warns(RuntimeWarning, match="Stopped after 2"):
            result = nnls(LARGE.A, LARGE.y, max_iterations=2, tol=1e-12)
        # The iteration goes on from there.
        assert result.residual_norm < np.linalg.norm(LARGE.A @ better - LARGE.y)

    def test_many_columns_meet_the_data_at_once(self, monkeypatch):
        calls = []
        method = nnls.__globals__["meet"]
        monkeypatch.setitem(nnls.__globals__, "meet", lambda *args: calls.append(1) or method(*args))
        rng = np.random.default_rng(0)
        A = conditioned(rng, 2000, 400, 1e4).T
        y = A @ rng.random(2000)
        result = nnls(A, y)
        assert calls and result.converged and result.products < 200
        assert np.all(result.x >= 0)
        assert np.linalg.norm(A @ result.x - y) < 1e-12 * np.linalg.norm(y)
        # Rows that depend on each other have no such point, or many.
        A[-200:], y[-200:] = A[:200], y[:200] + 1e-3 * rng.standard_normal(200)
        result = nnls(A, y)
        assert result.converged
        assert result.residual_norm == pytest.approx(np.linalg.norm(y[:200] - y[-200:]) / np.sqrt(2), rel=1e-8)


@pytest.mark.filterwarnings("ignore:nnls. ")
def test_what_rounding_hides_is_not_looked_for():
    """A Gaussian matrix with very little noise: the iteration went on to its limit, for minutes."""
    rng = np.random.default_rng(0)
    A = rng.standard_normal((800, 400))
    y = A @ np.maximum(rng.standard_normal(400), 0) + 1e-6 * rng.standard_normal(800)
    result = nnls(A, y)
    assert result.products < 300
    assert result.residual_norm <= lawson_hanson(A, y)[1] * (1 + 1e-9)
    assert result.converged or "rounding hides" in result.message


def test_residuals_in_twice_the_precision():
    """Against rational arithmetic, with rows and columns of very different size and data that nearly cancel."""
    rng = np.random.default_rng(0)
    for _ in range(60):
        m, n = rng.integers(1, 30, 2)
        B = rng.standard_normal((m, n)) * 10 ** rng.uniform(-8, 8, (m, 1)) * 10 ** rng.uniform(-3, 3, n)
        x = rng.random(n) * 10 ** rng.uniform(0, 8, n)
        terms = [[Fraction(a) * Fraction(v) for a, v in zip(row, x, strict=True)] for row in B.tolist()]
        b = np.array([float(sum(row)) for row in terms])
        high, low = residual(B, x, b)
        for i, row in enumerate(terms):
            error = Fraction(high[i]) + Fraction(low[i]) - (sum(row) - Fraction(b[i]))
            assert abs(error) <= 1e-31 * sum(map(abs, row))
            assert abs(low[i]) <= 2**-53 * abs(high[i])


@pytest.mark.parametrize("size", [0.0, 1e-170, 1e-140, 1e-3])
def test_a_column_whose_square_is_no_number_is_no_zero_column(size):
    A, y = np.diag([1.0, size]), np.array([1.0, 1.0])
    result = nnls(A, y)
    assert result.converged
    assert_allclose(A @ result.x, [1.0, 1.0 if size else 0.0], rtol=1e-9)


def sum_to_one(n, weight):
    """The unit vectors, with the row that asks for a sum of one by its weight: the standard way to put it into unmixing."""
    return np.vstack([np.eye(n), np.full((1, n), weight)]), np.r_[1, np.zeros(n - 1), weight], np.eye(n)[0]


MIXED = [[1, 0, 0.2], [0, 1, 0.3], [0.5, 0.2, 1]]
PROMISES = {
    "sum to one": sum_to_one(20, 1e4),
    "sum to one, large": sum_to_one(600, 1e4),
    "sum to one, large, light": sum_to_one(600, 1e3),
    "sum to one, large, heavy": sum_to_one(600, 1e8),
    "a light row": ([[1, 1], [0, 1e-5]], [1, 0.75e-5], [0.25, 0.75]),
    "mixed": (np.vstack([MIXED, np.full((1, 3), 1e4)]), [0.7, 0.3, 0.1, 1e4], [0.65550239, 0.34449761, 0]),
    "columns of any size": (np.diag([1e90, 1e-90]), [1, 1], [1e-90, 1e90]),
    "many columns of any size": (
        np.diag(np.geomspace(1e-100, 1e100, 40)),
        np.ones(40),
        np.geomspace(1e100, 1e-100, 40),
    ),
    "rows and columns": (
        np.diag([1e3, 1e-3]) @ [[1, 1], [0, 1]] * [1e100, 1e-100],
        [1e3, 0.75e-3],
        [0.25e-100, 0.75e100],
    ),
}


@pytest.mark.filterwarnings("error:invalid value:RuntimeWarning")
@pytest.mark.parametrize("name", PROMISES)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("options", [{}, ITERATED], ids=["", "iterated"])
def test_rows_and_columns_of_any_size(name, form, options):
    A, y, expected = (np.asarray(part, dtype=float) for part in PROMISES[name])
    result = nnls(FORMS[form](A), y, **options)
    assert result.converged
    sizes = np.linalg.norm(A, axis=0)
    assert_allclose(result.x * sizes, expected * sizes, atol=1e-7 * np.max(expected * sizes))


def test_a_start_that_fits_is_not_a_solution():
    A, y, expected = (np.asarray(part) for part in PROMISES["mixed"])
    assert_allclose(nnls(A, y, x0=[0.5, 0.2, 0.3]).x, expected, atol=1e-7)


@pytest.mark.filterwarnings("ignore:nnls. ")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("options", [{}, ITERATED], ids=["", "iterated"])
def test_a_solution_that_float64_cannot_hold_is_not_called_one(form, options):
    """Nearly opposite columns: the data are met with entries of 1e7, whose rounding alone mostly leaves a residual of 1e-6.

    On some processors the entries come out so that there is none, which may be said.
    """
    A, y = np.array([[-1000.0, 2000.0], [3e-8, 3e-8]]), np.array([-2.0, 1.0])
    result = nnls(FORMS[form](A), y, **options)
    assert result.residual_norm < 1e-5
    assert_allclose(result.x, [22222222.22, 11111111.11], rtol=1e-5)
    missed = [
        sum(Fraction(a) * Fraction(x) for a, x in zip(row, result.x, strict=True)) - Fraction(b)
        for row, b in zip(A, y, strict=True)
    ]
    assert result.converged == (max(map(abs, missed)) <= 1e-12)
    assert result.converged or result.gap > 0


@pytest.mark.parametrize("form", FORMS)
def test_the_result_carries_its_certificate(form):
    rng = np.random.default_rng(5)
    A, y = rng.random((12, 6)) * np.geomspace(1e-3, 1e3, 6), rng.standard_normal(12)
    result = nnls(FORMS[form](A), y)
    assert_allclose(result.dual, A.T @ (A @ result.x - y), atol=1e-9)
    assert np.array_equal(result.active, result.x == 0)
    assert np.all(result.dual[result.active] > 0) and np.any(result.active)
    assert 0 <= result.gap < 1e-12
    assert result.optimality == pytest.approx(2 * result.gap / result.residual_norm**2, abs=1e-15)


def test_an_entry_at_its_bound_is_active_without_a_multiplier():
    result = nnls(np.eye(2), [1.0, 0.0])
    assert result.dual.tolist() == [0, 0] and result.active.tolist() == [False, True]


def test_units_of_a_power_of_two_change_no_bit():
    for seed in range(200):
        A, y = instance(seed)
        plain = nnls(A, y)
        scaled = nnls(A * 2.0**-70, y * 2.0**40)
        assert np.array_equal(plain.x, scaled.x * 2.0**-110), seed
        assert (plain.kkt_residual, plain.optimality, plain.converged) == (
            scaled.kkt_residual,
            scaled.optimality,
            scaled.converged,
        )


def test_columns_of_an_operator_that_the_probes_do_not_see():
    """A large operator, whose columns are only estimated: none is taken for zero, and none so wrong that it is left out."""
    rng = np.random.default_rng(0)
    A = np.repeat(rng.choice([-1.0, 1.0], (60, 6000)), 2, axis=0) * np.tile([1.0, -1.0], 60)[:, None]
    A = A * 10 ** rng.uniform(-90, 90, 6000)
    x = np.zeros(6000)
    x[:10] = 1 / np.linalg.norm(A[:, :10], axis=0)
    result = nnls(aslinearoperator(A), A @ x)
    assert result.converged
    assert result.residual_norm < 1e-7 * np.linalg.norm(A @ x)


A, y = np.eye(3), np.ones(3)
WRONG = [
    ("A", {"A": np.ones(3)}),
    ("A", {"A": np.ma.masked_array(np.eye(3), np.eye(3) > 0)}),
    ("y", {"y": np.ma.masked_array(np.ones(3), [True, False, False])}),
    ("A", {"A": np.full((3, 3), np.nan)}),
    ("A", {"A": np.diag([1.0, np.inf, 1.0])}),
    ("A", {"A": csr_array(np.diag([1.0, np.nan, 1.0]))}),
    ("A", {"A": np.eye(3, dtype=complex)}),
    ("A", {"A": np.eye(3) * 1e200}),
    ("A", {"A": np.eye(3) * 1e-200}),
    ("A", {"A": [["a", "b", "c"]] * 3}),
    ("y", {"y": np.ones(4)}),
    ("y", {"y": np.ones((1, 3))}),
    ("y", {"y": np.ones((2, 2))}),
    ("y", {"y": [1.0, np.nan, 0.0]}),
    ("y", {"y": [1.0, np.inf, 0.0]}),
    ("y", {"y": [1j, 0, 0]}),
    ("y", {"y": np.ones(3) * 1e200}),
    ("tol", {"tol": -1}),
    ("tol", {"tol": 0}),
    ("tol", {"tol": 1e-20}),
    ("tol", {"tol": np.nan}),
    ("tol", {"tol": "small"}),
    ("max_iterations", {"max_iterations": -1}),
    ("max_iterations", {"max_iterations": 2.5}),
    ("x0", {"x0": [1.0, 2.0]}),
    ("x0", {"x0": [-1.0, 0.0, 0.0]}),
    ("x0", {"x0": [np.nan, 0.0, 0.0]}),
    ("x0", {"x0": [1e300, 0.0, 0.0]}),
    ("alpha", {"alpha": 1e200}),
    ("alpha", {"alpha": 0.0}),
    ("alpha", {"alpha": -1.0}),
    ("alpha", {"alpha": [1.0, 2.0, 3.0]}),
    ("alpha", {"alpha": 1.0, "x0": np.ones(3)}),
    ("callback", {"callback": 3}),
]


@pytest.mark.parametrize(("name", "change"), WRONG, ids=lambda value: value if isinstance(value, str) else "")
def test_wrong_input_is_named(name, change):
    with pytest.raises(ValueError, match=rf"^{name}\b"):
        nnls(**({"A": A, "y": y} | change))


@pytest.mark.parametrize("form", FORMS)
def test_no_rows_or_no_columns(form):
    assert nnls(FORMS[form](np.ones((0, 3))), np.ones(0)).x.tolist() == [0, 0, 0]
    empty = nnls(FORMS[form](np.ones((3, 0))), [3.0, 0.0, 4.0])
    assert (empty.x.shape, empty.residual_norm, empty.converged) == ((0,), 5.0, True)


def test_numbers_in_whatever_the_field_keeps_them():
    A, y = np.array([[2.0, 0.0], [0.0, 1.0], [1.0, 1.0]]), np.array([2.0, 3.0, 4.0])
    expected = nnls(A, y).x
    assert np.array_equal(nnls(A, y[:, None]).x, expected)
    assert np.array_equal(nnls(A.astype(object), y.astype(object)).x, expected)
    mixed = np.array([[2.0, False], [0, True], [True, np.float32(1)]], dtype=object)  # what a data frame hands out
    assert np.array_equal(nnls(mixed, y).x, expected)


class TestPeers:
    """The suites of those who offer the same, with `nnls` in place of theirs."""

    @staticmethod
    def as_scipy(A, b, *, maxiter=None, atol=None):
        result = nnls(A, b)
        # One of the tests asks for a residual of exactly zero, which SciPy says although that of its x is not.
        size = np.linalg.norm(b)
        return result.x, result.residual_norm if result.residual_norm > 1e-15 * size else 0.0

    def test_the_suite_of_scipy(self, monkeypatch):
        """All but the limit of iterations, a warning about an old argument, and the text of an error."""
        suite = pytest.importorskip("scipy.optimize.tests.test_nnls")
        monkeypatch.setattr(suite, "nnls", self.as_scipy)
        tests = suite.TestNNLS()
        names = {name for name in dir(tests) if name.startswith("test_")}
        others = {"test_maxiter", "test_atol_deprecation_warning", "test_2D_not_singleton_RHS_input_2"}
        assert others < names and len(names - others) >= 8
        for name in sorted(names - others):
            if hasattr(tests, "setup_method"):
                tests.setup_method()
            getattr(tests, name)()

    @pytest.mark.filterwarnings("ignore")
    def test_the_checks_of_scikit_learn(self, monkeypatch):
        from scipy import optimize
        from sklearn.linear_model import LinearRegression
        from sklearn.utils.estimator_checks import check_estimator

        monkeypatch.setattr(optimize, "nnls", self.as_scipy)
        check_estimator(LinearRegression(positive=True))
