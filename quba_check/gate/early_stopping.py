"""Early stopping: demands decided from some images by a sequential test."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
from quba_check.dimensions import measure_dimension, registry
from quba_check.errors import QubaError
from quba_check.gate.plan import PlannedDemand
from quba_check.gate.result import DemandResult, demand_result
from quba_check.records.measurement import StoppedRow
from quba_check.stats.sequential import StoppingRule, Terms
from quba_check.suites.example import Example
from quba_check.verdicts import judge_stopped

if TYPE_CHECKING:
    from quba_check.evaluation import Evaluation


@dataclass(frozen=True, slots=True)
class EarlyDecision:
    """A decision on a demand before all images were predicted.

    Attributes:
        measurement: of the predicted images.
        row: the number of these images, and the decision on the whole set.
        shards: the predicted shards of each view.
    """

    measurement: Measurement
    row: StoppedRow
    shards: range


class EarlyJudge:
    """Judges demands on one model under one protocol from as few images as possible.

    Args:
        evaluation: of the model; its suite orders images at random.
        demands: all selected demands. A set that one of them needs in full is never stopped early.
    """

    def __init__(self, evaluation: Evaluation, demands: Iterable[Demand]) -> None:
        self._evaluation = evaluation
        self._suite = evaluation.facts.suite
        self._whole = {
            view
            for demand in demands
            if self._statistic(demand) is None
            for name in demand.dimensions
            for view in self._stored_views(name)
        }

    def judge(self, planned: PlannedDemand) -> DemandResult | None:
        """Return the result of a demand, None if all images are needed."""
        policy = planned.thresholds.policy
        decision = self.decide(planned.demand, policy.error)
        if decision is None:
            return None
        measurement = decision.measurement
        verdict = judge_stopped(planned.demand, measurement, decision.row, policy)
        outcomes = {measurement.dimension: measurement}
        return demand_result(planned, self._evaluation, verdict, outcomes, shards=decision.shards)

    def decide(self, demand: Demand, alpha: float) -> EarlyDecision | None:
        """Decide from a part of the images if the whole set would meet a demand.

        Args:
            demand: the demand.
            alpha: probability of a wrong decision.

        Returns:
            None if all images are needed, or are predicted anyway. Also None after an error of the model or
            an image, which the measurement of the whole set will report.
        """
        statistic = self._statistic(demand)
        if statistic is None or self._stored_views(demand.dimension) <= self._whole:
            return None
        if self._evaluation.is_measured(demand.dimension):
            return None
        try:
            rule = self._stopping_rule(demand, statistic, alpha)
            return None if rule is None else self._first_decision(demand, *rule, alpha)
        except QubaError:
            return None
        finally:
            self._evaluation.engine.stop()

    def _stopping_rule(
        self, demand: Demand, statistic: SequentialStatistic, alpha: float
    ) -> tuple[StoppingRule, list[Units]] | None:
        """Return the stopping rule of a demand with its units, None if unsuitable."""
        suite, views = self._evaluation.suite, registry[demand.dimension].views(self._suite)
        if any(suite.missing(view) for view in views):
            return None
        examples = {view: suite.examples(view) for view in views}
        ratios = statistic.ratios
        if any(len({len(examples[view]) for view in ratio.views}) > 1 for ratio in ratios):
            return None
        sizes = [len(examples[ratio.views[0]]) for ratio in ratios]
        if max(sizes) < LEAST_STOPPED:
            return None
        units = [Units(ratio, examples[ratio.views[0]]) for ratio in ratios]
        rule = StoppingRule(
            [unit.total for unit in units],
            [unit.corners for unit in units],
            statistic.value,
            float(demand.threshold),
            alpha,
            [size < LEAST_STOPPED for size in sizes],
            at_most=demand.bound == "max",
        )
        return rule, units

    def _first_decision(
        self, demand: Demand, rule: StoppingRule, units: list[Units], alpha: float
    ) -> EarlyDecision | None:
        """Predict shard after shard until the rule decides, or the sets are complete."""
        dimension, engine = registry[demand.dimension], self._evaluation.engine
        views = dimension.views(self._suite)
        for shard in count():
            tables = engine.predictions(views, shards=range(shard, shard + 1))
            if not tables or not all(_are_paired(unit.ratio, tables) for unit in units):
                return None
            decision = rule.update([unit.terms(tables) for unit in units])
            if all(ratio.is_complete for ratio in rule.ratios):
                return None
            if decision != "undecided":
                shards = range(shard + 1)
                predictions = engine.predictions(views, shards=shards)
                engine.check_unchanged()
                by_index = {view: table.by_index for view, table in predictions.items()}
                measurement = measure_dimension(dimension, by_index, self._evaluation.facts)
                passes = decision == "met"
                if measurement.masked and passes and not demand.allow_masked:
                    return None  # more images may confirm or refute the sign of masking
                largest = max(units, key=lambda unit: unit.size)
                row = StoppedRow(images=largest.n_seen, of=largest.size, passes=passes, alpha=alpha)
                return EarlyDecision(measurement, row, shards)
        return None

    def _statistic(self, demand: Demand) -> SequentialStatistic | None:
        """Return the statistic that decides a demand image by image, None if it has none."""
        if demand.is_on_grade or demand.slices or demand.needs_baseline:
            return None
        return registry[demand.dimension].streamed(self._suite, demand.part)

    def _stored_views(self, name: str) -> set[View]:
        """Return the stored views behind a dimension."""
        stored_view = self._evaluation.engine.cache_keys.stored_view
        return {stored_view(view) for view in registry[name].views(self._suite)}


class Units:
    """The units that are drawn for a ratio: images, or whole groups.

    Args:
        ratio: the ratio.
        examples: the images of its set, in the order of evaluation.

    Attributes:
        ratio: the ratio.
        size: number of images.
        total: number of units.
        corners: see `RatioOfMeans`, for sums over units.
        n_seen: number of images seen.
    """

    def __init__(self, ratio: RatioOfMeans, examples: Sequence[Example]) -> None:
        self.ratio = ratio
        self.size = self.total = len(examples)
        self.corners = ratio.corners
        self.n_seen = 0
        # Images before a new group; sets that are seen whole are not in the order of groups.
        groups = [example.group for example in examples]
        self._starts = np.arange(len(groups))
        if groups[0] is not None and len(groups) >= LEAST_STOPPED:
            is_new = [group != before for group, before in zip(groups, [None, *groups], strict=False)]
            self._starts = np.flatnonzero(is_new)
            self.total = len(self._starts)
            sizes = np.diff([*self._starts, len(groups)]).tolist()
            ends = {min(sizes), max(sizes)}
            self.corners = tuple(
                (size * top, size * bottom) for size in ends for top, bottom in ratio.corners
            )
        self._begun: Terms = (np.empty(0), np.empty(0))

    def terms(self, tables: Mapping[View, Predictions]) -> Terms:
        """Return the terms of units that the next images complete; none for a complete set."""
        if self.ratio.views[0] not in tables:
            return np.empty(0), np.empty(0)
        new = self.ratio.terms(tables)
        first = self.n_seen - len(self._begun[0])
        self.n_seen += len(new[0])
        ends = np.append(self._starts[1:], self.size)
        complete = (self._starts >= first) & (ends <= self.n_seen)
        starts, end = self._starts[complete] - first, int(ends[complete].max(initial=first)) - first
        whole = [np.concatenate([begun, one]) for begun, one in zip(self._begun, new, strict=True)]
        self._begun = whole[0][end:], whole[1][end:]
        if not len(starts):
            return np.empty(0), np.empty(0)
        numerators, denominators = (np.add.reduceat(one[:end], starts) for one in whole)
        return numerators, denominators


def _are_paired(ratio: RatioOfMeans, tables: Mapping[View, Predictions]) -> bool:
    """Return True if the views of a ratio show the same images row by row."""
    ours = [tables[view] for view in ratio.views if view in tables]
    return all(
        np.array_equal(ours[0].index, table.index) and np.array_equal(ours[0].label, table.label)
        for table in ours
    )
