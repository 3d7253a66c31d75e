"""How good a point is: distance to the truth, optimality, and constants of the measurement matrix."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise, product

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import linprog
from scipy.sparse import issparse
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh
from scipy.sparse.linalg import norm as sparse_norm

from ._matrices import as_entries, dense, largest_singular_value, operator_column_norms
from ._types import Matrix, Parametrization
from ._validation import (
    NORMS,
    as_data,
    as_finite_matrix,
    as_labels,
    as_matrices,
    as_matrix,
    as_norm,
    as_numbers,
    as_parametrization,
    as_positive,
    as_reals,
    as_vector,
    narrowed,
)
from .parametrizations import HadamardPower, SignedHadamardPower

EPSILON = float(np.finfo(float).eps)
TINY = 1e-300  # instead of a division by zero
REACH = 10  # a certificate is about vectors up to so many times the size of the one it is for
SLACK = 8  # times its floor: what a gap may be that is nothing but rounding, for sums of many terms
SMALL_GAP = 1e-8  # of the loss: a gap that is small enough for any tolerance
LARGEST_FLOOR = 1e-6  # of the loss: what rounding hides must be less
TIGHT = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}  # the least that HiGHS takes
SMALL_HESSIAN = 300  # weights, up to which a Hessian is written down and its eigenvalues are computed by LAPACK


def recovery_error(x: ArrayLike, x_true: ArrayLike) -> float | np.ndarray:
    """Relative distance ``|x - x_true|_2 / |x_true|_2``, along the last axis.

    Parameters
    ----------
    x : array_like, shape (..., n)
    x_true : array_like, shape (n,), not zero

    Returns
    -------
    float or ndarray, shape (...)

    Examples
    --------
    >>> float(recovery_error([3.0, 4.5], [3.0, 4.0]))
    0.1
    """
    x_true = as_numbers("x_true", x_true)
    size = np.max(np.abs(x_true))
    if size == 0:
        raise ValueError("x_true must not be zero: the error is relative to it")
    x = as_reals("x", x).astype(float)
    if x.shape[-1:] != x_true.shape or not np.all(np.isfinite(x)):
        raise ValueError(f"x must be finite and have shape (..., {x_true.size}) like x_true, got {x.shape}")
    with np.errstate(over="ignore", invalid="ignore"):
        difference = x / size - x_true / size  # whose squares may leave float64
        farthest = np.max(np.abs(difference), axis=-1, keepdims=True)
        lengths = np.linalg.norm(difference / np.where(farthest > 0, farthest, 1), axis=-1)
        error = farthest[..., 0] * lengths / np.linalg.norm(x_true / size)
    if not np.all(np.isfinite(error)):
        raise ValueError("x must be smaller: its distance to x_true, relative to it, leaves float64")
    return error


def spectral_norm(A: Matrix) -> float:
    """Largest singular value of a matrix, sparse matrix or `LinearOperator`.

    Examples
    --------
    >>> float(spectral_norm([[3.0, 0.0], [0.0, 4.0]]))
    4.0
    """
    return largest_singular_value(as_matrix(A))


def column_norms(A: Matrix) -> np.ndarray:
    """Euclidean norm of each column.

    A `LinearOperator` has no columns at hand. Up to 16 are computed; the norms of more are estimated, each within about a
    fifth, from 16 products with vectors of random signs, which are always the same.

    Parameters
    ----------
    A : array_like, sparse matrix or LinearOperator, shape (m, n)

    Returns
    -------
    ndarray, shape (n,)

    Examples
    --------
    >>> column_norms([[3.0, 0.0], [4.0, 2.0]]).tolist()
    [5.0, 2.0]
    """
    A = as_matrix(A)
    if isinstance(A, LinearOperator):
        norms = operator_column_norms(A)[0]
    else:
        entries = A.astype(float, copy=False)  # squares may leave float32
        norms = sparse_norm(entries, axis=0) if issparse(A) else np.linalg.norm(entries, axis=0)
    return narrowed(norms, A.dtype)


def kkt_residual(A: Matrix, y: ArrayLike, x: ArrayLike, *, nonnegative: bool = False) -> float | np.ndarray:
    r"""How far `x` is from a least-squares solution, in a number without units.

    With the gradient :math:`g = A^\top(Ax - y)` it is :math:`\max_j |g_j| / (|a_j|\,|y|)`, and for the problem with
    ``x >= 0`` it is :math:`\max_j |\min(|a_j| x_j,\ g_j/|a_j|)| / |y|`. It is zero exactly at a solution, and does not
    change when `A` or `y` is multiplied by a number. For a `LinearOperator` the `column_norms` are estimates.

    Parameters
    ----------
    A : array_like, sparse matrix or LinearOperator, shape (m, n)
    y : array_like, shape (m,)
    x : array_like, shape (n,)
    nonnegative : bool
        Whether the solution is sought among ``x >= 0``.

    Returns
    -------
    float

    Examples
    --------
    >>> A, y = [[1.0, 0.0], [0.0, 1.0]], [2.0, -1.0]
    >>> kkt_residual(A, y, [2.0, 0.0], nonnegative=True)
    0.0
    """
    A = as_matrix(A)
    y = as_data(y, A, float)
    x = as_vector("x", x, A.shape[1], "one entry for each column of A").astype(float)
    return float(_kkt(x, A.T @ (A @ x - y), column_norms(A), np.linalg.norm(y), nonnegative))


@dataclass(eq=False)
class Certificate:
    r"""What is known about a point `x` of a least-squares problem: how far its loss can be from the least one.

    Every array has one entry for each point of a stack; a single point has numbers.

    Attributes
    ----------
    loss : float or ndarray
        ``f(x) = 1/2 |A x - y|^2``.
    gap : float or ndarray
        No `z` whose size :math:`\sum_j |a_j|\,|z_j|` is at most `reach` has a loss below ``f(x) - gap``.
    reach : float or ndarray
        `inf` where the bound holds for every `z`.
    floor : float or ndarray
        How much of `gap` may be rounding: a smaller one says nothing more.
    kkt_residual : float or ndarray
        See `implicit_bias.measures.kkt_residual`.
    relative_residual : float or ndarray
        ``|A x - y| / |y|``.
    """

    loss: float | np.ndarray
    gap: float | np.ndarray
    reach: float | np.ndarray
    floor: float | np.ndarray
    kkt_residual: float | np.ndarray
    relative_residual: float | np.ndarray

    @property
    def optimality(self) -> float | np.ndarray:
        """What a tolerance is compared with, the larger of ``gap / loss`` and `kkt_residual`, or `relative_residual`.

        The last one where it is smaller, for there the data are met, and the least loss may be zero.
        """
        larger, smaller = (max, min) if isinstance(self.loss, float) else (np.maximum, np.minimum)
        relative = self.gap / larger(self.loss, TINY)
        return smaller(larger(relative, self.kkt_residual), self.relative_residual)

    @property
    def tells(self) -> bool | np.bool | np.ndarray:
        """Whether rounding hides little of the loss, without which the gap means nothing."""
        return self.floor <= LARGEST_FLOOR * self.loss

    @property
    def at_floor(self) -> bool | np.bool | np.ndarray:
        """Whether `gap` is rounding, and rounding is small against the loss, so that no better point can be told in float64."""
        return self.tells & (self.gap <= SLACK * self.floor) & (self.gap <= LARGEST_FLOOR * self.loss)

    def holds(self, tol: float, met: float | None = None, hidden: float = LARGEST_FLOOR) -> bool | np.bool | np.ndarray:
        """Whether a solver may say `converged`: KKT residual and relative gap are at most `tol`, or the gap is `at_floor`.

        The gap is a bound and no estimate, and need not be below 1e-8 of the loss.

        The data are met where `relative_residual` is at most `met`, by default `tol`. Rounding may hide the share `hidden`
        of the loss: more for many columns, whose multipliers cannot all be small by chance.
        """
        close = (self.gap <= max(tol, SMALL_GAP) * self.loss) & (self.kkt_residual <= tol)
        return (
            (self.relative_residual <= (tol if met is None else met))
            | (close & (self.floor <= hidden * self.loss))
            | self.at_floor
        )


def certificate(A: Matrix, y: ArrayLike, x: ArrayLike, *, nonnegative: bool = False) -> Certificate:
    r"""Bound how far the loss :math:`f(x) = \tfrac12\|Ax - y\|_2^2` is from its least value.

    For the residual ``r = A x - y``, the gradient ``g = A.T r``, any weights ``d_j > 0`` and

    .. math:: v = \max_j |g_j| / d_j, \qquad\text{with } x \geq 0:\quad v = \max_j \max(0, -g_j) / d_j,

    every `z` (every ``z >= 0``) has :math:`f(x) - f(z) \leq \langle g, x\rangle + v \sum_j d_j |z_j|`. Proof:
    :math:`f(z) \geq f(x) + \langle g, z - x\rangle` because `f` is convex, and
    :math:`-\langle g, z\rangle \leq v \sum_j d_j |z_j|`. Also :math:`f(x) - f(z) \leq f(x)`. The gap is the smaller one of the
    two bounds, the first one with :math:`d_j = |a_j|` and for all `z` up to ten times the size of `x` and the data:
    :math:`\sum_j d_j|z_j| \leq 10\,(\sum_j d_j|x_j| + |y|)`. A column without entries does not change the loss; its `d_j` is 1.

    The residual has a rounding error of about :math:`\varepsilon\,(\sum_j d_j |x_j| + |y|)`, with the precision
    :math:`\varepsilon` of float64, and the gap this error times the sizes of `x` and `z`: that is its floor.

    Parameters
    ----------
    A : array_like, sparse matrix or LinearOperator, shape (m, n)
        The columns of a `LinearOperator` are estimates, see `column_norms`. The bound holds with any `d`.
    y : array_like, shape (m,)
    x : array_like, shape (n,)
    nonnegative : bool
        Whether the solution is sought among ``x >= 0``, and `x` is one of them.

    Returns
    -------
    Certificate

    Examples
    --------
    >>> far = certificate([[1.0, 1.0], [0.0, 1e-5]], [1.0, 0.75e-5], [0.5, 0.5], nonnegative=True)
    >>> bool(far.kkt_residual < 1e-10), bool(far.gap == far.loss)  # the residual is small, but not close to the least one
    (True, True)
    """
    A = as_matrix(A)
    y = as_data(y, A, float)
    x = as_vector("x", x, A.shape[1], "one entry for each column of A").astype(float)
    residual = A @ x - y
    size = float(np.max(np.abs(residual)))
    if size > NORMS[1]:
        raise ValueError(f"x must be smaller: the square of the residual {size:g} leaves float64; rescale the problem")
    return _certify(x, residual, A.T @ residual, column_norms(A), np.linalg.norm(y), nonnegative)


def _certify(x, residual, gradient, columns, data_norm, nonnegative, precision=EPSILON, shift=0.0):
    """`certificate` from what a loop has at hand, along the last axis; `precision` is that of the product in `residual`.

    The gradient may be that of another residual, at the distance `shift`: with ``1/2 shift^2`` more it is a bound again.
    """
    single = x.ndim == 1  # for which Python's own numbers are several times faster than arrays of one
    inner = np.ndarray.dot if single else _inner
    larger, smaller = (max, min) if single else (np.maximum, np.minimum)
    lengths, scaled = columns, columns * x
    if np.count_nonzero(columns) < columns.size:
        # A zero column has no unit of its own and leaves its entry free: only a negative one is wrong.
        lengths = np.where(columns > 0, columns, 1)
    slack = gradient / lengths
    size = inner(columns, np.abs(x)) + data_norm
    if nonnegative:
        wrong = -_least(slack)
        least = scaled if lengths is columns else np.where((columns > 0) | (x < 0), lengths * x, slack)
        least = np.minimum(least, slack)
        kkt = _largest(np.abs(least))
    else:
        wrong = kkt = np.abs(slack).max(axis=-1)
    squares, along = inner(residual, residual), inner(gradient, x)
    if single:
        size, wrong, kkt, squares, along = map(float, (size, wrong, kkt, squares, along))
    norm, loss, reach = squares**0.5, squares / 2, REACH * size
    bound = larger(along, 0.0) + wrong * reach + shift**2 / 2
    floor = (precision * size + EPSILON * norm) * (size + reach)
    data_norm = data_norm or 1.0
    near = bound < loss
    within = (reach if near else np.inf) if single else np.where(near, reach, np.inf)
    return Certificate(loss, smaller(bound, loss), within, floor, kkt / data_norm, norm / data_norm)


def _least(v):
    """The least entry along the last axis, or zero if none is negative; of a vector in a third of the time."""
    if v.ndim == 1 and v.size:
        return min(v.item(v.argmin()), 0.0)
    return np.minimum.reduce(v, axis=-1, initial=0.0)


def _largest(v):
    """The same of the largest entry."""
    if v.ndim == 1 and v.size:
        return max(v.item(v.argmax()), 0.0)
    return np.maximum.reduce(v, axis=-1, initial=0.0)


def _inner(u, v):
    """Inner products along the last axis."""
    return (u * v).sum(axis=-1)


def _kkt(x, gradient, columns, data_norm, nonnegative):
    """`kkt_residual` from what a loop has at hand, along the last axis."""
    positive = columns.all()
    slack = gradient / (columns if positive else np.where(columns > 0, columns, 1))
    if nonnegative:
        slack = np.minimum(columns * x, slack)
        if not positive:
            # A zero column has no unit of its own and leaves its entry free: only a negative entry is wrong there.
            slack = np.where((x < 0) & (columns == 0), x, slack)
    return np.abs(slack, out=slack).max(axis=-1) / (data_norm or 1.0)


def _duality_gap(residual, level, sizes, along, steepest):
    """The gap of ``1/2 |residual|^2 + level sum(sizes)``. The residual, made short enough, is a point of the dual problem.

    `sizes` are the norms of entries or groups, `along` the inner products of `x` with the correlations there, and `steepest`
    is the largest norm of the latter.
    """
    share = level / steepest if steepest > level else 1.0
    # Loss and penalty minus the dual function, as a sum without cancellation.
    gap = ((1 - share) * residual) @ ((1 - share) * residual) / 2 + np.sum(level * sizes - share * along)
    return max(float(gap), 0.0)


def sharpness(A: Matrix, y: ArrayLike, parametrization: Parametrization, weights: ArrayLike) -> float:
    r"""Largest eigenvalue of the Hessian of ``1/2 |A x(w) - y|^2`` with respect to the weights `w`.

    From almost every start, descent with the step `eta` can end only where it is at most ``2 / eta``. With the Jacobian `J`
    of ``x(w)`` and the gradient ``g = A.T (A x - y)`` the Hessian is ``J.T A.T A J`` plus the second derivative of
    ``<g, x(w)>``. It is known by its products with vectors: in closed form for Hadamard powers, by complex steps (no
    differences are taken, so the derivatives are exact) for all others. Up to 300 weights it is written down; above,
    Lanczos's method finds the eigenvalue.

    Source: Cohen et al. (2021) for what it decides. Taught in the chapter "Steps and noise".

    Parameters
    ----------
    A : array_like, sparse matrix or LinearOperator, shape (m, n)
    y : array_like, shape (m,)
    parametrization : Linear, HadamardPower, SignedHadamardPower, GroupHadamard, MatrixProduct or SymmetricProduct
        Or any other whose `value` and `pullback` work for complex weights.
    weights : array_like
        One point, of the shape that ``parametrization.start`` has: the `weights` of a descent.

    Returns
    -------
    float
        Negative where the loss is concave in all weights.

    Raises
    ------
    ValueError
        For a wrong shape, a non-finite or non-real entry, or a parametrization without complex derivative.
    RuntimeError
        If Lanczos's method does not converge.

    Examples
    --------
    Two factors with the product 1, balanced and not:

    >>> from implicit_bias.parametrizations import MatrixProduct
    >>> [round(sharpness([[1.0]], [1.0], MatrixProduct((1, 1, 1)), w), 10) for w in ([1.0, 1.0], [2.0, 0.5])]
    [2.0, 4.25]
    """
    A = as_matrix(A)
    y = as_data(y, A).astype(float)
    parametrization = as_parametrization(parametrization)
    n = A.shape[1]
    w = as_reals("weights", weights).astype(float)
    expected = parametrization.start(1.0, n).shape
    if w.shape != expected:
        raise ValueError(f"weights must have shape {expected}, one point of {parametrization!r}; got {w.shape}")
    if not np.all(np.isfinite(w)):
        raise ValueError("weights must be finite, they have a NaN or an infinity: has the descent diverged?")
    with np.errstate(over="ignore", invalid="ignore"):  # which is found below
        push, bend = _derivatives(parametrization, w, A.T @ (A @ parametrization.value(w) - y))

    def product(v):
        v = v.reshape(w.shape)
        with np.errstate(over="ignore", invalid="ignore"):
            image = (parametrization.pullback(w, A.T @ (A @ push(v))) + bend(v)).ravel()
        if not np.all(np.isfinite(image)):
            raise ValueError("weights must be smaller: the second derivatives there leave float64")
        return image

    if w.size <= SMALL_HESSIAN:
        H = np.array([product(unit) for unit in np.eye(w.size)])
        return float(np.linalg.eigvalsh((H + H.T) / 2)[-1])
    hessian = LinearOperator((w.size, w.size), matvec=product, dtype=float)
    # A fixed start vector, of signs that no symmetry has: runs repeat, and no eigenvector is orthogonal to it.
    first = np.random.default_rng(0).standard_normal(w.size)
    if not np.any(product(first)):
        return 0.0  # the Hessian is zero, which ARPACK refuses
    try:
        return float(eigsh(hessian, k=1, which="LA", v0=first, return_eigenvectors=False)[0])
    except ArpackNoConvergence as error:
        raise RuntimeError(f"sharpness: Lanczos's method did not converge for {w.size} weights") from error


def _derivatives(parametrization, w, gradient):
    """The functions ``v -> J v`` and ``v -> (derivative of J.T in the direction v) gradient``, at the weights `w`."""
    if isinstance(parametrization, HadamardPower | SignedHadamardPower):
        L, signed = parametrization.depth, isinstance(parametrization, SignedHadamardPower)
        slope = parametrization.pullback(w, np.ones_like(gradient))
        curve = L * (L - 1) * np.abs(w) ** (L - 2) * gradient
        if signed:
            curve[1] *= -1
        return (lambda v: np.sum(slope * v, axis=0) if signed else slope * v), (lambda v: curve * v)
    tiny = 1e-30 * (np.max(np.abs(w)) or 1.0)

    def push(v):
        return parametrization.value(w + 1j * tiny * v).imag / tiny

    def bend(v):
        return parametrization.pullback(w + 1j * tiny * v, gradient).imag / tiny

    # One look whether complex steps are derivatives: an absolute value, for one, has none.
    direction = np.random.default_rng(0).standard_normal(w.shape) * (np.max(np.abs(w)) or 1.0)
    near = [parametrization.value(w + sign * 1e-5 * direction) for sign in (1, -1)]
    expected, found = (near[0] - near[1]) / 2e-5, push(direction)
    if not np.linalg.norm(found - expected) <= 1e-3 * (np.linalg.norm(expected) + np.linalg.norm(found)):
        raise ValueError(
            f"parametrization must be differentiable for complex weights, {parametrization!r} is not: "
            "its `value` may take an absolute value or a real part"
        )
    return push, bend


def margin(
    A: Matrix, y: ArrayLike, x: ArrayLike, *, norm: str = "l2", shape: tuple[int, int] | None = None
) -> float | np.ndarray:
    r"""Smallest value of a separator in units of its norm, :math:`\min_i y_i\langle a_i, x\rangle / |x|`.

    It is positive exactly when ``sign(A x) = y``: the plane orthogonal to `x` separates the two classes. In the Euclidean norm
    it is the smallest signed distance of a point to that plane.

    Taught in the chapter "Overparameterization"; in other norms in the chapter "Other geometries".

    Parameters
    ----------
    A : array_like, sparse matrix or LinearOperator, shape (m, n)
        One point in each row.
    y : array_like, shape (m,)
        Labels +1 and -1, both of which occur.
    x : array_like, shape (..., n)
    norm : {"l2", "l1", "linf", "spectral"}
        The last is the largest singular value of `x` as a matrix.
    shape : tuple of int, optional
        Of that matrix, whose rows follow each other in `x`.

    Returns
    -------
    float or ndarray, shape (...)
        0 where `x` is zero.

    Examples
    --------
    >>> float(margin([[2.0, 0.0], [-1.0, 1.0]], [1, -1], [3.0, 0.0]))
    1.0
    """
    A = as_matrix(A)
    y = as_labels(y, A)
    norm, shape = as_norm(norm, shape, A.shape[1])
    x = as_reals("x", x).astype(float)
    if x.shape[-1:] != A.shape[1:] or not np.all(np.isfinite(x)):
        raise ValueError(f"x must be finite and have shape (..., {A.shape[1]}), got {x.shape}")
    largest = np.max(np.abs(x), axis=-1, keepdims=True)
    x = x / np.where(largest > 0, largest, 1)  # its length counts for nothing, and may leave float64
    norms = _norm_of(x, norm, shape)
    signed = y * (A @ x.reshape(-1, A.shape[1]).T).T
    return np.min(signed, axis=-1).reshape(norms.shape)[()] / np.where(norms > 0, norms, 1)


def _norm_of(x, norm, shape=None, *, dual=False):
    """A norm of vectors over the last axis, or its dual norm: l1 and linf, l2 and itself, spectral and nuclear."""
    if norm == "l2":
        return np.linalg.norm(x, axis=-1)
    if norm == "spectral":
        values = np.linalg.svd(x.reshape(*x.shape[:-1], *shape), compute_uv=False)
        return np.sum(values, axis=-1) if dual else values[..., 0]
    return np.sum(np.abs(x), axis=-1) if (norm == "l1") != dual else np.max(np.abs(x), axis=-1)


def effective_rank(W: ArrayLike) -> float | np.ndarray:
    r"""Nuclear norm over spectral norm, :math:`\|W\|_* / \|W\|_{2\to2}`: between 1 and the rank; 0 for the zero matrix.

    Source: Chou, Gieshoff, Maly and Rauhut (2024). Taught in the chapter "Matrix factorization".

    Parameters
    ----------
    W : array_like, shape (..., p, q)

    Returns
    -------
    float or ndarray, shape (...)

    Examples
    --------
    >>> float(effective_rank(np.diag([4.0, 2.0, 1.0])))
    1.75
    """
    values = np.linalg.svd(as_finite_matrix("W", W), compute_uv=False)
    largest = values[..., 0]
    return np.sum(values, axis=-1) / np.where(largest > 0, largest, 1)


def balancedness(factors: Sequence[ArrayLike]) -> float | np.ndarray:
    r"""How far matrices :math:`W_1, \dots, W_N` are from balanced, :math:`\max_j \|W_{j+1}^\top W_{j+1} - W_j W_j^\top\|_F`.

    Source: Arora, Cohen, Hu and Luo (2019). Taught in the chapter "Matrix factorization".

    Parameters
    ----------
    factors : list of array_like
        At least two matrices `W_1`, ..., `W_N` whose product ``W_N ... W_1`` exists, or stacks of them.

    Returns
    -------
    float or ndarray

    Examples
    --------
    >>> float(balancedness([[[1.0, 0.0]], [[1.0], [0.0]]]))
    0.0
    """
    factors = as_matrices("factors", factors)
    if len(factors) < 2:
        raise ValueError(f"factors must be at least two matrices, got {len(factors)}")
    for W, V in pairwise(factors):
        if V.shape[-1] != W.shape[-2]:
            raise ValueError(f"factors must be W_1, ..., W_N with a product W_N ... W_1; got {V.shape} after {W.shape}")
    return np.max([np.linalg.norm(V.mT @ V - W @ W.mT, axis=(-2, -1)) for W, V in pairwise(factors)], axis=0)


def best_rank(W: ArrayLike, r: int) -> np.ndarray:
    """The best approximation of `W` of rank at most `r`, by the singular value decomposition.

    Source: Eckart and Young (1936). Taught in the chapter "Matrix factorization".

    Parameters
    ----------
    W : array_like, shape (..., p, q)
    r : int
        At least 1 and at most ``min(p, q)``.

    Returns
    -------
    ndarray, shape (..., p, q)

    Examples
    --------
    >>> best_rank([[3.0, 0.0], [0.0, 2.0]], 1).tolist()
    [[3.0, 0.0], [0.0, 0.0]]
    """
    W = as_finite_matrix("W", W)
    r = as_positive("r", r, integer=True)
    if r > min(W.shape[-2:]):
        raise ValueError(f"r must be at most {min(W.shape[-2:])} for a matrix of shape {W.shape}, got {r}")
    U, values, V = np.linalg.svd(W, full_matrices=False)
    return (U[..., :r] * values[..., None, :r]) @ V[..., :r, :]


def null_space_constant(A: Matrix, s: int) -> float:
    r"""Smallest `rho` such that ``|v_S|_1 <= rho |v_{S^c}|_1`` for all `v` in the kernel of `A` and all `S` of size `s`.

    The matrix has the (stable) null space property of order `s` exactly when ``rho < 1``. Each support and each pattern of
    signs on it is one linear program, so this is for small matrices: ``binom(n, s) 2^(s-1)`` programs.

    Source: Foucart and Rauhut (2013), Definition 4.11. Taught in the chapter "Sparse recovery".

    Parameters
    ----------
    A : array_like, sparse matrix or LinearOperator, shape (m, n)
    s : int
        Order, at least 1 and less than `n`.

    Returns
    -------
    float
        `inf` if some kernel vector vanishes off a set of size `s`, or is below about 1e-9 of its size there.

    Examples
    --------
    >>> round(null_space_constant([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]], 1), 12)
    0.5
    """
    A = dense(as_entries(as_matrix(A)))
    n = A.shape[1]
    s = as_positive("s", s, integer=True)
    if s >= n:
        raise ValueError(f"s must be less than the number of columns {n}, got {s}")
    # The same kernel in orthonormal rows, whatever the sizes of those of A: the tolerances of HiGHS are absolute.
    rows = np.max(np.abs(A), axis=1)
    _, values, right = np.linalg.svd(A[rows > 0] / rows[rows > 0, None], full_matrices=False)
    A = right[values > max(A.shape) * EPSILON * np.max(values, initial=0)]
    worst = 0.0
    for support in combinations(range(n), s):
        on = np.zeros(n, dtype=bool)
        on[list(support)] = True
        # v = a - b with a, b >= 0; maximize <sign, v_S> subject to |v_{S^c}|_1 <= 1 and A v = 0.
        budget = np.where(on, 0.0, 1.0)
        for signs in product([1.0, -1.0], repeat=s - 1):
            cost = np.zeros(n)
            cost[list(support)] = (1.0, *signs)
            program = linprog(
                np.r_[-cost, cost],
                A_ub=np.r_[budget, budget][None],
                b_ub=[1.0],
                A_eq=np.hstack([A, -A]),
                b_eq=np.zeros(A.shape[0]),
                options=TIGHT,
            )
            if program.status == 3:
                return np.inf
            if program.fun is None:
                raise RuntimeError(f"null_space_constant: HiGHS stopped: {program.message}")
            worst = max(worst, -program.fun)
    return worst
