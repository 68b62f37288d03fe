"""The published models in order of their score, with the flags that belong beside any rank."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

from quba_check.grading.grade import letter
from quba_check.grading.published import (
    PublishedModel,
    published_models,
    published_population,
    screened_population,
)
from quba_check.grading.score import full_weights


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a published model stands in a population.

    Attributes:
        model: the model.
        rank: 1 for the highest score; equal scores share the better rank; None where it is not graded.
        score: QUBA score with the default weights, percentile in percent and letter; None likewise.
        percentile: see score.
        letter: see score.
    """

    model: PublishedModel
    rank: int | None
    score: float | None
    percentile: float | None
    letter: str | None

    @property
    def remark(self) -> str:
        """What has to be said beside the rank; empty for a model that nothing puts in doubt."""
        if not self.model.suspect:
            return ""
        suspect = f"suspect: {', '.join(self.model.suspect)}"
        return suspect if self.score is not None else f"not graded ({suspect})"


@cache
def ranking(population: Literal["published", "screened"] = "published") -> tuple[Standing, ...]:
    """All 326 published models, the highest score first, those that are not graded last.

    >>> first = ranking()[0]
    >>> first.rank, first.model.id, round(first.score, 4), first.letter
    (1, 'EVA02-b-21k', 1.0738, 'A')
    """
    reference = published_population() if population == "published" else screened_population()
    weights = full_weights()
    scores = reference.scores(weights)
    graded, ungraded = [], []
    for model, row in zip(published_models(), reference.rows, strict=True):
        if not weights.keys() <= row.values.keys():
            ungraded.append(Standing(model, None, None, None, None))
            continue
        score = reference.score(row.values, weights)
        lower = sum(other < score for other in scores)
        higher = sum(other > score for other in scores)
        percentile = 100 * lower / len(scores)
        graded.append(Standing(model, higher + 1, score, percentile, letter(percentile)))
    return (*sorted(graded, key=lambda standing: standing.rank or 0), *ungraded)
