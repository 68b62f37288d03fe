"""Sizes of batches that fit into memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch

from quba_check.engine.loader import Content, ImageStream, Owner
from quba_check.models.classifier import Classifier, out_of_memory
from quba_check.models.errors import is_out_of_memory

CPU_BATCH, ACCELERATOR_BATCH = 16, 256
"""Default sizes. Small batches stay in a CPU's cache; larger ones keep an accelerator busy."""
CPU_GRADIENT_BATCH = 8
"""Size of passes with gradients in memory format `channels_last`: as fast as 16, with half the memory.

The plain path keeps 16, where convolutions of small images have other last bits in batches of 8.
"""
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """Batch size and reading of images. They change at most the last bits of scores.

    Attributes:
        batch_size: images of a forward pass; None chooses by device and halves it when memory runs out.
        threads: threads that read images ahead; 0 reads in the main thread, None chooses by cores and device.
        cache_gb: gigabytes of prepared images to keep in the store; 0 keeps none.
    """

    batch_size: int | None = None
    threads: int | None = None
    cache_gb: float = 8.0


class Batching:
    """Batch size, halved whenever memory runs out.

    Args:
        classifier: the model.
        size: images of a forward pass, which is then never changed; None chooses by model and device.
        has_gradients: True for passes with gradients.
    """

    def __init__(self, classifier: Classifier, size: int | None, *, has_gradients: bool = False) -> None:
        self._classifier = classifier
        self._is_fixed = size is not None
        self._size = size
        self._reduced: int | None = None
        self._has_gradients = has_gradients

    @property
    def size(self) -> int:
        """Images of a forward pass."""
        classifier = self._classifier
        if classifier.takes_single_images:
            return 1
        if size := self._reduced or self._size:
            return size
        if self._has_gradients and classifier.device.type == "cpu" and classifier.compute.channels_last:
            return CPU_GRADIENT_BATCH
        return default_batch(classifier.device)

    def take(
        self, stream: ImageStream[Owner, Content], owners: Sequence[Owner] = ()
    ) -> list[tuple[Owner, Content]]:
        """Return the next images of a stream, empty at its end.

        Args:
            stream: the stream.
            owners: owners of the images that are in the batch already.
        """
        if not owners:
            return stream.take(self.size, joins_rest=not self._is_fixed)
        room = self.size - len(owners)
        return stream.take(room, like=owners[0]) if room > 0 else []

    def run(self, compute: Callable[[Sequence[Item]], Result], items: Sequence[Item]) -> list[Result]:
        """Compute a batch; if memory runs out, in parts.

        Args:
            compute: computes some of the items; without effect if memory runs out.
            items: the items of the batch.

        Returns:
            The results of the parts, in order.

        Raises:
            ModelError: memory runs out with a single item, or with a fixed size.
        """
        results: list[Result] = []
        start, most = 0, self._reduced or len(items)
        while start < len(items):
            part = items[start : start + most]
            try:
                results.append(compute(part))
                start += len(part)
                continue
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                if self._is_fixed or len(part) == 1:
                    raise out_of_memory(self._classifier, self.size if self._is_fixed else 1) from error
            # Outside of the handler: its traceback keeps the failed graph alive.
            most = len(part) // 2
            self._reduced = max(most, self.size // 2)  # a few items may join a batch that fills the memory
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
        return results


def default_batch(device: torch.device) -> int:
    """Return the default batch size on a device."""
    return CPU_BATCH if device.type == "cpu" else ACCELERATOR_BATCH
