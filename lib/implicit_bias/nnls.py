"""Non-negative least squares, from the path that gradient descent on ``x = w^2`` shows.

The non-convex energy ``1/2 |A w^2 - y|^2`` has no constraint, and every local minimum is global, but gradient descent on it is
slow. What makes it good is kept, in `x` itself: columns of length 1, a start that is constant, a scale of `x` that is free at
each step, entries that vanish for good. Curvature is learned from the steps, and the problem is solved exactly on the support
once that is cheaper than going on.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import prod
from operator import itemgetter

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import issparse

from ._accurate import accurate_point, active_set
from ._backends import Dense
from ._columns import Columns
from ._constraints import constrained
from ._normalized import MET, SIMILAR, SMALL, NormalizedProblem, OrdinaryProblem, Point, reported
from ._support import LARGEST_ACTIVE_SET, by_active_set, by_block_pivoting, finish, meet, one_by_one
from ._types import Matrix, Multiplies
from ._validation import as_point, as_positive, as_real_matrix, as_reals
from .measures import EPSILON
from .results import NonnegativeResult

SMALLEST_TOLERANCE = 1e-14  # float64 cannot resolve less
CANCELLED = 0.5  # of the squared length that the sum of as many columns of length 1 has, were they orthogonal
EARLY = 0.5  # of the price of a finish is spent before it is tried,
PATIENT = 3.0  # times its price, if the iteration would take as much or more
ONE_BY_ONE = 1  # products for each column that an active-set method lets in
MEMORY = 5  # steps that tell the curvature
FRESH = 1e-12  # slopes below which what was carried along has too much rounding in it
INDEPENDENT = 1e-20  # squared sine of the angle between two vectors
WITHIN_REACH = 1e-2  # squared residual from which the data can be met at once
LARGEST_START = 1e75  # of which squares, and sums of them, are numbers
LARGEST_GRAM = 15_000  # columns; their Gram matrix takes 1.8 GB
LIMIT = 10_000  # iterations


@dataclass(frozen=True, eq=False)
class Progress:
    """What `nnls` tells its `callback`.

    Attributes
    ----------
    x : ndarray, shape (n,)
    kkt_residual : float
    iterations, products : int
        So far.
    """

    x: np.ndarray
    kkt_residual: float
    iterations: int
    products: int


def nnls(
    A: Matrix | Multiplies,
    y: ArrayLike,
    *,
    tol: float = 1e-8,
    max_iterations: int | None = None,
    x0: ArrayLike | None = None,
    alpha: ArrayLike | None = None,
    callback: Callable[[Progress], object] | None = None,
    weights: ArrayLike | None = None,
    tikhonov: ArrayLike | None = None,
    sum_to: float | None = None,
    upper: ArrayLike | None = None,
    maxiter: int | None = None,
    progress: bool = False,
) -> NonnegativeResult:
    r"""Minimize ``|A x - y|`` over ``x >= 0``.

    Projected quasi-Newton steps, in variables for which the columns of `A` have length 1, each with the best scale of `x`. As
    soon as that is cheaper than going on, the problem is solved exactly on the present support, by the method that fits it;
    what comes out has to pass the same test. Unless `x0`, `alpha` or `callback` is given, arrays whose columns, no more than
    rows, have cheap inner products are tried by block pivoting from the start. Other small matrices (up to 250000 entries,
    whatever they are) are left to the active-set method of SciPy, and where that leaves more than rounding, to one of our
    own with residuals in twice the precision.

    Among several solutions this method does not prefer the one of least l1-norm, as gradient flow does; for that there is
    `implicit_bias.flow_limit`.

    Source: the constant start of Chou, Maly and Verdun (2022); the projected steps of Bertsekas (1982) with the memory of
    Nocedal (1980); the finish as in Portugal, Judice and Vicente (1994). Taught in the chapter "Non-negative least squares".

    Parameters
    ----------
    A : array_like, sparse matrix, LinearOperator, dask array or an object of your own, shape (m, n)
        Of a `LinearOperator` only the products ``A @ v`` and ``A.T @ r`` are used. A float32 matrix is copied to float64. A
        dask array of more than 250000 entries is never in memory as a whole: products, column norms and Gram matrices are
        sums over its chunks, by the scheduler that dask has, on this machine or on many. An object of your own has `shape`,
        ``matvec(v)`` and ``rmatvec(r)``, and spares products by what it has of ``column_norms()``, ``columns(indices)``, an
        array of shape (m, k), and ``gram(indices)``, the inner products of these columns.
    y : array_like, shape (m,) or (m, k)
        With k > 1 columns each is solved for itself, and what depends on `A` alone is computed once.
    tol : float
        Stop when the gap is at most `tol`, or 1e-8, of the loss ``1/2 |A x - y|^2`` and the KKT residual at most `tol`, see
        `implicit_bias.measures.certificate`; or when ``|A x - y|`` is at most ``tol^(3/2) |y|``. A small matrix is solved to
        rounding, whatever `tol` is.
    max_iterations : int, optional
        Quasi-Newton steps, 10000 by default.
    x0 : array_like, shape (n,), optional
        Where to begin, non-negative.
    alpha : float, optional
        Begin at the constant ``x = alpha^2`` (in variables for which columns and data have length 1), where gradient descent
        begins at ``w = alpha``. It matters little here, for each step has the scale free. By default the constant that fits
        the data best.
    callback : callable, optional
        Called at each iteration with an object that has `x`, `kkt_residual`, `iterations` and `products`.
    weights : array_like, shape (m,), optional
        Minimize ``sum(weights * (A x - y)**2)`` instead, with weights that are not negative.
    tikhonov : float or array_like, shape (n,), optional
        Add ``sum(tikhonov * x**2)`` to the sum of squares, with numbers that are not negative.
    sum_to : float, optional
        Only vectors with ``sum(x) = sum_to`` are admitted. They meet it up to rounding: it is no row of large weight.
    upper : float or array_like, shape (n,), optional
        Only vectors with ``x <= upper`` are admitted; `inf` is no bound. Not together with `sum_to`, `x0`, `alpha` or
        `callback`.
    maxiter : int, optional
        The name that `scipy.optimize.nnls` has for `max_iterations`.
    progress : bool
        Whether to tell how many columns of `y` are solved: by a bar, if the package tqdm is installed, else by lines.

    Returns
    -------
    NonnegativeResult
        `x` in float64, the point of least loss that was seen, and with it `residual_norm`, `gap`, `dual` (the multipliers),
        `active` (where ``x = 0``), `kkt_residual`, `converged`, `iterations`, `products` and `message`. The certificate is
        computed afresh from `A`, `y` and `x` in float64 or better. `converged` is False where rounding hides whether a better
        point exists, and `message` then says how much of the loss it hides. The residual is never larger than that of
        ``x = 0``.

    Raises
    ------
    ValueError
        For a wrong shape, a NaN or infinity, entries that are not real, an operator whose two products are not those of one
        matrix, an option out of its range, or data whose size is not between 1e-150 and 1e150.

    Warns
    -----
    RuntimeWarning
        When the tolerance was not reached.

    Examples
    --------
    >>> result = nnls([[1.0, 0.0], [0.0, 1.0]], [2.0, -1.0])
    >>> result.x.tolist(), result.residual_norm, result.converged
    ([2.0, 0.0], 1.0, True)

    With weights, or shares that sum to one, or bounds on both sides:

    >>> nnls([[1.0], [1.0]], [1.0, 4.0], weights=[2.0, 1.0]).x.tolist()
    [2.0]
    >>> x, residual_norm = nnls([[1.0, 0.0], [0.0, 1.0]], [2.0, 1.5], sum_to=1.0)
    >>> x.round(12).tolist()
    [0.75, 0.25]
    >>> nnls([[1.0, 0.0], [0.0, 1.0]], [2.0, -1.0], upper=0.5).x.tolist()
    [0.5, 0.0]
    """
    if maxiter is not None:
        if max_iterations is not None:
            raise ValueError("maxiter must not be given together with max_iterations: both say the same")
        max_iterations = as_positive("maxiter", maxiter, integer=True, zero=True)
    tol = as_positive("tol", tol)
    if tol < SMALLEST_TOLERANCE:
        raise ValueError(f"tol must be at least {SMALLEST_TOLERANCE:g}, got {tol:g}")
    limit = LIMIT if max_iterations is None else as_positive("max_iterations", max_iterations, integer=True, zero=True)
    if callback is not None and not callable(callback):
        raise ValueError(f"callback must be callable, got {callback!r}")
    if not weights is tikhonov is sum_to is upper is None:
        options = {
            "tol": tol,
            "max_iterations": limit,
            "x0": x0,
            "alpha": alpha,
            "callback": callback,
            "progress": progress,
        }
        return constrained(nnls, A, y, weights=weights, tikhonov=tikhonov, sum_to=sum_to, upper=upper, **options)
    if issparse(A) and prod(A.shape) <= SMALL:
        A = as_real_matrix(A).toarray()
    x = None
    if x0 is alpha is callback is None and (problem := OrdinaryProblem.of(A, y)):
        point, how = by_block_pivoting(problem) if problem.tall else None, "Found by block pivoting"
        if point is None and A.size <= SMALL:
            point, how = problem.point(by_active_set(problem.A, problem.b)), "Found by an active-set method"
        if point is not None:
            if point.settled:
                return _report(problem, point, tol, 0, how, True)
            x = point.x
    y = as_reals("y", y)
    if y.ndim == 2 and y.shape[1] != 1:
        for name, value in (("x0", x0), ("alpha", alpha), ("callback", callback)):
            if value is not None:
                raise ValueError(f"{name} must not be given with several columns of y: call once for each column")
        return Columns(A, partial(nnls, max_iterations=limit)).solve(y, tol, progress)
    problem = NormalizedProblem(A, y)
    start = _given_start(problem, x0, alpha)
    best, iterations, how = None, 0, "Stopped"
    if problem.empty.all():
        best, how = problem.zero(), "No column has a positive product with y: x = 0 is the solution"
    elif start is not None or callback is not None or not problem.small:
        best, iterations, how = _minimize(problem, start, tol, limit, callback)
    if problem.small:
        # From where the iteration has ended, and from zero.
        for begin in (None,) if best is None else (best, None):
            if best is None or (limit and not best.settled):
                point = _active_set(problem, begin, x=x)
                if best is None or point.beats(best):
                    best, how = point, "Found by an active-set method"
    if best.loss > problem.b @ problem.b:
        best, how = problem.zero(), "Nothing better than x = 0 was found"
    # A small problem is solved to rounding, whatever the tolerance is.
    converged = best.settled or (not problem.small and best.holds(tol))
    return _report(problem, best, tol, iterations, how, converged)


def _report(problem, point, tol, iterations, how, converged):
    x, certificate = problem.in_units(point.x), point.certificate
    converged = bool(converged and (not problem.lost or certificate.relative_residual <= MET))
    advice = "; without columns so small that their entries of x would leave float64: rescale the problem"
    return reported(
        certificate,
        tol,
        converged,
        how,
        4,
        "" if converged or not problem.lost else advice,
        x=x,
        iterations=iterations,
        residual_norm=problem.residual_norm(point),
        gap=float(certificate.gap) * problem.unit**2,
        dual=problem.slopes(point.g),
        active=point.x == 0.0,
        products=problem.products,
    )


def _given_start(problem, x0, alpha):
    """The point to start from that the caller asks for, or None."""
    if x0 is not None and alpha is not None:
        raise ValueError("alpha must not be given together with x0: both say where to begin")
    if x0 is alpha is None:
        return None
    with np.errstate(over="ignore"):
        if alpha is not None:
            name, start = "alpha", np.square(as_positive("alpha", alpha)) * problem.size / problem.units
        else:
            name, start = "x0", as_point("x0", x0, problem.n) * problem.d / problem.unit
    if not np.max(start, initial=0.0) < LARGEST_START:
        raise ValueError(f"{name} must not be {LARGEST_START:g} times a solution or more: give it the size of one")
    return np.where(problem.empty, 0.0, start)


def _default_start(problem):
    """The constant that fits the data best, or the best multiple of ``max(B.T b, 0)``.

    The second one where the first is not positive, or where the columns nearly cancel: then the constant that fits best is
    huge, in a direction of which `B` sees nothing but rounding.
    """
    for x in (np.where(problem.empty, 0.0, 1 / problem.units), np.maximum(problem.correlation, 0) / problem.squares):
        image = problem.forward(x)
        fit = image @ problem.b
        if fit > 0 and image @ image > CANCELLED * np.count_nonzero(x):
            break
    return x * (fit / (image @ image))


def _active_set(problem, start, tol=None, x=None):
    """The best point by the active-set method of SciPy, or by our own from that point or `start`, if one is not enough.

    What SciPy's method has found may be given as `x`, in the units of `A` and `y`: a point that is not settled.
    """
    B, best = problem.columns(np.arange(problem.n)), start
    if x is not None:
        best = problem.point(x * problem.d / problem.unit)
    elif start is None:
        # Columns of similar size stay as they are: what comes out is SciPy's solution, bit for bit.
        common = problem.d / problem.d.max()
        common = common if common.min() * SIMILAR > 1 else 1.0
        best = problem.point(by_active_set(B * common, problem.b) * common)

    def smaller(best):
        """Where nothing but the rounding of large entries is left, others, that are smaller, may make up for it."""
        if best.settled or best.shift <= best.loss**0.5 / 2:
            return best
        point = accurate_point(problem, best.x + by_active_set(B * (best.x == 0), -best.r))
        return point if point.beats(best) else best

    if x is not None or not best.settled:
        best = smaller(accurate_point(problem, best.x))
        if not best.settled:
            point = active_set(problem, best)
            best = smaller(point if point.beats(best) else best)
    return best


def _minimize(problem, start, tol, limit, callback):
    """Quasi-Newton steps from `start`, and a finish on the support: the best point, the iterations, how it was found."""
    zero = problem.zero()
    if np.min(zero.g, initial=0.0) >= 0:
        return zero, 0, "No column has a positive product with y: x = 0 is the solution"
    path = _quasi_newton(problem, _default_start(problem) if start is None else start)
    due, point, how = _Due(problem, tol), zero, f"Stopped after {limit} iterations"
    for iterations in range(limit + 1):
        before, point = point, next(path, None)
        if ended := point is None:
            point, how = before, "Rounding stopped the iteration"
        elif callback is not None:
            kkt = float(point.certificate.kkt_residual)
            callback(Progress(problem.in_units(point.x), kkt, iterations, problem.products))
        if not ended and point.near <= tol and point.holds(tol):
            # The residual was carried along from step to step. The certificate is computed afresh, without the entries that
            # are on their way to zero if it passes without them.
            for x in (np.where(point.used, point.x, 0.0), point.x):
                fresh = problem.point(x)
                if fresh.holds(tol):
                    return fresh, iterations, "The iteration converged"
            path = _quasi_newton(problem, point.x)
        elif iterations < limit and (method := due.method(point, ended)):
            finished = due.run(method, point)
            if problem.small or finished.holds(tol) or finished.rounded:
                return finished, iterations, "Solved on the support"
            if finished.beats(point):
                path, ended = _quasi_newton(problem, finished.x), False
        if ended:
            break
    return problem.point(point.x), iterations, how


class _Due:
    """Which way to finish is due: one of whose price a part is spent, if the iteration would take clearly longer.

    What was tried in vain is due again when twice its price is spent.
    """

    def __init__(self, problem, tol):
        self.problem, self.tol, self.start = problem, tol, problem.products
        self.seen, self.half, self.vain = [], 0, {}

    def method(self, point, ended):
        """A function that tries to solve the problem from here, or None; the cheapest one where the iteration has ended."""
        problem, spent = self.problem, self.problem.products - self.start
        self.seen.append((spent, point.near))
        while self.seen[self.half][0] < spent / 2:
            self.half += 1
        k, m, price = np.count_nonzero(point.used), len(problem.b), problem.matrix.price_of_gram
        if not 0 < k <= LARGEST_GRAM:
            return None
        ways = [(price(k), _active_set if problem.small else finish)]
        if type(problem.matrix) is Dense and k >= m and not problem.small:
            if problem.matrix.A.size <= LARGEST_ACTIVE_SET:
                ways.append((ONE_BY_ONE * m, one_by_one))
            if point.loss < WITHIN_REACH:
                ways.append((price((m * problem.n) ** 0.5), meet))
        for self.price, method in sorted(ways, key=itemgetter(0)):
            paid = spent >= EARLY * self.price + self.vain.get(method, 0)
            if ended or (paid and self.left(point) >= PATIENT * self.price):
                return method
        return None

    def left(self, point):
        """What the iteration would still cost: a mean of two forecasts.

        The slow one is that each doubling of its products gains as much as the last one, the fast one that as many products do.
        """
        (spent, near), (_, before) = self.seen[-1], self.seen[self.half]
        missing = point.missing(self.tol)
        if missing <= 1 or not 0 < near < before:  # rounding is in the way, or nothing was gained
            return np.inf
        times = min(np.log2(missing) / np.log2(before / near), 100.0)
        return self.problem.matrix.pace * spent * ((2**times - 1) * times / 2) ** 0.5

    def run(self, method, point):
        """What it finds. The products it takes do not count as spent."""
        before = self.problem.products
        found = method(self.problem, point, self.tol)
        self.start += self.problem.products - before
        self.vain[method] = 2 * (self.vain.get(method, 0) + self.price)
        return found


def _quasi_newton(problem, x):
    """Minimize ``1/2 |B x - b|^2`` over ``x >= 0`` from `x`: an endless stream of points.

    A step of the BFGS method with limited memory in the entries that are positive or would grow, projected. Between the point
    to which it leads and the present one all combinations with coefficients that are not negative are tried at once.

    Source: Bertsekas (1982) for the projection, Nocedal (1980) for the memory.
    """
    # The products with `x` and the residual are carried along each by itself: of a tiny start, and later of a small residual,
    # the difference would be rounding.
    image, back = problem.normal(x)
    r, g, pairs = image - problem.b, back - problem.correlation, []
    while True:
        point = Point(x, r, g, problem)
        if point.near < FRESH:
            g = problem.backward(r)
            point = Point(x, r, g, problem)
        yield point
        free = (x > 0) | (g < 0)
        slope = np.where(free, g, 0.0)
        after = np.maximum(x - _inverse(slope, [(s, y * free) for s, y in pairs], problem.squares) * free, 0.0)
        if not g @ (step := after - x) < 0:
            after, pairs = np.maximum(x - slope / problem.squares, 0.0), []
            step = after - x
        along, change = problem.normal(step)
        if not (g @ step < 0 < along @ along):
            return
        t, c, kept = _combination(r, along, image)
        step, along, change = t * step + c * x, t * along + c * image, t * change + c * back
        pairs = [*pairs[1 - MEMORY :], (step, change)]
        # Entries that vanish do so exactly: else rounding would say which of them are free.
        x, image, back, r, g = t * after + kept * x, image + along, back + change, r + along, g + change


def _inverse(v, pairs, diagonal):
    """An approximate inverse of the Hessian times `v`, from its diagonal, steps, and changes of the gradient along them."""
    v, used = v.copy(), []
    for s, y in reversed(pairs):
        if (curvature := s @ y) > EPSILON * (s @ s):
            share = s @ v / curvature
            v -= share * y
            used.append((s, y, curvature, share))
    if used:
        s, y, curvature, _ = used[0]
        v *= curvature / (y @ (y / diagonal))
    v /= diagonal
    for s, y, curvature, share in reversed(used):
        v += (share - y @ v / curvature) * s
    return v


def _combination(r, along, image):
    """The `t` and `c` with ``t >= 0`` and ``kept = 1 + c - t >= 0`` that minimize ``|r + t along + c image|``, and `kept`.

    So ``(1 + c) x + t step = kept x + t (x + step)`` is a combination with coefficients that are not negative.
    """
    if (square := image @ image) > 0:
        # All images may be nearly parallel, by rows of large weight: what they differ in is taken first.
        share, fit = along @ image / square, r @ image / square
        rest = along - share * image
        if (length := rest @ rest) > INDEPENDENT * (along @ along):
            t = max(-(rest @ r) / length, 0.0)
            c = -fit - t * share
            if 1 + c > t:
                return t, c, 1 + c - t
            after = image + along  # a multiple of the new point is the best one
            t = max((image - r) @ after / (after @ after), 0.0)
            return t, t - 1, 0.0
    t = min(1.0, -(r @ along) / (along @ along))
    return t, 0.0, 1 - t
