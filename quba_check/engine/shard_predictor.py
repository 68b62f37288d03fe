"""Prediction of shards, in batches that fit into memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import torch

from quba_check.core.protocols import Protocol
from quba_check.core.view import View
from quba_check.engine.cache_keys import CacheKeys, shard_of
from quba_check.engine.loader import batches, default_threads
from quba_check.engine.predict import PREDICT, Meter, Report, Rows, ViewTask, plain_and_fgsm
from quba_check.engine.preparer import Prepare, Preparer
from quba_check.errors import UnmeasurableError
from quba_check.models.classifier import Classifier, is_out_of_memory, out_of_memory
from quba_check.models.outputs import SPECIFIC_TO_GENERAL, OutputKind, output_kind
from quba_check.suites.suite import Suite

CPU_BATCH, ACCELERATOR_BATCH = 64, 256
Watch = Callable[[torch.Tensor], None]


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """Batch size and reading threads, without any influence on results.

    Attributes:
        batch_size: images of a forward pass; None chooses by device and halves it when memory runs out.
        threads: threads that read images ahead; 0 reads in the main thread, None takes one for every two
            cores, at most four, as torch needs cores too.
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
        report: called after every pass of a batch; see `Meter`.

    Attributes:
        carries_gradient: False once the model passed no gradient to its input.
    """

    def __init__(
        self,
        classifier: Classifier,
        suite: Suite,
        cache_keys: CacheKeys,
        protocol: Protocol,
        seed: int,
        batch_settings: BatchSettings,
        report: Report | None = None,
    ) -> None:
        self._report = report
        self.carries_gradient = True
        self._classifier = classifier
        self._suite = suite
        self._cache_keys = cache_keys
        self._protocol = protocol
        self._seed = seed
        self._preparer = Preparer(suite, classifier, seed)
        threads = default_threads() if batch_settings.threads is None else batch_settings.threads
        self._pool = ThreadPoolExecutor(threads, "quba-read") if threads else None
        self._may_shrink = batch_settings.batch_size is None
        self._stated_size = batch_settings.batch_size
        self._fitting: int | None = None

    def preparation(self, view: View) -> Prepare:
        """Return the function that prepares the images of a view."""
        return self._preparer.of(view, crop=self._cache_keys.is_cropped(view))

    @property
    def _batch_size(self) -> int:
        """Images of a pass: as they fitted, as stated, as chosen, or by device."""
        on_cpu = self._classifier.device.type == "cpu"
        default = self._classifier.compute.batch_size or (CPU_BATCH if on_cpu else ACCELERATOR_BATCH)
        return self._fitting or self._stated_size or default

    def rows(self, views: Sequence[View], shard: int) -> dict[View, Rows]:
        """Return the columns of a shard of a view, or of clean set and FGSM.

        Raises:
            UnmeasurableError: the only view is an attack, and the model passes no gradient.
            ModelError: the model's answers cannot be used, or memory runs out.
            SuiteError: an image cannot be used.
        """
        if self._classifier.outputs is not None:
            return self._rows_that_fit(views, shard, None)
        kinds: list[OutputKind] = []

        def watch(raw: torch.Tensor) -> None:
            kinds.append(output_kind(raw, half=self._classifier.precision != "fp32"))
            if self._classifier.outputs is None:
                self._classifier.outputs = kinds[0]

        rows = self._rows_that_fit(views, shard, watch)
        most_general = max(kinds, key=SPECIFIC_TO_GENERAL.index)
        if most_general != kinds[0]:  # the first batch was converted to logits in the wrong way
            self._classifier.outputs = most_general
            rows = self._rows_that_fit(views, shard, None)
        return rows

    def _rows_that_fit(self, views: Sequence[View], shard: int, watch: Watch | None) -> dict[View, Rows]:
        """Predict a shard; halve the batch size whenever memory runs out."""
        while True:
            try:
                return self._rows_at(views, shard, watch, self._batch_size)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                if not self._may_shrink or self._batch_size == 1:
                    raise out_of_memory(self._classifier, self._batch_size) from error
                torch.cuda.empty_cache()
                self._fitting = self._batch_size // 2

    def _rows_at(
        self, views: Sequence[View], shard: int, watch: Watch | None, batch_size: int
    ) -> dict[View, Rows]:
        images = views[0].images
        examples = shard_of(self._suite.examples(images), shard)
        prepared = batches(examples, self.preparation(images), batch_size, self._pool)
        meter = Meter(self._report)
        try:
            tasks = [replace(self._task(view), watch=watch, meter=meter) for view in views]
            if len(tasks) == 1:
                return {views[0]: PREDICT[views[0].attack](tasks[0], prepared)}
            return dict(zip(views, plain_and_fgsm(tasks[0], tasks[1], prepared), strict=True))
        except UnmeasurableError:
            if len(views) == 1:
                raise
            self.carries_gradient = False
            return self._rows_at(views[:1], shard, watch, batch_size)
        finally:
            prepared.close()

    def _task(self, view: View) -> ViewTask:
        return ViewTask(
            self._classifier,
            view,
            self._suite.space_of(view.set),
            self._cache_keys.other_spaces(view),
            self._protocol,
            self._seed,
            view.columns == "probabilities",
        )
