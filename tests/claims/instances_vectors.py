"""Instances for the attacks on the chapters about vectors, one generator for each hypothesis class; see `tests.claims.attacks`.

The costly part of an instance, a path or a limit, is computed here, by an explicit integrator of the weights wherever the
statement is about the flow itself. `flow_limit` serves as an instrument where a statement is about the *norm* of a limit;
that it finds the limit is what the attack on `thm-limit` compares with an integrator and with a convex solver.
"""

import warnings
from types import SimpleNamespace

import numpy as np
from implicit_bias import HadamardPower, SignedHadamardPower, basis_pursuit, flow_limit
from scipy.integrate import solve_ivp
from scipy.linalg import null_space
from scipy.optimize import minimize
from scipy.optimize import nnls as active_set

DEPTHS = (2, 2.5, 3, 4, 5)


def l1(x):
    return np.sum(np.abs(x), axis=-1)


# --- Matrices and data ------------------------------------------------------------------------------------------------


def matrix(source, rows=5, columns=9, wide=False):
    """Any small matrix: Gaussian, or with equal, nearly equal, opposite, zero or very long columns, or dependent rows."""
    m = source.integer(1, rows)
    n = source.integer(m + 1 if wide else 1, max(columns, m + 1))
    A = source.normal(m, n)
    kind = source.choice(["gaussian", "gaussian", "equal", "nearly equal", "opposite", "zero", "scales", "rows"])
    if n > 1 and kind in ("equal", "nearly equal", "opposite"):
        A[:, 1] = A[:, 0] * (-1 if kind == "opposite" else 1 + 0.01 * (kind == "nearly equal"))
    elif n > 1 and kind == "zero":
        A[:, -1] = 0
    elif kind == "scales":
        A *= 10.0 ** source.uniforms(-1, 1, n)
    elif kind == "rows" and m > 1:
        A[-1] = A[0]
    return A


def vector(source, n, positive=False):
    """Dense or sparse, of any sign or positive, with entries of different size."""
    x = source.normal(n) * 10.0 ** source.uniform(-1, 0.5)
    if source.choice([False, True]):
        x[source.integer(1, n) :] = 0
    return np.abs(x) if positive else x


def limit_of(A, y, model, alpha):
    """The limit of the flow, or None where Newton's method says that it did not find it."""
    with warnings.catch_warnings(action="ignore"):
        found = flow_limit(A, y, model, alpha=alpha)
    return found.x if found.converged else None


def model_of(signed, depth):
    return SignedHadamardPower(depth) if signed else HadamardPower(depth)


# --- Paths of the weights ---------------------------------------------------------------------------------------------


def weights_path(A, y, depth, w0, times, rtol=1e-10):
    """The flow of the weights, shape (1, n) for w^L and (2, n) for u^L - v^L, and the integral of the gradient in x."""
    w0 = np.asarray(w0, dtype=float)
    n, two = A.shape[1], len(w0) == 2
    signs = np.array([[1.0], [-1.0]])[: len(w0)]
    rates, transposed = -depth * np.repeat(signs, n), A.T

    def value(w):
        return (signs * w**depth).sum(axis=-2)

    def velocity(t, state):  # with few calls: of small arrays they are what takes long
        w = state[: w0.size]
        slopes = w ** (depth - 1)
        x = slopes * w
        g = transposed @ (A @ (x[:n] - x[n:] if two else x) - y)
        return np.concatenate([rates * slopes * (np.concatenate([g, g]) if two else g), g])

    start = np.r_[w0.ravel(), np.zeros(A.shape[1])]
    floor = np.r_[np.full(w0.size, 1e-14 * np.min(w0)), np.full(A.shape[1], 1e-14)]
    run = solve_ivp(velocity, (0, times[-1]), start, "DOP853", times, rtol=rtol, atol=floor)
    weights = run.y[: w0.size].T.reshape(-1, *w0.shape)
    return weights, value(weights), run.y[w0.size :].T


def logarithmic_path(A, y, depth, w0, times):
    """x of u^L - v^L and its integral at `times`, from tiny starts: the logarithms of the weights by a stiff integrator."""
    n = len(w0)

    def velocity(t, state):
        u, v = np.exp(np.minimum(state[: 2 * n], 5)).reshape(
            2, n
        )  # a step that is tried and refused may be far too long
        g = A.T @ (A @ (u**depth - v**depth) - y)
        return np.concatenate([-depth * u ** (depth - 2) * g, depth * v ** (depth - 2) * g, u**depth - v**depth])

    start = np.r_[np.log(w0), np.log(w0), np.zeros(n)]
    state = solve_ivp(velocity, (0, times[-1]), start, "LSODA", times, rtol=1e-9, atol=1e-9).y.T
    return np.exp(depth * state[:, :n]) - np.exp(depth * state[:, n : 2 * n]), state[:, 2 * n :]


def clock(A, y, depth, x0):
    """A time in which something happens to entries of the size of the data, or of the start if that is larger."""
    norm = np.linalg.norm(A, 2) or 1.0
    size = max(np.max(x0), np.linalg.norm(y) / norm, 1e-3)
    return 1 / (depth**2 * size ** (2 - 2 / depth) * norm**2)


def path(source, signed=None, uneven=False):
    """Any matrix, any data, any scale of the start from 1e-12 to 1e3 (10 for two signs, where more would cancel): a path."""
    A = matrix(source, 3, 5)
    m, n = A.shape
    y = source.normal(m) if source.choice([False, True]) else A @ vector(source, n)
    signed = source.choice([False, True]) if signed is None else signed
    depth, alpha = source.choice(DEPTHS), source.log_uniform(1e-12, 10 if signed else 1e3)
    start = alpha * (10.0 ** source.uniforms(-1, 1, n) if uneven else np.ones(n))
    end = clock(A, y, depth, start**depth) * source.log_uniform(0.1, 100)
    times = np.r_[0, np.linspace(0, end, 9)[1:]]
    weights, x, integral = weights_path(A, y, depth, np.tile(start, (1 + signed, 1)), times)
    return SimpleNamespace(**locals())


# --- Limits -----------------------------------------------------------------------------------------------------------


def minimizer(f, gradient, A, z, positive=False):
    """The minimizer of a convex function among the solutions of A x = A z, by SciPy's general-purpose optimizer."""
    kernel = null_space(A)
    if not kernel.size:
        return z
    bounds = {"type": "ineq", "fun": lambda v: z + kernel @ v - 1e-10, "jac": lambda v: kernel}
    found = minimize(
        lambda v: f(z + kernel @ v),
        np.zeros(kernel.shape[1]),
        jac=lambda v: kernel.T @ gradient(z + kernel @ v),
        method="SLSQP",
        constraints=bounds if positive else (),
        options={"ftol": 1e-16, "maxiter": 1000},
    )
    return z + kernel @ found.x


def potential(x, depth, alpha, signed):
    """The table of potentials, without their sum; for the signed model above depth 2 by Gauss's rule."""
    if signed and depth == 2:
        return (x * np.arcsinh(x / (2 * alpha**2)) - np.sqrt(x**2 + 4 * alpha**4)) / 4
    if signed:
        nodes, weights = np.polynomial.legendre.leggauss(60)
        share = (nodes + 1) / 2  # the points x share^4 are dense at 0, where the mirror map is steep
        slopes = mirror_map(np.multiply.outer(x, share**4), depth, alpha, True)
        return x / 2 * (slopes @ (weights * 4 * share**3))
    if depth == 2:
        return (x * np.log(np.maximum(x, 1e-300)) - x) / 4
    return -(np.maximum(x, 0) ** (2 / depth)) / (2 * (depth - 2))


def mirror_map(x, depth, alpha, signed):
    """Its derivative; the inverse of psi_L by bisection."""
    if signed and depth == 2:
        return np.arcsinh(x / (2 * alpha**2)) / 4
    if signed:
        low, high, q = np.full(np.shape(x), -1.0), np.ones(np.shape(x)), depth / (depth - 2)
        for _ in range(60):
            middle = (low + high) / 2
            below = psi(middle, q) * alpha**depth < x
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return (low + high) / 2 / (depth * (depth - 2) * alpha ** (depth - 2))
    return np.log(x) / 4 if depth == 2 else -(x ** -(1 - 2 / depth)) / (depth * (depth - 2))


def psi(xi, q):
    with np.errstate(divide="ignore"):
        return (1 - xi) ** -q - (1 + xi) ** -q


def bregman(z, x, depth, alpha, signed):
    """D_h(z, x), in a form without cancellation for the one-signed model."""
    if not signed and depth == 2:
        return np.sum(z * np.log(np.maximum(z, 1e-300) / x) - z + x, axis=-1) / 4
    if not signed:
        p = 2 / depth
        return np.sum(p * z * x ** (p - 1) - z**p + (1 - p) * x**p, axis=-1) / (2 * (depth - 2))
    h, slope = potential, mirror_map(x, depth, alpha, True)
    return np.sum(h(z, depth, alpha, True) - h(x, depth, alpha, True) - slope * (z - x), axis=-1)


def run_to_the_end(source):
    """A flow followed until it has converged, by the integrator; or one equation for one unknown that sleeps for long."""
    signed, depth = source.choice([False, True]), source.choice(DEPTHS)
    kind = source.choice(["any", "sleeper"])
    if kind == "sleeper":
        A, alpha = np.array([[source.log_uniform(0.1, 10)]]), source.log_uniform(1e-12, 1e-3)
        y = A @ np.array([source.log_uniform(0.1, 10)])
        alpha = alpha if depth == 2 else max(alpha, 10 ** (-2 / (depth - 2)))
        alpha *= float(y[0] / A[0, 0]) ** (1 / depth)
    else:
        A, alpha = matrix(source, 3, 5, wide=True), source.log_uniform(0.3, 3)
        y = A @ (np.abs(source.normal(A.shape[1])) + 0.2)
    n = A.shape[1]
    w0 = np.full((1 + signed, n), alpha)
    solution = limit_of(A, y, model_of(signed, depth), alpha)
    if solution is None:
        return None
    if kind == "sleeper":
        end = 1.5 * bregman(solution, w0[0] ** depth * (not signed), depth, alpha, signed) / y[0] ** 2
    else:
        slowest = np.linalg.svd(A * np.maximum(np.abs(solution), 0.1 * alpha**depth) ** (1 - 1 / depth))[1][-1]
        slowest = slowest if np.linalg.matrix_rank(A) == len(A) else clock(A, y, depth, w0[0] ** depth) ** 0.5
        end = min(25 / (depth**2 * slowest**2), 3e3 * clock(A, y, depth, w0[0] ** depth))
    times = np.r_[0, np.geomspace(end * 1e-4, end, 60)] if kind == "any" else np.linspace(0, end, 200)
    weights, x, _ = weights_path(A, y, depth, w0, times, rtol=1e-9)
    loss = np.sum((x @ A.T - y) ** 2, axis=1) / 2
    other = limit_of(A, y, model_of(signed, depth), 3 * alpha)
    return SimpleNamespace(**locals())


def nearly_equal_columns(source, depth, columns):
    """One row (1 + d, 1, ..., 1), y = 1, for which the norm of the limit comes close to the bound."""
    n = round(source.log_uniform(2, columns))
    A = np.ones((1, n))
    alpha = source.log_uniform(1e-12, 1e-2) if depth == 2 else source.log_uniform(1e-3, 1) ** (1 / (depth - 2)) / 10
    # The gain of the first column over the others is set against what the start gives to them.
    scale = n * alpha**depth
    advantage = 1 / np.log(1 / scale) * np.log(n) if depth == 2 else scale ** (1 - 2 / depth)
    A[0, 0] += advantage * source.log_uniform(0.2, 3)
    return A, np.ones(1), alpha


def least_norm(A, y, weights, nonnegative):
    """The least weighted l1-norm of a solution: in closed form for one row, else by a linear program."""
    B = A / weights
    if len(B) == 1:
        return abs(y[0]) / np.max(B * np.sign(y[0]) if nonnegative else np.abs(B))
    return l1(basis_pursuit(B, y, nonnegative=nonnegative).x)


def limit_and_norm(source, depths=DEPTHS, uneven=False, rows=1):
    """Any solvable data and a start from 1e-12 to 1: the norm of the limit and the least norm; with nearly equal columns, too.

    With `uneven` the scales of the start differ. With ``rows=2`` every row stands twice, with different data.
    """
    signed, depth = source.choice([False, True]) and rows == 1, source.choice(depths)
    kind = source.choice(["any", "row"])
    if kind == "row":
        A, y, alpha = nearly_equal_columns(source, depth, 100_000 if rows == 1 else 3000)
    else:
        A = matrix(source, 4, 8, wide=True)
        y = A @ vector(source, A.shape[1], positive=not signed)
        alpha = source.log_uniform(1e-12 if depth == 2 else 1e-3, 1)
    n = A.shape[1]
    start = np.full(n, alpha)
    if uneven:
        spread = np.resize(source.uniforms(-1, 0, min(n, 8)), n) * source.choice([0.05, 1.0, 3.0])
        start = alpha * 10.0**spread
    weights = start ** (2.0 - depth) if uneven else np.ones(n)
    weights = weights / np.max(weights)  # a common factor does not matter
    if uneven and kind == "row":
        A = A * weights
    if not np.any(y):
        return None
    B, data = A, y
    if rows == 2:
        spread = source.normal(len(y)) * source.choice([0.01, 1.0])
        B, data = np.vstack([A, A]), np.r_[y + spread, y - spread]
    x = limit_of(B, data, model_of(signed, depth), start)
    if x is None or not np.all(np.isfinite(x)):
        return None
    Q = least_norm(A, y, weights, not signed)
    copies = 1 if not signed else 2
    return SimpleNamespace(**locals(), norm=float(weights @ np.abs(x)), gap=float(weights @ np.abs(x) / Q - 1))


# --- The null space property ------------------------------------------------------------------------------------------


def one_dimensional_kernel(source):
    """A matrix with the kernel spanned by one vector, whose null space constant is a quotient of sums; ``rho < 1``."""
    n = source.integer(2, 7)
    s = source.integer(1, max(1, (n - 1) // 2))
    v = 10.0 ** source.uniforms(-0.5, 0.5, n) * np.where(source.uniforms(0, 1, n) < 0.5, -1, 1)
    large = np.sort(np.abs(v))[::-1]
    if np.sum(large[:s]) >= 0.98 * np.sum(large[s:]):
        v = v * np.where(np.argsort(np.argsort(-np.abs(v))) < s, 0.5 * np.sum(large[s:]) / np.sum(large[:s]), 1.0)
        large = np.sort(np.abs(v))[::-1]
    rho = np.sum(large[:s]) / np.sum(large[s:])
    if not rho < 1:
        return None
    A = null_space(v[None]).T * (10.0 ** source.uniforms(-0.5, 0.5, n - 1))[:, None]
    return SimpleNamespace(A=A, v=v, s=s, rho=float(rho), n=n)


def shortest_multiplier(A, j, rho):
    """The least ``|c|_2`` with ``<a_j, c> = 1`` and ``|<a_i, c>| <= rho`` for the others, or None where SLSQP does not find it.

    By duality it bounds ``(|v_j| - rho sum_i |v_i|) / |A v|_2`` for all `v`: a constant theta for the set {j}, never too small.
    """
    others = np.delete(A, j, axis=1)
    found = minimize(
        lambda c: c @ c / 2,
        A[:, j] / (A[:, j] @ A[:, j]),
        jac=lambda c: c,
        method="SLSQP",
        constraints=(
            {"type": "eq", "fun": lambda c: A[:, j] @ c - 1, "jac": lambda c: A[:, j]},
            {
                "type": "ineq",
                "fun": lambda c: rho - np.r_[others.T @ c, -others.T @ c],
                "jac": lambda c: np.vstack([-others.T, others.T]),
            },
        ),
        options={"ftol": 1e-14, "maxiter": 300},
    )
    fits = abs(A[:, j] @ found.x - 1) < 1e-8 and np.max(np.abs(others.T @ found.x), initial=0) <= rho + 1e-8
    return np.linalg.norm(found.x) if fits else None


def robust_matrix(source):
    """A matrix with constants of the robust null space property: orthonormal, nearly singular, with a kernel, or Gaussian."""
    kind = source.choice(["orthonormal", "nearly singular", "kernel", "gaussian"])
    if kind == "orthonormal":
        n = source.integer(2, 40)
        s = source.integer(1, source.choice([1, n - 1]))
        Q = np.linalg.qr(source.normal(n, n))[0] if source.choice([False, True]) else np.eye(n)
        return SimpleNamespace(A=Q, s=s, rho=0.0, theta=float(np.sqrt(s)), n=n)
    if kind == "nearly singular":
        h, rho = source.log_uniform(1e-3, 1), source.uniform(0, 0.95)
        A = np.array([[1.0, 1.0], [h, -h]])
        slope = np.clip((1 - h**2) / (1 + h**2), -rho, rho)  # where the multiplier is shortest
        theta = np.hypot((1 + slope) / 2, (1 - slope) / (2 * h))
        return SimpleNamespace(A=A, s=1, rho=rho, theta=float(theta), n=2)
    if kind == "kernel":
        one = one_dimensional_kernel(source)
        if one is None:
            return None
        one.theta = np.sqrt(one.n) * np.linalg.norm(np.linalg.pinv(one.A), 2)
        return one
    n = source.integer(2, 5)
    A, rho = source.normal(source.integer(max(1, n - 1), n), n), source.uniform(0.1, 0.95)
    lengths = [shortest_multiplier(A, j, rho) for j in range(n)]
    return None if None in lengths else SimpleNamespace(A=A, s=1, rho=rho, theta=max(lengths) * (1 + 1e-6), n=n)


# --- Non-negative least squares ---------------------------------------------------------------------------------------


def problem(source, rows=6, columns=5, wide=False):
    """Any matrix and any data, met or not, with an uneven start; a solution by an active-set method, and the least loss."""
    A = matrix(source, rows, columns, wide=wide)
    m, n = A.shape
    y = source.normal(m) * source.log_uniform(0.1, 10)
    if source.choice([False, True]):
        y = A @ vector(source, n) + source.choice([0.0, 0.3]) * y
    z, residual = active_set(A, y)
    return SimpleNamespace(A=A, y=y, z=z, least=residual**2 / 2, n=n, w0=source.log_uniform(1e-3, 2) * np.ones(n))


def double_sleeper(source):
    """Two nearly parallel columns: the flow starts at the fit by the first, and for long hardly sees the second, the right one.

    Meanwhile the excess is nearly constant, and nearly linear in x: what the bound 1/t needs to be an equality.
    """
    b, phi = source.log_uniform(0.02, 0.2), source.log_uniform(0.003, 0.1)
    A = np.array([[1.0, np.cos(phi)], [0.0, np.sin(phi)]])
    r = b * np.array([1.0, -1 / np.tan(phi)])
    z = np.array([0.0, 1.0])
    y = A @ z - r
    x0 = np.array([np.cos(phi) - b, source.log_uniform(1e-12, 1e-3)])
    return SimpleNamespace(A=A, y=y, z=z, least=r @ r / 2, n=2, x0=x0)


def flow_of_nnls(source):
    """The path of such a problem by an explicit integrator, from an even or uneven start."""
    depth = source.choice(DEPTHS)
    if source.choice(["any", "sleeper"]) == "sleeper":
        one = double_sleeper(source)
        if depth > 2:
            one.x0[1] = max(one.x0[1], 10 ** (-depth / (depth - 2)))
        w0 = one.x0 ** (1 / depth)
        end = 1.2 * bregman(one.z, one.x0, depth, 0, False) / (one.A[:, 0] @ (one.A @ one.z - one.y))
        one.times = np.linspace(0, end, 200)
    else:
        one = problem(source)
        spread = source.choice([0.0, 1.0])
        w0 = one.w0 * 10.0 ** (spread * source.uniforms(-1, 0, one.n))
        end = clock(one.A, one.y, depth, w0**depth) * source.log_uniform(1, 100)
        one.times = np.r_[0, np.geomspace(1e-3 * end, end, 60)]
    _, one.x, _ = weights_path(one.A, one.y, depth, w0[None], one.times, rtol=1e-9)
    one.depth, one.w0 = depth, w0
    one.excess = excess(one)
    return one


def excess(one):
    """The loss minus the least loss, without their cancellation."""
    d = one.x - one.z
    g = one.A.T @ (one.A @ one.z - one.y)
    return d @ np.where(one.z > 0, 0, np.maximum(g, 0)) + np.sum((d @ one.A.T) ** 2, axis=-1) / 2


def strictly_complementary(source, rows=8, columns=5):
    """A problem with independent columns, some zeros in its solution, and multipliers that are not small."""
    n = source.integer(1, columns)
    A = source.normal(source.integer(n, max(rows, n)), n) + source.choice([0.0, 0.5])
    A = A / np.linalg.norm(A, axis=0)
    z = source.uniforms(0.2, 2, n) * (source.uniforms(0, 1, n) < 0.6)
    g = source.uniforms(0.2, 2, n) * (z == 0)
    # A residual r with A^T r = g, and so the data whose solution is z with these multipliers.
    if np.linalg.cond(A) > 20:
        return None
    r = np.linalg.pinv(A.T) @ g
    return SimpleNamespace(A=A, y=A @ z - r, z=z, g=g, n=n, least=r @ r / 2)


def own_descent(A, y, w, eta, steps):
    """Gradient descent at depth 2, with one step size or one for each step: all iterates x."""
    path, transposed = np.empty((steps + 1, len(w))), A.T
    with np.errstate(over="ignore", invalid="ignore"):
        for x, twice in zip(path, np.broadcast_to(2 * eta, steps + 1).tolist(), strict=True):
            np.multiply(w, w, out=x)
            w = w - twice * w * (transposed @ (A @ x - y))
    return path


def descent_with_any_steps(source, longer=1.0):
    """Steps that decay, that are drawn at random, or of which most are tiny; the longest one as long as the theorem admits."""
    one = problem(source) if source.choice([True, False]) else double_sleeper(source)
    w0 = np.sqrt(one.x0) if hasattr(one, "x0") else one.w0 * 10.0 ** source.uniforms(-1, 0, one.n)
    norm, first = np.linalg.norm(one.A, 2), np.linalg.norm(one.A @ w0**2 - one.y)
    one.distance = bregman(one.z, w0**2, 2, 0, False)
    if norm == 0 or first == 0:
        return None
    largest = (np.sqrt(np.max(one.z)) + np.sqrt(4 * one.distance + first / (4 * norm))) ** 2
    ladder, kind = np.arange(1, 1502.0), source.choice(["decaying", "random", "rare"])
    if kind == "decaying":
        shares = ladder ** -source.uniform(0, 1.5)
    elif kind == "random":
        shares = np.abs(np.sin(ladder**2 * source.uniform(0.1, 1)))
    else:
        shares = np.where(ladder % source.integer(2, 50) == 1, 1, 1e-3)
    one.eta = longer * shares * min(1 / (8 * norm**2 * largest), 1 / (4 * norm * first))
    one.x = own_descent(one.A, one.y, w0, one.eta, 1500)
    one.excess = excess(one)
    return one


def accelerated_descent(source, longer=1.0):
    """Accelerated descent with the longest step that the theorem admits (times `longer`); some data far outside the cone."""
    if source.choice(["any", "linear"]) == "linear":
        n = source.integer(1, 3)
        one = SimpleNamespace(A=np.eye(n), y=-(10.0 ** source.uniforms(1, 3, n)), z=np.zeros(n), n=n)
        x0 = source.uniforms(0.2, 1, n)
    else:
        one = problem(source)
        x0 = (one.w0 * 10.0 ** source.uniforms(-0.7, 0, one.n)) ** 2
    A, y, norm = one.A, one.y, np.linalg.norm(one.A, 2)
    one.distance = bregman(one.z, x0, 2, 0, False)
    if norm == 0:
        return None
    one.s = longer / (4 * norm**2 * (np.sqrt(np.max(one.z)) + np.sqrt(4 * one.distance)) ** 2)
    Y = Z = x0
    path = []
    with np.errstate(over="ignore", invalid="ignore"):
        for k in range(1, 1001):  # written with the sums of the weights, as in the proof
            a, total = one.s * k / 2, one.s * k * (k + 1) / 4
            X = ((total - a) * Y + a * Z) / total
            Z = np.exp(np.log(Z) - 4 * a * (A.T @ (A @ X - y)))
            Y = ((total - a) * Y + a * Z) / total
            Z = np.maximum(Z, 1e-300)
            path.append(Y)
    one.x = np.array(path)
    one.excess = excess(one)
    return one


def descent_of_nnls(source, longer=1.0):
    """A problem, the longest step that the theorem admits (times `longer`), and the iterates."""
    if source.choice(["any", "sleeper"]) == "sleeper":
        one = double_sleeper(source)
        w0 = np.sqrt(one.x0)
    else:
        one = problem(source)
        w0 = one.w0 * 10.0 ** (source.choice([0.0, 1.0]) * source.uniforms(-1, 0, one.n))
    A, norm = one.A, np.linalg.norm(one.A, 2)
    first = np.linalg.norm(A @ w0**2 - one.y)
    one.distance = bregman(one.z, w0**2, 2, 0, False)
    if norm == 0 or first == 0:
        return None
    safe = (np.sqrt(np.max(one.z)) + np.sqrt(4 * one.distance + first / (4 * norm))) ** 2
    tight = 1.02 * max(np.max(one.z), np.max(w0**2))
    for one.largest in (tight, safe):
        one.eta = longer * min(1 / (8 * norm**2 * one.largest), 1 / (4 * norm * first))
        steps = int(min(1.2 * one.distance / (one.eta * 0.02), 6000)) + 1
        one.x = own_descent(A, one.y, w0, one.eta, steps)
        if longer != 1 or np.max(one.x) <= one.largest:
            break
    one.excess, one.safe = excess(one), one.largest == safe
    return one


def accelerated(source):
    """The accelerated flow by an explicit integrator in (X, grad h(Z)); with data far outside the cone its loss is linear."""
    depth = source.choice(DEPTHS)
    if source.choice(["any", "linear"]) == "linear":
        n = source.integer(1, 3)
        A, w0 = np.eye(n), source.uniforms(0.5, 1, n)
        y, z = -(10.0 ** source.uniforms(1, 3, n)), np.zeros(n)
        one = SimpleNamespace(A=A, y=y, z=z, n=n)
    else:
        one = problem(source, 4, 4)
        w0 = np.maximum(one.w0, 0.1)
    A, y, n, q = one.A, one.y, one.n, depth / (depth - 2) if depth > 2 else None
    x0 = w0**depth
    theta0 = mirror_map(x0, depth, 0, False)

    def Z(theta):
        if depth == 2:
            return np.exp(4 * np.minimum(theta, 100))
        return np.maximum(-depth * (depth - 2) * theta, 1e-300) ** -q

    def velocity(t, state):
        X, theta = state[:n], state[n:]
        return np.concatenate([2 / t * (Z(theta) - X), -t / 2 * (A.T @ (A @ X - y))])

    gradient = A.T @ (A @ x0 - y)
    size = np.max(np.abs(gradient)) or 1.0
    first = 1e-3 * np.sqrt(np.min(np.abs(theta0)) / size if depth > 2 else 1 / size)
    one.times = first * np.geomspace(10, source.log_uniform(1e3, 1e5), 60)
    start = np.r_[x0, theta0 - first**2 / 4 * gradient]
    floor = np.r_[1e-12 * x0, 1e-12 * np.maximum(np.abs(theta0), 1)]
    run = solve_ivp(velocity, (first, one.times[-1]), start, "DOP853", one.times, rtol=1e-8, atol=floor)
    one.x = run.y[:n].T
    one.times = one.times[: len(one.x)]
    one.depth, one.excess, one.x0 = depth, excess(one), x0
    return one
