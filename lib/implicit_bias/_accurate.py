"""Non-negative least squares where double precision is not enough: rows of very different size, columns that nearly agree.

Residuals are computed as if in twice the precision, and the equations are solved by a factorization that is stable for each
row by itself.
"""

import numpy as np
from scipy.linalg import qr, solve_triangular
from scipy.sparse import issparse

from ._normalized import Point
from .measures import EPSILON

SPLIT = 2.0**27 + 1
ROUNDS = 3  # times the number of columns: exchanges before the method gives up
CORRECTIONS = 3  # of one solution by its own residual
LARGE = 1e-3  # of the residual: what the rounding of a solution may be
NEGLIGIBLE = 1e-14  # of the largest pivot: where columns may be taken as dependent


def accurate_point(problem, x):
    """A point with its residual in twice the precision, and a certificate that does not suffer from the rounding of `x`.

    The multipliers are those of the residual without its part in the span of the columns that `x` uses: of the point that
    `x` is the rounding of.
    """
    on = np.flatnonzero(x)
    columns, d = problem.columns(on)
    B = (columns.toarray() if issparse(columns) else columns) / d
    heavy = _by_size(B)
    r = np.empty_like(problem.b)
    r[heavy] = part = residual(B[heavy], x[on], problem.b[heavy])
    nu = r
    if len(on):
        Q, *_ = _factor(B[heavy], np.arange(len(on)))
        for _ in range(2):  # the first one leaves rounding relative to r, not to what remains of it
            part = part - Q @ (Q.T @ part)
        nu = np.empty_like(r)
        nu[heavy] = part
    return Point(x, r, problem.backward(nu), problem, EPSILON**2, float(np.linalg.norm(r - nu)))


def _by_size(B):
    """The order of the rows by size: Householder's factorization with pivoting then has an error in each row that is small
    relative to the size of this row (Cox and Higham 1998)."""
    return np.argsort(-np.max(np.abs(B), axis=1, initial=0.0), kind="stable")


def residual(B, x, b):
    """``B x - b``, rounded once.

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
        a, c, rest = terms[:, :half], terms[:, half : 2 * half], terms[:, 2 * half :]
        total = a + c
        virtual = total - a
        error = error + np.sum((a - (total - virtual)) + (c - virtual), axis=1)
        terms = np.hstack([total, rest])
    return terms[:, 0] + error


def _high(v):
    """The first 26 bits."""
    scaled = SPLIT * v
    return scaled - (scaled - v)


def active_set(B, b, x):
    """The best point of Lawson and Hanson's method that starts at the support of `x`.

    Each solution is a correction by a residual that is exact to its last digits, which makes up for what the factorization
    rounds.
    """
    heavy = _by_size(B)
    B, b = B[heavy], b[heavy]
    best, positive, barred = x, x > 0, np.zeros(len(x), dtype=bool)
    r = _residual(B, x, b)
    least, entered = r @ r, None
    for _ in range(ROUNDS * len(x)):
        x, r, positive = _solve(B, b, x, r, positive)
        loss = r @ r
        if loss < least:
            progress = loss < (1 - 1e-12) * least
            best, least = x, loss
        else:
            progress = False
        if progress:
            barred[:] = False
        elif entered is not None:
            barred[entered] = True  # rounding let it in
            x, positive = best, best > 0
            r = _residual(B, x, b)
        g = B.T @ r
        g[positive | barred] = np.inf
        entered = int(np.argmin(g))
        if not g[entered] < -4 * EPSILON * np.sqrt(least):
            break
        positive = positive.copy()
        positive[entered] = True
    return best


def _residual(B, x, b):
    on = np.flatnonzero(x)
    return residual(B[:, on], x[on], b)


def _factor(B, on):
    """An orthonormal basis of these columns, the triangular factor, and which of them it is for: independent ones."""
    Q, R, pivots = qr(B[:, on], mode="economic", pivoting=True, check_finite=False)
    sizes = np.abs(np.diag(R))
    rank = np.count_nonzero(sizes > NEGLIGIBLE * sizes[0])
    return Q[:, :rank], R[:rank, :rank], on[pivots[:rank]]


def _solve(B, b, x, r, positive):
    """Least squares on the positive columns, a column leaving them whenever its entry would become negative."""
    x, positive = x.copy(), positive.copy()
    while np.any(positive):
        Q, R, on = _factor(B, np.flatnonzero(positive))
        for _ in range(CORRECTIONS):
            step = -solve_triangular(R, Q.T @ r, check_finite=False)
            while len(on) > 1 and EPSILON * np.sum(np.abs(step)) > LARGE * np.sqrt(r @ r):
                # The rounding of such a solution would hide what is gained: leave out the column that nearly depends on others.
                Q, R, on = Q[:, :-1], R[:-1, :-1], on[:-1]
                step = -solve_triangular(R, Q.T @ r, check_finite=False)
            falling = step < -x[on]
            if np.any(falling):
                break
            x[on] += step
            r = _residual(B, x, b)
            if np.max(np.abs(step)) <= 4 * EPSILON * np.max(x):
                break
        if not np.any(falling):
            break
        ratios = x[on[falling]] / -step[falling]
        x[on] = np.maximum(x[on] + np.min(ratios) * step, 0)
        x[on[falling][ratios == np.min(ratios)]] = 0
        positive[on[falling][ratios == np.min(ratios)]] = False
        r = _residual(B, x, b)
    return x, r, positive
