"""The inner loop of many right-hand sides, compiled by numba: the extra `fast`."""

from functools import cache
from importlib.util import find_spec

import numpy as np

LANES = 8  # supports that are factored together, one in each lane of the arithmetic of the processor
LARGEST = 200  # columns of the matrix: beyond, LAPACK is as fast
WORTH = 50_000  # entries of the solution: for fewer, numba is not imported


def solver_of_equations(number, columns):
    """A function for so many right-hand sides and a matrix of so many columns, or None where it would not pay."""
    worth = number * columns >= WORTH and columns <= LARGEST
    return compiled() if worth and find_spec("numba") else None


@cache
def compiled():
    """`equations`, in machine code; that is kept for the next process if there is a folder for it."""
    import numba

    options = {"error_model": "numpy", "fastmath": {"contract"}}
    try:
        inner = numba.njit(cache=True, **options)(solve_in_lanes)
    except RuntimeError:  # no folder that can be written to
        inner = numba.njit(**options)(solve_in_lanes)
    return lambda G, C, positive: equations(G, C, positive, inner)


def equations(G, C, positive, inner):
    """The solutions of ``G x = c`` on the supports in the rows of `positive`, for the rows `c` of `C`; else `x` is zero."""
    x, sizes = np.zeros_like(C), np.count_nonzero(positive, axis=1)
    if sizes.any():
        inner(G, C, positive, np.argsort(sizes, kind="stable"), np.max(sizes), x)
    return x


def solve_in_lanes(G, C, positive, order, most, x):
    """Factorizations of Cholesky, `LANES` at a time, of which each operation does the same in all lanes.

    A support that is smaller than its neighbours gets rows and columns of the identity.
    """
    M = np.empty((most, most, LANES))
    b, column, inverse = np.empty((most, LANES)), np.empty((most, LANES)), np.empty(LANES)
    on, sizes = np.zeros((most, LANES), np.int64), np.zeros(LANES, np.int64)
    for start in range(0, len(order), LANES):
        rows = order[start : start + LANES]
        sizes[:] = 0
        for lane in range(len(rows)):
            for j in range(len(G)):
                if positive[rows[lane], j]:
                    on[sizes[lane], lane] = j
                    sizes[lane] += 1
        size = np.max(sizes)
        for lane in range(LANES):
            for i in range(sizes[lane]):
                b[i, lane] = C[rows[lane], on[i, lane]]
                for j in range(i + 1):
                    M[i, j, lane] = G[on[i, lane], on[j, lane]]
            for i in range(sizes[lane], size):
                b[i, lane] = 0.0
                M[i, :i, lane] = 0.0
                M[i, i, lane] = 1.0
        for j in range(size):
            for lane in range(LANES):
                inverse[lane] = 1 / np.sqrt(M[j, j, lane])
                M[j, j, lane] = inverse[lane]
                b[j, lane] *= inverse[lane]
            for i in range(j + 1, size):
                for lane in range(LANES):
                    column[i, lane] = M[i, j, lane] * inverse[lane]
                    M[i, j, lane] = column[i, lane]
                    b[i, lane] -= column[i, lane] * b[j, lane]
            for i in range(j + 1, size):
                for k in range(j + 1, i + 1):
                    for lane in range(LANES):
                        M[i, k, lane] -= column[i, lane] * column[k, lane]
        for j in range(size - 1, -1, -1):
            for lane in range(LANES):
                b[j, lane] *= M[j, j, lane]
            for i in range(j):
                for lane in range(LANES):
                    b[i, lane] -= M[j, i, lane] * b[j, lane]
        for lane in range(len(rows)):
            for i in range(sizes[lane]):
                x[rows[lane], on[i, lane]] = b[i, lane]
