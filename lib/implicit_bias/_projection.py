r"""Newton's method for the Bregman projection of a start onto the solutions of ``A x = y``: the limit of the flow.

It has two forms. Where the rows are independent by far, each step costs a Cholesky factorization of ``A D A.T``. Everything
else (rows that nearly depend on each other, columns of very different size, data that cannot be met, entries that must
vanish, and what the first form gives up on) goes to orthonormal rows and QR factorizations, which do not square the condition.
"""

import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from operator import attrgetter

import numpy as np
from scipy.linalg import qr, solve_triangular
from scipy.linalg.lapack import dpocon, dpotrf, dpotrs
from scipy.optimize import linprog
from scipy.optimize import nnls as lawson_hanson
from scipy.sparse import csr_array, issparse

from ._matrices import dense, gram
from .measures import Certificate, _certify, column_norms
from .nnls import nnls
from .parametrizations import DualPoint

TOLERANCE = 1e-12  # of the residual, relative to the data
ACCEPTED = 1e-10  # what rounding does not let go below TOLERANCE still counts as converged up to here
# Where large entries of x cancel in A x, the residual is measured against this share of |A| |x|: ACCEPTED times it is the
# rounding error of the products.
CANCELLING = 1e-4
CERTIFIED = ACCEPTED  # for least squares: see `measures.Certificate`
FEASIBLE = 1e-9  # a larger residual, relative to the data, means that they cannot be met
CLEARLY = 0.1  # of what the usual scaling misses: then the other one is better
MAX_STEPS = 200
# Newton's matrix is singular to rounding for tiny scales (its entries spread over 20 orders of magnitude). Without a ridge
# of this relative size the noise in the residual would be blown up into steps that leave the domain at once.
RIDGE = 1e-15
INDEPENDENT = 1e-8  # reciprocal of the condition of A A.T above which the rows are independent by far
FARTHEST = -1e6  # rounding errors of a dual coordinate so far out are below 1e-9
STRIDE = 5.0  # of the logarithm of the start, in a walk from scale to scale
ROUNDS = 5  # of steps that meet the rows one by one, of which two mostly suffice
PATIENCE = 10  # steps of that walk in vain
EVEN = 1e3  # columns whose sizes differ by less are left as they are
LARGEST_START = 345  # logarithm of x(0) in units of a solution, beyond which its square leaves float64
ROUNDING = np.finfo(float).eps
GRADED = np.log(1e8)  # ratio of the rates between which a basis tells, without what rounding leaves of fast columns


@dataclass(frozen=True)
class Limit:
    """The projection `x`, its dual coordinate (None where it was found without), and how well it meets the data."""

    x: np.ndarray
    point: DualPoint | None
    steps: int
    residual: float  # relative; see `Projection.limit`
    certificate: Certificate | None = None  # of the least squares, where the data cannot be met
    rounded: bool = False  # whether the least squares are solved up to rounding in each row
    condition: float = 1.0  # of the rows

    @property
    def converged(self):
        return self.residual <= ACCEPTED and (
            self.certificate is None or self.rounded or bool(self.certificate.holds(CERTIFIED))
        )

    @property
    def far(self):
        """Whether entries on their way to zero have driven the dual coordinate so far that rounding blurs the others."""
        return self.point is not None and bool(np.min(self.point.s) < FARTHEST)

    @property
    def blur(self):
        """The relative size of what rounding of the data does to `x`."""
        return ROUNDING * self.condition

    @property
    def optimality(self):
        return self.residual if self.certificate is None else max(self.residual, float(self.certificate.optimality))


def carry_over(limit, old_start, log_start, depth):
    """Where Newton's method for a smaller start begins, given the limit of a larger one."""
    if depth > 2:
        return limit.point
    # At depth 2, s = log(x / x(0)) grows in proportion to log(1 / x(0)) where x stays what it is.
    largest = np.log(np.max(np.abs(limit.x)) or 1.0)
    gap, old_gap = largest - np.min(log_start), largest - np.min(old_start)
    return DualPoint.at(limit.point.s * (gap / old_gap if min(gap, old_gap) > 1 else 1.0))


class Projection:
    """The projections onto the solutions, or the (non-negative) least-squares solutions, of one ``A x = y``.

    Rows of size 1 change no solution of ``A x = y``; their sizes count only where there is none. Columns are brought to size
    1 where they differ much: ``z = columns * x / unit`` starts higher by that factor, and its dual coordinate is faster by it.
    """

    def __init__(self, A, y, parametrization, by_rows=False):
        self.given, self.parametrization, self.by_rows = (A, y), parametrization, by_rows
        self.B, self.rows, columns = equilibrated(A, by_rows)
        self.even = bool(np.all(columns == columns[0]))
        with np.errstate(over="ignore"):
            b = y / self.rows
        self.size = np.max(np.abs(b))
        self.unit = self.size or 1.0
        self.b, self.columns = b / self.unit, columns

    @cached_property
    def other(self):
        """The same problem, with the columns measured the other way: neither is the better one always."""
        other = Projection(*self.given, self.parametrization, by_rows=not self.by_rows)
        other.other = self
        return other

    def better(self, solve, solution=attrgetter("x")):
        """What `solve` finds for the problem; for the other scaling, where its solution clearly meets the data better."""
        found = solve(self)
        if self.even or found is None or (missed := self.missed(solution(found))) <= TOLERANCE:
            return found
        other = solve(self.other)
        return found if other is None or self.missed(solution(other)) > CLEARLY * missed else other

    def missed(self, x):
        """The residual of `x`, as of a limit, in the scaling in which it is larger: a small row may be hidden in the other."""
        return max(self.missed_here(x), self.other.missed_here(x))

    def missed_here(self, x):
        """The same in this scaling."""
        z = x * (self.columns / self.unit)
        size = max(np.max(np.abs(self.b)), CANCELLING * np.max(abs(self.B) @ np.abs(z)))
        return float(np.max(np.abs(self.B @ z - self.b)) / (size or 1.0))

    def limit(self, log_start, rates, guess=None):
        """The projection of ``exp(log_start)`` for the dual rates `rates`, or None where the start is beyond float64.

        `guess` is a point to begin at. The residual of the limit is ``|A x - y|`` relative to ``|y|`` or, where larger, to
        `CANCELLING` times ``||A| |x||``, all in rows of size 1.
        """
        limit = self.better(lambda problem: problem._limit(log_start, rates, guess))
        if self.even or not self.size or limit is None or limit.certificate is not None or not self.independent:
            return limit
        if limit.point is None:  # a single point, whatever the slopes
            slope = rates = np.ones(len(limit.x))
        else:
            slope = self.parametrization.from_dual(limit.point, log_start + np.log(self.columns / self.unit))[1]
        x = self.row_by_row(limit.x, slope, rates * (self.columns / np.max(self.columns)))
        missed = self.missed(x)
        return replace(limit, x=x, residual=max(limit.residual, missed if missed > FEASIBLE else 0.0))

    def _limit(self, log_start, rates, guess):
        unit = self.unit
        start = log_start + np.log(self.columns)
        if self.size == 0:
            unit = np.exp(np.max(start))  # nothing else has a unit
        start = start - np.log(unit)
        if np.max(start) > LARGEST_START:
            return None
        if self.factor is not None:
            limit = _newton(self.B, self.b, self.parametrization, start, rates, guess, Cholesky(self.B, self.factor))
            if limit.converged and not limit.far:
                return replace(limit, x=limit.x / self.columns * unit)
        limit = self._careful(start, rates * self.columns / np.max(self.columns), guess)
        return self.certified(replace(limit, x=limit.x / self.columns * unit))

    def row_by_row(self, x, slope, rates):
        """The solution `x`, moved on until each row is met, where they are independent and `x` may be negative.

        Orthonormal rows leave in each row what is rounding in the largest, which may be all of a small one. The steps are too
        small for the dual coordinate: they move `x` along its slopes.
        """
        if self.parametrization.nonnegative or not self.independent:
            return x
        B, z, least = dense(self.B), x * (self.columns / self.unit), (np.inf,)
        lengths = np.linalg.norm(B * np.sqrt(slope * rates), axis=1)
        if not np.all(lengths > 0):
            return x
        newton = QR(B / lengths[:, None])
        for _ in range(ROUNDS):
            residual, closer = self.b - B @ z, z / self.columns * self.unit
            terms = np.abs(B) @ np.abs(z) + np.abs(self.b)
            worst = np.max(np.abs(residual) / np.where(terms > 0, terms, 1))
            missed = max(self.missed(closer), FEASIBLE), worst
            if missed < least:
                x, least = closer, missed
            if worst <= TOLERANCE:
                break
            z = z + slope * newton(slope, rates, residual / lengths)[0]
        return x

    def certified(self, limit):
        """The limit, with the certificate of least squares with the rows as they were given where it does not meet the data.

        And whether it is a solution up to rounding row by row: the exact one of a problem whose every row differs by rounding
        is one, for large rows can hide from the certificate what the small ones say.
        """
        z = limit.x * (self.columns / self.unit)
        r = self.B @ z - self.b
        sizes = abs(self.B) @ np.abs(z)
        if np.linalg.norm(r) <= FEASIBLE * max(np.linalg.norm(self.b), CANCELLING * np.linalg.norm(sizes)):
            return limit
        if not (self.even or self.parametrization.nonnegative) and self.independent and self.other.independent:
            return limit  # the data can be met: large rows must not hide that a small one is not
        weights = self.rows / np.max(self.rows)
        M = _scaled(self.B, 1 / weights, np.ones(1))
        r = weights * r
        gradient, nonnegative = M.T @ r, self.parametrization.nonnegative
        certificate = _certify(z, r, gradient, column_norms(M), np.linalg.norm(weights * self.b), nonnegative)
        floor = 10 * max(M.shape) * ROUNDING * (abs(M).T @ (weights * (sizes + np.abs(self.b))))
        wrong = np.where(z > ACCEPTED * np.max(z), np.abs(gradient), -gradient) if nonnegative else np.abs(gradient)
        return replace(limit, certificate=certificate, rounded=bool(np.all(wrong <= floor)))

    @cached_property
    def factor(self):
        """The Cholesky factor of ``B B.T``, where those of ``B D B.T`` can be trusted for data that can be met; or None."""
        m, n = self.B.shape
        if m > n or not self.even or self.size == 0:
            return None
        H = gram(self.B, np.ones(n))
        factor, failed = dpotrf(H, lower=True)
        independent = not failed and dpocon(factor, np.max(np.sum(np.abs(H), axis=0)), uplo="L")[0] > INDEPENDENT
        return factor if independent else None

    @cached_property
    def orthonormal(self):
        """`G` with orthonormal rows and `c`, such that ``G z = c`` for all least-squares solutions and no others."""
        B = dense(self.B)
        return orthonormal_rows(B, self.b, self.rows)

    @property
    def independent(self):
        """Whether the rows are independent, up to rounding."""
        return len(self.orthonormal[1]) == len(self.b)

    @cached_property
    def nonnegative(self):
        """A non-negative least-squares solution, and the entries that are not zero in all of them by their multipliers."""
        G, c, _ = self.orthonormal
        z, residual = _nonnegative_solution(G, c)
        if residual <= ACCEPTED * np.linalg.norm(c):
            return z, np.ones(len(z), dtype=bool)
        # The data cannot be met, so the sizes of the rows count. Large rows first: that is stable by row.
        order = np.argsort(-self.rows, kind="stable")
        weights = self.rows[order] / np.max(self.rows)
        B = dense(self.B)
        M, t = weights[:, None] * B[order], weights * self.b[order]
        z, residual = _nonnegative_solution(M, t)
        floor = (
            10 * max(M.shape) * ROUNDING * np.linalg.norm(np.abs(M) @ z)
        )  # a smaller residual has a random direction
        return z, M.T @ (M @ z - t) <= np.linalg.norm(M, axis=0) * max(1e-9 * residual, floor)

    def distance(self, x, start):
        """How far ``G z`` is from what it is for all (non-negative) least-squares solutions, relative to that.

        Where that is zero, relative to what it is at the start. Of two scalings the one that finds more.
        """
        return max(self._distance(x, start), 0.0 if self.even else self.other._distance(x, start))

    def _distance(self, x, start):
        G, c, _ = self.orthonormal
        if self.parametrization.nonnegative:
            c = G @ self.nonnegative[0]
        off, size = np.linalg.norm(G @ (x * self.columns / self.unit) - c), np.linalg.norm(c)
        if size == 0:
            size = np.linalg.norm(np.abs(G) @ (start * self.columns / self.unit))
        return float(off / (size or 1.0))

    def _careful(self, start, rates, guess):
        if not self.parametrization.nonnegative:
            free = np.ones(len(start), dtype=bool)
            return self._on(free, None, start, rates, guess, walk=True)
        z, free = self.nonnegative
        limit = None
        if np.any(z[free]):
            limit = self._on(free, z, start, rates, guess)
        if limit is None or not limit.converged or limit.far:
            positive = free & _positive_somewhere(self.orthonormal[0], free, z)
            if limit is None or not limit.converged or not np.array_equal(positive, free):
                limit = self._on(positive, z, start, rates, guess, walk=True)
        return limit

    def _on(self, free, z, start, rates, guess, walk=False):
        """The limit among the solutions that are zero where not `free`, given one of them for the one-signed model."""
        if np.all(free):
            G, c, condition = self.orthonormal
        else:
            guess = None
            B = dense(self.B)
            B = B[:, free]
            G, c, condition = orthonormal_rows(B, B @ z[free], np.ones(len(B)))
        if len(c) == G.shape[1]:  # a single point
            return Limit(c @ G if z is None else np.where(free, z, 0.0), None, 0, 0.0, condition=condition)
        if not self.even:
            G, c = graded(G, c, rates[free])
        inner = self._projected(G, c, condition, start[free], rates[free], guess, walk)
        x = np.zeros(len(free))
        x[free] = inner.x
        return replace(inner, x=x, point=inner.point if np.all(free) else None, condition=condition)

    def _projected(self, G, c, condition, start, rates, guess, walk):
        if self.factor is None and self.even and self.size and condition**2 * INDEPENDENT < 1:
            # Some rows depend on the others, and those are independent by far.
            form = Cholesky(G, np.eye(len(G)))
            limit = _newton(G, c, self.parametrization, start, rates, guess, form, tolerance=0.0)
            if limit.converged and not limit.far:
                return limit
        steps = 0
        for bounded in (True, False):
            limit = _newton(G, c, self.parametrization, start, rates, guess, QR(G), tolerance=0.0, bounded=bounded)
            steps += limit.steps
            if limit.converged or not walk:
                return replace(limit, steps=steps)
        # The last resort: from a start of the size of the solution to the one that is wanted.
        shift = -np.max(start)
        starts = [start + rest for rest in np.linspace(shift, 0, 2 + int(abs(shift) / STRIDE))]
        guess, failures = None, 0
        for before, now in pairwise([starts[0], *starts]):
            guess = None if guess is None else carry_over(limit, before, now, self.parametrization.depth)
            limit = _newton(G, c, self.parametrization, now, rates, guess, QR(G), tolerance=0.0)
            guess, steps = limit.point, steps + limit.steps
            failures = 0 if limit.converged else failures + 1
            if failures == PATIENCE:
                break
        return replace(limit, steps=steps)


def equilibrated(A, by_rows=False):
    """``A / rows / columns`` with rows of size 1, and these numbers; columns that differ little have one size.

    A column that meets a large row has its size, and to divide by that can hide the data of small rows in rounding. With
    `by_rows` columns have the size that they have in rows of size 1.
    """
    columns = _largest(equal_rows(A, np.ones(A.shape[1]))[0] if by_rows else A, axis=0)
    smallest, largest = np.min(columns, initial=np.inf, where=columns > 0), np.max(columns)
    columns = np.where((columns > 0) & (largest > EVEN * smallest), columns, largest or 1.0)
    return *equal_rows(A, columns), columns


def equal_rows(A, columns):
    """``A / rows / columns`` with rows of size 1, and their sizes; a zero row has the size of the largest."""
    rows = _largest(_scaled(A, np.ones(1), columns), axis=1)
    rows = np.where(rows > 0, rows, np.max(rows) or 1.0)
    return _scaled(A, rows, columns), rows


def _largest(A, axis):
    """The largest absolute value in each column (`axis` 0) or row of `A`."""
    return abs(A).max(axis=axis).toarray().ravel() if issparse(A) else np.max(np.abs(A), axis=axis)


def _scaled(A, rows, columns):
    """``A`` with its rows and columns divided by numbers."""
    if issparse(A):  # each entry by itself: the reciprocal of a size may be no number
        A, (m, n) = A.tocoo(), A.shape
        data = A.data / np.broadcast_to(columns, n)[A.col] / np.broadcast_to(rows, m)[A.row]
        return csr_array((data, (A.row, A.col)), shape=(m, n))
    return A / columns / np.reshape(rows, (-1, 1))


def orthonormal_rows(B, b, rows):
    """`G` with orthonormal rows and `c`: ``G z = c`` is ``B z = b`` by least squares with the weights `rows`."""
    U, S, G = np.linalg.svd(B, full_matrices=False)
    rank = np.count_nonzero(max(B.shape) * ROUNDING * max(S, default=0) < S)
    U, S, G = U[:, :rank], S[:rank], np.where(np.any(B, axis=0), G[:rank], 0)
    # Large rows first, and columns by pivoting: then rounding is relative to each row, not to the largest.
    order = np.argsort(-rows, kind="stable")
    weights = rows[order] / np.max(rows)
    Q, R, pivots = qr(weights[:, None] * (U * S)[order], mode="economic", pivoting=True, check_finite=False)
    c = np.empty(rank)
    c[pivots] = solve_triangular(R, Q.T @ (weights * b[order]), check_finite=False)
    seen = weights * ((U * S)[order] @ c) if rank else np.zeros(1)
    if np.linalg.norm(seen) <= max(B.shape) * ROUNDING * np.linalg.norm(weights * b[order]):
        c[:] = 0  # rounding, whose direction means nothing
    return G, c, (S[0] / S[-1] if rank else 1.0)


def graded(G, c, rates):
    """The same rows, turned so that only the first ones meet the entries of largest rates.

    The others have multipliers as large as these rates are, in which the dual coordinates of these entries would be lost.
    """
    logs = np.log(np.maximum(rates / np.max(rates), np.finfo(float).tiny))
    weights = np.exp(logs * GRADED / max(GRADED, -np.min(logs)))  # pivoting takes the largest rate that is no rounding
    Q, R, pivots = qr(G * weights, mode="economic", pivoting=True, check_finite=False)
    R /= weights[pivots]
    turned = np.empty_like(G)
    turned[:, pivots] = np.where(np.abs(R) > 10 * ROUNDING, R, 0)
    return turned, Q.T @ c


def _nonnegative_solution(M, t):
    """A minimizer of ``|M z - t|`` over ``z >= 0``, and the residual."""
    if not np.any(t):
        return np.zeros(M.shape[1]), 0.0
    try:
        return lawson_hanson(M, t, maxiter=100 * M.shape[1])
    except RuntimeError:  # it cycles
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is missing shows in the certificate
            found = nnls(M, t)
        return found.x, found.residual_norm


def _positive_somewhere(G, free, z):
    """Which of the `free` entries are positive in some ``z >= 0`` with the same ``G z``, by linear programming.

    All multiples of the data are allowed, so an entry that can be positive can be 1: maximize ``sum t`` for ``t <= 1``,
    ``t <= z``, ``G z = theta c``.
    """
    G = G[:, free]
    c = G @ z[free]
    k = G.shape[1]
    size = np.max(np.abs(c), initial=0) or 1.0
    program = linprog(
        np.r_[np.zeros(k), -np.ones(k), 0.0],  # z - t, t, theta
        A_eq=np.hstack([G, G, -c[:, None] / size]),
        b_eq=np.zeros(len(c)),
        bounds=[(0, None)] * k + [(0, 1)] * k + [(0, None)],
    )
    positive = free.copy()
    if program.x is not None:
        positive[free] = program.x[k : 2 * k] > 0.5
    return positive


class Cholesky:
    """Newton's direction, from ``(B D B.T + ridge) d = residual``; the ridge grows until the factorization succeeds.

    Given the slopes, the rates and the residual, it returns the move of the dual coordinate, and the function that takes the
    product of another residual with `d`. `factor` is that of ``B B.T``.
    """

    def __init__(self, B, factor):
        self.B, self.factor, self.ridge = B, factor, RIDGE
        self.work = None if issparse(B) else np.empty_like(B)

    def __call__(self, slope, rates, residual):
        weights = slope * rates
        if np.all(weights == weights[0]):  # the first step from a uniform start
            return self._direction(dpotrs(self.factor, residual, lower=1)[0] / weights[0], rates)
        H = gram(self.B, weights, self.work)
        diagonal = H.diagonal().copy()
        largest = np.max(diagonal) or 1.0
        while True:
            np.fill_diagonal(H, diagonal + self.ridge * largest)
            factor, failed = dpotrf(H, lower=1, clean=0)  # what cho_factor calls, whose checks take as long
            if not failed:
                return self._direction(dpotrs(factor, residual, lower=1)[0], rates)
            self.ridge *= 10

    def _direction(self, d, rates):
        return rates * (self.B.T @ d), lambda other: other @ d


class QR:
    """The same direction from a factor of ``sqrt(D) G.T``, large rows first and columns by pivoting: stable row by row."""

    def __init__(self, G):
        self.G, self.sizes = G, np.abs(G.T)

    def __call__(self, slope, rates, residual):
        root = np.sqrt(slope * rates)
        K = root[:, None] * self.G.T
        order = np.argsort(-np.max(np.abs(K), axis=1), kind="stable")
        Q, R, pivots = qr(K[order], mode="economic", pivoting=True, check_finite=False)
        sizes = np.abs(np.diagonal(R))
        k = np.count_nonzero(sizes > 1e-140 * max(sizes[0], 1e-10))
        d = np.zeros(len(residual))
        half = solve_triangular(R[:k, :k], residual[pivots[:k]], trans="T", check_finite=False)
        d[pivots[:k]] = solve_triangular(R[:k, :k], half, check_finite=False)
        ds = np.empty(len(rates))
        ds[order] = Q[:, :k] @ half
        # Two forms of the same number: the first is exact to rounding where the slope is large, the second where it is small.
        with np.errstate(divide="ignore"):
            factor = np.sqrt(rates / slope)
        first = factor * np.linalg.norm(half) < rates * (self.sizes @ np.abs(d))
        ds = np.where(first, np.where(first, factor, 0) * ds, rates * (self.G.T @ d))
        return ds, lambda other: solve_triangular(R[:k, :k], other[pivots[:k]], trans="T", check_finite=False) @ half


def _newton(B, b, parametrization, log_start, rates, point, solve, *, tolerance=TOLERANCE, bounded=True):
    """Solve ``B z(s) = b``, ``s`` in the range of ``(B diag(rates)).T``, by damped Newton steps in the dual."""
    point = point or DualPoint.at(np.zeros(B.shape[1]))
    z, slope = parametrization.from_dual(point, log_start)
    sizes = abs(B)
    data = np.linalg.norm(b) or np.linalg.norm(sizes @ np.abs(z))  # of zero data the start is the only size there is
    residual = b - B @ z
    steps, before = 0, np.inf
    # exp may overflow in trial points, which the line search then refuses
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        while True:
            # Where large entries of z cancel in B z, no residual below their rounding error can be reached.
            size = max(data, CANCELLING * np.linalg.norm(sizes @ np.abs(z)))
            optimality = np.linalg.norm(residual) / (size or 1.0)
            stalled = optimality <= ACCEPTED and optimality >= 0.9 * before
            if optimality <= tolerance or stalled or steps == MAX_STEPS:
                break
            before = optimality
            ds, along = solve(slope, rates, residual)
            step = min(1.0, parametrization.longest_step(point, ds)) if bounded or parametrization.depth > 2 else 1.0
            descent = along(residual)
            for _ in range(60):
                trial = point.moved(step * ds)
                z_trial, slope_trial = parametrization.from_dual(trial, log_start)
                residual_trial = b - B @ z_trial
                # The dual function is convex, so its slope along the step tells overshoot; NaN compares false.
                if along(residual_trial) >= -0.9 * descent:
                    break
                step /= 2
            else:
                break
            point, z, slope, residual = trial, z_trial, slope_trial, residual_trial
            steps += 1
    return Limit(z, point, steps, float(optimality))
