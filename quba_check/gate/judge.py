"""Demands judged into rows: measured, held to their bounds, told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

from quba_check.comparison.baseline import run_value
from quba_check.core.grade import Grade
from quba_check.core.measurement import Measurement, Outcome, Unmeasurable
from quba_check.core.protocols import ProtocolName
from quba_check.demands.demand import Demand, Thresholds
from quba_check.dimensions import registry
from quba_check.errors import QubaError
from quba_check.gate.early_stopping import EarlyStop, Stopped
from quba_check.gate.result import DemandResult
from quba_check.gate.session import GateSession
from quba_check.records.conversion import row_of
from quba_check.records.verdict import GradeRow
from quba_check.verdicts import Judged, Verdict, judge, judge_stopped, p_value
from quba_check.verdicts.derived import drop_from_baseline, grade_of
from quba_check.verdicts.explanation import verdict_row

if TYPE_CHECKING:
    from quba_check.evaluation import Evaluation


class Judge:
    """Judges the demands of a run; what failed once is not tried again.

    Args:
        run: the models, the suite and the threshold files.
    """

    def __init__(self, run: GateSession) -> None:
        self._run = run
        self._failed: dict[tuple[str, ProtocolName, str], Unmeasurable] = {}
        self._told: set[tuple[str, ProtocolName, str]] = set()

    def judge(self, node: str, model: str, thresholds: Thresholds, demand: Demand) -> DemandResult:
        """Measure what a demand asks for and hold it to its bound.

        Args:
            node: id of the demand's item.
            model: name of the model.
            thresholds: the file that the demand is from.
            demand: the demand.
        """
        protocol = self._run.protocol_of(thresholds)
        evaluation = self._run.evaluation(model, protocol)
        stopped = self._stopped(evaluation, model, thresholds, demand)
        some = None if stopped is None else stopped.row
        outcomes = (
            self._outcomes(evaluation, model, thresholds, demand)
            if stopped is None
            else {stopped.measurement.dimension: stopped.measurement}
        )
        rows = {
            name: row_of(outcome, registry[name], evaluation.facts.suite, some)
            for name, outcome in outcomes.items()
        }
        seen = [name for name, outcome in outcomes.items() if isinstance(outcome, Measurement)]
        evidence = (
            self._held(evaluation, model, demand, outcomes, thresholds)
            if stopped is None
            else stopped.measurement
        )
        verdict = (
            judge(demand, evidence, thresholds.policy, self._doubts_beside(demand, model, thresholds))
            if stopped is None
            else judge_stopped(demand, stopped.measurement, stopped.row, thresholds.policy)
        )
        return DemandResult(
            model=model,
            protocol=protocol,
            verdict=verdict_row(verdict, node),
            measurements=rows,
            contents=evaluation.contents(seen, None if stopped is None else stopped.shards),
            sets=evaluation.sets(seen),
            notes=tuple(evaluation.engine.pop_repairs()),
            properties=_properties(verdict, protocol),
            grade=GradeRow(file=thresholds.shown, **asdict(evidence))
            if isinstance(evidence, Grade)
            else None,
            images=tuple(self._images(evaluation, model, outcomes)) if stopped is None else (),
        )

    def _stopped(
        self, evaluation: Evaluation, model: str, thresholds: Thresholds, demand: Demand
    ) -> Stopped | None:
        """How a demand was decided from some of the images, where that was asked for and can be."""
        if not self._run.options.early_stop:
            return None
        selected = self._run.selected(model, thresholds)
        return EarlyStop(evaluation, selected).decided(demand, thresholds.policy.error)

    def _images(self, evaluation: Evaluation, model: str, outcomes: Mapping[str, Outcome]) -> Iterator[bytes]:
        """What was found image by image, once of each dimension."""
        for name, outcome in outcomes.items():
            key = model, evaluation.protocol.name, name
            if key not in self._told and isinstance(outcome, Measurement):
                self._told.add(key)
                yield evaluation.per_image(outcome).to_bytes()

    def _outcomes(
        self, evaluation: Evaluation, model: str, thresholds: Thresholds, demand: Demand
    ) -> dict[str, Outcome]:
        """What the dimensions are that a demand looks at."""
        names = self._run.dimensions_of(model, thresholds, demand)
        return {name: self._outcome(evaluation, model, name) for name in names}

    def _held(
        self,
        evaluation: Evaluation,
        model: str,
        demand: Demand,
        outcomes: Mapping[str, Outcome],
        thresholds: Thresholds,
    ) -> Judged:
        """What is held to the bound."""
        protocol = evaluation.protocol.name
        if demand.is_on_grade:
            return self._run.unreachable_grade(model, thresholds) or grade_of(
                thresholds,
                {name: found for name, found in outcomes.items() if isinstance(found, Measurement)},
                protocol=protocol,
                suite=self._run.suite.name,
                classes=self._run.suite.facts.class_count,
                generated_corruptions=self._run.suite.facts.generates_corruptions,
            )
        found, baseline = outcomes[demand.dimension], self._run.baseline
        if not demand.needs_baseline or isinstance(found, Unmeasurable) or baseline is None:
            return found
        return drop_from_baseline(
            demand,
            baseline,
            run_value(found, demand.part),
            protocol=protocol,
            suite=evaluation.suite_row(evaluation.contents([found.dimension]), {}),
            limit=self._run.options.limit,
            seed=self._run.options.seed,
            masked=found.masked,
        )

    def _doubts_beside(self, demand: Demand, model: str, thresholds: Thresholds) -> Iterator[float]:
        """The doubts of the other blocking demands of the file that were selected, as they are asked for."""
        protocol = self._run.protocol_of(thresholds)
        for other in self._run.blocking(model, thresholds):
            if other != demand:
                evaluation = self._run.evaluation(model, protocol)
                outcomes = self._outcomes(evaluation, model, thresholds, other)
                found = p_value(other, self._held(evaluation, model, other, outcomes, thresholds))
                if found is not None:
                    yield found

    def _outcome(self, evaluation: Evaluation, model: str, name: str) -> Outcome:
        """The measurement; an image, store or guard that failed leaves the reason instead of a number."""
        key = model, evaluation.protocol.name, name
        if key not in self._failed:
            try:
                return evaluation.outcome(name)
            except QubaError as error:
                self._failed[key] = Unmeasurable(name, str(error))
        return self._failed[key]


def _properties(verdict: Verdict, protocol: ProtocolName) -> dict[str, float | str]:
    """Return the JUnit properties of a verdict, with the interval of its message."""
    known: dict[str, float | str | None] = {"value": verdict.value}
    if verdict.curve is not None and not isinstance(verdict.value, str):
        low, high = verdict.curve.interval(verdict.policy.confidence)
        known |= {"interval_low": low, "interval_high": high}
    known |= {verdict.demand.bound: verdict.demand.threshold, "unit": verdict.unit, "protocol": protocol}
    return {name: value for name, value in known.items() if value is not None}
