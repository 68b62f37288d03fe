"""What every report says besides values and verdicts."""

from __future__ import annotations

from collections.abc import Iterator

from quba_check.errors import listed
from quba_check.number_format import format_distinct, format_value, ordinal
from quba_check.records.measurement import MeasurementRow, UnmeasurableRow
from quba_check.records.record import Record
from quba_check.records.verdict import GradeRow


def record_notes(record: Record) -> tuple[str, ...]:
    """Remarks on the run and its values, one sentence or so each.

    An unmeasurable dimension is left out where a verdict's message gives its reason already.
    """
    said = []
    if record.interrupted:
        said.append("interrupted: not every demand was judged")
    said.extend(record.notes)
    if record.model.outputs == "probabilities":
        said.append("outputs treated as probabilities p: class scores are log p")
    if record.model.outputs == "sigmoids":
        said.append(
            "outputs treated as per-class sigmoids s: probabilities are the softmax of log s - log(1 - s)"
        )
    for name, images in record.suite.sets.items():
        found = images.images if images.found is None else images.found
        if images.expected is not None and found != images.expected:
            said.append(f"{name}: {found:,} images, {images.expected:,} expected")
        if images.generated is not None:
            said.append(
                f"{name}: {images.generated} from the clean images, not the stored ImageNet-C "
                "(whose motion_blur and snow come from ImageMagick)"
            )
    said.extend(_limited(record))
    said.extend(_noise(record))
    said.extend(
        f"{verdict.target}: {verdict.stopped}" for verdict in record.verdicts if verdict.stopped is not None
    )
    for name, row in record.measurements.items():
        if isinstance(row, MeasurementRow):
            said.extend(f"{name}: {note}" for note in row.notes)
            said.extend(_bias(name, row))
        elif isinstance(row, UnmeasurableRow) and not _told_already(record, row):
            said.append(f"{name}: unmeasurable: {row.unmeasurable}")
    return tuple(said)


def grade_line(grade: GradeRow, record: Record) -> str:
    """Return the grade in a line, with its population, protocol and caveats."""
    where = f"protocol {record.protocol}"
    if grade.score is None or grade.percentile is None:
        missing = f"missing {', '.join(grade.missing)}" if grade.missing else "no score"
        why = grade.not_graded or missing
        if grade.score is not None:
            return f"QUBA score {grade.score:.3f}, not graded: {why}  {where}"
        return f"QUBA not graded: {why}  population {grade.population}  {where}"
    suite = f"  other suite: {grade.other_suite}" if grade.other_suite else ""
    models = f" ({grade.models} models)" if grade.models is not None else ""
    spans = f" ({' to '.join([grade.letters[0], grade.letters[-1]])})" if len(grade.letters) > 1 else ""
    interval = f" {grade.interval[0]:.3f}..{grade.interval[1]:.3f}" if grade.interval else ""
    return (
        f"QUBA {grade.score:.3f}{interval}  grade {grade.letter}{spans}  "
        f"{ordinal(grade.percentile)} percentile of {grade.population}{models}{suite}  {where}"
    )


def _limited(record: Record) -> Iterator[str]:
    """Which sets a limit left images out of."""
    sets = record.suite.sets.items()
    cut = [f"{name} to {row.images:,} of {row.found:,} images" for name, row in sets if row.found is not None]
    if cut:
        yield f"limited: {', '.join(cut)}"


def _noise(record: Record) -> Iterator[str]:
    """What was decided by the value alone although its interval holds the bound."""
    noisy = [verdict for verdict in record.verdicts if verdict.within_noise and verdict.policy == "point"]
    if noisy:
        names = listed(dict.fromkeys(verdict.target for verdict in noisy), 5)
        yield (
            f"within noise (~): {names}: another sample of this size could flip the verdict; "
            "'uncertain: point' judges by the value alone and bounds no error rate"
        )


def _bias(name: str, row: MeasurementRow) -> Iterator[str]:
    """What few images do to a value, where that is more than its noise."""
    if row.debiased is None or row.interval is None:
        return
    low, high = row.interval
    if row.debiased == 0 < low:
        known = {f"{name}.{part}": found for part, found in row.parts.items() if found.debiased is not None}
        lost = {target: found for target, found in known.items() if found.debiased == 0}
        # A mean is 0 with one of its parts; that says nothing of the others.
        for target, found in (lost if len(lost) < len(known) else {name: row}).items():
            shown = format_value(found.value, found.unit)
            yield f"{target}: {shown} is within what a perfectly calibrated model shows at this sample size"
    elif not low <= row.debiased <= high:
        shown, debiased = format_distinct(row.value, row.debiased, row.unit)
        looks = "worse" if (row.value < row.debiased) == (row.better == "high") else "better"
        yield f"{name}: {shown}, about {debiased} without small-sample bias: it looks {looks} than it is"


def _told_already(record: Record, row: UnmeasurableRow) -> bool:
    return any(row.unmeasurable in verdict.message for verdict in record.verdicts)
