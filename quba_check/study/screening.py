"""The published population next to the screened one: results that suspect values change."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

from quba_check.grading import Population, published_models
from quba_check.grading.published import published_population, screened_population
from quba_check.study.statistics import Correlation, correlations

NEVER_SUSPECT = ("accuracy", "object_focus", "shape_bias")
"""The dimensions without a suspect value."""


@dataclass(frozen=True, slots=True)
class CorrelationChange:
    """A correlation with and without suspect values.

    Attributes:
        published: over all published values.
        screened: over the values that are not suspect.
    """

    published: Correlation
    screened: Correlation

    @property
    def difference(self) -> float:
        """Screened minus published."""
        return self.screened.result.rho - self.published.result.rho


def correlation_changes() -> tuple[CorrelationChange, ...]:
    """Return the correlations of both populations, the largest changes first."""
    changes = _changes(published_population(), screened_population())
    return tuple(sorted(changes, key=lambda change: -abs(change.difference)))


def _changes(published: Population, screened: Population) -> list[CorrelationChange]:
    by_pair = {(one.first, one.second): one for one in correlations(screened)}
    return [
        CorrelationChange(one, by_pair[one.first, one.second])
        for one in correlations(published)
        if (one.first, one.second) in by_pair
    ]


def selection_effect() -> float:
    """Return the largest change of a correlation by the selection of models alone.

    Suspect values are removed together with their models. The correlations of dimensions that are never
    suspect, over the models without any suspect value, show the effect of that.
    """
    changes = _changes(published_population(), _without_suspects())
    return max(
        abs(change.difference)
        for change in changes
        if {change.published.first, change.published.second} <= set(NEVER_SUSPECT)
    )


@cache
def _without_suspects() -> Population:
    names = {model.id for model in published_models() if not model.suspect}
    population = published_population()
    return replace(population, rows=tuple(row for row in population.rows if row.id in names))
