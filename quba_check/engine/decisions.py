"""Stored columns from logits: softmax, and the decision in each label space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from quba_check.core.classes import LabelSpace
from quba_check.core.decisions import decision_columns, label_in
from quba_check.core.predictions import NO_CLASS
from quba_check.core.protocols import Protocol
from quba_check.core.view import CUE_CONFLICT_SET, View
from quba_check.engine.attacks import check_bounds
from quba_check.suites.suite import Example

ShardArrays = dict[str, NDArray[Any]]
"""Stored columns of a shard by name, each with a row for every image."""
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
