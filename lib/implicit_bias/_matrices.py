"""What the solvers need of a matrix, dense or sparse alike."""

import numpy as np
from scipy.sparse import issparse
from scipy.sparse.linalg import LinearOperator, aslinearoperator, svds

PROBES = 16
WRONG_TRANSPOSE = "A must have rmatvec that is the product with the transpose of its matvec"
ADJOINT = 1e-3  # of the sizes of the terms: by which a product may differ from that with the entries of the transpose
OF_ENTRIES = type(aslinearoperator(np.zeros((1, 1))))  # the class of an operator that SciPy makes of a matrix


class Copied(LinearOperator):
    """An operator whose products stay what they are: many return the same array each time, with other numbers in it."""

    def __init__(self, A):
        super().__init__(A.dtype, A.shape)
        self.given = A

    def _matvec(self, v):
        return _real(self.given.matvec(v))

    def _rmatvec(self, r):
        try:
            return _real(self.given.rmatvec(r))
        except NotImplementedError:
            raise ValueError("A must be a LinearOperator with rmatvec, the product with its transpose") from None


def _real(product):
    product = np.array(product)
    if product.dtype.kind == "c":
        raise ValueError("A must be a LinearOperator with real products, they are complex: return the real part")
    return product


def as_entries(A):
    """`A` as a float64 matrix with entries, dense or CSR; a `LinearOperator` is applied to the identity, chunks are joined."""
    if hasattr(A, "dask"):
        A = A.compute()
    if isinstance(A, LinearOperator):
        m, n = A.shape
        A = _finite(_by_transpose(A) if m <= n else A @ np.eye(n, dtype=A.dtype))
    return A.astype(np.float64)


def _finite(products):
    if not np.all(np.isfinite(products)):
        raise ValueError("A must be a LinearOperator with finite products, they have a NaN or an infinity")
    return products


def _by_transpose(A):
    """The entries of an operator with few rows. One product tells whether the transpose, easily got wrong, belongs to it."""
    m, n = A.shape
    entries = (A.T @ np.eye(m, dtype=A.dtype)).T
    z = np.random.default_rng(0).uniform(1, 2, n).astype(A.dtype)
    if np.any(np.abs(A @ z - entries @ z) > ADJOINT * (np.abs(entries) @ z)):
        raise ValueError(WRONG_TRANSPOSE)
    return entries


def dense(A):
    """A matrix with entries as an array; an array itself."""
    return A.toarray() if issparse(A) else A


def operator(shape, forward, backward):
    """The `LinearOperator` of two functions of vectors: SciPy may pass, and return, a column instead."""
    flat = (lambda v: forward(v.ravel())), (lambda r: backward(r.ravel()))
    return LinearOperator(shape, matvec=flat[0], rmatvec=flat[1], dtype=float)


def products(A):
    """The functions ``x -> A x`` and ``r -> A.T r`` of a vector or of the rows of a stack; free for a sparse identity."""
    n = A.shape[0]
    if issparse(A) and A.shape[1] == A.nnz == n and np.all(A.diagonal() == 1):
        return (lambda x: x), (lambda r: r)
    transposed = A.T  # a new object each time, which costs more than a small product
    return (lambda x: (A @ x.T).T), (lambda r: (transposed @ r.T).T)


def largest_entry(A):
    """Largest absolute value of an entry; 0 for a sparse matrix without entries."""
    entries = A.data if issparse(A) else A
    return np.max(np.abs(entries)) if entries.size else 0.0


def largest_singular_value(A):
    """The spectral norm of a matrix, sparse matrix or `LinearOperator`."""
    if isinstance(A, np.ndarray):
        return np.linalg.norm(A, 2)
    # Lanczos's method takes squares, which may leave float32.
    A = A.astype(float, copy=False) if issparse(A) else operator(A.shape, A.matvec, A.rmatvec)
    if min(A.shape) < 2:  # Lanczos needs room
        return np.linalg.norm(A @ np.ones(1) if A.shape[1] == 1 else A.T @ np.ones(1))
    # A fixed start vector: ARPACK's own is random and would make runs differ. No simple one: rows that sum to zero, like those
    # of a graph Laplacian, take a constant vector to zero.
    start = np.random.default_rng(0).standard_normal(min(A.shape))
    if not np.any((A.T if A.shape[0] < A.shape[1] else A) @ start):
        return 0.0  # ARPACK takes no zero matrix
    return svds(A, k=1, return_singular_vectors=False, v0=start)[0]


def norm(v):
    """Euclidean norm of a vector whose squares may leave float64."""
    largest = float(np.abs(v).max(initial=0.0))
    if 1e-140 < largest < 1e140:
        return float(np.sqrt(v @ v))
    return float(largest * np.linalg.norm(v / largest) if 0 < largest < np.inf else largest)


def operator_column_norms(A):
    """The norms of the columns of a `LinearOperator`, and the number of products they took.

    They are exact for up to `PROBES` columns. Of more, each squared norm is the mean of ``<a_j, z>^2`` over as many vectors
    `z` of random signs, always the same: within a fifth of the norm, most often. The entries of `z` are not exactly 1, so
    that no column but a zero one is orthogonal to all of them.
    """
    m, n = A.shape
    if n <= PROBES:
        images, number = np.stack([A @ unit for unit in np.eye(n, dtype=A.dtype)]).T, 1
    else:
        rng = np.random.default_rng(0)
        probes = rng.choice([-1.0, 1.0], (PROBES, m)) * rng.uniform(0.95, 1.05, (PROBES, m))
        images, number = np.stack([A.T @ z for z in probes.astype(A.dtype)]), PROBES
    images = _finite(images.astype(float))
    largest = np.max(np.abs(images), axis=0)
    largest[largest == 0] = 1.0
    return largest * np.linalg.norm(images / largest, axis=0) / np.sqrt(number), min(n, PROBES)


def gram(A, weights, work=None):
    """``A diag(weights) A.T`` as a dense array, for non-negative weights.

    A loop passes `work`, an array of the shape of a dense `A`: allocating it anew costs a third of the product.
    """
    if issparse(A):
        return (A.multiply(weights) @ A.T).toarray()
    half = np.multiply(A, np.sqrt(weights), out=work)
    return half @ half.T  # NumPy computes one triangle only when both factors are the same array
