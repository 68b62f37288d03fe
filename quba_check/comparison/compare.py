"""Comparison of two stored runs by dimension and part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from quba_check.comparison.difference import Change, RunValue, Z, difference, is_same
from quba_check.comparison.misclassified import flips
from quba_check.comparison.stored_run import StoredRun, check_comparable, precision_notes
from quba_check.core.confidence import CONFIDENCE, bounded_curve
from quba_check.core.facts import table_class_names
from quba_check.core.measurement import NO_EVIDENCE
from quba_check.core.predictions import never_predicted
from quba_check.core.view import CLEAN_SET
from quba_check.errors import UserError
from quba_check.messages import listed
from quba_check.records.comparison import AnswersRow, ChangeRow, Comparison, Finding, SideRow
from quba_check.records.measurement import MeasurementRow, QuantityRow
from quba_check.records.per_image import PerImage
from quba_check.stats.clusters import LEAST_GROUPS, group_effect
from quba_check.stats.estimate import Estimate
from quba_check.stats.intervals import share_limits

_NAMED = 3
"""Largest number of classes named in a note."""


def compare(before: StoredRun, after: StoredRun) -> Comparison:
    """Compare two runs.

    Raises:
        UserError: they differ in protocol, suite or class list, or have no value in common.
    """
    check_comparable(before.record, after.record, before.file, after.file)
    changes = tuple(_changes(before, after))
    if not changes:
        raise UserError(
            f"{before.file} and {after.file} cannot be compared: no dimension has a value in both",
            allowed="two runs that measured one dimension at least on all of its images",
        )
    has_same = _has_same_predictions(before, after)
    return Comparison(
        before=_side_row(before),
        after=_side_row(after),
        suite=after.record.suite.name,
        protocol=after.record.protocol,
        changes=changes,
        notes=(*(() if has_same else _answer_notes(before, after)), *_notes(before, after)),
        answers=_answers(before, after),
        same_predictions=has_same,
    )


def _changes(before: StoredRun, after: StoredRun) -> Iterator[ChangeRow]:
    for name, row in after.record.measurements.items():
        if not isinstance(row, MeasurementRow):
            continue
        for part, quantity in ((None, row), *row.parts.items()):
            first, second = before.value_of(name, part), after.value_of(name, part)
            if first is not None and second is not None:
                yield _row(name, part, quantity, first, second)


def _row(name: str, part: str | None, quantity: QuantityRow, before: RunValue, after: RunValue) -> ChangeRow:
    change = difference(before, after)
    discordance = change.discordance
    return ChangeRow(
        dimension=name,
        part=part,
        unit=quantity.unit,
        better=quantity.better,
        before=before.value,
        after=after.value,
        change=change.value,
        interval=None if change.curve is None else change.curve.interval(CONFIDENCE),
        finding=_finding(change, quantity),
        paired=change.paired,
        n=after.n,
        p=None if discordance is None else discordance.p,
        lost=None if discordance is None else discordance.lost,
        gained=None if discordance is None else discordance.gained,
    )


def _finding(change: Change, quantity: QuantityRow) -> Finding:
    if quantity.better is None:
        return "unknown"
    if change.curve is None:
        if quantity.n is not None:
            return "unknown"
        low = high = change.value  # not a sample: the values are exact
    else:
        low, high = change.curve.interval(CONFIDENCE)
    if low == high == 0:
        return "same"
    if low <= 0 <= high:
        return "within noise"
    return "better" if (low > 0) == (quantity.better == "high") else "worse"


def _has_same_predictions(before: StoredRun, after: StoredRun) -> bool:
    """Return True if every value of both runs comes from the same predictions."""
    targets = [
        (name, part)
        for name, row in after.record.measurements.items()
        if isinstance(row, MeasurementRow)
        for part in (None, *row.parts)
    ]
    pairs = [(before.value_of(*target), after.value_of(*target)) for target in targets]
    are_same = [is_same(first, second) for first, second in pairs if first and second]
    return bool(are_same) and all(are_same)


def _answers(before: StoredRun, after: StoredRun) -> AnswersRow | None:
    """Return the agreement and the changed answers on clean images; None if unknown."""
    try:
        kinds = Counter(flip.kind for flip in flips(before, after))
        is_equal = before.clean_answers().predicted == after.clean_answers().predicted
    except UserError:
        return None
    agreement, n = Estimate.mean(is_equal, CLEAN_SET), len(is_equal)
    images = after.images or PerImage()
    effect = group_effect(agreement.influences, dict(images.groups.items()))
    interval = None
    if effect is None or effect.count >= LEAST_GROUPS:
        size, z = (n, Z) if effect is None else (n / effect.factor, effect.scores(Z))
        curve = bounded_curve(share_limits(agreement.value * size, size, z), 0.0, 1.0)
        interval = None if curve is None else curve.interval(CONFIDENCE)
    return AnswersRow(
        images=n,
        agreement=agreement.value,
        interval=interval,
        changed=n - int(is_equal.sum()),
        lost=kinds["lost"],
        gained=kinds["gained"],
        wrong_to_wrong=kinds["wrong to wrong"],
    )


def _answer_notes(before: StoredRun, after: StoredRun) -> Iterator[str]:
    """Yield notes on classes that only one of the two models predicts."""
    try:
        first, second = before.clean_answers(), after.clean_answers()
    except UserError:
        return
    for run, own, others in ((before, first, second), (after, second, first)):
        missed = [k for k in never_predicted(own.label, own.predicted) if k in others.predicted]
        if missed:
            names = table_class_names(own.classes, len(own.classes))
            named = listed((names[number] for number in missed), at_most=_NAMED)
            yield f"{run.file}: it never predicts {named}; the other model does"


def _notes(before: StoredRun, after: StoredRun) -> Iterator[str]:
    for run in (before, after):
        if run.images is None:
            yield (
                f"{run.file}: its predictions per image are neither next to it nor in the store; "
                "intervals are those of unpaired runs, which are wider"
            )
        for name, row in run.record.measurements.items():
            if isinstance(row, MeasurementRow) and row.masked:
                yield f"{run.file}: {name} is masked, {NO_EVIDENCE}: {'; '.join(row.masked)}"
        if run.failed_demands:
            yield f"{run.file}: this run fails its own demands: {', '.join(run.failed_demands)}"
    yield from precision_notes(before.record.environment.precision, after.record.environment.precision)
    seeds = before.record.environment.seed, after.record.environment.seed
    if seeds[0] != seeds[1]:
        yield (f"seeds differ ({seeds[0]} and {seeds[1]}): random starts and corruptions differ")


def _side_row(run: StoredRun) -> SideRow:
    record = run.record
    return SideRow(
        file=run.file,
        model=record.model.name,
        fingerprint=record.model.fingerprint,
        time=record.environment.time,
    )
