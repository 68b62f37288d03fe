"""Which of two conflicting cues a classifier decides by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class CueHits:
    """Decisions on images whose shape belongs to one class and whose texture to another.

    Attributes:
        conflicts: number of such images.
        shape: how many were decided for the class of the shape.
        texture: how many for the class of the texture.
    """

    conflicts: int
    shape: int
    texture: int


def cue_hits(decision: NDArray[np.int64], shape: NDArray[np.int64], texture: NDArray[np.int64]) -> CueHits:
    """Count the decisions for either cue.

    Images whose shape and texture classes are equal are left out. A negative class is none: a decision of no
    class hits nothing.

    Args:
        decision: (N,) class decided for.
        shape: (N,) class of the shape.
        texture: (N,) class of the texture.

    Returns:
        The counts; shape bias is shape / (shape + texture).

    Source: Geirhos et al., ICLR 2019 (cue conflict, shape bias).

    >>> cue_hits(np.array([0, 1, 2, 3]), np.array([0, 0, 0, 3]), np.array([1, 1, 1, 3]))
    CueHits(conflicts=3, shape=1, texture=1)
    """
    conflict = shape != texture
    decided = conflict & (decision >= 0)
    return CueHits(
        conflicts=int(np.count_nonzero(conflict)),
        shape=int(np.count_nonzero(decided & (decision == shape))),
        texture=int(np.count_nonzero(decided & (decision == texture))),
    )
