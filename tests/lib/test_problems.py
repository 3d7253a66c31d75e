"""Instances: what the record holds, and that the seed alone decides it."""

import dataclasses

import numpy as np
import pytest
from implicit_bias.problems import (
    legendre_design,
    linear_regression,
    matrix_completion,
    matrix_sensing,
    matrix_target,
    noisy_digits,
    nonnegative_regression,
    observed_entries,
    separable,
    sparse_recovery,
    spectral_unmixing,
    weak_features,
)
from sklearn.datasets import load_digits


def test_record_of_sparse_recovery():
    problem = sparse_recovery(30, 12, 4, seed=7)
    assert problem.A.shape == (12, 30)
    assert np.count_nonzero(problem.x_true) == 4
    np.testing.assert_allclose(problem.A @ problem.x_true, problem.y)
    assert problem.drawn == "Gaussian 12 x 30, 4 non-zero signed entries, noise 0, seed 7"


def test_record_is_frozen():
    problem = sparse_recovery(5, 3, 1, seed=0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        problem.y = 0
    with pytest.raises(ValueError, match="read-only"):
        problem.A[0, 0] = 0


def test_seed_decides_everything():
    first, again, other = (sparse_recovery(30, 12, 4, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.A, again.A)
    np.testing.assert_array_equal(first.x_true, again.x_true)
    assert not np.array_equal(first.A, other.A)


def test_sign_does_not_change_the_rest_of_the_instance():
    signed, positive = (sparse_recovery(30, 12, 4, seed=1, signed=signed) for signed in (True, False))
    np.testing.assert_array_equal(signed.A, positive.A)
    np.testing.assert_array_equal(np.abs(signed.x_true), positive.x_true)


def test_columns_have_length_one_and_noise_its_size():
    problem = sparse_recovery(50, 2000, 3, seed=1, noise=0.1)
    np.testing.assert_allclose(np.linalg.norm(problem.A, axis=0), 1, atol=0.1)
    assert np.std(problem.y - problem.A @ problem.x_true) == pytest.approx(0.1, rel=0.1)


# --- Matrices ---


def test_matrix_target():
    levels = [3.0, 1.0, 0.0, -2.0]
    problem = matrix_target(levels, seed=0)
    target = problem.x_true.reshape(4, 4)
    np.testing.assert_array_equal(target, target.T)
    np.testing.assert_array_equal(problem.y, problem.x_true)
    np.testing.assert_array_equal(problem.A.toarray(), np.eye(16))
    np.testing.assert_allclose(np.linalg.eigvalsh(target), sorted(levels), atol=1e-14)


def test_noise_is_symmetric_and_leaves_the_truth():
    clean, noisy = (matrix_target(np.zeros(200), seed=0, noise=noise) for noise in (0.0, 0.3))
    np.testing.assert_array_equal(clean.x_true, noisy.x_true)
    noise = (noisy.y - noisy.x_true).reshape(200, 200)
    np.testing.assert_array_equal(noise, noise.T)
    assert np.std(noise[np.triu_indices(200, 1)]) == pytest.approx(0.3, rel=0.02)
    assert np.std(np.diag(noise)) == pytest.approx(0.3 * np.sqrt(2), rel=0.15)


def test_matrix_sensing():
    problem = matrix_sensing(12, 3, 4000, seed=1)
    X, A = problem.x_true.reshape(12, 12), problem.A.reshape(-1, 12, 12)
    np.testing.assert_array_equal(A, A.mT)
    assert np.linalg.matrix_rank(X) == 3
    assert np.linalg.eigvalsh(X)[0] > -1e-14
    np.testing.assert_allclose(problem.A @ problem.x_true, problem.y)
    assert np.linalg.norm(problem.y) == pytest.approx(np.linalg.norm(X), rel=0.05)


def test_matrix_completion():
    problem = matrix_completion(10, 2, 0.3, seed=1)
    assert problem.A.shape == (30, 100)
    np.testing.assert_array_equal(problem.A.sum(axis=1), 1)
    assert problem.A.sum(axis=0).max() == 1
    np.testing.assert_array_equal(problem.A @ problem.x_true, problem.y)
    assert np.linalg.matrix_rank(problem.x_true.reshape(10, 10)) == 2
    assert matrix_completion(3, 1, 1, seed=0).A.shape == (9, 9)
    assert "rank 2, seed 1" in problem.drawn


def test_observed_entries():
    problem = observed_entries([[1, 2, 3], [4, 5, 6]], [[True, False, True], [False, True, False]])
    np.testing.assert_array_equal(problem.y, [1, 3, 5])
    np.testing.assert_array_equal(problem.A @ np.arange(6), [0, 2, 4])
    np.testing.assert_array_equal(problem.x_true, np.arange(1.0, 7))


@pytest.mark.parametrize(
    "draw",
    [
        lambda seed: matrix_target([1.0, 2.0], seed=seed, noise=0.1),
        lambda seed: matrix_sensing(4, 2, 5, seed=seed),
        lambda seed: matrix_completion(4, 2, 0.5, seed=seed),
    ],
)
def test_seed_decides_the_matrices(draw):
    first, again, other = map(draw, (1, 1, 2))
    np.testing.assert_array_equal(first.y, again.y)
    assert not np.array_equal(first.y, other.y)
    with pytest.raises(ValueError, match="read-only"):
        (first.A if isinstance(first.A, np.ndarray) else first.A.data)[...] = 0


# --- Regression and classification ---


def test_linear_regression():
    problem = linear_regression(12, 30, seed=7, signal=3.0)
    assert problem.A.shape == (12, 30)
    assert np.linalg.norm(problem.x_true) == pytest.approx(3)
    np.testing.assert_allclose(problem.A @ problem.x_true, problem.y, atol=1e-14)
    noisy = linear_regression(10_000, 3, seed=7, noise=0.5)
    assert np.std(noisy.y - noisy.A @ noisy.x_true) == pytest.approx(0.5, rel=0.03)
    np.testing.assert_allclose(noisy.A.T @ noisy.A / 10_000, np.eye(3), atol=0.05)


def test_weak_features_are_nested():
    few, all_of_them = (weak_features(12, p, 50, seed=7, noise=0.1, signal=2.0) for p in (5, 50))
    np.testing.assert_array_equal(few.A, all_of_them.A[:, :5])
    np.testing.assert_array_equal(few.y, all_of_them.y)
    np.testing.assert_array_equal(few.x_true, all_of_them.x_true[:5])
    assert np.linalg.norm(all_of_them.x_true) == pytest.approx(2)


@pytest.mark.parametrize("n, p", [(2, 1), (2, 5), (31, 3), (100, 20)])
def test_separable_classes_have_the_gap(n, p):
    problem = separable(n, p, seed=7, gap=0.3)
    assert abs(np.sum(problem.y)) == n % 2
    assert np.linalg.norm(problem.x_true) == pytest.approx(1)
    assert np.min(problem.y * (problem.A @ problem.x_true)) >= 0.3 - 1e-12


@pytest.mark.parametrize("label_noise", [0, 0.2, 1])
def test_digits(label_noise):
    clean, noisy = noisy_digits(300, label_noise=0, seed=7), noisy_digits(300, label_noise=label_noise, seed=7)
    assert noisy.inputs.shape == (300, 64) and noisy.test_inputs.shape == (1497, 64)
    assert noisy.inputs.min() == 0 and noisy.inputs.max() == 1
    np.testing.assert_array_equal(noisy.inputs, clean.inputs)
    np.testing.assert_array_equal(noisy.test_labels, clean.test_labels)
    assert np.count_nonzero(noisy.labels != clean.labels) == 300 * label_noise
    assert set(noisy.labels) == set(range(10))


def test_digits_are_those_of_scikit_learn():
    pictures, labels = load_digits(return_X_y=True)
    digits = noisy_digits(1000, label_noise=0, seed=7)
    found = np.c_[np.vstack([digits.inputs, digits.test_inputs]) * 16, np.r_[digits.labels, digits.test_labels]]
    expected = np.c_[pictures, labels]
    np.testing.assert_array_equal(found[np.lexsort(found.T)], expected[np.lexsort(expected.T)])


def test_legendre_polynomials_are_orthonormal_but_for_their_weights():
    nodes, weights = np.polynomial.legendre.leggauss(40)
    design = legendre_design(nodes, 30)
    np.testing.assert_allclose((design.T * weights) @ design, np.diag(1.0 / np.arange(1, 31) ** 2), atol=1e-13)
    np.testing.assert_array_equal(legendre_design(nodes, 7), design[:, :7])


@pytest.mark.parametrize(
    "name, call",
    [
        ("n", lambda: linear_regression(0, 3, seed=0)),
        ("p", lambda: linear_regression(3, 0, seed=0)),
        ("noise", lambda: linear_regression(3, 3, seed=0, noise=-1)),
        ("signal", lambda: linear_regression(3, 3, seed=0, signal=np.nan)),
        ("seed", lambda: linear_regression(3, 3, seed=None)),
        ("n", lambda: weak_features(0, 1, 2, seed=0)),
        ("p", lambda: weak_features(3, 0, 2, seed=0)),
        ("p", lambda: weak_features(3, 3, 2, seed=0)),
        ("total", lambda: weak_features(3, 1, 0, seed=0)),
        ("n", lambda: separable(1, 2, seed=0, gap=0.1)),
        ("p", lambda: separable(3, 0, seed=0, gap=0.1)),
        ("gap", lambda: separable(3, 2, seed=0, gap=0)),
        ("n", lambda: noisy_digits(0, label_noise=0.1, seed=0)),
        ("n", lambda: noisy_digits(1797, label_noise=0.1, seed=0)),
        ("label_noise", lambda: noisy_digits(10, label_noise=1.1, seed=0)),
        ("label_noise", lambda: noisy_digits(10, label_noise=-0.1, seed=0)),
        ("t", lambda: legendre_design([1.1], 3)),
        ("t", lambda: legendre_design([np.nan], 3)),
        ("t", lambda: legendre_design([], 3)),
        ("p", lambda: legendre_design([0.5], 0)),
    ],
)
def test_wrong_input_of_regression_is_named(name, call):
    with pytest.raises(ValueError, match=rf"^{name}\b"):
        call()


# --- Non-negative unknowns ---


@pytest.mark.parametrize("binary", [False, True])
def test_nonnegative_regression(binary):
    problem = nonnegative_regression(30, 2000, 4, seed=7, binary=binary)
    assert problem.A.shape == (2000, 30)
    assert problem.A.min() >= 0 and problem.A.max() <= 1
    assert np.mean(problem.A) == pytest.approx(0.5, abs=0.01)
    assert np.var(problem.A) == pytest.approx(1 / 4 if binary else 1 / 12, rel=0.02)
    assert np.count_nonzero(problem.x_true) == 4
    assert np.all(problem.x_true[problem.x_true > 0] >= 0.5) and problem.x_true.max() <= 1.5
    np.testing.assert_allclose(problem.A @ problem.x_true, problem.y)
    noisy = nonnegative_regression(30, 2000, 4, seed=7, binary=binary, noise=0.3)
    assert np.std(noisy.y - noisy.A @ noisy.x_true) == pytest.approx(0.3, rel=0.1)


def test_spectra_are_smooth_and_between_zero_and_one():
    problem = spectral_unmixing(50, 400, 3, seed=7)
    assert problem.A.shape == (400, 50)
    assert problem.A.min() > 0 and problem.A.max() < 1
    assert np.max(np.abs(np.diff(problem.A, axis=0))) < 0.1
    assert np.count_nonzero(problem.x_true) == 3 and problem.x_true.sum() == pytest.approx(1)
    np.testing.assert_allclose(problem.A @ problem.x_true, problem.y)
    directions = problem.A / np.linalg.norm(problem.A, axis=0)
    assert np.min(directions.T @ directions) > 0.7  # correlated, as spectra are


@pytest.mark.parametrize(
    "draw",
    [
        lambda seed: nonnegative_regression(5, 8, 2, seed=seed),
        lambda seed: spectral_unmixing(5, 8, 2, seed=seed),
    ],
)
def test_seed_decides_the_nonnegative_problems(draw):
    first, again, other = map(draw, (1, 1, 2))
    np.testing.assert_array_equal(first.y, again.y)
    assert not np.array_equal(first.y, other.y)
    with pytest.raises(ValueError, match="read-only"):
        (first.A if isinstance(first.A, np.ndarray) else first.A.data)[...] = 0


@pytest.mark.parametrize(
    "name, call",
    [
        ("n", lambda: nonnegative_regression(0, 3, 1, seed=0)),
        ("m", lambda: nonnegative_regression(3, 1.5, 1, seed=0)),
        ("s", lambda: nonnegative_regression(3, 3, 4, seed=0)),
        ("noise", lambda: nonnegative_regression(3, 3, 1, seed=0, noise=-1)),
        ("n", lambda: spectral_unmixing(0, 3, 1, seed=0)),
        ("bands", lambda: spectral_unmixing(3, 0, 1, seed=0)),
        ("s", lambda: spectral_unmixing(3, 9, 4, seed=0)),
        ("noise", lambda: spectral_unmixing(3, 9, 1, seed=0, noise=np.nan)),
        ("seed", lambda: spectral_unmixing(3, 9, 1, seed=None)),
    ],
)
def test_wrong_input_of_nonnegative_problems_is_named(name, call):
    with pytest.raises(ValueError, match=rf"^{name}\b"):
        call()
