"""All solvers by name: what they need, the layout of the matrix they like best, and their settings from loose to tight."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec

import numpy as np
from scipy.sparse import csc_array, issparse

TARGETS = (1e-4, 1e-6, 1e-10)  # KKT residuals to reach
TOLERANCES = (1e-3, 1e-4, 1e-5, 1e-6, 1e-8, 1e-10, 1e-12)
OURS = "ours"
LARGEST_DENSE = 4e8  # entries up to which a sparse matrix is filled up for those that take no other


@dataclass(frozen=True)
class Solver:
    """A function of `A`, `y` and a setting, by its module and name, so that what it needs is imported where it runs.

    Each of `sequences` holds settings from loose to tight, which are run in one process until the solver is exact or out of
    time. `layout` is "rows", "columns" or "dense". The matrix is brought into it before the clock runs.
    """

    kind: str
    module: str
    name: str
    sequences: tuple
    layout: str = "rows"
    needs: str = "scipy"

    @property
    def installed(self):
        return find_spec(self.needs) is not None

    def load(self) -> Callable:
        return getattr(import_module(self.module, __package__), self.name)

    def applies_to(self, m, n):
        return self.layout != "dense" or m * n <= LARGEST_DENSE

    def prepare(self, A):
        if self.layout == "dense" and issparse(A):
            return A.toarray()
        if self.layout == "columns":
            return small_indices(csc_array(A)) if issparse(A) else np.asfortranarray(A)
        return A


def small_indices(A):
    """Compiled coordinate descents take no other than 32-bit indices."""
    A.indices, A.indptr = A.indices.astype(np.int32), A.indptr.astype(np.int32)
    return A


def package(name, sequences, **options):
    return Solver("package", ".packages", name, sequences, **options)


def reference(name, sequences):
    return Solver("reference", ".reference", name, sequences)


SOLVERS = {
    # Ours bounds the gap: long before that is small the KKT residual is.
    OURS: Solver("ours", ".packages", "ours", ((1e-2, *TARGETS),)),
    "SciPy nnls": package("scipy_nnls", ((None,),), layout="dense"),
    "L-BFGS-B": package("lbfgsb", (TOLERANCES,)),
    "lsq_linear": package("lsq_linear", ((1e-6, 1e-9, 1e-12, 1e-15),)),
    "scikit-learn": package("scikit_learn", ((*TOLERANCES[:5], 5e-10, 1e-10),), layout="columns", needs="sklearn"),
    "skglm": package("skglm", (TOLERANCES,), layout="columns", needs="skglm"),
    "Clarabel": package(
        "clarabel",
        tuple(tuple((form, tol) for tol in (1e-5, 1e-8, 1e-11, 1e-14)) for form in ("gram", "residual")),
        needs="clarabel",
    ),
    "ProxQP": package("proxqp", ((1e-4, 1e-6, 1e-8, 1e-10, 1e-12),), needs="proxsuite"),
    "FISTA": reference("fista", (TARGETS,)),
    "Barzilai-Borwein": reference(
        "barzilai_borwein", tuple(tuple((search, tol) for tol in TARGETS) for search in ("exact", "non-monotone"))
    ),
    "coordinate descent": Solver(
        "reference", ".coordinate_descent", "coordinate_descent", ((*TARGETS, 1e-11),), layout="columns", needs="numba"
    ),
}
