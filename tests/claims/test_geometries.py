"""The statements of the chapter "Other geometries", each with the numbers that would refute it.

Potentials are written down, margins come from programs, descent is the loop of the library.
"""

import numpy as np
import pytest
from implicit_bias import (
    Reparametrization,
    SignedHadamardPower,
    TensorProduct,
    WeightNormalized,
    basis_pursuit,
    flow_limit,
    from_potential,
    gradient_descent,
    gradient_flow,
    margin_flow,
    maximum_margin,
    steepest_descent,
)
from implicit_bias.measures import margin, recovery_error
from implicit_bias.problems import separable, sparse_recovery
from scipy.integrate import solve_ivp
from scipy.linalg import null_space

SINH = Reparametrization(np.sinh, np.cosh, np.arcsinh, mirror_map=np.arctan, inverse_mirror_map=np.tan, start=0.0)


# --- Maps


@pytest.mark.claim("prop-any-map")
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_arctan_of_the_limit_is_in_the_range(seed):
    """By Newton's method, by the flow, and by short steps of descent, which miss it by no more than their length."""
    p = sparse_recovery(n=40, m=16, s=3, seed=seed)
    kernel = null_space(p.A).T
    limit = flow_limit(p.A, p.y, SINH, alpha=1.0).x
    assert np.max(np.abs(kernel @ np.arctan(limit))) < 7e-12
    assert np.max(np.abs(kernel @ np.arctan(gradient_flow(p.A, p.y, SINH, alpha=1.0, times=[1.0, 3.0]).x))) < 1e-10
    off = [
        np.max(np.abs(gradient_descent(p.A, p.y, SINH, alpha=1.0, step_size=step, max_iterations=40_000).x - limit))
        for step in (0.02, 0.01)
    ]
    assert 1.7 < off[0] / off[1] < 2.3 and off[1] < 1e-3


@pytest.mark.claim("prop-any-map")
def test_every_potential_has_a_map():
    """The converse: the map of cosh x, which has no closed form, moves x against the gradient over h''."""
    model = from_potential(np.sinh, np.arcsinh, np.cosh)
    w, h = np.array([-1.3, 0.2, 2.0]), 1e-4
    slope = (model.value(w + h) - model.value(w - h)) / (2 * h)
    np.testing.assert_allclose(slope, np.cosh(model.value(w)) ** -0.5, rtol=1e-6)


@pytest.mark.claim("thm-any-map")
def test_the_hypothesis_on_the_ends_is_needed():
    """h = x^2/2 on the positive numbers: the flow to a solution with positive entries passes through a negative one."""
    A, y, first = np.array([[1.0, -1.0], [0.05, 0.05]]), np.array([-3.9, 0.205]), np.array([0.05, 0.1])
    assert np.all(np.linalg.solve(A, y) > 0)
    path = solve_ivp(lambda t, x: -A.T @ (A @ x - y), (0, 5000), first, "LSODA", rtol=1e-9, atol=1e-11).y
    assert np.min(path) < -0.5 and np.linalg.norm(A @ path[:, -1] - y) < 1e-6


@pytest.mark.claim("thm-any-map")
def test_a_map_with_a_bounded_divergence_converges_too():
    """tan: h' and D_h are bounded at infinity, and the flow converges all the same."""
    tan = Reparametrization(np.tan, lambda w: 1 + np.tan(w) ** 2, np.arctan, start=0.0)
    p = sparse_recovery(n=12, m=5, s=2, seed=0)
    limit = flow_limit(p.A, p.y, tan, alpha=1.0)
    assert limit.converged
    theta = (limit.x / (1 + limit.x**2) + np.arctan(limit.x)) / 2
    assert np.max(np.abs(null_space(p.A).T @ theta)) < 1e-8
    run = solve_ivp(
        lambda t, w: -(1 + np.tan(w) ** 2) * (p.A.T @ (p.A @ np.tan(w) - p.y)),
        (0, 500),
        np.zeros(12),
        "LSODA",
        rtol=1e-9,
    )
    np.testing.assert_allclose(np.tan(run.y[:, -1]), limit.x, atol=1e-5)


@pytest.mark.claim("prop-link")
def test_a_link_by_descent_in_the_weights():
    rng = np.random.default_rng(0)
    A, y = rng.standard_normal((3, 8)) / 3, np.array([0.5, 1.0, 2.0])
    w = np.zeros(8)
    for _ in range(20_000):
        seen = np.exp(A @ np.sinh(w))
        w = w - 0.02 * np.cosh(w) * (A.T @ (seen * (seen - y)))
    np.testing.assert_allclose(np.sinh(w), flow_limit(A, np.log(y), SINH, alpha=1.0).x, atol=2e-2)


@pytest.mark.claim("prop-stall")
def test_two_flows_from_zero():
    """w = 0 for ever, and the root of the mirror flow, solve one equation; descent from zero stays, from near zero moves."""
    p, c = 1.5, 4 * 0.5 / 1.5**2
    t = np.linspace(0.1, 2, 400)
    theta = 1 - np.exp(-t)  # some path with the velocity -g = e^-t
    w = np.abs(c * theta) ** (1 / (p - 1) * p / 2)
    slope = np.gradient(w, t, edge_order=2)
    np.testing.assert_allclose(slope, 2 / p * w ** (2 / p - 1) * np.exp(-t), rtol=2e-2)
    model = Reparametrization(
        lambda w: np.sign(w) * np.abs(w) ** (2 / p),
        lambda w: 2 / p * np.abs(w) ** (2 / p - 1),
        lambda x: np.sign(x) * np.abs(x) ** (p / 2),
        start=0.0,
    )
    q = sparse_recovery(n=12, m=5, s=2, seed=0)
    stuck = gradient_descent(q.A, q.y, model, alpha=1.0, step_size=0.05, max_iterations=100)
    assert np.all(stuck.x == 0) and not stuck.converged
    near = Reparametrization(model.rho, model.derivative, model.inverse, start=1e-6)
    moved = gradient_descent(q.A, q.y, near, alpha=1.0, step_size=0.005, max_iterations=20_000)
    kernel = null_space(q.A).T
    assert np.max(np.abs(kernel @ (np.sign(moved.x) * np.sqrt(np.abs(moved.x))))) < 0.05


# --- Margins


@pytest.mark.claim("thm-steepest")
@pytest.mark.parametrize("norm, step, share", [("linf", 0.3, 0.992), ("l2", 1.0, 0.99), ("l1", 3.0, 0.99)])
def test_ninety_nine_percent_of_the_largest_margin(norm, step, share):
    p = separable(40, 16, seed=0, gap=0.5)
    gamma = margin(p.A, p.y, maximum_margin(p.A, p.y, norm=norm).x, norm=norm)
    found = steepest_descent(p.A, p.y, norm=norm, step_size=step)
    assert share * gamma < found.margin[-1] <= gamma * (1 + 1e-9) <= found.bound[-1] * (1 + 2e-9)


@pytest.mark.claim("thm-steepest")
def test_the_spectral_bracket_holds_the_value_of_the_program():
    p = separable(40, 16, seed=0, gap=0.5)
    best = maximum_margin(p.A, p.y, norm="spectral", shape=(4, 4)).x
    gamma = margin(p.A, p.y, best, norm="spectral", shape=(4, 4))
    found = steepest_descent(p.A, p.y, norm="spectral", shape=(4, 4))
    assert found.margin[-1] <= gamma * (1 + 1e-7) and gamma <= found.bound[-1] * (1 + 1e-7)
    assert found.bound[-1] / found.margin[-1] < 1.02


@pytest.mark.claim("prop-momentum")
def test_muon_and_signum_end_at_the_same_margins():
    p = separable(40, 16, seed=0, gap=0.5)
    for options in ({"norm": "linf"}, {"norm": "spectral", "shape": (4, 4)}):
        plain, momentum = (steepest_descent(p.A, p.y, beta1=beta, **options) for beta in (0.0, 0.9))
        assert momentum.margin[-1] == pytest.approx(plain.margin[-1], rel=5e-3)


@pytest.mark.claim("prop-rich-dual")
def test_a_smaller_start_is_not_always_better():
    """The end of the chapter's section: at one loss the share of the l1-margin has its maximum at a middle scale."""
    rng = np.random.default_rng(0)
    points = rng.standard_normal((14, 30))
    labels = np.sign(points[:, :3] @ [1.0, -1.0, 0.7])
    best = {
        norm: margin(points, labels, maximum_margin(points, labels, norm=norm).x, norm=norm) for norm in ("l1", "l2")
    }
    x = np.array([margin_flow(points, labels, alpha=a, log_losses=[-1e3])[0] for a in (1e-3, 0.1, 100.0)])
    l1, l2 = (margin(points, labels, x, norm=norm) / best[norm] for norm in ("l1", "l2"))
    assert l1[1] > l1[0] + 0.005 and l1[1] > l1[2] + 0.1 and l1[1] > 0.97
    assert l2[2] > 0.999 > l2[1]


@pytest.mark.claim("thm-smoothed-margin")
def test_the_logistic_loss_ends_at_the_l1_margin():
    p = separable(30, 10, seed=1, gap=0.5)
    gamma = margin(p.A, p.y, maximum_margin(p.A, p.y, norm="l1").x, norm="l1")
    x = margin_flow(p.A, p.y, alpha=1.0, log_losses=[-10.0, -1e3, -1e5])
    shares = margin(p.A, p.y, x, norm="l1") / gamma
    assert np.all(np.diff(shares) > 0) and shares[-1] > 0.99


# --- Weight normalization, tensors


@pytest.mark.claim("thm-weight-normalization")
def test_the_spring_lets_a_start_be_large():
    """Up to the root of Q / 2n with a short direction vector, and no further; without it the error is large there."""
    p = sparse_recovery(n=40, m=20, s=3, seed=0)
    edge = np.sqrt(np.sum(np.abs(basis_pursuit(p.A, p.y).x)) / 80)
    short, long = WeightNormalized(0.1), WeightNormalized(3.0)
    below, above = (flow_limit(p.A, p.y, short, alpha=share * edge).x for share in (0.9, 1.2))
    assert recovery_error(below, p.x_true) < 1e-4 and recovery_error(above, p.x_true) > 0.05
    assert recovery_error(flow_limit(p.A, p.y, SignedHadamardPower(2), alpha=0.9 * edge).x, p.x_true) > 0.3
    assert recovery_error(flow_limit(p.A, p.y, long, alpha=1e-3).x, p.x_true) > 0.3


@pytest.mark.claim("prop-tensor")
@pytest.mark.parametrize("seed, ordered", [(0, True), (1, True), (2, True), (3, False)])
def test_a_gaussian_start_learns_one_term_after_another(seed, ordered):
    """In the order of the sizes from most starts: luck counts like size."""
    bases = [np.linalg.qr(np.random.default_rng(k).standard_normal((4, 3)))[0] for k in range(3)]
    sizes = np.array([3.0, 2.0, 1.0])
    target = np.einsum("ir,jr,kr,r->ijk", *bases, sizes).ravel()
    model = TensorProduct((4, 4, 4), 8, seed=seed)
    path = gradient_descent(np.eye(64), target, model, alpha=0.15, step_size=1e-2, max_iterations=1500, record=150).path
    terms = np.einsum("tijk,ir,jr,kr->tr", path.x.reshape(-1, 4, 4, 4), *bases)
    np.testing.assert_allclose(terms[-1], sizes, atol=0.02)
    half = [path.times[np.argmax(terms[:, r] > sizes[r] / 2)] for r in range(3)]
    assert half[0] < min(half[1:]) and (half[1] < half[2]) == ordered
