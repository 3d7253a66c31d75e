"""The spectrum of a product of matrices against the matrices, and what the time of the matrix iteration goes into."""

import numpy as np
from implicit_bias.descent import gradient_descent
from implicit_bias.parametrizations import MatrixProduct
from implicit_bias.problems import matrix_target
from implicit_bias.spectrum import diagonal_descent, eigendecomposition

from .timing import alternate, cpu_time, table

N = 100
ITERATIONS = 100_000
TIMED = 2000  # iterations of the matrices, which take the same time each: the rest is extrapolated
DEPTHS = (2, 3, 4, 5)
LEVELS = np.linspace(1, 0, N)


def options(depth, iterations):
    return {"alpha": 0.3, "step_size": 0.5 / depth, "max_iterations": iterations}


def compare(depth, timed=TIMED):
    """Seconds for all iterations, of the spectrum and of the matrices, and how far apart they are after `timed`."""
    problem = matrix_target(LEVELS, seed=0)
    V = eigendecomposition(problem.y.reshape(N, N))[1]
    calls = {"spectrum": lambda: diagonal_descent(LEVELS, depth=depth, **options(depth, ITERATIONS))}
    seconds = alternate(calls, 5)[0]["spectrum"]
    matrix_seconds, matrices = cpu_time(
        lambda: gradient_descent(
            problem.A, problem.y, MatrixProduct.square(N, depth), tol=0, record=0, **options(depth, timed)
        )
    )
    matrix_seconds *= ITERATIONS / timed
    spectrum = diagonal_descent(LEVELS, depth=depth, **options(depth, timed)).x
    difference = np.max(np.abs(V.T @ matrices.x.reshape(N, N) @ V - np.diag(spectrum)))
    return f"{depth}", f"{seconds:.2f}", f"{matrix_seconds:.0f}", f"{matrix_seconds / seconds:.0f}", f"{difference:.0e}"


def share(depth):
    """Of the time of a step with a given length: that of its 4 N - 5 products, which make the value and the pull-back."""
    problem = matrix_target(LEVELS, seed=0)
    model = MatrixProduct.square(N, depth, start="gaussian", seed=1)
    w = model.start(0.3, N * N)
    gradient = model.value(w) - problem.y

    def products():
        for _ in range(300):
            model.value(w)
            model.pullback(w, gradient)

    def descent():
        gradient_descent(problem.A, problem.y, model, tol=0, record=0, **options(depth, 300))

    seconds, _ = alternate({"products": products, "descent": descent})
    return (
        f"{depth}",
        f"{4 * depth - 5}",
        f"{1e6 * seconds['descent'] / 300:.0f}",
        f"{100 * seconds['products'] / seconds['descent']:.0f} %",
    )


def run():
    table(
        f"diagonal_descent against gradient_descent, identical start, n = {N}, {ITERATIONS} iterations, those of the matrices\n"
        f"extrapolated from {TIMED} (target: ratio >= 100)",
        ("depth", "spectrum s", "matrices s", "ratio", "difference"),
        map(compare, DEPTHS),
    )
    table(
        f"\ngradient_descent of {N} x {N} matrices (target: at least 60 % of the time in products)",
        ("depth", "products", "us per step", "share"),
        map(share, DEPTHS),
    )
