"""Results of judged demands, collected into records: one for each model and protocol."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from quba_check.comparison.stored_run import precision_notes
from quba_check.core.dimension import ON_DEMAND
from quba_check.core.explanation import Explanation
from quba_check.core.facts import SuiteFacts
from quba_check.core.grade import Grade
from quba_check.core.protocols import ProtocolName
from quba_check.core.view import CLEAN_SET
from quba_check.demands.bounds import today
from quba_check.dimensions import registry
from quba_check.gate.provenance import finding_rows, input_rows, inputs_hash
from quba_check.gate.record_rows import environment, suite_row
from quba_check.gate.session import GateSession
from quba_check.gate.threshold_files import PlannedDemand
from quba_check.messages import listed
from quba_check.number_format import ordinal
from quba_check.records.measurement import AnyMeasurementRow, NotMeasuredRow, measurements_of
from quba_check.records.per_image import CleanAnswers, PerImage
from quba_check.records.predictions import PredictionsRow, merged
from quba_check.records.record import ComputeRow, Record, SetRow
from quba_check.records.verdict import GradeRow, VerdictRow
from quba_check.storage.user_files import parse_json
from quba_check.verdicts.ahead import baseline_warnings, waiver_warnings
from quba_check.verdicts.evidence import grade_of
from quba_check.verdicts.explanation import grade_row

if TYPE_CHECKING:
    from quba_check.doctor.finding import Finding
    from quba_check.measured_model import MeasuredModel
    from quba_check.storage.store import Store

DEMONSTRATION = "a demonstration: small models on generated images"
STOPPED = "the session ended first"
NOT_CALLED = (
    "pytest did not run its item; a plugin, a conftest.py or an option such as --setup-plan prevented it"
)
IN_RECORD = "sets"
"""The check whose findings a record shows already, as unmeasurable verdicts and numbers of images."""
CHANGED = (
    "another process of the run read another version of the model, the threshold file, the manifest, the "
    "preprocessing file or the baseline; run the gate again when nothing writes these files"
)


class DemandResult(BaseModel):
    """The result of one judged demand, sent as JSON from a worker to the controller.

    Attributes:
        model: name of the model.
        protocol: protocol of the evaluation.
        verdict: the verdict.
        measurements: of the dimensions that the demand needed. A process sends each of them once for the same
            `inputs`, with its first demand, so that judging grows linearly with the demands.
        contents: content hashes of the image views behind them.
        sets: sizes of the sets behind them.
        notes: notes on the run, such as a damaged shard that was predicted again.
        properties: properties of the test in JUnit files.
        grade: the grade, for a demand on score or grade.
        images: values by image (`PerImage.to_bytes`) of dimensions without an earlier result in this process.
        inputs: hash of the model and of the files that the verdict rests on, see `inputs_hash`.
        predictions: the origins of answers that this process read since its last result, by their name.
    """

    model_config = ConfigDict(frozen=True, ser_json_bytes="base64", val_json_bytes="base64", defer_build=True)

    model: str
    protocol: ProtocolName
    verdict: VerdictRow
    measurements: dict[str, AnyMeasurementRow] = Field(default_factory=dict)
    contents: dict[str, str] = Field(default_factory=dict)
    sets: dict[str, SetRow] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()
    properties: dict[str, float | str] = Field(default_factory=dict)
    grade: GradeRow | None = None
    images: tuple[bytes, ...] = ()
    inputs: str = ""
    predictions: dict[str, PredictionsRow] = Field(default_factory=dict)

    @property
    def warns(self) -> bool:
        """True if the demand is waived, or not met and only warns."""
        return self.verdict.outcome == "waived" or (not self.verdict.is_met and self.verdict.tier == "warn")


@dataclass(slots=True)
class ResultCollector:
    """The results so far, and the reasons for missing ones.

    Results arrive in any order. Some never do: of a worker that crashed, or of a stopped run.

    Attributes:
        results: of judged demands, by node id.
        crashed: reasons for a missing result, by node id.
        images: values by image, by model and protocol.
        carriers: results with measurements, by model and protocol.
        predictions: the origins of answers by their name, by model and protocol.
    """

    results: dict[str, DemandResult] = field(default_factory=dict)
    crashed: dict[str, str] = field(default_factory=dict)
    images: dict[tuple[str, ProtocolName], PerImage] = field(default_factory=dict)
    carriers: dict[tuple[str, ProtocolName], list[DemandResult]] = field(default_factory=dict)
    predictions: dict[tuple[str, ProtocolName], dict[str, PredictionsRow]] = field(default_factory=dict)

    def add(self, result: DemandResult) -> None:
        """Add the result of a demand; it replaces an earlier one of the same demand."""
        node_id = result.verdict.id
        self.results[node_id] = result.model_copy(update={"images": ()})
        key = result.model, result.protocol
        if result.measurements:
            self.carriers.setdefault(key, []).append(self.results[node_id])
        self.predictions.setdefault(key, {}).update(result.predictions)
        for content in result.images:
            new = PerImage.from_bytes(content, node_id)
            self.images[key] = self.images.get(key, PerImage()).merged(new)

    def measurements(self, model: str, protocol: ProtocolName) -> dict[str, AnyMeasurementRow]:
        """Return the measurements so far, by dimension."""
        carriers = self.carriers.get((model, protocol), [])
        return {name: row for carrier in carriers for name, row in carrier.measurements.items()}

    def images_of(self, record: Record) -> bytes | None:
        """Return the content of a record's per-image file, None without images."""
        images = self.images.get((record.model.name, record.protocol), PerImage())
        return images.to_bytes(record) if images.influences else None

    def records(
        self,
        gate: GateSession,
        demands: Iterable[PlannedDemand],
        selected: Collection[str],
        *,
        interrupted: bool,
        stopped: bool,
    ) -> list[Record]:
        """Return a record for each model and protocol of the selected demands, in their order.

        Args:
            gate: the session.
            demands: all demands of the threshold files.
            selected: node ids of the demands to judge.
            interrupted: the user stopped the run.
            stopped: the run ended before every selected demand was judged.
        """
        groups: dict[tuple[str, ProtocolName], list[PlannedDemand]] = {}
        for planned in demands:
            groups.setdefault(planned.key, []).append(planned)
        chosen = {
            key: [demand for demand in group if demand.node_id in selected] for key, group in groups.items()
        }
        # A protocol without selected demands has no record: its demands count as unselected in the other one.
        without_record = [demand for key in chosen if not chosen[key] for demand in groups[key]]
        return [
            self._record(
                gate,
                own,
                [*groups[model, protocol], *(demand for demand in without_record if demand.model == model)],
                interrupted=interrupted,
                missing_reason=STOPPED if stopped else NOT_CALLED,
            )
            for (model, protocol), own in chosen.items()
            if own
        ]

    def _record(
        self,
        gate: GateSession,
        demands: Sequence[PlannedDemand],
        of_files: Sequence[PlannedDemand],
        *,
        interrupted: bool,
        missing_reason: str,
    ) -> Record:
        """Return the record of the selected demands on one model under one protocol.

        Args:
            gate: the session.
            demands: the selected demands.
            of_files: all demands of the same threshold files.
            interrupted: the user stopped the run.
            missing_reason: reason for a demand without a result.
        """
        model = demands[0].model
        protocol = demands[0].protocol
        evaluation = gate.evaluation(model, protocol)
        reference = gate.loaded.references.get(protocol)
        results = self._current_results(gate, demands)
        clean = self.images.get((model, protocol), PerImage()).clean
        findings = _answer_findings(evaluation.row.spec, clean)
        examination = gate.examinations.get(model)
        examined = () if examination is None else examination.findings
        inputs = {result.inputs for result in results}  # those of a file that changed meanwhile are others
        carriers = [result for result in self.carriers.get((model, protocol), []) if result.inputs in inputs]
        measurements = {name: row for carrier in carriers for name, row in carrier.measurements.items()}
        contents = {view: content for carrier in carriers for view, content in carrier.contents.items()}
        sets = {name: row for carrier in carriers for name, row in carrier.sets.items()}
        noted = [*(finding for finding in examined if finding.check != IN_RECORD), *findings]
        notes = [
            *_notes_before_results(gate, evaluation, reference, noted),
            *(note for result in results for note in result.notes),
            *_reuse_notes(gate.opened_store, evaluation.row.fingerprint, contents.get(CLEAN_SET)),
        ]
        verdicts = tuple(self.verdict(planned, missing_reason) for planned in demands)
        origins = self.predictions.get((model, protocol), {})
        origins |= evaluation.answer_rows(origins)  # this process predicts the first shard
        predictions = merged(origins.values()) if origins else None
        return Record(
            model=evaluation.row.model_copy(update={"name": model}),
            suite=suite_row(evaluation, contents, sets),
            protocol=protocol,
            measurements=_with_unmeasured(measurements, gate.suite.facts),
            verdicts=verdicts,
            grades=tuple(self._grades(demands, measurements, gate.suite.facts)),
            environment=environment(evaluation),
            limit=gate.options.limit,
            unselected=len(of_files) - len(demands),
            interrupted=interrupted,
            first_release=gate.approved.is_first_release,
            notes=tuple(dict.fromkeys(notes)),
            inputs=input_rows(gate, of_files),
            command=gate.command,
            findings=finding_rows([*examined, *findings]),
            warnings=(
                *_baseline_warnings(gate, protocol),
                *waiver_warnings(verdicts, today()),
                *_fresh_warnings(predictions),
            ),
            reference=None if reference is None else reference.row,
            baseline=next(iter(gate.approved.stated), None),
            predictions=predictions,
        )

    def _current_results(self, gate: GateSession, demands: Sequence[PlannedDemand]) -> list[DemandResult]:
        """Return the results of demands, without those whose input files were changed since."""
        for planned in demands:
            result = self.results.get(planned.node_id)
            if result is not None and result.inputs != inputs_hash(gate, planned):
                del self.results[planned.node_id]
                self.crashed[planned.node_id] = CHANGED
        return [self.results[planned.node_id] for planned in demands if planned.node_id in self.results]

    def verdict(self, planned: PlannedDemand, missing_reason: str) -> VerdictRow:
        """Return the verdict of a demand, or `not run` with a reason."""
        if planned.node_id in self.results:
            return self.results[planned.node_id].verdict
        reason = self.crashed.get(planned.node_id, missing_reason)
        explanation = Explanation(f"{planned.demand.shown_name} was not judged: {reason}", reason)
        return planned.demand.verdict_row(
            planned.node_id, "not run", explanation, policy=planned.thresholds.policy
        )

    def _grades(
        self,
        demands: Sequence[PlannedDemand],
        measurements: Mapping[str, AnyMeasurementRow],
        suite: SuiteFacts,
    ) -> Iterator[GradeRow]:
        """Yield the grade by each threshold file."""
        judged = {
            planned.thresholds.label: result.grade
            for planned in demands
            if (result := self.results.get(planned.node_id)) is not None and result.grade is not None
        }
        files = {planned.thresholds.label: planned.thresholds for planned in demands}
        for label, thresholds in files.items():
            if label in judged:
                yield judged[label]
                continue
            grade = grade_of(thresholds, measurements_of(measurements), demands[0].protocol, suite)
            if isinstance(grade, Grade):  # else the verdict of the file's quba demand has the reason
                yield grade_row(grade, label)


def _answer_findings(spec: str, clean: CleanAnswers | None) -> list[Finding]:
    """Return the findings on the answers of clean images."""
    if clean is None:
        return []
    from quba_check.doctor.accuracy import answer_findings  # loads torch

    return [*answer_findings(spec, clean.label, clean.predicted, clean.classes)]


def _notes_before_results(
    gate: GateSession, evaluation: MeasuredModel, reference: MeasuredModel | None, findings: Iterable[Finding]
) -> Iterator[str]:
    """Yield the notes on a run that do not depend on its results."""
    if gate.is_demo:
        yield DEMONSTRATION
    yield from evaluation.model_notes
    yield from (finding.as_note() for finding in findings)
    yield from _baseline_notes(gate, evaluation.compute_row)
    if reference is not None:
        yield from _reference_notes(gate, evaluation, reference)


def _with_unmeasured(
    measurements: Mapping[str, AnyMeasurementRow], suite: SuiteFacts
) -> dict[str, AnyMeasurementRow]:
    """Return the rows of all dimensions that a record names, in their order."""
    declared = ["unknown_detection"] if suite.unknown else []
    return {
        name: measurements.get(name, NotMeasuredRow(not_measured=True))
        for name in registry.names
        if name in measurements or name not in ON_DEMAND or name in declared
    }


def _reuse_notes(store: Store, fingerprint: str, content: str | None) -> Iterator[str]:
    """Yield a note on other models in earlier records about the same clean images.

    A store at a URL is not searched: each record would be a request.
    """
    models = {fingerprint}
    if content is None or store.is_remote:
        return
    for file in store.objects.list("runs"):
        with suppress(FileNotFoundError, ValueError, KeyError):  # removed by another process, or damaged
            text = store.objects.get(file.name) if file.name.endswith(".json") else b""
            if content.encode() in text:
                models.add(parse_json(text)["model"]["fingerprint"])
    if len(models) > 1:
        count = ordinal(len(models))
        yield f"{count} model judged on these clean images: the best of several looks better than it is"


def _fresh_warnings(predictions: PredictionsRow | None) -> Iterator[str]:
    """Yield a warning about stored answers that a fresh run does not confirm."""
    if predictions is not None and predictions.differing:
        yield (
            f"{predictions.differing:,} of {predictions.compared:,} stored answers differ from the fresh "
            "ones, which this run uses and has stored in their place"
        )


def _reference_notes(gate: GateSession, evaluation: MeasuredModel, reference: MeasuredModel) -> Iterator[str]:
    """Yield notes on a reference: unused, or with another preprocessing."""
    name = reference.row.name
    demands = gate.demands(gate.files)
    is_attacked = bool(evaluation.model_facts.surrogate)
    if not is_attacked and not any(planned.demand.is_comparative for planned in demands):
        yield f"the reference {name} is not used: no demand is on parity or has a drop"
    elif evaluation.preprocessing_text != (text := reference.preprocessing_text):
        yield f"the reference {name} prepares images differently: {text}"


def _baseline_notes(gate: GateSession, compute: ComputeRow | None) -> Iterator[str]:
    """Yield notes on a baseline: unused, or of another precision."""
    baseline = gate.approved.run
    if baseline is None:
        return
    is_on_parity = gate.options.reference is None
    demands = (planned.demand for planned in gate.demands(gate.files))
    if not any(demand.is_comparative and (is_on_parity or demand.needs_baseline) for demand in demands):
        reason = "no demand has max_drop or max_relative_drop"
        yield f"the baseline {baseline.file} is not used: {reason}"
        return
    precision = "" if compute is None else compute.precision
    for note in precision_notes(baseline.record.environment.precision, precision):
        yield f"the baseline {baseline.file} and this run: {note}"


def _baseline_warnings(gate: GateSession, protocol: ProtocolName) -> Iterator[str]:
    """Yield warnings about a missing baseline, one that was not released, and looser demands."""
    approved = gate.approved
    baseline = gate.approved.run
    if approved.is_first_release:
        yield "first release: demands on drops and parity are skipped (--quba-first-release)"
    elif baseline is None and approved.stated:
        yield approved.reason_for_none
    if baseline is None:
        return
    verdict = baseline.record.overall_verdict
    if verdict != "pass" and (failed := baseline.failed_demands):
        yield f"the baseline {baseline.file} failed its own demands: {listed(failed)}"
    elif verdict != "pass":
        yield f"the baseline {baseline.file} was not released: the verdict of its own run is '{verdict}'"
    yield from baseline_warnings(baseline.file, approved.approvals, today())
    looser = approved.looser(gate.demands(gate.files), protocol)
    if looser:
        yield f"the demands are looser than those of {baseline.file}: {'; '.join(looser)}"
