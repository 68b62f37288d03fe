"""Notes of a record: caveats of the run, its values and its grade."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from quba_check.core.grade import Grade
from quba_check.core.view import CLEAN_SET, CORRUPTIONS_SET
from quba_check.dimensions.parity import SAME_PREDICTIONS
from quba_check.messages import allowing, listed
from quba_check.number_format import counted, format_distinct, format_value, images_text, ordinal
from quba_check.records.measurement import MeasurementRow, QuantityRow, UnmeasurableRow
from quba_check.records.record import Record, SetRow
from quba_check.records.verdict import GradeRow
from quba_check.stats.clusters import LEAST_GROUPS
from quba_check.verdicts.ahead import WIDE, wide_bounds

OUTPUT_TREATMENTS: Mapping[str, str] = {
    "probabilities": "probabilities p: class scores are log p",
    "sigmoids": "per-class sigmoids s: probabilities are the softmax of log s - log(1 - s)",
}
"""How outputs are treated that are no logits, by their kind."""
PARITY = "parity"
MOST_PAIRS = 3
"""Largest number of changed answers in a line."""


def parity_lines(record: Record) -> tuple[str, ...]:
    """Return the texts of `parity_texts` after their question."""
    first, *others = parity_texts(record) or ("",)
    return (f"same model? {first}", *others) if first else ()


def parity_texts(record: Record) -> tuple[str, ...]:
    """Return the equality of the clean answers and their largest changes; none without parity."""
    row = record.measured.get(PARITY)
    if row is None or row.n is None or "" in row.unmeasured:  # without a reference
        return ()
    name = reference_name(record)
    for (accuracy,) in row.table_rows("reference", "accuracy"):
        name += f" (accuracy {format_value(float(accuracy), row.unit)})"
    if row.interval == (1.0, 1.0):  # exact: the same outputs in every bit
        return (f"the same predictions as {name}",)
    flips = row.table_rows("flips", "kind", "images")
    counts = [f"{images:,} {kind}" for kind, images in flips if isinstance(images, int)]
    same = f"{answers_text(row.value, row.n)} are those of {name}{': ' * bool(counts)}{', '.join(counts)}"
    pairs = row.table_rows("changed_answers", "before", "after", "images")[:MOST_PAIRS]
    changed = ", ".join(f"{before} → {after} {images}" for before, after, images in pairs)
    changes = row.tables.get("probability_changes")
    texts = [f"most changed: {changed}" if pairs else "", "" if changes is None else changes.note]
    details = "; ".join(filter(None, texts))
    return (same, details) if details else (same,)


def reference_name(record: Record) -> str:
    """Return the name of the reference model or of the baseline's record."""
    if record.reference is not None:
        return record.reference.name
    return next((file.path for file in record.inputs if file.kind == "baseline"), "the reference")


def answers_text(agreement: float, n: int) -> str:
    """Return the number and share of equal answers; 100 % only if none differs.

    >>> answers_text(0.953, 2000), answers_text(0.9999, 10_000)
    ('1,906 of 2,000 answers (95.3 %)', '9,999 of 10,000 answers (99.9 %)')
    """
    equal = round(agreement * n)
    percent = 100.0 if equal == n else min(100 * agreement, 99.9)
    return f"{equal:,} of {n:,} answers ({percent:.1f} %)"


def record_notes(
    record: Record, *, with_noise: bool = True, lines_above: Collection[str] = ()
) -> tuple[str, ...]:
    """Return the notes on the run and its values.

    An unmeasurable dimension is left out if a verdict's message gives the reason.

    Args:
        record: the record.
        with_noise: name the verdicts that another sample could flip.
        lines_above: notes that stand above, which are not repeated.
    """
    lines = list(parity_lines(record))
    if record.interrupted:
        lines.append("interrupted: not every demand was judged")
    lines.extend(record.notes)
    treatment = OUTPUT_TREATMENTS.get(record.model.outputs or "")
    if treatment:
        lines.append(f"outputs treated as {treatment}")
    lines += _set_notes(record)
    noisy = [row.shown_target for row in record.verdicts if row.within_noise and row.policy == "point"]
    if noisy and with_noise:  # judged by the value alone, with the bound inside its interval
        lines.append(
            f"within noise (~): {listed(dict.fromkeys(noisy), 5)}: on other images the verdict could "
            "be the opposite: 'uncertain: point' compares the value alone and ignores its interval"
        )
    wide = wide_bounds(record)
    if wide:
        lines.append(f"{WIDE}: {listed(wide, 3)}")
    lines += [f"{row.shown_target}: {row.note}" for row in record.verdicts if row.note and not row.message]
    for name, row in record.measurements.items():
        if isinstance(row, MeasurementRow):
            lines.extend(
                f"{name}: {note}" for note in row.all_notes if note not in (SAME_PREDICTIONS, *lines_above)
            )
            lines.extend(_bias_notes(name, row))
        elif isinstance(row, UnmeasurableRow) and not any(
            row.unmeasurable in verdict.explanation.reason for verdict in record.verdicts
        ):
            lines.append(f"{name}: unmeasurable: {row.unmeasurable}")
    return tuple(lines)


def grade_line(grade: GradeRow | Grade, record: Record) -> str:
    """Return the grade in a line, with its population, protocol and caveats."""
    where = f"protocol {record.protocol}"
    if grade.score is None or grade.percentile is None:
        missing = f"missing {', '.join(grade.missing)}" if grade.missing else "no score"
        reason = grade.not_graded or missing
        if grade.score is not None:
            return f"QUBA score {grade.score:.3f}, not graded: {reason}  {where}"
        return f"QUBA not graded: {reason}  population {grade.population}  {where}"
    suite = f"  other suite: {grade.other_suite}" if grade.other_suite else ""
    models = f" ({grade.models} models)" if grade.models is not None else ""
    spans = f" ({' to '.join([grade.letters[0], grade.letters[-1]])})" if len(grade.letters) > 1 else ""
    interval = f" {grade.interval[0]:.3f}..{grade.interval[1]:.3f}" if grade.interval else ""
    return (
        f"QUBA {grade.score:.3f}{interval}  grade {grade.letter}{spans}  "
        f"{ordinal(grade.percentile)} percentile of {grade.population}{models}{suite}  {where}"
    )


def _set_notes(record: Record) -> Iterator[str]:
    """Yield notes on the images of sets: number, groups, origin, left-out ones."""
    for name, images in record.suite.sets.items():
        count = images.images if images.found is None else images.found
        if images.expected is not None and count != images.expected:
            yield f"{name}: {count:,} images, {images.expected:,} expected"
        if images.groups is not None and name != CORRUPTIONS_SET:
            accuracy = record.quantity("accuracy") if name == CLEAN_SET else None
            yield f"{name}: {_groups_text(images, accuracy)}"
        if images.generated is not None:
            yield f"{name}: {images.generated} from the clean images, not the stored ImageNet-C"
    sets = record.suite.sets.items()
    reduced = [
        f"{name} to {row.images:,} of {row.found:,} images{' in whole groups' * (row.groups is not None)}"
        for name, row in sets
        if row.found is not None
    ]
    if reduced:
        yield f"limited: {', '.join(reduced)}"


def _groups_text(row: SetRow, accuracy: QuantityRow | None) -> str:
    """Return the number of groups of a set, and the information in its images."""
    groups = row.groups or 0
    counts = f"{row.images:,} images in {counted(groups, 'group')}"
    if groups < LEAST_GROUPS:
        return allowing(f"{counts}, too few for intervals", f"{LEAST_GROUPS} groups or more")
    if accuracy is None or accuracy.n is None or accuracy.effective is None:
        return f"{counts}, which count as one observation each"
    return f"{images_text(accuracy.n, groups, accuracy.effective)} independent ones, for accuracy"


def _bias_notes(name: str, row: MeasurementRow) -> Iterator[str]:
    """Yield notes on the bias of few images, if larger than the noise."""
    if row.debiased is None or row.interval is None:
        return
    low, high = row.interval
    if row.debiased == 0 < low:
        parts = {f"{name}.{part}": item for part, item in row.parts.items() if item.debiased is not None}
        zero = {target: part for target, part in parts.items() if part.debiased == 0}
        # A geometric mean is 0 with one of its parts, whatever the others are.
        for target, quantity in (zero if len(zero) < len(parts) else {name: row}).items():
            value = format_value(quantity.value, quantity.unit)
            yield f"{target}: {value} is within what a perfectly calibrated model shows at this sample size"
    elif not low <= row.debiased <= high:
        value, debiased = format_distinct(row.value, row.debiased, row.unit)
        looks = "worse" if (row.value < row.debiased) == (row.better == "high") else "better"
        yield f"{name}: {value}, about {debiased} without small-sample bias: it looks {looks} than it is"
