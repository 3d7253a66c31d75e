"""The tables and the picture of the benchmark of non-negative least squares, on made-up figures."""

import math
import re

import pytest

from benchmarks.nnls import picture, report
from benchmarks.nnls.ratios import geometric_mean, ratio, share_of_products
from benchmarks.nnls.runner import time_limit, time_to
from benchmarks.nnls.solvers import OURS


def record(*runs, limit=30.0, installed=True, applies=True, **error):
    """Runs are pairs (seconds, KKT residual)."""
    runs = [{"setting": "", "seconds": s, "kkt": k, "products": 40, "product_seconds": s / 50} for s, k in runs]
    return {"installed": installed, "applies": applies, "limit": limit, "runs": runs + [error] * bool(error)}


RECORDS = {
    "uniform 2000x1000": {
        OURS: record((1.0, 1e-5), (2.0, 1e-11), limit=300.0),
        "SciPy nnls": record((6.0, 1e-16)),
        "L-BFGS-B": record((1.0, 1e-3), (8.0, 1e-7)),
        "skglm": record((1.0, 1e-5), error="out of time"),
        "ProxQP": record(installed=False),
    },
    "uniform 20000x5000": {
        OURS: record((1.0, 1e-11), limit=300.0),
        "SciPy nnls": record((24.0, 1e-16)),
        "L-BFGS-B": record((4.0, 1e-7)),
        "skglm": record((2.0, 1e-12)),
        "ProxQP": record(installed=False),
    },
    "sparse 1e5x1e5": {
        OURS: record((1.0, 1e-5), limit=300.0),
        "SciPy nnls": record(applies=False),
        "L-BFGS-B": record((3.0, 1e-12)),
        "skglm": record((0.25, 1e-5)),
        "ProxQP": record(installed=False),
    },
}


def shown(instance, name, target):
    return str(ratio(RECORDS[instance], name, target))


def test_time_is_the_least_over_the_settings_that_reach_the_target():
    one = record((3.0, 1e-4), (1.0, 1e-5), (2.0, 1e-11))
    assert [time_to(one, target) for target in (1e-4, 1e-6, 1e-12)] == [1.0, 2.0, math.inf]


def test_ratios_say_who_failed_and_why():
    assert shown("uniform 2000x1000", "SciPy nnls", 1e-4) == "6"
    assert shown("uniform 2000x1000", "SciPy nnls", 1e-10) == "3"
    assert shown("uniform 2000x1000", "L-BFGS-B", 1e-10) == "fails, >15"
    assert shown("uniform 2000x1000", "skglm", 1e-6) == ">15"
    assert shown("uniform 2000x1000", "ProxQP", 1e-6) == "missing"
    assert shown("uniform 2000x1000", "FISTA", 1e-6) == "not run"
    assert shown("sparse 1e5x1e5", "SciPy nnls", 1e-4) == "too large"
    assert shown("sparse 1e5x1e5", "L-BFGS-B", 1e-6) == "ours fails, <0.01"
    assert shown("sparse 1e5x1e5", "skglm", 1e-6) == "both fail"


def test_geometric_mean_weighs_families_alike():
    # Uniform: 6 and 24, on average 12; the sparse one does not apply.
    assert geometric_mean(RECORDS, "SciPy nnls", 1e-4).value == pytest.approx(12)
    # Uniform: 1 and 2; sparse: 1/4.
    assert geometric_mean(RECORDS, "skglm", 1e-4).value == pytest.approx(math.sqrt(math.sqrt(2) / 4))
    assert str(geometric_mean(RECORDS, "skglm", 1e-6)) == ">5.5"
    assert str(geometric_mean(RECORDS, "ProxQP", 1e-6)) == "missing"


def test_failures_of_ours_count_in_the_mean_and_are_marked():
    mean = geometric_mean(RECORDS, "L-BFGS-B", 1e-6)
    assert mean.value == pytest.approx(math.sqrt(4 * 0.01))


def test_share_of_the_products():
    assert share_of_products(RECORDS["uniform 20000x5000"][OURS]["runs"][0]) == pytest.approx(0.8)


def test_missed_bars_are_named():
    lines = list(report.missed(RECORDS))
    assert "uniform 20000x5000 to 1e-06: skglm / ours is 2, the bar is 4" in lines
    assert "sparse 1e5x1e5 to 1e-04: skglm / ours is 0.25, the bar is 0.33" in lines
    assert "sparse 1e5x1e5 to 1e-06: ours fails" in lines
    assert not any("SciPy nnls" in line and "1e-10" in line for line in lines)  # 24 is more than 20


def test_report_shows_every_instance_and_loss(capsys):
    report.report(RECORDS)
    text = capsys.readouterr().out
    assert len(re.findall(r"^\| sparse 1e5x1e5 \|", text, re.MULTILINE)) == 9
    assert "| uniform 20000x5000 | 0.80 | 20 |" in text
    assert "| **geometric mean** | 12 |" in text


def test_limit_of_a_peer_is_a_multiple_of_our_time_within_bounds():
    assert time_limit(record((1.0, 1e-11)), 300.0) == 30.0
    assert time_limit(record((0.001, 1e-11)), 300.0) == 5.0
    assert time_limit(record((100.0, 1e-11)), 300.0) == 300.0
    assert time_limit(record((8.0, 1e-11)), 5.0) == 16.0
    assert time_limit(record(error="out of time"), 300.0) == 300.0


def test_profile_counts_a_failure_as_never():
    ratios = picture.profile(RECORDS, [OURS, "SciPy nnls", "skglm"], 1e-10)
    assert ratios[OURS].tolist() == [1, 1, math.inf]
    assert ratios["SciPy nnls"].tolist() == [3, 24, math.inf]
    assert ratios["skglm"].tolist() == [2, math.inf, math.inf]


def test_picture_has_a_curve_for_each_installed_solver_and_is_repeatable(tmp_path):
    for name in ("first.svg", "again.svg"):
        picture.draw(RECORDS, tmp_path / name)
    first = (tmp_path / "first.svg").read_text()
    assert first == (tmp_path / "again.svg").read_text()
    assert "SciPy nnls" in first and "ProxQP" not in first
