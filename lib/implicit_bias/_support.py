"""Non-negative least squares on a small set of columns, exactly: how a run of `nnls` ends."""

import contextlib

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.linalg.lapack import dpbtrf, dpbtrs, dpotrf, dpotrs
from scipy.optimize import nnls as lawson_hanson

from ._accurate import accurate_point
from ._normalized import SMALL, Point
from .measures import EPSILON, REACH, SLACK, SMALL_GAP

ROUNDING = 1e-15  # times the sum of x: a multiplier above minus this is taken as zero
LARGEST_ACTIVE_SET = 4_000_000  # entries of a matrix to which the active-set method of SciPy is applied
ALLOWANCE = 30  # price of a working set, in products, that needs no justification
CLOSE = 5e-3  # of the length of a column: its part that is orthogonal to others
PARALLEL = 0.999  # mean cosine between columns of which each nearly depends on others
PATIENCE = 5  # rounds of pivoting without so much
FEWER = 0.9  # times as many wrong signs
MOST = 0.8  # of the columns: then all are taken at once
SAMPLE = 64  # of the columns: as many
DEPENDENT = 1e-10  # an eigenvalue of their Gram matrix that is nearly none
FEW = 0.5  # of the columns: if no more are independent, they are found one by one
RIDGE = 1e-12  # makes a Gram matrix of dependent columns definite
AGREED = 0.04  # of the columns: where two guesses of the support may differ when pivoting begins from it


class WorkingSet:
    """Columns of a normalized problem with their Gram matrix `G`, to which columns can be added.

    It solves ``min 1/2 x.T G x - c.T x`` over ``x >= 0``, which is the least-squares problem on these columns.
    """

    def __init__(self, problem, chosen):
        self.problem, self.chosen, self.parts, self.G = problem, chosen[:0], [], np.empty((0, 0))
        self.add(chosen)
        self.c = problem.correlation[chosen]

    def add(self, chosen):
        """Append these columns; their part of `c` is still missing."""
        part, d = self.problem.part(chosen)
        self.parts.append((part, d))
        crosses = [self.problem.matrix.inner(old, part) for old, _ in self.parts]
        for cross, (_, old_d) in zip(crosses, self.parts, strict=True):
            cross /= old_d[:, None]
            cross /= d
        cross = np.concatenate([np.empty((0, len(chosen))), *crosses[:-1]])
        self.G = np.block([[self.G, cross], [cross.T, crosses[-1]]]) if len(cross) else crosses[-1]
        self.chosen = np.concatenate([self.chosen, chosen])
        self._look()

    def image(self, x):
        """The combination of the columns with these coefficients."""
        parts = np.split(x, np.cumsum([len(d) for _, d in self.parts[:-1]]))
        return sum(np.asarray(part @ (x / d)) for (part, d), x in zip(self.parts, parts, strict=True))

    def _look(self):
        """In the order of the columns, where does each row of `G` end? Sparse matrices often have a band."""
        self.small = _fits(self.problem, len(self.chosen))
        self.order = np.argsort(self.chosen)
        if self.G[self.order[0], self.order[-1]] == 0:
            met = (self.G != 0).take(self.order, axis=0).take(self.order, axis=1)
            self.end = len(met) - 1 - np.argmax(met[:, ::-1], axis=1)
        else:
            self.end = np.full(len(self.G), len(self.G) - 1)

    def full(self, x):
        """The vector with these entries, and zero elsewhere."""
        full = np.zeros(self.problem.n)
        full[self.chosen] = x
        return full

    def factor(self, positive, diagonal=None):
        """What solves with the Gram matrix of these columns, plus a diagonal one; None where they depend on each other."""
        inside = positive[self.order]
        ends = np.cumsum(inside)
        width = int(np.max(ends[self.end[inside]] - ends[inside], initial=0))
        added = np.zeros(len(positive)) if diagonal is None else diagonal
        if 3 * width < ends[-1]:
            on = self.order[inside]
            after = sliding_window_view(np.append(on, np.full(width, on[-1])), width + 1)
            band = self.G[on[:, None], after].T  # its columns one after the other, as LAPACK wants them
            band[0] += added[on]
            factor, failed = dpbtrf(band, lower=1, overwrite_ab=1)
            pivots, solve = factor[0], dpbtrs
        else:
            on = np.flatnonzero(positive)
            matrix = self.G.copy() if len(on) == len(self.G) else self.G.take(on, axis=0).take(on, axis=1)
            matrix.ravel()[:: len(on) + 1] += added[on]
            factor, failed = dpotrf(matrix.T, lower=1, overwrite_a=1, clean=0)
            pivots, solve = factor.diagonal(), dpotrs
        if diagonal is None and (failed or np.min(pivots, initial=1.0) < 1e-7):
            if not self.small and np.all(positive):
                return None  # far from the solution: the interior point is as well
            return self.factor(positive, np.full(len(positive), RIDGE))
        self.last = None if failed else _solution(on, factor, solve)
        return self.last

    def solve(self, guess):
        """The solution from the Gram matrix, `guess` having about its support; None where pivoting cycles twice."""
        found = self.pivot(guess > 0)
        if found is None:
            found = next(filter(lambda x: x is not None, map(self.pivot, self.interior_point(guess))), None)
        return found

    def pivot(self, positive):
        """Block pivoting from these columns; None if it cycles."""
        return _pivot(self.G, self.c, positive, self.factor)

    def interior_point(self, x, steps=40):
        """Which entries are positive at the solution, ever better guesses by Mehrotra's predictor and corrector.

        Source for what the predictor says of them: El-Bakry, Tapia and Zhang (1994).
        """
        n, everything = len(x), np.ones(len(x), dtype=bool)
        x = np.maximum(x, 1e-3 * np.max(x))
        g = self.G @ x - self.c
        z = np.maximum(g, 0.1 * np.max(np.abs(g)))
        for _ in range(steps):
            gap = x @ z / n
            larger = x * np.sum(z) > z * np.sum(x)
            if np.max(np.minimum(x, z)) < 1e-13:  # far below any tolerance: which of the two is larger is decided
                break
            infeasible = self.G @ x - self.c - z
            solve = self.factor(everything, z / x)
            if solve is None:
                break

            def direction(target, infeasible=infeasible, solve=solve, x=x, z=z):
                # G dx - dz = -infeasible and z dx + x dz = target
                dx = solve(target / x - infeasible)
                return dx, (target - z * dx) / x

            dx, dz = direction(-x * z)
            staying = dx > -x / 2
            if np.count_nonzero(staying != larger) <= AGREED * n:
                yield staying
            step = min(_to_boundary(x, dx), _to_boundary(z, dz))
            centering = ((x + step * dx) @ (z + step * dz) / n / gap) ** 3
            dx, dz = direction(centering * gap - x * z - dx * dz)
            step = min(1.0, 0.995 * min(_to_boundary(x, dx), _to_boundary(z, dz)))
            x, z = x + step * dx, z + step * dz
        yield larger

    def sharper(self, point):
        """The last solution with multipliers that do not suffer from the rounding of `x`.

        They are those of its residual without the part in the span of its columns. What that residual has of rounding counts as
        distance.
        """
        nu, g = point.r, point.g
        rounding = SLACK * EPSILON * (self.problem.lengths @ point.x + self.problem.size)
        if not rounding < SMALL_GAP / 10 * np.sqrt(point.loss):
            return point
        for _ in range(2):
            nu = nu - self.problem.forward(self.full(self.last(g[self.chosen])))
            g = self.problem.backward(nu)
        shift = float(np.linalg.norm(nu - point.r)) + rounding
        return Point(point.x, point.r, g, self.problem, EPSILON**2, shift)


def finish(problem, near, tol):
    """The best point found from a point near the solution: on its support, to which missing columns are added.

    The Gram matrix is tried first. Where it is too ill-conditioned, the active-set method of SciPy on the columns follows.

    Source: the working sets of Lawson and Hanson (1974), taken in blocks.
    """
    support = near.used
    if np.mean(support) > MOST:
        support[:] = True
    chosen = np.flatnonzero(support)
    if _fits(problem, len(chosen)) and _few(problem, chosen):
        return one_by_one(problem, near, tol, chosen)
    working = WorkingSet(problem, chosen)
    best, guess, least, failures = near, near.x[working.chosen], np.inf, 0
    budget = ALLOWANCE + 10 * problem.matrix.price_of_gram(len(guess))
    for _ in range(20):
        x = working.solve(guess)
        if x is None:
            return one_by_one(problem, best, tol, working.chosen)
        guess = x
        point = problem.point(working.full(guess), working.image(guess))
        if point.certificate.kkt_residual <= tol and not point.holds(tol):
            point = working.sharper(point)
        failures = 0 if point.certificate.kkt_residual < least / 2 else failures + 1
        least = min(least, point.certificate.kkt_residual)
        best = point if point.beats(best) else best
        if best.holds(tol):
            break
        outside = point.g.copy()
        outside[working.chosen] = 0
        # What the gap needs; below that, rounding.
        needed = max(tol * min(1, point.certificate.loss / (2 * REACH * np.sum(point.x))), ROUNDING * np.sum(point.x))
        missing = np.flatnonzero(outside < -needed / 2)
        if failures == 3:
            if len(missing):
                break
            best = _sharper(problem, best)
            return best if best.holds(tol) else one_by_one(problem, best, tol, working.chosen)
        if len(missing):
            missing = missing[np.argsort(outside[missing], kind="stable")[: max(50, len(guess) // 2)]]
            if problem.matrix.price_of_gram(len(guess) + len(missing)) > budget:
                break
            guess = np.concatenate([guess, -outside[missing]])  # any positive number: a guess of the support
            working.add(missing)
        # The Gram matrix has lost half of the digits. The gradient has not, and says what the right-hand side must be.
        working.c = working.G @ point.x[working.chosen] - point.g[working.chosen]
    return best


def _fits(problem, columns):
    """Whether the active-set method can take that many columns."""
    return len(problem.b) * columns <= LARGEST_ACTIVE_SET


def _few(problem, chosen):
    """Whether only some of these columns are independent: as many as there are rows, or as a sample of them has."""
    some = chosen[:: -(-len(chosen) // SAMPLE)]
    independent = np.count_nonzero(np.linalg.eigvalsh(WorkingSet(problem, some).G) > DEPENDENT)
    return min(independent / len(some), len(problem.b) / len(chosen)) < FEW


def one_by_one(problem, near, tol, chosen=None):
    """The point of the active-set method of SciPy, from which a condition number above 1e8 hides nothing.

    Of all columns, where they are not too many, since those that are not needed never enter; else of the chosen ones.
    """
    if chosen is None or _fits(problem, problem.n):
        chosen = np.arange(problem.n)
    if not _fits(problem, len(chosen)):
        return near
    x, units = np.zeros(problem.n), problem.units[chosen]  # the columns that fit best are to enter first
    x[chosen] = by_active_set(problem.columns(chosen) / units, problem.b) / units
    return _sharper(problem, problem.point(x))


def by_active_set(B, b):
    """Lawson and Hanson's method; zero where it takes too many iterations."""
    try:
        return lawson_hanson(B, b, maxiter=(30 if B.size <= SMALL else 3) * B.shape[1])[0]
    except RuntimeError:
        return np.zeros(B.shape[1])


def by_block_pivoting(problem):
    """The point of block pivoting on the Gram matrix of all columns, from those that fit the data.

    None where a column nearly depends on others, for there pivoting is long or cycles, or where it does cycle.
    """
    A, d = problem.A, np.where(problem.lengths > 0, problem.lengths, 1.0)
    image = A @ (1 / d)
    if image @ image > PARALLEL * len(d) ** 2:  # so says one product instead of many
        return None
    G, c = A.T @ A, problem.b @ A / (d * problem.size)
    G /= d
    G /= d[:, None]

    def factor(positive):
        on = positive.nonzero()[0]
        factor, failed = dpotrf(G.take(on, axis=0).take(on, axis=1).T, lower=1, overwrite_a=1, clean=0)
        return None if failed or np.min(factor.diagonal(), initial=1.0) < CLOSE else _solution(on, factor, dpotrs)

    x = _pivot(G, c, c > 0, factor)
    return None if x is None else problem.point(x * (problem.size / d))


def _solution(on, factor, solve):
    """A function that gives, for a right-hand side, the solution on these columns and zero elsewhere."""

    def solution(c):
        x = np.zeros(len(c))
        if len(on):  # LAPACK takes no empty equations
            x[on] = solve(factor, c[on], lower=1)[0]
        return x

    return solution


def _pivot(G, c, positive, factor):
    """Block pivoting: exchange all entries with a wrong sign, while that makes them fewer; None if it does not.

    `factor` gives what solves with the positive columns of `G`, or None, which ends it.

    Source: Portugal, Judice and Vicente (1994); Kim and Park (2011).
    """
    fewest, left = np.inf, PATIENCE
    while left and (solve := factor(positive)):
        x = solve(c)
        wrong = np.where(positive, x < 0, G @ x - c < -ROUNDING * (1 + np.sum(np.abs(x))))
        number = np.count_nonzero(wrong)
        if number == 0:
            return x
        left = PATIENCE if number < FEWER * fewest else left - 1
        fewest, positive = min(fewest, number), positive ^ wrong
    return None


def meet(problem, near, tol):
    """The point that meets the data with the least relative change of `near`, where as many columns as rows or more are used.

    It is `near` where that leaves the non-negative vectors.
    """
    point = problem.point(np.where(near.used, near.x, 0.0))
    columns = problem.matrix.A * (point.x / problem.d)
    with contextlib.suppress(LinAlgError):
        factor = cho_factor(columns @ columns.T, lower=True, check_finite=False)
        for _ in range(2):
            change = columns.T @ cho_solve(factor, -point.r, check_finite=False)
            if np.min(change) < -1:
                break
            point = problem.point(point.x * (1 + change))
    return point if point.beats(near) else near


def _sharper(problem, point):
    """The point with a sharper certificate, unless its support is too large for that."""
    return accurate_point(problem, point.x) if _fits(problem, np.count_nonzero(point.x)) else point


def _to_boundary(x, dx):
    """The largest step along `dx` up to 1 that leaves `x` non-negative."""
    falling = dx < 0
    return min(1.0, np.min(-x[falling] / dx[falling], initial=1.0))
