"""Ranks of a population's models by QUBA score, with own models among them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from quba_check.comparison.stored_run import StoredRun
from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.core.grade import Grade, GradeRules
from quba_check.dimensions import registry
from quba_check.errors import UserError
from quba_check.grading.population import Population, full_weights
from quba_check.grading.published import ModelProperty, PublishedModel, Suspect, published_details
from quba_check.messages import grouped, known_names
from quba_check.number_format import format_distinct, format_value
from quba_check.study.run_grade import grade_run, published_measurements, reason_for_none


@dataclass(frozen=True, slots=True)
class Constraints:
    """Conditions on the ranked models. They leave the scores unchanged.

    Attributes:
        least: smallest value by dimension name, in the dimension's unit.
        most: largest value by dimension name.
        properties: allowed values by property, such as `{"architecture": ("cnn",)}`; own models have no
            properties, so these do not apply to them.
    """

    least: Mapping[str, float] = field(default_factory=dict)
    most: Mapping[str, float] = field(default_factory=dict)
    properties: Mapping[ModelProperty, Sequence[str]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.least or self.most or self.properties)

    @property
    def dimensions(self) -> tuple[str, ...]:
        """Names of the dimensions with a bound."""
        return tuple(name for name in PUBLISHED_DIMENSIONS if name in self.least or name in self.most)

    def violation(self, values: Mapping[str, float]) -> str:
        """Return the first violated bound in words; empty if values meet all of them.

        >>> Constraints(most={"parameters": 30}).violation({"parameters": 87.8})
        'parameters 87.800 M is above 30.000 M'
        """
        for name in self.dimensions:
            value = values[name]
            for bound, word, sign in (self.least.get(name), "below", 1), (self.most.get(name), "above", -1):
                if bound is not None and sign * value < sign * bound:
                    value_text, limit = format_distinct(value, bound, registry[name].unit)
                    return f"{name} {value_text} is {word} {limit}"
        return ""

    def admits(self, properties: Mapping[ModelProperty, str]) -> bool:
        """Return True if a model's properties are allowed."""
        return all(properties.get(name) in allowed for name, allowed in self.properties.items())


@dataclass(frozen=True, slots=True)
class RankedModel:
    """A model with its rank, or with the reason for having none.

    Attributes:
        id: its name in the population or record.
        values: value by dimension name, in the dimension's unit; masked values of own models are left out.
        score: QUBA score; None if a weighted value is missing.
        rank: one more than the number of the population's models with a higher score that meet the
            constraints; None for a model without rank. Own models do not change other ranks.
        overall_rank: the same without constraints.
        percentile: share of the population's scores that are lower, without constraints, in percent [0, 100].
        properties: architecture, pretraining and training, if known.
        suspect: causes of suspect published values.
        timm: name in timm, if known.
        reason: the reason for a missing rank; empty for a ranked model.
        file: the record of an own model; None for a model of the population.
        rank_interval: ranks within the 95 % interval of an own model's score, best first; None if unknown.
        is_of_other_suite: True for an own model that has no rank because it was measured on another suite.
        notes: differences between an own model's values and those of the population.
    """

    id: str
    values: Mapping[str, float]
    score: float | None
    rank: int | None = None
    overall_rank: int | None = None
    percentile: float | None = None
    properties: Mapping[ModelProperty, str] = field(default_factory=dict)
    suspect: tuple[Suspect, ...] = ()
    timm: str | None = None
    reason: str = ""
    file: str | None = None
    rank_interval: tuple[int, int] | None = None
    is_of_other_suite: bool = False
    notes: tuple[str, ...] = ()

    @property
    def is_own(self) -> bool:
        """True for the model of a record."""
        return self.file is not None


def rank(
    population: Population,
    weights: Mapping[str, float] | None = None,
    constraints: Constraints | None = None,
    runs: Sequence[StoredRun] = (),
    *,
    allow_other_suite: bool = False,
) -> list[RankedModel]:
    """Return a population's models and own models, highest score first.

    Scores are those of the grade: means and deviations are of the whole population, whatever the constraints.

    Args:
        population: the models.
        weights: weights that replace the defaults, by dimension name.
        constraints: conditions on the ranked models; None for none.
        runs: runs of own models.
        allow_other_suite: also rank own models that were measured on another suite than the population.

    Returns:
        The ranked models, then those without a rank with the reason. Models of the population that violate a
        constraint are left out; own ones are listed with the reason.

    Raises:
        UserError: an unknown dimension or property, or an invalid weight.
        PopulationError: the population cannot be compared by a weighted dimension, or it has fewer than ten
            models with all weighted values.

    >>> from quba_check.grading import population
    >>> best, *_ = rank(population("published"), constraints=Constraints(most={"parameters": 10}))
    >>> best.id, best.rank, best.overall_rank
    ('NS-EfficientNet-B2', 1, 76)
    """
    constraints = constraints or Constraints()
    full = full_weights(weights)
    check_properties(population, constraints)
    candidates = _population_models(population, full, constraints)
    admitted = (model for model in candidates if constraints.admits(model.properties))
    listed_models = [model for model in admitted if model.reason or not constraints.violation(model.values)]
    scores = population.scores(full)
    ranked_scores = sorted(
        model.score for model in listed_models if model.score is not None and not model.reason
    )

    def with_ranks(model: RankedModel) -> RankedModel:
        if model.reason or model.score is None:
            return model
        return replace(
            model,
            rank=_rank(model.score, ranked_scores),
            overall_rank=_rank(model.score, scores),
            percentile=population.percentile(model.score, full),
        )

    counted = population.weights(full)
    unweighted = tuple(name for name in PUBLISHED_DIMENSIONS if counted.get(name, 0.0) == 0)
    rules = GradeRules(full, unweighted, allow_other_suite)
    own_models = [_own_model(run, population, rules, constraints, ranked_scores) for run in runs]
    models = map(with_ranks, (*listed_models, *own_models))
    return sorted(models, key=lambda model: (bool(model.reason), -(model.score or 0.0), not model.is_own))


def _rank(score: float, scores: Sequence[float]) -> int:
    """Return the rank of a score among ascending ones."""
    return len(scores) - bisect_right(scores, score) + 1


def property_values(models: Iterable[PublishedModel], name: ModelProperty) -> tuple[str, ...]:
    """Return the values of a property among models, the most frequent first."""
    values = [model.properties[name] for model in models]
    return tuple(sorted(set(values), key=lambda value: (-values.count(value), value)))


def check_properties(population: Population, constraints: Constraints) -> None:
    """Check that a population has the properties of constraints.

    Raises:
        UserError: an unknown value of a property, or a population without properties.
    """
    details = published_details(population)
    for name, values in constraints.properties.items():
        if not details:
            raise UserError(
                f"it is not known for the models of population '{population.name}'",
                where=name,
                got=f"'{values[0]}'",
                allowed="only with the populations published and screened",
            )
        allowed = property_values(details.values(), name)
        for value in values:
            if value not in allowed:
                raise UserError(where=name, got=f"'{value}'", **known_names(value, allowed))


def _population_models(
    population: Population, weights: Mapping[str, float], constraints: Constraints
) -> Iterator[RankedModel]:
    """Yield the models of a population with their scores, not yet ranked."""
    details = published_details(population)
    weighted = [name for name, weight in population.weights(weights).items() if weight > 0]
    for row in population.rows:
        published = details.get(row.id)
        suspect = published.suspect if published else ()
        has_score = all(name in row.values for name in weighted)
        yield RankedModel(
            id=row.id,
            values=row.values,
            score=population.score(row.values, weights) if has_score else None,
            properties=published.properties if published else {},
            suspect=suspect,
            timm=published.timm if published else None,
            reason=_missing_reason(row.values, {*weighted, *constraints.dimensions}, suspect),
        )


def _missing_reason(values: Mapping[str, float], needed: Iterable[str], suspect: Sequence[str]) -> str:
    missing = [name for name in PUBLISHED_DIMENSIONS if name in needed and name not in values]
    cause = f" (suspect: {', '.join(suspect)})" if suspect else ""
    return f"missing {', '.join(missing)}{cause}" if missing else ""


def _own_model(
    run: StoredRun,
    population: Population,
    rules: GradeRules,
    constraints: Constraints,
    ranked_scores: Sequence[float],
) -> RankedModel:
    measured = published_measurements(run)
    weighted = [name for name in PUBLISHED_DIMENSIONS if name not in rules.allow_missing]
    missing = [name for name in weighted if name not in measured]
    result = grade_run(run, population, rules)
    values = {name: row.value for name, row in measured.items() if row.is_comparable}
    reason = (
        _own_reason(run, result, missing)
        or _missing_reason(values, constraints.dimensions, ())
        or constraints.violation(values)
    )
    low, high = result.interval or (0.0, 0.0)
    return RankedModel(
        id=run.record.model.name,
        values=values,
        score=result.score,
        reason=reason,
        file=run.file,
        rank_interval=(_rank(high, ranked_scores), _rank(low, ranked_scores))
        if low < high and not reason
        else None,
        is_of_other_suite=result.score is not None and result.percentile is None,
        notes=(*((result.other_suite,) if result.other_suite and not reason else ()), *result.notes),
    )


def _own_reason(run: StoredRun, result: Grade, missing: Sequence[str]) -> str:
    """Return the reason why an own model cannot be ranked; empty if it can."""
    if result.score is None:
        if result.not_graded:
            return result.not_graded
        rows = run.record.measurements
        causes = grouped((reason_for_none(name, rows.get(name)), name) for name in missing)
        return "; ".join(f"missing {', '.join(names)} ({cause})" for cause, names in causes.items())
    if result.percentile is None:
        return f"{result.other_suite}: scores compare models on the same images"
    return ""


def dimension_value_text(dimension: str, value: float) -> str:
    """Return the value of a dimension as text.

    Parameters of a million or more have one decimal.

    >>> dimension_value_text("parameters", 87.1), dimension_value_text("parameters", 0.047)
    ('87.1 M', '0.0470 M')
    >>> dimension_value_text("accuracy", 0.0039)
    '0.0039'
    """
    unit = registry[dimension].unit
    return format_value(value, unit, digits=1 if unit == "millions" and value >= 1 else None)
