"""Fits of nested models, which share work, against each fit on its own: the double descent of the digits."""

import numpy as np
from implicit_bias.features import relu_features
from implicit_bias.problems import noisy_digits
from implicit_bias.regression import nested_fits

from .timing import alternate, table

N, TEST, LARGEST, REPETITIONS = 300, 500, 5000, 20
SIZES = np.geomspace(10, LARGEST, 40).astype(int)


def make(seed):
    """The features of the digits to learn from and of those for the test, and one indicator for each class."""
    digits = noisy_digits(N, label_noise=0.2, seed=seed)
    inputs = np.vstack([digits.inputs, digits.test_inputs[:TEST]])
    features = relu_features(inputs, LARGEST, seed=seed)
    return features[:N], np.eye(10)[digits.labels], features[N:]


def afresh(features, classes, test_features):
    """Test predictions of every size, by one least-squares problem for each."""
    return [test_features[:, :p] @ np.linalg.lstsq(features[:, :p], classes, rcond=None)[0] for p in SIZES]


def run():
    features, classes, test_features = make(0)
    calls = {
        "features": lambda: make(0),
        "nested": lambda: nested_fits(features, classes, SIZES, test_features),
        "afresh": lambda: afresh(features, classes, test_features),
    }
    seconds, results = alternate(calls, 3)
    difference = np.max(np.abs(results["nested"].test_predictions - results["afresh"]))
    row = (
        f"{seconds['features']:.2f}",
        f"{seconds['nested']:.2f}",
        f"{seconds['afresh']:.1f}",
        f"{seconds['afresh'] / seconds['nested']:.0f}",
        f"{difference:.0e}",
        f"{REPETITIONS * (seconds['features'] + seconds['nested']):.1f}",
    )
    table(
        f"nested_fits against a fit for each size: {N} digits, {len(SIZES)} sizes up to {LARGEST} random features\n"
        f"(target: {REPETITIONS} repetitions with their features in less than 25 s)",
        ("features s", "nested s", "afresh s", "ratio", "difference", f"{REPETITIONS} times s"),
        [row],
    )
