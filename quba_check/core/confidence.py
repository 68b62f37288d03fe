"""Confidence limits of a number at all levels, as one curve."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

SCORES = tuple(step / 4 for step in range(-16, 17))
"""Normal scores at which a curve is stored, from −4 to 4."""
CONFIDENCE = 0.95
"""Level of the intervals that records and reports show."""
_NORMAL = NormalDist()

Scores = NDArray[np.float64]
SampleLimits = Callable[[Scores, float], NDArray[np.float64]]
"""Limits at (K,) normal scores for a sample of n images divided by a factor, the design effect."""


@dataclass(frozen=True, slots=True)
class ConfidenceCurve:
    """One-sided confidence limits of a number, from the lowest to the highest.

    Attributes:
        limits: the limit at each of `SCORES`; not decreasing. The one at −1.96 lies below the true value in
            97.5 % of samples, the one at 1.96 above it.
        of_sample: returns the curve of limits at 33 other scores and of a smaller sample; None if unknown.

    Limits between two scores are interpolated linearly.
    """

    limits: tuple[float, ...]
    of_sample: Callable[[Scores, float], ConfidenceCurve | None] | None = field(
        default=None, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        if len(self.limits) != len(SCORES):
            raise ValueError(f"confidence curve: {len(self.limits)} limits instead of {len(SCORES)}")

    def at(self, score: float) -> float:
        """Return the limit at a normal score; beyond ±4 that at ±4."""
        position = (min(max(score, SCORES[0]), SCORES[-1]) - SCORES[0]) * 4
        first = min(math.floor(position), len(SCORES) - 2)
        low, high = self.limits[first], self.limits[first + 1]
        share = position - first
        return low if share == 0 else high if share == 1 else low + (high - low) * share

    def widen(
        self, value: float, scores: Scores, effect: float, room: tuple[float, float] | None
    ) -> ConfidenceCurve | None:
        """Return the limits of a smaller sample; None if one is not finite.

        Args:
            value: the number.
            scores: (33,) scores, at least as far from 0 as `SCORES`.
            effect: number of images over that of the smaller sample, at least 1.
            room: a range that the number can always have, for limits that the curve does not have: their
                distance from the value grows with the square of the score. None if unbounded.

        >>> curve = ConfidenceCurve(tuple(0.7 + 0.01 * score for score in SCORES))
        >>> [round(limit, 4) for limit in curve.widen(0.7, np.array(SCORES), 4, (0, 1)).interval(0.95)]
        [0.6608, 0.7392]
        """
        if self.of_sample is not None:
            return self.of_sample(scores, effect)
        scores = math.sqrt(effect) * scores
        beyond = np.maximum(1.0, np.abs(scores) / SCORES[-1]) ** 2
        limits = value + beyond * (np.array([self.at(score) for score in scores]) - value)
        low, high = (-math.inf, math.inf) if room is None else room
        room_of_curve = min(low, self.limits[0]), max(high, self.limits[-1])
        return ConfidenceCurve(tuple(np.clip(limits, *room_of_curve).tolist()))

    def interval(self, confidence: float) -> tuple[float, float]:
        """Return the two-sided interval.

        >>> curve = ConfidenceCurve(tuple(0.7 + 0.01 * score for score in SCORES))
        >>> [round(limit, 4) for limit in curve.interval(0.95)]
        [0.6804, 0.7196]
        """
        score = _NORMAL.inv_cdf((1 + confidence) / 2)
        return self.at(-score), self.at(score)

    def p_value_above(self, bound: float) -> float:
        """Return the p-value of "the number is below the bound".

        It is near 0 if the number is well above the bound. Limits equal to the bound count as above it.

        >>> curve = ConfidenceCurve(tuple(0.7 + 0.01 * score for score in SCORES))
        >>> round(curve.p_value_above(0.68), 4), curve.p_value_above(0.7)
        (0.0228, 0.5)
        """
        return self._probability_below(bound, bisect_left(self.limits, bound))

    def p_value_below(self, bound: float) -> float:
        """Return the p-value of "the number is above the bound".

        It is near 0 if the number is well below the bound. Limits equal to the bound count as below it.

        >>> curve = ConfidenceCurve(tuple(0.7 + 0.01 * score for score in SCORES))
        >>> round(curve.p_value_below(0.72), 4), curve.p_value_below(0.7)
        (0.0228, 0.5)
        """
        return 1 - self._probability_below(bound, bisect_right(self.limits, bound))

    def _probability_below(self, bound: float, after: int) -> float:
        """Return the probability of scores before `after`, the first limit at the bound."""
        is_exact = self.limits[0] == self.limits[-1]
        if after == 0:
            return 0.0 if is_exact or bound < self.limits[0] else _NORMAL.cdf(SCORES[0])
        if after == len(SCORES):
            return 1.0 if is_exact or bound > self.limits[-1] else _NORMAL.cdf(SCORES[-1])
        low, high = self.limits[after - 1], self.limits[after]
        share = (bound - low) / (high - low)
        return _NORMAL.cdf(SCORES[after - 1] + share * (SCORES[after] - SCORES[after - 1]))


def curve_of(
    limits: SampleLimits, low: float = -math.inf, high: float | SampleLimits = math.inf
) -> ConfidenceCurve | None:
    """Return the curve of a function of limits, which groups of images can widen exactly.

    Args:
        limits: the function; see `SampleLimits`.
        low: the smallest possible value.
        high: the largest possible value, or a function of it.

    Returns:
        The curve; None if a limit is not finite, as with a single image.
    """

    def of_sample(scores: Scores, effect: float) -> ConfidenceCurve | None:
        highest = high(scores, effect) if callable(high) else high
        return bounded_curve(limits(scores, effect), low, highest)

    curve = of_sample(np.array(SCORES), 1.0)
    return None if curve is None else replace(curve, of_sample=of_sample)


def bounded_curve(
    limits: NDArray[np.float64], low: ArrayLike = -math.inf, high: ArrayLike = math.inf
) -> ConfidenceCurve | None:
    """Return limits as a curve, clipped to the possible range of the number.

    Args:
        limits: (33,) limits at `SCORES`, in the unit of the number.
        low: the smallest possible value, or (33,) one for each score.
        high: the largest possible value, likewise.

    Returns:
        The curve; None if a limit is not finite, as with a single image.
    """
    if not np.isfinite(limits).all():
        return None
    return ConfidenceCurve(tuple(np.clip(np.maximum.accumulate(limits), low, high).tolist()))
