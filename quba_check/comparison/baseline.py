"""Losses and looser demands of a run, compared with a stored baseline."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from quba_check.comparison.difference import Change, RunValue, difference, is_same, ratio
from quba_check.comparison.stored_run import RunConditions, StoredRun, differences
from quba_check.core.confidence import ConfidenceCurve
from quba_check.core.grade import LETTERS
from quba_check.core.measurement import Drop, Sample, Unmeasurable
from quba_check.core.request import Request, target_name
from quba_check.core.view import UNKNOWN_PREFIX
from quba_check.messages import allowing, listed
from quba_check.number_format import RELATIVE, format_bound
from quba_check.records.measurement import MeasurementRow
from quba_check.records.verdict import SIGNS, VerdictRow

_TIERS = ("info", "warn", "block")
_POLICIES = ("allow", "point", "fail")
_RISE = {"allow": 1, "point": 0, "fail": -1}
"""Sign of a change of the confidence that makes each policy looser."""


class Baseline(Protocol):
    """The run that drops are counted from: a stored one, or that of a reference."""

    @property
    def file(self) -> str:
        """Its name in messages."""

    def value_of(self, dimension: str, part: str | None = None) -> RunValue | None:
        """Return the value of a dimension or part; None if the run has none."""


@dataclass(frozen=True, slots=True)
class OwnPreprocessing:
    """The baseline of drops behind a serving pipeline: the model without it.

    Attributes:
        run: the run of the model.
        request: the number behind the pipeline.
        file: its name in messages.
    """

    run: Baseline
    request: Request
    file: str = "the model's own preprocessing"

    def value_of(self, dimension: str, part: str | None = None) -> RunValue | None:  # noqa: ARG002
        """Return the value in front of the pipeline; None if the run has none."""
        value = self.run.value_of(dimension, self.request.on_own_preprocessing.part)
        # Both values are of one run: its digests do not show that the answers are the same.
        return None if value is None else replace(value, fingerprint="", answers=None, outputs=None)


def drop(
    baseline: str, request: Request, before: RunValue | None, after: RunValue | None, *, relative: bool
) -> Drop | Unmeasurable:
    """Return the loss of a number against the baseline.

    Args:
        baseline: name of the run to compare with.
        request: the number.
        before: its value in that run; None if it has none.
        after: its value in this run; None if it has none.
        relative: return a share of the baseline's value, which must be above 0.
    """
    dimension = request.dimension
    name = target_name(request.dimension, request.part)
    if before is None:
        reason = allowing(f"{baseline} has no value of {name}", "a record of a run that measured it")
        return Unmeasurable(dimension, reason, missing_data=True)
    if after is None:
        return Unmeasurable(dimension, f"this run has no value of {name}", missing_data=True)
    if before.is_transferred != after.is_transferred:
        reason = f"only one of {name} and that of {baseline} is of attacks computed on another model"
        return Unmeasurable(dimension, reason)
    if before.score and after.score and before.score != after.score:
        reason = f"{baseline} has {name} with the score {before.score}, this run with {after.score}"
        return Unmeasurable(dimension, allowing(reason, "the same score in both manifests"))
    if relative and before.value <= 0 and not is_same(before, after):
        reason = f"{name} is {before.value:g} in {baseline}, so a relative drop is undefined. Use max_drop"
        return Unmeasurable(dimension, reason)
    change = ratio(before, after) if relative else difference(before, after)
    gain = change.value - relative
    curve = change.curve
    if curve is not None:
        curve = ConfidenceCurve(tuple(limit - relative for limit in curve.limits))
        if request.better == "high":
            curve = ConfidenceCurve(tuple(-limit for limit in reversed(curve.limits)))
    effective = None if change.effect is None or after.n is None else after.n / change.effect.factor
    return Drop(
        0.0 - gain if request.better == "high" else gain,
        RELATIVE if relative else request.number.unit,
        after.n,
        curve,
        before=before.value,
        after=after.value,
        baseline=baseline,
        paired=change.paired,
        sample=Sample(groups=_groups(change, before, after), effective=effective),
    )


def _groups(change: Change, *sides: RunValue) -> int | None:
    """Return the number of groups behind a change; None without groups."""
    if change.effect is not None:
        return change.effect.count
    counts = [side.n_groups for side in sides if side.n_groups is not None]
    is_by_group = all(side.n_groups == side.n for side in sides)  # of decided sets
    return min(counts, default=None) if change.curve is None or is_by_group else None


def incompatibility(
    baseline: StoredRun, request: Request, run: RunConditions, parts: Iterable[str] = ()
) -> Unmeasurable | None:
    """Return the reason why a stored run cannot be a baseline, else None; see `differences`.

    Args:
        baseline: the stored run.
        request: the number to compare.
        run: the conditions of the later run.
        parts: parts of the dimension in the later run. Those named as a set of only one of the runs show that
            the values are of other sets.
    """
    reasons = differences(baseline.record, run)
    row = baseline.record.measurements.get(request.dimension)
    ours = baseline.record.suite.sets
    if request.slice:
        both = ours.keys() & run.suite.sets.keys()
        changed = [
            set_name
            for set_name in both
            if ours[set_name].slices not in (None, run.suite.sets[set_name].slices)
        ]
        reasons += [f"slices of {name}" for name in sorted(changed)]
    name = request.on_all_images.name
    if isinstance(row, MeasurementRow) and name in row.parts and row.levels.get(name, {}) != request.levels:
        reasons.append("probabilities of classes")
    if parts and isinstance(row, MeasurementRow):
        suites = baseline.record.suite, run.suite
        before, after = ({view.removeprefix(UNKNOWN_PREFIX) for view in suite.contents} for suite in suites)
        others = before & {*row.parts} ^ after & {*parts}
        reasons += [f"sets ({listed(sorted(others))})"] if others else []
    if not reasons:
        return None
    reason = f"{baseline.file} cannot be its baseline: it differs in {listed(reasons)}"
    allowed = "a record of the same protocol, images and classes"
    return Unmeasurable(request.dimension, allowing(reason, allowed))


def looser_demands(before: Iterable[VerdictRow], after: Iterable[VerdictRow]) -> list[str]:
    """Return the demands that are gone or looser, in words.

    A demand that several files state is as strict as the strictest of them.

    Args:
        before: the demands of the earlier run.
        after: those of the later one; their outcomes have no influence.
    """
    by_name: dict[str, list[VerdictRow]] = {}
    for row in after:
        by_name.setdefault(row.name, []).append(row)
    texts: dict[str, None] = {}
    for row in before:
        reasons = [list(_ways(row, now)) for now in by_name.get(row.name, [])]
        if not reasons:
            texts[f"{row.shown_name} is gone ({SIGNS[row.key]} {format_bound(row.bound)})"] = None
        elif all(reasons):
            texts[f"{row.shown_name} {', '.join(reasons[0])}"] = None
    return list(texts)


def _ways(before: VerdictRow, after: VerdictRow) -> Iterator[str]:
    """Yield the ways in which a demand is looser than an earlier one."""
    sign = SIGNS[before.key]
    if _is_looser(before, after):
        yield f"{sign} {format_bound(after.bound)} (was {format_bound(before.bound)})"
    if _TIERS.index(after.tier) < _TIERS.index(before.tier):
        yield f"tier {after.tier} (was {before.tier})"
    if _POLICIES.index(after.policy) < _POLICIES.index(before.policy):
        yield f"uncertain: {after.policy} (was {before.policy})"
    if before.policy == after.policy and _RISE[after.policy] * (after.confidence - before.confidence) > 0:
        yield f"confidence {after.confidence:g} (was {before.confidence:g})"
    if before.levels != after.levels:
        yield "other probabilities of classes"
    may_skip = after.optional or after.kind != "value"  # a named slice that is too small blocks
    for key in ("min_images", "min_groups"):
        was = getattr(before, key)
        now = getattr(after, key)
        if None not in (was, now) and (now > was if may_skip else now < was):
            yield f"{key} {now:,} (was {was:,})"
    yield from (
        f"{key}: true (was false)"
        for key in ("optional", "allow_masked")
        if getattr(after, key) and getattr(before, key) is False
    )


def _is_looser(before: VerdictRow, after: VerdictRow) -> bool:
    if isinstance(before.bound, str) or isinstance(after.bound, str):
        return LETTERS.index(str(after.bound)) < LETTERS.index(str(before.bound))
    return after.bound < before.bound if before.key == "min" else after.bound > before.bound
