"""Stored columns from logits: softmax, and the decision in each label space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from quba_check.core.classes import LabelSpace
from quba_check.core.predictions import NO_CLASS
from quba_check.core.protocols import Protocol
from quba_check.core.view import CUE_CONFLICT_SET, View
from quba_check.engine.attacks import check_bounds
from quba_check.suites.suite import Example

SingleFloats = NDArray[np.float32]
ClassIndices = NDArray[np.int64]
ShardArrays = dict[str, NDArray[Any]]
"""Stored columns of a shard by name, each with a row for every image."""
Ties = Literal["first", "last"]
ColumnKind = Literal["class", "share", "flag", "distance"]
_TYPES: Mapping[ColumnKind, np.dtype[Any]] = {
    "class": np.dtype(np.int64),
    "share": np.dtype(np.float32),
    "flag": np.dtype(np.bool_),
    "distance": np.dtype(np.float32),
}
ROUNDING = 1e-3
"""Tolerance above 1 for sums of rounded probabilities."""


def probabilities(logits: torch.Tensor) -> torch.Tensor:
    """Return the softmax of (N, C) logits in float32.

    It is computed by torch: that of numpy differs in the last bits, which changes ACE.
    """
    return torch.softmax(logits.detach().float(), dim=1)


def decision_columns(
    logits: SingleFloats,
    probability: SingleFloats,
    label: ClassIndices,
    space: LabelSpace,
    ties: Ties = "first",
) -> ShardArrays:
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


def shard_arrays(
    view: View,
    spaces: Sequence[LabelSpace],
    protocol: Protocol,
    examples: Sequence[Example],
    logits: torch.Tensor,
) -> ShardArrays:
    """Return the columns of a shard from the logits of its images.

    Args:
        view: the view.
        spaces: label space of the set's labels, then further ones of the predictions.
        protocol: settings of ties.
        examples: the N images.
        logits: (N, C).
    """
    p = probabilities(logits).cpu().numpy()
    z = logits.detach().float().cpu().numpy()
    label = np.array([example.label for example in examples], dtype=np.int64)
    ties = protocol.ties if view.set == CUE_CONFLICT_SET else "first"
    arrays: ShardArrays = {"index": np.array([example.index for example in examples], dtype=np.int64)}
    for number, space in enumerate(spaces):
        suffix = f"@{space.name}" if number else ""
        labelled = label_in(space, label, z.shape[1]) if number else label
        columns = {"label": labelled, **decision_columns(z, p, labelled, space, "first" if number else ties)}
        arrays |= {f"{name}{suffix}": column for name, column in columns.items()}
    if view.set == CUE_CONFLICT_SET:
        arrays["texture"] = np.array([example.texture for example in examples], dtype=np.int64)
    if view.columns == "probabilities":
        arrays["probabilities"] = p
    return arrays


def attack_arrays(view: View, outputs: Mapping[str, torch.Tensor], arrays: ShardArrays) -> ShardArrays:
    """Return the further columns of attacked images; see the outputs of `Passes`.

    Args:
        view: the view.
        outputs: of all images of a shard.
        arrays: the columns from the logits.

    Raises:
        InvariantError: an attack left its bounds.
    """
    if "extent" in outputs:
        check_bounds(outputs["extent"], view.radius)
    names = ("zero_gradient", "moved", "moved_share", "fools_reference")
    further: ShardArrays = {name: outputs[name].numpy() for name in names if name in outputs}
    if "always_right" in outputs:
        further["always_right"] = outputs["always_right"].numpy() & (arrays["top1"] == arrays["label"])
    return further


def check_columns(
    columns: Mapping[str, NDArray[Any]], expected: Mapping[str, ColumnKind], *, classes: int
) -> str | None:
    """Return the defect of stored columns as the end of a sentence; None if sound.

    Args:
        columns: the stored columns, all of one length.
        expected: kind of each column by its name: `class`, `share`, `flag` or `distance`.
        classes: number of columns of the table of probabilities.
    """
    if columns.keys() != expected.keys():
        differences = sorted(columns.keys() ^ expected.keys())
        return f"its columns are not those of the view ({', '.join(differences)})"
    for name, kind in expected.items():
        column = columns[name]
        shape = (len(column), classes) if name == "probabilities" else (len(column),)
        if column.dtype != _TYPES[kind] or column.shape != shape:
            return f"its column '{name}' is of another type or shape"
    for name, kind in expected.items():
        column = columns[name]
        if kind == "class" and (column < NO_CLASS).any():
            return f"its column '{name}' has numbers that are not classes"
        values = column
        if name.startswith("true_probability"):  # NaN for images whose label is no class
            suffix = name.removeprefix("true_probability")
            values = column[columns[f"label{suffix}"] != NO_CLASS]
        if kind != "flag" and not np.isfinite(values).all():
            return f"its column '{name}' has numbers that are not finite"
        if kind == "share" and not ((values >= 0) & (values <= 1 + ROUNDING)).all():
            return f"its column '{name}' has numbers outside 0 to 1"
    return None


def row_bytes(kinds: Mapping[str, ColumnKind], classes: int) -> int:
    """Return the bytes of an image's stored columns, whose kinds are given by name."""
    return sum(
        _TYPES[kind].itemsize * (classes if name == "probabilities" else 1) for name, kind in kinds.items()
    )


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
