"""Predictions of a suite: each view is predicted once, by any number of processes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from quba_check.core.predictions import Predictions
from quba_check.core.protocols import Protocol
from quba_check.core.view import CLEAN, CLEAN_SET, FGSM, View
from quba_check.engine.ad_hoc import Answers, Images, answers
from quba_check.engine.cache_keys import CacheKeys
from quba_check.engine.compute_choice import choose_compute, chosen_compute
from quba_check.engine.progress import Finished, Progress, Reporter
from quba_check.engine.shard_predictor import CPU_BATCH, BatchSettings, ShardPredictor
from quba_check.engine.table_reader import TableReader
from quba_check.errors import InvariantError, QubaError, UnmeasurableError
from quba_check.models.classifier import Classifier, out_of_memory
from quba_check.models.compute import ComputeSettings
from quba_check.models.outputs import OUTPUT_KINDS
from quba_check.storage.file_digests import ContentDigests
from quba_check.storage.store import DamagedShardError, ShardKey, Store
from quba_check.suites.suite import Suite

WAIT_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class ShardJob:
    """One shard of one view, or of the clean set and its FGSM points together."""

    views: tuple[View, ...]
    shard: int


class Engine:
    """Predictions of one model on one suite under one protocol.

    Args:
        classifier: the model; a guard checks that its parameters do not change.
        suite: the images.
        store: the store of the shards.
        digests: content digests of image files.
        protocol: settings of attacks, ties and cropping.
        seed: seed of random starts and generated corruptions.
        batch_settings: batch size and threads.
        progress: called after every pass of a batch; see `quba_check.engine.progress`.
        finished: called for every complete set.
    """

    def __init__(
        self,
        classifier: Classifier,
        suite: Suite,
        store: Store,
        digests: ContentDigests,
        protocol: Protocol,
        *,
        seed: int = 0,
        batch_settings: BatchSettings | None = None,
        progress: Progress | None = None,
        finished: Finished | None = None,
    ) -> None:
        self.classifier = classifier
        self.suite = suite
        self.store = store
        self.cache_keys = CacheKeys(classifier, suite, digests, protocol, seed)
        self.tables = TableReader(store, self.cache_keys)
        self._digests = digests
        self._batch_settings = batch_settings or BatchSettings()
        self._reporter = Reporter(self.cache_keys, store, progress, finished)
        self._predictor = ShardPredictor(
            classifier, suite, self.cache_keys, protocol, seed, self._batch_settings, self._reporter.update
        )
        classifier.guard()  # from now on it compares with the present state
        self._unchecked: list[ShardKey] = []

    def predictions(
        self, views: Collection[View], planned: Collection[View] = (), shards: range | None = None
    ) -> dict[View, Predictions]:
        """Return the predictions of views, from the store or computed now.

        Args:
            views: the requested views, each of a set of the suite.
            planned: views of later requests. While other processes work on all that is requested, these are
                predicted instead of waiting.
            shards: the requested shards of each view; rows then have the order of sampling, and views without
                these shards are left out. By default all.

        Raises:
            UnmeasurableError: an attack is requested for a model without gradients.
            QubaError: an image, the model or the store fails.
        """
        if self.classifier.no_gradient and any(view.attack is not None for view in views):
            raise UnmeasurableError(self.classifier.no_gradient)
        self.determine_outputs([*views, *planned])
        requested = self._stored(views)
        while True:
            self._complete(requested, self._stored(planned), shards)
            with contextlib.suppress(DamagedShardError):  # it was removed, and is predicted again
                spaces = self.suite.facts.spaces
                return {
                    view: self.tables.predictions(view, spaces.get(view.set), shards)
                    for view in views
                    if shards is None or shards.start in self.cache_keys.shards(view)
                }

    def determine_outputs(self, views: Collection[View], *, always: bool = False) -> None:
        """Determine the kind of the model's outputs from the first shard of real images.

        This shard is predicted as any other, so the step costs nothing; other processes read the kind from
        the stored shard.

        Args:
            views: the views that will be requested.
            always: predict the shard even if the kind is known.
        """
        self._reporter.planned = stored = self._stored(views)
        if views:
            size = self._batch_settings.batch_size
            prepare = self._predictor.preparation
            choose_compute(self.classifier, self.suite, self.store, stored, prepare, size)
        if not views or (self.classifier.outputs is not None and not always):
            return
        unattacked = [view for view in stored if view.attack is None]
        first = next((view for view in unattacked if view.set == CLEAN_SET), (*unattacked, CLEAN)[0])
        # A run that may stop early does not read all files of the set for their digests.
        job = next(self._jobs([first], stored, range(1) if self.suite.sampler.shuffled else None))
        key = self.cache_keys.shard_key(first, 0)
        while self.classifier.outputs is None or not self.store.has(key):
            if self.store.has(key):
                with contextlib.suppress(DamagedShardError):
                    kind = self.tables.shard(first, 0).about.get("outputs")
                    self.classifier.outputs = next(name for name in OUTPUT_KINDS if name == kind)
            elif not self._run(job):
                time.sleep(WAIT_SECONDS)

    def answers(self, images: Images, *, crop: bool = True) -> Answers:
        """Return the model's predictions for images; see `quba_check.engine.ad_hoc`. Nothing is stored."""
        if self.classifier.outputs is None:
            self.determine_outputs([CLEAN])
        size = self.compute.batch_size or CPU_BATCH
        try:
            predictions = answers(self.classifier, images, crop=crop, batch_size=size)
        except torch.OutOfMemoryError as error:
            raise out_of_memory(self.classifier, size) from error
        self.classifier.guard().check("answers")
        return predictions

    @property
    def compute(self) -> ComputeSettings:
        """The settings of the passes behind all predictions."""
        settings = chosen_compute(self.classifier, self.store.root)
        return replace(settings, batch_size=self._batch_settings.batch_size or settings.batch_size)

    def pop_repairs(self) -> list[str]:
        """Return notes on damaged parts of the store that were replaced since the last call."""
        repairs, self.tables.repair_notes = self.tables.repair_notes, []
        note, self._digests.note = self._digests.note, None
        return repairs if note is None else [*repairs, note]

    def check_unchanged(self) -> None:
        """Check that parameters and buffers are unchanged, if anything was predicted.

        Raises:
            InvariantError: they changed; shards stored since the last check are removed.
        """
        keys, self._unchecked = self._unchecked, []
        try:
            if keys:
                self.classifier.guard().check_state()
        except InvariantError:
            self.tables.forget()
            for key in keys:
                self.store.remove(key)
            raise

    def _stored(self, views: Iterable[View]) -> list[View]:
        return list(dict.fromkeys(self.cache_keys.stored_view(view) for view in views))

    def _complete(self, requested: Sequence[View], planned: Sequence[View], shards: range | None) -> None:
        """Predict every missing shard of the requested views.

        Views are completed one after another, so that the files of each are read when needed. Generated
        corruptions are completed together, shard by shard, so that their clean images are read once.
        """
        generated = [view for view in requested if self.suite.is_generated(view)]
        groups = [[view] for view in requested if view not in generated] + ([generated] if generated else [])
        for group in groups:
            jobs = self._jobs(group, {*requested, *planned}, shards)
            pending = sorted(dict.fromkeys(jobs), key=lambda job: job.shard)
            while pending:
                left = [job for job in pending if not self._run(job)]
                if len(left) == len(pending) and not self._run_planned([*requested, *planned], shards):
                    time.sleep(WAIT_SECONDS)
                pending = left

    def _run_planned(self, planned: Sequence[View], shards: range | None) -> bool:
        """Predict one shard of a later request; return False if there is none."""
        for view in planned:
            # The dimension that requests a faulty view reports the error.
            with contextlib.suppress(QubaError):
                for job in self._jobs([view], planned, shards):
                    keys = (self.cache_keys.shard_key(part, job.shard) for part in job.views)
                    if not all(map(self.store.has, keys)) and self._run(job):
                        return True
        return False

    def _jobs(
        self, requested: Iterable[View], planned: Collection[View], shards: range | None = None
    ) -> Iterator[ShardJob]:
        for view in requested:
            shares_pass = self._shares_pass(view, planned)
            views = (self.cache_keys.stored_view(CLEAN), FGSM) if shares_pass else (view,)
            if shards is None:
                # Reads the digests of all files, so that unreadable ones are reported before the work begins.
                self.cache_keys.shard_keys(view)
            yield from (ShardJob(views, number) for number in self.cache_keys.shards(view, shards))

    def _shares_pass(self, view: View, planned: Collection[View]) -> bool:
        """Return True if a view is predicted together with the clean set or FGSM."""
        pair = {self.cache_keys.stored_view(CLEAN), FGSM}
        return (
            view in pair
            and pair <= set(planned)
            and self._predictor.carries_gradient
            and self.classifier.compute.shares_gradient_pass
        )

    def _run(self, job: ShardJob) -> bool:
        """Predict the missing views of a job; return False if another process works on it."""
        keys = {view: self.cache_keys.shard_key(view, job.shard) for view in job.views}
        if all(map(self.store.has, keys.values())):
            return True
        first = job.views[0]
        # FGSM shares the lock of its clean images, since one pass may predict both.
        locked_view = first if first.attack == "pgd" else first.images
        with self.store.try_lock(f"{self.cache_keys.cache_entry(locked_view)}/{job.shard}") as is_held:
            if not is_held:
                return False
            missing = [view for view, key in keys.items() if not self.store.has(key)]
            if missing:
                self._predict(missing, job.shard, keys)
        return True

    def _predict(self, views: Sequence[View], shard: int, keys: dict[View, ShardKey]) -> None:
        self._reporter.begin(views)
        predicted = self._predictor.rows(views, shard)
        self.classifier.guard().check(str(views[0]))
        for view, rows in predicted.items():
            if defect := self.tables.defect(view, rows):  # once stored, it would be predicted on every read
                raise InvariantError(f"{self.classifier.spec}: predictions of {view}: {defect}.")
            outputs = str(self.classifier.outputs)
            about = {"model": self.classifier.name, "view": str(view), "outputs": outputs}
            self.store.write(keys[view], rows, about)
            self._unchecked.append(keys[view])
        self._reporter.end(predicted)
