"""Scores and reports of fixed predictions, made by scikit-learn: writes golden/metrics/scores."""

import numpy as np
from common import write_golden
from scipy.stats import binomtest
from sklearn.metrics import accuracy_score, classification_report, confusion_matrix, f1_score

SEED = 5
FIVE = ["bar", "bubble chart with a name", "pie", "radar", "treemap"]
FOUR = ["a", "b", "c", "d"]


def noisy(rng, classes, images, error):
    """Even classes; a share of the predictions drawn at random."""
    truth = np.arange(images) % classes
    return truth, np.where(rng.random(images) < error, rng.integers(0, classes, images), truth)


def cases(rng):
    yield "five", *noisy(rng, 5, 93, 0.3), FIVE
    # Class c is never predicted, class d is in neither list.
    yield "unseen", np.array([0, 0, 0, 1, 1, 2]), np.array([0, 1, 0, 1, 0, 0]), FOUR
    yield "perfect", np.array([0, 1, 1]), np.array([0, 1, 1]), ["a", "b"]
    yield "hundred", *noisy(rng, 100, 1000, 0.2), [str(c) for c in range(100)]


def figures(truth, predicted, names):
    labels = list(range(len(names)))
    shared = {"labels": labels, "target_names": names, "zero_division": 0}
    right = int(np.sum(truth == predicted))
    interval = binomtest(right, len(truth)).proportion_ci(0.95, method="wilson")
    per_class = classification_report(truth, predicted, output_dict=True, **shared)
    text = classification_report(truth, predicted, **shared)
    return {
        "truth": truth.astype(np.int64),
        "predicted": predicted.astype(np.int64),
        "confusion": confusion_matrix(truth, predicted, labels=labels).astype(np.int64),
        "summary": np.array(
            [
                accuracy_score(truth, predicted),
                interval.low,
                interval.high,
                f1_score(truth, predicted, labels=labels, average="macro", zero_division=0),
                np.bincount(truth).max() / len(truth),
            ]
        ),
        "per_class": np.array(
            [[per_class[name][key] for key in ("precision", "recall", "f1-score", "support")] for name in names]
        ),
        "report": np.frombuffer(text.encode(), np.uint8),
    }


def main():
    rng = np.random.default_rng(SEED)
    arrays = {}
    for case, truth, predicted, names in cases(rng):
        arrays |= {f"{case}/{key}": value for key, value in figures(truth, predicted, names).items()}
    write_golden("metrics/scores", arrays, SEED, ["numpy", "scikit-learn", "scipy"])


if __name__ == "__main__":
    main()
