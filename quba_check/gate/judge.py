"""Judging demands: measurement, evidence, verdict, result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from quba_check.comparison.baseline import Baseline
from quba_check.comparison.difference import RunValue
from quba_check.comparison.stored_run import RunConditions
from quba_check.core.measurement import Drop, Measurement, Outcome, Unmeasurable
from quba_check.core.protocols import ProtocolName
from quba_check.demands.demand import Demand
from quba_check.errors import QubaError
from quba_check.gate.plan import PlannedDemand
from quba_check.gate.provenance import inputs_hash
from quba_check.gate.record_rows import content_hashes, per_image, set_rows, suite_row
from quba_check.gate.result import DemandResult, demand_result
from quba_check.gate.session import GateSession
from quba_check.verdicts import Judged, decide, p_value
from quba_check.verdicts.evidence import drop_from_baseline, evidence_of, grade_of

if TYPE_CHECKING:
    from quba_check.evaluation import Evaluation


class MeasuredRun:
    """The run of a session or of its reference, for demands on drops.

    Args:
        evaluation: of the model.
    """

    def __init__(self, evaluation: Evaluation) -> None:
        self._evaluation = evaluation
        self.file = f"the reference {evaluation.classifier.name}"

    def value_of(self, dimension: str, part: str | None = None) -> RunValue | None:
        """Return the value of a dimension or part; None if it has none.

        Raises:
            QubaError: it cannot be measured, for example because an image cannot be read.
        """
        run, outcome = self._evaluation, self._evaluation.outcome(dimension)
        if isinstance(outcome, Unmeasurable):
            return None
        return RunValue.of(outcome, dimension, part, per_image(run, outcome), run.classifier.fingerprint)


class Judge:
    """Judges the demands of a gate session; a measurement that failed is not tried again.

    Args:
        gate: the session, with the loaded evaluations of the demands.
    """

    def __init__(self, gate: GateSession) -> None:
        self._gate = gate
        self._failed: dict[tuple[str, ProtocolName, str], Unmeasurable] = {}
        self._p_values: dict[str, float | None] = {}
        self._sent: set[tuple[str, ProtocolName, str, str]] = set()
        self._with_images: set[tuple[str, ProtocolName, str]] = set()

    def judge(self, planned: PlannedDemand) -> DemandResult:
        """Return the result of a demand."""
        gate, outcomes = self._gate, self._outcomes(planned)
        demand, evidence = self._with_baseline(planned.demand, self._evidence(planned, outcomes))
        verdict = decide(demand, evidence, planned.thresholds.policy, self._other_p_values(planned))
        if gate.options.classes:
            outcomes["classes"] = self._outcome(planned, "classes")
        images, inputs = tuple(self._images(planned, outcomes)), inputs_hash(gate, planned)
        keys = {name: (*planned.key, name, inputs) for name in outcomes}
        new = {name: outcome for name, outcome in outcomes.items() if keys[name] not in self._sent}
        result = demand_result(planned, gate.evaluations[planned.key], verdict, new, images)
        self._sent |= {keys[name] for name in new}  # not if a value cannot be stored
        return result.model_copy(update={"inputs": inputs})

    def _outcomes(self, planned: PlannedDemand) -> dict[str, Outcome]:
        """Measure the dimensions that a demand needs."""
        return {name: self._outcome(planned, name) for name in self._gate.dimensions_of(planned)}

    def _outcome(self, planned: PlannedDemand, name: str) -> Outcome:
        """Measure a dimension; an error on the way becomes the reason."""
        key = *planned.key, name
        if key not in self._failed:
            try:
                return self._gate.evaluations[planned.key].outcome(name)
            except QubaError as error:
                self._failed[key] = Unmeasurable(name, str(error))
        return self._failed[key]

    def _evidence(self, planned: PlannedDemand, outcomes: Mapping[str, Outcome]) -> Judged:
        """Return the measurement, drop or grade that is compared with the threshold."""
        gate, demand = self._gate, planned.demand
        if demand.is_on_grade:
            measured = {name: one for name, one in outcomes.items() if isinstance(one, Measurement)}
            return gate.unreachable_grade(planned) or grade_of(
                planned.thresholds, measured, planned.protocol, gate.suite.facts
            )
        outcome = outcomes[demand.dimension]
        evaluation, own = gate.evaluations[planned.key], [demand.dimension]
        reference = gate.loaded.references.get(planned.protocol)
        baseline: Baseline | None = gate.baseline or (None if reference is None else MeasuredRun(reference))
        if baseline is None:
            return evidence_of(demand, outcome)

        def loss(measured: Measurement) -> Drop | Unmeasurable:
            after = MeasuredRun(evaluation).value_of(measured.dimension, demand.part)
            suite = suite_row(evaluation, content_hashes(evaluation, own), set_rows(evaluation, own))
            run = RunConditions(planned.protocol, suite, gate.options.limit, gate.options.seed)
            return drop_from_baseline(demand, baseline, after, run, measured)

        return evidence_of(demand, outcome, loss)

    def _with_baseline(self, demand: Demand, evidence: Judged) -> tuple[Demand, Judged]:
        """Return a demand with its evidence, or with the reason for no baseline.

        Such a demand blocks even if it is optional, unless the user states that it is the first release.
        """
        approved, reference = self._gate.approved, self._gate.options.reference
        if not demand.is_comparative or approved.run is not None or reference is not None:
            return demand, evidence
        if approved.is_first_release:
            reason = "first release: there is no baseline yet (--quba-first-release)"
            missing = Unmeasurable(demand.dimension, reason, missing_data=True)
            return replace(demand, optional=True), missing
        if approved.stated:
            return demand, Unmeasurable(demand.dimension, approved.reason_for_none)
        return demand, evidence

    def _other_p_values(self, planned: PlannedDemand) -> Iterator[float]:
        """Yield the p-values of the file's other blocking demands; each is measured when needed."""
        for other in self._gate.blocking(planned.model, planned.thresholds.path):
            if other.node_id != planned.node_id and (p := self._p_value(other)) is not None:
                yield p

    def _p_value(self, planned: PlannedDemand) -> float | None:
        """Return the p-value of a demand, computed once for all others of its file."""
        if planned.node_id not in self._p_values:
            evidence = self._evidence(planned, self._outcomes(planned))
            self._p_values[planned.node_id] = p_value(planned.demand, evidence)
        return self._p_values[planned.node_id]

    def _images(self, planned: PlannedDemand, outcomes: Mapping[str, Outcome]) -> Iterator[bytes]:
        """Yield the values by image of each dimension, the first time only."""
        for name, outcome in outcomes.items():
            key = *planned.key, name
            if key not in self._with_images and isinstance(outcome, Measurement):
                self._with_images.add(key)
                yield per_image(self._gate.evaluations[planned.key], outcome).to_bytes()
