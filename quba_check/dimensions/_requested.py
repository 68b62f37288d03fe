"""Requested numbers: measured on their rows, with slices, as parts of a dimension."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from quba_check.core.confidence import SCORES, bounded_curve
from quba_check.core.facts import SuiteFacts
from quba_check.core.measurement import Measurement, Quantity, SliceValues, Unmeasurable
from quba_check.core.predictions import Tables, column_of
from quba_check.core.request import EACH, GIVE_REFERENCE, MOST_PROBABLE, Better, Part, Request
from quba_check.core.view import CLEAN, REFERENCE, View
from quba_check.dimensions._measuring import Masks
from quba_check.dimensions._rows import Rows, views_of
from quba_check.dimensions._slices import OnSlice, SlicedNumber
from quba_check.errors import UnmeasurableError
from quba_check.stats.intervals import Limits, LimitsAt, Scores, smallest_limits

NumberOfRows = Callable[[Request, Rows], Quantity]
"""Measures a requested number on rows; raises `UnmeasurableError`."""
NumbersOfClasses = Callable[[Request, Rows], Iterable[tuple[str, Quantity]]]
"""Yields a requested number of each class by name; raises `UnmeasurableError`."""
COMPARES = ("parity",)
"""Dimensions that compare answers with those of the reference, or in front of a pipeline."""


class RowSource:
    """The rows of sets in the predictions of a dimension, each made once.

    Args:
        predictions: the tables.
        suite: facts about the sets.
    """

    def __init__(self, predictions: Tables, suite: SuiteFacts) -> None:
        self.predictions = predictions
        self.suite = suite
        self._rows: dict[tuple[str, str], Rows] = {}

    def of(self, set_name: str, variant: str = "") -> Rows:
        """Return the rows of a set, as a model answers them.

        Raises:
            UnmeasurableError: it has no images, or its groups cannot be decided.
        """
        key = set_name, variant
        if key not in self._rows:
            rule = self.suite.decided.get(set_name)
            if rule is not None:
                return self._rows.setdefault(key, self.of(rule.of, variant).decided(set_name, rule))
            views = views_of(set_name, self.suite, variant)
            if variant == REFERENCE and not self.predictions.keys() >= {*views}:
                raise UnmeasurableError(
                    f"the baseline's record keeps no answers to {set_name}. Give the model itself: "
                    f"{GIVE_REFERENCE}"
                )
            self._rows[key] = Rows.of_views(self.predictions, views)
        return self._rows[key]

    def of_request(self, request: Request) -> Rows:
        """Return the rows that a request judges, next to those that it compares them with.

        Raises:
            UnmeasurableError: see `of`, or the two models were shown different images.
        """
        rows = self.of(request.set, request.variant)
        if request.dimension not in COMPARES:
            return rows
        return replace(rows, reference=self.of(request.set, compared_variant(request)))


def compared_variant(request: Request) -> str:
    """Return the variant that a request compares the judged one with."""
    return "" if request.pipeline else REFERENCE


def requested_parts(dimension: str, suite: SuiteFacts) -> tuple[Part, ...]:
    """Return the requests of a dimension as its parts."""
    return tuple(request.as_part for request in suite.requests_of(dimension))


def requested_views(dimension: str, suite: SuiteFacts) -> tuple[View, ...]:
    """Return the views that the requests of a dimension need, next to the clean one."""
    views = (view for request in suite.requests_of(dimension) for view in request_views(request, suite))
    return tuple(dict.fromkeys(view for view in views if view != CLEAN))


def request_views(request: Request, suite: SuiteFacts) -> tuple[View, ...]:
    """Return the views of a request: judged, compared with, and chosen on."""
    views = views_of(request.set, suite, request.variant)
    if request.dimension in COMPARES:
        views += views_of(request.set, suite, compared_variant(request))
    return views + (views_of(request.chosen_on, suite) if request.chosen_on else ())


def check_groups_differ(request: Request, source: RowSource) -> None:
    """Refuse a threshold chosen on images of the judged groups."""
    if not request.chosen_on:
        return
    own = source.of(request.set, request.variant).declared_group
    others = source.of(request.chosen_on).declared_group
    if own is not None and others is not None and np.isin(own, others).any():
        raise UnmeasurableError(
            f"its threshold would be chosen on the set {request.chosen_on}, which has images of the same "
            "groups"
        )


def with_requests(
    measurement: Measurement,
    source: RowSource,
    number: NumberOfRows,
    of_classes: NumbersOfClasses | None = None,
) -> Measurement:
    """Return a measurement with the requested numbers as further parts, or the reasons for none.

    Args:
        measurement: the measurement.
        source: the rows, and facts with the requests.
        number: measures one.
        of_classes: measures one of each class, for slices and drops of the worst class.
    """
    name = measurement.dimension
    suite = source.suite
    parts = dict(measurement.parts)
    unmeasured = dict(measurement.unmeasured)
    for request in suite.requests_of(name):
        try:
            rows = source.of_request(request)
            measure = partial(number, request)
            quantity = rows.in_groups(measure(rows), measure)
            classes = of_classes if request.target == EACH else None
            if classes is not None:
                quantity = replace(quantity, classes=partial(_in_groups, classes, request, rows.answers))
            asked = [
                slice_request
                for slice_request in suite.requests
                if slice_request.slice and slice_request.on_all_images == request
            ]
            if asked:
                quantity = replace(quantity, slices=_slices(request, rows, measure, classes, asked))
            parts[request.name] = quantity
        except UnmeasurableError as error:
            unmeasured[request.name] = Unmeasurable(name, error.reason, error.missing_data)
    return replace(measurement, parts=parts, unmeasured=unmeasured)


def _in_groups(of_classes: NumbersOfClasses, request: Request, rows: Rows) -> Iterator[tuple[str, Quantity]]:
    """Yield a number of each class, with each group of images as one observation."""
    return ((name, rows.in_groups(quantity)) for name, quantity in of_classes(request, rows))


def _slices(
    request: Request,
    rows: Rows,
    measure: Callable[[Rows], Quantity],
    of_classes: NumbersOfClasses | None,
    asked: Iterable[Request],
) -> dict[str, SliceValues]:
    """Return a number, or that of each class, on the slices of each requested column."""
    reads_more = request.needs_probabilities or request.score != MOST_PROBABLE
    source = rows if reads_more else rows.answers

    def measured(masks: Masks) -> dict[str, OnSlice]:
        selected = source.select(masks[rows.view])
        if of_classes is not None:
            by_class = of_classes(request, selected)
            return {
                name: OnSlice(class_quantity, selected.in_groups(class_quantity))
                for name, class_quantity in by_class
            }
        quantity = measure(selected)
        return {"": OnSlice(quantity, selected.in_groups(quantity, measure))}

    tables = {rows.view: rows.tables[0]}
    slices = {rows.view: rows.tables[0].slices}
    number = SlicedNumber(request.dimension, request.better, tables, slices, measured)
    by_column: dict[str, list[Request]] = {}
    for slice_request in asked:
        by_column.setdefault(column_of(slice_request.slice), []).append(slice_request)
    return {
        column: SliceValues(reason=Unmeasurable(request.dimension, rows.mixed[column]))
        if column in rows.mixed
        else number.values(column, requests)
        for column, requests in by_column.items()
    }


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
    sign = 1 if better == "high" else -1
    curve = None
    if limits is not None:
        smallest = smallest_limits([partial(_flipped, limit, sign) for limit in limits], np.array(SCORES))
        curve = bounded_curve((sign * smallest)[::sign], *room)
    return replace(like, value=min(values, key=lambda value: sign * value), curve=curve)


def _flipped(limits: LimitsAt, sign: int, z: Scores) -> Limits:
    """Return the limits of a number multiplied by a sign."""
    return sign * limits(sign * z)
