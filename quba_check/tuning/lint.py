"""Findings about threshold files: errors, and demands that no realistic sample can decide."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from quba_check.core.facts import SuiteFacts
from quba_check.demands.demand import Demand, Thresholds
from quba_check.demands.reading import read_thresholds
from quba_check.demands.schema import ThresholdFile
from quba_check.errors import ThresholdError
from quba_check.number_format import format_value
from quba_check.records.measurement import MeasurementRow
from quba_check.records.record import Record
from quba_check.strict_yaml import read_yaml, schema_problems
from quba_check.tuning.power import POWER, DetectableEffect, detectable_effects
from quba_check.tuning.record_facts import images_behind

LARGEST_SAMPLE = 1_000_000
"""Images of each set that no realistic run exceeds."""
PAIRED_SHARE = 4
"""Noise of two runs on different images, in multiples of that on the same images with few changed answers."""
_SHARE = f"{100 * POWER:g} % of runs"


@dataclass(frozen=True, slots=True)
class LintFinding:
    """A finding about a threshold file.

    Attributes:
        severity: `error`, `warning`, or `note` for a statement that nothing is wrong with.
        text: `file:line: …`.
    """

    severity: Literal["error", "warning", "note"]
    text: str


def lint_file(
    path: Path,
    shown: str,
    suite: SuiteFacts,
    images: int | None = None,
    record: Record | None = None,
    *,
    digest: bool = False,
) -> list[LintFinding]:
    """Return the errors of a threshold file, else the findings about its demands.

    Wrong keys and types are all returned, other errors up to the first.

    Args:
        path: the file.
        shown: its name in messages.
        suite: determines the parts of the dimensions.
        images: see `demand_findings`.
        record: see `demand_findings`.
        digest: begin with the digest of the demands.
    """
    try:
        thresholds = read_thresholds(path, shown=shown, suite=suite)
        note = LintFinding("note", f"{shown}: demands sha256:{thresholds.inputs[0].demands}")
        return [*([note] if digest else []), *demand_findings(thresholds, images, record)]
    except ThresholdError as error:
        message = str(error)
    try:
        messages = schema_problems(read_yaml(path, shown, ThresholdError), ThresholdFile)
    except ThresholdError:
        messages = []
    return [LintFinding("error", text) for text in (messages if message in messages else [message])]


def demand_findings(
    thresholds: Thresholds, images: int | None = None, record: Record | None = None
) -> Iterator[LintFinding]:
    """Yield warnings about undecidable demands, and the detectable differences of the others.

    Differences are stated if a number of images or a record is given. Demands with the tier info, which
    nothing depends on, get no warning.

    Args:
        thresholds: the file.
        images: number of images of each set; None for those of the record.
        record: a run with standard errors.

    Raises:
        ThresholdError: the file is for another protocol than the record.
    """
    sizes = [_images(demand, images, record) for demand in thresholds.demands]
    given = {size: detectable_effects(thresholds, size, record) for size in set(sizes) if size is not None}
    unknown = []
    for position, largest in enumerate(detectable_effects(thresholds, LARGEST_SAMPLE)):
        demand, size = largest.demand, sizes[position]
        place = f"{demand.file}:{demand.line}: {demand.target} {demand.threshold_text}"
        effect = given[size][position] if size is not None else None
        reason = _problem(largest, thresholds)
        if reason and demand.tier != "info":
            yield LintFinding("warning", f"{place}: even with {LARGEST_SAMPLE:,} images {reason}")
        elif effect is not None and effect.error is not None:
            problem = _without_effect(effect)
            yield LintFinding(
                "note",
                f"{place}: with {size:,} images {problem or f'this demand notices {_noticed(effect)}'}",
            )
        elif images is not None or record is not None:
            unknown.append(demand.name)
    if unknown:
        why = "exact, or without a standard error in the record" if record else "exact, or need --record"
        yield LintFinding("note", f"{thresholds.shown}: no statement on {', '.join(unknown)}: {why}")


def _images(demand: Demand, images: int | None, record: Record | None) -> int | None:
    """Return the images of a set behind a demand, None if unknown."""
    if images is not None or record is None:
        return images
    row = record.measurements.get(demand.dimension)
    if not isinstance(row, MeasurementRow):
        return None
    quantity = row if demand.part is None else row.parts.get(demand.part)
    if quantity is None or quantity.n is None:
        return None
    return images_behind(quantity, demand.dimension, record)


def _problem(effect: DetectableEffect, thresholds: Thresholds) -> str:
    """Return the reason why a demand is undecidable; empty if it is not."""
    if effect.error is None:
        return ""
    demand, noise = effect.demand, effect.error / PAIRED_SHARE
    if demand.needs_baseline and thresholds.policy.uncertain != "allow" and noise > float(demand.threshold):
        return (
            f"the noise of a drop is about {_amount(noise, demand)}, more than the bound: chance decides "
            "about models as good as the baseline"
        )
    return _without_effect(effect)


def _without_effect(effect: DetectableEffect) -> str:
    """Return the reason if no model is blocked, or none passes; else an empty string."""
    if effect.error is None:
        return ""
    if effect.blocked is None:
        return f"it does not block any model in {_SHARE}"
    if effect.passed is None:
        return f"it does not pass any model in {_SHARE}"
    return ""


def _noticed(effect: DetectableEffect) -> str:
    """Return the noticed values in words: those that are blocked in 80 % of runs."""
    demand, threshold = effect.demand, float(effect.demand.threshold)
    blocked, passed = effect.blocked or 0.0, effect.passed or 0.0
    if demand.needs_baseline:
        gain = f", and passes only gains above {_amount(-passed, demand)}" if passed < 0 else ""
        noticed = f"drops above {_amount(max(blocked, 0.0), demand)}{gain}"
        return f"{noticed}; on the images of the baseline also smaller ones"
    is_min = demand.bound == "min"
    distance = threshold - blocked if is_min else blocked - threshold
    side, end = ("below", "from") if is_min else ("above", "up to")
    if distance > 0:
        return f"values more than {_amount(distance, demand)} {side} the bound"
    return f"all values {side} the bound, and passes values {end} {format_value(passed, demand.unit)}"


def _amount(value: float, demand: Demand) -> str:
    """Return a difference in words: points for shares, percent for relative drops."""
    if demand.bound == "max_relative_drop":
        return f"{100 * value:.2g} %"
    if demand.unit in ("fraction", "ratio"):
        return f"{100 * value:.2g} points"
    return format_value(value, demand.unit)
