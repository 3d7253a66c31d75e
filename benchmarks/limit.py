"""How long the limit of the flow takes from a cold start."""

from implicit_bias.limits import flow_limit
from implicit_bias.parametrizations import SignedHadamardPower
from implicit_bias.problems import sparse_recovery

from .timing import alternate, table

ALPHAS = (1e-3, 1e-6, 1e-9, 1e-12)


def run():
    problem = sparse_recovery(300, 100, 10, seed=0)

    def rows():
        for depth in (2, 3):
            calls = {
                alpha: lambda depth=depth, alpha=alpha: flow_limit(
                    problem.A, problem.y, SignedHadamardPower(depth), alpha=alpha
                )
                for alpha in ALPHAS
            }
            seconds, results = alternate(calls)
            for alpha, result in results.items():
                yield (
                    f"{depth}",
                    f"{alpha:.0e}",
                    f"{1e3 * seconds[alpha]:.1f}",
                    f"{result.iterations}",
                    f"{result.optimality:.0e}",
                )

    table(
        "flow_limit from a cold start, m = 100, n = 300 (target: below 20 ms)",
        ("depth", "alpha", "ms", "Newton steps", "residual"),
        rows(),
    )
