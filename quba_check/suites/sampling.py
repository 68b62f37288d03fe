"""Which images of a set a run looks at, and under which of several conditions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from quba_check.core.protocols import LEAST_STOPPED

_LIMIT_STREAM, _TURN_STREAM, _ORDER_STREAM = 0x11, 0x75, 0x0D


@dataclass(frozen=True, slots=True)
class SubsetSampler:
    """A seeded choice among the images of a set that no model has a part in.

    Attributes:
        max_images: images of a set at most; None takes all.
        seed: seed of the run.
        shuffled: in random order, so that the first images of a set that a run may leave early are a fair
            sample; smaller sets, which it sees whole, keep theirs.
    """

    max_images: int | None = None
    seed: int = 0
    shuffled: bool = False

    def positions(self, labels: Sequence[int]) -> NDArray[np.intp]:
        """The positions of the images to look at, in the order in which that is done.

        Stratified by class: of each class as large a share as of the whole set, up to one image. Sets with
        the same labels give the same positions, so that what is paired image by image stays so; a smaller
        limit takes some of what a larger one takes.

        Args:
            labels: class of each image of the set.

        >>> SubsetSampler(max_images=4).positions([0, 0, 0, 0, 1, 1, 1, 1]).tolist()
        [1, 3, 4, 7]
        """
        drawn = self._limited(labels)
        if not self.shuffled or len(drawn) < LEAST_STOPPED:
            return drawn
        return np.random.default_rng([self.seed, _ORDER_STREAM]).permutation(drawn)

    def _limited(self, labels: Sequence[int]) -> NDArray[np.intp]:
        if self.max_images is None or self.max_images >= len(labels):
            return np.arange(len(labels))
        places = np.empty(len(labels))
        classes = np.asarray(labels)
        rng = np.random.default_rng([self.seed, _LIMIT_STREAM])
        for label in np.unique(classes):
            own = rng.permutation(np.flatnonzero(classes == label))
            # Evenly spread over [0, 1) from a random start: below any place lies its share of each class.
            places[own] = (np.arange(len(own)) + rng.random()) / len(own)
        return np.sort(np.argsort(places, kind="stable")[: self.max_images])

    def assign_conditions(self, labels: Sequence[int], conditions: int) -> NDArray[np.intp]:
        """One of several conditions for each image.

        Images of a class come to the conditions in turn, in blocks that hold each once in random order, so
        that each condition has as many images of every class as the others, up to one or two.

        Args:
            labels: class of each image.
            conditions: how many there are.
        """
        rng = np.random.default_rng([self.seed, _TURN_STREAM])
        shuffled = rng.permutation(len(labels))
        order = shuffled[np.argsort(np.asarray(labels)[shuffled], kind="stable")]
        blocks = [rng.permutation(conditions) for _ in range(0, len(labels), conditions)]
        turns = np.empty(len(labels), dtype=np.intp)
        turns[order] = np.concatenate(blocks)[: len(labels)]
        return turns


WHOLE = SubsetSampler()
"""Every image, in the order of the set."""
