"""Solvers for the book *The Implicit Bias of Gradient Descent*.

Gradient descent and gradient flow on overparameterized models, the points they converge to, and what the field would use
instead. The modules are layered, and each imports only from those before it: `problems`, `parametrizations`, `measures`,
`baselines`, `descent`, `flow`, `limits`, `explore`.
"""

from .baselines import basis_pursuit, lasso_path, minimum_norm
from .descent import gradient_descent
from .flow import gradient_flow
from .limits import flow_limit, l1_bound, saddle_to_saddle
from .parametrizations import HadamardPower, SignedHadamardPower

__all__ = [
    "HadamardPower",
    "SignedHadamardPower",
    "basis_pursuit",
    "flow_limit",
    "gradient_descent",
    "gradient_flow",
    "l1_bound",
    "lasso_path",
    "minimum_norm",
    "saddle_to_saddle",
]
