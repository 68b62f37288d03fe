"""The published population next to the screened one: results that suspect values change."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.dimensions import registry
from quba_check.grading import Population, published_models
from quba_check.grading.published import published_population, screened_population
from quba_check.study.statistics import (
    CONTRASTS,
    ZERO_SHOT,
    Correlation,
    GroupComparison,
    GroupContrast,
    correlations,
    group_comparisons,
)

NEVER_SUSPECT = ("accuracy", "object_focus", "shape_bias")
"""The dimensions without a suspect value."""
GroupOutcome = Literal["better", "worse", "open", "untested"]
"""Significantly better or worse, no significant difference, or too few values."""


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


@dataclass(frozen=True, slots=True)
class PaperFinding:
    """A finding of the paper with the comparisons that bear on it.

    Attributes:
        claim: the finding in short.
        contrast: the groups.
        published: comparisons with all values, by dimension.
        screened: the same without suspect values.
    """

    claim: str
    contrast: GroupContrast
    published: tuple[GroupComparison, ...]
    screened: tuple[GroupComparison, ...]


_CLAIMS: tuple[tuple[str, tuple[GroupContrast, ...], tuple[str, ...]], ...] = (
    (
        "Zero-shot vision-language models have a high class balance and are robust to domain shift.",
        tuple(one for one in CONTRASTS if one.attribute == ZERO_SHOT),
        ("class_balance", "ood_robustness"),
    ),
    (
        "Self-supervised training improves most dimensions.",
        tuple(one for one in CONTRASTS if one.group == "self-supervised"),
        PUBLISHED_DIMENSIONS,
    ),
    (
        "More training data improve most dimensions.",
        tuple(one for one in CONTRASTS if one.attribute == "pretraining"),
        PUBLISHED_DIMENSIONS,
    ),
)
"""The three findings of the paper's abstract, with the contrasts and dimensions that bear on them."""


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


def findings() -> tuple[PaperFinding, ...]:
    """Return the findings of the paper's abstract with both populations' comparisons."""
    both = [group_comparisons(each) for each in (published_population(), screened_population())]
    return tuple(
        PaperFinding(
            claim,
            contrast,
            *(
                tuple(row for row in rows if row.contrast == contrast and row.dimension in dimensions)
                for rows in both
            ),
        )
        for claim, contrasts, dimensions in _CLAIMS
        for contrast in contrasts
    )


def outcome(row: GroupComparison) -> GroupOutcome:
    """Return the result of a comparison, by the better direction of its dimension."""
    if row.result is None:
        return "untested"
    if not row.is_significant:
        return "open"
    return "better" if (row.result.delta > 0) == (registry[row.dimension].better == "high") else "worse"
