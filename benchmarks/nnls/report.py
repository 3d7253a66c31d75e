"""The tables, in Markdown, and which bars are missed."""

import math

from .families import INSTANCES
from .ratios import best_run, geometric_mean, ratio, share_of_products
from .solvers import SOLVERS, TARGETS

LARGE = 100e6  # bytes of a dense matrix that does not fit into a cache
LEADS = ("uniform 20000x5000", "bernoulli 5000x20000")
AHEAD = {"uniform 2000x1000": 3, "stars": 2}
PACKAGES = [name for name, solver in SOLVERS.items() if solver.kind == "package"]
REFERENCES = [name for name, solver in SOLVERS.items() if solver.kind == "reference"]


def is_sparse(instance):
    return INSTANCES[instance].family in ("deblurring", "tomography", "very sparse")


def is_large(instance):
    m, n = INSTANCES[instance].shape
    return not is_sparse(instance) and 8 * m * n > LARGE


def report(records):
    """Print everything; `records` are those of `runner.run`."""
    for target in TARGETS:
        print(f"\nTo a KKT residual of {target:.0e}: seconds and gradient pairs of ours")
        markdown(("instance", "seconds", "pairs"), own_rows(records, target))
        for title, names in (("packages", PACKAGES), ("our own reference implementations", REFERENCES)):
            print(f"\nTo {target:.0e}: time of {title} / time of ours")
            markdown(("instance", *names), ratio_rows(records, names, target))
    print("\nProducts with a dense matrix above 100 MB, as a share of the run to 1e-10 (bar: at least 0.7)")
    markdown(("instance", "share", "pairs"), limit_rows(records))
    print("\nBars that are missed:")
    for line in missed(records):
        print(f"- {line}")


def markdown(header, rows):
    print(f"| {' | '.join(header)} |")
    print("|" + "---|" * len(header))
    for row in rows:
        print(f"| {' | '.join(row)} |")


def own_rows(records, target):
    for instance, results in records.items():
        run = best_run(results, target)
        yield (instance, f"{run['seconds']:.2g}", f"{run['products'] / 2:.0f}") if run else (instance, "fails", "")


def ratio_rows(records, names, target):
    for instance, results in records.items():
        yield instance, *(str(ratio(results, name, target)) for name in names)
    yield "**geometric mean**", *(str(geometric_mean(records, name, target)) for name in names)


def limit_rows(records):
    for instance in filter(is_large, records):
        run = best_run(records[instance], TARGETS[-1])
        if run:
            yield instance, f"{share_of_products(run):.2f}", f"{run['products'] / 2:.0f}"


def missed(records):
    """One line for each bar that is missed, with what was measured."""
    for instance, results in records.items():
        for target in TARGETS:
            to = f"{instance} to {target:.0e}"
            if not best_run(results, target):
                yield f"{to}: ours fails"
            for name in PACKAGES:
                one, wanted = ratio(results, name, target), bar(instance, name, target)
                if one.value < wanted:
                    yield f"{to}: {name} / ours is {one}, the bar is {wanted:.2g}"
        if is_large(instance) and (run := best_run(results, TARGETS[-1])):
            if run["products"] > 128:
                yield f"{instance} to 1e-10: {run['products'] / 2:.0f} gradient pairs, the bar is 64"
            if share_of_products(run) < 0.7:
                yield f"{instance} to 1e-10: products are {share_of_products(run):.2f} of the run, the bar is 0.7"
    for name in PACKAGES:
        mean = geometric_mean(records, name, 1e-6)
        if not math.isnan(mean.value) and mean.value <= 1:
            yield f"geometric mean to 1e-06: {name} / ours is {mean}, the bar is 1"


def bar(instance, name, target):
    """The least ratio that is wanted of a package."""
    if instance in LEADS and target == 1e-10 and name == "SciPy nnls":
        return 20
    if instance in LEADS and target == 1e-6:
        return 4
    if instance in AHEAD:
        return AHEAD[instance]
    if name == "SciPy nnls":
        return 1 / 1.2
    return 1 / 3 if is_sparse(instance) else 1 / 2
