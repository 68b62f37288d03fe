"""A shard to predict, the outputs gathered for its images, and its stored columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from quba_check.core.label_space import LabelSpace
from quba_check.core.protocols import Protocol
from quba_check.core.view import CUE_CONFLICT_SET, View
from quba_check.engine.attacks import check_bounds
from quba_check.engine.decisions import decision, label_in, probabilities
from quba_check.engine.preparer import ShardImages
from quba_check.engine.shard_request import ShardRequest
from quba_check.suites.suite import Example

Owner = tuple["ShardTask", int]
"""The shard of an image and the image's position in it."""
ShardArrays = dict[str, NDArray[Any]]
"""Stored columns of a shard by name, each with a row for every image."""


class ShardTask:
    """A shard of a view, with the outputs of the images predicted so far.

    Outputs stay on the device until all images are predicted, so that the device never waits for a copy.

    Args:
        request: the shard.
        images: the pixels of its images; closed once all were read.
    """

    def __init__(self, request: ShardRequest, images: ShardImages) -> None:
        self.request = request
        self.view = request.view
        self.examples = request.examples
        self.images = images
        self._positions: list[int] = []
        self._outputs: dict[str, list[torch.Tensor]] = {}
        self._fetched: torch.cuda.Event | None = None

    @property
    def is_complete(self) -> bool:
        """True if the outputs of all images are there."""
        return len(self._positions) == len(self.examples)

    def add(self, positions: Sequence[int], outputs: dict[str, torch.Tensor]) -> None:
        """Add outputs of images.

        Args:
            positions: of the images in the shard.
            outputs: by name, each with a row for every image.
        """
        self._positions += positions
        for name, rows in outputs.items():
            self._outputs.setdefault(name, []).append(rows)

    def fetch(self) -> None:
        """Queue the copy of all outputs to the CPU.

        On CUDA it waits for the work queued so far, and not for the next batch, as a later copy would.
        """
        device = next(iter(self._outputs.values()))[0].device
        if device.type == "cuda":
            for name, parts in self._outputs.items():
                self._outputs[name] = [torch.cat(parts).to("cpu", non_blocking=True)]
            self._fetched = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._fetched.record(torch.cuda.current_stream(device))

    @property
    def outputs(self) -> dict[str, torch.Tensor]:
        """All outputs on the CPU, in the order of the images."""
        if self._fetched is not None:
            self._fetched.synchronize()
        order = torch.tensor(self._positions).argsort()
        return {name: torch.cat(parts).cpu()[order] for name, parts in self._outputs.items()}


def add_outputs(owners: Sequence[Owner], outputs: dict[str, torch.Tensor]) -> list[ShardTask]:
    """Add the outputs of a batch to its shards; return those that are complete now.

    Args:
        owners: shard and position of each image.
        outputs: by name, each with a row for every image.
    """
    complete, start = [], 0
    for task, group in groupby(owners, key=itemgetter(0)):
        positions = [position for _, position in group]
        stop = start + len(positions)
        task.add(positions, {name: values[start:stop] for name, values in outputs.items()})
        start = stop
        if task.is_complete:
            complete.append(task)
    return complete


def images_by_view(owners: Iterable[Owner]) -> Iterator[tuple[View, int]]:
    """Yield the views in a batch, each with its number of images."""
    for view, group in groupby(owners, key=lambda owner: owner[0].view):
        yield view, sum(1 for _ in group)


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
