"""Every theorem of the book has a test, and every such test a theorem."""

from pathlib import Path

from book.claims import find_tests, mismatches, read_attacks, report

from tests.shared import ROOT


def write(root: Path, path: str, text: str):
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text, encoding="utf-8")


def test_theorems_and_claims_of_the_book_match():
    assert mismatches(ROOT) == []


def test_mismatches_are_found_both_ways(tmp_path):
    write(
        tmp_path,
        "chapters/a.md",
        ":::{prf:theorem} One\n:label: thm-one\n:::\n\n````{prf:lemma}\nNone.\n````\n",
    )
    write(tmp_path, "tests/claims/test_a.py", '@pytest.mark.claim("thm-two")\ndef test_two(): ...\n')
    assert mismatches(tmp_path) == [
        "chapters/a.md:5: this theorem has no label",
        "chapters/a.md:1: no test in tests/claims bears the claim 'thm-one'",
        "tests/claims/test_a.py:1: test_two bears the claim 'thm-two', which no theorem has",
    ]


def test_the_source_of_a_test_has_its_decorators(tmp_path):
    source = '@pytest.mark.parametrize("a", [1])\n@pytest.mark.claim("x", "y")\ndef test_it(a):\n    assert a'
    write(tmp_path, "tests/claims/test_a.py", f"import pytest\n\n\n{source}\n\n\ndef test_other(): ...\n")
    (test,) = find_tests(tmp_path)
    assert (test.name, test.line, test.source, test.labels) == ("test_it", 4, source, ("x", "y"))


def test_an_attack_bears_its_claim(tmp_path):
    source = '@attack(\n    "thm-one",\n    tries=3,\n)\ndef test_it(run):\n    yield run'
    write(tmp_path, "tests/claims/test_a.py", source + "\n")
    (test,) = find_tests(tmp_path)
    assert (test.name, test.source, test.labels) == ("test_it", source, ("thm-one",))


def test_report_names_what_was_tried_and_what_survives(tmp_path):
    assert read_attacks(tmp_path) == {}
    mutants = {"half the constant": "refuted", "no sign": "refuted", "twice": "True as well."}
    attack = {"hypothesis": "all matrices", "tried": 40, "nearest": {"upper bound": 0.11}, "mutants": mutants}
    assert [part.astext() for part in report(attack)] == [
        "Tried: all matrices; 40 instances.",
        "Nearest approach: upper bound: 0.11 (1 is equality).",
        "Mutants refuted, 2: half the constant; no sign.",
        "Mutant that survives: twice. True as well.",
    ]
