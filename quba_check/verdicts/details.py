"""Details of explanations: classes behind a value, changed answers, and the advice on a temperature."""

from __future__ import annotations

from collections.abc import Iterator

from quba_check.core.measurement import Cell, Measurement, Table
from quba_check.core.view import CLEAN_SET
from quba_check.demands import Demand
from quba_check.messages import listed
from quba_check.number_format import format_distinct, format_value
from quba_check.verdicts.verdict import Verdict

WORST_CLASSES, MOST_CLASSES = 3, 10
"""Number of the worst classes in an explanation, and largest number of those that miss a bound."""
MOST_FLIPPED = 3
"""Largest number of classes with flips, and of flipped images, in an explanation."""
MOST_CONFUSED = 3
"""Largest number of confusions in an explanation."""
_CONFUSIONS = ("label", "predicted", "images", "share")
_SIDES = {"recall": (0,), "npv": (0,), "precision": (1,), "specificity": (1,)}
"""For numbers of a class, whether it is the label or the predicted class of the confusions behind it."""


def class_details(verdict: Verdict, measurement: Measurement) -> Iterator[str]:
    """Yield the classes that miss the bound, and the largest confusions."""
    table = measurement.tables.get(verdict.demand.part or "")
    if table is not None and isinstance(verdict.demand.threshold, float):
        yield _worst_classes(table, verdict.demand.threshold)
    if verdict.outcome == "fail" and (confused := _confusions(verdict.demand, measurement)):
        yield f"most confused: {', '.join(confused)}"


def step_details(verdict: Verdict, measurement: Measurement) -> Iterator[str]:
    """Yield the number of answers that each step of a serving pipeline alone changes."""
    pipeline, table = verdict.demand.request.pipeline, measurement.tables.get("steps")
    rows = () if table is None else table.rows
    if counts := [f"{step} {images:,}" for name, step, images, _ in rows if name == pipeline]:
        yield f"answers that one step alone changes, of {measurement.n:,}: {', '.join(counts)}"


def parity_details(verdict: Verdict, measurement: Measurement) -> Iterator[str]:
    """Yield the classes and images with changed answers to clean images."""
    request = verdict.demand.request
    classes, images = (measurement.tables.get(name) for name in ("flips_by_class", "flipped_images"))
    is_clean = request.dimension == "parity" and request.is_further_part and request.set == CLEAN_SET
    if not is_clean or classes is None or images is None:
        return
    is_lost = verdict.demand.part == "negative_flips"
    end = 3 if is_lost else None  # the columns are class, images, lost, gained and wrong to wrong
    counts = [(sum(map(int, cells[2:end])), cells[0], cells[1]) for cells in classes.rows]
    counts = sorted((one for one in counts if one[0]), key=lambda one: -one[0])[:MOST_FLIPPED]
    rows = [cells for cells in images.rows if cells[1] == "lost" or not is_lost][:MOST_FLIPPED]
    texts = {
        f"most {'lost' if is_lost else 'changed'} answers": [
            f"{name} {k:,} (of {n:,})" for k, name, n in counts
        ],
        "first images": [f"{row[0]} ({row[3]} → {row[4]}, label {row[2]})" for row in rows],
    }
    yield from (f"{heading}: {', '.join(parts)}" for heading, parts in texts.items() if parts)


def is_on_demand(note: str, demand: Demand) -> bool:
    """Return True unless a note is on other classes than those of a demand."""
    request = demand.request
    if request.pipeline:
        return note.partition(": ")[0] == request.pipeline
    if not request.target:
        return True
    return note.partition(": ")[0] in (request.name, f"{request.target}{request.conditions}")


def temperature_advice(verdict: Verdict, evidence: Measurement) -> Iterator[str]:
    """Yield the temperature that calibration_error advises for a value, or the reason for none."""
    demand = verdict.demand
    advice, held_out = (evidence.tables.get(table) for table in ("temperature", "held_out"))
    if advice is None or demand.request.slice or evidence.dimension != "calibration_error":
        return
    if held_out is None:
        yield f"no temperature is advised: {advice.note}"
        return
    values = {row[0]: [float(cell) for cell in row[1:] if cell != ""] for row in held_out.rows}
    name, texts = demand.part or demand.dimension, []
    for one in (name,) if demand.part else (name, "ece"):
        unit = evidence.parts.get(one, evidence.whole).unit
        value, *ends = (format_value(number, unit) for number in values[one])
        texts.append(f"{one} {value}" + (f" (95 % interval {' to '.join(ends)})" if ends else ""))
    # A demand that must be shown to be met needs the whole interval.
    decisive = max(values[name]) if verdict.policy.uncertain == "fail" else values[name][0]
    effect = "would pass" if decisive <= float(demand.threshold) else "would not be enough"
    line, shown = f"temperature: {advice.rows[0][0]:.3g}", " and ".join(texts)
    yield f"{line} in the file of --quba-preprocessing {effect}: {shown} on held-out halves"


def _worst_classes(table: Table, least: float) -> str:
    """Return the classes below a bound, worst first; the worst ones if there are none."""
    rows = sorted(table.rows, key=lambda row: float(row[2]))
    below = [row for row in rows if float(row[2]) < least]
    heading = f"{len(below):,} of {len(rows):,} classes below {least:.15g}" if below else "worst classes"
    names = (
        f"{name} {format_distinct(float(value), least, 'fraction')[0]} (n = {images:,})"
        for name, images, value in below or rows[:WORST_CLASSES]
    )
    return f"{heading}: {listed(names, MOST_CLASSES)}"


def _confusions(demand: Demand, measurement: Measurement) -> list[str]:
    """Return the largest confusions behind a value, such as `shirt as coat 31 (of 120)`."""
    table, request = measurement.tables.get("confusions"), demand.request
    if table is None or table.columns != _CONFUSIONS or request.slice:
        return []
    rows = list(table.rows)
    if request.target:
        plain = f"{request.target}.{request.metric}"  # of the most probable class, on clean images
        if request.set != CLEAN_SET or request.name != plain:
            return []
        if request.classes:
            names = {part.strip() for part in (request.target, *request.target.split("|"))}
            sides = _SIDES.get(request.metric, (0, 1))
            rows = [
                row for row in rows if len(names & {*row[:2]}) == 1 and names & {row[side] for side in sides}
            ]
    return [confusion_text(*row) for row in rows[:MOST_CONFUSED]]


def confusion_text(label: Cell, predicted: Cell, images: Cell, share: Cell) -> str:
    """Return a confusion, such as `shirt as coat 31 (of 120)`."""
    return f"{label} as {predicted} {images:,} (of {round(float(images) / float(share)):,})"
