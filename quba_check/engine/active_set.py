"""Images under attack, each at its own step."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from quba_check.engine.shard_task import Owner
from quba_check.models.device import row_index


class ActiveSet:
    """A batch of images under attack, which images join and leave.

    Attributes:
        owners: shard and position of each image.
        steps: number of steps taken with each image.
        continues: True for each image whose attack continues after the present step.
    """

    def __init__(self) -> None:
        self.owners: list[Owner] = []
        self.steps: list[int] = []
        self.continues: list[bool] = []
        self._tensors: dict[str, torch.Tensor] = {}

    def __len__(self) -> int:
        return len(self.owners)

    def __getitem__(self, name: str) -> torch.Tensor:
        return self._tensors[name]

    def join(self, owners: Sequence[Owner], **tensors: torch.Tensor) -> None:
        """Add images at step 0; without effect if memory runs out.

        Args:
            owners: shard and position of each image.
            tensors: by name, each with a row for every image; the same names at each call.
        """
        if len(self):
            tensors = {name: torch.cat([self._tensors[name], tensor]) for name, tensor in tensors.items()}
        self._tensors = tensors
        self.owners += owners
        self.steps += [0] * len(owners)
        self.continues += [True] * len(owners)

    def keep(self, rows: Sequence[int]) -> None:
        """Remove all images but those in these rows; without effect if memory runs out."""
        index = row_index(rows, next(iter(self._tensors.values())).device)
        self._tensors = {name: tensor[index] for name, tensor in self._tensors.items()}
        self.owners = [self.owners[row] for row in rows]
        self.steps = [self.steps[row] for row in rows]
        self.continues = [self.continues[row] for row in rows]
