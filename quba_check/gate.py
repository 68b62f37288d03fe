"""A measurement held against a demand. Pure; `Verdict.explain` writes the one text that a failure has."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from quba_check.demands import Demand
from quba_check.demands.policy import POINT, Policy, is_demonstrated
from quba_check.errors import listed
from quba_check.figures import apart_by, figure, ordinal, rounded_up, told_apart
from quba_check.protocol.confidence import ConfidenceCurve
from quba_check.protocol.drop import Drop
from quba_check.protocol.grade import LETTERS, Grade
from quba_check.protocol.measurement import Measurement, Quantity, Unmeasurable
from quba_check.protocol.measurement_rows import StoppedRow
from quba_check.protocol.verdict_rows import VerdictRow

VerdictOutcome = Literal["pass", "fail", "uncertain", "unmeasurable", "skipped"]

Held = Measurement | Unmeasurable | Grade | Drop
"""What a demand may be held to."""
NO_BASELINE = "there is no baseline to compare with. Name a record with --quba-baseline FILE.json"
WORST_PARTS = 3
"""How many parts an explanation names."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A demand and what was found. The tier has no part in it: it decides what follows, not what is.

    Attributes:
        demand: what was demanded.
        outcome: `pass`, `fail`, `uncertain`, `unmeasurable`, or `skipped` (data missing, and the demand is
            optional).
        held: what was measured or graded, or why there is nothing.
        value: the number, or the grade's letter, that was held to the limit; None where there is none.
        unit: its unit.
        n: images behind it.
        curve: how sure it is, where that is known.
        reason: why there is no value; empty where there is one.
        within_noise: the bound lies inside the interval of the value.
        policy: what its file says of that.
        stopped: how it was decided before all images were seen; None where they were.
    """

    demand: Demand
    outcome: VerdictOutcome
    held: Held
    value: float | str | None = None
    unit: str | None = None
    n: int | None = None
    curve: ConfidenceCurve | None = None
    reason: str = ""
    within_noise: bool = False
    policy: Policy = POINT
    stopped: StoppedRow | None = None

    def explain(self) -> str:
        """What was found, in a line; then, indented, what explains it and where it was demanded."""
        return "\n  ".join(
            [self._headline(), *self._details(), f"demanded by {self.demand.place}"],
        )

    def row(self, id: str) -> VerdictRow:  # noqa: A002  the record's own word
        """The verdict as records keep it, under the id of its item."""
        message = "" if self.outcome == "pass" else self.explain()
        return self.demand.judged(
            id,
            self.outcome,
            message,
            within_noise=self.within_noise,
            policy=self.policy,
            stopped=self.stopped,
        )

    @property
    def enough_images(self) -> int | None:
        """Images of which the value, were it the true one, would clear the bound; None where it does."""
        if not self.within_noise or self.curve is None or self.n is None:
            return None
        if isinstance(self.value, str | None):
            return None
        gap = abs(self.value - float(self.demand.limit))
        low, high = self.curve.interval(self.policy.confidence)
        reach = self.value - low if self.value > float(self.demand.limit) else high - self.value
        return math.ceil(self.n * (reach / gap) ** 2) if gap > 0 else None

    def _headline(self) -> str:
        target, limit, value = self.demand.target, self.demand.limit, self.value
        if self.demand.needs_baseline:
            target += " relative drop" if self.demand.bound == "max_relative_drop" else " drop"
        if value is None:
            happened = "was skipped" if self.outcome == "skipped" else "could not be measured"
            return f"{target} {happened}: {self.reason}"
        relation = self._relation()
        if self.outcome == "uncertain":
            return f"{target} {self._shown(value)} {relation} {self._shown(limit)}{self._standing()}"
        if isinstance(value, str) or isinstance(limit, str):
            return f"{target} {value} {relation} {limit}{self._standing()}"
        unit = self.unit or ""
        shown, bound = told_apart(value, limit, unit)
        if self.outcome == "pass":
            return f"{target} {shown} {relation} {bound}"
        missed = "short" if self.demand.bound == "min" else "over"
        return f"{target} {shown} {relation} {bound} ({missed} by {apart_by(value, limit, unit)})"

    def _relation(self) -> str:
        wanted, missed = ("at least", "below") if self.demand.bound == "min" else ("at most", "above")
        if self.outcome == "uncertain":
            return f"is not shown to be {wanted if self.policy.uncertain == 'fail' else missed}"
        return f"is {wanted if self.outcome == 'pass' else missed}"

    def _shown(self, number: float | str) -> str:
        return number if isinstance(number, str) else figure(number, self.unit or "")

    def _standing(self) -> str:
        grade = self.held
        if not isinstance(grade, Grade) or grade.score is None or grade.percentile is None:
            return ""
        percentile = f"{ordinal(grade.percentile)} percentile of {grade.population}"
        return f" (score {figure(grade.score, 'score')}, {percentile})"

    def _details(self) -> Iterator[str]:
        if isinstance(self.held, Measurement):
            worst = ", ".join(
                f"{name} {figure(part.value, part.unit)}" for name, part in self._worst_parts(self.held)
            )
            if worst:
                yield f"worst parts: {worst}"
        if self.stopped is not None:
            yield str(self.stopped)
        if isinstance(self.held, Drop):
            before, after = told_apart(self.held.before, self.held.after, self.unit or "")
            how = "paired image by image" if self.held.paired else "unpaired"
            yield f"from {before} in {self.held.baseline} to {after}, {how}"
        if self.n is not None:
            yield f"n = {self.n:,} images"
        if self.curve is not None:
            unit = "score" if isinstance(self.held, Grade) else self.unit or ""
            low, high = (figure(end, unit) for end in self.curve.interval(self.policy.confidence))
            of_score = " of the score" if isinstance(self.value, str) else ""
            enough = self.enough_images
            yield f"{100 * self.policy.confidence:g} % interval{of_score} {low} to {high}"
            if enough is not None:
                yield f"some {rounded_up(enough):,} images would tell it from the bound"
        if not isinstance(self.held, Unmeasurable):
            yield from self.held.notes

    def _worst_parts(self, measurement: Measurement) -> list[tuple[str, Quantity]]:
        """The parts that pull the value of a dimension most: those with its direction, worst first."""
        demand = self.demand
        ranked = [
            (part.name, measurement.parts[part.name])
            for part in demand.parts
            if part.name in measurement.parts and part.better == demand.better
        ]
        ranked.sort(key=lambda item: item[1].value, reverse=demand.better == "low")
        return ranked[:WORST_PARTS]


def judge(
    demand: Demand,
    held: Held,
    policy: Policy = POINT,
    others: Iterable[float] = (),
) -> Verdict:
    """Hold what was found to what is demanded. A value equal to the limit meets it.

    Args:
        demand: the demand.
        held: the outcome of the demand's dimension; for `quba` demands the grade.
        policy: what becomes of a bound within the noise. A value without confidence limits is decided by
            itself under every policy.
        others: under `allow` the `doubt` of each further blocking demand of the file.

    Returns:
        `pass` only where there is a finite value on the right side of the limit, under `fail` beyond noise.
        No data, no part of that name or no grade are `unmeasurable`; `skipped` where data are missing and the
        demand is optional.
    """
    return _by_policy(_by_point(demand, held), policy, others)


def judge_stopped(demand: Demand, held: Measurement, stopped: StoppedRow, policy: Policy = POINT) -> Verdict:
    """The verdict on the whole set, as it was foretold from the images that were seen.

    Args:
        demand: the demand.
        held: the measurement of those images.
        stopped: what was foretold.
        policy: of the demand's file.
    """
    outcome: VerdictOutcome = "pass" if stopped.passes else "fail"
    return replace(_by_point(demand, held), outcome=outcome, policy=policy, stopped=stopped)


def doubt(demand: Demand, held: Held) -> float | None:
    """The p-value of “the demand is met”: near 0 where its failure is shown, near 1 where that it is met.

    Returns:
        A probability; None where there is no value, or none with confidence limits.
    """
    verdict = _by_point(demand, held)
    if verdict.curve is None or verdict.value is None:
        return None
    if isinstance(held, Grade) and isinstance(demand.limit, str):
        if demand.limit not in held.least:
            return None  # the lowest letter, which every score has
        limit = held.least[demand.limit]
    else:
        limit = float(demand.limit)
    shown = verdict.curve.doubt(limit)
    return 1 - shown if demand.bound == "min" else shown


def _by_policy(verdict: Verdict, policy: Policy, others: Iterable[float]) -> Verdict:
    p = doubt(verdict.demand, verdict.held)
    if p is None:
        return replace(verdict, policy=policy)
    within = policy.error < p < 1 - policy.error
    judged = replace(verdict, within_noise=within, policy=policy)
    match policy.uncertain:
        case "point":
            return judged
        case "fail":
            return replace(judged, outcome="uncertain") if within else judged
        case "allow":
            is_shown = verdict.outcome == "pass" or is_demonstrated(p, others, policy.error)
            return judged if is_shown and not within else replace(judged, outcome="uncertain")


def _by_point(demand: Demand, held: Held) -> Verdict:
    """The verdict that the value alone gives."""
    if isinstance(held, Drop):
        return _judged_number(demand, held, held.value, held.unit, held.n, held.curve)
    if demand.needs_baseline and not isinstance(held, Unmeasurable):
        held = Unmeasurable(demand.dimension, NO_BASELINE, missing_data=True)
    if isinstance(held, Unmeasurable):
        skips = demand.optional and held.missing_data
        return Verdict(demand, "skipped" if skips else "unmeasurable", held, reason=held.reason)
    if isinstance(held, Grade):
        return _judged_grade(demand, held)
    if demand.part is not None and demand.part not in held.parts:
        measured = listed(held.parts) or "no parts"
        reason = f"{held.dimension} has no part '{demand.part}' here. Measured: {measured}."
        return Verdict(demand, "unmeasurable", held, reason=reason)
    found = held if demand.part is None else held.parts[demand.part]
    return _judged_number(demand, held, found.value, found.unit, found.n, found.curve)


def _judged_number(
    demand: Demand,
    held: Measurement | Grade | Drop,
    value: float,
    unit: str,
    n: int | None = None,
    curve: ConfidenceCurve | None = None,
) -> Verdict:
    if not math.isfinite(value):
        return Verdict(
            demand, "unmeasurable", held, reason=f"its value is {value}, which is no number to judge"
        )
    limit = float(demand.limit)
    is_met = value >= limit if demand.bound == "min" else value <= limit
    return Verdict(demand, "pass" if is_met else "fail", held, value, unit, n, curve)


def _judged_grade(demand: Demand, grade: Grade) -> Verdict:
    if grade.score is None or grade.letter is None:
        missing = f": missing {', '.join(grade.missing)}" if grade.missing else ""
        return Verdict(demand, "unmeasurable", grade, reason=f"not graded{missing}")
    if isinstance(demand.limit, str):
        is_met = LETTERS.index(grade.letter) >= LETTERS.index(demand.limit)
        outcome: VerdictOutcome = "pass" if is_met else "fail"
        return Verdict(demand, outcome, grade, grade.letter, demand.unit, curve=grade.curve)
    return _judged_number(demand, grade, grade.score, demand.unit, curve=grade.curve)
