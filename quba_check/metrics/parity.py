"""Differences between two models' answers to the same images."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
FlipKind = Literal["lost", "gained", "wrong to wrong"]
QUANTILE = 0.999
"""Share of images whose probabilities change by at most `probability_change`."""


def flip_masks(before: Mask, after: Mask, differs: Mask) -> dict[FlipKind, Mask]:
    """Return the images of each kind of changed answer.

    Lost answers are the negative flips of Yan et al. (CVPR 2021), gained ones the positive flips.

    Args:
        before: (n,) bool, True if the reference is correct.
        after: (n,) bool, True if the judged model is correct.
        differs: (n,) bool, True if their answers differ.

    >>> masks = flip_masks(np.array([True, False]), np.array([False, False]), np.array([True, True]))
    >>> [int(mask.sum()) for mask in masks.values()]
    [1, 0, 1]
    """
    return {"lost": before & ~after, "gained": after & ~before, "wrong to wrong": differs & ~before & ~after}


def probability_changes(before: NDArray[np.float32], after: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the largest change of a class's probability for each image, (n,) in [0, 1].

    Args:
        before: (n, C) probabilities of the reference, in [0, 1].
        after: (n, C) probabilities of the judged model.

    >>> probability_changes(np.array([[0.75, 0.25]], np.float32), np.array([[0.5, 0.5]], np.float32)).tolist()
    [0.25]
    """
    changes: NDArray[np.float32] = np.abs(after - before).max(axis=1)
    return changes


def quantile(values: NDArray[np.float32], share: float = QUANTILE) -> float:
    """Return the smallest value that at least a share of the values does not exceed.

    Args:
        values: (n,) numbers of any unit, n at least 1.
        share: the share, in (0, 1).

    >>> quantile(np.arange(1, 1001, dtype=np.float32)), quantile(np.float32([3, 1, 2]), 0.5)
    (999.0, 2.0)
    """
    return float(np.quantile(values, share, method="inverted_cdf"))
