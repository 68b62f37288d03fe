"""Shares and relative accuracies computed image by image, for runs that end early."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from quba_check.core.streaming import RatioOfMeans, Tables, Terms
from quba_check.core.view import CLEAN, View

Hits = Callable[[Tables], NDArray[np.generic]]
"""(n,) one number in [0, 1] for each image, such as 1 if it is classified correctly."""
SHARE_CORNERS = ((0.0, 1.0), (1.0, 1.0))
SUBSET_CORNERS = ((0.0, 0.0), (0.0, 1.0), (1.0, 1.0))
"""The numerator counts some of the images that the denominator counts."""
RATIO_CORNERS = ((0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0))


def correct_on(view: View) -> Hits:
    """Return a function that gives `correct` for each image of a view."""
    return lambda tables: tables[view].correct


def sequential_share(view: View, hits: Hits | None = None, highest: float = 1.0) -> RatioOfMeans:
    """Share of the images of a view; by default of those classified correctly.

    Args:
        view: the view.
        hits: the counted event of each image, or a number from 0 to `highest`, for their mean.
        highest: the largest possible number.
    """
    count = hits or correct_on(view)

    def terms(tables: Tables) -> Terms:
        numerators = count(tables).astype(np.float64)
        return numerators, np.ones_like(numerators)

    corners = tuple((highest * top, bottom) for top, bottom in SHARE_CORNERS)
    return RatioOfMeans((view,), terms, corners)


def sequential_ratio(views: tuple[View, ...], hits: Hits) -> RatioOfMeans:
    """Ratio of a share of shifted clean images to the clean accuracy.

    Args:
        views: views of the shifted images.
        hits: the counted event of each image, or its mean over several views.
    """

    def terms(tables: Tables) -> Terms:
        return hits(tables).astype(np.float64), tables[CLEAN].correct.astype(np.float64)

    return RatioOfMeans((CLEAN, *views), terms, RATIO_CORNERS)
