"""The records of a page with short unique names, and the population to compare with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from quba_check.comparison.stored_run import StoredRun
from quba_check.core.measurement import Cell
from quba_check.grading.notes import CROSS_PROTOCOL, suite_difference
from quba_check.grading.population import Population
from quba_check.grading.population_file import BUILT_IN, population
from quba_check.page.drawing import Chart, mark
from quba_check.page.strips import Point
from quba_check.records.measurement import MeasurementRow, QuantityRow
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
        return self.record.measured.get(dimension)

    def table_rows(self, dimension: str, name: str, *columns: str) -> list[tuple[Cell, ...]]:
        """Return the cells of some columns of a dimension's table, row by row."""
        row = self.measured(dimension)
        return [] if row is None else row.table_rows(name, *columns)

    def point(self, dimension: str, part: str | None) -> Point | None:
        """Return the value of a dimension, or of its part; None if unknown."""
        quantity = self.record.quantity(dimension, part)
        return None if quantity is None else Point(quantity.value, quantity.interval, quantity.unit)

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


def in_common(lists: Sequence[Sequence[object]]) -> list[object]:
    """Return the items that several lists have in common; none for a single list.

    >>> in_common([["a", "b", "c"], ["c", "a"]]), in_common([["a"]])
    (['a', 'c'], [])
    """
    first, *others = lists
    return [item for item in first if others and all(item in other for other in others)]


def shorten(text: str, longest: int = LONGEST_NAME) -> str:
    """Return text cut to a length, with an ellipsis.

    >>> shorten("a long name", 6)
    'a lon…'
    """
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """A population, with the values that a record may be compared with.

    Attributes:
        population: the population; None if no known one has the suite of the records.
    """

    population: Population | None

    @property
    def name(self) -> str:
        """Its name; empty without population."""
        return "" if self.population is None else self.population.name

    def values(self, dimension: str) -> list[float]:
        """Return the values of a dimension, ascending."""
        if self.population is None:
            return []
        return sorted(row.values[dimension] for row in self.population.rows if dimension in row.values)

    def difference(self, record: Record) -> str:
        """Return the difference between the suites of population and record; empty if there is none."""
        if self.population is None:
            return ""
        return suite_difference(self.population, record.suite.name, record.model.classes)

    def median(self, dimension: str, record: Record) -> float | None:
        """Return the median of a dimension; None without comparable values."""
        values = self.values(dimension)
        return median(values) if values and self.is_comparable(dimension, record) else None

    def fits(self, records: Iterable[Record]) -> bool:
        """True if it was measured on the suite of a record."""
        return self.population is not None and not all(map(self.difference, records))

    def is_comparable(self, dimension: str, record: Record) -> bool:
        """True if suite and protocol define a dimension as those of a record do."""
        is_crossed = dimension in CROSS_PROTOCOL and self.has_other_protocol(record)
        return not is_crossed and not self.difference(record)

    def has_other_protocol(self, record: Record) -> bool:
        """True if the population is of another protocol than a record."""
        return self.population is not None and self.population.protocol != record.protocol


def reference(runs: Sequence[StoredRun], given: str | Path | Population | None = None) -> Reference:
    """Return the population of a page.

    Args:
        runs: the records.
        given: a population, its name or file; None for that of the first grade with a known one, else the
            built-in population of the records' suite.

    Raises:
        PopulationError: the given population does not exist or cannot be read.
    """
    if isinstance(given, Population):
        return Reference(given)
    if given is not None:
        return Reference(population(given))
    graded = [grade.population for run in runs for grade in run.record.grades]
    suites = [run.record.suite.name for run in runs[:1]]
    name = next((name for name in graded if name in BUILT_IN), None)
    name = name or next((name for name in BUILT_IN if population(name).suite in suites), None)
    return Reference(None if name is None else population(name))
