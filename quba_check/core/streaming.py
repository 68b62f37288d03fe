"""What a dimension says of itself so that a run may end before all images were seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from quba_check.core.predictions import Predictions
from quba_check.core.view import View

Tables = Mapping[View, Predictions]
OverUnder = tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class RatioOfMeans:
    """A fraction of two means over the images of one set.

    Attributes:
        views: of those images, the same in each, row by row.
        terms: (n,) what each image adds to the numerator and to the denominator.
        corners: pairs (numerator, denominator) whose convex hull holds those of any image.
    """

    views: tuple[View, ...]
    terms: Callable[[Tables], OverUnder]
    corners: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class SequentialStatistic:
    """A value as a function of fractions, monotone in each while the others stand.

    Attributes:
        ratios: at least one.
        value: the function.
    """

    ratios: tuple[RatioOfMeans, ...]
    value: Callable[[Sequence[float]], float]
