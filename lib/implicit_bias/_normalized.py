"""A least-squares problem in units of its own: columns and data of a length near 1, products counted."""

import warnings
from dataclasses import dataclass
from functools import cached_property
from math import frexp

import numpy as np

from ._backends import Dense, Operator, as_backend
from ._matrices import as_entries, norm
from ._validation import NORMS, as_reals, check_size
from .measures import EPSILON, REACH, SLACK, SMALL_GAP, Certificate, _certify, _least
from .results import NonnegativeResult

FLOAT = np.dtype(float)  # with which a dtype is compared sooner than with `float`
MET = 1e-12  # of the norm of y: a residual that is none
HIDDEN = 1e-3  # of the loss: what rounding may hide in the worst case, where the gap of many columns is small
NO_GAP = 1e-11  # of the loss: a gap that is none, even for vectors far beyond reach
SIMILAR = 1000  # ratio of the lengths of columns that may stay as they are
CALLS = 4e5  # operations that take as long as the calls around a Gram matrix
CHEAP = 20  # products that a Gram matrix of all columns may cost
SMALL = 250_000  # entries of A that are cheap to have at hand, whatever the matrix is


def holds(certificate, tol):
    """Whether a certificate does, of many columns, too.

    A small residual alone is no reason: that of rows of little weight is always small. It has to be smaller than `tol`.
    """
    return certificate.holds(tol, _met(tol), HIDDEN)


def _met(tol):
    return max(tol**1.5, MET)


@dataclass(eq=False)
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

    @property
    def used(self):
        """Which entries are rather in the support of the solution than not."""
        return self.problem.squares * self.x > self.g

    @cached_property
    def near(self):
        """Nearly `optimality`, from below, for a fraction of its price."""
        return min(np.max(np.abs(np.minimum(self.x, self.g))), np.sqrt(self.loss)) / 2

    @property
    def settled(self):
        """Whether only rounding is left: in the gap, or in the residual where the data are met."""
        certificate, problem = self.certificate, self.problem
        if certificate.at_floor:
            return True
        size = float(problem.lengths @ self.x) + problem.size
        if certificate.relative_residual + 4 * self.precision * size / (problem.size or 1.0) <= MET:
            return True
        # A loss that is less than the rounding of its residual says nothing.
        if certificate.loss <= (4 * self.precision * size) ** 2 or certificate.gap > SMALL_GAP * certificate.loss:
            return False
        # The part of the gap that grows with the reach has to be smaller than the other one.
        wrong = -_least(self.g / np.where(problem.lengths > 0, problem.lengths, 1))
        return bool(wrong * REACH * size <= NO_GAP * certificate.loss)

    @property
    def rounded(self):
        """Whether the gap is rounding in twice the precision already: nobody will find a better certificate."""
        return self.precision < EPSILON and self.certificate.gap <= SLACK * self.certificate.floor

    def holds(self, tol):
        """Whether the certificate does."""
        return holds(self.certificate, tol)

    def missing(self, tol):
        """By what factor the certificate has to become better for that; none is missing where rounding is in the way."""
        certificate = self.certificate
        gap = certificate.gap / (max(tol, SMALL_GAP) * certificate.loss) if certificate.loss else 0.0
        relative = max(gap, certificate.kkt_residual / tol)
        return min(relative, certificate.relative_residual / _met(tol))

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
    """An array with columns of similar size (or zero) in its own units: what needs no `NormalizedProblem`.

    It is `tall` where the Gram matrix of all columns, no more than rows, costs little but more than the calls around it. All
    others are small.
    """

    small, lost, d, unit = True, False, 1.0, 1.0

    def __init__(self, A, y, lengths, size, tall):
        self.A, self.b, self.lengths, self.size, self.tall, self.products = A, y, lengths, size, tall, 0

    @classmethod
    def of(cls, A, y):
        """The problem, or None if it is another one."""
        if not type(A) is type(y) is np.ndarray:
            return None
        if not A.dtype == y.dtype == FLOAT:
            if A.size > SMALL or not (np.can_cast(A.dtype, float) and np.can_cast(y.dtype, float)):
                return None
            A, y = A.astype(float), y.astype(float)
        if A.ndim != 2 or y.shape != A.shape[:1] or not A.size:
            return None
        m, n = A.shape
        # Of the shape alone: a `Dense` would copy what is not contiguous.
        tall = n <= m and m * n * n > CALLS and (A.size <= SMALL or Dense.price_of_gram(A, n) <= CHEAP)
        if A.size > SMALL and not tall:
            return None
        squares, size = np.einsum("ij,ij->j", A, A), float(y.dot(y))
        least, largest = float(squares[squares.argmin()]), float(squares[squares.argmax()])
        if least == 0 < largest and not A[:, squares == 0].any():
            least = float(squares[squares > 0].min())
        # Each comparison with a NaN is False.
        ordinary = least > 1e-200 and largest < 1e200 and largest < SIMILAR**2 * least and 1e-200 < size < 1e200
        return cls(A, y, np.sqrt(squares), size**0.5, tall) if ordinary else None

    def point(self, x):
        """A point with its residual and gradient."""
        self.products += 2
        r = self.A.dot(x) - self.b
        return Point(x, r, r.dot(self.A), self)

    def in_units(self, x):
        return x

    slopes = in_units

    def residual_norm(self, point):
        return (2 * point.certificate.loss) ** 0.5


class NormalizedProblem:
    """``B = A / d`` and ``b = y / unit``, where `d` and `unit` are powers of two: nothing is rounded. `B` is never formed.

    The columns of `B` have `lengths` between 1/2 and 1, and so is the norm `size` of `b`. A zero column gets the largest. So
    does one that the data would need with an entry that leaves float64; if it could contribute more than rounding, `lost`
    says so. Small matrices, of whatever kind, become dense.
    """

    def __init__(self, A, y):
        self.given = self.matrix = as_backend(A)
        m, self.n = self.matrix.shape
        self.small = m * self.n <= SMALL and isinstance(self.matrix, Dense)
        if self.small and type(self.matrix) is not Dense:
            self.given.products += min(m, self.n) if isinstance(self.given, Operator) else 0
            self.matrix = Dense(as_entries(self.given.A))
        y = as_reals("y", y).astype(float)
        if y.shape == (m, 1):
            y = y[:, 0]
        if y.shape != (m,):
            raise ValueError(f"y must have shape ({m},), one entry for each row of A; got {y.shape}")
        self.y, self.data_norm = y, norm(y)
        check_size("y", self.data_norm, NORMS, "a size")
        norms, self.lost = self.matrix.column_norms(), False
        check_size("A", norms.max(initial=0.0), NORMS, "a size")
        if norms.min(initial=np.inf) < 1e-300 * self.data_norm:
            with np.errstate(over="ignore"):
                largest = norms * np.finfo(float).max  # what an entry of x can contribute
            left_out = (norms > 0) & (largest < self.data_norm)
            self.lost = bool(np.any(largest[left_out] > MET * self.data_norm))
            norms[left_out] = 0
            if self.small and left_out.any():
                self.matrix = Dense(np.where(left_out, 0, self.matrix.A))
        self.empty = norms == 0
        # The next larger powers of two; 1 for zero.
        self.d, self.unit = np.ldexp(1.0, np.frexp(norms)[1]), 2.0 ** frexp(self.data_norm)[1]
        if self.empty.any():
            self.d[self.empty] = self.d[~self.empty].max() if not self.empty.all() else 1.0
        self.lengths, self.size = norms / self.d, self.data_norm / self.unit
        self.units = np.where(self.empty, 1.0, self.lengths)
        self.squares, self.b = self.units**2, y / self.unit

    @property
    def products(self):
        """So far, with `A` and its transpose."""
        return self.matrix.products + (self.given.products if self.given is not self.matrix else 0)

    @cached_property
    def correlation(self):
        """``B.T b``."""
        return self.backward(self.b)

    def forward(self, v):
        """``B v``."""
        return self.matrix.forward(v / self.d)

    def backward(self, r):
        """``B.T r``."""
        return self.matrix.backward(r) / self.d

    def normal(self, v):
        """``B v`` and ``B.T B v``."""
        image, back = self.matrix.normal(v / self.d)
        return image, back / self.d

    def columns(self, chosen):
        """The chosen columns of `B`, dense."""
        columns = self.matrix.columns(chosen)
        columns /= self.d[chosen]
        return columns

    def part(self, chosen):
        """The chosen columns in the form of the matrix, and what to divide them by."""
        d = self.d[chosen]
        if np.all((d > 1e-100) & (d < 1e100)):  # else their squares are no numbers
            return self.matrix.part(chosen), d
        return self.columns(chosen), np.ones(len(chosen))

    def zero(self):
        """The point ``x = 0``."""
        return Point(np.zeros(self.n), -self.b, -self.correlation, self)

    def point(self, x, image=None):
        """A point with its residual and gradient, computed afresh; ``image = B x`` may be known."""
        r = (self.forward(x) if image is None else image) - self.b
        return Point(x, r, self.backward(r), self)

    def in_units(self, x):
        """The vector in the units of `A` and `y`."""
        with np.errstate(over="ignore"):
            x = x * (self.unit / self.d)
        if not np.isfinite(x).all():
            raise ValueError("A and y must have sizes whose quotient is below 1e308: rescale the problem")
        return x

    def slopes(self, g):
        """The gradient in the units of `A` and `y`."""
        return g * (self.d * self.unit)

    def residual_norm(self, point):
        """``|A x - y|``, of the vector in the units of `A` and `y`."""
        if self.matrix is self.given:
            return self.unit * float(np.sqrt(point.loss))
        return norm(self.given.forward(self.in_units(point.x)) - self.y)


def reported(certificate, tol, converged, how, level, advice="", **fields):
    """The result with these fields and those of the certificate; a warning `level` calls above where it does not hold."""
    optimality = float(certificate.optimality)
    message = f"{how}, with a relative gap of {optimality:.1e}"
    if not optimality <= tol and (converged or certificate.floor > tol * certificate.loss):
        message += f"; rounding hides {certificate.floor / (certificate.loss or 1.0):.1e}"
    message += advice
    if not converged:
        warnings.warn(f"nnls: {message}.", RuntimeWarning, stacklevel=level)
    return NonnegativeResult(
        converged=converged,
        message=f"{message}.",
        optimality=optimality,
        measured_by="relative gap",
        kkt_residual=float(certificate.kkt_residual),
        **fields,
    )
