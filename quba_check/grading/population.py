"""A reference population: the models that a grade is relative to."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.core.protocols import ProtocolName
from quba_check.errors import PopulationError, listed
from quba_check.grading.score import (
    LEAST_MODELS,
    Normalisation,
    full_weights,
    normalisation,
    score_slopes,
    weighted_score,
)


@dataclass(frozen=True, slots=True)
class PopulationRow:
    """A model of a population.

    Attributes:
        id: its name, unique in the population.
        values: value by dimension name, in the dimension's unit; a dimension without a usable value is
            absent.
    """

    id: str
    values: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Population:
    """Models with their values, and what follows from them.

    Attributes:
        name: what reports call it.
        protocol: the protocol that the values come from.
        suite: name of the suite that they were measured on.
        rows: the models.
        source: where the values are from.
        images: clean images that they were measured on; None if that is not known.
        constants: normalisations that are given instead of computed from the rows, by dimension name.
        classes: number of the suite's classes; None if that is not known.
    """

    name: str
    protocol: ProtocolName
    suite: str
    rows: tuple[PopulationRow, ...]
    source: str = ""
    constants: Mapping[str, Normalisation] = field(default_factory=dict)
    images: int | None = None
    classes: int | None = None

    @cached_property
    def dimensions(self) -> tuple[str, ...]:
        """The dimensions that at least one model has a value of; all others weigh 0."""
        return tuple(name for name in PUBLISHED_DIMENSIONS if any(name in row.values for row in self.rows))

    @cached_property
    def mu(self) -> dict[str, float]:
        """Trimmed mean of each dimension that can be compared, in its unit."""
        return {name: found.mu for name, found in self._comparable.items()}

    @cached_property
    def sigma(self) -> dict[str, float]:
        """Trimmed standard deviation of each dimension that can be compared, in its unit."""
        return {name: found.sigma for name, found in self._comparable.items()}

    @property
    def problems(self) -> dict[str, str]:
        """Why a dimension that some models have a value of cannot be compared, by dimension name."""
        return {name: str(why) for name, why in self._normalised.items() if isinstance(why, PopulationError)}

    def weights(self, weights: Mapping[str, float]) -> dict[str, float]:
        """The given weights, 0 for dimensions that the population lacks."""
        return {name: weight if name in self.dimensions else 0.0 for name, weight in weights.items()}

    def score(self, values: Mapping[str, float], weights: Mapping[str, float]) -> float:
        """QUBA score of some values.

        Args:
            values: value by dimension name; at least those that weigh something here.
            weights: weight by dimension name; the dimensions that the population lacks weigh 0.

        Raises:
            PopulationError: a dimension that weighs something cannot be compared, or nothing weighs anything.
        """
        return weighted_score(values, self._comparable, self._weighing(weights))

    def slopes(self, weights: Mapping[str, float]) -> dict[str, float]:
        """How much the score moves with each dimension that weighs something, per unit of its value."""
        weighing = self._weighing(weights)
        return score_slopes(self._comparable, weighing)

    def scores(self, weights: Mapping[str, float] | None = None) -> tuple[float, ...]:
        """Scores of the models that have a value of every dimension that weighs something, in rising order.

        Raises:
            PopulationError: see `score`; or fewer than ten such models.
        """
        weighing = self._weighing(full_weights() if weights is None else weights)
        complete = [row for row in self.rows if weighing.keys() <= row.values.keys()]
        if len(complete) < LEAST_MODELS:
            raise PopulationError(
                f"population '{self.name}': too few models have all of {listed(weighing)}, "
                f"got {len(complete)}. Allowed: {LEAST_MODELS} or more."
            )
        return tuple(sorted(weighted_score(row.values, self._comparable, weighing) for row in complete))

    def percentile(self, score: float, weights: Mapping[str, float] | None = None) -> float:
        """Share of the population's scores that are lower, in percent [0, 100].

        Args:
            score: the score to place.
            weights: the weights that it was made with; the population is scored with the same.
        """
        scores = self.scores(weights)
        return 100 * bisect_left(scores, score) / len(scores)

    @cached_property
    def _normalised(self) -> dict[str, Normalisation | PopulationError]:
        return {name: self.constants.get(name) or self._computed(name) for name in self.dimensions}

    def _computed(self, name: str) -> Normalisation | PopulationError:
        try:
            return normalisation([row.values[name] for row in self.rows if name in row.values])
        except PopulationError as why:
            return why

    @cached_property
    def _comparable(self) -> dict[str, Normalisation]:
        return {name: found for name, found in self._normalised.items() if isinstance(found, Normalisation)}

    def _weighing(self, weights: Mapping[str, float]) -> dict[str, float]:
        weighing = {name: weight for name, weight in self.weights(weights).items() if weight > 0}
        if not weighing:
            raise PopulationError(
                f"population '{self.name}': it has none of the dimensions with a weight above 0. "
                f"It has values of {listed(self.dimensions) or 'none'}."
            )
        for name in weighing:
            if name in self.problems:
                raise PopulationError(
                    f"population '{self.name}': {name}: {self.problems[name]}. "
                    f"To grade without it, give it the weight 0."
                )
        return weighing
