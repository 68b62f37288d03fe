"""Verdicts: measurements checked against demands."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Literal

from quba_check.core.confidence import ConfidenceCurve
from quba_check.core.grade import LETTERS, Grade
from quba_check.core.measurement import NO_EVIDENCE, Drop, Measurement, Quantity, Sample, Unmeasurable
from quba_check.demands import Demand
from quba_check.demands.demand import POINT, Policy
from quba_check.errors import InvariantError
from quba_check.messages import allowing, listed
from quba_check.stats.clusters import LEAST_GROUPS
from quba_check.stats.intervals import share_trials

_NORMAL = NormalDist()

LARGEST_FACTOR = 100
"""Largest stated number of images to decide a demand, in multiples of the images at hand."""

DecidedOutcome = Literal["pass", "fail", "waived", "uncertain", "unmeasurable", "skipped"]

Judged = Measurement | Unmeasurable | Grade | Drop
"""Evidence for or against a demand."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of a demand. Its tier does not matter here, only for what follows.

    Attributes:
        demand: the demand.
        outcome: `pass`, `fail`, `waived`, `uncertain`, `unmeasurable`, or `skipped` (an optional demand
            without data).
        evidence: the measurement, drop or grade, or the reason why there is none.
        value: the number or letter that was compared with the bound; None if there is none.
        unit: the unit of the value.
        n: number of different images behind the value.
        groups: number of groups that these images come in; None without groups.
        effective: number of independent images with the same error; None without groups.
        curve: confidence limits of the value, if known.
        reason: why there is no value, or why the value is no evidence; else empty.
        within_noise: the bound lies inside the interval of the value.
        policy: the policy of the demand's file.
    """

    demand: Demand
    outcome: DecidedOutcome
    evidence: Judged
    value: float | str | None = None
    unit: str | None = None
    n: int | None = None
    groups: int | None = None
    effective: float | None = None
    curve: ConfidenceCurve | None = None
    reason: str = ""
    within_noise: bool = False
    policy: Policy = POINT

    @property
    def is_met(self) -> bool:
        """True if it passed, or is uncertain and its file allows that."""
        return self.outcome == "pass" or (self.outcome == "uncertain" and self.policy.uncertain == "allow")

    @property
    def enough_images(self) -> int | None:
        """Number of images, or of groups, for this value to clear the bound.

        None if the value clears it already, or if it takes more than `LARGEST_FACTOR` times the images at
        hand: another sample can make a difference that small.

        The lowest of three estimates: from the half-width of the interval, which shrinks with 1/√n; from the
        score at which a limit meets the bound, which grows with √n; and for a fraction from the limits of a
        share with the same value and half-width. The first is far too high near 0 and 1, the second where
        limits are exact and jump at the value.
        """
        if (
            not self.within_noise
            or self.curve is None
            or self.n is None
            or isinstance(self.value, str | None)
        ):
            return None
        bound = float(self.demand.bound)
        gap = abs(self.value - bound)
        score = abs(_NORMAL.inv_cdf(self.curve.p_value_above(bound)))
        if not gap or not score:
            return None
        low, high = self.curve.interval(self.policy.confidence)
        half_width = self.value - low if self.value > bound else high - self.value
        required_score = _NORMAL.inv_cdf(1 - self.policy.error)
        factor = min(half_width / gap, required_score / score) ** 2
        if self.unit == "fraction" and low >= 0 and high <= 1:
            z = math.copysign(required_score, bound - self.value)
            factor = min(factor, share_trials(self.value, gap, z) / share_trials(self.value, half_width, z))
        return math.ceil((self.groups or self.n) * factor) if factor <= LARGEST_FACTOR else None


def decide(demand: Demand, evidence: Judged, policy: Policy = POINT, others: Iterable[float] = ()) -> Verdict:
    """Return the verdict on a demand. A value equal to the bound meets it.

    A waived demand that is not met is `waived` down to the waiver's worst value; one that is met passes, and
    a run warns of its waiver.

    Args:
        demand: the demand.
        evidence: see `evidence_of`; the grade for demands on it.
        policy: the outcome of a bound within the noise. A value without confidence limits is judged by
            itself under every policy, unless it has too few groups for them.
        others: under `allow` the `p_value` of each other blocking demand of the file.

    Returns:
        `pass` only for a finite value on the right side of the bound, under `fail` beyond noise.
        A masked value fails unless the demand allows it. Without data, part or grade the demand is
        `unmeasurable`; `skipped` if data are missing and the demand is optional.
    """
    verdict = _judge(demand, evidence, policy, others)
    waiver = demand.waiver
    if waiver is None or verdict.value is None or verdict.reason or verdict.is_met:
        return verdict
    allowed = _judge_by_point(replace(demand, bound=waiver.bound, waiver=None), evidence)
    return replace(verdict, outcome="waived") if allowed.outcome == "pass" else verdict


def _judge(demand: Demand, evidence: Judged, policy: Policy, others: Iterable[float]) -> Verdict:
    verdict = replace(_judge_by_point(demand, evidence), policy=policy)
    has_few_groups = verdict.groups is not None and verdict.groups < LEAST_GROUPS
    if has_few_groups and verdict.curve is None and not verdict.reason:
        return _without_interval(verdict)
    p = p_value(demand, evidence)
    if p is None:
        return verdict
    is_within_noise = policy.error < p < 1 - policy.error
    verdict = replace(verdict, within_noise=is_within_noise)
    if policy.uncertain == "point":
        return verdict
    is_shown = not is_within_noise
    if policy.uncertain == "allow" and verdict.outcome == "fail":
        is_shown &= is_demonstrated(p, others, policy.error)
    return verdict if is_shown else replace(verdict, outcome="uncertain")


def _without_interval(verdict: Verdict) -> Verdict:
    """Return the verdict on a value of too few groups for an interval."""
    if verdict.policy.uncertain == "fail":
        reason = f"too few groups of images ({verdict.groups}) for an interval, which 'uncertain: fail' needs"
        reason = allowing(reason, f"{LEAST_GROUPS} or more")
        return replace(verdict, outcome="unmeasurable", value=None, reason=reason)
    if verdict.policy.uncertain == "allow" and verdict.outcome == "fail":
        reason = f"not shown to miss the bound: too few groups ({verdict.groups}) for an interval"
        return replace(verdict, outcome="uncertain", reason=reason)
    return verdict


def is_demonstrated(p: float, others: Iterable[float], error: float) -> bool:
    """True if one of several failures is demonstrated, by Holm's step-down procedure.

    Args:
        p: p-value of “the demand is met”.
        others: p-values of the other demands.
        error: largest probability of any false demonstration, in (0, 1).

    >>> is_demonstrated(0.02, [], 0.025), is_demonstrated(0.02, [0.5], 0.025)
    (True, False)
    >>> is_demonstrated(0.02, [0.01], 0.025)
    True
    """
    ordered = sorted([p, *others])
    return all(value <= error / (len(ordered) - index) for index, value in enumerate(ordered) if value <= p)


def p_value(demand: Demand, evidence: Judged) -> float | None:
    """Return the p-value of “the demand is met”, near 0 if its failure is demonstrated.

    Returns:
        A probability; None without a value or without confidence limits.
    """
    verdict = _judge_by_point(demand, evidence)
    if verdict.curve is None or verdict.value is None:
        return None
    if isinstance(evidence, Grade) and isinstance(demand.bound, str):
        if demand.bound not in evidence.least:
            return None  # the lowest letter, which every score has
        bound = evidence.least[demand.bound]
    else:
        bound = float(demand.bound)
    beyond = verdict.curve.p_value_above if demand.key == "min" else verdict.curve.p_value_below
    return 1 - beyond(bound)


def _judge_by_point(demand: Demand, evidence: Judged) -> Verdict:
    """Return the verdict by the value alone; masked values fail as no evidence."""
    verdict = _judge_by_value(demand, evidence)
    masked = masking_signs(demand, evidence)
    if not masked or demand.allow_masked or verdict.value is None:
        return verdict
    return replace(verdict, outcome="fail", curve=None, reason=f"{NO_EVIDENCE}: {'; '.join(masked)}")


def masking_signs(demand: Demand, evidence: Judged) -> tuple[str, ...]:
    """Return the signs that gradients misled the attacks behind a demand's value."""
    if isinstance(evidence, Measurement):
        return evidence.masked_for(demand.request)
    return evidence.masked if isinstance(evidence, Drop) else ()


def _judge_by_value(demand: Demand, evidence: Judged) -> Verdict:
    if demand.needs_baseline and isinstance(evidence, Measurement):
        raise InvariantError("a drop is judged by the value itself", where=demand.name)
    if isinstance(evidence, Unmeasurable):
        skips = demand.optional and evidence.missing_data
        return Verdict(demand, "skipped" if skips else "unmeasurable", evidence, reason=evidence.reason)
    if isinstance(evidence, Grade):
        return _judge_grade(demand, evidence)
    if isinstance(evidence, Drop):
        return _judge_number(demand, evidence, evidence)
    quantity = evidence.quantity(demand.part)
    if quantity is None:
        measured = listed(evidence.parts) or "no parts"
        reason = f"this run did not measure '{demand.part}'; of {evidence.dimension} it measured: {measured}"
        return Verdict(demand, "unmeasurable", evidence, reason=reason)
    return _judge_number(demand, evidence, quantity)


def _judge_number(demand: Demand, evidence: Measurement | Grade | Drop, quantity: Quantity) -> Verdict:
    value = quantity.value
    bound = float(demand.bound)
    if not math.isfinite(value):
        reason = f"its value is {value}, which cannot be judged"
        return Verdict(demand, "unmeasurable", evidence, reason=reason)
    is_met = value >= bound if demand.key == "min" else value <= bound
    return Verdict(
        demand,
        "pass" if is_met else "fail",
        evidence,
        value,
        quantity.unit,
        n=quantity.different_images,
        groups=quantity.sample.groups,
        effective=quantity.sample.effective,
        curve=quantity.curve,
    )


def _judge_grade(demand: Demand, grade: Grade) -> Verdict:
    if grade.score is None or grade.letter is None:
        missing = f"missing {', '.join(grade.missing)}" if grade.missing else ""
        reason = ": ".join(filter(None, ["not graded", grade.not_graded or missing]))
        return Verdict(demand, "unmeasurable", grade, reason=reason)
    if isinstance(demand.bound, str):
        is_met = LETTERS.index(grade.letter) >= LETTERS.index(demand.bound)
        outcome: DecidedOutcome = "pass" if is_met else "fail"
        return Verdict(
            demand, outcome, grade, grade.letter, demand.unit, groups=grade.groups, curve=grade.curve
        )
    score = Quantity(grade.score, demand.unit, None, grade.curve, sample=Sample(groups=grade.groups))
    return _judge_number(demand, grade, score)
