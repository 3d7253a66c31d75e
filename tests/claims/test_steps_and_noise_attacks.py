"""Attacks on the statements of the chapter "Steps and noise"."""

import numpy as np
from scipy.linalg import null_space

from tests.claims import instances_steps as steps
from tests.claims.attacks import at_most, attack, equal, holds

# --- Two weights ------------------------------------------------------------------------------------------------------


@attack(
    "prop-two-weights-flow",
    hypothesis="starts of any sign and size up to 4, off the line w1 = -w2; an explicit integrator",
    draw=steps.two_weights,
    tries=60,
    mutants={
        "sqrt(c^2 + 2) instead of sqrt(c^2 + 4)": {"constant": 2.0},
        "c = w1^2 + w2^2": {"sign": 1.0},
        "from the line w1 = -w2, too": {"draw": lambda source: steps.two_weights(source, diagonal=True)},
    },
)
def test_flow_of_two_weights(w, *, constant=4.0, sign=-1.0):
    c = w[0] ** 2 + sign * w[1] ** 2
    end = steps.flow_of_two(w)
    yield equal("", end[0] * end[1], 1, 1e-6)
    yield equal("", end[0] ** 2 + sign * end[1] ** 2, c, 1e-7 * (1 + 1 / max(abs(c), 1e-9)))
    values = np.linalg.eigvalsh([[end[1] ** 2, 2 * end[0] * end[1] - 1], [2 * end[0] * end[1] - 1, end[0] ** 2]])
    yield equal("", values, [0, np.sqrt(c**2 + constant)], 1e-5)


@attack(
    "prop-two-weights-descent",
    hypothesis="starts of any sign and size up to 4, steps from 0.02 to 1.5, those that come to rest at a solution, with "
    "eta |r| of at most sqrt(2) on the way",
    draw=lambda source: (steps.two_weights(source), source.log_uniform(0.02, 1.5)),
    tries=150,
    mutants={
        "1 - eta r^2": {"power": 1},
        "1 + eta^2 r^2": {"sign": 1.0},
        "the square of it": {"exponent": 2},
        "twice as flat as the flow": {"share": 0.5},
        "eta |r| above sqrt(2), too": {"draw": steps.long_step, "largest": np.inf},
    },
)
def test_descent_of_two_weights(one, *, power=2, sign=-1.0, exponent=1, share=1.0, largest=2**0.5):
    w, step = one
    c = w[0] ** 2 - w[1] ** 2
    r = w[0] * w[1] - 1
    after = w - step * r * w[::-1]
    size = 1 + np.sum(w**2) + np.sum(after**2)
    claimed = c * (1 + sign * step**power * r**2) ** exponent
    yield at_most("", abs(after[0] ** 2 - after[1] ** 2 - claimed), 1e-12 * size)
    run = steps.descent_of_two(w, step)
    if run is None:
        return
    end, residuals = run
    longest = np.max(step * np.abs(residuals))
    if longest <= np.sqrt(2):  # above, rounding of a small c may grow
        product = c * np.prod(1 - step**2 * residuals**2)
        yield at_most("", abs(end[0] ** 2 - end[1] ** 2 - product), 1e-10 * size)
    if longest <= largest:
        yield at_most("sharpness against that of the flow", np.sum(end**2), share * np.sqrt(c**2 + 4))


def ended(source, *, at_rest=False):
    """A descent that has come to rest: of two weights, or on u^2 - v^2 with a random matrix."""
    if at_rest:
        w = 1 + source.log_uniform(0.5, 3)
        return 2.5 / (w**2 + w**-2), w**2 + w**-2
    if source.choice([True, True, False]):
        step = source.log_uniform(0.05, 1.2)
        run = steps.descent_of_two(steps.two_weights(source), step)
        return None if run is None else (step, np.sum(run[0] ** 2))
    one = steps.descent(source, stochastic=False)
    return None if one is None else (one.step, steps.sharpness(one.A, one.y, one.weights))


@attack(
    "thm-edge",
    hypothesis="two weights from random starts, and u^2 - v^2 with any small matrix from starts of random scale; steps up to "
    "beyond the edge, of which those count that come to rest",
    draw=ended,
    tries=150,
    mutants={
        "1/eta instead of 2/eta": {"edge": 1.0},
        "1.9/eta instead of 2/eta": {"edge": 1.9},
        "every start, also one that is a sharp minimum": {"draw": lambda source: ended(source, at_rest=True)},
    },
)
def test_edge(one, *, edge=2.0):
    if one is not None:
        step, sharpness = one
        yield at_most("sharpness", sharpness, edge / step, 1e-6)


# --- The limit of descent ---------------------------------------------------------------------------------------------


@attack(
    "prop-effective-scale",
    hypothesis="any sequence of up to 40 gradients, also with 2 eta |g| > 1, any step and scale; the weights step by step",
    draw=lambda source: (
        source.normal(source.integer(1, 40), 3) * 10.0 ** source.uniform(-2, 0.5),
        source.log_uniform(1e-3, 1),
        source.log_uniform(1e-6, 1e3),
    ),
    tries=60,
    mutants={
        "2 eta^2 g^2 instead of 4 eta^2 g^2": {"factor": 2.0},
        "1 + 4 eta^2 g^2": {"factor": -4.0},
        "without the square": {"power": 1.0},
        "it shrinks for every step": {"shrinks": lambda eta, g: True},
    },
)
def test_effective_scale(one, *, factor=4.0, power=2.0, shrinks=lambda eta, g: np.max(np.abs(2 * eta * g)) < 1):
    gradients, eta, alpha = one
    u, v = np.full(3, alpha), np.full(3, alpha)
    for g in gradients:
        u, v = u - eta * 2 * u * g, v + eta * 2 * v * g
    yield equal("", u * v / alpha**2, np.prod(1 - factor * (eta * np.abs(gradients)) ** power, axis=0), 1e-9)
    if shrinks(eta, gradients):
        yield at_most("", np.abs(u * v), alpha**2)


@attack(
    "thm-descent-limit",
    hypothesis="full gradients and single rows, any small matrix (equal, opposite, zero, long columns, dependent rows), "
    "scales from 0.1 to 1, steps up to the edge; the limit against the kernel of the matrix",
    draw=steps.descent,
    tries=40,
    mutants={
        "without S": {"shift": 0.0},
        "the scale of the start instead of its limit": {"shrunk": False},
        "half of S": {"shift": 0.5},
        "the even scale, the mean over the entries": {"even": True},
    },
)
def test_limit_of_descent(one, *, shift=1.0, shrunk=True, even=False):
    if one is None or np.min(np.abs(one.weights)) < 1e-12:
        return
    a = 2 * one.step * one.gradients
    log_scale = np.sum(np.log(np.abs(1 - a**2)), axis=0) if shrunk else np.zeros(one.A.shape[1])
    if even:
        log_scale = np.full_like(log_scale, np.mean(log_scale))
    S = np.sum(np.log(np.abs((1 - a) / (1 + a))) + 2 * a, axis=0)
    x = one.weights[0] ** 2 - one.weights[1] ** 2
    yield equal("", one.A @ x, one.y, 1e-9)
    outside = null_space(one.A).T @ (np.arcsinh(x / (2 * one.alpha**2 * np.exp(log_scale))) - shift * S)
    yield at_most("", np.abs(outside), 1e-6)


@attack(
    "prop-moved-scale",
    hypothesis="any sequence of up to 40 gradients with 2 eta |g| < 1, of one sign or of any, up to 0.9999",
    draw=steps.gradients,
    tries=150,
    mutants={
        "5 instead of 16/3": {"constant": 5.0},
        "without the denominator": {"denominator": False},
        "the fourth power": {"power": 4},
        "the scale with 3 instead of 4": {"scale": 3.0},
    },
)
def test_moved_scale(one, *, constant=16 / 3, denominator=True, power=3, scale=4.0):
    step, g = one
    a = 2 * step * g
    S = np.sum(np.log1p(-a) - np.log1p(a) + 2 * a)
    below = 1 - a**2 if denominator else np.ones_like(a)
    if np.max(np.abs(a)) > 1e-4:  # else S is rounding
        yield at_most("size of S", abs(S), constant * step**power * np.sum(np.abs(g) ** power / below), 1e-7)
    fall = -np.sum(np.log1p(-(a**2)))
    yield at_most("fall of the scale from below", 4 * step**2 * np.sum(g**2), fall)
    yield at_most("fall of the scale from above", fall, scale * step**2 * np.sum(g**2 / (1 - a**2)))


# --- Sharpness --------------------------------------------------------------------------------------------------------


@attack(
    "prop-sharpness",
    hypothesis="any small matrix, depth 2 to 4, weights of any sign and size; the Hessian written down, and its "
    "eigenvalues by LAPACK",
    draw=steps.solution,
    tries=100,
    mutants={
        "L instead of L^2 in the trace": {"square": 1},
        "the power L instead of L - 1": {"lower": 0},
        "x^2 + beta^2 instead of x^2 + 4 beta^2": {"four": 1.0},
        "where the data are not met, too": {"draw": lambda source: steps.solution(source, met=False)},
        "half of the upper bound": {"upper": 0.5},
    },
)
def test_sharpness_of_solutions(one, *, square=2, lower=1, four=4.0, upper=1.0):
    A, w, L = one.A, np.abs(one.w), one.L
    values = np.linalg.eigvalsh(steps.hessian(A, one.y, one.w, L))
    sums = np.sum(w ** (2 * (L - lower)), axis=0)
    columns = np.sum(A**2, axis=0)
    yield equal("", values[-1], np.linalg.norm(A * (L * np.sqrt(sums)), 2) ** 2, 1e-9)
    yield equal("", np.sum(values), L**square * columns @ sums, 1e-9)
    if L == 2:
        x, beta = w[0] ** 2 - w[1] ** 2, w[0] * w[1]
        root = np.sqrt(x**2 + four * beta**2)
        yield equal("", root, np.sum(w**2, axis=0), 1e-9)
        yield at_most("lower bound", 4 * np.max(columns * root), values[-1])
        yield at_most("upper bound", values[-1], upper * 4 * np.linalg.norm(A, 2) ** 2 * np.max(root))


# --- Label noise ------------------------------------------------------------------------------------------------------


@attack(
    "thm-label-noise-flow",
    hypothesis="any small matrix with a kernel, weights of any sign without zeros; the flow on the solutions by an explicit "
    "integrator with projected velocities",
    draw=steps.noise_among_solutions,
    tries=25,
    mutants={
        "the rate 2 |a_j|^2 of u v": {"rate": 2.0},
        "the rate 8 |a_j|^2 of u v": {"rate": 8.0},
        "|a_j| instead of |a_j|^2": {"power": 1},
        "ln |u / v| stays": {"stays": True},
    },
)
def test_flow_of_label_noise(one, *, rate=4.0, power=2, stays=False):
    norms = np.linalg.norm(one.A, axis=0)
    start, end = np.log(np.abs(one.start)), np.log(np.abs(one.end))
    yield equal("", np.sum(end - start, axis=0), -rate * norms**power * one.tau, 1e-6)
    turned = (end - start)[0] - (end - start)[1]
    yield at_most("", np.abs(null_space(one.A).T @ turned), 1e-6 * (1 + np.max(np.abs(turned))))
    if stays:
        yield at_most("", np.abs(turned), 1e-6)
    squares = [w[0] ** 2 - w[1] ** 2 for w in (one.start, one.end)]
    yield equal("", one.A @ squares[1], one.A @ squares[0], 1e-6)


@attack(
    "thm-label-noise",
    hypothesis="any small matrix and one row of up to 60 nearly equal entries, scales from 0.001 to 3, times from early to "
    "late; the least weighted norm by a linear program",
    draw=steps.weighted_program,
    tries=60,
    mutants={
        "12 tau instead of 4 tau": {"rate": 12.0},
        "the norm without weights": {"weighted": False},
        "without the logarithms": {"logarithms": 0.0},
        "the square of the time": {"power": 2},
    },
)
def test_label_noise_forgets(one, *, rate=4.0, weighted=True, logarithms=1.0, power=1):
    if one is None:
        return
    weights = one.weights if weighted else np.ones_like(one.weights)
    gap = weights @ (np.abs(one.x) - np.abs(one.z))
    size = weights @ (np.abs(one.x) + np.abs(one.z)) + 1e-12
    square = one.alpha**2
    start = len(one.x) * square + logarithms * np.sum(np.abs(one.z) * np.log1p(np.abs(one.z) / square))
    yield holds("", gap >= -1e-7 * size)
    yield at_most("gap", gap - 1e-7 * size, start / (rate * one.tau**power))
