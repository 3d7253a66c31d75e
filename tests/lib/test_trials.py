"""Random trials of `nnls`; `make trials` runs more of them and tells how fast each was."""

from collections import Counter
from importlib import import_module

import numpy as np
from implicit_bias import _normalized

from tests.lib import trials
from tests.lib.trials import KINDS, run


def test_no_trial_is_wrong_and_few_fail():
    told = []
    counts = run(2000, show=told.append)
    wrong = [line for line in told if " wrong" in line]
    assert not wrong, wrong[:5]
    assert counts["honest failure"] <= 10  # what rounding hides: data of columns that nearly cancel
    assert counts["right"] >= 1990


def test_no_trial_is_wrong_where_the_exchange_of_blocks_begins(monkeypatch):
    """Trials are so small that it is another method's turn; arrays of any size, then, and no other form."""
    solver, ended = import_module("implicit_bias.nnls"), Counter()

    def by_block_pivoting(problem):
        point = exchange(problem)
        ended["given up" if point is None else "settled" if point.settled else "inexact"] += 1
        return point

    exchange = solver.by_block_pivoting
    monkeypatch.setattr(_normalized, "CALLS", 0)
    monkeypatch.setattr(solver, "by_block_pivoting", by_block_pivoting)
    monkeypatch.setattr(trials, "FORMS", {"dense": np.asarray, "columns": np.asfortranarray})
    told = []
    counts = run(1000, 10_000, show=told.append)
    assert not [line for line in told if " wrong" in line], told[:5]
    assert counts["honest failure"] <= 5
    assert ended["settled"] > 150 and ended["given up"] > 100 and ended["inexact"] > 0  # each way is tried


def test_the_trials_are_of_thirteen_kinds():
    assert len(KINDS) == 13
