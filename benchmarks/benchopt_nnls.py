"""`implicit_bias.nnls` as a solver of benchopt's benchmark of non-negative least squares.

Copy this file into the folder ``solvers`` of https://github.com/benchopt/benchmark_nnls, install this package where benchopt
runs, and call ``benchopt run . -s implicit-bias``. Without benchopt nothing imports it.
"""

import warnings

from benchopt import BaseSolver
from implicit_bias import nnls


class Solver(BaseSolver):
    """Benchopt asks for smaller and smaller tolerances, and measures the loss that each of them reaches."""

    name = "implicit-bias"
    sampling_strategy = "tolerance"

    def skip(self, X, y, fit_intercept=False):
        return fit_intercept, "nnls has no intercept: add a column of ones, whose entry may not be negative"

    def set_objective(self, X, y, fit_intercept=False):
        self.X, self.y = X, y

    def run(self, tolerance):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # what was reached is measured
            self.beta = nnls(self.X, self.y, tol=min(max(tolerance, 1e-14), 1e-2)).x

    def get_result(self):
        return {"beta": self.beta}
