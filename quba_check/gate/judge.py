"""Judging demands: measurement, evidence, verdict, result; and a whole run in Python, without pytest."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from quba_check.comparison.baseline import Baseline
from quba_check.comparison.difference import RunValue
from quba_check.comparison.stored_run import THIS_RUN, RunConditions
from quba_check.core.grade import Grade
from quba_check.core.measurement import Measurement, Outcome, Unmeasurable
from quba_check.core.protocols import ProtocolName
from quba_check.demands.demand import Demand
from quba_check.demands.profiles import find_thresholds
from quba_check.dimensions import registry
from quba_check.errors import OptionError, QubaError, UserError
from quba_check.gate.collector import DemandResult, ResultCollector
from quba_check.gate.options import OPTIONS, SHORT_FLAG, Options
from quba_check.gate.preflight import prepare
from quba_check.gate.provenance import inputs_hash
from quba_check.gate.record_rows import content_hashes, per_image, set_rows, suite_row, unread_file_notes
from quba_check.gate.session import GateSession
from quba_check.gate.threshold_files import PlannedDemand, default_files
from quba_check.records.files import remove_stale_records, write_images, write_record
from quba_check.records.measurement import row_of
from quba_check.records.record import Record
from quba_check.verdicts import Judged, Verdict
from quba_check.verdicts.evidence import Evidence, evidence_in, grade_of
from quba_check.verdicts.explanation import grade_row, verdict_row

if TYPE_CHECKING:
    from quba_check.measured_model import MeasuredModel

_OF_PYTEST = {"models", "thresholds", "data", "plan", "classes", "html", "markdown", "pictures", "record"}
"""Fields of `Options` with an argument of their own, and those of pytest's output."""
_ARGUMENTS = {option.flag: f"Options.{option.field}" for option in OPTIONS} | {
    SHORT_FLAG: "model",
    "--quba-model": "model",
    "--quba-data": "data",
    "--quba-thresholds": "thresholds",
    "--quba-record": "record",
}
"""Arguments of `judge` and fields of `Options` by pytest's option."""
_FLAG = re.compile("--[a-z-]+[a-z]")


class LiveRun:
    """The run of a model in this session.

    Args:
        evaluation: of the model.
        limit: largest number of images that it uses of a set; None for all.
        file: its name in messages.
    """

    def __init__(self, evaluation: MeasuredModel, limit: int | None = None, file: str = THIS_RUN) -> None:
        self._evaluation = evaluation
        self._limit = limit
        self._failed: dict[str, Unmeasurable] = {}
        self.file = file

    def outcome(self, dimension: str) -> Outcome:
        """Measure a dimension; an error becomes the reason, and is kept."""
        if dimension not in self._failed:
            try:
                return self._evaluation.outcome(dimension)
            except QubaError as error:
                self._failed[dimension] = Unmeasurable(dimension, str(error))
        return self._failed[dimension]

    def value_of(self, dimension: str, part: str | None = None) -> RunValue | None:
        """Return the value of a dimension or part; None if it has none.

        Raises:
            QubaError: it cannot be measured, for example because an image cannot be read.
        """
        run = self._evaluation
        outcome = run.outcome(dimension)
        if isinstance(outcome, Unmeasurable):
            return None
        return RunValue.of(outcome, dimension, part, per_image(run, outcome), run.row.fingerprint)

    def conditions(self, dimension: str) -> RunConditions:
        """Return the conditions of a dimension's value."""
        run = self._evaluation
        suite = suite_row(run, content_hashes(run, [dimension]), set_rows(run, [dimension]))
        return RunConditions(run.protocol.name, suite, self._limit, run.suite.sampler.seed)


class Judge:
    """Judges the demands of a gate session; a measurement that failed is not tried again.

    Args:
        gate: the session, with the loaded evaluations of the demands.
    """

    def __init__(self, gate: GateSession) -> None:
        self._gate = gate
        self._run = cache(lambda key: LiveRun(gate.loaded.evaluations[key], gate.options.limit))
        self._evidence: dict[tuple[str, ProtocolName, Path], Evidence] = {}
        self._sent: set[tuple[str, ProtocolName, str, str]] = set()
        self._sent_predictions: dict[tuple[str, ProtocolName], set[str]] = defaultdict(set)
        self._sent_images: set[tuple[str, ProtocolName, str]] = set()

    def judge(self, planned: PlannedDemand) -> DemandResult:
        """Return the result of a demand; its model is loaded at the first one."""
        gate = self._gate
        evaluation = gate.evaluation(*planned.key)
        names = (*gate.dimensions_of(planned), *(["classes"] if gate.options.classes else []))
        outcomes = {name: self._run(planned.key).outcome(name) for name in names}
        verdict = self._verdict(planned)
        inputs = inputs_hash(gate, planned)
        keys = {name: (*planned.key, name, inputs) for name in outcomes}
        new = {name: outcome for name, outcome in outcomes.items() if keys[name] not in self._sent}
        measured = {name: outcome for name, outcome in new.items() if isinstance(outcome, Measurement)}
        grade = verdict.evidence if isinstance(verdict.evidence, Grade) else None
        sent = self._sent_predictions[planned.key]
        predictions = evaluation.answer_rows(sent)
        rows = {
            name: row_of(outcome, registry[name], evaluation.facts.suite) for name, outcome in new.items()
        }
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
            images=tuple(
                per_image(evaluation, outcome).to_bytes()
                for name, outcome in measured.items()
                if (*planned.key, name) not in self._sent_images
            ),
            inputs=inputs,
            predictions=predictions,
        )
        self._sent |= {keys[name] for name in new}  # not if a value cannot be stored
        sent.update(predictions)
        self._sent_images |= {(*planned.key, name) for name in measured}
        return result

    def _verdict(self, planned: PlannedDemand) -> Verdict:
        """Return the verdict on a demand, as its file states it.

        One without a baseline blocks even if it is optional, unless this is the first release.
        """
        key = *planned.key, planned.thresholds.path
        if key not in self._evidence:
            selected = self._gate.selected(*planned.key)
            demands = (other.demand for other in selected if other.thresholds.path == planned.thresholds.path)
            self._evidence[key] = Evidence(demands, partial(self._find, planned))
        demand = planned.demand
        if self._gate.approved.is_first_release and self._lacks_baseline(demand):
            demand = replace(demand, optional=True)
        return replace(self._evidence[key].verdict(demand, planned.thresholds.policy), demand=planned.demand)

    def _find(self, planned: PlannedDemand, demand: Demand) -> Judged:
        """Return the evidence on a demand of the model and file of a planned one."""
        gate = self._gate
        if self._lacks_baseline(demand) and gate.approved.is_first_release:
            reason = "first release: there is no baseline yet (--quba-first-release)"
            return Unmeasurable(demand.dimension, reason, missing_data=True)
        if self._lacks_baseline(demand) and gate.approved.stated:
            return Unmeasurable(demand.dimension, gate.approved.reason_for_none)
        run = self._run(planned.key)
        if demand.is_on_grade and (unreachable := gate.unreachable_grade(planned)):
            return unreachable
        if demand.is_on_grade:
            outcomes = map(run.outcome, demand.dimensions)
            measured = {
                outcome.dimension: outcome for outcome in outcomes if isinstance(outcome, Measurement)
            }
            return grade_of(planned.thresholds, measured, planned.protocol, gate.suite.facts)
        reference = gate.loaded.references.get(planned.protocol)
        baseline: Baseline | None = gate.approved.run
        if baseline is None and reference is not None:
            baseline = LiveRun(reference, file=f"the reference {reference.row.name}")
        return evidence_in(run, demand, baseline)

    def _lacks_baseline(self, demand: Demand) -> bool:
        """True if a demand is on a comparison, and there is nothing to compare with."""
        needs_it = demand.needs_baseline or self._gate.options.reference is None
        return demand.is_comparative and needs_it and self._gate.approved.is_missing


def _properties(verdict: Verdict, protocol: ProtocolName) -> dict[str, float | str]:
    """Return the JUnit properties of a verdict, with the interval of its message."""
    properties: dict[str, float | str | None] = {"value": verdict.value}
    if verdict.curve is not None and not isinstance(verdict.value, str):
        lower, upper = verdict.curve.interval(verdict.policy.confidence)
        properties |= {"interval_lower": lower, "interval_upper": upper}
    if verdict.outcome == "waived":
        properties["waiver"] = str(verdict.demand.waiver)
    properties |= {"groups": verdict.groups, "effective_images": verdict.effective}
    properties["title"] = verdict.demand.title or None
    properties |= {verdict.demand.key: verdict.demand.bound, "unit": verdict.unit, "protocol": protocol}
    return {name: value for name, value in properties.items() if value is not None}


@contextmanager
def _named_arguments() -> Iterator[None]:
    """Name arguments of Python in the messages of errors, in place of pytest's options."""
    try:
        yield
    except UserError as error:
        named = partial(_FLAG.sub, lambda flag: _ARGUMENTS.get(flag[0], flag[0]))
        error.args = (named(str(error)),)
        vars(error).update(
            {key: named(value) for key, value in vars(error).items() if isinstance(value, str)}
        )
        raise


@_named_arguments()
def judge(
    model: str,
    data: str | Path | None = None,
    thresholds: str | Path | None = None,
    *,
    options: Options = Options(),
    record: str | Path | None = None,
) -> Record:
    """Judge a model by a threshold file, and return the record of the run.

    Nothing is printed. Predictions are kept in the store; no other file is written, unless `record` names
    one.

    Args:
        model: a model spec.
        data: a data folder or its URL; None for that of a demo model, else `$QUBA_DATA`.
        thresholds: a threshold file or shipped profile; None for the file that `pytest --model` reads.
        options: how the model runs, and what it is compared with.
        record: JSON file for the record, with the per-image results next to it.

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
    if not isinstance(options, Options):
        raise OptionError(
            where="judge: options",
            got=type(options).__name__,
            allowed="quba_check.Options, such as Options(limit=5000)",
        )
    for name in sorted(_OF_PYTEST):
        if value := getattr(options, name):
            raise OptionError(
                "judge does not read it",
                where=f"Options.{name}",
                got=f"'{value}'",
                hint="Leave it out: model, data, thresholds and record are arguments of judge.",
            )
    root = Path.cwd()
    given = {option.key: getattr(options, option.field) for option in OPTIONS}
    given |= {"quba_model": [model], "quba_data": data, "quba_record": record}
    checked = Options.parse(given, root)
    if checked.record is not None:
        remove_stale_records(checked.record, [model], checked.baseline)
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
    list(prepare(gate, demands))  # its texts are for a terminal
    collector = ResultCollector()
    judge_of_session = Judge(gate)
    for planned in demands:
        try:
            collector.add(judge_of_session.judge(planned))
        except QubaError as error:
            collector.crashed[planned.node_id] = str(error)
    selected = {planned.node_id for planned in demands}
    (record,) = collector.records(gate, demands, selected, interrupted=False, stopped=False)
    path = gate.options.record
    if path is not None:
        write_record(record, path)
        write_images(collector.images_of(record), path)
    return record
