"""A shard to predict, and the outputs gathered for its images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter

import torch

from quba_check.core.view import View
from quba_check.engine.preparer import ShardImages
from quba_check.engine.shard_request import ShardRequest

Owner = tuple["ShardTask", int]
"""The shard of an image and the image's position in it."""


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
