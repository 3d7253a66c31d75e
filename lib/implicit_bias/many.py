"""Non-negative least squares where the right-hand sides come one after the other, or in blocks, and the matrix stays."""

from dataclasses import replace

from numpy.typing import ArrayLike

from ._columns import Columns
from ._types import Matrix, Multiplies
from ._validation import as_outputs, as_positive
from .nnls import SMALLEST_TOLERANCE, nnls
from .results import NonnegativeResult


class NNLS:
    r"""A matrix, prepared once for a stream of right-hand sides: ``NNLS(A).solve(Y)`` is ``nnls(A, Y)``.

    What depends on `A` alone is computed once and kept: the Gram matrix and its inverse, or a QR factorization where the Gram
    matrix would lose too many digits. For all columns at once operator splitting finds most supports, and block pivoting
    corrects and solves on them. Each column is certified from the data, as in `nnls`; where the certificate does not hold,
    the method of SciPy with the triangular factor follows, and then `nnls` for this column alone. Matrices that are large and
    ill-conditioned, sparse, or a `LinearOperator` take that way at once, each solution being the start of the next if it
    explains half of the data. With the extra `fast` of the library, which is numba, blocks of at least 50000 unknowns are
    solved in machine code; the answers are the same up to rounding.

    Source: Gabay and Mercier (1976) for the splitting, Portugal, Judice and Vicente (1994) for the pivoting. Taught in the
    chapter "Non-negative least squares".

    Parameters
    ----------
    A : array_like, sparse matrix, LinearOperator, dask array or an object of your own, shape (m, n)
        As in `nnls`.

    Raises
    ------
    ValueError
        For a wrong shape, a NaN or infinity, or entries that are not real.

    Examples
    --------
    >>> unmix = NNLS([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    >>> unmix.solve([[1.0, -1.0], [2.0, 1.0], [3.0, 1.0]]).x.round(12).tolist()
    [[1.0, 0.0], [2.0, 1.0]]
    """

    def __init__(self, A: Matrix | Multiplies) -> None:
        self._columns = Columns(A, nnls)

    def solve(self, y: ArrayLike, *, tol: float = 1e-8, progress: bool = False) -> NonnegativeResult:
        """Minimize ``|A x - y|`` over ``x >= 0``, for a vector or for each column of a matrix.

        Parameters
        ----------
        y : array_like, shape (m,) or (m, k)
        tol : float
            As in `nnls`.
        progress : bool
            Whether to tell how many columns are solved: by a bar, if the package tqdm is installed, else by lines.

        Returns
        -------
        NonnegativeResult
            With `x` of shape (n,) or (n, k).

        Raises
        ------
        ValueError
            For a wrong shape, a NaN or infinity, or entries that are not real.
        """
        tol = as_positive("tol", tol)
        if tol < SMALLEST_TOLERANCE:
            raise ValueError(f"tol must be at least {SMALLEST_TOLERANCE:g}, got {tol:g}")
        y = as_outputs("y", y, self._columns.A.shape[0])
        result = self._columns.solve(y if y.ndim == 2 else y[:, None], tol, progress)
        if y.ndim == 2:
            return result
        arrays = {name: getattr(result, name)[:, 0] for name in ("x", "dual", "active")}
        numbers = {
            name: float(getattr(result, name)[0]) for name in ("optimality", "residual_norm", "kkt_residual", "gap")
        }
        return replace(result, **arrays, **numbers)
