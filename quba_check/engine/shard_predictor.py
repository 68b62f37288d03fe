"""Prediction of shards, with images read ahead across their borders."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain, groupby
from operator import itemgetter
from typing import Any

import torch

from quba_check.core.protocols import Protocol
from quba_check.core.view import View
from quba_check.engine.attacks import start_noise
from quba_check.engine.cache_keys import CacheKeys
from quba_check.engine.loader import READ_AHEAD, ImageStream, default_threads
from quba_check.engine.predict import Passes
from quba_check.engine.preparer import Prepare, Preparer
from quba_check.engine.progress import Reporter
from quba_check.engine.shard_arrays import ShardArrays, attack_arrays, shard_arrays
from quba_check.engine.shard_request import ShardRequest
from quba_check.engine.shard_task import Owner, ShardTask
from quba_check.models.classifier import Classifier
from quba_check.models.outputs import check_finite, output_kind
from quba_check.storage.image_cache import ImageCache
from quba_check.suites.suite import Suite

_Pass = Callable[[ImageStream[Owner, Any]], Iterator[list[ShardTask]]]


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


class ShardPredictor:
    """Predicts shards of views with one model.

    Args:
        classifier: the model. If the kind of its outputs is unknown, the first shard determines it.
        suite: the images.
        cache_keys: cache keys, which know the stored columns of each view.
        protocol: settings of attacks and ties.
        seed: seed of random starts and generated corruptions.
        batch_settings: batch size and threads.
        reporter: receives every pass of a batch.
        image_cache: preprocessed images of this and other runs; None keeps none.
    """

    def __init__(
        self,
        classifier: Classifier,
        suite: Suite,
        cache_keys: CacheKeys,
        protocol: Protocol,
        seed: int,
        batch_settings: BatchSettings,
        reporter: Reporter,
        image_cache: ImageCache | None = None,
    ) -> None:
        self._classifier = classifier
        self._suite = suite
        self._cache_keys = cache_keys
        self._protocol = protocol
        self._seed = seed
        self._preparer = Preparer(suite, classifier, seed, image_cache, cache_keys.files_key)
        threads = batch_settings.threads
        threads = default_threads(classifier.device) if threads is None else threads
        self._pool = ThreadPoolExecutor(threads, "quba-read") if threads else None
        self._passes = Passes(classifier, protocol, batch_settings.batch_size, reporter.add)
        self._reporter = reporter

    def preparation(self, view: View) -> Prepare:
        """Return the function that prepares the images of a view."""
        return self._preparer.of(view, crop=self._cache_keys.is_cropped(view))

    def predict(self, requests: Iterable[ShardRequest]) -> Iterator[tuple[ShardRequest, ShardArrays]]:
        """Yield shards with their columns, as they are completed.

        Args:
            requests: the shards; the iterator is advanced as far as images are read ahead.

        Raises:
            UnmeasurableError: a shard has an attack, and the model passes no gradient.
            ModelError: the model's answers cannot be used, or memory runs out.
            SuiteError: an image cannot be used.
        """
        tasks: Iterator[ShardTask] = map(self._task, requests)
        if (first := next(tasks, None)) is None:
            return
        if self._classifier.outputs is None:  # the first request may have brought them along
            self._determine_outputs(first)
            yield first.request, self._columns(first)
        else:
            tasks = chain([first], tasks)
        for attack, group in groupby(tasks, key=_attack):
            for task in self._predicted(attack, group):
                yield task.request, self._columns(task)

    def _task(self, request: ShardRequest) -> ShardTask:
        """Return the task of a request, whose outputs are of the kind that it states."""
        if request.outputs is not None:
            self._classifier.outputs = request.outputs
        view, number = request.view.images, request.key.shard
        crop = self._cache_keys.is_cropped(view)
        return ShardTask(request, self._preparer.shard(view, number, request.examples, crop=crop))

    def _determine_outputs(self, task: ShardTask) -> None:
        """Predict the first shard, and determine the kind of the outputs from all its images."""
        for _ in self._predicted(task.view.attack, [task]):
            pass
        raw = task.outputs["raw"]
        self._classifier.outputs = output_kind(raw, half=self._classifier.precision != "fp32")

    def _predicted(self, attack: str | None, tasks: Iterable[ShardTask]) -> Iterator[ShardTask]:
        """Yield tasks of one kind when the outputs of their images are complete."""
        opened: set[ShardTask] = set()

        def jobs() -> Iterator[tuple[Owner, Callable[[], Any]]]:
            for task in tasks:
                opened.add(task)
                for position in range(len(task.examples)):
                    yield (task, position), partial(self._read, task, position)

        # Batches within shards give the same bits whatever else this process predicts. An accelerator, whose
        # batches are as large as shards, would have to wait.
        group = itemgetter(0) if self._classifier.device.type == "cpu" else None
        ahead = READ_AHEAD * self._passes.batching.size
        stream: ImageStream[Owner, Any] = ImageStream(jobs(), ahead, self._pool, group)
        passes: dict[str | None, _Pass] = {
            None: self._passes.plain,
            "fgsm": self._passes.fgsm,
            "pgd": self._passes.pgd,
        }
        try:
            for task in _one_batch_late(passes[attack](stream)):
                task.images.close()
                opened.discard(task)  # its outputs are as large as all columns together
                yield task
        finally:
            stream.close()
            for task in opened:
                task.images.close()

    def _read(self, task: ShardTask, position: int) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        """Return an image, for PGD with its random start; called from several threads."""
        image = task.images.image(position)
        if task.view.attack != "pgd":
            return image
        return image, start_noise(tuple(image.shape), task.examples[position].index, self._seed)

    def _columns(self, task: ShardTask) -> ShardArrays:
        """Return the columns of a complete task."""
        view, outputs = task.view, task.outputs
        raw = outputs["logits" if view.attack == "pgd" else "raw"]
        check_finite(raw, spec=self._classifier.spec)
        if view.attack is None:
            logits = self._passes.logits(raw, view)
        else:
            logits = raw if view.attack == "pgd" else self._classifier.logits(raw)
        spaces = self._suite.space_of(view.set), *self._cache_keys.other_spaces(view)
        arrays = shard_arrays(view, spaces, self._protocol, task.examples, logits)
        for name in self._suite.facts.score_columns(view):
            arrays[name] = logits.detach().cpu().double().logsumexp(dim=1).float().numpy()
        return arrays if view.attack is None else arrays | attack_arrays(outputs, arrays)


def _attack(task: ShardTask) -> str | None:
    return task.view.attack


def _one_batch_late(batches: Iterator[list[ShardTask]]) -> Iterator[ShardTask]:
    """Yield the tasks of each batch once the next batch was started."""
    complete: list[ShardTask] = []
    try:
        for following in batches:
            yield from complete
            complete = following
    except Exception:
        yield from complete
        raise
    yield from complete
