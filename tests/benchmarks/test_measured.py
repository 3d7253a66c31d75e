"""The tables that the chapter draws: whole, and made by the commands that are said to make them. Times are not looked at."""

import csv
from importlib.resources import files

import pytest

from benchmarks import growth, profile
from benchmarks.nnls.families import INSTANCES

FIELDS = ("kind", "threads", "wanted", "entries", "rows", "columns", "seconds", "product", "products", "gap", "method")


def table(name):
    with files("implicit_bias").joinpath(name).open(encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


GROWTH = {(row["kind"], int(row["threads"]), row["wanted"]): row for row in table("growth.csv")}


def test_every_size_is_in_the_table_and_was_solved():
    for kind, (least, _) in growth.KINDS.items():
        sizes = [float(wanted) for name, threads, wanted in GROWTH if (name, threads) == (kind, 1)]
        assert sizes == [float(f"{entries:.1e}") for entries in growth.ENTRIES if entries >= least * 0.99]
    for row in GROWTH.values():
        assert list(row) == list(FIELDS)
        assert float(row["gap"]) <= 1e-8
        assert int(row["rows"]) == 2 * int(row["columns"])
        assert float(row["seconds"]) > float(row["product"]) > 0


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [("dense", "1.0e+02"), ("dense", "3.2e+04"), ("dense", "3.2e+05"), ("sparse", "1.0e+04"), ("chunks", "1.0e+06")],
)
def test_a_line_comes_out_again(kind, wanted, monkeypatch):
    """But for rounding, which may cost a product with its pair."""
    monkeypatch.setattr(growth, "timed", lambda call, threads: (1.0, call()))
    found, known = growth.measure(kind, 1, float(wanted)), GROWTH[kind, 1, wanted]
    for name in ("kind", "wanted", "entries", "rows", "columns", "method"):
        assert str(found[name]) == known[name]
    assert abs(found["products"] - int(known["products"])) <= 3


def test_shares_of_time_are_those_of_rows_of_the_benchmark():
    rows = table("profile.csv")
    assert [row["row"] for row in rows] == list(profile.ROWS) and set(profile.ROWS) <= set(INSTANCES)
    for row in rows:
        assert float(row["seconds"]) > 0
        assert sum(float(row[part]) for part in (*profile.PARTS, "rest")) == pytest.approx(1, abs=0.003)


@pytest.mark.parametrize("row", ["unmixing", "uniform 2000x1000", "spectrum"])
def test_the_watch_sees_every_part(row, monkeypatch):
    """Each product is counted, and what is watched within something else counts once."""
    problem = INSTANCES[row].draw()
    calls = []

    class Counted(profile.Watch):
        def watched(self, part, call):
            timed = super().watched(part, call)

            def counted(*arguments, **options):
                calls.append(part)
                return timed(*arguments, **options)

            return counted

    monkeypatch.setattr(profile, "Watch", Counted)
    spent, found = profile.profile(problem.A, problem.y)
    known = next(line for line in table("profile.csv") if line["row"] == row)
    assert abs(found.products - int(known["number"])) <= 3
    assert {"products", "support", "certificate"} <= set(calls)
    assert min(spent.values()) >= 0 and spent["products"] > 0
