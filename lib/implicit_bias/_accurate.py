"""Non-negative least squares where double precision is not enough: rows of very different size, columns that nearly agree.

Residuals are computed as if in twice the precision, and the equations are solved by a factorization that is stable for each
row by itself.
"""

import numpy as np
from scipy.linalg import qr
from scipy.linalg.lapack import dtrtrs
from scipy.sparse import issparse

from ._normalized import Point
from .measures import EPSILON

SPLIT = 2.0**27 + 1
ROUNDS = 1  # times the number of columns: exchanges before the method gives up
CORRECTIONS = 8  # of one solution by its own residual
LARGE = 1e-3  # of the residual: what the rounding of a solution may be
ROUNDED = 1e-3  # of the residual: what the rounding of `x` may be for a certificate to have a chance
NEGLIGIBLE = 1e-14  # of the largest pivot: where columns may be taken as dependent
CLEAR = 1e-8  # of the residual: a multiplier for which float64 is enough


def accurate_point(problem, x):
    """A point with its residual in twice the precision, and a certificate that does not suffer from the rounding of `x`.

    The multipliers are those of the residual without its part in the span of the columns that `x` uses: of the point that
    `x` is the rounding of.
    """
    on = np.flatnonzero(x)
    columns, d = problem.columns(on)
    B = (columns.toarray() if issparse(columns) else columns) / d
    heavy = _by_size(B)
    order = np.argsort(heavy)
    B, b = B[heavy], problem.b[heavy]
    r = residual(B, x[on], b)

    def point(nu, g):
        return Point(x, r[0][order], g, problem, EPSILON**2, float(np.linalg.norm(r[0] - nu)))

    if not len(on):
        return point(r[0], problem.backward(r[0][order]))
    Q, R, kept = factor = _factor(B, np.arange(len(on)))
    nu = r[0]
    for _ in range(2):  # the first one leaves rounding relative to r, not to what remains of it
        nu = nu - Q @ (Q.T @ nu)
    first = point(nu, problem.backward(nu[order]))
    if first.settled or not problem.small or first.shift > ROUNDED * np.linalg.norm(r[0]):
        return first
    nu = _correct(B, b, x[on], np.zeros(len(on)), r, *factor)[2]
    g = _gradient(problem.A[heavy] / problem.d, nu)
    points = [first, point(nu[0], g)]
    if len(kept) == len(on):
        # What rounding has left of `nu` in the span of these independent columns can be taken away, for a price elsewhere.
        g = g - np.linalg.norm(_triangular(R, g[on[kept]], 1)) * problem.lengths
        g[on] = 0
        points.append(point(nu[0], g))
    return min(points, key=lambda point: point.certificate.gap)


def _by_size(B):
    """The order of the rows by size: Householder's factorization with pivoting then has an error in each row that is small
    relative to the size of this row (Cox and Higham 1998)."""
    return np.argsort(-np.max(np.abs(B), axis=1, initial=0.0), kind="stable")


def residual(B, x, b):
    """``B x - b``, rounded once, and what that leaves.

    Source: the doubled dot product of Ogita, Rump and Oishi (2005), with a tree in place of its chain.
    """
    terms = B * x
    B_high, x_high = _high(B), _high(x)
    B_low, x_low = B - B_high, x - x_high
    errors = ((B_high * x_high - terms) + B_high * x_low + B_low * x_high) + B_low * x_low
    terms = np.column_stack([terms, -b])
    error = np.sum(errors, axis=1)
    while terms.shape[1] > 1:
        half = terms.shape[1] // 2
        total, lost = _sum(terms[:, :half], terms[:, half : 2 * half])
        error = error + np.sum(lost, axis=1)
        terms = np.hstack([total, terms[:, 2 * half :]])
    return _sum(terms[:, 0], error)


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


def active_set(B, b, x):
    """The best point of Lawson and Hanson's method that starts at the support of `x`.

    Each solution is corrected by its residual, both in twice the precision, which makes up for what the factorization rounds.
    """
    heavy = _by_size(B)
    B, b = B[heavy], b[heavy]
    low, barred = np.zeros(len(x)), np.zeros(len(x), dtype=bool)
    best = x, low, residual(B, x, b)
    least, entered, positive = np.inf, None, x > 0
    for _ in range(ROUNDS * len(x)):
        x, low, r = _solve(B, b, *best, positive)
        loss = r[0] @ r[0]
        if entered is not None:
            barred[entered] = True
        if loss < (1 - 1e-12) * least:
            barred[:] = False
        if loss <= (1 + 1e-15) * least:  # else rounding let the column in
            best, least = (x, low, r), loss
        x, _, r = best
        excluded = (x > 0) | barred
        g = B.T @ r[0]
        g[excluded] = np.inf
        if not np.min(g) < -CLEAR * np.sqrt(least):
            g = _gradient(B, r)
            g[excluded] = np.inf
        entered, size = int(np.argmin(g)), 1 + np.sum(x)
        if not g[entered] < -max(1e-13 * least / size, 100 * EPSILON**2 * size):
            break
        positive = x > 0
        positive[entered] = True
    return best[0]


def _factor(B, on):
    """An orthonormal basis of these columns, the triangular factor, and which of them it is for: independent ones."""
    Q, R, pivots = qr(B[:, on], mode="economic", pivoting=True, check_finite=False)
    sizes = np.abs(np.diag(R))
    rank = np.count_nonzero(sizes > NEGLIGIBLE * sizes[0])
    return Q[:, :rank], R[:rank, :rank], on[pivots[:rank]]


def _triangular(R, v, transposed=0):
    """The solution of ``R s = v``, without the checks that would take longer."""
    return dtrtrs(R, v, trans=transposed)[0]


def _correct(B, b, x, low, r, Q, R, on, bounded=False):
    """Newton's method in twice the precision for the equations on the columns `on`: ``x + low``, and its residual.

    If `bounded`, it ends at the first step that would make an entry negative, and returns that too, or None.
    """
    last = np.inf
    for _ in range(CORRECTIONS):
        step = -_triangular(R, Q.T @ r[0])
        if bounded and np.any(step < -x[on]):
            return x, low, r, step
        size = np.max(np.abs(step))
        if not size < last / 2:
            break
        last = size
        x, low = x.copy(), low.copy()
        x[on], low[on] = _sum(x[on], low[on] + step)
        used = np.flatnonzero(x)
        r = residual(B[:, used], x[used], b)
        r = _sum(r[0], r[1] + B[:, used] @ low[used])
        if size <= EPSILON**2 * np.max(x):
            break
    return x, low, r, None


def _solve(B, b, x, low, r, positive):
    """Least squares on the positive columns, a column leaving them whenever its entry would become negative."""
    x, low, positive = x.copy(), low.copy(), positive.copy()
    while np.any(positive):
        Q, R, on = _factor(B, np.flatnonzero(positive))
        step = -_triangular(R, Q.T @ r[0])
        while len(on) > 1 and EPSILON * np.sum(np.abs(step)) > LARGE * np.linalg.norm(r[0]):
            # The rounding of such a solution would hide what is gained: leave out the column that nearly depends on others.
            Q, R, on = Q[:, :-1], R[:-1, :-1], on[:-1]
            step = -_triangular(R, Q.T @ r[0])
        x, low, r, step = _correct(B, b, x, low, r, Q, R, on, bounded=True)
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
