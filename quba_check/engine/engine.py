"""Each view is predicted once, whoever asks for it, by however many processes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch

from quba_check.core.predictions import Predictions
from quba_check.core.protocols import Protocol
from quba_check.core.view import CLEAN, CLEAN_SET, FGSM, View
from quba_check.engine.ad_hoc import Answers, Images, answers
from quba_check.engine.cache_keys import CacheKeys
from quba_check.engine.progress import Finished, Progress, Reporter
from quba_check.engine.shard_predictor import CPU_BATCH, BatchSettings, ShardPredictor
from quba_check.engine.table_reader import TableReader
from quba_check.errors import InvariantError, QubaError, UnmeasurableError
from quba_check.models.classifier import Classifier, out_of_memory
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
        classifier: the model; its parameters are never changed, and a guard checks that.
        suite: the images.
        store: where shards are kept.
        digests: content digests of image files.
        protocol: where attacks live, whether prepared sets are cropped.
        seed: for random starts and generated corruptions.
        batch_settings: batch size and threads.
        progress: called after every pass of a batch; see `quba_check.engine.progress`.
        finished: called for every set that is complete.
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
        self._guard = classifier.guard()
        self._fresh: list[ShardKey] = []

    def predictions(
        self, views: Collection[View], planned: Collection[View] = (), shards: range | None = None
    ) -> dict[View, Predictions]:
        """Predictions of views, from the store or made now.

        Args:
            views: the views wanted; a set of the suite must exist for each.
            planned: further views that will be asked for; where all that is wanted is being made by other
                processes, these are worked on instead of waiting.
            shards: the only shards that are wanted of each view; rows then come in the order in which images
                are drawn, and a view that has none of these shards is left out.

        Raises:
            UnmeasurableError: an attack is wanted on a model without gradients.
            QubaError: an image, the model or the store let us down.
        """
        if self.classifier.no_gradient and any(view.attack is not None for view in views):
            raise UnmeasurableError(self.classifier.no_gradient)
        self.determine_outputs([*views, *planned])
        wanted = self._stored(views)
        while True:
            self._complete(wanted, self._stored(planned), shards)
            with contextlib.suppress(DamagedShardError):  # it is gone now, and made again
                spaces = self.suite.facts.spaces
                return {
                    view: self.tables.predictions(view, spaces.get(view.set), shards)
                    for view in views
                    if shards is None or shards.start in self.cache_keys.shards(view)
                }

    def determine_outputs(self, views: Collection[View], *, show: bool = False) -> None:
        """Find out what the model's outputs are, from the first shard of real images.

        It is predicted as any other, so nothing is done for this alone; another process reads the finding
        with the shard.

        Args:
            views: what will be asked for.
            show: make that shard even where it is known what the outputs are.
        """
        self._reporter.planned = stored = self._stored(views)
        if not views or (self.classifier.outputs is not None and not show):
            return
        first = next((view for view in stored if view.set == CLEAN_SET and view.attack is None), None)
        if first is None:
            first = next((view for view in stored if view.attack is None), None) or CLEAN
        # A run that may leave the set early does not ask for the contents of all its files.
        unit = next(self._units([first], stored, range(1) if self.suite.sampler.shuffled else None))
        key = self._key(first, 0)
        while self.classifier.outputs is None or not self.store.has(key):
            if self.store.has(key):
                with contextlib.suppress(DamagedShardError):
                    self._adopt(self.tables.shard(first, 0).about.get("outputs"))
            elif not self._make(unit):
                time.sleep(WAIT_SECONDS)

    def answers(self, images: Images, *, crop: bool = True) -> Answers:
        """What the model says of images of one's own; see `quba_check.engine.ad_hoc`. Nothing is stored."""
        if self.classifier.outputs is None:
            self.determine_outputs([CLEAN])
        size = self._batch_settings.batch_size or CPU_BATCH
        try:
            found = answers(self.classifier, images, crop=crop, batch_size=size)
        except torch.OutOfMemoryError as error:
            raise out_of_memory(self.classifier, size) from error
        self._guard.check("answers")
        return found

    def pop_repairs(self) -> list[str]:
        """Return notes on damaged parts of the store, made again since the last call."""
        repairs, self.tables.repaired = self.tables.repaired, []
        note, self._digests.note = self._digests.note, None
        return repairs if note is None else [*repairs, note]

    def check_unchanged(self) -> None:
        """Compare a checksum of parameters and buffers with that of the start, if anything was predicted.

        Raises:
            InvariantError: something changed them; what was predicted since the last check is forgotten.
        """
        fresh, self._fresh = self._fresh, []
        try:
            if fresh:
                self._guard.check_state()
        except InvariantError:
            self.tables.forget()
            for key in fresh:
                self.store.remove(key)
            raise

    def _adopt(self, kind: str | None) -> None:
        self.classifier.outputs = next(known for known in OUTPUT_KINDS if known == kind)

    def _stored(self, views: Iterable[View]) -> list[View]:
        return list(dict.fromkeys(self.cache_keys.stored_view(view) for view in views))

    def _complete(self, wanted: Sequence[View], planned: Sequence[View], shards: range | None) -> None:
        """Make every missing shard of the wanted views, helping with planned ones rather than waiting.

        View by view, so that a view's files are looked at when its turn comes; generated corruptions together
        and shard by shard, so that clean images are read once for all that are made from them.
        """
        generated = [view for view in wanted if self.suite.is_generated(view)]
        groups = [[view] for view in wanted if view not in generated] + ([generated] if generated else [])
        for group in groups:
            units = self._units(group, {*wanted, *planned}, shards)
            pending = sorted(dict.fromkeys(units), key=lambda unit: unit.shard)
            while pending:
                left = [unit for unit in pending if not self._make(unit)]
                if len(left) == len(pending) and not self._help([*wanted, *planned], shards):
                    time.sleep(WAIT_SECONDS)
                pending = left

    def _help(self, planned: Sequence[View], shards: range | None) -> bool:
        """Make one shard of what will be asked for later; False where there is none to make."""
        for view in planned:
            # What is wrong with a view is for the dimension that asks for it to hear.
            with contextlib.suppress(QubaError):
                for unit in self._units([view], planned, shards):
                    complete = all(self.store.has(self._key(part, unit.shard)) for part in unit.views)
                    if not complete and self._make(unit):
                        return True
        return False

    def _units(
        self, wanted: Iterable[View], planned: Collection[View], shards: range | None = None
    ) -> Iterator[ShardJob]:
        for view in wanted:
            shares = self._shares_forward(view, planned)
            together = (self.cache_keys.stored_view(CLEAN), FGSM) if shares else (view,)
            # All at once where all are wanted: what is wrong with a file is then told before the work begins.
            every = (
                range(len(self.cache_keys.shard_keys(view)))
                if shards is None
                else self.cache_keys.shards(view)
            )
            for shard in every if shards is None else every[shards.start : shards.stop]:
                yield ShardJob(together, shard)

    def _shares_forward(self, view: View, planned: Collection[View]) -> bool:
        pair = {self.cache_keys.stored_view(CLEAN), FGSM}
        return (
            view in pair
            and pair <= set(planned)
            and self._predictor.carries_gradient
            and self.classifier.precision == "fp32"
        )

    def _key(self, view: View, shard: int) -> ShardKey:
        return self.cache_keys.shard_key(view, shard)

    def _make(self, unit: ShardJob) -> bool:
        """Make what a unit lacks; False where another process is at it."""
        keys = {view: self._key(view, unit.shard) for view in unit.views}
        if all(self.store.has(key) for key in keys.values()):
            return True
        first = unit.views[0]
        beginning = first if first.attack == "pgd" else first.images
        with self.store.try_lock(f"{self.cache_keys.cache_entry(beginning)}/{unit.shard}") as held:
            if not held:
                return False
            missing = [view for view, key in keys.items() if not self.store.has(key)]
            if missing:
                self._predict(missing, unit.shard, keys)
        return True

    def _predict(self, views: Sequence[View], shard: int, keys: dict[View, ShardKey]) -> None:
        about = {"model": self.classifier.name}
        self._reporter.begin(views)
        predicted = self._predictor.rows(views, shard)
        self._guard.check(str(views[0]))
        for view, rows in predicted.items():
            if defect := self.tables.defect(
                view, rows
            ):  # stored, it would be taken for damage and made again
                raise InvariantError(f"{self.classifier.spec}: predictions of {view}: {defect}.")
            words = about | {"view": str(view), "outputs": str(self.classifier.outputs)}
            self.store.write(keys[view], rows, words)
            self._fresh.append(keys[view])
        self._reporter.end(predicted)
