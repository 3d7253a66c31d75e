"""The theorems of the chapter "Non-negative least squares", each with the numbers that would refute it.

The solutions come from the active-set method of SciPy and from a general-purpose optimizer, the least norms from a linear
program, the paths from an explicit integrator of the weights: none of them shares the idea of what is tested.
"""

from math import comb

import numpy as np
import pytest
from implicit_bias import (
    HadamardPower,
    accelerated_flow,
    basis_pursuit,
    flow_limit,
    gradient_descent,
    gradient_flow,
    l1_bound,
    minimum_norm,
    nnls,
)
from implicit_bias.images import phantom, tomography
from implicit_bias.measures import null_space_constant
from implicit_bias.problems import nonnegative_regression
from scipy.integrate import solve_ivp
from scipy.linalg import block_diag, null_space
from scipy.optimize import approx_fprime, linprog, minimize
from scipy.optimize import nnls as active_set

every_depth = pytest.mark.parametrize("depth", [2, 2.5, 3, 4])


def inconsistent(m, n, seed):
    """A Gaussian problem whose data cannot be met: its solution, which has zeros, its multipliers and its least loss."""
    for attempt in range(1000 * seed, 1000 * seed + 1000):
        rng = np.random.default_rng(attempt)
        A = rng.standard_normal((m, n))
        y = A @ rng.standard_normal(n) + rng.standard_normal(m)
        x, residual = active_set(A, y)
        g, zero = A.T @ (A @ x - y), x == 0
        if 0 < np.count_nonzero(zero) < n and np.min(x[~zero]) > 0.2 and np.min(g[zero]) > 0.5:
            return A, y, x, g, residual**2 / 2
    raise AssertionError("no such problem")


def many_solutions(seed, m=4, n=9):
    """Each row twice with different data: infinitely many solutions and a residual. Also the data that can be met."""
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((m, n))
    mean = A @ rng.uniform(0.5, 1.5, n)
    spread = rng.standard_normal(m)
    return np.vstack([A, A]), np.r_[mean + spread, mean - spread], A, mean


def flow_of_weights(A, y, w0, depth, times):
    """The path of x = w^L by an integrator of the weights."""

    def velocity(t, w):
        return -depth * w ** (depth - 1) * (A.T @ (A @ w**depth - y))

    run = solve_ivp(velocity, (0, times[-1]), w0, "LSODA", times, rtol=1e-11, atol=1e-13)
    return run.y.T**depth


def divergence(model, z, x0):
    return model.potential(z) - model.potential(x0) - model.mirror_map(x0) @ (z - x0)


def losses(A, y, x):
    return np.sum((x @ A.T - y) ** 2, axis=-1) / 2


# --- Where the flow ends ----------------------------------------------------------------------------------------------


@pytest.mark.claim("thm-nnls-limit")
@every_depth
@pytest.mark.parametrize("shape", [(12, 5), (8, 8), (6, 9)])
@pytest.mark.parametrize("seed", range(3))
def test_flow_ends_at_a_nonnegative_least_squares_solution(depth, shape, seed):
    """Any A, any y, any positive start: the loss at the end is that of an active-set method."""
    rng = np.random.default_rng(seed)
    A, y, w0 = rng.standard_normal(shape), rng.standard_normal(shape[0]), rng.uniform(0.3, 1, shape[1])
    least = active_set(A, y)[1] ** 2 / 2
    x = flow_of_weights(A, y, w0, depth, [0, 300.0])[-1]
    model, x0 = HadamardPower(depth), w0**depth
    limit = flow_limit(A, y, model, alpha=w0).x
    assert np.all(x >= 0)
    assert losses(A, y, limit) == pytest.approx(least, abs=1e-9)
    assert losses(A, y, x) - least <= divergence(model, limit, x0) / 300
    # On the way there the distance to the limit decreases, which it does to no other point than a solution.
    assert divergence(model, limit, np.maximum(x, 1e-300)) < 0.05 * divergence(model, limit, x0)


@pytest.mark.claim("thm-nnls-limit")
@every_depth
@pytest.mark.parametrize("seed", range(3))
def test_limit_is_the_bregman_projection_for_inconsistent_data(depth, seed):
    model, alpha = HadamardPower(depth), 0.5
    A, y, once, mean = many_solutions(seed)
    x0, kernel = np.full(9, alpha**depth), null_space(once)
    inside = flow_limit(once, mean, model, alpha=2.0).x  # some solution, to begin with
    projection = minimize(
        lambda v: divergence(model, inside + kernel @ v, x0),
        np.zeros(kernel.shape[1]),
        jac=lambda v: kernel.T @ (model.mirror_map(inside + kernel @ v) - model.mirror_map(x0)),
        method="SLSQP",
        constraints={"type": "ineq", "fun": lambda v: inside + kernel @ v - 1e-9, "jac": lambda v: kernel},
        options={"ftol": 1e-16, "maxiter": 1000},
    )
    expected = inside + kernel @ projection.x
    assert np.linalg.norm(expected - inside) > 0.01  # there is something to choose
    np.testing.assert_allclose(flow_limit(A, y, model, alpha=alpha).x, expected, atol=1e-6)
    np.testing.assert_allclose(gradient_flow(A, y, model, alpha=alpha).x, expected, atol=1e-6)


@pytest.mark.claim("thm-nnls-limit")
@every_depth
def test_excess_falls_at_least_like_one_over_time(depth):
    """The bound holds, and with a tenth of its constant it would not."""
    model, times = HadamardPower(depth), np.geomspace(1e-3, 30, 100)
    ratios = []
    for seed in range(4):
        A, y, x, _, least = inconsistent(12, 5, seed)
        path = flow_of_weights(A, y, np.full(5, 0.5), depth, np.r_[0, times])
        bound = divergence(model, x, path[0]) / times
        ratios.append((losses(A, y, path[1:]) - least) / bound)
    assert np.max(ratios) <= 1
    assert np.max(ratios) > 0.1


# --- Among several solutions ------------------------------------------------------------------------------------------


@pytest.mark.claim("prop-nnls-l1")
@every_depth
def test_norm_is_nearly_the_least_among_the_solutions(depth):
    model, scales, held, widest = HadamardPower(depth), [0.2, 0.05, 1e-2, 1e-3], 0, 0.0
    for seed in range(6):
        A, y, once, mean = many_solutions(seed)
        Q = np.sum(basis_pursuit(once, mean, nonnegative=True).x)
        norms = np.sum(flow_limit(A, y, model, alpha=np.reshape(scales, (-1, 1))).x, axis=1)
        bounds = np.array([l1_bound(Q, model, alpha=alpha, n=9) for alpha in scales])
        gaps = norms / Q - 1
        assert np.all(gaps >= -1e-9) and np.all(gaps <= bounds)
        held += np.count_nonzero(np.isfinite(bounds))
        widest = max(widest, np.max(gaps / bounds))
        # Tends to Q, and is not there from the start.
        tiny = np.sum(flow_limit(A, y, model, alpha=1e-9 if depth == 2 else 1e-4).x)
        assert tiny / Q - 1 <= max(0.3 * gaps[0], 1e-9)
    assert held >= 18
    assert widest > 0.01  # the bound is of the right order somewhere


def solvable_for_all_data(A):
    """Whether Gaussian columns span the space positively: then no half-space contains them, and 0 is in their convex hull."""
    m, n = A.shape
    return active_set(np.vstack([A, np.ones(n)]), np.eye(m + 1)[-1])[1] < 1e-9


@pytest.mark.claim("prop-wendel")
@pytest.mark.parametrize("m, n", [(2, 4), (5, 10), (5, 8), (3, 9)])
def test_share_of_gaussian_matrices_that_meet_all_data(m, n):
    expected = 1 - sum(comb(n - 1, k) for k in range(m)) / 2 ** (n - 1)
    rng = np.random.default_rng(0)
    found = np.mean([solvable_for_all_data(rng.standard_normal((m, n))) for _ in range(400)])
    assert abs(found - expected) < 3.5 * np.sqrt(expected * (1 - expected) / 400)
    if n == 2 * m:
        assert expected == 0.5


@pytest.mark.claim("prop-wendel")
def test_then_the_solutions_are_unbounded():
    rng = np.random.default_rng(1)
    seen = set()
    for _ in range(30):
        A = rng.standard_normal((4, 8))
        ray = linprog(np.zeros(8), A_eq=np.vstack([A, np.ones(8)]), b_eq=np.r_[np.zeros(4), 1], bounds=(1e-9, None))
        # Maximize the sum of <c, a_j> over c in a box with <c, a_j> >= 0: zero only for c = 0.
        half_space = linprog(-np.sum(A, axis=1), A_ub=-A.T, b_ub=np.zeros(8), bounds=[(-1, 1)] * 4)
        met = all(active_set(A, sign * column)[1] < 1e-9 for column in np.eye(4) for sign in (1, -1))
        assert solvable_for_all_data(A) == (ray.status == 0) == (-half_space.fun < 1e-9) == met
        seen.add(met)
    assert seen == {True, False}


# --- Rates ------------------------------------------------------------------------------------------------------------


@pytest.mark.claim("prop-nnls-tail")
@pytest.mark.parametrize("depth", [2.5, 3, 4])
def test_tail_above_depth_two(depth):
    for seed in range(3):
        A, y, x, g, _ = inconsistent(12, 5, seed)
        zero = x == 0
        path = gradient_flow(A, y, HadamardPower(depth), alpha=0.5, times=[1e5, 1e6]).path
        predicted = (depth * (depth - 2) * np.outer(path.times, g[zero])) ** (-depth / (depth - 2))
        np.testing.assert_allclose(path.x[1][zero], predicted[1], rtol=0.01)
        d = path.x[1] - x
        excess = g[zero] @ d[zero] + np.sum((A @ d) ** 2) / 2
        assert excess == pytest.approx(predicted[1] @ g[zero], rel=0.01)


@pytest.mark.claim("prop-nnls-tail")
def test_tail_at_depth_two_is_exponential():
    A, y, x, g, least = inconsistent(12, 5, 0)
    zero, times = x == 0, np.array([5.0, 8.0, 12.0])
    path = flow_of_weights(A, y, np.full(5, 0.5), 2, np.r_[0, times / np.min(g[zero])])[1:]
    for i in np.flatnonzero(zero):
        if path[1, i] > 1e-11:  # above the tolerance of the integrator
            rate = np.log(path[1, i] / path[0, i]) / (3 / np.min(g[zero]))
            assert rate == pytest.approx(-4 * g[i], rel=0.02)
    excess = losses(A, y, path) - least
    assert excess[0] < 1e-6 and excess[1] < 1e-3 * excess[0]


@pytest.mark.claim("prop-nnls-degenerate")
@every_depth
def test_degenerate_zeros(depth):
    rng = np.random.default_rng(0)
    A = np.linalg.qr(rng.standard_normal((7, 4)))[0]
    x = np.array([1.0, 0.0, 2.0, 0.0])
    times = np.geomspace(1e-2, 1e4, 30)
    path = gradient_flow(A, A @ x, HadamardPower(depth), alpha=0.7, times=times).path
    formula = (0.7 ** (-depth * (2 - 2 / depth)) + 2 * depth * (depth - 1) * times) ** (-depth / (2 * depth - 2))
    for i in (1, 3):
        np.testing.assert_allclose(path.x[:, i], formula, rtol=2e-3)
    slope = np.polyfit(np.log(times[-8:]), np.log(losses(A, A @ x, path.x[-8:])), 1)[0]
    assert slope == pytest.approx(-depth / (depth - 1), abs=0.01)


# --- Steps, acceleration, noise ---------------------------------------------------------------------------------------


def near(A, y, w, depth, step, steps):
    """Distance to the weights w after gradient descent from a point close to them, relative to the one at first."""
    start = w + 1e-6
    run = gradient_descent(
        A, y, HadamardPower(depth), alpha=start, step_size=step, max_iterations=steps, tol=0, record=0
    )
    return np.linalg.norm(np.abs(run.weights) - w) / np.linalg.norm(start - w)


@pytest.mark.claim("prop-nnls-step")
@pytest.mark.filterwarnings("ignore:gradient_descent. Diverged")
def test_longest_stable_step_at_depth_two():
    for seed in range(3):
        A, y, x, g, _ = inconsistent(12, 5, seed)
        w = np.sqrt(x)
        H = 4 * w[:, None] * (A.T @ A) * w + 2 * np.diag(np.maximum(g, 0))
        largest = np.linalg.eigvalsh(H)[-1]
        assert near(A, y, w, 2, 1.9 / largest, 3000) < 1e-2
        assert near(A, y, w, 2, 2.1 / largest, 60) > 10


@pytest.mark.claim("prop-nnls-step")
@pytest.mark.filterwarnings("ignore:gradient_descent. Diverged")
@every_depth
def test_longest_stable_step_at_a_positive_solution(depth):
    rng = np.random.default_rng(3)
    A, x = rng.standard_normal((9, 4)), rng.uniform(0.5, 1.5, 4)
    residual = null_space(A.T) @ rng.standard_normal(5)
    w = x ** (1 / depth)
    D = w ** (depth - 1)
    largest = np.linalg.eigvalsh(depth**2 * D[:, None] * (A.T @ A) * D)[-1]
    bound = depth**2 * np.max(x) ** (2 - 2 / depth) * np.linalg.norm(A, 2) ** 2
    assert 0.2 * bound < largest <= bound
    y = A @ x + residual
    assert near(A, y, w, depth, 1.9 / largest, 3000) < 1e-2
    assert near(A, y, w, depth, 2.1 / largest, 60) > 10


@pytest.mark.claim("thm-accelerated")
@pytest.mark.parametrize("depth", [2, 3, 4])
def test_accelerated_flow(depth):
    """The bound holds at all times, and with a fifth of its constant it would not; at depth 2 its order is attained."""
    model, times = HadamardPower(depth), np.geomspace(0.1, 100, 80)
    problems = [inconsistent(9, 4, seed) for seed in range(3)]
    # Three flows at once, none of which sees the others.
    A, y = block_diag(*(problem[0] for problem in problems)), np.concatenate([problem[1] for problem in problems])
    run = accelerated_flow(A, y, model, alpha=0.5, times=times)
    ratios = []
    for (A, y, x, _, least), path in zip(problems, np.split(run.path.x, 3, axis=1), strict=True):
        excess = losses(A, y, path) - least
        ratios.append(excess * times**2 / (4 * divergence(model, x, np.full(4, 0.5**depth))))
    assert np.max(ratios) <= 1
    assert np.max(ratios) > 0.2
    if depth == 2:  # the mean remembers the entries that vanish
        late = np.array(ratios)[:, times > 30]
        assert np.all(late > 0.02)


@pytest.mark.claim("prop-nnls-sgd")
@every_depth
def test_expected_length_of_a_step_at_the_solution(depth):
    rng = np.random.default_rng(5)
    A, x, step, m = rng.standard_normal((6, 3)), rng.uniform(0.5, 1.5, 3), 1e-3, 6
    w, model = x ** (1 / depth), HadamardPower(depth)

    def mean_square(y):
        steps = [
            gradient_descent(
                A, y, model, alpha=w, step_size=step, batch_size=1, seed=seed, max_iterations=1, tol=0, record=0
            ).weights
            - w
            for seed in range(600)
        ]
        return np.mean(np.sum(np.square(steps), axis=1))

    residual = null_space(A.T) @ rng.standard_normal(3)
    formula = step**2 * depth**2 * m * residual**2 @ (A**2 @ x ** (2 - 2 / depth))
    assert mean_square(A @ x - residual) == pytest.approx(formula, rel=0.15)
    assert mean_square(A @ x) < 1e-20


@pytest.mark.claim("prop-nnls-sgd")
def test_stochastic_descent_converges_for_consistent_data_only():
    rng = np.random.default_rng(0)
    A, noise = rng.uniform(size=(20, 4)), 0.3 * rng.standard_normal(20)

    def distances(y, step):
        x = active_set(A, y)[0]
        path = gradient_descent(
            A,
            y,
            HadamardPower(2),
            alpha=0.9,
            step_size=step,
            batch_size=1,
            seed=0,
            max_iterations=20_000,
            record=20_000,
        ).path
        return np.linalg.norm(path.x[-5000:] - x, axis=1)

    assert distances(A @ np.ones(4), 2e-3)[-1] < 1e-4
    long, short = (np.mean(distances(A @ np.ones(4) + noise, step)) for step in (2e-3, 5e-4))
    assert short > 0.02
    assert 1.5 < long / short < 3  # sqrt(4)


# --- One factor, not two ----------------------------------------------------------------------------------------------


def flow_of_two_factors(A, y, u0, v0, times):
    n = u0.size

    def velocity(t, state):
        u, v = state[:n], state[n:]
        g = A.T @ (A @ (u * v) - y)
        return np.concatenate([-v * g, -u * g])

    run = solve_ivp(velocity, (0, times[-1]), np.r_[u0, v0], "DOP853", times, rtol=1e-11, atol=1e-14)
    return run.y[:n].T, run.y[n:].T


@pytest.mark.claim("prop-two-factors")
def test_two_factors():
    A = np.array([[1, 0.5, 0.2], [0, 1, 0.5], [0.3, 0, 1], [1, 1, 1]])
    y, start = np.array([1, 0.8, -0.9, 0.6]), np.full(3, 0.5)
    times = np.linspace(0, 60, 31)
    # Equal factors: the path of w^2 at half the speed, up to the moment at which rounding is felt.
    u, v = flow_of_two_factors(A, y, start, start, times[:6])
    np.testing.assert_allclose(u, v, atol=1e-9)
    np.testing.assert_allclose((u * v)[1:], flow_of_weights(A, y, start, 2, times[:6] / 2)[1:], atol=1e-8)
    # Unequal ones: what is conserved, the velocity of x, and the end.
    difference = np.array([1e-3, -1e-3, 1e-3])
    u, v = flow_of_two_factors(A, y, start + difference, start, times)
    delta = u**2 - v**2
    np.testing.assert_allclose(delta, np.tile(delta[0], (31, 1)), atol=1e-9)
    for x, a, b in zip((u * v)[::5], u[::5], v[::5], strict=True):
        g = A.T @ (A @ x - y)
        np.testing.assert_allclose(-(a**2 + b**2) * g, -np.sqrt(4 * x**2 + delta[0] ** 2) * g, atol=1e-8)
    np.testing.assert_allclose((u * v)[-1], minimum_norm(A, y), atol=1e-5)
    assert (u * v)[-1].min() < -1


@pytest.mark.claim("prop-two-factors")
@pytest.mark.parametrize("difference", [1e-12, 1e-6])
def test_descent_on_two_factors_loses_the_constraint_and_on_one_keeps_it(difference):
    A = np.array([[1, 0.5, 0.2], [0, 1, 0.5], [0.3, 0, 1], [1, 1, 1]])
    y, solution = np.array([1, 0.8, -0.9, 0.6]), np.array([19 / 327, 3952 / 4905, 0])
    u, v = np.full(3, 0.5), np.full(3, 0.5 - difference)
    closest = np.inf
    for _ in range(4000):
        g = A.T @ (A @ (u * v) - y)
        u, v = u - 0.05 * v * g, v - 0.05 * u * g
        closest = min(closest, np.linalg.norm(u * v - solution))
    assert closest < 0.05  # it passes the constrained solution
    np.testing.assert_allclose(u * v, np.linalg.lstsq(A, y)[0], atol=1e-8)
    one = gradient_descent(A, y, HadamardPower(2), alpha=0.5, step_size=0.05, max_iterations=4000, record=0)
    np.testing.assert_allclose(one.x, solution, atol=1e-7)


# --- Stability --------------------------------------------------------------------------------------------------------


def stable_matrix():
    """A small matrix of zeros and ones for which all constants of the theorem can be computed."""
    for seed in range(200):
        A = nonnegative_regression(n=9, m=7, s=1, seed=seed, binary=True).A
        omega = A.sum(axis=0)
        if np.all(omega > 0) and np.linalg.matrix_rank(A) == 7:
            B = A / omega
            rho = null_space_constant(B, 1)
            if rho < 0.7:
                return A, omega, rho, np.linalg.svd(B)[1][-1]


@pytest.mark.claim("thm-nnls-stability")
def test_stability():
    A, omega, rho, sigma = stable_matrix()
    rng = np.random.default_rng(0)
    c_norm, ratios = np.sqrt(7), []
    for trial in range(200):
        positive = np.zeros(9)
        positive[rng.integers(9)] = rng.uniform(0.5, 1.5)
        if trial % 2:
            positive += 0.01 * rng.uniform(size=9)
        negative = 10.0 ** -rng.uniform(0, 4) * rng.uniform(size=9) * (positive == 0)
        noise = 10.0 ** -rng.uniform(0, 4) * rng.standard_normal(7)
        e = np.linalg.norm(noise - A @ negative)
        rest = np.sum(omega * positive) - np.max(omega * positive)
        bound = (1 + rho) / (1 - rho) * (c_norm * e + 2 * rest) + 2 * np.sqrt(9) / ((1 - rho) * sigma) * e
        x = active_set(A, A @ (positive - negative) + noise)[0]
        # The inequality at the heart of the proof, and its consequence.
        drift = omega @ (x - positive)
        assert drift <= c_norm * e + 1e-9
        assert np.sum(omega * np.abs(x - positive)) <= bound
        ratios.append(np.sum(omega * np.abs(x - positive)) / bound)
    assert np.max(ratios) > 0.005


@pytest.mark.claim("thm-nnls-stability")
@every_depth
def test_exact_recovery_from_every_start(depth):
    """With e = 0 the solution is unique: every solver and every start finds the truth."""
    A, *_ = stable_matrix()
    for j in range(9):
        truth = np.zeros(9)
        truth[j] = 1.3
        for alpha in (0.01, 0.5, 1.5):
            np.testing.assert_allclose(flow_limit(A, A @ truth, HadamardPower(depth), alpha=alpha).x, truth, atol=1e-4)
        np.testing.assert_allclose(nnls(A, A @ truth).x, truth, atol=1e-7)


@pytest.mark.claim("thm-nnls-stability")
def test_recovery_needs_the_positive_combination():
    """Gaussian columns: the set of solutions is unbounded, and an active-set method and the flow differ."""
    rng = np.random.default_rng(2)
    A = rng.standard_normal((4, 12))
    assert solvable_for_all_data(A)
    truth = np.zeros(12)
    truth[3] = 1.0
    dense = flow_limit(A, A @ truth, HadamardPower(2), alpha=1.0).x
    assert np.linalg.norm(dense - truth) > 0.1


# --- The way to a fast method -----------------------------------------------------------------------------------------


@pytest.mark.claim("prop-quartic")
def test_energy_along_a_line():
    rng = np.random.default_rng(0)
    for _ in range(20):
        A, y, w, s = rng.standard_normal((6, 4)), rng.standard_normal(6), rng.standard_normal(4), rng.standard_normal(4)
        r, p, q = A @ w**2 - y, 2 * A @ (w * s), A @ s**2

        def energy(t, A=A, y=y, w=w, s=s):
            return np.sum((A @ (w + t * s) ** 2 - y) ** 2)

        for t in (-2.0, 0.3, 1.7):
            np.testing.assert_allclose(A @ (w + t * s) ** 2 - y, r + t * p + t**2 * q, atol=1e-12)
        roots = np.roots([2 * q @ q, 3 * p @ q, p @ p + 2 * r @ q, r @ p])
        real = roots.real[np.abs(roots.imag) < 1e-8]
        grid = np.linspace(-10, 10, 4001)
        assert min(map(energy, real)) <= min(map(energy, grid)) + 1e-12


@pytest.mark.claim("prop-quartic")
def test_diagonal_of_the_hessian():
    rng = np.random.default_rng(1)
    A = rng.standard_normal((6, 4))
    A /= np.linalg.norm(A, axis=0)
    y, w = rng.standard_normal(6), rng.standard_normal(4)  # negative weights too

    def gradient(w):
        return 2 * w * (A.T @ (A @ w**2 - y))

    hessian = approx_fprime(w, gradient, 1e-7)
    np.testing.assert_allclose(np.diag(hessian), 4 * w**2 + 2 * (A.T @ (A @ w**2 - y)), atol=1e-5)


@pytest.mark.claim("prop-finish")
def test_support_is_found_near_the_solution():
    """Near the solution it is; far away, at the start, it is not, and the size of the entries does not tell."""
    wrong_at_first = 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        A = rng.uniform(size=(40, 15))
        A /= np.linalg.norm(A, axis=0)
        y = rng.uniform(size=40)
        x = active_set(A, y)[0]
        g = A.T @ (A @ x - y)
        support = x > 0
        gap = min(np.min(x[support]), np.min(g[~support]))
        for _ in range(20):
            near = np.abs(x + 0.2 * gap / np.sqrt(15) * rng.standard_normal(15).clip(-1, 1))
            assert np.array_equal(near > A.T @ (A @ near - y), support)
        start = np.full(15, 0.1)
        wrong_at_first += not np.array_equal(start > A.T @ (A @ start - y), support)
        np.testing.assert_allclose(x[support], np.linalg.lstsq(A[:, support], y)[0], atol=1e-9)
    assert wrong_at_first > 5


# --- Largest entropy --------------------------------------------------------------------------------------------------


@pytest.mark.claim("prop-nnls-entropy")
def test_largest_entropy_from_any_scale():
    rng = np.random.default_rng(0)
    for _ in range(4):
        A = np.vstack([np.ones(6), rng.standard_normal((2, 6))])
        y = A @ rng.uniform(0.5, 1.5, 6)
        limits = flow_limit(A, y, HadamardPower(2), alpha=np.array([[2.0], [0.5], [1e-2], [1e-5]])).x
        np.testing.assert_allclose(limits, np.tile(limits[0], (4, 1)), atol=1e-8)
        x, kernel = limits[0], null_space(A)
        entropy = -np.sum(x * np.log(x))
        np.testing.assert_allclose(kernel.T @ np.log(x), 0, atol=1e-7)  # stationary on the solutions
        for v in rng.standard_normal((50, kernel.shape[1])):
            z = x + 0.1 * kernel @ v
            if np.min(z) > 0:
                assert -np.sum(z * np.log(z)) < entropy
        # Without the row of ones the scale matters.
        two = flow_limit(A[1:], y[1:], HadamardPower(2), alpha=np.array([[2.0], [1e-2]])).x
        assert np.linalg.norm(two[0] - two[1]) > 1e-2


@pytest.mark.claim("prop-nnls-entropy")
def test_rays_along_the_rows_sum_all_densities():
    scan = tomography(phantom(16), 6, seed=0)
    rays = scan.A.shape[0] // 6
    c = np.r_[np.ones(rays), np.zeros(5 * rays)]
    np.testing.assert_allclose(scan.A.T @ c, 1)
    limits = flow_limit(scan.A, scan.y, HadamardPower(2), alpha=np.array([[1.0], [0.05]])).x
    np.testing.assert_allclose(limits[0], limits[1], atol=1e-5)
