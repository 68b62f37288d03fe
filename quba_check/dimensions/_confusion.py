"""Tables and notes on the classes that a model confuses or never predicts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from quba_check.core.confidence import CONFIDENCE
from quba_check.core.facts import SuiteFacts, table_class_names
from quba_check.core.measurement import Cell, Table
from quba_check.core.predictions import Predictions, never_predicted
from quba_check.core.view import CLEAN
from quba_check.dimensions._all_classes import EachClass
from quba_check.dimensions._rows import Rows
from quba_check.messages import listed
from quba_check.metrics.class_metrics import class_counts
from quba_check.stats.clusters import LEAST_GROUPS

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
    classes, rows = suite.class_count, Rows((clean,), CLEAN)
    names, images = table_class_names(suite.class_names, classes), _counts(rows.label, classes).tolist()
    recalls, precisions = (_rates(EachClass.of(name, rows, classes)) for name in ("recall", "precision"))
    f1 = class_counts("f1", rows.label, rows.predicted, classes)
    means: list[Cell] = [
        2 * hits / (n + hits) if n else "" for hits, n in zip(f1.hits.tolist(), f1.n.tolist(), strict=True)
    ]
    columns = (f"{rate}{end}" for rate in ("recall", "precision") for end in ("", "_low", "_high"))
    cells = zip(names, images, recalls, precisions, means, strict=True)
    return Table(
        ("class", "images", *columns, "f1"),
        tuple((name, n, *recall, *precision, mean) for name, n, recall, precision, mean in cells),
    )


def _rates(each: EachClass) -> Iterator[Sequence[Cell]]:
    """Yield the number of each class and its limits, without those of too few groups."""
    for k, (n, value) in enumerate(zip(each.counts.n.tolist(), each.values.tolist(), strict=True)):
        has_limits = not each.effects or each.effects[k].count >= LEAST_GROUPS
        limits = each.limits(k, _ENDS).tolist() if n and has_limits else ("", "")
        yield (value, *limits) if n else ("", "", "")


def never_predicted_notes(clean: Predictions, suite: SuiteFacts) -> tuple[str, ...]:
    """Return a note on the classes that have images and are never predicted, if any."""
    return _notes("never predicted", never_predicted(clean.matched_label, clean.predicted), suite)


def never_right_notes(clean: Predictions, suite: SuiteFacts) -> tuple[str, ...]:
    """Return notes on the classes that are never predicted, or only for images of others."""
    missed = never_predicted(clean.matched_label, clean.predicted[clean.correct])
    wrong = [number for number in missed if number in clean.predicted]
    return (*never_predicted_notes(clean, suite), *_notes("predicted, but never right", wrong, suite))


def _notes(what: str, numbers: Sequence[int], suite: SuiteFacts) -> tuple[str, ...]:
    names = table_class_names(suite.class_names, suite.class_count)
    named = listed((names[number] for number in numbers), at_most=NAMED)
    return (f"{what}: {named} ({len(numbers)} of {suite.class_count} classes)",) if numbers else ()


def _is_class(number: NDArray[np.int64], classes: int) -> NDArray[np.bool_]:
    return (number >= 0) & (number < classes)


def _counts(number: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    return np.bincount(number[_is_class(number, classes)], minlength=classes)
