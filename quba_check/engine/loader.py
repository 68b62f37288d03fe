"""Images read ahead by threads, across the borders of shards.

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
from itertools import islice, takewhile
from typing import Generic, TypeVar

import torch

from quba_check.engine.preparer import Prepare
from quba_check.suites.suite import Example

READ_AHEAD = 2
"""Batches read ahead."""
MOST_THREADS, MOST_FEEDING_THREADS = 4, 16
Owner = TypeVar("Owner")
Content = TypeVar("Content")
Job = tuple[Owner, Callable[[], Content]]
"""The owner of an image, and the function that reads it."""


def default_threads(device: torch.device, cores: int | None = None) -> int:
    """Return the number of reading threads.

    A model on the CPU needs cores itself: half of them read, at most four. An accelerator is fed by all
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
        return max(1, min(MOST_THREADS, cores // 2))
    return min(MOST_FEEDING_THREADS, cores)


@dataclass(eq=False)
class ImageStream(Generic[Owner, Content]):
    """Images in order, read ahead by threads.

    Attributes:
        jobs: iterator of lists of images whose reading begins together; it is advanced in the calling thread,
            as far as images are read ahead.
        ahead: number of images to read ahead. The next list is begun when fewer wait.
        pool: threads that read; None reads in the calling thread.
        group: returns the group of an owner; images of two groups are never returned together. By default
            all images are one group.
    """

    jobs: Iterator[Sequence[Job[Owner, Content]]]
    ahead: int
    pool: ThreadPoolExecutor | None
    group: Callable[[Owner], object] = lambda _: None
    _pending: deque[tuple[Owner, Callable[[], Content], Future[Content] | None]] = field(
        default_factory=deque
    )
    _error: Exception | None = None

    def take(
        self, count: int, *, joins_rest: bool = False, like: Owner | None = None
    ) -> list[tuple[Owner, Content]]:
        """Return the next images with their owners.

        There are `count`, fewer at the end of a group, and none after the last one.

        Args:
            count: number of images.
            joins_rest: return up to half as many images more, if they are the last ones of the group. Kernels
                round the last rows of a very small batch differently.
            like: return only images of the group of this owner.

        Raises:
            Exception: reading an image failed. Images before it are returned first.
        """
        if self._error is not None:
            raise self._error
        self._read_ahead()
        if self._pending:
            group = self.group(self._pending[0][0] if like is None else like)
            members = takewhile(lambda pending: self.group(pending[0]) == group, self._pending)
            most = count + count // 2
            n_members = sum(1 for _ in islice(members, most + 1))
            count = n_members if joins_rest and n_members <= most else min(count, n_members)
        taken: list[tuple[Owner, Content]] = []
        while self._pending and len(taken) < count and self._error is None:
            owner, content, _ = self._pending.popleft()
            try:
                taken.append((owner, content()))
            except Exception as error:
                if not taken:
                    raise
                self._error = error
        self._read_ahead()
        return taken

    def close(self) -> None:
        """Cancel what is not read yet."""
        for _, _, future in self._pending:
            if future is not None:
                future.cancel()
        self._pending.clear()

    def _read_ahead(self) -> None:
        while len(self._pending) < self.ahead and (jobs := next(self.jobs, None)) is not None:
            for owner, read in jobs:
                future = None if self.pool is None else self.pool.submit(read)
                self._pending.append((owner, read if future is None else future.result, future))


def batches(
    examples: Sequence[Example], prepare: Prepare, size: int, pool: ThreadPoolExecutor | None
) -> Iterator[tuple[Sequence[Example], torch.Tensor]]:
    """Yield (examples, uint8 (B, 3, H, W)) in order, at most `size` at a time.

    Args:
        examples: the examples to read.
        prepare: returns the image of an example.
        size: images of a batch.
        pool: threads that read ahead; None reads in this thread.
    """
    jobs = ([(example, partial(prepare, example))] for example in examples)
    stream = ImageStream(jobs, READ_AHEAD * size, pool)
    try:
        while taken := stream.take(size):
            yield [example for example, _ in taken], torch.stack([image for _, image in taken])
    finally:
        stream.close()
