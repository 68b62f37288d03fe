"""Prepared images in batches, read ahead by threads.

Decoding, resizing and corrupting happen in libraries that release the interpreter's lock, so threads are
enough: nothing is pickled, no process is forked next to pytest-xdist's workers, and exceptions arrive
unchanged. At most two batches are read ahead.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from time import perf_counter

import torch

from quba_check.engine.preparer import Prepare
from quba_check.suites.suite import Example

READ_AHEAD = 2


def default_threads() -> int:
    """Return the number of reading threads: half the cores, at most four."""
    return max(1, min(4, (os.cpu_count() or 1) // 2))


def batches(
    examples: Sequence[Example],
    prepare: Prepare,
    size: int,
    pool: ThreadPoolExecutor | None,
    waited: Callable[[float], None] = lambda _: None,
) -> Generator[tuple[Sequence[Example], torch.Tensor], None, None]:
    """Yield (examples, uint8 (B, 3, H, W)) in order, at most `size` at a time.

    Args:
        examples: the examples to read.
        prepare: returns the image of an example.
        size: images of a batch.
        pool: threads that read ahead; None reads in this thread.
        waited: called with the seconds of waiting for a batch.
    """
    chunks = [examples[start : start + size] for start in range(0, len(examples), size)]
    if pool is None:
        for chunk in chunks:
            start = perf_counter()
            images = torch.stack([prepare(example) for example in chunk])
            waited(perf_counter() - start)
            yield chunk, images
        return
    ahead: deque[list[Future[torch.Tensor]]] = deque()
    try:
        for position, chunk in enumerate(chunks):
            while len(ahead) < READ_AHEAD and position + len(ahead) < len(chunks):
                following = chunks[position + len(ahead)]
                ahead.append([pool.submit(prepare, example) for example in following])
            start = perf_counter()
            images = torch.stack([future.result() for future in ahead.popleft()])
            waited(perf_counter() - start)
            yield chunk, images
    finally:
        for futures in ahead:
            for future in futures:
                future.cancel()
