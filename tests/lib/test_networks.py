"""Networks as parametrizations: the chain rule, the linear case, the start, the safe step."""

import warnings

import numpy as np
import pytest
from implicit_bias import gradient_descent
from implicit_bias.networks import ReLUNetwork
from implicit_bias.parametrizations import MatrixProduct
from scipy.sparse import eye_array

INPUTS = np.random.default_rng(0).standard_normal((3, 7))


@pytest.mark.parametrize("activation", [True, False], ids=["relu", "linear"])
@pytest.mark.parametrize("widths", [(4, 2), (5, 4, 2)], ids=["two layers", "three layers"])
def test_pullback_is_the_transposed_derivative(widths, activation):
    network = ReLUNetwork(INPUTS, widths, seed=1, activation=activation)
    w = network.start(1.0, 14)
    rng = np.random.default_rng(2)
    direction, gradient = rng.standard_normal(w.size), rng.standard_normal(14)
    h = 1e-6
    derivative = (network.value(w + h * direction) - network.value(w - h * direction)) / (2 * h)
    np.testing.assert_allclose(gradient @ derivative, network.pullback(w, gradient) @ direction, rtol=1e-7)


def test_without_activation_it_is_a_product_of_matrices():
    network = ReLUNetwork(INPUTS, (4, 2), seed=1, activation=False)
    product = MatrixProduct((3, 4, 2))
    w = network.start(1.0, 14)
    np.testing.assert_allclose(
        network.value(w).reshape(2, 7), product.value(w).reshape(2, 3) @ INPUTS, rtol=0, atol=1e-14
    )


def test_rectifier_kills_what_is_negative():
    network = ReLUNetwork([[1.0, -1.0]], (1, 1), seed=0)
    assert network.value(np.array([2.0, 3.0])).tolist() == [6.0, 0.0]


def test_what_is_changed_in_place_is_not_remembered():
    network = ReLUNetwork(INPUTS, (4, 2), seed=1)
    w = network.start(1.0, 14)
    first = network.value(w)
    expected, gradient = first.copy(), network.pullback(w, first)
    first[:] = 0  # the caller's own
    assert network.value(w).tolist() == expected.tolist()
    w *= 2
    assert network.value(w).tolist() == (4 * expected).tolist()
    assert network.pullback(w, expected).tolist() == (2 * gradient).tolist()


@pytest.mark.parametrize("activation", [True, False], ids=["relu", "linear"])
def test_default_step_is_safe(activation):
    y = np.random.default_rng(3).standard_normal(14)
    network = ReLUNetwork(INPUTS, (6, 2), seed=1, activation=activation)
    run = gradient_descent(eye_array(14, format="csr"), y, network, alpha=0.5, max_iterations=200, record=200)
    assert run.path.loss[-1] < 0.9 * run.path.loss[0]
    if not activation:  # a step over a kink of the rectifier may raise the loss a little
        assert np.all(np.diff(run.path.loss) <= 0)


def test_inputs_that_are_zero():
    """Nothing moves, and there is a step all the same."""
    network = ReLUNetwork(np.zeros((2, 2)), (3, 2), seed=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run = gradient_descent(np.eye(4), np.ones(4), network, alpha=0.1, max_iterations=3)
    assert not np.any(run.x) and np.all(np.isfinite(run.path.times)) and run.iterations == 3


def test_the_same_seed_gives_the_same_start():
    first, second = (ReLUNetwork(INPUTS, (4, 2), seed=5).start(0.1, 14) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    "arguments, name",
    [
        ({"inputs": [1.0, 2.0]}, "inputs"),
        ({"inputs": [[np.nan]]}, "inputs"),
        ({"widths": (2,)}, "widths"),
        ({"widths": (2, 0)}, "widths"),
        ({"seed": None}, "seed"),
    ],
)
def test_wrong_input_is_named(arguments, name):
    with pytest.raises(ValueError, match=name):
        ReLUNetwork(**{"inputs": INPUTS, "widths": (4, 2), "seed": 0, **arguments})


def test_a_matrix_of_the_wrong_size_is_named():
    with pytest.raises(ValueError, match="A must have 14 columns"):
        gradient_descent(np.eye(3), np.ones(3), ReLUNetwork(INPUTS, (4, 2), seed=0), alpha=0.1)
