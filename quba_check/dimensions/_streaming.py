"""Shares and ratios told image by image, for runs that end before all images were seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from quba_check.core.streaming import OverUnder, RatioOfMeans, Tables
from quba_check.core.view import CLEAN, View

Hits = Callable[[Tables], NDArray[np.generic]]
ALWAYS_OVER_ONE = ((0.0, 1.0), (1.0, 1.0))
AT_MOST_ALL = ((0.0, 0.0), (0.0, 1.0), (1.0, 1.0))
ANY = ((0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0))


def first(values: Sequence[float]) -> float:
    """The value of what is one fraction."""
    return values[0]


def right_on(view: View) -> Hits:
    """Whether the model is right on each image of a view."""
    return lambda tables: tables[view].correct


def streamed_share(views: tuple[View, ...], hits: Hits) -> RatioOfMeans:
    """A share of the images of a set."""

    def terms(tables: Tables) -> OverUnder:
        over = hits(tables).astype(np.float64)
        return over, np.ones_like(over)

    return RatioOfMeans(views, terms, ALWAYS_OVER_ONE)


def streamed_ratio(views: tuple[View, ...], hits: Hits) -> RatioOfMeans:
    """A share of the clean images, shifted, as a ratio to the clean accuracy on the same images.

    Args:
        views: of these images besides the clean one.
        hits: what is counted, or its mean over several views.
    """

    def terms(tables: Tables) -> OverUnder:
        return hits(tables).astype(np.float64), tables[CLEAN].correct.astype(np.float64)

    return RatioOfMeans((CLEAN, *views), terms, ANY)
