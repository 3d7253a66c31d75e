"""What twenty readers might type, and where the answer stands: it must be among the first three hits.

They were chosen before the search was tuned; do not fit them to it.
"""

TYPOS = {
    "grocking": "weight_decay.html#grokking",
    "efective rank": "matrix_factorization.html#the-effective-rank",  # codespell:ignore
    "overparametrisation": "overparameterization.html",
    "bergman divergence": "sparse_recovery.html",
    "miror flow": "sparse_recovery.html#prop-mirror-flow",  # codespell:ignore
    "balancednes": "matrix_factorization.html#prop-balancedness",
    "nonnegative least sqares": "nnls.html",  # codespell:ignore
    "double decent": "overparameterization.html#double-descent",
    "lable noise": "steps_and_noise.html#noise-in-the-labels",  # codespell:ignore
    "maximun margin": "overparameterization.html#thm-max-margin",  # codespell:ignore
}
NUMBERS = {
    "Theorem 3.2": "sparse_recovery.html#thm-l1-norm",
    "proposition 2.9": "matrix_factorization.html#prop-rank-falls",
    "theorem 4.1": "nnls.html#thm-nnls-limit",
    "Observation 1.3": "overparameterization.html#obs-risk-alpha",
    "thm 7.4": "geometries.html#thm-weight-normalization",
}
PHRASES = {
    "early stopping": "overparameterization.html#early-stopping-is-almost-ridge-regression",
    "stable recovery": "sparse_recovery.html#thm-stable-recovery",
    "edge of stability": "steps_and_noise.html#at-the-edge",
    "weight normalization": "geometries.html#thm-weight-normalization",
    "random labels": "overparameterization.html#prop-random-labels",
}
QUERIES = TYPOS | NUMBERS | PHRASES
