"""Comparison of two stored runs by dimension and part."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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
from quba_check.records.record import Record
from quba_check.stats.clusters import group_effect, limits_in_groups
from quba_check.stats.estimate import Estimate
from quba_check.stats.intervals import Limits, Scores, share_limits

_NAMED = 3
"""Largest number of classes named in a note."""
ComparedOutcome = Literal["better", "worse", "within noise", "same", "unknown"]


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
    finding: ComparedOutcome = "unknown"
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
    """One of the two runs.

    Attributes:
        notes: notes on this run.
        unmet: names of its unmet blocking demands.
    """

    file: str
    model: str
    fingerprint: str
    time: str
    notes: tuple[str, ...] = ()
    unmet: tuple[str, ...] = ()

    @property
    def all_notes(self) -> list[str]:
        """The notes on this run and its demands, each after its name."""
        unmet = [f"this run fails its own demands: {', '.join(self.unmet)}"] if self.unmet else []
        return [f"{self.file}: {note}" for note in (*self.notes, *unmet)]


class Comparison(JsonRow):
    """Two runs of the same protocol and suite, the second compared with the first.

    Attributes:
        changes: dimensions in the order of reports, each followed by its parts.
        notes: notes on both runs; those on one are in `before` and `after`.
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

    @property
    def all_notes(self) -> tuple[str, ...]:
        """The notes on each run and on both."""
        return (*self.before.all_notes, *self.after.all_notes, *self.notes)


def compare(before: StoredRun, after: StoredRun) -> Comparison:
    """Compare two runs.

    Raises:
        UserError: they differ in protocol, suite, class list or images, or have no value in common.
    """
    reasons = differences(before.record, RunConditions.of(after.record))
    if reasons:
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
        before=_side_row(before, () if has_same else _never_predicted(before, after)),
        after=_side_row(after, () if has_same else _never_predicted(after, before)),
        suite=after.record.suite.name,
        protocol=after.record.protocol,
        changes=tuple(_row(*value) for value in values),
        notes=tuple(_notes(before.record, after.record)),
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


def _finding(change: Change, quantity: QuantityRow) -> ComparedOutcome:
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
    agreement = Estimate.mean(~pairs.differs, CLEAN_SET)
    n = len(pairs.differs)
    groups = (after.images or PerImage()).groups

    def limits_of(z: Scores, effect: float) -> Limits:
        return share_limits(agreement.value * (n / effect), n / effect, z)

    limits = limits_in_groups(limits_of, Z, group_effect(agreement.influences, groups))
    curve = None if limits is None else bounded_curve(limits, 0.0, 1.0)
    return AnswersRow(
        images=n,
        agreement=agreement.value,
        interval=None if curve is None else curve.interval(CONFIDENCE),
        changed=int(pairs.differs.sum()),
        **{kind.replace(" ", "_"): int(mask.sum()) for kind, mask in pairs.flips.items()},
    )


def _never_predicted(run: StoredRun, other: StoredRun) -> Iterator[str]:
    """Yield a note on the classes that only the model of the other run predicts."""
    try:
        answers = run.clean_answers()
        others = other.clean_answers()
    except UserError:
        return
    missed = [k for k in never_predicted(answers.label, answers.predicted) if k in others.predicted]
    if missed:
        names = table_class_names(answers.classes, len(answers.classes))
        named = listed((names[number] for number in missed), at_most=_NAMED)
        yield f"it never predicts {named}; the other model does"


def _notes_on_run(run: StoredRun) -> Iterator[str]:
    if run.images is None:
        yield (
            "its predictions per image are neither next to it nor in the store; "
            "intervals are those of unpaired runs, which are wider"
        )
    for name, row in run.record.measured.items():
        signs = [*row.masked, *chain(*row.masked_at.values())]
        if signs:
            yield f"{name} is masked, {NO_EVIDENCE}: {'; '.join(signs)}"


def _notes(before: Record, after: Record) -> Iterator[str]:
    yield from precision_notes(before.environment.precision, after.environment.precision)
    seeds = before.environment.seed, after.environment.seed
    if seeds[0] != seeds[1]:
        yield (f"seeds differ ({seeds[0]} and {seeds[1]}): random starts and corruptions differ")


def _side_row(run: StoredRun, on_answers: Iterable[str]) -> SideRow:
    """Return a run as a side of a comparison, with its notes."""
    model = run.record.model
    return SideRow(
        file=run.file,
        model=model.name,
        fingerprint=model.fingerprint,
        time=run.record.environment.time,
        notes=(*on_answers, *_notes_on_run(run)),
        unmet=tuple(run.failed_demands),
    )
