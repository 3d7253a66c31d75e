"""The self-checks of the exercises: each rejects typical wrong answers and says in which way they are wrong.

That the solutions of the book pass is tested in tests/site/test_students.py.
"""

import inspect
import re
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from book.sources import without_shown_code
from hypothesis import given
from hypothesis import strategies as st
from implicit_bias import check, flow_limit
from implicit_bias.parametrizations import HadamardPower, SignedHadamardPower
from implicit_bias.spectrum import learning_time
from scipy.optimize import nnls as lawson_hanson

from tests.shared import CHAPTERS, CHECKS

LABEL = re.compile(r"\{exercise\}.*\n:label: ex-(\S+)")
TAKES_A_FUNCTION = [
    "valley",
    "hyperbola",
    "primitive",
    "nnls_hand",
    "nnls_constant",
    "nnls_multiplicative",
    "hidden_factors",
]
A = np.array([[1.0, 1.0], [0.0, 1.0]])


def own_ratios(depths, scale_of, late=0.95, by=0.05):
    """Ratios of learning times for a product of `depth` weights, with the slips that `late` and `by` make."""
    return [
        [scale_of(depth, alpha, late) / scale_of(depth, alpha, by) for alpha in (0.1, 0.03, 0.01)] for depth in depths
    ]


def learned(depth, alpha, fraction):
    return learning_time(1.0, depth=depth, alpha=alpha, fraction=fraction)


def gap(slope):
    return -np.expm1(-slope) - slope / (1 + slope)


LIMIT = flow_limit([[1.0, 2.0]], [2.0], SignedHadamardPower(2), alpha=0.1).x
ONE_SIGNED = flow_limit([[1.0, 2.0]], [2.0], HadamardPower(2), alpha=0.1).x
SEPARATOR = np.array([2.0, 1.0]) / np.sqrt(5)
WINDOW = np.array([2.8103, 4.6262])
EXPECTED = 1265.8  # the moment of grokking in the exercise, to three digits

# For every check, answers that students hand in, each with the kind of wrong that should be said.
WRONG = {
    "filter": [
        ([2.51], "shape"),
        ([gap(2.5129), 2.5129], "order"),
        ([2.5129, -gap(2.5129)], "sign"),
        ([2.5, 0.2], "accuracy"),
        ([1.0, gap(1.0)], "value"),
    ],
    "best_match": [
        (1.0, "value"),
        (1 / 0.531699, "power"),
        (2 * 0.531699, "factor"),
        (0.55, "accuracy"),
        ([0.53, 0.1], "shape"),
    ],
    "valley": [
        (2.0, "type"),
        (lambda r, sigma: (r - sigma) / r, "power"),
        (lambda r, sigma: r / (sigma - r), "sign"),
        (lambda r, sigma: r**2 / (r**2 - sigma**2), "value"),
        (lambda r: r, "type"),
    ],
    "margin": [
        ([1.0, 2.0] / np.sqrt(5), "order"),
        (-SEPARATOR, "sign"),
        (SEPARATOR * [1, -1], "sign"),
        (2 * SEPARATOR, "factor"),
        ([1.0, 0.5, 0.0], "shape"),
    ],
    "ridge_peak": [(0.1, "value"), (1e3, "value"), (-10.0, "sign"), ([1.0, 2.0], "shape")],
    "benign": [(0.25, "value"), (1 / 3, "power"), (-3.0, "sign"), ([3.0, 1.0], "shape")],
    "hyperbola": [
        (lambda a, b: (1.0, 1.0), "value"),
        (lambda a, b: (a / np.sqrt(a * b), b / np.sqrt(a * b)), "value"),
        (lambda a, b: 1.0, "shape"),
        ((1.0, 1.0), "type"),
    ],
    "primitive": [
        (lambda eigenvalue, alpha: -learning_time(eigenvalue, depth=2, alpha=alpha), "sign"),
        (lambda eigenvalue, alpha: 2 * learning_time(eigenvalue, depth=2, alpha=alpha), "factor"),
        (lambda eigenvalue, alpha: np.log(1 / alpha) / eigenvalue, "value"),
        (lambda eigenvalue, alpha: learning_time(eigenvalue, depth=3, alpha=alpha), "value"),
        (lambda eigenvalue, alpha: np.inf, "finite"),
    ],
    "sharp": [
        (own_ratios((2, 3), learned), "shape"),
        (own_ratios((2, 3, 4), learned), "value"),
        (np.array(own_ratios((2, 3, 4), learned)) ** -1, "value"),
        (100 * (np.array(own_ratios((2, 3, 4), learned)) - 1), "factor"),
        ((np.array(own_ratios((2, 3, 4), learned)) - 1).T, "order"),
    ],
    "greedy": [(0.3904, "factor"), (1.2808, "power"), (1.2192, "value"), ([0.78, 0.0], "shape"), (0.8, "accuracy")],
    "two_unknowns": [
        ([0.4, 0.8], "value"),
        ([0.0, 1.0], "value"),
        (LIMIT[::-1], "order"),
        (LIMIT * 1.02, "factor"),
        (ONE_SIGNED, "accuracy"),
        ([0.5, 0.5], "property"),
        ([LIMIT], "shape"),
    ],
    "scale": [
        (0.1, "shape"),
        ([1e-3, 1e-3], "value"),
        ([0.0234, 0.0016], "value"),
        ([0.01, 0.01], "value"),
        ([np.nan, 0.1], "finite"),
    ],
    "sudden": [
        (np.ones((3, 2)), "shape"),
        (np.ones((2, 3)), "value"),
        ([[0.5, 0.25, 0.125], [0.1, 0.01, 0.001]], "value"),
        ("two", "type"),
    ],
    "first_step": [
        (1 / 2.1, "shape"),
        ([1 / 3, 2.0], "value"),
        ([3.8776, 1 / 2.1], "order"),
        ([1.0, 1.4286], "value"),
        ([2 / 2.1, 2 * 3.8776], "factor"),
    ],
    "window": [
        ([5.0, 5.0], "value"),
        (5.0, "shape"),
        (WINDOW[::-1], "order"),
        (1 / WINDOW, "power"),
        (10 * WINDOW, "factor"),
    ],
    "not_lasso": [(1, "property"), (2.0, "type"), (-1, "type"), (True, "type")],
    "flow_sharpness": [(8.96, "value"), (3.0299, "power"), (4.59, "factor"), ([9.18, 2.0], "shape"), (-9.18, "sign")],
    "descent_sharpness": [(9.18, "value"), (6.667, "value"), (5.946, "factor"), (np.nan, "finite"), (3.2, "accuracy")],
    "longest_step": [
        (4.9, "value"),
        (0.205, "factor"),
        (0.45, "accuracy"),
        (np.sqrt(0.4095), "power"),
        ("long", "type"),
    ],
    "exponential_map": [
        ([2.299, 1.394], "order"),
        ([1.2, 2.4], "accuracy"),
        ([1.394], "shape"),
        ([2.789, 4.606], "factor"),
    ],
    "own_map": [(np.sin, "value"), (np.arctanh, "finite"), (lambda w: -np.tanh(w), "sign"), (2.0, "type")],
    "three_margins": [
        ([3.0, np.sqrt(5.0), 2.0], "order"),
        ([1.0, 1.0, 1.0], "value"),
        ([0.5, 1 / np.sqrt(5.0), 1 / 3], "power"),
        (np.sqrt(5.0), "shape"),
    ],
    "adam_memory": [
        (1e-3, "value"),
        (5.0e-4, "value"),
        (-4.144e-4, "sign"),
        ([1.0, 2.0], "shape"),
        (4.3e-4, "accuracy"),
    ],
    "spring": [(0.0, "value"), (-0.13799, "sign"), (0.5, "value"), ([0.1, 0.2], "shape"), (0.195, "factor")],
    "nnls_hand": [
        (lambda y1, y2: np.linalg.solve(A, [y1, y2]), "property"),
        (lambda y1, y2: np.maximum(np.linalg.solve(A, [y1, y2]), 0), "value"),
        (lambda y1, y2: y1, "shape"),
        (lambda y1, y2: (0, 0), "value"),
        (lambda y1, y2: (y1 - y2, y2) if 0 <= y2 <= y1 else (0, 0), "value"),
    ],
    "nnls_constant": [
        (lambda L: 1 / (2 * L), "value"),
        (lambda L: L ** (-L / (L - 1)), "factor"),
        (lambda L: 2 * L ** (L / (L - 1)), "power"),
        (0.125, "type"),
    ],
    "nnls_multiplicative": [
        (lambda A, y, x: x - 0.1 * A.T @ (A @ x - y), "property"),
        (lambda A, y, x: x * (A.T @ (A @ x)) / (A.T @ y), "finite"),
        (lambda A, y, x: x * (A.T @ y), "property"),
        (lambda A, y, x: A @ x, "shape"),
        (lambda A, y, x: x * np.sqrt((A.T @ y) / (A.T @ (A @ x))), "value"),
    ],
    "nnls_shorter": [(100, "value"), (2500, "accuracy"), (10_000, "value"), (-2573, "sign"), ([100, 2573], "shape")],
    "nnls_accelerated": [
        (11058 / 2, "factor"),
        (11058**2, "power"),
        (200, "value"),
        (np.nan, "finite"),
        ([11058, 1], "shape"),
    ],
    "hidden_factors": [
        (lambda x, L: abs(x) ** (2 / L), "value"),
        (lambda x, L: L * abs(x) ** (2 / L), "factor"),
        (lambda x, L: -L / 2 * abs(x) ** (2 / L), "sign"),
        (lambda x, L: [x, L], "shape"),
        (1.5, "type"),
    ],
    "decay_threshold": [
        (9 / 4 * (1 / 4) ** (1 / 3), "value"),
        (3 / 2 ** (1 / 3), "factor"),
        (-1.5 * 2 ** (-1 / 3), "sign"),
        ([1.19, 0.0], "shape"),
        (1.2, "accuracy"),
    ],
    "decay_moment": [
        (np.log(5) / 0.004 + 99, "value"),
        (-EXPECTED, "sign"),
        (EXPECTED / 2, "factor"),
        (1.05 * EXPECTED, "accuracy"),
    ],
}


def exercises(path):
    """The exercises of a chapter, by the names that their checks would have."""
    return {label.replace("-", "_") for label in LABEL.findall(without_shown_code(path.read_text(encoding="utf-8")))}


def exercise_text(path, name):
    """What the exercise asks, or None if it is not in this chapter."""
    label = name.replace("_", "-")
    text = without_shown_code(path.read_text(encoding="utf-8"))
    found = re.search(rf"^(`+)\{{exercise\}}.*\n:label: ex-{label}\n(.*?)^\1$", text, re.M | re.S)
    return found and found[2]


def test_every_check_belongs_to_an_exercise():
    assert set(CHECKS) <= set().union(*map(exercises, CHAPTERS.glob("*.md")))


def test_every_chapter_has_checked_exercises():
    for path in CHAPTERS.glob("*.md"):
        if exercises(path):
            assert len(exercises(path) & set(CHECKS)) >= 3, path


def test_every_check_is_tried_with_three_wrong_answers():
    assert set(WRONG) == set(CHECKS)
    assert all(len(answers) >= 3 for answers in WRONG.values())


@pytest.mark.parametrize(
    ("name", "answer", "kind"),
    [
        pytest.param(name, answer, kind, id=f"{name}-{k}")
        for name, answers in WRONG.items()
        for k, (answer, kind) in enumerate(answers)
    ],
)
def test_a_wrong_answer_is_rejected_with_the_kind_of_wrong(name, answer, kind):
    verdict = CHECKS[name](answer)
    assert not verdict
    assert verdict.kind == kind, verdict.message


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize("nothing", [..., None, [...], [None, 1.0]], ids=repr)
def test_an_untouched_cell_says_that_the_answer_is_missing(name, nothing):
    if name == "not_lasso" and isinstance(nothing, list):
        nothing = np.array(nothing, dtype=object)[0]
    verdict = CHECKS[name](nothing)
    assert verdict.kind == "missing" and verdict.message.startswith("No answer yet")


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize("text", ["1.0", ["1.0", "2.0"], b"1", True, [True, False]], ids=repr)
def test_text_and_truth_values_are_no_numbers(name, text):
    assert CHECKS[name](text).kind == "type"


class Tensor:
    """As PyTorch has it: it will not be an array as long as it wants a gradient."""

    def __array__(self, *arguments, **named):
        raise RuntimeError("Can't call numpy() on Tensor that requires grad.")


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize("answer", [Tensor(), range(10**15), np.timedelta64(3), np.zeros((1,) * 40)], ids=type)
def test_what_cannot_become_an_array_of_numbers_is_refused(name, answer):
    assert not CHECKS[name](answer)


def test_a_long_double_beyond_float64_is_infinite():
    with np.errstate(over="raise"):
        assert check._compare(np.longdouble("1e400"), 3.0).kind == "finite"


@pytest.mark.parametrize("value, kind", [(None, "missing"), (..., "missing"), ("1.0", "type"), (True, "type")])
@pytest.mark.parametrize("name", TAKES_A_FUNCTION)
def test_what_a_function_returns_is_held_to_the_same(name, value, kind):
    verdict = CHECKS[name](lambda *arguments: value)
    assert verdict.kind == kind, verdict.message


def test_numbers_of_other_libraries_are_numbers():
    for x in (Fraction(3001, 1000), np.float32(3), 3, np.array([3], dtype=object), Decimal("3.0")):
        assert check._compare(x, 3.0)
    assert check._compare(3 + 0j, 3.0).kind == "type"


def test_a_function_may_work_in_place():
    """Right updates that change their arguments, or hand back the same array every time, are right."""

    def in_place(A, y, x):
        x *= A.T @ y
        x /= A.T @ (A @ (x / (A.T @ y)))
        A[:], y[:] = np.nan, np.nan
        return x

    kept = np.empty(5)

    def in_one_array(A, y, x):
        kept[:] = x * (A.T @ y) / (A.T @ (A @ x))
        return kept

    assert check.nnls_multiplicative(in_place), check.nnls_multiplicative(in_place)
    assert check.nnls_multiplicative(in_one_array)
    pair = [0.0, 0.0]

    def one_list(y1, y2):
        pair[:] = lawson_hanson(A, np.array([y1, y2]))[0]
        return pair

    assert check.nnls_hand(one_list)


def test_an_update_that_fails_later_is_told():
    calls = []

    def update(A, y, x):
        calls.append(x)
        return x * (A.T @ y) / (A.T @ (A @ x)) if len(calls) < 50 else calls["last"]

    verdict = check.nnls_multiplicative(update)
    assert verdict.kind == "type" and "TypeError" in verdict.message


# --- How exact an answer must be

OTHERWISE = {"ridge_peak": "at most 10 % above the least", "not_lasso": "by more than $10^{-3}$"}


@pytest.mark.parametrize("name", CHECKS)
def test_the_exercise_says_how_exact_an_answer_must_be(monkeypatch, name):
    """What it says is the relative tolerance with which the check compares."""
    used, default = set(), inspect.signature(check._compare).parameters["rtol"].default

    def comparing(answer, truth, *, rtol=default, slips=None):
        used.add(rtol)
        return check.RIGHT

    monkeypatch.setattr(check, "_compare", comparing)
    answers = [answer for answer, kind in WRONG[name] if kind not in ("type", "shape", "finite", "missing")]
    for answer in answers:
        CHECKS[name](answer)
    text = next(filter(None, (exercise_text(path, name) for path in CHAPTERS.glob("*.md"))))
    if name in OTHERWISE:
        assert not used and OTHERWISE[name] in text
    else:
        (rtol,) = used
        assert f"(exact to {100 * rtol:g} %)" in text


@pytest.mark.parametrize("name", CHECKS)
def test_no_verdict_tells_a_number_of_the_answer(name):
    """Shapes and counts are small integers; nothing with a decimal point is said."""
    for answer, _ in WRONG[name]:
        message = CHECKS[name](answer).message
        assert not re.search(r"\d\.\d", message), message


numbers = st.lists(st.floats(0.1, 10), min_size=3, max_size=6, unique_by=lambda x: round(x, 1))


@given(numbers)
def test_the_usual_slips_are_recognised(values):
    truth = np.array(values)
    assert check._compare(truth * (1 + 1e-4), truth)
    assert check._compare(-truth, truth).kind == "sign"
    assert check._compare(7 * truth, truth).kind == "factor"
    assert check._compare(truth[:-1], truth).kind == "shape"
    assert check._compare(np.full_like(truth, np.nan), truth).kind == "finite"
    assert check._compare([*truth.astype(str).tolist(), "x"], truth).kind == "type"


def test_slips_of_a_single_number():
    assert check._compare(3.0, 3.001)
    assert check._compare([3.0], 3.0)
    assert check._compare(6.0, 3.0).kind == "factor"
    assert check._compare(9.0, 3.0).kind == "power"
    assert check._compare(np.log(7), 7.0).kind == "power"
    assert check._compare(3.2, 3.0).kind == "accuracy"
    assert check._compare(5.1, 3.0).kind == "value"
