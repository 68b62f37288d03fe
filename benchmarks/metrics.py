"""Our metrics against torchmetrics and plain loops, on 20,000 images and 200 classes."""

from __future__ import annotations

from statistics import pstdev, stdev

import numpy as np
import torch
from measuring import compare
from torchmetrics.functional.classification import multiclass_calibration_error

from quba_check.metrics.calibration import adaptive_calibration_error, expected_calibration_error
from quba_check.metrics.class_balance import accuracy_evenness, confidence_evenness

IMAGES = 20_000
CLASSES = 200
BINS = 15


def looped_ace(p: np.ndarray, label: np.ndarray) -> float:
    """Return ACE by its definition, class by class and bin by bin."""
    errors = []
    for k in range(p.shape[1]):
        rows = np.flatnonzero(p[:, k] > 0)
        ordered = sorted(p[rows, k])
        n = len(ordered)
        edges = [ordered[min(round(j * n / BINS), n - 1)] for j in range(1, BINS)]
        bins = [0.0] * BINS
        for row in rows:
            value = p[row, k]
            bins[sum(edge <= value for edge in edges)] += float(label[row] == k) - float(value)
        errors.append(sum(abs(total) for total in bins) / n)
    return sum(errors) / len(errors)


def looped_balance(label: np.ndarray, right: np.ndarray, true: np.ndarray) -> tuple[float, float]:
    """Return both components, image by image and class by class."""
    rights: list[list[float]] = [[] for _ in range(CLASSES)]
    trues: list[list[float]] = [[] for _ in range(CLASSES)]
    for k, is_right, probability in zip(label, right, true, strict=True):
        rights[k].append(float(is_right))
        trues[k].append(float(probability))
    accuracies = [sum(answers) / len(answers) for answers in rights]
    return 1 - stdev(accuracies), 1 - sum(pstdev(values) for values in trues) / CLASSES


def main() -> None:
    rng = np.random.default_rng(0)
    logits = torch.from_numpy(rng.normal(size=(IMAGES, CLASSES)).astype(np.float32) * 2)
    p = logits.softmax(1)
    label = rng.integers(CLASSES, size=IMAGES)
    table = p.numpy()
    confidence = p.max(1).values.numpy()
    right = table.argmax(1) == label
    true = table[np.arange(IMAGES), label]
    compare(
        "ECE: ours, torchmetrics",
        lambda: expected_calibration_error(confidence, right, bins=BINS),
        lambda: multiclass_calibration_error(p, torch.from_numpy(label), CLASSES, n_bins=BINS, norm="l1"),
    )
    few = slice(0, 2000)
    compare(
        "ACE on 2,000 images: ours, plain loop",
        lambda: adaptive_calibration_error(table[few], label[few], bins=BINS),
        lambda: looped_ace(table[few], label[few]),
        repetitions=3,
    )
    compare(
        "class balance: ours, plain loop",
        lambda: (
            accuracy_evenness(label, right, classes=CLASSES, sample=None),
            confidence_evenness(label, true, classes=CLASSES, sample=None),
        ),
        lambda: looped_balance(label, right, true),
        repetitions=3,
    )


if __name__ == "__main__":
    main()
