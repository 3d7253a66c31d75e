"""Ratios time(other) / time(ours), what to make of runs that did not get there, and their geometric mean."""

import math
from dataclasses import dataclass

from .families import INSTANCES
from .runner import solved, time_to
from .solvers import OURS


@dataclass(frozen=True)
class Ratio:
    """`value` is a lower bound where the other one failed, an upper bound where ours did, and NaN where there is none.

    `why` is empty, or says what happened: "time", "fails" (it ended without reaching the target), "ours fails",
    "both fail", "missing" (not installed), "too large" (needs a dense matrix), "not run".
    """

    value: float
    why: str = ""

    def __str__(self):
        if math.isnan(self.value):
            return self.why
        bound = {"": "", "time": ">", "fails": "fails, >", "ours fails": "ours fails, <"}[self.why]
        return f"{bound}{self.value:.{0 if self.value >= 99.5 else 2}{'f' if self.value >= 99.5 else 'g'}}"


def ratio(results, name, target):
    """Of the solver with this name on one instance, from the records of `runner.run`.

    Who did not get there is counted as if it had used all of its time.
    """
    ours, other = results.get(OURS), results.get(name)
    if ours is None or other is None:
        return Ratio(math.nan, "not run")
    if not other["installed"] or not other["applies"]:
        return Ratio(math.nan, "too large" if other["installed"] else "missing")
    if not solved(other, target) and not solved(ours, target):
        return Ratio(math.nan, "both fail")
    if not solved(ours, target):
        return Ratio(time_to(other, target) / ours["limit"], "ours fails")
    if solved(other, target):
        return Ratio(time_to(other, target) / time_to(ours, target))
    late = any(run.get("error") == "out of time" for run in other["runs"])
    return Ratio(other["limit"] / time_to(ours, target), "time" if late else "fails")


def geometric_mean(records, name, target):
    """Over the families, of the geometric mean over the instances of each; a bound as soon as it contains one."""
    families, bound = {}, ""
    for instance, results in records.items():
        one = ratio(results, name, target)
        if not math.isnan(one.value):
            families.setdefault(INSTANCES[instance].family, []).append(math.log(one.value))
            bound = bound or ("time" if one.why in ("time", "fails") else "")
    if not families:
        return Ratio(math.nan, "missing")
    return Ratio(math.exp(sum(sum(logs) / len(logs) for logs in families.values()) / len(families)), bound)


def best_run(results, target):
    """The fastest run of ours that reaches the target, or None."""
    runs = [run for run in results[OURS]["runs"] if run.get("kkt", 1) <= target]
    return min(runs, key=lambda run: run["seconds"], default=None)


def share_of_products(run):
    """Distance to the limit: what the products with the matrix alone would take, as a share of the run."""
    return run["products"] * run["product_seconds"] / run["seconds"]
