"""A verdict: a demand with its evidence and outcome."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

from quba_check.core.confidence import ConfidenceCurve
from quba_check.core.grade import Grade
from quba_check.core.measurement import Drop, Measurement, Unmeasurable
from quba_check.demands import Demand
from quba_check.demands.demand import POINT, Policy
from quba_check.stats.intervals import share_trials

_NORMAL = NormalDist()

LARGEST_FACTOR = 100
"""Largest stated number of images to decide a demand, in multiples of the images at hand."""

VerdictOutcome = Literal["pass", "fail", "waived", "uncertain", "unmeasurable", "skipped"]

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
        value: the number or letter that was compared with the threshold; None if there is none.
        unit: the unit of the value.
        n: number of different images behind the value.
        groups: number of groups that these images come in; None without groups.
        effective: number of independent images with the same error; None without groups.
        curve: confidence limits of the value, if known.
        reason: why there is no value, or why the value is no evidence; else empty.
        within_noise: the bound lies inside the interval of the value.
        policy: the policy of the demand's file.
        has_needless_waiver: the demand fails only because its waiver is not needed.
    """

    demand: Demand
    outcome: VerdictOutcome
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
    has_needless_waiver: bool = False

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
        if not self.within_noise or self.curve is None or self.n is None:
            return None
        if isinstance(self.value, str | None):
            return None
        threshold = float(self.demand.threshold)
        gap, score = abs(self.value - threshold), abs(_NORMAL.inv_cdf(self.curve.p_value_above(threshold)))
        if not gap or not score:
            return None
        low, high = self.curve.interval(self.policy.confidence)
        half_width = self.value - low if self.value > threshold else high - self.value
        required_score = _NORMAL.inv_cdf(1 - self.policy.error)
        factor = min(half_width / gap, required_score / score) ** 2
        if self.unit == "fraction" and low >= 0 and high <= 1:
            z = math.copysign(required_score, threshold - self.value)
            factor = min(factor, share_trials(self.value, gap, z) / share_trials(self.value, half_width, z))
        return math.ceil((self.groups or self.n) * factor) if factor <= LARGEST_FACTOR else None
