"""Two records beside each other, dimension by dimension and part by part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from quba_check.comparison.compatibility import check_comparable
from quba_check.comparison.difference import Change, RunValue, difference
from quba_check.core.confidence import CONFIDENCE
from quba_check.core.measurement import NO_EVIDENCE, Measurement
from quba_check.core.view import CLEAN_SET
from quba_check.errors import UserError, listed
from quba_check.records.comparison import ChangeRow, Comparison, Finding, SideRow
from quba_check.records.conversion import measured_of
from quba_check.records.measurement import MeasurementRow, QuantityRow
from quba_check.records.per_image import CleanAnswers, PerImage
from quba_check.records.record import Record


@dataclass(frozen=True, slots=True, eq=False)
class StoredRun:
    """A record and what it is called, with what was found image by image where that is there.

    Attributes:
        file: how messages call the record.
        record: the record.
        images: what was found image by image; None where it is not there.
    """

    file: str
    record: Record
    images: PerImage | None = None

    def side(self, dimension: str, part: str | None = None) -> RunValue | None:
        """A number of the run; None where it has none."""
        row = self.record.measurements.get(dimension)
        if not isinstance(row, MeasurementRow) or self.stopped_early(dimension):
            return None
        found: QuantityRow | None = row if part is None else row.parts.get(part)
        if found is None:
            return None
        target = dimension if part is None else f"{dimension}.{part}"
        deviations = {} if self.images is None else self.images.deviations.get(target, {})
        return RunValue(found.value, found.n, found.limits, deviations)

    def measured(self) -> dict[str, Measurement]:
        """The dimensions that have a value over all images, with what each image adds where that is there."""
        per_image: Mapping[str, Any] = {} if self.images is None else self.images.deviations
        return {
            name: replace(found, deviations=per_image.get(name, {}))
            for name, found in measured_of(self.record.measurements).items()
        }

    def clean_answers(self, where: str = "") -> CleanAnswers:
        """Return the answers on the clean set.

        Args:
            where: how a message begins, before the name of the record.

        Raises:
            UserError: the run did not show the model clean images, or its answers are not stored.
        """
        if self.images is not None and self.images.clean is not None:
            return self.images.clean
        record = f"{where}{self.file}"
        if any(self.stopped_early(name) for name in self.record.measurements):
            raise UserError(
                f"{record}: its run was stopped early (--quba-early-stop) and stored no predictions on clean "
                "images. Allowed: a record of a run without that option."
            )
        if self.record.suite.sets and CLEAN_SET not in self.record.suite.sets:
            raise UserError(
                f"{record}: its run did not measure the clean set, only {listed(self.record.suite.sets)}. "
                "Allowed: a record of a run that measured accuracy or another dimension of clean images."
            )
        raise UserError(
            f"{record}: its predictions on clean images are neither next to it nor in the store. "
            "Allowed: a record with its "
            "predictions next to it, of a run that measured the clean set."
        )

    def stopped_early(self, dimension: str) -> bool:
        """Whether a dimension was measured on some of its images only."""
        row = self.record.measurements.get(dimension)
        return isinstance(row, MeasurementRow) and row.stopped is not None

    @property
    def failed(self) -> list[str]:
        """Names of the blocking demands that the run itself did not meet."""
        return [
            f"{row.target}[{row.bound}]"
            for row in self.record.verdicts
            if row.tier == "block" and not row.is_met and row.outcome != "not run"
        ]


def compare(before: StoredRun, after: StoredRun) -> Comparison:
    """What changed from one run to the other.

    Raises:
        UserError: they are of different protocols, suites or class lists, or have no value in common.
    """
    check_comparable(before.record, after.record, before.file, after.file)
    changes = tuple(_changes(before, after))
    if not changes:
        raise UserError(
            f"{before.file} and {after.file} cannot be compared: no dimension has a value in both. "
            "Allowed: two runs that measured one dimension at least on all of its images."
        )
    return Comparison(
        before=_side_row(before),
        after=_side_row(after),
        suite=after.record.suite.name,
        protocol=after.record.protocol,
        changes=changes,
        notes=tuple(_notes(before, after)),
    )


def _changes(before: StoredRun, after: StoredRun) -> Iterator[ChangeRow]:
    for name, row in after.record.measurements.items():
        if not isinstance(row, MeasurementRow):
            continue
        for part, quantity in ((None, row), *row.parts.items()):
            first, second = before.side(name, part), after.side(name, part)
            if first is not None and second is not None:
                yield _row(name, part, quantity, first, second)


def _row(name: str, part: str | None, quantity: QuantityRow, before: RunValue, after: RunValue) -> ChangeRow:
    change = difference(before, after)
    found = change.discordance
    return ChangeRow(
        dimension=name,
        part=part,
        unit=quantity.unit,
        better=quantity.better,
        before=before.value,
        after=after.value,
        change=change.value,
        interval=None if change.curve is None else change.curve.interval(CONFIDENCE),
        finding=_finding(change, quantity),
        paired=change.paired,
        n=after.n,
        p=None if found is None else found.p,
        lost=None if found is None else found.lost,
        gained=None if found is None else found.gained,
    )


def _finding(change: Change, quantity: QuantityRow) -> Finding:
    if quantity.better is None:
        return "unknown"
    if change.curve is None:
        if quantity.n is not None:
            return "unknown"
        low = high = change.value  # nothing is drawn: the numbers are what they are
    else:
        low, high = change.curve.interval(CONFIDENCE)
    if low == high == 0:
        return "same"
    if low <= 0 <= high:
        return "within noise"
    return "better" if (low > 0) == (quantity.better == "high") else "worse"


def _notes(before: StoredRun, after: StoredRun) -> Iterator[str]:
    for run in (before, after):
        if run.images is None:
            yield (
                f"{run.file}: its predictions per image are neither next to it nor in the store; "
                "intervals are those of unpaired runs, which are wider"
            )
        for name, row in run.record.measurements.items():
            if isinstance(row, MeasurementRow) and row.masked:
                yield f"{run.file}: {name} is masked, {NO_EVIDENCE}: {'; '.join(row.masked)}"
        if run.failed:
            yield f"{run.file}: this run fails its own demands: {', '.join(run.failed)}"
    seeds = before.record.environment.seed, after.record.environment.seed
    if seeds[0] != seeds[1]:
        yield (f"seeds differ ({seeds[0]} and {seeds[1]}): random starts and corruptions differ")


def _side_row(run: StoredRun) -> SideRow:
    record = run.record
    return SideRow(
        file=run.file,
        model=record.model.name,
        fingerprint=record.model.fingerprint,
        time=record.environment.time,
    )
