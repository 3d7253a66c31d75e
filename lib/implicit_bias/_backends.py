"""What `nnls` needs of a matrix, with one class for each kind: with all entries, sparse, in chunks, or known by its products.

All numbers are float64. `price_of_gram`, an estimate of time in products with the matrix, decides between methods and on
nothing else.
"""

from dataclasses import dataclass
from operator import index

import numpy as np
from scipy.sparse import issparse
from scipy.sparse.linalg import LinearOperator

from ._matrices import OF_ENTRIES, dense, operator, operator_column_norms
from ._validation import _check_range, as_matrix, as_real_matrix, as_reals, check_transpose

BLOCK = 2**17  # entries of a dense matrix that stay in the cache while they are used twice
CACHED = 4_000_000  # entries of a dense matrix that is read from a cache, not from the memory
CALL = 50_000  # non-zero entries whose product takes as long as the calls around a product
SAFE = (1e-140, 1e140)  # norms whose squares are numbers


class Dense:
    """A matrix with entries in memory, or in a file that is mapped into it."""

    def __init__(self, A):
        A = A.astype(float, copy=False)
        self.A = A if A.flags.c_contiguous or A.flags.f_contiguous else np.ascontiguousarray(A)
        self.shape, self.products = A.shape, 0

    def forward(self, v):
        """``A v``."""
        self.products += 1
        return self.A @ v

    def _blocks(self):
        """Rows that stay in the cache while they are used twice; all of them, if they are not stored one after the other.

        All of them, too, where the whole matrix stays in a larger cache.
        """
        m, n = self.shape
        step = max(1, BLOCK // n) if self.A.flags.c_contiguous and self.A.size > CACHED else max(1, m)
        return [slice(start, start + step) for start in range(0, m, step)]

    def backward(self, r):
        """``A.T r``."""
        self.products += 1
        return self.A.T @ r

    def normal(self, v):
        """``A v`` and ``A.T A v``, the matrix being read once for both."""
        self.products += 2
        image, back = np.empty(self.shape[0]), np.zeros(self.shape[1])
        for rows in self._blocks():
            image[rows] = self.A[rows] @ v
            back += image[rows] @ self.A[rows]
        return image, back

    def column_norms(self):
        """Norms that neither overflow nor underflow, or estimates of them; infinite or NaN where an entry is."""
        squares = np.zeros(self.shape[1])
        with np.errstate(over="ignore"):
            for rows in self._blocks():
                squares += np.einsum("ij,ij->j", self.A[rows], self.A[rows])
        return self._without_overflow(squares)

    def _without_overflow(self, squares):
        norms = np.sqrt(squares)
        lost = np.flatnonzero(~((norms > SAFE[0]) & (norms < SAFE[1])))
        for start in range(0, len(lost), 100):
            columns = self.columns(some := lost[start : start + 100])
            units = np.ldexp(1.0, np.frexp(np.maximum.reduce(np.abs(columns), axis=0, initial=0.0))[1] - 1)
            columns /= units
            norms[some] = units * np.sqrt(np.einsum("ij,ij->j", columns, columns))
        return norms

    def part(self, chosen):
        """The chosen columns, in a form that `inner` and products with vectors take."""
        return self.A.take(chosen, axis=1)

    def inner(self, left, right):
        """The inner products of the columns of two parts, a new dense array; the same object twice takes half the time."""
        return left.T @ right

    def columns(self, chosen):
        """A copy of the chosen columns, as a dense array."""
        return self.part(chosen)

    @property
    def pace(self):
        """How long a product takes, in the unit of `price_of_gram`: less where all entries stay in a cache."""
        return 1 / 3 if isinstance(self.A, np.ndarray) and self.A.size <= CACHED else 1.0

    def price_of_gram(self, k):
        """What the Gram matrix of `k` columns and some factorizations of it cost, in products.

        Operations of matrices run some ten times faster together than in a product with a vector.
        """
        m, n = self.shape
        return (m * k**2 + 2 * k**3) / (20 * m * n)


class Sparse(Dense):
    """A CSR matrix."""

    def __init__(self, A):
        self.A, self.shape, self.products = A.astype(float), A.shape, 0
        self.A.sort_indices()
        self.transposed = self.A.T  # a new object each time, which costs
        # Two columns are orthogonal if they are further apart than the first and the last entry of each row.
        start, end = self.A.indptr[:-1], self.A.indptr[1:]
        filled = end > start
        self.width = int(np.max(self.A.indices[end[filled] - 1] - self.A.indices[start[filled]], initial=0))

    def backward(self, r):
        self.products += 1
        return self.transposed @ r

    def normal(self, v):
        image = self.forward(v)
        return image, self.backward(image)

    def column_norms(self):
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            return self._without_overflow(np.asarray(self.A.power(2).sum(axis=0)).ravel())

    def part(self, chosen):
        return self.A[:, chosen]

    def inner(self, left, right):
        products = left.T @ right
        return dense(products)

    def columns(self, chosen):
        return self.part(chosen).toarray()

    def price_of_gram(self, k):
        """Operations of sparse matrices run some ten times slower than in a product; the factors have a band."""
        m, n = self.shape
        return (5 * (self.A.nnz * k / n) ** 2 / m + k * min(k, self.width * k / n) ** 2 / 10) / max(self.A.nnz, CALL)


class Operator(Dense):
    """A `LinearOperator`: each column takes a product, and the norms of many are estimates."""

    def __init__(self, A):
        self.A, self.shape, self.products, self.known = A, A.shape, 0, {}
        if all(A.shape) and not isinstance(A, OF_ENTRIES):  # whose transpose is SciPy's
            check_transpose(A)
            self.products = 2

    normal = Sparse.normal

    def forward(self, v):
        self.products += 1
        return np.asarray(self.A @ v, dtype=float)

    def backward(self, r):
        self.products += 1
        return np.asarray(self.A.T @ r, dtype=float)

    def column_norms(self):
        norms, number = operator_column_norms(self.A)
        self.products += number
        return norms

    def part(self, chosen):
        for j in chosen:
            if j not in self.known:
                self.known[j] = self.forward(np.eye(1, self.shape[1], j)[0])
        return np.reshape([self.known[j] for j in chosen], (len(chosen), self.shape[0])).T

    def price_of_gram(self, k):
        return super().price_of_gram(k) + k


class Own(Operator):
    """An object with `shape`, `matvec` and `rmatvec`, and with as much of `column_norms`, `columns` and `gram` as it has."""

    def __init__(self, A):
        if not (hasattr(A, "rmatvec") and hasattr(A, "shape")):
            raise ValueError(
                "A must have `shape` and `rmatvec` where it has `matvec`: for nnls needs products with A.T, too"
            )
        try:
            m, n = map(index, A.shape)
        except (TypeError, ValueError):
            m = n = -1
        if min(m, n) < 0:
            raise ValueError(f"A must have two dimensions (m, n), numbers of rows and columns, got shape {A.shape}")
        forward, backward = (
            lambda v: _given("matvec(v)", A.matvec(v), (m,)),
            lambda r: _given("rmatvec(r)", A.rmatvec(r), (n,)),
        )
        super().__init__(operator((m, n), forward, backward))
        self.own = A

    def column_norms(self):
        if not hasattr(self.own, "column_norms"):
            return super().column_norms()
        norms = _given("column_norms()", self.own.column_norms(), self.shape[1:])
        if np.any(norms < 0):
            raise ValueError(f"A.column_norms() must not be negative, got {np.min(norms)}")
        return norms

    def part(self, chosen):
        return _Chosen(self, chosen) if hasattr(self.own, "gram") else self.columns(chosen)

    def inner(self, left, right):
        if not hasattr(self.own, "gram"):
            return super().inner(left, right)
        k = len(left.indices)
        if left is right:
            return _given("gram(indices)", self.own.gram(left.indices), (k, k))
        both = np.concatenate([left.indices, right.indices])
        return _given("gram(indices)", self.own.gram(both), (len(both), len(both)))[:k, k:]

    def columns(self, chosen):
        if not hasattr(self.own, "columns"):
            return super().part(chosen)
        return _given("columns(indices)", self.own.columns(chosen), (self.shape[0], len(chosen)))

    def price_of_gram(self, k):
        has_entries = hasattr(self.own, "gram") or hasattr(self.own, "columns")
        return Dense.price_of_gram(self, k) + (1 if has_entries else k)


@dataclass(frozen=True)
class _Chosen:
    """Some columns of a matrix that gives their inner products: a combination of them is a product with the matrix."""

    matrix: Own
    indices: np.ndarray

    def __matmul__(self, x):
        v = np.zeros(self.matrix.shape[1])
        v[self.indices] = x
        return self.matrix.forward(v)


def _given(method, values, shape):
    """What a method of such an object returns, as a copy in float64."""
    values = as_reals(f"A.{method}", dense(values)).astype(float)
    if values.shape == (*shape, 1):
        values = values[..., 0]
    if values.shape != shape:
        raise ValueError(f"A.{method} must have shape {shape}, got {values.shape}")
    if not np.all(np.isfinite(values)):
        raise ValueError(f"A.{method} must be finite, it has a NaN or an infinity")
    return values


class Chunks(Dense):
    """A dask array, which is never in memory as a whole: all is summed over its chunks, by the scheduler that dask has."""

    def __init__(self, A):
        if A.ndim != 2 or np.isnan(A.shape).any():
            raise ValueError(
                f"A must have two dimensions and chunks of known sizes (`A.compute_chunk_sizes()`), got {A}"
            )
        if A.dtype.kind not in "biuf":
            raise ValueError(f"A must be real, got dtype {A.dtype}")
        self.A, self.shape, self.products = A.astype(float), A.shape, 0

    def forward(self, v):
        self.products += 1
        return (self.A @ v).compute()

    def backward(self, r):
        self.products += 1
        return (self.A.T @ r).compute()

    def column_norms(self):
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            norms = np.sqrt((self.A**2).sum(axis=0).compute())
            if np.any((norms <= SAFE[0]) | (norms >= SAFE[1])):  # one more pass, for all columns at once
                largest = abs(self.A).max(axis=0).compute()
                largest = np.where((largest > 0) & (largest < np.inf), largest, 1.0)
                norms = largest * np.sqrt(((self.A / largest) ** 2).sum(axis=0).compute())
        return norms

    def normal(self, v):
        from dask import compute

        self.products += 2
        image = self.A @ v
        return compute(image, self.A.T @ image)  # in one go: each chunk is read once

    part = Sparse.part

    def inner(self, left, right):
        return np.array((left.T @ right).compute())  # a copy: what a worker has sent may be read-only

    def columns(self, chosen):
        return np.array(self.part(chosen).compute())

    def price_of_gram(self, k):
        return super().price_of_gram(k) + 1


def as_known(A):
    """`A` for what multiplies it itself: validated, by its products if it is an object of its own, in chunks if these are."""
    if not hasattr(A, "dask"):
        return as_matrix(Own(A).A if _is_own(A) else A)
    chunks = Chunks(A)
    _check_range("A", chunks.forward(np.ones(A.shape[1])))
    return chunks.A


def _is_own(A):
    return hasattr(A, "matvec") and not isinstance(A, LinearOperator)


def as_backend(A):
    """The matrix in its class."""
    if hasattr(A, "dask"):
        return Chunks(A)
    if _is_own(A):
        own = Own(A)
        return own if all(own.shape) else Dense(np.zeros(own.shape))
    A = as_real_matrix(A)
    if 0 in A.shape:
        return Dense(np.zeros(A.shape))
    return Dense(A) if isinstance(A, np.ndarray) else Sparse(A) if issparse(A) else Operator(A)
