"""Statistics that can be computed image by image, for runs that end early."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from quba_check.core.predictions import Predictions
from quba_check.core.view import View

Tables = Mapping[View, Predictions]
Terms = tuple[NDArray[np.float64], NDArray[np.float64]]
"""(n,) numerators and (n,) denominators of n images."""


@dataclass(frozen=True, slots=True)
class RatioOfMeans:
    """A ratio of two means over the images of one set.

    Attributes:
        views: views of those images, in the same order.
        terms: numerator and denominator of each image, from the predictions for these views.
        corners: pairs (numerator, denominator) whose convex hull contains those of every image.
    """

    views: tuple[View, ...]
    terms: Callable[[Tables], Terms]
    corners: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class SequentialStatistic:
    """A function of ratios of means, monotone in each while the others are constant.

    Attributes:
        ratios: at least one.
        value: the function; by default that of a single ratio, the ratio itself.
    """

    ratios: tuple[RatioOfMeans, ...]
    value: Callable[[Sequence[float]], float] = itemgetter(0)
