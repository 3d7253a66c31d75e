"""Our solver and the packages a user would call instead: functions of `A`, `y` and a setting that return `x`
(ours: its record).

scikit-learn's ``LinearRegression(positive=True)`` calls `scipy.optimize.nnls`, so its coordinate descent stands here for it.
"""

import numpy as np
from implicit_bias.measures import column_norms
from implicit_bias.nnls import nnls
from scipy import optimize
from scipy.sparse import csc_array, csc_matrix, eye_array, hstack, issparse, triu, vstack


def ours(A, y, tol):
    return nnls(A, y, tol=tol)


def scipy_nnls(A, y, setting):
    return optimize.nnls(A, y, maxiter=100 * A.shape[1])[0]


def lbfgsb(A, y, tol):
    """The loss relative to that of zero; only the gradient decides on the end."""
    scale = y @ y

    def loss(x):
        r = A @ x - y
        return 0.5 * (r @ r) / scale, A.T @ r / scale

    start = np.zeros(A.shape[1])
    options = {"ftol": 0, "gtol": tol * np.max(A.T @ y) / scale, "maxiter": 10**7, "maxfun": 10**7}
    return optimize.minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=optimize.Bounds(0, np.inf), options=options
    ).x


def lsq_linear(A, y, tol):
    return optimize.lsq_linear(A, y, bounds=(0, np.inf), tol=tol, max_iter=10_000).x


def scikit_learn(A, y, tol):
    """Lasso with a penalty that adds at most half of `tol` to the KKT residual; its own `tol` is a duality gap."""
    from sklearn.linear_model import Lasso

    sizes = column_norms(A)
    alpha = 0.5 * tol * np.min(sizes[sizes > 0]) * np.linalg.norm(y) / len(y)
    model = Lasso(alpha=alpha, positive=True, fit_intercept=False, tol=max(tol**2, 1e-12), max_iter=10**7)
    return model.fit(A, y).coef_


def skglm(A, y, tol):
    from skglm import GeneralizedLinearEstimator
    from skglm.datafits import Quadratic
    from skglm.penalties import PositiveConstraint
    from skglm.solvers import AndersonCD

    solver = AndersonCD(tol=tol * np.max(A.T @ y) / len(y), fit_intercept=False, max_iter=10**6, ws_strategy="fixpoint")
    return GeneralizedLinearEstimator(Quadratic(), PositiveConstraint(), solver).fit(A, y).coef_


def clarabel(A, y, setting):
    """As a quadratic program in x alone (Gram matrix), or with the residual as a second unknown."""
    import clarabel

    form, tol = setting
    m, n = A.shape
    size = np.linalg.norm(y)
    y = y / size
    if form == "gram":
        P, q = triu(csc_array(A.T @ A), format="csc"), -(A.T @ y)
        constraints, b, cones = -eye_array(n, format="csc"), np.zeros(n), [clarabel.NonnegativeConeT(n)]
    else:
        identity = eye_array(m, format="csc")
        P = vstack([csc_array((n, n + m)), hstack([csc_array((m, n)), identity])], format="csc")
        q = np.zeros(n + m)
        equations = hstack([csc_array(A), -identity])
        constraints = vstack([equations, hstack([-eye_array(n), csc_array((n, m))])], format="csc")
        b, cones = np.r_[y, np.zeros(n)], [clarabel.ZeroConeT(m), clarabel.NonnegativeConeT(n)]
    settings = clarabel.DefaultSettings()
    settings.verbose, settings.max_iter, settings.max_threads = False, 500, 1
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = tol
    solution = clarabel.DefaultSolver(P, q, constraints, b, cones, settings).solve()
    return np.maximum(np.array(solution.x)[:n], 0) * size


def proxqp(A, y, tol):
    """As a quadratic program: dense in x alone (Gram matrix), sparse with the residual as a second unknown."""
    import proxsuite

    m, n = A.shape
    size = np.linalg.norm(y)
    y = y / size
    if issparse(A):
        H = vstack([csc_array((n, n + m)), hstack([csc_array((m, n)), eye_array(m)])], format="csc")
        bounds = hstack([eye_array(n), csc_array((n, m))], format="csc")
        equations = hstack([A, -eye_array(m)], format="csc")
        program = proxsuite.proxqp.sparse.QP(n + m, m, n)
        data = [csc_matrix(H), np.zeros(n + m), csc_matrix(equations), y, csc_matrix(bounds), np.zeros(n)]
        data.append(np.full(n, 1e20))
    else:
        program = proxsuite.proxqp.dense.QP(n, 0, 0, True)
        data = [A.T @ A, -(A.T @ y), None, None, None, None, None, np.zeros(n), np.full(n, 1e20)]
    program.settings.eps_abs, program.settings.eps_rel, program.settings.max_iter = tol, 0, 10_000
    program.init(*data)
    program.solve()
    return np.maximum(program.results.x[:n], 0) * size
