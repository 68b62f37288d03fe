"""Requested numbers: their rows, their parts, and the worst of several."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from quba_check.core.confidence import SCORES, ConfidenceCurve, SampleLimits, bounded_curve, curve_of
from quba_check.core.facts import SuiteFacts
from quba_check.core.measurement import Measurement, Quantity, Unmeasurable
from quba_check.core.predictions import Predictions, Tables
from quba_check.core.request import Better, Part, Request
from quba_check.core.view import CLEAN, CLEAN_SET, CORRUPTIONS_SET, SEVERITIES, View
from quba_check.dimensions._ratios import shows_same_images
from quba_check.errors import InvariantError, UnmeasurableError
from quba_check.metrics.class_metrics import Classes, Mask, class_scores
from quba_check.stats.clusters import GroupEffect, Sides, group_effect
from quba_check.stats.estimate import Estimate
from quba_check.stats.intervals import Limits, LimitsAt, Scores, smallest_limits


def views_of(set_name: str, suite: SuiteFacts) -> tuple[View, ...]:
    """Return the views of a set; of a corruption those of all severities."""
    if set_name == CLEAN_SET:
        return (CLEAN,)
    needed = any(one.needs_probabilities and set_name in one.sets for one in suite.requests)
    view = View(set_name, columns="probabilities" if needed else "top1")
    if set_name in suite.shifts:
        return (view,)
    corrupted = replace(view, set=CORRUPTIONS_SET, corruption=set_name)
    return tuple(replace(corrupted, severity=severity) for severity in SEVERITIES)


@dataclass(frozen=True)
class Rows:
    """The rows of a set: its images, one version after another.

    Attributes:
        tables: the predictions of each version, with the same images in the same order.
        view: the view behind the influences: clean, if the images are those of the clean set.
    """

    tables: tuple[Predictions, ...]
    view: View

    @classmethod
    def of(cls, predictions: Tables, views: tuple[View, ...]) -> Rows:
        """Return the rows of some views.

        Raises:
            UnmeasurableError: a view has no images, or the views show different images.
        """
        tables = tuple(predictions[view] for view in views)
        if any(not len(table) for table in tables):
            raise UnmeasurableError(f"the set {views[0]} has no images", missing_data=True)
        first = tables[0]
        if not all(shows_same_images(first, table) for table in tables):
            raise UnmeasurableError(f"the severities of {views[0].corruption} show different images")
        is_clean = CLEAN in predictions and shows_same_images(first, predictions[CLEAN])
        return cls(tables, CLEAN if is_clean and views[0].set == CORRUPTIONS_SET else views[0])

    @cached_property
    def label(self) -> Classes:
        """(r,) class of each row; of several right ones, the predicted one."""
        return np.concatenate([table.matched_label for table in self.tables])

    @cached_property
    def predicted(self) -> Classes:
        """(r,) predicted class of each row."""
        return np.concatenate([table.predicted for table in self.tables])

    @cached_property
    def correct(self) -> Mask:
        """(r,) True for the rows with a right answer."""
        return np.concatenate([table.correct for table in self.tables])

    def shows_same_images(self, other: Rows) -> bool:
        """Return True if another model's rows are of the same images and labels."""
        return all(map(shows_same_images, self.tables, other.tables))

    @property
    def images(self) -> NDArray[np.intp]:
        """(r,) number of the image of each row."""
        return np.tile(np.arange(len(self.tables[0])), len(self.tables))

    @property
    def declared_group(self) -> NDArray[np.int64] | None:
        """(n,) group of each image; None without groups."""
        return self.tables[0].group

    @property
    def group(self) -> NDArray[np.int64] | None:
        """(r,) group of each row; without declared groups the image, if it has several rows."""
        if self.declared_group is not None:
            return np.tile(self.declared_group, len(self.tables))
        return self.images if len(self.tables) > 1 else None

    def is_of(self, classes: tuple[int, ...]) -> Mask:
        """Return (r,) True for the rows of some classes, taken together."""
        return np.isin(self.label, classes)

    def scores(self, classes: tuple[int, ...]) -> NDArray[np.float32]:
        """Return the (r,) probability of some classes, taken together.

        Raises:
            InvariantError: the predictions came without probabilities.
        """
        tables = [table.probabilities for table in self.tables if table.probabilities is not None]
        if len(tables) < len(self.tables):
            raise InvariantError(f"{self.view}: the predictions came without the probabilities of the view")
        return np.concatenate([class_scores(table, classes) for table in tables])

    def quantity(self, estimate: Estimate, limits: SampleLimits, sides: Sides | None = None) -> Quantity:
        """Return a number of the sample "rows" as a quantity.

        Args:
            estimate: the number.
            limits: its limits, as if all rows were independent.
            sides: (r,) side of each row, 0 for rows that do not count; None if all count.
        """
        influences, images = estimate.influences["rows"], self.images
        images = images if sides is None else images[sides > 0]
        n, shown = len(images), len(np.unique(images))
        return Quantity(
            estimate.value,
            "fraction",
            n,
            self._curve(limits, influences),
            influences={self.view: influences.reshape(len(self.tables), -1).mean(axis=0)},
            sides={} if sides is None else {self.view: sides.reshape(len(self.tables), -1).max(axis=0)},
            images=shown if shown < n else None,
        )

    def _curve(self, limits: SampleLimits, influences: NDArray[np.float64]) -> ConfidenceCurve | None:
        """Return the curve of a number, with all rows of an image as one observation."""
        if len(self.tables) == 1:
            return curve_of(limits, 0.0, 1.0)
        effect = group_effect({"rows": influences}, {"rows": self.images}) or GroupEffect(1.0, 1.0, 0)

        def of_images(z: Scores, factor: float) -> Limits:
            return limits(effect.scores(z), factor * effect.factor)

        return curve_of(of_images, 0.0, 1.0)


def requests_of(dimension: str, suite: SuiteFacts) -> tuple[Request, ...]:
    """Return the requests that are further parts of a dimension."""
    return tuple(one for one in suite.requests if one.dimension == dimension and one.is_further_part)


def requested_parts(dimension: str, suite: SuiteFacts) -> tuple[Part, ...]:
    """Return the requests of a dimension as its parts."""
    return tuple(request.as_part for request in requests_of(dimension, suite))


def worst_quantity(
    values: Iterable[float],
    limits: Iterable[LimitsAt] | None,
    like: Quantity,
    better: Better = "high",
    room: tuple[float, float] = (-math.inf, math.inf),
) -> Quantity:
    """Return the worst of several numbers, with limits that hold for all simultaneously.

    Args:
        values: the numbers.
        limits: the limits of each; None if those of one are unknown.
        like: unit, n, images and groups of the result.
        better: the better direction.
        room: the possible range of a number.
    """
    sign, curve = (1 if better == "high" else -1), None
    if limits is not None:
        smallest = smallest_limits([partial(_flipped, one, sign) for one in limits], np.array(SCORES))
        curve = bounded_curve((sign * smallest)[::sign], *room)
    return replace(like, value=min(values, key=lambda value: sign * value), curve=curve)


def _flipped(limits: LimitsAt, sign: int, z: Scores) -> Limits:
    """Return the limits of a number multiplied by a sign."""
    return sign * limits(sign * z)


def with_requests(
    measurement: Measurement, suite: SuiteFacts, quantity_of: Callable[[Request], Quantity]
) -> Measurement:
    """Return a measurement with the requested numbers as further parts, or the reasons for none.

    Args:
        measurement: the measurement.
        suite: facts with the requests.
        quantity_of: measures one; raises `UnmeasurableError`.
    """
    parts, unmeasured = dict(measurement.parts), dict(measurement.unsliced)
    for request in requests_of(measurement.dimension, suite):
        try:
            parts[request.name] = quantity_of(request)
        except UnmeasurableError as error:
            unmeasured[request.name] = Unmeasurable(measurement.dimension, error.reason, error.missing_data)
    return replace(measurement, parts=parts, unsliced=unmeasured)
