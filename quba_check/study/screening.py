"""The published population next to the screened one: results that suspect values change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations

from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.dimensions import registry
from quba_check.grading import population, published_models
from quba_check.stats.rank_statistics import rank_correlation
from quba_check.study.statistics import (
    CONTRASTS,
    ZERO_SHOT,
    Contrast,
    Correlation,
    GroupComparison,
    correlations,
    group_comparisons,
)

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


@dataclass(frozen=True, slots=True)
class Outcome:
    """The comparisons of a finding in one population.

    Attributes:
        population: its name.
        better: dimensions in which the group is significantly better.
        worse: dimensions in which it is significantly worse.
        open: dimensions without a significant difference.
        untestable: dimensions with too few values.
    """

    population: str
    better: tuple[str, ...]
    worse: tuple[str, ...]
    open: tuple[str, ...]
    untestable: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """A finding of the paper with the comparisons that bear on it.

    Attributes:
        claim: the finding in short.
        contrast: the groups.
        published: comparisons with all values, by dimension.
        screened: the same without suspect values.
    """

    claim: str
    contrast: Contrast
    published: tuple[GroupComparison, ...]
    screened: tuple[GroupComparison, ...]

    @property
    def outcomes(self) -> tuple[Outcome, Outcome]:
        """The outcome with all values, and without suspect ones."""
        return outcome("published", self.published), outcome("screened", self.screened)


_CLAIMS: tuple[tuple[str, tuple[Contrast, ...], tuple[str, ...]], ...] = (
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
    screened = {(one.first, one.second): one for one in _correlations("screened")}
    changes = [
        CorrelationChange(one, screened[one.first, one.second])
        for one in _correlations("published")
        if (one.first, one.second) in screened
    ]
    return tuple(sorted(changes, key=lambda change: -abs(change.difference)))


@cache
def selection_effect() -> float:
    """Return the largest change of a correlation by the selection of models alone.

    Suspect values are removed together with their models. The correlations of dimensions that are never
    suspect, over the models without any suspect value, show the effect of that.
    """
    clean = [model for model in published_models() if not model.suspect]
    changes = []
    for first, second in combinations(NEVER_SUSPECT, 2):
        rhos = [
            result.rho
            for models in (published_models(), clean)
            if (
                result := rank_correlation(
                    [model.values[first] for model in models], [model.values[second] for model in models]
                )
            )
        ]
        changes.append(abs(rhos[1] - rhos[0]))
    return max(changes)


def findings() -> tuple[Finding, ...]:
    """Return the findings of the paper's abstract with both populations' comparisons."""
    both = _comparisons("published"), _comparisons("screened")
    return tuple(
        Finding(
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


def outcome(name: str, rows: Sequence[GroupComparison]) -> Outcome:
    """Return the dimensions of some comparisons by their result.

    Args:
        name: the population.
        rows: comparisons of one contrast.
    """
    groups: dict[str, list[str]] = {"better": [], "worse": [], "open": [], "untestable": []}
    for row in rows:
        if row.result is None:
            key = "untestable"
        elif not row.is_significant:
            key = "open"
        else:
            is_better = (row.result.delta > 0) == (registry[row.dimension].better == "high")
            key = "better" if is_better else "worse"
        groups[key].append(row.dimension)
    return Outcome(name, **{key: tuple(names) for key, names in groups.items()})


@cache
def _correlations(name: str) -> tuple[Correlation, ...]:
    return correlations(population(name))


@cache
def _comparisons(name: str) -> tuple[GroupComparison, ...]:
    return group_comparisons(population(name))
