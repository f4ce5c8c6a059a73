"""Optima of small logistic regressions, found by scikit-learn in double precision: writes golden/head/logistic."""

import warnings

import numpy as np
from common import write_golden
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

SEED = 11
# name: (rows, features, classes, distance between class centres, rows of the first class or 0 for even ones)
PROBLEMS = {
    "wide": (40, 90, 3, 0.6, 0),
    "tall": (120, 12, 3, 0.7, 0),
    "two_classes": (60, 20, 2, 0.5, 0),
    "seven_classes": (105, 130, 7, 0.8, 0),
    "weighted": (90, 15, 3, 0.7, 60),
    "weighted_wide": (50, 70, 3, 0.7, 36),
    "separable": (30, 8, 3, 9.0, 0),
}
STRENGTHS = [1e-6, 1e-4, 1e-2, 1.0, 1e2]


def make_rows(rng, rows, features, classes, distance, first_class):
    """Gaussian clouds in feature columns of very different size and offset, one of them constant."""
    if first_class:
        rest = np.arange(rows - first_class) % (classes - 1) + 1
        labels = np.concatenate([np.zeros(first_class, np.int64), rest])
    else:
        labels = np.arange(rows) % classes
    centres = distance * rng.standard_normal((classes, features))
    x = centres[labels] + rng.standard_normal((rows, features))
    x = x * 10.0 ** rng.uniform(-3, 3, features) + rng.standard_normal(features)
    x[:, 0] = 5.0
    return x.astype(np.float32), labels.astype(np.int64)


def optimum(x, labels, l2):
    """Objective and training probabilities at the minimum of mean(weight * cross-entropy) + l2/2 |W|²."""
    counts = np.bincount(labels)
    weights = (len(labels) / (len(counts) * counts) if counts.max() > 3 * counts.min() else np.ones(len(counts)))[labels]
    z = StandardScaler().fit_transform(x.astype(np.float64))
    # scikit-learn divides the loss by the sum of the weights, which is the number of rows.
    model = LogisticRegression(C=1 / (len(labels) * l2), solver="newton-cg", tol=1e-12, max_iter=100_000)
    with warnings.catch_warnings():
        # Its line search gives up once rounding is all that is left.
        warnings.simplefilter("ignore")
        model.fit(z, labels, sample_weight=weights)
    if len(counts) == 2:
        # A single weight vector v scores one class: the same penalty as +-v/2 for two would be halved.
        return optimum_of_two(z, labels, weights, l2)
    scores = z @ model.coef_.T + model.intercept_
    return objective(scores, model.coef_, labels, weights, l2), np.exp(log_softmax(scores, axis=1))


def optimum_of_two(z, labels, weights, l2):
    """The symmetric two-class optimum W = (-v/2, v/2), whose penalty is l2/4 |v|²: strength l2/2 for v."""
    model = LogisticRegression(C=2 / (len(labels) * l2), solver="newton-cg", tol=1e-12, max_iter=100_000)
    model.fit(z, labels, sample_weight=weights)
    coefficients = np.concatenate([-model.coef_ / 2, model.coef_ / 2])
    scores = z @ coefficients.T + np.array([-model.intercept_[0] / 2, model.intercept_[0] / 2])
    return objective(scores, coefficients, labels, weights, l2), np.exp(log_softmax(scores, axis=1))


def objective(scores, coefficients, labels, weights, l2):
    losses = -log_softmax(scores, axis=1)[np.arange(len(labels)), labels]
    return np.mean(weights * losses) + l2 / 2 * np.sum(coefficients**2)


def main():
    rng = np.random.default_rng(SEED)
    arrays = {"strengths": np.array(STRENGTHS)}
    for name, problem in PROBLEMS.items():
        x, labels = make_rows(rng, *problem)
        optima = [optimum(x, labels, l2) for l2 in STRENGTHS]
        arrays |= {
            f"{name}/features": x,
            f"{name}/labels": labels,
            f"{name}/objectives": np.array([value for value, _ in optima]),
            f"{name}/probabilities": np.stack([probabilities for _, probabilities in optima]).astype(np.float32),
        }
    write_golden("head/logistic", arrays, SEED, ["numpy", "scikit-learn", "scipy"])


if __name__ == "__main__":
    main()
