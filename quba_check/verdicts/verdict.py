"""A verdict: a demand, and what was found."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

from quba_check.core.confidence import ConfidenceCurve
from quba_check.core.drop import Drop
from quba_check.core.grade import Grade
from quba_check.core.measurement import Measurement, Unmeasurable
from quba_check.demands import Demand
from quba_check.demands.policy import POINT, Policy
from quba_check.records.measurement import StoppedRow

_NORMAL = NormalDist()

MOST_MORE = 100
"""Largest stated number of images to decide a demand, in multiples of the images at hand."""

VerdictOutcome = Literal["pass", "fail", "uncertain", "unmeasurable", "skipped"]

Judged = Measurement | Unmeasurable | Grade | Drop
"""What a demand may be held to."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A demand and what was found. The tier has no part in it: it decides what follows, not what is.

    Attributes:
        demand: what was demanded.
        outcome: `pass`, `fail`, `uncertain`, `unmeasurable`, or `skipped` (data missing, and the demand is
            optional).
        evidence: what was measured or graded, or why there is nothing.
        value: the number, or the grade's letter, that was held to the limit; None where there is none.
        unit: its unit.
        n: images behind it.
        curve: how sure it is, where that is known.
        reason: why there is no value, or why the value is no evidence; empty where neither is so.
        within_noise: the bound lies inside the interval of the value.
        policy: what its file says of that.
        stopped: how it was decided before all images were seen; None where they were.
    """

    demand: Demand
    outcome: VerdictOutcome
    evidence: Judged
    value: float | str | None = None
    unit: str | None = None
    n: int | None = None
    curve: ConfidenceCurve | None = None
    reason: str = ""
    within_noise: bool = False
    policy: Policy = POINT
    stopped: StoppedRow | None = None

    @property
    def is_met(self) -> bool:
        """True if the demand passed, may be skipped, or is uncertain and its file allows that."""
        allowed = self.outcome == "uncertain" and self.policy.uncertain == "allow"
        return self.outcome in ("pass", "skipped") or allowed

    @property
    def enough_images(self) -> int | None:
        """Number of images for this value to clear the bound.

        None if the value clears it already, or if it takes more than `MOST_MORE` times the images at hand:
        another choice of images can make a difference that small.

        Both the reach of the interval, which shrinks with 1/√n, and the score at which a limit meets the
        bound, which grows with √n, tell how many. The first is far too many near the ends of a share, the
        second where limits are exact and leap at the value; the fewer of both are said.
        """
        if not self.within_noise or self.curve is None or self.n is None:
            return None
        if isinstance(self.value, str | None):
            return None
        limit = float(self.demand.threshold)
        low, high = self.curve.interval(self.policy.confidence)
        reach, gap = self.value - low if self.value > limit else high - self.value, abs(self.value - limit)
        there = abs(_NORMAL.inv_cdf(self.curve.p_value_above(limit)))
        if not gap or not there:
            return None
        asked = _NORMAL.inv_cdf(1 - self.policy.error)
        times = min(reach / gap, asked / there) ** 2
        return math.ceil(self.n * times) if times <= MOST_MORE else None
