"""The two faces of a parametrization, weights and potential, and that they belong to each other."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from implicit_bias.measures import balancedness
from implicit_bias.parametrizations import (
    DualPoint,
    GroupHadamard,
    HadamardPower,
    Linear,
    MatrixProduct,
    SignedHadamardPower,
    SymmetricProduct,
    hadamard_penalty,
)
from scipy.optimize import approx_fprime, minimize

DEPTHS = (2, 2.5, 3, 4, 7)
models = pytest.mark.parametrize(
    "model", [power(depth) for power in (HadamardPower, SignedHadamardPower) for depth in DEPTHS], ids=repr
)


def test_depth_is_normalized():
    assert HadamardPower(3.0) == HadamardPower(3)
    assert repr(SignedHadamardPower(2.0)) == "SignedHadamardPower(2)"
    assert len({HadamardPower(2), HadamardPower(2.0), HadamardPower(2.5), SignedHadamardPower(2)}) == 3


@models
def test_start(model):
    x = model.value(model.start(0.5, 4))
    np.testing.assert_allclose(x, 0.5**model.depth if model.nonnegative else 0)


@models
@pytest.mark.parametrize("shape", [(), (4,), (3, 1), (3, 4)])
def test_start_of_every_shape(model, shape):
    alpha = np.random.default_rng(0).uniform(0.1, 1, shape)
    weights = model.start(alpha, 4)
    assert model.value(weights).shape == (*shape[:-1], 4)
    assert weights.shape[: weights.ndim - max(alpha.ndim, 1)] == (() if model.nonnegative else (2,))
    weights[...] = 0  # the caller's to overwrite
    assert np.all(alpha > 0)


@models
def test_pullback_is_the_gradient(model):
    rng = np.random.default_rng(0)
    weights, gradient = rng.uniform(-1.5, 1.5, model.start(1, 4).shape), rng.standard_normal(4)
    numerical = approx_fprime(weights.ravel(), lambda w: gradient @ model.value(w.reshape(weights.shape)), 1e-7)
    np.testing.assert_allclose(model.pullback(weights, gradient), numerical.reshape(weights.shape), atol=1e-5)


@given(depth=st.floats(2, 8), u=st.floats(0, 3), v=st.floats(0, 3))
def test_curvature_bounds_the_jacobian(depth, u, v):
    for model, w in ((HadamardPower(depth), np.array([u])), (SignedHadamardPower(depth), np.array([[u], [v]]))):
        assert np.sum(model.pullback(w, 1.0) ** 2) <= model.curvature(model.size(w)) * (1 + 1e-12)
        assert np.abs(model.value(w)) <= model.size(w) * (1 + 1e-12)


@given(depth=st.sampled_from(DEPTHS), x=st.floats(1e-6, 1e3))
def test_mirror_map_and_its_inverse_one_signed(depth, x):
    model = HadamardPower(depth)
    assert model.inverse_mirror_map(model.mirror_map(x)) == pytest.approx(x, rel=1e-12)


@given(depth=st.sampled_from(DEPTHS), z=st.floats(-1e4, 1e4), alpha=st.floats(1e-3, 1e3))
def test_mirror_map_and_its_inverse_signed(depth, z, alpha):
    """In units of the start, for which 1 - s keeps enough digits."""
    model = SignedHadamardPower(depth)
    x = z * alpha**depth
    assert model.inverse_mirror_map(model.mirror_map(x, alpha), alpha) == pytest.approx(x, rel=1e-7)


@given(depth=st.sampled_from(DEPTHS), size=st.floats(-12, 250))
def test_signed_mirror_map_stays_finite_and_odd(depth, size):
    """For entries 1e250 times the start as well, where the powers in between overflow."""
    model, x = SignedHadamardPower(depth), 10.0**size
    theta = model.mirror_map(x, 1.0)
    assert np.isfinite(theta)
    assert theta > 0
    assert model.mirror_map(-x, 1.0) == -theta


@models
def test_mirror_map_is_the_gradient_of_the_potential(model):
    x = np.random.default_rng(0).uniform(0.2, 2, 5)
    numerical = approx_fprime(x, lambda x: float(model.potential(x, 0.7)), 1e-6)
    np.testing.assert_allclose(model.mirror_map(x, 0.7), numerical, rtol=1e-4)


@models
def test_potential_sums_over_the_last_axis(model):
    x = np.random.default_rng(0).uniform(0.2, 2, (3, 5))
    np.testing.assert_allclose(model.potential(x, 0.7), [model.potential(row, 0.7) for row in x])


@pytest.mark.parametrize("depth", DEPTHS)
def test_potential_at_zero(depth):
    assert HadamardPower(depth).potential(np.zeros(3)) == 0
    assert SignedHadamardPower(depth).potential(np.zeros(3), 0.5) == 0


@models
def test_dual_coordinate_is_an_affine_image_of_the_mirror_map(model):
    """For depth > 2 the rate is that of the start, so the one-signed coordinate is 1 - (x/x(0))^(2/L-1)."""
    alpha = 0.7
    x0 = model.value(model.start(alpha, 5))
    x = np.random.default_rng(0).uniform(0.2, 2, 5)
    s = model.dual_rate(alpha) * (model.mirror_map(x, alpha) - model.mirror_map(x0, alpha))
    np.testing.assert_allclose(model.from_dual(DualPoint.at(s), model.log_start(alpha))[0], x, rtol=1e-10)


@models
def test_slope_of_the_dual_coordinate(model):
    s, step = np.linspace(-0.9, 0.9, 13), 1e-6
    x, slope = model.from_dual(DualPoint.at(s), np.log(0.3))
    beyond, before = (model.from_dual(DualPoint.at(s + d), np.log(0.3))[0] for d in (step, -step))
    np.testing.assert_allclose(slope, (beyond - before) / (2 * step), rtol=1e-6)
    assert np.all(np.diff(x) > 0)


@settings(max_examples=30)
@given(depth=st.floats(2.01, 8), distance=st.floats(1e-40, 1e-17))
def test_distances_to_the_end_of_the_domain_keep_their_digits(depth, distance):
    """s itself rounds to 1 there."""
    point = DualPoint.at(np.array([0.0])).moved(np.array([1.0]))
    point = DualPoint(point.s, np.array([distance]), point.above)
    for model in (HadamardPower(depth), SignedHadamardPower(depth)):
        q = depth / (depth - 2)
        logarithm = -q * np.log(distance)
        if logarithm < 700:
            x, _ = model.from_dual(point, 0.0)
            assert np.log(x[0]) == pytest.approx(logarithm, rel=1e-10)


@models
def test_newton_step_stays_in_the_domain(model):
    if model.depth == 2:
        return
    ds = np.array([0.3, -5.0, 2.0])
    point = DualPoint.at(np.zeros(3))
    moved = point.moved(min(1, model.longest_step(point, ds)) * ds)
    assert np.all(moved.below > 0)
    if not model.nonnegative:
        assert np.all(moved.above > 0)


# --- Products of matrices ---

PRODUCTS = [
    MatrixProduct((3, 4, 2), start="gaussian", seed=1),
    MatrixProduct((2, 3, 1, 4), start="balanced", seed=1),
    MatrixProduct.square(3, 4),
    MatrixProduct((4, 2, 3), start="perturbed", perturbation=0.25),
    SymmetricProduct(4),
    SymmetricProduct(4, rank=2),
]
products = pytest.mark.parametrize("model", PRODUCTS, ids=repr)


def entries(model):
    return model.shape[0] * model.shape[1]


@products
def test_value_is_the_product(model):
    w = model.start(0.5, entries(model))
    first, *others = model.factors(w)
    product = np.linalg.multi_dot([*others[::-1], first]) if others else first @ first.T
    np.testing.assert_allclose(model.value(w), product.ravel(), atol=1e-15)


@products
def test_pullback_of_a_product_is_the_gradient(model):
    rng = np.random.default_rng(0)
    w, gradient = rng.standard_normal(model.start(1, entries(model)).shape), rng.standard_normal(entries(model))
    numerical = approx_fprime(w, lambda w: gradient @ model.value(w), 1e-7)
    np.testing.assert_allclose(model.pullback(w, gradient), numerical, atol=1e-5)


@products
def test_stack_of_products(model):
    n, alphas = entries(model), np.array([[0.1], [0.7], [2.0]])
    weights = model.start(alphas, n)
    gradients = np.random.default_rng(0).standard_normal((3, n))
    for k, alpha in enumerate(alphas[:, 0]):
        w = model.start(alpha, n)
        np.testing.assert_allclose(weights[k], w)
        np.testing.assert_allclose(model.value(weights)[k], model.value(w), atol=1e-15)
        np.testing.assert_allclose(model.pullback(weights, gradients)[k], model.pullback(w, gradients[k]), atol=1e-14)
        assert model.size(weights)[k] == pytest.approx(model.size(w))
    assert model.start([0.1], n).shape == w.shape


@products
def test_factors_are_views(model):
    w = model.start([[0.5], [0.6]], entries(model))
    for W, shape in zip(model.factors(w), model.shapes, strict=True):
        assert W.shape == (2, *shape)
        assert np.shares_memory(W, w)


@products
def test_size_and_curvature_bound_the_jacobian(model):
    """The norm of the derivative of `value`, and the spectral norm of the product."""
    rng, n = np.random.default_rng(0), entries(model)
    for _ in range(10):
        w = rng.standard_normal(model.start(1, n).shape)
        jacobian = np.array([model.pullback(w, row) for row in np.eye(n)])
        assert np.linalg.norm(jacobian, 2) ** 2 <= model.curvature(model.size(w)) * (1 + 1e-12)
        assert np.linalg.norm(model.value(w).reshape(model.shape), 2) <= model.size(w) * (1 + 1e-12)


def test_size_is_sharp_for_few_singular_values():
    model = MatrixProduct.square(5, 3)
    w = np.tile(np.diag([2.0, 1.0, 0.5, 0, 0]).ravel(), 3)
    assert model.size(w) == pytest.approx(8, rel=0.01)
    assert model.curvature(8.0) == pytest.approx(3 * 2**4)


def test_starts():
    n = 6
    identical, perturbed, balanced, gaussian = (
        MatrixProduct.square(n, 3, start=start, seed=4, perturbation=0.25)
        for start in ("identical", "perturbed", "balanced", "gaussian")
    )
    for W in identical.factors(identical.start(0.5, n * n)):
        np.testing.assert_array_equal(W, 0.5 * np.eye(n))
    first, *others = perturbed.factors(perturbed.start(0.5, n * n))
    np.testing.assert_array_equal(first, 0.375 * np.eye(n))
    np.testing.assert_array_equal(others, [0.5 * np.eye(n)] * 2)
    w = balanced.start(0.5, n * n)
    assert balancedness(balanced.factors(w)) < 1e-15
    assert np.linalg.norm(balanced.value(w).reshape(n, n), 2) == pytest.approx(0.5**3)
    entries = MatrixProduct((100, 200, 50), start="gaussian", seed=0)
    W, V = entries.factors(entries.start(0.5, 5000))
    assert (np.std(W), np.std(V)) == (pytest.approx(0.5 / 10, rel=0.02), pytest.approx(0.5 / np.sqrt(200), rel=0.02))
    np.testing.assert_array_equal(gaussian.start(1, n * n), gaussian.start(1, n * n))


@pytest.mark.parametrize("widths", [(4, 7, 5, 6), (6, 2, 9), (3, 3, 3)])
def test_balanced_start_of_every_shape(widths):
    model = MatrixProduct(widths, start="balanced", seed=2)
    w = model.start(0.9, widths[0] * widths[-1])
    product = model.value(w).reshape(model.shape)
    assert balancedness(model.factors(w)) < 1e-14
    assert np.linalg.matrix_rank(product) == min(widths)
    assert np.linalg.norm(product, 2) == pytest.approx(0.9 ** (len(widths) - 1))


# --- Linear ---


def test_linear_model_is_its_weights():
    model, w, gradient = Linear(), np.array([1.0, -3.0]), np.array([0.5, 2.0])
    np.testing.assert_array_equal(model.value(w), w)
    np.testing.assert_array_equal(model.pullback(w, gradient), gradient)
    assert model.value(w) is not w and model.pullback(w, gradient) is not gradient  # a solver may change them
    assert model.size(w) == 3
    assert model.curvature(np.array([0.1, 7.0])).tolist() == [1, 1]


def test_start_of_the_linear_model():
    assert Linear().start(1.0, 3).tolist() == [0, 0, 0]
    assert Linear().start(np.array([[1.0], [2.0]]), 3).shape == (2, 3)
    model = Linear([1.0, -2.0])
    assert model.start(np.array([[1.0], [0.5]]), 2).tolist() == [[1, -2], [0.5, -1]]
    assert repr(model) == "Linear([1.0, -2.0])" and repr(Linear()) == "Linear()"


@pytest.mark.parametrize("start", [[], 1.0, [[1.0]], [np.nan], ["here"]])
def test_wrong_start_of_the_linear_model(start):
    with pytest.raises(ValueError, match=r"^start\b"):
        Linear(start)


def test_start_of_another_length():
    with pytest.raises(ValueError, match=r"^start must have shape \(3,\)"):
        Linear([1.0, 2.0]).start(1.0, 3)


# --- Groups, and the hidden penalty


def test_jacobian_and_size_of_groups():
    model, rng = GroupHadamard([0, 1, 0, 1, 1]), np.random.default_rng(0)
    for _ in range(50):
        w = rng.standard_normal(7) * 10.0 ** rng.uniform(-2, 2)
        jacobian = np.array([model.value(w + e) - model.value(w - e) for e in 1e-4 * np.eye(7)]).T / 2e-4
        size = model.size(w)
        norms = [np.linalg.norm(model.value(w)[model.groups == g]) for g in range(2)]
        assert max(norms) <= size * (1 + 1e-12)
        assert np.linalg.norm(jacobian, 2) ** 2 == pytest.approx(model.curvature(size), rel=1e-6)


def test_a_stack_of_groups():
    model = GroupHadamard([1, 0, 1])
    w = np.random.default_rng(0).standard_normal((4, 5))
    gradient = np.random.default_rng(1).standard_normal((4, 3))
    for k in range(4):
        np.testing.assert_array_equal(model.value(w)[k], model.value(w[k]))
        np.testing.assert_array_equal(model.pullback(w, gradient)[k], model.pullback(w[k], gradient[k]))
        assert model.size(w)[k] == model.size(w[k])
    np.testing.assert_array_equal(model.start([[1.0], [2.0]], 3), [[1, 1, 0, 0, 0], [2, 2, 0, 0, 0]])


@pytest.mark.parametrize(
    "model", [HadamardPower(2), HadamardPower(3), SignedHadamardPower(2), SignedHadamardPower(2.5)], ids=repr
)
def test_hidden_penalty_is_the_least_norm_of_the_weights(model):
    """By a solver of constrained problems, from several starts."""
    rng = np.random.default_rng(0)
    for _ in range(4):
        x = rng.standard_normal(1) * 2
        x = np.abs(x) if model.nonnegative else x
        shape = (1,) if model.nonnegative else (2, 1)
        least = min(
            minimize(
                lambda w: np.sum(w**2) / 2,
                rng.uniform(0.2, 2, shape).ravel(),
                constraints={"type": "eq", "fun": lambda w, x=x, shape=shape: model.value(w.reshape(shape)) - x},
                options={"ftol": 1e-14, "maxiter": 500},
            ).fun
            for _ in range(5)
        )
        assert hadamard_penalty(x, model) == pytest.approx(least, rel=1e-5)


def test_hidden_penalty_of_stacks_and_groups():
    x = np.array([[3.0, 4.0, 0.0], [0.0, -1.0, 2.0]])
    np.testing.assert_allclose(hadamard_penalty(x, SignedHadamardPower(2)), [3.5, 1.5])
    np.testing.assert_allclose(hadamard_penalty(x, GroupHadamard([0, 0, 1])), [5.0, 3.0])
