"""Numbers, tables and notes of all classes: the worst one, the mean, and confusions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from statistics import NormalDist
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from quba_check.core.confidence import CONFIDENCE
from quba_check.core.facts import SuiteFacts, table_class_names
from quba_check.core.measurement import Cell, Quantity, Sample, Table
from quba_check.core.predictions import Predictions, never_predicted
from quba_check.core.request import EACH, Request
from quba_check.core.view import CLEAN
from quba_check.dimensions._requested import worst_quantity
from quba_check.dimensions._rows import Rows
from quba_check.errors import UnmeasurableError
from quba_check.messages import listed
from quba_check.metrics import class_metrics
from quba_check.metrics.class_metrics import OfEachClass
from quba_check.stats.clusters import LEAST_GROUPS, GroupEffect, Sides, group_effect
from quba_check.stats.estimate import Influences, SampleName
from quba_check.stats.image_intervals import additive_limits
from quba_check.stats.intervals import Limits, Scores, share_limits

NAMED = 10
"""Largest number of classes named in a message."""
NAMED_IN_NOTE = 3
"""Largest number of classes named in a note on one model."""
LARGEST = 10
"""Number of confusions in the tables of accuracy and class_balance."""
MOST_CLASSES = 50
"""Largest number of classes with a table of all confusions; above, the table has the largest ones."""
MOST_CONFUSIONS = 100
_ENDS = np.array([-1.0, 1.0]) * NormalDist().inv_cdf((1 + CONFIDENCE) / 2)


def quantity_of_all(
    request: Request, rows: Rows, suite: SuiteFacts
) -> tuple[Quantity, dict[str, Table], list[str]]:
    """Return a number of all classes, the table behind it, and notes.

    Raises:
        UnmeasurableError: a class has no images.
    """
    names = table_class_names(suite.class_names, suite.class_count)
    image_counts = class_metrics.class_counts("recall", rows.label, rows.predicted, suite.class_count).n
    absent = [names[k] for k in np.flatnonzero(image_counts == 0)]
    if absent:
        raise UnmeasurableError(
            f"no image of the set {request.set} is of {listed(absent, NAMED)}", missing_data=True
        )
    predicted_counts = class_metrics.class_counts(
        "precision", rows.label, rows.predicted, suite.class_count
    ).n
    notes = []
    if request.metric in ("precision", "f1") and not predicted_counts.all():
        unpredicted = listed((names[k] for k in np.flatnonzero(predicted_counts == 0)), NAMED)
        notes.append(f"{request.name}: classes that are never predicted count as 0: {unpredicted}")
    if request.target == EACH:
        each = EachClass.of(cast(OfEachClass, request.metric), rows, suite.class_count)
        cells = zip(names, image_counts.tolist(), each.values.tolist(), strict=True)
        return each.worst(rows), {request.name: Table(("class", "images", "value"), tuple(cells))}, notes
    metric = cast(Literal["recall", "precision", "f1"], request.metric)
    mean = class_metrics.macro_mean(metric, rows.label, rows.predicted, suite.class_count, "rows")
    return rows.quantity(mean, partial(additive_limits, mean)), {}, notes


@dataclass(frozen=True, eq=False)
class EachClass:
    """A number of each class, with its limits.

    Attributes:
        metric: the number.
        counts: the counts of each class.
        effects: the effect of groups on each class, if its rows are not independent; else empty.
    """

    metric: OfEachClass
    counts: class_metrics.ClassCounts
    effects: tuple[GroupEffect, ...] = ()
    _limits: dict[tuple[int, int, bytes], Limits] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, metric: OfEachClass, rows: Rows, classes: int) -> EachClass:
        """Return the number of each class on the rows of a set."""
        counts = class_metrics.class_counts(metric, rows.label, rows.predicted, classes)
        effects = []
        group = rows.group
        if group is None:
            return cls(metric, counts)
        for k, share in enumerate(counts.shares):
            selected, hits = class_metrics.rows_of_share(metric, rows.label == k, rows.predicted == k)
            # For precision the predictions decide which rows count, so that all rows could.
            eligible = np.ones_like(selected) if metric == "precision" else selected
            influences: dict[SampleName, Influences] = {
                "rows": np.where(selected, hits - share, 0.0)[eligible]
            }
            sides: dict[SampleName, Sides] = {"rows": np.where(selected, 1, -1)[eligible].astype(np.int8)}
            effect = group_effect(influences, {"rows": group[eligible]}, sides) if selected.any() else None
            effects.append(effect or GroupEffect(1.0, 1.0, 0))
        return cls(metric, counts, tuple(effects))

    @property
    def values(self) -> NDArray[np.float64]:
        """(C,) the numbers; 0 for a class without images that count."""
        hits = self.counts.hits
        n = self.counts.n
        return 2 * hits / np.maximum(n + hits, 1) if self.metric == "f1" else self.counts.shares

    def limits(self, k: int, z: Scores) -> Limits:
        """Return the (K,) limits of a class at normal scores."""
        hits = int(self.counts.hits[k])
        n = int(self.counts.n[k])
        factor = 1.0
        limits_of = class_metrics.f1_limits if self.metric == "f1" else share_limits
        if self.effects:
            z = self.effects[k].scores(z)
            factor = self.effects[k].factor
            return limits_of(hits / factor, n / factor, z)
        key = hits, n, z.tobytes()  # of many classes, most have the counts of another one
        if key not in self._limits:
            self._limits[key] = limits_of(hits, n, z)
        return self._limits[key]

    def worst(self, rows: Rows) -> Quantity:
        """Return the number of the worst class, with limits that hold for all simultaneously."""
        n = len(rows.label)
        n_images = len(rows.tables[0])
        groups = None
        if self.effects and rows.declared_group is not None:
            group_counts = [effect.count for effect, n in zip(self.effects, self.counts.n, strict=True) if n]
            groups = min(group_counts, default=0)
        limits = None
        if groups is None or groups >= LEAST_GROUPS:
            limits = [partial(self.limits, k) for k in range(len(self.counts.n))]
        like = Quantity(0.0, "fraction", n, sample=Sample(n_images if n_images < n else None, groups))
        return worst_quantity(self.values.tolist(), limits, like, room=(0.0, 1.0))


def confusion_table(clean: Predictions, suite: SuiteFacts, largest: int | None = None) -> Table:
    """Return the pairs of confused classes, the most frequent first.

    Each row has the number of images of a class that are called another class, and their share of the
    images of the first.

    Args:
        clean: predictions on the clean set.
        suite: the names of the classes.
        largest: number of pairs; None for all pairs of at most 50 classes, and for 100 pairs of more classes.
    """
    classes = suite.class_count
    if largest is None and classes > MOST_CLASSES:
        largest = MOST_CONFUSIONS
    image_counts = class_metrics.class_counts("recall", clean.label, clean.predicted, classes).n
    is_confused = ~clean.correct & _is_class(clean.label, classes) & _is_class(clean.predicted, classes)
    pairs, counts = np.unique(
        clean.label[is_confused] * classes + clean.predicted[is_confused], return_counts=True
    )
    order = np.argsort(-counts, kind="stable")[:largest]
    names = table_class_names(suite.class_names, classes)
    rows = []
    for pair, count in zip(pairs[order].tolist(), counts[order].tolist(), strict=True):
        label, predicted = divmod(pair, classes)
        rows.append((names[label], names[predicted], count, count / int(image_counts[label])))
    return Table(("label", "predicted", "images", "share"), tuple(rows))


def class_table(clean: Predictions, suite: SuiteFacts) -> Table:
    """Return recall and precision with 95 % intervals, and F1, of each class.

    Cells of undefined numbers are empty.
    """
    classes = suite.class_count
    rows = Rows((clean,), CLEAN)
    recall, precision = (EachClass.of(name, rows, classes) for name in ("recall", "precision"))
    f1 = EachClass("f1", class_metrics.class_counts("f1", rows.label, rows.predicted, classes))
    f1_cells: list[Cell] = [
        value if n else "" for value, n in zip(f1.values.tolist(), f1.counts.n.tolist(), strict=True)
    ]
    columns = (f"{rate}{end}" for rate in ("recall", "precision") for end in ("", "_lower", "_upper"))
    names = table_class_names(suite.class_names, classes)
    image_counts = recall.counts.n.tolist()
    cells = zip(names, image_counts, _rates(recall), _rates(precision), f1_cells, strict=True)
    return Table(
        ("class", "images", *columns, "f1"),
        tuple((name, n, *recalls, *precisions, mean) for name, n, recalls, precisions, mean in cells),
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


def _notes(problem: str, numbers: Sequence[int], suite: SuiteFacts) -> tuple[str, ...]:
    names = table_class_names(suite.class_names, suite.class_count)
    named = listed((names[number] for number in numbers), at_most=NAMED_IN_NOTE)
    return (f"{problem}: {named} ({len(numbers)} of {suite.class_count} classes)",) if numbers else ()


def _is_class(number: NDArray[np.int64], classes: int) -> NDArray[np.bool_]:
    return (number >= 0) & (number < classes)
