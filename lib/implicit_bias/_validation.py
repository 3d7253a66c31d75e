"""What every solver asks of its input, said once: a clear ``ValueError`` that names the argument."""

from decimal import Decimal
from math import isfinite
from numbers import Real

import numpy as np
from scipy.sparse import issparse
from scipy.sparse.linalg import LinearOperator

from ._matrices import OF_ENTRIES, WRONG_TRANSPOSE, Copied, norm

# Squares beyond these bounds leave the range of float64 (10^+-308) in the solvers: of entries, and of norms where the problem
# is scaled first.
ENTRIES, NORMS = (1e-100, 1e100), (1e-150, 1e150)
# What to do about a dtype that is not real.
REMEDIES = {
    "c": ": give the real and the imaginary parts as separate rows",
    "U": ": convert the strings to numbers",
    "S": ": convert the strings to numbers",
    "O": ": give an array of numbers",
}


def as_matrix(A, *, empty=False):
    """Return `A` as a real float matrix (array, CSR matrix or `LinearOperator`), or raise `ValueError`.

    float32 stays float32, integers become float64, everything else that is not real is refused. With `empty`, there may be
    no row or no column.
    """
    A = as_real_matrix(A)
    if 0 in A.shape:
        if not empty:
            raise ValueError(f"A must have at least one row and one column, got shape {A.shape}: skip this call")
        # Neither a form nor an entry makes a difference.
        return np.zeros(A.shape, A.dtype)
    if isinstance(A, LinearOperator):
        # Its entries are not at hand, but a NaN or an infinity among them shows in one product.
        _check_range("A", check_transpose(A))
    else:
        _check_range("A", A.data if issparse(A) else A)
    return A


def check_transpose(A):
    """Whether the transpose, which is easily got wrong, belongs to an operator, as far as two products tell; the first one."""
    z, w = (np.random.default_rng(0).uniform(1, 2, size).astype(A.dtype) for size in A.shape[::-1])
    image = A @ z
    if isinstance(A, OF_ENTRIES) or not np.all(np.isfinite(image)):
        return image
    try:
        back = np.ravel(getattr(A, "given", A).rmatvec(w))
    except NotImplementedError:  # whoever needs it will say so
        return image
    rounding = np.finfo(A.dtype).eps ** 0.375  # 1.3e-6 in float64: products in less precision pass
    if back.shape != z.shape or not abs(image @ w - z @ back) <= rounding * norm(image) * norm(w):
        raise ValueError(WRONG_TRANSPOSE)
    return image


def as_real_matrix(A):
    """The same without a look at the entries, or at their number."""
    if isinstance(A, LinearOperator):
        if np.dtype(A.dtype).kind != "f":
            raise ValueError(
                f"A must be a LinearOperator with a real floating dtype, got {A.dtype}: make it with dtype=float"
            )
        return A if isinstance(A, (Copied, OF_ENTRIES)) else Copied(A)
    if issparse(A) and A.dtype.kind in "biu":
        A = A.astype(float)  # entries that occur several times are added, which small integers do not survive
    A = A.tocsr() if issparse(A) else as_reals("A", A)
    if A.dtype.kind not in "biuf":
        raise ValueError(f"A must have real entries, got dtype {A.dtype}{REMEDIES.get(A.dtype.kind, '')}")
    if A.ndim != 2:
        raise ValueError(
            f"A must have two dimensions (m, n), got shape {A.shape}: a single column is A[:, None], a single row A[None]"
        )
    return A if A.dtype in (np.float32, np.float64) else A.astype(np.float64)


def as_reals(name, values):
    """Return `values` as an array of real numbers, in whatever real dtype it has; objects that are numbers become float64."""
    if isinstance(values, np.ma.MaskedArray):
        raise ValueError(
            f"{name} must not be a masked array, whose mask would be ignored: leave the masked rows out of A and y, "
            "or fill them with .filled(value)"
        )
    try:
        array = np.asarray(values)
    except ValueError as error:  # lists of different lengths
        raise ValueError(f"{name} must be an array of real numbers, all rows of one length: {error}") from None
    if array.dtype == object and array.ndim:
        array = _from_objects(name, array)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} must have real entries, got dtype {array.dtype}{REMEDIES.get(array.dtype.kind, '')}")
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:  # LAPACK has no routines for a long double
        with np.errstate(over="ignore"):  # an infinity is refused by whoever asks
            array = array.astype(float)
    return array


def _from_objects(name, array):
    """An array of objects as float64. A table whose columns have different types, or may miss values, comes as one."""
    for value in array.flat:
        if isinstance(value, (Real, Decimal, np.bool_)):
            continue
        if value is None or type(value).__name__ in ("NAType", "NaTType"):
            raise ValueError(f"{name} must have no missing values, it has {value!r}: leave these rows out of A and y")
        raise ValueError(f"{name} must have real entries, it has {value!r} of type {type(value).__name__}: convert it")
    try:
        return array.astype(float)
    except OverflowError:
        raise ValueError(f"{name} must be finite in float64, it has a larger number: rescale the problem") from None


def as_data(y, A, dtype=None):
    """Return `y` as a vector with one entry for each row of `A`, in the dtype of `A`; one column is a vector too."""
    y = as_reals("y", y)
    if y.shape == (A.shape[0], 1):
        y = y[:, 0]
    y = as_vector("y", y, A.shape[0], "one entry for each row of A")
    data = narrowed(y, dtype or A.dtype)
    if data.dtype != (dtype or A.dtype):
        raise ValueError(f"y is beyond the range of {A.dtype}, the dtype of A: give A in float64")
    return data


def narrowed(x, dtype):
    """`x` in `dtype`; unchanged where its largest entry would become infinite or zero there."""
    with np.errstate(over="ignore"):
        result = x.astype(dtype)
    return x if np.any(np.isinf(result)) or (np.any(x) and not np.any(result)) else result


def as_vector(name, v, length, meaning):
    """Return `v` as a finite real vector of the given length."""
    v = as_reals(name, v)
    if v.shape != (length,):
        several = ": call once for each column" if v.ndim == 2 and v.shape[0] == length else ""
        raise ValueError(f"{name} must have shape ({length},), {meaning}; got {v.shape}{several}")
    _check_range(name, v)
    return v.astype(np.result_type(v.dtype, np.float32), copy=False)


def as_numbers(name, values):
    """Return `values` as a non-empty list of finite floats."""
    values = as_reals(name, values).astype(float)
    if values.ndim != 1 or not values.size or not np.all(np.isfinite(values)):
        raise ValueError(f"{name} must be a non-empty list of finite numbers, got shape {values.shape}")
    return values


def as_sizes(name, sizes, *, zero=False, any_shape=False):
    """Return `sizes` as a non-empty list of positive integers (or zero, where `zero` allows it), or of any shape."""
    sizes = as_reals(name, sizes)
    right_shape = any_shape or sizes.ndim == 1
    # In int64 an unsigned one beyond its range is negative.
    whole = sizes.astype(np.int64) if sizes.dtype.kind in "iu" else np.full(sizes.shape, -1)
    if not (right_shape and sizes.size and np.all(whole >= (0 if zero else 1))):
        expected = "non-negative" if zero else "positive"
        raise ValueError(f"{name} must be {expected} integers, got {np.array2string(sizes, threshold=5)}")
    return whole


def as_groups(groups, n=None):
    """Return `groups` as the number of the group of each entry, from 0 on without a gap."""
    groups = as_sizes("groups", groups, zero=True)
    if np.any(np.bincount(groups, minlength=1) == 0):
        raise ValueError("groups must number the groups 0, 1, 2, ... without a gap, one number for each entry")
    if n is not None and len(groups) != n:
        raise ValueError(f"groups must have shape ({n},), one group for each column of A; got {groups.shape}")
    return groups


def as_inputs(name, Z):
    """Return `Z` as a finite float64 matrix with one input in each row."""
    Z = as_finite_matrix(name, Z)
    if Z.ndim != 2:
        raise ValueError(f"{name} must have two dimensions, one row for each input; got shape {Z.shape}")
    return Z.astype(float, copy=False)


def as_outputs(name, y, n):
    """Return `y` as a float64 array of shape (n,) or (n, outputs)."""
    y = as_reals(name, y).astype(float)
    if y.ndim not in (1, 2) or len(y) != n or not y.size or not np.all(np.isfinite(y)):
        raise ValueError(f"{name} must be finite of shape ({n},) or ({n}, outputs), got shape {y.shape}")
    return y


def as_labels(y, A):
    """Return `y` as labels +1 and -1, one for each row of `A`, both of which occur."""
    y = as_data(y, A)
    if not np.all(np.abs(y) == 1):
        raise ValueError("y must have the labels +1 and -1 only")
    if np.all(y == y[0]):
        raise ValueError(f"y must have both labels, +1 and -1; all are {y[0]:+g}")
    return y


def as_finite_matrix(name, W):
    """Return `W` as a non-empty dense matrix (or a stack of them) of finite floats."""
    W = as_reals(name, W)
    W = W.astype(np.result_type(W.dtype, np.float32), copy=False)
    if W.ndim < 2 or not W.size or not np.all(np.isfinite(W)):
        raise ValueError(f"{name} must be a non-empty matrix of finite numbers, got shape {W.shape}")
    _check_range(name, W)
    return W


def as_matrices(name, values):
    """Return `values` as a list of finite matrices."""
    try:
        values = list(values)
    except TypeError:
        raise ValueError(f"{name} must be a sequence of matrices, got {values!r}") from None
    return [as_finite_matrix(name, W) for W in values]


def as_point(name, x, n):
    """Return `x` as a float vector of shape (n,) that is finite and not negative."""
    x = as_reals(name, x).astype(float)
    if x.shape != (n,) or not np.all(np.isfinite(x)) or np.any(x < 0):
        raise ValueError(f"{name} must be non-negative and finite with shape ({n},), got shape {x.shape}")
    return x


def as_alpha(alpha, n):
    """Return the scale of the start as a positive float array that broadcasts to (..., n)."""
    alpha = as_reals("alpha", alpha).astype(float)
    if alpha.ndim > 0 and alpha.shape[-1] not in (1, n):
        raise ValueError(
            f"alpha must be a number, or have shape ({n},) (one scale for each coordinate), (k, 1) "
            f"(k uniform starts) or (k, {n}); got {alpha.shape}"
        )
    if alpha.ndim > 2:
        raise ValueError(f"alpha must have at most two dimensions, got shape {alpha.shape}")
    if not ((alpha.size or n == 0) and np.all(np.isfinite(alpha)) and np.all(alpha > 0)):
        raise ValueError(f"alpha must be positive and finite, got {alpha}")
    return alpha


def as_integers(name, values):
    """Return `values` as a tuple of positive integers."""
    try:
        return tuple(as_positive(name, value, integer=True) for value in values)
    except TypeError:
        raise ValueError(f"{name} must be a sequence of positive integers, got {values!r}") from None


def as_scale(alpha):
    """Return the scale of the start of a product of matrices: a positive number, or a stack of them, shape (k, 1)."""
    alpha = as_reals("alpha", alpha)
    if alpha.ndim and alpha.shape[-1] != 1:
        raise ValueError(f"alpha must be a number, or have shape (k, 1) for k starts; got {alpha.shape}")
    return as_alpha(alpha, 1)


def as_parametrization(parametrization, *, potential=False):
    """Return `parametrization`, or raise `ValueError` for what is none, such as the class instead of an instance.

    With `potential`, it must also have one: products of matrices do not move as mirror descent.
    """
    needed = ("start", "value", "pullback")
    if isinstance(parametrization, type) or not all(hasattr(parametrization, name) for name in needed):
        raise ValueError(f"parametrization must be one like HadamardPower(2), got {parametrization!r}")
    if potential and not hasattr(parametrization, "potential"):
        raise ValueError(f"parametrization must be a Hadamard power, which has a potential; got {parametrization!r}")
    return parametrization


def as_norm(norm, shape, n):
    """Return the name of a norm and, for the spectral one, the shape of the matrix that a vector stands for (None else)."""
    if not isinstance(norm, str) or norm not in ("l1", "l2", "linf", "spectral"):
        raise ValueError(f"norm must be l1, l2, linf or spectral, got {norm!r}")
    if norm != "spectral":
        if shape is not None:
            raise ValueError(f"shape is for the spectral norm, leave it out for {norm}")
        return norm, None
    if np.shape(shape) != (2,) or int(np.prod(shape)) != n:
        raise ValueError(
            f"shape must be (rows, columns) of a matrix with {n} entries for the spectral norm, got {shape!r}"
        )
    return norm, tuple(as_positive("shape", size, integer=True) for size in shape)


def as_seed(seed):
    """Return `seed` as a non-negative integer: None would draw something else at every call."""
    return as_positive("seed", seed, zero=True, integer=True)


def as_positive(name, value, *, zero=False, integer=False):
    """Return `value` as a positive finite number (or zero, where `zero` allows it)."""
    if type(value) is float and 0 < value < np.inf and not integer:  # most often, and in a tenth of the time
        return value
    expected = ("a non-negative " if zero else "a positive ") + ("integer" if integer else "number")
    if isinstance(value, int | np.unsignedinteger) and value >= 2**63:
        raise ValueError(f"{name} must be below 2**63, got {value!r}")
    try:
        number = np.asarray(None if isinstance(value, np.ma.MaskedArray) else value)
    except ValueError:  # lists of different lengths
        number = np.asarray(None)
    if number.ndim or number.dtype.kind not in ("iu" if integer else "iuf"):
        raise ValueError(f"{name} must be {expected}, got {value!r}")
    number = int(number) if integer else float(number)  # in which a long double may be infinite or zero
    if not isfinite(number) or number < 0 or (number == 0 and not zero):
        raise ValueError(f"{name} must be {expected}, got {value!r}")
    return number


def _check_range(name, entries):
    if entries.size == 0:
        return
    # Twice through the entries, which is faster than once with a copy of them.
    check_size(name, max(abs(float(np.max(entries))), abs(float(np.min(entries)))), ENTRIES, "its largest entry")


def check_size(name, size, bounds, what):
    if not isfinite(size):
        raise ValueError(f"{name} must be finite, it has a NaN or an infinity: leave these rows out of A and y")
    smallest, largest = bounds
    if size and not smallest <= size <= largest:
        raise ValueError(
            f"{name} must have {what} between {smallest:g} and {largest:g}, got {size:g}: rescale the problem"
        )
