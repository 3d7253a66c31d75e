"""One solver on one instance, in a process of its own: prints a line of JSON for each setting.

The clock counts CPU time of the call alone: not the start of Python, imports, compilation, the drawing of the instance or
the layout of its matrix. The system ends the process when a call takes more CPU time than allowed.
"""

import contextlib
import json
import math
import os
import resource
import sys
import warnings
from statistics import median
from time import process_time, thread_time

from implicit_bias.measures import kkt_residual
from scipy.sparse import csr_array, issparse

from ..timing import cpu_time
from .families import INSTANCES
from .solvers import OURS, SOLVERS, TARGETS

REPETITIONS, ENOUGH = 7, 0.5  # a call is repeated until it has been timed 7 times or for half a second
MEMORY = 14 * 2**30  # bytes


def measure(A, y, call, settings, limit):
    """Yield a record for each of the `settings`, until one is exact."""
    for setting in settings:
        second, result = under_limit(lambda setting=setting: call(A, y, setting), limit)
        seconds = [second]
        if second < ENOUGH:  # under a limit the clock of the process ticks in 4 ms: once more, with that of the thread
            seconds = []
            while len(seconds) < REPETITIONS and sum(seconds) < ENOUGH:
                start = thread_time()
                result = call(A, y, setting)
                seconds.append(thread_time() - start)
        kkt = kkt_residual(A, y, getattr(result, "x", result), nonnegative=True)
        yield {
            "setting": str(setting),
            "seconds": median(seconds),
            "kkt": kkt,
            "products": getattr(result, "products", None),
        }
        if kkt <= TARGETS[-1]:
            return


def under_limit(call, seconds):
    """`cpu_time` of a call; the system ends this process when it takes more."""
    forever = resource.RLIM_INFINITY
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(process_time() + seconds), forever))
    try:
        return cpu_time(call)
    finally:
        resource.setrlimit(resource.RLIMIT_CPU, (forever, forever))


def product_time(A, y):
    """Seconds of one product with the matrix, on average over it and its transpose."""
    seconds = []
    for _ in range(5):
        start = thread_time()
        A @ (A.T @ y)
        seconds.append((thread_time() - start) / 2)
    return median(seconds)


def main(instance, solver, sequence, limit):
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("ignore")  # what a solver reached is measured
    output = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # some packages print
    name, solver = solver, SOLVERS[solver]
    problem, tiny = INSTANCES[instance].draw(), INSTANCES["gaussian 20x10"].draw()
    call, settings = solver.load(), solver.sequences[int(sequence)]
    with contextlib.suppress(Exception):
        call(solver.prepare(csr_array(tiny.A) if issparse(problem.A) else tiny.A), tiny.y, settings[0])
    try:
        A = solver.prepare(problem.A)
        for record in measure(A, problem.y, call, settings, float(limit)):
            if name == OURS:
                record["product_seconds"] = product_time(A, problem.y)
            print(json.dumps(record), file=output, flush=True)
    except Exception as error:
        print(json.dumps({"error": f"{type(error).__name__}: {error}"[:200]}), file=output, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
