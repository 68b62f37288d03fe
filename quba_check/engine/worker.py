"""A loaded model with its images, which predicts shards.

It is the executor of this process, and the far end of every other.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable

from quba_check.core.protocols import Protocol
from quba_check.core.view import CLEAN
from quba_check.engine.cache_keys import CacheKeys
from quba_check.engine.decisions import check_columns
from quba_check.engine.half_precision import checked_settings, half_precisions
from quba_check.engine.noise_floor import noise_floor
from quba_check.engine.progress import Reporter
from quba_check.engine.shard_arrays import ShardArrays
from quba_check.engine.shard_predictor import BatchSettings, ShardPredictor
from quba_check.engine.shard_request import ShardRequest, ShardResult
from quba_check.errors import InvariantError, ModelError
from quba_check.models.classifier import Classifier
from quba_check.models.compute import ComputeSettings
from quba_check.storage.image_cache import ImageCache
from quba_check.storage.shard import ShardKey, encode_shards
from quba_check.storage.store import Store
from quba_check.suites.suite import Suite


class Worker:
    """Predicts shards in this process.

    Args:
        classifier: the model; a guard checks that its parameters do not change.
        suite: the images.
        store: a folder of this machine, for prepared images.
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
        self._cache_keys = cache_keys
        self._predictor = ShardPredictor(
            classifier, suite, cache_keys, protocol, seed, batch_settings, reporter, self.image_cache
        )
        classifier.guard()  # from now on it compares with the present state
        self._unchecked: list[ShardKey] = []

    def choose_compute(self) -> ComputeSettings:
        """Return the settings of the passes on this device; see `engine.half_precision`."""
        if not half_precisions(self.classifier.device):
            return self.classifier.compute
        return checked_settings(self.classifier, self._suite, self._predictor.preparation(CLEAN))

    def noise_floor(self) -> str:
        """Return how well the model agrees with itself, in words; see `engine.noise_floor`."""
        return noise_floor(self.classifier, self._suite, self._predictor.preparation(CLEAN))

    def run(self, requests: Iterable[ShardRequest]) -> Generator[ShardResult, None, None]:
        """Yield results as shards are predicted.

        Requests are pulled as far as images are read ahead.

        Raises:
            UnmeasurableError: a shard has an attack, and the model passes no gradient.
            InvariantError: the model changed, or its predictions have a defect.
            QubaError: an image or the model's outputs cannot be used, or memory runs out.
        """
        for request, columns in self._predictor.predict(requests):
            yield self._result(request, columns)

    def verify(self, request: ShardRequest) -> None:
        """Check that a shard can be predicted here, and take its images.

        Raises:
            ModelError: model, settings or images are others here than where the request was made.
        """
        view, key = request.view, request.key
        self._cache_keys.give(view, key.shard, request.examples, request.fast_images)
        if self._cache_keys.cache_entry(view) != key.cache_entry:
            raise ModelError(f"{request}: the settings of the predictions differ.")
        if self._cache_keys.shard_key(view, key.shard).content != key.content:
            raise ModelError(f"{request}: the images in {self._suite.location} differ.")

    def changed(self) -> list[ShardKey]:
        """Return the shards since the last call if the model's parameters or buffers changed."""
        keys, self._unchecked = self._unchecked, []
        try:
            if keys:
                self.classifier.guard().check_state()
        except InvariantError:
            return keys
        return []

    def _result(self, request: ShardRequest, columns: ShardArrays) -> ShardResult:
        """Check columns; return them as a file."""
        view = request.view
        self.classifier.guard().check(str(view))
        outputs = self.classifier.outputs
        if outputs is None:
            raise InvariantError(f"{self.classifier.spec}: the kind of its outputs was not determined.")
        defect = check_columns(columns, self._cache_keys.columns(view), classes=self._cache_keys.classes)
        if defect:  # once stored, it would be predicted on every read
            raise InvariantError(f"{self.classifier.spec}: predictions of {view}: {defect}.")
        metadata = {"model": self.classifier.name, "view": str(view), "outputs": str(outputs)}
        self._unchecked.append(request.key)
        return ShardResult(request, encode_shards([request.key], columns, metadata), outputs)
