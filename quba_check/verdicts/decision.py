"""A measurement held against a demand."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

from quba_check.core.confidence import ConfidenceCurve
from quba_check.core.drop import Drop
from quba_check.core.grade import LETTERS, Grade
from quba_check.core.measurement import NO_EVIDENCE, Measurement, Unmeasurable
from quba_check.demands import Demand
from quba_check.demands.policy import POINT, Policy, is_demonstrated
from quba_check.errors import listed
from quba_check.records.measurement import StoppedRow
from quba_check.verdicts.verdict import Judged, Verdict, VerdictOutcome

NO_BASELINE = (
    "there is no baseline to compare with. Name a record with --quba-baseline FILE.json (what-if: --baseline)"
)


def judge(
    demand: Demand,
    evidence: Judged,
    policy: Policy = POINT,
    others: Iterable[float] = (),
) -> Verdict:
    """Hold what was found to what is demanded. A value equal to the limit meets it.

    Args:
        demand: the demand.
        evidence: the outcome of the demand's dimension; for `quba` demands the grade.
        policy: what becomes of a bound within the noise. A value without confidence limits is decided by
            itself under every policy.
        others: under `allow` the `p_value` of each further blocking demand of the file.

    Returns:
        `pass` only where there is a finite value on the right side of the limit, under `fail` beyond noise.
        A masked value fails unless the demand allows it.
        No data, no part of that name or no grade are `unmeasurable`; `skipped` where data are missing and the
        demand is optional.
    """
    return _by_policy(_by_point(demand, evidence), policy, others)


def judge_stopped(
    demand: Demand, evidence: Measurement, stopped: StoppedRow, policy: Policy = POINT
) -> Verdict:
    """The verdict on the whole set, as it was foretold from the images that were seen.

    Args:
        demand: the demand.
        evidence: the measurement of those images.
        stopped: what was foretold.
        policy: of the demand's file.
    """
    verdict = _by_point(demand, evidence)
    outcome: VerdictOutcome = "pass" if stopped.passes and not verdict.reason else "fail"
    return replace(verdict, outcome=outcome, policy=policy, stopped=stopped)


def p_value(demand: Demand, evidence: Judged) -> float | None:
    """The p-value of “the demand is met”: near 0 where its failure is shown, near 1 where that it is met.

    Returns:
        A probability; None where there is no value, or none with confidence limits.
    """
    verdict = _by_point(demand, evidence)
    if verdict.curve is None or verdict.value is None:
        return None
    if isinstance(evidence, Grade) and isinstance(demand.threshold, str):
        if demand.threshold not in evidence.least:
            return None  # the lowest letter, which every score has
        limit = evidence.least[demand.threshold]
    else:
        limit = float(demand.threshold)
    curve = verdict.curve
    return 1 - (curve.p_value_above(limit) if demand.bound == "min" else curve.p_value_below(limit))


def _by_policy(verdict: Verdict, policy: Policy, others: Iterable[float]) -> Verdict:
    p = p_value(verdict.demand, verdict.evidence)
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


def _by_point(demand: Demand, evidence: Judged) -> Verdict:
    """Return the verdict by the value alone; a masked value fails as no evidence."""
    verdict = _by_value(demand, evidence)
    masked = evidence.masked if isinstance(evidence, Measurement | Drop) else ()
    if not masked or demand.allow_masked or verdict.value is None:
        return verdict
    return replace(verdict, outcome="fail", curve=None, reason=f"{NO_EVIDENCE}: {'; '.join(masked)}")


def _by_value(demand: Demand, evidence: Judged) -> Verdict:
    if isinstance(evidence, Drop):
        return _judged_number(demand, evidence, evidence.value, evidence.unit, evidence.n, evidence.curve)
    if demand.needs_baseline and not isinstance(evidence, Unmeasurable):
        evidence = Unmeasurable(demand.dimension, NO_BASELINE, missing_data=True)
    if isinstance(evidence, Unmeasurable):
        skips = demand.optional and evidence.missing_data
        return Verdict(demand, "skipped" if skips else "unmeasurable", evidence, reason=evidence.reason)
    if isinstance(evidence, Grade):
        return _judged_grade(demand, evidence)
    if demand.part is not None and demand.part not in evidence.parts:
        measured = listed(evidence.parts) or "no parts"
        reason = f"{evidence.dimension} has no part '{demand.part}' here. Measured: {measured}."
        return Verdict(demand, "unmeasurable", evidence, reason=reason)
    found = evidence if demand.part is None else evidence.parts[demand.part]
    return _judged_number(demand, evidence, found.value, found.unit, found.n, found.curve)


def _judged_number(
    demand: Demand,
    evidence: Measurement | Grade | Drop,
    value: float,
    unit: str,
    n: int | None = None,
    curve: ConfidenceCurve | None = None,
) -> Verdict:
    if not math.isfinite(value):
        return Verdict(
            demand, "unmeasurable", evidence, reason=f"its value is {value}, which is no number to judge"
        )
    limit = float(demand.threshold)
    is_met = value >= limit if demand.bound == "min" else value <= limit
    return Verdict(demand, "pass" if is_met else "fail", evidence, value, unit, n, curve)


def _judged_grade(demand: Demand, grade: Grade) -> Verdict:
    if grade.score is None or grade.letter is None:
        missing = f"missing {', '.join(grade.missing)}" if grade.missing else ""
        why = grade.not_graded or missing
        return Verdict(demand, "unmeasurable", grade, reason=f"not graded{f': {why}' if why else ''}")
    if isinstance(demand.threshold, str):
        is_met = LETTERS.index(grade.letter) >= LETTERS.index(demand.threshold)
        outcome: VerdictOutcome = "pass" if is_met else "fail"
        return Verdict(demand, outcome, grade, grade.letter, demand.unit, curve=grade.curve)
    return _judged_number(demand, grade, grade.score, demand.unit, curve=grade.curve)
