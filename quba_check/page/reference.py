"""The population that a page compares with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from quba_check.comparison.stored_run import StoredRun
from quba_check.grading.notes import CROSS_PROTOCOL, suite_difference
from quba_check.grading.population import Population
from quba_check.grading.reference import BUILT_IN, population
from quba_check.records.record import Record


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
        """Return the median of a dimension; None without comparable population."""
        values = self.values(dimension)
        return median(values) if values and not self.difference(record) else None

    def fits(self, records: Iterable[Record]) -> bool:
        """True if it was measured on the suite of a record."""
        return self.population is not None and not all(map(self.difference, records))

    def crosses(self, dimension: str, record: Record) -> bool:
        """True if the population's protocol defines the dimension differently."""
        return (
            self.population is not None
            and self.population.protocol != record.protocol
            and dimension in CROSS_PROTOCOL
        )


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
    names = [grade.population for run in runs for grade in run.record.grades]
    for name in names:
        if name in BUILT_IN:
            return Reference(population(name))
    for name in BUILT_IN:
        built_in = population(name)
        if runs and built_in.suite == runs[0].record.suite.name:
            return Reference(built_in)
    return Reference(None)
