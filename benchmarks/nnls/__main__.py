"""``python -m benchmarks.nnls``: the short version; ``--whole``: all instances, hours."""

import argparse
import json

from . import runner
from .families import INSTANCES
from .picture import draw
from .report import report
from .solvers import SOLVERS

SHORT_MOST = 5.0  # seconds of CPU time for a call


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.nnls", description=__doc__)
    parser.add_argument("--whole", action="store_true", help="all instances and long time limits: hours")
    parser.add_argument("--instances", nargs="+", choices=INSTANCES, metavar="NAME", help="only these, others are kept")
    parser.add_argument("--solvers", nargs="+", choices=SOLVERS, metavar="NAME", help="only these, others are kept")
    parser.add_argument("--report", action="store_true", help="measure nothing, show what was measured last")
    chosen = parser.parse_args(arguments)
    if not chosen.report:
        runner.run(
            chosen.instances or [name for name, instance in INSTANCES.items() if chosen.whole or instance.short],
            chosen.solvers or list(SOLVERS),
            most=runner.MOST if chosen.whole else SHORT_MOST,
        )
    records = json.loads(runner.RECORDS.read_text())
    records = {name: records[name] for name in INSTANCES if name in records}
    report(records)
    picture = runner.RECORDS.with_name("nnls.svg")
    draw(records, picture)
    print(f"\nThe performance profile is in {picture.relative_to(runner.ROOT)}")


if __name__ == "__main__":
    main()
