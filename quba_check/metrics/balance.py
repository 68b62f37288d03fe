"""How evenly a classifier treats its classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class ClassBalance:
    """Three looks at the spread over classes, each in [0, 1] where 1 is even.

    Attributes:
        accuracy: 1 − standard deviation (ddof 1) of the class accuracies.
        confidence: 1 − mean over classes of the standard deviation (ddof 0) of the true-class probability
            within the class.
        between_class_confidence: 1 − standard deviation (ddof 1) of the classes' mean true-class probability.
    """

    accuracy: float
    confidence: float
    between_class_confidence: float


def class_balance(
    label: NDArray[np.int64],
    right: NDArray[np.bool_],
    true_probability: NDArray[np.float32],
    *,
    classes: int,
) -> ClassBalance:
    """Spread of accuracy and of true-class probability over and within the classes.

    Args:
        label: (N,) class of each image, 0 … classes − 1.
        right: (N,) whether the chosen class is the label.
        true_probability: (N,) float32, probability of the labelled class.
        classes: number of classes, at least two, each with at least one image.

    Returns:
        The three components; sums are in float64.

    Raises:
        ValueError: fewer than two classes, or a class without an image.

    Source: class balance of arXiv 2503.17110 in the form of its released code, which takes the spread of
    confidence within a class; the spread between classes is reported beside it.

    >>> p = np.array([0.9, 0.7, 0.6, 0.6], dtype=np.float32)
    >>> balance = class_balance(np.array([0, 0, 1, 1]), p > 0.65, p, classes=2)
    >>> round(balance.accuracy, 6), round(balance.confidence, 6), round(balance.between_class_confidence, 6)
    (0.292893, 0.95, 0.858579)
    """
    counts = np.bincount(label, minlength=classes)
    if classes < 2 or counts.min() == 0:
        raise ValueError(
            f"class balance: {np.count_nonzero(counts)} of {classes} classes have images. "
            "Allowed: at least two classes, all with images."
        )
    class_accuracy = np.bincount(label, weights=right, minlength=classes) / counts
    class_mean = np.bincount(label, weights=true_probability, minlength=classes) / counts
    deviation = true_probability.astype(np.float64) - class_mean[label]
    within = np.sqrt(np.bincount(label, weights=deviation**2, minlength=classes) / counts)
    return ClassBalance(
        accuracy=float(1 - np.std(class_accuracy, ddof=1)),
        confidence=float(1 - within.mean()),
        between_class_confidence=float(1 - np.std(class_mean, ddof=1)),
    )
