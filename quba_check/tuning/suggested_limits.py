"""Suggested limits for a threshold file, from stored runs or from other models."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean, stdev

import numpy as np

from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.core.measurement import Quantity
from quba_check.demands.demand import Demand, Thresholds
from quba_check.dimensions import registry
from quba_check.grading.population import Population
from quba_check.grading.published import PublishedModel, published_models
from quba_check.number_format import format_value, interval_text
from quba_check.records.measurement import MeasurementRow, QuantityRow
from quba_check.records.record import Record
from quba_check.strict_yaml import Location
from quba_check.tuning.record_facts import judged_quantity

DIGITS_WITHOUT_NOISE = 2
"""Significant digits of a limit on an exact value, such as parameters."""
LEAST_STEP = 1e-4
"""Rounding step of limits without noise on the bad side, and smallest step to stay above 0."""


@dataclass(frozen=True, slots=True)
class SuggestedLimit:
    """A limit with its origin.

    Attributes:
        limit: the number for `min` or `max`.
        reason: its origin, for the comment next to it.
    """

    limit: float
    reason: str


def suggest_limits(records: Mapping[str, Record], z: float) -> dict[str, SuggestedLimit]:
    """Return limits supported by stored runs, by dimension.

    For one run it is the confidence limit on the bad side at z standard errors. For several, such as seeds,
    it is as far from their mean as the root of two squares: the distance of the worst value from that limit,
    and z standard deviations of the values. Limits are rounded outward to the first digit of the noise, or
    finer if they would be 0.

    Args:
        records: stored runs by name, of the same protocol.
        z: normal score. The same model misses a limit that was not rounded with the probability of a score
            below -z / √2, since the values of both samples vary: 12 % with 1.645.

    Returns:
        Limits of the dimensions that every run measured.
    """
    rows_of = {name: _measured(name, records) for name in registry.names}
    return {
        name: _suggestion(rows, z, lower_is_worse=registry[name].better == "high")
        for name, rows in rows_of.items()
        if len(rows) == len(records)
    }


def limits_of_demands(
    thresholds: Thresholds, suggestions: Mapping[str, SuggestedLimit], records: Mapping[str, Record], z: float
) -> dict[Location, SuggestedLimit]:
    """Return limits for the bounds of a threshold file, by location.

    Drops have none, nor have bounds on parts that a dimension always has.

    Args:
        thresholds: the file; bounds of the files that it extends are left out.
        suggestions: limits by dimension.
        records: stored runs by name, for numbers under conditions and on slices.
        z: see `suggest_limits`.
    """
    found: dict[Location, list[SuggestedLimit | None]] = {}
    for demand in thresholds.demands:
        if demand.needs_baseline or demand.is_on_grade or demand.path != thresholds.path:
            continue
        limit = suggestions.get(demand.dimension) if demand.part is None else _limit_of(demand, records, z)
        found.setdefault(demand.location, []).append(limit)
    limits = {}
    for location, limits_of_sets in found.items():
        known = [limit for limit in limits_of_sets if limit is not None]
        if len(known) == len(limits_of_sets):  # a bound on several sets must allow the worst one
            worst = min if location[-1] == "min" else max
            limits[location] = worst(known, key=lambda limit: limit.limit)
    return limits


def _limit_of(demand: Demand, records: Mapping[str, Record], z: float) -> SuggestedLimit | None:
    """Return a limit of a requested number; None without a value in every run."""
    quantities = {name: judged_quantity(demand, record) for name, record in records.items()}
    rows = {name: quantity for name, quantity in quantities.items() if quantity is not None}
    is_asked = demand.request.is_further_part or bool(demand.request.slice)
    if not is_asked or not rows or len(rows) < len(records):
        return None
    return _suggestion(rows, z, lower_is_worse=demand.key == "min")


def unmeasured_dimensions(records: Mapping[str, Record]) -> tuple[str, ...]:
    """Return the dimensions without a value over all images in at least one run.

    Masked values do not count: they are no evidence of robustness.
    """
    recorded = {name for record in records.values() for name in record.measurements}
    names = (name for name in registry.names if name in recorded.union(PUBLISHED_DIMENSIONS))
    return tuple(name for name in names if len(_measured(name, records)) < len(records))


def masked_dimensions(records: Mapping[str, Record]) -> tuple[str, ...]:
    """Return the dimensions with a masked value in at least one run."""
    names = {name for run in records.values() for name, row in run.measured.items() if row.masked}
    return tuple(name for name in registry.names if name in names)


def dimensions_without_effect(suggestions: Mapping[str, SuggestedLimit]) -> tuple[str, ...]:
    """Return the dimensions with a trivial limit: a `min` of at most 0."""
    trivial = (name for name, suggestion in suggestions.items() if suggestion.limit <= 0)
    return tuple(name for name in trivial if registry[name].better == "high")


def parts_without_effect(thresholds: Thresholds, limits: Mapping[Location, SuggestedLimit]) -> Iterator[str]:
    """Yield the parts with a trivial limit: a `min` of at most 0."""
    for demand in thresholds.demands:
        limit = limits.get(demand.location)
        if limit is not None and limit.limit <= 0 and demand.part and demand.key == "min":
            yield demand.target


def _measured(name: str, records: Mapping[str, Record]) -> dict[str, MeasurementRow]:
    rows = {record: run.measured.get(name) for record, run in records.items()}
    return {record: row for record, row in rows.items() if row is not None and not row.masked}


def _suggestion(
    rows: Mapping[str, QuantityRow | Quantity], z: float, *, lower_is_worse: bool
) -> SuggestedLimit:
    worst = (min if lower_is_worse else max)(rows, key=lambda record: rows[record].value)
    row = rows[worst]
    curve = row.curve
    if curve is None:
        step = _step(row.value, DIGITS_WITHOUT_NOISE)
        edge = row.value
    else:
        low, high = curve.interval(0.95)
        noise = row.value - low if lower_is_worse else high - row.value
        # A smaller spread is a rounding error.
        step = 10.0 ** math.floor(math.log10(noise)) if noise > 1e-12 else LEAST_STEP
        edge = curve.at(-z if lower_is_worse else z)
        if len(rows) > 1:
            values = [quantity.value for quantity in rows.values()]
            margin = math.hypot(edge - row.value, z * stdev(values))
            mean = fmean(values)
            lowest = max(min(edge, mean - margin), min(edge, 0.0))  # a share is not below 0
            edge = lowest if lower_is_worse else max(edge, mean + margin)
    value = format_value(row.value, row.unit)
    spread = f" ({interval_text((low, high), row.unit, row.n)})" if curve is not None else ""
    origin = f"{spread} in {worst}" + f", the worst of {len(rows)}" * (len(rows) > 1)
    # Every model meets a limit of 0.
    while (limit := _rounded(edge, step, row.value, down=lower_is_worse)) == 0 < edge and step > LEAST_STEP:
        step /= 10
    return SuggestedLimit(limit, f"{value}{origin}")


def percentile_limits(population: Population, percentile: float) -> dict[str, SuggestedLimit]:
    """Return the values at a percentile of a population as limits, by dimension.

    Args:
        population: the models.
        percentile: share of the models below the limits, in percent [0, 100]; 50 is the median model.
    """
    suggestions = {}
    for name in population.dimensions:
        values = [row.values[name] for row in population.rows if name in row.values]
        is_high = registry[name].better == "high"
        limit = float(np.percentile(values, percentile if is_high else 100 - percentile))
        reason = f"percentile {percentile:g} of {len(values)} models of {population.name}"
        suggestions[name] = _rounded_limit(name, limit, reason)
    return suggestions


def published_limits(model: PublishedModel) -> dict[str, SuggestedLimit]:
    """Return the values of a published model as limits, by dimension, without suspect ones."""
    values = model.screened
    reason = f"{model.id} as published"
    names = (name for name in PUBLISHED_DIMENSIONS if name in values)
    return {name: _rounded_limit(name, values[name], reason) for name in names}


def published_names() -> str:
    """Return a line per published model: name, tab, timm name if known."""
    return "".join(
        f"{model.id}\t{model.timm}\n" if model.timm else f"{model.id}\n" for model in published_models()
    )


def _rounded_limit(dimension: str, value: float, reason: str) -> SuggestedLimit:
    """Return a value as a limit, rounded outward to three significant digits."""
    limit = _rounded(value, _step(value, 3), value, down=registry[dimension].better == "high")
    return SuggestedLimit(limit, reason)


def _step(value: float, digits: int) -> float:
    """Return the last of the significant digits of a value; 1 for 0."""
    return 10.0 ** (math.floor(math.log10(abs(value))) + 1 - digits) if value else 1.0


def _rounded(edge: float, step: float, value: float, *, down: bool) -> float:
    """Round an edge outward to a multiple of a power of ten.

    Noise of the division is absorbed, as far as the limit is still met by the value.
    """
    digits = max(-round(math.log10(step)), 0)
    outward = -1 if down else 1
    steps = (math.floor if down else math.ceil)(round(edge / step, 9))
    limit = round(steps * step, digits)
    is_met = limit <= value if down else limit >= value
    return limit if is_met else round((steps + outward) * step, digits)
