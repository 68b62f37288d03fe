"""Decisions on groups of images: by mean probability, by majority, or by any image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from quba_check.metrics.class_metrics import ClassIndices, Mask
from quba_check.stats.clusters import GroupIds

Positions = NDArray[np.intp]
Probabilities = NDArray[np.float32]


class MixedGroupError(ValueError):
    """The images of a group have no label, or no slice, in common.

    Attributes:
        first: position of the first image of the group.
    """

    def __init__(self, first: int) -> None:
        super().__init__(first)
        self.first = first


@dataclass(frozen=True, slots=True, eq=False)
class DecidedGroups:
    """The G groups of N images, in the order of their first images.

    Attributes:
        first: (G,) position of the first image of each group; increasing.
        row_of: (N,) number of the group of each image.
    """

    first: Positions
    row_of: Positions

    @classmethod
    def of(cls, group: GroupIds) -> DecidedGroups:
        """Return the groups of (N,) identifiers.

        >>> groups = DecidedGroups.of(np.array([7, 3, 7]))
        >>> groups.first.tolist(), groups.row_of.tolist()
        ([0, 1], [0, 1, 0])
        """
        _, first, number = np.unique(group, return_index=True, return_inverse=True)
        order = np.argsort(first)
        return cls(first[order], np.argsort(order)[number])

    def reduce(self, ufunc: np.ufunc, values: NDArray[Any], dtype: Any = None) -> NDArray[Any]:
        """Return a sum, a maximum or the like of each group, (G, …).

        Args:
            ufunc: the binary operation.
            values: (N, …) values of the images.
            dtype: the type of the result; None for that of the values.
        """
        order = np.argsort(self.row_of, kind="stable")
        starts = np.searchsorted(self.row_of[order], np.arange(len(self.first)))
        reduced: NDArray[Any] = ufunc.reduceat(values[order], starts, axis=0, dtype=dtype)
        return reduced


class DecidedRows(NamedTuple):
    """One row per group: columns of predictions, by the same names.

    What a rule does not define is NaN, which no threshold reaches and no measurement accepts.

    Attributes:
        label: (G,) class of each group; below 0 if its images have none.
        predicted: (G,) the class that it is called.
        confidence: (G,) mean probability of that class; NaN unless decided by `mean`.
        true_probability: (G,) mean probability of the label; NaN likewise, or without a label.
        probabilities: (G, C) mean probabilities; by `any` the largest of the class, and NaN for all others;
            None by `majority`.
        acceptable: (G, K) the classes that are right, `label` first, padded with -1; None if K is 1.
    """

    label: ClassIndices
    predicted: ClassIndices
    confidence: Probabilities
    true_probability: Probabilities
    probabilities: Probabilities | None
    acceptable: ClassIndices | None


def decide(
    groups: DecidedGroups,
    by: Literal["mean", "majority"],
    predicted: ClassIndices,
    probabilities: Probabilities,
    right: ClassIndices,
) -> DecidedRows:
    """Return one decision for each group, by all of its images.

    By `mean` it is the class with the highest mean probability, by `majority` the most frequent answer and of
    several the one with the highest mean probability. Ties go to the lower number. Means are compared as they
    are stored, in float32, so that their order does not depend on that of the images.

    Args:
        groups: the groups of the N images.
        by: the rule.
        predicted: (N,) predicted classes, 0 to C - 1.
        probabilities: (N, C) in [0, 1].
        right: (N, K) the classes that are right, padded with -1.

    Raises:
        MixedGroupError: no class is right for all images of a group, and some of them have a label.

    >>> groups, table = DecidedGroups.of(np.array([5, 5, 5])), np.array([[0.6, 0.4], [0.6, 0.4], [0.1, 0.9]])
    >>> for rule in ("mean", "majority"):
    ...     decide(groups, rule, table.argmax(axis=1), table, np.ones((3, 1), int)).predicted.tolist()
    [1]
    [0]
    """
    sizes = np.bincount(groups.row_of)[:, None]
    classes = probabilities.shape[1]
    means = (groups.reduce(np.add, probabilities, np.float64) / sizes).astype(np.float32)
    shared = _shared_labels(groups, right)
    label = shared[:, 0]
    acceptable = shared if shared.shape[1] > 1 else None
    if by == "majority":
        votes = np.bincount(groups.row_of * classes + predicted, minlength=means.size).reshape(means.shape)
        most = votes == votes.max(axis=1, keepdims=True)
        none = np.full(len(label), np.float32("nan"))
        return DecidedRows(label, np.where(most, means, -1).argmax(axis=1), none, none, None, acceptable)
    rows = np.arange(len(label))
    answer = means.argmax(axis=1)
    true = np.where(label >= 0, means[rows, label], np.float32("nan"))
    return DecidedRows(label, answer, means[rows, answer], true, means, acceptable)


def decide_by_any(
    groups: DecidedGroups, number: int, is_of: Mask, predicted: ClassIndices, probabilities: Probabilities
) -> DecidedRows:
    """Return one decision for each group: a class, or another one.

    A group is of the class if one of its images is, and is called so if one of them is. Other groups have the
    label, and the answer, C: the number after the last class, so that no class but this one has images.

    Args:
        groups: the groups of the N images.
        number: the class, 0 to C - 1.
        is_of: (N,) bool, True for its images.
        predicted: (N,) predicted classes, 0 to C - 1.
        probabilities: (N, C) in [0, 1].

    >>> groups, table = DecidedGroups.of(np.array([5, 5])), np.array([[0.75, 0.25], [0.25, 0.75]])
    >>> decided = decide_by_any(groups, 0, np.array([False, False]), table.argmax(axis=1), table)
    >>> decided.label.tolist(), decided.predicted.tolist(), decided.probabilities.tolist()
    ([2], [0], [[0.75, nan]])
    """
    classes = probabilities.shape[1]
    nan = np.float32("nan")
    label, answer = (
        np.where(groups.reduce(np.logical_or, of), number, classes) for of in (is_of, predicted == number)
    )
    table = np.full((len(label), classes), nan)
    table[:, number] = groups.reduce(np.maximum, probabilities[:, number])
    none = np.full(len(label), nan)
    return DecidedRows(label, answer, none, none, table, None)


def _shared_labels(groups: DecidedGroups, right: ClassIndices) -> ClassIndices:
    """Return (G, K) the right classes common to all images of each group.

    Raises:
        MixedGroupError: there is none in a group with labels.
    """
    own = right[groups.first]
    is_right = np.any(right[:, :, None] == own[groups.row_of][:, None, :], axis=1)
    shared = np.where(groups.reduce(np.logical_and, is_right), own, -1)
    mixed = (shared < 0).all(axis=1) & (groups.reduce(np.maximum, right) >= 0).any(axis=1)
    if mixed.any():
        raise MixedGroupError(int(groups.first[mixed.argmax()]))
    return np.take_along_axis(shared, np.argsort(shared < 0, axis=1, kind="stable"), axis=1)


def slices_of_groups(groups: DecidedGroups, numbers: Positions) -> Positions:
    """Return the (G,) slice of each group.

    Args:
        groups: the groups of the N images.
        numbers: (N,) number of the slice of each image, any whole number.

    Raises:
        MixedGroupError: the images of a group are in several slices.

    >>> slices_of_groups(DecidedGroups.of(np.array([7, 3, 7])), np.array([1, 0, 1])).tolist()
    [1, 0]
    """
    own: Positions = numbers[groups.first]
    differs = numbers != own[groups.row_of]
    if differs.any():
        raise MixedGroupError(int(groups.first[groups.row_of[differs].min()]))
    return own
