"""Random features: a linear model in them is a network of two layers whose first layer is never trained.

The features are nested: more of them, from the same seed, only adds columns. So a sweep over the size of the model makes the
largest set once and takes its first columns.
"""

import numpy as np
from numpy.typing import ArrayLike

from ._validation import as_inputs, as_positive, as_seed


def relu_features(inputs: ArrayLike, p: int, *, seed: int) -> np.ndarray:
    r"""Random ReLU features :math:`\max(\langle w_j, z\rangle, 0)` with standard normal :math:`w_j`.

    Source: Rahimi and Recht (2008), for features in general. Taught in the chapter "Overparameterization".

    Parameters
    ----------
    inputs : array_like, shape (n, d)
        One input in each row.
    p : int
        Number of features.
    seed : int
        The same seed gives the same features for other inputs, such as those of a test.

    Returns
    -------
    ndarray, shape (n, p)
        The first `q` columns do not depend on `p`.

    Raises
    ------
    ValueError
        If `inputs` is not a finite matrix, or `p` not a positive integer.

    Examples
    --------
    >>> features = relu_features([[0.5, -1.0]], 4, seed=0)
    >>> features.shape, bool(np.all(features >= 0))
    ((1, 4), True)
    """
    inputs = as_inputs("inputs", inputs)
    p = as_positive("p", p, integer=True)
    # One row for each feature: a longer draw begins with the shorter one.
    features = inputs @ np.random.default_rng(as_seed(seed)).standard_normal((p, inputs.shape[1])).T
    return np.maximum(features, 0, out=features)


def fourier_features(inputs: ArrayLike, p: int, *, seed: int, bandwidth: float) -> np.ndarray:
    r"""Random Fourier features :math:`\sqrt2\cos(\langle w_j, z\rangle / h + b_j)` with random :math:`w_j, b_j`.

    The frequencies :math:`w_j` are standard normal, the phases :math:`b_j` uniform. Their mean product at two inputs is
    the Gaussian kernel :math:`e^{-|z-z'|^2/(2h^2)}`.

    Source: Rahimi and Recht (2008). Taught in the chapter "Overparameterization".

    Parameters
    ----------
    inputs : array_like, shape (n, d)
        One input in each row.
    p : int
        Number of features.
    seed : int
        The same seed gives the same features for other inputs, such as those of a test.
    bandwidth : float
        The width `h` of the kernel.

    Returns
    -------
    ndarray, shape (n, p)
        The first `q` columns do not depend on `p`.

    Raises
    ------
    ValueError
        If `inputs` is not a finite matrix, `p` not a positive integer, or `bandwidth` not positive.

    Examples
    --------
    >>> features = fourier_features([[0.0], [1.0]], 10_000, seed=0, bandwidth=1.0)
    >>> round(float(features[0] @ features[1]) / 10_000, 1)  # exp(-1/2) = 0.61
    0.6
    """
    inputs = as_inputs("inputs", inputs)
    p = as_positive("p", p, integer=True)
    bandwidth = as_positive("bandwidth", bandwidth)
    for_frequencies, for_phases = np.random.default_rng(as_seed(seed)).spawn(2)
    with np.errstate(over="ignore", invalid="ignore"):
        angles = inputs @ (for_frequencies.standard_normal((p, inputs.shape[1])).T / bandwidth)
    if not np.all(np.isfinite(angles)):
        raise ValueError(f"bandwidth must be larger for these inputs, whose angles leave float64; got {bandwidth:g}")
    angles += for_phases.uniform(0, 2 * np.pi, p)
    return np.sqrt(2) * np.cos(angles, out=angles)
