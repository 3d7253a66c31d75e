"""Types of what the solvers take, for their signatures. What they ask of the values is in `_validation`."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import sparray, spmatrix
from scipy.sparse.linalg import LinearOperator

Matrix = ArrayLike | sparray | spmatrix | LinearOperator


class Multiplies(Protocol):
    """A matrix that is known by its products. It may have `column_norms`, `columns` and `gram`, which spare some."""

    @property
    def shape(self) -> tuple[int, int]: ...

    def matvec(self, v: np.ndarray, /) -> ArrayLike: ...

    def rmatvec(self, r: np.ndarray, /) -> ArrayLike: ...


class Parametrization(Protocol):
    """How `x` is made from the weights: what gradient descent asks of it. `implicit_bias.parametrizations` has some."""

    nonnegative: bool  # whether every `x` is non-negative

    def start(self, alpha: Any, n: int) -> np.ndarray:
        """The weights ``w(0)`` for the scale `alpha`; `n` is the number of entries of `x`."""

    def value(self, w: np.ndarray) -> np.ndarray:
        """The vector `x` of these weights."""

    def pullback(self, w: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """The gradient with respect to the weights, from the one with respect to `x`."""

    def size(self, w: np.ndarray) -> float | np.ndarray:
        """A bound on the size of `x` from which `curvature` follows."""

    def curvature(self, size: float | np.ndarray) -> float | np.ndarray:
        """Bound on the squared Jacobian of `value` where `size` is at most this."""
