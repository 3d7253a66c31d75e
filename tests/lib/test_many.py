"""Many right-hand sides at once: each column against SciPy and exact losses, whatever way it takes."""

import copy
import pickle
import sys
import types
import warnings

import implicit_bias._columns as columns
import numpy as np
import pytest
from implicit_bias import NNLS, _fast, nnls
from implicit_bias.measures import certificate
from scipy.optimize import nnls as lawson_hanson
from scipy.sparse import coo_array, csc_array, csr_array, random_array
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from tests.lib.test_nnls import FORMS, conditioned, instance
from tests.lib.trials import exact_loss


def pixels(m, n, condition, k, noise=0.01, seed=0):
    """A matrix with geometric singular values, and data from vectors of which half of the entries are positive."""
    rng = np.random.default_rng(seed)
    A = conditioned(rng, m, n, condition)
    return A, A @ np.maximum(rng.standard_normal((n, k)), 0) + noise * rng.standard_normal((m, k))


@pytest.mark.parametrize("noise", [0, 1e-9, 1e-6, 1e-2, 10])
@pytest.mark.parametrize("condition", [2, 20, 1e3, 1e5, 1e7])
def test_every_column_is_that_of_scipy(condition, noise):
    A, Y = pixels(60, 20, condition, 40, noise)
    result = nnls(A, Y)
    assert result.converged and result.x.shape == (20, 40)
    for k, y in enumerate(Y.T):
        expected, norm = lawson_hanson(A, y, maxiter=1000)
        assert result.residual_norm[k] <= norm * (1 + 1e-9) + 1e-13 * np.linalg.norm(y)
        np.testing.assert_allclose(result.x[:, k], expected, atol=1e-10 * condition)
        assert result.residual_norm[k] == pytest.approx(np.linalg.norm(A @ result.x[:, k] - y), rel=1e-12, abs=1e-13)
        np.testing.assert_array_equal(result.active[:, k], result.x[:, k] == 0)
        np.testing.assert_allclose(result.dual[:, k], A.T @ (A @ result.x[:, k] - y), atol=1e-13 * np.linalg.norm(y))


@pytest.mark.filterwarnings("ignore:nnls. ")
@pytest.mark.parametrize("form", ["dense", "sparse", "operator"])
def test_degenerate_matrices_with_several_columns(form):
    """Zero, equal and opposite columns, ranks that lack, powers, sizes from 1e-6 to 1e6: as good as column by column."""
    failures = 0
    for seed in range(300):
        A, y = instance(seed)
        rng = np.random.default_rng(seed)
        Y = np.c_[y, rng.standard_normal((len(y), 3)), np.zeros(len(y)), A @ rng.random(A.shape[1])]
        result = nnls(FORMS[form](A), Y)
        assert np.all(result.x >= 0)
        failures += not result.converged
        for k, column in enumerate(Y.T):
            size = np.linalg.norm(column) or 1.0
            assert np.linalg.norm(A @ result.x[:, k] - column) == pytest.approx(
                result.residual_norm[k], abs=1e-9 * size
            )
            alone = nnls(A, column)
            if result.converged:
                assert result.residual_norm[k] <= alone.residual_norm * (1 + 1e-8) + 1e-11 * size, (seed, k)
    assert failures <= 3


def test_the_gap_of_every_column_is_a_bound():
    """The least loss is known in fractions; a gap that rounding hides is not claimed."""
    for seed in range(20):
        A, Y = pixels(8, 4, 10.0 ** (seed % 7), 6, [1, 1e-3, 1e-6][seed % 3], seed)
        result = nnls(A, Y)
        for k, y in enumerate(Y.T):
            least = exact_loss(A, y, lawson_hanson(A, y)[0])
            loss = exact_loss(A, y, result.x[:, k])
            assert loss - least <= 1e-8 * least + 1e-26 * (y @ y)


def test_a_certificate_is_from_the_data_and_not_from_the_gram_matrix(monkeypatch):
    """If pivoting says something wrong, the certificates see it, and another method follows."""
    A, Y = pixels(60, 20, 20, 30)
    right = nnls(A, Y).x

    def wrong(gram, C, equations):
        x = np.maximum(C, 0)
        return x, np.ones(len(C), bool)

    monkeypatch.setattr(columns, "_pivot", wrong)
    monkeypatch.setattr(columns.Columns, "_coefficients", lambda self, r, on, equations: 0 * r[: on.shape[1]].T)
    np.testing.assert_allclose(nnls(A, Y).x, right, atol=1e-12)

    calls = []
    monkeypatch.setattr(columns, "lawson_hanson", lambda R, b, maxiter: (np.ones(R.shape[1]), 0.0))
    monkeypatch.setattr(columns.Columns, "_alone", lambda self, Y, tol: calls.append(Y.shape) or alone(self, Y, tol))
    np.testing.assert_allclose(nnls(A, Y).x, right, atol=1e-12)
    assert calls == [(60, 30)]


alone = columns.Columns._alone


@pytest.mark.parametrize(
    "limit", ["LARGEST_GRAM", "PIVOTS", "LOOKS", "SHARED", "STACK", "TOGETHER", "LARGEST_CONDITION"]
)
def test_every_way_leads_to_the_same_solution(limit, monkeypatch):
    A, Y = pixels(60, 20, 20, 130)
    Y[:, 100:] = Y[:, :30] * 2.0  # supports that occur twice
    expected = nnls(A, Y).x
    monkeypatch.setattr(columns, limit, 1)
    result = nnls(A, Y)
    assert result.converged
    np.testing.assert_allclose(result.x, expected, atol=1e-12)


@pytest.mark.parametrize("few", [2, 18])
def test_small_and_large_supports(few):
    """A large support is solved by the equations off it."""
    rng = np.random.default_rng(0)
    A = rng.standard_normal((40, 20))
    X = np.array([rng.permutation(np.r_[np.ones(few), np.zeros(20 - few)]) for _ in range(50)]).T
    result = nnls(A, A @ X)
    assert result.converged
    np.testing.assert_allclose(result.x, X, atol=1e-13)


def supports(n, k):
    """A Gram matrix, data, and supports that are empty, full, and of different size side by side."""
    rng = np.random.default_rng(n + k)
    B = rng.standard_normal((3 * n, n))
    positive = rng.random((k, n)) < rng.random((k, 1)) * 1.4 - 0.2
    positive[0], positive[-1] = False, True
    return B.T @ B, rng.standard_normal((k, n)), positive


@pytest.mark.parametrize("n, k", [(1, 1), (5, 7), (12, 8), (12, 21)])
def test_equations_in_lanes_are_those_of_lapack(n, k):
    """As plain Python."""
    G, C, positive = supports(n, k)
    found = _fast.equations(G, C, positive, _fast.solve_in_lanes)
    for x, c, on in zip(found, C, positive, strict=True):
        assert not x[~on].any()
        np.testing.assert_allclose(x[on], np.linalg.solve(G[np.ix_(on, on)], c[on]), rtol=1e-10, atol=1e-12)


@pytest.mark.slow
def test_machine_code_has_the_same_answers(monkeypatch):
    """Of the equations, because a wrong one would be found and mended later, and of what is asked for."""
    G, C, positive = supports(50, 100)
    np.testing.assert_allclose(_fast.compiled()(G, C, positive), columns._equations(G, C, positive), atol=1e-12)
    for condition in (20, 1e3):
        A, Y = pixels(120, 50, condition, 1001)
        answers = []
        for here in (True, False):
            monkeypatch.setattr(_fast, "find_spec", lambda name, here=here: here)
            answers.append(nnls(A, Y))
        assert answers[0].converged and answers[1].converged
        assert answers[0].x.tobytes() != answers[1].x.tobytes(), "both were solved in the same way"
        np.testing.assert_allclose(answers[0].x, answers[1].x, rtol=0, atol=1e-12 * condition / 20)


def test_a_stream_is_prepared_once(monkeypatch):
    A, Y = pixels(60, 20, 20, 9)
    eigh, number = np.linalg.eigh, []
    monkeypatch.setattr(np.linalg, "eigh", lambda G: number.append(1) or eigh(G))
    stream = NNLS(A)
    parts = [stream.solve(Y[:, k : k + 3]) for k in (0, 3, 6)]
    assert len(number) == 1
    np.testing.assert_allclose(np.hstack([part.x for part in parts]), nnls(A, Y).x, atol=1e-14)


def test_what_is_prepared_can_be_sent_to_another_process(monkeypatch):
    """It had kept the function of numba, which cannot."""
    solver = columns._equations
    monkeypatch.setattr(columns, "solver_of_equations", lambda number, n: lambda *arguments: solver(*arguments))
    A, Y = pixels(40, 20, 5, 3)
    unmix = NNLS(A)
    before = unmix.solve(Y)
    for again in (pickle.loads(pickle.dumps(unmix)), copy.deepcopy(unmix)):
        assert again.solve(Y).x.tobytes() == before.x.tobytes()


def test_the_shapes_are_those_of_the_data():
    A, Y = pixels(60, 20, 20, 9)
    stream = NNLS(A)
    vector, column, block = stream.solve(Y[:, 0]), stream.solve(Y[:, :1]), stream.solve(Y)
    assert (vector.x.shape, column.x.shape, block.x.shape) == ((20,), (20, 1), (20, 9))
    assert isinstance(vector.residual_norm, float) and column.residual_norm.shape == (1,)
    assert nnls(A, Y[:, :1]).x.shape == (20,)  # as in SciPy
    np.testing.assert_allclose(vector.x, nnls(A, Y[:, 0]).x, atol=1e-13)
    x, norms = block
    assert x is block.x and norms is block.residual_norm


@pytest.mark.parametrize("form", [csr_array, aslinearoperator])
def test_large_matrices_without_entries_at_hand(form):
    """One by one, each start being the solution before where that explains something."""
    rng = np.random.default_rng(0)
    A = random_array((1500, 400), density=0.02, rng=rng).toarray()
    x = np.where(rng.random(400) < 0.2, rng.random(400), 0)
    Y = np.stack([A @ (x * (1 + 0.1 * t)) + 0.01 * rng.standard_normal(1500) for t in range(4)], axis=1)
    Y[:, 2] = rng.standard_normal(1500)
    result = nnls(form(A), Y, tol=1e-9)
    assert result.converged
    for k, y in enumerate(Y.T):
        np.testing.assert_allclose(result.x[:, k], lawson_hanson(A, y, maxiter=4000)[0], atol=1e-6)


def test_a_neighbour_saves_products():
    rng = np.random.default_rng(0)
    A = rng.random((1000, 500))
    count = []
    operator = LinearOperator(
        A.shape, lambda v: count.append(1) or A @ v, lambda r: count.append(1) or A.T @ r, dtype=float
    )
    y = A @ np.where(rng.random(500) < 0.2, 1.0, 0.0) + rng.standard_normal(1000)
    near = np.stack([y * (1 + 0.001 * t) + 0.001 * rng.standard_normal(1000) for t in range(3)], axis=1)
    nnls(operator, near, tol=1e-6)
    together = len(count)
    count.clear()
    for column in near.T:
        nnls(operator, column, tol=1e-6)
    assert together < 0.85 * len(count)


@pytest.mark.parametrize("unit_A, unit_y", [(1e-90, 1e90), (1e90, 1e-90), (2.0**40, 1.0)])
def test_units_do_not_matter(unit_A, unit_y):
    A, Y = pixels(30, 10, 20, 8)
    plain, scaled = nnls(A, Y), nnls(A * unit_A, Y * unit_y)
    assert scaled.converged
    np.testing.assert_allclose(scaled.x * (unit_A / unit_y), plain.x, atol=1e-12)


def test_columns_of_different_size_do_not_disturb_each_other():
    A, Y = pixels(30, 10, 20, 8)
    sizes = np.geomspace(1e-100, 1e100, 8)
    result = nnls(A, Y * sizes)
    assert result.converged
    np.testing.assert_allclose(result.x / sizes, nnls(A, Y).x, atol=1e-12)


def test_what_is_not_solved_is_counted():
    A = aslinearoperator(np.random.default_rng(0).random((800, 500)))
    Y = np.random.default_rng(1).random((800, 3))
    with pytest.warns(RuntimeWarning, match="0 of 3 columns are solved, .*: 0, 1, 2") as caught:
        result = nnls(A, Y, max_iterations=1)
    assert caught[0].filename == __file__
    assert not result.converged


WRONG = [
    ("y", {"y": np.ones((4, 2))}),
    ("y", {"y": np.ones((1, 3))}),
    ("y", {"y": np.ones((3, 2, 2))}),
    ("y", {"y": np.ones((3, 0))}),
    ("y", {"y": [[1.0, np.nan], [1.0, 1.0], [0.0, 0.0]]}),
    ("y", {"y": np.full((3, 2), np.inf)}),
    ("y", {"y": np.ones((3, 2)) * 1e200}),
    ("y", {"y": np.ones((3, 2), complex)}),
    ("y", {"y": np.ma.masked_array(np.ones((3, 2)), True)}),
    ("A", {"A": np.full((3, 3), np.nan)}),
    ("A", {"A": np.ones((3, 0))}),
    ("tol", {"tol": 0}),
    ("tol", {"tol": 1e-20}),
]


@pytest.mark.parametrize(("name", "change"), WRONG)
def test_wrong_input_is_named(name, change):
    given = {"A": np.eye(3), "y": np.ones((3, 2)), "tol": 1e-8} | change
    with pytest.raises(ValueError, match=rf"^{name}\b"):
        nnls(given["A"], given["y"], tol=given["tol"])
    with pytest.raises(ValueError, match=rf"^{name}\b"):
        NNLS(given["A"]).solve(given["y"], tol=given["tol"])


@pytest.mark.parametrize("option", [{"x0": np.ones(3)}, {"alpha": 1.0}, {"callback": print}])
def test_what_is_for_one_column_only(option):
    with pytest.raises(ValueError, match=f"^{next(iter(option))} must not be given with several columns of y"):
        nnls(np.eye(3), np.ones((3, 2)), **option)


def test_progress_is_told(monkeypatch, capsys):
    monkeypatch.setattr(columns, "TOGETHER", 2)
    A, Y = pixels(30, 10, 20, 5)
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    nnls(A, Y, progress=True)
    assert capsys.readouterr().err.splitlines() == ["nnls: 0 of 5", "nnls: 2 of 5", "nnls: 4 of 5"]
    told = []

    class Bar:
        def __init__(self, total, desc):
            told.append((total, desc))

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def update(self, number):
            told.append(number)

    monkeypatch.setitem(sys.modules, "tqdm.auto", types.SimpleNamespace(tqdm=Bar))
    nnls(A, Y, progress=True)
    assert told == [(5, "nnls"), 2, 2, 1]
    assert capsys.readouterr().err == ""


def test_ten_thousand_columns_need_few_calls(monkeypatch):
    """What costs time in Python is a call: no column of a well-conditioned problem has one of its own."""
    A, Y = pixels(60, 20, 20, 10_000)
    monkeypatch.setattr(columns, "lawson_hanson", lambda *args, **options: pytest.fail("a column was solved alone"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = nnls(A, Y)
    assert result.converged
    single = certificate(A, Y[:, 7], result.x[:, 7], nonnegative=True)
    assert single.kkt_residual == pytest.approx(result.kkt_residual[7], abs=1e-14)


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint8, np.float32])
@pytest.mark.parametrize("form", [coo_array, csr_array, csc_array])
def test_entries_that_occur_several_times_are_added_as_numbers(form, dtype):
    """In their own type small integers would begin again at zero, and 1 + 1 be 1."""
    rng = np.random.default_rng(0)
    rows, columns = rng.integers(0, 9, 60), rng.integers(0, 4, 60)
    values, y = np.asarray(rng.integers(1, 120, 60)).astype(dtype), rng.random(9)
    A = form((9, 4), dtype=dtype)
    if form is coo_array:
        A = coo_array((values, (rows, columns)), shape=(9, 4))
    else:
        major, minor = (rows, columns) if form is csr_array else (columns, rows)
        order = np.argsort(major, kind="stable")
        starts = np.searchsorted(major[order], np.arange(A.shape[form is csc_array] + 1))
        A = form((values[order], minor[order], starts), shape=(9, 4))
    expected = np.zeros((9, 4))
    np.add.at(expected, (rows, columns), values.astype(float))
    for x in (NNLS(A).solve(y).x, nnls(A, y, weights=np.ones(9)).x, nnls(A, y, upper=np.inf).x):
        np.testing.assert_allclose(x, lawson_hanson(expected, y)[0], atol=1e-12)
