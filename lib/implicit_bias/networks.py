"""Predictions of a small network as a parametrization, so that the same loop of gradient descent trains it."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from ._validation import as_finite_matrix, as_integers, as_positive, as_seed


class ReLUNetwork:
    r"""The predictions :math:`x = \mathrm{vec}(W_N\,\sigma(W_{N-1}\cdots\sigma(W_1 Z)))` on fixed inputs, without bias.

    With the outputs ``x`` of the network in place of a vector, ``1/2 |x - y|^2`` is the loss of regression, and
    `gradient_descent` with the identity for `A` trains the network.

    Taught in the chapter "Matrix factorization".

    Parameters
    ----------
    inputs : array_like, shape (d_0, samples)
        The inputs `Z`, one in each column.
    widths : sequence of int
        The layers ``(d_1, ..., d_N)`` after the input, at least two.
    seed : int
        Of the Gaussian start: the entries of `W_j` have standard deviation ``alpha / sqrt(d_{j-1})``.
    activation : bool
        Whether the rectifier is applied between the layers; without it the network is linear.

    Raises
    ------
    ValueError
        If `inputs` is not a finite matrix, or there are fewer than two layers.

    Examples
    --------
    >>> network = ReLUNetwork(np.eye(2), (3, 1), seed=0)
    >>> network.value(network.start(1.0, 2)).shape
    (2,)
    """

    nonnegative = False

    def __init__(self, inputs: ArrayLike, widths: Sequence[int], *, seed: int, activation: bool = True) -> None:
        self.inputs = as_finite_matrix("inputs", inputs).copy()  # what is remembered belongs to them
        if self.inputs.ndim != 2:
            raise ValueError(f"inputs must have two dimensions, one column for each input; got {self.inputs.shape}")
        self.widths = (self.inputs.shape[0], *as_integers("widths", widths))
        if len(self.widths) < 3:
            raise ValueError(f"widths must name at least two layers after the input, got {widths!r}")
        self.seed = as_seed(seed)
        self.activation = activation
        self.depth = len(self.widths) - 1
        self.shapes = [(rows, columns) for columns, rows in pairwise(self.widths)]
        ends = np.cumsum([0, *(rows * columns for rows, columns in self.shapes)]).tolist()
        self._places = [slice(*place) for place in pairwise(ends)]
        self._seen = None  # the last weights, and what the layers made of the inputs

    def __repr__(self):
        return f"ReLUNetwork(widths={self.widths}, activation={self.activation})"

    def start(self, alpha: float, n: int) -> np.ndarray:
        """Gaussian weights of scale `alpha`, a number, in one flat array."""
        outputs = self.widths[-1] * self.inputs.shape[1]
        if n != outputs:
            raise ValueError(f"A must have {outputs} columns, the number of outputs on all inputs, got {n}")
        rng = np.random.default_rng(self.seed)
        alpha = as_positive("alpha", alpha)
        return np.concatenate([(alpha * rng.standard_normal(s) / np.sqrt(s[1])).ravel() for s in self.shapes])

    def size(self, w: np.ndarray) -> float:
        """The `N`-th power of the largest spectral norm of a layer."""
        return max(np.linalg.norm(W, 2) for W in self.factors(w)) ** self.depth

    def curvature(self, size: float | np.ndarray) -> float | np.ndarray:
        """Bound ``N M^(2-2/N) |Z|^2`` on the squared Jacobian of `value` where `size` is at most `M`."""
        squared = np.linalg.norm(self.inputs, 2) ** 2 or 1.0  # of zero inputs a bound to which there is a step
        return self.depth * size ** (2 - 2 / self.depth) * squared

    def factors(self, w: np.ndarray) -> list[np.ndarray]:
        """The matrices ``W_1, ..., W_N`` as views of the flat weights."""
        return [w[place].reshape(shape) for place, shape in zip(self._places, self.shapes, strict=True)]

    def value(self, w: np.ndarray) -> np.ndarray:
        """The outputs on all inputs, flattened."""
        return self._layers(w)[-1].flatten()

    def pullback(self, w: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """Gradient with respect to the weights, by the chain rule from the last layer to the first."""
        factors, layers = self.factors(w), self._layers(w)
        delta = gradient.reshape(self.widths[-1], -1)
        pulled = np.empty(w.shape, dtype=np.result_type(w, gradient))
        gradients = self.factors(pulled)
        for j in range(self.depth - 1, -1, -1):
            np.matmul(delta, layers[j].T, out=gradients[j])
            if j:
                delta = factors[j].T @ delta
                if self.activation:
                    delta *= layers[j] > 0
        return pulled

    def _layers(self, w):
        """The inputs and what each layer makes of them: free in a pullback after a value at the same weights."""
        seen = self._seen  # once: another thread may replace it
        if seen is not None and np.array_equal(seen[0], w):
            return seen[1]
        layers = [self.inputs]
        for j, W in enumerate(self.factors(w)):
            layer = W @ layers[-1]
            if self.activation and j < self.depth - 1:
                np.maximum(layer, 0, out=layer)
            layers.append(layer)
        self._seen = w.copy(), layers
        return layers
