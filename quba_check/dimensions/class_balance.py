"""class_balance: how evenly the model treats the classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from quba_check.dimensions._accuracies import Tables, accuracy_on
from quba_check.dimensions._registry import dimension
from quba_check.errors import UnmeasurableError, listed
from quba_check.metrics import balance
from quba_check.metrics.means import geometric_mean
from quba_check.protocol.dimension import Part
from quba_check.protocol.facts import Facts
from quba_check.protocol.measurement import Measurement, Quantity
from quba_check.protocol.view import CLEAN

LEAST_IMAGES = 2
"""Images a class needs for a spread within it."""
NAMED = 3
"""Classes that the reason names."""


@dimension(
    "class_balance",
    title="How evenly accuracy and confidence are spread over the classes.",
    unit="fraction",
    better="high",
    weight=1,
    source="arXiv 2503.17110",
    views=(CLEAN,),
    parts=(
        Part("accuracy", "fraction", "high", "1 − spread of the class accuracies"),
        Part("confidence", "fraction", "high", "1 − mean spread of the true-class probability in a class"),
        Part("between_class_confidence", "fraction", None, "1 − spread of the classes' mean probability"),
    ),
)
def measure(predictions: Tables, facts: Facts) -> Measurement:
    """Geometric mean of the evenness of the class accuracies and of the true-class probabilities.

    Raises:
        UnmeasurableError: there are no clean images, fewer than two classes, or fewer than two images in a
            class.
    """
    n = accuracy_on(predictions, CLEAN).n
    clean = predictions[CLEAN]
    classes = facts.suite.class_count
    if classes < 2:
        raise UnmeasurableError("class_balance needs at least two classes; the suite has one")
    _check_filled(np.bincount(clean.label, minlength=classes), facts.suite.class_names)
    evenness = balance.class_balance(clean.label, clean.right, clean.true_probability, classes=classes)
    parts = {
        name: Quantity(getattr(evenness, name), "fraction", n)
        for name in ("accuracy", "confidence", "between_class_confidence")
    }
    value = geometric_mean([evenness.accuracy, evenness.confidence])
    return Measurement("class_balance", value, "fraction", n, parts=parts)


def _check_filled(counts: NDArray[np.int64], names: Sequence[str]) -> None:
    scarce = np.flatnonzero(counts < LEAST_IMAGES)
    if len(scarce):
        called = [f"'{name}'" for name in names] or [f"class {k}" for k in range(len(counts))]
        first = listed((f"{called[k]} has {counts[k]}" for k in scarce), limit=NAMED)
        have = "has" if len(scarce) == 1 else "have"
        raise UnmeasurableError(
            f"class_balance needs two images in every class; {len(scarce)} of {len(counts)} classes {have} "
            f"fewer ({first}); add images of them to the clean set"
        )
