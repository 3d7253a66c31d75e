"""The instances of the benchmark of non-negative least squares are what their names say."""

import numpy as np
import pytest
from scipy.optimize import nnls
from scipy.sparse import issparse

from benchmarks.nnls.families import INSTANCES

SHORT = [name for name, instance in INSTANCES.items() if instance.short]


def dense(problem):
    return problem.A.toarray() if issparse(problem.A) else problem.A


@pytest.mark.parametrize("name", SHORT)
def test_the_name_alone_decides_the_instance(name):
    first, again = INSTANCES[name].draw(), INSTANCES[name].draw()
    np.testing.assert_array_equal(first.y, again.y)
    assert (abs(first.A - again.A)).max() == 0


@pytest.mark.parametrize("name", SHORT)
def test_shape_is_that_of_the_name(name):
    shape = [part for part in name.split() if "x" in part and part[0].isdigit()]
    A = INSTANCES[name].draw().A
    assert not shape or shape[0] == f"{A.shape[0]}x{A.shape[1]}"
    assert issparse(A) == (INSTANCES[name].family in ("very sparse", "deblurring", "tomography"))


@pytest.mark.parametrize("name", [name for name in INSTANCES if name.startswith("condition")])
def test_condition_number_is_that_of_the_name(name):
    assert np.linalg.cond(INSTANCES[name].draw().A) == pytest.approx(float(name.split()[1]), rel=1e-6)


@pytest.mark.parametrize("name", ["uniform 2000x1000", "bernoulli 500x2000"])
def test_entries_are_not_negative_and_the_solution_is_sparse(name):
    problem = INSTANCES[name].draw()
    assert np.min(problem.A) >= 0
    assert (set(np.unique(problem.A)) == {0, 1}) == name.startswith("bernoulli")
    assert np.count_nonzero(nnls(problem.A, problem.y)[0]) < problem.A.shape[1] / 4


@pytest.mark.parametrize("name", ["gaussian 200x100", "unmixing", "condition 1e3"])
def test_solution_is_unique_and_its_zeros_are_decided(name):
    problem = INSTANCES[name].draw()
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
