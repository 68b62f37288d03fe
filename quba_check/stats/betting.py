"""Bets on images drawn one by one, without putting back, from a finite set.

Whoever claims that the mean over the set is at most 0 must take bets on each next value being above what the
claim leaves for the rest. Wealth that grows to 1/α refutes the claim: at whatever moment one looks, and
however often, a true claim is refuted with a probability of at most α (Ville's inequality).

Source: Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting", JRSS B 2024
(arXiv 2010.09686), section 5 (sampling without replacement) and the diversified bettor of its appendix: the
wealth is spread evenly over stakes of different boldness, each kept constant.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

STAKES = np.geomspace(0.02, 0.9, 12)
"""How bold bets are: shares of the largest stake that can never lose all."""
LOOK = 16
"""Values after which wealth is looked at, and at the end of every portion."""
Numbers = NDArray[np.float64]


class WealthProcess:
    """Wealth of bets against claims about the mean of a finite set of values.

    Args:
        total: values in the set.
        low: (M,) least value that is possible, for each of M claims.
        high: (M,) greatest value that is possible; above `low`.

    Attributes:
        seen: values seen so far.
        log_evidence_above: (M,) log of the greatest wealth at any look, against “the mean is at most 0”.
        log_evidence_below: (M,) log of the greatest wealth at any look, against “the mean is at least 0”.

    >>> wealth = Wealth(1000, np.array([-0.5]), np.array([0.5]))
    >>> wealth.see(np.full((40, 1), 0.5))
    >>> bool(wealth.against_at_most[0] > math.log(1 / 0.05)), bool(wealth.against_at_least[0] > 0)
    (True, False)
    """

    def __init__(self, total: int, low: Numbers, high: Numbers) -> None:
        self.seen = 0
        self.log_evidence_above = np.zeros(len(low))
        self.log_evidence_below = np.zeros(len(low))
        self._total = total
        self._low, self._high = low, high
        # One stake for all claims: wealth then falls from one claim to a higher one, value for value.
        self._stakes = STAKES / float(np.max(high - low))
        self._sum = np.zeros(len(low))
        self._log_up = np.zeros((len(low), len(STAKES)))
        self._log_down = np.zeros((len(low), len(STAKES)))

    def update(self, values: Numbers) -> None:
        """Look at the next values.

        Args:
            values: (n, M), for each claim its own values of the same n images, n at least 1; together at most
                `total`.
        """
        n = len(values)
        before = self._sum + np.cumsum(values, axis=0) - values
        left = self._total - self.seen - np.arange(n)
        rest = -before / left[:, None]  # mean of what is left, if the mean of all is 0
        self.seen += n
        self._sum = self._sum + values.sum(axis=0)
        surprise = values - np.clip(rest, self._low, self._high)
        self._log_up, up = _grown(self._log_up, surprise, self._stakes)
        self._log_down, down = _grown(self._log_down, surprise, -self._stakes)
        # What no values of the rest could make true is refuted for certain.
        slack = 1e-9 * (self._high - self._low)
        up[(rest < self._low - slack).any(axis=0)] = math.inf
        down[(rest > self._high + slack).any(axis=0)] = math.inf
        self.log_evidence_above = np.maximum(self.log_evidence_above, up)
        self.log_evidence_below = np.maximum(self.log_evidence_below, down)


def _grown(log_wealth: Numbers, surprise: Numbers, stakes: Numbers) -> tuple[Numbers, Numbers]:
    """Log wealth (M, stakes) after bets on surprises (n, M), and the greatest mean wealth of all looks."""
    growth = np.log1p(surprise[:, :, None] * stakes)
    steps = np.add.reduceat(growth, np.arange(0, len(surprise), LOOK), axis=0)
    path = log_wealth + np.cumsum(steps, axis=0)
    mixed = np.logaddexp.reduce(path, axis=2) - math.log(len(stakes))
    return path[-1], mixed.max(axis=0)
