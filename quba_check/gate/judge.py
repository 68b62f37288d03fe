"""Judging demands: measurement, evidence, verdict, result; and a whole run in Python, without pytest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quba_check.comparison.baseline import Baseline, OwnPreprocessing
from quba_check.comparison.difference import RunValue
from quba_check.comparison.stored_run import RunConditions
from quba_check.core.grade import Grade
from quba_check.core.measurement import Drop, Measurement, Outcome, Unmeasurable
from quba_check.core.protocols import ProtocolName
from quba_check.demands.demand import Demand
from quba_check.demands.profiles import find_thresholds
from quba_check.dimensions import registry
from quba_check.errors import OptionError, QubaError
from quba_check.gate.collector import DemandResult, ResultCollector
from quba_check.gate.options import OPTIONS, Options
from quba_check.gate.preflight import examinations
from quba_check.gate.provenance import inputs_hash
from quba_check.gate.record_rows import (
    content_hashes,
    per_image,
    prediction_rows,
    set_rows,
    suite_row,
    unread_file_notes,
)
from quba_check.gate.session import GateSession
from quba_check.gate.threshold_files import PlannedDemand, default_files
from quba_check.messages import allowed_names
from quba_check.models.process_setup import set_up_process
from quba_check.records.files import remove_stale_records, write_images, write_record
from quba_check.records.measurement import row_of
from quba_check.records.record import Record
from quba_check.verdicts import Judged, Verdict, decide, p_value
from quba_check.verdicts.evidence import drop_from_baseline, evidence_of, grade_of
from quba_check.verdicts.explanation import grade_row, verdict_row

if TYPE_CHECKING:
    from quba_check.evaluation import Evaluation

_OF_PYTEST = {"models", "thresholds", "data", "plan", "classes", "html", "markdown", "pictures", "report"}
"""Options with an argument of their own, and those of pytest's output."""


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
        run = self._evaluation
        outcome = self._evaluation.outcome(dimension)
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
        self._sent_predictions: dict[tuple[str, ProtocolName], set[str]] = defaultdict(set)
        self._with_images: set[tuple[str, ProtocolName, str]] = set()

    def judge(self, planned: PlannedDemand) -> DemandResult:
        """Return the result of a demand."""
        gate = self._gate
        outcomes = self._outcomes(planned)
        evaluation = gate.loaded.evaluations[planned.key]
        demand, evidence = self._with_baseline(planned.demand, self._evidence(planned, outcomes))
        verdict = decide(demand, evidence, planned.thresholds.policy, self._other_p_values(planned))
        verdict = replace(verdict, demand=planned.demand)  # as its file states it, for the digest
        if gate.options.classes:
            outcomes["classes"] = self._outcome(planned, "classes")
        images = tuple(self._images(planned, outcomes))
        inputs = inputs_hash(gate, planned)
        keys = {name: (*planned.key, name, inputs) for name in outcomes}
        new = {name: outcome for name, outcome in outcomes.items() if keys[name] not in self._sent}
        measured = [name for name, outcome in new.items() if isinstance(outcome, Measurement)]
        grade = verdict.evidence if isinstance(verdict.evidence, Grade) else None
        sent = self._sent_predictions[planned.key]
        predictions = prediction_rows(evaluation, sent)
        rows = {name: row_of(one, registry[name], evaluation.facts.suite) for name, one in new.items()}
        result = DemandResult(
            model=planned.model,
            protocol=planned.protocol,
            verdict=verdict_row(verdict, planned.node_id),
            measurements=rows,
            contents=content_hashes(evaluation, measured),
            sets=set_rows(evaluation, measured),
            notes=(*evaluation.pop_notes(), *unread_file_notes(evaluation, measured)),
            properties=_properties(verdict, planned.protocol),
            grade=None if grade is None else grade_row(grade, planned.thresholds.label),
            images=images,
            inputs=inputs,
            predictions=predictions,
        )
        self._sent |= {keys[name] for name in new}  # not if a value cannot be stored
        sent.update(predictions)
        return result

    def _outcomes(self, planned: PlannedDemand) -> dict[str, Outcome]:
        """Measure the dimensions that a demand needs."""
        return {name: self._outcome(planned, name) for name in self._gate.dimensions_of(planned)}

    def _outcome(self, planned: PlannedDemand, name: str) -> Outcome:
        """Measure a dimension; an error on the way becomes the reason."""
        key = *planned.key, name
        if key not in self._failed:
            try:
                return self._gate.loaded.evaluations[planned.key].outcome(name)
            except QubaError as error:
                self._failed[key] = Unmeasurable(name, str(error))
        return self._failed[key]

    def _evidence(self, planned: PlannedDemand, outcomes: Mapping[str, Outcome]) -> Judged:
        """Return the measurement, drop or grade that is compared with the threshold."""
        gate = self._gate
        demand = planned.demand
        if demand.is_on_grade:
            measured = {name: one for name, one in outcomes.items() if isinstance(one, Measurement)}
            return gate.unreachable_grade(planned) or grade_of(
                planned.thresholds, measured, planned.protocol, gate.suite.facts
            )
        outcome = outcomes[demand.dimension]
        evaluation = gate.loaded.evaluations[planned.key]
        own = [demand.dimension]
        reference = gate.loaded.references.get(planned.protocol)
        measured_run = None if reference is None else MeasuredRun(reference)
        baseline: Baseline | None = gate.approved.run or measured_run
        if demand.request.pipeline:
            baseline = OwnPreprocessing(MeasuredRun(evaluation), demand.request)
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
        approved = self._gate.approved
        reference = self._gate.options.reference
        needs_it = demand.needs_baseline or reference is None
        is_missing = demand.is_comparative and needs_it and approved.is_missing
        if is_missing and approved.is_first_release:
            reason = "first release: there is no baseline yet (--quba-first-release)"
            missing = Unmeasurable(demand.dimension, reason, missing_data=True)
            return replace(demand, optional=True), missing
        if is_missing and approved.stated:
            return demand, Unmeasurable(demand.dimension, approved.reason_for_none)
        return demand, evidence

    def _other_p_values(self, planned: PlannedDemand) -> Iterator[float]:
        """Yield the p-values of the file's other blocking demands; each is measured when needed."""
        for other in self._gate.selected(*planned.key):
            is_other = other.node_id != planned.node_id and other.thresholds.path == planned.thresholds.path
            if is_other and other.demand.tier == "block" and (p := self._p_value(other)) is not None:
                yield p

    def _p_value(self, planned: PlannedDemand) -> float | None:
        """Return the p-value of a demand, computed once for all others of its file."""
        if planned.node_id not in self._p_values:
            evidence = self._evidence(planned, self._outcomes(planned))
            self._p_values[planned.node_id] = p_value(*self._with_baseline(planned.demand, evidence))
        return self._p_values[planned.node_id]

    def _images(self, planned: PlannedDemand, outcomes: Mapping[str, Outcome]) -> Iterator[bytes]:
        """Yield the values by image of each dimension, the first time only."""
        for name, outcome in outcomes.items():
            key = *planned.key, name
            if key not in self._with_images and isinstance(outcome, Measurement):
                self._with_images.add(key)
                yield per_image(self._gate.loaded.evaluations[planned.key], outcome).to_bytes()


def _properties(verdict: Verdict, protocol: ProtocolName) -> dict[str, float | str]:
    """Return the JUnit properties of a verdict, with the interval of its message."""
    properties: dict[str, float | str | None] = {"value": verdict.value}
    if verdict.curve is not None and not isinstance(verdict.value, str):
        low, high = verdict.curve.interval(verdict.policy.confidence)
        properties |= {"interval_low": low, "interval_high": high}
    if verdict.outcome == "waived":
        properties["waiver"] = str(verdict.demand.waiver)
    properties |= {"groups": verdict.groups, "effective_images": verdict.effective}
    properties["title"] = verdict.demand.title or None
    properties |= {verdict.demand.bound: verdict.demand.threshold, "unit": verdict.unit, "protocol": protocol}
    return {name: value for name, value in properties.items() if value is not None}


def judge(
    model: str,
    data: str | Path | None = None,
    thresholds: str | Path | None = None,
    *,
    record: str | Path | None = None,
    **options: Any,
) -> Record:
    """Judge a model by a threshold file, and return the record of the run.

    Nothing is printed. Predictions are kept in the store; no other file is written, unless `record` names
    one.

    Args:
        model: a model spec.
        data: a data folder or its URL; None for that of a demo model, else `$QUBA_DATA`.
        thresholds: a threshold file or shipped profile; None for the file that `pytest --model` reads.
        record: JSON file for the record, with the per-image results next to it.
        options: options of the gate without `--quba-`, such as `baseline`, `reference`, `store`, `limit`,
            `device` and `arch`; True for a switch.

    Raises:
        UserError: the model, the data, a file or an option cannot be used.

    Examples:
        >>> judge("demo").overall_verdict  # doctest: +SKIP
        'pass'
    """
    if not isinstance(model, str):
        raise OptionError(
            where="judge: model",
            got=type(model).__name__,
            allowed="a model spec, such as 'my_models:net', a function that returns the model",
        )
    known = {option.field: option for option in OPTIONS if option.field not in _OF_PYTEST}
    for name, value in options.items():
        if name not in known:
            raise OptionError(
                "unknown option", where="judge", got=f"'{name}'", hint=allowed_names(name, known)
            )
        if known[name].metavar is None and not isinstance(value, bool):
            raise OptionError(where=f"judge: {name}", got=f"{value!r}", allowed="True or False")
    given = {"data": data, "report": record, **options}
    set_up_process()
    registry.load_entry_points()
    root = Path.cwd()
    # A command line has text, None without the option, and switches.
    typed = {name: one if one is None or isinstance(one, bool) else str(one) for name, one in given.items()}
    checked = Options.parse(
        {"quba_model": [model]} | {f"quba_{name}": one for name, one in typed.items()}, root
    )
    if checked.report is not None:
        remove_stale_records(checked.report, [model], checked.baseline)
    named = default_files(checked, root) if thresholds is None else [find_thresholds(str(thresholds), root)]
    gate = GateSession(checked, root, files=tuple(named))
    try:
        return _record(gate)
    finally:
        gate.close()


def _record(gate: GateSession) -> Record:
    """Judge all demands of a session, and return its record."""
    gate.check_files()
    demands = gate.demands(gate.files)
    collector = ResultCollector()
    path = gate.options.report
    gate.select(demands)
    gate.check_calls()
    gate.check()
    for _ in examinations(gate, demands, short=True):
        pass  # the session keeps them
    judge_of_session = Judge(gate)
    for planned in demands:
        try:
            collector.add(judge_of_session.judge(planned))
        except QubaError as error:
            collector.crashed[planned.node_id] = str(error)
    selected = {planned.node_id for planned in demands}
    (record,) = collector.records(gate, demands, selected, interrupted=False, stopped=False)
    if path is not None:
        write_record(record, path)
        write_images(collector.images_of(record), path)
    return record
