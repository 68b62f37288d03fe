"""How sure a number is: its confidence limits at every level, as one curve."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

SCORES = tuple(step / 4 for step in range(-16, 17))
"""Normal scores at which a curve is kept, from −4 to 4."""
CONFIDENCE = 0.95
"""Level of the intervals that records and reports show."""
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class ConfidenceCurve:
    """One-sided confidence limits of a number, from the lowest to the highest.

    Attributes:
        limits: the limit at each of `SCORES`; not decreasing. The one at −1.96 lies below the number in
            97.5 % of samples, the one at 1.96 above it.

    Limits in between are interpolated on the normal scale.
    """

    limits: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.limits) != len(SCORES):
            raise ValueError(f"confidence curve: {len(self.limits)} limits. Allowed: {len(SCORES)}.")

    def at(self, score: float) -> float:
        """The limit at a normal score; beyond ±4 that at ±4."""
        place = (min(max(score, SCORES[0]), SCORES[-1]) - SCORES[0]) * 4
        first = min(math.floor(place), len(SCORES) - 2)
        low, high = self.limits[first], self.limits[first + 1]
        share = place - first
        return low if share == 0 else high if share == 1 else low + (high - low) * share

    def interval(self, confidence: float) -> tuple[float, float]:
        """The two-sided interval.

        >>> curve = ConfidenceCurve(tuple(0.7 + 0.01 * score for score in SCORES))
        >>> [round(limit, 4) for limit in curve.interval(0.95)]
        [0.6804, 0.7196]
        """
        score = _NORMAL.inv_cdf((1 + confidence) / 2)
        return self.at(-score), self.at(score)

    def p_value_above(self, bound: float) -> float:
        """The p-value of “the number is below the bound”: near 0 where it lies well above, near 1 well below.

        Limits that are equal to the bound speak for the number being there or above.

        >>> curve = ConfidenceCurve(tuple(0.7 + 0.01 * score for score in SCORES))
        >>> round(curve.p_value_above(0.68), 4), curve.p_value_above(0.7)
        (0.0228, 0.5)
        """
        return self._share_below(bound, bisect_left(self.limits, bound))

    def p_value_below(self, bound: float) -> float:
        """The p-value of “the number is above the bound”; limits equal to it speak for there or below.

        >>> curve = ConfidenceCurve(tuple(0.7 + 0.01 * score for score in SCORES))
        >>> round(curve.p_value_below(0.72), 4), curve.p_value_below(0.7)
        (0.0228, 0.5)
        """
        return 1 - self._share_below(bound, bisect_right(self.limits, bound))

    def _share_below(self, bound: float, after: int) -> float:
        """Probability of scores whose limits are before the bound; `after` is the first that is not."""
        if after == 0:
            return 0.0 if bound < self.limits[0] else _NORMAL.cdf(SCORES[0])
        if after == len(SCORES):
            return 1.0 if bound > self.limits[-1] else _NORMAL.cdf(SCORES[-1])
        low, high = self.limits[after - 1], self.limits[after]
        share = (bound - low) / (high - low)
        return _NORMAL.cdf(SCORES[after - 1] + share * (SCORES[after] - SCORES[after - 1]))


def bounded_curve(
    limits: NDArray[np.float64], low: ArrayLike = -math.inf, high: ArrayLike = math.inf
) -> ConfidenceCurve | None:
    """Return confidence limits as a curve within the possible range of the number.

    None if a sample of one image leaves the limits open.

    Args:
        limits: limits at `SCORES`.
        low: the smallest possible value, or one for each score.
        high: the largest possible value, likewise.
    """
    if not np.isfinite(limits).all():
        return None
    return ConfidenceCurve(tuple(np.clip(np.maximum.accumulate(limits), low, high).tolist()))
