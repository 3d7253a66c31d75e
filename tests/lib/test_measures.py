"""Measures of a point and of a matrix, against their definitions."""

from itertools import combinations

import implicit_bias
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from implicit_bias import (
    GroupHadamard,
    HadamardPower,
    Linear,
    MatrixProduct,
    SignedHadamardPower,
    SymmetricProduct,
    gradient_descent,
)
from implicit_bias.measures import (
    balancedness,
    best_rank,
    certificate,
    column_norms,
    effective_rank,
    kkt_residual,
    margin,
    null_space_constant,
    recovery_error,
    sharpness,
    spectral_norm,
)
from implicit_bias.networks import ReLUNetwork
from implicit_bias.problems import nonnegative_regression
from scipy.linalg import null_space
from scipy.optimize import nnls
from scipy.sparse import csr_array
from scipy.sparse.linalg import aslinearoperator

rng = np.random.default_rng(0)
A, y = rng.standard_normal((6, 4)), rng.standard_normal(6)


def test_recovery_error():
    assert recovery_error([1.0, 0.0], [1.0, 0.0]) == 0
    assert recovery_error(np.zeros((3, 2)), [1.0, 2.0]).tolist() == [1, 1, 1]


@pytest.mark.parametrize("form", [np.array, csr_array, aslinearoperator])
@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (1, 5), (5, 1), (2, 2)])
def test_spectral_norm(form, shape):
    matrix = np.random.default_rng(1).standard_normal(shape)
    assert spectral_norm(form(matrix)) == pytest.approx(np.linalg.norm(matrix, 2))


def test_column_norms():
    expected = np.linalg.norm(A, axis=0)
    np.testing.assert_allclose(column_norms(A), expected)
    np.testing.assert_allclose(column_norms(csr_array(A)), expected)
    np.testing.assert_allclose(column_norms(aslinearoperator(A)), expected)


def test_column_norms_of_an_operator_are_estimates():
    A = np.random.default_rng(0).standard_normal((30, 200)) * np.geomspace(1e-6, 1e6, 200)
    ratio = column_norms(aslinearoperator(A)) / column_norms(A)
    assert np.min(ratio) > 0.4 and np.max(ratio) < 1.8
    assert abs(np.mean(ratio**2) - 1) < 0.1


def test_kkt_residual_is_zero_at_a_solution_only():
    least, positive = np.linalg.lstsq(A, y)[0], nnls(A, y)[0]
    assert kkt_residual(A, y, least) < 1e-14
    assert kkt_residual(A, y, positive, nonnegative=True) < 1e-14
    assert kkt_residual(A, y, least + 0.1) > 1e-3
    assert kkt_residual(A, y, positive + 0.1, nonnegative=True) > 1e-3
    assert kkt_residual(A, y, -np.ones(4), nonnegative=True) > 1e-3


@pytest.mark.parametrize("form", [np.array, csr_array, aslinearoperator])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [2, 5, 200])
def test_spectral_norm_of_a_laplacian_and_of_zero(form, dtype, n):
    """A constant vector is taken to zero: by all of its rows, or columns."""
    edges = np.diff(np.eye(n), axis=0)
    for matrix in (edges, edges.T, edges.T @ edges, np.vstack([edges, edges]), np.zeros((n, n)), np.zeros((n, n + 3))):
        found = spectral_norm(form(matrix.astype(dtype)))
        assert found == pytest.approx(np.linalg.norm(matrix, 2), rel=1e-5)


@given(a=st.floats(1e-20, 1e20), b=st.floats(1e-20, 1e20), nonnegative=st.booleans())
def test_kkt_residual_has_no_unit(a, b, nonnegative):
    x = np.arange(4.0)
    scaled = kkt_residual(a * A, b * y, b / a * x, nonnegative=nonnegative)
    assert scaled == pytest.approx(kkt_residual(A, y, x, nonnegative=nonnegative))


def test_kkt_residual_leaves_the_entry_of_a_zero_column_free():
    wide, x = np.c_[A, np.zeros(6)], nnls(A, y)[0]
    assert kkt_residual(wide, y, np.r_[x, 5.0], nonnegative=True) < 1e-14
    assert kkt_residual(wide, y, np.r_[x, -5.0], nonnegative=True) > 1


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 8),
    st.integers(1, 8),
    st.sampled_from([(0, 0), (4, 0), (0, 4), (0, 40)]),
    st.booleans(),
)
def test_the_gap_bounds_the_loss_against_everything_within_reach(seed, m, n, spread, nonnegative):
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((m, n)) * 10 ** rng.uniform(-spread[0], spread[0], (m, 1))
    A = A * 10 ** rng.uniform(-spread[1], spread[1], n)
    y, d = rng.standard_normal(m), np.linalg.norm(A, axis=0)
    best = nnls(A / d, y)[0] if nonnegative else np.linalg.lstsq(A / d, y)[0]
    for part in (0.0, 0.5, 1 - 1e-4, 1.0):
        x = part * best + (1 - part) * np.abs(rng.standard_normal(n))
        found = certificate(A, y, x / d, nonnegative=nonnegative)
        assert found.loss == pytest.approx(np.linalg.norm(A / d @ x - y) ** 2 / 2, rel=1e-12, abs=found.floor)
        for z in (best, 0 * best, x / 2, np.abs(rng.standard_normal(n))):
            if np.sum(np.abs(z)) <= found.reach:
                loss = np.linalg.norm(A / d @ z - y) ** 2 / 2
                assert found.loss - loss <= found.gap + found.floor + 1e-12 * found.loss


def test_a_small_residual_is_not_taken_for_a_small_loss():
    """A sum-to-one row by weight: the KKT residual is small wherever the weighted row is met."""
    n = 60
    A, y = np.vstack([np.eye(n), np.full((1, n), 1e4)]), np.r_[1, np.zeros(n - 1), 1e4]
    far = certificate(A, y, np.full(n, 1 / n), nonnegative=True)
    assert far.kkt_residual < 1e-8
    assert far.optimality > 1e-5
    assert not far.holds(1e-8)
    assert certificate(A, y, np.eye(n)[0], nonnegative=True).holds(1e-8)


def test_a_certificate_says_what_rounding_hides():
    """The gradient at the solution is rounding: within the floor while that is small against the loss, else no certificate."""
    rng = np.random.default_rng(0)
    A = rng.random((30, 8))
    fits, y = A @ rng.random(8), rng.standard_normal(30)
    for size, holds in [(1.0, True), (1e-2, True), (1e-6, False)]:
        data = fits + size * y
        found = certificate(A, data, nnls(A, data)[0], nonnegative=True)
        assert found.gap <= 10 * found.floor
        assert found.holds(1e-8) == holds


@pytest.mark.filterwarnings("ignore:nnls")
def test_nnls_reports_gap_and_multipliers_in_the_units_of_the_caller():
    """Far from the solution, where both are large."""
    problem = nonnegative_regression(900, 600, 60, seed=0, noise=1.0)
    data = 1e4 * problem.y
    result = implicit_bias.nnls(problem.A, data, max_iterations=3)
    found = certificate(problem.A, data, result.x, nonnegative=True)
    assert not result.converged and found.gap > 0.1 * found.loss
    assert result.gap == pytest.approx(found.gap)
    np.testing.assert_allclose(
        result.dual, problem.A.T @ (problem.A @ result.x - data), rtol=0, atol=1e-12 * np.linalg.norm(data) * 600
    )


def test_null_space_constant_of_a_line():
    """The kernel is spanned by one vector, so the constant is that of this vector."""
    matrix = np.random.default_rng(2).standard_normal((5, 6))
    v = np.abs(null_space(matrix)[:, 0])
    for s in (1, 2, 3):
        worst = max(v[list(S)].sum() / (v.sum() - v[list(S)].sum()) for S in combinations(range(6), s))
        for form in (matrix, csr_array(matrix), aslinearoperator(matrix)):
            assert null_space_constant(form, s) == pytest.approx(worst)


def test_null_space_constant_at_the_ends():
    assert null_space_constant(np.eye(3), 1) == 0
    assert null_space_constant([[1.0, 0.0, 0.0]], 1) == np.inf


# --- Matrices ---


def test_effective_rank():
    W = np.random.default_rng(0).standard_normal((3, 4, 6))
    expected = [np.linalg.norm(V, "nuc") / np.linalg.norm(V, 2) for V in W]
    np.testing.assert_allclose(effective_rank(W), expected)
    np.testing.assert_allclose(effective_rank(1e80 * W.mT), expected)
    assert effective_rank(np.eye(5)) == pytest.approx(5)
    assert effective_rank(np.zeros((2, 3))) == 0


def test_balancedness():
    rng = np.random.default_rng(0)
    W, V, U = rng.standard_normal((3, 2)), rng.standard_normal((4, 3)), rng.standard_normal((1, 4))
    expected = max(np.linalg.norm(V.T @ V - W @ W.T), np.linalg.norm(U.T @ U - V @ V.T))
    assert balancedness([W, V, U]) == pytest.approx(expected)
    stacks = [np.array([M, 0 * M]) for M in (W, V, U)]
    np.testing.assert_allclose(balancedness(stacks), [expected, 0])


def test_best_rank():
    W = np.random.default_rng(0).standard_normal((2, 5, 4))
    values = np.linalg.svd(W, compute_uv=False)
    for r in (1, 2, 4):
        nearest = best_rank(W, r)
        assert np.all(np.linalg.matrix_rank(nearest) == r)
        distance = np.linalg.norm(W - nearest, axis=(1, 2))
        np.testing.assert_allclose(distance, np.sqrt(np.sum(values[:, r:] ** 2, axis=1)), atol=1e-13)


def test_margin_is_the_least_signed_distance():
    labels = np.array([1, -1, 1, -1, 1, 1])
    x = rng.standard_normal((5, 3, 4))
    expected = [[min(labels * (A @ v)) / np.linalg.norm(v) for v in row] for row in x]
    np.testing.assert_allclose(margin(A, labels, x), expected, atol=1e-14)
    np.testing.assert_allclose(margin(csr_array(A), labels, 7 * x[0, 0]), expected[0][0], atol=1e-14)
    assert margin(A, labels, np.zeros(4)) == 0


@pytest.mark.parametrize("labels", [np.ones(6), -np.ones(6), [1, -1, 1, -1, 1, 0], [1, -1, 1, -1, 1, 2], [1, -1]])
def test_wrong_labels_of_a_margin(labels):
    with pytest.raises(ValueError, match=r"^y\b"):
        margin(A, labels, np.ones(4))


@pytest.mark.parametrize("x", [np.ones(3), 1.0, [np.nan, 1, 1, 1]])
def test_wrong_direction_of_a_margin(x):
    with pytest.raises(ValueError, match=r"^x\b"):
        margin(A, [1, -1, 1, -1, 1, 1], x)


# --- Sharpness --------------------------------------------------------------------------------------------------------


def hessian_of_powers(A, y, w, L, signs):
    """Entry by entry: J.T A.T A J, and the second derivative of each entry of x on the diagonal."""
    J = np.hstack(
        [np.diag(sign * L * np.abs(part) ** (L - 1) * np.sign(part)) for sign, part in zip(signs, w, strict=True)]
    )
    g = A.T @ (A @ sum(sign * np.abs(part) ** L for sign, part in zip(signs, w, strict=True)) - y)
    bend = np.concatenate(
        [sign * L * (L - 1) * np.abs(part) ** (L - 2) * g for sign, part in zip(signs, w, strict=True)]
    )
    return J.T @ A.T @ A @ J + np.diag(bend)


@given(
    seed=st.integers(0, 2**32 - 1),
    m=st.integers(1, 5),
    n=st.integers(1, 6),
    depth=st.sampled_from([2, 2.5, 3, 4]),
    signed=st.booleans(),
    form=st.sampled_from([np.array, csr_array, aslinearoperator]),
)
def test_sharpness_of_powers_is_that_of_their_hessian(seed, m, n, depth, signed, form):
    """At any point, not only where the data are met, with weights of any sign and size."""
    rng = np.random.default_rng(seed)
    A, y = rng.standard_normal((m, n)), rng.standard_normal(m)
    w = rng.standard_normal((1 + signed, n)) * 10 ** rng.uniform(-2, 1, n)
    model = (SignedHadamardPower if signed else HadamardPower)(depth)
    H = hessian_of_powers(A, y, w, depth, (1, -1)[: 1 + signed])
    expected = np.linalg.eigvalsh(H)
    found = sharpness(form(A), y, model, w if signed else w[0])
    assert abs(found - expected[-1]) <= 1e-10 * np.max(np.abs(expected))


@pytest.mark.parametrize("form, accuracy", [(np.array, 1e-10), (csr_array, 1e-10), (aslinearoperator, 1e-6)])
def test_sharpness_of_many_weights_by_lanczos(form, accuracy):
    """More weights than are written down: against LAPACK, at the end of a descent and far from it."""
    rng = np.random.default_rng(3)
    A, y = rng.standard_normal((40, 220)) / np.sqrt(40), rng.standard_normal(40)
    model = SignedHadamardPower(2)
    for w in (model.start(0.3, 220), gradient_descent(A, y, model, alpha=0.3, record=0).weights):
        expected = np.linalg.eigvalsh(hessian_of_powers(A, y, w, 2, (1, -1)))[-1]
        assert sharpness(form(A), y, model, w) == pytest.approx(expected, rel=accuracy)


def test_sharpness_of_many_weights_where_the_hessian_is_zero_or_a_multiple_of_the_identity():
    model, n = SignedHadamardPower(2), 200
    assert sharpness(np.ones((3, n)), np.zeros(3), model, np.zeros((2, n))) == 0
    assert sharpness(np.zeros((3, n)), np.ones(3), model, np.ones((2, n))) == 0
    assert sharpness(np.eye(n), np.zeros(n), model, np.ones((2, n))) == pytest.approx(8, rel=1e-12)
    assert sharpness(np.eye(400), np.ones(400), HadamardPower(2), np.zeros(400)) == pytest.approx(-2, rel=1e-12)


def hessian_by_differences(loss, w):
    """Exact for integers and a loss that is quadratic in each weight, as it is for products of matrices."""
    E, n = np.eye(w.size), w.size
    H = np.empty((n, n))
    for i in range(n):
        for j in range(n):
            if i == j:
                H[i, i] = loss(w + E[i]) - 2 * loss(w) + loss(w - E[i])
            else:
                H[i, j] = sum(s * t * loss(w + s * E[i] + t * E[j]) for s in (1, -1) for t in (1, -1)) / 4
    return H


@pytest.mark.parametrize(
    "model", [MatrixProduct((2, 3, 2)), MatrixProduct((2, 1, 3, 2)), MatrixProduct((2,) * 5)], ids=repr
)
def test_sharpness_of_products_is_that_of_their_hessian(model):
    rng = np.random.default_rng(0)
    A, y = rng.integers(-2, 3, (3, 4)).astype(float), rng.integers(-3, 4, 3).astype(float)
    w = rng.integers(-2, 3, model.start(1.0, 4).shape).astype(float)
    expected = np.linalg.eigvalsh(hessian_by_differences(lambda w: np.sum((A @ model.value(w) - y) ** 2) / 2, w))
    for form in (np.array, csr_array, aslinearoperator):
        assert sharpness(form(A), y, model, w) == pytest.approx(expected[-1], rel=1e-12)


def test_sharpness_of_other_parametrizations():
    A, y = rng.standard_normal((6, 4)), rng.standard_normal(6)
    assert sharpness(A, y, Linear(), np.ones(4)) == pytest.approx(np.linalg.norm(A, 2) ** 2, rel=1e-13)
    # U U^T = 1 with one number: 1/2 (u^2 - 1)^2 has the second derivative 4 at its minima, and -2 at 0.
    one = [sharpness([[1.0]], [1.0], SymmetricProduct(1), [u]) for u in (1.0, -1.0, 0.0)]
    np.testing.assert_allclose(one, [4, 4, -2], rtol=1e-13)
    # u V with one group, at a point that meets the data: A J = (A V, u A) = (0, 3, 3).
    group = sharpness([[1.0, 1.0]], [0.0], GroupHadamard([0, 0]), [3.0, 1.0, -1.0])
    assert group == pytest.approx(3.0**2 * 2, rel=1e-13)
    network = ReLUNetwork(rng.standard_normal((3, 8)), (5, 1), seed=0)
    w, identity, data = network.start(1.0, 8), np.eye(8), rng.standard_normal(8)
    slope = lambda w: network.pullback(w, network.value(w) - data)  # noqa: E731
    H = np.array([(slope(w + 1e-6 * e) - slope(w - 1e-6 * e)) / 2e-6 for e in np.eye(w.size)])
    assert sharpness(identity, data, network, w) == pytest.approx(np.linalg.eigvalsh((H + H.T) / 2)[-1], rel=1e-6)


class AbsoluteValue(Linear):
    def value(self, w):
        return np.abs(w)


@pytest.mark.parametrize(
    "argument, model, w",
    [
        ("weights", SignedHadamardPower(2), np.ones(4)),
        ("weights", HadamardPower(2), np.ones((2, 4))),
        ("weights", HadamardPower(2), [1.0, np.nan, 1.0, 1.0]),
        ("weights", HadamardPower(2), "abcd"),
        ("weights", MatrixProduct((2, 2, 2)), np.ones(7)),
        ("widths", MatrixProduct((2, 2, 3)), np.ones(10)),
        ("parametrization", HadamardPower, np.ones(4)),
        ("parametrization", AbsoluteValue(), np.ones(4)),
    ],
)
def test_sharpness_refuses(argument, model, w):
    with pytest.raises(ValueError, match=rf"^{argument}\b"):
        sharpness(A, y, model, w)
