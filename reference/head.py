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
# The same with what a row of each class counts, as `class_weight`.
WEIGHTED_PROBLEMS = {
    "class_weights": ((80, 14, 3, 1.0, 0), [1.0, 2.0, 0.5]),
    "class_weights_wide": ((45, 70, 3, 0.6, 0), [1.5, 0.5, 2.0]),
    "class_weights_two": ((50, 10, 2, 0.5, 40), [0.75, 3.0]),
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


def balanced_if_uneven(labels):
    counts = np.bincount(labels)
    uneven = counts.max() > 3 * counts.min()
    return len(labels) / (len(counts) * counts) if uneven else np.ones(len(counts))


def optimum(x, labels, class_weights, l2):
    """Objective and training probabilities at the minimum of mean(weight * cross-entropy) + l2/2 |W|²."""
    weights = class_weights[labels]
    z = StandardScaler().fit_transform(x.astype(np.float64))
    # scikit-learn minimises C sum(weight * cross-entropy) + |W|²/2, whatever the weights add up to.
    named = dict(enumerate(class_weights))
    model = LogisticRegression(class_weight=named, C=1 / (len(labels) * l2), solver="newton-cg", tol=1e-12, max_iter=100_000)
    with warnings.catch_warnings():
        # Its line search gives up once rounding is all that is left.
        warnings.simplefilter("ignore")
        model.fit(z, labels)
    if len(class_weights) == 2:
        # A single weight vector v scores one class: the same penalty as +-v/2 for two would be halved.
        return optimum_of_two(z, labels, class_weights, l2)
    scores = z @ model.coef_.T + model.intercept_
    return objective(scores, model.coef_, labels, weights, l2), np.exp(log_softmax(scores, axis=1))


def optimum_of_two(z, labels, class_weights, l2):
    """The symmetric two-class optimum W = (-v/2, v/2), whose penalty is l2/4 |v|²: strength l2/2 for v."""
    model = LogisticRegression(class_weight=dict(enumerate(class_weights)), C=2 / (len(labels) * l2), solver="newton-cg", tol=1e-12, max_iter=100_000)
    model.fit(z, labels)
    coefficients = np.concatenate([-model.coef_ / 2, model.coef_ / 2])
    scores = z @ coefficients.T + np.array([-model.intercept_[0] / 2, model.intercept_[0] / 2])
    return objective(scores, coefficients, labels, class_weights[labels], l2), np.exp(log_softmax(scores, axis=1))


def objective(scores, coefficients, labels, weights, l2):
    losses = -log_softmax(scores, axis=1)[np.arange(len(labels)), labels]
    return np.mean(weights * losses) + l2 / 2 * np.sum(coefficients**2)


def main():
    rng = np.random.default_rng(SEED)
    arrays = {"strengths": np.array(STRENGTHS)}
    even = {name: (problem, None) for name, problem in PROBLEMS.items()}
    for name, (problem, given) in (even | WEIGHTED_PROBLEMS).items():
        x, labels = make_rows(rng, *problem)
        class_weights = balanced_if_uneven(labels) if given is None else np.array(given)
        optima = [optimum(x, labels, class_weights, l2) for l2 in STRENGTHS]
        if given is not None:
            arrays[f"{name}/class_weights"] = np.array(given, np.float32)
        arrays |= {
            f"{name}/features": x,
            f"{name}/labels": labels,
            f"{name}/objectives": np.array([value for value, _ in optima]),
            f"{name}/probabilities": np.stack([probabilities for _, probabilities in optima]).astype(np.float32),
        }
    write_golden("head/logistic", arrays, SEED, ["numpy", "scikit-learn", "scipy"])


if __name__ == "__main__":
    main()
