"""The statements of the chapter "Steps and noise", each with the numbers that would refute it.

Descent is the two lines of its definition, Hessians are written down, least norms come from a linear program.
"""

import numpy as np
import pytest
from implicit_bias import SignedHadamardPower, descent_limit, flow_limit, gradient_descent, label_noise_flow
from implicit_bias.measures import recovery_error, sharpness
from implicit_bias.problems import sparse_recovery
from scipy.integrate import solve_ivp, trapezoid
from scipy.linalg import null_space
from scipy.optimize import linprog

from tests.claims import instances_steps as steps

MODEL = SignedHadamardPower(2)


def l1(x):
    return np.sum(np.abs(x), axis=-1)


# --- Two weights ------------------------------------------------------------------------------------------------------


@pytest.mark.claim("prop-two-weights-flow")
def test_end_of_the_flow_of_two_weights():
    for start, sharp in (((2.2, 0.15), 5.216), ((4.0, 0.5), 15.88)):
        w = steps.flow_of_two(np.array(start))
        assert w @ w == pytest.approx(sharp, abs=5e-3)
        assert w @ w == pytest.approx(np.hypot(start[0] ** 2 - start[1] ** 2, 2), rel=1e-8)


@pytest.mark.claim("prop-two-weights-descent")
@pytest.mark.parametrize(
    "start, step, sharp",
    [
        ((2.2, 0.15), 0.1, 5.189),
        ((2.2, 0.15), 0.35, 4.716),
        ((2.2, 0.15), 0.45, 3.161),
        ((2.2, 0.15), 0.5, 2.394),
        ((2.2, 0.15), 0.65, 2.000),
        ((4.0, 0.5), 0.2, 2.23),
    ],
)
def test_ends_of_descent_of_two_weights(start, step, sharp):
    w, residuals = steps.descent_of_two(np.array(start), step)
    assert w @ w == pytest.approx(sharp, abs=1e-3)
    product = (start[0] ** 2 - start[1] ** 2) * np.prod(1 - step**2 * residuals**2)
    assert w @ w == pytest.approx(np.hypot(product, 2), rel=1e-8)


@pytest.mark.claim("thm-edge")
def test_all_ends_of_descent_lie_below_the_edge():
    """37 steps from one start: 28 come to rest, all of them below 2 over the step."""
    ended = {step: steps.descent_of_two(np.array([2.2, 0.15]), step, 5_000) for step in np.linspace(0.05, 0.95, 37)}
    sharp = {step: run[0] @ run[0] for step, run in ended.items() if run is not None}
    assert len(sharp) == 28
    assert all(value < 2 / step for step, value in sharp.items())


@pytest.mark.claim("thm-edge")
def test_a_network_at_the_edge_recovers_nothing():
    """Up to some step the error is that of the flow; where the sharpness at the end meets the edge it is many times larger."""
    p = sparse_recovery(n=30, m=20, s=3, seed=4)
    flow = recovery_error(flow_limit(p.A, p.y, MODEL, alpha=0.1).x, p.x_true)
    ratios, errors = {}, {}
    for step in (0.016, 0.1, 0.25):
        run = gradient_descent(p.A, p.y, MODEL, alpha=0.1, step_size=step, tol=1e-4, max_iterations=20_000, record=0)
        ratios[step], errors[step] = step * sharpness(p.A, p.y, MODEL, run.weights), recovery_error(run.x, p.x_true)
    assert flow == pytest.approx(errors[0.016], rel=0.03) and errors[0.1] < 1.2 * flow
    assert ratios[0.016] < 0.2 and ratios[0.25] == pytest.approx(2, abs=0.01)
    assert errors[0.25] > 10 * flow
    with pytest.warns(RuntimeWarning, match="Diverged"):
        gradient_descent(p.A, p.y, MODEL, alpha=0.1, step_size=1.6)
    rows = gradient_descent(
        p.A, p.y, MODEL, alpha=0.1, step_size=0.03, batch_size=1, seed=0, tol=1e-3, max_iterations=10_000, record=0
    )
    assert recovery_error(rows.x, p.x_true) < 0.9 * flow


# --- The limit of descent ---------------------------------------------------------------------------------------------


@pytest.mark.claim("thm-descent-limit")
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("step", [0.02, 0.1, 0.2])
def test_limit_of_descent_to_rounding(seed, step):
    """The formula with the product and the sum over all steps, and the library without them."""
    p = sparse_recovery(n=40, m=20, s=3, seed=seed)
    weights, gradients = steps.descend(p.A, p.y, 0.3, step, steps=40_000)
    x, a = weights[0] ** 2 - weights[1] ** 2, 2 * step * gradients
    square = 0.3**2 * np.exp(np.sum(np.log(np.abs(1 - a**2)), axis=0))
    S = np.sum(np.log(np.abs((1 - a) / (1 + a))) + 2 * a, axis=0)
    mu = np.linalg.lstsq(p.A.T, np.arcsinh(x / (2 * square)) - S)[0]
    np.testing.assert_allclose(2 * square * np.sinh(p.A.T @ mu + S), x, atol=1e-10)
    found = descent_limit(p.A, p.y, alpha=0.3, step_size=step)
    np.testing.assert_allclose(found.x, x, atol=1e-10)
    np.testing.assert_allclose(found.scale, np.sqrt(square), rtol=1e-8)


@pytest.mark.claim("thm-descent-limit")
def test_limit_of_descent_whose_weights_change_their_signs():
    """Steps with 2 eta |g| above 1, which the attacks draw rarely; without S the statement is false."""
    rng, outside = np.random.default_rng(1), []
    for _ in range(80):
        A = rng.standard_normal((2, 4))
        A /= np.linalg.norm(A, 2)
        y, alpha = A @ rng.standard_normal(4) * 0.6, rng.uniform(0.05, 0.5)
        step = rng.uniform(0.45, 0.9) / np.max(np.abs(A.T @ y))
        run = steps.descend(A, y, alpha, step, steps=1000)
        if run is None or np.min(run[0]) > 0:
            continue
        (u, v), a = run[0], 2 * step * run[1]
        square = alpha**2 * np.exp(np.sum(np.log(np.abs(1 - a**2)), axis=0))
        np.testing.assert_allclose(np.abs(u * v), square, rtol=1e-6)
        S = np.sum(np.log(np.abs((1 - a) / (1 + a))) + 2 * a, axis=0)
        dual = np.arcsinh((u**2 - v**2) / (2 * square))
        outside.append([np.max(np.abs(null_space(A).T @ (dual - shift))) for shift in (S, 0)])
    with_shift, without = np.transpose(outside)
    assert len(outside) >= 10 and np.max(with_shift) < 1e-9 and np.min(without) > 1e-3


@pytest.mark.claim("thm-descent-limit")
def test_long_steps_end_farther_from_the_flow_and_less_sparse():
    """Distance proportional to the step, a growing norm, and S of second order in all."""
    p = sparse_recovery(n=40, m=20, s=3, seed=2)
    flow = flow_limit(p.A, p.y, MODEL, alpha=0.3).x
    ends = {step: descent_limit(p.A, p.y, alpha=0.3, step_size=step) for step in (0.02, 0.05, 0.1, 0.2)}
    distances = [np.abs(ends[step].x - flow).max() for step in (0.05, 0.1, 0.2)]
    assert distances[1] / distances[0] == pytest.approx(2, rel=0.1)
    assert distances[2] / distances[1] == pytest.approx(2, rel=0.1)
    norms = [l1(flow), *(l1(end.x) for end in ends.values())]
    assert np.all(np.diff(norms) > 0)
    shifts = [np.abs(ends[step].shift).max() for step in (0.02, 0.1, 0.2)]
    assert shifts[1] / shifts[0] == pytest.approx(25, rel=0.25)
    assert shifts[2] / shifts[1] == pytest.approx(4, rel=0.3)


@pytest.mark.claim("prop-moved-scale")
def test_first_order_of_the_scale_and_second_of_the_shift():
    """Against the integrals of the second and the third power of the gradient along the flow, by an explicit integrator."""
    p = sparse_recovery(n=12, m=6, s=2, seed=3)
    times = np.r_[0, np.geomspace(1e-4, 400, 4000)]

    def velocity(t, w):
        g = p.A.T @ (p.A @ (w[:12] ** 2 - w[12:] ** 2) - p.y)
        return np.concatenate([-2 * w[:12] * g, 2 * w[12:] * g])

    w = solve_ivp(velocity, (0, times[-1]), np.full(24, 0.3), "DOP853", times, rtol=1e-10, atol=1e-13).y
    g = (p.A.T @ (p.A @ (w[:12] ** 2 - w[12:] ** 2) - p.y[:, None])).T
    squares, cubes = (trapezoid(g**power, times, axis=0) for power in (2, 3))
    for step, error in ((4e-3, 0.03), (2e-3, 0.015)):
        _, gradients = steps.descend(p.A, p.y, 0.3, step, steps=60_000, until=1e-4)
        a = 2 * step * gradients
        fall, S = -np.sum(np.log1p(-(a**2)), axis=0), np.sum(np.log1p(-a) - np.log1p(a) + 2 * a, axis=0)
        np.testing.assert_allclose(fall, 4 * step * squares, rtol=error, atol=error * np.max(fall))
        np.testing.assert_allclose(S, -16 / 3 * step**2 * cubes, atol=2 * error * np.max(np.abs(S)))


@pytest.mark.claim("prop-effective-scale")
def test_long_full_steps_leave_the_range():
    """Why they can hurt: the scale shrinks unevenly, and the dual coordinate leaves the range of A^T in third order of eta."""
    rng = np.random.default_rng(0)
    A, alpha = rng.standard_normal((3, 6)), 0.3
    y = A @ np.r_[1.0, -1.0, 0, 0, 0, 0]
    outside = []
    for eta in (0.02, 0.01):
        u, v = np.full(6, alpha), np.full(6, alpha)
        for _ in range(round(3 / eta)):
            g = A.T @ (A @ (u**2 - v**2) - y)
            u, v = u * (1 - 2 * eta * g), v * (1 + 2 * eta * g)
        xi = np.log(u / v)
        outside.append(np.linalg.norm(xi - np.linalg.pinv(A) @ A @ xi))
        assert np.ptp(u * v) > 0  # uneven
    assert 3 < outside[0] / outside[1] < 5  # the sum over 1/eta steps of third powers


# --- Stochastic gradient descent --------------------------------------------------------------------------------------


def plus_minus_one_instance():
    """40 measurements of a vector with 5 entries 1 or -1 among 100."""
    rng = np.random.default_rng(0)
    A, x = rng.standard_normal((40, 100)) / np.sqrt(40), np.zeros(100)
    x[rng.choice(100, 5, replace=False)] = rng.choice([-1.0, 1.0], 5)
    return A, A @ x


@pytest.mark.claim("prop-effective-scale")
def test_noise_shrinks_the_product_of_the_weights():
    """u v = alpha^2 prod_k (1 - (2 step g_k)^2) exactly, with the estimate g_k of the gradient from one row."""
    A, y = plus_minus_one_instance()
    steps, alpha, step, seed = 1000, 0.1, 0.02, 4
    run = gradient_descent(
        A,
        y,
        SignedHadamardPower(2),
        alpha=alpha,
        step_size=step,
        batch_size=1,
        seed=seed,
        max_iterations=steps,
        tol=0,
        record=steps,
    )
    rng, product = np.random.default_rng(seed), alpha**2
    for x in run.path.x[:-1]:
        row = rng.choice(40, 1, replace=False)[0]
        g = 40 * (A[row] @ x - y[row]) * A[row]
        product = product * (1 - (2 * step * g) ** 2)
    u, v = run.weights
    np.testing.assert_allclose(u * v, product, rtol=1e-12)
    assert np.all(product < alpha**2)


@pytest.mark.claim("prop-effective-scale")
def test_noise_helps_and_a_large_full_step_hurts():
    A, y = plus_minus_one_instance()
    model, alpha = SignedHadamardPower(2), 0.1
    flow = l1(flow_limit(A, y, model, alpha=alpha).x)
    few_rows = gradient_descent(
        A, y, model, alpha=alpha, step_size=0.04, batch_size=1, seed=1, max_iterations=30_000, tol=1e-6
    )
    all_rows = gradient_descent(A, y, model, alpha=alpha, step_size=0.3, tol=1e-6)
    assert few_rows.converged and all_rows.converged
    assert l1(few_rows.x) < 0.95 * flow
    assert l1(all_rows.x) > 1.01 * flow


# --- Sharpness --------------------------------------------------------------------------------------------------------


@pytest.mark.claim("prop-sharpness")
def test_sharpness_of_a_solution_to_rounding():
    p = sparse_recovery(n=40, m=20, s=3, seed=0)
    w = descent_limit(p.A, p.y, alpha=0.3, step_size=0.1).weights
    x, sums = w[0] ** 2 - w[1] ** 2, np.sum(w**2, axis=0)
    values = np.linalg.eigvalsh(steps.hessian(p.A, p.A @ x, w))
    assert values[-1] == pytest.approx(np.linalg.norm(p.A * (2 * np.sqrt(sums)), 2) ** 2, rel=1e-13)
    assert np.sum(values) == pytest.approx(4 * np.sum(p.A**2, axis=0) @ sums, rel=1e-13)
    assert sharpness(p.A, p.A @ x, MODEL, w) == pytest.approx(values[-1], rel=1e-13)


@pytest.mark.claim("prop-sharpness")
def test_sparse_is_sharper_than_what_descent_finds_from_a_moderate_start():
    """The sharpness of the limit of the flow has its minimum at a moderate scale; the norm falls all the way."""
    p = sparse_recovery(n=100, m=40, s=5, seed=0)
    scales = np.geomspace(1, 1e-3, 13)
    x = flow_limit(p.A, p.y, MODEL, alpha=scales[:, None]).x
    sharp = [np.linalg.norm(p.A * (2 * (v**2 + 4 * a**4) ** 0.25), 2) ** 2 for v, a in zip(x, scales, strict=True)]
    assert 2 < np.argmin(sharp) < 8 and sharp[-1] > 1.3 * min(sharp) and sharp[0] > 10 * min(sharp)
    assert np.all(np.diff(l1(x)) < 0)


# --- Label noise ------------------------------------------------------------------------------------------------------


def weighted_instance():
    p = sparse_recovery(n=30, m=14, s=3, seed=10)
    weights = np.sum(p.A**2, axis=0)
    least = linprog(np.tile(weights, 2), A_eq=np.hstack([p.A, -p.A]), b_eq=p.y)
    return p, weights, least.fun


@pytest.mark.claim("thm-label-noise-flow")
def test_noisy_descent_follows_the_flow_of_label_noise():
    """Descent itself with fresh labels in every step: the product of the weights falls at the rate of the theorem."""
    p, weights, least = weighted_instance()
    step, noise, number = 0.004, 1.0, 40_000
    end, _ = steps.descend(p.A, p.y, 1.0, step, noise=noise, rng=np.random.default_rng(3), steps=number)
    tau = (step * noise) ** 2 * number
    np.testing.assert_allclose(-np.log(np.abs(end[0] * end[1])), 4 * weights * tau, rtol=0.15)
    norm = weights @ np.abs(end[0] ** 2 - end[1] ** 2)
    assert norm == pytest.approx(weights @ np.abs(label_noise_flow(p.A, p.y, alpha=1.0, times=[tau]).x), rel=0.1)
    assert norm < 1.35 * least  # and it began at about 1.45


@pytest.mark.claim("thm-label-noise")
def test_label_noise_forgets_where_it_began():
    """From a large and a small start to the same solution; the bound is not violated on the way."""
    p, weights, least = weighted_instance()
    times = np.geomspace(0.05, 30, 12)
    paths = {alpha: label_noise_flow(p.A, p.y, alpha=alpha, times=times).path.x for alpha in (1.0, 0.05)}
    far = np.abs(paths[1.0] - paths[0.05]).max(axis=1)
    assert far[0] > 0.2 and far[-1] < 1e-3
    for x in paths.values():
        gaps = np.abs(x) @ weights / least - 1
        assert np.all(gaps > -1e-9) and np.all(np.diff(gaps) < 1e-9) and gaps[-1] < 1e-4


@pytest.mark.claim("thm-label-noise")
def test_label_noise_leaves_the_least_norm_for_the_least_weighted_one():
    """x_1 + 2 x_2 = 2: from a small start at (0, 1), the noise goes to (2, 0), whose entry is four times cheaper."""
    x = label_noise_flow([[1.0, 2.0]], [2.0], alpha=0.01, times=[0.0, 4.0]).path.x
    np.testing.assert_allclose(x, [[0.01, 0.995], [2, 0]], atol=2e-3)
