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


def paired_difference(first: NDArray[np.generic], second: NDArray[np.generic]) -> PairedDifference:
    """Mean difference of two numbers or outcomes, pair by pair.

    Args:
        first: (N,) outcomes or numbers.
        second: (N,) those of the same images in the same order.

    Returns:
        Mean difference, of outcomes that of their shares, with the standard error of a mean of N paired
        differences (standard deviation with ddof 1, over √N).

    >>> paired_difference(np.array([True, True, True, False]), np.array([True, True, False, False]))
    PairedDifference(mean=0.25, standard_error=0.25)
    """
    difference = first.astype(np.float64) - second.astype(np.float64)
    n = len(difference)
    error = float(np.std(difference, ddof=1)) / math.sqrt(n) if n > 1 else math.nan
    return PairedDifference(mean=float(difference.mean()), standard_error=error)
