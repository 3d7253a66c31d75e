"""Attacks on the statements of the chapter "Non-negative least squares"."""

from itertools import combinations, product
from math import comb
from types import SimpleNamespace

import numpy as np
import pytest
from implicit_bias import HadamardPower, l1_bound
from scipy.integrate import solve_ivp
from scipy.linalg import null_space
from scipy.optimize import approx_fprime, brentq, lsq_linear, minimize
from scipy.optimize import nnls as active_set
from scipy.special import expit, logit, softmax

from tests.claims import instances_vectors as vectors
from tests.claims.attacks import at_most, attack, equal, holds
from tests.claims.instances_vectors import DEPTHS, l1

ROUNDING = 1e-9

# --- Where the flow ends ----------------------------------------------------------------------------------------------


@attack(
    "thm-nnls-limit",
    hypothesis="any matrix (equal, opposite, zero, very long columns, dependent rows), any data, uneven starts from 1e-4 to 2, "
    "depth 2 to 5; two nearly parallel columns of which the flow prefers the wrong one for long; an explicit integrator, the "
    "solution by an active-set method",
    draw=vectors.flow_of_nnls,
    tries=24,
    mutants={
        "D_h / (2 t), as for data that are met": {"constant": 2.0},
        "D_h / t^2 for t > 1": {"power": 2.0},
        "the least-squares solution without the constraint": {"unconstrained": True},
    },
)
def test_flow_solves_nnls(one, *, constant=1.0, power=1.0, unconstrained=False):
    L, x0 = one.depth, one.x[0]
    late = one.times > (0 if power == 1 else 1)
    distance = vectors.bregman(one.z, x0, L, 0, False)
    floor = 1e-7 * one.excess[0]
    yield at_most("rate", one.excess[late], distance / (constant * one.times[late] ** power) + floor)
    yield at_most("", -np.min(one.x), 0.0)
    yield at_most("", np.diff(one.excess), floor)
    if unconstrained:
        free = np.linalg.lstsq(one.A, one.y)[0]
        reached = np.sum((one.A @ (one.x[-1] - free)) ** 2) / 2
        yield at_most("", reached, distance / one.times[-1])
    if one.n > 1 and np.array_equal(one.A[:, 0], one.A[:, 1]):
        # Equal columns: the mirror coordinates differ for ever by what they differed at the start.
        theta = vectors.mirror_map(one.x[[0, -1], :2], L, 0, False)
        yield at_most("", abs(np.diff(theta[0] - theta[1])[0]), 1e-4 * np.max(np.abs(theta)))


@attack(
    "thm-nnls-limit",
    hypothesis="rows that stand twice with different data, so that there are many solutions and a residual; the limit by an "
    "integrator, the projection by a general convex solver",
    draw=lambda source: many_solutions(source),
    tries=16,
    mutants={
        "the Euclidean projection": {"euclidean": True},
        "the projection of another start": {"start": 2.0},
    },
)
def test_selection_for_inconsistent_data(one, *, euclidean=False, start=1.0):
    if one is None:
        return
    L, x0 = one.depth, start * one.x0
    slope = vectors.mirror_map(x0, L, 0, False)
    projection = vectors.minimizer(
        (lambda z: np.sum((z - x0) ** 2) / 2)
        if euclidean
        else lambda z: np.sum(vectors.potential(z, L, 0, False) - slope * z),
        (lambda z: z - x0) if euclidean else lambda z: vectors.mirror_map(z, L, 0, False) - slope,
        one.once,
        one.inside,
        True,
    )
    yield equal("", one.end, projection, 2e-3)


def many_solutions(source):
    depth, n = source.choice(DEPTHS), source.integer(3, 6)
    once = source.normal(source.integer(1, 2), n)
    inside = source.uniforms(0.5, 1.5, n)
    spread = source.normal(len(once))
    A, y = np.vstack([once, once]), np.r_[once @ inside + spread, once @ inside - spread]
    x0 = source.uniforms(0.4, 1.5, n)
    if np.linalg.cond(once) > 10:
        return None
    times = np.array([0.0, 400 * vectors.clock(A, y, depth, x0)])
    _, x, _ = vectors.weights_path(A, y, depth, x0[None] ** (1 / depth), times, rtol=1e-9)
    if np.linalg.norm(once @ (x[-1] - inside)) > 1e-5 or np.min(x[-1]) < 0.02:
        return None
    return SimpleNamespace(depth=depth, once=once, inside=inside, x0=x0, end=x[-1])


# --- Other constraints ------------------------------------------------------------------------------------------------


def constrained(source):
    """A box or a simplex, any start, the path by an explicit integrator, and the solution by other programs."""
    kind, where = source.choice(["box", "simplex"]), source.choice(["any", "linear", "middle", "linear middle"])
    n = source.integer(1 if kind == "box" else 2, 5 if where != "linear middle" else 60)
    if where.startswith("linear"):
        # The loss is nearly linear: one direction of the data, far away.
        slope = np.ones(n)
        slope[0] = 0 if kind == "simplex" else 1
        A, y = slope[None] * (1 if kind == "simplex" else -1), np.array([-source.log_uniform(30, 1e3)])
        z = np.ones(n) if kind == "box" else np.eye(n)[0]
    else:
        A = vectors.matrix(source, 4, n)[:, :n]
        n = A.shape[1]
        y, z = source.normal(len(A)) * source.log_uniform(0.3, 3), None
    if kind == "simplex" and n == 1:
        return None
    middle = np.full(n, 0.5) if kind == "box" else np.full(n, 1 / n)
    x0 = middle
    if where == "any":
        x0 = source.uniforms(0.02, 0.98, n)
    elif where == "linear":
        x0 = np.full(n, source.log_uniform(1e-12, 1e-3))
        x0[1:] = x0[1:] if kind == "box" else (1 - x0[0]) / (n - 1)
    x0 = x0 / np.sum(x0) if kind == "simplex" else x0
    if z is None:
        z = box_solution(A, y) if kind == "box" else simplex_solution(A, y)
    w0 = np.arcsin(np.sqrt(x0)) if kind == "box" else np.sqrt(x0)

    def value(w):
        return np.sin(w) ** 2 if kind == "box" else w**2 / np.sum(w**2, axis=-1, keepdims=True)

    def velocity(t, w):
        x = value(w)
        g = A.T @ (A @ x - y)
        return -np.sin(2 * w) * g if kind == "box" else -2 * w / (w @ w) * (g - g @ x)

    g = A.T @ (A @ x0 - y)
    end = (
        divergence(z, x0, kind) / max(np.sum((A @ (x0 - z)) ** 2) / 2 + abs(g @ (x0 - z)), 1e-3) * source.uniform(1, 4)
    )
    times = np.linspace(0, max(end, 1e-6), 120)
    run = solve_ivp(velocity, (0, times[-1]), w0, "DOP853", times, rtol=1e-9, atol=1e-13)
    x = value(run.y.T)
    least = np.sum((A @ z - y) ** 2) / 2
    return SimpleNamespace(**locals(), excess=((x - z) @ A.T) @ (A @ z - y) + np.sum(((x - z) @ A.T) ** 2, axis=1) / 2)


def box_solution(A, y):
    return lsq_linear(A, y, (0, 1), method="bvls", tol=1e-14).x


def simplex_solution(A, y):
    """By Wolfe's device: the sum as one more equation of great weight, then exactly on the support that was found."""
    n = A.shape[1]
    weight = 1e4 * (np.linalg.norm(A) + 1)
    z = active_set(np.vstack([A, np.full(n, weight)]), np.r_[y, weight], maxiter=1000)[0]
    on = z > 1e-9
    B = np.vstack([np.hstack([A[:, on].T @ A[:, on], np.ones((on.sum(), 1))]), np.r_[np.ones(on.sum()), 0]])
    z = np.zeros(n)
    z[on] = np.linalg.lstsq(B, np.r_[A[:, on].T @ y, 1])[0][:-1]
    return z


def divergence(z, x, kind):
    def entropy(z, x):
        return np.sum(np.where(z > 0, z * np.log(np.where(z > 0, z, 1) / x), 0))

    return (entropy(z, x) + (entropy(1 - z, 1 - x) if kind == "box" else 0)) / 4


@attack(
    "prop-nnls-constraints",
    hypothesis="boxes of 1 to 5 and simplices of 2 to 60 entries, any matrix and data, any start inside, from 1e-12 of a "
    "vertex to the middle; an explicit integrator of the weights, the solutions by bounded least squares and Wolfe's device",
    draw=constrained,
    tries=60,
    mutants={
        "half of D_h / t": {"constant": 0.5},
        "half of ln n / 4": {"simplex": 8.0},
        "half of n ln 2 / 4": {"box": 8.0},
        "D_h / t^2 for t > 1": {"power": 2.0},
        "the potential without the factor 1/4": {"constant": 0.25},
    },
    survivors={
        "half of n ln 2 / 4": "nearest instance: 0.4 of the bound, which leaves out how fast the middle is left"
    },
)
def test_box_and_simplex(one, *, constant=1.0, simplex=4.0, box=4.0, power=1.0):
    if one is None:
        return
    floor = 1e-7 * (abs(one.excess[0]) + one.least + 1e-3)
    late = one.times > (0 if power == 1 else 1)
    times = one.times[late]
    right = divergence(one.z, one.x0, one.kind) / times**power
    yield at_most("rate", one.excess[late], constant * right + floor)
    if np.allclose(one.x0, one.middle) and power == 1:
        largest = one.n * np.log(2) / box if one.kind == "box" else np.log(one.n) / simplex
        yield at_most(f"{one.kind}, from the middle", one.excess[late], largest / times + floor)
    yield at_most("", -one.x, 0.0)
    if one.kind == "box":
        yield at_most("", one.x, 1.0)


@attack(
    "prop-nnls-constraints",
    hypothesis="one measurement of 3 to 5 unknowns, so that there are many solutions; the projection by its one "
    "multiplier, the root of an equation",
    draw=lambda source: many_admissible(source),
    tries=12,
    mutants={"the Euclidean projection": {"euclidean": True}, "another start": {"start": 0.6}},
)
def test_selection_in_box_and_simplex(one, *, euclidean=False, start=1.0):
    if one is None:
        return
    x0 = one.x0**start
    x0 = x0 / np.sum(x0) if one.kind == "simplex" else x0

    def point(multiplier):
        step = multiplier * one.A[0]
        if euclidean:
            return x0 + step - (np.mean(step) if one.kind == "simplex" else 0)
        return expit(logit(x0) + step) if one.kind == "box" else softmax(np.log(x0) + step)

    root = brentq(
        lambda multiplier: one.A[0] @ point(multiplier) - one.y[0], *np.array([-100, 100]) / np.linalg.norm(one.A)
    )
    yield equal("", one.end, point(root), 2e-3)


def many_admissible(source):
    kind, n = source.choice(["box", "simplex"]), source.integer(3, 5)
    A = source.normal(1, n)
    x0, inside = source.uniforms(0.2, 0.8, n), source.uniforms(0.3, 0.7, n)
    if kind == "simplex":
        x0, inside = x0 / np.sum(x0), inside / np.sum(inside)
    y = A @ inside
    w0 = np.arcsin(np.sqrt(x0)) if kind == "box" else np.sqrt(x0)

    def velocity(t, w):
        x = np.sin(w) ** 2 if kind == "box" else w**2 / (w @ w)
        g = A.T @ (A @ x - y)
        return -np.sin(2 * w) * g if kind == "box" else -2 * w / (w @ w) * (g - g @ x)

    w = solve_ivp(velocity, (0, 300 / np.sum(A**2)), w0, "DOP853", rtol=1e-9, atol=1e-12).y[:, -1]
    end = np.sin(w) ** 2 if kind == "box" else w**2 / (w @ w)
    if np.linalg.norm(A @ end - y) > 1e-5 or np.min(end) < 0.02 or (kind == "box" and np.max(end) > 0.98):
        return None
    return SimpleNamespace(**locals())


# --- Shares and bounds by plain problems ------------------------------------------------------------------------------


def shares_and_bounds(source):
    """Any matrix with data inside or outside of what it reaches; any weight of the sum; bounds, some zero, some infinite."""
    A = vectors.matrix(source, 6, 5)
    n = A.shape[1]
    y = (
        A @ source.uniforms(0, 1, n)
        if source.choice([False, True])
        else source.normal(len(A)) * source.log_uniform(0.1, 10)
    )
    weight = source.log_uniform(1e-2, 1e2) * (np.linalg.norm(A) + np.linalg.norm(y))
    b = source.uniforms(0, 1, n) * source.log_uniform(0.03, 3)
    infinite = source.uniforms(0, 1, n) > 0.8
    return SimpleNamespace(**locals(), size=np.linalg.norm(A) + np.linalg.norm(y))


def least_share(A, y):
    """The least residual of shares, over all supports: on each the last share is what the others leave."""
    values = []
    for size in range(1, A.shape[1] + 1):
        for on in combinations(range(A.shape[1]), size):
            rest, last = A[:, on[:-1]] - A[:, on[-1:]], y - A[:, on[-1]]
            x = np.linalg.lstsq(rest, last)[0]
            x = np.append(x, 1 - np.sum(x))
            if np.min(x) >= -1e-12:
                values.append(np.linalg.norm(A[:, on] @ x - y))
    return min(values)


@attack(
    "prop-nnls-exact",
    hypothesis="any matrix of up to 5 columns and any data, met or not, the weight c from 1e-2 to 1e2 of their size; the "
    "minimizer by an active-set method, the least residual over all supports",
    draw=shares_and_bounds,
    tries=200,
    mutants={
        "the row of ones below A itself": {"shift": 0.0},
        "B = A + y 1^T": {"shift": -1.0},
        "without the division by the sum": {"scaled": False},
        "the sum of z is 1": {"length": False},
    },
)
def test_shares_are_one_plain_problem(one, *, shift=1.0, scaled=True, length=True):
    B = np.vstack([one.A - shift * one.y[:, None], np.full(one.n, one.weight)])
    target = np.append((1 - shift) * one.y if shift == 0 else 0 * one.y, one.weight)
    z = active_set(B, target, maxiter=1000)[0]
    rho, total = least_share(one.A, one.y), np.sum(z)
    yield holds("", total > 0)
    x = z / total if scaled else z
    yield equal("", np.sum(x), 1.0, 1e-9)
    yield at_most("", abs(np.linalg.norm(one.A @ x - one.y) - rho), 1e-6 * one.size)
    yield equal("", total, one.weight**2 / (one.weight**2 + rho**2) if length else 1.0, 1e-5)


@attack(
    "prop-nnls-exact",
    hypothesis="up to 5 independent columns, with equal, opposite and long ones moved apart; bounds that are small, large and "
    "infinite; each problem by an active-set method, the box by bounded least squares",
    draw=shares_and_bounds,
    tries=200,
    mutants={
        "plain least squares, clipped": {"exchanges": 0},
        "one exchange is enough": {"exchanges": 1},
        "exchanged entries never return": {"back": False},
        "the values fall": {"sign": -1.0},
    },
)
def test_bounds_are_a_chain_of_plain_problems(one, *, exchanges=60, back=True, sign=1.0):
    A = np.vstack([one.A, 1e-3 * one.size * np.eye(one.n)])
    y, b = np.append(one.y, np.zeros(one.n)), np.where(one.infinite, np.inf, one.b)
    held, values, ended = np.zeros(one.n, dtype=bool), [], False
    for _ in range(exchanges + 1):
        signs, start = np.where(held, -1.0, 1.0), np.where(held, b, 0.0)
        x = start + signs * active_set(A * signs, y - A @ start, maxiter=1000)[0]
        values.append(np.linalg.norm(A @ x - y))
        outside = np.where(held, x < -1e-10, x > b + 1e-10) & (back | ~held)
        if ended := not outside.any():
            break
        held = held ^ outside
    yield holds("", ended or exchanges < 60)
    yield holds("", np.all(sign * np.diff(values) > -1e-9 * one.size))
    x = np.clip(x, 0, b)
    expected = lsq_linear(A, y, (0, np.maximum(b, 1e-12)), method="bvls", tol=1e-14).x
    yield at_most("", np.linalg.norm(A @ x - y) - np.linalg.norm(A @ expected - y), 1e-7 * one.size)


# --- Among several solutions ------------------------------------------------------------------------------------------


@attack(
    "prop-nnls-l1",
    hypothesis="rows that stand twice with different data, equal, zero, opposite, long columns; one row of up to 3000 nearly "
    "equal entries, twice; depth 2 to 5, scales from 1e-12 (depth 2) to 1",
    draw=lambda source: vectors.limit_and_norm(source, rows=2),
    tries=60,
    mutants={
        "half of epsilon at depth 2": {"factor": 0.5},
        "Q of the signed problem": {"signed": True},
        "half of epsilon at depth 2.5 and 3": {"deep": 0.5},
    },
)
def test_nearly_least_norm(one, *, factor=1.0, deep=1.0, signed=False):
    if one is None:
        return
    Q = vectors.least_norm(one.A, one.y, 1.0, False) if signed else one.Q
    epsilon = l1_bound(Q, HadamardPower(one.depth), alpha=one.alpha, n=one.n)
    if np.isfinite(epsilon):
        share = factor if one.depth == 2 else deep if one.depth <= 3 else 1.0
        yield at_most("depth 2" if one.depth == 2 else "depth above 2", l1(one.x) / Q - 1, share * epsilon + 1e-6)
        yield at_most("", 1 - l1(one.x) / Q, 1e-6)


def generic_columns(source):
    m, n = source.integer(1, 3), source.integer(2, 8)
    return source.normal(m, max(n, m + 1))


def half_spaces(A):
    """In how many of the 2^n patterns of signs the columns lie in one half-space, counted at the corners of the regions."""
    m, n = A.shape
    seen = set()
    for chosen in combinations(range(n), m - 1):
        normal = null_space(A[:, chosen].T)[:, 0] if m > 1 else np.ones(1)
        signs = np.sign(normal @ A)
        for own in product([1.0, -1.0], repeat=m - 1):
            signs[list(chosen)] = own
            seen |= {tuple(signs), tuple(-signs)}
    return len(seen)


@attack(
    "prop-wendel",
    hypothesis="generic columns, up to 3 data and 8 unknowns: the sign of each column is a fair coin, so that the probability "
    "is a share of all patterns of signs, which are counted exactly",
    draw=generic_columns,
    tries=25,
    mutants={
        "the sum up to k = m": {"last": 1},
        "2^(-n) instead of 2^(-(n-1))": {"power": 0},
        "binomial coefficients of n": {"shift": 0},
    },
)
def test_share_by_counting(A, *, last=0, power=1, shift=1):
    m, n = A.shape
    share = sum(comb(n - shift, k) for k in range(m + last)) / 2 ** (n - power)
    yield equal("", half_spaces(A) / 2**n, share, 1e-12)
    if n == 2 * m:
        yield equal("", share, 0.5, 1e-12)


# --- Rates ------------------------------------------------------------------------------------------------------------


def tail_path(source):
    """A late point of a flow with positive multipliers, by an implicit integrator of the mirror coordinate."""
    one = vectors.strictly_complementary(source)
    if one is None or not np.any(one.z == 0):
        return None
    one.depth = source.choice(DEPTHS)
    L, A, y = one.depth, one.A, one.y
    start = vectors.mirror_map(np.full(one.n, source.uniform(0.3, 1.5)), L, 0, False)

    def value(theta):
        return np.exp(4 * np.minimum(theta, 50)) if L == 2 else np.maximum(-L * (L - 2) * theta, 1e-9) ** (-L / (L - 2))

    late = 30 / np.min(one.g[one.g > 0]) if L == 2 else 10.0 ** (5 if L < 4 else 7)
    run = solve_ivp(
        lambda t, theta: -A.T @ (A @ value(theta) - y),
        (0, late),
        start,
        "LSODA",
        [late / 2, late],
        rtol=1e-8,
        atol=1e-10,
    )
    if run.status:
        return None
    one.x, one.times, one.theta = value(run.y.T), run.t, run.y.T
    return one


@attack(
    "prop-nnls-tail",
    hypothesis="matrices with independent columns, data made from a solution with any pattern of zeros and multipliers from "
    "0.2 to 2, depth 2 to 5; an implicit integrator of the mirror coordinate up to the time 1e7",
    draw=tail_path,
    tries=25,
    mutants={
        "the rate 2 g_i at depth 2": {"rate": 2.0},
        "L^2 instead of L (L - 2)": {"factor": lambda L: L**2},
        "the exponent L/(L - 1)": {"exponent": lambda L: L / (L - 1)},
        "without the multiplier in the sum": {"weight": lambda g: 1.0},
    },
)
def test_tail(one, *, rate=4.0, factor=lambda L: L * (L - 2), exponent=lambda L: L / (L - 2), weight=lambda g: g):
    if one is None:
        return
    L, off = one.depth, one.z == 0
    g = one.g[off]
    if L == 2:
        speed = 4 * np.diff(one.theta[:, off], axis=0)[0] / np.diff(one.times)[0]
        yield equal("", speed, -rate * g, 1e-3)
    else:
        predicted = (factor(L) * g * one.times[-1]) ** -exponent(L)
        yield at_most("", np.abs(one.x[-1, off] / predicted - 1), 0.05)
        found = vectors.excess(one)[-1]
        yield equal("", found / np.sum(weight(g) * predicted), 1.0, 0.05)


def degenerate_zero(source):
    depth = source.choice(DEPTHS)
    x0, end = source.log_uniform(1e-6, 1e2), source.log_uniform(1e-3, 1e6)
    start = np.log(x0)
    run = solve_ivp(
        lambda t, u: -(depth**2) * np.exp((2 - 2 / depth) * u), (0, end), [start], "LSODA", rtol=1e-9, atol=1e-11
    )
    return depth, x0, end, np.exp(run.y[0, -1])


@attack(
    "prop-nnls-degenerate",
    hypothesis="one entry that vanishes with its multiplier, starts from 1e-6 to 100, times up to 1e6, depth 2 to 5; an "
    "implicit integrator of its logarithm",
    draw=degenerate_zero,
    tries=25,
    mutants={
        "L (L - 1) instead of 2 L (L - 1)": {"factor": 1.0},
        "the exponent L/(2 L - 1)": {"exponent": lambda L: L / (2 * L - 1)},
        "the loss of the order t^(-L/(L-2))": {"order": lambda L: L / (L - 1.5)},
    },
)
def test_degenerate_zero(one, *, factor=2.0, exponent=lambda L: L / (2 * L - 2), order=lambda L: L / (L - 1)):
    L, x0, end, x = one
    formula = (x0 ** -(2 - 2 / L) + factor * L * (L - 1) * end) ** -exponent(L)
    yield equal("", x, formula, 1e-5)
    if L * (L - 1) * end > 1e3 * x0 ** -(2 - 2 / L):  # late: the loss times the power of t is a known constant
        yield equal("", x**2 * end ** order(L), (2 * L * (L - 1)) ** (-L / (L - 1)), 0.05)


# --- Steps, acceleration, noise ---------------------------------------------------------------------------------------


def stable_step(source):
    one = vectors.strictly_complementary(source)
    if one is None or not np.any(one.z > 0):
        return None
    one.depth = 2 if np.any(one.z == 0) else source.choice(DEPTHS)
    one.direction = source.normal(one.n)
    return one


@attack(
    "prop-nnls-step",
    hypothesis="matrices with independent columns and 1 to 5 unknowns, positive solutions at depth 2 to 5, any pattern of "
    "zeros with multipliers from 0.2 to 2 at depth 2; the derivative of the iteration by differences, and the iteration itself",
    draw=stable_step,
    tries=40,
    mutants={
        "stable below 1/lambda_max only": {"threshold": 1.0},
        "without 2 diag(g)": {"multipliers": 0.0},
        "L instead of L^2": {"factor": lambda L: L},
        "half of the bound on lambda_max": {"share": 0.5},
    },
)
def test_stable_step(one, *, threshold=2.0, multipliers=2.0, factor=lambda L: L**2, share=1.0):
    if one is None:
        return
    L, A = one.depth, one.A
    w = one.z ** (1 / L)

    def gradient(w):
        return (
            L
            * np.sign(w) ** (L - 1 if int(L) == L else 1)
            * np.abs(w) ** (L - 1)
            * (A.T @ (A @ np.abs(w) ** L - one.y))
        )

    D = w ** (L - 1)
    H = factor(L) * D[:, None] * (A.T @ A) * D + multipliers * np.diag(one.g) * (L == 2)
    largest = np.linalg.eigvalsh(H)[-1]
    numerical = np.linalg.eigvalsh((lambda M: (M + M.T) / 2)(np.atleast_2d(approx_fprime(w, gradient, 1e-7))))[-1]
    yield equal("", largest, numerical, 1e-3)
    if np.all(one.z > 0):
        bound = L**2 * np.max(one.z) ** (2 - 2 / L) * np.linalg.norm(A, 2) ** 2
        yield at_most("largest eigenvalue", largest, share * bound)
    for ratio in (0.9, 1.1):
        v = w + 1e-7 * one.direction
        steps = 60 if ratio > 1 else 200
        before = np.linalg.norm(v - w)
        middle = None
        for k in range(steps):
            v = v - ratio * threshold / largest * gradient(v)
            if k == steps // 2:
                middle = np.linalg.norm(v - w)
        after = np.linalg.norm(v - w)
        if ratio > 1 and before > 0 and middle > 1e-12:
            yield holds("unstable", after > middle * 2 or after > 1e-3)
        elif ratio < 1:
            yield holds("stable", after <= before * 1.5)


@attack(
    "thm-nnls-descent",
    hypothesis="any matrix, any data, even and uneven starts; two nearly parallel columns of which descent prefers the wrong "
    "one for long; the longest step that is admitted, up to 6000 steps, every one of them",
    draw=vectors.descent_of_nnls,
    tries=40,
    mutants={
        "D_h / (2 eta K)": {"constant": 2.0},
        "D_h / (eta K^2)": {"power": 2.0},
        "steps five times as long": {"draw": lambda source: vectors.descent_of_nnls(source, longer=5.0)},
        "of the distance only one quarter": {"constant": 4.0},
    },
)
def test_descent_converges(one, *, constant=1.0, power=1.0):
    if one is None:
        return
    steps = np.arange(1, len(one.x))
    floor = 1e-10 * one.excess[0]
    with np.errstate(invalid="ignore", over="ignore"):
        yield at_most("rate", one.excess[1:] * steps**power, one.distance / (constant * one.eta) + floor * steps)
        yield at_most("", np.diff(one.excess), floor)
    yield holds("positive", np.all(one.x[:-1] >= 0))
    if one.safe:
        yield at_most("entries", np.max(one.x), one.largest)


@attack(
    "prop-nnls-any-steps",
    hypothesis="any matrix, any data, uneven starts; decaying, irregular and rare steps, the longest as long as is admitted, "
    "1500 of them",
    draw=vectors.descent_with_any_steps,
    tries=40,
    mutants={
        "D_h / (4 times the sum)": {"constant": 4.0},
        "D_h / (eta_0 K)": {"constant_steps": True},
        "steps ten times as long": {"draw": lambda source: vectors.descent_with_any_steps(source, longer=10.0)},
    },
)
def test_descent_with_any_steps(one, *, constant=1.0, constant_steps=False):
    if one is None:
        return
    lengths = np.full(len(one.x), one.eta[0]) if constant_steps else one.eta
    with np.errstate(invalid="ignore", over="ignore"):
        passed = np.cumsum(lengths)[: len(one.x) - 1]
        floor = 1e-10 * one.excess[0]
        yield at_most("rate", one.excess[1:] * passed, one.distance / constant + floor * passed)
        yield at_most("", np.diff(one.excess), floor)
    yield holds("positive", np.all(one.x >= 0))


@attack(
    "thm-nnls-accelerated-descent",
    hypothesis="any matrix, any data, uneven starts, data far outside the cone; the longest step that is admitted, 1000 steps",
    draw=vectors.accelerated_descent,
    tries=40,
    mutants={
        "a fifth of the bound": {"constant": 0.8},
        "4 D_h / (s K^3)": {"power": 1.0},
        "steps thirty times as long": {"draw": lambda source: vectors.accelerated_descent(source, longer=30.0)},
    },
)
def test_accelerated_descent_rate(one, *, constant=4.0, power=0.0):
    if one is None:
        return
    ladder = np.arange(1, len(one.x) + 1)
    bound = constant * one.distance / (one.s * ladder * (ladder + 1) * ladder**power)
    with np.errstate(invalid="ignore"):
        yield at_most("rate", one.excess, bound + 1e-10 * np.abs(one.excess[0]))


@attack(
    "thm-accelerated",
    hypothesis="any matrix, any data, depth 2 to 5; data far outside the cone, for which the loss is nearly linear; an "
    "explicit integrator",
    draw=vectors.accelerated,
    tries=40,
    mutants={
        "2 D_h / t^2": {"constant": 2.0},
        "4 D_h / t^2.5 for t > 1": {"power": 2.5},
        "D_h / t, as for the plain flow": {"power": 1.0, "constant": 1.0},
    },
)
def test_accelerated_rate(one, *, constant=4.0, power=2.0):
    distance = vectors.bregman(one.z, one.x0, one.depth, 0, False)
    floor = 1e-6 * one.excess[0] if len(one.x) else 0
    late = one.times > (1 if power > 2 else 0)
    if np.any(late):
        yield at_most("rate", one.excess[late], constant * distance / one.times[late] ** power + floor)


def stochastic_step(source):
    m, n, L = source.integer(1, 6), source.integer(1, 4), source.choice(DEPTHS)
    A, w = source.normal(m, n), source.uniforms(0.2, 1.5, n)
    residual = source.normal(m) * source.choice([0.0, 1.0])
    residual = residual - A @ np.linalg.lstsq(A, residual)[0]  # orthogonal to the columns: x is a solution
    eta = source.log_uniform(1e-4, 1e-1)
    y = A @ w**L - residual
    squares = []
    for a, b in zip(A, y, strict=True):
        # the gradient of m/2 (<a, w^L> - b)^2, by central differences
        step = [(m / 2) * np.array([(a @ (w + s * 1e-5 * e) ** L - b) ** 2 for e in np.eye(n)]) for s in (1, -1)]
        squares.append(np.sum((eta * (step[0] - step[1]) / 2e-5) ** 2))
    return A, w, L, residual, eta, float(np.mean(squares))


@attack(
    "prop-nnls-sgd",
    hypothesis="any matrix of up to 6 data and 4 unknowns, solutions with and without a residual, depth 2 to 5; the mean over "
    "all rows, with gradients by differences",
    draw=stochastic_step,
    tries=40,
    mutants={
        "without the factor m": {"number": lambda m: 1},
        "(x*)^(1 - 2/L)": {"power": lambda L: 1 - 2 / L},
        "|r_i| instead of r_i^2": {"square": 1.0},
    },
)
def test_mean_square_of_a_step(one, *, number=lambda m: m, power=lambda L: 2 - 2 / L, square=2.0):
    A, w, L, r, eta, found = one
    formula = eta**2 * L**2 * number(len(r)) * np.abs(r) ** square @ (A**2 @ (w**L) ** power(L))
    rounding = (1e-8 * eta * L**3 * len(r) * np.sum(A**2) * np.max(w) ** (2 * L)) ** 2  # of the differences
    yield at_most("", abs(found - formula), 1e-4 * formula + rounding)


# --- One factor, not two ----------------------------------------------------------------------------------------------


def two_factors(source):
    A = vectors.matrix(source, 4, 4)
    n = A.shape[1]
    y = source.normal(len(A))
    u, v = source.uniforms(0.2, 1.2, n), source.uniforms(0.2, 1.2, n)
    equal_factors = source.choice([False, True])
    if equal_factors:
        v = u.copy()

    def velocity(t, state):
        g = A.T @ (A @ (state[:n] * state[n:]) - y)
        return np.concatenate([-state[n:] * g, -state[:n] * g])

    end = vectors.clock(A, y, 2, u * v) * (20 if equal_factors else source.log_uniform(10, 2000))
    times = np.r_[0, np.geomspace(end / 100, end, 12)]
    run = solve_ivp(velocity, (0, end), np.r_[u, v], "DOP853", times, rtol=1e-10, atol=1e-13)
    single = None
    if equal_factors:
        single = vectors.weights_path(A, y, 2, u[None], times / 2)[1]
    return SimpleNamespace(A=A, y=y, u=run.y[:n].T, v=run.y[n:].T, times=times, single=single)


@attack(
    "prop-two-factors",
    hypothesis="any matrix, any data, equal and different factors; an explicit integrator",
    draw=two_factors,
    tries=30,
    mutants={
        "u^2 + v^2 is conserved": {"sign": 1},
        "sqrt(2 x^2 + delta^2)": {"factor": 2.0},
        "with the same speed as w^2": {"speed": 1.0},
        "the end is a non-negative least-squares solution": {"constrained": True},
    },
)
def test_two_factors_attacked(one, *, sign=-1, factor=4.0, speed=0.5, constrained=False):
    u, v, A, y = one.u, one.v, one.A, one.y
    x = u * v
    delta = u**2 + sign * v**2
    yield equal(
        "", delta, np.tile(delta[0], (len(delta), 1)), 1e-6 * np.max(u**2 + v**2) / (np.max(np.abs(delta[0])) or 1)
    )
    speeds = np.sqrt(factor * x**2 + (u[0] ** 2 - v[0] ** 2) ** 2)
    yield equal("", u**2 + v**2, speeds, 1e-5)
    if one.single is not None:
        late = slice(None) if speed == 0.5 else slice(0, 1)
        expected = one.single[late] if speed == 0.5 else vectors.weights_path(A, y, 2, u[:1], one.times)[1]
        yield equal("", x[late] if speed == 0.5 else x, expected, 1e-4)
    elif np.min(np.abs(u[0] ** 2 - v[0] ** 2)) > 0:
        # The flow of a convex function of x in another metric: the excess is at most a distance over the time.
        d = u[0] ** 2 - v[0] ** 2
        z = np.linalg.lstsq(A, y)[0] if not constrained else active_set(A, y)[0]

        def h(x):
            return np.sum(x * np.arcsinh(2 * x / np.abs(d)) - np.sqrt(4 * x**2 + d**2) / 2) / 2

        distance = h(z) - h(x[0]) - np.arcsinh(2 * x[0] / np.abs(d)) / 2 @ (z - x[0])
        loss, least = (np.sum((v @ A.T - y) ** 2, axis=-1) / 2 for v in (x[1:], z))
        yield at_most("", loss - least, distance / one.times[1:] + 1e-7)
        if constrained:
            yield at_most("", least - loss, 1e-7)


# --- Stability --------------------------------------------------------------------------------------------------------


def stable_problem(source):
    """A matrix B with constants of the null space property, its rows combined to ones, and data with and without an error."""
    kind = source.choice(["kernel", "identity", "nearly singular"])
    if kind == "identity":
        n = source.integer(2, 60)
        B, s, rho, theta, c = np.eye(n), 1, 0.0, 1.0, np.ones(n)
        x = np.zeros(n)
        x[0] = source.uniform(0.5, 2)
        x += source.choice([0.0, 1.0]) * source.uniforms(0, 1, n)
    elif kind == "nearly singular":
        h, rho = source.log_uniform(1e-3, 1), source.uniform(0, 0.95)
        B, s, c = np.array([[1.0, 1.0], [h, -h]]), 1, np.array([1.0, 0.0])
        slope = np.clip((1 - h**2) / (1 + h**2), -rho, rho)
        theta = np.hypot((1 + slope) / 2, (1 - slope) / (2 * h))
        x = np.array([0.0, source.uniform(0.5, 2)])
        n = 2
    else:
        # A kernel vector whose entries sum to zero is orthogonal to the row of ones.
        n = source.integer(3, 7)
        s = source.integer(1, max(1, (n - 1) // 2))
        v = 10.0 ** source.uniforms(-0.5, 0.5, n) * np.where(source.uniforms(0, 1, n) < 0.5, -1, 1)
        positive, negative = np.sum(v[v > 0]), -np.sum(v[v < 0])
        if not positive or not negative:
            return None
        v = np.where(v < 0, v * positive / negative, v)
        size = np.sort(np.abs(v))[::-1]
        rho = np.sum(size[:s]) / np.sum(size[s:])
        if rho >= 0.97:
            return None
        B = np.vstack([np.ones(n), source.normal(n - 2, n)]) if n > 2 else np.ones((1, n))
        B[1:] -= np.outer(B[1:] @ v / (v @ v), v)
        if np.linalg.cond(B) > 100:
            return None
        theta, c = np.sqrt(n) * np.linalg.norm(np.linalg.pinv(B), 2), np.eye(n - 1)[0]
        if source.choice([False, True]):  # the shortest c that does it
            c = np.linalg.lstsq(B.T, np.ones(n))[0]
        x = np.where(v < 0, -v, 0) * source.choice([1.0, 1.0, 3.0])
        x += source.choice([0.0, 0.0, 0.1]) * source.uniforms(0, 1, n)
        if source.choice([False, True]):
            x = np.where(np.argsort(np.argsort(-np.abs(v))) < s, np.abs(v), 0)
    omega = 10.0 ** source.uniforms(-1, 1, n)
    A, x = B * omega, x / omega
    size = source.choice([0.0, source.log_uniform(1e-6, 0.3)])
    m = len(B)
    e = (
        size
        * {
            "any": source.normal(m),
            "equal": np.ones(m),
            "worst": np.linalg.svd(B)[0][:, -1],
        }[source.choice(["any", "equal", "worst"])]
    )
    if source.choice([False, True]):  # the error of a negative part
        e = -A @ (size * source.uniforms(0, 1, n) * (x == 0))
    y = A @ x + e
    found = active_set(A, y)[0]
    # Every solution counts: the other end of the segment of solutions as well.
    kernel = null_space(A)
    solutions = [found]
    if kernel.shape[1] == 1 and np.linalg.norm(A @ found - y) < 1e-9:
        for k in (kernel[:, 0], -kernel[:, 0]):
            if np.any(k < 0):
                solutions.append(np.maximum(found + np.min(found[k < 0] / -k[k < 0]) * k, 0))
    return SimpleNamespace(**locals())


@attack(
    "thm-nnls-stability",
    hypothesis="matrices with a kernel of one dimension, nearly singular and diagonal ones, with their constants; sparse and "
    "compressible vectors, errors of any direction, also the worst, and those of negative parts; every solution",
    draw=stable_problem,
    tries=150,
    mutants={
        "half of the bound": {"factor": 0.5},
        "half of |c| |e|": {"c_factor": 0.5},
        "sigma instead of 2 sigma": {"sigmas": 1.0},
        "theta instead of 2 theta": {"thetas": 1.0},
        "without (1 + rho)/(1 - rho)": {"ratio": lambda rho: 1.0},
        "the norm of x in place of W x": {"weighted": False},
    },
)
def test_stability_attacked(
    one,
    *,
    factor=1.0,
    c_factor=1.0,
    sigmas=2.0,
    thetas=2.0,
    ratio=lambda rho: (1 + rho) / (1 - rho),
    weighted=True,
):
    if one is None:
        return
    noise = np.linalg.norm(one.e)
    omega = one.omega if weighted else np.ones(one.n)
    rest = np.sum(np.sort(omega * one.x)[: max(one.n - one.s, 0)])
    right = ratio(one.rho) * (c_factor * np.linalg.norm(one.c) * noise + sigmas * rest)
    right += thetas * one.theta / (1 - one.rho) * noise
    for x in one.solutions:
        yield at_most("error", np.sum(omega * np.abs(x - one.x)), factor * right + 1e-8)
        drift = one.omega @ (x - one.x)
        yield at_most("the norm is fixed by the data", abs(drift), c_factor * np.linalg.norm(one.c) * noise + 1e-8)


# --- The way to a fast method -----------------------------------------------------------------------------------------


def line(source):
    A = vectors.matrix(source, 6, 5)
    n = A.shape[1]
    return A, source.normal(len(A)), source.normal(n), source.normal(n), source.uniform(-3, 3)


@attack(
    "prop-quartic",
    hypothesis="any matrix, data, weights of any sign, direction and step; the Hessian by differences",
    draw=line,
    tries=40,
    mutants={
        "p without its factor 2": {"p_factor": 1.0},
        "the cubic without <r, q>": {"mixed": 0.0},
        "the cubic with <p, q> once": {"square": 1.0},
        "the diagonal 4 w^2 + g": {"multiplier": 1.0},
    },
)
def test_line_search(one, *, p_factor=2.0, mixed=2.0, square=3.0, multiplier=2.0):
    A, y, w, d, t = one
    r, p, q = A @ w**2 - y, p_factor * A @ (w * d), A @ d**2
    yield equal("", A @ (w + t * d) ** 2 - y, r + t * p + t**2 * q, 1e-9)

    def energy(t):
        return np.sum((A @ (w + t * d) ** 2 - y) ** 2)

    roots = np.roots([2 * q @ q, square * p @ q, p @ p + mixed * r @ q, r @ p])
    best = min((energy(t) for t in roots[np.abs(roots.imag) < 1e-6].real), default=np.inf)
    reference = min(minimize(lambda t: energy(t[0]), [s], tol=1e-12).fun for s in (-2.0, 0.0, 2.0))
    yield at_most("", best, reference + 1e-6 * (energy(0) + 1e-6))
    lengths = np.linalg.norm(A, axis=0)
    if np.all(lengths > 0):
        B = A / lengths

        def gradient(w):
            return 2 * w * (B.T @ (B @ w**2 - y))

        diagonal = np.diag(approx_fprime(w, gradient, 1e-6))
        yield equal("", 4 * w**2 + multiplier * (B.T @ (B @ w**2 - y)), diagonal, 1e-3)


def near_a_solution(source):
    one = vectors.strictly_complementary(source)
    if one is None:
        return None
    one.gap = min(np.min(one.z, where=one.z > 0, initial=np.inf), np.min(one.g, where=one.z == 0, initial=np.inf))
    one.reach = 1 + np.max(np.sum(np.abs(one.A.T @ one.A), axis=1))  # how much x - g moves where x moves by 1
    one.direction = np.where(source.uniforms(0, 1, one.n) < 0.5, -1.0, 1.0) * source.uniforms(0.5, 1, one.n)
    return one


@attack(
    "prop-finish",
    hypothesis="columns of length one, any pattern of zeros with multipliers and entries from 0.2 to 2; points up to the "
    "largest distance at which no sign can change, in any direction",
    draw=near_a_solution,
    tries=60,
    mutants={
        "x_j > 0 instead of x_j > g_j": {"rule": lambda x, g: x > 0},
        "g_j < 0 instead of x_j > g_j": {"rule": lambda x, g: g < 0},
        "at thirty times this distance": {"distance": 30.0},
    },
)
def test_support_near_the_solution(one, *, rule=lambda x, g: x > g, distance=0.99):
    if one is None:
        return
    T = one.z > 0
    x = np.maximum(one.z + distance * one.gap / one.reach * one.direction, 0)
    yield holds("support", np.array_equal(rule(x, one.A.T @ (one.A @ x - one.y)), T))
    if np.any(T):
        yield equal("", one.z[T], np.linalg.lstsq(one.A[:, T], one.y)[0], 1e-8)


def any_point(source):
    """Any admissible point, and any other: a solution, or a point a little further in the direction that helps most."""
    A = vectors.matrix(source, 6, 8) * 10.0 ** source.uniform(-2, 2)
    n = A.shape[1]
    y = source.normal(len(A))
    x = source.choice([0.0, 1.0, 1.0]) * np.abs(vectors.vector(source, n))
    if source.choice([False, True]):
        x = active_set(A, y)[0] + source.log_uniform(1e-8, 1) * source.uniforms(0, 1, n)
    weights = 10.0 ** source.uniforms(-1, 1, n)
    g = A.T @ (A @ x - y)
    kind = source.choice(["solution", "better", "any"])
    z = np.abs(vectors.vector(source, n))
    if kind == "solution":
        z = active_set(A, y)[0]
    elif kind == "better":
        z = x.copy()
        j = np.argmin(g / weights)
        z[j] += source.log_uniform(1e-4, 1) * max(-g[j], 0) / max(np.sum(A[:, j] ** 2), 1e-12)
    return A, y, x, z, weights


@attack(
    "thm-certificate",
    hypothesis="any matrix of any scale, any data, any admissible point, also zero and points close to a solution, compared "
    "with solutions, with better points and with any others; any weights",
    draw=any_point,
    tries=200,
    mutants={
        "half of v": {"share": 0.5},
        "without <g, x>": {"product": 0.0},
        "the mean of max(0, -g_j)/d_j instead of the largest": {"reduce": np.mean},
        "the KKT residual times the squared data in its place": {"kkt": True},
    },
)
def test_certificate(one, *, share=1.0, product=1.0, reduce=np.max, kkt=False):
    A, y, x, z, weights = one
    r, other = A @ x - y, A @ z - y
    g = A.T @ r
    gained = ((x - z) @ (A.T @ (r + other))) / 2  # the difference of the two losses
    v = reduce(np.maximum(0, -g) / weights)
    right = product * (g @ x) + share * v * (weights @ z)
    if kkt:
        lengths = np.maximum(np.linalg.norm(A, axis=0), 1e-300)
        right = np.max(np.abs(np.minimum(lengths * x, g / lengths))) * np.linalg.norm(y)
    rounding = 1e-12 * ((np.abs(A) @ (x + z)) @ (np.abs(r) + np.abs(other)) + y @ y)
    yield at_most("gap", gained, right + rounding)
    yield at_most("", gained, r @ r / 2 + rounding)


@pytest.mark.claim("thm-certificate")
def test_a_small_kkt_residual_proves_nothing():
    """A row of ones with a great weight: the point 1/n has a tiny KKT residual, and the gap says how bad it is."""
    n = 600
    A, y = np.vstack([np.eye(n), 1e4 * np.ones(n)]), np.r_[1, np.zeros(n - 1), 1e4]
    x, z = np.full(n, 1 / n), np.eye(n)[0]
    r = A @ x - y
    g, lengths = A.T @ r, np.linalg.norm(A, axis=0)
    assert np.max(np.abs(np.minimum(lengths * x, g / lengths))) / np.linalg.norm(y) < 1e-6
    assert r @ r / 2 - np.sum((A @ z - y) ** 2) / 2 > 0.49  # far from the least loss, which is zero
    gap = g @ x + np.max(np.maximum(0, -g) / lengths) * (lengths @ z)
    assert gap > 0.49


# --- Largest entropy --------------------------------------------------------------------------------------------------


def sum_of_densities(source, with_sum=True):
    n, m = source.integer(2, 7), source.integer(1, 3)
    A = np.vstack([source.uniforms(0.1, 1, n) if not with_sum else np.ones(n), source.normal(m, n)])[: max(1, n - 1)]
    A = np.linalg.qr(source.normal(len(A), len(A)))[0] @ A  # the ones are a combination of rows, not a row
    inside = source.uniforms(0.3, 1.5, n)
    alpha = source.log_uniform(1e-8, 3)
    x = vectors.limit_of(A, A @ inside, HadamardPower(2), alpha)
    if x is None or np.linalg.cond(A) > 50:
        return None
    depth3 = vectors.limit_of(A, A @ inside, HadamardPower(3), max(alpha, 0.05))
    return A, inside, x, depth3


@attack(
    "prop-nnls-entropy",
    hypothesis="matrices of up to 4 rows that combine to ones, 2 to 7 unknowns, scales from 1e-8 to 3; the largest entropy by "
    "a general convex solver",
    draw=sum_of_densities,
    tries=30,
    mutants={
        "at depth 3": {"depth": 3},
        "without the combination to ones": {"draw": lambda source: sum_of_densities(source, with_sum=False)},
        "the least Euclidean norm": {"euclidean": True},
    },
)
def test_largest_entropy(one, *, depth=2, euclidean=False):
    if one is None:
        return
    A, inside, x, deep = one
    if euclidean:
        best = vectors.minimizer(lambda z: z @ z, lambda z: 2 * z, A, inside, True)
    else:
        best = vectors.minimizer(lambda z: z @ np.log(z), lambda z: np.log(z) + 1, A, inside, True)
    found = x if depth == 2 else deep
    if found is not None:
        yield equal("", found, best, 1e-4)
