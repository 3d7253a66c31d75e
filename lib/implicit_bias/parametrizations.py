r"""How the vector ``x`` is made from the weights that gradient descent trains, and the geometry this induces.

Gradient descent on the weights `w` of ``x = value(w)`` moves `x` as mirror descent with a potential `h` would: along the
flow, :math:`\tfrac{d}{dt}\nabla h(x) = -\nabla\ell(x)`. A parametrization therefore has two faces.

The weights, all that `descent` needs: `start`, `value`, `pullback`, `size`, `curvature`.

The potential: `mirror_map` (:math:`\nabla h`), `inverse_mirror_map`, `potential` (:math:`h`), and the *dual coordinate* in
which `flow` and `limits` compute, an affine image ``s = dual_rate * (grad h(x) - grad h(x(0)))`` scaled such that `x` is an
explicit function of `s`. It starts at 0 and stays in the range of ``A.T``.

A `Reparametrization` is made of any increasing map, or `from_potential` of any potential.

`Linear` and the products of matrices have the first face only: the potential of the former, ``|x|^2/2``, needs no library,
and the flow of the latter is no mirror flow unless everything commutes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import solve_ivp

from ._validation import (
    NORMS,
    as_alpha,
    as_groups,
    as_integers,
    as_matrices,
    as_numbers,
    as_positive,
    as_reals,
    as_scale,
    as_seed,
    check_size,
)


@dataclass(frozen=True, eq=False)
class DualPoint:
    """A dual coordinate `s` with its distances ``below = 1 - s`` and ``above = 1 + s`` to the ends of its domain.

    For depth > 2 a small start drives `s` so close to 1 that ``1 - s`` cannot be computed from it (``1 - s`` is about
    ``alpha^(depth - 2)``). The distances are updated step by step instead, which keeps their relative precision.
    """

    s: np.ndarray
    below: np.ndarray
    above: np.ndarray

    @classmethod
    def at(cls, s: np.ndarray) -> "DualPoint":
        return cls(s, 1 - s, 1 + s)

    def moved(self, ds: np.ndarray) -> "DualPoint":
        return DualPoint(self.s + ds, self.below - ds, self.above + ds)


class Linear:
    """The weights themselves, ``x = w``: least squares and logistic regression as they stand.

    Taught in the chapter "Overparameterization".

    Parameters
    ----------
    start : array_like, shape (n,), optional
        Where the weights begin, multiplied by `alpha`; zero by default, where `alpha` has no effect.

    Raises
    ------
    ValueError
        If `start` is not a vector of finite numbers.

    Examples
    --------
    >>> linear = Linear([1.0, -2.0])
    >>> linear.value(linear.start(0.5, 2)).tolist()
    [0.5, -1.0]
    """

    nonnegative = False
    depth = 1

    def __init__(self, start: ArrayLike | None = None) -> None:
        self.direction = None if start is None else as_numbers("start", start)

    def __repr__(self):
        return "Linear()" if self.direction is None else f"Linear({self.direction.tolist()})"

    def start(self, alpha: ArrayLike, n: int) -> np.ndarray:
        """Weights ``alpha * start``; `alpha` is a number, or has shape (n,), (k, 1) or (k, n) for k starts."""
        alpha = as_alpha(alpha, n)
        direction = np.zeros(n) if self.direction is None else self.direction
        if direction.shape != (n,):
            raise ValueError(f"start must have shape ({n},), one entry for each column of A; got {direction.shape}")
        return alpha * direction

    def value(self, w: np.ndarray) -> np.ndarray:
        """The vector ``x = w``."""
        return w.copy()

    def size(self, w: np.ndarray) -> float | np.ndarray:
        """The largest entry of `x`, in absolute value."""
        return np.abs(w).max(axis=-1)

    def curvature(self, size: float | np.ndarray) -> float | np.ndarray:
        """The squared Jacobian of `value`, which is 1 everywhere."""
        return np.ones_like(size)

    def pullback(self, w: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """Gradient with respect to the weights, which is that with respect to `x`."""
        return gradient.copy()


# A depth above 2: the exponent of the dual coordinate, and rounding with it, grows like 1 / (depth - 2).
NEAREST = 2.000001


class _Power:
    """What the one-signed and the signed Hadamard power share."""

    def __init__(self, depth: float) -> None:
        try:
            number = float(depth)
        except (TypeError, ValueError, OverflowError):
            number = np.nan
        if not 2 <= number <= 1e100:  # whose square is beyond float64
            raise ValueError(f"depth must be a finite number that is at least 2, got {depth!r}")
        if 2 < number < NEAREST:
            raise ValueError(f"depth must be 2, or at least {NEAREST}, nearer to 2 it is rounding; got {depth!r}")
        self.depth = int(number) if number.is_integer() else number

    def __repr__(self):
        return f"{type(self).__name__}({self.depth})"

    def __eq__(self, other):
        return type(self) is type(other) and self.depth == other.depth

    def __hash__(self):
        return hash((type(self), self.depth))

    @property
    def _exponent(self):
        """The exponent q = L/(L-2) of the dual coordinate; infinite at depth 2, where powers become exponentials."""
        return np.inf if self.depth == 2 else self.depth / (self.depth - 2)

    def curvature(self, size: float | np.ndarray) -> float | np.ndarray:
        """Bound ``L^2 M^(2-2/L)`` on the squared Jacobian of `value` where `size` is at most `M`."""
        return self.depth**2 * size ** (2 - 2 / self.depth)

    def log_start(self, alpha: ArrayLike) -> float | np.ndarray:
        """``log(alpha^L)``, the scale of `x(0)`; refused where ``alpha^L`` or its reciprocal is beyond float64."""
        return _log_start(alpha, self.depth)

    def dual_rate(self, alpha: ArrayLike) -> float | np.ndarray:
        r"""The factor `c` in ``ds/dt = -c A.T (A x - y)``: 4 for depth 2, else ``L (L-2) alpha^(L-2)``."""
        if self.depth == 2:
            return 4.0
        return self.depth * (self.depth - 2) * np.asarray(alpha, dtype=float) ** (self.depth - 2)


class HadamardPower(_Power):
    r"""The one-signed power ``x = w^L`` (entry by entry), for non-negative vectors.

    The potential is :math:`\tfrac14\sum(x\ln x - x)` at depth 2 and :math:`-\tfrac{1}{2(L-2)}\sum x^{2/L}` above.

    Source: Chou, Maly and Rauhut (2023), Chou, Maly and Verdun (2022). Taught in the chapter "Sparse recovery".

    Parameters
    ----------
    depth : float
        The power `L`, 2 or at least 2.000001.

    Raises
    ------
    ValueError
        If `depth` is less than 2 or not finite, or so near to 2 that it is rounding.

    Examples
    --------
    >>> square = HadamardPower(2)
    >>> square.value(square.start(0.5, 3)).tolist()
    [0.25, 0.25, 0.25]
    """

    nonnegative = True

    def start(self, alpha: ArrayLike, n: int) -> np.ndarray:
        """Weights ``w(0) = alpha``; `alpha` is a number, or has shape (n,), (k, 1) or (k, n) for k starts."""
        alpha = as_alpha(alpha, n)
        self.log_start(alpha)
        return np.broadcast_to(alpha, (*alpha.shape[:-1], n)).copy()

    def value(self, w: np.ndarray) -> np.ndarray:
        """The vector ``x = w^L``; the absolute value of `w` counts, so that odd and real powers stay one-signed."""
        return np.abs(w) ** self.depth

    def size(self, w: np.ndarray) -> float | np.ndarray:
        """The largest entry of `x`."""
        return np.abs(w).max(axis=-1) ** self.depth

    def pullback(self, w: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """Gradient with respect to the weights, ``L |w|^(L-1) sign(w) * gradient``."""
        if self.depth == 2:
            return 2 * w * gradient
        return self.depth * np.copysign(np.abs(w) ** (self.depth - 1), w) * gradient

    def mirror_map(self, x: float | np.ndarray, alpha: ArrayLike | None = None) -> float | np.ndarray:
        r"""The gradient of the potential at `x` > 0; it does not depend on `alpha`."""
        x = np.asarray(x, dtype=float)
        L = self.depth
        return np.log(x) / 4 if L == 2 else -(x ** (2 / L - 1)) / (L * (L - 2))

    def inverse_mirror_map(self, theta: float | np.ndarray, alpha: ArrayLike | None = None) -> float | np.ndarray:
        """The `x` with ``mirror_map(x) = theta``."""
        theta = np.asarray(theta, dtype=float)
        L = self.depth
        return np.exp(4 * theta) if L == 2 else (-L * (L - 2) * theta) ** -self._exponent

    def potential(self, x: float | np.ndarray, alpha: ArrayLike | None = None) -> float | np.ndarray:
        """The potential `h`, summed over the last axis."""
        x = np.asarray(x, dtype=float)
        L = self.depth
        if L == 2:
            return np.sum(x * np.log(np.where(x > 0, x, 1)) - x, axis=-1) / 4
        return -np.sum(x ** (2 / L), axis=-1) / (2 * (L - 2))

    def from_dual(self, point: DualPoint, log_start: float | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`x` and ``dx/ds`` at a dual point, for ``x(0) = exp(log_start)``."""
        if self.depth == 2:
            x = np.exp(point.s + log_start)
            return x, x
        q = self._exponent
        x = np.exp(log_start - q * np.log(point.below))
        return x, q * x / point.below

    def longest_step(self, point: DualPoint, ds: np.ndarray) -> float:
        """How far a Newton step may go along `ds`: see `_longest_step`."""
        return _longest_step(np.max(ds) / 16 if self.depth == 2 else np.max(ds / point.below) / 0.9)


class SignedHadamardPower(_Power):
    r"""The difference of two powers ``x = u^L - v^L``, for vectors of any sign, started at ``u = v = alpha``.

    At depth 2 the potential is the hyperbolic entropy
    :math:`\tfrac14\sum x\,\mathrm{arsinh}\frac{x}{2\alpha^2} - \sqrt{x^2+4\alpha^4}`; it depends on the scale of the start.

    Source: Woodworth et al. (2020), Chou, Maly and Rauhut (2023). Taught in the chapter "Sparse recovery".

    Parameters
    ----------
    depth : float
        The power `L`, 2 or at least 2.000001.

    Raises
    ------
    ValueError
        If `depth` is less than 2 or not finite, or so near to 2 that it is rounding.

    Examples
    --------
    >>> signed = SignedHadamardPower(3)
    >>> signed.value(signed.start(0.5, 3)).tolist()
    [0.0, 0.0, 0.0]
    """

    nonnegative = False

    def start(self, alpha: ArrayLike, n: int) -> np.ndarray:
        """Weights ``(u, v)``, both `alpha`, stacked along the first axis; shapes of `alpha` as in `HadamardPower`."""
        alpha = as_alpha(alpha, n)
        self.log_start(alpha)
        return np.broadcast_to(alpha, (2, *alpha.shape[:-1], n)).copy()

    def value(self, w: np.ndarray) -> np.ndarray:
        """The vector ``x = u^L - v^L``."""
        powers = np.abs(w) ** self.depth
        return powers[0] - powers[1]

    def size(self, w: np.ndarray) -> float | np.ndarray:
        """The largest ``(u^2 + v^2)^(L/2)``: about the largest entry of `x`, but not 0 where `u` and `v` cancel."""
        return np.max(w[0] ** 2 + w[1] ** 2, axis=-1) ** (self.depth / 2)

    def pullback(self, w: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """Gradient with respect to the weights, of the shape of `w`."""
        slope = 2 * w if self.depth == 2 else self.depth * np.copysign(np.abs(w) ** (self.depth - 1), w)
        slope[1] *= -1
        return slope * gradient

    def mirror_map(self, x: float | np.ndarray, alpha: ArrayLike) -> float | np.ndarray:
        r"""The gradient of the potential at `x` for the start `alpha`."""
        z = np.asarray(x, dtype=float) / np.asarray(alpha, dtype=float) ** self.depth
        if self.depth == 2:
            return np.arcsinh(z / 2) / 4
        return np.tanh(self._angle(z)) / self.dual_rate(alpha)

    def inverse_mirror_map(self, theta: float | np.ndarray, alpha: ArrayLike) -> float | np.ndarray:
        """The `x` with ``mirror_map(x, alpha) = theta``."""
        s = np.asarray(theta, dtype=float) * self.dual_rate(alpha)
        return self.from_dual(DualPoint.at(s), self.log_start(alpha))[0]

    def potential(self, x: float | np.ndarray, alpha: ArrayLike) -> float | np.ndarray:
        """The potential `h` with ``h(0) = 0``, summed over the last axis."""
        x = np.asarray(x, dtype=float)
        alpha = np.asarray(alpha, dtype=float)
        L = self.depth
        if L == 2:
            # sqrt(x^2 + 4 alpha^4) - 2 alpha^2, written without the cancellation
            root = x**2 / (np.hypot(x, 2 * alpha**2) + 2 * alpha**2)
            return np.sum(x * np.arcsinh(x / (2 * alpha**2)) - root, axis=-1) / 4
        # Legendre: h(x) = x theta - h*(theta), where h* is the integral of the inverse mirror map.
        angle = self._angle(x / alpha**L)
        power = 2 / (L - 2)
        logs = power * _log_cosh(angle) + _log_cosh(power * angle)
        conjugate = alpha**L * (L - 2) * np.expm1(logs)
        return np.sum((x * np.tanh(angle) - conjugate) / self.dual_rate(alpha), axis=-1)

    def from_dual(self, point: DualPoint, log_start: float | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`x` and ``dx/ds`` at a dual point, for ``u(0)^L = v(0)^L = exp(log_start)``."""
        if self.depth == 2:
            twice = 2 * np.exp(log_start)
            return twice * np.sinh(point.s), twice * np.cosh(point.s)
        q = self._exponent
        small = np.maximum(np.minimum(point.s, 0.5), -0.5)
        below, above = np.log(point.below), np.log(point.above)
        u, v = np.exp(log_start - q * below), np.exp(log_start - q * above)
        # For small s the difference u - v cancels; the same number as a product does not.
        near = 2 * np.exp(log_start - q / 2 * (below + above)) * np.sinh(q * np.arctanh(small))
        return np.where(np.abs(point.s) < 0.5, near, u - v), q * (u / point.below + v / point.above)

    def longest_step(self, point: DualPoint, ds: np.ndarray) -> float:
        """How far a Newton step may go along `ds`: see `_longest_step`."""
        if self.depth == 2:
            # An entry that shrinks may pass zero, and grow to the other side.
            return _longest_step(np.max(np.abs(ds) / (16 + 2 * np.maximum(-np.sign(ds) * point.s, 0))))
        return _longest_step(max(np.max(ds / point.below), np.max(-ds / point.above)) / 0.9)

    def _angle(self, z):
        r"""Solve ``(1-s)^(-q) - (1+s)^(-q) = z`` for ``t = artanh(s)``, where it reads :math:`2\cosh^q t\,\sinh qt = z`.

        Newton's method on ``arsinh(left/2) = arsinh(z/2)``, whose slope in `t` lies between `q` and about `2 q`.
        """
        q = self._exponent
        target = np.arcsinh(np.abs(z) / 2)
        t = target / q
        for _ in range(60):
            with np.errstate(divide="ignore"):  # log(0) at t = 0, where the value is 0
                log_left = q * (_log_cosh(t) + t) + np.log(-np.expm1(-2 * q * t))
            left = np.exp(np.minimum(log_left, 50.0))
            value = np.where(log_left < 50, np.arcsinh(left / 2), log_left)
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                slope = left * q * (np.tanh(t) + 1 / np.tanh(q * t)) / np.sqrt(4 + left**2)
            step = (target - value) / np.where(t > 0, slope, q)
            t = np.maximum(t + step, 0)
            if np.all(np.abs(step) <= 1e-15 * (1 + t)):
                break
        return np.copysign(t, z)


Entrywise = Callable[[np.ndarray], np.ndarray]
MAX_EVALUATIONS = 10_000  # of the derivative of a map, to follow it from one weight to another


class Reparametrization:
    r"""Any increasing map, ``x = rho(w)`` entry by entry, with the geometry :math:`h'' = 1/\rho'(\rho^{-1}(x))^2`.

    Along the gradient flow in `w`, `x` moves as a mirror flow with the potential `h`, and :math:`h'(x(t)) - h'(x(0))` stays in
    the range of ``A.T``. `gradient_descent`, `gradient_flow` and `flow_limit` take it. The last two need :math:`h'` and its
    inverse: in closed form where they are given, else an integrator solves :math:`dw/d\theta = \rho'(w)`, which takes some
    hundred times as long.

    Source: Chou, Maly and Stoeger (2023), Li, Wang, Lee and Arora (2022). Taught in the chapter "Other geometries".

    Parameters
    ----------
    rho, derivative, inverse : callable
        The map, its derivative (not negative) and its inverse, functions of arrays.
    mirror_map, inverse_mirror_map : callable, optional
        :math:`h'` and its inverse; both or none.
    start : float or array_like, shape (n,)
        The weights begin at `alpha` times this; 1 by default. Zero begins at ``rho(0)``, whatever `alpha`.
    nonnegative : bool
        Whether every `x` is non-negative.

    Raises
    ------
    ValueError
        If a function is none, only one of the two mirror maps is given, or `start` is not finite; at the start of a run, if
        `rho` does not increase there, or `derivative` or `mirror_map` does not belong to it.

    Examples
    --------
    >>> model = Reparametrization(np.sinh, np.cosh, np.arcsinh, mirror_map=np.arctan, inverse_mirror_map=np.tan, start=0.0)
    >>> model.value(model.start(1.0, 2)).tolist()
    [0.0, 0.0]
    >>> float(model.second_derivative(np.array(2.0)).round(12))  # 1 / (1 + x^2)
    0.2
    """

    def __init__(
        self,
        rho: Entrywise,
        derivative: Entrywise,
        inverse: Entrywise,
        *,
        mirror_map: Entrywise | None = None,
        inverse_mirror_map: Entrywise | None = None,
        start: ArrayLike = 1.0,
        nonnegative: bool = False,
    ) -> None:
        if (mirror_map is None) != (inverse_mirror_map is None):
            raise ValueError("mirror_map and inverse_mirror_map must be given together, or none of them")
        given = {"rho": rho, "derivative": derivative, "inverse": inverse}
        if mirror_map is not None:
            given |= {"mirror_map": mirror_map, "inverse_mirror_map": inverse_mirror_map}
        for name, function in given.items():
            if not callable(function):
                raise ValueError(f"{name} must be a function of an array, got {function!r}")
        self.rho, self.derivative, self.inverse = rho, derivative, inverse
        self.mirror_map, self.inverse_mirror_map = mirror_map, inverse_mirror_map
        self.direction = as_reals("start", start).astype(float)
        if self.direction.ndim > 1 or not np.all(np.isfinite(self.direction)):
            raise ValueError(f"start must be a finite number, or one for each entry; got {start!r}")
        self.nonnegative = bool(nonnegative)
        self._asked = True  # whether the derivative is compared with the map
        self._began = None  # the last weights that `from_dual` began at, and h' there

    def __repr__(self):
        return f"Reparametrization({getattr(self.rho, '__name__', self.rho)})"

    def second_derivative(self, x: np.ndarray) -> np.ndarray:
        r""":math:`h''(x)`, infinite where the map is flat."""
        with np.errstate(divide="ignore"):
            return self.derivative(self.inverse(x)) ** -2.0

    def start(self, alpha: ArrayLike, n: int) -> np.ndarray:
        """Weights ``alpha * start``; `alpha` is a number, or has shape (n,), (k, 1) or (k, n) for k starts."""
        alpha = as_alpha(alpha, n)
        if self.direction.shape not in ((), (n,)):
            raise ValueError(f"start must be a number or have shape ({n},), got {self.direction.shape}")
        w = np.broadcast_to(alpha, (*alpha.shape[:-1], n)) * self.direction
        given = w.copy()
        with np.errstate(all="ignore"):
            x = self.rho(given)
            if not (isinstance(x, np.ndarray) and x.shape == w.shape and x.dtype.kind == "f"):
                raise ValueError("rho must return an array of real numbers, of the shape of its argument")
            if self._asked:
                self.derivative(given)
            seen = x.copy()
            back = self.inverse(seen)
        if not (np.array_equal(given, w) and np.array_equal(seen, x, equal_nan=True)):
            raise ValueError("rho, derivative and inverse must leave their arguments as they are")
        if not np.all(np.abs(back - w) <= 1e-6 * (1 + np.abs(w))):
            raise ValueError(
                "start must give weights of the interval where rho increases and inverse(rho(w)) is w in float64; "
                f"got alpha * start from {np.min(w):g} to {np.max(w):g}"
            )
        if self._asked and not _is_slope(self.rho, self.derivative, w):
            raise ValueError("derivative must be that of rho, and not negative; at the start it is something else")
        if self.mirror_map is not None and not _is_slope(self.mirror_map, self.second_derivative, x):
            raise ValueError(
                "mirror_map must have the derivative h'' of the map, see second_derivative; it has another"
            )
        return w

    def value(self, w: np.ndarray) -> np.ndarray:
        """The vector ``x = rho(w)``."""
        return self.rho(w)

    def pullback(self, w: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """Gradient with respect to the weights, ``rho'(w) * gradient``."""
        return self.derivative(w) * gradient

    def size(self, w: np.ndarray) -> float | np.ndarray:
        """The largest entry of `x`, in absolute value."""
        return np.max(np.abs(self.rho(w)), axis=-1)

    def curvature(self, size: float | np.ndarray) -> float | np.ndarray:
        """The largest ``1 / h''(x)`` of 129 points with ``|x| <= size``, the squared derivative of the map there."""
        shares = np.linspace(0.0 if self.nonnegative else -1.0, 1.0, 129)
        with np.errstate(all="ignore"):  # points outside of the range of the map
            squares = 1 / self.second_derivative(np.multiply.outer(np.asarray(size, dtype=float), shares))
        return np.max(np.where(np.isfinite(squares), squares, 0.0), axis=-1)

    def from_dual(self, point: DualPoint, first: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        r"""`x` and ``dx/ds = 1/h''`` for :math:`h'(x) = h'(x(0)) + s`, given the weights ``w(0) = first``; NaN outside."""
        with np.errstate(all="ignore"):
            if self.mirror_map is None:
                w = _follow(self.derivative, first, point.s)
                return self.rho(w), self.derivative(w) ** 2
            began = self._began  # to integrate a map takes longer than all the rest
            if began is None or not np.array_equal(began[0], first):
                self._began = began = np.array(first), self.mirror_map(self.rho(first))
            start = began[1]
            x = self.inverse_mirror_map(start + point.s)
            # A mirror map with a bounded range has an inverse that may go on outside of it, as the tangent does.
            x = np.where(
                np.abs(self.mirror_map(x) - start - point.s) <= 1e-6 * (1 + np.abs(start + point.s)), x, np.nan
            )
            return x, 1 / self.second_derivative(x)

    def longest_step(self, point: DualPoint, ds: np.ndarray) -> float:
        """A Newton step may go as far as it likes: what leaves the domain is NaN, and refused."""
        return np.inf


def from_potential(
    mirror_map: Entrywise,
    inverse_mirror_map: Entrywise,
    second_derivative: Entrywise,
    *,
    anchor: float = 0.0,
    start: ArrayLike = 0.0,
    nonnegative: bool = False,
) -> Reparametrization:
    r"""The other way: the map whose gradient flow has a given potential.

    It solves :math:`\rho' = h''(\rho)^{-1/2}` with ``rho(0) = anchor``. The map is integrated to 1e-12 whenever a weight
    is turned into an entry. `gradient_flow` and `flow_limit` do not need it.

    Source: Chou, Maly and Stoeger (2023). Taught in the chapter "Other geometries".

    Parameters
    ----------
    mirror_map, inverse_mirror_map, second_derivative : callable
        :math:`h'`, its inverse and :math:`h''`, functions of arrays.
    anchor : float
        A point where :math:`h''` is finite and positive: the entry of the weight 0.
    start, nonnegative
        As for `Reparametrization`; by default the weights begin at 0, and all entries at `anchor`.

    Returns
    -------
    Reparametrization

    Raises
    ------
    ValueError
        If a function is none, or :math:`h''` is not positive and finite at `anchor`.

    Examples
    --------
    The entropy ``x ln x - x`` belongs to the square of the weight, here ``(1 + w/2)^2``:

    >>> model = from_potential(np.log, np.exp, lambda x: 1 / x, anchor=1.0, nonnegative=True)
    >>> model.value(np.array([0.0, 2.0])).round(9).tolist()
    [1.0, 4.0]
    """
    if not callable(second_derivative):
        raise ValueError(f"second_derivative must be a function of an array, got {second_derivative!r}")
    with np.errstate(all="ignore"):
        steepness = float(np.asarray(second_derivative(np.array([float(anchor)])))[0])
    if not (np.isfinite(steepness) and steepness > 0):
        raise ValueError(f"anchor must be a point where h'' is positive and finite, at {anchor} it is {steepness}")

    def slope(x):
        return second_derivative(x) ** -0.5

    def rho(w):
        return _follow(slope, np.full(np.shape(w), float(anchor)), w)

    def inverse(x):  # the integral of the root of h''
        return _follow(lambda w, x: second_derivative(x) ** 0.5, np.zeros(np.shape(x)), x - anchor, at=float(anchor))

    model = Reparametrization(
        rho,
        lambda w: slope(rho(w)),
        inverse,
        mirror_map=mirror_map,
        inverse_mirror_map=inverse_mirror_map,
        start=start,
        nonnegative=nonnegative,
    )
    model.second_derivative, model._asked = second_derivative, False  # each look would integrate the map
    return model


def _is_slope(function, slope, at):
    """Whether `slope` is the derivative of an increasing function near the points `at`, of which differences are means.

    Where one of them is no number nothing is said.
    """
    step = np.where(at == 0, 1e-5, 1e-5 * np.abs(at))
    with np.errstate(all="ignore"):
        difference = (function(at + step) - function(at - step)) / (2 * step)
        slopes = np.array([np.broadcast_to(slope(at + share * step), at.shape) for share in (-1, 0, 1)])
        least, largest = np.min(slopes, axis=0), np.max(slopes, axis=0)
        rounding = 1e-3 * np.abs(largest) + 1e-14 * np.abs(function(at.copy())) / step
        wrong = (difference < least - rounding) | (difference > largest + rounding) | (slopes[1] < 0)
    return not np.any(wrong & np.isfinite(slopes[1]))


def _follow(velocity, first, length, at=None):
    """``z(length)`` for ``dz/ds = velocity(z)``, ``z(0) = first``, each entry by itself; NaN where it does not get so far.

    With `at` the velocity is that of ``(z, at + s)``.
    """
    length = np.asarray(length, dtype=float)
    left = MAX_EVALUATIONS

    def move(share, z):
        nonlocal left
        left -= 1
        if left < 0:  # towards the end of the range of a map, of which ever more steps bring nothing
            return np.full(length.size, np.nan)
        inner = (z,) if at is None else (z, at + share * length.ravel())
        return length.ravel() * velocity(*inner)

    with np.errstate(all="ignore"):
        run = solve_ivp(
            move, (0.0, 1.0), np.broadcast_to(first, length.shape).ravel(), "DOP853", rtol=1e-12, atol=1e-14
        )
    end = run.y[:, -1] if run.status == 0 else np.full(length.size, np.nan)
    return end.reshape(length.shape)


class GroupHadamard:
    r"""A number times a vector for each group of entries, ``x_g = u_g v_g``, started at ``u = alpha``, ``v = 0``.

    Weight decay on these weights is the penalty :math:`\sum_g |x_g|_2` of the group lasso on `x`, see `hadamard_penalty`.
    The weights are one flat array, the numbers `u` first.

    Source: Kolb et al. (2023), Ziyin and Wang (2023). Taught in the chapter "Weight decay".

    Parameters
    ----------
    groups : array_like of int, shape (n,)
        The group of each entry: integers from 0 on, each of which occurs.

    Raises
    ------
    ValueError
        If `groups` is not such a list.

    Examples
    --------
    >>> pairs = GroupHadamard([0, 0, 1, 1])
    >>> pairs.value(np.array([2.0, 3.0, 1.0, 0.0, 0.0, -1.0])).tolist()
    [2.0, 0.0, 0.0, -3.0]
    """

    nonnegative = False
    depth = 2

    def __init__(self, groups: ArrayLike) -> None:
        self.groups = as_groups(groups)
        self.number = int(self.groups.max()) + 1
        self._order = np.argsort(self.groups, kind="stable")
        self._first = np.searchsorted(self.groups[self._order], np.arange(self.number))

    def __repr__(self):
        return f"GroupHadamard({self.groups.tolist()})"

    def sums(self, entries: np.ndarray) -> np.ndarray:
        """The sum over each group, shape (..., number of groups)."""
        return np.add.reduceat(entries[..., self._order], self._first, axis=-1)

    def _split(self, w):
        return w[..., : self.number], w[..., self.number :]

    def start(self, alpha: ArrayLike, n: int) -> np.ndarray:
        """Flat weights ``(alpha, 0)``; `alpha` is a number, or has shape (k, 1) for k starts."""
        if n != len(self.groups):
            raise ValueError(f"groups must have {n} entries, one for each column of A; got {len(self.groups)}")
        alpha = as_scale(alpha)
        ones = np.r_[np.ones(self.number), np.zeros(n)]
        return alpha * ones

    def log_start(self, alpha: ArrayLike) -> float | np.ndarray:
        """``log(alpha^2)``, the scale of the squared weights; refused where it or its reciprocal is beyond float64."""
        return _log_start(alpha, 2)

    def value(self, w: np.ndarray) -> np.ndarray:
        """The vector of all ``u_g v_g``."""
        u, v = self._split(w)
        return u[..., self.groups] * v

    def size(self, w: np.ndarray) -> float | np.ndarray:
        """The largest ``(u_g^2 + |v_g|^2) / 2``, which bounds the norm of ``x_g``."""
        u, v = self._split(w)
        return np.max(u**2 + self.sums(v**2), axis=-1) / 2

    def curvature(self, size: float | np.ndarray) -> float | np.ndarray:
        """The squared Jacobian of `value`, at most ``2 M`` where `size` is at most `M`."""
        return 2 * size

    def pullback(self, w: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """Gradient with respect to the weights: ``<v_g, gradient_g>`` and ``u_g gradient_g``."""
        u, v = self._split(w)
        return np.concatenate([self.sums(v * gradient), u[..., self.groups] * gradient], axis=-1)


def hadamard_penalty(
    x: ArrayLike, parametrization: "HadamardPower | SignedHadamardPower | GroupHadamard"
) -> float | np.ndarray:
    r"""What weight decay asks of `x`: the least ``1/2 |w|^2`` of weights `w` that stand for `x`.

    It is :math:`\tfrac12\sum_j|x_j|^{2/L}` for the powers of depth `L`, half the l1-norm at depth 2, and
    :math:`\sum_g|x_g|_2` for groups. (For the product of `L` separate factors in each entry it is `L` times the first.)

    Source: Hoff (2017), Kolb et al. (2023). Taught in the chapter "Weight decay", Proposition "The hidden penalty".

    Parameters
    ----------
    x : array_like, shape (..., n)
    parametrization : HadamardPower, SignedHadamardPower or GroupHadamard

    Returns
    -------
    float or ndarray, shape (...)

    Raises
    ------
    ValueError
        For another parametrization, an entry that is not finite, or a negative one for `HadamardPower`.

    Examples
    --------
    >>> float(hadamard_penalty([3.0, -4.0], SignedHadamardPower(2)))
    3.5
    >>> float(hadamard_penalty([3.0, -4.0], GroupHadamard([0, 0])))
    5.0
    """
    x = as_reals("x", x).astype(float)
    if not x.ndim or not np.all(np.isfinite(x)):
        raise ValueError(f"x must be a finite vector, or a stack of them; got shape {x.shape}")
    if isinstance(parametrization, GroupHadamard):
        if x.shape[-1] != len(parametrization.groups):
            raise ValueError(f"x must have {len(parametrization.groups)} entries like groups, got shape {x.shape}")
        size = np.max(np.abs(x), initial=0) or 1.0  # squares may leave float64
        terms = size * np.sqrt(parametrization.sums((x / size) ** 2))
    else:
        if not isinstance(parametrization, _Power):
            raise ValueError(
                f"parametrization must be a HadamardPower, SignedHadamardPower or GroupHadamard, got {parametrization!r}"
            )
        if parametrization.nonnegative and np.any(x < 0):
            raise ValueError("x must not be negative for a HadamardPower: take SignedHadamardPower")
        terms = np.abs(x) ** (2 / parametrization.depth) / 2
    with np.errstate(over="ignore"):
        penalty = np.sum(terms, axis=-1)
    if not np.all(np.isfinite(penalty)):
        raise ValueError("x must be smaller: its penalty leaves float64")
    return penalty[()]


class _Product:
    """What the products of matrices share: weights in one flat array, and a start that is linear in `alpha`.

    A subclass has `shapes` (of the factors), `shape` (of the product) and `_unit_start` (the factors for ``alpha = 1``).
    """

    nonnegative = False

    def factors(self, w: np.ndarray) -> list[np.ndarray]:
        """The matrices in the flat weights, as views: a list of arrays of shape (..., rows, columns)."""
        found, start = [], 0
        for rows, columns in self.shapes:
            end = start + rows * columns
            found.append(w[..., start:end].reshape(*w.shape[:-1], rows, columns))
            start = end
        return found

    def start(self, alpha: ArrayLike, n: int) -> np.ndarray:
        """The flat weights `w(0)`; `alpha` is a number, or has shape (k, 1) for k starts of different scale.

        `n` is the number of unknowns of the problem, which must be the number of entries of the product.
        """
        if n != np.prod(self.shape):
            raise ValueError(f"{self._sizes} must give as many entries as A has columns, {n}: got {self!r}")
        alpha = as_scale(alpha)
        _log_start(alpha, self.depth)  # which refuses what is beyond float64
        return alpha * np.concatenate([W.ravel() for W in self._unit_start()])

    def size(self, w: np.ndarray) -> float | np.ndarray:
        """Bound on the spectral norm of the product: that of the largest factor, to the power `N`.

        The spectral norm of a factor is bounded by its Schatten 8-norm, which takes two products of matrices and no
        decomposition.
        """
        squares = [W.mT @ W if W.shape[-1] <= W.shape[-2] else W @ W.mT for W in self.factors(w)]
        fourth_powers = [_flat(S @ S) for S in squares]
        return np.max([np.vecdot(F, F) for F in fourth_powers], axis=0) ** (self.depth / 8)


class MatrixProduct(_Product):
    r"""The product ``x = vec(W_N ... W_1)`` of `N` matrices: a linear network without bias.

    `x` holds the entries of the product row by row. The weights are one flat array, `W_1` first, each row by row.

    Source: Arora, Cohen, Hu and Luo (2019), Chou, Gieshoff, Maly and Rauhut (2024). Taught in the chapter "Matrix
    factorization".

    Parameters
    ----------
    widths : sequence of int
        The layers ``(d_0, d_1, ..., d_N)``, at least three of them: `W_j` has the shape ``(d_j, d_{j-1})``.
    start : {"identical", "perturbed", "balanced", "gaussian"}
        Where the weights begin. Identical: each `W_j` is `alpha` times the (rectangular) identity. Perturbed: the same, but
        `W_1` is ``(1 - perturbation) alpha`` times it. Balanced: random, with
        :math:`W_{j+1}^\top W_{j+1} = W_j W_j^\top` and a product of spectral norm :math:`\alpha^N`. Gaussian: the entries of
        `W_j` are independent, normal with standard deviation ``alpha / sqrt(d_{j-1})``.
    seed : int, optional
        Required for the two random starts.
    perturbation : float
        In (0, 1), for the perturbed start.

    Raises
    ------
    ValueError
        For fewer than two factors, or an argument out of its range.

    Examples
    --------
    >>> network = MatrixProduct((2, 3, 2))
    >>> network.value(network.start(0.5, 4)).tolist()
    [0.25, 0.0, 0.0, 0.25]
    """

    _sizes = "widths"

    def __init__(
        self,
        widths: Sequence[int],
        start: str = "identical",
        seed: int | None = None,
        perturbation: float = 0.5,
    ) -> None:
        self.widths = as_integers("widths", widths)
        if len(self.widths) < 3:
            raise ValueError(f"widths must be (d_0, d_1, ..., d_N) for at least two factors, got {widths!r}")
        if not isinstance(start, str) or start not in ("identical", "perturbed", "balanced", "gaussian"):
            raise ValueError(f"start must be identical, perturbed, balanced or gaussian, got {start!r}")
        if start in ("balanced", "gaussian") and seed is None:
            raise ValueError(f"seed must be given for a {start} start, so that the run can be repeated")
        self.perturbation = as_positive("perturbation", perturbation)
        if self.perturbation >= 1:
            raise ValueError(f"perturbation must be less than 1, got {perturbation}")
        self.seed = None if seed is None else as_seed(seed)
        self.start_kind = start
        self.depth = len(self.widths) - 1
        self.shapes = [(rows, columns) for columns, rows in pairwise(self.widths)]
        self.shape = (self.widths[-1], self.widths[0])

    @classmethod
    def square(cls, n: int, depth: int, **kwargs: Any) -> "MatrixProduct":
        """The product of `depth` square matrices of size `n`.

        Examples
        --------
        >>> MatrixProduct.square(4, 3).widths
        (4, 4, 4, 4)
        """
        n, depth = as_positive("n", n, integer=True), as_positive("depth", depth, integer=True)
        if depth < 2:
            raise ValueError(f"depth must be at least 2, got {depth}")
        return cls((n,) * (depth + 1), **kwargs)

    def __repr__(self):
        return f"MatrixProduct({self.widths}, start={self.start_kind!r})"

    def curvature(self, size: float | np.ndarray) -> float | np.ndarray:
        """Bound ``N M^(2-2/N)`` on the squared Jacobian of `value` where `size` is at most `M`."""
        return self.depth * size ** (2 - 2 / self.depth)

    def value(self, w: np.ndarray) -> np.ndarray:
        """The entries of ``W_N ... W_1``, row by row."""
        return _flat(self._partial_products(w)[-1])

    def pullback(self, w: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        r"""Gradient with respect to the weights, :math:`(W_N\cdots W_{j+1})^\top G\,(W_{j-1}\cdots W_1)^\top` for `W_j`."""
        factors, below = self.factors(w), self._partial_products(w, self.depth - 1)
        above = gradient.reshape(*gradient.shape[:-1], *self.shape)  # (W_N ... W_{j+1})^T G
        pulled = np.empty(w.shape, dtype=np.result_type(w, gradient))
        gradients = self.factors(pulled)
        for j in range(self.depth - 1, 0, -1):
            np.matmul(above, below[j - 1].mT, out=gradients[j])
            above = np.matmul(factors[j].mT, above, out=gradients[0] if j == 1 else None)
        return pulled

    def _partial_products(self, w, number=None):
        """``W_1``, ``W_2 W_1``, ... up to `number` factors, all by default."""
        return list(accumulate(self.factors(w)[:number], lambda product, W: W @ product))

    def _unit_start(self):
        if self.start_kind in ("identical", "perturbed"):
            first, *others = (np.eye(*shape) for shape in self.shapes)
            return [(1 - self.perturbation) * first if self.start_kind == "perturbed" else first, *others]
        rng = np.random.default_rng(self.seed)
        if self.start_kind == "gaussian":
            return [rng.standard_normal(shape) / np.sqrt(shape[1]) for shape in self.shapes]
        # W_j = U_j S^(1/N) U_{j-1}^T with orthonormal columns: the inner bases are any, the product is a Gaussian matrix
        # with spectral norm 1 (cut to the rank that the narrowest layer leaves).
        rank = min(self.widths)
        last, values, first = np.linalg.svd(rng.standard_normal(self.shape), full_matrices=False)
        inner = [np.linalg.qr(rng.standard_normal((width, rank)))[0] for width in self.widths[1:-1]]
        bases = [first[:rank].T, *inner, last[:, :rank]]
        roots = (values[:rank] / values[0]) ** (1 / self.depth)
        return [(U * roots) @ V.T for V, U in pairwise(bases)]


class SymmetricProduct(_Product):
    """The positive semidefinite matrix ``x = vec(U U^T)``, started at ``U = alpha I``.

    Source: Gunasekar et al. (2017). Taught in the chapter "Matrix factorization".

    Parameters
    ----------
    n : int
        Rows of `U`, so `x` has ``n^2`` entries.
    rank : int, optional
        Columns of `U`; `n` by default, which leaves the rank free.

    Raises
    ------
    ValueError
        If `n` or `rank` is not a positive integer.

    Examples
    --------
    >>> square = SymmetricProduct(2)
    >>> square.value(square.start(0.5, 4)).tolist()
    [0.25, 0.0, 0.0, 0.25]
    """

    _sizes = "n"
    depth = 2

    def __init__(self, n: int, rank: int | None = None) -> None:
        n = as_positive("n", n, integer=True)
        rank = n if rank is None else as_positive("rank", rank, integer=True)
        self.shapes, self.shape = [(n, rank)], (n, n)

    def __repr__(self):
        n, rank = self.shapes[0]
        return f"SymmetricProduct({n}, rank={rank})"

    def curvature(self, size: float | np.ndarray) -> float | np.ndarray:
        """Bound ``4 M`` on the squared Jacobian of `value` where `size` is at most `M`."""
        return 4 * size

    def value(self, w: np.ndarray) -> np.ndarray:
        """The entries of ``U U^T``, row by row."""
        (U,) = self.factors(w)
        return _flat(U @ U.mT)

    def pullback(self, w: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """Gradient with respect to `U`, ``(G + G^T) U``."""
        (U,) = self.factors(w)
        G = gradient.reshape(*gradient.shape[:-1], *self.shape)
        return _flat((G + G.mT) @ U)

    def _unit_start(self):
        return [np.eye(*self.shapes[0])]


class TensorProduct(_Product):
    r"""The tensor :math:`\sum_r u_r^{(1)}\otimes\dots\otimes u_r^{(N)}`, entry by entry in the order of NumPy.

    The weights are one flat array: for each mode a matrix with the vectors :math:`u_r` as columns.

    Source: Razin, Maman and Cohen (2021). Taught in the chapter "Other geometries".

    Parameters
    ----------
    shape : sequence of int
        Of the tensor, at least two modes.
    rank : int
        Number of terms.
    start : sequence of array_like, optional
        The matrices for ``alpha = 1``, of shapes ``(shape[k], rank)``. By default they are Gaussian: independent entries with
        the standard deviation ``1 / sqrt(shape[k])``.
    seed : int, optional
        Required without `start`.

    Raises
    ------
    ValueError
        For an argument out of its range or of the wrong shape.

    Examples
    --------
    >>> model = TensorProduct((2, 2, 2), 1, start=[[[1.0], [0.0]]] * 3)
    >>> model.value(model.start(0.5, 8)).tolist()
    [0.125, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    """

    _sizes = "shape"

    def __init__(
        self, shape: Sequence[int], rank: int, start: Sequence[ArrayLike] | None = None, seed: int | None = None
    ) -> None:
        self.shape = as_integers("shape", shape)
        if len(self.shape) < 2:
            raise ValueError(f"shape must have at least two modes, got {shape!r}")
        self.rank = as_positive("rank", rank, integer=True)
        self.depth = len(self.shape)
        self.shapes = [(size, self.rank) for size in self.shape]
        if start is None and seed is None:
            raise ValueError("seed must be given for a Gaussian start, so that the run can be repeated")
        self.seed = None if seed is None else as_seed(seed)
        self.given = None if start is None else [W.astype(float) for W in as_matrices("start", start)]
        if self.given is not None and [factor.shape for factor in self.given] != self.shapes:
            raise ValueError(f"start must be matrices of the shapes {self.shapes}")

    def __repr__(self):
        return f"TensorProduct({self.shape}, rank={self.rank})"

    def curvature(self, size: float | np.ndarray) -> float | np.ndarray:
        """Bound ``N M^(2-2/N)`` on the squared Jacobian of `value` where `size` is at most `M`."""
        return self.depth * size ** (2 - 2 / self.depth)

    def value(self, w: np.ndarray) -> np.ndarray:
        """The entries of the tensor."""
        return np.sum(_columnwise(self.factors(w)), axis=-1)

    def pullback(self, w: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """Gradient with respect to the weights: that of `x` in all modes but one, times the vectors of the others."""
        factors, stack = self.factors(w), gradient.shape[:-1]
        G = gradient.reshape(*stack, *self.shape)
        pulled = np.empty(w.shape, dtype=np.result_type(w, gradient))
        for k, part in enumerate(self.factors(pulled)):
            others = _columnwise(factors[:k] + factors[k + 1 :])
            unfolded = np.moveaxis(G, len(stack) + k, len(stack)).reshape(*stack, self.shape[k], -1)
            np.matmul(unfolded, others, out=part)
        return pulled

    def _unit_start(self):
        if self.given is not None:
            return self.given
        rng = np.random.default_rng(self.seed)
        return [rng.standard_normal(shape) / np.sqrt(shape[0]) for shape in self.shapes]


def _columnwise(factors):
    """The products of the columns of the same number, each as one long column (the Khatri-Rao product)."""
    product = factors[0]
    for factor in factors[1:]:
        product = product[..., :, None, :] * factor[..., None, :, :]
        product = product.reshape(*product.shape[:-3], -1, product.shape[-1])
    return product


class WeightNormalized:
    r"""The model ``x = u^2 - v^2`` with weights ``(u, v) = r p / |p|``: length and direction are trained separately.

    Along the gradient flow :math:`|p| = c` does not change, and with the total :math:`S = r^2 = \sum u_j^2 + v_j^2` the
    vectors :math:`\tfrac12\ln(u^2/S) + S/(2c^2)` and the same for `v` differ from their start by ``A.T mu`` and ``-A.T mu``.
    The weights are one flat array ``(r, p)``.

    Source: Chou, Rauhut and Ward (2024). Taught in the chapter "Other geometries", Theorem "Weight normalization".

    Parameters
    ----------
    radius : float
        The length `c` of `p` at the start: the smaller, the faster the direction turns.

    Raises
    ------
    ValueError
        If `radius` is not positive.

    Examples
    --------
    >>> model = WeightNormalized(1.0)
    >>> model.value(model.start(0.5, 2)).tolist()
    [0.0, 0.0]
    """

    nonnegative = False
    depth = 2

    def __init__(self, radius: float) -> None:
        self.radius = as_positive("radius", radius)
        check_size("radius", self.radius, NORMS, "a value")

    def __repr__(self):
        return f"WeightNormalized({self.radius:g})"

    def start(self, alpha: ArrayLike, n: int) -> np.ndarray:
        """Weights that stand for ``u = v = alpha``; `alpha` is a number, or has shape (k, 1) for k starts."""
        alpha = as_scale(alpha)
        _log_start(alpha, 2)  # which refuses what is beyond float64
        direction = np.full(2 * n, self.radius / np.sqrt(max(2 * n, 1)))
        return np.concatenate(
            [np.sqrt(2 * n) * np.atleast_1d(alpha), np.broadcast_to(direction, (*alpha.shape[:-1], 2 * n))], axis=-1
        )

    def _parts(self, w):
        r, p = w[..., :1], w[..., 1:]
        length = np.sqrt(np.sum(p**2, axis=-1, keepdims=True))
        return r, p / length, length

    def value(self, w: np.ndarray) -> np.ndarray:
        """The vector ``u^2 - v^2``."""
        r, direction, _ = self._parts(w)
        first, second = np.split((r * direction) ** 2, 2, axis=-1)
        return first - second

    def size(self, w: np.ndarray) -> float | np.ndarray:
        """The largest ``u^2`` or ``v^2``, times ``r^2 / |p|^2`` where that is more than 1."""
        r, direction, length = self._parts(w)
        return np.max((r * direction) ** 2, axis=-1) * np.maximum(1.0, (r / length)[..., 0] ** 2)

    def curvature(self, size: float | np.ndarray) -> float | np.ndarray:
        """The squared Jacobian of `value`, at most ``4 M`` where `size` is at most `M`."""
        return 4 * size

    def pullback(self, w: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """Gradient with respect to `r` and `p`."""
        r, direction, length = self._parts(w)
        slope = 2 * r * direction * np.concatenate([gradient, -gradient], axis=-1)
        along = np.sum(direction * slope, axis=-1, keepdims=True)
        return np.concatenate([along, r / length * (slope - along * direction)], axis=-1)


def _log_start(alpha, depth):
    with np.errstate(over="ignore"):
        log_start = depth * np.log(alpha)
    if np.any(np.abs(log_start) > 690):
        raise ValueError(f"alpha ** depth must be between 1e-299 and 1e299, got alpha {alpha} at depth {depth}")
    return log_start


def _flat(W):
    """The entries of each matrix of a stack, row by row."""
    return W.reshape(*W.shape[:-2], -1)


def _log_cosh(t):
    return np.log1p(2 * np.sinh(t / 2) ** 2)


def _longest_step(fastest):
    """The step in which the fastest entry goes as far as it may.

    At depth 2 no entry grows by more than a factor e^16. Above, nine tenths of the way to the end of the domain.
    """
    return 1 / fastest if fastest > 0 else np.inf
