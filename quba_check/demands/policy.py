"""The outcome of demands whose bound lies within the noise of the value."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Uncertain = Literal["point", "fail", "allow"]


@dataclass(frozen=True, slots=True)
class Policy:
    """The rule of a threshold file for uncertain demands.

    Attributes:
        uncertain: `point` judges by the value alone and bounds no error rate. `fail` passes a demand only if
            the confidence limit clears the bound: a model that misses any bound passes the gate with at
            most the error of one demand (intersection-union test, Berger 1982). `allow` blocks only for
            demonstrated failures: a model that meets all demands is blocked with at most the error of one
            (Holm 1979).
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
    """True if one of several failures is demonstrated, by Holm's step-down procedure.

    Args:
        own: p-value of “the demand is met”.
        others: p-values of the other demands.
        error: largest probability of any false demonstration, in (0, 1).

    >>> is_demonstrated(0.02, [], 0.025), is_demonstrated(0.02, [0.5], 0.025)
    (True, False)
    >>> is_demonstrated(0.02, [0.01], 0.025)
    True
    """
    ordered = sorted([own, *others])
    for index, p in enumerate(ordered):
        if p > error / (len(ordered) - index):
            return False
        if p >= own:
            return True
    return False
