"""The theorems of the chapter "Matrix factorization", each with the numbers that would refute it.

The matrices are trained by gradient descent, or by an explicit integrator; what the theorems say about them is worked out
from scalar formulas, quadrature and eigendecompositions, which know nothing of the factors.
"""

from itertools import pairwise

import numpy as np
import pytest
from implicit_bias import (
    HadamardPower,
    MatrixProduct,
    SymmetricProduct,
    basis_pursuit,
    diagonal_descent,
    diagonal_flow,
    flow_limit,
    gradient_descent,
    learning_time,
    nuclear_norm,
)
from implicit_bias.measures import balancedness, best_rank, effective_rank, recovery_error
from implicit_bias.problems import matrix_completion, matrix_sensing, matrix_target, observed_entries
from implicit_bias.spectrum import effective_rank_plateaus, eigendecomposition, plateau_intervals
from scipy.integrate import quad, solve_ivp

from tests.claims import instances
from tests.claims.attacks import at_most, attack, holds

SPECTRUM = np.array([4.0, 2.0, 1.0, *np.zeros(7)])
MIXED = np.array([5.0, 3.0, 2.0, 1.0, 0.5, 0.0, -1.0, -2.0])
every_depth = pytest.mark.parametrize("depth", [2, 3, 4, 5])


def train(problem, model, steps, **options):
    """So many steps of gradient descent, all of them recorded."""
    return gradient_descent(
        problem.A, problem.y, model, **{"max_iterations": steps, "record": steps, "tol": 0, **options}
    )


def eigenvalues_only(eigenvalues, steps, **options):
    """The same for the eigenvalues alone."""
    return diagonal_descent(eigenvalues, **{"max_iterations": steps, "record": steps, **options}).path.x


def safe_step(depth, largest):
    return 1 / (depth * largest ** (2 - 2 / depth))


def imbalances(factors):
    return [V.mT @ V - W @ W.mT for W, V in pairwise(factors)]


# --- Balancedness -----------------------------------------------------------------------------------------------------


@pytest.mark.claim("prop-balancedness")
@every_depth
def test_flow_conserves_the_imbalances(depth):
    """Followed by an explicit integrator, from an unbalanced start and with rectangular factors."""
    model = MatrixProduct((3, *range(4, 3 + depth), 5), start="gaussian", seed=1)
    target, w0 = np.random.default_rng(2).standard_normal(15), model.start(1.0, 15)
    run = solve_ivp(
        lambda t, w: -model.pullback(w, model.value(w) - target), (0, 10), w0, "DOP853", rtol=1e-11, atol=1e-12
    )
    for before, after in zip(imbalances(model.factors(w0)), imbalances(model.factors(run.y[:, -1])), strict=True):
        np.testing.assert_allclose(after, before, atol=1e-8)


@pytest.mark.claim("prop-balancedness")
@every_depth
def test_a_step_changes_them_in_second_order_only(depth):
    """D_j(k+1) - D_j(k) = eta^2 (G_{j+1}^T G_{j+1} - G_j G_j^T), exactly."""
    model, eta = MatrixProduct.square(6, depth, start="gaussian", seed=1), 0.05
    problem = matrix_target(np.arange(6.0), seed=2)
    w = model.start(1.0, 36)
    gradients = model.factors(model.pullback(w, model.value(w) - problem.y))
    after = model.factors(train(problem, model, 1, alpha=1.0, step_size=eta).weights)
    for D, before, G in zip(imbalances(after), imbalances(model.factors(w)), imbalances(gradients), strict=True):
        np.testing.assert_allclose(D - before, eta**2 * G, atol=1e-13)


@pytest.mark.claim("prop-balancedness")
@pytest.mark.parametrize("depth", [2, 3, 4])
def test_drift_halves_with_the_step(depth):
    model, problem = MatrixProduct.square(5, depth, start="balanced", seed=3), matrix_target([3, 2, 1, 0, -1], seed=4)
    drift = []
    for eta in (2e-3, 1e-3):
        run = train(problem, model, round(10 / eta), alpha=0.5, step_size=eta, record=0)
        drift.append(balancedness(model.factors(run.weights)))
    assert 0 < drift[1] < 0.02
    assert drift[0] / drift[1] == pytest.approx(2, rel=0.05)


# --- Decoupling -------------------------------------------------------------------------------------------------------


@pytest.mark.claim("prop-decoupling")
@every_depth
@pytest.mark.parametrize("perturbation", [0, 0.3])
def test_eigenvalues_decouple(depth, perturbation):
    """Every factor stays diagonal in the basis of the target, and the product follows the scalar recursion."""
    problem = matrix_target(MIXED, seed=0)
    V = eigendecomposition(problem.y.reshape(8, 8))[1]
    start = {"start": "perturbed", "perturbation": perturbation} if perturbation else {}
    model = MatrixProduct.square(8, depth, **start)
    run = train(problem, model, 500, alpha=0.4, step_size=0.01)
    rotated = V.T @ run.path.x.reshape(-1, 8, 8) @ V
    expected = eigenvalues_only(MIXED, 500, depth=depth, alpha=0.4, step_size=0.01, perturbation=perturbation)
    np.testing.assert_allclose(np.diagonal(rotated, axis1=1, axis2=2), expected, atol=1e-12)
    for W in (*model.factors(run.weights), *run.path.x.reshape(-1, 8, 8)):
        np.testing.assert_allclose(V.T @ W @ V, np.diag(np.diag(V.T @ W @ V)), atol=1e-12)


# --- The flow of one eigenvalue ---------------------------------------------------------------------------------------


@pytest.mark.claim("prop-logistic")
def test_closed_form_at_depth_two():
    found = diagonal_flow([2.0], depth=2, alpha=0.1, times=[0.5, 1, 2])
    np.testing.assert_allclose(found[:, 0], [0.07160318, 0.43058792, 1.87484111], atol=5e-9)


@pytest.mark.claim("prop-logistic")
@pytest.mark.parametrize("depth", [2, 3, 4])
def test_closed_form_solves_the_equation(depth):
    """w' = N w^(2-2/N) (lambda - w), for eigenvalues of any sign and starts above and below.

    Integrated as d' = d^(N-1) (lambda - d^N) for w = d^N, whose right-hand side is a polynomial: that of w has no derivative
    at 0. In long steps at the end, where nothing moves any more, the integrator's interpolation would lose six digits.
    """
    levels, alpha, times = np.array([4.0, 1.0, 0.1, 0.0, -1.0]), 0.7, np.linspace(0, 20, 50)
    run = solve_ivp(
        lambda t, d: d ** (depth - 1) * (levels - d**depth),
        (0, 20),
        np.full(5, alpha),
        "DOP853",
        times,
        rtol=1e-12,
        atol=1e-14,
        max_step=0.02,
    )
    np.testing.assert_allclose(
        diagonal_flow(levels, depth=depth, alpha=alpha, times=times), run.y.T**depth, rtol=0, atol=1e-9
    )


@pytest.mark.claim("prop-logistic")
@pytest.mark.parametrize("depth", [2, 3])
def test_descent_tends_to_the_flow_with_its_step(depth):
    times, error = np.linspace(0, 4, 41), []
    for steps in (4000, 8000):
        path = eigenvalues_only([2.0, 1.0, -1.0], steps, depth=depth, alpha=0.3, step_size=4 / steps)
        flow = diagonal_flow([2.0, 1.0, -1.0], depth=depth, alpha=0.3, times=times)
        error.append(np.max(np.abs(path[:: steps // 40] - flow)))
    assert error[1] < 2e-3
    assert error[0] / error[1] == pytest.approx(2, rel=0.02)


# --- Learning times ---------------------------------------------------------------------------------------------------


@pytest.mark.claim("prop-learning-time")
def test_learning_time_is_the_integral():
    times = [learning_time(1.0, depth=depth, alpha=0.01) for depth in (2, 3, 4)]
    np.testing.assert_allclose(times, [6.077340, 100.222638, 5000.576097], atol=1e-6)
    for depth, level, alpha in [(2, 3.0, 0.1), (3, 0.5, 0.2), (4, 2.0, 0.3), (5, 1.0, 0.4)]:
        end = (0.95 * level) ** (1 / depth)
        integral = quad(lambda x, N=depth, level=level: 1 / (x ** (N - 1) * (level - x**N)), alpha, end)[0]
        assert learning_time(level, depth=depth, alpha=alpha) == pytest.approx(integral, rel=1e-8)


@pytest.mark.claim("prop-learning-time")
def test_primitives_at_depth_two_three_and_four():
    """What the text prints, between alpha = 0.1 and 95 % of lambda = 2."""

    def third(x, g=2 ** (1 / 3)):
        angle = np.arctan((2 * x + g) / (np.sqrt(3) * g))
        logs = np.log(x**2 + g * x + g**2) / 2 - np.log(g - x)
        return -1 / (2 * x) + (logs - np.sqrt(3) * angle) / (6 * g)

    primitives = {
        2: lambda x: np.log(x**2 / (2 - x**2)) / 4,
        3: third,
        4: lambda x: -1 / (4 * x**2) + np.log((np.sqrt(2) + x**2) / (np.sqrt(2) - x**2)) / (4 * 2**1.5),
    }
    for depth, F in primitives.items():
        expected = F((0.95 * 2) ** (1 / depth)) - F(0.1)
        assert learning_time(2.0, depth=depth, alpha=0.1) == pytest.approx(expected, rel=1e-10)


@pytest.mark.claim("prop-learning-time")
@pytest.mark.parametrize("level", [0.5, 1.0, 4.0])
def test_learning_time_of_a_small_start(level):
    """log(1/alpha)/lambda at depth 2, alpha^(2-N)/((N-2) lambda) above: inversely proportional to the eigenvalue."""
    assert learning_time(level, depth=2, alpha=1e-100) == pytest.approx(np.log(1e100) / level, rel=0.02)
    for depth in (3, 4, 5):
        expected = 1e-3 ** (2 - depth) / ((depth - 2) * level)
        assert learning_time(level, depth=depth, alpha=1e-3) == pytest.approx(expected, rel=0.01)


@pytest.mark.claim("prop-learning-time")
def test_depth_makes_the_transition_sharper():
    """From 5 % to 95 %, relative to the time to get there: like 1/log(1/alpha) at depth 2, alpha^(N-2) above."""

    def width(depth, alpha):
        late, early = (learning_time(1.0, depth=depth, alpha=alpha, fraction=f) for f in (0.95, 0.05))
        return (late - early) / late

    assert width(2, 1e-6) / width(2, 1e-3) == pytest.approx(0.5, rel=0.1)
    assert width(3, 1e-4) / width(3, 1e-3) == pytest.approx(0.1, rel=0.01)
    assert width(4, 1e-4) / width(4, 1e-3) == pytest.approx(0.01, rel=0.01)


@pytest.mark.claim("prop-learning-time")
@pytest.mark.parametrize("depth", [2, 3, 4])
@pytest.mark.parametrize("level", [0.5, 1.0, 4.0])
@pytest.mark.parametrize("share", [0.06, 0.5, 0.95])
def test_number_of_steps(depth, level, share):
    rate = share / depth  # eta lambda^(2-2/N)
    eta = rate / level ** (2 - 2 / depth)
    time = learning_time(level, depth=depth, alpha=0.05)
    most = (1 + rate) ** (depth - 1) * time + eta
    path = eigenvalues_only([level], int(most / eta) + 2, depth=depth, alpha=0.05, step_size=eta)
    steps = np.argmax(path >= 0.95 * level)
    assert (1 - depth * rate) * time <= eta * steps <= most


# --- The step size ----------------------------------------------------------------------------------------------------


@pytest.mark.claim("prop-step-size")
@every_depth
@pytest.mark.parametrize("level", [0.5, 4.0])
def test_monotone_up_to_the_safe_step(depth, level):
    starts, edge = np.linspace(1e-3, 1, 2000, endpoint=False) * level ** (1 / depth), safe_step(depth, level)

    def after(eta):
        return np.array([eigenvalues_only([level], 1, depth=depth, alpha=d, step_size=eta)[-1, 0] for d in starts])

    assert np.all((starts**depth < after(edge)) & (after(edge) <= level * (1 + 1e-14)))
    assert np.any(after(1.01 * edge) > level)


@pytest.mark.claim("prop-step-size")
@every_depth
def test_locally_stable_up_to_twice_the_safe_step(depth):
    near = (1 + 1e-4) ** (1 / depth)
    for factor, stays in [(1.9, True), (2.1, False)]:
        options = {"depth": depth, "alpha": near, "step_size": factor * safe_step(depth, 1.0)}
        path = eigenvalues_only([1.0], 400, **options)
        assert (abs(path[-1, 0] - 1) < 1e-12) == stays
        assert np.all(np.diff(np.sign(path[:50, 0] - 1)) != 0)  # from one side to the other


@pytest.mark.claim("prop-step-size")
@pytest.mark.parametrize("depth", [2, 3, 4])
def test_largest_eigenvalue_dictates_the_step(depth):
    """The Hessian at the balanced minimizer has the largest eigenvalue N lambda_1^(2-2/N)."""
    levels, model = np.array([3.0, 1.0, 0.2]), MatrixProduct.square(3, depth)
    minimizer = np.tile(np.diag(levels ** (1 / depth)).ravel(), depth)

    def gradient(w):
        return model.pullback(w, model.value(w) - np.diag(levels).ravel())

    shifts = 1e-5 * np.eye(minimizer.size)
    hessian = (gradient(minimizer + shifts) - gradient(minimizer - shifts)) / 2e-5
    assert np.linalg.eigvalsh(hessian)[-1] == pytest.approx(1 / safe_step(depth, 3.0), rel=1e-6)


# --- Zero and negative eigenvalues ------------------------------------------------------------------------------------


@pytest.mark.claim("prop-negative-eigenvalues")
@pytest.mark.parametrize("level", [-0.5, -2.0])
def test_identical_start_goes_to_zero_instead(level):
    """At depth 2 like e^(-2 |lambda| t), above like ((N-2) |lambda| t)^(-N/(N-2))."""
    w = diagonal_flow([level], depth=2, alpha=0.3, times=[10.0, 11.0])
    assert w[1] / w[0] == pytest.approx(np.exp(2 * level), rel=1e-4)
    for depth in (3, 4, 5):
        w = diagonal_flow([level], depth=depth, alpha=0.3, times=[1e6])
        assert w == pytest.approx(((depth - 2) * -level * 1e6) ** (-depth / (depth - 2)), rel=0.01)


@pytest.mark.claim("prop-negative-eigenvalues")
@every_depth
def test_zero_eigenvalue_decays_slowly(depth):
    """d' = -d^(2N-1)."""
    times = np.geomspace(1, 1e6, 20)
    d = (0.5 ** (2 - 2 * depth) + (2 * depth - 2) * times) ** (-1 / (2 * depth - 2))
    np.testing.assert_allclose(diagonal_flow([0.0], depth=depth, alpha=0.5, times=times)[:, 0], d**depth, rtol=1e-6)


@pytest.mark.claim("prop-negative-eigenvalues")
@pytest.mark.parametrize("depth", [2, 3, 4])
def test_perturbed_start_reaches_every_real_eigenvalue(depth):
    levels = [2.0, 0.5, 0.0, -0.5, -2.0]
    run = diagonal_descent(
        levels, depth=depth, alpha=0.5, step_size=0.05, max_iterations=100_000, perturbation=0.5, record=1
    )
    np.testing.assert_allclose(run.x, levels, atol=1e-8)
    matrices = train(
        matrix_target(levels, seed=0), MatrixProduct.square(5, depth, start="perturbed"), 10_000, alpha=0.5, record=0
    )
    np.testing.assert_allclose(eigendecomposition(matrices.x.reshape(5, 5))[0], levels, atol=1e-3)


@pytest.mark.claim("prop-negative-eigenvalues")
@pytest.mark.parametrize(
    "beta, depth, steps",
    [(0.1, 2, 526), (0.1, 3, 1104), (0.1, 4, 3431), (0.01, 2, 756), (0.01, 3, 3832), (0.01, 4, 33445)],
)
def test_price_of_a_small_perturbation(beta, depth, steps):
    """Steps to within 1 % of lambda = -1, from W_1 = (0.3 - beta) I and W_j = 0.3 I."""
    options = {"depth": depth, "alpha": 0.3, "step_size": 0.01, "perturbation": beta / 0.3}
    assert np.argmax(eigenvalues_only([-1.0], steps + 1, **options) < -0.99) == steps


@pytest.mark.claim("prop-negative-eigenvalues")
def test_rounding_leaves_the_saddle_at_depth_two():
    """A perturbation of 1e-15 grows like e^(eta |lambda| k) there; at depth 3 it does nothing."""
    options = {"alpha": 0.1, "step_size": 0.01, "perturbation": 1e-15}
    shallow = eigenvalues_only([-2.0], 3000, depth=2, **options)[:, 0]
    assert abs(shallow[1000]) < 1e-12
    assert shallow[3000] == pytest.approx(-2)
    growth = np.log(shallow[1600] / shallow[1400]) / 200  # of a e with a = -e: twice the rate of each
    assert growth == pytest.approx(2 * np.log(1 + 0.01 * 2), rel=1e-3)
    deep = eigenvalues_only([-2.0], 20_000, depth=3, **options)[:, 0]
    assert np.all(deep > 0)


# --- Effective rank ---------------------------------------------------------------------------------------------------


@attack(
    "thm-effective-rank",
    hypothesis="symmetric targets of up to 12 eigenvalues (equal, nearly equal, zero and negative ones), depth 2 to 5, the "
    "identical start up to alpha^N = lambda_1 and at eigenvalues, steps up to the largest admitted; every step and every l, "
    "with the smallest epsilon and delta it allows; for the interval, epsilon and delta from 0.01 to 0.9",
    draw=instances.descent_of_eigenvalues,
    tries=80,
    mutants={
        "lower bound without 1 - epsilon": {"learned": 0},
        "lower bound with epsilon / 2": {"learned": 0.5},
        "upper bound without 1 / (1 - epsilon)": {"shrunk": 0},
        "upper bound with epsilon / 2": {"shrunk": 0.5},
        "upper bound without (n - l) delta": {"rest": 0},
        "upper bound with (n - l) delta / 2": {"rest": 0.5},
        "w_i <= lambda_i not required": {"capped": False},
        "the interval begins at T_N": {"begin": 0},
        "steps up to twice the largest": {
            "draw": lambda source: instances.descent_of_eigenvalues(source, largest_step=2)
        },
    },
)
def test_effective_rank_of_every_step(run, *, learned=1.0, shrunk=1.0, rest=1.0, begin=1.0, capped=True):
    levels, depth, n = run.levels, run.depth, len(run.levels)
    k, rates = run.step * np.arange(len(run.w)), run.step * np.abs(levels) ** (2 - 2 / depth)
    ranks = np.sum(np.abs(run.w), axis=1) / np.max(np.abs(run.w), axis=1)
    lower, upper, first = [], [], 0
    for l in range(1, np.count_nonzero(levels > 0) + 1):
        plateau = np.sum(levels[:l]) / levels[0]
        epsilon = np.max(1 - run.w[:, :l] / levels[:l], axis=1)
        delta = np.max(np.abs(run.w[:, l:]) / levels[0], axis=1, initial=0)
        below = np.all(run.w[:, :l] <= levels[:l] * (1 + 1e-13), axis=1) if capped else epsilon >= 0
        here = below & (epsilon < 1) & (delta < 1)
        if np.any(here):
            eps, total = epsilon[here], plateau + rest * (n - l) * delta[here]
            lower.append(at_most("lower bound", (1 - learned * eps) * plateau, ranks[here]))
            upper.append(at_most("upper bound", ranks[here], total / (1 - shrunk * eps)))
        # The interval of k, for prescribed epsilon and delta.
        goal = (1 - run.epsilon) * levels[l - 1]
        time = instances.waiting_time(levels[l - 1], goal, depth, run.alpha)
        first = max(first, (1 + begin * rates[l - 1]) ** (depth - 1) * time + begin * run.step)
        if run.alpha**depth <= min(levels[l - 1], run.delta * levels[0]):
            last = instances.waiting_time(levels[l], run.delta * levels[0], depth, run.alpha) if l < n else np.inf
            inside = (k >= first * (1 + 1e-9)) & (k < max(1 - depth * rates[l % n], 1e-9) * last * (1 - 1e-9))
            yield at_most("", (1 - run.epsilon) * levels[:l] - run.w[inside, :l], 0, slack=0)
            yield at_most("", run.w[inside, :l], levels[:l] * (1 + 1e-13))
            yield at_most("", np.abs(run.w[inside, l:]), run.delta * levels[0])
    yield from (max(bounds, key=lambda one: (one.refutes, one.ratio)) for bounds in (lower, upper) if bounds)


@pytest.mark.claim("thm-effective-rank")
@pytest.mark.parametrize("depth, alpha", [(2, 1e-6), (3, 1e-2), (4, 0.05)])
def test_plateaus_fill_the_intervals_of_the_bounds(depth, alpha):
    eta = safe_step(depth, 4.0) / 10
    options = {"depth": depth, "alpha": alpha, "step_size": eta}
    intervals = plateau_intervals(SPECTRUM, **options)[:2].astype(int)
    w = eigenvalues_only(SPECTRUM, intervals[-1, -1], **options)
    assert np.all(intervals[:, 0] < intervals[:, 1])
    for l, (first, last) in enumerate(intervals, start=1):
        assert np.all(w[first:, :l] >= 0.95 * SPECTRUM[:l])
        assert np.all(w[: last + 1, l] < 0.05 * SPECTRUM[l])


@pytest.mark.claim("thm-effective-rank")
def test_plateaus_of_four_two_one():
    w = eigenvalues_only(SPECTRUM, 3870, depth=3, alpha=0.01, step_size=safe_step(3, 4.0) / 2)
    r = effective_rank(np.array([np.diag(w[k]) for k in (0, 1413, 2812, 3870)]))
    np.testing.assert_allclose(r, [10, 1.0000, 1.5000, 1.7498], atol=5e-5)
    np.testing.assert_array_equal(effective_rank_plateaus(SPECTRUM), [1, 1.5, 1.75])


# --- Early stopping ---------------------------------------------------------------------------------------------------


@pytest.mark.claim("prop-denoising")
@pytest.mark.parametrize("depth", [2, 3])
def test_early_stopping_denoises(depth):
    """On the way, descent is as good as the truncation at the rank that it does not know."""
    problem = matrix_target([10, 8, 6, *np.zeros(47)], seed=0, noise=0.2)
    data, truth = problem.y.reshape(50, 50), problem.x_true.reshape(50, 50)
    model, eta = MatrixProduct.square(50, depth), safe_step(depth, 10.0) / 2
    path = train(problem, model, 200 if depth == 2 else 3000, alpha=0.01, step_size=eta).path.x
    best = np.min(np.linalg.norm(path - problem.x_true, axis=1))
    truncated = np.linalg.norm(best_rank(data, 3) - truth)
    assert truncated == pytest.approx(3.42, abs=0.005)
    assert best == pytest.approx(3.40, abs=0.005)
    # The identical start ends at the positive part of the data, the perturbed one at the data: all of the noise.
    levels, V = eigendecomposition(data)
    for perturbation, end in [(0, 7.23), (0.5, 10.13)]:
        options = {"depth": depth, "alpha": 0.1, "step_size": eta, "perturbation": perturbation, "record": 1}
        late = eigenvalues_only(levels, 100_000, **options)[-1]
        assert np.linalg.norm((V * late) @ V.T - truth) == pytest.approx(end, rel=0.02)


@pytest.mark.claim("prop-denoising")
@pytest.mark.parametrize("alpha", [0.05, 0.5, 0.94])
@pytest.mark.parametrize("zeros", [0, 40])
def test_error_on_a_plateau(zeros, alpha):
    """For every step and every l the bound holds with the smallest epsilon and delta that the step allows."""
    levels = np.r_[1.0, 0.95, 0.3, 0.1, np.zeros(zeros)]
    options = {"depth": 2, "alpha": alpha, "step_size": 0.2, "max_iterations": 300, "record": 300}
    w = diagonal_descent(levels, **options).path.x
    found = 0
    for rank in (1, 2, 3):
        best = np.where(np.arange(levels.size) < rank, levels, 0)
        epsilon = np.max(1 - w[:, :rank] / levels[:rank], axis=1)
        delta = w[:, rank] / levels[rank]
        holds = (epsilon < 1) & (delta < 1)
        found += np.count_nonzero(holds)
        bound = epsilon * np.linalg.norm(best) + delta * np.sqrt(levels.size - rank) * levels[rank]
        assert np.all((np.linalg.norm(w - best, axis=1) <= bound * (1 + 1e-12))[holds])
    assert found > 100


# --- Sensing and completion -------------------------------------------------------------------------------------------


def commuting(m, n, *, seed):
    """Measurements V diag(b_i) V^T with a common basis, as the rows b_i and as rows of n^2 entries."""
    rng = np.random.default_rng(seed)
    V = np.linalg.qr(rng.standard_normal((n, n)))[0]
    B = rng.standard_normal((m, n)) / np.sqrt(m)
    return V, B, np.array([((V * b) @ V.T).ravel() for b in B]), B @ np.maximum(rng.standard_normal(n), 0)


@pytest.mark.claim("prop-commuting")
@pytest.mark.parametrize("seed", range(3))
def test_commuting_measurements_are_sparse_recovery(seed):
    V, B, A, y = commuting(6, 12, seed=seed)
    options = {"alpha": 0.1, "step_size": 0.005, "max_iterations": 2000, "tol": 0}
    matrices = gradient_descent(A, y, SymmetricProduct(12), **options).path.x.reshape(-1, 12, 12)
    vectors = gradient_descent(B, y, HadamardPower(2), **options).path.x
    np.testing.assert_allclose(matrices, np.einsum("ir,kr,jr->kij", V, vectors, V), atol=1e-12)


@pytest.mark.claim("prop-commuting")
@pytest.mark.parametrize("seed", range(3))
def test_small_start_finds_the_least_nuclear_norm(seed):
    """Of a positive semidefinite matrix it is the trace, and only the diagonal in the common basis is seen."""
    V, B, A, y = commuting(6, 12, seed=seed)
    least = np.sum(basis_pursuit(B, y, nonnegative=True).x)
    limit = np.array([flow_limit(B, y, HadamardPower(2), alpha=alpha).x for alpha in (1e-2, 1e-4, 1e-8)])
    gaps = np.sum(limit, axis=1) / least - 1
    assert np.all(np.diff(gaps) < 0)
    assert -1e-8 < gaps[-1] < 1e-3
    X = (V * limit[-1]) @ V.T
    np.testing.assert_allclose(A @ X.ravel(), y, atol=1e-8)
    assert np.linalg.norm(X, "nuc") == pytest.approx(np.sum(limit[-1]))


@pytest.mark.claim("prop-sensing")
@pytest.mark.parametrize("seed", [0, 1])
def test_small_starts_recover_from_few_measurements(seed):
    problem = matrix_sensing(20, 2, 80, seed=seed)
    run = gradient_descent(
        problem.A, problem.y, SymmetricProduct(20), alpha=[[1.0], [0.1], [0.01], [0.001]], max_iterations=5000, record=0
    )
    errors, ranks = recovery_error(run.x, problem.x_true), effective_rank(run.x.reshape(-1, 20, 20))
    assert np.all(np.diff(errors) < 0)
    assert np.all(np.diff(ranks) < 0)
    assert np.all(errors < [4.5, 0.5, 0.2, 0.06])
    assert errors[0] > 2.5


@pytest.mark.claim("prop-sensing")
def test_depth_helps_completion_at_moderate_scales():
    problem = matrix_completion(20, 2, 0.5, seed=0)
    errors = {}
    for depth, alpha in [(2, 1.0), (2, 0.1), (2, 1e-3), (3, 1.0), (3, 0.3), (3, 0.05)]:
        run = gradient_descent(
            problem.A, problem.y, MatrixProduct.square(20, depth), alpha=alpha, max_iterations=8000, record=0
        )
        errors[depth, alpha] = recovery_error(run.x, problem.x_true)
    assert min(errors[2, 1.0], errors[3, 1.0]) > 2.7
    assert errors[2, 0.1] > 10 * errors[2, 1e-3]
    assert errors[3, 0.3] > 10 * errors[3, 0.05]
    assert errors[3, 0.05] < errors[2, 1e-3] / 2
    convex = recovery_error(nuclear_norm(problem.A, problem.y, (20, 20)).x, problem.x_true)
    assert errors[3, 0.05] < errors[2, 1e-3] < convex  # half of the entries are too few for the convex program


# --- It is not a norm -------------------------------------------------------------------------------------------------


@attack(
    "prop-not-a-norm",
    hypothesis="balanced starts of positive determinant, depth 2 to 4: multiples of the identity, any product of scale 0.05 "
    "to 2, products close to a solution; the flow until time 6 by an integrator",
    draw=instances.balanced_corner,
    tries=25,
    mutants={
        "twice the bound": {"constant": 2},
        "sqrt(l) for sqrt(2 l)": {"inside": 1},
        "w11 bounded below by the bound, without its absolute value, and det < 0": {"sign": -1},
        "any factors with det W(0) > 0, not balanced": {"draw": instances.unbalanced_corner},
        "the perturbed identical start": {"draw": instances.perturbed_corner},
    },
)
def test_unseen_entry_grows(run, *, constant=1.0, inside=2.0, sign=1.0):
    """Completion of [[?, 1], [1, 0]]: the determinant keeps its sign, and the missing entry is large when the loss is small."""
    loss = ((run.W[:, 0, 1] - 1) ** 2 + (run.W[:, 1, 0] - 1) ** 2 + run.W[:, 1, 1] ** 2) / 2
    determinant = np.linalg.det(run.W)
    yield holds("the determinant keeps its sign", np.all(sign * determinant > -1e-9 * np.sum(run.W**2, axis=(1, 2))))
    small = loss < 0.5
    root = np.sqrt(inside * loss[small])
    yield at_most("lower bound of the unseen entry", constant * (1 - root) ** 2 / root, np.abs(run.W[small, 0, 0]))


@pytest.mark.claim("prop-not-a-norm")
def test_every_norm_diverges():
    """Descent at depth 3: the missing entry grows, the effective rank falls, and the convex program answers with zero."""
    problem = observed_entries([[np.nan, 1.0], [1.0, 0.0]], [[False, True], [True, True]])
    run = train(problem, MatrixProduct.square(2, 3), 9999, alpha=0.5, step_size=0.01)
    W = run.path.x.reshape(-1, 2, 2)
    assert np.all(np.diff(W[100:, 0, 0]) > 0)
    assert np.all(np.diff(effective_rank(W[1000:])) < 0)
    assert W[-1, 0, 0] == pytest.approx(11.6172, abs=5e-5)
    assert run.path.loss[-1] == pytest.approx(3.6667e-3, abs=5e-8)
    assert nuclear_norm(problem.A, problem.y, (2, 2)).x[0] == pytest.approx(0, abs=1e-3)


# --- Singular values --------------------------------------------------------------------------------------------------


@pytest.mark.claim("prop-singular-values")
@every_depth
def test_singular_values_move_by_themselves(depth):
    """d sigma_r / dt = -N sigma_r^(2-2/N) <grad, u_r v_r^T>, along a balanced path with tiny steps."""
    model, eta = MatrixProduct((4, *[5] * (depth - 1), 6), start="balanced", seed=1), 1e-4
    target = np.random.default_rng(2).standard_normal((6, 4))
    problem = observed_entries(target, np.full((6, 4), True))
    W = train(problem, model, 3000, alpha=0.9, step_size=eta).path.x.reshape(-1, 6, 4)
    U, sigma, V = np.linalg.svd(W, full_matrices=False)
    slopes = np.einsum("kir,kij,krj->kr", U, W - target, V)
    expected = -depth * sigma ** (2 - 2 / depth) * slopes
    measured = (sigma[2:] - sigma[:-2]) / (2 * eta)
    np.testing.assert_allclose(measured, expected[1:-1], atol=2e-3 * np.max(np.abs(expected)))
