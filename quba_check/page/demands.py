"""The demands of a page: one row each, with a verdict for each record."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from quba_check.comparison.stored_run import THIS_RUN, StoredRun
from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.core.explanation import Explanation
from quba_check.number_format import counted, interval_text
from quba_check.page.columns import Column, Reference
from quba_check.page.drawing import Chart
from quba_check.page.pictures import DemandPictures, PicturesByDemand
from quba_check.page.strips import Bounded, interval_chart, shared_range
from quba_check.records.record import Record
from quba_check.records.verdict import DROPS, LOSSES, QUBA, BoundKey, VerdictRow
from quba_check.reports.cells import bound_text, value_text, worst_part
from quba_check.reports.unmet_demands import PICTURES, next_step
from quba_check.reports.verdict_labels import LABELS, Label, label, most_severe

_SIGNS: Mapping[BoundKey, str] = {"min": "≥", "max": "≤", **dict.fromkeys(DROPS, "≤")}


@dataclass(frozen=True, slots=True)
class DemandCell:
    """The verdict on a demand for one record.

    Attributes:
        column: the record.
        verdict: the verdict's row in the record.
        label: its label, such as `FAIL`.
        bound: the bound as text.
        value: the value as text; a dash if there is none.
        interval: its interval as text; empty if unknown.
        headline: the outcome in a sentence.
        details: facts behind it: worst parts, number of images, images needed to decide, notes.
        chart: the interval drawn against the bound; None without a number.
        pictures: pictures of images behind the failure; None without.
        advice: next steps for an unmet demand, see `advice`.
    """

    column: Column
    verdict: VerdictRow
    label: Label
    bound: str
    value: str
    interval: str
    headline: str
    details: tuple[str, ...]
    chart: Chart | None
    pictures: DemandPictures | None
    advice: tuple[tuple[str, str], ...]

    @property
    def is_noisy(self) -> bool:
        """True if another sample of the same size could flip the verdict."""
        return self.verdict.within_noise and self.label in ("PASS", "FAIL", "WARN", "INFO")


@dataclass(frozen=True, slots=True)
class DemandView:
    """A demand of a threshold file.

    Attributes:
        address: value of `d` in the page's address, unique on the page.
        cells: the verdicts, by number of the record.
    """

    address: str
    cells: Mapping[int, DemandCell]

    @property
    def row(self) -> VerdictRow:
        """The verdict for the first record: target, tier, file and line are those of all."""
        return next(iter(self.cells.values())).verdict

    @property
    def bounds(self) -> tuple[str, ...]:
        """The bound as text, one per distinct bound of the records."""
        return tuple(dict.fromkeys(cell.bound for cell in self.cells.values()))

    @property
    def link(self) -> str:
        """Its address as the fragment of a link."""
        return f"d={quote(self.address, safe='')}"

    @property
    def worst(self) -> DemandCell:
        """The cell with the most severe verdict."""
        return min(self.cells.values(), key=lambda cell: LABELS.index(cell.label))


def demands(
    columns: Sequence[Column], baseline: StoredRun | None, population: Reference, pictures: PicturesByDemand
) -> tuple[DemandView, ...]:
    """Return the demands of all records, failed ones first."""
    groups: dict[tuple[str, str], dict[Column, VerdictRow]] = {}
    for column in columns:
        for row in column.record.verdicts:
            verdicts = groups.setdefault((row.file, row.name), {})
            # Several files can extend the one with the demand, under other policies.
            verdicts[column] = most_severe([verdicts.get(column, row), row]) or row
    views = []
    for address, rows in zip(_addresses([*groups.values()]), groups.values(), strict=True):
        judged = [(column, row, row.explanation) for column, row in rows.items()]
        bounded = [_bounded(*verdict, baseline, population) for verdict in judged]
        ends = shared_range(filter(None, bounded))  # the charts of a demand share an axis
        cells = {}
        for (column, row, known), data in zip(judged, bounded, strict=True):
            headline, details = _message(row, known, column.record)
            demand_pictures = pictures.get((column.number, row.id))
            cells[column.number] = DemandCell(
                column=column,
                verdict=row,
                label=label(row),
                bound=" ".join(filter(None, (LOSSES.get(row.key), _bound_text(row, column.record)))),
                value=_value_text(row, known),
                interval=_interval_text(known),
                headline=headline,
                details=details,
                chart=None if data is None else interval_chart(data, ends),
                pictures=demand_pictures,
                advice=tuple(advice(column.run, row, baseline, has_pictures=bool(demand_pictures))),
            )
        views.append(DemandView(address, cells))
    return tuple(sorted(views, key=lambda demand: LABELS.index(demand.worst.label)))


def _addresses(demands: Sequence[Mapping[Column, VerdictRow]]) -> Iterator[str]:
    """Yield a unique address for each demand, from its verdicts by record.

    It is the target, with the bound and the file where others have the same.
    """
    rows = [next(iter(verdicts.values())) for verdicts in demands]
    by_target = Counter(row.target for row in rows)
    by_name = Counter(row.name for row in rows)
    for row in rows:
        name = row.name if by_name[row.name] == 1 else f"{row.file}::{row.name}"
        yield re.sub(r"\s", "_", row.target if by_target[row.target] == 1 else name)


def _bound_text(row: VerdictRow, record: Record) -> str:
    """Return sign and bound, such as `≥ 0.93`."""
    return bound_text(row, record.bounded(row), signs=_SIGNS)


def _message(row: VerdictRow, known: Explanation, record: Record) -> tuple[str, tuple[str, ...]]:
    """Return headline and details; those of a pass are not in its record."""
    if row.outcome != "pass" or known.value is None:
        return known.headline or f"{row.shown_name}: {row.outcome}", known.lines
    target = " ".join(filter(None, (row.shown_target, LOSSES.get(row.key))))
    headline = f"{target} {_value_text(row, known)} meets the bound {_bound_text(row, record)}"
    quantity = record.judged(row)
    worst = "" if quantity is None or row.key in DROPS else worst_part(row.dimension, quantity)
    is_by_group = quantity is not None and quantity.groups == quantity.n  # of a decided set
    n = "" if known.n is None else f"n = {counted(known.n, 'group' if is_by_group else 'image')}"
    return headline, tuple(filter(None, (worst and f"worst part: {worst}", n)))


def _value_text(row: VerdictRow, known: Explanation) -> str:
    if isinstance(known.value, str | None):
        return known.value or "–"
    return value_text(known.value, known.unit, row.bound)


def _interval_text(known: Explanation) -> str:
    text = interval_text(known.interval, known.unit, known.n, between=" to ")
    return f"score {text}" if text and isinstance(known.value, str) else text


def _bounded(
    column: Column, row: VerdictRow, known: Explanation, baseline: StoredRun | None, population: Reference
) -> Bounded | None:
    """Return a number with its bound, baseline and median; None without number."""
    if not isinstance(known.value, float) or isinstance(row.bound, str):
        return None
    is_value = row.key in ("min", "max") and not row.is_on_grade
    before = baseline.value_of(row.dimension, row.part) if baseline is not None and is_value else None
    return Bounded(
        value=known.value,
        bound=row.bound,
        is_minimum=row.key == "min",
        unit=known.unit,
        interval=known.interval,
        baseline=None if before is None else before.value,
        median=population.median(row.dimension, column.record) if is_value and row.part is None else None,
        series=column.number,
    )


def advice(
    run: StoredRun, row: VerdictRow, baseline: StoredRun | None, *, has_pictures: bool
) -> Iterator[tuple[str, str]]:
    """Yield next steps for an unmet demand: keys of demands.html, with commands or empty texts."""
    if row.is_met:
        return
    if row.outcome in ("not run", "unmeasurable"):
        yield row.outcome, ""
    elif row.outcome == "fail" and row.explanation.reason:
        yield "masked", ""
    elif row.dimension in (*PUBLISHED_DIMENSIONS, QUBA):
        yield row.dimension, ""
    path = "" if run.file == THIS_RUN else run.file
    step = next_step(row, run.record, path, "" if baseline is None else baseline.file)
    if step and not (has_pictures and PICTURES in step):
        yield "cause", step
