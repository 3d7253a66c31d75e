"""Non-negative least squares as an estimator of scikit-learn, which the extra `baselines` installs."""

from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import issparse
from scipy.sparse.linalg import LinearOperator

from ._extras import extra
from ._types import Matrix
from ._validation import as_positive
from .nnls import nnls

with extra("baselines"):
    from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
    from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data


class NonnegativeRegressor(MultiOutputMixin, RegressorMixin, BaseEstimator):
    """Linear regression with coefficients that are not negative, by `nnls`.

    It minimizes the sum of squares ``sum(sample_weight * (y - X @ coef - intercept)**2)``; the intercept may have any sign.
    What scikit-learn can do with an estimator, such as cross-validation, pipelines and searches, works with it. Several outputs
    are fitted at once, see `implicit_bias.NNLS`.

    Taught in the chapter "Non-negative least squares".

    Parameters
    ----------
    fit_intercept : bool
        Without it, the intercept is zero.
    tikhonov, sum_to, upper : optional
        See `nnls`; for each feature, and the same for all outputs.
    tol : float
        See `nnls`.

    Attributes
    ----------
    coef_ : ndarray, shape (n_features,) or (n_outputs, n_features)
    intercept_ : float or ndarray, shape (n_outputs,)
    n_features_in_ : int
    feature_names_in_ : ndarray, shape (n_features,)
        Only if the names of all features are strings.

    Examples
    --------
    >>> X, y = [[0.0, 1.0], [1.0, 0.0], [2.0, 2.0]], [5.0, 3.0, 7.0]
    >>> model = NonnegativeRegressor().fit(X, y)
    >>> model.coef_.round(12).tolist(), round(float(model.intercept_), 12)
    ([0.0, 2.0], 3.0)
    >>> model.predict([[1.0, 1.0]]).round(12).tolist()
    [5.0]
    """

    def __init__(
        self,
        *,
        fit_intercept: bool = True,
        tikhonov: ArrayLike | None = None,
        sum_to: float | None = None,
        upper: ArrayLike | None = None,
        tol: float = 1e-8,
    ) -> None:
        self.fit_intercept = fit_intercept
        self.tikhonov = tikhonov
        self.sum_to = sum_to
        self.upper = upper
        self.tol = tol

    def fit(self, X: Matrix, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the coefficients.

        Parameters
        ----------
        X : array_like or sparse matrix, shape (n_samples, n_features)
        y : array_like, shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array_like, shape (n_samples,), optional

        Returns
        -------
        NonnegativeRegressor
            Itself.
        """
        X, y = validate_data(self, X, y, accept_sparse="csr", dtype=float, y_numeric=True, multi_output=True)
        Y = y.astype(float).reshape(len(y), -1)
        if sample_weight is not None:
            if np.isscalar(sample_weight):  # of which scikit-learn checks nothing
                sample_weight = as_positive("sample_weight", sample_weight)
            sample_weight = _check_sample_weight(sample_weight, X, dtype=float, ensure_non_negative=True)
            if not np.any(sample_weight):
                raise ValueError("sample_weight must not be zero for all samples")
        features, mean, middle = X, np.zeros(X.shape[1]), np.zeros(Y.shape[1])
        if self.fit_intercept:
            share = np.ones(len(Y)) if sample_weight is None else sample_weight / np.max(sample_weight)
            share /= np.sum(share)
            mean, middle = X.T @ share, share @ Y
            features = _shifted(X, mean, ~_constant(X[share > 0]))
            Y = (Y - middle) * ~_constant(Y[share > 0])
        result = nnls(
            features,
            Y,
            weights=sample_weight,
            tikhonov=self.tikhonov,
            sum_to=self.sum_to,
            upper=self.upper,
            tol=self.tol,
        )
        coefficients = result.x.reshape(X.shape[1], -1).T
        self.coef_ = coefficients if y.ndim == 2 else coefficients[0]
        self.intercept_ = middle - coefficients @ mean if y.ndim == 2 else float(middle[0] - coefficients[0] @ mean)
        return self

    def predict(self, X: Matrix) -> np.ndarray:
        """The outputs of the fitted model.

        Parameters
        ----------
        X : array_like or sparse matrix, shape (n_samples, n_features)

        Returns
        -------
        ndarray, shape (n_samples,) or (n_samples, n_outputs)
        """
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", dtype=float, reset=False)
        return X @ self.coef_.T + self.intercept_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _constant(values):
    """Which columns have one value up to rounding: without their mean they would be nothing but that."""
    largest, smallest = (v.toarray().ravel() if issparse(v) else v for v in (values.max(axis=0), values.min(axis=0)))
    return largest - smallest <= 4 * np.finfo(float).eps * np.maximum(np.abs(largest), np.abs(smallest))


def _shifted(X, mean, varies):
    """The matrix without the means of its columns, and zero where they do not vary; a sparse one is not written down."""
    if not issparse(X):
        return (X - mean) * varies
    return LinearOperator(
        X.shape,
        matvec=lambda v: X @ (varies * v.ravel()) - mean @ (varies * v.ravel()),
        rmatvec=lambda r: varies * (X.T @ r.ravel() - mean * np.sum(r)),
        dtype=float,
    )
