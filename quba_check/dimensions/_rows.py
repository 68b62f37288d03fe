"""Rows of a set: all, of a slice, decided by group, next to a reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from quba_check.core.confidence import ConfidenceCurve, SampleLimits, curve_of
from quba_check.core.facts import DecidedSet, SuiteFacts
from quba_check.core.measurement import Quantity, Sample
from quba_check.core.predictions import Predictions, Tables, joined
from quba_check.core.request import GIVE_REFERENCE, Request
from quba_check.core.view import CLEAN, CLEAN_SET, CORRUPTIONS_SET, SEVERITIES, Columns, View
from quba_check.dimensions._measuring import with_groups, without_blocks
from quba_check.dimensions._ratios import shows_same_images
from quba_check.errors import InvariantError, UnmeasurableError
from quba_check.metrics.class_metrics import ClassIndices, Mask, class_scores
from quba_check.metrics.decided import DecidedGroups, MixedGroupError, decide, decide_by_any, slices_of_groups
from quba_check.stats.clusters import GroupEffect, Sides, group_effect
from quba_check.stats.estimate import Estimate
from quba_check.stats.intervals import Limits, Scores, share_limits

SIDES = {2: "the class", 1: "another class"}
"""The sides of a number with two, such as an AUROC."""
NO_PROBABILITIES = f"the baseline's record keeps no probabilities. Give the model itself: {GIVE_REFERENCE}"


def views_of(set_name: str, suite: SuiteFacts, variant: str = "") -> tuple[View, ...]:
    """Return the views of a set, of a corruption all severities."""
    if set_name in suite.decided:
        return views_of(suite.decided[set_name].of, suite, variant)
    logits = any(
        request.needs_logits
        and (set_name, variant) in ((request.set, request.variant), (request.chosen_on, ""))
        for request in suite.requests
    )
    if set_name == CLEAN_SET:
        return (replace(CLEAN, variant=variant, logits=logits and bool(variant)),)
    needed = any(_reads_probabilities(request, set_name, suite) for request in suite.requests)
    columns: Columns = "probabilities" if needed else "top1"
    view = View(suite.view_set(set_name), columns=columns, logits=logits, variant=variant)
    if set_name not in (*suite.corruptions, *suite.extra_corruptions) or set_name in suite.shifts:
        return (view,)
    corrupted = replace(view, set=CORRUPTIONS_SET, corruption=set_name)
    return tuple(replace(corrupted, severity=severity) for severity in SEVERITIES)


def _reads_probabilities(request: Request, set_name: str, suite: SuiteFacts) -> bool:
    """Return True if a request reads all probabilities of a set, or decides its groups."""
    decided = {suite.decided[name].of for name in request.sets if name in suite.decided}
    return set_name in decided or (request.needs_probabilities and set_name in request.sets)


@dataclass(frozen=True)
class Rows:
    """The rows of a set: its images, one version after another, or its groups.

    Attributes:
        tables: the predictions of each version, with the same images in the same order.
        view: the view behind the influences, without a variant, so that models can be compared: clean, if
            the images are those of the clean set.
        reference: the same rows of the model that answers are compared with; None without one.
        is_decided: each row is the decision on a group of images.
        is_selected: these are some of the rows of a set, such as those of a slice.
        mixed: reasons for columns whose slices are none of whole groups.
    """

    tables: tuple[Predictions, ...]
    view: View
    reference: Rows | None = None
    is_decided: bool = False
    is_selected: bool = False
    mixed: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_views(cls, predictions: Tables, views: tuple[View, ...]) -> Rows:
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
        clean = predictions.get(CLEAN)
        if views[0].set != CORRUPTIONS_SET or clean is None or not shows_same_images(first, clean):
            return cls(tables, replace(views[0], variant="", logits=False))
        # Stored corruptions declare no groups: theirs are those of the images that they show.
        return cls(tuple(replace(table, group=clean.group) for table in tables), CLEAN)

    @cached_property
    def table(self) -> Predictions:
        """All rows as one table, with all versions of an image in one group."""
        return self.tables[0] if len(self.tables) == 1 else replace(joined(self.tables), group=self.group)

    @cached_property
    def label(self) -> ClassIndices:
        """(r,) class of each row; of several right ones, the predicted one."""
        return self.table.matched_label

    @property
    def predicted(self) -> ClassIndices:
        """(r,) predicted class of each row."""
        return self.table.predicted

    @cached_property
    def correct(self) -> Mask:
        """(r,) True for the rows with a right answer."""
        return self.table.correct

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
        """(r,) group of each row; without groups of rows the image, if it has several."""
        if self.declared_group is not None and not self.is_decided:
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
        return class_scores(self.probabilities, classes)

    @property
    def probabilities(self) -> NDArray[np.float32]:
        """(r, C) probabilities.

        Raises:
            InvariantError: the predictions came without them.
        """
        if self.table.probabilities is None:
            raise InvariantError(
                "the predictions came without the probabilities of the view", where=f"{self.view}"
            )
        return self.table.probabilities

    @property
    def answers(self) -> Rows:
        """The rows for numbers that read labels and answers alone.

        Other columns are slow to select.
        """
        reference = None if self.reference is None else self.reference.answers
        tables = tuple(replace(table, probabilities=None, extra={}, slices={}) for table in self.tables)
        return replace(self, tables=tables, reference=reference)

    def select(self, mask: Mask) -> Rows:
        """Return the rows of some images, given (n,) True for each of them."""
        reference = None if self.reference is None else self.reference.select(mask)
        tables = tuple(table.rows(mask) for table in self.tables)
        return replace(self, tables=tables, reference=reference, is_selected=True)

    def decided(self, name: str, rule: DecidedSet) -> Rows:
        """Return one row for each group, and severity of a corruption.

        Args:
            name: the name of the decided set.
            rule: how groups are decided.

        Raises:
            UnmeasurableError: there are no groups.
            MixedGroupError: the images of one have no label in common.
        """
        if self.declared_group is None or self.view.set == CORRUPTIONS_SET:
            raise UnmeasurableError(f"{name}: the set {rule.of} shows no images with groups")
        groups = DecidedGroups.of(self.declared_group)
        slices = {}
        mixed = {}
        index = self.tables[0].index
        for column, slice_column in self.tables[0].slices.items():
            try:
                slices[column] = replace(slice_column, numbers=slices_of_groups(groups, slice_column.numbers))
            except MixedGroupError as error:
                mixed[column] = f"the group of image {index[error.first]} of {rule.of} is in several slices"
        tables = tuple(replace(_decided(table, groups, rule), slices=slices) for table in self.tables)
        return Rows(tables, View(name), is_decided=True, mixed=mixed)

    def in_groups(self, quantity: Quantity, measure: Callable[[Rows], Quantity] | None = None) -> Quantity:
        """Return a quantity of these rows with each group of images as one observation.

        Args:
            quantity: the quantity.
            measure: measures it on some of the rows. Without it, and without influences, all images of a
                group count as equal.
        """
        if self.is_decided:
            return replace(quantity, sample=replace(quantity.sample, groups=quantity.different_images))
        tables = {self.view: self.tables[0]}

        def values() -> list[float]:
            if measure is None:
                return []
            return without_blocks(tables, lambda kept: measure(self.select(kept[self.view])).value)

        return with_groups(quantity, tables, values)

    def quantity(
        self,
        estimate: Estimate,
        limits: SampleLimits,
        sides: Sides | None = None,
        eligible: Mask | None = None,
    ) -> Quantity:
        """Return a number of the sample "rows" as a quantity.

        Args:
            estimate: the number.
            limits: its limits, as if all rows were independent.
            sides: (r,) side of each row, 0 for rows that do not count; None if all count. Two sides are those
                of `SIDES`.
            eligible: (r,) True for rows that can count, if the answers decide which of them do.
        """
        influences = estimate.influences["rows"]
        images = self.images
        if sides is not None and eligible is not None:
            sides = np.where(eligible & (sides == 0), np.int8(-1), sides)
        own = images if sides is None else images[sides > 0]
        n = len(own)
        shown = len(np.unique(own))
        of_side = ""
        if sides is not None and sides.max() > 1:
            of_sides = {name: sides == side for side, name in SIDES.items()}
            of_side = min(of_sides, key=lambda name: self._size(of_sides[name]))
            eligible = of_sides[of_side]
        groups, possible = (0, None) if eligible is None else self._size(eligible)
        return Quantity(
            estimate.value,
            "fraction",
            n,
            self._curve(limits, influences),
            influences={self.view: influences.reshape(len(self.tables), -1).mean(axis=0)},
            sides={} if sides is None else {self.view: sides.reshape(len(self.tables), -1).max(axis=0)},
            sample=Sample(
                images=shown if shown < n else None,
                eligible=possible,
                eligible_groups=groups or None,
                eligible_of=of_side,
            ),
        )

    def _size(self, mask: Mask) -> tuple[int, int]:
        """Return the numbers of groups, 0 if none are declared, and images of some rows."""
        images = np.unique(self.images[mask])
        group = self.declared_group
        return 0 if group is None else len(np.unique(group[images])), len(images)

    def share(self, hits: Mask, counted: Mask | None = None) -> Quantity:
        """Return the share of hits among all rows, or among the rows that count.

        Args:
            hits: (r,) True for a hit.
            counted: (r,) True for the rows that count, which the answers decide; None if all count.
        """
        estimate = Estimate.mean(hits, "rows")
        k = int(np.count_nonzero(hits))
        n = len(hits) if counted is None else int(np.count_nonzero(counted))
        if counted is not None:
            estimate /= Estimate.mean(counted, "rows")
        sides = None if counted is None or n == len(hits) else counted.astype(np.int8)
        eligible = None if sides is None else np.ones_like(hits)
        return self.quantity(
            estimate, lambda z, effect: share_limits(k / effect, n / effect, z), sides, eligible
        )

    def adopted(self, quantity: Quantity) -> Quantity:
        """Return a quantity of `table` as one of these rows.

        All versions of an image count as one observation.
        """
        name = next(iter(quantity.influences), None)
        if len(self.tables) > 1:
            clustered: dict[Any, Predictions] = {name: replace(self.table, group=self.images)}
            quantity = with_groups(quantity, clustered)
            images = quantity.sample.groups
            sample = replace(quantity.sample, images=images, groups=None, effective=None)
            quantity = replace(quantity, sample=sample)
        if name is None:
            return quantity
        by_version = quantity.influences[name].reshape(len(self.tables), -1)
        return replace(quantity, influences={self.view: by_version.mean(axis=0)})

    def _curve(self, limits: SampleLimits, influences: NDArray[np.float64]) -> ConfidenceCurve | None:
        """Return the curve of a number, with all rows of an image as one observation."""
        if len(self.tables) == 1:
            return curve_of(limits, 0.0, 1.0)
        effect = group_effect({"rows": influences}, {"rows": self.images}) or GroupEffect(1.0, 1.0, 0)

        def of_images(z: Scores, factor: float) -> Limits:
            return limits(effect.scores(z), factor * effect.factor)

        return curve_of(of_images, 0.0, 1.0)


def _decided(table: Predictions, groups: DecidedGroups, rule: DecidedSet) -> Predictions:
    """Return one row for each group of a table's images."""
    if table.probabilities is None:
        raise UnmeasurableError(NO_PROBABILITIES)
    right = table.label[:, None] if table.acceptable is None else table.acceptable
    if rule.any_of is None:
        by: Literal["mean", "majority"] = "majority" if rule.by == "majority" else "mean"
        rows = decide(groups, by, table.predicted, table.probabilities, right)
    else:
        is_of = (right == rule.any_of).any(axis=1)
        rows = decide_by_any(groups, rule.any_of, is_of, table.predicted, table.probabilities)
    group = None if table.group is None else table.group[groups.first]
    return Predictions(index=table.index[groups.first], group=group, **rows._asdict())
