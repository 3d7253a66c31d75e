"""Random trials of `nnls`; `make trials` runs more of them and tells how fast each was."""

from tests.lib.trials import KINDS, run


def test_no_trial_is_wrong_and_few_fail():
    told = []
    counts = run(2000, show=told.append)
    wrong = [line for line in told if " wrong" in line]
    assert not wrong, wrong[:5]
    assert counts["honest failure"] <= 10  # what rounding hides: data of columns that nearly cancel
    assert counts["right"] >= 1990


def test_the_trials_are_of_thirteen_kinds():
    assert len(KINDS) == 13
