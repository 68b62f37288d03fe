"""Shares of a sample, and how far the share behind them may be."""

from __future__ import annotations

import math
from statistics import NormalDist


def wilson_interval(count: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Between which shares of the whole lies what a sample of it shows.

    Args:
        count: how many of the sample, 0 to n.
        n: size of the sample, drawn at random; at least 1.
        confidence: how often such an interval holds the share of the whole, in (0, 1).

    Returns:
        Wilson's score interval, within [0, 1]. It has its width also where none or all are counted, where the
        textbook's p ± z·√(p(1 − p)/n) has none.

    Source:
        E. B. Wilson, Probable inference, the law of succession, and statistical inference, JASA 22 (1927),
        without continuity correction.

    >>> [round(end, 4) for end in wilson_interval(0, 100)]
    [0.0, 0.037]
    """
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share, spread = count / n, z * z / n
    middle = (share + spread / 2) / (1 + spread)
    half = z * math.sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    low = 0.0 if count == 0 else middle - half  # exact there; rounding would leave 1e-18
    return low, 1.0 if count == n else middle + half
