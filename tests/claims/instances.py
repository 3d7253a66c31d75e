"""Instances for the attacks, one generator for each hypothesis class; see `tests.claims.attacks`.

What the statements are compared with is computed here and in the tests in the plainest way, by the recursion itself, by an
integrator at tight tolerances, by quadrature or by a convex program, never by the function of the library under test.
"""

import itertools
from dataclasses import dataclass

import numpy as np
from scipy.integrate import quad, solve_ivp

# --- Products of matrices ---------------------------------------------------------------------------------------------


def product(factors):
    """``W_N ... W_1`` of the factors ``[W_1, ..., W_N]``."""
    W = factors[0]
    for factor in factors[1:]:
        W = factor @ W
    return W


def factor_gradients(factors, gradient):
    """``G_j = (W_N ... W_{j+1})^T gradient (W_{j-1} ... W_1)^T``, by the chain rule, each product on its own."""
    found = []
    for j, factor in enumerate(factors):
        below = product(factors[:j]) if j else np.eye(factor.shape[1])
        above = product(factors[j + 1 :]) if j + 1 < len(factors) else np.eye(factor.shape[0])
        found.append(above.T @ gradient @ below.T)
    return found


def orthogonal(source, n):
    return np.linalg.qr(source.normal(n, n))[0]


def balanced_factors(source, W, depth):
    """Square factors of the product `W` with ``W_{j+1}^T W_{j+1} = W_j W_j^T``."""
    U, sigma, Vt = np.linalg.svd(W)
    middle = [Vt.T, *(orthogonal(source, len(W)) for _ in range(depth - 1)), U]
    root = np.diag(sigma ** (1 / depth))
    return [after @ root @ before.T for before, after in itertools.pairwise(middle)]


def factors_of_any_kind(source, widths):
    """Gaussian, unbalanced, of very different scale, identical or perturbed, as the shapes allow."""
    kind = source.choice(
        ["gaussian", "scales", "identical", "perturbed"] if len(set(widths)) == 1 else ["gaussian", "scales"]
    )
    shapes = [(after, before) for before, after in itertools.pairwise(widths)]
    scale = source.log_uniform(1e-3, 2)
    if kind == "identical":
        return [scale * np.eye(*shape) for shape in shapes]
    if kind == "perturbed":
        return [(1 - source.uniform(0.01, 0.9)) * scale * np.eye(*shapes[0]), *(scale * np.eye(*s) for s in shapes[1:])]
    factors = [scale * source.normal(*shape) for shape in shapes]
    return [source.log_uniform(0.1, 10) * factor for factor in factors] if kind == "scales" else factors


def flow_of_factors(factors, gradient, times):
    """The factors at the given times of the flow for the loss whose gradient at a product is ``gradient(W)``."""
    shapes, ends = [factor.shape for factor in factors], np.cumsum([factor.size for factor in factors])

    def unpack(w):
        return [part.reshape(shape) for part, shape in zip(np.split(w, ends[:-1]), shapes, strict=True)]

    def slope(t, w):
        now = unpack(w)
        return -np.concatenate([G.ravel() for G in factor_gradients(now, gradient(product(now)))])

    start = np.concatenate([factor.ravel() for factor in factors])
    run = solve_ivp(slope, (0, times[-1]), start, "DOP853", times, rtol=1e-11, atol=1e-13)
    return [unpack(w) for w in run.y.T]


# --- Gradient descent on the eigenvalues, from the identical start ---------------------------------------------------


@dataclass(frozen=True)
class Descent:
    """Eigenvalues of the product along gradient descent, every step of it."""

    levels: np.ndarray  # of the target, the largest first
    depth: int
    alpha: float
    step: float
    w: np.ndarray  # (steps + 1, n)
    epsilon: float
    delta: float


def recursion(levels, depth, alpha, step, steps):
    """``d <- d - step d^(N-1) (d^N - lambda)`` from alpha, as the products ``d^N``."""
    d = np.full(len(levels), alpha)
    path = np.empty((steps + 1, len(levels)))
    path[0] = d
    with np.errstate(over="ignore", invalid="ignore"):  # of steps that no statement admits
        for k in range(steps):
            power = d ** (depth - 1)
            d = d - step * power * (power * d - levels)
            path[k + 1] = d
        return path**depth


def spectrum(source, *, negative=True):
    """Eigenvalues, the largest first and positive: distinct, equal, nearly equal, zero and perhaps negative ones."""
    n, largest = source.integer(1, 12), source.log_uniform(0.1, 10)
    levels, last = [largest], largest
    while len(levels) < n:
        kind = source.choice(["fresh", "equal", "near", "zero", "negative" if negative else "zero"])
        if kind == "fresh":
            last *= source.uniform(0.05, 1)
        elif kind == "near":
            last *= 1 - 10 ** source.uniform(-6, -1)
        levels.append({"zero": 0.0, "negative": -largest * source.uniform(0, 1)}.get(kind, last))
    return -np.sort(-np.array(levels))


def descent_of_eigenvalues(source, *, negative=True, largest_step=1.0, steps=600):
    """A symmetric target with a positive eigenvalue, the identical start with ``alpha^N`` up to ``lambda_1``, and steps up to
    ``1 / (N |T|^(2-2/N))``; every seventh start is at an eigenvalue."""
    levels, depth = spectrum(source, negative=negative), source.integer(2, 5)
    smallest = {2: 1e-8, 3: 1e-4}.get(depth, 1e-2)  # deeper products would wait too long
    at_one = source.uniform(0, 7) < 1
    start = source.choice(levels[levels > 0]) if at_one else levels[0] * source.log_uniform(smallest, 1)
    step = largest_step * source.log_uniform(0.05, 1) / (depth * np.max(np.abs(levels)) ** (2 - 2 / depth))
    alpha = start ** (1 / depth)
    w = recursion(levels, depth, alpha, step, steps)
    return Descent(levels, depth, alpha, step, w, source.log_uniform(0.01, 0.9), source.log_uniform(0.01, 0.9))


def waiting_time(level, goal, depth, alpha):
    """When the flow of one eigenvalue has reached `goal`, by quadrature in the logarithm of the factor."""
    if alpha**depth >= goal:
        return 0.0
    if goal >= level:
        return np.inf
    ends = np.log([alpha, goal ** (1 / depth)])
    return quad(lambda s: np.exp((2 - depth) * s) / (level - np.exp(depth * s)), *ends, epsrel=1e-10, limit=200)[0]


# --- Two by two, three entries seen ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Corner:
    """Products along the flow for ``(w12 - 1)^2 + (w21 - 1)^2 + w22^2``, from a start with positive determinant."""

    W: np.ndarray  # (times, 2, 2)


def corner_loss_gradient(W):
    return np.array([[0.0, W[0, 1] - 1], [W[1, 0] - 1, W[1, 1]]])


def corner_flow(factors):
    return Corner(
        np.array([product(now) for now in flow_of_factors(factors, corner_loss_gradient, np.linspace(0, 6, 40))])
    )


def corner_start(source):
    """A product with positive determinant: of any kind, a multiple of the identity, or close to the solutions."""
    depth, kind = source.integer(2, 4), source.choice(["any", "identity", "close"])
    if kind == "identity":
        return source.log_uniform(0.05, 2) * np.eye(2), depth
    if kind == "close":
        tiny = source.log_uniform(1e-2, 0.4)
        return np.array([[1 / tiny + source.log_uniform(1e-2, 1), 1], [1, tiny]]), depth
    W = source.log_uniform(0.05, 2) * source.normal(2, 2)
    return (W if np.linalg.det(W) > 0 else W[::-1]), depth


def balanced_corner(source):
    W, depth = corner_start(source)
    return corner_flow(balanced_factors(source, W, depth))


def unbalanced_corner(source):
    """Any factors whose product has a positive determinant."""
    factors = factors_of_any_kind(source, [2] * source.integer(3, 5))
    if np.linalg.det(product(factors)) <= 0:
        factors[0] = factors[0][:, ::-1]
    return corner_flow(factors)


def perturbed_corner(source):
    """The counterexample of the perturbed identical start."""
    alpha, depth = source.uniform(0.3, 0.7), source.integer(2, 3)
    return corner_flow([(1 - source.uniform(0.2, 0.5)) * alpha * np.eye(2), *[alpha * np.eye(2)] * (depth - 1)])
