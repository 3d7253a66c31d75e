r"""How the vector ``x`` is made from the weights that gradient descent trains, and the geometry this induces.

Gradient descent on the weights `w` of ``x = value(w)`` moves `x` as mirror descent with a potential `h` would: along the
flow, :math:`\tfrac{d}{dt}\nabla h(x) = -\nabla\ell(x)`. A parametrization therefore has two faces.

The weights, all that `descent` needs: `start`, `value`, `pullback`, `size`, `curvature`.

The potential: `mirror_map` (:math:`\nabla h`), `inverse_mirror_map`, `potential` (:math:`h`), and the *dual coordinate* in
which `flow` and `limits` compute, an affine image ``s = dual_rate * (grad h(x) - grad h(x(0)))`` scaled such that `x` is an
explicit function of `s`. It starts at 0 and stays in the range of ``A.T``.
"""

from dataclasses import dataclass

import numpy as np

from ._validation import as_alpha


@dataclass(frozen=True)
class DualPoint:
    """A dual coordinate `s` with its distances ``below = 1 - s`` and ``above = 1 + s`` to the ends of its domain.

    For depth > 2 a small start drives `s` so close to 1 that ``1 - s`` cannot be computed from it (``1 - s`` is about
    ``alpha^(depth - 2)``). The distances are updated step by step instead, which keeps their relative precision.
    """

    s: np.ndarray
    below: np.ndarray
    above: np.ndarray

    @classmethod
    def at(cls, s):
        return cls(s, 1 - s, 1 + s)

    def moved(self, ds):
        return DualPoint(self.s + ds, self.below - ds, self.above + ds)


class _Power:
    """What the one-signed and the signed Hadamard power share."""

    def __init__(self, depth):
        try:
            number = float(depth)
        except (TypeError, ValueError):
            number = np.nan
        if not (np.isfinite(number) and number >= 2):
            raise ValueError(f"depth must be a finite number that is at least 2, got {depth!r}")
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

    def curvature(self, size):
        """Bound ``L^2 M^(2-2/L)`` on the squared Jacobian of `value` where `size` is at most `M`."""
        return self.depth**2 * size ** (2 - 2 / self.depth)

    def log_start(self, alpha):
        """``log(alpha^L)``, the scale of `x(0)`; refused where ``alpha^L`` or its reciprocal is beyond float64."""
        log_start = self.depth * np.log(alpha)
        if np.any(np.abs(log_start) > 690):
            raise ValueError(
                f"alpha ** depth must be between 1e-299 and 1e299, got alpha {alpha} at depth {self.depth}"
            )
        return log_start

    def dual_rate(self, alpha):
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
        The power `L`, a number that is at least 2.

    Raises
    ------
    ValueError
        If `depth` is less than 2 or not finite.

    Examples
    --------
    >>> square = HadamardPower(2)
    >>> square.value(square.start(0.5, 3)).tolist()
    [0.25, 0.25, 0.25]
    """

    nonnegative = True

    def start(self, alpha, n):
        """Weights ``w(0) = alpha``; `alpha` is a number, or has shape (n,), (k, 1) or (k, n) for k starts."""
        alpha = as_alpha(alpha, n)
        self.log_start(alpha)
        return np.broadcast_to(alpha, (*alpha.shape[:-1], n)).copy()

    def value(self, w):
        """The vector ``x = w^L``; the absolute value of `w` counts, so that odd and real powers stay one-signed."""
        return np.abs(w) ** self.depth

    def size(self, w):
        """The largest entry of `x`."""
        return np.max(np.abs(w), axis=-1) ** self.depth

    def pullback(self, w, gradient):
        """Gradient with respect to the weights, ``L |w|^(L-1) sign(w) * gradient``."""
        if self.depth == 2:
            return 2 * w * gradient
        return self.depth * np.copysign(np.abs(w) ** (self.depth - 1), w) * gradient

    def mirror_map(self, x, alpha=None):
        r"""The gradient of the potential at `x` > 0; it does not depend on `alpha`."""
        x = np.asarray(x, dtype=float)
        L = self.depth
        return np.log(x) / 4 if L == 2 else -(x ** (2 / L - 1)) / (L * (L - 2))

    def inverse_mirror_map(self, theta, alpha=None):
        """The `x` with ``mirror_map(x) = theta``."""
        theta = np.asarray(theta, dtype=float)
        L = self.depth
        return np.exp(4 * theta) if L == 2 else (-L * (L - 2) * theta) ** -self._exponent

    def potential(self, x, alpha=None):
        """The potential `h`, summed over the last axis."""
        x = np.asarray(x, dtype=float)
        L = self.depth
        if L == 2:
            return np.sum(x * np.log(np.where(x > 0, x, 1)) - x, axis=-1) / 4
        return -np.sum(x ** (2 / L), axis=-1) / (2 * (L - 2))

    def from_dual(self, point, log_start):
        """`x` and ``dx/ds`` at a dual point, for ``x(0) = exp(log_start)``."""
        if self.depth == 2:
            x = np.exp(point.s + log_start)
            return x, x
        q = self._exponent
        x = np.exp(log_start - q * np.log(point.below))
        return x, q * x / point.below

    def longest_step(self, point, ds):
        """How far a Newton step may go along `ds`: see `_longest_step`."""
        return _longest_step(self.depth, ds, np.max(ds / point.below))


class SignedHadamardPower(_Power):
    r"""The difference of two powers ``x = u^L - v^L``, for vectors of any sign, started at ``u = v = alpha``.

    At depth 2 the potential is the hyperbolic entropy
    :math:`\tfrac14\sum x\,\mathrm{arsinh}\frac{x}{2\alpha^2} - \sqrt{x^2+4\alpha^4}`; it depends on the scale of the start.

    Source: Woodworth et al. (2020), Chou, Maly and Rauhut (2023). Taught in the chapter "Sparse recovery".

    Parameters
    ----------
    depth : float
        The power `L`, a number that is at least 2.

    Raises
    ------
    ValueError
        If `depth` is less than 2 or not finite.

    Examples
    --------
    >>> signed = SignedHadamardPower(3)
    >>> signed.value(signed.start(0.5, 3)).tolist()
    [0.0, 0.0, 0.0]
    """

    nonnegative = False

    def start(self, alpha, n):
        """Weights ``(u, v)``, both `alpha`, stacked along the first axis; shapes of `alpha` as in `HadamardPower`."""
        alpha = as_alpha(alpha, n)
        self.log_start(alpha)
        return np.broadcast_to(alpha, (2, *alpha.shape[:-1], n)).copy()

    def value(self, w):
        """The vector ``x = u^L - v^L``."""
        powers = np.abs(w) ** self.depth
        return powers[0] - powers[1]

    def size(self, w):
        """The largest ``(u^2 + v^2)^(L/2)``: about the largest entry of `x`, but not 0 where `u` and `v` cancel."""
        return np.max(w[0] ** 2 + w[1] ** 2, axis=-1) ** (self.depth / 2)

    def pullback(self, w, gradient):
        """Gradient with respect to the weights, of the shape of `w`."""
        slope = self.depth * np.copysign(np.abs(w) ** (self.depth - 1), w)
        slope[1] *= -1
        return slope * gradient

    def mirror_map(self, x, alpha):
        r"""The gradient of the potential at `x` for the start `alpha`."""
        z = np.asarray(x, dtype=float) / np.asarray(alpha, dtype=float) ** self.depth
        if self.depth == 2:
            return np.arcsinh(z / 2) / 4
        return np.tanh(self._angle(z)) / self.dual_rate(alpha)

    def inverse_mirror_map(self, theta, alpha):
        """The `x` with ``mirror_map(x, alpha) = theta``."""
        s = np.asarray(theta, dtype=float) * self.dual_rate(alpha)
        return self.from_dual(DualPoint.at(s), self.log_start(alpha))[0]

    def potential(self, x, alpha):
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

    def from_dual(self, point, log_start):
        """`x` and ``dx/ds`` at a dual point, for ``u(0)^L = v(0)^L = exp(log_start)``."""
        if self.depth == 2:
            twice = 2 * np.exp(log_start)
            return twice * np.sinh(point.s), twice * np.cosh(point.s)
        q = self._exponent
        small = np.clip(point.s, -0.5, 0.5)
        below, above = np.log(point.below), np.log(point.above)
        u, v = np.exp(log_start - q * below), np.exp(log_start - q * above)
        # For small s the difference u - v cancels; the same number as a product does not.
        near = 2 * np.exp(log_start - q / 2 * (below + above)) * np.sinh(q * np.arctanh(small))
        return np.where(np.abs(point.s) < 0.5, near, u - v), q * (u / point.below + v / point.above)

    def longest_step(self, point, ds):
        """How far a Newton step may go along `ds`: see `_longest_step`."""
        return _longest_step(self.depth, ds, max(np.max(ds / point.below), np.max(-ds / point.above)))

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


def _log_cosh(t):
    return np.log1p(2 * np.sinh(t / 2) ** 2)


def _longest_step(depth, ds, fastest):
    """Depth 2: no entry changes by more than a factor e^16. Above: nine tenths of the way to the end of the domain.

    `fastest` is the largest share of its remaining distance that a coordinate covers in a full step.
    """
    if depth == 2:
        return 16 / max(np.max(np.abs(ds)), np.finfo(float).tiny)
    return 0.9 / fastest if fastest > 0 else np.inf
