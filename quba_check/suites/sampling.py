"""Seeded subsets of a set's images, and corruptions assigned to single images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from quba_check.core.view import CORRUPTIONS, CORRUPTIONS_SET, SEVERITIES, View
from quba_check.errors import OptionError, SuiteError
from quba_check.suites.example import Example

_LIMIT_STREAM = 0x11
_CONDITION_STREAM = 0x75


@dataclass(frozen=True, slots=True)
class SubsetSampler:
    """A seeded subset of a set's images, the same for every model.

    Attributes:
        max_images: largest number of images of a set; None for all.
        seed: seed of the run.
    """

    max_images: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name, number, least in (("max_images", self.max_images, 1), ("seed", self.seed, 0)):
            if number is not None and (type(number) is not int or number < least):
                raise OptionError(where=name, got=f"{number!r}", allowed=f"a whole number from {least}")

    def positions(self, labels: Sequence[int], groups: Sequence[str] | None = None) -> NDArray[np.intp]:
        """Return the positions of the images to evaluate, in ascending order.

        Stratified by class: the share of each class equals the share of the whole set, up to one image. Sets
        with the same labels give the same positions, so that paired images stay paired. A smaller limit gives
        a subset of a larger one. Groups are selected as wholes, regardless of their classes.

        Args:
            labels: (N,) class of each image of the set.
            groups: (N,) group of each image; None if the set has none.

        Returns:
            (n,) positions, n at most `max_images`; with groups more if the first one has more.

        Examples:
            >>> SubsetSampler(max_images=4).positions([0, 0, 0, 0, 1, 1, 1, 1]).tolist()
            [1, 3, 4, 7]
        """
        if groups is not None:
            return self._whole_groups(groups)
        if self.max_images is None or self.max_images >= len(labels):
            return np.arange(len(labels))
        ranks = np.empty(len(labels))
        classes = np.asarray(labels)
        rng = np.random.default_rng([self.seed, _LIMIT_STREAM])
        for label in np.unique(classes):
            own = rng.permutation(np.flatnonzero(classes == label))
            # Evenly spread over [0, 1) from a random start: below any rank lies the same share of each class.
            ranks[own] = (np.arange(len(own)) + rng.random()) / len(own)
        return np.sort(np.argsort(ranks, kind="stable")[: self.max_images])

    def _whole_groups(self, groups: Sequence[str]) -> NDArray[np.intp]:
        """Return the positions of the images of whole groups."""
        _, numbers = np.unique(np.asarray(groups), return_inverse=True)
        sizes = np.bincount(numbers)
        order = np.random.default_rng([self.seed, _LIMIT_STREAM]).permutation(len(sizes))
        ends = np.cumsum(sizes[order])
        count = len(order) if self.max_images is None else max(1, int((ends <= self.max_images).sum()))
        rank = np.empty(len(order), dtype=np.intp)
        rank[order] = np.arange(len(order))
        return np.flatnonzero(rank[numbers] < count)

    def assign_conditions(self, labels: Sequence[int], conditions: int) -> NDArray[np.intp]:
        """Assign one of several conditions to each image.

        Images are sorted by class and get the conditions in blocks that contain each condition once in random
        order, so that the conditions have the same number of images of every class, up to one or two.

        Args:
            labels: (N,) class of each image.
            conditions: number of conditions.

        Returns:
            (N,) condition of each image, from 0.
        """
        rng = np.random.default_rng([self.seed, _CONDITION_STREAM])
        shuffled = rng.permutation(len(labels))
        order = shuffled[np.argsort(np.asarray(labels)[shuffled], kind="stable")]
        blocks = [rng.permutation(conditions) for _ in range(0, len(labels), conditions)]
        assigned = np.empty(len(labels), dtype=np.intp)
        assigned[order] = np.concatenate(blocks)[: len(labels)]
        return assigned


WHOLE = SubsetSampler()
"""Every image, in the order of the set."""


def conditions_of(corruptions: Iterable[str]) -> tuple[View, ...]:
    """Return the view of each corruption at each severity."""
    pairs = product(corruptions, SEVERITIES)
    return tuple(
        View(CORRUPTIONS_SET, corruption=corruption, severity=severity) for corruption, severity in pairs
    )


CONDITIONS = conditions_of(CORRUPTIONS)
"""The 75 conditions."""


def sampled_examples(
    examples: Callable[[View], Sequence[Example]], path_of: Callable[[View], Path], sampler: SubsetSampler
) -> tuple[Example, ...]:
    """Return the images of a set, each under its assigned condition.

    Args:
        examples: returns the images of a condition.
        path_of: returns the path of a condition.
        sampler: assigns conditions.

    Raises:
        SuiteError: two conditions do not show the same images.
    """
    first = CONDITIONS[0]
    sampled = list(examples(first))
    labels = [example.label for example in sampled]
    # By position in the set: the order of evaluation must not change the conditions.
    order = sorted(range(len(sampled)), key=lambda position: sampled[position].index)
    assigned = np.empty(len(sampled), dtype=np.intp)
    assigned[order] = sampler.assign_conditions([labels[position] for position in order], len(CONDITIONS))
    for number, view in enumerate(CONDITIONS):
        of_condition = examples(view)
        if [example.label for example in of_condition] != labels:
            raise SuiteError(
                f"its images are not those of {path_of(first)}",
                where=f"{path_of(view)}",
                hint="With sample: one every corruption shows the same images; sample: all takes any.",
            )
        condition = str(view.corruption), int(view.severity or 0)
        for position in (assigned == number).nonzero()[0].tolist():
            sampled[position] = replace(of_condition[position], condition=condition)
    return tuple(sampled)
