"""What the field would use instead of the implicit bias: thin calls into SciPy, scikit-learn and CVXPY."""

import numpy as np
from scipy.optimize import linprog
from scipy.optimize import nnls as lawson_hanson
from scipy.sparse import hstack, issparse
from scipy.sparse.linalg import LinearOperator, lsmr

from ._extras import extra
from ._matrices import as_entries, largest_entry
from ._validation import as_data, as_labels, as_matrix, as_positive, as_reals
from .measures import spectral_norm
from .results import Result


def basis_pursuit(A, y, *, nonnegative=False):
    """The solution of ``A x = y`` of least l1-norm, by the linear programming solver HiGHS of SciPy.

    Source: Foucart and Rauhut (2013), Chapter 3. Taught in the chapter "Sparse recovery".

    Parameters
    ----------
    A : array_like, sparse matrix or LinearOperator, shape (m, n)
    y : array_like, shape (m,)
    nonnegative : bool
        Minimize over ``x >= 0``.

    Returns
    -------
    Result
        `converged` is False, `x` is zero and `message` says why where ``A x = y`` has no (non-negative) solution.

    Examples
    --------
    >>> basis_pursuit([[1.0, 2.0]], [2.0]).x.tolist()
    [0.0, 1.0]
    """
    A = as_matrix(A)
    y = as_data(y, A).astype(float)
    n = A.shape[1]
    # The tolerances of HiGHS are absolute, so the problem is brought to size 1.
    entries = as_entries(A)
    size_A, size_y = largest_entry(entries) or 1.0, np.max(np.abs(y)) or 1.0
    matrix = entries / size_A
    if not nonnegative:
        matrix = hstack([matrix, -matrix]) if issparse(matrix) else np.hstack([matrix, -matrix])
    program = linprog(np.ones(matrix.shape[1]), A_eq=matrix, b_eq=y / size_y, method="highs")
    parts = np.zeros(matrix.shape[1]) if program.x is None else program.x
    x = (parts if nonnegative else parts[:n] - parts[n:]) * (size_y / size_A)
    x = x.astype(A.dtype)
    residual = float(np.linalg.norm(A @ x - y) / (np.linalg.norm(y) or 1.0))
    return Result(x, program.status == 0, int(program.nit or 0), program.message, residual, "|A x - y| / |y|")


def nuclear_norm(A, y, shape):
    """The matrix of least nuclear norm whose entries, row by row, solve ``A x = y``: by the interior-point solver Clarabel.

    A semidefinite program, posed through CVXPY: half a second at 20 x 20, and far slower for larger matrices.

    Source: Recht, Fazel and Parrilo (2010). Taught in the chapter "Matrix factorization".

    Parameters
    ----------
    A : array_like, sparse matrix or LinearOperator, shape (m, p * q)
    y : array_like, shape (m,)
    shape : (int, int)
        Rows `p` and columns `q` of the matrix.

    Returns
    -------
    Result
        `x` has the shape (p * q,). `converged` is False, `x` is zero and `message` says why where ``A x = y`` has no solution.

    Examples
    --------
    The first entry is missing, and found to be zero:

    >>> (nuclear_norm(np.eye(4)[1:], [1.0, 1.0, 0.0], (2, 2)).x.round(3) + 0.0).tolist()
    [0.0, 1.0, 1.0, 0.0]
    """
    # Only this function needs CVXPY, whose import takes a second.
    with extra("baselines"):
        import cvxpy

    A = as_matrix(A)
    y = as_data(y, A).astype(float)
    try:
        rows, columns = (as_positive("shape", size, integer=True) for size in shape)
    except (TypeError, ValueError):
        raise ValueError(f"shape must be the numbers of rows and columns of a matrix, got {shape!r}") from None
    if rows * columns != A.shape[1]:
        raise ValueError(f"shape must have as many entries as A has columns, {A.shape[1]}; got {shape}")
    # The tolerances of the solver are absolute, so the problem is brought to size 1.
    entries = as_entries(A)
    size_A, size_y = largest_entry(entries) or 1.0, np.max(np.abs(y)) or 1.0
    X = cvxpy.Variable((rows, columns))
    seen = (entries / size_A) @ cvxpy.vec(X, order="C") == y / size_y
    program = cvxpy.Problem(cvxpy.Minimize(cvxpy.normNuc(X)), [seen])
    program.solve(solver="CLARABEL")
    solved = program.status == "optimal"
    x = (X.value.ravel() if solved else np.zeros(rows * columns)) * (size_y / size_A)
    x = x.astype(A.dtype)
    residual = float(np.linalg.norm(A @ x - y) / (np.linalg.norm(y) or 1.0))
    steps = int(program.solver_stats.num_iters or 0)
    return Result(x, solved, steps, f"Clarabel: {program.status}.", residual, "|A x - y| / |y|")


def minimum_norm(A, y):
    """The least-squares solution of least Euclidean norm, ``pinv(A) @ y``.

    Taught in the chapter "Sparse recovery".

    Parameters
    ----------
    A : array_like, sparse matrix or LinearOperator, shape (m, n)
    y : array_like, shape (m,)

    Returns
    -------
    ndarray, shape (n,)

    Examples
    --------
    >>> minimum_norm([[1.0, 2.0]], [5.0]).round(12).tolist()
    [1.0, 2.0]
    """
    A = as_matrix(A)
    y = as_data(y, A)
    if issparse(A) or isinstance(A, LinearOperator):
        size = float(spectral_norm(A)) or 1.0  # LSMR gives up early on a matrix far below 1
        with np.errstate(over="ignore"):  # its first values are beyond float32
            x = lsmr(A * (1 / size), y, atol=1e-12, btol=1e-12, maxiter=10 * max(A.shape))[0]
        return (x / size).astype(A.dtype)
    return np.linalg.lstsq(A, y, rcond=None)[0]


def lasso_path(A, y, penalties):
    """Minimizers of ``1/2 |A x - y|^2 + penalty |x|_1``, by the coordinate descent of scikit-learn.

    Taught in the chapter "Sparse recovery", "From saddle to saddle".

    Parameters
    ----------
    A : array_like or sparse matrix, shape (m, n)
    y : array_like, shape (m,)
    penalties : array_like, shape (k,), positive

    Returns
    -------
    ndarray, shape (k, n)

    Examples
    --------
    Soft thresholding, for orthonormal columns:

    >>> (lasso_path([[1.0, 0.0], [0.0, 1.0]], [2.0, -0.25], [0.5]) + 0.0).round(9).tolist()
    [[1.5, 0.0]]
    """
    # Only this function needs scikit-learn, whose import takes a second.
    with extra("baselines"):
        from sklearn.linear_model import Lasso

    A = as_entries(as_matrix(A))
    y = as_data(y, A)
    penalties = as_reals("penalties", penalties).astype(float)
    if penalties.ndim != 1 or not (penalties.size and np.all(np.isfinite(penalties)) and np.all(penalties > 0)):
        raise ValueError("penalties must be a non-empty list of positive numbers")
    found = np.zeros((penalties.size, A.shape[1]))
    model = Lasso(fit_intercept=False, tol=1e-13, max_iter=1_000_000, warm_start=True)
    for k in np.argsort(-penalties):
        # scikit-learn divides the loss by the number of rows.
        found[k] = model.set_params(alpha=penalties[k] / A.shape[0]).fit(A, y).coef_
    return found


def maximum_margin(A, y):
    r"""The separator through the origin of largest margin: the shortest `x` with :math:`y_i\langle a_i, x\rangle \ge 1`.

    This is the support vector machine with hard margin and without intercept; its margin is :math:`1/|x|`. The problem is
    turned into non-negative least squares, which SciPy solves exactly by the active-set method of Lawson and Hanson.

    Source: Lawson and Hanson (1974), least distance programming. Taught in the chapter "Overparameterization".

    Parameters
    ----------
    A : array_like, sparse matrix or LinearOperator, shape (m, n)
        One point in each row.
    y : array_like, shape (m,)
        Labels +1 and -1, both of which occur.

    Returns
    -------
    Result
        `converged` is False, `x` is zero and `message` says so where no plane through the origin separates the classes.
        The number of support vectors is in `iterations`; `optimality` is the largest ``1 - y_i <a_i, x>``.

    Raises
    ------
    ValueError
        For a wrong shape, a non-finite entry, or labels that are not +1 and -1 or all the same.

    Examples
    --------
    >>> maximum_margin([[2.0, 0.0], [-1.0, 1.0]], [1, -1]).x.round(12).tolist()
    [0.5, -0.5]
    """
    A = as_matrix(A)
    labels = as_labels(y, A).astype(float)
    entries = as_entries(A)
    signed = labels[:, None] * (entries.toarray() if issparse(entries) else entries)
    size = np.max(np.linalg.norm(signed, axis=1)) or 1.0
    # Lawson and Hanson (23.27): with r the residual of min |(G, 1)^T u - (0, 1)| over u >= 0, the shortest x with G x >= 1 is
    # -r[:-1] / r[-1]; r = 0 means that 0 is a mean of the rows of G, so that there is no such x.
    system = np.vstack([signed.T / size, np.ones(len(signed))])
    target = np.r_[np.zeros(A.shape[1]), 1.0]
    u, _ = lawson_hanson(system, target, maxiter=30 * len(signed))
    support = u > 0
    # The conditions of the support vectors are met with equality, which is more precise than the quotient.
    x = np.linalg.lstsq(signed[support], np.ones(np.count_nonzero(support)), rcond=None)[0]
    missing = float(np.max(1 - signed @ x))
    separated = missing < 1e-8
    if not separated:
        x, missing = np.zeros(A.shape[1]), 1.0
    message = (
        "The separator of largest margin was found." if separated else "no margin exists: the data are not separable"
    )
    return Result(
        x.astype(A.dtype), separated, int(np.count_nonzero(support)), message, missing, "max 1 - y_i <a_i, x>"
    )
