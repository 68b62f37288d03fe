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
from functools import lru_cache

import numpy as np
import torch

from quba_check.core.view import CORRUPTIONS, View
from quba_check.models.classifier import Classifier
from quba_check.storage.store import SHARD_SIZE
from quba_check.suites.corruptions import corrupt, reencode
from quba_check.suites.suite import Example, Suite

READ_AHEAD = 2
_CORRUPTION_STREAM = 0xC0
Prepare = Callable[[Example], torch.Tensor]


def default_threads() -> int:
    """Return the number of reading threads: half the cores, at most four."""
    return max(1, min(4, (os.cpu_count() or 1) // 2))


class Preparer:
    """Turns examples into preprocessed uint8 images (3, H, W).

    The last shard of preprocessed clean images is cached, since all 75 generated corruptions start from them.

    Args:
        suite: the source of the images.
        classifier: the model whose preprocessing is used.
        seed: seed of the run.
    """

    def __init__(self, suite: Suite, classifier: Classifier, seed: int) -> None:
        self._suite = suite
        self._seed = seed
        self._transforms = {crop: classifier.preprocessing.transform(crop=crop) for crop in (True, False)}
        self._cached = lru_cache(maxsize=SHARD_SIZE)(self._prepared)

    def of(self, view: View, *, crop: bool) -> Prepare:
        """Return the function that prepares examples of a view.

        Args:
            view: the view. A generated corruption is applied to the preprocessed clean image, and encoded if
                the suite asks for it; its randomness depends on seed, image index, corruption and severity
                alone.
            crop: True for the full evaluation transform; False only resizes, if necessary.
        """
        if not self._suite.is_generated(view):
            return lambda example: self._prepared(example, crop)
        own = str(view.corruption), int(view.severity or 0)
        encoding = self._suite.encoding

        def corrupted_example(example: Example) -> torch.Tensor:
            name, severity = example.condition or own
            number = CORRUPTIONS.index(name)
            image = self._cached(example, crop).permute(1, 2, 0).numpy()
            rng = np.random.default_rng([self._seed, _CORRUPTION_STREAM, example.index, number, severity])
            pixels = corrupt(image, name, severity, rng)
            if encoding is not None:
                pixels = reencode(pixels, encoding)
            return torch.from_numpy(pixels).permute(2, 0, 1)

        return corrupted_example

    def _prepared(self, example: Example, crop: bool) -> torch.Tensor:
        return self._transforms[crop](self._suite.image(example))


def batches(
    examples: Sequence[Example], prepare: Prepare, size: int, pool: ThreadPoolExecutor | None
) -> Generator[tuple[Sequence[Example], torch.Tensor], None, None]:
    """Yield (examples, uint8 (B, 3, H, W)) in order, at most `size` at a time.

    Args:
        examples: the examples to read.
        prepare: returns the image of an example.
        size: images of a batch.
        pool: threads that read ahead; None reads in this thread.
    """
    chunks = [examples[start : start + size] for start in range(0, len(examples), size)]
    if pool is None:
        for chunk in chunks:
            yield chunk, torch.stack([prepare(example) for example in chunk])
        return
    ahead: deque[list[Future[torch.Tensor]]] = deque()
    try:
        for position, chunk in enumerate(chunks):
            while len(ahead) < READ_AHEAD and position + len(ahead) < len(chunks):
                following = chunks[position + len(ahead)]
                ahead.append([pool.submit(prepare, example) for example in following])
            yield chunk, torch.stack([future.result() for future in ahead.popleft()])
    finally:
        for futures in ahead:
            for future in futures:
                future.cancel()
