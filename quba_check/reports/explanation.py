"""A record explained on one page of text, and its slices, the worst first."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter

from quba_check.core.measurement import Cell
from quba_check.errors import UserError
from quba_check.messages import listed
from quba_check.number_format import format_value
from quba_check.records.measurement import MeasurementRow, QuantityRow, UnmeasurableRow
from quba_check.records.record import Record
from quba_check.reports.cells import interval_cell
from quba_check.reports.notes import grade_line, record_notes
from quba_check.reports.tables import table_text, terminal_width, wrapped
from quba_check.reports.verdict_labels import release_line, summary_line
from quba_check.stats.rank_statistics import holm_adjusted
from quba_check.study.explanation import Position, RecordExplanation
from quba_check.verdicts.explanation import confusion_text

SLICE_HEADINGS = ("slice", "images", "value", "gap", "p (Holm)")
MOST_SLICES = 20
MOST_NAMED = 10
LEAST_IMAGES = 50
"""Images of a slice that is compared, unless stated."""
LEGEND = (
    "gap: how much worse the slice is than all other images; p: of a slice that is no worse, adjusted for "
    "the number of slices"
)
_SMALLEST_P = 1e-4


def slices_text(record: Record, dimension: str, least: int) -> str:
    """Return the slices of all columns in a table, each compared with all other images.

    Args:
        record: the record.
        dimension: name of the dimension.
        least: number of images below which a slice is only named.

    Raises:
        UserError: the record has no slices of the dimension.
    """
    row = record.measured.get(dimension)
    gaps = {} if row is None else row.slice_gaps
    if row is None or not gaps:
        measured = [name for name, row in record.measured.items() if row.slice_gaps]
        raise UserError(
            f"the record has no slices of {dimension}",
            where=record.model.name,
            allowed=listed(measured) or "a run on a suite whose manifest declares slices",
        )
    p_values = worst_slices(row, least)
    values = row.slice_values
    rows = [
        (
            name,
            f"{gaps[name].different_images or 0:,}",
            slice_text(values[name]),
            format_value(gaps[name].value, row.unit),
            "<0.0001" if p_value < _SMALLEST_P else f"{p_value:.2g}",
        )
        for name, p_value in list(p_values.items())[:MOST_SLICES]
    ]
    without = [name for column in row.slices.values() for name in column.unmeasured]
    small = [name for name in (*values, *without) if name not in p_values]
    cut = f"shown: {MOST_SLICES} of {len(p_values):,}" if len(p_values) > MOST_SLICES else ""
    omitted = f"not compared: {listed(small, MOST_NAMED)}" if small else ""
    notes = wrapped(filter(None, (LEGEND, cut, omitted)), terminal_width())
    table = table_text(SLICE_HEADINGS, rows, SLICE_HEADINGS[1:], cut=["slice"], width=terminal_width())
    return f"{record.model.name} on {record.suite.name}: {dimension}\n{table}{notes}"


def worst_slices(row: MeasurementRow, least: int) -> dict[str, float]:
    """Return the p-value (Holm) of each slice of `least` images or more, worst first."""
    large = {name: gap for name, gap in row.slice_gaps.items() if (gap.different_images or 0) >= least}
    curves = [gap.curve for gap in large.values()]
    adjusted = holm_adjusted([1.0 if curve is None else curve.p_value_above(0.0) for curve in curves])
    p_values = dict(zip(large, adjusted, strict=True))
    return dict(sorted(p_values.items(), key=lambda item: (item[1], -large[item[0]].value)))


def slice_text(quantity: QuantityRow) -> str:
    """Return a value with its interval."""
    value = format_value(quantity.value, quantity.unit)
    interval = interval_cell(quantity)
    return f"{value} ({interval})" if interval else value


WIDTH = 80
MOST_LINES = 60
PARTS = 2
NAMED = 4
"""Parts of each dimension, and dimensions of each sentence."""
MOST_ROWS = 16
"""Largest number of dimensions in the table."""
HEADINGS = ("dimension", "value", "interval", "better than", "one point")


def explanation_text(explanation: RecordExplanation) -> str:
    """Return at most 60 lines of at most 80 columns.

    Caveats that do not fit are counted.
    """
    record = explanation.record
    heading = f"{record.model.name} on {record.suite.name}, protocol {record.protocol}"
    verdict = summary_line(record) + (f"; {release_line(record)}" if record.verdicts else "")
    text = wrapped([heading, verdict, *_comparison(explanation), ""], WIDTH) + _table(explanation)
    parts = list(_part_lines(explanation.positions))
    if parts:
        heading = "parts that cost most (gain if the part were as good as the mean of the others):"
        text += wrapped(["", heading, *parts], WIDTH)
    worst = list(_worst(record))
    if worst:
        text += wrapped(["", *worst], WIDTH)
    return text + _caveats_text(list(_caveats(explanation)), MOST_LINES - text.count("\n"))


def _caveats_text(caveats: Sequence[str], room: int) -> str:
    """Return the caveats that fit into a number of lines, and count the others."""
    text = "\ncaveats:\n" if caveats else ""
    for index, caveat in enumerate(caveats):
        more = wrapped([f"  {caveat}"], WIDTH)
        left = len(caveats) - index
        if (text + more).count("\n") + (left > 1) > room:
            return f"{text}  and {left} more, which the run's own report lists\n"
        text += more
    return text


def _comparison(explanation: RecordExplanation) -> Iterator[str]:
    if explanation.other_suite:
        yield f"not compared: {explanation.other_suite}; --population NAME compares them nevertheless"
        return
    yield from (grade_line(explanation.grade, explanation.record), "")
    name = explanation.population.name
    for heading, positions, empty in (
        ("strong", explanation.strengths, "nothing is better than 70 % of the models"),
        ("weak", explanation.weaknesses, "nothing is worse than 70 % of the models"),
    ):
        texts = (f"{position.name} (better than {_percent(position)})" for position in positions)
        yield f"{heading} against {name}: {listed(texts, NAMED) or empty}"


def _percent(position: Position) -> str:
    return "-" if position.better_than is None else f"{math.floor(position.better_than)} %"


def _table(explanation: RecordExplanation) -> str:

    rows = []
    for position in explanation.positions[:MOST_ROWS]:
        value = position.state
        interval = ""
        measured = position.measured
        if measured is not None:
            value = format_value(measured.value, measured.unit)
            interval = "masked" if position.state else interval_cell(measured)
        point = "-" if position.point is None else f"+{position.point:.3f}"
        rows.append((position.name, value, interval, _percent(position), point))
    columns = slice(3 if explanation.other_suite else 5)
    text = table_text(
        HEADINGS[columns], [row[columns] for row in rows], ("value", "better than", "one point")
    )
    more = len(explanation.positions) - MOST_ROWS
    if more > 0:
        text += f"and {more} custom dimensions\n"
    if explanation.other_suite:
        return text
    footnote = "one point: gain of the score if the value gets better by 0.01, parameters by one million"
    return text + wrapped([footnote], WIDTH)


def _part_lines(positions: Iterable[Position]) -> Iterator[str]:

    for position in positions:
        costs = ", ".join(
            f"{part.name} {format_value(part.value, part.unit)} ({format_value(part.cost, part.unit)})"
            for part in position.costs[:PARTS]
        )
        if costs or position.detail:
            yield f"  {position.name}: {costs or position.detail}"


def _worst(record: Record) -> Iterator[str]:
    """Yield the worst class, slice and confusion that the record has."""
    classes = _rows(record, "classes", "classes", "class", "images", "recall")
    classes = classes or _rows(record, "class_balance", "classes", "class", "images", "accuracy")
    if classes:
        name, images, recall = min(classes, key=itemgetter(2))
        yield f"worst class: {name}, recall {format_value(float(recall), 'fraction')} (n = {images:,})"
    accuracy = record.measured.get("accuracy")
    if accuracy is not None:
        for slice_name in list(worst_slices(accuracy, LEAST_IMAGES))[:1]:
            yield f"worst slice: {slice_name}, accuracy {slice_text(accuracy.slice_values[slice_name])}"
    columns = ("label", "predicted", "images", "share")
    dimensions = ("classes", "class_balance", "accuracy")
    rows = (row for name in dimensions for row in _rows(record, name, "confusions", *columns))
    for confusion in [row for row in rows if row[3]][:1]:
        yield f"most frequent confusion: {confusion_text(*confusion)}"


def _rows(record: Record, dimension: str, table: str, *columns: str) -> list[tuple[Cell, ...]]:
    """Return the rows of a table that have images and a last number."""
    row = record.measured.get(dimension)
    rows = [] if row is None else row.table_rows(table, *columns)
    return [row for row in rows if all(isinstance(cell, int | float) for cell in row[-2:]) and row[-2]]


def _caveats(explanation: RecordExplanation) -> Iterator[str]:

    yield from explanation.caveats
    notes = (*explanation.record.warnings, *record_notes(explanation.record))
    yield from (note for note in notes if note not in explanation.caveats)
    for name, row in explanation.record.measurements.items():
        if isinstance(row, UnmeasurableRow):
            caveat = f"{name}: unmeasurable: {row.unmeasurable}"
            if caveat not in notes:
                yield caveat
