"""Decisions in label spaces, from scores and probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from quba_check.core.classes import LabelSpace
from quba_check.core.predictions import NO_CLASS

SingleFloats = NDArray[np.float32]
ClassIndices = NDArray[np.int64]
Ties = Literal["first", "last"]


def decision_columns(
    logits: SingleFloats,
    probability: SingleFloats,
    label: ClassIndices,
    space: LabelSpace,
    ties: Ties = "first",
) -> dict[str, NDArray[Any]]:
    """Return the columns of N images in a label space.

    Args:
        logits: (N, C) float32 in the model's own classes.
        probability: (N, C) float32, softmax of the logits, in [0, 1].
        label: (N,) class in `space`, or `NO_CLASS`.
        space: the label space, with the rule from the C classes to its K.
        ties: the winner of several best classes under the `mean` rule; the other rules take the first.

    Returns:
        `top1`: (N,) int64, predicted class, or `NO_CLASS`. `confidence`: (N,) float32, probability of the
        predicted class, in [0, 1]. `true_probability`: (N,) float32, probability of the labelled class; NaN
        if the label is `NO_CLASS`. Under `argmax` and `map` a class has the probability of its most probable
        member.
    """
    rows = np.arange(len(logits))
    if space.by == "mean":
        score = mean_probability(probability, space.members)
        predicted = (
            score.argmax(axis=1) if ties == "first" else score.shape[1] - 1 - score[:, ::-1].argmax(axis=1)
        )
        confidence = score[rows, predicted].astype(np.float32)
        true = score[rows, label].astype(np.float32)
    else:
        best = logits.argmax(axis=1)
        members = sorted(space.class_of())
        if space.by == "argmax" and len(members) < logits.shape[1]:  # other classes are ignored
            best = np.array(members)[logits[:, members].argmax(axis=1)]
        predicted = _class_of_member(space, logits.shape[1])[best]
        confidence = probability[rows, best]
        true = _member_probability(probability, label, space)
    true_probability = np.where(label == NO_CLASS, np.float32("nan"), true)
    return {
        "top1": predicted.astype(np.int64),
        "confidence": confidence,
        "true_probability": true_probability,
    }


def mean_probability(probability: SingleFloats, members: Sequence[Sequence[int]]) -> NDArray[np.float64]:
    """Return (N, K) mean probabilities of the members of each class.

    Args:
        probability: (N, C) float32, in [0, 1].
        members: for each of the K classes, the indices of its members.

    Returns:
        (N, K) float64, in [0, 1].
    """
    flat = np.concatenate([np.asarray(group, dtype=np.int64) for group in members])
    sizes = np.array([len(group) for group in members])
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    sums = np.add.reduceat(probability[:, flat].astype(np.float64), starts, axis=1)
    mean: NDArray[np.float64] = sums / sizes
    return mean


def label_in(space: LabelSpace, label: ClassIndices, classes: int) -> ClassIndices:
    """Return labels in another label space.

    Args:
        space: the label space.
        label: (N,) class among the model's own.
        classes: number of the model's own classes.

    Returns:
        (N,) class in the space, or `NO_CLASS`.
    """
    return _class_of_member(space, classes)[label]


def _class_of_member(space: LabelSpace, classes: int) -> ClassIndices:
    table = np.full(classes, NO_CLASS, dtype=np.int64)
    for member, k in space.class_of().items():
        table[member] = k
    return table


def _member_probability(probability: SingleFloats, label: ClassIndices, space: LabelSpace) -> SingleFloats:
    if all(len(group) == 1 for group in space.members):
        member = np.array([group[0] for group in space.members], dtype=np.int64)
        single: SingleFloats = probability[np.arange(len(label)), member[label]]
        return single
    best = np.full(len(label), np.nan, dtype=np.float32)
    for k in np.unique(label[label != NO_CLASS]):
        rows = label == k
        best[rows] = probability[np.ix_(rows, list(space.members[k]))].max(axis=1)
    return best
