"""Ratios between the solvers of the book and what else one could call, measured in one run."""

import os

# One thread for each, so that CPU time is a fair measure. This must come before NumPy is imported.
for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ[variable] = "1"
