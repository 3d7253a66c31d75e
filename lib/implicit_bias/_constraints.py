"""Weights, a Tikhonov term, a given sum and upper bounds: each is one plain problem of `nnls`, or a few of them."""

import warnings
from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.sparse import diags_array, issparse, vstack
from scipy.sparse.linalg import LinearOperator

from ._backends import as_backend, as_known
from ._columns import PER_COLUMN, joined
from ._extras import watched
from ._matrices import as_entries, dense, gram, operator
from ._normalized import HIDDEN, MET, SMALL, reported
from ._validation import as_data, as_outputs, as_positive, as_reals
from .measures import EPSILON, REACH, Certificate

SHARPER = 4  # times as small is the tolerance of the plain problem,
ROUNDS = 3  # and ten times smaller in each further round
STEPS = 30  # from inside the bounds to where the data are met,
INSIDE = 0.9  # of the way to the bounds at most
FLIPS = 100  # rounds of upper bounds: five are usual
PROXIMAL = 1e-8  # squared weight of the present point where bounds leave ties, relative to the squared columns


def constrained(solve, A, y, *, weights, tikhonov, sum_to, upper, progress, **options):
    """`nnls` with constraints, by `solve`, which is `nnls` without."""
    A = as_known(A)
    if hasattr(A, "dask") and A.size <= SMALL:
        A = as_entries(A)
    several = np.ndim(y) == 2 and np.shape(y)[1] != 1
    A, y = _with_rows(A, as_outputs("y", y, A.shape[0]) if several else as_data(y, A, float), weights, tikhonov)
    if sum_to is upper is None:
        return solve(A, y, progress=progress, **options)
    if several:
        parts = []
        each = range(y.shape[1])
        for k in watched(each, len(each), name="nnls") if progress else each:
            found = _quietly(
                constrained,
                solve,
                A,
                y[:, k],
                weights=None,
                tikhonov=None,
                sum_to=sum_to,
                upper=upper,
                progress=False,
                **options,
            )
            parts.append({name: np.expand_dims(getattr(found, name), -1) for name in PER_COLUMN})
            parts[-1]["good"] = np.array([found.converged])
        return joined(parts)
    if sum_to is not None and upper is not None:
        raise ValueError(
            "upper must not be given together with sum_to: the sum is met by scaling a solution, which would move the bounds"
        )
    if sum_to is not None:
        return _simplex(solve, A, y, as_positive("sum_to", sum_to), **options)
    for name in ("x0", "alpha", "callback"):
        if options.pop(name, None) is not None:
            raise ValueError(
                f"{name} must not be given together with upper: the bounds are met by several runs, not one"
            )
    return _box(solve, A, y, _per_column("upper", upper, A.shape[1], infinite=True), **options)


def _with_rows(A, y, weights, tikhonov):
    """The rows times the roots of the weights, and below them the roots of the Tikhonov term."""
    m, n = A.shape
    if weights is not None:
        weights = as_reals("weights", weights).astype(float)
        if weights.shape != (m,) or not np.all(np.isfinite(weights)) or np.any(weights < 0):
            raise ValueError(f"weights must be non-negative and finite with shape ({m},), one for each row of A")
        roots = np.sqrt(weights)
        A, y = _scaled(A, rows=roots), (y.T * roots).T
    if tikhonov is not None:
        roots = np.sqrt(_per_column("tikhonov", tikhonov, n))
        used = np.flatnonzero(roots)
        A, y = _appended(A, roots, used), np.concatenate([y, np.zeros((len(used), *y.shape[1:]))])
    return A, y


def _per_column(name, values, n, *, infinite=False):
    values = as_reals(name, values).astype(float)
    good = values >= 0 if infinite else (values >= 0) & np.isfinite(values)
    if values.shape not in ((), (n,)) or not np.all(good):
        finite = "" if infinite else " and finite"
        raise ValueError(f"{name} must be non-negative{finite}, a number or of shape ({n},); got {values}")
    return np.broadcast_to(values, n).astype(float)


def _scaled(A, *, rows=None, columns=None):
    """The matrix with its rows or its columns times these numbers, in whatever form it is."""
    if isinstance(A, LinearOperator):
        left, right = (1.0 if rows is None else rows), (1.0 if columns is None else columns)
        return operator(A.shape, lambda v: left * (A @ (right * v)), lambda r: right * (A.T @ (left * r)))
    if issparse(A):
        return diags_array(rows) @ A if columns is None else A @ diags_array(columns)
    return A * (rows[:, None] if columns is None else columns)


def _appended(A, entries, used):
    """The matrix with rows below it: for each index in `used` one that has only `entries` of this index."""
    m, n = A.shape
    if issparse(A):
        return vstack([A, diags_array(entries).tocsr()[used]]).tocsr()
    if not isinstance(A, LinearOperator) and len(used) * n <= max(SMALL, A.size):
        return np.vstack([A, np.diag(entries)[used]])

    def backward(r):
        x = A.T @ r[:m]
        x[used] += entries[used] * r[m:]
        return x

    return operator((m + len(used), n), lambda v: np.concatenate([A @ v, entries[used] * v[used]]), backward)


@dataclass(frozen=True)
class Admissible:
    """A point that meets the constraints, with its gradient and its certificate among all that meet them."""

    x: np.ndarray
    norm: float
    g: np.ndarray
    dual: np.ndarray
    certificate: Certificate


def _admissible(A, y, x, columns, *, sum_to=None, upper=None):
    """The certificate: ``f(x) - f(z) <= <g, x - z>``, at most what the worst admissible `z` within reach makes of it."""
    r = np.asarray(A @ x) - y  # of a matrix in chunks these are promises
    g = np.asarray(A.T @ r)
    lengths = np.where(columns > 0, columns, 1)
    norm, data = float(np.linalg.norm(r)), float(np.linalg.norm(y))
    size = float(columns @ x) + data
    if sum_to is not None:
        dual, reach = g - g @ x / sum_to, np.inf
        unit = np.max(columns) or 1.0  # that of the sum, which couples the entries
        slack = np.minimum(unit * x, dual / unit)

        def worst(rounding):
            return (g + rounding) @ x + sum_to * np.max(rounding - g)
    else:
        dual, reach, room = g, REACH * size, upper - x
        near = lengths * room <= reach
        slack = np.maximum(np.minimum(columns * x, g / lengths), -lengths * room)

        def worst(rounding):
            rising, falling = np.maximum(g + rounding, 0), np.maximum(rounding - g, 0)
            return rising @ x + falling[near] @ room[near] + reach * np.max(falling / lengths, where=~near, initial=0.0)

    loss, gap = norm**2 / 2, float(worst(np.zeros(len(x))))
    floor = float(worst(EPSILON * (size + norm) * columns)) - gap
    kkt = float(np.max(np.abs(slack))) / (data or 1.0)
    reach = np.inf if gap >= loss else reach
    return Admissible(
        x, norm, g, dual, Certificate(loss, min(max(gap, 0.0), loss), reach, floor, kkt, norm / (data or 1.0))
    )


def _holds(point, tol):
    return bool(point.certificate.holds(tol, max(tol**1.5, MET), HIDDEN))


def _quietly(solve, *args, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # what counts is the certificate among the admissible vectors
        return solve(*args, **options)


def _simplex(solve, A, y, total, *, tol, x0=None, callback=None, **options):
    r"""Minimize ``|A x - y|`` over ``x >= 0`` with ``sum(x) = total``.

    There the residual is ``B p`` with ``B = total A - y 1.T`` and ``x = total p``. On the ray of ``z = t p`` the least value of
    ``|B z|^2 + c^2 (sum(z) - 1)^2`` is ``|B p|^2 / (1 + |B p|^2 / c^2)``, which grows with ``|B p|``: whatever `c` is, the
    minimizer over ``z >= 0`` lies on the ray of the best `p`. With `c` the size of a typical column no row is heavy.
    """
    m, n = A.shape
    columns = as_backend(A).column_norms()
    if A.shape[0] * n <= SMALL:
        A = dense(as_entries(A))
    if isinstance(A, np.ndarray) or hasattr(A, "dask"):
        B = total * A - y[:, None]
        c = float(np.median(as_backend(B).column_norms())) or 1.0
        B = np.vstack([B, np.full((1, n), c)])
    else:
        c = float(np.hypot(total * np.median(columns), np.linalg.norm(y))) or 1.0
        B = operator(
            (m + 1, n),
            lambda z: np.append(total * (A @ z) - y * np.sum(z), c * np.sum(z)),
            lambda r: total * (A.T @ r[:m]) + (c * r[m] - y @ r[:m]),
        )
    b = np.append(np.zeros(m), c)
    if callback is not None:
        options["callback"] = lambda state: callback(replace(state, x=state.x * (total / (np.sum(state.x) or 1.0))))
    best, start, counts = None, None if x0 is None else as_reals("x0", x0).astype(float) / total, np.zeros(2, int)
    for sharper in range(ROUNDS):
        found = _quietly(solve, B, b, tol=max(tol / SHARPER / 10**sharper, 1e-14), x0=start, **options)
        counts += found.iterations, found.products
        share = found.x / (np.sum(found.x) or 1.0)
        point = _admissible(A, y, total * share, columns, sum_to=total)
        best = point if best is None or point.norm < best.norm else best
        if _holds(best, tol) or A.shape[0] * n <= SMALL:
            break
        start = found.x
        options.pop("alpha", None)
    return _report(best, tol, counts, best.x == 0, f"Scaled to the sum {total:g}")


def _met(A, y, x, upper):
    """A point between the bounds that meets the data, from one that may leave them, or None if none is found.

    Each step meets the data with the least change relative to the distances from the bounds, as far as these allow.

    Source: the affine scaling of Dikin (1967).
    """
    top = np.where(upper < np.inf, upper, 2 * np.max(x))
    x = np.clip(x, 0.1 * top, 0.9 * top)
    for _ in range(STEPS):
        r = y - A @ x
        if np.linalg.norm(r) <= MET / 10 * np.linalg.norm(y):
            break
        squares = np.minimum(x, upper - x) ** 2
        try:
            factor = cho_factor(gram(A, squares), check_finite=False)
        except LinAlgError:
            return None
        change = squares * (A.T @ cho_solve(factor, r, check_finite=False))
        room = np.divide(
            np.where(change > 0, upper - x, x), np.abs(change), where=change != 0, out=np.full(len(x), np.inf)
        )
        step = min(1.0, INSIDE * np.min(room))
        x = x + step * change
    return x


def _box(solve, A, y, upper, *, tol, **options):
    r"""Minimize ``|A x - y|`` over ``0 <= x <= upper``.

    Each problem on the way keeps one bound for each entry, ``x_j >= 0`` or, once the solution has left the box there, ``x_j <=
    u_j``: with ``x_j = u_j - s_j`` that is ``s_j >= 0``, and the problem is plain. The bound that is dropped was not active, so
    the least value does not change by that, and the bound that is added raises it, unless there are ties: no set of bounds
    comes twice, and the last solution is in the box. Where there are ties, the distance from the present point breaks them.
    """
    m, n = A.shape
    columns = as_backend(A).column_norms()
    flipped, best, counts, last = np.zeros(n, bool), None, np.zeros(2, int), -np.inf
    B, b, proximal, how = A, y, False, "Solved by exchanging bounds"
    for _ in range(FLIPS):
        sign, shift = np.where(flipped, -1.0, 1.0) * (upper > 0), np.where(flipped, upper, 0.0)
        if best is not None and m * n > SMALL:
            options["x0"] = np.where(flipped, upper - best.x, best.x)
        found = _quietly(
            solve, _scaled(B, columns=sign), b - np.asarray(B @ shift), tol=max(tol / SHARPER, 1e-14), **options
        )
        counts += found.iterations, found.products
        x = shift + sign * found.x
        point = _admissible(A, y, np.clip(x, 0, upper), columns, upper=upper)
        best = point if best is None or point.norm < best.norm else best
        if _holds(point, tol):
            best = point
            break
        outside = np.where(flipped, x < 0, x > upper)
        if last == -np.inf and m < n and isinstance(A, np.ndarray) and found.residual_norm <= MET * np.linalg.norm(y):
            met = _met(A, y, x, upper)
            if met is not None and _holds(point := _admissible(A, y, met, columns, upper=upper), tol):
                best, how = point, "Met the data between the bounds"
                break
        if not proximal and (found.residual_norm <= last * (1 + 1e-14) or not outside.any()):
            proximal, pull = True, np.sqrt(PROXIMAL) * np.where(columns > 0, columns, 1)
            B = _appended(A, pull, np.arange(n))
            b = np.concatenate([y, pull * point.x])
        elif not outside.any():
            b = np.concatenate([y, pull * point.x])
        last = found.residual_norm
        flipped ^= outside
    return _report(best, tol, counts, (best.x == 0) | (best.x == upper), how)


def _report(point, tol, counts, active, how):
    return reported(
        point.certificate,
        tol,
        _holds(point, tol),
        how,
        6,
        x=point.x,
        iterations=int(counts[0]),
        residual_norm=point.norm,
        gap=point.certificate.gap,
        dual=point.dual,
        active=active,
        products=int(counts[1]),
    )
