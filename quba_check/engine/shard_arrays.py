"""Stored columns of a shard from the outputs of its images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from quba_check.core.label_space import LabelSpace
from quba_check.core.protocols import Protocol
from quba_check.core.view import CUE_CONFLICT_SET, View
from quba_check.engine.attacks import check_bounds
from quba_check.engine.decisions import decision, label_in, probabilities
from quba_check.suites.suite import Example

ShardArrays = dict[str, NDArray[Any]]
"""Stored columns of a shard by name, each with a row for every image."""


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
        answer = decision(z, p, labelled, space, "first" if number else ties)
        arrays |= {
            f"label{suffix}": labelled,
            f"top1{suffix}": answer.predicted,
            f"confidence{suffix}": answer.confidence,
            f"true_probability{suffix}": answer.true_probability,
        }
    if view.set == CUE_CONFLICT_SET:
        arrays["texture"] = np.array([example.texture for example in examples], dtype=np.int64)
    if view.columns == "probabilities":
        arrays["probabilities"] = p
    return arrays


def attack_arrays(outputs: Mapping[str, torch.Tensor], arrays: ShardArrays) -> ShardArrays:
    """Return the further columns of attacked images; see the outputs of `Passes`.

    Args:
        outputs: of all images of a shard.
        arrays: the columns from the logits.

    Raises:
        InvariantError: an attack left its bounds.
    """
    if "extent" in outputs:
        check_bounds(outputs["extent"])
    names = ("zero_gradient", "moved", "moved_share")
    further: ShardArrays = {name: outputs[name].numpy() for name in names if name in outputs}
    if "always_right" in outputs:
        further["always_right"] = outputs["always_right"].numpy() & (arrays["top1"] == arrays["label"])
    return further
