"""Random trials of `nnls`: problems of many kinds in many forms, against independent references in extended precision.

``make trials`` draws 50000 problems, ``python -m tests.lib.trials NUMBER FIRST`` as many as wanted, from the seed FIRST on.
"""

import sys
import warnings
from collections import Counter
from fractions import Fraction
from time import process_time

import numpy as np
import scipy.sparse as sparse
from implicit_bias import nnls
from scipy.linalg import hilbert, lstsq
from scipy.optimize import nnls as lawson_hanson
from scipy.sparse.linalg import aslinearoperator

SPARSE = ("bsr", "coo", "csc", "csr", "dia", "dok", "lil")
FORMS = {"dense": np.asarray, "columns": np.asfortranarray, "operator": aslinearoperator}
FORMS |= {f"{name}_{kind}": getattr(sparse, f"{name}_{kind}") for name in SPARSE for kind in ("array", "matrix")}


def _collinear(rng, m, n):
    return rng.random((m, 1)) + 10 ** rng.uniform(-6, -1) * rng.standard_normal((m, n))


def _deficient(rng, m, n):
    rank = rng.integers(1, min(m, n) + 1)
    return rng.standard_normal((m, rank)) @ rng.standard_normal((rank, n))


def _duplicates(rng, m, n):
    return rng.standard_normal((m, n))[:, rng.integers(n, size=n)]


def _laplace(rng, m, n):
    return np.exp(-np.outer(np.geomspace(1e-2, 10, m), np.geomspace(1e-1, 1e2, n)))


KINDS = {
    "gaussian": lambda rng, m, n: rng.standard_normal((m, n)),
    "uniform": lambda rng, m, n: rng.random((m, n)),
    "integer": lambda rng, m, n: rng.integers(-3, 4, (m, n)).astype(float),
    "rank deficient": _deficient,
    "collinear": _collinear,
    "vandermonde": lambda rng, m, n: np.vander(rng.random(m), n),
    "hilbert": lambda rng, m, n: hilbert(max(m, n))[:m, :n],
    "bernoulli": lambda rng, m, n: rng.integers(0, 2, (m, n)).astype(float),
    "laplace": _laplace,
    "duplicates": _duplicates,
    "both signs": lambda rng, m, n: rng.standard_normal((m, 1)) * rng.choice([-1.0, 1.0], n) * rng.uniform(0.5, 2, n),
    "near copies": lambda rng, m, n: (
        _duplicates(rng, m, n) * (1 + 10 ** rng.uniform(-12, -3) * rng.standard_normal((m, n)))
    ),
    "triangular": lambda rng, m, n: np.triu(rng.standard_normal((m, n))),
}


def draw(seed):
    """The kind, the form and the dense entries of a problem, and its data."""
    rng = np.random.default_rng(seed)
    m, n = np.exp(rng.uniform(0, np.log([60, 60]))).astype(int) + 1
    kind = list(KINDS)[seed % len(KINDS)]
    A = KINDS[kind](rng, m, n)
    if rng.random() < 0.2:
        A = A * (rng.random((m, n)) < 0.3)
    if rng.random() < 0.1:
        A[rng.random(m) < 0.3] = 0
    if rng.random() < 0.1:
        A[:, rng.random(n) < 0.3] = 0
    if rng.random() < 0.2:
        spread = rng.choice([2, 4, 8])
        A = A * 10 ** rng.uniform(-spread, spread, (m, 1))
        kind += ", rows"
    form = rng.choice(list(FORMS))
    single = rng.random() < 0.1
    if rng.random() < 0.25 and not single:
        spread = rng.choice([8, 100])
        A = A * 10 ** rng.uniform(-spread, spread, n)
        kind += ", columns"
    A = A.astype(np.float32 if single else float)
    lengths = np.linalg.norm(A.astype(np.longdouble), axis=0).astype(float)
    B = A / np.where(lengths > 0, lengths, 1)
    truth = np.where(rng.random(n) < 0.5, rng.random(n), 0)
    exact, noise = B @ truth, rng.standard_normal(m) * np.max(np.abs(B), axis=1, initial=0)
    y = [exact, noise, exact + 1e-3 * noise, rng.standard_normal(m)][rng.choice(4, p=[0.2, 0.3, 0.3, 0.2])]
    return kind, form, A, y * 10 ** rng.choice([0, rng.uniform(-100, 100)])


def least(A, y):
    """The least loss found by the references, in extended precision, relative to that of zero; and the seconds SciPy took."""
    lengths = np.linalg.norm(A.astype(np.longdouble), axis=0).astype(float)
    lengths[lengths == 0] = 1.0
    size = np.max(np.abs(y), initial=0) or 1.0
    B, b = A / lengths, y / size
    order = np.argsort(-np.max(np.abs(B), axis=1, initial=0), kind="stable")
    found, seconds = [np.zeros(A.shape[1])], np.inf
    for use in (slice(None), order):
        start = process_time()
        try:
            found.append(lawson_hanson(B[use], b[use], maxiter=30 * len(lengths))[0])
        except RuntimeError:
            continue
        seconds = min(seconds, process_time() - start)
    found.append(interior_point(B[order], b[order]))
    # A vector whose rounding is a thousandth of the data is not a solution in float64.
    found = [x for x in found if np.sum(x) <= 1e12]
    with np.errstate(over="ignore", invalid="ignore"):
        return np.nanmin([loss(A, y, x / lengths * size) for x in found]), seconds


def loss(A, y, x):
    """``|A x - y|^2 / |y|^2`` in extended precision."""
    y = y.astype(np.longdouble)
    return np.sum((A.astype(np.longdouble) @ x.astype(np.longdouble) - y) ** 2) / (np.sum(y**2) or 1)


def exact_loss(A, y, x):
    """The same in rational arithmetic, where the digits of the extended precision do not suffice."""
    x, y = [[Fraction(float(v)) for v in vector] for vector in (x, y)]
    rows = [[Fraction(float(v)) for v in row] for row in A]
    errors = [sum(a * v for a, v in zip(row, x, strict=True)) - b for row, b in zip(rows, y, strict=True)]
    return float(sum(e * e for e in errors) / (sum(b * b for b in y) or 1))


def interior_point(B, b, steps=25):
    """A primal and dual method that solves least-squares problems, never normal equations; then the face that it finds."""
    n = B.shape[1]
    x, z, M = np.ones(n), np.ones(n), np.vstack([B, np.eye(n)])
    for _ in range(steps):
        weight = np.sqrt(z / x)
        target = 0.1 * (x @ z) / n
        # min |B v - b|^2 + |weight (v - x)|^2 - 2 <target / x - z, v - x>, in v - x
        np.fill_diagonal(M[len(B) :], weight)
        right = np.concatenate([b - B @ x, (target / x - z + z) / weight])
        dx = lstsq(M, right, lapack_driver="gelsy", check_finite=False)[0]  # by QR, twice as fast as by singular values
        dz = target / x - z - z / x * dx
        step = min(1, 0.99 / max(np.max(-dx / x), np.max(-dz / z), 1e-9))
        x, z = np.maximum(x + step * dx, 1e-200), np.maximum(z + step * dz, 1e-200)
        if not np.all(np.isfinite(x + z)) or x @ z < 1e-28:
            break
    face = np.flatnonzero(x > z)
    exact = np.zeros(n)
    if len(face):
        exact[face] = np.linalg.lstsq(B[:, face], b, rcond=None)[0]
    return exact if np.all(exact >= 0) and np.all(np.isfinite(exact)) else np.where(np.isfinite(x), x, 0)


def judge(seed):
    """What came out of a trial: "right", "honest failure" or "wrong: ..."; and whether it was slow."""
    kind, form, A, y = draw(seed)
    reference, seconds = least(A, y)
    given, used, slow = FORMS[form](A), np.inf, True
    for _ in range(10):  # what else runs on the machine is no reason to be slow
        start = process_time()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                result = nnls(given, y)
        except Exception as error:  # whatever it is, it is wrong
            return f"wrong: {error!r}", False, f"{kind} {form} {A.shape}"
        used = min(used, process_time() - start)
        slow = used > 1 or (max(A.shape) < 100 and used > 50 * max(seconds, 2e-5))
        if not slow:
            break
    what = f"{kind}, {form} {A.shape[0]}x{A.shape[1]}: {result.message}"
    value, data = loss(A, y, result.x), float(np.sqrt(np.sum(y.astype(np.longdouble) ** 2))) or 1.0
    bound = (1 + 1e-6) * reference + 1e-24
    rounding = 1e-15 * np.sum(np.linalg.norm(A.astype(np.longdouble), axis=0) * result.x) / data
    if not (np.all(result.x >= 0) and np.all(np.isfinite(result.x))):
        verdict = "wrong: negative or not finite"
    elif abs(result.residual_norm / data - np.sqrt(value)) > 1e-9 + rounding:
        verdict = "wrong: residual"
    elif result.converged and value > bound and exact_loss(A, y, result.x) > bound:
        verdict = "wrong: converged"
    else:
        verdict = "right" if result.converged else "honest failure"
    return (
        verdict,
        slow,
        f"{what} {float(value):.3e} {float(reference):.3e} {1e3 * used:.2f} ms, {1e3 * seconds:.2f} ms",
    )


def run(number, first=0, show=print):
    """How often each verdict came, and how many trials were slow; `show` is told what was not right."""
    counts = Counter()
    for seed in range(first, first + number):
        verdict, slow, what = judge(seed)
        counts[verdict.split(":")[0]] += 1
        counts["slow"] += slow
        if verdict != "right" or slow:
            show(f"{seed} {verdict}{', slow' * slow}: {what}")
    return counts


if __name__ == "__main__":
    number, first = [int(argument) for argument in [*sys.argv[1:], 0][:2]]
    totals = run(number, first)
    print(", ".join(f"{name}: {totals[name]}" for name in ("right", "honest failure", "wrong", "slow")))
