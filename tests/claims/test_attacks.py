"""The attacks find what is false, let stand what is true, and leave no statement of a chapter out."""

from pathlib import Path

import numpy as np
import pytest
from book.claims import find_theorems, read_attacks

from tests.claims.attacks import Attack, Source, at_most, equal, holds, round_down

ROOT = Path(__file__).parents[2]


def product_rule(pair, *, constant=0.5, symmetric=True):
    a, b = pair
    yield at_most("a b", a * b, constant * (a**2 + b**2))
    yield equal("", a * b, b * a)
    yield holds("", symmetric or a == b)


def pairs(source):
    return source.uniform(0, 1), source.log_uniform(1e-3, 1)


def attack_on(claim, *, mutants=None, survivors=None, draw=pairs):
    return Attack("thm-x", "pairs", draw, 200, mutants or {}, survivors or {}, claim)


def test_true_statement_stands_and_is_approached():
    one = attack_on(product_rule, mutants={"half": {"constant": 0.25}, "equal": {"symmetric": False}})
    outcome = one.run()
    assert one.problems(outcome) == []
    assert outcome.tried == 400
    assert outcome.refuted == {"half", "equal"}
    assert 0.999 < outcome.nearest["a b"] <= 1 + 1e-12


def test_false_statement_is_refuted():
    def claim(pair):
        yield at_most("a", pair[0], 0.999)

    (problem,) = attack_on(claim).problems(attack_on(claim).run())
    assert "thm-x is refuted by claim" in problem and "seed 0" in problem


def test_not_a_number_refutes():
    def claim(pair):
        yield at_most("", [0.0, np.nan], 1)

    assert attack_on(claim).run().counterexample


def test_true_mutant_and_empty_statement_are_reported():
    mutants = {"a larger constant": {"constant": 1}}
    one = attack_on(product_rule, mutants=mutants)
    assert one.problems(one.run()) == ["product_rule: this mutant survives: a larger constant"]
    explained = attack_on(product_rule, mutants=mutants, survivors={"a larger constant": "It is true."})
    assert explained.problems(explained.run()) == []
    wrong = attack_on(product_rule, mutants={"half": {"constant": 0.25}}, survivors={"half": "It is true."})
    assert wrong.problems(wrong.run()) == ["product_rule: this mutant is refuted, it is no survivor: half"]

    def silent(pair):
        yield from ()

    (problem,) = attack_on(silent).problems(attack_on(silent).run())
    assert "empty for most instances" in problem


def test_dropped_hypothesis_has_instances_of_its_own():
    mutants = {"negative numbers": {"draw": lambda source: (-source.uniform(1, 2), 1.0)}}

    def claim(pair):
        yield at_most("", -pair[0], 0)

    assert attack_on(claim, mutants=mutants).run().refuted == {"negative numbers"}


def test_record_that_is_not_reproduced_is_reported():
    one = attack_on(product_rule, mutants={"half": {"constant": 0.25}})
    outcome = one.run()
    entry = one.entry(outcome)
    assert one.deviations(outcome, entry) == []
    assert len(one.deviations(outcome, entry | {"tried": 399, "hypothesis": "other"})) == 2
    assert len(one.deviations(outcome, entry | {"nearest": {"a b": 1.1}})) == 1
    assert len(one.deviations(outcome, entry | {"nearest": {}})) == 1


def test_instances_repeat_and_reach_the_ends():
    first = Source(np.random.default_rng(0))
    drawn = [first.uniform(2, 3) for _ in range(100)]
    again = Source(np.random.default_rng(1), first.used)
    assert [again.uniform(2, 3) for _ in range(100)] == drawn
    assert {2, 3} <= set(drawn) and min(drawn) == 2 and max(drawn) == 3
    values = [Source(None, [share]).integer(1, 3) for share in (0, 0.34, 0.99, 1.0)]
    assert values == [1, 2, 3, 3]


@pytest.mark.parametrize("ratio, expected", [(0.9999, 0.99), (1.0, 1.0), (0.0567, 0.056), (0.0, 0.0), (0.11, 0.11)])
def test_figures_of_the_page_are_rounded_down(ratio, expected):
    assert round_down(ratio) == pytest.approx(expected)


def test_every_statement_of_an_attacked_chapter_has_two_mutants():
    record = read_attacks(ROOT)
    labels = {}
    for page, _, label in find_theorems(ROOT):
        labels.setdefault(page, []).append(label)
    assert set(record) <= {label for page in labels.values() for label in page}
    for page in labels.values():
        if any(label in record for label in page):
            mutants = {label: sum(len(one["mutants"]) for one in record.get(label, [])) for label in page}
            assert {label for label, count in mutants.items() if count < 2} == set()


def test_nine_of_ten_mutants_are_refuted():
    verdicts = [
        verdict for attacks in read_attacks(ROOT).values() for one in attacks for verdict in one["mutants"].values()
    ]
    assert verdicts.count("refuted") >= 0.9 * len(verdicts)
