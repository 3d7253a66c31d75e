"""Instances: what the record holds, and that the seed alone decides it."""

import dataclasses

import numpy as np
import pytest
from implicit_bias.problems import (
    as_image,
    matrix_completion,
    matrix_sensing,
    matrix_target,
    missing_pixels,
    observed_entries,
    sparse_recovery,
)


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


def test_missing_pixels_sees_pixels_of_the_image():
    image = np.random.default_rng(0).uniform(size=(6, 9))
    problem = missing_pixels(image, 0.5, seed=3)
    assert problem.A.shape == (27, 54)
    np.testing.assert_allclose(problem.A @ problem.x_true, problem.y)
    assert np.all(np.isin(problem.y, image))
    np.testing.assert_allclose(as_image(problem.x_true, image.shape), image)


def test_missing_pixels_operator_has_its_adjoint_and_orthonormal_rows():
    A = missing_pixels(np.eye(5), 0.4, seed=3).A
    dense = A @ np.eye(25)
    np.testing.assert_allclose(A.T @ np.eye(10), dense.T, atol=1e-14)
    np.testing.assert_allclose(dense @ dense.T, np.eye(10), atol=1e-14)
    x, y = np.random.default_rng(1).standard_normal((2, 25))
    np.testing.assert_allclose(A @ x, dense @ x)
    np.testing.assert_allclose(A.T @ y[:10], dense.T @ y[:10])


def test_all_pixels_and_one_pixel():
    assert missing_pixels(np.eye(4), 1, seed=0).A.shape == (16, 16)
    assert missing_pixels(np.eye(4), 1e-6, seed=0).A.shape == (1, 16)


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
