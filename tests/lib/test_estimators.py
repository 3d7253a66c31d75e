"""The estimator of scikit-learn: its own checks, and what the coefficients must be."""

import warnings
from unittest import SkipTest

import numpy as np
import pytest
from implicit_bias.estimators import NonnegativeRegressor
from scipy.optimize import nnls as lawson_hanson
from scipy.sparse import csr_array, csr_matrix, random_array
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures
from sklearn.utils.estimator_checks import parametrize_with_checks


@parametrize_with_checks(
    [
        NonnegativeRegressor(),
        NonnegativeRegressor(fit_intercept=False),
        NonnegativeRegressor(tikhonov=0.1),
        NonnegativeRegressor(upper=1e6),
        NonnegativeRegressor(sum_to=1.0),
    ]
)
def test_the_checks_of_scikit_learn(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        try:
            check(estimator)
        except SkipTest as reason:  # what the estimator does not offer, or takes as any array
            assert "pandas" in str(reason) or "ARRAY_API" in str(reason)


def data(seed=0, outputs=3):
    rng = np.random.default_rng(seed)
    X = rng.random((40, 6))
    return X, X @ rng.standard_normal((6, outputs)) - 5 + 0.1 * rng.standard_normal((40, outputs)), rng.random(40)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("form", [np.asarray, csr_array, csr_matrix])
def test_the_coefficients_are_those_of_the_plain_problem(intercept, weighted, form):
    """An intercept of any sign is a column of ones and one of minus ones."""
    for seed in range(10):
        X, Y, weight = data(seed)
        model = NonnegativeRegressor(fit_intercept=intercept).fit(form(X), Y, weight if weighted else None)
        wide, root = np.hstack([X, np.ones((40, 1)), -np.ones((40, 1))]), np.sqrt(weight if weighted else np.ones(40))
        for k in range(3):
            x = lawson_hanson((wide if intercept else X) * root[:, None], Y[:, k] * root)[0]
            np.testing.assert_allclose(model.coef_[k], x[:6], atol=1e-6)
            expected = x[6] - x[7] if intercept else 0.0
            assert model.intercept_[k] == pytest.approx(expected, abs=1e-6)
        np.testing.assert_allclose(model.predict(form(X)), X @ model.coef_.T + model.intercept_, atol=1e-12)
        alone = NonnegativeRegressor(fit_intercept=intercept).fit(X, Y[:, 0], weight if weighted else None)
        np.testing.assert_allclose(alone.coef_, model.coef_[0], atol=1e-6)
        assert isinstance(alone.intercept_, float) and alone.predict(X).shape == (40,)


@pytest.mark.parametrize("form", [np.asarray, csr_array, csr_matrix])
def test_what_does_not_vary_is_left_to_the_intercept(form):
    """Its difference from its mean is rounding, of which any coefficient can be had: what is predicted elsewhere counts."""
    for seed in range(10):
        X, Y, weight = data(seed)
        Y[:, 0] = value = Y[0, 0]
        wide = np.c_[X, np.full(40, weight[0]), np.r_[np.full(39, 0.1), 7.0]]
        for sample_weight in (None, weight, np.r_[weight[:39], 0.0]):
            model = NonnegativeRegressor().fit(form(wide), Y, sample_weight)
            assert not model.coef_[0].any() and not model.coef_[:, 6].any()
            assert model.intercept_[0] == pytest.approx(value)
        assert not model.coef_[:, 7].any()  # the last row, which has no weight, is all that differs


def test_it_agrees_with_the_positive_regression_of_scikit_learn():
    X, Y, weight = data(3)
    ours, theirs = NonnegativeRegressor().fit(X, Y, weight), LinearRegression(positive=True).fit(X, Y, weight)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-10)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, atol=1e-10)


def test_a_sparse_matrix_is_not_written_down():
    """It would take 3 GB."""
    X = random_array((20_000, 20_000), density=1e-5, format="csr", rng=np.random.default_rng(0))
    model = NonnegativeRegressor(tol=1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        assert np.all(model.fit(X, np.asarray(X.sum(axis=1)).ravel()).coef_ >= 0)


def test_constraints_reach_the_solver():
    X, Y, _ = data(1)
    shares = NonnegativeRegressor(sum_to=1.0, fit_intercept=False).fit(X, Y)
    np.testing.assert_allclose(shares.coef_.sum(axis=1), 1)
    assert np.max(NonnegativeRegressor(upper=0.1).fit(X, Y).coef_) == 0.1
    free, held = NonnegativeRegressor().fit(X, Y), NonnegativeRegressor(tikhonov=100.0).fit(X, Y)
    assert np.max(held.coef_) < np.max(free.coef_) / 2


def test_it_works_in_pipelines_and_searches():
    X = data(2)[0]
    search = GridSearchCV(
        make_pipeline(PolynomialFeatures(2), NonnegativeRegressor()), {"nonnegativeregressor__tikhonov": [1e-6, 1e2]}
    )
    assert search.fit(X, X @ np.arange(6.0)).best_params_ == {"nonnegativeregressor__tikhonov": 1e-6}


def test_wrong_weights_are_named():
    X, Y, _ = data()
    for wrong in (-np.ones(40), np.zeros(40), np.ones(39), np.full(40, np.nan), np.nan, np.inf, 1j, "one", 10**400):
        with pytest.raises(ValueError, match=r"[Ss]ample.weight"):
            NonnegativeRegressor().fit(X, Y, wrong)
    with pytest.raises(ValueError, match="tikhonov"):
        NonnegativeRegressor(tikhonov=-1.0).fit(X, Y)
