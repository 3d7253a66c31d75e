"""The wrong-input table: each row gets an error that names the argument, or a right answer."""

import functools
import re
import warnings
from decimal import Decimal
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from implicit_bias import (
    GroupHadamard,
    HadamardPower,
    Linear,
    MatrixProduct,
    SignedHadamardPower,
    SymmetricProduct,
    accelerated_flow,
    basis_pursuit,
    diagonal_descent,
    diagonal_flow,
    flow_limit,
    gradient_descent,
    gradient_flow,
    group_lasso,
    hadamard_penalty,
    l1_bound,
    lasso_path,
    learning_time,
    minimum_norm,
    nuclear_norm,
    ridge_path,
    saddle_to_saddle,
    spectral_path,
)
from implicit_bias.images import as_image, deblurring, missing_pixels
from implicit_bias.measures import (
    balancedness,
    best_rank,
    column_norms,
    effective_rank,
    kkt_residual,
    margin,
    null_space_constant,
    recovery_error,
    spectral_norm,
)
from implicit_bias.problems import (
    matrix_completion,
    matrix_sensing,
    matrix_target,
    observed_entries,
    sparse_recovery,
)
from implicit_bias.spectrum import effective_rank_plateaus, eigendecomposition, plateau_intervals
from scipy.optimize import nnls
from scipy.sparse import coo_array, csc_array, csr_array
from scipy.sparse.linalg import LinearOperator, aslinearoperator

A = np.array([[1.0, -2.0, 0.5, 3.0], [2.0, 1.0, -1.0, 0.5], [0.5, 1.5, 2.0, -1.0]])
y = A @ [1.0, 0.5, 0.75, 0.25]
MODEL, DEEP = SignedHadamardPower(2), SignedHadamardPower(3)

# Every function of a matrix (and of data), with good values for the rest.
OF_THE_DATA = {
    "gradient_descent": lambda A, y: gradient_descent(A, y, MODEL, alpha=0.5).x,
    "gradient_flow": lambda A, y: gradient_flow(A, y, MODEL, alpha=0.5).x,
    "accelerated_flow": lambda A, y: accelerated_flow(A, y, MODEL, alpha=0.5, times=[1.0]).x,
    "flow_limit": lambda A, y: flow_limit(A, y, MODEL, alpha=0.5).x,
    "basis_pursuit": lambda A, y: basis_pursuit(A, y).x,
    "minimum_norm": minimum_norm,
    "spectral_path": lambda A, y: spectral_path(A, y, times=[1.0])[0],
    "ridge_path": lambda A, y: ridge_path(A, y, [0.1])[0],
    "nuclear_norm": lambda A, y: nuclear_norm(A, y, (2, 2)).x,
    "lasso_path": lambda A, y: lasso_path(A, y, [0.1])[0],
    "group_lasso": lambda A, y: group_lasso(A, y, [0, 0, 1, 1], 0.1).x,
    "descent with decay": lambda A, y: (
        gradient_descent(A, y, MODEL, alpha=0.5, weight_decay=0.1, max_iterations=2000).x
    ),
    "flow with decay": lambda A, y: gradient_flow(A, y, MODEL, alpha=0.5, weight_decay=0.1).x,
    "deep flow with decay": lambda A, y: gradient_flow(A, y, DEEP, alpha=0.5, weight_decay=0.1, times=[1.0]).x,
    "saddle_to_saddle": lambda A, y: saddle_to_saddle(A, y).x[-1],
    "kkt_residual": lambda A, y: kkt_residual(A, y, np.ones(4)),
}
OF_THE_MATRIX = {
    "spectral_norm": lambda A, y: spectral_norm(A),
    "column_norms": lambda A, y: column_norms(A),
    "null_space_constant": lambda A, y: null_space_constant(A, 1),
}
SOLVERS = {name: OF_THE_DATA[name] for name in ("gradient_descent", "gradient_flow", "flow_limit")}


def changed(value, index=(0, 0)):
    """The matrix with one entry replaced."""
    other = A.copy()
    other[index] = value
    return other


def nan_operator():
    return LinearOperator(A.shape, matvec=lambda x: A @ x * np.nan, rmatvec=lambda r: A.T @ r, dtype=float)


def refuses(argument, call):
    """The message begins with the name of the argument, or of the function and then that."""
    with pytest.raises(ValueError, match=rf"^{re.escape(argument)}\b"):
        call()


# --- Matrices and data ---

WRONG_MATRICES = {
    "one dimension": A[0],
    "three dimensions": A[None],
    "a number": 1.0,
    "None": None,
    "ragged": [[1.0, 2.0], [3.0]],
    "empty list": [],
    "NaN": changed(np.nan),
    "infinity": changed(-np.inf),
    "sparse NaN": csr_array(changed(np.nan)),
    "operator NaN": nan_operator(),
    "complex": A + 0j,
    "complex sparse": csr_array(A + 0j),
    "complex operator": aslinearoperator(A + 0j),
    "integer operator": aslinearoperator(A.astype(int)),
    "strings": [["1", "2"], ["3", "4"]],
    "objects that are strings": A.astype(str).astype(object),
    "objects that are complex": (A + 0j).astype(object),
    "objects that are lists": np.array([[[1], [2]], [[3], 4.0]], dtype=object),
    "None in it": np.where(A == 3, None, A),
    "masked": np.ma.masked_greater(A, 2.5),
    "masked nowhere": np.ma.array(A),
    "too large an object": np.where(A == 3, 10**400, A.astype(object)),
    "beyond 1e100": 1e101 * A,
    "below 1e-100": 1e-102 * A,
}
WRONG_DATA = {
    "too short": y[:2],
    "too long": np.r_[y, 1.0],
    "two columns": np.c_[y, y],
    "a row": y[None],
    "masked": np.ma.array(y, mask=[False, True, False]),
    "None in it": [1.0, None, 2.0],
    "a number": 1.0,
    "None": None,
    "ragged": [[1.0], [2.0, 3.0], 4.0],
    "NaN": [np.nan, 1.0, 1.0],
    "infinity": [np.inf, 1.0, 1.0],
    "complex": y + 0j,
    "strings": ["a", "b", "c"],
    "beyond 1e100": 1e101 * y,
    "below 1e-100": 1e-102 * y,
}


@pytest.mark.parametrize("wrong", WRONG_MATRICES)
@pytest.mark.parametrize("function", OF_THE_DATA | OF_THE_MATRIX)
def test_wrong_matrix(wrong, function):
    refuses("A", lambda: (OF_THE_DATA | OF_THE_MATRIX)[function](WRONG_MATRICES[wrong], y))


@pytest.mark.parametrize("wrong", WRONG_DATA)
@pytest.mark.parametrize("function", OF_THE_DATA)
def test_wrong_data(wrong, function):
    refuses("y", lambda: OF_THE_DATA[function](A, WRONG_DATA[wrong]))


INTEGERS = np.array([[1, -2, 0, 3], [2, 1, -1, 0], [0, 1, 2, -1]])
LONG_INDICES = csr_array(A)
LONG_INDICES.indices, LONG_INDICES.indptr = (
    part.astype(np.int64) for part in (LONG_INDICES.indices, LONG_INDICES.indptr)
)
RIGHT_MATRICES = {
    "lists": A.tolist(),
    "tuples": tuple(map(tuple, A)),
    "Fortran order": np.asfortranarray(A),
    "not contiguous": np.repeat(A, 2, axis=1)[:, ::2],
    "reversed strides": A[::-1, ::-1][::-1, ::-1],
    "read-only": np.broadcast_to(A, A.shape),
    "objects": A.astype(object),
    "CSR": csr_array(A),
    "CSR with long indices": LONG_INDICES,
    "CSC": csc_array(A),
    "COO": coo_array(A),
    "operator": aslinearoperator(A),
    "long double": A.astype(np.longdouble),
    "float32": A.astype(np.float32),
    "float16": A.astype(np.float16),
}
LOOSE = {"float32": 1e-3, "gradient_descent": 1e-3}  # a step has a bias, which depends on it


@functools.cache
def of_an_array(function):
    return OF_THE_DATA[function](A, y)


@pytest.mark.parametrize("form", RIGHT_MATRICES)
@pytest.mark.parametrize("function", OF_THE_DATA)
def test_any_form_of_a_matrix(form, function):
    result = OF_THE_DATA[function](RIGHT_MATRICES[form], y)
    if function == "kkt_residual" and form == "operator":
        return  # measured by the spectral norm, the columns are not at hand
    bias = 0.05 if (form, function) == ("operator", "gradient_descent") else 0
    tolerance = max(LOOSE.get(form, 1e-5), bias)
    np.testing.assert_allclose(result, of_an_array(function), atol=tolerance)


def operator_of(**products):
    """An operator with wrong products, which the first one, with ones, does not tell."""
    right = {"matvec": lambda v: A @ v.ravel(), "rmatvec": lambda r: A.T @ r.ravel()}
    return LinearOperator(A.shape, **right | products, dtype=float)


WRONG_OPERATORS = {
    "wrong sign": operator_of(rmatvec=lambda r: -A.T @ r),
    "of other rows": operator_of(rmatvec=lambda r: A[::-1].T @ r),
    "of other columns": operator_of(rmatvec=lambda r: A[:, ::-1].T @ r),
    "complex": operator_of(rmatvec=lambda r: A.T @ r + 0j),
    "none": LinearOperator(A.shape, matvec=lambda v: A @ v, dtype=float),
    "NaN": operator_of(rmatvec=lambda r: A.T @ np.where(r == 1, np.nan, r)),
}
OF_PRODUCTS = {
    "gradient_descent",
    "descent with decay",
    "logistic descent",
    "kkt_residual",
    "column_norms",
    "spectral_norm",
}


@pytest.mark.parametrize("wrong", WRONG_OPERATORS)
@pytest.mark.parametrize("function", [name for name in OF_THE_DATA if name not in OF_PRODUCTS])
def test_an_operator_whose_products_do_not_belong_together(wrong, function):
    """Written down by its transpose, it was another matrix, of which the answer was right and converged."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        refuses("A", lambda: OF_THE_DATA[function](WRONG_OPERATORS[wrong], y))


@pytest.mark.parametrize("wrong", ["wrong sign", "of other rows", "of other columns"])
@pytest.mark.parametrize("function", sorted(OF_PRODUCTS & set(OF_THE_DATA)))
def test_nor_where_only_products_are_taken(wrong, function):
    refuses("A", lambda: OF_THE_DATA[function](WRONG_OPERATORS[wrong], y))


def test_a_light_row_of_the_transpose_is_looked_at_where_its_entries_are_used():
    """It counts nothing in one number for all rows; `as_entries` compares each of them."""
    sizes = np.ones(len(A))
    sizes[-1] = 1e-9
    B, turned = sizes[:, None] * A, np.where(sizes < 1, -1.0, 1.0)[:, None] * sizes[:, None] * A
    right = LinearOperator(A.shape, matvec=lambda v: B @ v, rmatvec=lambda r: B.T @ r, dtype=float)
    wrong = LinearOperator(A.shape, matvec=lambda v: B @ v, rmatvec=lambda r: turned.T @ r, dtype=float)
    np.testing.assert_allclose(minimum_norm(right, sizes * y), minimum_norm(A, y), rtol=1e-6)
    refuses("A", lambda: minimum_norm(wrong, sizes * y))


def test_only_what_is_used_of_an_operator_is_asked_for():
    forward = LinearOperator((4, 2), matvec=lambda v: A.T[:, :2] @ v, dtype=float)
    np.testing.assert_allclose(minimum_norm(forward, A[0]), minimum_norm(A.T[:, :2], A[0]))
    np.testing.assert_allclose(column_norms(forward), column_norms(A.T[:, :2]))
    refuses("A", lambda: column_norms(operator_of(matvec=lambda v: A @ np.where(np.sum(v) == 1, np.nan, v))))


@pytest.mark.parametrize("function", OF_THE_DATA)
@pytest.mark.parametrize("dtype", [int, np.int8, np.uint8, bool])
def test_integers_are_numbers(function, dtype):
    matrix, data = np.abs(INTEGERS).astype(dtype), np.array([1, 1, 1], dtype)
    expected = OF_THE_DATA[function](matrix.astype(float), data.astype(float))
    np.testing.assert_allclose(OF_THE_DATA[function](matrix, data), expected, atol=1e-9)


class Table:
    """As pandas gives it where a column may miss values, or where columns have different types: an array of objects."""

    def __init__(self, *columns):
        self.columns = columns

    def __array__(self, dtype=None, copy=None):
        return np.array([list(row) for row in zip(*self.columns, strict=True)], dtype=object)


@pytest.mark.parametrize("function", OF_THE_DATA)
def test_tables_and_columns(function):
    matrix = np.array([[1, 0.5, 2], [0, 1.5, -1], [1, 2.0, 0]])
    table = Table([True, False, np.True_], [np.float64(0.5), 1.5, Fraction(2)], [2, np.int64(-1), Decimal(0)])
    if function in ("nuclear_norm", "kkt_residual", "group_lasso"):  # which want four columns
        matrix, table = np.c_[matrix, matrix[:, 1]], Table(*table.columns, table.columns[1])
    data = np.array([1.0, 2.0, 3.0])
    expected = OF_THE_DATA[function](matrix, data)
    for other in (data[:, None], data.astype(object), data[:, None].astype(object), csr_array(data[:, None]).toarray()):
        np.testing.assert_array_equal(OF_THE_DATA[function](table, other), expected)


class NAType:
    """As the missing value of pandas."""


@pytest.mark.parametrize(
    "matrix, data, advice",
    [
        (A, np.ma.array(y, mask=[0, 1, 0]), "leave the masked rows out of A and y"),
        (A, [1.0, None, 2.0], "leave these rows out"),
        (A, [1.0, NAType(), 2.0], "leave these rows out"),
        (A, [1.0, np.nan, 2.0], "leave these rows out"),
        (A, ["1", "2", "3"], "convert the strings"),
        (A, np.c_[y, y], "call once for each column"),
        (A + 0j, y, "real and the imaginary parts"),
        (A[0], y, r"A\[None\]"),
        (aslinearoperator(A.astype(int)), y, "dtype=float"),
        (1e101 * A, y, "rescale"),
    ],
)
def test_a_message_says_what_to_do(matrix, data, advice):
    with pytest.raises(ValueError, match=advice):
        flow_limit(matrix, data, MODEL, alpha=0.5)


EMPTY = {
    "gradient_descent": lambda A, y: gradient_descent(A, y, MODEL, alpha=0.5),
    "gradient_flow": lambda A, y: gradient_flow(A, y, MODEL, alpha=0.5),
    "accelerated_flow": lambda A, y: accelerated_flow(A, y, MODEL, alpha=0.5, times=[0.0, 1.0]),
    "flow_limit": lambda A, y: flow_limit(A, y, HadamardPower(3), alpha=[[0.5], [2.0]]),
    "basis_pursuit": lambda A, y: basis_pursuit(A, y),
}


@pytest.mark.parametrize("form", [np.array, csr_array, aslinearoperator])
@pytest.mark.parametrize("m, n", [(3, 0), (0, 4), (0, 0)])
def test_a_matrix_without_entries(form, m, n):
    """Nothing to fit: what there is of x stays where it starts."""
    matrix = form(np.zeros((m, n)))
    for function, solve in EMPTY.items():
        for data in (np.zeros(m), np.ones(m)):
            result = solve(matrix, data)
            assert result.x.shape[-1] == n
            assert result.converged == (function != "basis_pursuit" or not np.any(data))
            if result.path is not None:
                np.testing.assert_allclose(result.path.loss, np.sum(data) / 2)
                assert result.path.x.shape == (len(result.path.times), n)
    np.testing.assert_allclose(EMPTY["flow_limit"](matrix, np.zeros(m)).x, np.tile([[0.125], [8.0]], (1, n)))
    assert minimum_norm(matrix, np.ones(m)).tolist() == [0.0] * n
    assert lasso_path(np.zeros((m, n)), np.ones(m), [0.1, 0.2]).shape == (2, n)


@pytest.mark.parametrize("shape", [(0, 4), (3, 0)])
@pytest.mark.parametrize(
    "function",
    sorted(
        {"saddle_to_saddle", "kkt_residual", "nuclear_norm", "ridge_path", "group_lasso", "flow with decay"}
        | {"descent with decay", "deep flow with decay"}
        | OF_THE_MATRIX.keys()
    ),
)
def test_what_needs_entries_says_so(function, shape):
    refuses("A", lambda: (OF_THE_DATA | OF_THE_MATRIX)[function](np.zeros(shape), np.zeros(shape[0])))


HARD = {
    "zero column": (A * [1, 1, 0, 1], y),
    "zero row": (np.vstack([A, np.zeros(4)]), np.r_[y, 0]),
    "zero matrix": (0 * A, y),
    "zero data": (A, 0 * y),
    "nothing at all": (0 * A, 0 * y),
    "duplicate rows": (np.vstack([A, A]), np.r_[y, y]),
    "duplicate columns": (np.hstack([A, A]), y),
    "contradicting rows": (np.vstack([A, A]), np.r_[y, y + 1]),
    "more rows than columns": (np.vstack([A, 2 * A[::-1] ** 2]), np.r_[y, -y]),
    "data outside the range": ([[1.0, 1.0], [1.0, 1.0]], [1.0, -1.0]),
    "one by one": ([[2.0]], [3.0]),
    "one row": (A[:1], y[:1]),
    "one column": (np.abs(A[:, :1]), y),
    "huge": (1e90 * A, 1e90 * y),
    "tiny": (1e-90 * A, 1e-90 * y),
    "long rows": (np.tile(A, 50), y),
}


@pytest.mark.parametrize("model", [HadamardPower(2), HadamardPower(3), SignedHadamardPower(2), SignedHadamardPower(3)])
@pytest.mark.parametrize("case", HARD)
def test_hard_but_right(case, model):
    """The limit solves the (non-negative) least-squares problem; the flow and the descent go there."""
    A, y = map(np.asarray, HARD[case])
    least = (
        nnls(A / (np.max(np.abs(A)) or 1), y / (np.max(np.abs(A)) or 1))[0] if model.nonnegative else minimum_norm(A, y)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        limit = flow_limit(A, y, model, alpha=0.5)
        flow = gradient_flow(A, y, model, alpha=0.5)
        descent = gradient_descent(A, y, model, alpha=0.5, max_iterations=2000)
    assert limit.converged
    size = np.linalg.norm(y) or 1.0
    assert np.linalg.norm(A @ limit.x - y) == pytest.approx(np.linalg.norm(A @ least - y), rel=1e-6, abs=1e-6 * size)
    for result in (limit, flow, descent):
        assert np.all(np.isfinite(result.x))
        assert not model.nonnegative or np.all(result.x >= 0)
    # A limit on the boundary is approached at a rate of 1/t, where neither x nor the residual tells how near it is.
    residual = np.linalg.norm(A @ flow.x - y)
    assert residual == pytest.approx(np.linalg.norm(A @ least - y), rel=1e-3, abs=1e-3 * size)


# --- The start ---

WRONG_ALPHAS = {
    "zero": 0,
    "negative": -0.1,
    "one negative": [0.1, 0.1, -0.1, 0.1],
    "NaN": np.nan,
    "infinity": np.inf,
    "complex": 0.1j,
    "string": "small",
    "None": None,
    "empty": [],
    "wrong length": [0.1, 0.2, 0.3],
    "stack of wrong length": np.ones((2, 3)),
    "three dimensions": np.ones((2, 1, 4)),
    "ragged": [[0.1], [0.1, 0.2]],
    "overflowing power": 1e200,
    "underflowing power": 1e-200,
}


@pytest.mark.parametrize("wrong", WRONG_ALPHAS)
@pytest.mark.parametrize("solver", [gradient_descent, gradient_flow, flow_limit])
@pytest.mark.parametrize("power", [HadamardPower, SignedHadamardPower])
def test_wrong_alpha(wrong, solver, power):
    refuses("alpha", lambda: solver(A, y, power(2), alpha=WRONG_ALPHAS[wrong]))


OUT_OF_RANGE = {
    "flow of a stack": lambda: gradient_flow(A, y, MODEL, alpha=[[0.1], [0.2]]),
    "accelerated flow of a stack": lambda: accelerated_flow(A, y, MODEL, alpha=[[0.1], [0.2]], times=[1.0]),
    "flow that would take forever": lambda: gradient_flow(A, y, SignedHadamardPower(4), alpha=1e-8),
    "flow of a far too large start": lambda: gradient_flow(A, y, HadamardPower(2), alpha=1e10),
    "flow of a far too large signed start": lambda: gradient_flow(A, y, MODEL, alpha=1e30),
    "limit of a start beyond float64": lambda: flow_limit(A, y, HadamardPower(3), alpha=1e90),
    "descent that overflows at once": lambda: gradient_descent(1e90 * A, y, HadamardPower(3), alpha=1e90),
    "descent beyond float32": lambda: gradient_descent(A.astype("f"), y, HadamardPower(2), alpha=1e30),
    "descent below float32": lambda: gradient_descent(A.astype("f"), y, HadamardPower(2), alpha=1e-60),
    "bound of a stack": lambda: l1_bound(1.0, MODEL, alpha=[[0.1], [0.2]], n=4),
    "bound of a wrong length": lambda: l1_bound(1.0, MODEL, alpha=[0.1, 0.2], n=4),
}


@pytest.mark.parametrize("case", OUT_OF_RANGE)
def test_alpha_out_of_range(case):
    refuses("alpha", OUT_OF_RANGE[case])


# --- Depths and parametrizations ---


@pytest.mark.parametrize("depth", [1.9, 1, 0, -2, np.nan, np.inf, "deep", None, 3j, [2, 3], 10**400])
@pytest.mark.parametrize("power", [HadamardPower, SignedHadamardPower])
def test_wrong_depth(depth, power):
    refuses("depth", lambda: power(depth))


@pytest.mark.parametrize("wrong", [HadamardPower, "signed", 2, None, SimpleNamespace(value=abs)])
@pytest.mark.parametrize("solver", [gradient_descent, gradient_flow, flow_limit])
def test_wrong_parametrization(wrong, solver):
    refuses("parametrization", lambda: solver(A, y, wrong, alpha=0.1))


# --- Options ---


def descent(**options):
    return lambda: gradient_descent(A, y, MODEL, alpha=0.1, **options)


def flow(times):
    return lambda: gradient_flow(A, y, MODEL, alpha=0.1, times=times)


WRONG_OPTIONS = [
    ("times", lambda: accelerated_flow(A, y, MODEL, alpha=0.1, times=[1.0, 0.5])),
    ("times", lambda: accelerated_flow(A, y, MODEL, alpha=0.1, times=None)),
    ("parametrization", lambda: accelerated_flow(A, y, Linear(), alpha=0.1, times=[1.0])),
    ("parametrization", lambda: accelerated_flow(A, y, HadamardPower, alpha=0.1, times=[1.0])),
    ("alpha", lambda: accelerated_flow(A, y, MODEL, alpha=-0.1, times=[1.0])),
    ("step_size", descent(step_size=-0.1)),
    ("step_size", descent(step_size=0)),
    ("step_size", descent(step_size=np.nan)),
    ("step_size", descent(step_size="auto")),
    ("step_size", descent(step_size=[0.1, 0.2])),
    ("loss", descent(loss="hinge")),
    ("loss", descent(loss=None)),
    ("loss", descent(loss=["squared"])),
    ("y", lambda: gradient_descent(A, [1, 1, 1], MODEL, alpha=0.1, loss="logistic")),
    ("y", lambda: gradient_descent(A, [1, 0, 1], MODEL, alpha=0.1, loss="logistic")),
    ("y", lambda: gradient_descent(A, [1, np.nan, -1], MODEL, alpha=0.1, loss="logistic")),
    ("y", lambda: gradient_descent(A, [1, -1], MODEL, alpha=0.1, loss="logistic")),
    ("start", lambda: gradient_descent(A, y, Linear([1.0, 2.0]), alpha=0.1)),
    ("parametrization", lambda: gradient_flow(A, y, Linear(), alpha=0.1)),
    ("parametrization", lambda: flow_limit(A, y, Linear(), alpha=0.1)),
    *[("weight_decay", descent(weight_decay=wrong)) for wrong in (-0.1, np.nan, np.inf, "small", None, [0.1], 1j)],
    *[
        ("weight_decay", lambda wrong=wrong: gradient_flow(A, y, MODEL, alpha=0.1, weight_decay=wrong))
        for wrong in (-0.1, np.nan, np.inf, "small", None, [0.1], 1j)
    ],
    *[
        ("groups", lambda wrong=wrong: GroupHadamard(wrong))
        for wrong in ([], [0.0, 1.0], [-1, 0], [1, 1], [[0, 1]], 0, None, ["a", "b"], [0, 2])
    ],
    ("groups", lambda: gradient_descent(A, y, GroupHadamard([0, 0, 1]), alpha=0.1)),
    ("alpha", lambda: gradient_descent(A, y, GroupHadamard([0, 0, 1, 1]), alpha=[0.1, 0.1, 0.1, 0.1])),
    ("alpha", lambda: gradient_descent(A, y, GroupHadamard([0, 0, 1, 1]), alpha=-0.1)),
    ("groups", lambda: gradient_flow(A, y, GroupHadamard([0, 0, 1]), alpha=0.1)),
    ("alpha", lambda: gradient_flow(A, y, GroupHadamard([0, 0, 1, 1]), alpha=[0.1, 0.1, 0.1, 0.1])),
    ("alpha", lambda: gradient_flow(A, y, GroupHadamard([0, 0, 1, 1]), alpha=[[0.1]])),
    ("alpha", lambda: gradient_flow(A, y, GroupHadamard([0, 0, 1, 1]), alpha=1e-200)),
    ("parametrization", lambda: flow_limit(A, y, GroupHadamard([0, 0, 1, 1]), alpha=0.1)),
    ("groups", lambda: group_lasso(A, y, [0, 0, 1], 0.1)),
    ("penalty", lambda: group_lasso(A, y, [0, 0, 1, 1], 0.0)),
    ("x", lambda: hadamard_penalty([1.0, np.nan], MODEL)),
    ("x", lambda: hadamard_penalty(1.0, MODEL)),
    ("x", lambda: hadamard_penalty([-1.0], HadamardPower(2))),
    ("x", lambda: hadamard_penalty([1.0, 2.0], GroupHadamard([0, 0, 1]))),
    ("parametrization", lambda: hadamard_penalty([1.0], Linear())),
    ("momentum", descent(momentum=1)),
    ("momentum", descent(momentum=-0.1)),
    ("momentum", descent(momentum=np.nan)),
    ("batch_size", descent(batch_size=0, seed=0)),
    ("batch_size", descent(batch_size=4, seed=0)),
    ("batch_size", descent(batch_size=1.5, seed=0)),
    ("batch_size", lambda: gradient_descent(aslinearoperator(A), y, MODEL, alpha=0.1, batch_size=1, seed=0)),
    ("seed", descent(batch_size=1)),
    ("seed", descent(label_noise=0.1)),
    ("label_noise", descent(label_noise=-0.1, seed=0)),
    ("label_noise", descent(label_noise="much", seed=0)),
    (
        "label_noise",
        lambda: gradient_descent(A, [1, -1, 1], MODEL, alpha=0.1, loss="logistic", label_noise=0.1, seed=0),
    ),
    ("seed", descent(batch_size=1, seed=-1)),
    ("seed", descent(batch_size=1, seed="today")),
    ("max_iterations", descent(max_iterations=-1)),
    ("max_iterations", descent(max_iterations=1e4)),
    ("tol", descent(tol=-1e-8)),
    ("tol", descent(tol=np.inf)),
    ("record", descent(record=-1)),
    ("record", descent(record=0.5)),
    ("times", flow([0.0, 2.0, 1.0])),
    ("times", flow([0.0, 1.0, 1.0])),
    ("times", flow([-1.0, 1.0])),
    ("times", flow([])),
    ("times", flow(1.0)),
    ("times", flow([[0.0, 1.0]])),
    ("times", flow([0.0, np.nan])),
    ("times", flow([0.0, np.inf])),
    ("times", flow(["soon"])),
    ("minimal_norm", lambda: l1_bound(0.0, MODEL, alpha=0.1, n=4)),
    ("minimal_norm", lambda: l1_bound(np.nan, MODEL, alpha=0.1, n=4)),
    ("n", lambda: l1_bound(1.0, MODEL, alpha=0.1, n=0)),
    ("n", lambda: l1_bound(1.0, MODEL, alpha=0.1, n=2.5)),
    ("penalties", lambda: lasso_path(A, y, [])),
    ("penalties", lambda: lasso_path(A, y, 0.1)),
    ("penalties", lambda: lasso_path(A, y, [0.1, 0.0])),
    ("penalties", lambda: lasso_path(A, y, [np.inf])),
    ("penalties", lambda: lasso_path(A, y, ["small"])),
    ("max_jumps", lambda: saddle_to_saddle(A, y, max_jumps=0)),
    ("x", lambda: kkt_residual(A, y, [1.0, 2.0])),
    ("x", lambda: kkt_residual(A, y, [1.0, 2.0, np.nan, 0.0])),
    ("x", lambda: recovery_error([1.0, 2.0], [1.0, 2.0, 3.0])),
    ("x_true", lambda: recovery_error([1.0, 2.0], [0.0, 0.0])),
    ("s", lambda: null_space_constant(A, 4)),
    ("s", lambda: null_space_constant(A, 0)),
    ("n", lambda: sparse_recovery(0, 1, 1, seed=0)),
    ("m", lambda: sparse_recovery(4, 2.5, 1, seed=0)),
    ("s", lambda: sparse_recovery(4, 2, 5, seed=0)),
    ("seed", lambda: sparse_recovery(4, 2, 1, seed=None)),
    ("noise", lambda: sparse_recovery(4, 2, 1, seed=0, noise=-0.1)),
    ("fraction", lambda: missing_pixels(np.eye(4), 0, seed=0)),
    ("fraction", lambda: missing_pixels(np.eye(4), 1.5, seed=0)),
    ("image", lambda: missing_pixels(np.ones(4), 0.5, seed=0)),
    ("image", lambda: missing_pixels([[np.nan]], 0.5, seed=0)),
    ("image", lambda: missing_pixels("picture", 0.5, seed=0)),
    ("image", lambda: missing_pixels(np.zeros((0, 3)), 0.5, seed=0)),
    ("seed", lambda: missing_pixels(np.eye(4), 0.5, seed=None)),
    ("tol", descent(tol=np.timedelta64(3, "s"))),
    ("tol", descent(tol=[[1], [1, 2]])),
    ("step_size", descent(step_size=np.longdouble("1e-400"))),
    ("weight_decay", descent(weight_decay=np.ma.masked)),
    ("weight_decay", descent(weight_decay=np.longdouble("1e400"))),
    ("times", flow(np.array([1.0, np.longdouble("1e400")]))),
    ("times", lambda: diagonal_flow([1e-300], depth=3, alpha=0.1, times=[0.0, 1.0])),
    ("norm", lambda: margin(A, [1, -1, 1], A[0], norm=np.array(["l1", "l2"]))),
    ("coefficients", lambda: as_image([1.0, np.nan], (1, 2))),
    ("coefficients", lambda: as_image([1.7e308, 1.7e308], (1, 2))),
    ("width", lambda: deblurring(np.eye(4), 1e300, seed=0)),
]


@pytest.mark.parametrize("argument, call", WRONG_OPTIONS)
def test_wrong_option(argument, call):
    refuses(argument, call)


# --- Matrices as the unknown ---

SQUARE = MatrixProduct.square(2, 2)
WHOLE = matrix_target([2.0, 1.0], seed=0)


def along(**options):
    """A descent of two eigenvalues with one argument replaced."""
    good = {"depth": 3, "alpha": 0.1, "step_size": 0.1, "max_iterations": 5}
    return lambda: diagonal_descent(**{"eigenvalues": [2.0, 1.0], **good, **options})


def flow_along(**options):
    good = {"depth": 3, "alpha": 0.1, "times": [1.0]}
    return lambda: diagonal_flow(**{"eigenvalues": [2.0, 1.0], **good, **options})


def plateaus(**options):
    good = {"depth": 3, "alpha": 0.1, "step_size": 0.01}
    return lambda: plateau_intervals(**{"eigenvalues": [2.0, 1.0], **good, **options})


WRONG_MATRIX_ARGUMENTS = [
    ("widths", lambda: MatrixProduct((2, 2))),
    ("widths", lambda: MatrixProduct(())),
    ("widths", lambda: MatrixProduct(2)),
    ("widths", lambda: MatrixProduct((2, 0, 2))),
    ("widths", lambda: MatrixProduct((2, 1.5, 2))),
    ("widths", lambda: MatrixProduct("deep")),
    ("depth", lambda: MatrixProduct.square(2, 1)),
    ("depth", lambda: MatrixProduct.square(2, 2.5)),
    ("n", lambda: MatrixProduct.square(0, 2)),
    ("start", lambda: MatrixProduct((2, 2, 2), start="random")),
    ("seed", lambda: MatrixProduct((2, 2, 2), start="gaussian")),
    ("seed", lambda: MatrixProduct((2, 2, 2), start="balanced", seed=-1)),
    ("perturbation", lambda: MatrixProduct((2, 2, 2), start="perturbed", perturbation=1)),
    ("perturbation", lambda: MatrixProduct((2, 2, 2), start="perturbed", perturbation=0)),
    ("n", lambda: SymmetricProduct(0)),
    ("rank", lambda: SymmetricProduct(3, rank=0)),
    ("widths", lambda: gradient_descent(A, y, MatrixProduct((2, 3, 3)), alpha=0.1)),
    ("n", lambda: gradient_descent(A, y, SymmetricProduct(3), alpha=0.1)),
    ("parametrization", lambda: gradient_descent(A, y, MatrixProduct, alpha=0.1)),
    ("parametrization", lambda: gradient_flow(A, y, SQUARE, alpha=0.1)),
    ("parametrization", lambda: flow_limit(A, y, SymmetricProduct(2), alpha=0.1)),
    ("parametrization", lambda: l1_bound(1.0, SQUARE, alpha=0.1, n=4)),
    ("alpha", lambda: gradient_descent(A, y, SQUARE, alpha=[0.1] * 4)),
    ("alpha", lambda: gradient_descent(A, y, SQUARE, alpha=-0.1)),
    ("alpha", lambda: gradient_descent(A, y, SQUARE, alpha=np.nan)),
    ("alpha", lambda: gradient_descent(A, y, SQUARE, alpha=np.ones((2, 1, 1)))),
    ("alpha", lambda: gradient_descent(A, y, SQUARE, alpha=1e-200)),
    ("alpha", lambda: gradient_descent(A.astype("f"), y, SQUARE, alpha=1e-60)),
    ("y", lambda: gradient_descent(WHOLE.A, y, SQUARE, alpha=0.1)),
    ("eigenvalues", lambda: matrix_target([], seed=0)),
    ("eigenvalues", lambda: matrix_target([1.0, np.nan], seed=0)),
    ("eigenvalues", lambda: matrix_target(np.eye(2), seed=0)),
    ("eigenvalues", along(eigenvalues=[1e-320])),
    ("depth", flow_along(depth=np.longdouble("1e400"))),
    ("noise", lambda: matrix_target([1.0], seed=0, noise=-1)),
    ("seed", lambda: matrix_target([1.0], seed=None)),
    ("n", lambda: matrix_sensing(0, 1, 1, seed=0)),
    ("rank", lambda: matrix_sensing(3, 0, 1, seed=0)),
    ("rank", lambda: matrix_sensing(3, 4, 1, seed=0)),
    ("m", lambda: matrix_sensing(3, 1, 0, seed=0)),
    ("rank", lambda: matrix_completion(3, 0, 0.5, seed=0)),
    ("fraction", lambda: matrix_completion(3, 1, 0, seed=0)),
    ("fraction", lambda: matrix_completion(3, 1, 1.5, seed=0)),
    ("seed", lambda: matrix_completion(3, 1, 0.5, seed=None)),
    ("matrix", lambda: observed_entries([1.0], [True])),
    ("matrix", lambda: observed_entries([[np.nan, 1.0]], [[True, True]])),
    ("mask", lambda: observed_entries([[1.0, 1.0]], [[1, 1]])),
    ("mask", lambda: observed_entries([[1.0, 1.0]], [[False, False]])),
    ("mask", lambda: observed_entries([[1.0, 1.0]], [True, True])),
    ("target", lambda: eigendecomposition([1.0, 2.0])),
    ("target", lambda: eigendecomposition([[1.0, 2.0]])),
    ("target", lambda: eigendecomposition([[1.0, 2.0], [1.0, 1.0]])),
    ("target", lambda: eigendecomposition([[1.0, np.nan], [np.nan, 1.0]])),
    ("eigenvalues", along(eigenvalues=[])),
    ("eigenvalues", along(eigenvalues=[[1.0, 0.0], [0.0, 2.0]])),
    ("eigenvalues", along(eigenvalues=[1.0, np.inf])),
    ("eigenvalues", along(eigenvalues=[1j])),
    ("depth", along(depth=1)),
    ("depth", along(depth=2.5)),
    ("alpha", along(alpha=0)),
    ("alpha", along(alpha=[0.1, 0.2])),
    ("step_size", along(step_size=0)),
    ("step_size", along(step_size=np.nan)),
    ("max_iterations", along(max_iterations=-1)),
    ("record", along(record=0)),
    ("perturbation", along(perturbation=1)),
    ("perturbation", along(perturbation=-0.1)),
    ("depth", flow_along(depth=1.5)),
    ("alpha", flow_along(alpha=-1)),
    ("times", flow_along(times=[1.0, 0.5])),
    ("times", flow_along(times=[-1.0])),
    ("times", flow_along(times=1.0)),
    ("eigenvalue", lambda: learning_time(np.nan, depth=2, alpha=0.1)),
    ("eigenvalue", lambda: learning_time("large", depth=2, alpha=0.1)),
    ("depth", lambda: learning_time(1.0, depth=1, alpha=0.1)),
    ("alpha", lambda: learning_time(1.0, depth=2, alpha=0)),
    ("fraction", lambda: learning_time(1.0, depth=2, alpha=0.1, fraction=1)),
    ("eigenvalues", lambda: effective_rank_plateaus([0.0, -1.0])),
    ("eigenvalues", plateaus(eigenvalues=[-1.0])),
    ("step_size", plateaus(step_size=1.0)),
    ("epsilon", plateaus(epsilon=1)),
    ("delta", plateaus(delta=0)),
    ("delta", plateaus(delta=1)),
    ("W", lambda: effective_rank([1.0, 2.0])),
    ("W", lambda: effective_rank([[np.nan]])),
    ("W", lambda: best_rank(np.zeros((0, 2)), 1)),
    ("r", lambda: best_rank(A, 0)),
    ("r", lambda: best_rank(A, 4)),
    ("factors", lambda: balancedness([A])),
    ("factors", lambda: balancedness([A, A])),
    ("factors", lambda: balancedness([A, "B"])),
    ("shape", lambda: nuclear_norm(A, y, (3, 2))),
    ("shape", lambda: nuclear_norm(A, y, 4)),
    ("shape", lambda: nuclear_norm(A, y, (2, 2, 1))),
    ("shape", lambda: nuclear_norm(A, y, (4.0, 1.0))),
]


@pytest.mark.parametrize("argument, call", WRONG_MATRIX_ARGUMENTS)
def test_wrong_argument_of_a_matrix_problem(argument, call):
    refuses(argument, call)
