"""Attacks on the statements of the chapter "Other geometries"."""

import numpy as np
from scipy.integrate import solve_ivp
from scipy.linalg import solve_sylvester

from tests.claims import instances_geometries as geometries
from tests.claims.attacks import at_most, attack, equal, holds

# --- Maps -------------------------------------------------------------------------------------------------------------


@attack(
    "prop-any-map",
    hypothesis="five maps (identity, square, exponential, hyperbolic sine, sine), any small matrix and start; an explicit "
    "integrator in the weights, and another vector with the same predictions",
    draw=geometries.flowing,
    tries=60,
    mutants={
        "h'' = 1/rho'": {"mirror": lambda one, x: geometries.INVERSES[one.name](x)},
        "h' = x": {"mirror": lambda one, x: x},
        "it minimizes h itself": {"divergence": lambda one, z: np.sum(geometries.MAPS[one.name][3](z))},
        "it minimizes the Euclidean distance": {"divergence": lambda one, z: np.sum((z - one.first) ** 2) / 2},
    },
)
def test_every_map_has_a_potential(
    one,
    *,
    mirror=lambda one, x: geometries.MAPS[one.name][2](x),
    divergence=lambda one, z: geometries.bregman(one.name, z, one.first),
):
    moved = mirror(one, one.x) - mirror(one, one.first)
    yield at_most("", np.abs(one.kernel.T @ moved), 1e-6 * (1 + np.max(np.abs(mirror(one, one.x)))))
    low, high = {"square": (0, np.inf), "exp": (0, np.inf), "sin": (-1, 1)}.get(one.name, (-np.inf, np.inf))
    direction = one.kernel @ one.along
    room = np.where(direction > 0, high - one.x, one.x - low) / np.maximum(np.abs(direction), 1e-12)
    other = one.x + 0.5 * min(1.0, np.min(room)) * direction
    size = 1 + abs(divergence(one, other))
    yield at_most("", divergence(one, one.x) - divergence(one, other), 1e-7 * size)


def asymmetry(slope):
    """By how much an array with three indices is not symmetric in the first and the last, relative to it."""
    return np.max(np.abs(slope - slope.transpose(2, 1, 0))) / np.max(np.abs(slope))


@attack(
    "prop-hessian-metric",
    hypothesis="powers of 2 to 4 rotated weights, mixed by any matrix; the derivatives of the inverse of M by central "
    "differences",
    draw=geometries.smooth_map,
    tries=40,
    mutants={
        "entries that do not commute": {"draw": lambda source: geometries.smooth_map(source, commuting=False)},
        "the derivatives of M instead of H": {"inverse": lambda M: M},
        "the square of H": {"inverse": lambda M: np.linalg.inv(M @ M)},
    },
)
def test_commuting_entries_have_a_potential(one, *, inverse=np.linalg.inv):
    first = one.first(one.v)
    step, slopes = 1e-5, []
    for k in range(len(one.v)):
        ends = [
            inverse(one.first(v) @ one.first(v).T)
            for v in (one.v + step * np.eye(len(one.v))[k], one.v - step * np.eye(len(one.v))[k])
        ]
        slopes.append((ends[0] - ends[1]) / (2 * step))
    # From derivatives in the mixed weights to those in x: dx = G' dw and dw = before^-1 dv.
    in_x = np.einsum("vij,vk->ijk", np.array(slopes), one.before @ np.linalg.inv(first))
    yield at_most("", asymmetry(in_x), 1e-5)


def two_matrices(source):
    """Two factors of a well-conditioned positive definite matrix with distinct eigenvalues, and four triples of directions."""
    n = source.integer(2, 4)
    Q, V = (np.linalg.qr(source.normal(n, n))[0] for _ in range(2))
    U = Q * np.sqrt(np.cumsum(source.uniforms(0.5, 1, n))) @ V
    triples = source.normal(4, 3, n, n)
    return U, U @ Q, triples + triples.swapaxes(2, 3)


@attack(
    "prop-hessian-metric",
    hypothesis="X = U U^T of size 2 to 4 with two different U each; the derivatives of H by central differences of a "
    "Sylvester equation",
    draw=two_matrices,
    tries=40,
    mutants={
        "it has a potential": {"some": False},
        "the flow X' = -2 X gradient": {"both": False},
        "half the speed": {"speed": 1.0},
    },
)
def test_a_product_with_its_transpose_has_none(instance, *, some=True, both=True, speed=2.0):
    U, other, triples = instance
    X, P = U @ U.T, triples[0, 0]
    for factor in (U, other):
        velocity = -2 * P @ factor
        expected = -speed * (P @ X + X @ P if both else 2 * X @ P)
        yield equal("a flow in X alone", velocity @ factor.T + factor @ velocity.T, expected, 1e-9)

    def metric(X, P, R):
        return np.sum(R * solve_sylvester(2 * X, 2 * X, P))

    def slope(P, R, E, step=1e-4):
        return (metric(X + step * E, P, R) - metric(X - step * E, P, R)) / (2 * step)

    def differs(P, R, E):
        one, other = slope(P, R, E), slope(E, R, P)
        return abs(one - other) > 1e-4 * (abs(one) + abs(other))

    # For a single triple they may nearly agree by chance.
    yield holds("it has none", any(differs(*triple) for triple in triples) == some)


@attack(
    "thm-any-map",
    hypothesis="the same maps, small matrices with a solution in the range of the map, times from 0.05 to 50; the loss of an "
    "explicit integrator in the weights",
    draw=geometries.paths,
    tries=60,
    mutants={
        "D_h / 6t": {"factor": 6.0},
        "D_h / 2t^2": {"power": 2},
        "D_h(x(0), z)": {"swapped": True},
    },
)
def test_convergence_for_every_map(one, *, factor=2.0, power=1, swapped=False):
    pair = (one.first, one.z) if swapped else (one.z, one.first)
    bound = geometries.bregman(one.name, *pair) / (factor * one.times**power)
    yield at_most("loss", one.losses, bound + 1e-16)
    yield holds("the loss does not increase", np.all(np.diff(one.losses) <= 1e-12 * one.losses[0] + 1e-18))


@attack(
    "prop-link",
    hypothesis="the same maps, independent rows, four links (s + s^3, exp, sinh, softplus), those that come to rest by the "
    "time 3000; explicit integrators for both flows",
    draw=geometries.linked,
    tries=40,
    mutants={
        "the data y instead of sigma^-1(y)": {"data": "linked_data"},
        "from another start": {"shift": 0.1},
    },
)
def test_link_changes_the_data_only(one, *, data="data", shift=0.0):
    if one is None:
        return
    yield equal("", one.A @ one.x, getattr(one, data), 1e-6)
    yield at_most("", np.abs(one.x - one.expected - shift * one.first), 1e-6 * (1 + np.max(np.abs(one.x))))


@attack(
    "prop-stall",
    hypothesis="exponents from 1.05 to 1.95, weights of both signs near the edge and elsewhere; for "
    "the limit, the dual flow from zero and other solutions",
    draw=geometries.powers,
    tries=60,
    mutants={
        "without the factor 2/p": {"factor": lambda p: 1.0},
        "|w|^(2/p - 1)": {"exponent": lambda p: 2 / p - 1},
        "whatever the sign of g": {"signed": False},
        "the least Euclidean norm": {"norm": lambda p: 2.0},
    },
)
def test_stuck_at_zero_or_not(
    one, *, factor=lambda p: 2 / p, exponent=lambda p: 2 - 2 / p, signed=True, norm=lambda p: p
):
    p = one.p
    after = one.w - one.step * 2 / p * abs(one.w) ** (2 / p - 1) * one.g
    left, right = abs(one.w) ** exponent(p), factor(p) * one.step * abs(one.g)
    if abs(left - right) > 1e-9 * right:
        yield holds("", (after * one.w < 0) == ((one.g * one.w > 0 or not signed) and left < right))
    yield holds("a weight at zero", 0.0 - one.step * 2 / p * 0.0 ** (2 / p - 1) * one.g == 0)
    if one.met:
        q = norm(one.power)
        other = one.end + one.kernel @ one.along * 0.1
        yield at_most("", np.sum(np.abs(one.end) ** q) - np.sum(np.abs(other) ** q), 1e-6)


# --- Steepest descent -------------------------------------------------------------------------------------------------


@attack(
    "thm-steepest",
    hypothesis="up to 8 points in up to 4 dimensions (some of them equal) that a plane separates, three norms, up to 150 "
    "steps that decay or not; the largest margin from linear and quadratic programs",
    draw=geometries.separated,
    tries=80,
    mutants={
        "without ln m": {"log": 0.0},
        "without the squares of the steps": {"square": 0.0},
        "the margin of the dual norm": {"dual": True},
        "a tenth of epsilon": {"log": 0.1, "square": 0.05},
    },
)
def test_steepest_descent_finds_the_largest_margin(one, *, log=1.0, square=0.5, dual=False):
    x, gradients, _ = geometries.descend(one)
    total, gamma = np.sum(one.steps), one.dual_gamma if dual else one.gamma
    R = max(geometries.norm(a, geometries.DUAL[one.name]) for a in one.G)
    eps = (log * np.log(len(one.G)) + square * R**2 * np.sum(one.steps**2)) / total
    found = np.min(one.G @ x) / total
    bound = geometries.norm(one.steps @ gradients / total, geometries.DUAL[one.name])
    yield at_most("from below", gamma - found, eps)
    yield at_most("", found, gamma)
    yield at_most("", gamma, bound, 1e-7)
    yield at_most("from above", bound - found, eps)


@attack(
    "prop-momentum",
    hypothesis="the same points, norms and steps, momentum 0.5 or 0.9; the distances of the means to the gradients are "
    "computed",
    draw=geometries.separated,
    tries=80,
    mutants={
        "with a gain instead of a loss": {"factor": -2.0},
        "without ln m and the squares": {"log": 0.0, "square": 0.0},
        "the margin of the dual norm": {"dual": True},
    },
)
def test_momentum_changes_nothing_in_the_end(one, *, factor=2.0, log=1.0, square=0.5, dual=False):
    x, _, off = geometries.descend(one, one.beta)
    total, gamma = np.sum(one.steps), one.dual_gamma if dual else one.gamma
    R = max(geometries.norm(a, geometries.DUAL[one.name]) for a in one.G)
    eps = (log * np.log(len(one.G)) + square * R**2 * np.sum(one.steps**2) + factor * one.steps @ off) / total
    yield at_most("from below", gamma - np.min(one.G @ x) / total, eps)


# --- The rich regime --------------------------------------------------------------------------------------------------


@attack(
    "prop-rich-dual",
    hypothesis="up to 5 points in up to 4 dimensions, scales from 0.03 to 3, times from 0.1 to 20; an explicit integrator for "
    "the weights, and other vectors moved until their mean margin is as large",
    draw=geometries.classified,
    tries=60,
    mutants={
        "the rate 2 instead of 4": {"rate": 2.0},
        "alpha^2 instead of 2 alpha^2": {"scale": 1.0},
        "the mean with equal weights": {"weighted": False},
        "it minimizes the l2-norm": {"potential": lambda x, twice: np.sum(x**2)},
    },
)
def test_flow_in_multipliers(one, *, rate=4.0, scale=2.0, weighted=True, potential=None):
    u, v, mass = np.split(one.logistic, [one.n, 2 * one.n])
    x, twice = u**2 - v**2, 2 * one.alpha**2
    yield equal("", scale * one.alpha**2 * np.sinh(rate * mass @ one.G), x, 1e-6)
    potential = potential or (lambda x, t: np.sum(x * np.arcsinh(x / t) - np.sqrt(x**2 + t**2)))
    weights = mass if weighted else np.ones_like(mass)
    direction = weights @ one.G
    other = x + one.other
    missing = weights @ (one.G @ (x - other))
    if direction @ direction > 1e-12:
        other = other + direction * max(missing, 0) / (direction @ direction)
        yield at_most("", potential(x, twice) - potential(other, twice), 1e-6 * (1 + abs(potential(x, twice))))


@attack(
    "thm-smoothed-margin",
    hypothesis="the same points and scales with the exponential loss, twelve times of an explicit integrator, those with a "
    "loss below 1",
    draw=geometries.classified,
    tries=60,
    mutants={
        "divided by the l1-norm of x": {"size": lambda x, t: np.sum(np.abs(x), axis=0)},
        "divided by the square of the weights' norm": {"size": lambda x, t: np.sum(np.sqrt(x**2 + t**2), axis=0) ** 2},
        "with 8 alpha^4 instead of 4 alpha^4": {"shift": 2**0.5},
    },
)
def test_smoothed_margin_grows(one, *, size=None, shift=1.0):
    u, v = one.exponential[: one.n], one.exponential[one.n : 2 * one.n]
    x, twice = u**2 - v**2, 2 * one.alpha**2
    norms = np.sum(u**2 + v**2, axis=0)
    yield equal("", np.sum(np.sqrt(x**2 + (shift * twice) ** 2), axis=0), norms, 1e-6)
    losses = np.sum(np.exp(-one.G @ x), axis=0)
    low = losses < 1
    if np.count_nonzero(low) > 1:
        values = np.log(1 / losses[low]) / (size(x[:, low], twice) if size else norms[low])
        yield at_most("", -np.diff(values), 1e-7 * np.max(np.abs(values)))


# --- Weight normalization, tensors ------------------------------------------------------------------------------------


@attack(
    "thm-weight-normalization",
    hypothesis="one equation in up to 3 unknowns, scales from 0.1 to 1, direction vectors of length 0.3 to 3; an explicit "
    "integrator in polar coordinates, and other weights with the same predictions",
    draw=geometries.normalized,
    tries=40,
    mutants={
        "S / c^2 instead of S / 2c^2": {"spring": 2.0},
        "the rate S / c^2": {"rate": 1.0},
        "without the spring": {"penalty": 0.0},
        "the spring at rest at zero": {"rest": 0.0},
    },
)
def test_weight_normalization(one, *, spring=1.0, rate=2.0, penalty=1.0, rest=1.0):
    n, theta = one.n, one.n * one.alpha**2 / one.c**2 - np.log(2 * one.n) / 2
    for state in one.states:
        r, p, mass = state[0], state[1 : 1 + 2 * n], state[-1]
        yield equal("", np.linalg.norm(p), one.c, 1e-7)
        q, along = (r * p / one.c) ** 2, rate * one.A[0] * mass / one.c**2
        S = np.sum(q)
        if np.min(q) > 1e-9:
            dual = np.log(q / S) / 2 + spring * S / (2 * one.c**2)
            yield equal("", dual, theta + np.r_[along, -along], 1e-5)
    if np.abs(one.A @ (q[:n] - q[n:]) - one.y) > 1e-7 or np.min(q) < 1e-9:
        return

    def function(q):
        S = np.sum(q)
        share = np.sum(q * np.log(2 * n * q / S)) / 2
        return share + penalty * (S - rest * 2 * n * one.alpha**2) ** 2 / (4 * one.c**2)

    B = np.r_[one.A[0], -one.A[0]]
    direction = one.along - B * (B @ one.along) / (B @ B)
    falling = direction < 0
    longest = np.min(-q[falling] / direction[falling]) if np.any(falling) else 1.0
    other = q + one.share * min(longest, 1.0) * direction
    yield at_most("", function(q) - function(other), 1e-7 * (1 + abs(function(q))))


@attack(
    "prop-tensor",
    hypothesis="orthogonal tensors of order 3 with one or two terms of sizes 0.3 to 3, scales from 0.1 to 1, times from 0.1 to "
    "5; an explicit integrator in all factors",
    draw=geometries.tensor,
    tries=40,
    mutants={
        "d (lambda - d^2)": {"depth": 2},
        "d^3 (lambda - d^4)": {"depth": 4},
        "from alpha^3": {"start": 3},
    },
)
def test_orthogonal_tensor(one, *, depth=3, start=1):
    run = solve_ivp(
        lambda t, d: d ** (depth - 1) * (one.sizes - d**depth),
        (0, one.end),
        np.full(one.sizes.shape, one.alpha**start),
        "DOP853",
        rtol=1e-10,
        atol=1e-12,
    )
    for factor, basis in zip(one.w, one.bases, strict=True):
        yield equal("", factor, basis * run.y[:, -1], 1e-6)
