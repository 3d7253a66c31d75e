"""What the lecturer is told to expect of a slider is what the figure says.

The syllabus and the notes of the slides name results without computing them. Each stands here once more, beside the live text
of the figure, as it was drawn in the build elsewhere; if the figure changes, the text has to.
"""

import functools
import re

import numpy as np
import pytest

from tests.shared import CHAPTERS

SEMINAR = CHAPTERS / "seminar"
PLAIN = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def states(drawn):
    """The states of a figure by the name of the function that draws it."""

    def states(chapter, draw):
        (found,) = [figure for figure in drawn[chapter] if figure.draw == draw]
        return found.states

    return states


@pytest.fixture(scope="module")
def said(states):
    """The numbers in the live text of a figure, its sliders at their places nearest to given values, or where they begin."""

    def said(chapter, draw, **places):
        drawn = states(chapter, draw)
        places = drawn[0].opening | places
        text = min(drawn, key=lambda state: distance(state.values, places)).text.replace("−", "-")
        of_figure = text.partition(": ")[2]  # before it stands where the sliders are
        of_figure = re.sub(
            r"(?:(\d)·|\b)10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)", lambda m: f"{m[1] or 1}e{m[2].translate(PLAIN)}", of_figure
        )
        return [float(number) for number in re.findall(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?", of_figure)]

    return said


def distance(values, places):
    assert values.keys() == places.keys()
    return [
        value != places[name] if isinstance(value, str) else abs(value - places[name]) for name, value in values.items()
    ]


def written(page, *sentences):
    """Make sure that the page still says what is about to be tested."""
    text = (SEMINAR / f"{page}.md").read_text(encoding="utf-8")
    assert [sentence for sentence in sentences if sentence not in text] == []


def test_of_overparameterization(said, states):
    said = functools.partial(said, "overparameterization")
    written("syllabus", "Largest at 20,", "smallest at 500.", "by many orders of magnitude")
    error = {p: said("draw_errors", p=p)[0] for p in (6, 20, 500)}
    assert error[500] < error[6] < 1e-3 * error[20]

    written("syllabus", r"ends near $(-0.35,\,1.17)$")
    assert said("draw_start", scale=1.0, direction=120)[:2] == [-0.35, 1.17]

    written("syllabus", r"=100$ for $r=2$, with a risk near $\sigma(2r-\sigma)=3$")
    assert said("draw_risk", signal=2.0) == pytest.approx([100, 3], rel=0.01)

    written(
        "syllabus",
        "after about 10 steps",
        "near 8°",
        "Below 4° after about a hundred steps; below 2° not even after 30 000",
    )
    written("slides/overparameterization", "After about 10 steps the angle is near 8 degrees", "not within 30 000")
    margins = [state.values["iterations"] for state in states("overparameterization", "draw_margin")]
    angle = {k: said("draw_margin", iterations=k)[0] for k in margins}
    assert min(abs(angle[k] - 8) for k in angle if 8 <= k <= 12) < 0.5
    assert 50 < min(k for k in angle if angle[k] < 4) < 200
    assert max(angle) == 30_000 and min(angle.values()) > 2

    written("syllabus", r"Between $\alpha=1$ and $\alpha=0.1$")
    assert said("draw_regimes", alpha=1.0)[0] < 0.01 and said("draw_regimes", alpha=0.1)[0] > 0.5

    written("slides/overparameterization", "1 − exp(−x) and x/(1+x) differ by at most 0.204")
    x = np.linspace(0, 20, 100_001)
    assert np.abs(-np.expm1(-x) - x / (1 + x)).max() == pytest.approx(0.204, abs=5e-4)

    written("syllabus", "From a small one. From a large start they hardly turn at all")
    turns = [said("draw_units", alpha=alpha)[0] for alpha in (0.0, 1e9)]
    assert turns[0] > 10 and turns[1] < 1


def test_of_matrix_factorization(said, states, site):
    said = functools.partial(said, "matrix_factorization")
    written("syllabus", "oscillates for ever between two values, without diverging")
    low, high = said("draw_step", share=2.1, depth=2)
    assert 0 < low < 0.9 < 1.1 < high < 2
    assert said("draw_step", share=1.5, depth=2) == [1, 1]

    written("syllabus", r"\approx345$ steps")
    written("slides/matrix_factorization", "after some two thousand steps", "about 345")
    (_, late), (_, early) = (said("draw_rounding", difference=difference) for difference in (1e-15, 1e-12))
    assert late - early == pytest.approx(345, rel=0.05) and late == pytest.approx(2000, rel=0.1)

    written("syllabus", "After 240: before", "The effective rank at that moment is below 2.")
    written("slides/matrix_factorization", "after 60, 240 or 4000 steps? 240. The effective rank is below 2 then.")
    steps = [state.values["iterations"] for state in states("matrix_factorization", "draw_fit_error")]
    best = min(steps, key=lambda k: said("draw_fit_error", iterations=k)[0])
    assert best == 240 and said("draw_fit", iterations=best)[0] < 2

    written(
        "syllabus", "Three factors from $0.1$, by more than a factor of ten, and both beat the least nuclear norm here."
    )
    two, three = (said("draw_completed", alpha=alpha, depth=depth)[0] for alpha, depth in ((0.01, 2), (0.1, 3)))
    page = (site / "chapters" / "matrix_factorization.html").read_text(encoding="utf-8")
    (convex,) = re.findall(r"the least nuclear norm stays at <[^>]*>([\d.]+)<", page)
    assert 10 * three < two < float(convex)


def test_of_sparse_recovery(said):
    said = functools.partial(said, "sparse_recovery")
    written("syllabus", r"Near $(0.4, 0.8)$", r"at a distance of about $\alpha$")
    assert said("draw_plane", alpha=3.0, depth=2)[:2] == pytest.approx([0.4, 0.8], abs=0.01)
    assert said("draw_plane", alpha=0.01, depth=2)[:2] == pytest.approx([0.01, 0.995], abs=0.002)

    written("syllabus", r"Depth 2. Depth 3 is there at $\alpha=0.1$.")
    error = [said("draw_vector", alpha=0.1, depth=depth)[1] for depth in (2, 3)]
    assert error[1] < 0.1 < error[0]

    written("syllabus", "at depth 3 ten times as long, at depth 4 a hundred times")
    for depth, factor in ((3, 10), (4, 100)):
        short, long = (said("draw_path", alpha=alpha, depth=depth)[0] for alpha in (0.03, 0.003))
        assert long / short == pytest.approx(factor, rel=0.02)

    written("syllabus", "About $10^{-6}$ at depth 2; $10^{-2}$ is small enough at depth 3.")
    written("slides/sparse_recovery", "For depth 2 about 10⁻⁶; for depth 3, 10⁻² is.")
    for alpha, depth in ((1e-6, 2), (1e-2, 3)):
        _, flow, convex = said("draw_diagram", alpha=alpha, depth=depth)
        assert flow == convex
    _, flow, convex = said("draw_diagram", alpha=1e-4, depth=2)
    assert flow < convex

    written("syllabus", "Earlier, and the best error is larger.")
    little, much = (said("draw_noise", noise=noise, alpha=1e-3) for noise in (0.05, 0.1))
    assert much[1] < little[1] and much[0] > little[0]


def test_of_non_negative_least_squares(said):
    said = functools.partial(said, "nnls")
    written("syllabus", "The residual does not change at all; the norm falls to the least one.")
    (residual, norm), (same, least) = (said("draw_solution", alpha=alpha, depth=2) for alpha in (1.0, 1e-4))
    assert residual == same and least < norm / 5

    written(
        "syllabus",
        "exponential at depth 2, then $t^{-L/(L-2)}$; with vanishing multipliers $t^{-2}$, $t^{-3/2}$, $t^{-4/3}$",
    )
    slopes = [said("draw_rates", depth=depth, multipliers="zero")[-1] for depth in (2, 3, 4)]
    assert slopes == pytest.approx([-2, -3 / 2, -4 / 3], abs=0.01)
    excess = [said("draw_rates", depth=depth, multipliers="positive")[1] for depth in (2, 3, 4)]
    assert excess == sorted(excess)

    written("syllabus", "about half of the wait")
    (wait,), (shorter,) = (said("draw_saddle", asymmetry=asymmetry) for asymmetry in (1e-12, 1e-6))
    assert shorter / wait == pytest.approx(0.5, abs=0.05)
    written("slides/nnls", "the multiplier, here 1.08, the step 0.05")
    assert wait - shorter == pytest.approx(np.log(1e6) / (0.05 * 1.08), rel=0.05)

    written("syllabus", "*(a)* Ten times.")
    distances = [said("draw_disturbed", negative_part=norm)[0] for norm in (0.01, 0.1)]
    assert distances[1] / distances[0] == pytest.approx(10, rel=0.05)

    written("slides/nnls", "the error is in the millions")
    assert 1e6 < said("draw_shares", noise=0.01)[1] < 1e7

    written(
        "syllabus",
        "The flow's, which is the one of largest entropy.",
        "From 18 directions on there is nothing left to choose.",
    )
    errors = [said("draw_scan", angles=12, solution=solution)[0] for solution in ("flow", "vertex", "least norm")]
    assert errors[0] == min(errors)
    assert max(said("draw_scan", angles=18, solution=solution)[0] for solution in ("flow", "vertex")) < 1e-6


def test_of_weight_decay(said):
    said = functools.partial(said, "weight_decay")
    written("syllabus", "in about half of the time: 301 in place of 580. The training error falls at the same time")
    (fitted, fell, _, _), (same, earlier, _, _) = (
        [value for value in said("draw_grokking", alpha=3.0, decay=decay) if value != 0.1] + [0.0]
        for decay in (0.01, 0.02)
    )
    assert fitted == same
    assert fell == pytest.approx(580, abs=5) and earlier == pytest.approx(301, abs=3)
    written("slides/weight_decay", "the fit is a hundred times earlier, the fall a little later")
    large = [value for value in said("draw_grokking", alpha=30.0, decay=0.01) if value != 0.1]
    assert fitted / large[0] == pytest.approx(100, rel=0.25) and fell < large[1] < 1.6 * fell
    written("syllabus", "Two: zero, and one near 0.9.", r"$\lambda_c\approx1.42$")
    zero, other, threshold = said("draw_landscape", decay=0.8, depth=3)
    assert zero == 0 and other == pytest.approx(0.9, abs=0.05) and threshold == 1.42
    written("syllabus", "Stopping early, from this very small start, but not by much.")
    stopped, decayed = said("draw_decay_noise", noise=0.1)
    assert 0.6 * decayed < stopped < decayed


def test_of_steps_and_noise(said, states):
    said = functools.partial(said, "steps_and_noise")
    written(
        "syllabus",
        "the flow ends with sharpness 5.2",
        r"With $\eta=0.55$ and $0.65$ it ends at the balanced solution, with sharpness 2.00; with $0.8$ it diverges",
    )
    ends = {step: said("draw_sharpness", step_size=step) for step in (0.02, 0.55, 0.65, 0.8)}
    assert ends[0.02][-1] == pytest.approx(5.2, abs=0.05)
    assert ends[0.55][0] == pytest.approx(2, abs=2e-3) and ends[0.65][0] == pytest.approx(2, abs=2e-3)
    assert len(ends[0.8]) == len(ends[0.65]) - 1 and not said("draw_hyperbola", step_size=0.8)

    written("syllabus", "Full gradients: denser, by five percent with the longest step. Single rows: sparser, by nine.")
    full, rows = (said(draw, share=1.0)[-1] for draw in ("draw_full_scale", "draw_row_scale"))
    assert full == pytest.approx(5, abs=0.5) and abs(rows) == pytest.approx(9, abs=0.5)

    written(
        "syllabus", r"at $\tau=20$ only three entries are left, and the weighted norm is the least one to four digits"
    )
    assert said("draw_noise_vector", tau=20.0)[0] == pytest.approx(1, abs=5e-5)

    written("slides/steps_and_noise", "flattest near 0.15", "At 0.5 still below the edge; at 0.6 it ends at it")
    scales = [state.values["alpha"] for state in states("steps_and_noise", "draw_sharpness_of_limits")]
    flattest = min(scales, key=lambda alpha: said("draw_sharpness_of_limits", alpha=alpha)[0])
    assert flattest == pytest.approx(0.15, rel=0.1)
    assert said("draw_edge", step_size=0.5)[0] < 0.9 and said("draw_edge", step_size=0.6)[0] > 0.98
