"""What a solver gives back: one record with named fields, the same for all solvers.

Two records are equal only if they are the same one (``eq=False``): whether two arrays are equal has no single answer.
"""

from dataclasses import dataclass

import numpy as np

NOTHING = "A has no entries: there is nothing to fit, and nothing moves."


@dataclass(eq=False)
class Path:
    """The recorded iterates of a descent or a flow.

    Attributes
    ----------
    times : ndarray, shape (k,) or (k, starts)
        Time of each record: the sum of the step sizes so far for a descent, the time of the flow otherwise.
    x : ndarray, shape (k, ..., n)
        The parametrized vector at these times.
    loss : ndarray, shape (k, ...)
        The loss at these times, ``1/2 |A x - y|^2`` unless the solver was told to minimize another.
    iterations : ndarray of int, shape (k,), or None
        Number of the iteration of each record; None for a flow.
    """

    times: np.ndarray
    x: np.ndarray
    loss: np.ndarray
    iterations: np.ndarray | None = None


@dataclass(eq=False)
class Result:
    """What a solver found and how far it can be trusted.

    Attributes
    ----------
    x : ndarray, shape (..., n)
        The parametrized vector at the end; never NaN. Of a matrix in float32 it is in float32, unless all of it would be
        infinite or zero there: then in float64.
    converged : bool
        Whether `optimality` fell below the tolerance, for every start of a stack.
    iterations : int
        Iterations of the method (Newton steps, descent steps, or evaluations of an integrator's right-hand side).
    message : str
        Why the solver stopped, in words.
    optimality : float or ndarray
        The number that decided on `converged`, one for each start.
    measured_by : str
        What `optimality` is.
    path : Path or None
        The recorded path, for methods that follow one.
    weights : ndarray or None
        The trained weights at the end, for a descent.
    """

    x: np.ndarray
    converged: bool
    iterations: int
    message: str
    optimality: float | np.ndarray
    measured_by: str
    path: Path | None = None
    weights: np.ndarray | None = None


@dataclass(eq=False)
class NonnegativeResult(Result):
    """What `nnls` found: a `Result` with what one asks of a least-squares solver.

    It unpacks as that of `scipy.optimize.nnls` does, ``x, residual_norm = nnls(A, y)``. For data of shape (m, k), `x`, `dual`
    and `active` have a column for each column of the data, and the numbers become arrays of shape (k,), except `products`.

    Attributes
    ----------
    residual_norm : float
        ``|A x - y|``, of the `x` that is returned; with `weights` and `tikhonov` the root of the whole sum that is minimized.
    kkt_residual : float
        See `implicit_bias.measures.kkt_residual`.
    gap : float
        No vector within reach that meets the constraints has a loss ``1/2 |A x - y|^2`` that is smaller by more, see
        `implicit_bias.measures.certificate`.
    dual : ndarray, shape (n,)
        The multipliers of the constraints, ``A.T (A x - y)``: not negative, and zero where `x` is positive, up to rounding.
        Where `x` has its largest value `upper`, they are not positive; with `sum_to`, the multiplier of the sum is subtracted.
    active : ndarray of bool, shape (n,)
        Where the constraint is active: ``x = 0``, or ``x = upper``.
    products : int
        Products with `A` or its transpose, each counted once: the price of the run.
    """

    residual_norm: float = float("nan")
    kkt_residual: float = float("nan")
    gap: float = float("nan")
    dual: np.ndarray | None = None
    active: np.ndarray | None = None
    products: int = 0

    def __getitem__(self, index: int) -> np.ndarray | float:
        return (self.x, self.residual_norm)[index]
