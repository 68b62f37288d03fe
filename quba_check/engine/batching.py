"""Batches of images, read ahead by threads, in sizes that fit into memory.

Images are read across the borders of shards.

Decoding, resizing and corrupting happen in libraries that release the interpreter's lock, so threads are
enough: nothing is pickled, no process is forked next to pytest-xdist's workers, and exceptions arrive
unchanged.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import takewhile
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from quba_check.engine.preparer import Prepare, stacked
from quba_check.models.classifier import Classifier, out_of_memory_error
from quba_check.models.errors import is_out_of_memory
from quba_check.suites.suite import Example

CPU_BATCH = 16
ACCELERATOR_BATCH = 256
"""Default sizes. Small batches stay in a CPU's cache; larger ones keep an accelerator busy."""
CPU_GRADIENT_BATCH = 8
"""Size of passes with gradients in memory format `channels_last`: as fast as 16, with half the memory.

The plain path keeps 16, where convolutions of small images have other last bits in batches of 8.
"""
Result = TypeVar("Result")
READ_AHEAD = 2
"""Batches read ahead."""
CHUNK = 16
"""Images that a thread reads at once: a batch on a CPU, and few enough for all threads of an accelerator."""
MOST_THREADS = 4
MOST_FEEDING_THREADS = 16
Owner = TypeVar("Owner")
BatchTensors = tuple[Tensor, ...]
"""Tensors with a row for each image."""
Chunk = tuple[Sequence[Owner], Callable[[], BatchTensors], Future[BatchTensors] | None]
"""The owners of images that are read together, the function that returns these, and their reading."""


@dataclass(frozen=True, slots=True)
class Batch(Sequence[Owner]):
    """Images with their owners; a slice has some of the images.

    Attributes:
        owners: the owner of each image.
        contents: the images, (N, …), and perhaps further tensors with a row for each.
    """

    owners: Sequence[Owner]
    contents: BatchTensors

    def __len__(self) -> int:
        return len(self.owners)

    def __getitem__(self, rows: Any) -> Any:
        return Batch(self.owners[rows], tuple(rows_of[rows] for rows_of in self.contents))


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
        size = self._reduced or self._size
        if size:
            return size
        if self._has_gradients and classifier.device.type == "cpu" and classifier.compute.channels_last:
            return CPU_GRADIENT_BATCH
        return default_batch(classifier.device)

    def take(self, stream: ImageStream[Owner], owners: Sequence[Owner] = ()) -> Batch[Owner]:
        """Return the next images of a stream, empty at its end.

        Args:
            stream: the stream.
            owners: owners of the images that are in the batch already.
        """
        if not owners:
            return stream.take(self.size, joins_rest=not self._is_fixed)
        return stream.take(max(self.size - len(owners), 0), like=owners[0])

    def run(self, compute: Callable[[Any], Result], items: Sequence[Any]) -> list[Result]:
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
        start = 0
        most = self._reduced or len(items)
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
                    raise out_of_memory_error(self._classifier, self.size if self._is_fixed else 1) from error
            # Outside of the handler: its traceback keeps the failed graph alive.
            most = len(part) // 2
            self._reduced = max(most, self.size // 2)  # a few items may join a batch that fills the memory
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
        return results


def default_batch(device: torch.device) -> int:
    """Return the default batch size on a device."""
    return CPU_BATCH if device.type == "cpu" else ACCELERATOR_BATCH


def default_threads(device: torch.device, cores: int | None = None) -> int:
    """Return the number of reading threads.

    A model on the CPU needs cores itself: at most four threads read. An accelerator is fed by all
    cores, at most sixteen.

    Args:
        device: where the model runs.
        cores: cores of this process; None for those that the system allows, divided among pytest-xdist's
            workers.
    """
    if not cores:  # containers and batch systems often allow fewer than the machine has
        allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        cores = max(1, allowed // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))
    if device.type == "cpu":
        return min(MOST_THREADS, cores)
    return min(MOST_FEEDING_THREADS, cores)


@dataclass(eq=False)
class ImageStream(Generic[Owner]):
    """Images in order, read ahead by threads in chunks.

    Attributes:
        jobs: iterator of lists of images, each with one group, whose reading begins together; it is advanced
            in the calling thread, as far as images are read ahead.
        read: reads the images of some owners.
        ahead: number of images to read ahead. The next list is begun when fewer wait.
        pool: threads that read; None reads in the calling thread.
        group: returns the group of an owner; images of two groups are never returned together. By default
            all images are one group.
    """

    jobs: Iterator[Sequence[Owner]]
    read: Callable[[Sequence[Owner]], BatchTensors]
    ahead: int
    pool: ThreadPoolExecutor | None
    group: Callable[[Owner], object] = lambda _: None
    _pending: deque[Chunk[Owner]] = field(default_factory=deque)
    _waiting: int = 0
    _error: Exception | None = None

    def take(self, count: int, *, joins_rest: bool = False, like: Owner | None = None) -> Batch[Owner]:
        """Return the next images with their owners.

        There are `count`, fewer at the end of a group, and none after the last one.

        Args:
            count: number of images.
            joins_rest: return up to half as many images more, if they are the last ones of the group. Kernels
                round the last rows of a very small batch differently.
            like: return only images of the group of this owner.

        Raises:
            Exception: reading an image failed. The chunks before its own are returned first.
        """
        if self._error is not None:
            raise self._error
        self._read_ahead()
        if self._pending:
            group = self.group(self._pending[0][0][0] if like is None else like)
            chunks = takewhile(lambda chunk: self.group(chunk[0][0]) == group, self._pending)
            n_members = sum(len(owners) for owners, *_ in chunks)
            count = n_members if joins_rest and n_members <= count + count // 2 else min(count, n_members)
        parts: list[Batch[Owner]] = []
        while self._pending and count and self._error is None:
            owners, content, _ = self._pending.popleft()
            try:
                part = Batch(owners, content())
            except Exception as error:
                self._error = error
                if not parts:
                    raise
                break
            if len(part) > count:
                part, rest = part[:count], part[count:]
                self._pending.appendleft((rest.owners, partial(tuple, rest.contents), None))
            parts.append(part)
            count -= len(part)
            self._waiting -= len(part)
        self._read_ahead()
        contents = zip(*(part.contents for part in parts), strict=True)
        joined = (rows[0] if len(rows) == 1 else torch.cat(rows) for rows in contents)
        return Batch([owner for part in parts for owner in part.owners], tuple(joined))

    def close(self) -> None:
        """Cancel what is not read yet."""
        for _, _, future in self._pending:
            if future is not None:
                future.cancel()
        self._pending.clear()

    def _read_ahead(self) -> None:
        while self._waiting < self.ahead and (jobs := next(self.jobs, None)) is not None:
            for start in range(0, len(jobs), CHUNK):
                owners = jobs[start : start + CHUNK]
                future = self.pool.submit(self.read, owners) if self.pool else None
                content = future.result if future else partial(self.read, owners)
                self._pending.append((owners, content, future))
            self._waiting += len(jobs)


def batches(
    examples: Sequence[Example], prepare: Prepare, size: int, pool: ThreadPoolExecutor | None
) -> Iterator[tuple[Sequence[Example], Tensor]]:
    """Yield (examples, uint8 (B, 3, H, W)) in order, at most `size` at a time.

    Args:
        examples: the examples to read.
        prepare: returns the image of an example.
        size: images of a batch.
        pool: threads that read ahead; None reads in this thread.
    """
    jobs = (examples[start : start + CHUNK] for start in range(0, len(examples), CHUNK))
    stream = ImageStream(jobs, lambda chunk: (stacked(map(prepare, chunk)),), READ_AHEAD * size, pool)
    try:
        while taken := stream.take(size):
            yield taken.owners, taken.contents[0]
    finally:
        stream.close()
