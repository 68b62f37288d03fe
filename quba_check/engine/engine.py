"""Predictions of a suite: each view is predicted once, by any number of processes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from safetensors.numpy import load

from quba_check.core.predictions import Predictions
from quba_check.core.protocols import Protocol
from quba_check.core.view import CLEAN, CLEAN_SET, View
from quba_check.core.work import PlannedView, Progress
from quba_check.engine.ad_hoc import Answers, Images, answers
from quba_check.engine.batching import Batching, BatchSettings
from quba_check.engine.cache_keys import CacheKeys
from quba_check.engine.compute_choice import ComputeChoice
from quba_check.engine.shards import Ahead, Executor, PlannedShard, ShardResult, ShardStream, shard_request
from quba_check.engine.stored_check import StoredCheck
from quba_check.engine.table_reader import TableReader
from quba_check.engine.work import Reporter, planned_view
from quba_check.engine.worker import Worker
from quba_check.errors import InvariantError, QubaError, StoreError, UnmeasurableError
from quba_check.models.classifier import Classifier, out_of_memory_error
from quba_check.models.compute import ComputeSettings, device_name
from quba_check.models.identity.state import STATE_CHANGED
from quba_check.models.outputs import OUTPUT_KINDS
from quba_check.storage.shard import DamagedShardError, ShardColumns
from quba_check.storage.store import Store, content_hash
from quba_check.suites.contents import Contents

WAIT_SECONDS = 0.05


@dataclass(eq=False, repr=False)
class Engine:
    """Predictions of one model on one suite under one protocol.

    Attributes:
        classifier: the model; a guard checks that its parameters do not change.
        contents: the images.
        store: the store of the shards.
        protocol: settings of attacks, ties and cropping.
        batch_settings: batch size and threads.
        progress: called after every pass of a batch; see `quba_check.engine.work`.
        executor: predicts the shards; None for this process.
        run_views: views of the whole run, as far as they are known.
        worker: the model and its images in this process.
        compared: of shards of a fresh run that replaced stored ones, by cache entry and number: the images
            with another answer, and all images.
    """

    classifier: Classifier
    contents: Contents
    store: Store
    protocol: Protocol
    batch_settings: BatchSettings = BatchSettings()  # noqa: RUF009  frozen
    progress: Progress | None = None
    executor: Executor | None = None
    run_views: tuple[View, ...] = ()

    def __post_init__(self) -> None:
        self.suite = self.contents.suite
        keys = self.cache_keys = CacheKeys(self.classifier, self.contents, self.protocol)
        self.tables = TableReader(self.store, keys)
        self._reporter = Reporter(self.progress)
        self.worker = Worker(self.store, keys, self.batch_settings, self._reporter)
        self._executor = self.executor or self.worker
        self.stored_check = StoredCheck(self.worker, self.tables, self._predict_elsewhere)
        self._compute_choice = ComputeChoice(keys, self.store, self._executor.name, self._choose_compute)
        self.compared: dict[str, tuple[int, int]] = {}
        self._settle_compute()
        self._ahead = Ahead(lambda views: self._stream(self._ordered_shards(views)), self.contents.shards)

    def predictions(self, views: Collection[View], planned: Collection[View] = ()) -> dict[View, Predictions]:
        """Return the predictions of views, from the store or computed now.

        Args:
            views: the requested views, each of a set of the suite.
            planned: views of later requests. While other processes work on all that is requested, these are
                predicted instead of waiting.

        Raises:
            UnmeasurableError: an attack is requested for a model without gradients.
            QubaError: an image, the model or the store fails.
        """
        if self.classifier.no_gradient and any(view.attack is not None for view in views):
            raise UnmeasurableError(self.classifier.no_gradient)
        requested = self._stored(views)
        while True:
            self.determine_outputs([*views, *planned])
            self._predict_missing(requested, self._stored(planned))
            if self.stored_check.settle(requested, again=True):
                continue
            self.store.close()
            with contextlib.suppress(DamagedShardError):  # it was removed, and is predicted again
                return {view: self.tables.predictions(view) for view in views}

    def determine_outputs(self, views: Collection[View], *, needs_shard: bool = False) -> None:
        """Determine the kind of the model's outputs from the first shard of real images.

        This shard is predicted as any other, so the step costs nothing; other processes read the kind from
        the stored shard.

        Args:
            views: the views that will be requested.
            needs_shard: predict the shard even if the kind is known.
        """
        stored = self._stored(views)
        if views:
            self._settle_compute(views, may_choose=True)
            self.stored_check.settle(stored)
        self._reporter.restart()
        if not views or (self.classifier.outputs is not None and not needs_shard):
            return
        unattacked = [view for view in stored if view.attack is None]
        first = next((view for view in unattacked if view.set == CLEAN_SET), (*unattacked, CLEAN)[0])
        shard = next(self._planned_shards([first]))
        key = self.cache_keys.shard_key(first, 0)
        while self.classifier.outputs is None or not self.store.has(key):
            if self.store.has(key):
                with contextlib.suppress(DamagedShardError):
                    kind = self.tables.shard(first, 0).metadata.get("outputs")
                    self.classifier.outputs = next(name for name in OUTPUT_KINDS if name == kind)
            elif not self._run([shard])[0]:
                time.sleep(WAIT_SECONDS)

    def first_predictions(self) -> Predictions:
        """Return the predictions of the first clean images, from the store or computed now.

        Raises:
            QubaError: an image, the model or the store fails.
        """
        while True:
            self.determine_outputs([CLEAN, *self.run_views], needs_shard=True)
            with contextlib.suppress(DamagedShardError):  # it was removed, and is predicted again
                return self.tables.first_predictions(CLEAN)

    def answers(self, images: Images, *, crop: bool = True) -> Answers:
        """Return the model's predictions for images; see `quba_check.engine.ad_hoc`. Nothing is stored."""
        if self.classifier.outputs is None:
            self.determine_outputs([CLEAN])
        size = self.batch_size
        fast = self.suite.missing(CLEAN) is None and self.cache_keys.is_prepared_fast(CLEAN)
        try:
            predictions = answers(self.classifier, images, crop=crop, batch_size=size, fast=fast)
        except torch.OutOfMemoryError as error:
            raise out_of_memory_error(self.classifier, size) from error
        self.classifier.guard().check("answers")
        return predictions

    def noise_floor(self) -> str:
        """Return the stored or measured agreement of the model with itself, in words."""
        keys = self.cache_keys
        model = self.classifier
        images = keys.cache_entry(CLEAN), self.contents.key(CLEAN)
        name = f"compute/noise-{content_hash([*images, model.name, device_name(model.device)])}.txt"
        with contextlib.suppress(OSError, StoreError, ValueError):  # missing or damaged
            return self.store.objects.get(name).decode()
        note = self.worker.noise_floor()
        with contextlib.suppress(StoreError):  # it is then measured again
            self.store.objects.set(name, note.encode())
        return note

    @property
    def compute(self) -> ComputeSettings:
        """The settings of the passes behind all predictions."""
        self._settle_compute()
        return self.classifier.compute

    @property
    def batch_size(self) -> int:
        """Images of a pass, before it is halved because memory runs out."""
        return Batching(self.classifier, self.batch_settings.batch_size).size

    def pop_notes(self) -> list[str]:
        """Return and forget the notes for the record since the last call."""
        cache = self.worker.image_cache
        notes = [*self.tables.notes, *cache.notes]
        self.tables.notes = []
        cache.notes = []
        return notes

    def check_unchanged(self) -> None:
        """Check that parameters and buffers are unchanged, if anything was predicted.

        Raises:
            InvariantError: they changed; shards stored since the last check are removed.
        """
        keys = self._executor.changed()
        if keys:
            self.tables.forget()
            self.store.remove(*keys)
            raise InvariantError(STATE_CHANGED)

    def _settle_compute(self, views: Collection[View] = (), *, may_choose: bool = False) -> None:
        """Settle the settings of the passes over views, and over those of the whole run."""
        before = self.classifier.compute.runtime
        self._compute_choice.settle([*self.run_views, *views], may_choose=may_choose)
        if self.classifier.compute.runtime != before:
            self.stored_check.restart()
            if self.classifier.preprocessing.pipeline is not None:  # the record has notes of the model alone
                self.tables.notes.append(self.classifier.notes[-1])

    def _choose_compute(self, view: View) -> ComputeSettings:
        """Return the settings that the executor chooses, which has one iterator at a time."""
        self.stop()
        return self._executor.choose_compute(view)

    def _stored(self, views: Iterable[View]) -> list[View]:
        return list(dict.fromkeys(self.cache_keys.stored_view(view) for view in views))

    def stop(self) -> None:
        """Drop the shards that are predicted ahead of requests."""
        self._ahead.stop()

    def _predict_missing(self, requested: Sequence[View], planned: Sequence[View]) -> None:
        """Predict every missing shard of the requested views."""
        if self._executor is not self.worker:
            self._ahead.take(requested, planned)
            if not any(map(self._is_missing, self._ordered_shards(requested))):
                return
        shards: Iterable[PlannedShard] = self._ordered_shards(requested)
        while True:
            stored, shards = self._run(shards)
            if not shards:
                return
            if not stored and not self._run_planned([*requested, *planned]):
                time.sleep(WAIT_SECONDS)

    def _ordered_shards(self, requested: Sequence[View]) -> Iterator[PlannedShard]:
        """Yield the shards of requested views in the order of work.

        One view comes after another, so that the files of each are listed when needed. Generated corruptions
        come together, shard by shard, so that their clean images are read once.
        """
        together = list(filter(self.suite.is_generated, requested))
        groups = [[view] for view in requested if view not in together] + ([together] if together else [])
        for group in groups:
            shards = list(self._planned_shards(group))
            numbers = sorted({number for _, number in shards}) or [0]
            # Each machine begins at another shard.
            first = numbers[self.store.first_shard(self.cache_keys.cache_entry(group[0])) % len(numbers)]
            yield from sorted(shards, key=lambda shard: (shard.shard < first, shard.shard))

    def _run_planned(self, planned: Sequence[View]) -> bool:
        """Predict one shard of a later request; return False if there is none."""
        for view in planned:
            # The dimension that requests a faulty view reports the error.
            with contextlib.suppress(QubaError):
                for shard in self._planned_shards([view]):
                    if self._is_missing(shard) and self._run([shard])[0]:
                        return True
        return False

    def _is_missing(self, shard: PlannedShard) -> bool:
        """Return True if the store lacks a shard."""
        return not self.store.has(self.cache_keys.shard_key(shard.view, shard.shard))

    def _planned_shards(self, requested: Iterable[View]) -> Iterator[PlannedShard]:
        for view in requested:
            # Reads the digests of all files, so that unreadable ones are reported before the work begins.
            self.cache_keys.shard_keys(view)
            yield from (PlannedShard(view, number) for number in self.contents.shards(view))

    def work(self, views: Collection[View]) -> tuple[PlannedView, ...]:
        """Return the work on the stored views behind requested ones; nothing is predicted.

        Raises:
            SuiteError: the files of a set have the wrong layout or cannot be read.
        """
        self._settle_compute(views)
        return tuple(planned_view(view, self.cache_keys, self.store) for view in self._stored(views))

    def _stream(self, shards: Iterable[PlannedShard]) -> ShardStream:
        return ShardStream(self._executor, self.store, self.cache_keys, shards, self._write)

    def _run(self, shards: Iterable[PlannedShard]) -> tuple[int, list[PlannedShard]]:
        """Predict the planned shards that are missing.

        Returns:
            The number of stored shards, and those that other processes work on.
        """
        self.stop()  # an executor has one iterator at a time
        stored = 0
        with contextlib.closing(self._stream(shards)) as stream:
            while stream.advance():
                stored += 1
            return stored, stream.busy

    def _predict_elsewhere(self, view: View) -> ShardColumns:
        """Return the executor's answers to the first shard of a view; nothing is stored."""
        self.stop()
        request = shard_request(PlannedShard(view, 0), self.cache_keys, self.store.run)
        with contextlib.closing(self._executor.run(iter([request]))) as results:
            return load(next(results).content)

    def _write(self, result: ShardResult) -> None:
        """Store a predicted shard and report it."""
        request = result.request
        self.classifier.outputs = result.outputs
        if result.passes:
            self._reporter.add(request.view, len(request.examples), result.passes)
        if self.store.is_fresh and (before := self.store.replaced(request.key)) is not None:
            changed = self.stored_check.changed(request.view, load(result.content), before.columns)
            self.compared[f"{request.key.cache_entry}/{request.key.shard}"] = int(changed.sum()), len(changed)
        self.store.put(request.key, result.content)
        self.stored_check.add(request.key, is_own=self._executor is self.worker)
