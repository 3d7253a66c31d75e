"""The theorems of the chapter "Matrix factorization", each with the numbers that would refute it.

The matrices are trained by gradient descent, or by an explicit integrator; what the theorems say about them is worked out
from scalar formulas, quadrature and eigendecompositions, which know nothing of the factors.
"""

from itertools import pairwise
from types import SimpleNamespace

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
from implicit_bias.problems import matrix_completion, matrix_target, observed_entries
from implicit_bias.spectrum import effective_rank_plateaus, eigendecomposition, plateau_intervals
from scipy.integrate import quad, solve_ivp
from scipy.optimize import brentq, linprog

from tests.claims import instances
from tests.claims.attacks import at_most, attack, equal, holds

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


@attack(
    "prop-balancedness",
    hypothesis="depth 2 to 5, widths 1 to 4, Gaussian, identical and perturbed factors and factors of very different "
    "scale, any target, steps from 1e-3 to 1",
    draw=instances.any_factors,
    tries=100,
    mutants={
        "the change is zero": {"constant": 0},
        "eta for eta^2": {"exponent": 1},
        "half the change": {"constant": 0.5},
        "a plus sign between the two terms": {"sign": 1},
    },
)
def test_one_step_from_any_factors(run, *, constant=1.0, exponent=2, sign=-1):
    gradients = run.gradients
    after = [W - run.step * G for W, G in zip(run.factors, gradients, strict=True)]
    for j in range(len(after) - 1):
        size = max(np.linalg.norm(W) ** 2 for W in (*run.factors, *after)) + 1
        change = imbalances(after)[j] - imbalances(run.factors)[j]
        expected = (
            constant
            * run.step**exponent
            * (gradients[j + 1].T @ gradients[j + 1] + sign * gradients[j] @ gradients[j].T)
        )
        yield at_most("", np.max(np.abs(change - expected)), 1e-13 * size)


@attack(
    "prop-balancedness",
    hypothesis="the same factors along the flow until time 1 by an integrator",
    draw=instances.any_factors,
    tries=15,
    mutants={
        "conserved: the sum instead of the difference": {"sign": 1},
        "conserved: each product by itself": {"sign": 0},
    },
)
def test_flow_from_any_factors(run, *, sign=-1):
    end = instances.flow_of_factors(run.factors, lambda W: W - run.target, [0, 1.0])[-1]
    for before, after, later, latest in zip(run.factors, run.factors[1:], end, end[1:], strict=False):
        conserved = after.T @ after + sign * before @ before.T
        size = 1 + np.linalg.norm(latest) ** 2 + np.linalg.norm(conserved)
        yield equal("conserved", (latest.T @ latest + sign * later @ later.T) / size, conserved / size, 1e-7)


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


@attack(
    "prop-decoupling",
    hypothesis="symmetric targets of size 1 to 5 with eigenvalues of any sign, depth 2 to 5, the identical start from "
    "1e-3 to 1.2, 40 steps, matrices multiplied out by the chain rule",
    draw=instances.identical_start,
    tries=40,
    mutants={
        "the exponent N for N - 1": {"exponent": 0},
        "twice the step": {"factor": 2},
        "targets that are not symmetric": {"draw": lambda source: instances.identical_start(source, symmetric=False)},
        "the perturbed start": {"draw": lambda source: instances.identical_start(source, perturbed=True)},
    },
)
def test_matrices_follow_the_recursion(run, *, exponent=-1, factor=1):
    levels, V = np.linalg.eigh(run.target)
    depth, factors, d = len(run.factors), run.factors, np.full(len(levels), run.factors[-1][0, 0])
    for _ in range(40):
        gradients = instances.factor_gradients(factors, instances.product(factors) - run.target)
        factors = [W - run.step * G for W, G in zip(factors, gradients, strict=True)]
        d = d - factor * run.step * d ** (depth + exponent) * (d**depth - levels)
    for W in factors:
        yield equal("a factor", W, (V * d) @ V.T, 1e-5)


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


@attack(
    "prop-logistic",
    hypothesis="eigenvalues 0 and 0.05 to 20 of both signs, starts from 0.05 to 1.5 of their root; until time 20 / "
    "|lambda| by an integrator for ln w",
    draw=instances.any_eigenvalue,
    tries=40,
    mutants={
        "e^(lambda t) for e^(2 lambda t)": {"rate": 1},
        "lambda + w0 for lambda - w0": {"sign": -1},
        "1 + w0 t for lambda = 0": {"zero": 1},
    },
)
def test_logistic_curve(run, *, rate=2, sign=1, zero=2):
    times = np.linspace(0, 20 / abs(run.level), 8)
    w0 = run.alpha**2
    growth = np.exp(rate * run.level * times)
    curve = run.level * w0 * growth / (run.level - sign * w0 + sign * w0 * growth)
    for level, expected in ((run.level, curve), (0.0, w0 / (1 + zero * w0 * times))):
        found = np.exp(2 * instances.log_flow(level, 2, run.alpha, times)[:, 0])
        yield equal("w", found / expected, np.ones(8), 1e-5)
        yield equal("the library", diagonal_flow([level], depth=2, alpha=run.alpha, times=times)[:, 0], found, 1e-6)


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


def steps_to(run, most=200_000):
    """The first k with w(k) >= goal, by the recursion for one number."""
    d, end, N = run.alpha, run.goal ** (1 / run.depth), run.depth
    for k in range(most):
        if d >= end:
            return k
        d += run.step * d ** (N - 1) * (run.level - d**N)
    return None


@attack(
    "prop-learning-time",
    hypothesis="eigenvalues 0.01 to 100, depth 2 to 5, any start and goal between 0 and the eigenvalue (down to 1e-12 of"
    " it, up to 1e-9 below it), steps from 0.02 to 2 of the safe one; the recursion step by step",
    draw=lambda source: instances.positive_eigenvalue(source, largest_step=2),
    tries=300,
    mutants={
        "lower bound with half of eta N lambda^(2-2/N)": {"slower": 0.5},
        "lower bound T_N": {"slower": 0},
        "twice the lower bound": {"twice": 2},
        "upper bound with the exponent (N-1)/2": {"exponent": 0.5},
        "upper bound T_N + eta": {"exponent": 0},
        "upper bound with the exponent N - 2": {"one_less": True},
        "upper bound without eta": {"last": 0},
    },
)
def test_counts_of_steps(run, *, slower=1.0, twice=1, exponent=1.0, last=1.0, one_less=False):
    time, k = instances.waiting_time(run.level, run.goal, run.depth, run.alpha), steps_to(run)
    if k is not None:
        upper = (1 + run.rate) ** (exponent * (run.depth - 1 - one_less)) * time + last * run.step
        yield at_most("lower bound", twice * (1 - slower * run.depth * run.rate) * time, run.step * k, slack=1e-7)
        yield at_most("upper bound", run.step * k, upper, slack=1e-7)


@attack(
    "prop-learning-time",
    hypothesis="the same eigenvalues, starts and goals; the flow by an integrator for ln d, its asymptotics for alpha = "
    "1e-100 (N = 2) and 1e-7 (N > 2)",
    draw=instances.positive_eigenvalue,
    tries=40,
    mutants={
        "x^N for x^(N-1)": {"exponent": 1},
        "N - 1 for N - 2": {"constant": 1},
        "independent of the eigenvalue": {"power": 0},
        "ln(1/alpha) / (2 lambda)": {"half": 2},
    },
)
def test_time_of_the_flow(run, *, exponent=0, constant=0, power=1, half=1):
    N, level, ends = run.depth, run.level, np.log([run.alpha, run.goal ** (1 / run.depth)])
    integral = quad(lambda s: np.exp((2 - N - exponent) * s) / (level - np.exp(N * s)), *ends, epsrel=1e-9, limit=200)[
        0
    ]
    reached = instances.log_flow(level, N, run.alpha, np.array([0, integral]))[-1, 0]
    yield equal("w at T", np.exp(N * reached) / run.goal, 1, 1e-5)
    yield equal(
        "the library", learning_time(level, depth=N, alpha=run.alpha, fraction=run.goal / level), integral, 1e-6
    )
    tiny = 1e-100 if N == 2 else 1e-7
    leading = np.log(1 / tiny) / half if N == 2 else tiny ** (2 - N) / (N - 2 + constant)
    goal = min(run.goal, 0.9 * level)
    ends = np.log([tiny, goal ** (1 / N)])
    expected = sum(
        quad(lambda s: np.exp((2 - N) * s) / (level - np.exp(N * s)), a, b, epsrel=1e-9, limit=200)[0]
        for a, b in pairwise(np.linspace(*ends, 20))
    )
    yield equal("for a small start", leading / level**power / expected, 1, 0.05)


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


# --- The step size ----------------------------------------------------------------------------------------------------


@attack(
    "prop-step-size",
    hypothesis="eigenvalues 0.01 to 100, depth 2 to 5, starts anywhere below the fixed point; 300 steps of every length "
    "from 0.02 to 1 of the safe one for the monotone approach, and close to once and twice the safe one near "
    "the fixed point",
    draw=instances.positive_eigenvalue,
    tries=100,
    mutants={
        "monotone up to 1.05 times the safe step": {"safe": 1.05},
        "monotone up to twice the safe step": {"safe": 2},
        "overshooting only above 1.05 times the safe step": {"over": 0.96},
        "stable up to 2.1 times the safe step": {"stable": 1.05},
        "unstable already above 1.9 times the safe step": {"stable": 0.94},
        "the exponent 2 - 1/N": {"power": 1},
    },
)
def test_steps_around_the_two_limits(run, *, safe=1.0, over=1.0, stable=1.0, power=2):
    N, fixed = run.depth, run.level ** (1 / run.depth)
    largest = 1 / (N * run.level ** (2 - power / N))

    def path(d, step, steps):
        found = [np.float64(d)]  # which may become infinite: with too long steps
        with np.errstate(over="ignore", invalid="ignore"):
            for _ in range(steps):
                d = found[-1]
                found.append(d + step * d ** (N - 1) * (run.level - d**N))
        return np.array(found)

    for share in (run.step * N * run.level ** (2 - 2 / N), 1.0):
        d = path(run.alpha, safe * share * largest, 300)
        yield holds("increasing", np.all(np.diff(d) >= -1e-14 * fixed))
        yield holds("below the fixed point", np.all(d <= fixed * (1 + 1e-14)))
        near = path(fixed * (1 - 1e-4), safe * share * largest, 1)
        yield holds("no overshooting", near[1] <= fixed * (1 + 1e-14))
    yield holds("overshooting", path(fixed * (1 - 1e-4), over * 1.01 * largest, 1)[1] > fixed)
    for share, shrinks in ((1.98, True), (2.02, False)):
        errors = np.abs(path(fixed * (1 - 1e-5), stable * share * largest, 20) - fixed)
        yield holds("local stability", (errors[-1] < errors[0]) == shrinks)


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


@attack(
    "prop-negative-eigenvalues",
    hypothesis="eigenvalues -0.05 to -20, depth 2 to 5, starts from 0.05 to 1.5 of their root; the flow until late by an"
    " integrator for ln d",
    draw=instances.negative_eigenvalue,
    tries=40,
    mutants={
        "w like e^(-|lambda| t) for N = 2": {"rate": 1},
        "w like t^(-1/(N-2)), as d does": {"power": 1},
        "N - 1 for N - 2": {"constant": 1},
        "it tends to lambda": {"limit": 1},
    },
)
def test_identical_start_decays(run, *, rate=2, power=None, constant=2, limit=0):
    N, size = run.depth, abs(run.level)
    if N == 2:
        times = np.array([0, 10, 20]) / size
        w = np.exp(2 * instances.log_flow(run.level, 2, run.alpha, times)[:, 0])
        yield equal("rate", np.log(w[1] / w[2]), rate * 10, 1e-4)
    else:
        times = np.array([0, 1e6 / size * run.alpha ** (2 - N)])
        w = np.exp(N * instances.log_flow(run.level, N, run.alpha, times)[:, 0])
        predicted = ((N - constant) * size * times[-1]) ** (-(power or N) / (N - 2))
        yield equal("decay", w[-1] / predicted, 1, 0.01)
    yield equal("limit", w[-1] / size, limit * run.level / size, 1e-2)


@attack(
    "prop-negative-eigenvalues",
    hypothesis="eigenvalues 0.05 to 20 of both signs, depth 2 to 5, starts from 0.05 to 1.5 of their root, perturbations"
    " from 1e-5 to 0.9; the flow of both eigenvalues by an integrator, its time against quadrature; the "
    "asymptotics for p = 1e-8",
    draw=instances.any_eigenvalue,
    tries=40,
    mutants={
        "c = p alpha^2": {"conserved": 1},
        "no perturbation": {"p": 0.0},
        "half the time": {"factor": 0.5},
        "kappa_N = 2 for all N": {"kappa": 2},
        "c^(-(N-1)/2)": {"power": 1},
    },
)
def test_perturbed_start_reaches_either_sign(run, *, conserved=None, p=None, factor=1.0, kappa=None, power=2):
    N, level, p = run.depth, run.level, run.p if p is None else p
    c = (conserved or (2 - p)) * p * run.alpha**2

    def slope(t, z):
        a, q = z
        residual = a * q ** (N - 1) - level
        return [-residual * q ** (N - 1), -residual * a * q ** (N - 2)]

    def reached(t, z):
        return z[0] * z[1] ** (N - 1) - run.goal

    reached.terminal = level < 0
    start = [(1 - p) * run.alpha, run.alpha]
    wait = quad(lambda z: (1 + z**2) ** (-(N - 1) / 2), -np.inf, np.inf)[0] if N > 2 else 1.0
    late = (
        100
        * (1 + wait * max(c, 1e-12) ** (-(N - 2) / 2) + np.log(1 / max(p, 1e-12)) + run.alpha ** (2 - N))
        / abs(level)
    )
    late += 100 / abs(level) ** (2 - 2 / N)
    end = solve_ivp(slope, (0, late), start, "LSODA", rtol=1e-9, atol=1e-13, events=reached)
    if level > 0:
        yield equal("limit", end.y[0, -1] * end.y[1, -1] ** (N - 1), level, 1e-4)
        return
    yield holds("reaches it", end.t_events[0].size == 1)
    if end.t_events[0].size:
        b = brentq(lambda b: b * (b**2 + c) ** ((N - 1) / 2) - abs(run.goal), 0, 100)
        time = time_through_zero(level, N, c, -b, start[0])
        yield equal("time", factor * time, end.t_events[0][0], 1e-3)
        tiny = 1e-8
        c = tiny * (2 - tiny) * run.alpha**2
        b = brentq(lambda b: b * (b**2 + c) ** ((N - 1) / 2) - 0.5 * abs(level), 0, 100)
        time = time_through_zero(level, N, c, -b, (1 - tiny) * run.alpha)
        leading = np.log(1 / tiny) if N == 2 else (kappa or wait) * c ** (-(N - power) / 2)
        yield equal("for a small perturbation", leading / abs(level) / time, 1, 0.6 if N == 2 else 0.01)


def time_through_zero(level, N, c, first, last):
    """The integral of ``da / (q^(N-1) (a q^(N-1) - lambda))``, with a = sqrt(c) sinh(s)."""

    def integrand(s):
        a, q = np.sqrt(c) * np.sinh(s), np.sqrt(c) * np.cosh(s)
        return q ** (2 - N) / (a * q ** (N - 1) - level)

    ends = np.linspace(*np.arcsinh(np.array([first, last]) / np.sqrt(c)), 12)
    return sum(quad(integrand, *piece, epsrel=1e-9, limit=200)[0] for piece in pairwise(ends))


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


@attack(
    "prop-descent-rate",
    hypothesis="symmetric targets of up to 12 eigenvalues of any sign, depth 2 to 5, the identical start up to the "
    "smallest positive eigenvalue, steps up to the largest admitted; every step",
    draw=instances.descent_from_below,
    tries=100,
    mutants={
        "lambda > 0: twice the rate": {"rate": 2},
        "lambda > 0: the exponent 2 - 1/N": {"power": 1},
        "lambda > 0: epsilon not subtracted": {"behind": 0},
        "lambda = 0: half the bound": {"half": 0.5},
        "lambda = 0: 2N for 2N - 2": {"zero": 0},
        "lambda < 0: N for N - 2, and 4k for 2k": {"negative": 0},
        "steps up to twice the largest": {"draw": lambda source: instances.descent_from_below(source, largest_step=2)},
    },
)
def test_descent_to_the_positive_part(run, *, rate=1, power=2, behind=1, half=1.0, zero=2, negative=2):
    N, k, w = run.depth, np.arange(len(run.w)), run.w
    positive = run.levels > 0
    levels = run.levels[positive]
    yield at_most("", w[:-1, positive] - w[1:, positive], 1e-13 * levels)
    yield at_most("", w[:, positive], levels * (1 + 1e-13))
    found = [at_most("lambda > 0", 0, 1)]
    for first in (0, 10, 100, 300):
        for later in (1, 10, 100):
            left = levels - w[first + later, positive]
            learned = w[first, positive]
            epsilon = 1 - learned / levels
            shrinks = np.maximum(1 - rate * run.step * N * ((1 - behind * epsilon) * levels) ** (2 - power / N), 0)
            rounding = 1e-12 * levels
            found.append(at_most("lambda > 0", left, shrinks**later * (levels - learned) + rounding))
    yield max(found, key=lambda one: (one.refutes, one.ratio))
    if np.any(run.levels == 0):
        bound = (run.alpha ** (2 - 2 * N) + (2 * N - zero) * run.step * k) ** (-N / (2 * N - zero)) * half
        yield at_most("lambda = 0", w[:, run.levels == 0][1:], bound[1:, None])
    for level, path in zip(run.levels[run.levels < 0], w[:, run.levels < 0].T, strict=True):
        if N == 2:
            bound = run.alpha**2 * np.maximum(1 + run.step * level, 0) ** ((4 - negative) * k)
        else:
            bound = (run.alpha ** (negative - N) - (N - negative) * run.step * level * k) ** (-N / (N - negative))
        yield at_most("lambda < 0", path[1:], bound[1:])
        yield at_most("", -path, 0)


# --- Effective rank ---------------------------------------------------------------------------------------------------


@attack(
    "thm-effective-rank",
    hypothesis="symmetric targets of up to 12 eigenvalues (equal, nearly equal, zero and negative ones), depth 2 to 5, "
    "the identical start up to alpha^N = lambda_1 and at eigenvalues, steps up to the largest admitted; every"
    " step and every l, with the smallest epsilon and delta it allows; for the interval, epsilon and delta "
    "from 0.01 to 0.9",
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
        "the interval ends at T_N": {"end": 0},
        "the interval ends at twice the bound": {"longer": 2},
        "steps up to twice the largest": {
            "draw": lambda source: instances.descent_of_eigenvalues(source, largest_step=2)
        },
    },
)
def test_effective_rank_of_every_step(
    run, *, learned=1.0, shrunk=1.0, rest=1.0, begin=1.0, end=1.0, longer=1.0, capped=True
):
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
            inside = (k >= first * (1 + 1e-9)) & (
                k < longer * max(1 - end * depth * rates[l % n], 1e-9) * last * (1 - 1e-9)
            )
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
        assert np.all(w[: last + 1, l] < 0.05 * SPECTRUM[0])


@pytest.mark.claim("thm-effective-rank")
def test_plateaus_of_four_two_one():
    w = eigenvalues_only(SPECTRUM, 3870, depth=3, alpha=0.01, step_size=safe_step(3, 4.0) / 2)
    r = effective_rank(np.array([np.diag(w[k]) for k in (0, 1413, 2812, 3870)]))
    np.testing.assert_allclose(r, [10, 1.0000, 1.5000, 1.7498], atol=5e-5)
    np.testing.assert_array_equal(effective_rank_plateaus(SPECTRUM), [1, 1.5, 1.75])


@attack(
    "thm-effective-rank",
    hypothesis="part (c): two or three eigenvalues of which the second and third are 0.1 to 0.95 of the one before, N = "
    "2, alpha = 1e-150, steps from 0.05 to 1 of the largest, epsilon and delta from 0.05 to 0.5",
    draw=instances.tiny_start,
    tries=20,
    mutants={
        "for a start of 0.3": {"draw": lambda source: instances.tiny_start(source, alpha=0.3)},
        "for equal eigenvalues": {"draw": lambda source: instances.tiny_start(source, near=1.0)},
    },
)
def test_plateaus_exist_for_every_step(run):
    for l in range(1, len(run.levels)):
        learned = np.all(run.w[:, :l] >= (1 - run.epsilon) * run.levels[:l], axis=1)
        waiting = np.all(run.w[:, l:] <= run.delta * run.levels[0], axis=1)
        if np.any(learned):  # else the run was too short
            yield holds("there is such a step", np.any(learned & waiting))


@attack(
    "prop-rank-falls",
    hypothesis="positive semidefinite targets of rank 1 to 4 with 1 to 10 zeros, depth 2 to 5, the identical start from "
    "0.3 to 1.2; the flow from time 1e3 to 1e8 by an integrator for ln d",
    draw=instances.low_rank_flow,
    tries=25,
    mutants={
        "it increases, apart from a few initial steps": {"sign": -1},
        "without n - R": {"count": False},
        "half the difference": {"factor": 0.5},
        "like t^(-1/(2N-2))": {"power": 1},
        "for targets of full rank": {"draw": lambda source: instances.low_rank_flow(source, full=True)},
    },
)
def test_effective_rank_falls_in_the_end(run, *, sign=1, count=True, factor=1.0, power=None):
    levels, N, times, w = run
    ranks, zeros = np.sum(w, axis=1) / w[:, 0], np.count_nonzero(levels == 0)
    speed = N * w ** (2 - 2 / N) * (levels - w)
    change = (np.sum(speed, axis=1) - ranks * speed[:, 0]) / w[:, 0]
    yield holds("it falls", np.all(sign * change[times < 3e3] < 0))
    excess = factor * (zeros if count else 1) / levels[0] * ((2 * N - 2) * times[-1]) ** (-(power or N) / (2 * N - 2))
    # A difference of some 1e-6, from ranks that an integrator knows to 1e-8.
    yield equal("excess", ranks[-1] - np.sum(levels) / levels[0], excess, 0.05)


def ranks_at_depth_two(levels, alpha):
    """The effective rank along the flow of two factors, by the closed form."""
    times, levels = np.geomspace(1e-2, 1e4, 2000)[:, None], np.asarray(levels, dtype=float)
    w0 = alpha**2
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        decay = np.exp(-2 * levels * times)
        w = np.where(levels > 0, levels * w0 / ((levels - w0) * decay + w0), w0 / (1 + 2 * w0 * times))
    return np.sum(w, axis=1) / w[:, 0]


@pytest.mark.claim("prop-rank-falls")
@pytest.mark.parametrize("levels", [[3], [1, 1], [2, 2, 2], [2, 1], [2, 2, 1], [3, 1, 1], [3, 2, 2, 1]])
def test_effective_rank_rises_if_and_only_if_positive_eigenvalues_differ(levels):
    """From a small start. Before it rises it is close to the number of the eigenvalues that are equal to the largest."""
    ranks = ranks_at_depth_two(np.r_[levels, 0, 0], 1e-8)
    assert np.any(np.diff(ranks) > 1e-6) == (min(levels) < max(levels))
    assert np.min(ranks) == pytest.approx(levels.count(levels[0]), abs=1e-3)
    assert ranks[-1] == pytest.approx(np.sum(levels) / levels[0], abs=1e-3)


@pytest.mark.claim("prop-rank-falls")
@pytest.mark.parametrize(
    "levels, alpha, peak, end",
    [
        (np.r_[1.0, 0.5, np.zeros(100)], 0.1, 2.357, 1.505),
        (SPECTRUM, 0.5, 1.960, 1.750),
        ([1, 0.5, 0.45, 0.4, *[0.01] * 5], 0.3, 2.6, None),
    ],
)
def test_counterexamples_to_a_monotone_effective_rank(levels, alpha, peak, end):
    """It has begun to rise, and falls again, by the closed form at depth 2."""
    ranks = ranks_at_depth_two(levels, alpha)
    rises = np.flatnonzero(np.diff(ranks) > 1e-9)
    top = rises[0] + np.argmax(ranks[rises[0] :])
    assert ranks[top] > ranks[rises[0]] + 0.05  # it rises
    assert ranks[top] > np.min(ranks[top:]) + 0.05  # and falls again
    if end:
        assert ranks[top] == pytest.approx(peak, abs=2e-3)
        assert ranks[-1] == pytest.approx(end, abs=2e-3)


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


@attack(
    "prop-denoising",
    hypothesis="symmetric targets of up to 12 eigenvalues of any sign, a signal that does not commute with the target, "
    "that is it or that is its truncation, depth 2 to 5, steps up to the largest admitted; every step and "
    "every R with the smallest epsilon and delta",
    draw=instances.signal_and_noise,
    tries=80,
    mutants={
        "epsilon / 2": {"learned": 0.5},
        "without the term of epsilon": {"learned": 0},
        "delta / 2": {"rest": 0.5},
        "without the square root of n - R": {"root": False},
        "lambda_(R+1) for lambda_1": {"next_level": True},
        "at the end the distance is that of the noise": {"noise": True},
    },
)
def test_error_of_every_step(instance, *, learned=1.0, rest=1.0, root=True, next_level=False, noise=False):
    run, S = instance  # the signal, in the basis of the target's eigenvectors
    levels, n = run.levels, len(run.levels)
    outside = np.sum((S - np.diag(np.diag(S))) ** 2)
    errors, found = np.sqrt(np.sum((run.w - np.diag(S)) ** 2, axis=1) + outside), []
    for R in range(1, np.count_nonzero(levels > 0) + 1):
        truncated = np.where(np.arange(n) < R, levels, 0)
        epsilon = np.max(1 - run.w[:, :R] / levels[:R], axis=1)
        delta = np.max(run.w[:, R:], axis=1, initial=0) / levels[0]
        here = np.all(run.w[:, :R] <= levels[:R] * (1 + 1e-13), axis=1) & (epsilon < 1) & (delta < 1)
        scale = levels[min(R, n - 1)] if next_level else levels[0]
        bound = np.linalg.norm(np.diag(truncated) - S) + learned * epsilon * np.linalg.norm(truncated)
        bound = bound + rest * delta * (np.sqrt(n - R) if root else 1) * scale
        if np.any(here):
            found.append(at_most("error", errors[here], bound[here] + 1e-12 * levels[0]))
    if found:
        yield max(found, key=lambda one: (one.refutes, one.ratio))
    end = np.linalg.norm(np.diag(levels if noise else np.maximum(levels, 0)) - S)
    yield at_most("", abs(errors[-1] - end), np.linalg.norm(run.w[-1] - np.maximum(levels, 0)) * (1 + 1e-9) + 1e-12)


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


@attack(
    "prop-commuting",
    hypothesis="commuting measurements of size 2 to 4 of positive semidefinite matrices of any rank, in general not "
    "diagonal in the common basis, starts from 1e-2 to 1; the flow until time 1 by an integrator, the least "
    "nuclear norm by a linear program, the limit for alpha = 1e-12",
    draw=instances.commuting_measurements,
    tries=30,
    mutants={
        "measurements that do not commute": {
            "draw": lambda source: instances.commuting_measurements(source, commute=False)
        },
        "solutions that are not positive semidefinite": {
            "draw": lambda source: instances.commuting_measurements(source, semidefinite=False)
        },
        "the flow of w^2 at half the speed": {"speed": 0.5},
        "the limit for alpha = 0.1": {"alpha": 0.1},
    },
)
def test_least_nuclear_norm(run, *, speed=1.0, alpha=1e-12):
    y, n = run.y, len(run.V)

    def matrices(t, u):
        U = u.reshape(n, n)
        return -2 * np.einsum("m,mij,jk->ik", np.einsum("mij,ij->m", run.A, U @ U.T) - y, run.A, U).ravel()

    options = {"rtol": 1e-10, "atol": 1e-12}
    U = solve_ivp(matrices, (0, 1), (run.alpha * np.eye(n)).ravel(), "DOP853", **options).y[:, -1].reshape(n, n)
    vectors = solve_ivp(
        lambda t, w: -2 * speed * w * (run.B.T @ (run.B @ w**2 - y)), (0, 1), np.full(n, run.alpha), "DOP853", **options
    )
    yield equal("flow", U @ U.T, (run.V * vectors.y[:, -1] ** 2) @ run.V.T, 1e-6)
    least = linprog(np.ones(n), A_eq=run.B, b_eq=y)
    if least.status == 0:
        yield at_most("no matrix has a smaller nuclear norm", least.fun, np.linalg.norm(run.X, "nuc"), slack=1e-7)
        if least.fun > 1e-3:
            limit = np.sum(flow_limit(run.B, y, HadamardPower(2), alpha=alpha).x)
            yield at_most(
                "the limit has the least one", limit, least.fun * (1 + np.log(n) / np.log(least.fun / (n * 1e-24)))
            )
    else:
        yield holds("there is a diagonal solution", False)


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


def errors_of_scales(source):
    problem, model = instances.sensing_instance(source)
    steps = 10_000 if getattr(model, "depth", 2) > 2 else 3000  # that of the smallest scale waits long at depth 3
    run = gradient_descent(problem.A, problem.y, model, alpha=[[1.0], [0.1], [0.01]], max_iterations=steps, record=0)
    return recovery_error(run.x, problem.x_true)


@attack(
    "prop-sensing",
    hypothesis="random instances of rank 2 and size 20: 80 Gaussian measurements with X = U U^T, half of the entries "
    "with two or three factors; alpha = 1, 0.1, 0.01",
    draw=errors_of_scales,
    tries=4,
    mutants={
        "the error increases when alpha decreases": {"sign": -1},
        "the error does not depend on alpha, up to a factor of two": {"factor": 0.5},
        "from alpha = 1 the error is less than 1": {"large": 1.0},
    },
)
def test_small_starts_recover_better(errors, *, sign=1, factor=1.0, large=np.inf):
    yield holds("decreasing", np.all(sign * np.diff(errors) < 0))
    yield holds("from a large start", errors[0] < large)
    if factor < 1:
        yield holds("within a factor of two", np.all(errors[1:] > factor * errors[:-1]))


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


# --- Greedy low rank --------------------------------------------------------------------------------------------------


@attack(
    "thm-greedy-first",
    hypothesis="symmetric matrices of size 2 to 5, 1 to 8 Gaussian measurements, data of a matrix or of none, sizes 0.1 to "
    "10, ratios of the first two eigenvalues up to 0.8, identical and Gaussian starts of any width, alpha = 1e-6 and 1e-9, "
    "times around the step by an integrator",
    draw=instances.greedy_start,
    tries=25,
    mutants={
        "T = ln(1/alpha) / lambda_1": {"clock": 1.0},
        "the trajectory does not depend on the start": {"c": 1.0},
        "the exponent 2 - lambda_2 / lambda_1": {"exponent": 1},
        "the exponent 2": {"exponent": 0},
        "the trajectory leaves like e^(lambda_1 t)": {"late": 0.2},
    },
)
def test_first_step_has_rank_one(run, *, clock=2.0, c=None, exponent=2, late=0.0):
    if run.ratio > 0.8:
        return
    first = run.levels[0]
    times = np.array([-0.5, 0.3, 1.0]) / first
    z = run.trajectory(times + late / first, run.c if c is None else c)
    seconds = []
    for alpha in (1e-6, 1e-9):
        U = run.flow(alpha * run.U, np.r_[0, np.log(1 / alpha) / (clock * first) + times])[1:]
        seconds.append(np.array([(*np.linalg.svd(V, compute_uv=False), 0.0)[1] ** 2 for V in U]))
    size = 1 + np.linalg.norm(run.U) ** 4 / run.c**4
    for V, along in zip(U, z, strict=True):
        found, expected = V @ V.T, np.outer(along, along)
        yield equal("the trajectory", found, expected, 1e-5 + 30 * size * alpha ** min(1 - run.ratio, 2))
    # The constant of the statement is the same for both starts only where both are small enough.
    fall, small = 1e-3 ** (2 - exponent * run.ratio), seconds[0] < 1e-3 * np.sum(z**2, axis=1)
    if np.any(small):
        yield at_most("second eigenvalue", seconds[1][small], 1.5 * fall * seconds[0][small] + 1e-24)


@attack(
    "thm-greedy-first",
    hypothesis="rank one is enough: a matrix of rank one and size 2 to 5 seen through three times as many Gaussian "
    "measurements, identical and Gaussian starts, the end of the flow from alpha = 1e-2, 1e-5 and 1e-8",
    draw=lambda source: instances.greedy_start(source, rank_one=True),
    tries=6,
    mutants={
        "the limit is the same for every small start": {"scales": (1e-2, 1e-2, 1e-2)},
        "the end is twice the trajectory's": {"factor": 2.0},
    },
)
def test_rank_one_is_enough(run, *, scales=(1e-2, 1e-5, 1e-8), factor=1.0):
    if run.ratio > 0.8:
        return
    span = 60 / run.levels[0]
    end = run.trajectory([span], run.c)[-1]
    expected = factor * np.outer(end, end)
    if np.linalg.norm(np.tensordot(run.A, np.outer(end, end)) - run.y) > 1e-6 * np.linalg.norm(run.y):
        return
    errors = []
    for alpha in scales:
        U = run.flow(alpha * run.U, [0, np.log(1 / alpha) / (2 * run.levels[0]) + span])[-1]
        errors.append(np.linalg.norm(U @ U.T - expected) / np.linalg.norm(expected))
    yield holds("nearer and nearer", errors[2] < 1e-4 or errors[2] < 0.5 * errors[1])


@attack(
    "prop-greedy-not-nuclear",
    hypothesis="R from 1.01 to 2.5, random positive semidefinite solutions, nearly the best and far from it, every solution "
    "of rank one, the end of the flow from alpha = 1e-4, 1e-8 and 1e-12 by an integrator",
    draw=instances.square_of_four,
    tries=10,
    mutants={
        "the least norm is 4 R + 1": {"more": 1.0},
        "of rank one it is 2 + 3 R^2": {"square": 3},
        "the flow ends at the least norm": {"nuclear": True},
        "the flow ends at least rank from alpha = 0.1": {"scales": (1e-1, 1e-1, 1e-1)},
        "lambda_2 = lambda_1 / 2": {"share": 0.5},
    },
)
def test_least_rank_is_not_least_norm(
    instance, *, more=0.0, square=2, nuclear=False, scales=(1e-4, 1e-8, 1e-12), share=0
):
    R, X, z = instance
    mask = np.array([[0, 1, R, 0], [1, 0, 0, R], [R, 0, 0, 0], [0, R, 0, 0]])
    yield equal("a solution", np.where(mask, X, 0), mask, 1e-9)
    yield at_most("least norm", 4 * R + more, np.linalg.norm(X, "nuc"))
    yield equal("a solution", np.where(mask, np.outer(z, z), 0), mask, 1e-9)
    yield at_most("rank one", 2 + square * R**2, z @ z)
    levels = np.linalg.eigvalsh(mask)[::-1]
    expected = (1 + np.sqrt(1 + 4 * R**2)) / 2
    yield equal("eigenvalues", levels[:2], [expected, share * expected if share else expected - 1], 1e-12)
    pairs = np.array(
        [np.where(np.isclose(np.add.outer(2.0 ** np.arange(4), 2.0 ** np.arange(4)), s), 1, 0) for s in (3, 5, 10)]
    )
    run = instances.GreedyStart(pairs / np.sqrt(2), np.sqrt(2) * np.array([1, R, R]), np.eye(4), levels, z)
    best = np.outer([1, 1, R, R], [1, 1, R, R])
    if nuclear:
        best = np.kron([[1, 1], [1, 1]], [[R, 1], [1, R]])
    errors = [np.linalg.norm(U @ U.T - best) for alpha in scales for U in run.flow(alpha * np.eye(4), [0, 40])[1:]]
    yield holds("nearer and nearer", errors[2] < 0.6 * errors[1] < 0.4 * errors[0] or errors[2] < 1e-6)
    yield at_most("", errors[2], 0.05 * R**2)


def greedy_descents(source, *, draws=5):
    """Two and three factors from three scales: the least distances to both stages, and when; a row for each draw."""
    nearest, moments = [], []
    for _ in range(draws):
        problem, stages = instances.greedy_instance(source)
        found = []
        for model, scales, steps in (
            (SymmetricProduct(8), [1e-2, 1e-5, 1e-8], 3000),
            (MatrixProduct.square(8, 3), [0.3, 0.1, 0.03], 2000),
        ):
            options = {"alpha": np.array(scales)[:, None], "max_iterations": steps, "record": 200, "tol": 0}
            path = gradient_descent(problem.A, problem.y, model, **options).path.x
            found.append(np.array([np.linalg.norm(path - X, axis=-1) / np.linalg.norm(X) for X in stages]))
        nearest.append([distances.min(axis=1) for distances in found])
        moments.append(np.argmin(found[0][:, :, 2], axis=1))
    return np.array(nearest), np.array(moments)


def far_from_small(source):
    """A draw for which a scale of 1e-8 is not small enough."""
    return greedy_descents(SimpleNamespace(integer=lambda low, high: 200), draws=1)


@attack(
    "obs-greedy-ranks",
    hypothesis="medians of five random instances of rank 3 and size 8 with 34 measurements whose first two steps have gaps; "
    "two factors from 1e-2, 1e-5, 1e-8, three from 0.3, 0.1, 0.03",
    draw=greedy_descents,
    tries=1,
    mutants={
        "the distances do not fall": {"sign": -1},
        "less than 0.1 % from alpha = 1e-8": {"level": 1e-3},
        "the second matrix before the first": {"order": -1},
        "for every draw": {"draw": far_from_small},
    },
)
def test_one_rank_after_another(run, *, sign=1, level=0.1, order=1):
    nearest, moments = run
    two, three = np.median(nearest, axis=0)
    yield holds("falling", np.all(sign * np.diff([*two, three[0]], axis=1) < 0))
    yield at_most("", two[:, 2], level)
    yield at_most("", three[0, 2], 0.01)
    yield holds("one after another", order * np.median(moments[:, 1] - moments[:, 0]) > 0)


# --- It is not a norm -------------------------------------------------------------------------------------------------


@attack(
    "prop-not-a-norm",
    hypothesis="balanced starts of positive determinant, depth 2 to 4: multiples of the identity, any product of scale "
    "0.05 to 2, products close to a solution; the flow until time 6 by an integrator",
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


@attack(
    "prop-singular-values",
    hypothesis="balanced square factors of size 1 to 4, depth 2 to 5, singular values of the product from 1e-6 to 3, any"
    " target; the derivative of each singular value by the product rule",
    draw=instances.balanced_start,
    tries=100,
    mutants={
        "without the factor N": {"constant": 0},
        "the exponent 2 - 1/N": {"power": 1},
        "the exponent 1 - 2/N": {"less": 1},
        "factors that are not balanced": {"draw": lambda source: instances.any_factors(source, square=True)},
    },
)
def test_speed_of_the_singular_values(run, *, constant=1, power=2, less=0):
    N, W, gradients = len(run.factors), instances.product(run.factors), run.gradients
    moved = [[-G if i == j else F for i, F in enumerate(run.factors)] for j, G in enumerate(gradients)]
    speed = sum(instances.product(factors) for factors in moved)
    U, sigma, Vt = np.linalg.svd(W)
    slopes = np.einsum("ir,ij,rj->r", U, W - run.target, Vt)
    expected = -(N**constant) * sigma ** (2 - less - power / N) * slopes
    yield equal("speed", np.einsum("ir,ij,rj->r", U, speed, Vt), expected, 1e-7)


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
