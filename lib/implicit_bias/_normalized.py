"""A least-squares problem in units of its own: columns and data of a length near 1, products counted."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import issparse
from scipy.sparse.linalg import LinearOperator

from ._matrices import as_entries, norm, operator_column_norms
from ._validation import NORMS, as_real_matrix, as_reals, check_size
from .measures import EPSILON, REACH, SMALL_GAP, Certificate, _certify

MET = 1e-12  # of the norm of y: a residual that is none
HIDDEN = 1e-3  # of the loss: what rounding may hide in the worst case, where the gap of many columns is small
NO_GAP = 1e-11  # of the loss: a gap that is none, even for vectors far beyond reach
SIMILAR = 1000  # ratio of the lengths of columns that may stay as they are
SMALL = 250_000  # entries of A that are cheap to have at hand, whatever the matrix is
CALL = 50_000  # non-zero entries whose product takes as long as the calls around a product
BLOCK = 2**16  # entries of a dense matrix that stay in the cache while they are used twice


@dataclass(frozen=True)
class Point:
    """A non-negative vector `x` with the residual ``r = B x - b`` and the gradient ``g = B.T r``."""

    x: np.ndarray
    r: np.ndarray
    g: np.ndarray
    problem: "NormalizedProblem"
    precision: float = EPSILON
    shift: float = 0.0

    @cached_property
    def certificate(self) -> Certificate:
        problem = self.problem
        return _certify(self.x, self.r, self.g, problem.lengths, problem.size, True, self.precision, self.shift)

    @cached_property
    def near(self):
        """Nearly `optimality`, from below, for a fraction of its price."""
        return min(np.max(np.abs(np.minimum(self.x, self.g))), np.sqrt(self.loss)) / 2

    @cached_property
    def settled(self):
        """Whether only rounding is left: in the gap, or in the residual where the data are met."""
        certificate, problem = self.certificate, self.problem
        if certificate.at_floor:
            return True
        size = float(problem.lengths @ self.x) + problem.size
        if certificate.relative_residual + 4 * self.precision * size / (problem.size or 1.0) <= MET:
            return True
        # The part of the gap that grows with the reach has to be smaller than the other one.
        wrong = -np.min(self.g / np.where(problem.lengths > 0, problem.lengths, 1), initial=0.0)
        small, tiny = SMALL_GAP * certificate.loss, NO_GAP * certificate.loss
        # And a loss that is less than the rounding of its residual says nothing.
        told = certificate.loss > (4 * self.precision * size) ** 2
        return bool(told and certificate.gap <= small and wrong * REACH * size <= tiny)

    def holds(self, tol):
        """Whether the certificate does.

        A small residual alone is no reason: that of rows of little weight is always small. It has to be smaller than `tol`.
        """
        return self.certificate.holds(tol, max(tol**1.5, MET), HIDDEN)

    @cached_property
    def loss(self):
        """``|r|^2``."""
        return float(self.r @ self.r)

    def beats(self, other):
        """Whether this point has less loss, or the better certificate where the losses are the same up to rounding."""
        if abs(self.loss - other.loss) > 1e-9 * min(self.loss, other.loss):
            return self.loss < other.loss
        return self.certificate.optimality < other.certificate.optimality


class OrdinaryProblem:
    """A small matrix in float64 with columns of similar size (or zero) in its own units: what needs no `NormalizedProblem`."""

    small, lost, products, d, unit = True, False, 2, 1.0, 1.0

    def __init__(self, A, y, lengths, size):
        self.A, self.b, self.lengths, self.size = A, y, lengths, size

    @classmethod
    def of(cls, A, y):
        """The problem, or None if it is another one."""
        if not (type(A) is type(y) is np.ndarray and A.dtype == y.dtype == float):
            return None
        if A.ndim != 2 or y.shape != A.shape[:1] or not 0 < A.size <= SMALL:
            return None
        squares, size = np.einsum("ij,ij->j", A, A), float(np.einsum("i,i", y, y))
        least, largest = float(squares.min()), float(squares.max())
        if least == 0 < largest and not A[:, squares == 0].any():
            least = float(squares[squares > 0].min())
        # Each comparison with a NaN is False.
        ordinary = least > 1e-200 and largest < 1e200 and largest < SIMILAR**2 * least and 1e-200 < size < 1e200
        return cls(A, y, np.sqrt(squares), size**0.5) if ordinary else None

    def point(self, x):
        """A point with its residual and gradient."""
        r = self.A @ x - self.b
        return Point(x, r, r @ self.A, self)

    def in_units(self, x):
        return x

    def residual_norm(self, point):
        return point.loss**0.5


class NormalizedProblem:
    """``B = A / d`` and ``b = y / unit``, where `d` and `unit` are powers of two: nothing is rounded. `B` is never formed.

    The columns of `B` have `lengths` between 1/2 and 1, and so is the norm `size` of `b`. A zero column gets the largest. So
    does one that the data would need with an entry that leaves float64; if it could contribute more than rounding, `lost`
    says so. The norms of a large `LinearOperator` are estimates, see `implicit_bias.measures.column_norms`. Small matrices,
    of whatever kind, become dense. `products` counts the products with `A` and its transpose. They are taken in float64; as
    long as `single` is set, those with a dense float32 matrix in float32.
    """

    def __init__(self, A, y):
        A = as_real_matrix(A)
        self.given = self.A = np.zeros(A.shape) if 0 in A.shape else A
        m, self.n = self.A.shape
        self.products = 0
        self.small = m * self.n <= SMALL
        if self.small and not isinstance(self.A, np.ndarray):
            self.products += min(m, self.n) if isinstance(self.A, LinearOperator) else 0
            self.A = as_entries(self.A)
        self.dense = isinstance(self.A, np.ndarray)
        if self.dense and not (self.A.flags.c_contiguous or self.A.flags.f_contiguous):
            self.A = np.ascontiguousarray(self.A)
        y = as_reals("y", y).astype(float)
        if y.shape == (m, 1):
            y = y[:, 0]
        if y.shape != (m,):
            raise ValueError(f"y must have shape ({m},), one entry for each row of A; got {y.shape}")
        self.y, self.data_norm = y, norm(y)
        check_size("y", self.data_norm, NORMS, "a size")
        self.single = False
        norms = self._column_norms()
        check_size("A", np.max(norms, initial=0.0), NORMS, "a size")
        self.lost = False
        if norms.min(initial=np.inf) < 1e-300 * self.data_norm:
            with np.errstate(over="ignore"):
                largest = norms * np.finfo(float).max  # what an entry of x can contribute
            left_out = (norms > 0) & (largest < self.data_norm)
            self.lost = bool(np.any(largest[left_out] > MET * self.data_norm))
            norms[left_out] = 0
            self.A = np.where(left_out, 0, self.A) if self.small else self.A
        self.empty = norms == 0
        self.d, self.unit = _power_of_two(norms), float(_power_of_two(self.data_norm))
        if self.empty.any():
            self.d[self.empty] = self.d[~self.empty].max() if not self.empty.all() else 1.0
        self.lengths, self.size = norms / self.d, self.data_norm / self.unit
        self.b = y / self.unit
        if self.dense and self.A.dtype == np.float32:
            self.single = bool(np.all((self.d > 1e-18) & (self.d < 1e18)))  # else float32 overflows

    def forward(self, v):
        """``B v``."""
        return self._image(v / self.d)

    def forward_pair(self, u, v):
        """``B u`` and ``B v``, a dense matrix being read once for both."""
        if not self.dense:
            return self.forward(u), self.forward(v)
        self.products += 2
        return self._dense_images([u / self.d, v / self.d])

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
        point = Point(x, r, self.backward(r), self)
        self.single = single
        return point

    def in_units(self, x):
        """The vector in the units of `A` and `y`."""
        with np.errstate(over="ignore"):
            x = x * (self.unit / self.d)
        if not np.isfinite(x).all():
            raise ValueError("A and y must have sizes whose quotient is below 1e308: rescale the problem")
        return x

    def residual_norm(self, point):
        """``|A x - y|``, in float64, of the vector in the units of `A` and `y`."""
        if self.A is self.given:
            return self.unit * float(np.sqrt(point.loss))
        self.products += 1
        return norm(self.given @ self.in_units(point.x) - self.y)

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
            return (5 * (self.A.nnz * k / n) ** 2 / m + k**3 / 10) / max(self.A.nnz, CALL)
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
        step = max(1, BLOCK // max(1, n if by_rows else m))
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
            if self.small:
                squares = np.einsum("ij,ij->j", self.A, self.A, dtype=float)
            elif self.dense:
                squares = np.zeros(self.n)
                for part, _, columns in self._blocks():
                    squares[columns] += np.einsum("ij,ij->j", part, part, dtype=float)
            else:
                squares = np.asarray(self.A.power(2, dtype=float).sum(axis=0)).ravel()
            norms = np.sqrt(squares)
        if norms.min(initial=1.0) > 1e-140 and norms.max(initial=1.0) < 1e140:
            return norms
        for j in np.flatnonzero(~((squares > 1e-280) & (squares < 1e280))):
            column = self.A[:, [j]]
            norms[j] = norm((column if self.dense else column.toarray()).ravel().astype(float))
        if not np.all(np.isfinite(norms)):
            raise ValueError("A must be finite, it has a NaN or an infinity")
        return norms


def _power_of_two(size):
    """The next larger power of two; 1 for zero."""
    return np.ldexp(1.0, np.frexp(size)[1])
