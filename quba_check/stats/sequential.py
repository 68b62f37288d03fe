"""Sequential tests of the mean of a finite set by betting (e-processes).

Images are drawn without replacement. The null hypothesis "the mean over the set is at most 0" predicts the
mean of the values still to come. A bettor stakes a share of a wealth of 1 on each next value exceeding this
prediction. Under the hypothesis the wealth is a nonnegative supermartingale (an e-process): it reaches 1/α
with a probability of at most α (Ville's inequality). So the hypothesis may be rejected at any moment, however
often the wealth is evaluated.

Source: Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting", JRSS B 2024
(arXiv 2010.09686), section 5 (sampling without replacement) and the diversified bettor of its appendix: the
wealth is spread evenly over constant stakes of different size.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Terms = tuple[Numbers, Numbers]
"""(n,) numerators and (n,) denominators of n images."""
Corners = tuple[tuple[float, float], ...]
"""Pairs (numerator, denominator) whose convex hull contains those of every image."""
Decision = Literal["undecided", "met", "missed"]

STAKES = np.geomspace(0.02, 0.9, 12)
"""Stakes, as shares of the largest one that can never lose the whole wealth."""
INTERVAL = 16
"""Values between two evaluations of the wealth, which is also evaluated at the end of every batch."""
GRID = 251
"""Hypothetical values of a ratio in a confidence sequence; its limits are the nearest rejected ones."""


class WealthProcess:
    """Wealth of bets against hypotheses about the mean of a finite set of values.

    Args:
        total: values in the set.
        low: (M,) smallest possible value, for each of M hypotheses.
        high: (M,) largest possible value; above `low`.

    Attributes:
        n_seen: values seen so far.
        log_evidence_above: (M,) logarithm of the largest wealth so far against "the mean is at most 0".
        log_evidence_below: (M,) logarithm of the largest wealth so far against "the mean is at least 0".

    >>> wealth = WealthProcess(1000, np.array([-0.5]), np.array([0.5]))
    >>> wealth.update(np.full((40, 1), 0.5))
    >>> bool(wealth.log_evidence_above[0] > math.log(1 / 0.05)), bool(wealth.log_evidence_below[0] > 0)
    (True, False)
    """

    def __init__(self, total: int, low: Numbers, high: Numbers) -> None:
        self.n_seen = 0
        self.log_evidence_above = np.zeros(len(low))
        self.log_evidence_below = np.zeros(len(low))
        self._total = total
        self._low, self._high = low, high
        # One set of stakes for all hypotheses: the wealth then falls from one claim to a higher one.
        self._stakes = STAKES / float(np.max(high - low))
        self._sum = np.zeros(len(low))
        self._log_up = np.zeros((len(low), len(STAKES)))
        self._log_down = np.zeros((len(low), len(STAKES)))

    def update(self, values: Numbers) -> None:
        """Bet on the next values.

        Args:
            values: (n, M), for each hypothesis its values of the same n images, n at least 1; in all calls
                together at most `total` rows.
        """
        n = len(values)
        sum_before = self._sum + np.cumsum(values, axis=0) - values
        n_left = self._total - self.n_seen - np.arange(n)
        predicted = -sum_before / n_left[:, None]  # mean of the remaining values, if the mean of all is 0
        self.n_seen += n
        self._sum = self._sum + values.sum(axis=0)
        surplus = values - np.clip(predicted, self._low, self._high)
        self._log_up, up = _bet(self._log_up, surplus, self._stakes)
        self._log_down, down = _bet(self._log_down, surplus, -self._stakes)
        # A mean that no remaining values could have rejects the hypothesis for certain.
        slack = 1e-9 * (self._high - self._low)
        up[(predicted < self._low - slack).any(axis=0)] = math.inf
        down[(predicted > self._high + slack).any(axis=0)] = math.inf
        self.log_evidence_above = np.maximum(self.log_evidence_above, up)
        self.log_evidence_below = np.maximum(self.log_evidence_below, down)


def _bet(log_wealth: Numbers, surplus: Numbers, stakes: Numbers) -> tuple[Numbers, Numbers]:
    """Return log wealth (M, stakes) after bets on surpluses (n, M), and its largest mean."""
    growth = np.log1p(surplus[:, :, None] * stakes)
    steps = np.add.reduceat(growth, np.arange(0, len(surplus), INTERVAL), axis=0)
    path = log_wealth + np.cumsum(steps, axis=0)
    mean = np.logaddexp.reduce(path, axis=2) - math.log(len(stakes))
    return path[-1], mean.max(axis=0)


@dataclass(slots=True)
class RunningRatio:
    """A ratio of two means over a finite set, of which some images were seen.

    The hypothesis "the ratio is r" is tested by bets on numerator − r · denominator, whose mean over the set
    is then 0.

    Args:
        total: images in the set.
        corners: pairs (numerator, denominator) whose convex hull contains those of every image.
        claims: (M,) hypothetical values of the ratio, ascending.
    """

    total: int
    corners: Corners
    claims: Numbers
    _numerator: float = field(init=False, default=0.0)
    _denominator: float = field(init=False, default=0.0)
    _wealth: WealthProcess = field(init=False)

    def __post_init__(self) -> None:
        ends = np.array([[top - claim * bottom for top, bottom in self.corners] for claim in self.claims])
        self._wealth = WealthProcess(self.total, ends.min(axis=1), ends.max(axis=1))

    @property
    def n_seen(self) -> int:
        """Images seen so far."""
        return self._wealth.n_seen

    @property
    def is_complete(self) -> bool:
        """True if the whole set was seen."""
        return self.n_seen >= self.total

    @property
    def value(self) -> float:
        """The ratio over the images seen, if `has_denominator`."""
        return self._numerator / self._denominator

    @property
    def has_denominator(self) -> bool:
        """True if the denominator of the images seen is above 0."""
        return self._denominator > 0

    def update(self, terms: Terms) -> None:
        """Add the next images; there may be none left."""
        numerators, denominators = terms
        if len(numerators):
            self._wealth.update(numerators[:, None] - denominators[:, None] * self.claims)
            self._numerator += float(numerators.sum())
            self._denominator += float(denominators.sum())

    def is_above(self, alpha: float) -> NDArray[np.bool_]:
        """(M,) True for each claim that the ratio exceeds, at the error probability α."""
        return self._wealth.log_evidence_above >= math.log(1 / alpha)

    def is_below(self, alpha: float) -> NDArray[np.bool_]:
        """(M,) True for each claim that the ratio stays below, at the error probability α."""
        return self._wealth.log_evidence_below >= math.log(1 / alpha)

    def limits(self, alpha: float) -> tuple[float, float]:
        """Return the current limits of a confidence sequence, each with the error probability α.

        They are valid at all times simultaneously, and exact once the whole set was seen.
        """
        if self.is_complete:
            return self.value, self.value
        lowest, highest = ratio_range(self.corners)
        above, below = self.claims[self.is_above(alpha)], self.claims[self.is_below(alpha)]
        return float(max(above, default=lowest)), float(min(below, default=highest))


def ratio_range(corners: Corners) -> tuple[float, float]:
    """Return the smallest and the largest ratio of means of terms among corners.

    Args:
        corners: numerator and denominator of each corner, in any unit, at least 0; shape (K, 2).

    Returns:
        Both ratios; the largest is infinite if a denominator is 0.
    """
    is_unbounded = any(top > 0 and bottom == 0 for top, bottom in corners)
    ratios = [top / bottom for top, bottom in corners if bottom > 0]
    return min(ratios), math.inf if is_unbounded else max(ratios)


class StoppingRule:
    """Sequential test of "the value over the whole sets meets a threshold".

    The value is a function of ratios over finite sets. A single ratio is tested at the threshold itself. Each
    of several ratios gets a confidence sequence at an equal share of α (Bonferroni), and the function is
    evaluated at the corners of their box: it must be monotone in each ratio while the others are constant.

    Args:
        totals: images in the set of each ratio.
        corners: of each ratio, see `RunningRatio`.
        value: the function of the ratios.
        threshold: smallest (or largest) value that meets the demand.
        alpha: probability of a wrong decision, whenever it is taken.
        seen_whole: for each ratio, True if its set is seen whole first and takes no share of α.
        at_most: True if values up to the threshold meet the demand.
    """

    def __init__(
        self,
        totals: Sequence[int],
        corners: Sequence[Corners],
        value: Callable[[Sequence[float]], float],
        threshold: float,
        alpha: float,
        seen_whole: Sequence[bool] = (),
        *,
        at_most: bool = False,
    ) -> None:
        self._is_single = len(totals) == 1
        self.ratios = [
            RunningRatio(total, hull, np.array([threshold]) if self._is_single else _claims(hull))
            for total, hull in zip(totals, corners, strict=True)
        ]
        self._value, self._threshold = value, threshold
        self._sign = -1 if at_most else 1
        self._seen_whole = [ratio for ratio, whole in zip(self.ratios, seen_whole, strict=False) if whole]
        self._alpha = alpha / max(1, len(totals) - len(self._seen_whole))

    def update(self, terms: Sequence[Terms]) -> Decision:
        """Add the next images of each set, and decide if they are enough."""
        for ratio, new in zip(self.ratios, terms, strict=True):
            ratio.update(new)
        if not all(ratio.has_denominator for ratio in self.ratios):
            return "undecided"
        if not all(ratio.is_complete for ratio in self._seen_whole):
            return "undecided"
        if self._is_single:
            (ratio,) = self.ratios
            decided = ratio.is_above(self._alpha)[0], ratio.is_below(self._alpha)[0]
            is_met, is_missed = map(bool, decided[:: self._sign])
        else:
            box = [ratio.limits(self._alpha) for ratio in self.ratios]
            margins = [self._margin(corner) for corner in itertools.product(*box)]
            is_met, is_missed = min(margins) >= 0, max(margins) < 0
        # Reports show the value so far next to the decision; waiting until they agree causes no error.
        margin = self._margin([ratio.value for ratio in self.ratios])
        if is_met and margin >= 0:
            return "met"
        return "missed" if is_missed and margin < 0 else "undecided"

    def _margin(self, ratios: Sequence[float]) -> float:
        """Return the distance from the threshold, at least 0 for values that meet the demand."""
        return self._sign * (self._value(ratios) - self._threshold)


def _claims(corners: Corners) -> Numbers:
    ratios = [top / bottom for top, bottom in corners if bottom > 0]
    return np.linspace(min(ratios), max(ratios), GRID)
