"""A loaded model with its images, which predicts shards.

It is the executor of this process, and the far end of every other.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence

from quba_check.core.protocols import Protocol
from quba_check.core.view import View
from quba_check.engine.cache_keys import CacheKeys
from quba_check.engine.compute_choice import choose_compute, probe_elsewhere, probe_here
from quba_check.engine.decisions import check_columns
from quba_check.engine.order import Executor, Order, Predicted
from quba_check.engine.progress import Reporter
from quba_check.engine.shard_predictor import BatchSettings, ShardPredictor
from quba_check.engine.shard_task import ShardTask
from quba_check.engine.view_columns import Rows
from quba_check.errors import InvariantError, ModelError
from quba_check.models.classifier import Classifier
from quba_check.models.compute import ComputeSettings, PlannedPasses
from quba_check.storage.image_cache import ImageCache
from quba_check.storage.shard import ShardKey, encode_shards
from quba_check.storage.store import Store
from quba_check.suites.suite import Suite


class Worker:
    """Predicts orders in this process.

    Args:
        classifier: the model; a guard checks that its parameters do not change.
        suite: the images.
        store: a folder of this machine, for prepared images and the choice of compute settings.
        cache_keys: cache keys of model and images.
        protocol: settings of attacks, ties and cropping.
        seed: seed of random starts and generated corruptions.
        batch_settings: batch size and threads.
        reporter: receives every pass of a batch.
    """

    name = ""

    def __init__(
        self,
        classifier: Classifier,
        suite: Suite,
        store: Store,
        cache_keys: CacheKeys,
        protocol: Protocol,
        seed: int,
        batch_settings: BatchSettings,
        reporter: Reporter,
    ) -> None:
        self.classifier = classifier
        self.image_cache = ImageCache(store.root / "images", int(batch_settings.cache_gb * 1e9))
        self._suite = suite
        self._store = store
        self._cache_keys = cache_keys
        self._batch_size = batch_settings.batch_size
        self._predictor = ShardPredictor(
            classifier, suite, cache_keys, protocol, seed, batch_settings, reporter, self.image_cache
        )
        classifier.guard()  # from now on it compares with the present state
        self._unchecked: list[ShardKey] = []

    def choose_compute(self, views: Sequence[View], classifier: Classifier) -> None:
        """Choose the settings of the passes; see `engine.compute_choice`."""
        self.choose_compute_by(self, views, self.classifier)
        if classifier is not self.classifier:
            classifier.use(self.classifier.compute)

    def choose_compute_by(self, executor: Executor, views: Sequence[View], classifier: Classifier) -> None:
        """Choose the settings of the passes of an executor, which may be this worker."""

        def probe(planned: PlannedPasses) -> ComputeSettings:
            if executor is not self:
                return probe_elsewhere(classifier, views, executor)
            prepare = self._predictor.preparation
            return probe_here(classifier, self._suite, views, prepare, planned, self._batch_size)

        choose_compute(classifier, self._suite, self._store, views, executor, probe, self._batch_size)

    def run(self, orders: Iterable[Order]) -> Generator[Predicted, None, None]:
        """Yield orders as they are predicted.

        They are pulled as far as images are read ahead.

        Raises:
            UnmeasurableError: an order has an attack, and the model passes no gradient.
            InvariantError: the model changed, or its predictions have a defect.
            QubaError: an image or the model's outputs cannot be used, or memory runs out.
        """
        opened: dict[ShardTask, Order] = {}
        for task, columns in self._predictor.predict(self._tasks(orders, opened)):
            yield self._predicted(opened.pop(task), columns)

    def verify(self, order: Order) -> None:
        """Check that an order can be predicted here, and take its images.

        Raises:
            ModelError: model, settings or images are others here than where the order was made.
        """
        for view, key in order.keys.items():
            self._cache_keys.give(view, order.shard, order.examples, order.fast_images)
            if self._cache_keys.cache_entry(view) != key.cache_entry:
                raise ModelError(f"{order}: the settings of the predictions differ.")
            if self._cache_keys.shard_key(view, order.shard).content != key.content:
                raise ModelError(f"{order}: the images in {self._suite.location} differ.")

    def changed(self) -> list[ShardKey]:
        """Return the shards since the last call if the model's parameters or buffers changed."""
        keys, self._unchecked = self._unchecked, []
        try:
            if keys:
                self.classifier.guard().check_state()
        except InvariantError:
            return keys
        return []

    def _tasks(self, orders: Iterable[Order], opened: dict[ShardTask, Order]) -> Iterator[ShardTask]:
        """Yield the task of each order, and note the order."""
        for order in orders:
            if order.outputs is not None:
                self.classifier.outputs = order.outputs
            task = self._predictor.task(tuple(order.keys), order.shard)
            opened[task] = order
            yield task

    def _predicted(self, order: Order, columns: dict[View, Rows]) -> Predicted:
        """Check columns; return them as files."""
        self.classifier.guard().check(str(order.views[0]))
        outputs = self.classifier.outputs
        if outputs is None:
            raise InvariantError(f"{self.classifier.spec}: the kind of its outputs was not determined.")
        files: dict[View, bytes] = {}
        for view, rows in columns.items():
            defect = check_columns(rows, self._cache_keys.columns(view), classes=self._cache_keys.classes)
            if defect:  # once stored, it would be predicted on every read
                raise InvariantError(f"{self.classifier.spec}: predictions of {view}: {defect}.")
            about = {"model": self.classifier.name, "view": str(view), "outputs": str(outputs)}
            files[view] = encode_shards([order.keys[view]], rows, about)
            self._unchecked.append(order.keys[view])
        return Predicted(order, files, outputs)
