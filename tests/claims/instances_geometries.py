"""Instances for the attacks on the chapter "Other geometries"; see `tests.claims.attacks`.

Maps and potentials are written down, flows are explicit integrators in the weights, descent is the lines of its definition.
"""

from types import SimpleNamespace

import numpy as np
from implicit_bias import maximum_margin
from implicit_bias.measures import margin
from scipy.integrate import solve_ivp
from scipy.linalg import null_space

from tests.claims import instances_vectors as vectors

# --- Maps -------------------------------------------------------------------------------------------------------------

# For each map: rho, rho', h', h, and where the entries of a start and of a solution are taken from.
MAPS = {
    "identity": (lambda w: w, np.ones_like, lambda x: x, lambda x: x**2 / 2, (-2, 2)),
    "square": (lambda w: w**2, lambda w: 2 * w, lambda x: np.log(x) / 4, lambda x: (x * np.log(x) - x) / 4, (0.05, 2)),
    "exp": (np.exp, np.exp, lambda x: -1 / x, lambda x: -np.log(x), (0.1, 2)),
    "sinh": (np.sinh, np.cosh, np.arctan, lambda x: x * np.arctan(x) - np.log1p(x**2) / 2, (-2, 2)),
    "sin": (
        np.sin,
        np.cos,
        np.arctanh,
        lambda x: ((1 + x) * np.log1p(x) + (1 - x) * np.log1p(-x)) / 2,
        (-0.9, 0.9),
    ),
}
INVERSES = {"identity": lambda x: x, "square": np.sqrt, "exp": np.log, "sinh": np.arcsinh, "sin": np.arcsin}


def map_and_problem(source, *, independent=False):
    """A map, a start and a small problem with a solution in the range of the map."""
    name = source.choice(list(MAPS))
    low, high = MAPS[name][-1]
    A = vectors.matrix(source, 2, 4, wide=True)
    while independent and np.linalg.svd(A)[1][-1] < 0.1:
        A = A + source.normal(*A.shape)
    A = A / max(np.linalg.norm(A, 2), 1e-12)
    n = A.shape[1]
    first, z = source.uniforms(low, high, n), source.uniforms(low, high, n)
    return SimpleNamespace(name=name, A=A, first=first, z=z, time=source.log_uniform(0.05, 20))


def smooth_map(source, *, commuting=True):
    """A map of 2 to 4 numbers, with its Jacobian matrix at the mixed weights v.

    Powers of the weights, mixed by a matrix, commute. With weights that are mixed before, by another matrix than a rotation,
    they do not.
    """
    n, power = source.integer(2, 4), source.choice([2.0, 3.0, 0.7])
    after = source.normal(n, n) + 3 * np.eye(n)
    before = np.linalg.qr(source.normal(n, n))[0]
    if not commuting:
        before = before @ np.diag(np.linspace(1, 2, n)) @ np.linalg.qr(source.normal(n, n))[0]
    v = source.uniforms(0.5, 2, n)  # the mixed weights

    def first(v):
        return after @ np.diag(power * v ** (power - 1)) @ before

    return SimpleNamespace(first=first, v=v, before=before)


def flow_of_map(one, y, times, link=None):
    """The vectors `x` at some times of the flow in the weights, for 1/2 |sigma(A x) - y|^2."""
    rho, slope = MAPS[one.name][:2]
    sigma, derivative = link or ((lambda s: s), np.ones_like)

    def velocity(t, w):
        seen = one.A @ rho(w)
        return -slope(w) * (one.A.T @ (derivative(seen) * (sigma(seen) - y)))

    first = INVERSES[one.name](one.first)
    run = solve_ivp(velocity, (0, times[-1]), first, "LSODA", times, rtol=1e-10, atol=1e-12)
    return rho(run.y.T)


def bregman(name, z, x):
    mirror, h = MAPS[name][2:4]
    return np.sum(h(z) - h(x) - mirror(x) * (z - x))


def flowing(source):
    """A map, and where its flow is at some time: for least squares, or for the sum of fourth powers of the residuals."""
    one = map_and_problem(source)
    one.x = flow_of_map(one, one.A @ one.z, [one.time])[-1]
    one.kernel = null_space(one.A)
    one.along = source.uniforms(-1, 1, one.kernel.shape[1])
    return one


def paths(source):
    one = map_and_problem(source)
    one.y = one.A @ one.z
    one.times = np.geomspace(0.05, 50, 25)
    xs = flow_of_map(one, one.y, one.times)
    one.losses = np.sum((xs @ one.A.T - one.y) ** 2, axis=1) / 2
    return one


LINKS = {
    "cube": (lambda s: s + s**3, lambda s: 1 + 3 * s**2),
    "exp": (np.exp, np.exp),
    "sinh": (np.sinh, np.cosh),
    "softplus": (lambda s: np.logaddexp(0, s), lambda s: 1 / (1 + np.exp(-s))),
}


def linked(source):
    """The ends of the flow with a link and of the flow for least squares, where both have come to rest."""
    one = map_and_problem(source, independent=True)
    link = LINKS[source.choice(list(LINKS))]
    one.data = one.A @ one.z
    one.linked_data = link[0](one.data)
    ends = [flow_of_map(one, one.linked_data, [3000.0], link)[-1], flow_of_map(one, one.data, [3000.0])[-1]]
    if any(np.max(np.abs(one.A @ x - one.data)) > 1e-9 for x in ends):
        return None
    one.x, one.expected = ends
    return one


def powers(source):
    """An exponent, a step, a weight and a derivative; and the dual flow from zero to a solution of one or two equations."""
    one = SimpleNamespace(
        p=source.uniform(1.05, 1.95),
        step=source.log_uniform(1e-3, 1),
        g=source.choice([-1, 1]) * source.log_uniform(1e-3, 3),
    )
    edge = (2 / one.p * one.step * abs(one.g)) ** (1 / (2 - 2 / one.p))
    size = source.choice([edge, 1.0]) * source.log_uniform(0.5, 2)
    one.w = source.choice([-1, 1]) * max(size, 1e-100)
    A = source.normal(source.integer(1, 2), 4)
    A = A / np.linalg.norm(A, 2)
    y = A @ source.normal(4)
    p = max(one.p, 1.2)
    c = 4 * (p - 1) / p**2

    def x(theta):
        return np.sign(theta) * np.abs(c * theta) ** (1 / (p - 1))

    run = solve_ivp(lambda t, s: -A.T @ (A @ x(s) - y), (0, 2000), np.zeros(4), "LSODA", rtol=1e-9, atol=1e-12)
    one.end, one.power, one.kernel = x(run.y[:, -1]), p, null_space(A)
    one.met = np.linalg.norm(A @ one.end - y) < 1e-7
    one.along = source.uniforms(-1, 1, one.kernel.shape[1])
    return one


# --- Steepest descent -------------------------------------------------------------------------------------------------


def norm(v, name):
    return {"l1": np.sum(np.abs(v)), "l2": np.linalg.norm(v), "linf": np.max(np.abs(v))}[name]


DUAL = {"l1": "linf", "l2": "l2", "linf": "l1"}


def steepest(g, name):
    if name == "linf":
        return np.sign(g)
    if name == "l2":
        return g / np.linalg.norm(g)
    d = np.zeros_like(g)
    d[np.argmax(np.abs(g))] = np.sign(g[np.argmax(np.abs(g))])
    return d


def separated(source):
    """Points that a plane separates, in any of three norms; steps that decay or not; momentum or none."""
    m, n = source.integer(2, 8), source.integer(2, 4)
    points = source.normal(m, n)
    points *= np.where(points @ source.normal(n) > 0, 1, -1)[:, None]
    if source.choice([False, True]):
        points[-1] = points[0]
    name = source.choice(list(DUAL))
    steps = source.log_uniform(0.02, 3) / np.arange(1, source.integer(1, 150) + 1) ** source.choice([0.0, 0.5])
    beta = source.choice([0.5, 0.9])
    labels = np.where(np.arange(m) % 2, -1.0, 1.0)
    own = labels[:, None] * points
    gammas = {k: margin(own, labels, maximum_margin(own, labels, norm=k).x, norm=k) for k in (name, DUAL[name])}
    return SimpleNamespace(
        G=points, name=name, steps=steps, beta=beta, gamma=gammas[name], dual_gamma=gammas[DUAL[name]]
    )


def descend(one, beta=0.0):
    """The last point, the normalized gradients, and the distances of the means to them."""
    x, gradients, off, logs = np.zeros(one.G.shape[1]), [], [], []
    for k, step in enumerate(one.steps):
        z = one.G @ x
        q = np.exp(min(z) - z)
        gradients.append(q @ one.G / np.sum(q))
        logs.append(np.log(np.sum(q)) - min(z))  # of the loss
        shares = np.array(logs) + (k - np.arange(k + 1)) * np.log(beta or 1e-300)
        shares = np.exp(shares - np.max(shares))
        mean = shares @ np.array(gradients) / np.sum(shares)
        off.append(norm(mean - gradients[-1], DUAL[one.name]))
        x = x + step * steepest(mean, one.name)
    return x, np.array(gradients), np.array(off)


# --- The rich regime --------------------------------------------------------------------------------------------------


def classified(source):
    """Weights and multipliers at some time, for the logistic loss or the exponential one."""
    m, n = source.integer(2, 5), source.integer(2, 4)
    points = source.normal(m, n)
    points *= np.where(points @ source.normal(n) > 0, 1, -1)[:, None]
    alpha, end = source.log_uniform(0.03, 3), source.log_uniform(0.1, 20)

    def velocity(exponential):
        def move(t, state):
            u, v = state[:n], state[n : 2 * n]
            z = points @ (u**2 - v**2)
            pull = np.exp(-z) if exponential else 1 / (1 + np.exp(z))
            g = -pull @ points
            return np.r_[-2 * u * g, 2 * v * g, pull]

        return move

    start = np.r_[np.full(2 * n, alpha), np.zeros(m)]
    times = np.geomspace(0.01, 1, 12) * end
    runs = [solve_ivp(velocity(kind), (0, end), start, "LSODA", times, rtol=1e-10, atol=1e-12).y for kind in (0, 1)]
    other = source.normal(n) * 10.0 ** source.uniform(-2, 1)
    return SimpleNamespace(G=points, alpha=alpha, n=n, logistic=runs[0][:, -1], exponential=runs[1], other=other)


# --- Weight normalization, tensors ------------------------------------------------------------------------------------


def normalized(source):
    """The flow in polar coordinates, with the integral of mu, at some time and nearly at its end."""
    n = source.integer(2, 3)
    A = source.normal(1, n)
    A = A / np.linalg.norm(A)
    y = A @ source.normal(n) * 10.0 ** source.uniform(-1, 0.5)
    alpha, c = source.log_uniform(0.1, 1), source.log_uniform(0.3, 3)

    def velocity(t, state):
        r, p = state[0], state[1 : 1 + 2 * n]
        length = np.linalg.norm(p)
        d = p / length
        u, v = np.split(r * d, 2)
        residual = A @ (u**2 - v**2) - y
        g = A.T @ residual
        slope = np.r_[2 * u * g, -2 * v * g]
        along = d @ slope
        return np.r_[-along, -r / length * (slope - along * d), -(r**2) * residual]

    start = np.r_[alpha * np.sqrt(2 * n), np.full(2 * n, c / np.sqrt(2 * n)), 0.0]
    end = 400 / min(1.0, c**2)
    run = solve_ivp(velocity, (0, end), start, "LSODA", [source.log_uniform(0.01, 3), end], rtol=1e-10, atol=1e-12)
    return SimpleNamespace(
        A=A,
        y=y,
        alpha=alpha,
        c=c,
        n=n,
        states=run.y.T,
        along=source.normal(2 * n, 1)[:, 0],
        share=source.uniform(0.01, 0.5),
    )


def tensor(source):
    """An orthogonal tensor and the flow of its factors from the aligned start."""
    R = source.integer(1, 2)
    bases = [np.linalg.qr(source.normal(3, 3))[0][:, :R] for _ in range(3)]
    sizes, alpha, end = source.uniforms(0.3, 3, R), source.log_uniform(0.1, 1), source.log_uniform(0.1, 5)
    target = np.einsum("ir,jr,kr,r->ijk", *bases, sizes)

    def velocity(t, w):
        U, V, W = w.reshape(3, 3, R)
        E = np.einsum("ir,jr,kr->ijk", U, V, W) - target
        parts = [
            np.einsum("ijk,jr,kr->ir", E, V, W),
            np.einsum("ijk,ir,kr->jr", E, U, W),
            np.einsum("ijk,ir,jr->kr", E, U, V),
        ]
        return -np.stack(parts).ravel()

    start = alpha * np.stack(bases)
    run = solve_ivp(velocity, (0, end), start.ravel(), "DOP853", rtol=1e-9, atol=1e-11)
    return SimpleNamespace(bases=bases, sizes=sizes, alpha=alpha, end=end, w=run.y[:, -1].reshape(3, 3, R))
