"""Random trials of `flow_limit`, and of `gradient_flow` against it, with an exact check of the optimality conditions.

``python -m tests.lib.trials_of_flows NUMBER FIRST`` draws as many limits as wanted, from the seed FIRST on;
``python -m tests.lib.trials_of_flows NUMBER FIRST flows`` follows the flows too.
"""

import sys
import warnings
from collections import Counter
from fractions import Fraction

import numpy as np
from implicit_bias import HadamardPower, SignedHadamardPower, flow_limit, gradient_flow

from tests.lib.trials import FORMS, KINDS

ROWS, COLUMNS = (2, 4, 8), (2, 4, 8, 20)  # the sizes differ by factors 10^+- these
LARGEST_CONDITION = 1e6  # of the rows, up to which the dual coordinate is checked
ROUNDED = 2**50  # how much larger an entry of the kernel may be than one that is rounding of the columns
AGREE = 1e-4  # a flow that converged and its limit, relative to the largest entry in columns of size 1


def draw(seed):
    """The kind, the form and the dense entries of a problem, its data, the model and the scale of the start."""
    rng = np.random.default_rng(seed)
    m, n = rng.integers(1, 13), rng.integers(1, 25)
    kind = list(KINDS)[seed % len(KINDS)]
    A = KINDS[kind](rng, m, n)
    single = rng.random() < 0.1
    if rng.random() < 0.1:
        A[rng.random(m) < 0.3] = 0
    if rng.random() < 0.1:
        A[:, rng.random(n) < 0.3] = 0
    scaled = ""
    if rng.random() < 0.2 and not single:
        spread = rng.choice(COLUMNS)
        A, scaled = A * 10 ** rng.uniform(-spread, spread, n), scaled + ", columns"
    lengths = np.linalg.norm(A, axis=0)
    truth = np.where(rng.random(n) < rng.choice([0.3, 1.0]), rng.standard_normal(n), 0) / np.where(
        lengths > 0, lengths, 1
    )
    noise = rng.standard_normal(m) * np.max(np.abs(A), initial=0)
    y = [A @ np.abs(truth), A @ truth, A @ np.abs(truth) + 1e-3 * noise, noise, 0 * noise][
        rng.choice(5, p=[0.35, 0.25, 0.15, 0.15, 0.1])
    ]
    if rng.random() < 0.25 and not single:
        rows = 10 ** rng.uniform(-(spread := rng.choice(ROWS)), spread, m)
        A, y, scaled = rows[:, None] * A, rows * y, scaled + ", rows"
    y = y * 10 ** rng.choice([0, rng.uniform(-6, 6)])
    depth = rng.choice([2, 2.5, 3, 4, 6])
    alpha = 10 ** rng.uniform(-12, np.log10(400)) if rng.random() < 0.5 else 10 ** rng.uniform(-2, 1)
    if rng.random() < 0.15:
        alpha = alpha * 10 ** rng.uniform(-1, 1, n)
    model = (SignedHadamardPower if rng.random() < 0.5 else HadamardPower)(depth)
    return kind + scaled, rng.choice(list(FORMS)), A.astype(np.float32 if single else float), y, model, alpha


def complaints(A, y, model, alpha, x):
    """What is wrong with a limit: nothing, or a word for each condition that it does not meet.

    The residual is computed in extended precision, in rows and columns of size 1; where it is not zero, it has to be
    orthogonal to the columns, or to point away from the constraint. Independent rows are met each by itself. The dual
    coordinate must have no component in the kernel of `A`, which is computed exactly, in integers.
    """
    if not np.all(np.isfinite(x)) or (model.nonnegative and np.any(x < 0)):
        return ["not finite or negative"]
    signed, n = not model.nonnegative, A.shape[1]
    columns = _power_of_two(np.max(np.abs(A), axis=0))
    rows = _power_of_two(np.max(np.abs(A / columns), axis=1))
    B = (A / columns / rows[:, None]).astype(np.longdouble)
    z, b = x.astype(np.longdouble) * columns, y / rows.astype(np.longdouble)
    r, sizes, found = B @ z - b, np.abs(B) @ np.abs(z), []
    values = np.linalg.svd(B.astype(float), compute_uv=False)
    if signed and len(values) == len(B) and values[-1] * LARGEST_CONDITION > values[0]:
        largest = np.max(np.abs(A), axis=1)
        of_columns = np.max(np.abs(A) / largest[:, None], axis=0)  # not as large as the largest row that they meet
        if np.max(np.abs(r * rows) / largest) > 1e-8 * np.max(of_columns * np.abs(x)):
            found.append("a row is not met")
    if np.any(np.abs(r) > np.maximum(1e-8 * np.max(np.abs(b)), 1e-12 * sizes)):
        M, r = (rows / np.max(rows))[:, None] * B, rows / np.max(rows) * r
        lengths, norm = np.sqrt(np.sum(M**2, axis=0)), np.sqrt(np.sum(r**2))
        slack = (M.T @ r) / np.where(lengths > 0, lengths, 1) / norm
        wrong = np.abs(slack) if signed else np.where(z > 1e-9 * np.max(z), np.abs(slack), -slack)
        rounding = 1e-12 * np.max(rows / np.max(rows) * (sizes + np.abs(b))) / norm
        if np.max(wrong) > 1e-6 + rounding:
            found.append("not least squares")
    alpha = np.broadcast_to(alpha, n).astype(np.longdouble)
    free = np.ones(n, dtype=bool) if signed else x > 0
    values = np.linalg.svd(B[:, free].astype(float), compute_uv=False) if np.any(free) and np.any(z) else np.zeros(1)
    rank = np.count_nonzero(values > 1e-14 * values[0])
    if rank == 0 or rank == np.count_nonzero(free) or values[rank - 1] * LARGEST_CONDITION < values[0]:
        return found
    s, slope = _dual(x[free].astype(np.longdouble), alpha[free] ** model.depth, model)
    change = (1e-6 * np.abs(z[free]) + 1e-7 * np.max(np.abs(z))) / columns[free]  # of x, within which s has to be right
    if not signed:
        change = np.where(np.abs(z[free]) < 1e-7 * np.max(z), 100 * x[free], change)
    unit = (alpha[free] / np.max(alpha)) ** (model.depth - 2) * columns[free]
    allowed = [_fraction(a) for a in (slope * change + 1e-9 * np.abs(s) + 1e-12) / unit]
    for v in _kernel(B[:, free].astype(float)):
        # Columns may be multiples of each other up to rounding: what this leaves to other columns counts, or not.
        for least in (0, max(map(abs, v)) // ROUNDED):
            terms = [(q, _fraction(a), most) for q, a, most in zip(v, s / unit, allowed, strict=True) if abs(q) > least]
            if abs(sum(q * a for q, a, _ in terms)) <= 10 * sum(abs(q) * most for q, _, most in terms):
                break
        else:
            return [*found, "another solution"]
    return found


def _power_of_two(sizes):
    return 2.0 ** np.floor(np.log2(np.where(sizes > 0, sizes, 1).astype(float)))


def _fraction(number):
    """An extended number exactly, also beyond the range of float64: a power of two times its leading part and the rest."""
    number, exponent = np.frexp(np.longdouble(number))
    high = float(number)
    return (Fraction(high) + Fraction(float(number - np.longdouble(high)))) * Fraction(2) ** int(exponent)


def _dual(x, start, model):
    """The dual coordinate of `x`, and its derivative, straight from the definition in extended precision."""
    L = np.longdouble(model.depth)
    if L == 2:
        if model.nonnegative:
            return np.log(x / start), 1 / x
        return np.arcsinh(x / (2 * start)), 1 / np.sqrt(x**2 + 4 * start**2)
    q = L / (L - 2)
    if model.nonnegative:
        below = (x / start) ** (-1 / q)
        return 1 - below, below / (q * x)
    # (1 - s)^-q - (1 + s)^-q = |x| / start, by bisection in the logarithm of 1 - s
    t = np.abs(x / start)
    low, high = 0.999999 * (1 + t) ** (-1 / q), np.ones_like(t)
    for _ in range(80):
        middle = np.sqrt(low * high)
        beyond = middle**-q - (2 - middle) ** -q > t
        low, high = np.where(beyond, middle, low), np.where(beyond, high, middle)
    s = np.where(t < 1e-3, t / (2 * q), 1 - high)
    return np.sign(x) * s, 1 / (start * q * (high ** (-q - 1) + (2 - high) ** (-q - 1)))


def _kernel(B):
    """A basis of the kernel of a matrix, exactly: elimination without fractions (Bareiss), on integers."""
    M = []
    for row in B:
        fractions = [Fraction(float(entry)) for entry in row]
        unit = max(entry.denominator for entry in fractions)
        M.append([int(entry * unit) for entry in fractions])
    pivots, before, n = [], 1, B.shape[1]
    for k in range(len(M)):
        others = [j for j in range(n) if j not in pivots]
        size, i, j = max(((abs(M[i][j]), i, j) for i in range(k, len(M)) for j in others), default=(0, 0, 0))
        if size == 0:
            break
        M[k], M[i] = M[i], M[k]
        pivot = M[k][j]
        for i in range(len(M)):
            if i != k:
                factor = M[i][j]
                M[i] = [(pivot * a - factor * b) // before for a, b in zip(M[i], M[k], strict=True)]
        before = pivot
        pivots.append(j)
    for f in range(n):
        if f not in pivots:
            v = [0] * n
            v[f] = before
            for i, j in enumerate(pivots):
                v[j] = -M[i][f]
            yield v


def judge(seed, follow=False):
    """What came out of a trial: "right", "honest failure", "refused" or "wrong: ..."; of the flow too, with `follow`."""
    kind, form, A, y, model, alpha = draw(seed)
    what = f"{kind}, {form} {A.shape[0]}x{A.shape[1]}, {model!r}, alpha {np.max(alpha):.1e}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            limit = flow_limit(FORMS[form](A), y, model, alpha=alpha)
            flow = gradient_flow(FORMS[form](A), y, model, alpha=alpha) if follow else None
        except ValueError as error:  # the scale of the start is out of range: that is for the tests of the input
            return ("refused" if str(error).startswith("alpha ") else f"wrong: {error}"), what
        except Exception as error:  # whatever it is, it is wrong
            return f"wrong: {error!r}", what
    if follow:
        if not (limit.converged and flow.converged):
            return "honest failure", f"{what}: {flow.message}"
        columns = np.where(np.any(A, axis=0), np.max(np.abs(A), axis=0), 1)
        rows = np.max(np.abs(A / columns), axis=1)
        size = max(np.max(np.abs(limit.x * columns)), np.max(np.abs(y) / np.where(rows > 0, rows, 1)))
        size = size if np.any(y) else np.max(columns * alpha**model.depth)
        apart = np.max(np.abs((flow.x - limit.x) * columns)) / size
        digits = "only" in limit.message  # rounding decides
        return ("right" if apart <= AGREE or digits else f"wrong: {apart:.1e} apart"), what
    if not limit.converged:
        return "honest failure", f"{what}: {limit.optimality}"
    if A.dtype == np.float32:  # x was rounded: only the residual can be checked
        return "right", what
    wrong = complaints(A, y, model, alpha, limit.x)
    return (f"wrong: {', '.join(wrong)}" if wrong else "right"), what


def run(number, first=0, follow=False, show=print):
    """How often each verdict came; `show` is told what was not right."""
    counts = Counter()
    for seed in range(first, first + number):
        verdict, what = judge(seed, follow)
        counts[verdict.split(":")[0]] += 1
        if verdict not in ("right", "refused"):
            show(f"{seed} {verdict}: {what}")
    return counts


if __name__ == "__main__":
    number, first = [int(argument) for argument in [*sys.argv[1:3], 0][:2]]
    totals = run(number, first, follow="flows" in sys.argv)
    print(", ".join(f"{name}: {totals[name]}" for name in ("right", "honest failure", "refused", "wrong")))
