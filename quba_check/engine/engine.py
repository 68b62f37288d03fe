"""Each view is predicted once, whoever asks for it, by however many processes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import torch

from quba_check.engine.addresses import Addresses, shard_of
from quba_check.engine.loader import Preparer, batches
from quba_check.engine.predict import PREDICT, Rows, Task, plain_and_fgsm
from quba_check.engine.store import DamagedShardError, Shard, ShardKey, Store
from quba_check.errors import InvariantError, QubaError, UnmeasurableError
from quba_check.models.classifier import Classifier
from quba_check.models.outputs import OutputKind, output_kind
from quba_check.protocol.predictions import Predictions
from quba_check.protocol.settings import Protocol
from quba_check.protocol.view import CLEAN, CLEAN_SET, FGSM, View
from quba_check.suites.digests import ContentDigests
from quba_check.suites.suite import Suite

WAIT_SECONDS = 0.05
CPU_BATCH, ACCELERATOR_BATCH = 64, 256
_SPECIFIC_TO_GENERAL: tuple[OutputKind, ...] = ("probabilities", "sigmoids", "logits")


@dataclass(frozen=True, slots=True)
class Tempo:
    """How work is cut, without any influence on results.

    Attributes:
        batch_size: images of a forward; None chooses by device and halves it where memory runs out.
        threads: threads that read images ahead; 0 reads in the working thread.
    """

    batch_size: int | None = None
    threads: int = 2


@dataclass(frozen=True, slots=True)
class Unit:
    """One shard of one view, or of the clean set and its FGSM points together."""

    views: tuple[View, ...]
    shard: int


Progress = Callable[[str, int, int, float, Callable[[], int]], None]
"""Told when a shard is begun and when it is done: (view, images, passes of each, seconds, passes to come)."""

PASSES = {None: 1, "fgsm": 3, "pgd": 21}
"""Forward and backward passes of an image, by attack."""


class Engine:
    """Predictions of one model on one suite under one protocol.

    Args:
        classifier: the model; its parameters are never changed, and a guard checks that.
        suite: the images.
        store: where shards are kept.
        digests: content digests of image files.
        protocol: where attacks live, whether prepared sets are cropped.
        seed: for random starts and generated corruptions.
        tempo: batch size and threads.
        progress: told of every shard that was predicted.
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
        tempo: Tempo | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.classifier = classifier
        self.suite = suite
        self.store = store
        self.addresses = Addresses(classifier, suite, digests, protocol, seed)
        self.repaired: list[str] = []
        self._protocol = protocol
        self._seed = seed
        self._tempo = tempo or Tempo()
        self._progress = progress
        self._guard = classifier.guard()
        self._preparer = Preparer(suite, classifier, seed)
        self._fresh: list[ShardKey] = []
        self._batch_size = self._tempo.batch_size or (
            CPU_BATCH if classifier.device.type == "cpu" else ACCELERATOR_BATCH
        )
        self._carries_gradient = True
        self._planned: list[View] = []
        self._tables: dict[View, Rows] = {}
        threads = self._tempo.threads
        self._pool = ThreadPoolExecutor(threads, "quba-read") if threads else None

    def predictions(self, views: Collection[View], planned: Collection[View] = ()) -> dict[View, Predictions]:
        """Predictions of views, from the store or made now.

        Args:
            views: the views wanted; a set of the suite must exist for each.
            planned: further views that will be asked for; where all that is wanted is being made by other
                processes, these are worked on instead of waiting.

        Raises:
            UnmeasurableError: an attack is wanted on a model without gradients.
            QubaError: an image, the model or the store let us down.
        """
        self.settle([*views, *planned])
        wanted = self._stored(views)
        while True:
            self._complete(wanted, self._stored(planned))
            try:
                tables = {view: self._table(view) for view in wanted}
            except DamagedShardError:
                continue
            return {view: self._read_in(view, tables[self.addresses.stored_view(view)]) for view in views}

    def settle(self, views: Collection[View]) -> None:
        """Find out what the model's outputs are, from the first shard of real images.

        It is predicted as any other, so nothing is done for this alone; another process reads the finding
        with the shard.
        """
        self._planned = stored = self._stored(views)
        if self.classifier.outputs is not None or not views:
            return
        first = next((view for view in stored if view.set == CLEAN_SET and view.attack is None), None)
        if first is None:
            first = next((view for view in stored if view.attack is None), None) or CLEAN
        unit = next(iter(self._units([first], stored)))
        key = self._key(first, 0)
        while self.classifier.outputs is None:
            if self.store.has(key):
                with contextlib.suppress(DamagedShardError):
                    self._adopt(self._read(key).about.get("outputs"))
            elif not self._make(unit):
                time.sleep(WAIT_SECONDS)

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
            self._tables.clear()
            for key in fresh:
                self.store.remove(key)
            raise

    def _adopt(self, kind: str | None) -> None:
        self.classifier.outputs = next(known for known in _SPECIFIC_TO_GENERAL if known == kind)

    def _stored(self, views: Iterable[View]) -> list[View]:
        return list(dict.fromkeys(self.addresses.stored_view(view) for view in views))

    def _complete(self, wanted: Sequence[View], planned: Sequence[View]) -> None:
        """Make every missing shard of the wanted views, helping with planned ones rather than waiting."""
        pending = list(dict.fromkeys(self._units(wanted, {*wanted, *planned})))
        # Shard by shard, so that clean images are read once for all the corruptions made from them.
        pending.sort(key=lambda unit: unit.shard if self.suite.generates(unit.views[0]) else -1)
        while pending:
            left = [unit for unit in pending if not self._make(unit)]
            if len(left) == len(pending) and not self._help(planned):
                time.sleep(WAIT_SECONDS)
            pending = left

    def _help(self, planned: Sequence[View]) -> bool:
        """Make one shard of what will be asked for later; False where there is none to make."""
        for view in planned:
            # What is wrong with a view is for the dimension that asks for it to hear.
            with contextlib.suppress(QubaError):
                for unit in self._units([view], planned):
                    complete = all(self.store.has(self._key(part, unit.shard)) for part in unit.views)
                    if not complete and self._make(unit):
                        return True
        return False

    def _units(self, wanted: Iterable[View], planned: Collection[View]) -> Iterator[Unit]:
        for view in wanted:
            shares = self._shares_forward(view, planned)
            together = (self.addresses.stored_view(CLEAN), FGSM) if shares else (view,)
            for shard in range(len(self.addresses.keys(view))):
                yield Unit(together, shard)

    def _shares_forward(self, view: View, planned: Collection[View]) -> bool:
        pair = {self.addresses.stored_view(CLEAN), FGSM}
        return (
            view in pair
            and pair <= set(planned)
            and self._carries_gradient
            and self.classifier.precision == "fp32"
        )

    def _key(self, view: View, shard: int) -> ShardKey:
        return self.addresses.keys(view)[shard]

    def _make(self, unit: Unit) -> bool:
        """Make what a unit lacks; False where another process is at it."""
        keys = {view: self._key(view, unit.shard) for view in unit.views}
        if all(self.store.has(key) for key in keys.values()):
            return True
        first = unit.views[0]
        with self.store.try_lock(f"{first.images}/{unit.shard}/{first.attack == 'pgd'}") as held:
            if not held:
                return False
            missing = [view for view, key in keys.items() if not self.store.has(key)]
            if missing:
                self._predict(missing, unit.shard, keys)
        return True

    def _predict(self, views: Sequence[View], shard: int, keys: dict[View, ShardKey]) -> None:
        about = {"model": self.classifier.name}
        began = time.perf_counter()
        self._tell(views[0], 0, 0.0)
        predicted = self._rows(views, shard)
        self._guard.check(str(views[0]))
        for view, rows in predicted.items():
            words = about | {"view": str(view), "outputs": str(self.classifier.outputs)}
            self.store.write(keys[view], rows, words)
            self._fresh.append(keys[view])
            self._tell(view, len(keys[view].indices), time.perf_counter() - began)
            began = time.perf_counter()

    def _tell(self, view: View, images: int, seconds: float) -> None:
        if self._progress is not None:
            self._progress(str(view), images, PASSES[view.attack], seconds, self._passes_left)

    def _rows(self, views: Sequence[View], shard: int) -> dict[View, Rows]:
        """Predict a shard, deciding on its whole what the outputs are where that is not known yet."""
        if self.classifier.outputs is not None:
            return self._rows_that_fit(views, shard, None)
        seen: list[OutputKind] = []

        def watch(raw: torch.Tensor) -> None:
            seen.append(output_kind(raw, half=self.classifier.precision != "fp32"))
            if self.classifier.outputs is None:
                self.classifier.outputs = seen[0]

        rows = self._rows_that_fit(views, shard, watch)
        settled = max(seen, key=_SPECIFIC_TO_GENERAL.index)
        if settled != seen[0]:  # a later batch showed more than the first: read all anew
            self.classifier.outputs = settled
            rows = self._rows_that_fit(views, shard, None)
        return rows

    def _rows_that_fit(
        self, views: Sequence[View], shard: int, watch: Callable[[torch.Tensor], None] | None
    ) -> dict[View, Rows]:
        """Predict a shard, with half the batch size as often as memory asks for it."""
        while True:
            try:
                return self._rows_at(views, shard, watch, self._batch_size)
            except torch.OutOfMemoryError:
                if self._tempo.batch_size is not None or self._batch_size == 1:
                    raise
                torch.cuda.empty_cache()
                self._batch_size //= 2

    def _rows_at(
        self,
        views: Sequence[View],
        shard: int,
        watch: Callable[[torch.Tensor], None] | None,
        batch_size: int,
    ) -> dict[View, Rows]:
        images = views[0].images
        examples = shard_of(self.suite.examples(images), shard)
        prepare = self._preparer.of(images, crop=self.addresses.crops(images))
        read = batches(examples, prepare, batch_size, self._pool)
        try:
            tasks = [replace(self._task(view), watch=watch) for view in views]
            if len(tasks) == 1:
                return {views[0]: PREDICT[views[0].attack](tasks[0], read)}
            return dict(zip(views, plain_and_fgsm(tasks[0], tasks[1], read), strict=True))
        except UnmeasurableError:
            if len(views) == 1:
                raise
            self._carries_gradient = False
            return self._rows_at(views[:1], shard, watch, batch_size)
        finally:
            read.close()

    def _passes_left(self) -> int:
        """Passes of images that the plan still needs; views not listed yet count as large as the others."""
        known = {view: self.addresses.keys(view) for view in self._planned if self.addresses.knows(view)}
        images = [sum(len(key.indices) for key in keys) for keys in known.values()]
        usual = max(images, default=0)
        missing = {
            view: sum(len(key.indices) for key in keys if not self.store.has(key))
            for view, keys in known.items()
        }
        return sum(PASSES[view.attack] * missing.get(view, usual) for view in self._planned)

    def _task(self, view: View) -> Task:
        return Task(
            self.classifier,
            view,
            self.suite.space_of(view.set),
            self.addresses.other_spaces(view),
            self._protocol,
            self._seed,
            view.columns == "probabilities",
        )

    def _table(self, view: View) -> Rows:
        """All shards of a view, one after the other; that of the clean set, which all ask for, is kept."""
        if view in self._tables:
            return self._tables[view]
        parts = [self._read(key).columns for key in self.addresses.keys(view)]
        table = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        if view == self.addresses.stored_view(CLEAN):
            self._tables[view] = table
        return table

    def _read(self, key: ShardKey) -> Shard:
        """A shard. A damaged one is named, removed, and raised."""
        try:
            return self.store.read(key)
        except DamagedShardError as error:
            self.repaired.append(f"damaged artefact made again: {error}")
            self.store.remove(key)
            raise

    def _read_in(self, view: View, table: Rows) -> Predictions:
        declared = self.suite.facts.spaces.get(view.set)
        suffix = "" if view.space is None or view.space == declared else f"@{view.space}"
        narrow = ("index", "label", "top1", "confidence", "true_probability", "probabilities")
        return Predictions(
            index=table["index"],
            label=table[f"label{suffix}"],
            top1=table[f"top1{suffix}"],
            confidence=table[f"confidence{suffix}"],
            true_probability=table[f"true_probability{suffix}"],
            probabilities=table.get("probabilities") if not suffix else None,
            extra={name: column for name, column in table.items() if name not in narrow and "@" not in name},
        )
