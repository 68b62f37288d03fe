"""Leaving a set of images as soon as it is known whether the whole of it would meet a demand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

import numpy as np

from quba_check.core.measurement import Measurement
from quba_check.core.predictions import Predictions
from quba_check.core.protocols import LEAST_STOPPED
from quba_check.core.streaming import RatioOfMeans, SequentialStatistic
from quba_check.core.view import View
from quba_check.demands.demand import Demand
from quba_check.dimensions import registry
from quba_check.errors import OptionError, QubaError
from quba_check.records.measurement import StoppedRow
from quba_check.stats.sequential import StoppingRule, Terms

if TYPE_CHECKING:
    from quba_check.demands.demand import Thresholds
    from quba_check.evaluation import Evaluation


@dataclass(frozen=True, slots=True)
class Stopped:
    """A demand that was decided before all images were seen.

    Attributes:
        measurement: of the images that were seen.
        row: how many they were, and what the whole set would give.
        shards: those that were looked at.
    """

    measurement: Measurement
    row: StoppedRow
    shards: range


def check_goes_together(thresholds: Thresholds) -> None:
    """Early stopping asks what the value over all images would be; policies about noise ask something else.

    Raises:
        OptionError: the file has such a policy, or bounds drops.
    """
    if thresholds.policy.uncertain != "point":
        raise OptionError(
            "--quba-early-stop: asks whether the value over all images would pass, got "
            f"uncertain: {thresholds.policy.uncertain} in {thresholds.shown}. Leave the option out, or state "
            "uncertain: point."
        )
    for demand in thresholds.demands:
        if demand.needs_baseline:
            raise OptionError(
                f"--quba-early-stop: sees images in random order, but {demand.name} ({demand.place}) is "
                "counted from a baseline, image by image. Leave the option out, or keep drops in a file of "
                "their own."
            )


class EarlyStop:
    """Decides demands on one model under one protocol from as few images as that takes.

    Args:
        evaluation: of the model; its suite draws images in random order.
        demands: all that are selected. Sets that one of them needs whole are left by none.
    """

    def __init__(self, evaluation: Evaluation, demands: Iterable[Demand]) -> None:
        self._evaluation = evaluation
        self._suite = evaluation.facts.suite
        whole = (demand for demand in demands if self._streamed(demand) is None)
        self._whole = {view for demand in whole for view in self._stored(demand.dimensions)}

    def decided(self, demand: Demand, alpha: float) -> Stopped | None:
        """Whether the value over all images would meet a demand, where some images tell.

        Args:
            demand: the demand.
            alpha: probability of a wrong decision.

        Returns:
            None where all images are needed, or are seen anyway; also where something is wrong with the
            model or an image: measuring the whole will say it.
        """
        streamed = self._streamed(demand)
        if streamed is None or self._stored([demand.dimension]) <= self._whole:
            return None
        if self._evaluation.is_measured(demand.dimension):
            return None
        try:
            return self._left_early(demand, streamed, alpha)
        except QubaError:
            return None

    def _left_early(self, demand: Demand, streamed: SequentialStatistic, alpha: float) -> Stopped | None:
        dimension, engine = registry[demand.dimension], self._evaluation.engine
        views = dimension.views(self._suite)
        if any(self._evaluation.suite.missing(view) for view in views):
            return None
        sizes = {view: len(self._evaluation.suite.examples(view)) for view in views}
        if any(len({sizes[view] for view in fraction.views}) > 1 for fraction in streamed.ratios):
            return None
        totals = [sizes[fraction.views[0]] for fraction in streamed.ratios]
        if max(totals) < LEAST_STOPPED:
            return None
        corners = [fraction.corners for fraction in streamed.ratios]
        rule = StoppingRule(totals, corners, streamed.value, float(demand.threshold), alpha, LEAST_STOPPED)
        for shard in count():
            tables = engine.predictions(views, shards=range(shard, shard + 1))
            if not tables or not all(_are_paired(fraction, tables) for fraction in streamed.ratios):
                return None
            decision = rule.update([_terms(fraction, tables) for fraction in streamed.ratios])
            whole = all(fraction.is_complete for fraction in rule.ratios)
            if whole:
                return None
            if decision != "undecided":
                looked_at = range(shard + 1)
                seen = engine.predictions(views, shards=looked_at)
                engine.check_unchanged()
                largest = max(rule.ratios, key=lambda fraction: fraction.total)
                row = StoppedRow(
                    images=largest.n_seen, of=largest.total, passes=decision == "met", alpha=alpha
                )
                some = {view: table.by_index for view, table in seen.items()}
                measurement = dimension.measure(some, self._evaluation.facts)
                if measurement.masked and row.passes and not demand.allow_masked:
                    return None  # the sign of masking may go away, or be confirmed, with more images
                return Stopped(measurement, row, looked_at)
        return None

    def _streamed(self, demand: Demand) -> SequentialStatistic | None:
        if demand.is_on_grade or demand.bound != "min":
            return None
        return registry[demand.dimension].streamed(self._suite, demand.part)

    def _stored(self, names: Iterable[str]) -> set[View]:
        """The views that dimensions need, as they are predicted."""
        stored = self._evaluation.engine.cache_keys.stored_view
        return {stored(view) for name in names for view in registry[name].views(self._suite)}


def _are_paired(fraction: RatioOfMeans, tables: Mapping[View, Predictions]) -> bool:
    """Whether the views of a fraction show the same images row by row."""
    found = [tables[view] for view in fraction.views if view in tables]
    return all(
        np.array_equal(found[0].index, table.index) and np.array_equal(found[0].label, table.label)
        for table in found
    )


def _terms(fraction: RatioOfMeans, tables: Mapping[View, Predictions]) -> Terms:
    """What the next images add; nothing where the set was seen whole already."""
    if fraction.views[0] not in tables:
        return np.empty(0), np.empty(0)
    return fraction.terms(tables)
