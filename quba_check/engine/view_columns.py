"""Stored columns of a shard from the outputs of its images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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

Rows = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class ViewColumns:
    """The columns of a view.

    Attributes:
        view: the view.
        declared: label space of the set's labels.
        others: further label spaces of the predictions.
        protocol: settings of ties.
    """

    view: View
    declared: LabelSpace
    others: tuple[LabelSpace, ...]
    protocol: Protocol

    def rows(self, examples: Sequence[Example], logits: torch.Tensor) -> Rows:
        """Return the columns of a shard from the logits (N, C) of its images."""
        p = probabilities(logits).cpu().numpy()
        z = logits.detach().float().cpu().numpy()
        label = np.array([example.label for example in examples], dtype=np.int64)
        ties = self.protocol.ties if self.view.set == CUE_CONFLICT_SET else "first"
        declared = decision(z, p, label, self.declared, ties)
        rows: Rows = {
            "index": np.array([example.index for example in examples], dtype=np.int64),
            "label": label,
            "top1": declared.predicted,
            "confidence": declared.confidence,
            "true_probability": declared.true_probability,
        }
        if self.view.set == CUE_CONFLICT_SET:
            rows["texture"] = np.array([example.texture for example in examples], dtype=np.int64)
        for space in self.others:
            label_in_space = label_in(space, label, z.shape[1])
            other = decision(z, p, label_in_space, space)
            rows |= {
                f"label@{space.name}": label_in_space,
                f"top1@{space.name}": other.predicted,
                f"confidence@{space.name}": other.confidence,
                f"true_probability@{space.name}": other.true_probability,
            }
        if self.view.columns == "probabilities":
            rows["probabilities"] = p
        return rows


def attack_columns(outputs: Mapping[str, torch.Tensor], rows: Rows) -> Rows:
    """Return the further columns of attacked images; see the outputs of `Passes`.

    Args:
        outputs: of all images of a shard.
        rows: the columns from the logits.

    Raises:
        InvariantError: an attack left its bounds.
    """
    if "extent" in outputs:
        check_bounds(outputs["extent"])
    names = ("zero_gradient", "moved", "moved_share")
    columns: Rows = {name: outputs[name].numpy() for name in names if name in outputs}
    if "always_right" in outputs:
        columns["always_right"] = outputs["always_right"].numpy() & (rows["top1"] == rows["label"])
    return columns
