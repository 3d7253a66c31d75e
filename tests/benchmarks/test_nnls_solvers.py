"""Every installed solver of the benchmark of non-negative least squares solves tiny problems, at its tightest settings."""

import importlib.util

import numpy as np
import pytest
from implicit_bias.measures import kkt_residual
from scipy.sparse import csr_array, issparse

from benchmarks.nnls.families import INSTANCES
from benchmarks.nnls.runner import in_words, measured
from benchmarks.nnls.solvers import OURS, SOLVERS, TARGETS, Solver

INSTALLED = [name for name, solver in SOLVERS.items() if solver.installed]


@pytest.mark.filterwarnings("ignore")  # what they reached is measured
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
@pytest.mark.parametrize("name", INSTALLED)
def test_each_target_is_reached_by_a_setting(name, sparse):
    solver, problem = SOLVERS[name], INSTANCES["gaussian 20x10"].draw()
    A = solver.prepare(csr_array(problem.A) if sparse else problem.A)
    call = solver.load()
    for settings in solver.sequences:
        reached = []
        for setting in settings:
            result = call(A, problem.y, setting)
            x = getattr(result, "x", result)
            assert np.min(x) >= 0
            reached.append(kkt_residual(problem.A, problem.y, x, nonnegative=True))
        assert reached[0] <= 1e-2
        assert min(reached) <= TARGETS[1 if name == "L-BFGS-B" else 2]  # its line search gives up near 1e-9


def test_settings_go_from_loose_to_tight():
    for solver in SOLVERS.values():
        for settings in solver.sequences:
            tolerances = [setting[1] if isinstance(setting, tuple) else setting for setting in settings]
            assert tolerances == [None] or tolerances == sorted(tolerances, reverse=True)


def test_layout_is_the_one_asked_for():
    A = np.arange(6.0).reshape(2, 3)
    assert Solver("", "", "", (), layout="columns").prepare(A).flags.f_contiguous
    assert Solver("", "", "", (), layout="columns").prepare(csr_array(A)).format == "csc"
    assert not issparse(Solver("", "", "", (), layout="dense").prepare(csr_array(A)))
    assert Solver("", "", "", ()).prepare(A) is A


def test_a_dense_only_solver_is_spared_a_large_sparse_matrix():
    assert not SOLVERS["SciPy nnls"].applies_to(100_000, 100_000)
    assert SOLVERS["SciPy nnls"].applies_to(4096, 4096) and SOLVERS["L-BFGS-B"].applies_to(100_000, 100_000)


def test_what_the_installed_ones_need_is_what_their_name_says():
    for name in ("skglm", "ProxQP", "coordinate descent"):
        needs = {"ProxQP": "proxsuite", "coordinate descent": "numba"}.get(name, name)
        assert SOLVERS[name].installed == (importlib.util.find_spec(needs) is not None)


@pytest.mark.slow
@pytest.mark.parametrize("name", [OURS, "SciPy nnls", "L-BFGS-B"])
def test_process_of_its_own_measures_and_certifies(name):
    record = measured("gaussian 20x10", name, 10)
    assert record["installed"] and record["applies"]
    assert all(run["seconds"] > 0 for run in record["runs"])
    assert min(run["kkt"] for run in record["runs"]) < 1e-6
    assert (record["runs"][0]["products"] is not None) == (name == OURS)
    assert in_words(record).startswith("1e-04")


@pytest.mark.slow
def test_a_call_out_of_time_is_ended_and_said():
    record = measured("stars", "SciPy nnls", 0.1)
    assert record["runs"] == [{"error": "out of time"}]
    assert in_words(record) == "out of time"
