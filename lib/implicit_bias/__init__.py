"""Solvers for the book *The Implicit Bias of Gradient Descent*.

Gradient descent and gradient flow on overparameterized models, the points they converge to, and what the field would use
instead. The modules are layered, and each imports only from those before it: `problems`, `images`, `features`,
`parametrizations`, `networks`, `measures`, `nnls`, `many`, `estimators`, `baselines`, `regression`, `descent`, `flow`,
`margins`, `limits`, `spectrum`, `check`, `look`, `diagram`.
"""

from importlib.metadata import version as _version

from .baselines import basis_pursuit, group_lasso, lasso_path, maximum_margin, minimum_norm, nuclear_norm
from .descent import gradient_descent
from .flow import accelerated_flow, gradient_flow
from .limits import descent_limit, flow_limit, l1_bound, label_noise_flow, saddle_to_saddle
from .many import NNLS
from .margins import margin_flow, steepest_descent
from .nnls import nnls
from .parametrizations import (
    GroupHadamard,
    HadamardPower,
    Linear,
    MatrixProduct,
    Reparametrization,
    SignedHadamardPower,
    SymmetricProduct,
    TensorProduct,
    WeightNormalized,
    from_potential,
    hadamard_penalty,
)
from .regression import nested_fits, ridge_path, spectral_path
from .spectrum import diagonal_descent, diagonal_flow, learning_time

__version__ = _version("implicit-bias-book")

__all__ = [
    "NNLS",
    "GroupHadamard",
    "HadamardPower",
    "Linear",
    "MatrixProduct",
    "Reparametrization",
    "SignedHadamardPower",
    "SymmetricProduct",
    "TensorProduct",
    "WeightNormalized",
    "accelerated_flow",
    "basis_pursuit",
    "descent_limit",
    "diagonal_descent",
    "diagonal_flow",
    "flow_limit",
    "from_potential",
    "gradient_descent",
    "gradient_flow",
    "group_lasso",
    "hadamard_penalty",
    "l1_bound",
    "label_noise_flow",
    "lasso_path",
    "learning_time",
    "margin_flow",
    "maximum_margin",
    "minimum_norm",
    "nested_fits",
    "nnls",
    "nuclear_norm",
    "ridge_path",
    "saddle_to_saddle",
    "spectral_path",
    "steepest_descent",
]
