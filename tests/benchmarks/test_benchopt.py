"""The solver file for benchopt, as benchopt calls it; benchopt itself need not be there."""

import importlib
import sys
import types

import numpy as np
import pytest
from scipy.optimize import nnls
from scipy.sparse import csc_array

from benchmarks.nnls.families import INSTANCES


@pytest.fixture
def solver(monkeypatch):
    benchopt = types.ModuleType("benchopt")
    benchopt.BaseSolver = object
    monkeypatch.setitem(sys.modules, "benchopt", benchopt)
    monkeypatch.delitem(sys.modules, "benchmarks.benchopt_nnls", raising=False)
    yield importlib.import_module("benchmarks.benchopt_nnls").Solver()
    sys.modules.pop("benchmarks.benchopt_nnls", None)


@pytest.mark.parametrize("form", [np.asarray, np.asfortranarray, csc_array])
def test_smaller_tolerances_end_at_the_least_loss(solver, form):
    problem = INSTANCES["gaussian 200x100"].draw()
    solver.set_objective(X=form(problem.A), y=problem.y, fit_intercept=False)
    least = nnls(problem.A, problem.y)[1]
    for tolerance in (1e38, 1.0, 1e-3, 1e-8, 0.0):  # benchopt begins with a huge one
        solver.run(tolerance)
        beta = solver.get_result()["beta"]
        assert beta.shape == (100,) and np.all(beta >= 0)
        assert np.linalg.norm(problem.A @ beta - problem.y) <= np.linalg.norm(problem.y)
    assert np.linalg.norm(problem.A @ beta - problem.y) == pytest.approx(least, rel=1e-12)


def test_it_says_what_it_cannot_do(solver):
    assert solver.skip(None, None, fit_intercept=True)[0] and solver.skip(None, None, fit_intercept=True)[1]
    assert not solver.skip(None, None)[0]
    assert (solver.name, solver.sampling_strategy) == ("implicit-bias", "tolerance")
