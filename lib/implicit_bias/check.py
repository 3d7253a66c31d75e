"""Checks for the exercises of the book: right, or in which way wrong, without giving the answer away.

The exercise with the label ``ex-scale`` is checked by ``check.scale(answer)``, in a notebook and without a network. Every
check computes the truth itself, with the solvers, or tests the property that was asked for.

``python -m implicit_bias.check FOLDER`` marks a folder of submitted notebooks.
"""

import inspect
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
from scipy.integrate import quad
from scipy.optimize import brentq, minimize_scalar
from scipy.optimize import nnls as lawson_hanson

from .baselines import basis_pursuit, lasso_path, maximum_margin
from .flow import gradient_flow
from .limits import flow_limit, l1_bound, saddle_to_saddle
from .measures import recovery_error, sharpness
from .parametrizations import HadamardPower, SignedHadamardPower
from .problems import linear_regression, sparse_recovery
from .regression import ridge_path
from .spectrum import learning_time


@dataclass(frozen=True)
class Verdict:
    """What a check says of an answer; it is true if the answer is right.

    Attributes
    ----------
    kind : str
        "right", or what kind of wrong: "missing", "type", "shape", "finite", "sign", "order", "factor", "power", "accuracy",
        "property", "value".
    message : str
        The same in words.
    """

    kind: str
    message: str

    def __bool__(self):
        return self.kind == "right"

    def __repr__(self):
        return self.message


RIGHT = Verdict("right", "Right.")
MISSING = Verdict("missing", "No answer yet: put yours in place of the three dots.")


# --- Overparameterization


def filter(answer: object) -> Verdict:
    """Check the point at which flow and ridge regression differ most, and the difference: chapter "Overparameterization".

    Parameters
    ----------
    answer : array_like, shape (2,)
        The point and the difference there.

    Returns
    -------
    Verdict

    Examples
    --------
    >>> filter([2.5])
    The answer should have the shape (2,), yours has the shape (1,).
    """
    x = brentq(lambda x: x - 2 * np.log1p(x), 1, 9)
    return _compare(answer, [x, -np.expm1(-x) - x / (1 + x)], rtol=1e-3)


def best_match(c: object) -> Verdict:
    """Check the penalty c / t that is nearest to the flow at time t: chapter "Overparameterization".

    Parameters
    ----------
    c : float

    Returns
    -------
    Verdict

    Examples
    --------
    >>> best_match(1.0).kind
    'value'
    """
    x = np.geomspace(1e-4, 1e4, 20_001)

    def largest_difference(c):
        return np.abs(-np.expm1(-x) - x / (c + x)).max()

    best = minimize_scalar(largest_difference, bounds=(0.1, 1), method="bounded", options={"xatol": 1e-8}).x
    return _compare(c, best, rtol=5e-3, slips={"with this penalty ridge is ahead of the flow nowhere": 1.0})


def valley(gamma: object) -> Verdict:
    """Check where the valley of the risk right of its peak lies: chapter "Overparameterization".

    Parameters
    ----------
    gamma : callable
        ``gamma(r, sigma)`` for `r` greater than `sigma`, as a formula of your own.

    Returns
    -------
    Verdict

    Examples
    --------
    >>> valley(2.0)
    The answer should be a function of r, sigma.
    """
    pairs = [(1.5, 1.0), (2.0, 0.5), (3.0, 2.0), (5.0, 1.0)]

    def lowest(r, sigma):
        def risk(gamma):
            return r**2 * (1 - 1 / gamma) + sigma**2 / (gamma - 1)

        return minimize_scalar(risk, bounds=(1 + 1e-6, 50), method="bounded", options={"xatol": 1e-9}).x

    return _compare_function(gamma, lowest, pairs)


def margin(separator: object) -> Verdict:
    """Check the separator of two points with the largest margin: chapter "Overparameterization".

    Parameters
    ----------
    separator : array_like, shape (2,)
        Of length 1.

    Returns
    -------
    Verdict

    Examples
    --------
    >>> margin([0.0, -1.0]).kind
    'value'
    """
    widest = maximum_margin([[1.0, 0.0], [0.0, -2.0]], [1, -1]).x
    return _compare(separator, widest / np.linalg.norm(widest), rtol=1e-3)


def ridge_peak(penalty: object) -> Verdict:
    """Check a penalty of ridge regression that is best at the peak, p = n = 50: chapter "Overparameterization".

    Parameters
    ----------
    penalty : float
        Right if its mean risk is at most ten percent above the least.

    Returns
    -------
    Verdict

    Examples
    --------
    >>> ridge_peak(-1.0)
    The sign is wrong: a penalty is positive.
    """
    penalty, wrong = _number(penalty)
    if wrong is not None:
        return wrong
    if penalty <= 0:
        return Verdict("sign", "The sign is wrong: a penalty is positive.")
    grid = np.geomspace(1, 1e3, 13)
    risks = np.zeros(14)
    for seed in range(50):
        sample = linear_regression(50, 50, seed=seed, noise=1.0, signal=2.0)
        risks += np.sum((ridge_path(sample.A, sample.y, np.r_[grid, penalty]) - sample.x_true) ** 2, axis=1)
    if risks[-1] <= 1.1 * risks[:-1].min():
        return RIGHT
    side = "small: the noise is still fitted" if penalty < grid[risks[:-1].argmin()] else "large: the signal is lost"
    return Verdict("value", f"This penalty is too {side}.")


def benign(penalty: object) -> Verdict:
    """Check the penalty that many small features amount to: chapter "Overparameterization".

    Parameters
    ----------
    penalty : float

    Returns
    -------
    Verdict

    Examples
    --------
    >>> benign(-3.0).kind
    'sign'
    """
    return _compare(penalty, brentq(lambda penalty: 12 * 2 / (12 + penalty) - 1.6, 0, 100))


# --- Matrix factorization


def hyperbola(limit: object) -> Verdict:
    """Check the limit of the flow for a product of two numbers: chapter "Matrix factorization".

    Parameters
    ----------
    limit : callable
        ``limit(a, b)`` returns the limit of the weights ``(w1, w2)`` from the start ``(a, b)``.

    Returns
    -------
    Verdict

    Examples
    --------
    >>> hyperbola(lambda a, b: (a, b)).kind
    'value'
    """
    starts = [(0.5, 2.0), (2.0, 1.0), (0.3, 0.2), (1.0, 3.0)]

    def end(a, b):
        # The flow stays on the hyperbola through its start.
        first = brentq(lambda w: w**2 * (w**2 + b**2 - a**2) - 1, max(0, a**2 - b**2) ** 0.5, 10)
        return first, 1 / first

    return _compare_function(limit, end, starts)


def primitive(time: object) -> Verdict:
    """Check a formula for the learning time of two factors: chapter "Matrix factorization".

    Parameters
    ----------
    time : callable
        ``time(eigenvalue, alpha)``, the time until 95 percent of the eigenvalue are reached.

    Returns
    -------
    Verdict

    Examples
    --------
    >>> import numpy as np
    >>> primitive(lambda eigenvalue, alpha: np.log(1 / alpha) / eigenvalue).kind
    'value'
    """
    cases = [(1.0, 0.01), (2.0, 0.1), (0.5, 0.003), (4.0, 0.05)]

    def truth(eigenvalue, alpha):
        return learning_time(eigenvalue, depth=2, alpha=alpha)

    return _compare_function(time, truth, cases, rtol=1e-4)


def sharp(ratios: object) -> Verdict:
    """Check how sharp the steps of learning are: chapter "Matrix factorization".

    Parameters
    ----------
    ratios : array_like, shape (3, 3)
        One row for each depth 2, 3, 4, one column for each scale 0.1, 0.03, 0.01: the time from 5 to 95 percent of the
        eigenvalue 1, divided by the time until 5 percent.

    Returns
    -------
    Verdict

    Examples
    --------
    >>> sharp([1, 2, 3])
    The answer should have the shape (3, 3), yours has the shape (3,).
    """
    times = np.array(
        [
            [
                [learning_time(1.0, depth=depth, alpha=alpha, fraction=fraction) for alpha in (0.1, 0.03, 0.01)]
                for depth in (2, 3, 4)
            ]
            for fraction in (0.05, 0.95)
        ]
    )
    early, late = times
    return _compare(ratios, (late - early) / early, slips={"the whole time, from zero, was divided": late / early})


def greedy(exponent: object) -> Verdict:
    """Check the exponent of the second eigenvalue at the first step: chapter "Matrix factorization".

    Parameters
    ----------
    exponent : float

    Returns
    -------
    Verdict

    Examples
    --------
    >>> greedy(0.39).kind
    'factor'
    """
    first = brentq(lambda x: x**2 - x - 4, 1, 4)  # on the vectors (a, a, b, b) the matrix is [[1, 2], [2, 0]]
    return _compare(exponent, 2 / first)


# --- Sparse recovery


def two_unknowns(x: object) -> Verdict:
    """Check the limit of the flow for one equation with two unknowns: chapter "Sparse recovery".

    Parameters
    ----------
    x : array_like, shape (2,)
        From the scale 0.1, at depth 2.

    Returns
    -------
    Verdict

    Examples
    --------
    >>> two_unknowns([0.4, 0.8]).kind
    'value'
    """
    A, y = [[1.0, 2.0]], [2.0]
    x, wrong = _array(x, (2,))
    if wrong is not None:
        return wrong
    verdict = _compare(x, flow_limit(A, y, SignedHadamardPower(2), alpha=0.1).x, rtol=1e-3)
    if verdict.kind == "value" and abs(x @ A[0] - y[0]) > 1e-2:
        return Verdict("property", "This point does not solve the equation.")
    return verdict


def scale(alphas: object) -> Verdict:
    """Check the largest scales that guarantee a gap of one percent: chapter "Sparse recovery".

    Parameters
    ----------
    alphas : array_like, shape (2,)
        For the depths 3 and 4, with 100 unknowns and least norm 3.

    Returns
    -------
    Verdict

    Examples
    --------
    >>> scale(0.1)
    The answer should have the shape (2,), yours is a single number.
    """

    def excess(log_alpha, depth):
        return l1_bound(3.0, SignedHadamardPower(depth), alpha=np.exp(log_alpha), n=100) - 0.01

    return _compare(alphas, [np.exp(brentq(excess, -14, -3, args=(depth,))) for depth in (3, 4)])


def sudden(ratios: object) -> Verdict:
    """Check how sudden waking up is: chapter "Sparse recovery".

    Parameters
    ----------
    ratios : array_like, shape (2, 3)
        One row for each depth 2, 3, one column for each scale 0.1, 0.01, 0.001: the time from 0.05 to 0.95, divided by the
        time until 0.05.

    Returns
    -------
    Verdict

    Examples
    --------
    >>> sudden([[1, 2], [3, 4], [5, 6]])
    The answer should have the shape (2, 3), yours has the shape (3, 2): it may be transposed.
    """
    early, late = np.empty((2, 3)), np.empty((2, 3))
    for i, depth in enumerate((2, 3)):
        for j, alpha in enumerate((0.1, 0.01, 0.001)):
            path = gradient_flow([[1.0]], [1.0], HadamardPower(depth), alpha=alpha).path
            early[i, j], late[i, j] = np.interp([0.05, 0.95], path.x[:, 0], path.times)
    slips = {"the whole time, from zero, was divided": late / early}
    return _compare(ratios, (late - early) / early, rtol=3e-2, slips=slips)


def not_lasso(seed: object) -> Verdict:
    """Check an instance with correlated columns whose running mean is not the lasso: chapter "Sparse recovery".

    Parameters
    ----------
    seed : int
        The instance is ``sparse_recovery(n=8, m=6, s=3, seed=seed)``; to each of its columns 1.5 times the same vector is
        added, ``default_rng(0).standard_normal((6, 1))``, and the data are those of its truth.

    Returns
    -------
    Verdict

    Examples
    --------
    >>> not_lasso(0.5)
    The answer should be a non-negative integer.
    """
    if _is_missing(seed):
        return MISSING
    if isinstance(seed, bool | np.timedelta64) or not isinstance(seed, int | np.integer) or seed < 0:
        return Verdict("type", "The answer should be a non-negative integer.")
    if seed >= 2**63:
        return Verdict("finite", "The answer should be below 2^63.")
    problem = sparse_recovery(n=8, m=6, s=3, seed=int(seed))
    A = problem.A + 1.5 * np.random.default_rng(0).standard_normal((6, 1))
    y = A @ problem.x_true
    path = saddle_to_saddle(A, y)
    tau = np.linspace(1.1, 3, 20) * path.times[0]
    difference = np.abs(path.mean(tau) - lasso_path(A, y, 1 / (2 * tau))).max()
    if difference > 1e-3:
        return RIGHT
    return Verdict("property", "For this seed the running mean is the lasso, up to rounding.")


def first_step(times: object) -> Verdict:
    """Check when the first step of a staircase begins and ends: chapter "Sparse recovery".

    Parameters
    ----------
    times : array_like, shape (2,)
        The times ``tau_1`` and ``tau_2``.

    Returns
    -------
    Verdict

    Examples
    --------
    >>> first_step(0.5)
    The answer should have the shape (2,), yours is a single number.
    """
    A, y = [[1, 0.5, 0.7, 0], [0.5, 1, 0.1, 0.7]], [1.0, 0.0]
    return _compare(times, saddle_to_saddle(A, y, depth=3, weights=[2, 1, 1, 1]).times[:2])


def window(quotients: object) -> Verdict:
    """Check how much later a small entry begins than a large one is complete: chapter "Sparse recovery".

    Parameters
    ----------
    quotients : array_like, shape (2,)
        At depth 2 and at depth 3.

    Returns
    -------
    Verdict

    Examples
    --------
    >>> window([5.0, 5.0]).kind
    'value'
    """

    def moment(depth, level, goal):
        # v follows from u, by what the flow conserves, and the time is an integral over ln u.
        alpha = 1e-5 ** (1 / depth)

        def other(u):
            return alpha**2 / u if depth == 2 else 1 / (2 / alpha - 1 / u)

        end = brentq(lambda u: u**depth - other(u) ** depth - goal, alpha, 2)
        return quad(
            lambda s: np.exp((2 - depth) * s) / (depth * (level - np.exp(depth * s) + other(np.exp(s)) ** depth)),
            np.log(alpha),
            np.log(end),
            epsrel=1e-9,
        )[0]

    return _compare(quotients, [moment(depth, 0.2, 0.02) / moment(depth, 1.0, 0.9) for depth in (2, 3)])


# --- Non-negative least squares


def nnls_hand(solve: object) -> Verdict:
    """Check the solution of a problem with two unknowns by hand: chapter "Non-negative least squares".

    Parameters
    ----------
    solve : callable
        ``solve(y1, y2)`` returns ``(x1, x2)``.

    Returns
    -------
    Verdict

    Examples
    --------
    >>> nnls_hand(lambda y1, y2: (y1 - y2, y2))
    For some data an entry is negative.
    """
    A = np.array([[1.0, 1.0], [0.0, 1.0]])
    points = [(2.0, 1.0), (1.0, -2.0), (1.0, 3.0), (-1.0, -1.0), (-1.0, 3.0), (-3.0, 1.0)]
    found, wrong = _values(solve, points)
    if wrong is not None:
        return wrong
    if found.shape == (6, 2) and np.any(found < -1e-9):
        return Verdict("property", "For some data an entry is negative.")
    truth = np.array([lawson_hanson(A, np.array(y))[0] for y in points])
    if found.shape == (6, 2) and not np.allclose(found, truth, atol=1e-6):
        good = np.isclose(found, truth, atol=1e-6).all(axis=1)
        if good[0] and not good.all():
            place = "on the boundary of the cone" if not good[1:3].all() or not good[4] else "at its tip"
            return Verdict("value", f"Right for data within the cone, wrong where the nearest point of it is {place}.")
    return _compare(found, truth, rtol=1e-4)


def nnls_constant(ratio: object) -> Verdict:
    """Check the largest ratio of loss and bound for one unknown: chapter "Non-negative least squares".

    Parameters
    ----------
    ratio : callable
        ``ratio(L)`` for a depth `L` of at least 2.

    Returns
    -------
    Verdict

    Examples
    --------
    >>> nnls_constant(lambda L: 1 / (2 * L)).kind
    'value'
    """

    def largest(L):
        def share(log_time):
            # From x(0) = 1 the flow is known, and the divergence of zero from there is 1 / (2 L).
            t = np.exp(log_time)
            return -t * L * (1 + 2 * L * (L - 1) * t) ** (-L / (L - 1))

        return -minimize_scalar(share, bounds=(-12, 5), method="bounded", options={"xatol": 1e-9}).fun

    return _compare_function(ratio, largest, [(2.0,), (2.5,), (3.0,), (5.0,), (10.0,)], rtol=1e-4)


def nnls_multiplicative(update: object) -> Verdict:
    """Check the multiplicative update: chapter "Non-negative least squares".

    Parameters
    ----------
    update : callable
        ``update(A, y, x)`` returns the next iterate.

    Returns
    -------
    Verdict

    Examples
    --------
    >>> nnls_multiplicative(lambda A, y, x: x - 0.1 * A.T @ (A @ x - y))
    An entry became negative.
    """
    rng = np.random.default_rng(0)
    A, x = rng.uniform(0.1, 1, (12, 5)), np.full(5, 3.0)
    solution = np.array([0.0, 1.0, 0.5, 0.0, 2.0])
    y = A @ solution
    fixed, wrong = _values(update, [(A, y, solution)])
    if wrong is not None:
        return wrong
    if fixed.shape != (1, 5):
        return Verdict("shape", f"The next iterate should have the shape (5,), yours has the shape {fixed.shape[1:]}.")
    losses = []
    for _ in range(200):
        with np.errstate(all="ignore"):
            losses.append(np.sum((A @ x - y) ** 2))
            following, wrong = _values(update, [(A, y, x)])
        if wrong is not None:
            return wrong
        x = following[0]
        if not np.all(np.isfinite(x)):
            return Verdict("finite", "The entries grow without bound. Is the fraction upside down?")
        if np.any(x < 0):
            return Verdict("property", "An entry became negative.")
    if not np.allclose(fixed, solution, atol=1e-9):
        return Verdict("property", "The solution is not a fixed point.")
    if np.any(np.diff(losses) > 1e-9 * losses[0]):
        return Verdict("property", "The loss went up: this method never does that.")
    start = np.full(5, 0.2)

    def truth(A, y, x):
        return x * (A.T @ y) / (A.T @ (A @ x))

    return _compare_function(update, truth, [(A, y, start)], rtol=1e-4)


def nnls_shorter(steps: object) -> Verdict:
    """Check how many shorter steps have the same bound: chapter "Non-negative least squares".

    Parameters
    ----------
    steps : int

    Returns
    -------
    Verdict

    Examples
    --------
    >>> nnls_shorter(100.0).kind
    'value'
    """
    return _compare(steps, 1 + int(np.argmax(np.cumsum(np.arange(1, 5000) ** -0.5) >= 100)))


def nnls_accelerated(steps: object) -> Verdict:
    """Check the number of steps that a bound promises: chapter "Non-negative least squares".

    Parameters
    ----------
    steps : int

    Returns
    -------
    Verdict

    Examples
    --------
    >>> nnls_accelerated(-1.0).kind
    'value'
    """
    z, start = np.array([1.0, 0.0]), np.full(2, 0.01)
    h = HadamardPower(2)
    D = h.potential(z) - h.potential(start) - h.mirror_map(start) @ (z - start)
    longest = 1 / (4 * (1 + np.sqrt(4 * D)) ** 2)
    return _compare(steps, brentq(lambda K: 4 * D / (longest * K * (K + 1)) - 1e-6, 1, 1e9))


# --- Weight decay


def hidden_factors(penalty: object) -> Verdict:
    """Check the penalty that decay of several factors hides: chapter "Weight decay".

    Parameters
    ----------
    penalty : callable
        ``penalty(x, L)`` for a number `x` and `L` factors, without the factor lambda.

    Returns
    -------
    Verdict

    Examples
    --------
    >>> hidden_factors(lambda x, L: abs(x) ** (2 / L))
    1 of 4 numbers are right.
    """
    cases = [(2.0, 2), (-0.5, 3), (3.0, 4), (-1.5, 5)]
    return _compare_function(penalty, lambda x, L: L / 2 * abs(x) ** (2 / L), cases)


def decay_threshold(penalty: object) -> Verdict:
    """Check up to which decay the minimum away from zero is the global one, at depth 3: chapter "Weight decay".

    Parameters
    ----------
    penalty : float

    Returns
    -------
    Verdict

    Examples
    --------
    >>> decay_threshold(-1.0).kind
    'value'
    """

    def advantage(penalty):
        w = np.linspace(0.3, 1, 20_001)
        return np.min((w**3 - 1) ** 2 / 2 + penalty / 2 * w**2) - 0.5

    exists = 9 / 4 * (1 / 4) ** (1 / 3)
    slips = {"that is up to where the minimum exists at all": exists}
    return _compare(penalty, brentq(advantage, 0.5, 2.0), rtol=1e-3, slips=slips)


def decay_moment(time: object) -> Verdict:
    """Check when a model with decay is expected to generalize: chapter "Weight decay".

    Parameters
    ----------
    time : float

    Returns
    -------
    Verdict

    Examples
    --------
    >>> decay_moment([1.0, 2.0]).kind
    'shape'
    """
    problem = sparse_recovery(n=100, m=40, s=5, seed=1)

    def error(log_scale):
        x = flow_limit(problem.A, problem.y, SignedHadamardPower(2), alpha=np.exp(log_scale)).x
        return recovery_error(x, problem.x_true)

    return _compare(time, (np.log(5) - brentq(lambda s: error(s) - 0.1, np.log(1e-4), 0.0)) / 0.004)


# --- Steps and noise


def flow_sharpness(value: object) -> Verdict:
    """Check the sharpness with which the flow of two weights ends: chapter "Steps and noise".

    Parameters
    ----------
    value : float
        From the start (3, 0.2).

    Returns
    -------
    Verdict

    Examples
    --------
    >>> flow_sharpness(2.0).kind
    'value'
    """
    imbalance = 3.0**2 - 0.2**2
    slips = {"this is the imbalance of the start": imbalance, "the start is no solution": 3.0**2 + 0.2**2}
    return _compare(value, np.sqrt(imbalance**2 + 4), slips=slips)


def descent_sharpness(value: object) -> Verdict:
    """Check the sharpness with which descent of two weights ends: chapter "Steps and noise".

    Parameters
    ----------
    value : float
        From the start (3, 0.2) with the step size 0.3.

    Returns
    -------
    Verdict

    Examples
    --------
    >>> descent_sharpness(9.18).kind
    'value'
    """
    w1, w2 = 3.0, 0.2
    for _ in range(1000):
        residual = w1 * w2 - 1
        w1, w2 = w1 - 0.3 * residual * w2, w2 - 0.3 * residual * w1
    slips = {"this is the end of the flow": np.hypot(3.0**2 - 0.2**2, 2), "this is the edge": 2 / 0.3}
    return _compare(value, w1**2 + w2**2, slips=slips)


def longest_step(step: object) -> Verdict:
    """Check the longest step with which descent can come to rest at a sparse solution: chapter "Steps and noise".

    Parameters
    ----------
    step : float
        For the instance `train` and a start of vanishing scale.

    Returns
    -------
    Verdict

    Examples
    --------
    >>> longest_step([0.4, 0.4]).kind
    'shape'
    """
    p = sparse_recovery(n=100, m=40, s=5, seed=0)
    weights = np.sqrt([np.maximum(p.x_true, 0), np.maximum(-p.x_true, 0)])
    sharpest = sharpness(p.A, p.y, SignedHadamardPower(2), weights)
    return _compare(step, 2 / sharpest, slips={"this is the sharpness": sharpest})


def exponential_map(x: object) -> Verdict:
    """Check where the flow of weights ``x = exp(w)`` ends: chapter "Other geometries".

    Parameters
    ----------
    x : array_like, shape (2,)
        For ``x_1 + 2 x_2 = 6`` from ``x = (1, 1)``.

    Returns
    -------
    Verdict

    Examples
    --------
    >>> exponential_map([1.2, 2.4]).kind
    'accuracy'
    """
    first = 5 - np.sqrt(13)
    return _compare(x, np.array([first, first / (2 - first)]))


def own_map(rho: object) -> Verdict:
    """Check the map whose potential has ``h'' = (1 - x^2)^(-2)``: chapter "Other geometries".

    Parameters
    ----------
    rho : callable
        ``rho(w)`` for a number `w`, with ``rho(0) = 0``.

    Returns
    -------
    Verdict

    Examples
    --------
    >>> own_map(np.sin).kind
    'value'
    """
    return _compare_function(rho, lambda w: np.tanh(w), [(0.3,), (-0.8,), (1.5,), (2.5,)])


def three_margins(margins: object) -> Verdict:
    """Check the largest margins of two points in three norms: chapter "Other geometries".

    Parameters
    ----------
    margins : array_like, shape (3,)
        In the norms l1, l2 and linf of the separator.

    Returns
    -------
    Verdict

    Examples
    --------
    >>> three_margins([3.0, 5**0.5, 2.0]).kind
    'order'
    """
    return _compare(margins, np.array([2.0, np.sqrt(5.0), 3.0]))


def adam_memory(speed: object) -> Verdict:
    """Check how much Adam adds to one number in each step on ``exp(-x)``: chapter "Other geometries".

    Parameters
    ----------
    speed : float
        For ``beta1 = 0``, ``beta2 = 0.999`` and the constant step 0.001.

    Returns
    -------
    Verdict

    Examples
    --------
    >>> adam_memory(0.001)
    Not what was asked for: this is the speed of sign descent.
    """
    cap = np.log(1 / 0.999) / 2
    found = brentq(lambda s: s - 1e-3 * np.sqrt(max(1 - 0.999 * np.exp(2 * s), 0) / 0.001), 0, cap, xtol=1e-15)
    return _compare(speed, found, slips={"this is the speed of sign descent": 1e-3})


def spring(alpha: object) -> Verdict:
    """Check up to which start weight normalization solves basis pursuit: chapter "Other geometries".

    Parameters
    ----------
    alpha : float
        For ``sparse_recovery(n=60, m=30, s=4, seed=1)`` and a direction vector of vanishing length.

    Returns
    -------
    Verdict

    Examples
    --------
    >>> spring(-0.1).kind
    'value'
    """
    p = sparse_recovery(n=60, m=30, s=4, seed=1)
    return _compare(alpha, np.sqrt(np.sum(np.abs(basis_pursuit(p.A, p.y).x)) / 120))


# --- How answers are compared


def _is_missing(answer):
    """Whether the answer, or one of its entries, is the three dots of the empty cell or None."""
    try:
        entries = np.asarray(answer, dtype=object).flat
    except Exception:  # lists of different lengths, or what else may not become an array: of that `_array` tells
        return False
    return any(entry is ... or entry is None for entry in entries)


def _as_floats(answer):
    """Return a copy of the answer as an array of floats; text is refused, even if it spells a number."""
    array = np.asarray(answer)
    if any(isinstance(entry, str | bytes | bool) for entry in array.astype(object).flat):
        raise TypeError("a number is expected, not text or a truth value")
    with np.errstate(over="ignore"):  # an infinity is found later
        return array.astype(float, casting="unsafe" if array.dtype == object else "same_kind")


def _array(answer, shape):
    """Return the answer as an array of floats of the given shape, or the verdict why not."""
    if _is_missing(answer):
        return None, MISSING
    try:
        array = _as_floats(answer)
    except OverflowError:
        return None, Verdict("finite", "An entry is too large for a number.")
    except Exception:  # an object of another library may raise anything when it is asked for numbers
        return None, Verdict("type", f"The answer should be {_shape_in_words(shape)}.")
    if array.shape != shape and not array.size == 1 == np.prod(shape):
        yours = f"has the shape {array.shape}" if array.ndim else "is a single number"
        turned = ": it may be transposed" if array.shape == shape[::-1] and shape != shape[::-1] else ""
        wanted = f"have the shape {shape}" if shape else "be a single number"
        return None, Verdict("shape", f"The answer should {wanted}, yours {yours}{turned}.")
    if not np.all(np.isfinite(array)):
        return None, Verdict("finite", "An entry is infinite or not a number.")
    return array.reshape(shape), None


def _shape_in_words(shape):
    return f"an array of numbers of the shape {shape}" if shape else "a number"


def _number(answer):
    array, wrong = _array(answer, ())
    return (None, wrong) if wrong is not None else (float(array), None)


def _compare(answer, truth, *, rtol=1e-2, slips=None):
    """Say whether `answer` is `truth` up to the relative tolerance, and if not, which of the usual slips it is.

    `slips` are further ones: in words, what was done, with the values it gives.
    """
    truth = np.asarray(truth, dtype=float)
    answer, wrong = _array(answer, truth.shape)
    if wrong is not None:
        return wrong

    def equal(values):
        return np.allclose(answer, values, rtol=rtol, atol=1e-12 * np.abs(truth).max())

    if equal(truth):
        return RIGHT
    if equal(-truth):
        return Verdict("sign", "The sign is wrong, the size is right.")
    if np.allclose(np.abs(answer), np.abs(truth), rtol=rtol):
        return Verdict("sign", "Some signs are wrong, the sizes are right.")
    if np.allclose(np.sort(answer, axis=None), np.sort(truth, axis=None), rtol=rtol):
        return Verdict("order", "These are the right numbers in a wrong order.")
    for what, values in (slips or {}).items():
        if equal(values):
            return Verdict("value", f"Not what was asked for: {what}.")
    with np.errstate(all="ignore"):
        ratio = answer[truth != 0] / truth[truth != 0]
        usual = [2, 4, 10, 100, np.pi, 2 * np.pi, np.sqrt(2)]
        constant = ratio.size and np.allclose(ratio, ratio[0], rtol=rtol) and ratio[0] != 0
        if constant and (ratio.size > 1 or any(np.isclose(max(ratio[0], 1 / ratio[0]), usual, rtol=rtol))):
            return Verdict(
                "factor", "It is off by a constant factor." if ratio.size > 1 else "It is off by a simple factor."
            )
        size = np.abs(truth)
        powers = [np.sign(truth) * size**p for p in (0.5, 2.0, -1.0)]
        if any(map(equal, powers)):
            return Verdict("power", "It is a power of the right answer: look for a missing square, root or inverse.")
        if any(map(equal, [np.log(size), np.log10(size), -np.log(size), -np.log10(size)])):
            return Verdict("power", "It is the logarithm of the right answer.")
    error = np.abs(answer - truth)
    if np.all(error <= 0.15 * np.abs(truth).max()) and np.all(
        error <= 0.5 * np.abs(truth) + 0.02 * np.abs(truth).max()
    ):
        return Verdict(
            "accuracy", "Close, but not close enough: has it converged, is the grid fine enough, was it rounded?"
        )
    good = np.isclose(answer, truth, rtol=rtol)
    if truth.ndim and good.any():
        return Verdict("value", f"{good.sum()} of {good.size} numbers are right.")
    return Verdict("value", "Not right.")


def _values(function, cases):
    """Return the values of the student's function for all cases as one array, or the verdict why not.

    The function works on copies, so it may change what it is given.
    """
    if _is_missing(function):
        return None, MISSING
    if not callable(function):
        return None, Verdict("type", "The answer should be a function.")
    try:
        values = []
        for case in cases:
            value = function(*deepcopy(case))
            if _is_missing(value):
                return None, Verdict("missing", "Your function returns no answer yet: is there a `return`?")
            values.append(_as_floats(value))
        return np.array(values), None
    except Exception as error:  # whatever it is, the student has to see it
        return None, Verdict("type", f"Your function fails: {type(error).__name__}: {error}")


def _compare_function(function, truth, cases, rtol=1e-3):
    if not _is_missing(function) and not callable(function):
        names = ", ".join(inspect.signature(truth).parameters)
        return Verdict("type", f"The answer should be a function of {names}.")
    found, wrong = _values(function, cases)
    if wrong is not None:
        return wrong
    wanted = np.array([truth(*case) for case in cases])
    if found.shape != wanted.shape:
        return Verdict("shape", f"One value should have the shape {wanted.shape[1:]}, yours has {found.shape[1:]}.")
    return _compare(found, wanted, rtol=rtol)


if __name__ == "__main__":
    import sys
    from types import ModuleType

    from ._collect import main

    sys.modules["__main__"] = ModuleType("__main__")  # else each process that marks a notebook would run this one anew
    main()
