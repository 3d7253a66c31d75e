"""The page of reproduced papers: its code runs as printed, and every row agrees with something independent.

Where that is natural, a false version of the claim stands beside it and is refuted by the same numbers.
"""

import ast
import csv
import re
from pathlib import Path
from types import SimpleNamespace

import cvxpy as cp
import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy.integrate import solve_ivp
from scipy.optimize import linprog, lsq_linear

from benchmarks.squares import power, square
from tests.shared import CHAPTERS, ROOT

PAGE = (CHAPTERS / "papers.md").read_text(encoding="utf-8")
CELL = re.compile(r"^```\{code-cell\} ipython3\n((?:---\n.*?^---\n)?(?::[^\n]*\n)*)(.*?)^```$", re.S | re.M)
LABELS = re.findall(r"^\(paper-([\w-]+)\)=$", PAGE, re.M)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def row():
    """What is defined after the cells of a row, by the label of the row."""
    names, after = {}, {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("myst_nb.glue", lambda *_: None)
        patch.setattr("implicit_bias.look.explore", lambda *draws: [draw(Figure()) for draw in draws])
        head, *rest = re.split(r"^\(paper-([\w-]+)\)=$", PAGE, flags=re.M)
        for label, text in zip(["", *rest[::2]], [head, *rest[1::2]], strict=True):
            for _, code in CELL.findall(text):
                exec(compile(code, label, "exec"), names)
            after[label] = SimpleNamespace(**names)
    return after.__getitem__


def least_l1(A, y, nonnegative=False):
    """The least l1-norm among the solutions, by HiGHS."""
    both = A if nonnegative else np.hstack([A, -A])
    return linprog(np.ones(both.shape[1]), A_eq=both, b_eq=y, bounds=(0, None)).fun


def range_distance(A, vector):
    """How far a vector is from the range of A.T, relative to it."""
    return np.linalg.norm(vector - np.linalg.pinv(A) @ (A @ vector)) / np.linalg.norm(vector)


# --- The page itself


def test_every_row_has_a_test():
    tested = re.findall(r'row\("([\w-]+)"\)', Path(__file__).read_text(encoding="utf-8"))
    assert set(tested) == set(LABELS) and len(LABELS) >= 20


def test_the_table_leads_to_every_row():
    table = PAGE.partition("## The table")[2].partition("```{dropdown}")[0]
    assert set(re.findall(r"<paper-([\w-]+)>`", table)) == set(LABELS)


def test_the_code_that_is_shown_is_short():
    for head, code in CELL.findall(PAGE):
        assert ast.parse(code)
        if "tags:" not in head:
            lines = code.splitlines()
            assert len(lines) <= 5 and max(map(len, lines)) <= 120, code


def test_no_result_is_typed():
    """What comes out is glued: the only numbers with a point in these paragraphs are those of the setting."""
    for text in re.findall(r"^\*What comes out\.\*.*$", PAGE, re.M):
        assert set(re.findall(r"(?<![\w-])\d+\.\d+", re.sub(r"\{\w+(:\w+)?\}`[^`]*`", "", text))) <= {"1.5"}


# --- Non-negative least squares


def test_the_norm_tends_to_the_least_one(row):
    values = row("l1")
    least = least_l1(values.few.A, values.few.y, nonnegative=True)
    assert values.least == pytest.approx(least, rel=1e-9)
    for L, x in values.ends.items():
        assert np.abs(x @ values.few.A.T - values.few.y).max() < 1e-8 and x.min() >= 0
        # the limit is characterized by its potential: its dual coordinate is in the range of A.T
        start = values.scales[:, None] ** L
        dual = np.log(x / start) if L == 2 else start ** (-1 / 3) - x ** (-1 / 3)
        assert max(range_distance(values.few.A, entries) for entries in dual) < 1e-6
        assert np.all(np.diff(x.sum(axis=1)) > 0) and np.all(x.sum(axis=1) > least * (1 - 1e-12))
    assert np.all(values.excess[3] < values.excess[2])
    assert not np.all(values.ends[3] @ np.ones(50) < least * (1 + 1e-3))  # a moderate scale is not small enough


def test_times_are_inversely_proportional_to_the_entries(row):
    values = row("entries")
    for L, end in ((2, 60.0), (3, 400.0)):  # the weights themselves, by another integrator
        A, y = values.seen.A, values.seen.y
        run = solve_ivp(
            lambda t, w, A=A, y=y, L=L: -L * w ** (L - 1) * (A.T @ (A @ w**L - y)),
            (0, end), np.full(50, 1e-2), method="LSODA", rtol=1e-8, atol=1e-12, dense_output=True,
        )  # fmt: skip
        for half, j in zip(values.halves[L], values.support, strict=True):
            before, after = run.sol(half * 0.99)[j] ** L, run.sol(half * 1.01)[j] ** L
            assert before < values.seen.x_true[j] / 2 < after
    entries = values.seen.x_true[values.support]
    for halves in values.halves.values():
        products = halves * entries
        assert products.max() / products.min() < 1.3
        assert halves.max() / halves.min() > 3  # equal times are refuted
        assert (halves * entries**2).max() / (halves * entries**2).min() > 3  # and so is the square


def test_decaying_steps_have_the_rate(row):
    values = row("decaying")
    assert lsq_linear(values.wide.A, values.wide.y, bounds=(0, np.inf)).cost < 1e-12  # the least loss is zero
    ratio = values.decayed[1:] / values.promised[:-1]
    assert 0.1 < ratio.max() <= 1  # a tenth of the bound would be refuted
    assert np.all(np.diff(values.decayed[:, 1:], axis=0) <= 1e-15)
    for i, gamma in enumerate([0, 0.25, 0.5, 0.75]):  # one exponent at a time, in the weights
        w = np.full(50, 1e-2)
        for k in range(1000):
            w = w - 0.1 / (k + 2) ** gamma * 2 * w * (values.wide.A.T @ (values.wide.A @ w**2 - values.wide.y))
        loss = np.sum((values.wide.A @ w**2 - values.wide.y) ** 2) / 2
        assert values.decayed[1000, i] == pytest.approx(loss, rel=1e-6)
    x, z = np.full(50, 1e-4), values.wide.x_true  # the divergence, by quadrature of its definition
    s = np.linspace(0, 1, 200_001)[1:-1, None]
    support = z > 0
    integrand = np.log((x + s * (z - x)) / x) * (z - x) / 4
    divergence = integrand[:, support].sum() / 200_000 + (x[~support] / 4).sum()
    assert divergence == pytest.approx(values.promised[0] @ np.r_[1, 0, 0, 0] * values.passed[0, 0], rel=1e-3)
    assert (
        values.decayed[1:] / values.steps[1:, None] ** (values.gammas.T - 1)
    ).max() > 1  # without a constant it fails


def test_acceleration(row):
    values = row("accelerated")
    flow, accelerated = values.flow_losses
    start, z = 1e-4, values.wide.x_true
    divergence = (np.sum(z[z > 0] * np.log(z[z > 0] / start)) - z.sum() + 50 * start) / 4
    assert np.all(flow <= divergence / values.late) and np.all(accelerated <= 4 * divergence / values.late**2)
    assert values.slope < -2.5
    early = values.late < 4
    assert np.all(flow[early] <= accelerated[early])  # accelerated is not better at all times
    assert values.crossed[0] > 4 and values.crossed.size % 2
    assert (
        np.all((accelerated < flow)[values.late >= values.crossed[-1]]) and values.crossed[-1] < values.late[-1] / 1.5
    )
    w = np.full(50, 1e-3)  # descent in two lines
    for _ in range(18000):
        w = w - 1e-2 * 2 * w * (values.wide.A.T @ (values.wide.A @ w**2 - values.wide.y))
    loss = np.sum((values.wide.A @ w**2 - values.wide.y) ** 2) / 2
    assert values.plain.path.loss[-1] == pytest.approx(loss, rel=1e-6)
    assert values.accelerated_losses[-1] < loss / 100


def test_the_fourier_transform(row):
    values = row("fourier")
    rng = np.random.default_rng(1)
    assert values.mask.sum() == 8810 and np.count_nonzero(values.spikes) == 50
    x, c = rng.standard_normal(10_000), rng.standard_normal(10_002)
    seen = values.transform(x)
    assert seen @ c == pytest.approx(x @ values.adjoint(c), rel=1e-9)
    k = 123  # one row, by its definition, for itself and its conjugate
    entry = np.exp(-2j * np.pi * k * np.arange(10_000) / 10_000) @ x / 100
    assert seen.view(complex)[k] == pytest.approx(np.sqrt(values.mask[[k, -k]].sum()) * entry, abs=1e-9)
    assert seen @ seen == pytest.approx(np.sum(np.abs(np.fft.fft(x, norm="ortho")[values.mask]) ** 2), rel=1e-9)
    zero_filled = np.linalg.norm(values.adjoint(values.data) - values.spikes) / np.linalg.norm(values.spikes)
    errors, at = values.wave_errors, values.waves.iterations.searchsorted(100)
    assert errors[-1].max() < 0.01 < zero_filled
    assert np.all(np.diff(errors[-1]) < 0) and np.all(np.diff(errors[at]) > 0)  # more exact, and later
    late = values.waves.iterations.searchsorted(1000)
    weights, seen = np.full(10_000, 1e-2), np.fft.fft(values.spikes, norm="ortho")
    for _ in range(values.waves.iterations[late]):  # descent in two lines
        missed = values.mask * (np.fft.fft(weights**2, norm="ortho") - seen)
        weights *= 1 - 2 * 0.2 * np.fft.ifft(missed, norm="ortho").real
    independent = np.linalg.norm(weights**2 - values.spikes) / np.linalg.norm(values.spikes)
    assert errors[late, 0] == pytest.approx(independent, rel=1e-6)


def test_sparsity(row):
    values = row("sparsity")
    sparse, total = values.sparse, values.sparse.x_true.sum()
    assert least_l1(values.sparse.A, values.sparse.y, nonnegative=True) == pytest.approx(total, rel=1e-8)
    most = linprog(-np.ones(500), A_eq=values.sparse.A, b_eq=values.sparse.y, bounds=(0, None))
    assert most.status == 3 or -most.fun > 2 * total  # the solution is far from unique
    for L in (2, 3):
        assert np.abs(values.found[L] @ values.sparse.A.T - values.sparse.y).max() < 1e-7
        assert np.all(np.diff(values.shares[L]) > 0) and values.shares[L][0] < 1.01 < 1.2 < values.shares[L][-1]
    for name in ("nnls", "basis_pursuit", "scipy", "bvls"):
        assert values.shares[name] == pytest.approx(1, abs=1e-9)
    for name in ("projected", "lbfgsb", "coordinates", "trf"):
        x = values.others[name]
        assert x.min() > -1e-12 and np.abs(sparse.A @ x - sparse.y).max() < 1e-6
        assert values.shares[name] > 2  # a solution, and far from the sparse one


def test_time_counted_in_steps(row):
    values = row("timing")
    for n, (A, y) in values.parts.items():
        exact = 2 * lsq_linear(A, y, bounds=(0, np.inf), tol=1e-14, max_iter=1000).cost
        assert values.direct[n].residual_norm ** 2 == pytest.approx(exact, rel=1e-9)
        above = 2 * values.patient[n].path.loss[-1] / exact - 1
        assert above == pytest.approx(values.behind[n], rel=1e-2)
        assert 1e-9 < above < 1e-2  # near, but not exact
    with (ROOT / "benchmarks" / "squares.csv").open(encoding="utf-8", newline="") as file:
        rows = {int(measured["size"]): list(measured.values())[1:] for measured in csv.DictReader(file)}
    assert min(rows) == 50 and max(rows) == 4000
    for n, row_of_table in rows.items():
        direct, scipy, descent = (float(cell.removesuffix("\N{NO-BREAK SPACE}s")) for cell in row_of_table[:3])
        if n >= 400:
            assert (10 if n >= 2000 else 3) * direct <= scipy < descent
        if n in values.behind:
            assert row_of_table[3] in {power(near * values.behind[n]) for near in (0.99, 1, 1.01)}
            for mine, theirs in zip(square(n), values.parts[n], strict=True):
                np.testing.assert_array_equal(mine, theirs)


# --- Matrix factorization


def test_the_effective_rank_is_not_monotone(row):
    values = row("rank")
    times = np.geomspace(0.1, 1e4, 400)
    w = [lam / (1 + (lam / 0.01 - 1) * np.exp(-2 * lam * times)) for lam in (1, 0.5)]  # logistic growth
    zeros = 100 * 0.01 / (1 + 2 * 0.01 * times)
    ranks = (w[0] + w[1] + zeros) / w[0]
    np.testing.assert_allclose(values.ranks, ranks, rtol=1e-6)
    assert ranks[0] > values.valley < values.peak > values.last + 0.5  # monotone would be false
    assert values.last == pytest.approx(1.5, abs=0.01)


def test_stopping_early_denoises(row):
    values = row("denoising")
    T, S = values.noisy.y.reshape(40, 40), values.noisy.x_true.reshape(40, 40)
    spectrum, basis = np.linalg.eigh(T)
    positive = (basis * np.maximum(spectrum, 0)) @ basis.T
    cut = (basis[:, -3:] * spectrum[-3:]) @ basis[:, -3:].T
    size = np.linalg.norm(S)
    assert values.truncation == pytest.approx(np.linalg.norm(cut - S) / size, rel=1e-9)
    best, last = values.denoising_errors.min(), values.denoising_errors[-1]
    assert best < 1.02 * values.truncation and last > 1.5 * best
    assert last == pytest.approx(np.linalg.norm(positive - S) / size, rel=1e-3)
    assert last < 0.9 * np.linalg.norm(T - S) / size  # not all of the noise comes back


def test_negative_eigenvalues(row):
    values = row("perturbed")
    for start, smaller in (("identical", 1.0), ("perturbed", 0.5)):
        first, second, ends = smaller * 1e-2, 1e-2, []
        assert values.models[start].value(values.models[start].start(1e-2, 4))[0] == pytest.approx(first * second)
        for eigenvalue in (-0.5, 1.0):  # two numbers each, by hand
            a, b = first, second
            for _ in range(400):
                error = a * b - eigenvalue
                a, b = a - 0.1 * error * b, b - 0.1 * error * a
            ends.append(a * b)
        np.testing.assert_allclose(values.spectra[start], ends, atol=1e-7)
    assert abs(values.spectra["identical"][0]) < 1e-6 and abs(values.spectra["perturbed"][0] + 0.5) < 1e-6


def test_least_rank_is_not_least_norm(row):
    values = row("greedy")
    X = cp.Variable((4, 4), PSD=True)
    seen = [X[i, j] == values.entries[i, j] for i, j in zip(*np.nonzero(values.entries), strict=True)]
    least = cp.Problem(cp.Minimize(cp.trace(X)), seen).solve(solver=cp.CLARABEL)
    assert least == pytest.approx(8, abs=1e-4)
    assert least < values.nuclear_norms[0] < 8.2
    np.testing.assert_allclose(values.tiny[1], np.outer([1, 1, 2, 2], [1, 1, 2, 2]), atol=1e-2)
    assert values.seconds[1] < 1e-2 < 1 < values.seconds[0]
    for x in values.tiny:
        np.testing.assert_allclose(x[values.entries > 0], values.entries[values.entries > 0], atol=1e-6)


# --- Sparse recovery


def test_the_rate_of_recovery(row):
    values = row("recovery")
    rates = list(values.recovered.values())
    assert rates == sorted(rates) and rates[0] < 0.1 and rates[-1] > 0.9
    for m, problems in values.trials.items():  # recovered only if the truth has the least norm
        for p, error in zip(problems[:8], values.far[m][:8], strict=True):
            sparsest = np.abs(p.x_true).sum() <= least_l1(p.A, p.y) * (1 + 1e-7)
            assert sparsest or error >= 0.01


def test_the_bound(row):
    values = row("gap")
    least = least_l1(values.p.A, values.p.y)
    assert values.smallest == pytest.approx(least, rel=1e-8)
    assert np.all(values.gaps > 0) and np.all(values.gaps <= values.bounds)
    start = 200 * values.tiny**3  # both weights of a hundred entries
    expected = (start ** (1 / 3) - values.tiny) / (least ** (1 / 3) - start ** (1 / 3))
    np.testing.assert_allclose(values.bounds, expected, rtol=1e-6)
    assert np.any(values.gaps > values.tiny**3)  # a bound of the order of the start itself is refuted


def test_noise(row):
    values = row("noise")
    for p, x, level in zip(values.blurred, values.limits, values.levels, strict=True):
        assert np.abs(x).sum() == pytest.approx(least_l1(p.A, p.y), rel=1e-4)
        noise = np.linalg.norm(p.A @ p.x_true - p.y)
        assert noise == pytest.approx(level * np.sqrt(40), rel=0.3)
    growth = np.log10(values.errors[1:] / values.errors[:-1])
    assert np.all(np.abs(growth - 1) < 0.2)  # neither the root nor the square


def test_perturbed_starts(row):
    values = row("start")
    assert values.uneven_errors[2] < 0.01 and values.uneven_errors[3] < 1e-6
    A, y = values.p.A, values.p.y
    weights = np.tile(1 / values.factors, 2)  # alpha^(2 - L) at depth 3
    weighted = linprog(weights, A_eq=np.hstack([A, -A]), b_eq=y, bounds=(0, None)).x
    np.testing.assert_allclose(weighted[:100] - weighted[100:], values.uneven[3], atol=1e-5)
    # That the weights matter where minimizers differ: one equation whose entries cost the same without them.
    for first in (0.5, 2.0):
        x = values.flow_limit([[1.0, 1.0]], [1.0], values.SignedHadamardPower(3), alpha=[1e-6 * first, 1e-6]).x
        assert x[int(first < 1)] > 0.9
        x = values.flow_limit([[1.0, 1.0]], [1.0], values.SignedHadamardPower(2), alpha=[1e-6 * first, 1e-6]).x
        assert 0.1 < x[0] < 0.9


# --- Maps and potentials


def test_maps(row):
    values = row("maps")
    A, target = values.p.A, values.target
    z = cp.Variable(40)
    cp.Problem(cp.Minimize(cp.pnorm(z, 1.5)), [A @ z == target]).solve(solver=cp.CLARABEL)
    np.testing.assert_allclose(values.mapped["lp"], z.value, atol=1e-4)
    assert np.sum(np.abs(values.mapped["lp"]) ** 1.5) < np.sum(np.abs(values.euclidean) ** 1.5) * 0.99
    barrier = cp.sum(-cp.entr(1 + z) - cp.entr(1 - z)) / 2
    cp.Problem(cp.Minimize(barrier), [A @ z == target]).solve(solver=cp.CLARABEL)
    np.testing.assert_allclose(values.mapped["sine"], z.value, atol=1e-4)
    assert np.abs(values.mapped["sine"]).max() < 1 < np.abs(values.euclidean).max()


# --- Kernel and rich, steps, matrices


def test_an_intermediate_scale_wins_with_noise(row):
    values = row("woodworth")
    A, y, beta = values.A, values.y, values.beta
    least = A.T @ np.linalg.solve(A @ A.T, y)
    assert values.ends_of_scale["l2"] == pytest.approx(np.sum((least - beta) ** 2), rel=1e-9)
    both = linprog(np.ones(2000), A_eq=np.hstack([A, -A]), b_eq=y, bounds=(0, None)).x
    pursuit = np.sum((both[:1000] - both[1000:] - beta) ** 2)
    assert values.ends_of_scale["l1"] == pytest.approx(pursuit, rel=1e-5)
    for L, x in values.found.items():
        assert np.abs(x @ A.T - y).max() < 1e-7
        for limit, alpha in zip(x, values.sizes[L], strict=True):
            if L == 2:
                assert range_distance(A, np.arcsinh(limit / (2 * alpha**2))) < 1e-7
    assert abs(values.risks[2][0] / values.ends_of_scale["l2"] - 1) < 0.2  # kernel on one side
    assert values.risks[2][-1] < 1.3 * pursuit  # rich on the other
    for L in (3, 4):
        at = values.risks[L].argmin()
        assert 0 < at < len(values.sizes[L]) - 1 and values.risks[L][at] < pursuit
        assert values.sizes[L][at] > 1e3 * values.sizes[2][values.risks[2].argmin()]


def test_long_steps_and_single_rows(row):
    values = row("even")
    A, y = values.p.A, values.p.y
    u = v = np.full(30, 0.3)
    for _ in range(20_000):
        g = A.T @ (A @ (u**2 - v**2) - y)
        u, v = u * (1 - 0.16 * g), v * (1 + 0.16 * g)
    np.testing.assert_allclose(values.full.x, u**2 - v**2, atol=1e-9)
    np.testing.assert_allclose(values.full.scale**2, u * v, atol=1e-9)
    rng, u, v = np.random.default_rng(0), np.full(30, 0.3), np.full(30, 0.3)
    for _ in range(60_000):
        i = rng.choice(14, 1, replace=False)
        g = 14 * A[i].T @ (A[i] @ (u**2 - v**2) - y[i])
        u, v = u * (1 - 0.04 * g), v * (1 + 0.04 * g)
    assert np.abs(A @ (u**2 - v**2) - y).max() < 1e-6
    assert np.abs(u**2 - v**2).sum() < values.flow_end < np.abs(values.full.x).sum()
    assert values.changes[0] > 0.001 and values.changes[1] < -0.001


def test_the_determinant(row):
    values = row("razin")
    assert values.lost["balanced"] == 0 and values.lost["gaussian"] >= 1
    assert [len(found) for found in values.starts_of.values()] == [8, 8]
    for product in values.starts_of["balanced"][:2]:  # the flow of the factors, by SciPy
        first, second = product.factors(product.start(0.7, 4))
        np.testing.assert_allclose(second.T @ second, first @ first.T, atol=1e-12)

        def velocity(_, w):
            W1, W2 = w.reshape(2, 2, 2)
            P = (W2 @ W1 - [[0, 1], [1, 0]]) * [[0, 1], [1, 1]]
            return -np.r_[(W2.T @ P).ravel(), (P @ W1.T).ravel()]

        run = solve_ivp(velocity, (0, 2.4), np.r_[first.ravel(), second.ravel()], rtol=1e-9, atol=1e-12)
        determinants = [np.linalg.det(w[4:].reshape(2, 2)) * np.linalg.det(w[:4].reshape(2, 2)) for w in run.y.T]
        assert min(determinants) > 0


def test_depth_widens_the_window(row):
    values = row("window")
    assert values.window[3] > 1.1 * values.window[2]
    for L, x in values.along.items():  # descent with short steps, in two lines
        alpha, k = 1e-5 ** (1 / L), values.stopped[L].argmin()
        u = v = np.full(100, alpha)
        step = 0.01
        for _ in range(round(values.spans[L][k] / step)):
            g = values.coins.T @ (values.coins @ (u**L - v**L) - values.heard)
            u, v = u - step * L * u ** (L - 1) * g, v + step * L * v ** (L - 1) * g
        assert np.abs(u**L - v**L - x[k]).max() < 0.02
        times = values.spans[L][values.stopped[L] <= 2 * values.stopped[L].min()]
        assert values.spans[L][0] < times[0] < times[-1] < values.spans[L][-1]  # the window is not cut off


def test_the_saddles(row):
    values = row("saddles")
    np.testing.assert_allclose(values.plateaus.times, [0.5, 2, 138 / 49], atol=1e-9)
    expected = [[0, 0, 0, 0], [0.8, 0, 0, 0], [0, 0, 1.4, 0], [0, 0, 10 / 7, -10 / 49]]
    np.testing.assert_allclose(values.plateaus.x, expected, atol=1e-9)
    X, y = np.array([[1, 0.5, 0.7, 0], [0.5, 1, 0.1, 0.7]]), np.array([1.0, 0.0])
    assert np.abs(expected[-1]).sum() == pytest.approx(least_l1(X, y))
    scale = 1e-60  # the flow itself, from nearly nothing
    flow = values.gradient_flow(
        X, y, values.SignedHadamardPower(2), alpha=scale, times=np.array([1, 2.5, 4]) * -np.log(scale)
    )
    np.testing.assert_allclose(flow.path.x, expected[1:], atol=0.05)


def test_what_is_not_reproduced_is_said():
    assert "could not be found" in PAGE
    for reference in re.findall(r"\{(?:prf:ref|numref)\}`([\w-]+)`", PAGE):
        pages = [path.read_text(encoding="utf-8") for path in (ROOT / "chapters").glob("*.md")]
        assert any(f":label: {reference}" in page or f"name: {reference}" in page for page in pages), reference
