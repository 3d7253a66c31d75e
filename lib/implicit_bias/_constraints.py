"""Weights, a Tikhonov term, a given sum and upper bounds: each is one plain problem of `nnls`, or a few of them."""

import warnings
from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.sparse import diags_array, issparse, vstack
from scipy.sparse.linalg import LinearOperator, lsmr

from ._accurate import _factor, _without
from ._backends import Dense, as_backend, as_known
from ._columns import PER_COLUMN, joined
from ._extras import watched
from ._matrices import as_entries, dense, gram, norm, operator
from ._normalized import MET, SMALL, holds, reported
from ._support import LARGEST_ACTIVE_SET
from ._validation import NORMS, as_data, as_matrix, as_outputs, as_point, as_positive, as_reals
from .measures import EPSILON, REACH, SLACK, Certificate

SHARPER = 4  # times as small is the tolerance of the plain problem, and ten times smaller in each of the next two
ROUNDS = 10  # in which another entry is left out of the sum: one is usual
NEARLY_MET = 1e-10  # of the norm of y: a residual from which the data are met by LSMR,
LSMR = 100  # in so many steps at most
STEPS = 30  # from inside the bounds to where the data are met,
INSIDE = 0.9  # of the way to the bounds at most
FLIPS = 100  # rounds of upper bounds: five are usual
PROXIMAL = 1e-8  # squared weight of the present point where bounds leave ties, relative to the squared columns


def constrained(solve, A, y, *, weights, tikhonov, sum_to, upper, progress, **options):
    """`nnls` with constraints, by `solve`, which is `nnls` without."""
    A = as_known(A)
    if hasattr(A, "dask") and A.size <= SMALL:
        A = as_matrix(as_entries(A))
    y = as_reals("y", y)
    several = y.ndim == 2 and y.shape[1] != 1
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
            "upper must not be given together with sum_to: an entry that is what the others leave of the sum has no bound above"
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
        if (size := norm(y.ravel())) > NORMS[1] or 0 < size < NORMS[0]:
            raise ValueError(
                f"weights must leave y a size between {NORMS[0]:g} and {NORMS[1]:g}, got {size:g}: rescale the problem"
            )
    if tikhonov is not None:
        roots = np.sqrt(_per_column("tikhonov", tikhonov, n))
        if np.max(roots, initial=0.0) > NORMS[1]:
            raise ValueError(
                f"tikhonov must be at most {NORMS[1] ** 2:g}, got {np.max(tikhonov):g}: rescale the problem"
            )
        used = np.flatnonzero(roots)
        A, y = _appended(A, roots, used), np.concatenate([y, np.zeros((len(used), *y.shape[1:]))])
    return A, y


def _per_column(name, values, n, *, infinite=False):
    values = as_reals(name, values).astype(float)
    good = values >= 0 if infinite else (values >= 0) & np.isfinite(values)
    if values.shape not in ((), (n,)) or not np.all(good):
        finite = "" if infinite else " and finite"
        raise ValueError(f"{name} must be non-negative{finite}, a number or of shape ({n},); got {values}")
    return np.broadcast_to(values, n) + 0.0  # no negative zero


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
    """A point that meets the constraints, with its certificate and its multipliers among all that meet them."""

    x: np.ndarray
    norm: float
    dual: np.ndarray
    certificate: Certificate

    def holds(self, tol):
        return bool(holds(self.certificate, tol))


def _admissible(A, y, x, columns, tol, **constraint):
    """The point with its certificate; where rounding of `x` hides too much, with multipliers that do not suffer from it.

    They are those of the residual without its part in the span of the directions in which `x` can move both ways.
    """
    r = np.asarray(A @ x) - y  # of a matrix in chunks these are promises
    point = _certified(A, y, x, columns, r, r, EPSILON, 0.0, [], **constraint)
    total, upper = constraint.get("sum_to"), constraint.get("upper", np.inf)
    free = np.flatnonzero((x > 0) & (x < upper))
    hidden = point.certificate.gap <= SLACK * point.certificate.floor
    if point.holds(tol) or not hidden or not 0 < A.shape[0] * len(free) <= LARGEST_ACTIVE_SET:
        return point
    C, kept = as_backend(A).columns(free), free
    if total is not None:
        largest = np.argmax(x[free])
        C, free = np.delete(C - C[:, [largest]], largest, axis=1), np.delete(free, largest)
    lengths = Dense(C).column_norms()
    Q, _, kept = _factor(C / np.where(lengths > 0, lengths, 1)) if lengths.any() else (C[:, :0], None, [])
    nu = _without(Q, r)
    shift = norm(nu - r) + SLACK * EPSILON * (float(columns @ x) + norm(y))
    sharper = _certified(A, y, x, columns, r, nu, EPSILON**2, shift, free[kept], **constraint)
    return sharper if sharper.holds(tol) or sharper.certificate.optimality < point.certificate.optimality else point


def _certified(A, y, x, columns, r, nu, precision, shift, free, *, sum_to=None, upper=None):
    """``f(x) - f(z) <= <g, x - z> + 1/2 shift^2``, at most what the worst admissible `z` within reach makes of it.

    `g` is the gradient of a residual `nu` at the distance `shift`, which is orthogonal to what moves the entries `free`.
    """
    g = np.asarray(A.T @ nu).copy()  # what a worker has sent may be read-only
    lengths = np.where(columns > 0, columns, 1)
    left, data = norm(r), norm(y)
    size = float(columns @ x) + data
    met = data or SLACK * EPSILON / MET * size or 1.0  # data that are zero are met up to rounding
    data = data or size or 1.0
    rounding = (precision * size + EPSILON * left) * columns
    for v in (g, rounding):
        v[free] = 0 if sum_to is None else v[np.argmax(x)]
    if sum_to is not None:
        dual, reach = g - g @ x / sum_to, np.inf
        unit = np.max(columns) or 1.0  # that of the sum, which couples the entries
        slack = np.minimum(unit * x, dual / unit)

        def worst(rounding):
            return (g + rounding - np.min(g - rounding)) @ x
    else:
        dual, reach, room = g, REACH * size, np.minimum(upper - x, 2 * REACH * size / lengths)
        near = lengths * room <= reach
        slack = np.maximum(np.minimum(columns * x, g / lengths), -lengths * room)

        def worst(rounding):
            rising, falling = np.maximum(g + rounding, 0), np.maximum(rounding - g, 0)
            return rising @ x + falling[near] @ room[near] + reach * np.max(falling / lengths, where=~near, initial=0.0)

    loss, gap = left**2 / 2, float(worst(0.0)) + shift**2 / 2
    floor = float(worst(rounding)) + shift**2 / 2 - gap
    kkt = float(np.max(np.abs(slack))) / data
    reach = np.inf if gap >= loss else reach
    certificate = Certificate(loss, min(max(gap, 0.0), loss), reach, floor, kkt, left / met)
    return Admissible(x, left, dual, certificate)


def _quietly(solve, *args, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # what counts is the certificate among the admissible vectors
        return solve(*args, **options)


def _simplex(solve, A, y, total, *, tol, x0=None, callback=None, **options):
    r"""Minimize ``|A x - y|`` over ``x >= 0`` with ``sum(x) = total``.

    Where an entry `k` is positive in a solution, its bound is not active: with ``x_k`` what the others leave of the sum, and
    columns ``a_j - a_k``, the problem is plain, and has the same solutions. If the solution found has a negative ``x_k``, the
    best `k` is another one: the point on the way at which ``x_k`` is zero is better than the one before.
    """
    m, n = A.shape
    columns = as_backend(A).column_norms()
    image = total * float(np.max(columns))
    if max(image, norm(y)) > NORMS[1] or 0 < max(image, norm(y)) < NORMS[0]:
        raise ValueError(
            f"sum_to must make columns of A of a size between {NORMS[0]:g} and {NORMS[1]:g}, got {image:g}: rescale the problem"
        )
    if m * n <= SMALL:
        A = dense(as_entries(A))
    x = np.zeros(n) if x0 is None else as_point("x0", x0, n)
    if np.any(x):
        x = x / np.max(x)
        x *= total / np.sum(x)
    else:
        x = _toward(A, y, np.full(n, total / n), total)
    best, counts = None, np.zeros(2, int)
    for sharper in range(ROUNDS):
        k = np.argmax(x)
        if m * n > SMALL or callback is not None or x0 is not None:
            options["x0"] = np.delete(x, k)
        if callback is not None:
            options["callback"] = lambda state, k=k: callback(
                replace(state, x=_completed(np.insert(state.x, k, 0), k, total))
            )
        column = as_backend(A).columns([k])[:, 0]
        data, sharp = y - total * column, max(tol / SHARPER / 10 ** min(sharper, 2), 1e-14)
        found = _quietly(solve, _less(A, k, column), data, tol=sharp, **options)
        counts += found.iterations, found.products
        options.pop("alpha", None)
        z = np.insert(found.x, k, total - np.sum(found.x))
        if z[k] < 0:
            z = x + x[k] / (x[k] - z[k]) * (z - x)
            z[k] = 0
        x = _completed(z, k, total)
        point = _admissible(A, y, x, columns, tol, sum_to=total)
        if not point.holds(tol) and point.certificate.relative_residual <= NEARLY_MET:
            x, steps = _nearer(A, y, x, columns)
            point, counts[1] = _admissible(A, y, x, columns, tol, sum_to=total), counts[1] + 2 * steps
        better = best is None or point.holds(tol) or point.certificate.optimality < best.certificate.optimality
        best = point if better else best
        if best.holds(tol) or (not better and sharper > 1):
            break
        x = _toward(A, y, x, total)
    return _report(best, tol, counts, best.x == 0, f"With the sum {total:g}")


def _less(A, k, column):
    """The other columns of the matrix, minus the column `k`."""
    if isinstance(A, np.ndarray) or hasattr(A, "dask"):
        return A[:, np.arange(A.shape[1]) != k] - column[:, None]
    return operator(
        (A.shape[0], A.shape[1] - 1),
        lambda z: A @ np.insert(z, k, 0) - np.sum(z) * column,
        lambda r: np.delete(A.T @ r, k) - column @ r,
    )


def _completed(x, k, total):
    """The vector whose entry `k` is what the others leave of the sum; none is negative."""
    x = np.maximum(x, 0)
    x[k] = 0
    x[k] = max(total - np.sum(x), 0)
    return x * (total / np.sum(x))


def _toward(A, y, x, total):
    """The best point on the way to the vertex to which the loss falls fastest (Frank and Wolfe 1956)."""
    r = np.asarray(A @ x) - y
    vertex = np.where(np.arange(len(x)) == np.argmin(np.asarray(A.T @ r)), total, 0.0)
    way = np.asarray(A @ (vertex - x))
    step = -(r @ way) / ((way @ way) or 1.0)
    return x + np.clip(step, 0.0, 1.0) * (vertex - x)


def _nearer(A, y, x, columns):
    """The data met closer from near by, with the same sum, by changes of the positive entries; and the steps of LSMR.

    The plain problem meets its own data, which may be larger than `y`. Where the largest entries may change no more than the
    typical one, the steps are few.
    """
    on, lengths, r = x > 0, np.where(columns > 0, columns, 1), y - np.asarray(A @ x)
    weights = np.minimum(x, np.median((lengths * x)[on]) / lengths)
    shares = weights / np.sum(weights)
    image = np.asarray(A @ shares)
    changes = operator(
        A.shape,
        lambda u: np.asarray(A @ (weights * u)) - (weights @ u) * image,
        lambda v: weights * (np.asarray(A.T @ v) - image @ v),
    )
    u, _, steps = lsmr(changes, r, atol=0, btol=MET / 2 * norm(y) / norm(r), conlim=0, maxiter=LSMR)[:3]
    return np.maximum(x + weights * u - (weights @ u) * shares, 0), steps


def _met(A, y, x, upper):
    """A point between the bounds that meets the data, from one that may leave them, or None if none is found.

    Each step meets the data with the least change relative to the distances from the bounds, as far as these allow.

    Source: the affine scaling of Dikin (1967).
    """
    top = np.minimum(upper, 2 * np.max(x))
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
        with np.errstate(over="ignore"):
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
        point = _admissible(A, y, np.clip(x, 0, upper), columns, tol, upper=upper)
        best = point if best is None or point.norm < best.norm else best
        if point.holds(tol):
            best = point
            break
        outside = np.where(flipped, x < 0, x > upper)
        if last == -np.inf and m < n and isinstance(A, np.ndarray) and found.residual_norm <= MET * np.linalg.norm(y):
            met = _met(A, y, x, upper)
            if met is not None and (point := _admissible(A, y, met, columns, tol, upper=upper)).holds(tol):
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
        point.holds(tol),
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
