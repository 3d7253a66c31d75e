"""Instances for the attacks on the statements about linear models; see `tests.claims.attacks`."""

from dataclasses import dataclass

import numpy as np
from scipy.integrate import solve_ivp


@dataclass(frozen=True)
class LeastSquares:
    X: np.ndarray
    y: np.ndarray
    start: np.ndarray
    share: float  # of the step, in units of 2 / s_1^2

    @property
    def largest(self):
        return np.linalg.norm(self.X, 2)

    def descent(self, share, doublings):
        """The iterate after ``2 ** doublings`` steps, as ``b_0 + (1 + M + M^2 + ...) g`` by doubling the number of terms."""
        step = 2 * share / self.largest**2
        M = np.eye(self.X.shape[1]) - step * self.X.T @ self.X
        total, power = np.eye(len(M)), M
        with np.errstate(over="ignore", invalid="ignore"):
            for _ in range(doublings):
                total, power = total + power @ total, power @ power
            return self.start + total @ (step * self.X.T @ (self.y - self.X @ self.start))


def design(source, n, p):
    """Gaussian, with columns of very different scale, with equal columns, with zero columns, or of low rank."""
    X = source.normal(n, p)
    kind = source.choice(["gaussian", "scales", "equal", "zero", "low rank"])
    if kind == "scales":
        X = X * np.array([source.log_uniform(0.1, 10) for _ in range(p)])
    elif kind == "equal":
        X[:, -1] = X[:, 0]
    elif kind == "zero" and p > 1:
        X[:, 0] = 0
    elif kind == "low rank":
        X = np.outer(X[:, 0], source.normal(p))
    return X


def least_squares(source):
    """Up to 6 data and 6 features, consistent or not, any start, steps up to the limit of convergence."""
    n, p = source.integer(1, 6), source.integer(1, 6)
    X = design(source, n, p)
    y = X @ source.normal(p) if source.choice([True, False]) else source.normal(n)
    start = source.choice([0.0, 1.0]) * source.log_uniform(1e-2, 1e2) * source.normal(p)
    return LeastSquares(X, y, start, source.uniform(0.01, 0.99))


def share_of_a_direction(source):
    """``s^2 t``, from 1e-6 to 1e4, and close to where the two filters differ most."""
    return source.choice([source.log_uniform(1e-6, 1e4), source.uniform(2, 3)])


@dataclass(frozen=True)
class Risk:
    n: int
    p: int
    total: int
    signal: float  # of the features that are used
    all_signal: float
    noise: float
    errors: np.ndarray  # at new points, without their noise, of many repetitions


def risk(source, *, weak=False, correlated=False, repetitions=4000):
    """Gaussian designs of 1 to 8 data and 1 to 20 features, far enough from the peak for the mean to be seen, with noise that
    is normal, of two values or uniform; with `weak`, further features that the fit does not see."""
    n = source.integer(1, 8)
    few = n >= 7 and source.choice([True, False])
    p = source.integer(1, n - 6) if few else source.integer(n + 6, n + 12)
    total = p + (source.integer(1, 10) if weak else 0)
    signal, noise = source.log_uniform(0.1, 3), source.log_uniform(0.1, 3)
    rng = np.random.default_rng(source.integer(0, 2**31))
    X = rng.standard_normal((repetitions, n, total))
    if correlated:
        X = X + 2 * rng.standard_normal((repetitions, n, 1))
    beta = rng.standard_normal(total)
    beta *= signal / np.linalg.norm(beta)
    kind = source.choice(["normal", "signs", "uniform"])
    draws = {
        "normal": rng.standard_normal,
        "signs": lambda shape: rng.choice([-1.0, 1.0], shape),
        "uniform": lambda shape: np.sqrt(3) * rng.uniform(-1, 1, shape),
    }
    y = X @ beta + noise * draws[kind]((repetitions, n))
    used = X[:, :, :p]
    found = np.einsum("kpn,kn->kp", np.linalg.pinv(used), y)
    errors = np.sum((found - beta[:p]) ** 2, axis=1) + np.sum(beta[p:] ** 2)
    return Risk(n, p, total, float(np.linalg.norm(beta[:p])), signal, noise, errors)


@dataclass(frozen=True)
class Features:
    inputs: np.ndarray
    w: np.ndarray
    c: np.ndarray

    @property
    def X(self):
        return np.cos(self.inputs @ self.w.T + self.c)


def fourier(source, *, phase=True, missing=0, twins=False):
    """1 to 6 distinct inputs in dimension 1 to 3, as many features, frequencies of scale 3 to 30."""
    n, d = source.integer(2, 6), source.integer(1, 3)
    inputs = source.normal(n, d)
    if twins:
        inputs[1] = inputs[0]
    if not phase:
        inputs[1] = -inputs[0]
    p = n - missing
    c = 2 * np.pi * np.array([source.uniform(0, 1) for _ in range(p)])
    return Features(inputs, source.log_uniform(3, 30) * source.normal(p, d), c if phase else np.zeros(p))


@dataclass(frozen=True)
class Margin:
    """Points ``z_i = y_i x_i`` of the plane, the direction of the largest margin, and the flow of the logistic loss."""

    z: np.ndarray
    widest: np.ndarray  # of norm 1
    margin: float
    clock: np.ndarray  # ln t
    b: np.ndarray
    log_loss: np.ndarray


def separable_points(source):
    """1 to 6 points of the plane on one side of a line, any start; followed until the time e^10000 in its logarithm."""
    n, turn = source.integer(1, 6), source.uniform(0, 2 * np.pi)
    angles = turn + np.array([source.uniform(-1.3, 1.3) for _ in range(n)])
    sizes = np.array([source.log_uniform(0.3, 3) for _ in range(n)])
    z = sizes[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    # The nearest point of the convex hull to the origin lies on a segment between two of the points.
    nearest = z[np.argmin(np.linalg.norm(z, axis=1))]
    for first in z:
        for second in z:
            across = second - first
            share = np.clip(-(first @ across) / max(across @ across, 1e-300), 0, 1)
            nearest = min(nearest, first + share * across, key=np.linalg.norm)
    margin = np.linalg.norm(nearest)

    def slope(s, b):
        return z.T @ np.exp(s - np.logaddexp(0, z @ b))

    clock = np.array([0.0, 1000, 3000, 10_000])
    start = source.log_uniform(1e-2, 3) * source.normal(2)
    b = solve_ivp(slope, (-5, clock[-1]), start, "LSODA", clock, rtol=1e-8, atol=1e-8).y.T
    margins = b @ z.T
    each = np.where(margins > 30, -margins, np.log(np.logaddexp(0, -np.minimum(margins, 30))))
    return Margin(z, nearest / margin, margin, clock, b, np.logaddexp.reduce(each, axis=1))


@dataclass(frozen=True)
class Rich:
    A: np.ndarray
    y: np.ndarray
    alpha: float
    u: np.ndarray
    v: np.ndarray

    @property
    def x(self):
        return self.u**2 - self.v**2


def signed_flow(source, *, shifted=False):
    """1 to 3 equations in up to 6 unknowns, also with equal and zero columns, alpha from 0.05 to 30; flow of the weights."""
    m = source.integer(1, 3)
    n = source.integer(m + 1, 6)
    A = design(source, m, n)
    A = A / max(np.linalg.norm(A, 2), 1e-12)
    y = A @ source.normal(n)
    alpha = source.log_uniform(0.05, 30)
    u0 = np.full(n, alpha)
    v0 = u0 * (np.linspace(0.3, 0.9, n) if shifted else 1)

    def slope(t, w):
        u, v = np.split(w, 2)
        gradient = A.T @ (A @ (u**2 - v**2) - y)
        return np.concatenate([-2 * u * gradient, 2 * v * gradient])

    late = 400 / min(1, np.min(np.linalg.svd(A, compute_uv=False)[: np.linalg.matrix_rank(A)]) ** 2) / min(1, alpha**2)
    w = solve_ivp(slope, (0, late), np.concatenate([u0, v0]), "LSODA", rtol=1e-9, atol=1e-12).y[:, -1]
    return Rich(A, y, alpha, *np.split(w, 2))
