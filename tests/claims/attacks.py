"""Attacks on the theorems: what tries to refute each of them over its whole hypothesis, and the record of what came of it.

An attack is a generator function that bears the label of a statement. From one instance it yields what the statement says::

    @attack(
        "prop-early-stopping",
        hypothesis="singular values and times with s^2 t from 0 to 1e4",   # in words, for the page
        draw=instances.share_of_a_direction,                               # a function of a `Source`
        tries=300,                                                         # instances of the ordinary suite
        mutants={
            "0.2037 replaced by 0.2": {"constant": 0.2},                   # keyword arguments of the function below
            "for all real x": {"draw": any_number},                        # a hypothesis dropped: another generator
        },
    )
    def test_flow_against_ridge(x, *, constant=0.2037):
        difference = -np.expm1(-x) - x / (1 + x)
        yield at_most("upper bound", difference, constant)    # an inequality: its nearest approach is recorded
        yield at_most("", -difference, 0)                     # without a name: only checked
        yield equal("the filter of ridge", found, expected)   # against something independent
        yield holds("monotone", bool(...))

The decorator makes a test without arguments of it, which pytest collects. The test draws `tries` instances, and as many
again by changing the instances whose inequalities came nearest to equality (`Source`: one of the choices is changed, the
others stay); it fails if one instance refutes the statement. A mutant is a statement that is false. The test fails, too, if
a mutant is not refuted by these instances, unless `survivors` gives the reason, which the page prints::

        survivors={"N - 2 instead of N - 1": "the instances know no worse case: nearest 0.7"},

If the costly part of an instance is the same for all mutants (a path, a limit), let `draw` compute it. If it depends on a
hypothesis that a mutant drops, the mutant brings its own `draw`.

What came out stands in ``record.json``, from which the book makes its page. After every change of an attack renew it::

    python -m tests.claims.attacks record [label ...]

The suite fails if the record is not reproduced: the hypothesis, the number of instances and the verdicts on the mutants
exactly, and every nearest approach up to 0.02, because the last digits of a search depend on the linear algebra library.
``make attack`` (``python -m tests.claims.attacks 60``) goes on with other random numbers for an hour.

The random numbers are NumPy's: hypothesis would draw others with every release, and the record would have to follow.
"""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

RECORD = Path(__file__).with_name("record.json")
ATTACKS: list["Attack"] = []
SLACK = 1e-9  # of the larger side: rounding, not a counterexample
REPRODUCED = 0.02  # how much nearer the record may have come


class Source:
    """The choices that make an instance: numbers in [0, 1], so that a search can change one of them and keep the others.

    Every fifth number is 0 or 1, so that the ends of all ranges are tried.
    """

    def __init__(self, rng, kept=()):
        self._rng, self._kept, self.used = rng, kept, []

    def _unit(self):
        position = len(self.used)
        if position < len(self._kept):
            value = self._kept[position]
        else:
            edge, value = self._rng.random(2)
            value = float(round(value)) if edge < 0.2 else float(value)
        self.used.append(value)
        return value

    def uniform(self, low, high):
        """A number from `low` to `high`, both included."""
        return low + (high - low) * self._unit()

    def log_uniform(self, low, high):
        return float(np.clip(low * (high / low) ** self._unit(), low, high))

    def integer(self, low, high):
        """An integer from `low` to `high`, both included."""
        return min(low + int((high - low + 1) * self._unit()), high)

    def choice(self, options):
        return options[self.integer(0, len(options) - 1)]

    def uniforms(self, low, high, size):
        return np.array([self.uniform(low, high) for _ in range(size)])

    def normal(self, *shape):
        """Normal numbers. They are one choice: a search draws them all anew."""
        return np.random.default_rng(int(self._unit() * 2**53)).standard_normal(shape)


class Comparison(NamedTuple):
    name: str
    left: float
    right: float
    slack: float
    sharp: bool  # an inequality of the statement, whose nearest approach is of interest

    @property
    def refutes(self):
        size = max(abs(self.left), abs(self.right), np.finfo(float).tiny)
        return not self.left <= self.right + self.slack * size

    @property
    def ratio(self):
        return self.left / self.right if self.right > 0 and np.isfinite(self.right) else 0.0


def at_most(name, left, right, slack=SLACK):
    """``left <= right``; for arrays the comparison with the largest ratio is kept, or one that refutes."""
    left, right = (np.ravel(side) for side in np.broadcast_arrays(np.asarray(left, float), np.asarray(right, float)))
    if not left.size:
        return Comparison(name, 0.0, 0.0, slack, False)
    with np.errstate(all="ignore"):
        refutes = ~(left <= right + slack * np.maximum(np.maximum(abs(left), abs(right)), np.finfo(float).tiny))
        ratio = np.where((right > 0) & np.isfinite(right), left / right, 0.0)
    nearest = np.lexsort((-ratio, ~refutes))[0]
    return Comparison(name, float(left[nearest]), float(right[nearest]), slack, bool(name))


def equal(name, found, expected, tolerance=1e-9):
    """``found = expected`` up to `tolerance` times the largest expected number."""
    found, expected = np.asarray(found, dtype=float), np.asarray(expected, dtype=float)
    size = np.max(np.abs(expected), initial=0) or 1.0
    return Comparison(name, float(np.max(np.abs(found - expected), initial=0) / size), tolerance, 0.0, False)


def holds(name, condition):
    return Comparison(name, 0.0 if condition else 1.0, 0.0, 0.0, False)


@dataclass
class Outcome:
    tried: int = 0
    spoke: int = 0  # instances about which the statement says something
    nearest: dict[str, float] = field(default_factory=dict)
    refuted: set[str] = field(default_factory=set)  # mutants
    counterexample: str = ""


@dataclass(frozen=True)
class Attack:
    label: str
    hypothesis: str
    draw: Callable
    tries: int
    mutants: dict[str, dict]
    survivors: dict[str, str]
    claim: Callable

    @property
    def name(self):
        return self.claim.__name__

    def run(self, seed=0, tries=None, outcome=None):
        """`tries` random instances and as many changed ones. An `outcome` is continued, its mutants are not tried again."""
        tries = tries or self.tries
        rng, outcome = np.random.default_rng([seed, *self.name.encode()]), outcome or Outcome()
        best: dict[str, tuple[float, list]] = {}
        for count in range(2 * tries):
            kept = self._changed(rng, best, count) if count >= tries and best else ()
            source = Source(rng, kept)
            instance = self.draw(source)
            outcome.tried += 1
            said = list(self.claim(instance))
            outcome.spoke += bool(said)
            for one in said:
                if one.refutes:
                    outcome.counterexample = f"{one} for the choices {source.used}, seed {seed}"
                    return outcome
                if one.sharp and one.ratio > best.get(one.name, (0.0,))[0]:
                    best[one.name] = one.ratio, source.used
            for words, changes in self.mutants.items():
                if words not in outcome.refuted and "draw" not in changes:
                    self._try_mutant(words, instance, changes, outcome)
        for name, (ratio, _) in best.items():
            outcome.nearest[name] = max(ratio, outcome.nearest.get(name, 0.0))
        for words, changes in self.mutants.items():
            if "draw" in changes:
                rest = {key: value for key, value in changes.items() if key != "draw"}
                for _ in range(tries):
                    if words in outcome.refuted:
                        break
                    self._try_mutant(words, changes["draw"](Source(rng)), rest, outcome)
        return outcome

    def _try_mutant(self, words, instance, changes, outcome):
        if any(one.refutes for one in self.claim(instance, **changes)):
            outcome.refuted.add(words)

    @staticmethod
    def _changed(rng, best, count):
        """The choices of the best instance for one of the inequalities, some of them changed a little or drawn anew."""
        kept = list(sorted(best.items())[count % len(best)][1][1])
        for position in rng.integers(len(kept), size=rng.integers(1, 4)) if kept else ():
            little = kept[position] + rng.standard_normal() * 10.0 ** rng.uniform(-4, -0.5)
            kept[position] = float(np.clip(little, 0, 1) if rng.random() < 0.8 else rng.random())
        return kept

    def entry(self, outcome):
        """The line of the record."""
        return {
            "test": self.name,
            "hypothesis": self.hypothesis,
            "tried": outcome.tried,
            "nearest": {name: round_down(ratio) for name, ratio in sorted(outcome.nearest.items())},
            "mutants": {words: self.survivors.get(words, "refuted") for words in self.mutants},
        }

    def problems(self, outcome):
        """In words, what is wrong with an outcome."""
        if outcome.counterexample:
            return [f"{self.label} is refuted by {self.name}: {outcome.counterexample}"]
        found = []
        if 2 * outcome.spoke < outcome.tried:
            found.append(
                f"{self.name}: the statement is empty for most instances, {outcome.spoke} of {outcome.tried} left"
            )
        for words in self.mutants:
            if words not in outcome.refuted and words not in self.survivors:
                found.append(f"{self.name}: this mutant survives: {words}")
            if words in outcome.refuted and words in self.survivors:
                found.append(f"{self.name}: this mutant is refuted, it is no survivor: {words}")
        return found

    def deviations(self, outcome, recorded):
        """In words, where an outcome is not what the record says."""
        entry = self.entry(outcome)
        found = [
            f"{self.name}: the record says {key} = {recorded.get(key)!r}, found {entry[key]!r}"
            for key in ("hypothesis", "tried", "mutants")
            if entry[key] != recorded.get(key)
        ]
        nearest = recorded.get("nearest", {})
        if set(nearest) != set(outcome.nearest):
            found.append(f"{self.name}: the record has other inequalities, {sorted(nearest)}")
        return found + [
            f"{self.name}: {name}: recorded nearest approach {nearest[name]}, found {ratio:.4f}"
            for name, ratio in outcome.nearest.items()
            if ratio < nearest.get(name, 0) - REPRODUCED
        ]


def round_down(ratio):
    """Two digits, and not more than there is, but for rounding."""
    if ratio <= 0:
        return 0.0
    unit = 10.0 ** (np.floor(np.log10(ratio)) - 1)
    return float(f"{np.floor(ratio * (1 + 1e-12) / unit) * unit:.12g}")


def attack(label, *, hypothesis, draw, tries, mutants, survivors=None):
    """Make a test of a function that compares the two sides of a statement; see the description of this module."""

    def decorate(claim):
        one = Attack(label, hypothesis, draw, tries, mutants, survivors or {}, claim)
        ATTACKS.append(one)

        def test():
            outcome = one.run()
            entries = {entry["test"]: entry for entry in read_record().get(label, [])}
            problems = one.problems(outcome)
            assert not problems, "\n".join(problems)
            deviations = one.deviations(outcome, entries.get(one.name, {}))
            assert not deviations, "\n".join([*deviations, f"renew: python -m tests.claims.attacks record {label}"])

        test.__name__, test.__doc__, test.__module__ = claim.__name__, claim.__doc__, claim.__module__
        return pytest.mark.claim(label)(test)

    return decorate


def read_record():
    return json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}


def write_record(labels):
    """Run the attacks on these labels, or on all, and write what came out."""
    record = {one.label: [] for one in ATTACKS} if not labels else read_record()
    faults = []
    for label in labels or list(record):
        record[label] = []
        for one in ATTACKS:
            if one.label == label:
                start = time.process_time()
                outcome = one.run()
                problems, entry = one.problems(outcome), one.entry(outcome)
                print(
                    f"{time.process_time() - start:6.1f} s  {label}  {one.name}  {entry['nearest']}",
                    *problems,
                    sep="\n  ",
                )
                if problems:
                    faults += problems
                else:
                    record[label].append(entry)
    RECORD.write_text(json.dumps(dict(sorted(record.items())), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return not faults


def go_on(minutes):
    """Attack with other random numbers, every statement for an equal share of the time."""
    passed = True
    for one in ATTACKS:
        stop, seed, outcome = time.monotonic() + 60 * minutes / len(ATTACKS), 0, Outcome()
        while not outcome.counterexample and time.monotonic() < stop:
            seed += 1
            outcome = one.run(seed, outcome=outcome)
        print(f"{one.label}  {one.name}  {outcome.tried} instances, nearest {outcome.nearest}", flush=True)
        if outcome.counterexample:
            passed = False
            print("  REFUTED: " + outcome.counterexample, flush=True)
    return passed


def main(arguments):
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        __import__(f"tests.claims.{path.stem}")
    from tests.claims import attacks  # this module has another name when it is run, and the tests know it by this one

    if arguments and arguments[0] == "record":
        return attacks.write_record(arguments[1:])
    return attacks.go_on(float(arguments[0]) if arguments else 60.0)


if __name__ == "__main__":
    sys.exit(0 if main(sys.argv[1:]) else 1)
