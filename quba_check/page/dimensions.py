"""The dimensions of a page: values, words, charts and parts."""

from __future__ import annotations

import inspect
import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from quba_check.core.dimension import PUBLISHED_DIMENSIONS, Dimension
from quba_check.dimensions import registry
from quba_check.grading.notes import CROSS_PROTOCOL
from quba_check.number_format import format_value
from quba_check.page.columns import Column, Reference
from quba_check.page.figure import Figure, distribution
from quba_check.page.figures import figures, parts_rows
from quba_check.records.measurement import MeasurementRow, UnmeasurableRow
from quba_check.reports.cells import interval_cell
from quba_check.reports.verdict_labels import Label, label, most_severe

_ARXIV = re.compile(r"arXiv (\d{4}\.\d{4,5})")


@dataclass(frozen=True, slots=True)
class Value:
    """The value of a dimension for one record.

    Attributes:
        column: the record.
        text: the value; a dash if there is none.
        interval: its interval; empty if unknown.
        n: number of images, as text; empty if it does not depend on images.
        better_than: share of the population with a worse value, in words; empty without comparable values.
        label: most severe label of the demands on the dimension itself, not on parts; None without.
        problem: the reason for a missing value, or a caveat of the value; else empty.
        notes: notes on the value.
    """

    column: Column
    text: str
    interval: str = ""
    n: str = ""
    better_than: str = ""
    label: Label | None = None
    problem: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DimensionSection:
    """A section on one dimension.

    Attributes:
        name: its name.
        registered: the dimension; None for a custom one that is not registered.
        better: `higher is better` or `lower is better`.
        values: the values, one per record.
        figures: charts and small tables.
        parts: the parts: name, then a value for each record.
    """

    name: str
    registered: Dimension | None
    better: str
    values: tuple[Value, ...]
    figures: tuple[Figure, ...]
    parts: tuple[tuple[str, ...], ...]


def dimension_sections(columns: Sequence[Column], population: Reference) -> tuple[DimensionSection, ...]:
    """Return a section for each measured dimension, the published ones first."""
    recorded = [name for column in columns for name in column.record.measured]
    names = dict.fromkeys([*(name for name in PUBLISHED_DIMENSIONS if name in recorded), *recorded])
    return tuple(_section(name, columns, population) for name in names)


def _section(name: str, columns: Sequence[Column], population: Reference) -> DimensionSection:
    registered = next((dimension for dimension in registry if dimension.name == name), None)
    measured = [row for column in columns if (row := column.measured(name)) is not None]
    better = registered.better if registered else next((row.better for row in measured), None)
    return DimensionSection(
        name=name,
        registered=registered,
        better={"high": "higher is better", "low": "lower is better"}.get(better or "", ""),
        values=tuple(_value(name, column, population) for column in columns),
        figures=(*figures(name, columns), *_population_figure(name, columns, population)),
        parts=tuple(parts_rows(columns, name)),
    )


def heading(name: str) -> str:
    """Return the name of a dimension in plain words.

    >>> heading("ood_robustness"), heading("shape_bias")
    ('OOD robustness', 'Shape bias')
    """
    words = name.replace("_", " ")
    return f"OOD{words[3:]}" if words.startswith("ood ") else f"{words[:1].upper()}{words[1:]}"


def formula(dimension: Dimension) -> str:
    """Return the definition from the documentation of the measure; empty if there is none."""
    return " ".join((inspect.getdoc(dimension.measure) or "").partition("\n\n")[0].split())


def paper(source: str) -> str:
    """Return the address of a source's paper; empty if unknown."""
    arxiv = _ARXIV.search(source)
    return f"https://arxiv.org/abs/{arxiv[1]}" if arxiv else ""


def _value(name: str, column: Column, population: Reference) -> Value:
    row = column.record.measurements.get(name)
    verdicts = column.record.verdicts
    worst = most_severe(row for row in verdicts if row.dimension == name and row.part is None)
    verdict_label = None if worst is None else label(worst)
    if not isinstance(row, MeasurementRow) or "" in row.unmeasured:
        reason = f"unmeasurable: {row.unmeasurable}" if isinstance(row, UnmeasurableRow) else "not measured"
        return Value(column, "–", label=verdict_label, problem=reason)
    n = row.different_images
    return Value(
        column=column,
        text=format_value(row.value, row.unit),
        interval=interval_cell(row, " to "),
        n="" if n is None else f"{n:,}",
        better_than=_better_than(name, row, column, population),
        label=verdict_label,
        problem="; ".join(f"masked, no evidence of robustness: {sign}" for sign in row.masked),
        notes=row.notes,
    )


def _better_than(name: str, row: MeasurementRow, column: Column, population: Reference) -> str:
    values = population.values(name)
    if not values or not population.is_comparable(name, column.record):
        return ""
    is_low = row.better == "low"
    worse = len(values) - bisect_right(values, row.value) if is_low else bisect_left(values, row.value)
    return f"better than {math.floor(100 * worse / len(values))} % of {population.name}"


def _population_figure(name: str, columns: Sequence[Column], population: Reference) -> Iterator[Figure]:
    """Yield the population's values with those of comparable records, if both are known."""
    values = population.values(name)
    names = [column.short for column in columns]
    rows = {
        column: row
        for column in columns
        if (row := column.measured(name)) and not population.difference(column.record)
    }
    if not values or not rows:
        return
    record_values = {column.number: row.value for column, row in rows.items()}
    unit = next(iter(rows.values())).unit
    caption = f"{len(values):,} models of the population {population.name}, with their median."
    if name in CROSS_PROTOCOL and any(population.has_other_protocol(column.record) for column in rows):
        caption += " Its protocol defines this dimension differently, so the values are not comparable."
    yield Figure(caption, distribution(values, record_values, names, unit))
