"""Non-negative least squares on a small set of columns, exactly: the finish of `nnls`."""

import contextlib

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.linalg.lapack import dpstrf
from scipy.optimize import nnls as lawson_hanson

from ._accurate import accurate_point
from ._normalized import HIDDEN, Point
from .measures import EPSILON, REACH, SLACK, SMALL_GAP

ROUNDING = 1e-15  # times the sum of x: a multiplier above minus this is taken as zero
LARGEST_ACTIVE_SET = 4_000_000  # entries of a matrix to which the active-set method of SciPy is applied
ALLOWANCE = 30  # price of a working set, in products, that needs no justification
STAGE = 0.05  # by so much conjugate gradients reduce the multipliers before the signs are looked at,
SLOW = 15  # in at most so many iterations
PATIENCE = 5  # rounds of pivoting without so much
FEWER = 0.9  # times as many wrong signs
LARGEST_GRAM = 15_000  # columns; their Gram matrix takes 1.8 GB


class WorkingSet:
    """Columns of a normalized problem with their Gram matrix `G`, to which columns can be added.

    It solves ``min 1/2 x.T G x - c.T x`` over ``x >= 0``, which is the least-squares problem on these columns.
    """

    def __init__(self, problem):
        self.problem = problem
        self.chosen = np.empty(0, dtype=int)
        self.blocks = []  # the columns as they were added, and their norms
        self.G = np.empty((0, 0))
        self.c = np.empty(0)

    def add(self, chosen):
        """Append these columns."""
        block, d = self.problem.columns(chosen)
        cross = [_dense(old.T @ block) / np.outer(old_d, d) for old, old_d in self.blocks]
        G = _dense(block.T @ block)
        G /= d
        G /= d[:, None]
        if cross:
            cross = np.concatenate(cross)
            G = np.block([[self.G, cross], [cross.T, G]])
        self.G = G
        self.c = np.concatenate([self.c, block.T @ self.problem.b / d])
        self.blocks.append((block, d))
        self.chosen = np.concatenate([self.chosen, chosen])

    def image(self, x):
        """The combination of the columns with the coefficients `x`."""
        parts = np.split(x, np.cumsum([len(d) for _, d in self.blocks])[:-1])
        return sum(block @ (part / d) for (block, d), part in zip(self.blocks, parts, strict=True))

    def from_gram(self, x):
        """The solution, from a guess whose positive entries are the guessed support; None where pivoting cycles twice."""
        found = self.pivot(x > 0)
        return self.pivot(self.interior_point(x)) if found is None else found

    def from_columns(self, x):
        """The solution from the columns themselves, which a condition number above 1e8 does not hide; None for too many."""
        if len(self.problem.b) * len(x) > LARGEST_ACTIVE_SET:
            return None
        columns = np.concatenate([_dense(block) / d for block, d in self.blocks], axis=1)
        with contextlib.suppress(RuntimeError):  # too many iterations
            return lawson_hanson(columns, self.problem.b)[0]

    def pivot(self, positive, rounds=50):
        """Block pivoting: exchange all entries with a wrong sign, while that makes them fewer; None if it cycles.

        Source: Portugal, Judice and Vicente (1994); Kim and Park (2011).
        """
        positive, best, left = positive.copy(), np.inf, PATIENCE
        for _ in range(rounds):
            x = self.least_squares(positive)
            multiplier = self.G @ x - self.c
            wrong = np.where(positive, x < 0, multiplier < -ROUNDING * (1 + np.sum(np.abs(x))))
            number = np.count_nonzero(wrong)
            if number == 0:
                return x
            left = PATIENCE if number < FEWER * best else left - 1
            best = min(best, number)
            if left == 0:
                break
            positive ^= wrong
        return None

    def least_squares(self, positive):
        """The solution without signs on the columns that are `positive`; where they depend on each other, on some of them."""
        on = np.flatnonzero(positive)
        chosen = np.ix_(on, on)
        try:
            factor = cho_factor(self.G[chosen].T, lower=True, overwrite_a=True, check_finite=False)
            independent = np.min(np.diag(factor[0]), initial=1.0) > 1e-7
        except LinAlgError:
            independent = False
        if not independent:
            factor, order, rank, _ = dpstrf(self.G[chosen], tol=1e-14 * len(on), lower=1)
            on, factor = on[order[:rank] - 1], (factor[:rank, :rank], True)
        self.last = on, factor
        return self.solve(self.c)

    def solve(self, c):
        """The same for another right-hand side, on the columns of the last one."""
        x, (on, factor) = np.zeros(len(c)), self.last
        x[on] = cho_solve(factor, c[on], check_finite=False)
        return x

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
            nu = nu - self.image(self.solve(g[self.chosen]))
            g = self.problem.backward(nu)
        shift = float(np.linalg.norm(nu - point.r)) + rounding
        return Point(point.x, point.r, g, self.problem, EPSILON**2, shift)

    def interior_point(self, x, steps=40):
        """Which entries are positive at the solution, by Mehrotra's predictor and corrector."""
        n = len(x)
        x = np.maximum(x, 1e-3 * np.max(x))
        z = np.maximum(self.G @ x - self.c, 1e-3 * np.max(np.abs(self.c)))
        for _ in range(steps):
            gap = x @ z / n
            if np.max(np.minimum(x, z)) < 1e-13:  # far below any tolerance: which of the two is larger is decided
                break
            infeasible = self.G @ x - self.c - z
            try:
                factor = cho_factor(self.G + np.diag(z / x), lower=True, check_finite=False)
            except LinAlgError:
                break

            def direction(target, infeasible=infeasible, factor=factor, x=x, z=z):
                # G dx - dz = -infeasible and z dx + x dz = target
                dx = cho_solve(factor, target / x - infeasible, check_finite=False)
                return dx, (target - z * dx) / x

            dx, dz = direction(-x * z)
            step = min(_to_boundary(x, dx), _to_boundary(z, dz))
            centering = ((x + step * dx) @ (z + step * dz) / n / gap) ** 3
            dx, dz = direction(centering * gap - x * z - dx * dz)
            step = min(1.0, 0.995 * min(_to_boundary(x, dx), _to_boundary(z, dz)))
            x, z = x + step * dx, z + step * dz
        return x > z


def finish(problem, near, tol):
    """The solution of the whole problem from a point near it: on its support, to which missing columns are added.

    The Gram matrix is tried first. Where it is too ill-conditioned, the active-set method of SciPy on the columns follows.

    Source: the working sets of Lawson and Hanson (1974), taken in blocks.

    Returns
    -------
    Point
        The best one, which is `near` if no better was found.
    """
    working = WorkingSet(problem)
    working.add(np.flatnonzero(near.x > near.g))
    best, complete = _extend(working, near, working.from_gram, tol)
    if complete and not best.holds(tol):
        best = _sharper(problem, best)
    if complete and not best.holds(tol):
        best, _ = _extend(working, best, working.from_columns, tol)
    return best


def meet(problem, near):
    """The point that meets the data with the least relative change of `near`, where as many columns as rows or more are used.

    It is `near` where that leaves the non-negative vectors.
    """
    point = problem.point(np.where(near.x > near.g, near.x, 0.0))
    columns = problem.A * (point.x / problem.d)
    with contextlib.suppress(LinAlgError):
        factor = cho_factor(columns @ columns.T, lower=True, check_finite=False)
        for _ in range(2):
            change = columns.T @ cho_solve(factor, -point.r, check_finite=False)
            if np.min(change) < -1:
                break
            point = problem.point(point.x * (1 + change))
    return point if point.beats(near) else near


def pivot_by_products(problem, near, tol):
    """The best point of block pivoting from the support of `near`, by conjugate gradients where a Gram matrix costs too much.

    It ends without the solution where conjugate gradients are slow, or the number of wrong signs does not fall.
    """
    best, x, on, fewest, left, wrong = near, near.x, near.x > near.g, np.inf, PATIENCE, True
    while left:
        point = problem.point(np.where(on, np.maximum(x, 0), 0.0))
        best = point if point.beats(best) else best
        if best.holds(tol) or wrong is None:
            break
        x, wrong = _equations(problem, point, on, tol)
        if wrong is not None:
            number = np.count_nonzero(wrong)
            left = PATIENCE if number < FEWER * fewest else left - 1
            fewest, on = min(fewest, number), on ^ wrong
    return best


def _equations(problem, point, on, tol):
    """Conjugate gradients for the columns `on`, until signs turn out to be wrong, or the gap is closed.

    The solution so far, and which of its entries or multipliers have a wrong sign: None if that takes too long. Data that are
    met are no reason to stop: if they can be, conjugate gradients end by themselves.
    """
    x, r, g, p, before, target, steps = point.x, point.r, point.g, 0.0, 1.0, np.inf, 0
    while steps <= SLOW:
        slope = np.where(on, g, 0.0)
        most = np.max(np.abs(slope), initial=0.0)
        if most <= target:
            if target < np.inf or most == 0:
                wrong = np.where(on, x < 0, g < -most)
                if np.any(wrong) or most == 0 or Point(x, r, g, problem).certificate.holds(tol, 0.0, HIDDEN):
                    return x, wrong
            target, steps = STAGE * most, 0
        square = slope @ slope
        p = square / before * p - slope
        q = problem.forward(p)
        t = square / (q @ q)
        x, r, before, steps = x + t * p, r + t * q, square, steps + 1
        g = problem.backward(r)
    return x, None


def _extend(working, best, solve, tol, rounds=15):
    """The best of `best` and the points found by solving on the working set and adding the columns that it lacks.

    And whether it lacks none at the end, or is too ill-conditioned to tell.
    """
    problem, least, failures = working.problem, np.inf, 0
    guess = best.x[working.chosen]
    budget = ALLOWANCE + 10 * problem.gram_price(len(guess))
    for _ in range(rounds):
        guess = solve(guess)
        if guess is None:
            break
        x = np.zeros(problem.n)
        x[working.chosen] = guess
        point = problem.point(x, working.image(guess))
        if solve == working.from_columns:
            point = _sharper(problem, point)
        elif point.certificate.kkt_residual <= tol and not point.holds(tol):
            point = working.sharper(point)
        certificate = point.certificate
        failures = 0 if certificate.kkt_residual < least / 2 else failures + 1
        least = min(least, certificate.kkt_residual)
        if point.beats(best):
            best = point
        # The Gram matrix has lost half of the digits. The gradient has not, and says what the right-hand side must be.
        working.c = working.G @ guess - point.g[working.chosen]
        outside = point.g.copy()
        outside[working.chosen] = 0
        # What the gap needs; below that, rounding.
        needed = max(tol * min(1, certificate.loss / (2 * REACH * np.sum(point.x))), ROUNDING * np.sum(point.x))
        missing = np.flatnonzero(outside < -needed / 2)
        if best.holds(tol) or failures == 3:
            return best, not len(missing)
        if len(missing):
            missing = missing[np.argsort(outside[missing], kind="stable")[: max(50, len(guess) // 2)]]
            size = len(guess) + len(missing)
            if size > LARGEST_GRAM or problem.gram_price(size) > budget:
                return best, False
            corrected = working.c
            working.add(missing)
            working.c[: len(guess)] = corrected
            guess = np.concatenate([guess, -outside[missing]])  # any positive number: a guess of the support
    return best, True


def _sharper(problem, point):
    """The point with a sharper certificate, unless its support is too large for that."""
    small = len(problem.b) * np.count_nonzero(point.x) <= LARGEST_ACTIVE_SET
    return accurate_point(problem, point.x) if small else point


def _dense(G):
    return G if isinstance(G, np.ndarray) else G.toarray()


def _to_boundary(x, dx):
    """The largest step along `dx` up to 1 that leaves `x` non-negative."""
    falling = dx < 0
    return min(1.0, np.min(-x[falling] / dx[falling], initial=1.0))
