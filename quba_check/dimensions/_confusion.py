"""Tables and notes on the classes that a model confuses or never predicts."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from quba_check.core.confidence import CONFIDENCE
from quba_check.core.facts import SuiteFacts, table_class_names
from quba_check.core.measurement import Cell, Table
from quba_check.core.predictions import Predictions, never_predicted
from quba_check.messages import listed
from quba_check.stats.intervals import share_limits

LARGEST = 10
"""Number of confusions in the tables of accuracy and class_balance."""
MOST_CLASSES = 50
"""Largest number of classes with a table of all confusions; above, the table has the largest ones."""
MOST_CONFUSIONS = 100
NAMED = 3
"""Largest number of classes named in a note."""
_ENDS = np.array([-1.0, 1.0]) * NormalDist().inv_cdf((1 + CONFIDENCE) / 2)


def confusion_table(clean: Predictions, suite: SuiteFacts, largest: int | None = None) -> Table:
    """Return the confusions of two classes, the largest first.

    Args:
        clean: predictions on the clean set.
        suite: the names of the classes.
        largest: number of confusions; None for all of up to 50 classes, else for the largest 100.
    """
    classes = suite.class_count
    if largest is None and classes > MOST_CLASSES:
        largest = MOST_CONFUSIONS
    images = _counts(clean.label, classes)
    is_confused = ~clean.correct & _is_class(clean.label, classes) & _is_class(clean.predicted, classes)
    cells, counts = np.unique(
        clean.label[is_confused] * classes + clean.predicted[is_confused], return_counts=True
    )
    order = np.argsort(-counts, kind="stable")[:largest]
    names = table_class_names(suite.class_names, classes)
    rows = []
    for cell, count in zip(cells[order].tolist(), counts[order].tolist(), strict=True):
        label, predicted = divmod(cell, classes)
        rows.append((names[label], names[predicted], count, count / int(images[label])))
    return Table(("label", "predicted", "images", "share"), tuple(rows))


def class_table(clean: Predictions, suite: SuiteFacts) -> Table:
    """Return recall and precision with 95 % intervals, and F1, of each class.

    Cells of undefined numbers are empty.
    """
    classes = suite.class_count
    label = _own_label(clean)
    of, called = _counts(label, classes), _counts(clean.predicted, classes)
    hits = _counts(clean.predicted[clean.correct], classes)
    rows: list[tuple[Cell, ...]] = []
    for name, images, count, n_called in zip(
        table_class_names(suite.class_names, classes),
        of.tolist(),
        hits.tolist(),
        called.tolist(),
        strict=True,
    ):
        f1: Cell = 2 * count / (images + n_called) if images + n_called else ""
        rows.append((name, images, *_rate(count, images), *_rate(count, n_called), f1))
    rates = (f"{rate}{end}" for rate in ("recall", "precision") for end in ("", "_low", "_high"))
    return Table(("class", "images", *rates, "f1"), tuple(rows))


def _rate(hits: int, n: int) -> Sequence[Cell]:
    return (hits / n, *share_limits(hits, n, _ENDS).tolist()) if n else ("", "", "")


def never_predicted_notes(clean: Predictions, suite: SuiteFacts) -> tuple[str, ...]:
    """Return a note on the classes that have images and are never predicted, if any."""
    return _notes("never predicted", never_predicted(_own_label(clean), clean.predicted), suite)


def never_right_notes(clean: Predictions, suite: SuiteFacts) -> tuple[str, ...]:
    """Return notes on the classes that are never predicted, or only for images of others."""
    missed = never_predicted(_own_label(clean), clean.predicted[clean.correct])
    wrong = [number for number in missed if number in clean.predicted]
    return (*never_predicted_notes(clean, suite), *_notes("predicted, but never right", wrong, suite))


def _notes(what: str, numbers: Sequence[int], suite: SuiteFacts) -> tuple[str, ...]:
    names = table_class_names(suite.class_names, suite.class_count)
    named = listed((names[number] for number in numbers), at_most=NAMED)
    return (f"{what}: {named} ({len(numbers)} of {suite.class_count} classes)",) if numbers else ()


def _own_label(clean: Predictions) -> NDArray[np.int64]:
    """Return the class of each image; of several right ones, the predicted one."""
    return np.where(clean.correct, clean.predicted, clean.label)


def _is_class(number: NDArray[np.int64], classes: int) -> NDArray[np.bool_]:
    return (number >= 0) & (number < classes)


def _counts(number: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    return np.bincount(number[_is_class(number, classes)], minlength=classes)
