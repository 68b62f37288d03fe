"""Comparison of two stored runs by dimension and part."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from itertools import chain
from typing import Literal

from quba_check.comparison.difference import Change, RunValue, Z, difference, is_same
from quba_check.comparison.misclassified import clean_pairs
from quba_check.comparison.stored_run import RunConditions, StoredRun, differences, precision_notes
from quba_check.core.confidence import CONFIDENCE, bounded_curve
from quba_check.core.dimension import Better
from quba_check.core.facts import table_class_names
from quba_check.core.measurement import NO_EVIDENCE
from quba_check.core.predictions import never_predicted
from quba_check.core.protocols import ProtocolName
from quba_check.core.view import CLEAN_SET
from quba_check.errors import UserError
from quba_check.messages import listed
from quba_check.records.measurement import JsonRow, QuantityRow
from quba_check.records.per_image import PerImage
from quba_check.stats.clusters import limits_in_groups
from quba_check.stats.estimate import Estimate
from quba_check.stats.intervals import Limits, Scores, share_limits

_NAMED = 3
"""Largest number of classes named in a note."""
Finding = Literal["better", "worse", "within noise", "same", "unknown"]


class ChangeRow(JsonRow):
    """The change of a dimension or part.

    Attributes:
        part: name of the part; None for the dimension itself.
        better: the better direction; None for values that are only reported.
        change: after − before.
        interval: two-sided 95 % interval of the change; None if unknown.
        finding: the conclusion from the interval.
        paired: the interval is made of both models' predictions on the same images.
        p: exact McNemar p-value of equal accuracy, for shares of the same images.
        lost: number of images that only the first model classifies correctly, for shares of the same images.
        gained: number of images that only the second model classifies correctly, likewise.
    """

    dimension: str
    part: str | None
    unit: str
    better: Better | None
    before: float
    after: float
    change: float
    interval: tuple[float, float] | None = None
    finding: Finding = "unknown"
    paired: bool = False
    n: int | None = None
    p: float | None = None
    lost: int | None = None
    gained: int | None = None


class AnswersRow(JsonRow):
    """The answers of both models to the clean images.

    Attributes:
        images: number of images.
        agreement: share of them with equal answers.
        interval: its two-sided 95 % interval; None for too few groups of images.
        changed: number of images with another answer; an image of several right classes can be right twice.
        lost: images that only the first model classifies correctly.
        gained: images that only the second model classifies correctly.
        wrong_to_wrong: images with two different wrong answers.
    """

    images: int
    agreement: float
    interval: tuple[float, float] | None
    changed: int
    lost: int
    gained: int
    wrong_to_wrong: int


class SideRow(JsonRow):
    """One of the two runs."""

    file: str
    model: str
    fingerprint: str
    time: str


class Comparison(JsonRow):
    """Two runs of the same protocol and suite, the second compared with the first.

    Attributes:
        changes: dimensions in the order of reports, each followed by its parts.
        notes: notes for the reader.
        answers: the answers to clean images; None if a run stored none.
        same_predictions: every value comes from the same predictions, so that every change is exactly 0.
    """

    before: SideRow
    after: SideRow
    suite: str
    protocol: ProtocolName
    changes: tuple[ChangeRow, ...]
    notes: tuple[str, ...] = ()
    answers: AnswersRow | None = None
    same_predictions: bool = False


def compare(before: StoredRun, after: StoredRun) -> Comparison:
    """Compare two runs.

    Raises:
        UserError: they differ in protocol, suite, class list or images, or have no value in common.
    """
    if reasons := differences(before.record, RunConditions.of(after.record)):
        raise UserError(
            f"{before.file} and {after.file} cannot be compared: they differ in {listed(reasons)}",
            allowed="two runs of one protocol on the same images and classes",
        )
    values = [
        (name, part, quantity, first, second)
        for name, row in after.record.measured.items()
        for part, quantity in ((None, row), *row.parts.items())
        if (first := before.value_of(name, part)) and (second := after.value_of(name, part))
        if row.levels.get(part or "") == before.record.measured[name].levels.get(part or "")
    ]
    if not values:
        raise UserError(
            f"{before.file} and {after.file} cannot be compared: no dimension has a value in both",
            allowed="two runs that measured one dimension at least on all of its images",
        )
    has_same = all(is_same(first, second) for *_, first, second in values)
    return Comparison(
        before=_side_row(before),
        after=_side_row(after),
        suite=after.record.suite.name,
        protocol=after.record.protocol,
        changes=tuple(_row(*value) for value in values),
        notes=(*(() if has_same else _answer_notes(before, after)), *_notes(before, after)),
        answers=_answers(before, after),
        same_predictions=has_same,
    )


def _row(name: str, part: str | None, quantity: QuantityRow, before: RunValue, after: RunValue) -> ChangeRow:
    change = difference(before, after)
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
        **({} if change.discordance is None else asdict(change.discordance)),
    )


def _finding(change: Change, quantity: QuantityRow) -> Finding:
    if quantity.better is None or (change.curve is None and quantity.n is not None):
        return "unknown"
    exact = change.value, change.value  # unless the values are of a sample
    low, high = exact if change.curve is None else change.curve.interval(CONFIDENCE)
    if low == high == 0:
        return "same"
    if low <= 0 <= high:
        return "within noise"
    return "better" if (low > 0) == (quantity.better == "high") else "worse"


def _answers(before: StoredRun, after: StoredRun) -> AnswersRow | None:
    """Return the agreement and the changed answers on clean images; None if unknown."""
    try:
        pairs = clean_pairs(before, after)
    except UserError:
        return None
    agreement, n = Estimate.mean(~pairs.differs, CLEAN_SET), len(pairs.differs)
    groups = (after.images or PerImage()).groups

    def limits_of(z: Scores, effect: float) -> Limits:
        return share_limits(agreement.value * (n / effect), n / effect, z)

    limits, _ = limits_in_groups(limits_of, Z, agreement.influences, groups)
    curve = None if limits is None else bounded_curve(limits, 0.0, 1.0)
    return AnswersRow(
        images=n,
        agreement=agreement.value,
        interval=None if curve is None else curve.interval(CONFIDENCE),
        changed=int(pairs.differs.sum()),
        **{kind.replace(" ", "_"): int(mask.sum()) for kind, mask in pairs.flips.items()},
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
        for name, row in run.record.measured.items():
            if signs := [*row.masked, *chain(*row.masked_at.values())]:
                yield f"{run.file}: {name} is masked, {NO_EVIDENCE}: {'; '.join(signs)}"
        if run.failed_demands:
            yield f"{run.file}: this run fails its own demands: {', '.join(run.failed_demands)}"
    yield from precision_notes(before.record.environment.precision, after.record.environment.precision)
    seeds = before.record.environment.seed, after.record.environment.seed
    if seeds[0] != seeds[1]:
        yield (f"seeds differ ({seeds[0]} and {seeds[1]}): random starts and corruptions differ")


def _side_row(run: StoredRun) -> SideRow:
    model, time = run.record.model, run.record.environment.time
    return SideRow(file=run.file, model=model.name, fingerprint=model.fingerprint, time=time)
