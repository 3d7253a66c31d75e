"""The instances of the benchmark of non-negative least squares are what their names say."""

import numpy as np
import pytest
from scipy.optimize import nnls
from scipy.sparse import issparse

from benchmarks.nnls.families import INSTANCES

SHORT = [name for name, instance in INSTANCES.items() if instance.short]
# Drawn by the same function as two others, which takes longer than all others together.
AGAIN = [name for name in SHORT if name != "condition 1e2"]


@pytest.fixture(scope="module")
def problem(name):
    """The instance, drawn once for all tests of it."""
    return INSTANCES[name].draw()


def of_each(names):
    return pytest.mark.parametrize("name", names, scope="module")


@of_each(AGAIN)
def test_the_name_alone_decides_the_instance(name, problem):
    again = INSTANCES[name].draw()
    np.testing.assert_array_equal(problem.y, again.y)
    assert (abs(problem.A - again.A)).max() == 0


@of_each(SHORT)
def test_shape_is_that_of_the_name(name, problem):
    shape = [part for part in name.split() if "x" in part and part[0].isdigit()]
    A = problem.A
    assert not shape or shape[0] == f"{A.shape[0]}x{A.shape[1]}"
    assert issparse(A) == (INSTANCES[name].family in ("very sparse", "deblurring", "tomography"))


@of_each([name for name in INSTANCES if name.startswith("condition")])
def test_condition_number_is_that_of_the_name(name, problem):
    wanted = float(name.split()[1])
    if wanted < 1e4:  # its square can be told, in a seventh of the time
        eigenvalues = np.linalg.eigvalsh(problem.A.T @ problem.A)
        found = np.sqrt(eigenvalues[-1] / eigenvalues[0])
    else:
        found = np.linalg.cond(problem.A)
    assert found == pytest.approx(wanted, rel=1e-6)


@of_each(["uniform 2000x1000", "bernoulli 500x2000"])
def test_entries_are_not_negative_and_the_solution_is_sparse(name, problem):
    assert np.min(problem.A) >= 0
    assert (set(np.unique(problem.A)) == {0, 1}) == name.startswith("bernoulli")
    assert np.count_nonzero(nnls(problem.A, problem.y)[0]) < problem.A.shape[1] / 4


@of_each(["gaussian 200x100", "unmixing", "condition 1e3"])
def test_solution_is_unique_and_its_zeros_are_decided(problem):
    A, y = problem.A, problem.y
    x = nnls(A, y, maxiter=10 * A.shape[1])[0]
    sizes = np.linalg.norm(A, axis=0)
    slack = A.T @ (A @ x - y) / sizes
    assert np.min(sizes * x + np.abs(slack)) > 1e-9 * np.linalg.norm(y)
    assert np.linalg.matrix_rank(A[:, x > 0]) == np.count_nonzero(x)


def test_very_sparse_matrix_has_the_entries_it_should():
    A = INSTANCES["sparse 20000x10000"].draw().A
    assert A.nnz == 20 * A.shape[1]


def test_a_digit_is_not_among_the_others_and_all_are_there():
    problem = INSTANCES["digit by others"].draw()
    assert problem.A.shape == (64, 1796)
    assert np.min(np.linalg.norm(problem.A - problem.y[:, None], axis=0)) > 0
    assert INSTANCES["digits by pixels"].draw().A.shape == (1797, 64)
