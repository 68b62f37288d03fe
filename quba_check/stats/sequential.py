"""When enough images of a finite set were seen to know whether the whole set would meet a bound."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from quba_check.stats.betting import WealthProcess

Decision = Literal["undecided", "met", "missed"]
Corners = tuple[tuple[float, float], ...]
Claims = NDArray[np.float64]

CANDIDATES = 251
"""Values of a fraction that a confidence sequence looks at; its limits are the nearest refuted ones."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Of the next images, drawn at random: what each adds to a numerator and to a denominator.

    Attributes:
        over: (n,) numbers whose mean over the set is the numerator.
        under: (n,) likewise for the denominator.
    """

    over: NDArray[np.float64]
    under: NDArray[np.float64]


@dataclass(slots=True)
class RunningRatio:
    """A fraction of two means over one finite set, as far as it is known.

    Claims about it are bets on over − claim · under, whose mean over the set is 0 if the claim holds.

    Args:
        total: images in the set.
        corners: pairs (over, under) whose convex hull holds those of every image.
        claims: (M,) values that the fraction is held against, ascending.
    """

    total: int
    corners: Corners
    claims: Claims
    _over: float = field(init=False, default=0.0)
    _under: float = field(init=False, default=0.0)
    _wealth: WealthProcess = field(init=False)

    def __post_init__(self) -> None:
        ends = np.array([[over - claim * under for over, under in self.corners] for claim in self.claims])
        self._wealth = WealthProcess(self.total, ends.min(axis=1), ends.max(axis=1))

    @property
    def seen(self) -> int:
        """Images seen so far."""
        return self._wealth.seen

    @property
    def is_complete(self) -> bool:
        """Whether the whole set was seen."""
        return self.seen >= self.total

    @property
    def value(self) -> float:
        """The fraction over the images seen; its denominator is known not to be 0."""
        return self._over / self._under

    @property
    def has_denominator(self) -> bool:
        """Whether the denominator is known not to be 0."""
        return self._under > 0

    def update(self, terms: Terms) -> None:
        """See the next images; there may be none left."""
        if len(terms.over):
            self._wealth.update(terms.over[:, None] - terms.under[:, None] * self.claims)
            self._over += float(terms.over.sum())
            self._under += float(terms.under.sum())

    def is_above(self, alpha: float) -> NDArray[np.bool_]:
        """(M,) where it is shown that the fraction is above the claim."""
        return self._wealth.log_evidence_above >= math.log(1 / alpha)

    def is_below(self, alpha: float) -> NDArray[np.bool_]:
        """(M,) where it is shown that the fraction is below the claim."""
        return self._wealth.log_evidence_below >= math.log(1 / alpha)

    def limits(self, alpha: float) -> tuple[float, float]:
        """Limits that hold at all times at once, each with an error of at most α; exact in the end."""
        if self.is_complete:
            return self.value, self.value
        least, most = ratio_range(self.corners)
        above, below = self.claims[self.is_above(alpha)], self.claims[self.is_below(alpha)]
        return float(max(above, default=least)), float(min(below, default=most))


def ratio_range(corners: Corners) -> tuple[float, float]:
    """Least and greatest value of a fraction whose terms lie among corners; endless where it may be x/0."""
    quotients = [over / under for over, under in corners if under > 0]
    open_ended = any(over > 0 and under == 0 for over, under in corners)
    return min(quotients), math.inf if open_ended else max(quotients)


class StoppingRule:
    """Whether a function of fractions over finite sets is at least a limit, from the images so far.

    One fraction is tested at the limit itself. Of several each has a confidence sequence at its share of α,
    and the function is looked at in the corners of their box: it must be monotone in each while the others
    stand.

    Args:
        totals: images in the set of each fraction.
        corners: of each fraction, see `RunningRatio`.
        value: the function of the fractions.
        limit: what its value over the whole sets is asked to reach.
        alpha: probability of a wrong decision, whenever it is taken.
        whole_below: sets with fewer images are waited for, and take no share of α.
    """

    def __init__(
        self,
        totals: Sequence[int],
        corners: Sequence[Corners],
        value: Callable[[Sequence[float]], float],
        limit: float,
        alpha: float,
        whole_below: int = 0,
    ) -> None:
        self._is_single = len(totals) == 1
        self.ratios = [
            RunningRatio(total, each, np.array([limit]) if self._is_single else _candidates(each))
            for total, each in zip(totals, corners, strict=True)
        ]
        self._value, self._limit = value, limit
        self._waited_for = [fraction for fraction in self.ratios if fraction.total < whole_below]
        uncertain = len(totals) - len(self._waited_for)
        self._alpha = alpha / max(1, uncertain)

    def update(self, terms: Sequence[Terms]) -> Decision:
        """See the next images of each set, and decide if that can be done."""
        for fraction, found in zip(self.ratios, terms, strict=True):
            fraction.update(found)
        known = all(fraction.has_denominator for fraction in self.ratios)
        waits = not all(fraction.is_complete for fraction in self._waited_for)
        if not known or waits:
            return "undecided"
        if self._is_single:
            (only,) = self.ratios
            met, missed = bool(only.is_above(self._alpha)[0]), bool(only.is_below(self._alpha)[0])
        else:
            box = [fraction.limits(self._alpha) for fraction in self.ratios]
            values = [self._value(corner) for corner in itertools.product(*box)]
            met, missed = min(values) >= self._limit, max(values) < self._limit
        # What is told beside the value so far must not contradict it; it is no error to wait.
        so_far = self._value([fraction.value for fraction in self.ratios])
        if met and so_far >= self._limit:
            return "met"
        return "missed" if missed and so_far < self._limit else "undecided"


def _candidates(corners: Corners) -> Claims:
    quotients = [over / under for over, under in corners if under > 0]
    return np.linspace(min(quotients), max(quotients), CANDIDATES)
