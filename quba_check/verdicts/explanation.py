"""The text of a verdict in the terminal, in JUnit and in the record."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from quba_check.core.explanation import Explanation
from quba_check.core.grade import Grade
from quba_check.core.measurement import MASKED, Cell, Drop, Measurement, Quantity, Table, Unmeasurable
from quba_check.core.request import titled_name
from quba_check.core.view import CLEAN_SET
from quba_check.demands import Demand
from quba_check.messages import listed
from quba_check.number_format import (
    UNIT_SIGNS,
    ceil_to_two_digits,
    counted,
    format_distinct,
    format_gap,
    format_value,
    images_text,
    interval_text,
    is_too_wide,
    ordinal,
)
from quba_check.records.measurement import quantity_row
from quba_check.records.verdict import GradeRow, VerdictRow
from quba_check.verdicts.decision import Verdict, masking_signs
from quba_check.verdicts.slices import row_noun, size_note, worst_slice

_WORST = 3
_MOST_CLASSES = 10
"""Largest number of parts, classes, images and confusions in an explanation; of classes that miss a bound."""
_CONFUSIONS = ("label", "predicted", "images", "share")
_SIDES = {"recall": (0,), "npv": (0,), "precision": (1,), "specificity": (1,)}
"""For numbers of a class, whether it is the label or the predicted class of the confusions behind it."""


def explanation(verdict: Verdict) -> Explanation:
    """Return the explanation of a verdict, in words and numbers."""
    return Explanation(
        headline=_headline(verdict),
        reason=verdict.reason,
        value=verdict.value,
        unit=_unit(verdict),
        interval=_interval(verdict),
        n=verdict.n,
        details=tuple(_details(verdict)),
        sample=tuple(_sample(verdict)),
        notes=tuple(_notes(verdict)),
        images=_images(verdict),
        path=verdict.demand.source_path,
        line=verdict.demand.line,
    )


def verdict_row(verdict: Verdict, node: str) -> VerdictRow:
    """Return a verdict as a row of a record, under a pytest item's id."""
    demand = verdict.demand
    evidence = verdict.evidence
    judged = None
    note = ""
    if demand.request.kind != "value" and isinstance(evidence, Measurement):
        judged = quantity_row(evidence.parts[str(demand.part)], demand.better)
        note = size_note(demand, evidence)
    elif isinstance(evidence, Drop) and verdict.value is not None:
        judged = quantity_row(evidence, "low")
    row = demand.verdict_row(
        node, verdict.outcome, explanation(verdict), within_noise=verdict.within_noise, policy=verdict.policy
    )
    return row.model_copy(update={"judged": judged, "note": note})


def grade_row(grade: Grade, file: str) -> GradeRow:
    """Return the grade of a threshold file as a row of a record."""
    content = asdict(grade) | {"limits": grade.limits, "least": tuple(grade.least.items())}
    return GradeRow(file=file, **content)


def _headline(verdict: Verdict) -> str:
    demand = verdict.demand
    value = verdict.value
    bound = verdict.demand.bound
    target = demand.target
    if demand.needs_baseline:
        target += f" relative {demand.loss}" if demand.key == "max_relative_drop" else f" {demand.loss}"
    target = titled_name(demand.title, target)
    if value is None:
        event = "was skipped" if verdict.outcome == "skipped" else "could not be measured"
        return f"{target} {event}: {verdict.reason}"
    if verdict.reason:
        return f"{target} {_formatted(verdict, value)} is {verdict.reason}"
    relation = _relation(verdict)
    if _is_uncertain(verdict) or isinstance(value, str) or isinstance(bound, str):
        formatted = f"{_formatted(verdict, bound)}{_score_and_percentile(verdict)}"
        return f"{target} {_formatted(verdict, value)} {relation} {formatted}"
    unit = verdict.unit or ""
    value_text, bound_text = format_distinct(value, bound, unit)
    if verdict.outcome == "pass":
        return f"{target} {value_text} {relation} {bound_text}"
    direction = "short" if demand.key == "min" else "over"
    gap = format_gap(value, bound, unit)
    return f"{target} {value_text} {relation} {bound_text} ({direction} by {gap})"


def _relation(verdict: Verdict) -> str:
    met, missed = ("at least", "below") if verdict.demand.key == "min" else ("at most", "above")
    if _is_uncertain(verdict):
        return f"is not shown to be {met if verdict.policy.uncertain == 'fail' else missed}"
    return f"is {met if verdict.outcome == 'pass' else missed}"


def _is_uncertain(verdict: Verdict) -> bool:
    """True if the policy decides a bound within the noise, also if waived."""
    decides = verdict.outcome in ("waived", "fail") and verdict.policy.uncertain != "point"
    return verdict.outcome == "uncertain" or (decides and verdict.within_noise)


def _formatted(verdict: Verdict, number: float | str) -> str:
    return number if isinstance(number, str) else format_value(number, verdict.unit or "")


def _score_and_percentile(verdict: Verdict) -> str:
    grade = verdict.evidence
    if not isinstance(grade, Grade) or grade.score is None or grade.percentile is None:
        return ""
    percentile = f"{ordinal(grade.percentile)} percentile of {grade.population}"
    return f" (score {format_value(grade.score, 'score')}, {percentile})"


def _details(verdict: Verdict) -> Iterator[str]:
    evidence = verdict.evidence
    yield from _waiver_details(verdict)
    if isinstance(evidence, Measurement):
        worst = ", ".join(
            f"{name} {format_value(part.value, part.unit)}"
            for name, part in _worst_parts(verdict.demand, evidence)
        )
        if worst:
            yield f"worst parts: {worst}"
        yield from _class_details(verdict, evidence)
        yield from _step_details(verdict, evidence)
        yield from _parity_details(verdict, evidence)
    if isinstance(evidence, Drop):
        before, after = format_distinct(evidence.before, evidence.after, verdict.demand.unit)
        row = "group" if evidence.n is not None and evidence.sample.groups == evidence.n else "image"
        pairing = f"paired {row} by {row}" if evidence.paired else "unpaired"
        subject = f"{evidence.of_class}: " if evidence.of_class else ""
        yield f"{subject}from {before} in {evidence.baseline} to {after}, {pairing}"
    ends = None if isinstance(evidence, Grade) else _interval(verdict)
    if verdict.within_noise and ends and not is_too_wide(ends, _unit(verdict)):
        yield _more_images(verdict)
    if isinstance(evidence, Measurement) and verdict.outcome != "pass":
        yield from _temperature_advice(verdict, evidence)


def _sample(verdict: Verdict) -> Iterator[str]:
    """Yield the number of images and the interval."""
    if verdict.n is not None:
        yield f"n = {_rows_text(verdict.n, verdict)}"
    ends = _interval(verdict)
    if ends is not None:
        of_score = " of the score" if isinstance(verdict.value, str) else ""
        colon = ":" if is_too_wide(ends, _unit(verdict)) else ""
        interval = interval_text(ends, _unit(verdict), verdict.n, between=" to ")
        yield f"{100 * verdict.policy.confidence:g} % interval{of_score}{colon} {interval}"


def _unit(verdict: Verdict) -> str:
    return "score" if isinstance(verdict.evidence, Grade) else verdict.unit or ""


def _interval(verdict: Verdict) -> tuple[float, float] | None:
    return None if verdict.curve is None else verdict.curve.interval(verdict.policy.confidence)


def _images(verdict: Verdict) -> dict[str, str]:
    """Return conditions of the images behind a value: `class`, `predicted`, `slice` and `set`."""
    demand = verdict.demand
    evidence = verdict.evidence
    request = verdict.demand.request
    images = {} if request.judged_set == CLEAN_SET else {"set": request.judged_set}
    if len(request.classes) == 1:
        images["class" if 0 in _SIDES.get(request.metric, (0,)) else "predicted"] = request.target
    if len(request.others) == 1:
        images["predicted"] = request.mistaken_for
    if request.slice and request.kind == "value":
        images["slice"] = request.slice
    if isinstance(evidence, Measurement):
        if demand.dimension == "unknown_detection" and not request.metric:
            sets = [part.set for part in demand.parts if part.set == part.name in evidence.parts]
            images["set"] = min(sets, key=lambda name: evidence.parts[name].value, default="")
        table = evidence.tables.get(demand.part or "")
        if table is not None:  # of `each`
            images["class"] = str(min(table.rows, key=lambda row: float(row[2]))[0])
        if request.kind != "value" and (name := worst_slice(demand, evidence)):
            images["slice"] = name
    elif isinstance(evidence, Drop) and evidence.of_class:
        images["class"] = evidence.of_class
    return {key: name for key, name in images.items() if name}


def _rows_text(n: int, verdict: Verdict) -> str:
    """Return the number of images and groups behind a verdict."""
    request = verdict.demand.request
    evidence = verdict.evidence
    groups = verdict.groups
    if request.kind == "value" or groups is None or not isinstance(evidence, Measurement):
        return images_text(n, groups, verdict.effective)
    number = evidence.quantity(request.on_all_images.part)
    if number is not None and row_noun(number) == "groups":
        return f"{counted(n, 'group')}, at least {groups:,} in each judged slice"
    return f"{counted(n, 'image')}, at least {counted(groups, 'group')} in each judged slice"


def _waiver_details(verdict: Verdict) -> Iterator[str]:
    """Yield the waiver of an unmet demand, with its shortfall if the demand fails."""
    waiver = verdict.demand.waiver
    if waiver is None or verdict.value is None or verdict.is_met:
        return
    if verdict.outcome == "waived":
        yield str(waiver)
    else:
        yield f"worse than its waiver allows, {_formatted(verdict, waiver.bound)}: {waiver}"


def _notes(verdict: Verdict) -> Iterator[str]:
    """Yield caveats of the value and the notes of the measurement or grade."""
    evidence = verdict.evidence
    is_masked = verdict.outcome == "fail" and bool(verdict.reason)
    if is_masked:
        yield "allow_masked: true accepts masked values; the bound then decides"
    if isinstance(evidence, Grade) and evidence.other_suite and verdict.value is not None:
        yield f"other suite: {evidence.other_suite}"
    if not isinstance(evidence, Unmeasurable):
        signs = masking_signs(verdict.demand, evidence) if is_masked else ()
        in_headline = {f"{MASKED}{sign}" for sign in signs}
        number = evidence.quantity(verdict.demand.part) if isinstance(evidence, Measurement) else None
        notes = dict.fromkeys((*evidence.notes, *(() if number is None else number.notes)))
        yield from (note for note in notes if note not in in_headline)


def _more_images(verdict: Verdict) -> str:
    enough = verdict.enough_images
    unit = "images" if verdict.groups is None else "groups of images"
    if enough is None:
        return f"the value is too close to the bound to be decided by more {unit} of this kind"
    have = verdict.groups or verdict.n
    return f"about {ceil_to_two_digits(enough):,} {unit} would be enough to decide (you have {have:,})"


def _worst_parts(demand: Demand, measurement: Measurement) -> list[tuple[str, Quantity]]:
    """Return the parts worse than their dimension, of its unit and direction, worst first."""
    sign = 1 if demand.better == "high" else -1
    ranked = [
        (part.name, measurement.parts[part.name])
        for part in demand.parts
        if part.name in measurement.parts
        and (part.better, part.unit) == (demand.better, demand.unit)
        and part.unit not in UNIT_SIGNS  # counts of something else
        and sign * measurement.parts[part.name].value < sign * measurement.value
    ]
    ranked.sort(key=lambda item: sign * item[1].value)
    return ranked[:_WORST]


def _class_details(verdict: Verdict, measurement: Measurement) -> Iterator[str]:
    """Yield the classes that miss the bound, and the largest confusions."""
    table = measurement.tables.get(verdict.demand.part or "")
    if table is not None and isinstance(verdict.demand.bound, float):
        yield _worst_classes(table, verdict.demand.bound)
    if verdict.outcome == "fail" and (confused := _confusions(verdict.demand, measurement)):
        yield f"most confused: {', '.join(confused)}"


def _step_details(verdict: Verdict, measurement: Measurement) -> Iterator[str]:
    """Yield the number of answers that each step of a serving pipeline alone changes."""
    request = verdict.demand.request
    table = measurement.tables.get("steps")
    if table is None or request.set != CLEAN_SET:
        return
    counts = [f"{step} {images:,}" for name, step, images, _ in table.rows if name == request.pipeline]
    if counts:
        yield f"{table.note}: {', '.join(counts)}"


def _parity_details(verdict: Verdict, measurement: Measurement) -> Iterator[str]:
    """Yield the classes and images with changed answers to clean images."""
    request = verdict.demand.request
    classes, images = (measurement.tables.get(name) for name in ("flips_by_class", "flipped_images"))
    is_clean = request.dimension == "parity" and request.set == CLEAN_SET
    if not is_clean or request.pipeline or request.slice or classes is None or images is None:
        return
    is_lost = verdict.demand.part == "negative_flips"
    end = 3 if is_lost else None  # the columns are class, images, lost, gained and wrong to wrong
    counts = [(sum(map(int, cells[2:end])), cells[0], cells[1]) for cells in classes.rows]
    counts = sorted((count for count in counts if count[0]), key=lambda count: -count[0])[:_WORST]
    rows = [cells for cells in images.rows if cells[1] == "lost" or not is_lost][:_WORST]
    texts = {
        f"most {'lost' if is_lost else 'changed'} answers": [
            f"{name} {k:,} (of {n:,})" for k, name, n in counts
        ],
        "first images": [f"{row[0]} ({row[3]} → {row[4]}, label {row[2]})" for row in rows],
    }
    yield from (f"{heading}: {', '.join(parts)}" for heading, parts in texts.items() if parts)


def _temperature_advice(verdict: Verdict, evidence: Measurement) -> Iterator[str]:
    """Yield the temperature that calibration_error advises for a value, or the reason for none."""
    demand = verdict.demand
    advice, held_out = (evidence.tables.get(table) for table in ("temperature", "held_out"))
    request = demand.request
    if advice is None or request.slice or request.conditions or evidence.dimension != "calibration_error":
        return
    if held_out is None:
        yield f"no temperature is advised: {advice.note}"
        return
    values = {row[0]: [float(cell) for cell in row[1:] if cell != ""] for row in held_out.rows}
    name = demand.part or demand.dimension
    texts = []
    for number_name in (name,) if demand.part else (name, "ece"):
        unit = evidence.parts.get(number_name, evidence.whole).unit
        value, *ends = (format_value(number, unit) for number in values[number_name])
        texts.append(f"{number_name} {value}" + (f" (95 % interval {' to '.join(ends)})" if ends else ""))
    # A demand that must be shown to be met needs the whole interval.
    decisive = max(values[name]) if verdict.policy.uncertain == "fail" else values[name][0]
    effect = "would pass" if decisive <= float(demand.bound) else "would not be enough"
    line = f"temperature: {advice.rows[0][0]:.3g}"
    values_text = " and ".join(texts)
    yield f"{line} in the file of --quba-preprocessing {effect}: {values_text} on held-out halves"


def _worst_classes(table: Table, least: float) -> str:
    """Return the classes below a bound, worst first; the worst ones if there are none."""
    rows = sorted(table.rows, key=lambda row: float(row[2]))
    below = [row for row in rows if float(row[2]) < least]
    heading = f"{len(below):,} of {len(rows):,} classes below {least:.15g}" if below else "worst classes"
    names = (
        f"{name} {format_distinct(float(value), least, 'fraction')[0]} (n = {images:,})"
        for name, images, value in below or rows[:_WORST]
    )
    return f"{heading}: {listed(names, _MOST_CLASSES)}"


def _confusions(demand: Demand, measurement: Measurement) -> list[str]:
    """Return the largest confusions behind a value, such as `shirt as coat 31 (of 120)`."""
    table = measurement.tables.get("confusions")
    request = demand.request
    if table is None or table.columns != _CONFUSIONS:
        return []
    if request.slice or request.conditions or request.mistaken_for:  # the table is of all clean images
        return []
    rows = list(table.rows)
    if request.classes:
        names = {part.strip() for part in (request.target, *request.target.split("|"))}
        sides = _SIDES.get(request.metric, (0, 1))
        rows = [row for row in rows if len(names & {*row[:2]}) == 1 and names & {row[side] for side in sides}]
    return [confusion_text(*row) for row in rows[:_WORST]]


def confusion_text(label: Cell, predicted: Cell, images: Cell, share: Cell) -> str:
    """Return a confusion, such as `shirt as coat 31 (of 120)`."""
    return f"{label} as {predicted} {images:,} (of {round(float(images) / float(share)):,})"
