"""Non-negative least squares where double precision is not enough: rows of very different size, columns that nearly agree.

Residuals are computed as if in twice the precision, and the equations are solved by a factorization that is stable for each
row by itself.
"""

import numpy as np
from scipy.linalg.lapack import dgeqp3, dorgqr, dtrtrs

from ._normalized import Point
from .measures import EPSILON

SPLIT = 2.0**27 + 1
ROUNDS = 1  # times the number of columns: exchanges before the method gives up
CORRECTIONS = 8  # of one solution by its own residual
NEGLIGIBLE = 1e-14  # of the largest pivot: where columns may be taken as dependent
ENOUGH = 1e-14  # of the loss: a correction that changes no certificate
CLEAR = 1e-8  # of the residual: a multiplier for which float64 is enough


def accurate_point(problem, x):
    """A point with its residual in twice the precision, and a certificate that does not suffer from the rounding of `x`.

    The multipliers are those of the residual without its part in the span of the columns that `x` uses: of the point that
    `x` is the rounding of.
    """
    on = np.flatnonzero(x)
    B = problem.columns(on)
    heavy = _by_size(B)
    order = np.argsort(heavy)
    nu = r = residual(B[heavy], x[on], problem.b[heavy])[0]
    if len(on):
        nu = _without(_factor(B[heavy], np.arange(len(on)))[0], r)
    return Point(x, r[order], problem.backward(nu[order]), problem, EPSILON**2, float(np.linalg.norm(r - nu)))


def _by_size(B):
    """The order of the rows by size: Householder's factorization with pivoting then has an error in each row that is small
    relative to the size of this row (Cox and Higham 1998)."""
    return np.argsort(-np.max(np.abs(B), axis=1, initial=0.0), kind="stable")


def residual(B, x, b):
    """``B x - b``, rounded once, and what that leaves.

    Source: the products of Dekker (1971); the sums by the extraction of Rump, Ogita and Oishi (2008), taken twice.
    """
    m, n = B.shape
    B_high, x_high = _high(B), _high(x)
    B_low, x_low = B - B_high, x - x_high
    terms = np.empty((m, 2 * n + 1))
    products, errors = terms[:, :n], terms[:, n : 2 * n]
    np.multiply(B, x, out=products)
    np.add(((B_high * x_high - products) + B_high * x_low + B_low * x_high), B_low * x_low, out=errors)
    np.negative(b, out=terms[:, -1])
    parts = []
    for _ in range(2):
        # To multiples of the last bit of a number so large that sums of as many are exact.
        large = 2.0 ** (2 * n + 4).bit_length() * np.maximum.reduce(np.abs(terms), axis=1)[:, None]
        high = (large + terms) - large
        terms -= high
        parts.append(np.add.reduce(high, axis=1))
    total, lost = _sum(*parts)
    return _sum(total, lost + np.add.reduce(terms, axis=1))


def _sum(a, c):
    """The sum, and what its rounding leaves (Knuth)."""
    total = a + c
    virtual = total - a
    return total, (a - (total - virtual)) + (c - virtual)


def _high(v):
    """The first 26 bits."""
    scaled = SPLIT * v
    return scaled - (scaled - v)


def _gradient(B, r):
    """``B.T r`` of a residual in two parts, rounded once."""
    return residual(B.T, r[0], -(B.T @ r[1]))[0]


def active_set(problem, start):
    """The best point of Lawson and Hanson's method that starts at the support of a point, for a small problem.

    Each solution is corrected by its residual, both in twice the precision, which makes up for what the factorization rounds.
    The multipliers are those before the last rounding.
    """
    B = problem.columns(np.arange(problem.n))
    heavy = _by_size(B)
    B, b = B[heavy], problem.b[heavy]
    barred = np.zeros(problem.n, dtype=bool)
    best = start.x, np.zeros(problem.n), (start.r[heavy], 0.0)
    least, entered, positive = np.inf, None, start.x > 0
    for _ in range(ROUNDS * problem.n):
        x, low, r = _solve(B, b, *best, positive)
        loss = r[0] @ r[0]
        if entered is not None:
            barred[entered] = True
        if loss < (1 - 1e-12) * least:
            barred[:] = False
        if loss <= (1 + 1e-15) * least:  # else rounding let the column in
            best, least = (x, low, r), loss
        x, low, r = best
        free = ~((x > 0) | barred)
        g = B.T @ r[0]
        if not np.min(g, where=free, initial=np.inf) < -CLEAR * np.sqrt(least):
            g = _gradient(B, r)
        entered, size = int(np.argmin(np.where(free, g, np.inf))), 1 + np.sum(x)
        if not (free[entered] and g[entered] < -max(1e-13 * least / size, 100 * EPSILON**2 * size)):
            break
        positive = x > 0
        positive[entered] = True
    return _certified(problem, B, heavy, x, low, r, g)


def _certified(problem, B, heavy, x, low, r, g):
    """The point `x` with the best certificate from the residual `r` of ``x + low`` and its gradient `g`."""
    on, order = np.flatnonzero(x), np.argsort(heavy)
    exact = r[0] + (r[1] - B @ low)

    def point(nu, g):
        return Point(x, exact[order], g, problem, EPSILON**2, float(np.linalg.norm(exact - nu)))

    points = [point(r[0], g)]
    if len(on):
        Q, R, kept = _factor(B, on)
        nu = _without(Q, exact)
        points.append(point(nu, problem.backward(nu[order])))
        if len(kept) == len(on) and not points[-1].settled:
            # What rounding has left of the residual in the span of these independent columns: the most of it is taken away by
            # the normal equations, the rest for a price elsewhere.
            step = _triangular(R, _triangular(R, g[kept], 1))
            r = _sum(r[0], r[1] - B[:, kept] @ step)
            g = _gradient(B, r)
            g = g - np.linalg.norm(_triangular(R, g[kept], 1)) * problem.lengths
            g[on] = 0
            points.append(point(r[0], g))
    return min(points, key=lambda point: point.certificate.gap)


def _without(Q, v):
    """The part of `v` that is orthogonal to the columns of `Q`; the first one leaves rounding relative to `v`, not to that."""
    for _ in range(2):
        v = v - Q @ (Q.T @ v)
    return v


def _factor(B, on):
    """An orthonormal basis of these columns, the triangular factor, and which of them it is for: independent ones."""
    k = min(len(B), len(on))
    factor, pivots, tau, _, _ = dgeqp3(B[:, on], lwork=34 * len(on) + 34)  # SciPy's own function takes twice as long
    sizes = np.abs(np.diag(factor))
    rank = np.count_nonzero(sizes > NEGLIGIBLE * sizes[0])
    Q = dorgqr(factor[:, :k], tau, lwork=32 * k)[0]
    return Q[:, :rank], factor[:rank, :rank], on[pivots[:rank] - 1]


def _triangular(R, v, transposed=0):
    """The solution of ``R s = v``, without the checks that would take longer."""
    return dtrtrs(R, v, trans=transposed)[0]


def _correct(B, b, x, low, r, Q, R, on):
    """Newton's method in twice the precision for the equations on the columns `on`: ``x + low``, and its residual.

    It ends at the first step that would make an entry negative, and returns that too, or None.
    """
    last = np.inf
    for _ in range(CORRECTIONS):
        step = -_triangular(R, Q.T @ r[0])
        if np.any(step < -x[on]):
            return x, low, r, step
        size = np.max(np.abs(step))
        if not size < last / 2:
            break
        x, low = x.copy(), low.copy()
        x[on], low[on] = _sum(x[on], low[on] + step)
        used = np.flatnonzero(x)
        r = residual(B[:, used], x[used], b)
        r = _sum(r[0], r[1] + B[:, used] @ low[used])
        # The next one would be smaller by the same factor.
        enough = max(EPSILON**2 * np.max(x), ENOUGH * (r[0] @ r[0]) / (1 + np.sum(x)))
        if size * (size / last if last < np.inf else 1) <= enough:
            break
        last = size
    return x, low, r, None


def _solve(B, b, x, low, r, positive):
    """Least squares on the positive columns, a column leaving them whenever its entry would become negative."""
    x, low, positive = x.copy(), low.copy(), positive.copy()
    while np.any(positive):
        Q, R, on = _factor(B, np.flatnonzero(positive))
        x, low, r, step = _correct(B, b, x, low, r, Q, R, on)
        if step is None:
            break
        falling = step < -x[on]
        ratios = x[on[falling]] / -step[falling]
        x, low = x.copy(), np.zeros(len(x))
        x[on] = np.maximum(x[on] + np.min(ratios) * step, 0)
        x[on[falling][ratios == np.min(ratios)]] = 0
        positive[on[falling][ratios == np.min(ratios)]] = False
        used = np.flatnonzero(x)
        r = residual(B[:, used], x[used], b)
    return x, low, r
