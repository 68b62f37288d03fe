"""Reference populations, and the QUBA score of values normalised by one."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import numpy as np

from quba_check.core.dimension import PUBLISHED_DIMENSIONS, WEIGHTS, is_weight
from quba_check.core.protocols import ProtocolName
from quba_check.dimensions import registry
from quba_check.errors import PopulationError, UserError
from quba_check.messages import known_names, listed

LEAST_SPREAD = 1e-9
"""Largest difference of values that counts as rounding."""
LEAST_MODELS = 10
"""Smallest number of models in each graded dimension of a population."""


@dataclass(frozen=True, slots=True)
class Normalisation:
    """Mean and spread of a dimension, for the normalisation `(value - mu) / sigma`.

    Attributes:
        mu: trimmed mean, in the dimension's unit.
        sigma: trimmed population standard deviation (ddof 0), in the dimension's unit; positive.
    """

    mu: float
    sigma: float


def has_spread(values: Sequence[float]) -> bool:
    """False if all values are equal, without the lowest and highest tenth."""
    cut = len(values) // 10
    trimmed = sorted(values)[cut : len(values) - cut]
    return trimmed[-1] - trimmed[0] > LEAST_SPREAD


def normalisation(values: Sequence[float]) -> Normalisation:
    """Return mean and standard deviation without the lowest and the highest tenth.

    Of m values, the floor(m / 10) lowest and the floor(m / 10) highest are left out.

    Args:
        values: (m,) finite values of one dimension, one a model, in any order; m >= 10.

    Returns:
        Mean and standard deviation (ddof 0) of the remaining values, in their unit.

    Raises:
        PopulationError: fewer than ten values, a value that is not finite, or no spread.

    Source: arXiv 2503.17110, section 3, as its released constants were computed.

    >>> normalisation([0, 1, 1, 1, 1, 3, 3, 3, 3, 100])
    Normalisation(mu=2.0, sigma=1.0)
    """
    m = len(values)
    if m < LEAST_MODELS:
        raise PopulationError("too few models to compare with", got=f"{m}", allowed=f"{LEAST_MODELS} or more")
    if not all(math.isfinite(value) for value in values):
        raise PopulationError("a value is not a finite number")
    cut = m // 10
    trimmed = np.sort(np.asarray(values, dtype=np.float64))[cut : m - cut]
    if not has_spread(values):
        raise PopulationError(f"no spread to compare with: {len(trimmed)} of {m} models have {trimmed[0]:g}")
    return Normalisation(float(trimmed.mean()), float(trimmed.std()))


@dataclass(frozen=True, slots=True)
class PopulationRow:
    """A model of a population.

    Attributes:
        id: its name, unique in the population.
        values: value by dimension name, in the dimension's unit; without dimensions that lack a usable value.
    """

    id: str
    values: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Population:
    """Models with their values, normalisations and scores.

    Attributes:
        name: its name in reports.
        protocol: the protocol of the values.
        suite: name of the suite of the values.
        rows: the models.
        source: origin of the values.
        images: number of clean images behind the values; None if unknown.
        constants: given normalisations by dimension name, in place of those computed from the rows.
        classes: number of the suite's classes; None if unknown.
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
        """The dimensions with a value of at least one model; all others weigh 0."""
        return tuple(name for name in PUBLISHED_DIMENSIONS if any(name in row.values for row in self.rows))

    @cached_property
    def mu(self) -> dict[str, float]:
        """Trimmed mean of each comparable dimension, in its unit."""
        return {name: scale.mu for name, scale in self._normalised[0].items()}

    @cached_property
    def sigma(self) -> dict[str, float]:
        """Trimmed standard deviation of each comparable dimension, in its unit."""
        return {name: scale.sigma for name, scale in self._normalised[0].items()}

    @property
    def problems(self) -> dict[str, str]:
        """The reasons why dimensions cannot be compared, by dimension name."""
        return self._normalised[1]

    def weights(self, weights: Mapping[str, float]) -> dict[str, float]:
        """Return the given weights, with 0 for dimensions missing from the population."""
        return {name: weight if name in self.dimensions else 0.0 for name, weight in weights.items()}

    def score(self, values: Mapping[str, float], weights: Mapping[str, float]) -> float:
        """Return the QUBA score of some values: the weighted mean of the normalised values.

        Args:
            values: value by dimension name, for each dimension with a weight above 0.
            weights: weight >= 0 by dimension name; dimensions that the population lacks weigh 0.

        Returns:
            sum(w s (x - mu) / sigma) / sum(w), without a unit; s is -1 where lower is better.

        Raises:
            PopulationError: a weighted dimension cannot be compared, or no dimension has a weight above 0.

        Source: arXiv 2503.17110, section 3 (QUBA score).

        >>> constants = {"accuracy": Normalisation(0.8, 0.1), "parameters": Normalisation(50, 10)}
        >>> values = {"accuracy": 0.9, "parameters": 30.0}
        >>> two = Population("two", "standard", "", (PopulationRow("one", values),), constants=constants)
        >>> two.score(values, {"accuracy": 1.0, "parameters": 1.0})
        1.5
        """
        return self._score(values, self._positive_weights(weights))

    def _score(self, values: Mapping[str, float], positive: Mapping[str, float]) -> float:
        terms = (
            weight * (_sign(name) * (values[name] - self.mu[name]) / self.sigma[name])
            for name, weight in positive.items()
        )
        return math.fsum(terms) / math.fsum(positive.values())

    def slopes(self, weights: Mapping[str, float]) -> dict[str, float]:
        """Return the change of the score per unit of each weighted dimension's value."""
        positive = self._positive_weights(weights)
        total = math.fsum(positive.values())
        return {name: _sign(name) * weight / (self.sigma[name] * total) for name, weight in positive.items()}

    def scores(self, weights: Mapping[str, float] | None = None) -> tuple[float, ...]:
        """Return the scores of the models with values of all weighted dimensions, ascending.

        Raises:
            PopulationError: see `score`; or fewer than ten such models.
        """
        positive = self._positive_weights(full_weights() if weights is None else weights)
        return _sorted_scores(self, tuple(positive.items()))

    def percentile(self, score: float, weights: Mapping[str, float] | None = None) -> float:
        """Return the share of lower scores in the population, in percent [0, 100].

        Args:
            score: the score.
            weights: the weights of the score, also used for the population.
        """
        scores = self.scores(weights)
        return 100 * bisect_left(scores, score) / len(scores)

    @cached_property
    def _normalised(self) -> tuple[dict[str, Normalisation], dict[str, str]]:
        """The normalisations of comparable dimensions, and the reasons why the others are not."""
        comparable = dict[str, Normalisation]()
        problems = dict[str, str]()
        for name in self.dimensions:
            try:
                values = [row.values[name] for row in self.rows if name in row.values]
                comparable[name] = self.constants.get(name) or normalisation(values)
            except PopulationError as why:
                problems[name] = str(why)
        return comparable, problems

    def _positive_weights(self, weights: Mapping[str, float]) -> dict[str, float]:
        where = f"population '{self.name}'"
        if not self.rows:
            raise PopulationError("it has no models", where=where, allowed=f"{LEAST_MODELS} or more")
        positive = {name: weight for name, weight in self.weights(weights).items() if weight > 0}
        if not positive:
            raise PopulationError(
                "it has none of the dimensions with a weight above 0",
                where=where,
                hint=f"It has values of {listed(self.dimensions)}.",
            )
        for name in positive:
            if name in self.problems:
                raise PopulationError(
                    self.problems[name],
                    where=f"{where}: {name}",
                    hint="To grade without it, give it the weight 0.",
                )
        return positive


@lru_cache
def _sorted_scores(population: Population, weights: tuple[tuple[str, float], ...]) -> tuple[float, ...]:
    """Return the scores for weights above 0, which a study asks for once per model."""
    positive = dict(weights)
    complete = [row for row in population.rows if positive.keys() <= row.values.keys()]
    if len(complete) < LEAST_MODELS:
        raise PopulationError(
            f"too few models have all of {listed(positive)}",
            where=f"population '{population.name}'",
            got=f"{len(complete)}",
            allowed=f"{LEAST_MODELS} or more",
        )
    return tuple(sorted(population._score(row.values, positive) for row in complete))


def _sign(name: str) -> int:
    return 1 if registry[name].better == "high" else -1


def full_weights(weights: Mapping[str, float] | None = None) -> dict[str, float]:
    """Return the weight of each of the nine dimensions.

    Args:
        weights: weights (`is_weight`) by dimension name that replace the defaults; only their ratios matter.

    Returns:
        Nine weights: the given ones, else the defaults of the dimensions.

    Raises:
        UserError: an unknown dimension, an invalid weight, or all weights are 0.

    >>> full_weights({"accuracy": 2})["accuracy"], full_weights()["shape_bias"]
    (2.0, 0.5)
    """
    overrides = dict(weights or {})
    check_names("weights", overrides)
    for name, weight in overrides.items():
        if not is_weight(weight):
            raise UserError(
                f"{name} is not a valid weight", where="weights", got=f"{weight!r}", allowed=WEIGHTS
            )
    full = {name: float(overrides.get(name, registry[name].weight)) for name in PUBLISHED_DIMENSIONS}
    if not any(full.values()):
        raise UserError("all nine are 0", where="weights", allowed="at least one above 0")
    return full


def check_names(where: str, names: Iterable[str]) -> None:
    """Refuse names of unknown dimensions.

    Raises:
        UserError: for the first unknown name.
    """
    for name in names:
        if name not in registry:
            raise UserError(
                f"unknown dimension '{name}'", where=where, **known_names(name, PUBLISHED_DIMENSIONS)
            )
