"""Non-negative least squares where double precision is not enough: rows of very different size, columns that nearly agree.

Residuals are computed as if in twice the precision, and the equations are solved by a factorization that is stable for each
row by itself.
"""

from math import fsum

import numpy as np
from scipy.linalg.lapack import dgeqp3, dorgqr, dtrtrs

from ._normalized import Point
from .measures import EPSILON

SPLIT = 2.0**27 + 1
FEW = 300  # terms that are summed sooner one by one than as arrays
CORRECTIONS = 8  # of one solution by its own residual
NEGLIGIBLE = 1e-14  # of the largest pivot: where columns may be taken as dependent
ENOUGH = 1e-14  # of the loss: a correction that changes no certificate
CLEAR = 1e-8  # of the residual: a multiplier for which float64 is enough


def accurate_point(problem, x):
    """A point with its residual in twice the precision, and a certificate that does not suffer from the rounding of `x`.

    The multipliers are those of the residual without its part in the span of the columns that `x` uses: of the point that
    `x` is the rounding of.
    """
    on = x.nonzero()[0]
    B, heavy = _by_size(problem.columns(on))
    r = residual(B, x[on], problem.b[heavy])[0]
    return _point(problem, heavy, x, r, _without(_factor(B)[0], r) if len(on) else r)


def _by_size(B):
    """The rows by size, and their order: Householder's factorization with pivoting then has an error in each row that is
    small relative to the size of this row (Cox and Higham 1998)."""
    heavy = (-np.maximum.reduce(np.abs(B), axis=1, initial=0.0)).argsort(kind="stable")
    return B.take(heavy, axis=0), heavy


def _point(problem, heavy, x, exact, nu, g=None):
    """The point `x` with the residual `exact` and the multipliers `g`, those of `nu`, both with their rows by size."""
    order, shift = heavy.argsort(), exact - nu
    g = problem.backward(nu[order]) if g is None else g
    return Point(x, exact[order], g, problem, EPSILON**2, float(shift @ shift) ** 0.5)


def residual(B, x, b, rest=0.0):
    """``B x - b + rest``, rounded once, and what that leaves.

    Source: the products of Dekker (1971); the sums of many by the extraction of Rump, Ogita and Oishi (2008), taken twice.
    """
    (B_high, B_low), (x_high, x_low) = _halves(B), _halves(x)
    products, errors = B * x, B_high * x_high
    errors -= products
    for left, right in ((B_high, x_low), (B_low, x_high), (B_low, x_low)):
        errors += left * right
    terms = np.concatenate((products, -b[:, None], (np.add.reduce(errors, axis=1) + rest)[:, None]), axis=1)
    if B.size <= FEW:
        rows = terms.tolist()
        total = [fsum(row) for row in rows]
        return np.array((total, [fsum([*row, -value]) for row, value in zip(rows, total, strict=True)]))
    # To multiples of the last bit of a number so large that sums of as many are exact; what that leaves is smaller.
    share = 2.0 ** (len(x) + 4).bit_length()
    large = share * np.maximum.reduce(np.abs(terms), axis=1, keepdims=True)
    parts = []
    for _ in range(2):
        high = terms + large
        high -= large
        terms -= high
        parts.append(np.add.reduce(high, axis=1))
        large *= share * EPSILON
    total, lost = _sum(*parts)
    return _sum(total, lost + np.add.reduce(terms, axis=1))


def _sum(a, c):
    """The sum, and what its rounding leaves (Knuth)."""
    total = a + c
    virtual = total - a
    return total, (a - (total - virtual)) + (c - virtual)


def _halves(v):
    """The first 26 bits, and what they leave."""
    high = SPLIT * v
    high -= high - v
    return high, v - high


def active_set(problem, start):
    """The best point of Lawson and Hanson's method that starts at the support of a point, for a small problem.

    Each solution is corrected by its residual, both in twice the precision, which makes up for what the factorization rounds.
    The multipliers are those before the last rounding.
    """
    B, heavy = _by_size(problem.columns(np.arange(problem.n)))
    b, least, positive, g = problem.b[heavy], np.inf, start.x > 0, None
    best = start.x, np.zeros(problem.n), (start.r[heavy], np.zeros(len(b))), None
    while True:
        found = _solve(B, b, *best[:3], positive)
        loss = float(found[2][0] @ found[2][0])
        gained = loss < (1 - 1e-12) * least
        if loss <= (1 + 1e-15) * least:  # else rounding let the column in
            best, least = found, loss
        x, low, r, factor = best
        size = 1 + float(np.add.reduce(x))
        if not gained or least <= (EPSILON * size) ** 2:
            break
        free = x == 0
        g = B.T @ r[0]
        if not np.minimum.reduce(g, where=free, initial=np.inf) < -CLEAR * least**0.5:
            g = residual(B.T, r[0], -(B.T @ r[1]))[0]
        entering = int(np.where(free, g, np.inf).argmin())
        if not (free[entering] and g[entering] < -max(1e-13 * least / size, 100 * EPSILON**2 * size)):
            break
        positive = x > 0
        positive[entering], g = True, None
    if factor is None:
        return accurate_point(problem, x)
    on, Q, R, kept = factor
    exact = r[0] + (r[1] - B @ low)
    point = _point(problem, heavy, x, exact, _without(Q, exact))
    if point.settled or len(kept) < len(on) or 2 * point.shift > point.loss**0.5:
        return point
    # It is more than float64 can tell: what is left of the part in the span has its price in the other multipliers.
    if g is None:
        g = residual(B.T, r[0], -(B.T @ r[1]))[0]
    step = Q @ _triangular(R, g[on[kept]], 1)
    g -= B.T @ step
    rest = _triangular(R, g[on[kept]], 1)
    g -= float(rest @ rest) ** 0.5 * problem.lengths
    g[on] = 0
    return min(
        point, _point(problem, heavy, x, exact, r[0] + (r[1] - step), g), key=lambda point: point.certificate.gap
    )


def _without(Q, v):
    """The part of `v` that is orthogonal to the columns of `Q`; the first one leaves rounding relative to `v`, not to that."""
    for _ in range(2):
        v = v - Q @ (v @ Q)
    return v


def _factor(B):
    """An orthonormal basis of the columns, the triangular factor, and which of them it is for: independent ones."""
    k = min(B.shape)
    factor, pivots, tau, _, _ = dgeqp3(B, lwork=34 * B.shape[1] + 34)  # SciPy's own function takes twice as long
    sizes = np.abs(factor.diagonal())
    rank = np.count_nonzero(sizes > NEGLIGIBLE * sizes[0])
    Q = dorgqr(factor[:, :k], tau, lwork=32 * k)[0]
    return Q[:, :rank], factor[:rank, :rank], pivots[:rank] - 1


def _triangular(R, v, transposed=0):
    """The solution of ``R s = v``, without the checks that would take longer."""
    return dtrtrs(R, v, trans=transposed)[0]


def _solve(B, b, x, low, r, positive):
    """Least squares on the positive columns, a column leaving them whenever its entry would become negative.

    By Newton's method in twice the precision: the solution ``x + low``, its residual, and the columns with their factors.
    """
    x, low, on, factor = x.copy(), low.copy(), positive.nonzero()[0], None
    while len(on):
        C, z, last = B.take(on, axis=1), x[on], np.inf
        Q, R, kept = _factor(C)
        factor = on, Q, R, kept
        step, rest = np.zeros(len(on)), low[on]
        for _ in range(CORRECTIONS):
            step[kept] = -_triangular(R, r[0] @ Q)
            size = float(np.maximum.reduce(np.abs(step)))
            blocked = np.minimum.reduce(z + step) < 0
            if blocked or not size < last / 2:
                break
            z, rest = _sum(z, rest + step)
            r = residual(C, z, b, C @ rest)
            # The next one would be smaller by the same factor; where the data are met up to the rounding of `z`, none counts.
            loss, total = float(r[0] @ r[0]), float(np.add.reduce(z))
            enough = max(EPSILON**2 * total, ENOUGH * loss / (1 + total))
            if size * (size / last if last < np.inf else 1) <= enough or loss <= (EPSILON * total) ** 2:
                break
            last = size
        if not blocked:
            x[on], low[on] = z, rest
            break
        falling = step < -z
        ratios = np.where(falling, z / np.where(falling, -step, 1), np.inf)
        least = np.minimum.reduce(ratios)
        z, rest = np.maximum(z + least * step, 0), 0.0
        out = ratios == least
        z[out] = 0
        x[on], low[on] = z, rest
        on, factor = on[~out], None
        r = residual(C, z, b)
    return x, low, r, factor
