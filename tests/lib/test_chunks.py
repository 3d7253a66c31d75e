"""Matrices that no machine has in memory: the solver sees sums over chunks, and nothing else."""

import os
import re
import signal
from collections import Counter
from functools import partial

import numpy as np
import pytest
from implicit_bias import NNLS, nnls
from implicit_bias._backends import Chunks, Dense
from implicit_bias._normalized import NormalizedProblem
from implicit_bias._support import WorkingSet
from scipy.optimize import nnls as lawson_hanson
from scipy.sparse import csr_array

from tests.shared import CHAPTERS

dask = pytest.importorskip("dask", reason="dask comes with the extra `cluster`")
array = pytest.importorskip("dask.array")


def instance(kind, seed, m=900, n=300):
    rng = np.random.default_rng(seed)
    A = rng.random((m, n)) if kind == "uniform" else rng.standard_normal((m, n))
    if kind == "scaled":
        A *= 10.0 ** rng.uniform(-80, 80, n)
    x = np.where(rng.random(n) < 0.3, rng.random(n), 0.0) / np.linalg.norm(A, axis=0)
    y = A @ x
    return A, y + 0.1 * np.linalg.norm(y) / np.sqrt(m) * rng.standard_normal(m)


def read_only(graph, keys, **options):
    """A scheduler whose results cannot be written to, like what workers have sent."""

    def frozen(value):
        if isinstance(value, np.ndarray):
            value = value.copy()
            value.flags.writeable = False
            return value
        return list(map(frozen, value)) if isinstance(value, (list, tuple)) else value

    return frozen(dask.get(graph, keys, **options))


@pytest.mark.parametrize("options", [{}, {"tikhonov": 0.1}, {"sum_to": 1.0}, {"upper": 0.5}], ids=str)
@pytest.mark.parametrize("kind", ["uniform", "scaled"])
def test_nothing_that_a_worker_has_sent_is_written_to(kind, options):
    A, y = instance(kind, 0, 1500, 200)
    expected = nnls(A, y, **options)
    with dask.config.set(scheduler=read_only):
        found = nnls(array.from_array(A, chunks=(375, 200)), y, **options)
        many = nnls(array.from_array(A, chunks=(375, 200)), np.stack([y, -y, 2 * y], axis=1), **options)
    if kind == "uniform" or "sum_to" not in options:  # a given sum, of columns from 1e-80 to 1e80, is for luck to meet
        assert found.converged and expected.converged
        assert found.residual_norm == pytest.approx(expected.residual_norm, rel=1e-6)
    assert many.x.shape == (200, 3)


@pytest.mark.parametrize("kind", ["uniform", "gaussian", "scaled"])
@pytest.mark.parametrize("chunks", [(100, 300), (250, 77), (900, 40)])
def test_chunks_have_the_solution_of_the_whole(kind, chunks, monkeypatch):
    A, y = instance(kind, 0)
    largest = []
    compute = array.Array.compute

    def watched(self, **options):
        largest.append(self.size)
        return compute(self, **options)

    monkeypatch.setattr(array.Array, "compute", watched)
    found = nnls(array.from_array(A, chunks=chunks), y, tol=1e-10)
    units = np.linalg.norm(A, axis=0)
    expected = lawson_hanson(A / units, y)[0]
    assert found.converged
    np.testing.assert_allclose(found.x * units, expected, rtol=0, atol=1e-8 * expected.max())
    assert max(largest) < A.size, "the whole matrix was loaded"


def test_each_method_is_that_of_a_matrix_in_memory():
    """Over all shapes of chunks; columns of extreme size, integers and single precision too."""
    rng = np.random.default_rng(1)
    for m, n, kind in [(7, 5, float), (40, 90, np.float32), (90, 40, np.int64), (1, 3, float), (3, 1, bool)]:
        A = (10 * rng.standard_normal((m, n))).astype(kind)
        chunked, dense = (
            Chunks(array.from_array(A, chunks=(rng.integers(1, m + 1), rng.integers(1, n + 1)))),
            Dense(A),
        )
        u, v, r = rng.standard_normal(n), rng.standard_normal(n), rng.standard_normal(m)
        left, right = rng.permutation(n)[: n // 2 + 1], rng.permutation(n)[: n // 3 + 1]
        calls = {"forward": (u,), "backward": (r,), "column_norms": (), "columns": (left,)}
        for name, arguments in calls.items():
            ours, theirs = (np.array(getattr(matrix, name)(*arguments)) for matrix in (chunked, dense))
            assert ours.dtype == theirs.dtype == float
            np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)
        for ours, theirs in zip(*(matrix.normal(v) for matrix in (chunked, dense)), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-9)
        for pair in ((left, right), (left, left)):
            ours, theirs = (matrix.inner(*map(matrix.part, pair)) for matrix in (chunked, dense))
            np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)
        assert chunked.products == dense.products
    A = np.array([[3e200, 3e-200, 0.0], [4e200, 4e-200, 0.0]])
    np.testing.assert_allclose(Chunks(array.from_array(A, chunks=1)).column_norms(), [5e200, 5e-200, 0])


def test_a_product_and_that_with_the_transpose_read_each_chunk_once():
    A, reads = np.random.default_rng(2).standard_normal((800, 30)), []

    def rows(start):
        reads.append(start)
        return A[start : start + 100]

    parts = [array.from_delayed(dask.delayed(rows, pure=True)(start), (100, 30), float) for start in range(0, 800, 100)]
    for chunks in (parts, [part.rechunk((100, 7)) for part in parts]):
        reads.clear()
        Chunks(array.concatenate(chunks)).normal(np.ones(30))
        assert sorted(reads) == list(range(0, 800, 100))


def test_bad_chunks_are_refused():
    A = array.ones((600, 500), chunks=100)
    y = np.ones(600)
    for wrong, message in [
        (A * 1j, "A must be real"),
        (A[A[:, 0] > 0], "chunks of known sizes"),
        (A[:, 0], "two dimensions"),
        (A * np.nan, "A must be finite"),
    ]:
        with pytest.raises(ValueError, match=message):
            nnls(wrong, y)
        with pytest.raises(ValueError, match=message):
            nnls(wrong, y, upper=1.0)
        with pytest.raises(ValueError, match=message):
            NNLS(wrong).solve(np.stack([y, y], axis=1))


CONSTRAINTS = {
    "weights": lambda m, n, rng: {"weights": rng.random(m)},
    "tikhonov": lambda m, n, rng: {"tikhonov": 10 * rng.random(n)},
    "sum": lambda m, n, rng: {"sum_to": 3.0},
    "upper": lambda m, n, rng: {"upper": 0.5 + rng.random(n)},
    "all rows": lambda m, n, rng: {"weights": rng.random(m), "tikhonov": 0.1, "upper": 0.3},
}


class Counted:
    """A matrix that is known by these methods, each of which is counted."""

    def __init__(self, A, *methods):
        self._A, self.shape, self.calls = A, A.shape, Counter()
        for name in ("matvec", "rmatvec", *methods):
            setattr(self, name, partial(self._called, name))

    def _called(self, name, *arguments):
        self.calls[name] += 1
        A = self._A
        value = {
            "matvec": lambda v: A @ v,
            "rmatvec": lambda r: A.T @ r,
            "column_norms": lambda: np.linalg.norm(A, axis=0),
            "columns": lambda indices: A[:, indices],
            "gram": lambda indices: A[:, indices].T @ A[:, indices],
        }[name](*arguments)
        value.flags.writeable = False  # whoever owns it keeps it
        return value


KINDS = {
    "chunks": lambda A: array.from_array(A, chunks=(250, -1)),
    "own": lambda A: Counted(A, "column_norms", "columns", "gram"),
    "products": Counted,
}


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("name", list(CONSTRAINTS))
@pytest.mark.parametrize("shape", [(900, 300), (30, 8)])
def test_constraints_without_the_matrix_in_memory(kind, name, shape, monkeypatch):
    largest, compute = [0], array.Array.compute
    monkeypatch.setattr(array.Array, "compute", lambda self, **o: largest.append(self.size) or compute(self, **o))
    A, y = instance("uniform", 5, *shape)
    options = CONSTRAINTS[name](*shape, np.random.default_rng(6))
    found, expected = nnls(KINDS[kind](A), y, tol=1e-10, **options), nnls(A, y, tol=1e-10, **options)
    assert found.converged
    np.testing.assert_allclose(found.x, expected.x, rtol=0, atol=1e-6 * expected.x.max())
    assert max(largest) < A.size or A.size < 1000, "the whole matrix was loaded"


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("shape", [(900, 300), (30, 8)])
def test_several_data_without_the_matrix_in_memory(kind, shape):
    A, y = instance("uniform", 7, *shape)
    Y = np.stack([y, 2 * y + 0.01 * np.sin(np.arange(len(y))), -y], axis=1)
    for found in (nnls(KINDS[kind](A), Y, tol=1e-10), NNLS(KINDS[kind](A)).solve(Y, tol=1e-10)):
        assert found.converged
        for k in range(3):
            expected = lawson_hanson(A, Y[:, k])[0]
            np.testing.assert_allclose(found.x[:, k], expected, rtol=0, atol=1e-7 * max(1, expected.max()))


@pytest.mark.parametrize(
    "methods", [(), ("column_norms",), ("columns",), ("gram",), ("column_norms", "columns", "gram")]
)
@pytest.mark.parametrize("kind", ["uniform", "gaussian"])
def test_an_object_is_asked_for_what_it_has(kind, methods):
    A, y = instance(kind, 8)
    own = Counted(A, *methods)
    found = nnls(own, y, tol=1e-10)
    expected = lawson_hanson(A, y)[0]
    assert found.converged
    np.testing.assert_allclose(found.x, expected, rtol=0, atol=1e-8 * expected.max())
    products = own.calls["matvec"] + own.calls["rmatvec"]
    assert abs(found.products - products) <= 1, "each product is counted"
    asked = {name for name in own.calls if "matvec" not in name}
    assert asked == set(methods) - ({"columns"} if "gram" in methods else set())
    with_nothing = nnls(Counted(A), y, tol=1e-10)
    spared = with_nothing.products / 2 if {"columns", "gram"} & asked else 0
    assert products < with_nothing.products - spared or methods in ((), ("column_norms",))


@pytest.mark.parametrize(
    ("method", "broken", "message"),
    [
        ("column_norms", lambda A: np.ones(7), r"A.column_norms\(\) must have shape \(300,\), got \(7,\)"),
        ("column_norms", lambda A: -np.linalg.norm(A, axis=0), r"A.column_norms\(\) must not be negative"),
        ("columns", lambda A, indices: np.ones((3, 3)), r"A.columns\(indices\) must have shape \(900, "),
        ("columns", lambda A, indices: np.nan * A[:, indices], r"A.columns\(indices\) must be finite"),
        ("gram", lambda A, indices: np.ones(4), r"A.gram\(indices\) must have shape"),
        ("gram", lambda A, indices: np.full((len(indices),) * 2, np.inf), r"A.gram\(indices\) must be finite"),
        ("matvec", lambda A, v: 1j * (A @ v), r"A.matvec\(v\) must have real entries"),
        ("matvec", lambda A, v: A[:5] @ v, r"A.matvec\(v\) must have shape \(900,\), got \(5,\)"),
        ("rmatvec", lambda A, r: np.nan * (A.T @ r), r"A.rmatvec\(r\) must be finite"),
    ],
)
def test_an_object_that_answers_wrongly_is_refused(method, broken, message):
    A, y = instance("uniform", 9)
    own = Counted(A, "column_norms")
    setattr(own, method, partial(broken, A))
    with pytest.raises(ValueError, match=message):
        nnls(own, y)


def test_an_object_without_what_is_needed_is_refused():
    A, y = instance("uniform", 9)
    own = Counted(A)
    for shape in ((900,), None, 900, (900.0, 300.0), (-900, 300)):
        own.shape = shape
        with pytest.raises(ValueError, match="A must have two dimensions"):
            nnls(own, y)
    del own.rmatvec
    with pytest.raises(ValueError, match="A must have `shape` and `rmatvec`"):
        nnls(own, y)


@pytest.mark.parametrize("shape", [(900, 300), (30, 8), (5, 0), (0, 5)])
def test_an_object_is_given_vectors_and_may_return_columns_and_sparse_matrices(shape):
    A, y = instance("uniform", 10)
    A, y = A[: shape[0], : shape[1]], y[: shape[0]]

    class Own:
        def __init__(self):
            self.shape = shape

        def matvec(self, v):
            assert v.ndim == 1
            return (A @ v)[:, None]

        def rmatvec(self, r):
            assert r.ndim == 1
            return (A.T @ r)[:, None]

        def gram(self, indices):
            return csr_array(A[:, indices].T @ A[:, indices])

    for options in ({}, {"upper": 1.0}) if A.size else ({},):
        found, expected = nnls(Own(), y, tol=1e-10, **options), nnls(A, y, tol=1e-10, **options)
        assert found.converged
        np.testing.assert_allclose(found.x, expected.x, rtol=0, atol=1e-7)


def test_a_support_may_turn_out_to_be_empty():
    """The equations on it are none, which LAPACK does not take."""
    problem = NormalizedProblem(np.eye(4) + 0.1, np.ones(4))
    working = WorkingSet(problem, np.arange(4))
    assert working.factor(np.zeros(4, bool))(np.ones(4)).tolist() == [0, 0, 0, 0]


def test_a_run_is_resumed_from_what_its_callback_has_kept():
    A, y = instance("uniform", 2, 1200, 400)
    chunked = array.from_array(A, chunks=(200, 400))
    kept = []

    def stop(progress):
        kept.append(progress.x)
        if progress.iterations == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        nnls(chunked, y, callback=stop)
    resumed, whole = nnls(chunked, y, x0=kept[-1], tol=1e-10), nnls(A, y, tol=1e-10)
    assert resumed.converged
    np.testing.assert_allclose(resumed.x, whole.x, atol=1e-8 * whole.x.max())


@pytest.mark.slow
@pytest.mark.usefixtures("loaded_workers")
def test_a_worker_that_dies_changes_nothing(tmp_path):
    """Two processes read the rows from a file. One is killed in mid-run, and its work is done again."""
    distributed = pytest.importorskip("distributed")
    A, y = instance("uniform", 3, 2000, 500)
    np.save(tmp_path / "A.npy", A)
    pieces = [
        array.from_delayed(rows_of_file(str(tmp_path / "A.npy"), start, start + 250), (250, 500), dtype=float)
        for start in range(0, 2000, 250)
    ]
    A_in_file = array.concatenate(pieces)
    killed = []

    def kill(progress):
        if progress.iterations == 1 and not killed:
            killed.append(min(client.run(os.getpid).values()))
            os.kill(killed[0], signal.SIGKILL)

    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
        found = nnls(A_in_file, y, tol=1e-10, callback=kill)
        assert killed and killed[0] not in client.run(os.getpid).values()
    expected = nnls(A, y, tol=1e-10)
    assert found.converged
    np.testing.assert_allclose(found.x, expected.x, rtol=0, atol=1e-10 * expected.x.max())


def rows_of_file(name, start, end):
    import dask

    return dask.delayed(lambda: np.load(name, mmap_mode="r")[start:end])()


@pytest.mark.slow
@pytest.mark.usefixtures("loaded_workers")
def test_the_code_of_the_page_on_large_matrices_runs(tmp_path, monkeypatch):
    """In its order, and whatever it calls `found` is the solution."""
    pytest.importorskip("distributed")
    page = (CHAPTERS / "beyond_memory.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    A, y = instance("uniform", 4, 1500, 600)
    expected = lawson_hanson(A, y)[0]
    np.save(tmp_path / "A.npy", A)
    np.save(tmp_path / "y.npy", y)
    monkeypatch.chdir(tmp_path)
    names, kinds = {}, set()
    for block in blocks:
        exec(compile(block, "beyond_memory", "exec"), names)
        kinds.add(type(names["A"]).__name__)
        if "found" in names:
            assert names["found"].converged
            np.testing.assert_allclose(names["found"].x, expected, rtol=0, atol=1e-8 * expected.max())
    np.testing.assert_allclose(names["x"], expected, rtol=0, atol=1e-4 * expected.max())
    assert len(blocks) == 7 and kinds == {"memmap", "Array"}
    assert names["bounded"].converged and names["bounded"].x.max() == 0.05
    np.testing.assert_allclose(names["several"].x.T, [expected, 2 * expected], atol=1e-6)
    assert (tmp_path / "x.npy").exists()
