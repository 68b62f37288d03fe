"""What becomes of a demand whose bound lies within the noise of the value."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Uncertain = Literal["point", "fail", "allow"]


@dataclass(frozen=True, slots=True)
class Policy:
    """How a threshold file wants uncertain demands to end.

    Attributes:
        uncertain: `point`: the value alone decides, and no error rate is bounded. `fail`: a pass needs the
            confidence limit to clear the bound; since every demand needs it, a model that misses any bound
            passes the gate with at most the error of one (intersection-union test, Berger 1982).
            `allow`: only demonstrated failures block; a model that meets all of them is blocked with at most
            the error of one (Holm 1979).
        confidence: level of the two-sided intervals, in (0, 1).
    """

    uncertain: Uncertain = "point"
    confidence: float = 0.95

    @property
    def error(self) -> float:
        """Error probability of a one-sided statement."""
        return (1 - self.confidence) / 2


POINT = Policy()


def is_demonstrated(own: float, others: Iterable[float], error: float) -> bool:
    """Whether one of several failures is shown, by Holm's step-down procedure.

    Args:
        own: p-value of “the demand is met”.
        others: those of the other demands.
        error: probability that any failure is wrongly called shown.

    >>> is_demonstrated(0.02, [], 0.025), is_demonstrated(0.02, [0.5], 0.025)
    (True, False)
    >>> is_demonstrated(0.02, [0.01], 0.025)
    True
    """
    ordered = sorted([own, *others])
    for place, p in enumerate(ordered):
        if p > error / (len(ordered) - place):
            return False
        if p >= own:
            return True
    return False
