r"""Gradient descent, and its stochastic and heavy-ball forms, on the weights of any parametrization.

One loop serves every parametrization and a whole stack of starts at once: the products with `A` are then products of
matrices, which cost little more than one product with a vector.
"""

import warnings

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse.linalg import LinearOperator
from scipy.special import expit

from ._matrices import products
from ._types import Matrix, Parametrization
from ._validation import as_data, as_labels, as_matrix, as_parametrization, as_positive, as_seed
from .measures import _certify, _kkt, column_norms, spectral_norm
from .results import NOTHING, Path, Result


def gradient_descent(
    A: Matrix,
    y: ArrayLike,
    parametrization: Parametrization,
    *,
    alpha: ArrayLike,
    loss: str = "squared",
    step_size: float | None = None,
    momentum: float = 0.0,
    weight_decay: float = 0.0,
    batch_size: int | None = None,
    label_noise: float = 0.0,
    seed: int | None = None,
    max_iterations: int = 10_000,
    tol: float = 1e-8,
    record: int = 100,
) -> Result:
    r"""Minimize ``1/2 |A x(w) - y|^2``, or the logistic loss, over the weights `w`, from ``w(0) = alpha``.

    The vanilla method is :math:`w \leftarrow w - \eta\,\nabla_w`. With `momentum` it is the heavy-ball method; with
    `batch_size` the gradient is estimated from that many rows of `A`, drawn afresh without replacement at each step by
    ``numpy.random.default_rng(seed)``, and multiplied by ``m / batch_size``. With `weight_decay` the function
    ``loss + weight_decay/2 |w|^2`` is minimized. With `label_noise` each step sees labels of its own, `y` plus independent
    normal numbers; such a descent does not come to rest, and goes on to `max_iterations`.

    Source: Chou, Maly and Rauhut (2023). Taught in the chapter "Sparse recovery"; with decay in the chapter "Weight decay".

    Parameters
    ----------
    A : array_like, sparse matrix or LinearOperator, shape (m, n)
        float32 stays float32.
    y : array_like, shape (m,)
        For the logistic loss labels +1 and -1, both of which occur.
    parametrization : Linear, HadamardPower, SignedHadamardPower, GroupHadamard, MatrixProduct or SymmetricProduct
        Or any other, such as a `Reparametrization`.
    alpha : float or array_like
        Scale of the start: a number; shape (n,), one scale for each coordinate; (k, 1) or (k, n), a stack of k starts, for
        which `x` has shape (k, n). Products of matrices take a number or (k, 1).
    loss : {"squared", "logistic"}
        The second is :math:`\sum_i \ln(1 + e^{-y_i (Ax)_i})`.
    step_size : float, optional
        The step `eta`. By default ``1 / (c(M) |A|^2)`` with `c` the `curvature` of the parametrization (``L^2 M^(2-2/L)`` for
        Hadamard powers) and `M` the largest `size` of the weights so far, and at least the size of a solution that the data
        suggest: safe by the local stability bound, and never growing. Four times that for the logistic loss, whose second
        derivative is at most 1/4. With `weight_decay` the inverse of the step is larger by it.
    momentum : float
        Share of the last step that is taken again, in [0, 1).
    weight_decay : float
        The decay of the weights, not negative.
    batch_size : int, optional
        Rows per step; all rows by default. Not for a `LinearOperator`.
    label_noise : float
        Standard deviation of the noise that is added to `y` afresh in each step, the same for all starts of a stack. Not for
        the logistic loss. What it does in the mean is `implicit_bias.limits.label_noise_flow`.
    seed : int, optional
        Required with `batch_size` and with `label_noise`.
    max_iterations : int
    tol : float
        Stop when the KKT residual of every start is at most `tol`, and so is the optimality of its certificate, see
        `implicit_bias.measures.Certificate` (where `y` is zero, both relative to ``A x(0)``); for the logistic loss, when
        the gradient with respect to `x` is at most `tol` times as long as at the start. With `weight_decay`, for both losses,
        when the gradient with respect to the weights is at most `tol` times as long as `weight_decay` times the weights, or
        the weights at the start if these are longer.
    record : int
        How many iterates to keep, at iterations spaced evenly in the logarithm (0: no path; `max_iterations`: all).

    Returns
    -------
    Result

    Raises
    ------
    ValueError
        For a wrong shape, a non-finite or non-real entry, or an option out of its range.

    Warns
    -----
    RuntimeWarning
        When the iteration diverged. `x` is then the last finite iterate.

    Examples
    --------
    >>> from implicit_bias.parametrizations import SignedHadamardPower
    >>> result = gradient_descent([[1.0, 2.0]], [2.0], SignedHadamardPower(2), alpha=1e-3)
    >>> result.x.round(2).tolist()
    [0.0, 1.0]
    """
    weight_decay = as_positive("weight_decay", weight_decay, zero=True)
    if not isinstance(loss, str) or loss not in LOSSES:
        raise ValueError(f"loss must be {' or '.join(LOSSES)}, got {loss!r}")
    A = as_matrix(A, empty=loss == "squared" and not weight_decay)
    objective = LOSSES[loss](A, y)
    max_iterations = as_positive("max_iterations", max_iterations, integer=True, zero=True)
    record = as_positive("record", record, integer=True, zero=True)
    tol = as_positive("tol", tol, zero=True)
    momentum = as_positive("momentum", momentum, zero=True)
    if momentum >= 1:
        raise ValueError(f"momentum must be less than 1, got {momentum}")
    estimate = _stochastic(A, objective, batch_size, label_noise, seed)
    parametrization = as_parametrization(parametrization)
    w, x = _start(A, parametrization, alpha)
    if 0 in A.shape:
        zeros = np.zeros(x.shape[:-1])
        losses = zeros + objective.y @ objective.y / 2
        path = Path(zeros[None], x[None], losses[None], np.zeros(1, dtype=int)) if record else None
        return Result(x, True, 0, NOTHING, zeros[()], objective.measured_by, path, w)
    if label_noise:
        tol = -1.0  # nothing is below
    step = _Step(A, objective, parametrization, w, step_size, weight_decay)
    decay = _Decay(parametrization, w, x, weight_decay) if weight_decay else None
    measured_by = decay.measured_by if decay else objective.measured_by
    residual = decay.residual if decay else objective.residual
    forward, backward = products(A)
    kept = _log_spaced(max_iterations, record)

    w_before, velocity = w, np.zeros_like(w)
    alive, none_diverged = np.ones(x.shape[:-1], dtype=bool), True
    time, times, iterates, losses, iterations = np.zeros(x.shape[:-1]), [], [], [], []
    k = 0
    with np.errstate(over="ignore", invalid="ignore"):  # divergence is found below, and reported
        while True:
            predictions = forward(x)
            slope = objective.slope(predictions)
            gradient = backward(slope)
            finite = np.isfinite(gradient.sum(axis=-1))
            if loss == "logistic":  # whose gradient is bounded, wherever `x` is
                finite &= np.isfinite(x.sum(axis=-1))
            if not (finite if none_diverged else finite | ~alive).all():
                # A diverged start goes back to its last finite iterate and stays there.
                w = np.where((finite | ~alive)[..., None], w, w_before)
                alive, none_diverged = finite & alive, False
                x = parametrization.value(w)
                continue
            if decay:
                optimality = decay.optimality(w, gradient)
            else:
                goes_on = none_diverged and k < max_iterations
                optimality = objective.optimality(x, slope, gradient, parametrization.nonnegative, tol, goes_on)
            small = optimality <= tol
            done = k == max_iterations or (small if none_diverged else small | ~alive).all()
            if record and (k in kept or done):
                times.append(time.copy())
                iterates.append(x)
                losses.append(objective.value(predictions, slope))
                iterations.append(k)
            if done:
                break
            if estimate is not None:
                gradient = estimate(x, slope)
            eta = step.length(w) if none_diverged else step.length(w) * alive
            move = parametrization.pullback(w, gradient)
            if decay:
                move = move + weight_decay * w
            move *= -eta[..., None]
            velocity = momentum * velocity + move if momentum else move
            if not none_diverged:
                velocity = np.where(alive[..., None], velocity, 0)  # 0 times an overflow is NaN
            w_before, w = w, (w + velocity).astype(A.dtype, copy=False)
            x = parametrization.value(w)
            time = time + eta
            k += 1
    optimality = np.where(np.isnan(optimality), np.inf, optimality)  # of a start that diverged
    converged = bool(np.all(alive) and np.all(optimality <= tol))
    if not np.all(alive):
        message = f"Diverged: the step size is too large for {np.count_nonzero(~alive)} of {alive.size} starts."
        warnings.warn(f"gradient_descent: {message}", RuntimeWarning, stacklevel=2)
    elif converged:
        message = f"The {residual} fell below {tol:g} after {k} iterations."
    else:
        message = f"Stopped after {k} iterations, where the {residual} is {np.max(optimality):.1e}."
    path = None
    if record:
        path = Path(np.array(times), np.array(iterates), np.array(losses), np.array(iterations))
    return Result(x, converged, k, message, optimality[()], measured_by, path, w)


def _start(A, parametrization, alpha):
    """The first weights and the first `x`, refused where they or the products with `A` are beyond the dtype of `A`."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        start = parametrization.start(alpha, A.shape[1])
        w = start.astype(A.dtype)
        x = parametrization.value(w)
        fits = np.array_equal(w != 0, start != 0) and np.all(np.isfinite(A.T @ (A @ x.T)))
    if not fits:
        raise ValueError(f"alpha is beyond the range of {A.dtype} for this A and depth, got {alpha}")
    return w, x


class _Squared:
    """``1/2 |A x - y|^2``, as a function of the predictions ``A x``."""

    residual, measured_by = "optimality", "optimality of the certificate, or the KKT residual above the tolerance"
    curvature = 1.0  # bound on the second derivative

    def __init__(self, A, y):
        self.y = as_data(y, A)
        self.columns = None if 0 in A.shape else column_norms(A)
        self.data_norm = float(np.linalg.norm(self.y.astype(float)))
        self.unit = None  # of zero data: the size of the first predictions

    def slope(self, predictions, rows=slice(None)):
        """Derivative with respect to the predictions, of these rows."""
        return predictions - self.y[rows]

    def value(self, predictions, slope):
        return np.sum(np.square(slope, dtype=float), axis=-1) / 2

    def optimality(self, x, slope, gradient, nonnegative, tol, goes_on):
        """The numbers above `tol` are above it for certain; the others only where the loop does not go on for one of them."""
        if not self.data_norm:
            if self.unit is None:
                first = np.linalg.norm(slope.astype(float), axis=-1, keepdims=True)
                self.unit = np.where(first > 0, first, 1)
            x, slope, gradient = x / self.unit, slope / self.unit, gradient / self.unit
        kkt = _kkt(x, gradient, self.columns, self.data_norm, nonnegative)
        above = kkt > tol
        if above.any() if goes_on else above.all():
            return kkt
        # The certificate costs more, and is no smaller where it matters: a small KKT residual alone bounds no loss.
        # Squares of float32 may be beyond float32.
        x, slope, gradient = (np.asarray(v, dtype=float) for v in (x, slope, gradient))
        certificate = _certify(x, slope, gradient, self.columns, self.data_norm, nonnegative)
        return np.where(above, kkt, np.where(certificate.at_floor, kkt, certificate.optimality))


class _Logistic:
    """``sum_i log(1 + exp(-y_i (A x)_i))``, as a function of the predictions ``A x``."""

    residual, measured_by = "gradient norm", "norm of the gradient with respect to x, relative to the start"
    curvature = 0.25

    def __init__(self, A, y):
        self.y = as_labels(y, A)
        self.data_norm = len(self.y) ** 0.5
        self.first = None

    def slope(self, predictions, rows=slice(None)):
        y = self.y[rows]
        return -y * expit(-y * predictions)

    def value(self, predictions, slope):
        return np.sum(np.logaddexp(0, -self.y * predictions), axis=-1)

    def optimality(self, x, slope, gradient, nonnegative, tol, goes_on):
        norm = np.linalg.norm(gradient, axis=-1)
        if self.first is None:
            self.first = np.where(norm > 0, norm, 1)
        return norm / self.first


LOSSES = {"squared": _Squared, "logistic": _Logistic}


class _Decay:
    """How far the weights are from a stationary point of the loss with weight decay."""

    residual = "gradient norm in the weights"
    measured_by = (
        "norm of the gradient in the weights, relative to weight_decay times that of the weights, or of the first ones"
    )

    def __init__(self, parametrization, w, x, weight_decay):
        self.parametrization, self.weight_decay = parametrization, weight_decay
        # What is left of the axes of `w` when those of a start are summed over: for u and v, the first and the last.
        self.axes = (-1,) if w.ndim == x.ndim else (0, -1)
        self.first = self._norm(w)

    def _norm(self, w):
        return np.sqrt(np.sum(np.square(w, dtype=float), axis=self.axes))

    def optimality(self, w, gradient):
        norm = self._norm(self.parametrization.pullback(w, gradient) + self.weight_decay * w)
        size = self.weight_decay * np.maximum(self._norm(w), self.first)
        return np.divide(norm, size, out=np.where(norm > 0, np.inf, 0.0), where=size > 0)


class _Step:
    """The step size: what the caller says, or the safe one."""

    def __init__(self, A, objective, parametrization, w, step_size, weight_decay):
        self.parametrization, self.weight_decay = parametrization, weight_decay
        self.given = None
        size = parametrization.size(w)
        if step_size is not None:
            self.given = np.full(size.shape, as_positive("step_size", step_size))
            return
        squared_norm = float(spectral_norm(A)) ** 2 or 1.0
        self.steepness = objective.curvature * squared_norm
        # An entry is at least |y|/|A| in norm, and about <a_j, y>/|a_j|^2 where one column explains the data alone.
        norms = column_norms(A).astype(float)
        correlation = np.max(np.abs(A.T @ objective.y) / np.where(norms > 0, norms, 1) ** 2)
        suggested = max(float(correlation), objective.data_norm / np.sqrt(squared_norm))
        self.largest = np.maximum(size, suggested, dtype=float)  # of float32, too, whose squares it may leave

    def length(self, w):
        if self.given is not None:
            return self.given
        self.largest = np.maximum(self.largest, self.parametrization.size(w))
        return 1 / (self.parametrization.curvature(self.largest) * self.steepness + self.weight_decay)


def _stochastic(A, objective, batch_size, label_noise, seed):
    """The function ``(x, slope) -> gradient`` that draws a stochastic gradient, or None for the full one."""
    label_noise = as_positive("label_noise", label_noise, zero=True)
    if label_noise and not isinstance(objective, _Squared):
        raise ValueError("label_noise needs the squared loss: the labels of the logistic loss are +1 and -1")
    m = A.shape[0]
    if batch_size is not None:
        batch_size = as_positive("batch_size", batch_size, integer=True)
        if batch_size > m:
            raise ValueError(f"batch_size must be at most the number of rows {m}, got {batch_size}")
        if isinstance(A, LinearOperator):
            raise ValueError("batch_size needs the rows of A, which a LinearOperator does not have")
    elif not label_noise:
        return None
    if seed is None:
        name = "label_noise" if batch_size is None else "batch_size"
        raise ValueError(f"seed must be given with {name}, so that the run can be repeated")
    rng = np.random.default_rng(as_seed(seed))

    def estimate(x, slope):
        """``(m/b) A_B.T slope_B(A_B x)``, with the noise of the labels in the slope."""
        part, share = A, 1.0
        if batch_size is not None:
            rows, share = rng.choice(m, batch_size, replace=False), m / batch_size
            part = A[rows]
            slope = objective.slope((part @ x.T).T, rows)
        if label_noise:
            slope = slope - (label_noise * rng.standard_normal(part.shape[0])).astype(slope.dtype)
        return share * (part.T @ slope.T).T

    return estimate


def _log_spaced(last, number):
    """The iterations to record: 0, and about `number` up to `last`, spaced evenly in the logarithm."""
    if last == 0 or number == 0:
        return {0}
    if number >= last:
        return range(last + 1)  # of which a set may be beyond memory
    return {0, *np.unique(np.rint(np.geomspace(1, last, number)).astype(np.int64)).tolist()}
