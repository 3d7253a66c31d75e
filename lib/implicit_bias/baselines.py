"""What the field would use instead of the implicit bias: thin calls into SciPy, scikit-learn and CVXPY."""

import warnings
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import qr, solve_triangular
from scipy.optimize import linprog
from scipy.sparse import hstack, issparse
from scipy.sparse.linalg import LinearOperator, lsmr

from ._extras import extra
from ._matrices import as_entries, dense, largest_entry
from ._projection import EVEN, Projection, _nonnegative_solution, equal_rows, equilibrated, orthonormal_rows
from ._types import Matrix
from ._validation import as_data, as_groups, as_integers, as_labels, as_matrix, as_norm, as_positive, as_reals, narrowed
from .measures import EPSILON, TIGHT, _duality_gap, _norm_of, column_norms, spectral_norm
from .parametrizations import Linear
from .results import NOTHING, Result

CERTIFIED = 1e-8
CONIC = 1e-6  # what the interior-point solver reaches
LOST = 1e-6  # of the largest entry of the data: what is smaller is lost to it
SMALL = 250_000  # entries, of whatever form, up to which a matrix becomes dense for `minimum_norm`
DENSE = 25_000_000  # and up to which it does so where LSMR is not precise
OFF = (0.0, 1e-9)
DEAREST = 1e14  # of a column, where the cheapest costs 1
FARTHEST = 1e12  # for points of length 1: a separator that is longer is one of rounding errors
INSEPARABLE = "no margin exists"
SEPARATED = "the larger of max 1 - y_i <a_i, x> and of the duality gap relative to the norm"
PROVED = "the larger of the residual relative to the data, row by row, and of the duality gap relative to the norm"


def basis_pursuit(A: Matrix, y: ArrayLike, *, nonnegative: bool = False) -> Result:
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
        `optimality` is the larger of two numbers: the residual, row by row and relative to the data there; and by how much
        of itself the norm of `x` exceeds the bound that the multipliers of the program prove for every solution.
        `converged` says whether it is below 1e-8, and `message` why not. Where ``A x = y`` has no (non-negative) solution,
        `x` is zero.

    Warns
    -----
    RuntimeWarning
        When the solution is not certified, or there is none.

    Examples
    --------
    >>> basis_pursuit([[1.0, 2.0]], [2.0]).x.tolist()
    [0.0, 1.0]
    """
    A = as_matrix(A, empty=True)
    y = as_data(y, A, float)
    if 0 in A.shape:
        met = not np.any(y)
        message = NOTHING if met else f"infeasible: {NOTHING}"
        return _told("basis_pursuit", Result(np.zeros(A.shape[1], A.dtype), met, 0, message, float(not met), PROVED))
    entries = as_entries(A)
    columns = equilibrated(entries)[2]
    found = _linear_program(entries, y, nonnegative, np.full(len(columns), np.max(columns)))
    if not found.converged and np.ptp(columns) > 0:
        # Columns of size 1 instead of weights of size 1: neither is the better one always.
        other = _linear_program(entries, y, nonnegative, columns)
        found = other if other.optimality < found.optimality else found
    if not found.converged:
        # Rows that nearly depend on each other, columns whose sizes differ most: HiGHS may find no solution where there is one.
        other = _linear_program(entries, y, nonnegative, columns, orthonormal=True)
        better = other.optimality <= found.optimality and _missed(entries, y, other.x) <= CONIC
        found = other if better else found
    return _told("basis_pursuit", replace(found, x=narrowed(found.x, A.dtype)))


def _told(name, result):
    """The result, and a warning to who called the function of this name where it is not certified."""
    if not result.converged:
        warnings.warn(f"{name}: {result.message}", RuntimeWarning, stacklevel=3)
    return result


def _linear_program(A, y, nonnegative, columns, orthonormal=False):
    """`basis_pursuit` in the variables ``columns * x``, with rows of size 1: the tolerances of HiGHS are absolute."""
    B, rows = equal_rows(A, columns)
    b = y / rows
    size, n = np.max(np.abs(b)) or 1.0, len(columns)
    b, cost = b / size, np.max(columns) / columns
    G, c = orthonormal_rows(dense(B), b, rows)[:2] if orthonormal else (B, b)
    matrix, costs = G, cost
    if not nonnegative:
        matrix = hstack([G, -G]) if issparse(G) else np.hstack([G, -G])
        costs = np.r_[cost, cost]
    if orthonormal:  # the last attempt: beside a cost far beyond float64 HiGHS finds no solution
        costs = np.minimum(costs, DEAREST)
    program = linprog(costs, A_eq=matrix, b_eq=c, method="highs", options=TIGHT)
    if program.x is None:
        return Result(np.zeros(n), False, int(program.nit or 0), program.message, float(np.any(y)), PROVED)
    z = program.x if nonnegative else program.x[:n] - program.x[n:]
    norm, optimality = cost @ np.abs(z), np.inf
    # The vertex itself, from its support: more precise than the tolerances of HiGHS, and so are the multipliers. What HiGHS
    # leaves of an entry that should be zero must not count as support.
    for point, dual in (
        (z, program.eqlin.marginals),
        *(_vertex(G, c, cost, z, program.eqlin.marginals, off) for off in OFF),
    ):
        point = np.maximum(point, 0) if nonnegative else point
        slopes = G.T @ dual / cost
        dual = dual / max(1.0, np.max(slopes if nonnegative else np.abs(slopes)))
        # No solution has a smaller norm than <b, dual>: the multipliers are feasible now.
        gap = (cost @ np.abs(point) - c @ dual) / (norm or 1.0)
        if (reached := max(float(gap), _missed(B, b, point))) < optimality:
            optimality, z = reached, point
    optimality = max(optimality, 0.0)
    message = program.message
    if program.status == 0 and optimality > CERTIFIED:
        message = f"HiGHS found a point whose optimality could be proved to {optimality:.0e} only; {message}"
    return Result(z * (size / columns), optimality <= CERTIFIED, int(program.nit or 0), message, optimality, PROVED)


def _vertex(B, b, cost, z, dual, off):
    """The solution on the support of `z`, where entries up to `off` times the largest do not belong to it; multipliers."""
    on = np.abs(z) > off * np.max(np.abs(z))
    face = dense(B[:, on])
    vertex = np.zeros(len(z))
    if np.any(on):
        vertex[on] = np.linalg.lstsq(face, b, rcond=None)[0]
        # Once more: small entries are then right to rounding of their own rows, not of the largest.
        vertex[on] += np.linalg.lstsq(face, b - face @ vertex[on], rcond=None)[0]
        dual = dual + np.linalg.lstsq(face.T, cost[on] * np.sign(z[on]) - face.T @ dual, rcond=None)[0]
    return vertex, dual


def nuclear_norm(A: Matrix, y: ArrayLike, shape: tuple[int, int]) -> Result:
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
        `x` has the shape (p * q,). `optimality` is the larger of two numbers: the residual, row by row and relative to the
        data there; and by how much of itself the norm of `x` exceeds the bound that the multipliers of the program prove for
        every solution. `converged` says whether it is below 1e-6. Where ``A x = y`` has no solution, `x` is zero and
        `message` says so.

    Warns
    -----
    RuntimeWarning
        When the solution is not certified, or there is none.

    Examples
    --------
    The first entry is missing, and found to be zero:

    >>> (nuclear_norm(np.eye(4)[1:], [1.0, 1.0, 0.0], (2, 2)).x.round(3) + 0.0).tolist()
    [0.0, 1.0, 1.0, 0.0]
    """
    A = as_matrix(A)
    y = as_data(y, A, float)
    shape = as_integers("shape", shape)
    if len(shape) != 2:
        raise ValueError(f"shape must be the numbers of rows and columns of a matrix, got {shape!r}")
    rows, columns = shape
    if rows * columns != A.shape[1]:
        raise ValueError(f"shape must have as many entries as A has columns, {A.shape[1]}; got {shape}")
    # The tolerances of the solver are absolute: rows of size 1, or orthonormal ones where these do not suffice.
    B, sizes = equal_rows(as_entries(A), np.ones(A.shape[1]))
    unit = np.max(np.abs(y / sizes)) or 1.0
    b = y / sizes / unit
    x, optimality, steps, message = _lowest(B, b, (rows, columns))
    if optimality > CONIC:
        B = dense(B)
        G, c, _ = orthonormal_rows(B, b, sizes)
        if _missed(B, b, c @ G, LOST) > CONIC:
            nothing, message = np.zeros(A.shape[1], A.dtype), "infeasible: A x = y has no solution"
            return _told("nuclear_norm", Result(nothing, False, steps, message, 1.0, PROVED))
        other, gap, more, said = _lowest(G, c, (rows, columns))
        steps += more
        if (gap := max(gap, _missed(B, b, other, LOST))) < optimality:
            x, optimality, message = other, gap, said
    x, message = narrowed(x * unit, A.dtype), f"Clarabel: {message}."
    return _told("nuclear_norm", Result(x, optimality <= CONIC, steps, message, optimality, PROVED))


def _lowest(B, b, shape):
    """The least nuclear norm, how far it is proved, steps of the solver and its words."""
    with extra("baselines"):
        import cvxpy

    X = cvxpy.Variable(shape)
    solved = B @ cvxpy.vec(X, order="C") == b
    steps, message = _conic(cvxpy.Problem(cvxpy.Minimize(cvxpy.normNuc(X)), [solved]))
    if X.value is None or solved.dual_value is None:
        return np.zeros(X.size), np.inf, steps, message
    x, dual = X.value.ravel(), solved.dual_value
    norm, steepest = np.linalg.norm(X.value, "nuc"), np.linalg.norm((B.T @ dual).reshape(shape), 2)
    bound = np.abs(b @ dual) / steepest if steepest else 0.0
    return x, max(float(1 - bound / norm if norm else 0.0), _missed(B, b, x, LOST)), steps, message


def _missed(B, b, x, lost=0.0):
    """The largest residual of a row, relative to its data; small data count as what rounding of its terms may leave.

    An interior point leaves something everywhere: data that are `lost` are measured against that.
    """
    sizes = np.maximum(1e-4 * (abs(B) @ np.abs(x)), np.maximum(np.abs(b), lost))
    return float(np.max(np.abs(B @ x - b) / np.where(sizes > 0, sizes, 1), initial=0))


def _conic(program):
    """Has Clarabel solve a program: its steps and its word. What it could not solve is left without a value."""
    import cvxpy

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of an inaccurate solution: whether it is one, the certificate says
        try:
            program.solve(solver="CLARABEL")
        except cvxpy.SolverError:
            return 0, "failed"
    return int(program.solver_stats.num_iters or 0), program.status


def minimum_norm(A: Matrix, y: ArrayLike) -> np.ndarray:
    """The least-squares solution of least Euclidean norm, ``pinv(A) @ y``.

    Taught in the chapter "Sparse recovery".

    Parameters
    ----------
    A : array_like, sparse matrix or LinearOperator, shape (m, n)
    y : array_like, shape (m,)

    Returns
    -------
    ndarray, shape (n,)
        Of sparse matrices and operators with more than 250 000 entries it is computed by LSMR. Where that meets neither each
        equation to 1e-6 nor those of least squares, dense factors are used up to 25 million entries; beyond, a
        `RuntimeWarning` says so.

    Examples
    --------
    >>> minimum_norm([[1.0, 2.0]], [5.0]).round(12).tolist()
    [1.0, 2.0]
    """
    A = as_matrix(A, empty=True)
    y = as_data(y, A, float)
    if 0 in A.shape:
        return np.zeros(A.shape[1], A.dtype)
    entries = A.shape[0] * A.shape[1]
    if (issparse(A) or isinstance(A, LinearOperator)) and entries > SMALL:
        x, met = _by_products(A, y)
        if met or entries > DENSE:
            if not met:
                message = (
                    "the equations, or those of least squares, are not met by LSMR; bring rows and columns to one size"
                )
                warnings.warn(f"minimum_norm: {message}", RuntimeWarning, stacklevel=2)
            return narrowed(x, A.dtype)
    return narrowed(_least_norm(as_entries(A), y), A.dtype)


def _by_products(A, y):
    """The least solution by LSMR, and whether it meets each equation, or those of least squares in each column."""
    size = float(spectral_norm(A)) or 1.0  # LSMR gives up early on a matrix far below 1
    with np.errstate(over="ignore"):  # its first values are beyond float32
        x = lsmr(A * (1 / size), y, atol=1e-12, btol=1e-12, conlim=0, maxiter=10 * max(A.shape))[0] / size
    residual = y - A @ x
    tolerance = np.finfo(A.dtype).eps ** 0.375  # 1.3e-6; its square is what rounding may leave of the largest
    met = np.all(np.abs(residual) <= tolerance * np.maximum(np.abs(y), tolerance * np.max(np.abs(y))))
    slope = np.abs(A.T @ residual)
    return x, met or np.all(slope <= CERTIFIED * column_norms(A) * np.linalg.norm(residual))


def _least_norm(A, y):
    A = dense(A)
    problem = Projection(A, y, Linear())
    if problem.even and np.max(problem.rows) <= EVEN * np.min(problem.rows):
        return np.linalg.lstsq(A, y, rcond=None)[0]
    sizes = problem.columns / np.max(problem.columns)
    return problem.row_by_row(problem.better(_least_in_orthonormal_rows, solution=lambda x: x), sizes, sizes)


def _least_in_orthonormal_rows(problem):
    """Least squares in orthonormal rows, ``G z = c`` with ``z = columns * x``; of these the least `x` by ``(G columns).T``."""
    (G, c, _), columns, size = problem.orthonormal, problem.columns, problem.unit
    if len(c) == len(columns):
        return c @ G / columns * size
    sizes = columns / np.max(columns)
    order = np.argsort(-sizes, kind="stable")
    Q, R, pivots = qr((sizes * G).T[order], mode="economic", pivoting=True)
    x = np.empty(len(columns))
    x[order] = Q @ solve_triangular(R, c[pivots], trans="T")
    return x / np.max(columns) * size


def lasso_path(A: Matrix, y: ArrayLike, penalties: ArrayLike) -> np.ndarray:
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

    Warns
    -----
    RuntimeWarning
        When a penalty is so small that the value of a minimizer is not proved to a millionth, by the duality gap.

    Examples
    --------
    Soft thresholding, for orthonormal columns:

    >>> (lasso_path([[1.0, 0.0], [0.0, 1.0]], [2.0, -0.25], [0.5]) + 0.0).round(9).tolist()
    [[1.5, 0.0]]
    """
    # Only this function needs scikit-learn, whose import takes a second.
    with extra("baselines"):
        from sklearn.linear_model import Lasso

    A = as_entries(as_matrix(A, empty=True))
    if issparse(A):  # scikit-learn takes no longer indices
        A.indices, A.indptr = A.indices.astype(np.int32), A.indptr.astype(np.int32)
    y = as_data(y, A)
    penalties = as_reals("penalties", penalties).astype(float)
    if penalties.ndim != 1 or not (penalties.size and np.all(np.isfinite(penalties)) and np.all(penalties > 0)):
        raise ValueError("penalties must be a non-empty list of positive numbers")
    found = np.zeros((penalties.size, A.shape[1]))
    if 0 in A.shape:
        return found
    model = Lasso(fit_intercept=False, tol=1e-13, max_iter=1_000_000, warm_start=True)
    vague = []
    for k in np.argsort(-penalties):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the gap says more
            # scikit-learn divides the loss by the number of rows.
            x = found[k] = model.set_params(alpha=penalties[k] / A.shape[0]).fit(A, y).coef_
        residual = y - A @ x
        slopes, penalty = A.T @ residual, penalties[k]
        gap = _duality_gap(residual, penalty, np.abs(x), slopes * x, np.max(np.abs(slopes)))
        if gap > CONIC * (np.sum(residual**2) / 2 + penalty * np.sum(np.abs(x))):
            vague.append(penalty)
    if vague:
        warnings.warn(
            f"lasso_path: what is found for penalties up to {max(vague):.3g} could not be proved to a millionth",
            RuntimeWarning,
            stacklevel=2,
        )
    return found


def group_lasso(A: Matrix, y: ArrayLike, groups: ArrayLike, penalty: float) -> Result:
    r"""A minimizer of ``1/2 |A x - y|^2 + penalty sum_g |x_g|_2`` by CVXPY.

    Source: Yuan and Lin (2006). Taught in the chapter "Weight decay".

    Parameters
    ----------
    A : array_like, sparse matrix or LinearOperator, shape (m, n)
    y : array_like, shape (m,)
    groups : array_like of int, shape (n,)
        The group of each entry: integers from 0 on, each of which occurs.
    penalty : float
        Positive.

    Returns
    -------
    Result
        `optimality` is the duality gap, relative to the loss at zero; `converged` says whether it is below 1e-6.

    Raises
    ------
    ValueError
        For a wrong shape, a non-finite entry, or a penalty that is not positive.

    Warns
    -----
    RuntimeWarning
        When the duality gap is not below 1e-6.

    Examples
    --------
    >>> found = group_lasso(np.eye(3), [3.0, 4.0, 0.5], [0, 0, 1], 1.0)
    >>> (found.x.round(4) + 0.0).tolist()
    [2.4, 3.2, 0.0]
    """
    # Its import takes a second.
    with extra("baselines"):
        import cvxpy

    A = as_matrix(A)
    y = as_data(y, A, float)
    groups = as_groups(groups, A.shape[1])
    penalty = as_positive("penalty", penalty)
    # The tolerances of the solver are absolute, so the problem is brought to size 1.
    entries = dense(as_entries(A))
    size_A, size_y = largest_entry(entries) or 1.0, np.max(np.abs(y)) or 1.0
    B, b, level = entries / size_A, y / size_y, penalty / (size_A * size_y)
    members = [groups == g for g in range(groups.max() + 1)]
    X = cvxpy.Variable(A.shape[1])
    norms = cvxpy.sum(cvxpy.hstack([cvxpy.norm(X[np.flatnonzero(own)]) for own in members]))
    program = cvxpy.Problem(cvxpy.Minimize(cvxpy.sum_squares(B @ X - b) / 2 + level * norms))
    steps, status = _conic(program)

    def steepest_at(residual):
        return max(np.linalg.norm(B.T[own] @ residual) for own in members)

    x = np.zeros(A.shape[1]) if X.value is None or steepest_at(b) <= level else X.value
    residual = b - B @ x
    steepest = steepest_at(residual)
    dual = residual * (1.0 if steepest <= level else level / steepest)
    value = residual @ residual / 2 + level * sum(np.linalg.norm(x[own]) for own in members)
    gap = float(max(value - (b @ b - (b - dual) @ (b - dual)) / 2, 0.0) / (b @ b / 2 or 1.0))
    x = narrowed(x * (size_y / size_A), A.dtype)
    result = Result(x, gap < CONIC, steps, f"Clarabel: {status}.", gap, "duality gap / loss at zero")
    return _told("group_lasso", result)


def maximum_margin(A: Matrix, y: ArrayLike, *, norm: str = "l2", shape: tuple[int, int] | None = None) -> Result:
    r"""The separator through the origin of largest margin: the `x` of least norm with :math:`y_i\langle a_i, x\rangle \ge 1`.

    In the Euclidean norm this is the support vector machine with hard margin and without intercept; its margin is
    :math:`1/|x|`. The problem is turned into non-negative least squares, which SciPy solves exactly by the active-set method
    of Lawson and Hanson. In the l1-norm and the largest-entry norm it is a linear program, solved by HiGHS; in the spectral
    norm a semidefinite one, solved by CVXPY.

    Source: Lawson and Hanson (1974), least distance programming. Taught in the chapter "Overparameterization"; in other norms
    in the chapter "Other geometries".

    Parameters
    ----------
    A : array_like, sparse matrix or LinearOperator, shape (m, n)
        One point in each row.
    y : array_like, shape (m,)
        Labels +1 and -1, both of which occur.
    norm : {"l2", "l1", "linf", "spectral"}
    shape : tuple of int, optional
        Of the matrix that `x` stands for, for the spectral norm.

    Returns
    -------
    Result
        `optimality` is the larger of two numbers: the largest ``1 - y_i <a_i, x>``, and by how much of itself the norm of
        `x` exceeds the bound that the multipliers of the program prove for every separator. `converged` says whether it is
        below 1e-8 (1e-6 in the spectral norm); `message` says how far `x` is proved where it is not. Where no plane through
        the origin separates the classes, `x` is zero and `message` says so. The number of support vectors is in `iterations`
        (that of the solver's iterations for the last three norms).

    Raises
    ------
    ValueError
        For a wrong shape, a non-finite entry, or labels that are not +1 and -1 or all the same.

    Warns
    -----
    RuntimeWarning
        When the separator is not certified, or there is none.

    Examples
    --------
    >>> maximum_margin([[2.0, 0.0], [-1.0, 1.0]], [1, -1]).x.round(12).tolist()
    [0.5, -0.5]
    """
    A = as_matrix(A)
    signed = _signed(A, y)
    norm, shape = as_norm(norm, shape, A.shape[1])
    lengths = np.linalg.norm(signed, axis=1)
    if not np.all(lengths):
        nothing, message = np.zeros(A.shape[1], A.dtype), f"{INSEPARABLE}: a point is zero"
        return _told("maximum_margin", Result(nothing, False, 0, message, 1.0, SEPARATED))
    # Points of length 1, and the length of the shortest as the unit: the tolerances of all these solvers are absolute.
    unit = np.min(lengths)
    points, least = signed / lengths[:, None], unit / lengths
    solve = {"l2": _shortest, "spectral": _flattest}.get(norm, _cheapest)
    x, dual, iterations = solve(points, least, norm, shape)
    # Where large terms cancel in a margin, rounding alone may turn it to the other side.
    rounding = EPSILON * (np.abs(signed) @ np.abs(x / unit))
    missing = float(np.max(1 - signed @ (x / unit) + rounding))
    excess = 1 - _proved(points, least, dual, norm, shape) / (float(_norm_of(x, norm, shape)) or 1.0)
    optimality = max(missing, excess, 0.0)
    converged = optimality <= (CONIC if norm == "spectral" else CERTIFIED)
    message = "The separator of largest margin was found."
    if not converged:
        message = f"Whether this is the separator of largest margin could be proved to {optimality:.0e} only."
        level = np.ones(len(points))
        if _proved(points, level, _shortest(points, level)[1], "l2") > FARTHEST:
            x, optimality = np.zeros_like(x), 1.0
            message = f"{INSEPARABLE}: the data are not separable, or by less than {1 / FARTHEST:g} of their lengths"
    x = narrowed(x / unit, A.dtype)
    return _told("maximum_margin", Result(x, converged, iterations, message, optimality, SEPARATED))


def _proved(points, least, dual, norm, shape=None):
    """No `x` with ``points @ x >= least`` has a smaller norm: <least, u> <= <points x, u> <= |x| |points.T u|_dual, u >= 0."""
    if not np.any(dual):
        return 0.0
    return float(least @ dual / max(_norm_of(dual @ points, norm, shape, dual=True), np.finfo(float).tiny))


def _signed(A, y):
    """The points, each multiplied by its label."""
    return as_labels(y, A).astype(float)[:, None] * dense(as_entries(A))


def _shortest(points, least, norm="l2", shape=None):
    """The least Euclidean norm, multipliers, and the number of support vectors."""
    # Lawson and Hanson (23.27): with r the residual of min |(G, h)^T u - (0, 1)| over u >= 0, the shortest x with G x >= h is
    # -r[:-1] / r[-1]; r = 0 means that a mean of the rows of G is 0, so that there is no such x.
    target = np.r_[np.zeros(points.shape[1]), 1.0]
    dual, _ = _nonnegative_solution(np.vstack([points.T, least]), target)
    support = dual > 0
    # The conditions of the support vectors are met with equality, which is more precise than the quotient.
    x = np.linalg.lstsq(points[support], least[support], rcond=None)[0]
    if np.all(points @ x >= (1 - CERTIFIED) * least):
        dual = np.zeros(len(points))
        dual[support] = np.maximum(np.linalg.lstsq(points[support].T, x, rcond=None)[0], 0)
    return x, dual, int(np.count_nonzero(support))


def _cheapest(points, least, norm, shape):
    """The least l1-norm or largest entry: ``x = u - v`` with the cost ``sum (u + v)``, or a bound on all ``u + v``."""
    m, n = points.shape
    both = np.hstack([-points, points])
    if norm == "l1":
        program = linprog(np.ones(2 * n), A_ub=both, b_ub=-least, options=TIGHT)
    else:
        bounds = np.hstack([np.eye(n), np.eye(n), -np.ones((n, 1))])
        below = np.vstack([np.hstack([both, np.zeros((m, 1))]), bounds])
        program = linprog(np.r_[np.zeros(2 * n), 1.0], A_ub=below, b_ub=np.r_[-least, np.zeros(n)], options=TIGHT)
    if program.x is None:
        return np.zeros(n), np.zeros(m), int(program.nit or 0)
    dual = np.maximum(-program.ineqlin.marginals[:m], 0)
    return program.x[:n] - program.x[n : 2 * n], dual, int(program.nit)


def _flattest(points, least, norm, shape):
    """The least spectral norm, made a separator in spite of the solver's tolerance."""
    with extra("baselines"):
        import cvxpy as cp
    X = cp.Variable(shape)
    separates = points @ cp.vec(X, order="C") >= least
    steps, _ = _conic(cp.Problem(cp.Minimize(cp.sigma_max(X)), [separates]))
    if X.value is None or separates.dual_value is None:
        return np.zeros(points.shape[1]), np.zeros(len(points)), steps
    x = X.value.ravel()
    smallest = np.min(points @ x / least)
    return (x / smallest if smallest > 0 else x), np.maximum(separates.dual_value, 0), steps
