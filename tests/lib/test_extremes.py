"""What the author of a problem need not think of: sizes, dtypes and ties, drawn from all that the functions admit."""

import warnings
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import partial
from itertools import combinations, pairwise

import numpy as np
import pytest
from implicit_bias import (
    GroupHadamard,
    HadamardPower,
    Linear,
    MatrixProduct,
    Reparametrization,
    SignedHadamardPower,
    TensorProduct,
    WeightNormalized,
    accelerated_flow,
    basis_pursuit,
    check,
    diagonal_descent,
    diagonal_flow,
    diagram,
    flow_limit,
    from_potential,
    gradient_descent,
    gradient_flow,
    group_lasso,
    hadamard_penalty,
    l1_bound,
    label_noise_flow,
    lasso_path,
    learning_time,
    margin_flow,
    maximum_margin,
    minimum_norm,
    nested_fits,
    nuclear_norm,
    parametrizations,
    saddle_to_saddle,
    spectral_path,
    steepest_descent,
)
from implicit_bias.features import fourier_features, relu_features
from implicit_bias.images import as_image
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
from implicit_bias.problems import Problem, linear_regression, matrix_target, sparse_recovery
from implicit_bias.regression import ridgeless_risk, ridgeless_risk_limit, weak_feature_risk
from implicit_bias.spectrum import effective_rank_plateaus, plateau_intervals
from scipy.integrate import quad
from scipy.linalg import null_space
from scipy.sparse import csr_array
from scipy.sparse.linalg import aslinearoperator

SIZES = [1e-100, 1e-8, 1e8, 1e100]


# --- Eigenvalues ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [2, 2.5, 3, 8])
@pytest.mark.parametrize("size", SIZES)
def test_the_flow_of_eigenvalues_has_no_units(depth, size):
    rng = np.random.default_rng(0)
    eigenvalues, alpha = rng.standard_normal(4) * 10 ** rng.uniform(-3, 0, 4), 0.3
    times = np.cumsum(10 ** rng.uniform(-1, 3, 5))
    expected = diagonal_flow(eigenvalues, depth=depth, alpha=alpha, times=times)
    found = diagonal_flow(
        size * eigenvalues, depth=depth, alpha=alpha * size ** (1 / depth), times=times / size ** (2 - 2 / depth)
    )
    np.testing.assert_allclose(found / size, expected, rtol=1e-8)


def test_starts_of_eigenvalues_beyond_float64():
    for alpha, depth in ((1e-200, 2), (1e-80, 8), (1e80, 8), (1e200, 2)):
        with pytest.raises(ValueError, match="alpha"):
            diagonal_flow([2.0, -1.0], depth=depth, alpha=alpha, times=[1.0])
        with pytest.raises(ValueError, match="alpha"):
            learning_time([2.0, -1.0], depth=depth, alpha=alpha)
    for eigenvalues, alpha in (([2.0], 1e80), ([2e200], 0.1)):
        with pytest.raises(ValueError, match="alpha or eigenvalues"):
            diagonal_descent(eigenvalues, depth=2, alpha=alpha, step_size=1e-3, max_iterations=10)
    with pytest.raises(ValueError, match="times and alpha"):
        diagonal_flow([1e100], depth=3, alpha=0.1, times=[1e300])
    decayed = diagonal_flow([2.0, -1.0], depth=3, alpha=1e15, times=[1.0])  # from 1e45
    np.testing.assert_allclose(decayed, diagonal_flow([2.0, -1.0], depth=3, alpha=1e12, times=[1.0]), rtol=1e-8)


@pytest.mark.parametrize("depth", [2, 2.0001, 2.5, 4, 20])
def test_learning_times_of_almost_all(depth):
    """From one fraction to another the time is an integral, in the logarithm of what is missing."""
    rng = np.random.default_rng(1)
    for missing in 10.0 ** -np.arange(1, 13):
        level = 10 ** rng.uniform(-5, 5)
        alpha = 0.1 * level ** (1 / depth)
        late, early = (learning_time(level, depth=depth, alpha=alpha, fraction=1 - m) for m in (missing, 0.5))
        first = 1 - (1 - missing)  # what is missing in float64

        def velocity(z, level=level):  # of -ln(missing share)
            return level ** (2 - 2 / depth) * depth * (1 - np.exp(-z)) ** (2 - 2 / depth)

        expected = quad(lambda z: 1 / velocity(z), np.log(2), -np.log(first), epsabs=0, epsrel=1e-11)[0]
        assert late - early == pytest.approx(expected, rel=1e-8, abs=1e-10 * early)
    assert learning_time(1.0, depth=depth, alpha=2.0) == 0


@pytest.mark.parametrize("depth", [2, 2 + 1e-13, 2 + 1e-9, 3, 40])
def test_learning_times_of_all_but_rounding(depth):
    """By the integral over the logarithm of the way, piece by piece: near the start and near the end it is steep."""
    rng = np.random.default_rng(3)
    for missing in (0.5, 1e-8, 1e-9, 1e-10, 1e-13, 2**-53):
        share, level = 1 - missing, 10 ** rng.uniform(-5, 5)
        end = (share * level) ** (1 / depth)
        alpha = end * 10 ** -rng.uniform(0.1, 2)
        way = np.log(end / alpha)
        edges = way * np.r_[0, np.geomspace(1e-18, 1, 40)]

        def slowness(u, share=share):  # at exp(-u) times the end
            return np.exp((depth - 2) * u) / ((1 - share) - share * np.expm1(-depth * u))

        pieces = [quad(slowness, *piece, epsabs=0, epsrel=1e-11)[0] for piece in pairwise(edges)]
        expected = np.sum(pieces) * end ** (2 - depth) / level
        assert learning_time(level, depth=depth, alpha=alpha, fraction=share) == pytest.approx(expected, rel=1e-9)
    with pytest.raises(ValueError, match="eigenvalue and alpha must be larger"):
        learning_time(1e-250, depth=3, alpha=1e-99)


def test_plateaus_of_negative_eigenvalues_of_any_size():
    """A step that is short enough for the largest one may take the factors of a negative one past zero, or off."""
    refused, iterations = 0, 0
    for seed in range(150):
        rng = np.random.default_rng(seed)
        depth = int(rng.integers(2, 6))
        spectrum = np.sort(np.r_[rng.uniform(0.5, 4), rng.uniform(-3, 3, 3) * 10 ** rng.uniform(-2, 2.5, 3)])[::-1]
        top = spectrum[0]
        step = rng.uniform(0.05, 0.999) / (depth * top ** (2 - 2 / depth))
        options = {"depth": depth, "alpha": (top * 10 ** rng.uniform(-4, 0.3)) ** (1 / depth), "step_size": step}
        epsilon, delta = rng.uniform(0.01, 0.5, 2)
        try:
            intervals = plateau_intervals(spectrum, **options, epsilon=epsilon, delta=delta)
        except ValueError as error:
            assert "step_size must be at most" in str(error)
            refused += 1
            continue
        path = diagonal_descent(spectrum, **options, max_iterations=500, record=500).path.x
        for rank, (first, last) in enumerate(intervals, 1):
            rest = path[int(min(first, 501)) : int(min(last, 500)) + 1]
            iterations += len(rest)
            assert np.all(rest[:, :rank] >= (1 - epsilon) * spectrum[:rank] * (1 - 1e-12)), seed
            assert np.all(np.abs(rest[:, rank:]) <= delta * top * (1 + 1e-12)), seed
    assert refused > 10 and iterations > 10_000


def test_descents_on_tiny_eigenvalues_and_on_none():
    for eigenvalues, alpha in (([1e-200], 1e-110), ([1e-163, 2e-163], 1e-100), ([0.0, 0.0], 1e-5)):
        assert not diagonal_descent(eigenvalues, depth=2, alpha=alpha, step_size=0.1, max_iterations=5).converged
    assert diagonal_descent([0.0, 0.0], depth=2, alpha=1.0, step_size=1.0, max_iterations=5).converged
    np.testing.assert_allclose(effective_rank_plateaus([1.5e308, 0.75e308, 1.5e308]), [1, 2, 2.5])
    with warnings.catch_warnings(action="error"):
        np.testing.assert_allclose(
            diagonal_flow([1e200, -1e200, 0], depth=2, alpha=1.0, times=[1e200]), [[1e200, 0, 5e-201]]
        )


# --- Zero data --------------------------------------------------------------------------------------------------------


MAPS = [
    Linear([1.0, -2.0, 3.0]),
    HadamardPower(2),
    HadamardPower(3),
    Reparametrization(np.sinh, np.cosh, np.arcsinh, mirror_map=np.arctan, inverse_mirror_map=np.tan),
    Reparametrization(
        np.square,
        lambda w: 2 * w,
        np.sqrt,
        mirror_map=lambda x: np.log(x) / 4,
        inverse_mirror_map=lambda s: np.exp(4 * s),
    ),
]


@pytest.mark.filterwarnings("ignore:gradient_flow", "ignore:flow_limit", "ignore:gradient_descent")
@pytest.mark.parametrize("model", MAPS, ids=str)
def test_zero_data_are_met_where_a_solver_has_converged(model):
    """The start is the only size there is, of each start of a stack."""
    converged = 0
    for seed in range(3):
        rng = np.random.default_rng(seed)
        size = 10.0 ** (9 * seed - 9)
        A, alpha = size * rng.uniform(-1, 1, (rng.integers(1, 5), 3)), 10 ** rng.uniform(-1, 1)
        first = model.value(model.start(alpha, 3))
        y, known = np.zeros(len(A)), isinstance(model, Linear)
        runs = [gradient_descent(A, y, model, alpha=share * alpha, max_iterations=300, record=0) for share in (1, 1e-6)]
        runs += [] if known else [solve(A, y, model, alpha=alpha) for solve in (gradient_flow, flow_limit)]
        for found, start in zip(runs, [first, model.value(model.start(1e-6 * alpha, 3)), first, first], strict=False):
            converged += found.converged
            assert not found.converged or np.linalg.norm(A @ found.x) <= 1e-7 * np.linalg.norm(A @ start)
        stack = gradient_descent(A, y, model, alpha=[[alpha], [1e-6 * alpha]], max_iterations=300, record=0)
        np.testing.assert_allclose(stack.optimality <= 1e-8, [run.converged for run in runs[:2]])
    assert converged


def test_zero_data_at_the_edge_of_a_map_end(monkeypatch):
    """The exponential reaches zero nowhere; without a mirror map each step towards it takes longer, and there is no end."""
    monkeypatch.setattr("implicit_bias.flow.MAX_EVALUATIONS", 500)
    model = Reparametrization(np.exp, np.exp, np.log, nonnegative=True)
    found = flow_limit([[1.0, 2.0]], [0.0], model, alpha=1.0)
    assert found.converged and np.all(found.x < 1e-9)
    with pytest.warns(RuntimeWarning, match="no progress after 50 evaluations"):
        assert not gradient_flow([[1.0, 2.0]], [0.0], model, alpha=1.0).converged


# --- Separators -------------------------------------------------------------------------------------------------------


def test_the_rich_flow_of_points_that_are_nearly_opposite():
    """Multipliers of nearly opposite points are as large as the inverse of their angle, and cancel."""
    ends = []
    for angle in (1e-2, 3e-3, 3e-4):
        points = [[1.0, 2.0], [1.0, 2.0 + angle]]
        x = margin_flow(points, [1, -1], alpha=0.1, log_losses=[-1.0, -1e3])
        margins = x @ np.transpose(points) * [1, -1]
        np.testing.assert_allclose(np.sum(np.logaddexp(0, -margins[0])), np.exp(-1), rtol=1e-4)
        np.testing.assert_allclose(margins[1], 1e3 + np.log(2), rtol=1e-4)
        ends.append(angle * x[1])
    np.testing.assert_allclose(ends[0], ends[1], rtol=5e-3)
    np.testing.assert_allclose(ends[1], ends[2], rtol=1e-3)


@pytest.mark.parametrize("norm", ["l2", "l1", "linf", "spectral"])
def test_steps_whose_squares_leave_float64(norm):
    A, y = np.array([[2.0, 1.0], [-1.0, -2.0], [1.0, 0.2]]), [1, -1, 1]
    shape = (1, 2) if norm == "spectral" else None
    largest = 1 / float(np.linalg.norm(maximum_margin(A, y).x)) if norm in ("l2", "spectral") else None
    for step in (1e-99, 1e99):
        found = steepest_descent(A, y, norm=norm, shape=shape, step_size=step, max_iterations=50)
        assert np.all(np.isfinite(found.x))
        assert largest is None or np.all(found.margin <= largest * (1 + 1e-12))
    for step in (1e-300, 1e200, 1e308):
        with pytest.raises(ValueError, match="step_size"):
            steepest_descent(A, y, norm=norm, shape=shape, step_size=step, max_iterations=50)


@pytest.mark.filterwarnings("ignore:maximum_margin")
@pytest.mark.parametrize("norm", ["l2", "l1", "linf"])
def test_certified_separators_separate(norm):
    """In exact arithmetic: where large terms cancel in a margin, that of float64 may be one of rounding."""
    certified = 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        m, n = rng.integers(2, 9), rng.integers(1, 11)
        A = rng.standard_normal((m, n)) if seed % 2 else np.vander(rng.random(m), n)
        A = A * 10 ** rng.uniform(-8, 8, (m, 1))
        y = np.sign(A @ rng.standard_normal(n))
        if len(set(y)) < 2:
            continue
        found = maximum_margin(A, y, norm=norm)
        certified += found.converged
        if found.converged:
            x = [Fraction(float(entry)) for entry in found.x]
            for label, row in zip(y, A, strict=True):
                assert label * sum(Fraction(float(a)) * b for a, b in zip(row, x, strict=True)) >= 1 - 2e-8, seed
    assert certified > 100


def test_a_group_lasso_of_nothing_is_nothing():
    """Whatever the sizes: data that are zero, or a penalty that is as large as the steepest group."""
    for size in (1e-30, 1.0, 1e30):
        A = size * np.random.default_rng(0).standard_normal((2, 3))
        for y, penalty in (([0.0, 0.0], 1.0), ([size, -size], 1e3 * size**2)):
            found = group_lasso(A, y, [0, 0, 1], penalty)
            assert found.converged and not np.any(found.x)


# --- Measures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [1, 2])
def test_the_null_space_constant_whatever_the_sizes_of_the_rows(order):
    """It is attained at a kernel vector of least support, of which small matrices have few."""
    for seed in range(12):
        rng = np.random.default_rng(seed)
        m, n = rng.integers(1, 4), rng.integers(4, 6)
        A = rng.integers(-3, 4, (m, n)) * rng.integers(1, 3, n) if seed % 2 else rng.standard_normal((m, n))
        expected = 0.0
        for size in range(1, m + 2):
            for support in combinations(range(n), size):
                kernel = null_space(A[:, support])
                if kernel.shape[1] == 1:
                    v = np.sort(np.abs(kernel[:, 0]))[::-1]
                    rest = np.sum(v[order:][v[order:] > 1e-12])
                    expected = max(expected, np.sum(v[:order]) / rest if rest else np.inf)
        for rows in (np.ones(m), 10 ** rng.uniform(-90, 90, m), np.full(m, 1e-90), np.full(m, 1e90)):
            assert null_space_constant(A * rows[:, None], order) == pytest.approx(expected, rel=1e-7), seed


@pytest.mark.parametrize("norm", ["l2", "l1", "linf", "spectral"])
@pytest.mark.parametrize("size", [1e-310, 1e-200, 1e200, 1e308])
def test_margins_and_errors_have_no_units(norm, size):
    A, y, x = np.array([[2.0, 0.0], [-1.0, 1.0]]), [1, -1], np.array([1.0, -0.5])
    shape = (1, 2) if norm == "spectral" else None
    assert margin(A, y, size * x, norm=norm, shape=shape) == pytest.approx(margin(A, y, x, norm=norm, shape=shape))
    assert recovery_error([size * x, x - x], size * A[1]) == pytest.approx([recovery_error(x, A[1]), 1.0])


def test_measures_refuse_what_leaves_float64():
    x = [1.0, 2.0]
    for wrong in ([np.nan, 1.0], [np.inf, 1.0]):
        with pytest.raises(ValueError, match="x must"):
            recovery_error(wrong, x)
        with pytest.raises(ValueError, match="x_true must be a non-empty list"):
            recovery_error(x, wrong)
    with pytest.raises(ValueError, match="x must be smaller"):
        recovery_error([1e200, 1.0], [1e-200, 0.0])
    with pytest.raises(ValueError, match="x must be smaller"):
        certificate(1e100 * np.eye(2), [1.0, 1.0], [1e100, 1.0])
    for depth, w in ((3, 1e100), (7, 1e60)):
        for model in (HadamardPower(depth), SignedHadamardPower(depth)):
            with warnings.catch_warnings(action="error"), pytest.raises(ValueError, match="weights must be smaller"):
                sharpness(np.eye(2), x, model, w * model.start(1.0, 2))
    for size in (1e-200, 1e200, 1.5e308):
        for name, measure in (
            ("W", effective_rank),
            ("W", lambda W: best_rank(W, 1)),
            ("factors", lambda W: balancedness([W, np.eye(2)])),
        ):
            with pytest.raises(ValueError, match=f"{name} must have its largest entry"):
                measure(size * np.eye(2))


@pytest.mark.parametrize("form", [csr_array, aslinearoperator])
@pytest.mark.parametrize("size", [1e-30, 1e-25, 1e25, 1e30])
def test_the_spectral_norm_of_small_and_large_float32(form, size):
    A = np.random.default_rng(5).standard_normal((4, 3)).astype(np.float32)
    assert spectral_norm(form(A * np.float32(size))) == pytest.approx(size * np.linalg.norm(A, 2), rel=1e-5)


def test_the_spectral_norm_of_a_long_row_writes_down_no_square():
    n = 300_000
    row = csr_array((np.full(4, 3.0), (np.zeros(4, dtype=int), np.arange(4))), shape=(1, n))
    assert spectral_norm(row) == spectral_norm(row.T.tocsr()) == spectral_norm(aslinearoperator(row)) == 6


def test_a_lasso_with_a_penalty_that_rounding_hides_is_not_said_to_be_one():
    """Whatever the sizes: what is not said to be vague has the value of a minimizer, by what two columns allow by hand."""
    told = 0
    for power in range(0, 18, 2):
        for size in (1e-40, 1.0, 1e40):
            A, y, penalty = size * np.array([[1.0, 2, 0], [0, 1, 1]]), np.array([2.0, -0.25]), size * 10.0**-power
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                x = size * lasso_path(A, y, [penalty])[0]
            told += len(said)
            assert all("lasso_path: what is found for penalties up to" in str(w.message) for w in said)
            level = 10.0**-power
            least = np.array([2 - level, 0, -max(0.25 - level, 0)])
            values = [np.sum((A / size @ z - y) ** 2) / 2 + level * np.sum(np.abs(z)) for z in (x, least)]
            assert said or values[0] <= values[1] * (1 + 2e-6)
    assert 3 <= told <= 21


# --- Formulas ---------------------------------------------------------------------------------------------------------


def test_formulas_beyond_float64():
    for size in (1e-300, 1e-200, 1e200, 1e300):
        assert hadamard_penalty([3 * size, 4 * size], GroupHadamard([0, 0])) == pytest.approx(5 * size)
    for alpha in (1e-200, [1e-200, 1e-199]):
        for depth in (2, 3):
            with pytest.raises(ValueError, match="alpha"):
                l1_bound(3.0, SignedHadamardPower(depth), alpha=alpha, n=2)
    for name in ("signal", "noise"):
        sizes = {"signal": 1.0, "noise": 1.0} | {name: 1e200}
        for risk in (
            lambda sizes=sizes: ridgeless_risk(5, 10, **sizes),
            lambda sizes=sizes: ridgeless_risk_limit(0.5, **sizes),
            lambda sizes=sizes: weak_feature_risk(5, 10, 20, **sizes),
        ):
            with pytest.raises(ValueError, match=name):
                risk()
    for model in (SignedHadamardPower(2), GroupHadamard([0, 1, 2])):
        with pytest.raises(ValueError, match="x must be smaller"):
            hadamard_penalty([1.5e308, 1.5e308, 1e308], model)
    with pytest.raises(ValueError, match="depth must"):
        saddle_to_saddle([[1.0, 2.0]], [1.0], depth=1e200)
    for tau in (np.nan, [1.0, np.nan], "late"):
        with pytest.raises(ValueError, match="tau must"):
            saddle_to_saddle([[1.0, 2.0]], [1.0]).at(tau)
    features = np.array([[1.0, 0, 2, 1], [0, 1, 1, 3]])
    for size in (1e-160, 1e160):
        for name, arguments in (
            ("^features", (size * features, [1.0, 1.0])),
            ("^y", (features, [size, size])),
        ):
            with pytest.raises(ValueError, match=name):
                nested_fits(*arguments, [1, 3], features)
    for sizes in (np.array([2**64 - 1], dtype=np.uint64), [1e300], [np.inf], [np.nan]):
        with warnings.catch_warnings(action="error"), pytest.raises(ValueError, match="sizes"):
            nested_fits(features, [1.0, 1.0], sizes, features)


def test_the_risk_does_not_depend_on_the_type_of_gamma():
    for kind in (np.uint8, np.uint64, np.int8, np.float32, object):
        found = ridgeless_risk_limit(np.array([2, 3], dtype=kind), signal=1.0, noise=1.0)
        np.testing.assert_allclose(found, [1.5, 7 / 6], rtol=1e-15)
    with warnings.catch_warnings(action="error"):
        assert ridgeless_risk_limit(5e-324, signal=1.0, noise=1.0) == 5e-324
    with pytest.raises(ValueError, match="gamma must not be a masked array"):
        ridgeless_risk_limit(np.ma.array([2.0, 3.0], mask=[True, False]), signal=1.0, noise=1.0)


def test_spectral_paths_at_times_and_steps_beyond_float64():
    A = np.diag([1e90, 1e-90])
    with warnings.catch_warnings(action="error"):
        found = spectral_path(A, [1.0, 0.0], times=[0.0, 1e300])
        np.testing.assert_allclose(found, [[0, 0], [1e-90, 0]])
        with pytest.raises(ValueError, match="step_size"):
            spectral_path(A, [1.0, 1.0], iterations=[0, 1], step_size=1e200)


def test_features_are_numbers():
    for make in (relu_features, partial(fourier_features, bandwidth=1.0)):
        with pytest.raises(ValueError, match="inputs must have its largest entry"):
            make([[1e308, 1e308]], 3, seed=0)
    for bandwidth in (1e-320, 1e-300):
        with pytest.raises(ValueError, match="bandwidth must be larger"):
            fourier_features([[0.0, 1e50]], 3, seed=0, bandwidth=bandwidth)


@pytest.mark.filterwarnings("ignore:overflow")
def test_problems_have_finite_data_and_leave_arrays_as_they_are():
    for make in (
        lambda: linear_regression(50, 3, seed=0, signal=1e308),
        lambda: sparse_recovery(5, 50, 1, seed=0, noise=1e308),
        lambda: matrix_target([1.7e308, -1.7e308], seed=0),
    ):
        with pytest.raises(ValueError, match="y must be finite"):
            make()
    A, y = np.eye(2), np.ones(2)
    problem = Problem(A, y, y, "mine")
    A[0, 0] = y[0] = 2.0
    with pytest.raises(ValueError, match="read-only"):
        problem.y[0] = 1.0
    for coefficients, shape in (([1.0, 2, 3], (2, 2)), ([1.0, 2], 2), ("a", (1, 1)), (1.0, (1, 1))):
        with pytest.raises(ValueError, match="must"):
            as_image(coefficients, shape)


def test_what_is_no_sequence_or_has_other_dimensions_is_named():
    for name, make in (
        ("widths", lambda: MatrixProduct(3)),
        ("widths", lambda: ReLUNetwork(np.eye(2), 3, seed=0)),
        ("widths", lambda: ReLUNetwork(np.eye(2), None, seed=0)),
        ("inputs", lambda: ReLUNetwork(np.ones((2, 3, 4)), (3, 1), seed=0)),
        ("shape", lambda: TensorProduct(3, 1, seed=0)),
        ("shape", lambda: nuclear_norm(np.eye(4), np.ones(4), 4)),
        ("shape", lambda: nuclear_norm(np.eye(4), np.ones(4), (4,))),
        ("start", lambda: TensorProduct((2, 2), 1, start=3)),
        ("start", lambda: TensorProduct((2, 2), 1, start=[[[np.nan], [1]], [[1], [1]]])),
        ("start", lambda: MatrixProduct((2, 2, 2), start=np.eye(2))),
        ("factors", lambda: balancedness(3)),
    ):
        with pytest.raises(ValueError, match=f"{name} must"):
            make()


def test_a_network_keeps_its_inputs():
    inputs = np.eye(2)
    network = ReLUNetwork(inputs, (3, 1), seed=0)
    w = network.start(1.0, 2)
    before = network.value(w)
    inputs *= 2
    np.testing.assert_array_equal(network.value(2 * w) / 4, before)


# --- float32 ----------------------------------------------------------------------------------------------------------


SOLVERS = {
    "basis_pursuit": lambda A, y, alpha: basis_pursuit(A, y),
    "minimum_norm": lambda A, y, alpha: minimum_norm(A, y),
    "nuclear_norm": lambda A, y, alpha: nuclear_norm(A, y, (1, A.shape[1])),
    "group_lasso": lambda A, y, alpha: group_lasso(
        A, y, [0, 0, 1], 1e-3 * float(np.max(np.abs(A.astype(float).T @ y)))
    ),
    "flow_limit": lambda A, y, alpha: flow_limit(A, y, SignedHadamardPower(2), alpha=alpha),
    "gradient_flow": lambda A, y, alpha: gradient_flow(A, y, HadamardPower(2), alpha=alpha),
    "accelerated_flow": lambda A, y, alpha: accelerated_flow(
        A, y, HadamardPower(2), alpha=alpha, times=[10 / float(np.max(A)) / alpha]
    ),
    "label_noise_flow": lambda A, y, alpha: label_noise_flow(A, y, alpha=alpha, times=[0.0]),
}


@pytest.mark.parametrize("solver", list(SOLVERS))
@pytest.mark.parametrize("power", [-30, 30])
def test_solutions_beyond_the_range_of_float32(solver, power):
    """A matrix in float32 whose solution is no number there: it is returned in float64."""
    rng = np.random.default_rng(2)
    size = 2.0**power
    A, truth = rng.uniform(0.5, 1, (2, 3)).astype(np.float32), np.array([0.7, 0.0, 0.3])
    y, alpha = A @ truth, 0.3
    solve = SOLVERS[solver]
    expected = solve(A.astype(float), y, alpha)
    found = solve(A * np.float32(size**3), y / size**2, alpha / size**2.5)
    x, same = (result if isinstance(result, np.ndarray) else result.x for result in (found, expected))
    tolerance = 2e-3 if solver in ("group_lasso", "nuclear_norm") else 1e-4
    np.testing.assert_allclose(x.astype(float) * size**5, same, rtol=tolerance, atol=tolerance)
    assert isinstance(found, np.ndarray) or found.converged == expected.converged


@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_squares_beyond_the_range_of_float32(size):
    """Norms of the data and of columns decide on what counts as converged."""
    rng = np.random.default_rng(3)
    A, y = rng.standard_normal((3, 5)).astype(np.float32), rng.standard_normal(3)
    np.testing.assert_allclose(column_norms(A * np.float32(size)) / size, np.linalg.norm(A, axis=0), rtol=1e-6)
    B, b = A * np.float32(size), (y / size).astype(np.float32)
    far = np.ones(5, dtype=np.float32) / np.float32(size)
    assert kkt_residual(B, y, far) == pytest.approx(kkt_residual(A, y, np.ones(5)), rel=1e-5)
    assert certificate(B, y, far).optimality == pytest.approx(certificate(A, y, np.ones(5)).optimality, rel=1e-5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # float32 has no step for it
        assert not gradient_descent(B, b, Linear(), alpha=1.0, max_iterations=3).converged
        assert not gradient_descent(A, b, SignedHadamardPower(2), alpha=1.0, max_iterations=3).converged


def test_data_beyond_the_range_of_float32():
    A = np.ones((1, 2), dtype=np.float32)
    for y in (1e50, 1e-60):
        np.testing.assert_allclose(basis_pursuit(A, [y]).x.sum(), y)
        np.testing.assert_allclose(minimum_norm(A, [y]), [y / 2, y / 2])
        with pytest.raises(ValueError, match="y is beyond the range of float32"):
            gradient_descent(A, [y], Linear(), alpha=1.0)


# --- From saddle to saddle --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [2, 2.5, 4])
@pytest.mark.parametrize("nonnegative", [False, True])
def test_columns_that_wake_up_together(depth, nonnegative):
    """Equal and opposite columns share what they explain, as the flow from small starts has it."""
    for seed in range(6):
        rng = np.random.default_rng(seed)
        n, k = 5, rng.integers(1, 4)
        A = rng.standard_normal((n, k))[:, rng.integers(k, size=n)] * rng.choice([-1.0, 1.0], n)
        y = rng.standard_normal(n)
        weights = None if seed % 2 else np.where(rng.random(n) < 0.5, 1.0, 1.5)
        end = saddle_to_saddle(A, y, depth=depth, nonnegative=nonnegative, weights=weights).x[-1]
        omega = np.ones(n) if weights is None else weights
        alpha = 1e-8**omega if depth == 2 else 1e-5 ** (1 / (depth - 2)) * omega ** (-1 / (depth - 2))
        model = (HadamardPower if nonnegative else SignedHadamardPower)(depth)
        limit = flow_limit(A, y, model, alpha=alpha).x
        np.testing.assert_allclose(end, limit, atol=2e-2 * np.max(np.abs(limit)))


def test_small_columns_and_rows_wake_up_too():
    """Each on its own: rounding is relative to what an entry meets."""
    for sizes in ([1.0, 1e-14], [1e40, 1e-30], [1.0, 1e-9, 1e-18]):
        path = saddle_to_saddle(np.diag(sizes), np.ones(len(sizes)))
        np.testing.assert_allclose(path.times, 0.5 / np.array(sizes), rtol=1e-12)
        np.testing.assert_allclose(path.x[-1], 1 / np.array(sizes), rtol=1e-12)
    path = saddle_to_saddle(np.eye(2), [1.0, 1e-3], weights=[1e-20, 1e20])
    np.testing.assert_allclose(path.times, [0.5e-20, 0.5e23], rtol=1e-12)


def test_the_end_is_a_solution_of_least_norm():
    """Of rows of any size, with ties or without: the path stops neither too early nor at rounding errors."""
    missed = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        m, n = rng.integers(1, 7), rng.integers(1, 10)
        A = rng.standard_normal((m, n)) * 10 ** rng.uniform(-3, 3, (m, 1)) if seed % 2 else rng.integers(-1, 2, (m, n))
        omega, nonnegative = rng.uniform(0.5, 2, n) if seed % 3 else np.ones(n), bool(seed % 5 < 2)
        truth = rng.standard_normal(n) * (rng.random(n) < 0.5)
        y = A @ (np.abs(truth) if nonnegative else truth)
        path = saddle_to_saddle(A, y, nonnegative=nonnegative, weights=omega)
        least = basis_pursuit(A / omega, y, nonnegative=nonnegative)
        assert least.converged
        end, norm = path.x[-1], np.sum(np.abs(least.x))
        met = np.linalg.norm(A @ end - y) <= 1e-7 * np.linalg.norm(y)
        missed += not (met and np.sum(omega * np.abs(end)) <= norm * (1 + 1e-6))
        assert len(path.times) < 2 or seed % 2 or path.times[-1] < 1e9 * path.times[-2]
    assert missed == 0


def test_a_mean_over_no_time_is_refused():
    path = saddle_to_saddle([[1.0, 0.5]], [1.0])
    for tau in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="tau"):
            path.mean([1.0, tau])


# --- Descent ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["logistic", "squared"])
@pytest.mark.parametrize("stack", [False, True])
def test_a_descent_that_diverges_ends_at_a_finite_point(loss, stack):
    """Whatever drives it off: steps, decay or momentum. The gradient of the logistic loss is finite everywhere."""
    diverged = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        A, y = rng.standard_normal((4, 5)), np.array([1.0, -1.0, 1.0, -1.0])
        model = [Linear(np.ones(5)), SignedHadamardPower(3), HadamardPower(2.5), GroupHadamard([0, 0, 1, 1, 1])][
            seed % 4
        ]
        options = {"step_size": 10 ** rng.uniform(-2, 4), "weight_decay": 10 ** rng.uniform(-1, 6), "loss": loss}
        options |= {"momentum": rng.choice([0.0, 0.99]), "max_iterations": 200, "record": 200}
        alpha = 10 ** rng.uniform(-1, 1, (3, 1)) if stack else 1.0
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            found = gradient_descent(A, y, model, alpha=alpha, **options)
        assert np.all(np.isfinite(found.x)) and np.all(np.isfinite(found.path.x)) and np.all(np.isfinite(found.weights))
        assert not np.any(np.isnan(found.optimality))
        diverged += "Diverged" in found.message
        assert ("Diverged" in found.message) == any("gradient_descent: Diverged" in str(w.message) for w in told)
    assert 20 <= diverged < 40


def test_steps_in_float32_are_those_of_float64():
    """The step is a number of its own: squares of a small or large matrix are none in float32."""
    rng = np.random.default_rng(4)
    A, y = rng.standard_normal((2, 4)), rng.standard_normal(2)
    with warnings.catch_warnings(action="error"):
        for size in (1e-25, 1e-15, 1e15):
            for model, alpha in ((Linear(), 1.0), (SignedHadamardPower(2), 0.1 / size**0.5)):
                single, double = (
                    gradient_descent(size * A.astype(kind), y, model, alpha=alpha, max_iterations=30, record=0)
                    for kind in (np.float32, float)
                )
                scale = np.max(np.abs(double.x))
                np.testing.assert_allclose(single.x / scale, double.x / scale, atol=1e-4)


def test_as_many_records_as_iterations_take_no_memory_before_they_are_made():
    """As a set of numbers they took 60 GB."""
    assert gradient_descent([[1.0]], [1.0], Linear(), alpha=1.0, record=10**9, max_iterations=10**9).converged
    with pytest.raises(ValueError, match="loss must be"):
        gradient_descent([[1.0]], [1.0], Linear(), alpha=1.0, loss=np.array(["squared", "logistic"]))


def test_a_flow_that_does_not_reach_its_limit_warns():
    for size, radius in ((1.0, 1e60), (1e30, 1.0)):
        model, alpha = WeightNormalized(radius), 1e-3 / size if radius > 1 else 1e-25
        with pytest.warns(RuntimeWarning, match="^gradient_flow: .* the limit is too far"):
            found = gradient_flow([[size, 2 * size]], [1 / size], model, alpha=alpha)
        assert not found.converged


# --- Maps -------------------------------------------------------------------------------------------------------------


def test_flows_in_a_potential_do_not_integrate_the_map(monkeypatch):
    """Once for the start, however many steps there are; and a start that was changed in place is another one."""
    calls = []
    follow = parametrizations._follow
    monkeypatch.setattr(parametrizations, "_follow", lambda *given, **at: calls.append(1) or follow(*given, **at))
    model = from_potential(np.arctanh, np.tanh, lambda x: 1 / (1 - x * x))
    limit = flow_limit([[1.0, 0.5, -0.3]], [1.6], model, alpha=1.0)
    flow = gradient_flow([[1.0, 0.5, -0.3]], [1.6], model, alpha=1.0)
    assert limit.converged and flow.converged and len(calls) <= 12
    np.testing.assert_allclose(flow.x, limit.x, atol=1e-6)
    first, point = np.zeros(2), parametrizations.DualPoint.at(np.array([0.3, -0.2]))
    before, _ = model.from_dual(point, first)
    first[:] = 0.5
    after, _ = model.from_dual(point, first)
    np.testing.assert_allclose(np.arctanh(after) - np.arctanh(before), np.arctanh(model.value(first)))


@pytest.mark.parametrize(
    "name, rho, derivative, inverse, maps",
    [
        ("rho", lambda w: list(np.exp(w)), np.exp, np.log, ()),
        ("rho", lambda w: w[:1], np.ones_like, np.copy, ()),
        ("rho", lambda w: w + 0j, np.ones_like, np.copy, ()),
        ("rho", lambda w: 1.0, lambda w: 1.0, lambda x: 1.0, ()),
        ("leave their arguments", lambda w: np.exp(w, out=w), np.exp, np.log, ()),
        ("leave their arguments", np.exp, lambda w: np.exp(w, out=w), np.log, ()),
        ("leave their arguments", np.exp, np.exp, lambda x: np.log(x, out=x), ()),
        ("derivative", lambda w: -w, lambda w: -np.ones_like(w), np.negative, ()),
        ("derivative", np.sinh, np.sinh, np.arcsinh, ()),
        ("derivative", np.exp, lambda w: 1.01 * np.exp(w), np.log, ()),
        ("mirror_map", np.sinh, np.cosh, np.arcsinh, (np.tan, np.arctan)),
        ("mirror_map", np.sinh, np.cosh, np.arcsinh, (lambda x: 2 * np.arctan(x), lambda s: np.tan(s / 2))),
    ],
)
def test_functions_that_do_not_belong_together_are_named(name, rho, derivative, inverse, maps):
    """With a wrong derivative or mirror map each solver had converged, to another point."""
    pair = dict(zip(("mirror_map", "inverse_mirror_map"), maps, strict=False))
    model = Reparametrization(rho, derivative, inverse, **pair)
    for solve in (gradient_descent, gradient_flow, flow_limit):
        with pytest.raises(ValueError, match=name):
            solve([[1.0, 2.0, 0.3]], [1.0], model, alpha=[0.5, 0.4, 0.3])


@pytest.mark.parametrize("size", [1e-8, 1.0, 1e8])
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_functions_that_belong_together_are_taken_in_any_unit(size, offset):
    for start in (-1.0, 0.0, 1e-6, 2.0):
        for rho, derivative, inverse in (
            (lambda w: w**3, lambda w: 3 * w**2, np.cbrt),
            (np.sinh, np.cosh, np.arcsinh),
            (
                lambda w: np.where(w > 0, 3 * w, w),
                lambda w: np.where(w > 0, 3.0, 1.0),
                lambda x: np.where(x > 0, x / 3, x),
            ),
        ):
            if rho is not np.sinh and offset and abs(start) == 1e-6:
                continue  # rounding of the offset
            model = Reparametrization(
                lambda w, rho=rho: size * (rho(w) + offset),
                lambda w, derivative=derivative: size * derivative(w),
                lambda x, inverse=inverse: inverse(x / size - offset),
                start=[start, 0.5],
            )
            model.start(1.0, 2)


def weight_normalized(row, datum, radius, alpha):
    """The limit for one equation, from its conditions in 60 digits: by bisection for the one multiplier."""
    with localcontext() as context:
        context.prec = 60
        row, square, start = [Decimal(a) for a in row], Decimal(radius) ** 2, 2 * len(row) * Decimal(alpha) ** 2

        def at(mu):
            up, down = [(2 * mu * a).exp() for a in row], [(-2 * mu * a).exp() for a in row]
            total = start + square * ((sum(up) + sum(down)) / (2 * len(row))).ln()
            return [total * (u - v) / (sum(up) + sum(down)) for u, v in zip(up, down, strict=True)]

        low, high = Decimal("1e-40"), Decimal("1e20")
        while high / low > 1 + Decimal("1e-20"):
            middle = (low * high).sqrt()
            beyond = sum(a * x for a, x in zip(row, at(middle), strict=True)) > datum
            low, high = (low, middle) if beyond else (middle, high)
        return [float(x) for x in at(low)]


@pytest.mark.parametrize("alpha", [1e-5, 1.0, 1e7])
@pytest.mark.parametrize("radius", [1e-7, 1e-4, 1.0, 1e4, 1e9])
def test_weight_normalization_at_any_radius(radius, alpha):
    """Of radius and start one may be much larger than the other, and than the solution."""
    if alpha < 1 and radius < 1:
        return  # the multiplier is beyond float64
    row = [1.0, 2.0, -0.7]
    expected = weight_normalized(row, 1, radius, alpha)
    model = WeightNormalized(radius)
    limit, flow = (solve([row], [1.0], model, alpha=alpha) for solve in (flow_limit, gradient_flow))
    assert limit.converged and flow.converged
    np.testing.assert_allclose(limit.x, expected, rtol=1e-9)
    np.testing.assert_allclose(flow.x, expected, rtol=1e-6)


def test_what_of_weight_normalization_and_depth_is_beyond_float64():
    for radius in (1e-160, 1e160):
        with pytest.raises(ValueError, match="radius must"):
            WeightNormalized(radius)
    for solve in (flow_limit, gradient_flow, gradient_descent):
        for alpha in (1e-160, 1e160):
            with pytest.raises(ValueError, match="alpha"):
                solve([[1.0, 2.0]], [1.0], WeightNormalized(1.0), alpha=alpha)
    for model in (HadamardPower, SignedHadamardPower):
        with pytest.raises(ValueError, match="depth must be 2, or at least"):
            model(2 + 1e-10)
        ends = [flow_limit([[1.0, 2.0]], [1.0], model(depth), alpha=0.1) for depth in (2, 2.000001, 2.000002)]
        assert all(end.converged for end in ends)
        np.testing.assert_allclose(ends[2].x - ends[1].x, ends[1].x - ends[0].x, rtol=1e-2)


# --- Answers and files ------------------------------------------------------------------------------------------------


def test_integers_beyond_float64_and_int64():
    assert check.filter([10**400, 1]).kind == check.benign(10**400).kind == check.not_lasso(2**70).kind == "finite"
    with pytest.raises(ValueError, match=r"max_iterations must be below 2\*\*63"):
        gradient_descent([[1.0]], [1.0], Linear(), alpha=1.0, max_iterations=10**30)


def test_a_file_of_trials_that_is_damaged_or_cannot_be_written(tmp_path, capsys):
    path = tmp_path / "small.csv"
    assert diagram.main(["--n", "20", "--trials", "2", "--output", str(path), "--quiet"]) == 0
    good = path.read_text(encoding="utf-8")
    for wrong in ("zzzzz", "fffff", "+1fff", "     "):
        mask = good.splitlines()[1].split(",")[1]
        path.write_text(good.replace(mask, wrong), encoding="utf-8", newline="\n")
        with pytest.raises(ValueError, match="must be a finished file"):
            diagram.read(path)
        assert diagram.main(["--n", "20", "--trials", "2", "--output", str(path), "--quiet"]) == 0
        assert path.read_text(encoding="utf-8") == good
    with pytest.raises(SystemExit):
        diagram.main(["--n", "20", "--trials", "1", "--output", str(tmp_path / "none" / "small.csv"), "--quiet"])
    assert "none" in capsys.readouterr().err


# --- Least l1-norm ----------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:basis_pursuit")
@pytest.mark.parametrize("nonnegative", [False, True])
def test_every_row_is_met_where_basis_pursuit_is_certified(nonnegative):
    """Also one whose data are far below the largest; and data that can be met are said to be so where rows nearly depend."""
    certified, infeasible = 0, 0
    for seed in range(80):
        rng = np.random.default_rng(seed)
        m, n = rng.integers(2, 9), rng.integers(1, 13)
        if seed % 2:
            A = np.exp(-np.outer(np.geomspace(1e-2, 10, m), np.geomspace(1e-1, 1e2, n)))
        else:
            A = rng.integers(0, 2, (m, n)) * 10 ** rng.uniform(-8, 8, n)
        truth = rng.standard_normal(n) * (rng.random(n) < 0.5) / np.max(np.abs(A), axis=0, initial=1e-8)
        y = A @ (np.abs(truth) if nonnegative else truth)
        found = basis_pursuit(A, y, nonnegative=nonnegative)
        infeasible += "infeasible" in found.message
        certified += found.converged
        if found.converged:
            terms = np.abs(A) @ np.abs(found.x) + np.abs(y)
            residual = np.abs(A.astype(np.longdouble) @ found.x - y)
            assert np.all(residual <= 1e-7 * terms), seed
    assert certified >= 65 and infeasible <= 1
    for tiny in (1e-12, 1e-15, 1e-20):
        found = basis_pursuit([[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 2.0]], [1.0, tiny], nonnegative=nonnegative)
        assert not found.converged or found.x[3] == pytest.approx(tiny / 2)


@pytest.mark.filterwarnings("ignore:basis_pursuit")
@pytest.mark.parametrize("nonnegative", [False, True])
def test_columns_of_any_size_hide_no_solution_from_basis_pursuit(nonnegative):
    """What is not proved is a point that meets the data, not a word that there is none."""
    infeasible = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        m, n = rng.integers(1, 11), rng.integers(1, 16)
        A = rng.standard_normal((m, n)) * 10 ** rng.uniform(-20, 20, n)
        truth = rng.standard_normal(n) * (rng.random(n) < 0.5) / np.max(np.abs(A), axis=0)
        found = basis_pursuit(A, A @ (np.abs(truth) if nonnegative else truth), nonnegative=nonnegative)
        infeasible += "infeasible" in found.message
    assert infeasible <= 6
