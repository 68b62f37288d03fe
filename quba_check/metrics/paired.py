"""Differences between two outcomes on the same images."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """Mean of first − second over the pairs, and its standard error (NaN for fewer than two pairs)."""

    mean: float
    standard_error: float


def paired_difference(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> PairedDifference:
    """How much more often the first is true than the second, pair by pair.

    Args:
        first: (N,) outcomes.
        second: (N,) outcomes on the same images in the same order.

    Returns:
        Mean difference of the shares, in [-1, 1], with the standard error of a mean of N paired differences
        (standard deviation with ddof 1, over √N).

    >>> paired_difference(np.array([True, True, True, False]), np.array([True, True, False, False]))
    PairedDifference(mean=0.25, standard_error=0.25)
    """
    difference = first.astype(np.float64) - second.astype(np.float64)
    n = len(difference)
    error = float(np.std(difference, ddof=1)) / math.sqrt(n) if n > 1 else math.nan
    return PairedDifference(mean=float(difference.mean()), standard_error=error)
