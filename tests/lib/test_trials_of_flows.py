"""A few hundred of the random trials of `flow_limit` and `gradient_flow`; more by ``python -m tests.lib.trials_of_flows``."""

import numpy as np
import pytest
from implicit_bias import HadamardPower, SignedHadamardPower, flow_limit

from tests.lib.trials_of_flows import complaints, judge, run


def test_limits_of_random_problems():
    told = []
    counts = run(400, first=100_000, show=told.append)
    assert counts["wrong"] == 0, told
    assert counts["honest failure"] <= 4, told
    assert counts["right"] > 390


def test_flows_of_random_problems_agree_with_their_limits():
    told = []
    counts = run(12, first=200_000, follow=True, show=told.append)
    assert counts["wrong"] == 0, told


def test_the_check_takes_columns_of_any_size():
    """One column has the length 5e-290, and what rounding allows is beyond float64; two are multiples up to rounding."""
    assert judge(1880)[0] == "right"
    assert judge(18002942)[0] == "right"


@pytest.mark.parametrize("power", [HadamardPower, SignedHadamardPower])
@pytest.mark.parametrize("depth", [2, 3, 6])
def test_the_check_sees_what_is_wrong(power, depth):
    model = power(depth)
    rng = np.random.default_rng(0)
    A = rng.standard_normal((4, 9))
    y = A @ rng.random(9)
    x = flow_limit(A, y, model, alpha=0.5).x
    assert complaints(A, y, model, 0.5, x) == []
    other = flow_limit(A, y, model, alpha=0.55).x  # a solution, but not the limit
    assert complaints(A, y, model, 0.5, other) == ["another solution"]
    assert "not least squares" in complaints(A, y, model, 0.5, x * (1 + 1e-4))
    tall, data = A.T, rng.standard_normal(9)
    x = flow_limit(tall, data, model, alpha=0.5).x
    assert complaints(tall, data, model, 0.5, x) == []
    assert complaints(tall, data, model, 0.5, x * (1 + 1e-4)) == ["not least squares"]
