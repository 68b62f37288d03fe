"""Rows of judged demands, gathered into records: one for each model and protocol."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from quba_check.core.facts import SuiteFacts
from quba_check.core.grade import Grade
from quba_check.core.protocols import ProtocolName
from quba_check.demands.demand import Demand, Thresholds
from quba_check.dimensions import registry
from quba_check.gate.result import DemandResult
from quba_check.gate.session import GateSession
from quba_check.records.conversion import measurements_of
from quba_check.records.measurement import AnyMeasurementRow, NotMeasuredRow
from quba_check.records.per_image import PerImage
from quba_check.records.record import Record, SetRow
from quba_check.records.verdict import GradeRow, VerdictRow
from quba_check.verdicts.derived import grade_of

DEMONSTRATION = "a demonstration: small models on generated images"

STOPPED = "the session ended first"
NOT_CALLED = (
    "pytest did not run its item; a plugin, a conftest.py or an option such as --setup-plan prevented it"
)


@dataclass(frozen=True, slots=True)
class PlannedDemand:
    """A demand that a run selected, under its item's id."""

    node: str
    model: str
    thresholds: Thresholds
    demand: Demand


@dataclass(slots=True)
class ResultCollector:
    """What has been judged so far, and what was to be judged.

    Rows may arrive in any order and may be missing: of a worker that died, or of a run that was stopped.

    Attributes:
        rows: of judged demands, by item id.
        crashed: why demands have no row, by item id.
        images: what was found image by image, by model and protocol.
    """

    rows: dict[str, DemandResult] = field(default_factory=dict)
    crashed: dict[str, str] = field(default_factory=dict)
    images: dict[tuple[str, ProtocolName], PerImage] = field(default_factory=dict)

    def add(self, row: DemandResult) -> None:
        """Take the row of one judged demand; a later one for the same demand replaces it."""
        self.rows[row.verdict.id] = row.model_copy(update={"images": ()})
        key = row.model, row.protocol
        for content in row.images:
            found = PerImage.from_bytes(content, row.verdict.id)
            self.images[key] = self.images.get(key, PerImage()).merged(found)

    def images_of(self, record: Record) -> bytes | None:
        """The content of the file that goes beside a record; None where no image was looked at."""
        found = self.images.get((record.model.name, record.protocol), PerImage())
        return found.to_bytes(record) if found.deviations else None

    def records(
        self,
        run: GateSession,
        planned: Iterable[PlannedDemand],
        selected: Collection[str],
        *,
        interrupted: bool,
        stopped: bool,
    ) -> list[Record]:
        """Return a record for each model and protocol of the selected demands, in their order.

        Args:
            run: the models, the suite and the threshold files.
            planned: all demands of the threshold files.
            selected: item ids of those that were to be judged.
            interrupted: the user stopped the run.
            stopped: the run ended before every selected demand had its turn.
        """
        groups: dict[tuple[str, ProtocolName], list[PlannedDemand]] = {}
        for entry in planned:
            groups.setdefault((entry.model, run.protocol_of(entry.thresholds)), []).append(entry)
        # A protocol of which nothing was selected leaves no record: the model's other one counts its demands.
        left_out = Counter(
            model
            for (model, _), group in groups.items()
            if not any(entry.node in selected for entry in group)
            for _ in group
        )
        return [
            self._record(
                run,
                model,
                protocol,
                chosen,
                unselected=len(group) - len(chosen) + left_out[model],
                interrupted=interrupted,
                unjudged=STOPPED if stopped else NOT_CALLED,
            )
            for (model, protocol), group in groups.items()
            if (chosen := [entry for entry in group if entry.node in selected])
        ]

    def _record(
        self,
        run: GateSession,
        model: str,
        protocol: ProtocolName,
        entries: Sequence[PlannedDemand],
        *,
        unselected: int,
        interrupted: bool,
        unjudged: str,
    ) -> Record:
        evaluation = run.evaluation(model, protocol)
        rows = [self.rows[entry.node] for entry in entries if entry.node in self.rows]
        measured: dict[str, AnyMeasurementRow] = {}
        contents: dict[str, str] = {}
        sets: dict[str, SetRow] = {}
        for row in rows:
            measured |= row.measurements
            contents |= row.contents
            sets |= row.sets
        notes = [
            *([DEMONSTRATION] if run.is_demo else []),
            *evaluation.classifier.notes,
            *run.notes.get(model, ()),
            *run.baseline_notes,
            *(note for row in rows for note in row.notes),
        ]
        return Record(
            model=evaluation.model_row().model_copy(update={"name": model}),
            suite=evaluation.suite_row(contents, sets),
            protocol=protocol,
            measurements={
                name: measured.get(name, NotMeasuredRow(not_measured=True)) for name in registry.names
            },
            verdicts=tuple(
                self.rows[entry.node].verdict
                if entry.node in self.rows
                else _not_run(entry, self.crashed.get(entry.node, unjudged))
                for entry in entries
            ),
            grades=tuple(self._grades(entries, measured, protocol, run.suite.facts)),
            environment=evaluation.environment,
            limit=run.options.limit,
            unselected=unselected,
            interrupted=interrupted,
            notes=tuple(dict.fromkeys(notes)),
        )

    def _grades(
        self,
        entries: Iterable[PlannedDemand],
        measured: Mapping[str, AnyMeasurementRow],
        protocol: ProtocolName,
        suite: SuiteFacts,
    ) -> Iterable[GradeRow]:
        """A grade by each file: the one that was judged, which knows its interval, or one of the values."""
        judged = {
            entry.thresholds.shown: row.grade
            for entry in entries
            if (row := self.rows.get(entry.node)) is not None and row.grade is not None
        }
        files = {entry.thresholds.shown: entry.thresholds for entry in entries}
        for shown, thresholds in files.items():
            if shown in judged:
                yield judged[shown]
                continue
            found = grade_of(
                thresholds,
                measurements_of(measured),
                protocol=protocol,
                suite=suite.name,
                classes=suite.class_count,
                generated_corruptions=suite.generates_corruptions,
            )
            if isinstance(found, Grade):  # why not is said by the verdict of the file's quba demand
                yield GradeRow(file=shown, **asdict(found))


def _not_run(entry: PlannedDemand, reason: str) -> VerdictRow:
    message = f"{entry.demand.name} was not judged: {reason}"
    return entry.demand.verdict_row(entry.node, "not run", message)
