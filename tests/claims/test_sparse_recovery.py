"""The theorems of the chapter "Sparse recovery", each with the numbers that would refute it.

Everything here is checked against a computation that does not share the idea of the solver under test: the weights
are followed by an explicit integrator, the convex problems are solved by a general-purpose optimizer, the least
l1-norms come from a linear program.
"""

from types import SimpleNamespace

import numpy as np
import pytest
from implicit_bias import (
    HadamardPower,
    SignedHadamardPower,
    basis_pursuit,
    flow_limit,
    gradient_descent,
    gradient_flow,
    l1_bound,
    lasso_path,
    minimum_norm,
    saddle_to_saddle,
)
from implicit_bias.measures import null_space_constant
from implicit_bias.problems import sparse_recovery
from scipy.integrate import solve_ivp
from scipy.linalg import null_space
from scipy.optimize import check_grad, minimize, nnls

DEPTHS = (2, 2.5, 3, 4)
both_signs = pytest.mark.parametrize("power", [HadamardPower, SignedHadamardPower], ids=["positive", "signed"])
every_depth = pytest.mark.parametrize("depth", DEPTHS)


def instance(m, n, *, seed, positive=True):
    """A Gaussian matrix, and data that some dense vector explains, a positive one if asked for."""
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((m, n))
    return A, A @ (rng.uniform(0.5, 1.5, n) if positive else rng.standard_normal(n))


def flow_of_weights(A, y, model, w0, times):
    """The gradient flow of the weights by an explicit Runge-Kutta method, which knows nothing of potentials.

    Returns the weights at `times` and the integral of the gradient of the loss in x up to then.
    """
    w0 = np.asarray(w0, dtype=float)

    def velocity(t, state):
        w = state[: w0.size].reshape(w0.shape)
        gradient = A.T @ (A @ model.value(w) - y)
        return np.concatenate([-model.pullback(w, gradient).ravel(), gradient])

    start = np.r_[w0.ravel(), np.zeros(A.shape[1])]
    run = solve_ivp(velocity, (0, times[-1]), start, "DOP853", times, rtol=1e-11, atol=1e-13)
    return run.y[: w0.size].T.reshape(-1, *w0.shape), run.y[w0.size :].T


def minimizer(f, gradient, A, z, positive=False):
    """The minimizer of a convex function among the solutions of A x = A z, by SciPy's general-purpose optimizer."""
    kernel = null_space(A)
    found = minimize(
        lambda v: f(z + kernel @ v),
        np.zeros(kernel.shape[1]),
        jac=lambda v: kernel.T @ gradient(z + kernel @ v),
        method="SLSQP",
        constraints={"type": "ineq", "fun": lambda v: z + kernel @ v - 1e-9, "jac": lambda v: kernel}
        if positive
        else (),
        options={"ftol": 1e-16, "maxiter": 1000},
    )
    return z + kernel @ found.x


def bregman(model, z, x, alpha):
    """The Bregman divergence D_h(z, x) of the potential of a model."""
    h, gradient = model.potential, model.mirror_map
    return h(z, alpha) - h(x, alpha) - gradient(x, alpha) @ (z - x)


def l1(x):
    return np.sum(np.abs(x), axis=-1)


# --- Mirror flow -----------------------------------------------------------------------------------------------------


@pytest.mark.claim("prop-mirror-flow")
@both_signs
@every_depth
def test_flow_of_the_weights_is_mirror_flow(power, depth):
    """grad h(x(t)) - grad h(x(0)) is minus the integral of the gradient of the loss."""
    model, alpha = power(depth), 0.6
    A, y = instance(3, 5, seed=1)
    weights, integral = flow_of_weights(A, y, model, model.start(alpha, 5), np.linspace(0, 2, 50))
    dual = model.mirror_map(model.value(np.moveaxis(weights, 0, -2)), alpha)
    assert np.max(np.abs(dual - dual[0] + integral)) < 1e-8 * np.max(np.abs(dual))


@pytest.mark.claim("prop-mirror-flow")
@both_signs
@every_depth
def test_mirror_map_is_the_gradient_of_the_potential(power, depth):
    model, alpha = power(depth), 0.6
    for x in np.random.default_rng(2).uniform(0.1, 3, (10, 5)):
        assert check_grad(model.potential, model.mirror_map, x, alpha) < 1e-6


@pytest.mark.claim("prop-mirror-flow")
@both_signs
@every_depth
def test_vector_is_an_explicit_function_of_the_dual_coordinate(power, depth):
    """The last column of the table of mirror maps, along the flow of the weights."""
    model, alpha, L = power(depth), 0.6, depth
    A, y = instance(3, 5, seed=3)
    weights, integral = flow_of_weights(A, y, model, model.start(alpha, 5), np.linspace(0, 2, 50))
    x0, q = alpha**L, L / (L - 2) if L > 2 else None
    if power is HadamardPower and L == 2:
        explicit = x0 * np.exp(-4 * integral)
    elif power is HadamardPower:
        explicit = (x0 ** (-1 / q) + L * (L - 2) * integral) ** -q
    elif L == 2:
        explicit = 2 * x0 * np.sinh(-4 * integral)
    else:
        s = -L * (L - 2) * alpha ** (L - 2) * integral
        explicit = x0 * ((1 - s) ** -q - (1 + s) ** -q)
    np.testing.assert_allclose(model.value(np.moveaxis(weights, 0, -2)), explicit, rtol=1e-7, atol=1e-9)


@pytest.mark.claim("prop-mirror-flow")
@both_signs
@every_depth
def test_gradient_descent_is_mirror_descent_up_to_the_step(power, depth):
    model, alpha, error = power(depth), 0.6, []
    A, y = instance(3, 5, seed=4)
    for step in (1e-4, 5e-5):
        steps = round(0.05 / step)
        run = gradient_descent(A, y, model, alpha=alpha, step_size=step, max_iterations=steps, tol=0, record=steps)
        change = np.diff(model.mirror_map(run.path.x, alpha), axis=0) / step
        error.append(np.max(np.abs(change + (run.path.x[:-1] @ A.T - y) @ A)))
    assert error[0] / error[1] == pytest.approx(2, rel=0.1)


# --- Conserved quantities ---------------------------------------------------------------------------------------------


def conserved(weights, depth):
    """u v at depth 2, u^(2-L) + v^(2-L) above."""
    u, v = weights
    return u * v if depth == 2 else u ** (2 - depth) + v ** (2 - depth)


@pytest.mark.claim("prop-conserved")
@every_depth
def test_flow_conserves(depth):
    model, alpha = SignedHadamardPower(depth), 0.4
    A, y = instance(3, 5, seed=5, positive=False)
    weights, _ = flow_of_weights(A, y, model, model.start(alpha, 5), np.linspace(0, 5, 50))
    expected = alpha**2 if depth == 2 else 2 * alpha ** (2 - depth)
    for w in weights:
        np.testing.assert_allclose(conserved(w, depth), expected, rtol=1e-8)


@pytest.mark.claim("prop-conserved")
@every_depth
def test_descent_conserves_up_to_the_step(depth):
    """Over the same time, half the step makes half the drift."""
    alpha, drift = 0.4, []
    A, y = instance(3, 5, seed=5, positive=False)
    expected = alpha**2 if depth == 2 else 2 * alpha ** (2 - depth)
    for step in (1e-3, 5e-4):
        run = gradient_descent(
            A,
            y,
            SignedHadamardPower(depth),
            alpha=alpha,
            step_size=step,
            max_iterations=round(1 / step),
            tol=0,
        )
        drift.append(np.max(np.abs(conserved(run.weights, depth) / expected - 1)))
    assert drift[0] < 0.1
    assert drift[0] / drift[1] == pytest.approx(2, rel=0.1)


# --- The limit of the flow --------------------------------------------------------------------------------------------


@pytest.mark.claim("thm-limit")
@both_signs
@pytest.mark.parametrize("depth", [2, 3, 4])
@pytest.mark.parametrize("seed", range(4))
def test_flow_ends_at_the_bregman_projection(power, depth, seed):
    """Three computations that share nothing: an integrator, Newton's method on the dual, a general convex solver."""
    model, alpha, n = power(depth), 0.5, 6
    A, y = instance(3, n, seed=seed, positive=model.nonnegative)
    x0 = model.value(model.start(alpha, n))
    limit = flow_limit(A, y, model, alpha=alpha).x
    # The solver starts at some solution; another limit gives one that is positive where it must be.
    projection = minimizer(
        lambda z: bregman(model, z, x0, alpha),
        lambda z: model.mirror_map(z, alpha) - model.mirror_map(x0, alpha),
        A,
        flow_limit(A, y, model, alpha=2.0).x,
        model.nonnegative,
    )
    np.testing.assert_allclose(limit, projection, atol=1e-6)
    np.testing.assert_allclose(limit, gradient_flow(A, y, model, alpha=alpha).x, atol=1e-6)


@pytest.mark.claim("thm-limit")
@both_signs
@pytest.mark.parametrize("depth", [2, 3, 4])
def test_descent_with_small_steps_ends_there_too(power, depth):
    """The bias of the step is smooth in it: it halves with the step, and extrapolation to step 0 removes it."""
    model, alpha = power(depth), 0.8
    A, y = instance(2, 5, seed=1, positive=model.nonnegative)
    limit = flow_limit(A, y, model, alpha=alpha).x
    h = 0.2 / (model.curvature(max(alpha**depth, np.max(np.abs(limit)))) * np.linalg.norm(A, 2) ** 2)
    full, half, quarter = (
        gradient_descent(A, y, model, alpha=alpha, step_size=step, max_iterations=10**6, tol=1e-11, record=0).x
        for step in (h, h / 2, h / 4)
    )
    bias = [np.linalg.norm(x - limit) for x in (full, half, quarter)]
    assert bias[0] / bias[1] == pytest.approx(2, rel=0.1)
    assert bias[1] / bias[2] == pytest.approx(2, rel=0.05)
    extrapolated = (8 * quarter - 6 * half + full) / 3
    np.testing.assert_allclose(extrapolated, limit, atol=1e-6)


@pytest.mark.claim("thm-limit")
@both_signs
@every_depth
def test_loss_falls_at_least_like_one_over_time(power, depth):
    """loss(t) <= D_h(z, x(0)) / (2 t) for every solution z, the nearest one included."""
    model, alpha, n = power(depth), 0.5, 6
    A, y = instance(3, n, seed=7)
    times = np.geomspace(1e-3, 20, 100)
    weights, _ = flow_of_weights(A, y, model, model.start(alpha, n), np.r_[0, times])
    x = model.value(np.moveaxis(weights, 0, -2))
    loss = np.sum((x[1:] @ A.T - y) ** 2, axis=1) / 2
    for scale in (alpha, 0.1, 2.0):
        z = flow_limit(A, y, model, alpha=scale).x
        assert np.all(loss <= bregman(model, z, x[0], alpha) / (2 * times))


@pytest.mark.claim("thm-limit")
@pytest.mark.parametrize("depth", [2, 3, 4])
def test_positive_flow_solves_inconsistent_data_by_nonnegative_least_squares(depth):
    rng = np.random.default_rng(8)
    A, y = rng.standard_normal((12, 5)), rng.standard_normal(12)
    solution = nnls(A, y)[0]
    assert 0 < np.count_nonzero(solution) < 5  # some bounds are active, and the data are not met
    np.testing.assert_allclose(flow_limit(A, y, HadamardPower(depth), alpha=0.5).x, solution, atol=1e-6)
    np.testing.assert_allclose(gradient_flow(A, y, HadamardPower(depth), alpha=0.5).x, solution, atol=1e-6)


@pytest.mark.claim("thm-limit")
@both_signs
@pytest.mark.parametrize("depth", [2, 3, 4])
def test_inconsistent_data_are_first_projected_on_the_range(power, depth):
    """A rank-deficient matrix: the flow sees only the part of y that A reaches."""
    model = power(depth)
    A, y = instance(3, 7, seed=9, positive=model.nonnegative)
    A, y = np.vstack([A, A[:1] + A[1:2]]), np.r_[y, y[0] + y[1]]
    outside = np.array([1.0, 1.0, 0.0, -1.0])  # orthogonal to the range
    expected = flow_limit(A[:3], y[:3], model, alpha=0.5).x
    np.testing.assert_allclose(flow_limit(A, y + outside, model, alpha=0.5).x, expected, atol=1e-7)
    np.testing.assert_allclose(gradient_flow(A, y + outside, model, alpha=0.5).x, expected, atol=1e-6)


# --- The l1-norm of the limit -----------------------------------------------------------------------------------------


def least_l1(A, y, model):
    return l1(basis_pursuit(A, y, nonnegative=model.nonnegative).x)


def relative_gaps(A, y, model, scales):
    """(|x_inf|_1 - Q) / Q for each scale of the start, and Q."""
    Q = least_l1(A, y, model)
    return l1(flow_limit(A, y, model, alpha=np.reshape(scales, (-1, 1))).x) / Q - 1, Q


@pytest.mark.claim("thm-l1-norm")
@both_signs
@pytest.mark.parametrize("depth", [2, 2.5, 3, 4, 6])
def test_l1_norm_of_the_limit(power, depth):
    model, scales = power(depth), [1e-3, 1e-2, 0.1, 0.3]
    held = 0
    for seed in range(12):
        m, n = [(5, 12), (8, 30), (15, 40)][seed % 3]
        A, y = instance(m, n, seed=seed, positive=model.nonnegative)
        gaps, Q = relative_gaps(A, y, model, scales)
        bounds = [l1_bound(Q, model, alpha=alpha, n=n) for alpha in scales]
        assert np.all(gaps >= -1e-9)
        assert np.all(gaps <= bounds)
        held += np.count_nonzero(np.isfinite(bounds))
    assert held > 24  # most of these bounds say something


@pytest.mark.claim("thm-l1-norm")
def test_values_of_the_bound():
    """Worked out by hand from the formulas for N = 30, alpha = 0.1, Q = 3.5."""
    for depth, paper, sharp in [
        (2, 1.3844376, 1.3844376),
        (3, 0.30040105, 0.174502),
        (4, 0.05084047, 0.02465355),
    ]:
        model = HadamardPower(depth)
        assert l1_bound(3.5, model, alpha=0.1, n=30) == pytest.approx(paper, rel=1e-7)
        assert l1_bound(3.5, model, alpha=0.1, n=30, sharp=True) == pytest.approx(sharp, rel=2e-6)
        # The signed model is the positive one with 2 N unknowns.
        twice = l1_bound(3.5, model, alpha=0.1, n=60)
        assert l1_bound(3.5, SignedHadamardPower(depth), alpha=0.1, n=30) == twice


@pytest.mark.claim("thm-l1-norm")
@pytest.mark.parametrize("depth, c", [(2, 1), (3, 1.5**3), (4, 2**2), (6, 3**1.5)])
def test_bound_needs_its_hypothesis(depth, c):
    edge = c * 30 * 0.1**depth  # c_L beta_1
    assert l1_bound(0.999 * edge, HadamardPower(depth), alpha=0.1, n=30) == np.inf
    assert l1_bound(1.001 * edge, HadamardPower(depth), alpha=0.1, n=30) < np.inf


@pytest.mark.claim("prop-sharp")
@both_signs
@pytest.mark.parametrize("depth", [2.5, 3, 4, 6])
def test_sharp_form(power, depth):
    """It is the smaller bound, it holds, and it holds where Q is between beta_1 and c_L beta_1 as well."""
    model, n = power(depth), 12
    only_sharp = 0
    for seed in range(12):
        A, y = instance(5, n, seed=seed, positive=model.nonnegative)
        Q = least_l1(A, y, model)
        unknowns = n if model.nonnegative else 2 * n
        for share in (0.9, 0.5, 0.1, 1e-3):  # beta_1 / Q
            alpha = (share * Q / unknowns) ** (1 / depth)
            (gap,), _ = relative_gaps(A, y, model, alpha)
            sharp, paper = (l1_bound(Q, model, alpha=alpha, n=n, sharp=form) for form in (True, False))
            assert gap <= sharp <= paper
            only_sharp += paper == np.inf
    assert only_sharp >= 12


@pytest.mark.claim("prop-nonuniform")
@pytest.mark.parametrize("depth, formula", [(3, 0.2328), (4, 0.0982)])
def test_unweighted_bound_fails_for_a_non_uniform_start(depth, formula):
    """A = [1, 2], y = 1: the start (1e-3, 1e-12) ends at (1, 0), twice as long as the shortest solution (0, 1/2)."""
    model, start = HadamardPower(depth), np.array([1e-3, 1e-12])
    A, y, alpha, Q = np.array([[1.0, 2.0]]), np.array([1.0]), start ** (1 / depth), 0.5
    x = flow_limit(A, y, model, alpha=alpha).x
    b1, bm, s = np.sum(start), np.min(start), 1 - 2 / depth
    unweighted = depth * (b1**s - bm**s) / (2 * Q**s - depth * b1**s)
    assert unweighted == pytest.approx(formula, rel=1e-3)
    assert l1(x) / Q - 1 == pytest.approx(1, abs=1e-6)  # far above the formula
    weights = alpha ** (2.0 - depth)
    weighted_Q = min(weights[0], weights[1] / 2)
    assert weights @ x <= (1 + l1_bound(weighted_Q, model, alpha=alpha, n=2)) * weighted_Q


@pytest.mark.claim("prop-nonuniform")
@both_signs
@pytest.mark.parametrize("depth", [2, 3, 4, 6])
def test_weighted_bound_for_non_uniform_starts(power, depth):
    """With the weights alpha_i^(2-L) it holds; at depth 2 they are 1, and the start does not matter."""
    model, held = power(depth), 0
    for seed in range(12):
        A, y = instance(5, 12, seed=seed, positive=model.nonnegative)
        alpha = np.exp(np.random.default_rng(seed).uniform(np.log(0.01), np.log(0.2), 12))
        weights = alpha ** (2.0 - depth)
        Q = least_l1(A / weights, y, model)  # in the unknowns weights * z
        norm = weights @ np.abs(flow_limit(A, y, model, alpha=alpha).x)
        bounds = [l1_bound(Q, model, alpha=alpha, n=12, sharp=sharp) for sharp in (True, False)]
        assert all((1 - 1e-9) * Q <= norm <= (1 + bound) * Q for bound in bounds)
        held += np.isfinite(bounds[0])
    assert held == 12


# --- Rates, times, and which minimizer --------------------------------------------------------------------------------


def non_degenerate_instance():
    """A 6 x 15 instance whose l1 minimizer has 6 non-zeros and a dual certificate below 0.8 off its support."""
    for seed in range(1000):
        A, y = instance(6, 15, seed=seed, positive=False)
        z = basis_pursuit(A, y).x
        S = np.flatnonzero(np.abs(z) > 1e-8)
        if S.size == 6:
            rho = A.T @ np.linalg.solve(A[:, S].T, np.sign(z[S]))
            if np.max(np.abs(np.delete(rho, S))) < 0.8:
                return A, y, z, S, rho


@pytest.mark.claim("prop-rate")
@pytest.mark.parametrize("depth, alpha", [(2, 1e-12), (3, 1e-3), (4, 1e-2)])
def test_gap_of_a_fixed_instance(depth, alpha):
    """The gap is alpha^(2 (1 - rho)) at depth 2 and alpha^L above, with these constants."""
    A, y, z, S, rho = non_degenerate_instance()
    off = np.setdiff1d(np.arange(15), S)
    sign, rho, columns = np.sign(rho[off]), np.abs(rho[off]), A[:, off]
    if depth == 2:
        kappa = np.linalg.solve(A[:, S].T, np.sign(z[S]) * np.log(np.abs(z[S])))
        sizes = alpha ** (2 * (1 - rho)) * np.exp(sign * (columns.T @ kappa))
    else:
        q = depth / (depth - 2)
        sizes = alpha**depth * ((1 - rho) ** -q - (1 + rho) ** -q)
    x = flow_limit(A, y, SignedHadamardPower(depth), alpha=alpha).x
    assert l1(x) - l1(z) == pytest.approx(np.sum((1 - rho) * sizes), rel=0.02)


@pytest.mark.claim("prop-worst-case")
@pytest.mark.parametrize("n, share", [(10, 0.469), (1000, 0.613), (100_000, 0.680)])
def test_logarithmic_rate_is_attained(n, share):
    """One column a little longer than n - 1 equal ones: the gap is more than 2/5 of the bound, however large n."""
    alpha, model = 1e-6, HadamardPower(2)
    delta = 0.8 * np.log(n) / np.log(1 / (alpha**2 * n))
    A = np.ones((1, n))
    A[0, 0] += delta
    Q = 1 / (1 + delta)
    gap = l1(flow_limit(A, [1.0], model, alpha=alpha).x) / Q - 1
    assert gap / l1_bound(Q, model, alpha=alpha, n=n) == pytest.approx(share, rel=0.03)


def time_to_half(y, depth, alpha):
    """When the scalar model w^L, fitted to y, reaches y / 2."""
    path = gradient_flow([[1.0]], [y], HadamardPower(depth), alpha=alpha).path
    return np.interp(y / 2, path.x[:, 0], path.times)


@pytest.mark.claim("prop-wakeup")
@pytest.mark.parametrize("depth, alpha, time", [(2, 1e-4, 4.6052), (3, 1e-2, 33.05), (4, 1e-2, 1249.93)])
def test_time_to_wake_up(depth, alpha, time):
    assert time_to_half(1.0, depth, alpha) == pytest.approx(time, rel=1e-4)


@pytest.mark.claim("prop-wakeup")
@pytest.mark.parametrize("depth, alphas", [(2, [1e-10, 1e-100]), (3, [1e-2, 1e-4]), (4, [1e-1, 1e-2])])
@pytest.mark.parametrize("g", [0.5, 2.0])
def test_time_to_wake_up_for_small_starts(depth, alphas, g):
    """The ratio to the formula tends to 1; g is the correlation of the column with the data."""
    error = []
    for alpha in alphas:
        formula = np.log(1 / alpha) / (2 * g) if depth == 2 else alpha ** (2.0 - depth) / (depth * (depth - 2) * g)
        error.append(abs(time_to_half(g, depth, alpha) / formula - 1))
    assert error[1] < min(0.01, error[0])


@pytest.mark.claim("prop-which-minimizer")
@pytest.mark.parametrize(
    "depth, expected",
    [
        (2, [0.303514, 0.269324, 0.238986, 0.188176]),
        (3, [0.304768, 0.268484, 0.237739, 0.189010]),
        (4, [0.305408, 0.268037, 0.237128, 0.189427]),
    ],
)
def test_which_minimizer(depth, expected):
    """The first row makes every non-negative solution an l1 minimizer: which one is it?

    Depth 2 takes the one of largest entropy, a larger depth that of largest sum of z^(2/L).
    """
    A, y, p = np.array([[1.0, 1, 1, 1], [0, 1, 2, 4]]), np.array([1, 1.5]), 2 / depth
    if depth == 2:
        chosen = minimizer(lambda z: z @ np.log(z), lambda z: np.log(z) + 1, A, minimum_norm(A, y), True)
    else:
        chosen = minimizer(lambda z: -np.sum(z**p), lambda z: -p * z ** (p - 1), A, minimum_norm(A, y), True)
    np.testing.assert_allclose(chosen, expected, atol=2e-6)
    # For this matrix at any scale of the start; with a fifth column that is no bargain, as the scale tends to 0.
    for alpha in (0.5, 1e-2):
        np.testing.assert_allclose(flow_limit(A, y, HadamardPower(depth), alpha=alpha).x, expected, atol=1e-6)
    wider = np.c_[A, A[:, 0] / 2]
    x = flow_limit(wider, y, HadamardPower(depth), alpha=1e-8 if depth == 2 else 1e-3).x
    np.testing.assert_allclose(x, [*expected, 0], atol=1e-5)


# --- Compressed sensing, and the two ends of the scale ----------------------------------------------------------------


@pytest.mark.claim("thm-stable-recovery")
def test_stable_recovery():
    s, (m, n) = 2, (12, 16)
    rng = np.random.default_rng(3)
    A = rng.standard_normal((m, n))
    rho = null_space_constant(A, s)
    assert rho == pytest.approx(0.7126, abs=1e-4)
    sparse = rng.standard_normal((8, n)) * (np.arange(n) < s)
    compressible = rng.standard_normal((8, n)) * np.arange(1, n + 1) ** -2.0
    for x in [*sparse, *compressible]:
        tail = np.sum(np.sort(np.abs(x))[: n - s])  # sigma_s(x)_1
        for model in (SignedHadamardPower(2), SignedHadamardPower(3)):
            Q = least_l1(A, A @ x, model)
            for alpha in (1e-2, 1e-4):
                limit = flow_limit(A, A @ x, model, alpha=alpha).x
                bound = (1 + rho) / (1 - rho) * (l1_bound(Q, model, alpha=alpha, n=n) * Q + 2 * tail)
                assert l1(x - limit) <= bound < np.inf


@pytest.mark.claim("prop-kernel-limit")
@pytest.mark.parametrize("depth", [2, 3])
def test_large_starts_give_the_minimum_norm_solution(depth):
    """The relative distance falls like alpha^(-2L), from a few tenths at 0.1 to nothing at 10."""
    A, y = instance(10, 25, seed=1, positive=False)
    least = minimum_norm(A, y)
    scales = np.array([[0.1], [0.3], [1.0], [3.0], [6.0]])
    x = flow_limit(A, y, SignedHadamardPower(depth), alpha=scales).x
    distance = np.linalg.norm(x - least, axis=1) / np.linalg.norm(least)
    assert np.all(np.diff(distance) < 0)
    assert distance[0] > 0.1
    assert distance[3] / distance[4] == pytest.approx(2 ** (2 * depth), rel=0.05)


@pytest.mark.claim("prop-kernel-limit")
@pytest.mark.parametrize("seed", range(5))
def test_tiny_starts_give_basis_pursuit(seed):
    """To nine digits at 1e-12 where the truth is sparse, more slowly where the data are those of a dense vector."""
    model, sparse = SignedHadamardPower(2), sparse_recovery(100, 40, 5, seed=seed)
    (gap,), _ = relative_gaps(sparse.A, sparse.y, model, 1e-12)
    assert abs(gap) < 1e-9
    gaps, _ = relative_gaps(*instance(10, 25, seed=seed, positive=False), model, [1e-4, 1e-12, 1e-100])
    assert np.all(np.diff(gaps) < 0)
    assert gaps[-1] < 1e-5


@pytest.mark.claim("prop-kernel-limit")
def test_large_non_uniform_starts_give_a_weighted_norm():
    """They minimize sum x_i^2 / alpha_i^2 among the solutions."""
    A, y = instance(10, 25, seed=2, positive=False)
    alpha = 1000 * np.random.default_rng(2).uniform(0.5, 2, 25)
    weighted = alpha * minimum_norm(A * alpha, y)
    np.testing.assert_allclose(flow_limit(A, y, SignedHadamardPower(2), alpha=alpha).x, weighted, rtol=1e-8)


# --- From saddle to saddle --------------------------------------------------------------------------------------------


def flow_in_log_time(A, y, alpha, taus):
    """The depth-2 flow at the times tau ln(1/alpha)."""
    return gradient_flow(A, y, SignedHadamardPower(2), alpha=alpha, times=taus * np.log(1 / alpha)).path.x


@pytest.mark.claim("thm-saddle-to-saddle")
@pytest.mark.parametrize("seed", [3, 5])
def test_flow_jumps_from_saddle_to_saddle(seed):
    """In the middle of each plateau the flow approaches it as alpha tends to 0; the last one is the l1 minimizer."""
    rng = np.random.default_rng(seed)
    A, y = rng.standard_normal((8, 12)), rng.standard_normal(8)
    plateaus = saddle_to_saddle(A, y)
    middles = (plateaus.times + np.r_[plateaus.times[1:], 2 * plateaus.times[-1]]) / 2
    far, near = (np.max(np.abs(flow_in_log_time(A, y, a, middles) - plateaus.x[1:])) for a in (1e-12, 1e-100))
    assert near < 0.05 * far < 0.01
    assert plateaus.times[0] == pytest.approx(1 / (2 * np.max(np.abs(A.T @ y))))
    np.testing.assert_allclose(plateaus.x[-1], basis_pursuit(A, y).x, atol=1e-8)
    np.testing.assert_allclose(plateaus.x[-1], flow_limit(A, y, SignedHadamardPower(2), alpha=1e-100).x, atol=1e-6)


@pytest.mark.claim("thm-saddle-to-saddle")
def test_jumps_happen_when_the_theory_says():
    """The time at which an entry has made half its jump, in units of ln(1/alpha), tends to the time of the jump."""
    A, y = np.array([[1.0, 0.5], [0.0, 1.0]]), np.array([1.5, 1.0])
    plateaus = saddle_to_saddle(A, y)
    # <a_2, y> = 1.75 is the larger correlation: s_2 reaches 1 first, when s_1 = 1.5/1.75, and x jumps to the fit by
    # a_2. The residual of that fit drives s_1 the rest of its way.
    fit, first = 1.75 / 1.25, 1 / (2 * 1.75)
    second = first + (1 - 1.5 / 1.75) / (2 * (1.5 - 0.5 * fit))
    np.testing.assert_allclose(plateaus.times, [first, second])
    np.testing.assert_allclose(plateaus.x, [[0, 0], [0, fit], [1, 1]], atol=1e-12)
    taus = np.linspace(0, 1, 2001)
    x = flow_in_log_time(A, y, 1e-100, taus)
    seen = taus[np.argmax(x > [0.5, fit / 2], axis=0)]
    np.testing.assert_allclose(seen, [second, first], atol=0.01)


@pytest.mark.claim("thm-saddle-to-saddle")
def test_orthonormal_columns_threshold():
    """The flow thresholds A^T y hard at 1/(2 tau); its running mean thresholds it softly, as the lasso does."""
    rng = np.random.default_rng(0)
    A = np.linalg.qr(rng.standard_normal((8, 5)))[0]
    y = rng.standard_normal(8)
    correlation, taus = A.T @ y, np.linspace(0.2, 5, 40)[:, None]
    hard = np.where(np.abs(correlation) > 1 / (2 * taus), correlation, 0)
    soft = np.sign(correlation) * np.maximum(np.abs(correlation) - 1 / (2 * taus), 0)
    plateaus = saddle_to_saddle(A, y)
    np.testing.assert_allclose(plateaus.at(taus[:, 0]), hard, atol=1e-12)
    np.testing.assert_allclose(plateaus.mean(taus[:, 0]), soft, atol=1e-12)
    np.testing.assert_allclose(lasso_path(A, y, 1 / (2 * taus[:, 0])), soft, atol=1e-8)


@pytest.mark.claim("thm-any-staircase")
@pytest.mark.parametrize("depth, alpha", [(2, 1e-40), (2.5, 1e-8), (3, 1e-4), (4, 1e-2)])
@pytest.mark.parametrize("weight", [0.5, 1.0, 1.25, 2.0])
def test_flow_follows_the_staircase_of_any_depth(depth, alpha, weight):
    """All steps of the example in the chapter; the last one is the solution of least weighted norm, for the flow as well."""
    A, y = np.array([[1, 0.5, 0.7, 0], [0.5, 1, 0.1, 0.7]]), np.array([1.0, 0.0])
    omega = np.array([weight, 1, 1, 1])
    plateaus = saddle_to_saddle(A, y, depth=depth, weights=omega)
    edges = np.r_[plateaus.times, 2 * plateaus.times[-1]]
    middles = (edges[1:] + edges[:-1]) / 2
    if depth == 2:
        start, unit = alpha**omega, np.log(1 / alpha)
    else:
        start, unit = alpha * omega ** (-1 / (depth - 2)), alpha ** (2 - depth)
    x = gradient_flow(A, y, SignedHadamardPower(depth), alpha=start, times=middles * unit).path.x
    np.testing.assert_allclose(x, plateaus.x[1:], atol=2e-3)
    np.testing.assert_allclose(plateaus.x[-1], basis_pursuit(A / omega, y).x / omega, atol=1e-8)
    np.testing.assert_allclose(flow_limit(A, y, SignedHadamardPower(depth), alpha=start).x, plateaus.x[-1], atol=2e-3)


@pytest.mark.claim("thm-any-staircase")
def test_staircase_of_equal_starts_has_the_same_steps_at_every_depth():
    """The example of arXiv 2607.12332, its saddles and times by hand; depth divides the times by L (L - 2)/2."""
    A, y = np.array([[1, 0.5, 0.7, 0], [0.5, 1, 0.1, 0.7]]), np.array([1.0, 0.0])
    saddles = [[0, 0, 0, 0], [0.8, 0, 0, 0], [0, 0, 1.4, 0], [0, 0, 10 / 7, -10 / 49]]
    for depth, clock in ((2, 1), (2.5, 0.625), (3, 1.5), (4, 4)):
        plateaus = saddle_to_saddle(A, y, depth=depth)
        np.testing.assert_allclose(plateaus.times * clock, [0.5, 2, 138 / 49], atol=1e-9)
        np.testing.assert_allclose(plateaus.x, saddles, atol=1e-12)


def lasso_instance(*, monotone):
    """Data, taus, lasso path x(1/(2 tau)) and plateaus, where tau x is, or is not, monotone in each entry."""
    for seed in range(100):
        rng = np.random.default_rng(seed)
        # A common direction in all columns makes them correlated, and monotony a matter of luck.
        A, y = rng.standard_normal((6, 8)) + rng.standard_normal((6, 1)), rng.standard_normal(6)
        plateaus = saddle_to_saddle(A, y)
        taus = np.linspace(plateaus.times[0], 1.5 * plateaus.times[-1], 60)
        lasso = lasso_path(A, y, 1 / (2 * taus))
        steps = np.diff(taus[:, None] * lasso, axis=0)
        if monotone == np.all(np.all(steps > -1e-8, axis=0) | np.all(steps < 1e-8, axis=0)):
            return A, y, taus, lasso, plateaus


@pytest.mark.claim("prop-lasso-monotone")
def test_running_mean_is_the_lasso_where_its_path_is_monotone():
    _, _, taus, lasso, plateaus = lasso_instance(monotone=True)
    assert plateaus.times.size > 3
    np.testing.assert_allclose(plateaus.mean(taus), lasso, atol=1e-6)


@pytest.mark.claim("prop-lasso-monotone")
def test_running_mean_is_not_the_lasso_elsewhere():
    A, y, taus, lasso, plateaus = lasso_instance(monotone=False)
    x = np.array([plateaus.mean(taus), lasso])
    objective = np.sum((x @ A.T - y) ** 2, axis=-1) / 2 + l1(x) / (2 * taus)
    assert np.max(objective[0] - objective[1]) > 1e-3


# --- The dictionary between parametrizations and potentials -----------------------------------------------------------


def hyperbolic_sine(scale=1.0):
    return SimpleNamespace(value=lambda w: scale * np.sinh(w), pullback=lambda w, g: scale * np.cosh(w) * g)


def projection(h, gradient, A, z, x0):
    """The Bregman projection of x0 on the solutions of A x = A z."""
    return minimizer(lambda x: h(x) - gradient(x0) @ x, lambda x: gradient(x) - gradient(x0), A, z)


@pytest.mark.claim("prop-dictionary")
def test_hyperbolic_sine():
    """x = sinh(w) has the potential x arctan x - ln(1 + x^2)/2."""
    A, y = instance(3, 6, seed=1, positive=False)
    w0 = np.random.default_rng(1).standard_normal(6)
    end = hyperbolic_sine().value(flow_of_weights(A, y, hyperbolic_sine(), w0, [0, 50])[0][-1])
    expected = projection(
        lambda x: np.sum(x * np.arctan(x) - np.log1p(x**2) / 2), np.arctan, A, minimum_norm(A, y), np.sinh(w0)
    )
    np.testing.assert_allclose(end, expected, atol=1e-6)


@pytest.mark.claim("prop-dictionary")
def test_power_between_one_and_two():
    """x = sgn(w) |w|^(2/p) has a multiple of |x|^p; here p = 3/2. It starts off 0, where its flow would stay."""
    p = 1.5
    A, y = instance(3, 6, seed=2)
    power = SimpleNamespace(value=lambda w: w ** (2 / p), pullback=lambda w, g: 2 / p * w ** (2 / p - 1) * g)
    w0 = np.full(6, 0.5)
    weights = flow_of_weights(A, y, power, w0, np.linspace(0, 100, 500))[0]
    assert np.all(weights > 0)  # 0, where the power is not smooth, is never met
    expected = projection(
        lambda x: np.sum(np.abs(x) ** p),
        lambda x: p * np.sign(x) * np.abs(x) ** (p - 1),
        A,
        minimum_norm(A, y),
        power.value(w0),
    )
    np.testing.assert_allclose(power.value(weights[-1]), expected, atol=1e-6)


@pytest.mark.claim("prop-dictionary")
def test_hyperbolic_sine_is_not_the_difference_of_squares():
    """2 alpha^2 sinh(w) looks like u^2 - v^2 in the dual coordinate, but has another potential and another limit."""
    A, y = instance(3, 6, seed=1, positive=False)
    alpha = 0.5
    model = hyperbolic_sine(2 * alpha**2)
    end = model.value(flow_of_weights(A, y, model, np.zeros(6), [0, 100])[0][-1])
    np.testing.assert_allclose(A @ end, y, atol=1e-6)
    assert np.max(np.abs(end - flow_limit(A, y, SignedHadamardPower(2), alpha=alpha).x)) > 0.01
