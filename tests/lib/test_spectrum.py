"""The exact dynamics of the spectrum against the matrices, an integrator and quadrature."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from implicit_bias import MatrixProduct, gradient_descent
from implicit_bias.problems import matrix_target
from implicit_bias.spectrum import (
    diagonal_descent,
    diagonal_flow,
    effective_rank_plateaus,
    eigendecomposition,
    learning_time,
    plateau_intervals,
)
from scipy.integrate import quad, solve_ivp

LEVELS = [4.0, 1.0, 0.5, 0.0, -1.0]


def run(levels=LEVELS, **options):
    return diagonal_descent(
        levels, **{"depth": 3, "alpha": 0.3, "step_size": 0.02, "max_iterations": 300, "record": 300, **options}
    )


def test_eigendecomposition():
    values, V = eigendecomposition([[0, 2, 0], [2, 0, 0], [0, 0, 1]])
    np.testing.assert_allclose(values, [2, 1, -2])
    np.testing.assert_allclose((V * values) @ V.T, [[0, 2, 0], [2, 0, 0], [0, 0, 1]], atol=1e-15)


# --- Descent ---


@pytest.mark.parametrize("depth", [2, 3, 4, 5, 6, 7, 8])
@pytest.mark.parametrize("perturbation", [0.0, 0.4])
def test_scalar_recursion(depth, perturbation):
    """Step by step, as it is written in the text."""
    levels = np.array(LEVELS)
    a, e = np.full(5, 0.5 * (1 - perturbation)), np.full(5, 0.5)
    result = run(depth=depth, alpha=0.5, perturbation=perturbation, max_iterations=100)
    for x in result.path.x:
        np.testing.assert_allclose(x, a * e ** (depth - 1), atol=1e-13)
        residual = a * e ** (depth - 1) - levels
        a, e = a - 0.02 * e ** (depth - 1) * residual, e - 0.02 * a * e ** (depth - 2) * residual
    assert result.weights.shape == (2, 5)
    np.testing.assert_allclose(result.weights[0] * result.weights[1] ** (depth - 1), result.x)


def test_record_is_that_of_gradient_descent():
    problem = matrix_target(LEVELS, seed=0)
    options = {"alpha": 0.3, "step_size": 0.02, "max_iterations": 500, "record": 40}
    ours = diagonal_descent(LEVELS, depth=3, **options).path
    theirs = gradient_descent(problem.A, problem.y, MatrixProduct.square(5, 3), tol=0, **options).path
    np.testing.assert_array_equal(ours.iterations, theirs.iterations)
    np.testing.assert_allclose(ours.times, theirs.times)
    np.testing.assert_allclose(ours.loss, theirs.loss, rtol=1e-9)


@pytest.mark.parametrize("steps, record", [(0, 1), (1, 1), (1000, 1), (1000, 20), (50, 50), (50, 80)])
def test_recorded_iterations(steps, record):
    path = run(max_iterations=steps, record=record).path
    assert (path.iterations[0], path.iterations[-1]) == (0, steps)
    assert np.all(np.diff(path.iterations) > 0)
    assert len(path.iterations) <= record + 2
    assert path.x.shape == (len(path.iterations), 5)


def test_record_does_not_change_the_run():
    np.testing.assert_array_equal(run(record=3).x, run(record=300).x)


def test_converged():
    good = run([4.0, 1.0], max_iterations=5000)
    assert good.converged
    assert good.optimality < 1e-8
    short = run([4.0, 1.0], max_iterations=5)
    assert not short.converged
    assert "After 5 iterations" in short.message
    assert not run([4.0, -1.0], max_iterations=5000).converged


@pytest.mark.parametrize("perturbation", [0.0, 0.4])
def test_divergence_is_reported_and_never_nan(perturbation):
    with pytest.warns(RuntimeWarning, match="step size is too large"):
        result = run(step_size=5.0, alpha=2.0, perturbation=perturbation)
    assert not result.converged
    assert np.all(np.isfinite(result.x))
    assert np.all(np.isfinite(result.path.x))


@settings(max_examples=20)
@given(unit=st.sampled_from([1e-40, 1e-3, 10.0, 1e40]), depth=st.sampled_from([2, 3, 4]))
def test_units_do_not_matter(unit, depth):
    """With T -> u T the path scales by u, if the start and the step size do."""
    plain = run(depth=depth)
    scaled = run(
        np.multiply(LEVELS, unit),
        depth=depth,
        alpha=0.3 * unit ** (1 / depth),
        step_size=0.02 * unit ** (2 / depth - 2),
    )
    np.testing.assert_allclose(scaled.path.x / unit, plain.path.x, atol=1e-11)


def test_order_of_the_eigenvalues_is_the_callers():
    np.testing.assert_array_equal(run(LEVELS[::-1]).x, run().x[::-1])


def test_an_ordinary_run_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run()
        diagonal_flow([*LEVELS, -1e3, 1e3, 1e-300], depth=2, alpha=0.1, times=[0, 1, 1e6])
        diagonal_flow([*LEVELS, -1e3, 1e3, 1e-300], depth=3, alpha=0.1, times=[0, 1, 1e4])


# --- Flow ---


@pytest.mark.parametrize("depth", [2, 2.5, 3, 5])
@pytest.mark.parametrize("alpha", [0.2, 1.5])
def test_flow_against_an_integrator(depth, alpha):
    """From below and from above the eigenvalues, positive, zero and negative."""
    levels, times = np.array(LEVELS), np.linspace(0, 30, 100)
    reference = solve_ivp(
        lambda t, d: d ** (depth - 1) * (levels - d**depth),
        (0, 30),
        np.full(5, alpha),
        "Radau",
        times,
        rtol=1e-10,
        atol=1e-12,
    )
    found = diagonal_flow(levels, depth=depth, alpha=alpha, times=times)
    np.testing.assert_allclose(found, reference.y.T**depth, atol=1e-6)


@pytest.mark.parametrize("depth, alpha", [(2, 1e-8), (3, 1e-3), (4, 1e-2)])
def test_flow_is_at_the_fraction_at_the_learning_time(depth, alpha):
    levels = np.array([5.0, 2.0, 0.3])
    for fraction in (0.05, 0.5, 0.95):
        times = learning_time(levels, depth=depth, alpha=alpha, fraction=fraction)
        found = diagonal_flow(levels, depth=depth, alpha=alpha, times=times)
        np.testing.assert_allclose(np.diag(found), fraction * levels, rtol=1e-5)


def test_flow_starts_at_the_start():
    np.testing.assert_allclose(diagonal_flow(LEVELS, depth=3, alpha=0.5, times=[0.0]), [[0.125] * 5])


@given(level=st.floats(0.01, 100), depth=st.floats(2, 6), share=st.floats(1e-3, 0.9), fraction=st.floats(0.91, 0.999))
@settings(max_examples=30)
def test_learning_time_is_the_integral(level, depth, share, fraction):
    alpha, end = (share * level) ** (1 / depth), (fraction * level) ** (1 / depth)
    expected = quad(lambda x: 1 / (x ** (depth - 1) * (level - x**depth)), alpha, end, limit=200)[0]
    assert learning_time(level, depth=depth, alpha=alpha, fraction=fraction) == pytest.approx(expected, rel=1e-6)


def test_a_matrix_of_long_doubles():
    values, _ = eigendecomposition(np.array([[0.0, 2.0], [2.0, 0.0]], np.longdouble))
    np.testing.assert_allclose(values, [2.0, -2.0])
    with np.errstate(over="raise"), pytest.raises(ValueError, match=r"^target must be .* finite"):
        eigendecomposition(np.array([[np.longdouble("1e400")]]))


def test_numbers_at_the_ends_of_float64():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        huge = diagonal_flow([1.7e308, -1.7e308, 0.0], depth=2, alpha=0.1, times=[0.0, 1e308])
        np.testing.assert_allclose(huge, [[0.01] * 3, [1.7e308, 0.0, 0.0]], rtol=1e-13)
        assert np.all(plateau_intervals([4.0, 1.0], depth=3, alpha=0.01, step_size=5e-324)[:, 0] == np.inf)
        for eigenvalue in (1e300, 1.7e308):
            with pytest.raises(ValueError, match=r"^step_size"):
                plateau_intervals([eigenvalue], depth=3, alpha=0.01, step_size=0.01)
        with pytest.raises(ValueError, match=r"^alpha"):
            learning_time(1.0, depth=1.7e308, alpha=0.1)


def test_learning_time_of_what_is_learned_already_or_never():
    times = learning_time([-1.0, 0.0, 1e-4, 1.0], depth=3, alpha=0.1)
    assert times[:3].tolist() == [np.inf, np.inf, 0]
    assert np.shape(learning_time(1.0, depth=3, alpha=0.1)) == ()


# --- Plateaus ---


def test_plateaus_leave_out_what_is_not_reached():
    assert effective_rank_plateaus([0.0, 2.0, -8.0, 4.0]).tolist() == [1, 1.5]


@pytest.mark.parametrize("depth, alpha", [(2, 1e-8), (3, 1e-2), (4, 5e-2)])
def test_intervals_hold_for_the_descent(depth, alpha):
    levels = np.array([4.0, 1.0, 0.3])
    eta = 0.1 / (depth * 4 ** (2 - 2 / depth))
    intervals = plateau_intervals(levels, depth=depth, alpha=alpha, step_size=eta, epsilon=0.1, delta=0.02)
    assert intervals[-1, 1] == np.inf
    assert np.all(intervals[:, 0] < intervals[:, 1])
    last = int(intervals[-1, 0])
    x = run(levels, depth=depth, alpha=alpha, step_size=eta, max_iterations=last, record=last).path.x
    learned, begun = (np.argmax(x >= goal, axis=0) for goal in (0.9 * levels, 0.02 * np.max(levels)))
    assert np.all(learned <= intervals[:, 0])
    assert np.all(begun[1:] > intervals[:-1, 1])


def test_equal_eigenvalues_have_no_plateau_between_them():
    first, last = plateau_intervals([2.0, 2.0, 1.0], depth=3, alpha=0.01, step_size=0.01)[0]
    assert first > last
