"""The records of a page, with short unique names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from quba_check.comparison.stored_run import StoredRun
from quba_check.page.drawing import Chart, mark
from quba_check.records.measurement import Cell, MeasurementRow, QuantityRow
from quba_check.records.record import Record

LONGEST_NAME = 40
"""Largest length of a name in a chart or a heading of a column."""


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """A record of the page.

    Attributes:
        number: its position, from 0; mark and colour follow it.
        run: the record with its per-image results.
        name: unique name: that of the model, with protocol, suite or file if others have the same.
    """

    number: int
    run: StoredRun
    name: str

    @property
    def record(self) -> Record:
        """The record."""
        return self.run.record

    @property
    def short(self) -> str:
        """The name, cut to fit a chart."""
        return shorten(self.name)

    @property
    def mark(self) -> Chart:
        """Its mark, as in charts."""
        return Chart(14, 14, "", "", (mark(self.number, 7, 7),))

    def measured(self, dimension: str) -> MeasurementRow | None:
        """Return the measurement of a dimension; None if it has no value."""
        row = self.record.measurements.get(dimension)
        return row if isinstance(row, MeasurementRow) else None

    def table_rows(self, dimension: str, name: str, *columns: str) -> list[tuple[Cell, ...]]:
        """Return the cells of some columns of a dimension's table, row by row."""
        row = self.measured(dimension)
        return [] if row is None else row.table_rows(name, *columns)

    def parts(self, dimension: str) -> Mapping[str, QuantityRow]:
        """Return the parts of a dimension; empty if it has no value."""
        row = self.measured(dimension)
        return {} if row is None else row.parts


def columns(runs: Sequence[StoredRun]) -> tuple[Column, ...]:
    """Return the records in their order, with unique names."""
    names = [run.record.model.name for run in runs]
    for distinction in (
        [run.record.protocol for run in runs],
        [run.record.suite.name for run in runs],
        [run.file for run in runs],
        [str(index + 1) for index in range(len(runs))],
    ):
        counts = Counter(names)
        if len(counts) < len(names) and len(set(distinction)) > 1:
            names = [
                f"{name} ({more})" if counts[name] > 1 else name
                for name, more in zip(names, distinction, strict=True)
            ]
    return tuple(Column(index, run, name) for index, (run, name) in enumerate(zip(runs, names, strict=True)))


def shorten(text: str, longest: int = LONGEST_NAME) -> str:
    """Return text cut to a length, with an ellipsis.

    >>> shorten("a long name", 6)
    'a lon…'
    """
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
