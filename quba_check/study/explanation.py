"""A record explained: its place in a population, costly parts, the value of one point."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from quba_check.comparison.stored_run import StoredRun
from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.core.grade import Grade, GradeRules
from quba_check.core.measurement import Measurement, Quantity
from quba_check.core.view import CORRUPTIONS
from quba_check.demands.demand import QubaSettings
from quba_check.dimensions import registry
from quba_check.errors import PopulationError
from quba_check.grading import Population
from quba_check.grading.grade import ungraded
from quba_check.grading.notes import CROSS_PROTOCOL, suite_difference
from quba_check.grading.population import full_weights
from quba_check.grading.population_file import BUILT_IN
from quba_check.grading.published import published_models
from quba_check.messages import listed
from quba_check.number_format import format_value
from quba_check.records.measurement import AnyMeasurementRow, MeasurementRow, UnmeasurableRow
from quba_check.records.record import Record
from quba_check.study.run_grade import grade_run, reason_for_none

STRONG = 70.0
WEAK = 30.0
"""Shares of the population, in percent, that a strength exceeds and a weakness does not reach."""
POINT: Mapping[str, float] = {"millions": 1.0}
"""Size of one point by unit; 0.01 for all others."""
ROUNDING = 1e-6
"""Largest deviation of a mean of parts from its dimension's value."""
LEAST_COST = 0.0005
"""Smallest cost of a part that is reported."""
COMPONENTS: Mapping[str, tuple[str, ...]] = {
    "adversarial_robustness": ("fgsm", "pgd"),
    "corruption_robustness": CORRUPTIONS,
    "calibration_error": ("ece", "ace"),
    "class_balance": ("accuracy", "confidence"),
}
"""Parts whose mean is the dimension; for ood_robustness these are the parts with a direction."""
ARITHMETIC = ("corruption_robustness",)
"""Dimensions that are arithmetic means of their parts; the others are geometric ones."""


@dataclass(frozen=True, slots=True)
class PartCost:
    """A part that makes its dimension worse.

    Attributes:
        name: the part.
        value: its value.
        unit: its unit.
        cost: improvement of the dimension if this part were as good as the mean of the others; positive.
    """

    name: str
    value: float
    unit: str
    cost: float


@dataclass(frozen=True, slots=True)
class Position:
    """A dimension of a record and its place in a population.

    Attributes:
        name: the dimension.
        measured: the measurement; None without a value over all images.
        state: `not measured`, `unmeasurable` or `masked`; empty for a usable value.
        better_than: share of the population's models with a worse value, in percent [0, 100]; None without a
            usable value or without comparable values of the population.
        point: change of the score if the value gets better by one point; None without weight.
        costs: parts that make it worse, the most expensive first.
        detail: the parts behind a dimension that is no mean of them; else empty.
    """

    name: str
    measured: Measurement | None
    state: str = ""
    better_than: float | None = None
    point: float | None = None
    costs: tuple[PartCost, ...] = ()
    detail: str = ""


@dataclass(frozen=True, slots=True)
class RecordExplanation:
    """A record explained.

    Attributes:
        record: the record.
        population: the population of the positions.
        grade: the score against it; not graded if a dimension is missing.
        positions: the nine dimensions, then the custom ones of the record.
        caveats: sentences on the comparison with the population.
        other_suite: reason against the comparison: the population is of another suite; else empty.
    """

    record: Record
    population: Population
    grade: Grade
    positions: tuple[Position, ...]
    caveats: tuple[str, ...] = ()
    other_suite: str = ""

    @property
    def strengths(self) -> tuple[Position, ...]:
        """The dimensions better than those of 70 % of the models, best first."""
        strong = [
            position
            for position in self.positions
            if position.better_than is not None and position.better_than >= STRONG
        ]
        return tuple(sorted(strong, key=lambda position: -(position.better_than or 0.0)))

    @property
    def weaknesses(self) -> tuple[Position, ...]:
        """The dimensions better than those of under 30 % of the models, worst first."""
        weak = [
            position
            for position in self.positions
            if position.better_than is not None and position.better_than < WEAK
        ]
        return tuple(sorted(weak, key=lambda position: position.better_than or 0.0))


def explain(
    run: StoredRun, population: Population, settings: QubaSettings | None = None, *, is_chosen: bool = True
) -> RecordExplanation:
    """Explain a record against a population.

    Args:
        run: the record, with per-image results for the interval of the score if they are stored.
        population: the population.
        settings: settings of a threshold file for the score; None for the defaults.
        is_chosen: the user chose the population. Otherwise it is not compared with a run on another suite,
            unless the run has a score against it.
    """
    record = run.record
    weights = full_weights() if settings is None else dict(settings.weights)
    measured = run.measurements()
    caveats = []
    try:
        slopes = population.slopes(weights)
        result = grade_run(run, population, settings or GradeRules(weights))
    except PopulationError as error:
        slopes = {}
        result = ungraded(population, str(error))
        caveats.append(str(error))
    names = dict.fromkeys((*PUBLISHED_DIMENSIONS, *record.measurements))
    positions = tuple(_position(name, record, measured, population, slopes.get(name)) for name in names)
    caveats += dict.fromkeys(_caveats(record, population, result, weights))
    is_scored = any(row.population == population.name and row.score is not None for row in record.grades)
    other_suite = suite_difference(population, record.suite.name, record.model.classes)
    if is_chosen or is_scored or not other_suite:
        return RecordExplanation(record, population, result, positions, tuple(caveats))
    return RecordExplanation(record, population, result, positions, (), other_suite)


def default_population(record: Record) -> str:
    """Return the name of the built-in population that fits a record best."""
    graded = [row.population for row in record.grades if row.population in BUILT_IN]
    of_suite = [name for name, read in BUILT_IN.items() if read().suite == record.suite.name]
    return [*(name for name in graded if name in of_suite), *of_suite, *graded, "published"][0]


def _position(
    name: str, record: Record, values: Mapping[str, Measurement], population: Population, slope: float | None
) -> Position:
    row = record.measurements.get(name)
    measured = values.get(name)
    point = None if slope is None else abs(slope) * POINT.get(registry[name].unit, 0.01)
    if measured is None or row is None:
        state = "unmeasurable" if isinstance(row, UnmeasurableRow) else reason_for_none(name, row)
        return Position(name, None, state, point=point)
    if measured.masked:
        return Position(name, measured, "masked", point=point)
    is_crossed = name in CROSS_PROTOCOL and population.protocol != record.protocol
    rows = () if is_crossed else population.rows
    others = [model.values[name] for model in rows if name in model.values]
    sign = -1 if name in registry and registry[name].better == "low" else 1
    worse = sum(sign * value < sign * measured.value for value in others)
    return Position(
        name,
        measured,
        better_than=100 * worse / len(others) if others else None,
        point=point,
        costs=part_costs(name, measured, row),
        detail=_detail(name, measured),
    )


def part_costs(name: str, measured: Measurement, row: AnyMeasurementRow) -> tuple[PartCost, ...]:
    """Return the parts below the mean of the others, the most expensive first.

    Empty if the value is not the mean of its parts, as with custom dimensions.

    Args:
        name: the dimension.
        measured: its measurement.
        row: its row in the record, which has the directions of parts.
    """
    parts = _components(name, measured, row)
    if len(parts) < 2 or name not in registry:
        return ()
    values = [part.value for part in parts.values()]
    if not math.isclose(_mean(name, values), measured.value, rel_tol=ROUNDING, abs_tol=ROUNDING):
        return ()
    sign = -1 if registry[name].better == "low" else 1
    costs = []
    for index, (part_name, part) in enumerate(parts.items()):
        others = _mean(name, values[:index] + values[index + 1 :])
        if sign * part.value < sign * others:
            # If one part equals the mean of the others, the mean of all of them does too.
            costs.append(PartCost(part_name, part.value, part.unit, abs(others - measured.value)))
    return tuple(sorted((cost for cost in costs if cost.cost >= LEAST_COST), key=lambda cost: -cost.cost))


def _components(name: str, measured: Measurement, row: AnyMeasurementRow) -> dict[str, Quantity]:
    if name == "ood_robustness" and isinstance(row, MeasurementRow):
        names: Sequence[str] = [part for part, quantity in row.parts.items() if quantity.better]
    else:
        names = COMPONENTS.get(name, ())
    return {part: measured.parts[part] for part in names if part in measured.parts}


def _mean(name: str, values: Sequence[float]) -> float:
    if name in ARITHMETIC:
        return math.fsum(values) / len(values)
    return math.prod(values) ** (1 / len(values)) if min(values) >= 0 else math.nan


def _detail(name: str, measured: Measurement) -> str:
    counts = {"object_focus": ("mixed_same", "mixed_rand"), "shape_bias": ("shape_hits", "texture_hits")}
    parts = [(part, measured.parts[part]) for part in counts.get(name, ()) if part in measured.parts]
    return ", ".join(f"{part} {format_value(quantity.value, quantity.unit)}" for part, quantity in parts)


def _caveats(
    record: Record, population: Population, result: Grade, weights: Mapping[str, float]
) -> Iterator[str]:
    """Yield the caveats of the comparison with the population."""
    yield from result.notes
    difference = suite_difference(population, record.suite.name, record.model.classes)
    if difference:
        yield f"other suite: {difference}; positions compare different images"
    is_cross_protocol = population.protocol != record.protocol and not result.cross_protocol
    if is_cross_protocol and weights["adversarial_robustness"]:
        yield (
            f"cross-protocol: {population.name} has values of protocol {population.protocol}, this run of "
            f"protocol {record.protocol}: adversarial_robustness is not comparable"
        )
    if population.name == "published":
        suspect = sum(bool(model.suspect) for model in published_models())
        yield (
            f"published includes suspect values of {suspect} models (inferred from patterns, not proven); "
            "--population screened leaves them out"
        )
    others = {row.population for row in record.grades} - {population.name, *BUILT_IN}
    if others:
        yield f"the run was graded against {listed(sorted(others))}: name its file with --population"
    same = [row for row in record.grades if row.population == population.name and row.score is not None]
    score = result.score
    if score is not None and same and all(abs((row.score or 0) - score) > ROUNDING for row in same):
        yield "the run's own grade has other weights: name its threshold file with --thresholds"
