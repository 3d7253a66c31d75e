"""Our own implementations of the usual methods, run until the KKT residual is at most `tol`.

All work with columns of length 1, which their authors would advise too. The residual costs them nothing but a pass over
vectors, since the gradient is at hand.
"""

import numpy as np
from implicit_bias.measures import column_norms
from scipy.sparse import diags_array, issparse
from scipy.sparse.linalg import svds

MOST = 10**7  # iterations; the time is limited from outside
MEMORY = 10  # losses that a non-monotone line search looks back on


def normalized(A, y):
    """A matrix with columns of length 1 (zero columns stay), data of length 1, and what leads back to the units of `x`."""
    sizes = column_norms(A)
    inverse = 1 / np.where(sizes > 0, sizes, 1)
    B = (A @ diags_array(inverse)).asformat(A.format) if issparse(A) else A * inverse
    return B, y / np.linalg.norm(y), inverse * np.linalg.norm(y)


def kkt(x, g):
    return np.max(np.abs(np.minimum(x, g)))


def roughly_spectral_norm(B):
    """To a few per cent, from below: a singular value decomposition would take longer than the descent."""
    return svds(B, k=1, tol=1e-2, return_singular_vectors=False, v0=np.ones(min(B.shape)))[0]


def fista(A, y, tol):
    """Accelerated projected gradient with restart where the momentum points uphill.

    Source: Beck and Teboulle (2009), O'Donoghue and Candes (2015).
    """
    B, b, units = normalized(A, y)
    step = 1 / (1.05 * roughly_spectral_norm(B)) ** 2
    x = z = np.zeros(B.shape[1])
    t = 1.0
    for _ in range(MOST):
        g = B.T @ (B @ z - b)
        if np.max(np.abs(np.minimum(z, g))) <= tol and np.min(z) >= 0:
            break
        new = np.maximum(z - step * g, 0)
        if (z - new) @ (new - x) > 0:
            t = 1.0
        t, before = (1 + np.sqrt(1 + 4 * t * t)) / 2, t
        x, z = new, new + (before - 1) / t * (new - x)
    return np.maximum(z, 0) * units


def barzilai_borwein(A, y, setting):
    """Projected gradient with the step lengths of Barzilai and Borwein, long and short ones in turn.

    Setting "exact": the best point on the way to the projected one. "non-monotone": the largest of the last losses may be
    reached again.

    Source: Barzilai and Borwein (1988), Dai and Fletcher (2005); Birgin, Martinez and Raydan (2000).
    """
    search, tol = setting
    B, b, units = normalized(A, y)
    x, r = np.zeros(B.shape[1]), -b
    g = B.T @ r
    step, losses = 1.0, [0.5 * (r @ r)]
    for iteration in range(MOST):
        if kkt(x, g) <= tol:
            break
        s = np.maximum(x - step * g, 0) - x
        image = B @ s
        slope, curvature = g @ s, image @ image
        exact = min(1.0, -slope / curvature) if curvature > 0 else 1.0
        length = exact
        if search == "non-monotone":
            within = slope + curvature / 2 <= max(losses) - losses[-1] + 1e-4 * slope
            length = 1.0 if within else exact
        x, r = x + length * s, r + length * image
        new = B.T @ r
        change = new - g
        along, g = s @ change, new
        if along > 0:
            step = (s @ s) * length / along if iteration % 2 else along / (change @ change) * length
        losses = [*losses[1 - MEMORY :], 0.5 * (r @ r)]
    return x * units
