"""Non-negative least squares for many right-hand sides: what depends on the matrix alone is computed once."""

import warnings
from functools import cached_property, partial

import numpy as np
from scipy.optimize import nnls as lawson_hanson

from ._accurate import _factor, _without
from ._backends import Dense, as_backend, as_known
from ._extras import watched
from ._fast import solver_of_equations
from ._matrices import as_entries, dense
from ._normalized import SMALL, holds
from ._validation import NORMS, as_matrix, as_outputs, check_size
from .measures import EPSILON, SLACK, _certify, column_norms
from .results import NonnegativeResult

LARGEST_GRAM = 1000  # columns whose Gram matrix is decomposed in advance
LARGEST_CONDITION = 1e6  # of that matrix: beyond, it has lost too many digits
TOGETHER = 250  # right-hand sides, which fit into the cache
STACK = 2**18  # entries of the matrices that are factored in one call
SPLITTING = 10  # iterations of splitting before the supports are looked at,
LOOKS = 10  # so many times at most
RELAXED = 1.6  # over-relaxation of the splitting (Eckstein and Bertsekas 1992)
SETTLED = 0.05  # of the right-hand sides: so few supports may still change when pivoting begins
SHARED = 1e5  # cubed size of a support times its occurrences: from there on a factorization of its own pays
PIVOTS = 10  # rounds of block pivoting
ROUNDING = 1e-14  # times the sum of x: a multiplier above minus this is taken as zero
ALIKE = 0.5  # of the squared data: what the last solution has to explain to be the next start
PER_COLUMN = ("x", "dual", "active", "optimality", "residual_norm", "kkt_residual", "gap", "products", "iterations")


class Columns:
    """A matrix, prepared for many right-hand sides. `solve` is `nnls` for one of them."""

    def __init__(self, A, solve):
        known = as_known(A)
        if known.shape[0] * known.shape[1] <= SMALL:
            known = as_matrix(dense(as_entries(known)))
        self.dense = isinstance(known, np.ndarray)
        if self.dense:
            self.A = known.astype(float, copy=False)
        else:  # of an object of its own `nnls` uses more than the products
            self.A = A if hasattr(A, "matvec") else known
        self.one = solve
        self.small = self.dense and min(known.shape) * known.shape[1] <= SMALL
        if self.dense:
            self.lengths = column_norms(self.A)
            self.d = np.where(self.lengths > 0, self.lengths, 1)

    @cached_property
    def gram(self):
        """The Gram matrix of the columns of length 1, its inverse and what splitting needs; None where it says too little."""
        m, n = self.A.shape
        if not self.dense or not n <= min(m, LARGEST_GRAM) or not self.lengths.all():
            return None
        G = self.A.T @ self.A / self.d / self.d[:, None]
        values, vectors = np.linalg.eigh(G)
        if values[-1] > LARGEST_CONDITION * values[0]:
            return None
        weight = np.sqrt(values[0] * values[-1])
        return G, (vectors / values) @ vectors.T, weight, (vectors / (values + weight)) @ vectors.T

    @cached_property
    def reduced(self):
        """`Q` and `R` of the columns of length 1: least squares with `R` is that with the matrix."""
        m, n = self.A.shape
        return (None, self.A / self.d) if m <= n else np.linalg.qr(self.A / self.d)

    def solve(self, Y, tol, progress):
        """The result for the columns of `Y`."""
        Y = as_outputs("y", Y, self.A.shape[0])
        sizes = Dense(Y).column_norms()
        for size in (np.max(sizes), np.min(sizes, where=sizes > 0, initial=1.0)):
            check_size("y", size, NORMS, "a size")
        equations = solver_of_equations(len(sizes), self.A.shape[1]) or _equations
        together = self.small or self.gram is not None
        step, parts, last = (TOGETHER if together else 1), [], None
        starts = range(0, len(sizes), step)
        for start in watched(starts, len(sizes), step, "nnls") if progress else starts:
            part = slice(start, start + step)
            if together:
                parts.append(self._together(Y[:, part], np.where(sizes[part] > 0, sizes[part], 1), tol, equations))
            else:
                parts.append(self._alone(Y[:, part], tol, last))
                last = parts[-1]["x"][:, -1]
        return joined(parts)

    def _together(self, Y, sizes, tol, equations):
        """The fields of the result: by pivoting, by the method of SciPy or one by one, until the certificate holds."""
        data = Y / sizes
        x, fields = np.zeros((len(sizes), len(self.d))), {}

        def measure(rows, without=None):
            """Renew the fields of these rows, and return those whose certificate does not hold."""
            for name, values in self._measured(x[rows], data[:, rows], sizes[rows], tol, without).items():
                fields.setdefault(name, np.zeros((*values.shape[:-1], len(sizes)), values.dtype))[..., rows] = values
            return np.flatnonzero(~fields["good"])

        if self.gram is not None:
            x, done = _pivot(self.gram, np.ascontiguousarray((self.A.T @ data).T) / self.d, equations)
            left = measure(np.arange(len(x)))
            if len(left):
                r = self.A @ (x[left] / self.d).T - data[:, left]
                x[left] = np.maximum(x[left] - self._coefficients(r, x[left] > 0, equations), 0)
                measure(left, partial(self._without_by_gram, equations))
            left = np.flatnonzero(~(done & fields["good"]))
        else:
            left = np.arange(len(x))
        if self.small and len(left):
            Q, R = self.reduced
            for j, b in zip(left, (data[:, left] if Q is None else Q.T @ data[:, left]).T, strict=True):
                try:
                    x[j] = lawson_hanson(R, b, maxiter=30 * len(self.d))[0]
                except RuntimeError:  # too many iterations
                    x[j] = 0
            left = measure(left)
            left = measure(left, self._without) if len(left) else left
        left = np.flatnonzero(~fields["good"])
        if len(left):
            for name, values in self._alone(Y[:, left], tol).items():
                fields[name][..., left] = values
        return fields

    def _measured(self, x, data, sizes, tol, without=None):
        """The fields for the rows of `x`, which are in units of columns and data, with certificates from the data.

        With `without`, the multipliers are those of what that leaves of the residual: it takes out the part in the span of the
        columns in use, which is the rounding of `x`, and counts as distance.
        """
        r = self.A @ (x / self.d).T - data
        nu, precision, shift = r, EPSILON, 0.0
        if without is not None:
            nu = without(r, x > 0)
            precision, shift = EPSILON**2, np.linalg.norm(nu - r, axis=0) + SLACK * EPSILON * (1 + np.sum(x, axis=1))
        g = self.A.T @ nu
        unit = np.where(self.lengths > 0, 1.0, 0.0)
        certificate = _certify(x, r.T, g.T / self.d, unit, 1.0, True, precision, shift)
        return {
            "x": (x / self.d).T * sizes,
            "dual": g * sizes,
            "active": x.T == 0,
            "optimality": certificate.optimality,
            "residual_norm": np.sqrt(2 * certificate.loss) * sizes,
            "kkt_residual": certificate.kkt_residual,
            "gap": certificate.gap * sizes**2,
            "products": np.full(len(x), 2),
            "iterations": np.zeros(len(x), int),
            "good": holds(certificate, tol),
        }

    def _coefficients(self, r, on, equations):
        """Of the part of each column of `r` in the span of the columns of the matrix that are `on`."""
        return _on_supports(self.gram, (self.A.T @ r).T / self.d, on, equations)

    def _without_by_gram(self, equations, r, on):
        for _ in range(2):
            r = r - self.A @ (self._coefficients(r, on, equations) / self.d).T
        return r

    def _without(self, r, on):
        """The same by orthogonal factors."""
        Q, R = self.reduced
        inside = r if Q is None else Q.T @ r
        left = np.transpose(
            [_without(_factor(R[:, row])[0], b) if row.any() else b for row, b in zip(on, inside.T, strict=True)]
        )
        return left if Q is None else r + Q @ (left - inside)

    def _alone(self, Y, tol, last=None):
        """The fields for columns that are solved one by one, from the solution before where that explains enough."""
        found = []
        for y in Y.T:
            start = None
            if last is not None and np.any(last):
                image = as_backend(self.A).forward(last)
                fit, square = image @ y, image @ image
                if fit > 0 and fit**2 > ALIKE * square * (y @ y):
                    start = last * (fit / square)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # `joined` says it
                found.append(self.one(self.A, y, tol=tol, x0=start))
            last = None if last is None else found[-1].x
        return {name: np.stack([getattr(r, name) for r in found], axis=-1) for name in PER_COLUMN} | {
            "good": np.array([r.converged for r in found])
        }


def _pivot(gram, C, equations):
    """Minimize ``1/2 x.T G x - c.T x`` over ``x >= 0`` for each row `c` of `C`: the rows `x`, and which are solved.

    Operator splitting finds most of the supports, with one product of matrices for all rows in an iteration; block pivoting
    corrects and solves on them.

    Source: Gabay and Mercier (1976) for the splitting; Portugal, Judice and Vicente (1994) for the pivoting.
    """
    G, _, weight, damped = gram
    # It only guesses supports: half of the digits do.
    constant = np.float32(RELAXED * (C @ damped))
    operator = np.float32(RELAXED * (weight * damped - np.eye(len(G)) / 2))
    v, size, step, before = np.zeros_like(constant), *np.empty((2, *C.shape), np.float32), np.zeros(C.shape, bool)
    for _ in range(LOOKS):
        for _ in range(SPLITTING):
            # With the iterate max(v, 0) and the multipliers min(v, 0), what they enter by is |v| and v.
            np.matmul(np.abs(v, out=size), operator, out=step)
            v *= 1 - RELAXED / 2
            v += step
            v += constant
        positive = v > 0
        if np.count_nonzero(np.any(positive != before, axis=1)) <= SETTLED * len(C):
            break
        before = positive
    x, left = np.zeros_like(C), np.arange(len(C))
    for _ in range(PIVOTS):
        found = _on_supports(gram, C[left], positive, equations)
        multipliers = found @ G - C[left]
        wrong = np.where(positive, found < 0, multipliers < -ROUNDING * (1 + np.sum(np.abs(found), axis=1))[:, None])
        x[left] = np.maximum(found, 0)
        again = np.any(wrong, axis=1)
        left, positive = left[again], (positive ^ wrong)[again]
        if not len(left):
            break
    done = np.ones(len(C), bool)
    done[left] = False
    return x, done


def _on_supports(gram, C, positive, equations):
    """The solutions of ``G x = c`` on the given supports, the rest of `x` being zero.

    With the inverse `H` of `G` the multipliers `g` off a large support solve a small system: ``x = H (c + g)`` is zero there.
    """
    G, H = gram[:2]
    x, few = np.zeros_like(C), 2 * np.count_nonzero(positive, axis=1) <= len(G)
    x[few] = equations(G, C[few], positive[few])
    many, C = positive[~few], C[~few]
    x[~few] = many * ((C + equations(H, -C @ H, ~many)) @ H)
    return x


def _equations(G, C, positive):
    """The same by the equations on the supports: one factorization for each support that occurs."""
    x = np.zeros_like(C)
    if not np.any(positive):
        return x
    sizes = np.count_nonzero(positive, axis=1)
    supports, which, numbers = np.unique(np.packbits(positive, axis=1), axis=0, return_inverse=True, return_counts=True)
    if len(C) * np.max(sizes) ** 3 > SHARED * len(supports):
        for rows in np.split(np.argsort(which.ravel(), kind="stable"), np.cumsum(numbers)[:-1]):
            on = np.flatnonzero(positive[rows[0]])
            x[np.ix_(rows, on)] = np.linalg.solve(G[np.ix_(on, on)], C[np.ix_(rows, on)].T).T
        return x
    order = np.argsort(sizes, kind="stable")
    step = max(1, STACK // np.max(sizes) ** 2)
    for rows in np.split(order, range(step, len(order), step)):
        # Supports of nearly the same size, with the identity in the rows and columns that a smaller one lacks.
        size = sizes[rows[-1]]
        index = np.argsort(~positive[rows], axis=1, kind="stable")[:, :size]
        on = np.arange(size) < sizes[rows, None]
        matrices = G[index[:, :, None], index[:, None, :]]
        matrices *= on[:, :, None]
        matrices *= on[:, None, :]
        matrices[:, range(size), range(size)] += ~on
        data = np.take_along_axis(C[rows], index, axis=1) * on
        x[rows[:, None], index] = np.linalg.solve(matrices, data[:, :, None])[:, :, 0] * on
    return x


def joined(parts):
    """The result for many columns of data, from the fields of some of them and which of these are `good`."""
    fields = {name: np.concatenate([part[name] for part in parts], axis=-1) for name in (*PER_COLUMN, "good")}
    good = fields.pop("good")
    failed = np.flatnonzero(~good)
    message = f"{np.count_nonzero(good)} of {len(good)} columns are solved"
    if len(failed):
        message += f", with a relative gap of {np.max(fields['optimality'][failed]):.1e} in the others: "
        message += ", ".join(map(str, failed[:10])) + (", ..." if len(failed) > 10 else "")
        warnings.warn(f"nnls: {message}.", RuntimeWarning, stacklevel=4)
    fields |= {name: int(np.sum(fields[name])) for name in ("products", "iterations")}
    return NonnegativeResult(converged=not len(failed), message=f"{message}.", measured_by="relative gap", **fields)
