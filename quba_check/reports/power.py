"""The detectable differences of a threshold file as a table."""

from __future__ import annotations

from quba_check.demands.demand import Demand, Thresholds
from quba_check.messages import grouped, listed
from quba_check.number_format import format_value
from quba_check.records.record import Record
from quba_check.reports.cells import name_cell
from quba_check.reports.tables import table_text
from quba_check.tuning.power import POWER, DetectableEffect, detectable_effects
from quba_check.tuning.record_facts import judged_quantity

HEADINGS = ("demand", "bound", "±", "blocked at", "passed at")


def power_text(thresholds: Thresholds, images: int | None, record: Record | None) -> str:
    """Return standard errors, and the true values of blocked and passing models.

    Args:
        thresholds: the file.
        images: number of images of each set; None for those of the record.
        record: a run with standard errors.

    Raises:
        ThresholdError: the file is for another protocol than the record.
    """
    effects = detectable_effects(thresholds, images, record)
    sizes = "the images of the record" if images is None else f"{images:,} images a set"
    text = f"{thresholds.label}, policy {thresholds.policy.uncertain}, {sizes}:\n"
    text += f"standard errors, and the true values that are blocked or pass in {100 * POWER:g} % of runs\n"
    text += table_text(HEADINGS, map(_cells, effects))
    unknown = (effect.demand for effect in effects if effect.error is None)
    reasons = grouped((_reason(demand, record), demand.shown_name) for demand in unknown)
    return text + "".join(f"-: {listed(names)}: {why}.\n" for why, names in reasons.items())


def _reason(demand: Demand, record: Record | None) -> str:
    """Return the reason for a missing standard error."""
    if record is None:
        return "needs the standard error of a run, --record; sizes, counts and grades have none"
    is_missing = not demand.is_on_grade and judged_quantity(demand, record) is None
    return "this run has no value of it, or a masked one" if is_missing else "no standard error in this run"


def _cells(effect: DetectableEffect) -> list[str]:
    unit = effect.demand.unit
    numbers = ["-", "-", "-"]
    if effect.error is not None:
        ends = (effect.blocked, effect.passed)
        numbers = [format_value(effect.error, unit)]
        numbers += ["never" if end is None else format_value(end, unit) for end in ends]
    return [name_cell(effect.demand.name, effect.demand.title), effect.demand.bound_text, *numbers]
