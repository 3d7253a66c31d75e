"""Any map and any potential: against the Hadamard powers, convex solvers, an integrator in the weights, and each other."""

import warnings

import cvxpy as cp
import numpy as np
import pytest
from implicit_bias import (
    HadamardPower,
    Reparametrization,
    TensorProduct,
    WeightNormalized,
    diagonal_flow,
    flow_limit,
    from_potential,
    gradient_descent,
    gradient_flow,
)
from implicit_bias.problems import sparse_recovery
from scipy.integrate import quad, solve_ivp
from scipy.linalg import null_space
from scipy.optimize import approx_fprime, minimize

SIGNED, POSITIVE = sparse_recovery(n=30, m=12, s=4, seed=1), sparse_recovery(n=30, m=12, s=4, seed=1, signed=False)


def power(depth, closed=True):
    """The map of `HadamardPower`, written out."""
    maps = {}
    if closed and depth == 2:
        maps = {"mirror_map": lambda x: np.log(x) / 4, "inverse_mirror_map": lambda t: np.exp(4 * t)}
    elif closed:
        c, q = depth * (depth - 2), depth / (depth - 2)
        maps = {"mirror_map": lambda x: -(x ** (-1 / q)) / c, "inverse_mirror_map": lambda t: (-c * t) ** -q}
    return Reparametrization(
        lambda w: np.abs(w) ** depth,
        lambda w: depth * np.abs(w) ** (depth - 1),
        lambda x: x ** (1 / depth),
        nonnegative=True,
        **maps,
    )


def sinh(closed=True, start=0.0):
    maps = {"mirror_map": np.arctan, "inverse_mirror_map": np.tan} if closed else {}
    return Reparametrization(np.sinh, np.cosh, np.arcsinh, start=start, **maps)


def lp(p, start=0.0):
    """x = sign(w) |w|^(2/p), whose potential is a multiple of |x|^p."""
    c = 4 * (p - 1) / p**2
    return Reparametrization(
        lambda w: np.sign(w) * np.abs(w) ** (2 / p),
        lambda w: 2 / p * np.abs(w) ** (2 / p - 1),
        lambda x: np.sign(x) * np.abs(x) ** (p / 2),
        mirror_map=lambda x: np.sign(x) * np.abs(x) ** (p - 1) / c,
        inverse_mirror_map=lambda t: np.sign(t) * np.abs(c * t) ** (1 / (p - 1)),
        start=start,
    )


def box():
    """x = sin w, which stays between -1 and 1."""
    return Reparametrization(np.sin, np.cos, np.arcsin, mirror_map=np.arctanh, inverse_mirror_map=np.tanh, start=0.0)


# --- The Hadamard powers once more


@pytest.mark.parametrize("depth", [2, 3, 4.5])
@pytest.mark.parametrize("options", [{}, {"step_size": 0.02}, {"momentum": 0.5}])
def test_descent_is_that_of_the_hadamard_power(depth, options):
    paths = [
        gradient_descent(POSITIVE.A, POSITIVE.y, model, alpha=0.1, max_iterations=2000, **options).path
        for model in (HadamardPower(depth), power(depth))
    ]
    np.testing.assert_allclose(paths[1].x, paths[0].x, atol=1e-10)
    np.testing.assert_allclose(paths[1].times, paths[0].times, rtol=1e-12)


@pytest.mark.parametrize("depth", [2, 3, 4])
@pytest.mark.parametrize("alpha", [0.5, 0.05])
def test_limit_is_that_of_the_hadamard_power(depth, alpha):
    expected = flow_limit(POSITIVE.A, POSITIVE.y, HadamardPower(depth), alpha=alpha)
    found = flow_limit(POSITIVE.A, POSITIVE.y, power(depth), alpha=alpha)
    assert found.converged
    np.testing.assert_allclose(found.x, expected.x, atol=1e-10)


def test_limit_of_a_stack_of_starts():
    alphas = np.array([[0.5], [0.1], [0.02]])
    found = flow_limit(POSITIVE.A, POSITIVE.y, power(2), alpha=alphas)
    np.testing.assert_allclose(
        found.x, flow_limit(POSITIVE.A, POSITIVE.y, HadamardPower(2), alpha=alphas).x, atol=1e-10
    )
    assert found.optimality.shape == (3,)


# --- The definition of the flow, in the weights


@pytest.mark.parametrize(
    "model, problem",
    [(power(2), POSITIVE), (power(3), POSITIVE), (sinh(), SIGNED), (lp(1.5, 1.0), POSITIVE), (box(), SIGNED)],
    ids=["square", "cube", "sinh", "l1.5", "sin"],
)
@pytest.mark.parametrize("unit", [1.0, 1e3])
def test_flow_against_the_weights(model, problem, unit):
    A, y = problem.A * unit, problem.y * unit * (0.3 if model.rho is np.sin else 1.0)
    times = np.array([0.0, 0.1, 1.0, 5.0]) / unit**2
    first = model.start(0.3, 30)

    def velocity(t, w):
        return -model.derivative(w) * (A.T @ (A @ model.rho(w) - y))

    with np.errstate(over="ignore", invalid="ignore"):  # trial steps
        expected = solve_ivp(velocity, (0, times[-1]), first, "DOP853", times, rtol=1e-12, atol=1e-13).y.T
    found = gradient_flow(A, y, model, alpha=0.3, times=times).path
    np.testing.assert_allclose(found.x, model.rho(expected), atol=2e-8)


@pytest.mark.parametrize("model, problem", [(sinh(), SIGNED), (lp(1.3), SIGNED), (power(2), POSITIVE)])
def test_flow_ends_at_its_limit(model, problem):
    end = gradient_flow(problem.A, problem.y, model, alpha=0.2)
    assert end.converged
    np.testing.assert_allclose(end.x, flow_limit(problem.A, problem.y, model, alpha=0.2).x, atol=1e-6)


@pytest.mark.parametrize("closed, open_", [(sinh(), sinh(False)), (power(3), power(3, False))], ids=["sinh", "cube"])
def test_without_closed_form(closed, open_):
    problem = POSITIVE if closed.nonnegative else SIGNED
    expected, found = (flow_limit(problem.A, problem.y, model, alpha=0.5) for model in (closed, open_))
    np.testing.assert_allclose(found.x, expected.x, atol=1e-9)
    times = [0.5, 2.0]
    expected, found = (gradient_flow(problem.A, problem.y, m, alpha=0.5, times=times).path.x for m in (closed, open_))
    np.testing.assert_allclose(found, expected, atol=1e-7)


# --- Convex solvers


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_limit_for_l_p_is_that_of_a_cone_program(seed):
    """Among all solutions, the one of least l_1.5-norm; the program is polished by its own conditions."""
    problem = sparse_recovery(n=30, m=12, s=4, seed=seed)
    A, y, p = problem.A, problem.y, 1.5
    x = cp.Variable(30)
    cp.Problem(cp.Minimize(cp.pnorm(x, p)), [A @ x == y]).solve(solver="CLARABEL")
    N, first = null_space(A), np.linalg.lstsq(A, y)[0]
    # Newton's method on the free coordinates from the program's point, whose tolerance is 1e-8 of the value only.
    polished = minimize(
        lambda c: np.sum(np.abs(first + N @ c) ** p),
        N.T @ (x.value - first),
        jac=lambda c: p * N.T @ (np.sign(first + N @ c) * np.abs(first + N @ c) ** (p - 1)),
        hess=lambda c: p * (p - 1) * N.T @ (np.maximum(np.abs(first + N @ c), 1e-12)[:, None] ** (p - 2) * N),
        method="Newton-CG",
        options={"xtol": 1e-14},
    )
    found = flow_limit(A, y, lp(p), alpha=1.0)
    assert found.converged
    np.testing.assert_allclose(found.x, x.value, atol=1e-3)
    np.testing.assert_allclose(found.x, first + N @ polished.x, atol=1e-8)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_limit_for_sinh_is_that_of_a_convex_solver(seed):
    problem = sparse_recovery(n=30, m=12, s=4, seed=seed)
    A, y = problem.A, problem.y
    N, first = null_space(A), np.linalg.lstsq(A, y)[0]
    expected = minimize(
        lambda c: np.sum((x := first + N @ c) * np.arctan(x) - np.log1p(x**2) / 2),
        np.zeros(18),
        jac=lambda c: N.T @ np.arctan(first + N @ c),
        hess=lambda c: N.T @ ((1 / (1 + (first + N @ c) ** 2))[:, None] * N),
        method="trust-exact",
        options={"gtol": 1e-13},
    )
    found = flow_limit(A, y, sinh(), alpha=1.0)
    np.testing.assert_allclose(found.x, first + N @ expected.x, atol=1e-8)
    assert np.max(np.abs(N.T @ np.arctan(found.x))) < 1e-11


def test_limit_in_a_box():
    """Data that a vector between -1 and 1 meets: it ends inside, by the Fermi-Dirac entropy. Data that none meets: refused."""
    A = SIGNED.A
    y = A @ np.clip(SIGNED.x_true, -0.95, 0.95)
    found = flow_limit(A, y, box(), alpha=1.0)
    assert found.converged and np.max(np.abs(found.x)) < 1
    assert np.max(np.abs(null_space(A).T @ np.arctanh(found.x))) < 1e-8
    with pytest.warns(RuntimeWarning, match="flow_limit"):
        assert not flow_limit([[1.0, 1.0]], [3.0], box(), alpha=1.0).converged


# --- The other way


def test_potential_and_map_belong_together():
    """The entropy gives squares; x arctan x - ln(1 + x^2)/2 gives the hyperbolic sine."""
    grid = np.linspace(-2, 2, 9)
    model = from_potential(np.arctan, np.tan, lambda x: 1 / (1 + x**2))
    np.testing.assert_allclose(model.value(grid), np.sinh(grid), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(model.derivative(grid), np.cosh(grid), rtol=1e-9)
    np.testing.assert_allclose(model.inverse(np.sinh(grid)), grid, rtol=1e-9, atol=1e-12)
    paths = [gradient_descent(SIGNED.A, SIGNED.y, m, alpha=1.0, max_iterations=50).path.x for m in (model, sinh())]
    np.testing.assert_allclose(paths[0], paths[1], atol=1e-9)
    limits = [flow_limit(SIGNED.A, SIGNED.y, m, alpha=1.0).x for m in (model, sinh())]
    np.testing.assert_allclose(limits[0], limits[1], atol=1e-11)


def test_a_potential_without_closed_map():
    """h' = x + x^3 / 3: the end of descent is the limit, and its map is the integral of the root of h''."""

    def inverse(t):
        root = np.cbrt(1.5 * t + np.sqrt(2.25 * t**2 + 1))
        return root - 1 / root

    model = from_potential(lambda x: x + x**3 / 3, inverse, lambda x: 1 + x**2)
    assert model.inverse(np.array([1.7]))[0] == pytest.approx(quad(lambda x: np.sqrt(1 + x**2), 0, 1.7)[0], rel=1e-10)
    run = gradient_descent(SIGNED.A, SIGNED.y, model, alpha=1.0, step_size=0.05, max_iterations=400)
    np.testing.assert_allclose(run.x, flow_limit(SIGNED.A, SIGNED.y, model, alpha=1.0).x, atol=5e-3)


# --- What is refused


@pytest.mark.parametrize(
    "call, match",
    [
        (lambda: Reparametrization(np.sinh, np.cosh, 3), "inverse must be a function"),
        (lambda: Reparametrization(np.sinh, np.cosh, np.arcsinh, mirror_map=np.arctan), "given together"),
        (lambda: Reparametrization(np.sinh, np.cosh, np.arcsinh, start=np.inf), "start must be"),
        (lambda: Reparametrization(np.sinh, np.cosh, np.arcsinh, start=[1.0, 2.0]).start(1.0, 3), "start must be"),
        (lambda: from_potential(np.log, np.exp, lambda x: 1 / x), "anchor must be"),
        (lambda: from_potential(np.log, np.exp, 2.0), "second_derivative must be"),
        (lambda: gradient_flow([[1.0]], [1.0], sinh(), alpha=1.0, weight_decay=0.1), "weight_decay must be 0"),
        (lambda: gradient_flow([[1.0]], [1.0], sinh(), alpha=-1.0), "alpha"),
        (lambda: flow_limit([[1.0]], [np.nan], sinh(), alpha=1.0), "y must be finite"),
    ],
)
def test_wrong_input_is_named(call, match):
    with pytest.raises(ValueError, match=match):
        call()


def test_a_flow_that_cannot_reach_its_data_does_not_claim_to():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = gradient_flow([[1.0, 1.0]], [3.0], box(), alpha=1.0, times=[1.0, 10.0])
    assert not found.converged and np.all(np.abs(found.path.x) <= 1)


def test_zero_data_and_empty_matrices():
    assert np.all(flow_limit(SIGNED.A, 0 * SIGNED.y, sinh(), alpha=1.0).x == 0)
    assert np.all(gradient_flow(SIGNED.A, 0 * SIGNED.y, sinh(), alpha=1.0).x == 0)
    assert flow_limit(np.zeros((0, 3)), [], sinh(), alpha=1.0).x.tolist() == [0, 0, 0]
    np.testing.assert_allclose(flow_limit(np.eye(2), [1.0, -2.0], sinh(), alpha=1.0).x, [1, -2], rtol=1e-14)


# --- Weight normalization


@pytest.mark.parametrize("alpha, radius", [(0.3, 1.0), (1.0, 0.5), (0.2, 3.0)])
@pytest.mark.parametrize("unit", [1.0, 50.0])
def test_normalized_flow_against_the_weights(alpha, radius, unit):
    """Written out: polar coordinates of (u, v), their gradient by the chain rule."""
    A, y = SIGNED.A * unit, SIGNED.y * unit
    n, end = A.shape[1], 2 / unit**2

    def velocity(t, w):
        r, p = w[0], w[1:]
        c, d = np.linalg.norm(p), p / np.linalg.norm(p)
        u, v = np.split(r * d, 2)
        g = A.T @ (A @ (u**2 - v**2) - y)
        slope = np.r_[2 * u * g, -2 * v * g]
        return -np.concatenate([[d @ slope], r / c * (slope - d * (d @ slope))])

    first = np.r_[alpha * np.sqrt(2 * n), np.full(2 * n, radius / np.sqrt(2 * n))]
    w = solve_ivp(velocity, (0, end), first, "LSODA", rtol=1e-11, atol=1e-13).y[:, -1]
    u, v = np.split(w[0] * w[1:] / np.linalg.norm(w[1:]), 2)
    found = gradient_flow(A, y, WeightNormalized(radius), alpha=alpha, times=[end])
    np.testing.assert_allclose(found.x, u**2 - v**2, atol=1e-8)


@pytest.mark.parametrize("alpha, radius", [(0.3, 1.0), (0.05, 0.3), (0.05, 3.0), (1.0, 1.0)])
def test_normalized_limit_is_the_end_of_the_flow(alpha, radius):
    model = WeightNormalized(radius)
    limit = flow_limit(SIGNED.A, SIGNED.y, model, alpha=alpha)
    end = gradient_flow(SIGNED.A, SIGNED.y, model, alpha=alpha, times=[1e4])
    assert limit.converged and limit.optimality < 1e-10
    np.testing.assert_allclose(end.x, limit.x, atol=1e-6)


def test_normalized_weights_and_their_gradient():
    model, rng = WeightNormalized(0.7), np.random.default_rng(0)
    w, gradient = rng.uniform(0.5, 1.5, 11), rng.standard_normal(5)
    numerical = approx_fprime(w, lambda w: gradient @ model.value(w), 1e-7)
    np.testing.assert_allclose(model.pullback(w, gradient), numerical, atol=1e-5)
    assert np.linalg.norm(model.start(0.2, 5)[1:]) == pytest.approx(0.7)
    J = np.array([approx_fprime(w, lambda w, j=j: model.value(w)[j], 1e-7) for j in range(5)])
    assert np.linalg.norm(J, 2) ** 2 <= model.curvature(model.size(w)) * (1 + 1e-6)
    run = gradient_descent(SIGNED.A, SIGNED.y, WeightNormalized(1.0), alpha=0.1, max_iterations=20_000)
    assert run.converged
    with pytest.raises(ValueError, match="radius"):
        WeightNormalized(0.0)
    with pytest.raises(ValueError, match="one flow at a time"):
        gradient_flow(SIGNED.A, SIGNED.y, model, alpha=[[0.1], [0.2]])


# --- Tensors


def test_tensor_and_its_gradient():
    model, rng = TensorProduct((2, 3, 4), 5, seed=1), np.random.default_rng(0)
    w, gradient = rng.standard_normal(45), rng.standard_normal(24)
    U, V, W = model.factors(w)
    np.testing.assert_allclose(model.value(w), np.einsum("ir,jr,kr->ijk", U, V, W).ravel(), atol=1e-12)
    numerical = approx_fprime(w, lambda w: gradient @ model.value(w), 1e-7)
    np.testing.assert_allclose(model.pullback(w, gradient), numerical, atol=1e-4)
    J = np.array([approx_fprime(w, lambda w, j=j: model.value(w)[j], 1e-7) for j in range(24)])
    assert np.linalg.norm(J, 2) ** 2 <= model.curvature(model.size(w)) * (1 + 1e-5)
    stack = np.stack([w, 2 * w])
    np.testing.assert_allclose(model.value(stack)[1], 8 * model.value(w), rtol=1e-12)
    np.testing.assert_allclose(model.pullback(stack, np.stack([gradient] * 2))[0], model.pullback(w, gradient))


def test_aligned_start_is_the_diagonal_flow():
    bases = [np.linalg.qr(np.random.default_rng(k).standard_normal((4, 3)))[0] for k in range(3)]
    values = np.array([3.0, 2.0, 1.0])
    target = np.einsum("ir,jr,kr,r->ijk", *bases, values).ravel()
    model = TensorProduct((4, 4, 4), 3, start=bases)
    path = gradient_descent(np.eye(64), target, model, alpha=0.2, step_size=1e-3, max_iterations=3000, record=30).path
    found = np.einsum("tijk,ir,jr,kr->tr", path.x.reshape(-1, 4, 4, 4), *bases)
    np.testing.assert_allclose(found, diagonal_flow(values, depth=3, alpha=0.2, times=path.times), atol=1e-2)
    np.testing.assert_allclose(path.x, np.einsum("ir,jr,kr,tr->tijk", *bases, found).reshape(-1, 64), atol=1e-12)


@pytest.mark.parametrize(
    "arguments, match",
    [
        (((2,), 1), "two modes"),
        (((2, 2, 2), 1), "seed must be given"),
        (((2, 2), 1, [np.ones((2, 1)), np.ones((3, 1))]), "start must be"),
        (((2, 2), 0), "rank must be"),
    ],
)
def test_tensors_that_cannot_be(arguments, match):
    with pytest.raises(ValueError, match=match):
        TensorProduct(*arguments)


SQUARE = power(2)
SINE = Reparametrization(np.sin, np.cos, np.arcsin, mirror_map=np.arctanh, inverse_mirror_map=np.tanh, start=0.0)


@pytest.mark.parametrize("model", [SINE, Reparametrization(np.sin, np.cos, np.arcsin, start=0.0), SQUARE])
@pytest.mark.parametrize(
    "A, x",
    [([[1.0]], [-2.0]), (np.eye(2), [-2.0, 0.5]), ([[1.0, 1.0]], [-2.0, -1.0]), ([[1.0, 1.0], [2, 1]], [-3.0, 2])],
)
def test_data_that_no_point_of_the_range_meets_are_no_limit(model, A, x, monkeypatch):
    """Of square matrices too, where the only solution lies outside."""
    # Each of some hundred trial steps goes on until then; ten times as long comes to the same.
    monkeypatch.setattr("implicit_bias.parametrizations.MAX_EVALUATIONS", 1000)
    with pytest.warns(RuntimeWarning, match="flow_limit"):
        found = flow_limit(A, np.dot(A, x), model, alpha=1.0)
    assert not found.converged and np.all(np.isfinite(found.x))
    assert np.all(found.x >= 0) if model is SQUARE else np.all(np.abs(found.x) <= 1)


@pytest.mark.filterwarnings("ignore:flow_limit")
def test_a_limit_that_converged_meets_data_that_can_be_met():
    """Also where columns differ so much that rows which say different things are the same up to rounding."""
    model = from_potential(lambda x: np.arcsinh(x / 2), lambda s: 2 * np.sinh(s), lambda x: (x**2 + 4) ** -0.5)
    missed, converged = [], 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        m = rng.integers(1, 9)
        n = m + rng.integers(8)
        A = (
            rng.uniform(0.5, 1, (m, n))
            * rng.choice([-1, 0, 1], (m, n))
            * 10 ** rng.uniform(-15 * (seed % 2), 15 * (seed % 2), n)
        )
        A = np.where(np.any(A, axis=1, keepdims=True), A, 1.0) * 10 ** rng.uniform(-8, 8, (m, 1))
        y = A @ (rng.standard_normal(n) / np.max(np.abs(A), axis=0, initial=1e-30))
        limit = flow_limit(A, y, model, alpha=1.0)
        rows = np.max(np.abs(A), axis=1)
        B, b = A / rows[:, None], y / rows
        size = max(np.max(np.abs(b)), 1e-4 * np.max(np.abs(B) @ np.abs(limit.x)))
        converged += limit.converged
        if limit.converged and "rounding" not in limit.message and np.max(np.abs(B @ limit.x - b)) > 1e-8 * size:
            missed.append(seed)
    assert missed == [] and converged > 120


@pytest.mark.parametrize("solve", [flow_limit, gradient_flow, gradient_descent])
@pytest.mark.parametrize(
    "model",
    [
        Reparametrization(np.sin, np.cos, np.arcsin, start=2.0),
        Reparametrization(np.square, lambda w: 2 * w, np.sqrt, start=-1.0),
        Reparametrization(np.tanh, lambda w: np.cosh(w) ** -2.0, np.arctanh, start=20.0),  # which is 1 in float64
    ],
)
def test_a_start_where_the_map_does_not_increase_is_refused(model, solve):
    with pytest.raises(ValueError, match="start must give weights"):
        solve([[1.0, 1.0]], [0.5], model, alpha=1.0)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
@pytest.mark.parametrize("model", [WeightNormalized(1.0), SINE])
def test_no_equations_or_no_unknowns(model, shape):
    found = flow_limit(np.zeros(shape), np.zeros(shape[0]), model, alpha=0.5)
    assert found.converged and found.x.shape == shape[1:] and not found.x.any()
