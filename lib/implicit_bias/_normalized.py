"""A least-squares problem in units of its own: columns of length 1, data of length 1, products counted."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import issparse
from scipy.sparse.linalg import LinearOperator

from ._matrices import operator_column_norms
from ._validation import as_real_matrix, as_reals

SMALLEST, LARGEST = 1e-150, 1e150  # of the norm of y and of the largest column of A
BLOCK = 2**16  # entries of a dense matrix that stay in the cache while they are used twice


@dataclass(frozen=True)
class Point:
    """A non-negative vector `x` with the residual ``r = B x - b`` and the gradient ``g = B.T r``."""

    x: np.ndarray
    r: np.ndarray
    g: np.ndarray

    @cached_property
    def kkt_residual(self):
        """``max |min(x, g)|``, which is `implicit_bias.measures.kkt_residual` in these units."""
        return float(np.max(np.abs(np.minimum(self.x, self.g))))

    @property
    def loss(self):
        """``|r|^2``, which is 1 at ``x = 0``."""
        return self.r @ self.r


class NormalizedProblem:
    """``B = A / d`` and ``b = y / |y|``, where `d` has the norms of the columns of `A`; `B` is never formed.

    A zero column has no unit of its own and gets 1; the norms of a `LinearOperator` are estimates, see
    `implicit_bias.measures.column_norms`. `products` counts the products with `A` and its transpose. They are taken in
    float64; as long as `single` is set, those with a dense float32 matrix in float32.
    """

    def __init__(self, A, y):
        self.A = as_real_matrix(A)
        if isinstance(self.A, np.ndarray) and not (self.A.flags.c_contiguous or self.A.flags.f_contiguous):
            self.A = np.ascontiguousarray(self.A)
        self.dense = isinstance(self.A, np.ndarray)
        m, self.n = self.A.shape
        y = as_reals("y", y).astype(float)
        if y.shape != (m,):
            raise ValueError(f"y must have shape ({m},), one entry for each row of A; got {y.shape}")
        self.data_norm = _norm(y)
        _check_size("y", self.data_norm)
        self.y = y
        self.b = y / (self.data_norm or 1.0)
        self.products = 0
        self.single = False
        norms = self._column_norms()
        _check_size("A", np.max(norms))
        self.empty = norms == 0
        self.d = np.where(self.empty, 1.0, norms)
        fits = np.min(self.d) > 1e-18 and np.max(self.d) < 1e18  # else float32 overflows
        self.single = self.dense and self.A.dtype == np.float32 and fits

    def forward(self, v):
        """``B v``."""
        return self._image(v / self.d)

    def forward_pair(self, u, v):
        """``B u`` and ``B v``, a dense matrix being read once for both."""
        self.products += 2
        if self.dense:
            return self._dense_images([u / self.d, v / self.d])
        return (self.A @ np.column_stack([u / self.d, v / self.d])).T

    def backward(self, r):
        """``B.T r``."""
        self.products += 1
        if self.dense and self.A.dtype == np.float32 and not self.single:
            product = np.zeros(self.n)
            for part, rows, columns in self._blocks():
                product[columns] += part.T @ r[rows]
        else:
            product = self.A.T @ (r.astype(np.float32) if self.single else r)
        return product / self.d

    def point(self, x, image=None):
        """A point with its residual and gradient, computed afresh in float64, from ``image = B x`` if that is known."""
        single, self.single = self.single, False
        r = (self.forward(x) if image is None else image) - self.b
        point = Point(x, r, self.backward(r))
        self.single = single
        return point

    def in_units(self, x):
        """The vector in the units of `A` and `y`."""
        x = x / self.d * self.data_norm
        if not np.all(np.isfinite(x)):
            raise ValueError("A and y must have sizes whose quotient is below 1e308: rescale the problem")
        return x

    def residual_norm(self, x):
        """``|A x - y|`` of a vector in the units of `A` and `y`, in float64."""
        self.single = False
        return _norm(self._image(x) - self.y)

    def columns(self, chosen):
        """The chosen columns with their entries, dense or sparse, in float64, and what to divide them by to normalize them.

        That would be one more pass through them, and is left to who needs it; but squares of extreme entries overflow.
        """
        d = self.d[chosen]
        if self.dense:
            columns = np.take(self.A, chosen, axis=1).astype(float, copy=False)
        elif issparse(self.A):
            columns = self.A[:, chosen].astype(float).tocsc()
        else:
            self.products += len(chosen)
            columns = np.empty((self.A.shape[0], len(chosen)))
            for k, j in enumerate(chosen):
                columns[:, k] = self.A @ np.eye(1, self.n, j)[0]
        if np.all((d > 1e-100) & (d < 1e100)):
            return columns, d
        return (columns.multiply(1 / d).tocsc() if issparse(columns) else columns / d), np.ones(len(chosen))

    def gram_price(self, k):
        """What the Gram matrix of `k` columns and a few factorizations of it cost, in products with `A`.

        A rough count of operations: those of dense matrices run some ten times faster together than in a product with a
        vector, those of sparse matrices ten times slower.
        """
        m, n = self.A.shape
        if issparse(self.A):
            return (5 * (self.A.nnz * k / n) ** 2 / m + k**3 / 10) / max(self.A.nnz, 1)
        gram = (m * k**2 + 2 * k**3) / (20 * m * n)
        return gram if self.dense else gram + k

    def _image(self, v):
        """``A v``."""
        self.products += 1
        return self._dense_images([v])[0] if self.dense and self.A.dtype == np.float32 else self.A @ v

    def _dense_images(self, vectors):
        if self.single:
            vectors = [v.astype(np.float32) for v in vectors]
        results = np.zeros((len(vectors), self.A.shape[0]))
        for part, rows, columns in self._blocks():
            for v, result in zip(vectors, results, strict=True):
                result[rows] += part @ v[columns]
        return results

    def _blocks(self):
        """Blocks of a dense matrix that fit into the cache, as float64 unless `single`, and where they are."""
        m, n = self.A.shape
        by_rows = self.A.flags.c_contiguous
        step = max(1, BLOCK // (n if by_rows else m))
        for start in range(0, m if by_rows else n, step):
            part, whole = slice(start, start + step), slice(None)
            rows, columns = (part, whole) if by_rows else (whole, part)
            yield self.A[rows, columns].astype(np.float32 if self.single else float, copy=False), rows, columns

    def _column_norms(self):
        """Norms that neither overflow nor underflow; refuses NaN and infinity."""
        if isinstance(self.A, LinearOperator):
            norms, number = operator_column_norms(self.A)
            self.products += number
            return norms
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            if self.dense:
                squares = np.zeros(self.n)
                for part, _, columns in self._blocks():
                    squares[columns] += np.einsum("ij,ij->j", part, part, dtype=float)
            else:
                squares = np.asarray(self.A.power(2, dtype=float).sum(axis=0)).ravel()
            norms = np.sqrt(squares)
        for j in np.flatnonzero(~((squares > 1e-280) & (squares < 1e280))):
            column = self.A[:, [j]]
            norms[j] = _norm((column if self.dense else column.toarray()).ravel().astype(float))
        if not np.all(np.isfinite(norms)):
            raise ValueError("A must be finite, it has a NaN or an infinity")
        return norms


def _norm(v):
    """Euclidean norm of a vector whose squares may leave float64."""
    with np.errstate(over="ignore", under="ignore"):
        norm = float(np.linalg.norm(v))
    if 1e-140 < norm < 1e140:
        return norm
    largest = np.max(np.abs(v), initial=0.0)
    return float(largest * np.linalg.norm(v / largest) if 0 < largest < np.inf else largest)


def _check_size(name, size):
    if not np.isfinite(size):
        raise ValueError(f"{name} must be finite, it has a NaN or an infinity")
    if size and not SMALLEST <= size <= LARGEST:
        raise ValueError(
            f"{name} must have a size between {SMALLEST:g} and {LARGEST:g}, got {size:g}: rescale the problem"
        )
