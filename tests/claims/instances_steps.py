"""Instances for the attacks on the chapter "Steps and noise"; see `tests.claims.attacks`.

Descent is the two lines of its definition here, and the flow of label noise an explicit integrator in the weights.
"""

import math
from types import SimpleNamespace

import numpy as np
from scipy.integrate import solve_ivp
from scipy.optimize import linprog

from tests.claims import instances_vectors as vectors

# --- Two weights ------------------------------------------------------------------------------------------------------


def two_weights(source, *, diagonal=False):
    """A start in a square of any sign, not on the line w1 = -w2 from which the flow goes to the saddle."""
    size = source.log_uniform(0.05, 4)
    w = size * source.uniforms(-1, 1, 2)
    if diagonal or np.abs(w[0] + w[1]) < 0.02 * size:
        return np.array([w[0] or 0.1, -(w[0] or 0.1)]) if diagonal else np.array([w[0] + 0.1 * size, w[1]])
    return w


def flow_of_two(w):
    """The weights at the end of the flow of 1/2 (w1 w2 - 1)^2."""

    def velocity(t, w):
        return -(w[0] * w[1] - 1) * w[::-1]

    return solve_ivp(velocity, (0, 60), w, "DOP853", [60], rtol=1e-11, atol=1e-13).y[:, -1]


def descent_of_two(w, step, steps=2000):
    """The weights and the residuals of all steps; None where it diverges or does not come to rest at a solution."""
    first, second = map(float, w)
    residuals = []
    for _ in range(steps):
        r = first * second - 1
        residuals.append(r)
        if abs(r) < 1e-13:
            return np.array([first, second]), np.array(residuals)
        if abs(r) > 1e6:
            return None
        first, second = first - step * r * second, second - step * r * first
    return None


def long_step(source):
    """A start and a step so long that the imbalance grows: eta |r| is between sqrt(2) and 2."""
    w = two_weights(source)
    return w, source.uniform(1.45, 1.95) / max(abs(w[0] * w[1] - 1), 0.05)


# --- Descent on u^2 - v^2 ---------------------------------------------------------------------------------------------


def hessian(A, y, w, L=2):
    """Of 1/2 |A (u^L - v^L) - y|^2 at w = (u, v), in the form of its definition."""
    signs = np.array([[1.0], [-1.0]])
    J = np.hstack([np.diag(part) for part in signs * L * np.abs(w) ** (L - 1) * np.sign(w)])
    g = A.T @ (A @ np.sum(signs * np.abs(w) ** L, axis=0) - y)
    return J.T @ A.T @ A @ J + np.diag((signs * L * (L - 1) * np.abs(w) ** (L - 2) * g).ravel())


def sharpness(A, y, w, L=2):
    return np.linalg.eigvalsh(hessian(A, y, w, L))[-1]


def descend(A, y, alpha, step, *, rows=None, rng=None, noise=0.0, steps=4000, until=1e-13):
    """Descent until the residual is rounding: its weights and gradients; None where that does not happen."""
    m, n = A.shape
    u, v, gradients = np.full(n, alpha), np.full(n, alpha), []
    goal = until * (np.linalg.norm(y) + 1e-300)
    for _ in range(steps):
        residual = A @ (u * u - v * v) - y
        size = math.sqrt(residual @ residual)
        if size <= goal and not noise:
            return np.array([u, v]), np.array(gradients)
        if not size < 1e8:
            return None
        if noise:
            residual = residual - noise * rng.standard_normal(m)
        if rows is None:
            g = residual @ A
        else:
            part = rng.choice(m, rows, replace=False)
            g = m / rows * (residual[part] @ A[part])
        gradients.append(g)
        move = 2 * step * g
        u, v = u - move * u, v + move * v
    return (np.array([u, v]), np.array(gradients)) if noise else None


def descent(source, *, stochastic=True):
    """Full gradients or single rows, any small matrix with fewer rows than columns, steps up to the edge.

    None where it does not come to rest; without `stochastic` for single rows, too.
    """
    A = vectors.matrix(source, 3, 7, wide=True)
    A = A / max(np.linalg.norm(A, 2), 1e-12)
    y = A @ vectors.vector(source, A.shape[1])
    y = y / (np.linalg.norm(y) or 1.0)
    alpha, single = source.log_uniform(0.1, 1), source.choice([False, True])
    size = np.max(np.abs(np.linalg.pinv(A) @ y)) + 2 * alpha**2
    step = source.log_uniform(0.1, 1.2) / (2 * size)
    rng = np.random.default_rng(source.integer(0, 10**6))
    if single and not stochastic:
        return None
    if single:
        step /= 2 * A.shape[0]
    run = descend(A, y, alpha, step, rows=1 if single else None, rng=rng)
    if run is None:
        return None
    weights, gradients = run
    return SimpleNamespace(A=A, y=y, alpha=alpha, step=step, weights=weights, gradients=gradients, stochastic=single)


def gradients(source):
    """Any sequence of up to 40 gradients in one entry with 2 eta |g| < 1, mostly of one sign or of any."""
    number, step = source.integer(1, 40), source.log_uniform(1e-3, 1)
    largest = 1 - source.log_uniform(1e-4, 0.9999)
    g = np.clip(source.normal(number) + source.choice([0.0, 3.0]), -4, 4)
    return step, g / (np.max(np.abs(g)) or 1.0) * largest / (2 * step)


# --- Points among the solutions ---------------------------------------------------------------------------------------


def solution(source, *, met=True, depths=(2, 2.5, 3, 4)):
    """Weights of any sign and size, and data that they meet (or that they do not)."""
    A, L = vectors.matrix(source, 4, 6), source.choice(depths)
    w = source.normal(2, A.shape[1]) * 10.0 ** source.uniforms(-2, 0.5, A.shape[1])
    y = A @ (np.abs(w[0]) ** L - np.abs(w[1]) ** L)
    return SimpleNamespace(A=A, y=y if met else y + source.normal(A.shape[0]), w=w, L=L)


def noise_among_solutions(source):
    """The gradient flow of a quarter of the trace on the solutions, from any weights without zeros, in the weights."""
    A = vectors.matrix(source, 2, 4, wide=True)
    A = A / max(np.max(np.linalg.norm(A, axis=0)), 1e-12)
    n = A.shape[1]
    signs = np.where(source.uniforms(0, 1, 2 * n) < 0.3, -1, 1)
    start = signs * np.exp(source.uniforms(-1, 0.5, 2 * n))
    squares = np.tile(np.sum(A**2, axis=0), 2)

    def velocity(t, w):
        J = np.hstack([2 * A * w[:n], -2 * A * w[n:]])
        step = -2 * squares * w
        return step - np.linalg.pinv(J, rcond=1e-10) @ (J @ step)

    tau = source.log_uniform(0.02, 1)
    w = solve_ivp(velocity, (0, tau), start, "DOP853", [tau], rtol=1e-10, atol=1e-13).y[:, -1]
    return SimpleNamespace(A=A, start=start.reshape(2, n), end=w.reshape(2, n), tau=tau)


def weighted_program(source, *, worst=None):
    """Any matrix and data of a vector, any scale of the start, and the least weighted norm by a linear program."""
    if (source.uniform(0, 1) < 0.4) if worst is None else worst:
        # One column is slightly better than many equal ones, as in the bad matrix of "Sparse recovery".
        n, delta = source.integer(3, 60), source.log_uniform(1e-3, 0.5)
        A, y = np.r_[1 - delta, np.ones(n - 1)][None], np.array([1.0])
    else:
        A = vectors.matrix(source, 3, 8)
        y = A @ vectors.vector(source, A.shape[1])
    weights = np.sum(A**2, axis=0)
    alpha = source.log_uniform(1e-3, 3)
    tau = source.log_uniform(0.05, 20) / max(np.max(weights), 1e-12)
    program = linprog(np.tile(weights, 2), A_eq=np.hstack([A, -A]), b_eq=y)
    n = A.shape[1]
    z = program.x[:n] - program.x[n:] if program.x is not None else None
    x = vectors.limit_of(A, y, vectors.model_of(True, 2), alpha * np.exp(-2 * weights * tau))
    return None if x is None or z is None else SimpleNamespace(A=A, alpha=alpha, tau=tau, weights=weights, x=x, z=z)
