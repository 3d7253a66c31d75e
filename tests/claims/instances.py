"""Instances for the attacks, one generator for each hypothesis class; see `tests.claims.attacks`.

What the statements are compared with is computed here and in the tests in the plainest way, by the recursion itself, by an
integrator at tight tolerances, by quadrature or by a convex program, never by the function of the library under test.
"""

import itertools
from dataclasses import dataclass

import numpy as np
from implicit_bias import MatrixProduct, SymmetricProduct
from implicit_bias.problems import matrix_completion, matrix_sensing
from scipy.integrate import quad, solve_ivp
from scipy.optimize import minimize

# --- Products of matrices ---------------------------------------------------------------------------------------------


def product(factors):
    """``W_N ... W_1`` of the factors ``[W_1, ..., W_N]``."""
    W = factors[0]
    for factor in factors[1:]:
        W = factor @ W
    return W


def factor_gradients(factors, gradient):
    """``G_j = (W_N ... W_{j+1})^T gradient (W_{j-1} ... W_1)^T``, by the chain rule."""
    below = list(itertools.accumulate(factors[:-1], lambda W, factor: factor @ W))
    found = []
    for factor, W in zip(factors[:0:-1], below[::-1], strict=True):
        found.append(gradient @ W.T)
        gradient = factor.T @ gradient
    return [gradient, *found[::-1]]


def orthogonal(source, n):
    return np.linalg.qr(source.normal(n, n))[0]


def balanced_factors(source, W, depth):
    """Square factors of the product `W` with ``W_{j+1}^T W_{j+1} = W_j W_j^T``."""
    U, sigma, Vt = np.linalg.svd(W)
    middle = [Vt.T, *(orthogonal(source, len(W)) for _ in range(depth - 1)), U]
    root = np.diag(sigma ** (1 / depth))
    return [after @ root @ before.T for before, after in itertools.pairwise(middle)]


def factors_of_any_kind(source, widths):
    """Gaussian, unbalanced, of very different scale, identical or perturbed, as the shapes allow."""
    kind = source.choice(
        ["gaussian", "scales", "identical", "perturbed"] if len(set(widths)) == 1 else ["gaussian", "scales"]
    )
    shapes = [(after, before) for before, after in itertools.pairwise(widths)]
    scale = source.log_uniform(1e-3, 2)
    if kind == "identical":
        return [scale * np.eye(*shape) for shape in shapes]
    if kind == "perturbed":
        return [(1 - source.uniform(0.01, 0.9)) * scale * np.eye(*shapes[0]), *(scale * np.eye(*s) for s in shapes[1:])]
    factors = [scale * source.normal(*shape) for shape in shapes]
    if kind == "scales":
        factors = [source.log_uniform(0.1, 10) * factor for factor in factors]
    # An integrator should not have to wait for ever: the norms have a product of 2 at most.
    size = np.prod([np.linalg.norm(factor, 2) for factor in factors]) ** (1 / len(factors))
    return [factor / max(1, size / 2 ** (1 / len(factors))) for factor in factors]


def flow_of_factors(factors, gradient, times):
    """The factors at the given times of the flow for the loss whose gradient at a product is ``gradient(W)``."""
    shapes, ends = [factor.shape for factor in factors], np.cumsum([0, *(factor.size for factor in factors)])
    places = [(slice(*between), shape) for between, shape in zip(itertools.pairwise(ends), shapes, strict=True)]

    def unpack(w):
        return [w[place].reshape(shape) for place, shape in places]

    def slope(t, w):
        now = unpack(w)
        return -np.concatenate([G.ravel() for G in factor_gradients(now, gradient(product(now)))])

    start = np.concatenate([factor.ravel() for factor in factors])
    run = solve_ivp(slope, (0, times[-1]), start, "DOP853", times, rtol=1e-11, atol=1e-13)
    return [unpack(w) for w in run.y.T]


# --- Gradient descent on the eigenvalues, from the identical start ---------------------------------------------------


@dataclass(frozen=True)
class Descent:
    """Eigenvalues of the product along gradient descent, every step of it."""

    levels: np.ndarray  # of the target, the largest first
    depth: int
    alpha: float
    step: float
    w: np.ndarray  # (steps + 1, n)
    epsilon: float
    delta: float


def recursion(levels, depth, alpha, step, steps):
    """``d <- d - step d^(N-1) (d^N - lambda)`` from alpha, as the products ``d^N``."""
    others, paths = depth - 2, []
    for level in levels.tolist():  # Python's own numbers: an array of so few is slower
        d = alpha
        path = [d]
        for _ in range(steps):
            power = d
            for _ in range(others):
                power *= d
            d -= step * power * (power * d - level)
            path.append(d)
        paths.append(path)
    with np.errstate(over="ignore", invalid="ignore"):  # of steps that no statement admits
        return np.array(paths).T ** depth


def spectrum(source, *, negative=True):
    """Eigenvalues, the largest first and positive: distinct, equal, nearly equal, zero and perhaps negative ones."""
    n, largest = source.integer(1, 12), source.log_uniform(0.1, 10)
    levels, last = [largest], largest
    while len(levels) < n:
        kind = source.choice(["fresh", "equal", "near", "zero", "negative" if negative else "zero"])
        if kind == "fresh":
            last *= source.uniform(0.05, 1)
        elif kind == "near":
            last *= 1 - 10 ** source.uniform(-6, -1)
        levels.append({"zero": 0.0, "negative": -largest * source.uniform(0, 1)}.get(kind, last))
    return -np.sort(-np.array(levels))


def descent_of_eigenvalues(source, *, negative=True, largest_step=1.0, steps=600):
    """A symmetric target with a positive eigenvalue, the identical start with ``alpha^N`` up to ``lambda_1``, and steps up to
    ``1 / (N |T|^(2-2/N))``; every seventh start is at an eigenvalue."""
    levels, depth = spectrum(source, negative=negative), source.integer(2, 5)
    smallest = {2: 1e-8, 3: 1e-4}.get(depth, 1e-2)  # deeper products would wait too long
    at_one = source.uniform(0, 7) < 1
    start = source.choice(levels[levels > 0]) if at_one else levels[0] * source.log_uniform(smallest, 1)
    step = largest_step * source.log_uniform(0.05, 1) / (depth * np.max(np.abs(levels)) ** (2 - 2 / depth))
    alpha = start ** (1 / depth)
    w = recursion(levels, depth, alpha, step, steps)
    epsilon, delta = source.log_uniform(0.01, 0.9), source.log_uniform(0.01, 0.9)
    if source.choice([True, False]):  # just below an eigenvalue
        delta = source.choice(levels[levels > 0]) / levels[0] * (1 - source.log_uniform(1e-6, 0.1))
    return Descent(levels, depth, alpha, step, w, epsilon, delta)


def waiting_time(level, goal, depth, alpha):
    """When the flow of one eigenvalue has reached `goal`, by quadrature in the logarithm of the factor."""
    if alpha**depth >= goal:
        return 0.0
    if goal >= level:
        return np.inf
    ends = np.log([alpha, goal ** (1 / depth)])
    return quad(lambda s: np.exp((2 - depth) * s) / (level - np.exp(depth * s)), *ends, epsrel=1e-10, limit=200)[0]


# --- Two by two, three entries seen ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Corner:
    """Products along the flow for ``(w12 - 1)^2 + (w21 - 1)^2 + w22^2``, from a start with positive determinant."""

    W: np.ndarray  # (times, 2, 2)


def corner_loss_gradient(W):
    return np.array([[0.0, W[0, 1] - 1], [W[1, 0] - 1, W[1, 1]]])


def corner_flow(factors):
    return Corner(
        np.array([product(now) for now in flow_of_factors(factors, corner_loss_gradient, np.linspace(0, 6, 40))])
    )


def corner_start(source):
    """A product with positive determinant: of any kind, a multiple of the identity, or close to the solutions."""
    depth, kind = source.integer(2, 4), source.choice(["any", "identity", "close"])
    if kind == "identity":
        return source.log_uniform(0.05, 2) * np.eye(2), depth
    if kind == "close":
        tiny = source.log_uniform(1e-2, 0.4)
        return np.array([[1 / tiny + source.log_uniform(1e-2, 1), 1], [1, tiny]]), depth
    W = source.log_uniform(0.05, 2) * source.normal(2, 2)
    return (W if np.linalg.det(W) > 0 else W[::-1]), depth


def balanced_corner(source):
    W, depth = corner_start(source)
    return corner_flow(balanced_factors(source, W, depth))


def unbalanced_corner(source):
    """Any factors whose product has a positive determinant."""
    factors = factors_of_any_kind(source, [2] * source.integer(3, 5))
    if np.linalg.det(product(factors)) <= 0:
        factors[0] = factors[0][:, ::-1]
    return corner_flow(factors)


def perturbed_corner(source):
    """The counterexample of the perturbed identical start."""
    alpha, depth = source.uniform(0.3, 0.7), source.integer(2, 3)
    return corner_flow([(1 - source.uniform(0.2, 0.5)) * alpha * np.eye(2), *[alpha * np.eye(2)] * (depth - 1)])


# --- More of products ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Factors:
    """Factors of any kind, a target of the product, and a step."""

    factors: list
    target: np.ndarray
    step: float

    @property
    def gradients(self):
        """Of ``1/2 |W - target|^2``."""
        return factor_gradients(self.factors, product(self.factors) - self.target)


def any_factors(source, *, square=False):
    """Depth 2 to 5, widths 1 to 4, starts of every kind, any target."""
    depth, width = source.integer(2, 5), source.integer(1, 4)
    equal_widths = square or source.choice([True, False])
    widths = [width if equal_widths else source.integer(1, 4) for _ in range(depth + 1)]
    target = source.log_uniform(0.1, 3) * source.normal(widths[-1], widths[0])
    return Factors(factors_of_any_kind(source, widths), target, source.log_uniform(1e-3, 1))


def balanced_start(source):
    """Square balanced factors of any product of size 1 to 4, down to tiny singular values, and any target."""
    n, depth = source.integer(1, 4), source.integer(2, 5)
    U, V = orthogonal(source, n), orthogonal(source, n)
    sigma = np.sort([source.log_uniform(1e-6, 3) for _ in range(n)])[::-1] * np.linspace(1, 0.9, n)
    factors = balanced_factors(source, (U * sigma) @ V.T, depth)
    return Factors(factors, source.log_uniform(0.1, 3) * source.normal(n, n), source.log_uniform(1e-3, 1))


def identical_start(source, *, symmetric=True, perturbed=False):
    """The identical start for a symmetric target of size 1 to 5 with eigenvalues of any sign."""
    n, depth = source.integer(1, 5), source.integer(2, 5)
    V, levels = orthogonal(source, n), source.uniforms(-2, 3, n)
    target = (V * levels) @ V.T if symmetric else source.normal(n, n)
    alpha, step = source.log_uniform(1e-3, 1.2), source.log_uniform(0.02, 1) / (depth * 3 ** (2 - 2 / depth))
    factors = [alpha * np.eye(n) for _ in range(depth)]
    if perturbed:
        factors[0] = 0.5 * factors[0]
    return Factors(factors, target, step)


# --- One eigenvalue -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Eigenvalue:
    level: float
    depth: int
    alpha: float
    goal: float
    step: float
    p: float

    @property
    def rate(self):
        return self.step * abs(self.level) ** (2 - 2 / self.depth)


def positive_eigenvalue(source, *, largest_step=1.0):
    """An eigenvalue 0.01 to 100, depth 2 to 5, a start and a goal anywhere between 0 and it, steps up to the safe one."""
    level, depth = source.log_uniform(0.01, 100), source.integer(2, 5)
    goal = level * source.choice([source.log_uniform(1e-3, 0.99), 1 - source.log_uniform(1e-9, 0.1)])
    smallest = {2: 1e-12, 3: 1e-5, 4: 1e-3, 5: 1e-2}[depth]
    alpha = (goal * source.log_uniform(smallest, 0.999)) ** (1 / depth)
    step = largest_step * source.log_uniform(0.02, 1) / (depth * level ** (2 - 2 / depth))
    return Eigenvalue(level, depth, alpha, goal, step, 0.0)


def any_eigenvalue(source, *, sign=None):
    """An eigenvalue of any sign, and a perturbation."""
    level = source.log_uniform(0.05, 20) * (sign or source.choice([-1, 1]))
    depth = source.integer(2, 5)
    alpha = source.log_uniform(0.05, 1.5) * abs(level) ** (1 / depth)
    share = source.uniform(0.05, 0.99)
    return Eigenvalue(level, depth, alpha, share * level, 0.0, source.log_uniform(1e-5, 0.9))


def negative_eigenvalue(source):
    return any_eigenvalue(source, sign=-1)


def log_flow(levels, depth, alpha, times):
    """The flow of the factors from the identical start, as ``ln d``, which the integrator can follow for ever."""
    levels = np.atleast_1d(levels)

    def slope(t, u):
        return np.exp((depth - 2) * u) * (levels - np.exp(depth * u))

    def jacobian(t, u):
        return np.diag(np.exp((depth - 2) * u) * ((depth - 2) * levels - (2 * depth - 2) * np.exp(depth * u)))

    start = np.full(levels.size, np.log(alpha))
    run = solve_ivp(slope, (0, times[-1]), start, "LSODA", times, rtol=1e-10, atol=1e-11, jac=jacobian)
    return run.y.T


def low_rank_flow(source, *, full=False):
    """Eigenvalues 1 to 10 positive ones and zeros, the identical start from 0.3 to 1.2, until late."""
    positive = -np.sort(-np.array([source.log_uniform(0.2, 5) for _ in range(source.integer(1, 4))]))
    zeros, depth, alpha = source.integer(1, 10), source.integer(2, 5), source.log_uniform(0.3, 1.2)
    levels = positive if full else np.r_[positive, np.zeros(zeros)]
    times = np.geomspace(1e3, 1e8, 40)
    return levels, depth, times, np.exp(depth * log_flow(levels, depth, alpha, times))


# --- Measurements -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Commuting:
    """Measurements ``V diag(b_i) V^T``, or others, of a positive semidefinite matrix."""

    V: np.ndarray
    B: np.ndarray
    A: np.ndarray  # (m, n, n)
    X: np.ndarray
    alpha: float

    @property
    def y(self):
        return np.einsum("mij,ij->m", self.A, self.X)


def commuting_measurements(source, *, commute=True, semidefinite=True):
    """Size 2 to 4, fewer measurements than eigenvalues, of a matrix of any rank that is not diagonal in the common basis."""
    n = source.integer(2, 4)
    m, V = source.integer(1, n - 1), orthogonal(source, n)
    B = source.normal(m, n)
    A = np.einsum("ir,mr,jr->mij", V, B, V)
    if not commute:
        A = A + (noise := source.normal(m, n, n)) + np.swapaxes(noise, 1, 2)
    root = source.normal(n, source.integer(1, n))
    X = root @ root.T if semidefinite else V @ np.diag(source.normal(n)) @ V.T
    diagonal = source.choice([False, True])
    X = (V * np.diag(V.T @ X @ V)) @ V.T if diagonal and semidefinite else X
    return Commuting(V, B, A, X / np.linalg.norm(X), source.log_uniform(1e-2, 1))


def sensing_instance(source):
    """A matrix of rank 2 and size 20, measured or half seen, and a model for it."""
    seed = source.integer(0, 10_000)
    if source.choice([True, False]):
        return matrix_sensing(20, 2, 80, seed=seed), SymmetricProduct(20)
    return matrix_completion(20, 2, 0.5, seed=seed), MatrixProduct.square(20, source.integer(2, 3))


@dataclass
class GreedyStart:
    A: np.ndarray  # the symmetric matrices, one after another
    y: np.ndarray
    U: np.ndarray  # the start, to be multiplied by alpha
    levels: np.ndarray  # the eigenvalues of sum_i y_i A_i, the largest first
    v: np.ndarray

    @property
    def c(self):
        return np.linalg.norm(self.U.T @ self.v)

    @property
    def ratio(self):
        return self.levels[1] / self.levels[0]

    def flow(self, U, times):
        """The flow of ``1/2 |A(U U^T) - y|^2`` from `U`, by an integrator that sees the smallest entries."""

        measurements = self.A.reshape(len(self.A), -1)

        doubled, square = 2 * measurements, (len(U), len(U))

        def velocity(t, u):
            V = u.reshape(U.shape)
            slope = (self.y - measurements @ (V @ V.T).ravel()) @ doubled
            return (slope.reshape(square) @ V).ravel()

        run = solve_ivp(velocity, (times[0], times[-1]), U.ravel(), "LSODA", times, rtol=1e-9, atol=1e-60)
        return run.y.T.reshape(-1, *U.shape)

    def trajectory(self, times, c):
        """The one solution of rank one that leaves zero like ``c e^(2 levels[0] t) v``."""
        small = 1e-6
        start = np.log(small) / (2 * self.levels[0])
        return self.flow(c * small * self.v[:, None], np.r_[start, times])[1:, :, 0]


def greedy_start(source, *, rank_one=False):
    """Symmetric measurements, of a matrix or of none, whose first step has a gap; the start is identical or Gaussian."""
    n, m = source.integer(2, 5), source.integer(1, 8)
    if rank_one:
        m = 3 * n
    A = source.normal(m, n, n)
    A = (A + A.transpose(0, 2, 1)) / np.sqrt(8 * m)
    seen = source.normal(n, 1 if rank_one else 2)
    y = np.tensordot(A, seen @ seen.T) if rank_one or source.choice([True, False]) else source.normal(m)
    y *= 1 if rank_one else source.log_uniform(0.1, 10)
    levels, V = np.linalg.eigh(np.tensordot(y, A, 1))
    if levels[-1] < -levels[0] and not rank_one:
        y, levels, V = -y, -levels[::-1], V[:, ::-1]
    U = np.eye(n) if source.choice([True, False]) else source.normal(n, source.integer(1, n))
    return GreedyStart(A, y, U, levels[::-1], V[:, -1])


def square_of_four(source):
    """The numbers `R`, a random positive semidefinite matrix with the entries that are seen, and one of rank one."""
    R = source.log_uniform(1.01, 2.5)
    size = source.choice([0.0, source.log_uniform(1e-3, 3)])
    first = np.sqrt(R) * source.log_uniform(0.3, 3) * np.eye(4)[0]
    second = first / (first @ first) + np.r_[0, np.sqrt(R) * source.log_uniform(0.1, 3), 0, 0]
    third = R * first / (first @ first) + size * source.normal(4) * [0, 1, 1, 1]
    away = size * source.normal(4)
    fourth = R * second / (second @ second) + away - second * (second @ away) / (second @ second)
    X = np.array([first, second, third, fourth])
    z = source.choice([-1, 1]) * source.log_uniform(0.5, 2)
    return R, X @ X.T, np.array([z, 1 / z, R / z, R * z])


def greedy_instance(source):
    """A matrix of rank 3 and size 8, measured, and the first two matrices of the greedy search, where there are gaps."""
    n = 8
    for seed in itertools.count(source.integer(0, 10_000)):
        problem = matrix_sensing(n, 3, 34, seed=seed)

        def loss(u, problem=problem):
            U = u.reshape(n, -1)
            r = problem.A @ (U @ U.T).ravel() - problem.y
            return r @ r / 2, 2 * ((problem.A.T @ r).reshape(n, n) @ U).ravel()

        U, found = np.zeros((n, 0)), []
        while len(found) < 2:
            slope = problem.A.T @ (problem.y - problem.A @ (U @ U.T).ravel())
            levels, V = np.linalg.eigh(slope.reshape(n, n))
            if levels[-2] > 0.6 * levels[-1]:
                break
            U = np.column_stack([U, 1e-4 * V[:, -1]])
            U = minimize(loss, U.ravel(), jac=True, method="BFGS", options={"gtol": 1e-8}).x.reshape(n, -1)
            found.append((U @ U.T).ravel())
        else:
            return problem, np.array(found)


# --- More of descent ----------------------------------------------------------------------------------------------------------


def descent_from_below(source, *, largest_step=1.0):
    """A symmetric target, and the identical start up to its smallest positive eigenvalue."""
    levels, depth = spectrum(source), source.integer(2, 5)
    step = largest_step * source.log_uniform(0.05, 1) / (depth * np.max(np.abs(levels)) ** (2 - 2 / depth))
    alpha = (np.min(levels[levels > 0]) * source.log_uniform(1e-4, 1)) ** (1 / depth)
    return Descent(levels, depth, alpha, step, recursion(levels, depth, alpha, step, 600), 0.0, 0.0)


def tiny_start(source, *, alpha=1e-150, near=None):
    """Two or three eigenvalues with gaps, two factors, a tiny start."""
    shares = [near or source.uniform(0.1, 0.95) for _ in range(source.integer(1, 2))]
    levels = np.cumprod([source.log_uniform(0.1, 10), *shares])
    step = source.log_uniform(0.05, 1) / (2 * levels[0])
    steps = int(1.2 * (np.log(1 / min(alpha, 1e-3)) + 20) / np.log1p(step * levels[-1]))
    w = recursion(levels, 2, alpha, step, min(steps, 60_000))
    return Descent(levels, 2, alpha, step, w, source.uniform(0.05, 0.5), source.uniform(0.05, 0.5))


def signal_and_noise(source):
    """A descent, and a signal in the basis of the target: anything, the target itself, its positive part or a truncation."""
    run = descent_from_below(source)
    n = len(run.levels)
    kind = source.choice(["any", "target", "truncation"])
    if kind == "any":
        noise = source.log_uniform(1e-3, 1) * run.levels[0] * source.normal(n, n)
        return run, np.diag(run.levels) - (noise + noise.T) / 2
    kept = n if kind == "target" else source.integer(1, np.count_nonzero(run.levels > 0))
    return run, np.diag(np.where(np.arange(n) < kept, run.levels, 0))
