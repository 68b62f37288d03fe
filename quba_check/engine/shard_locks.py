"""ShardLocks on shards, so that processes on one store do not predict the same ones."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Iterator

from quba_check.core.view import View
from quba_check.engine.cache_keys import CacheKeys
from quba_check.engine.shard_request import PlannedShard, ShardRequest
from quba_check.models.classifier import Classifier
from quba_check.storage.shard import ShardKey
from quba_check.storage.store import Store


class ShardLocks:
    """Locks on the shards that this process has requested.

    Args:
        store: the store of shards and locks.
        cache_keys: keys of the shards.
        classifier: its compute settings and outputs go with the requests.

    Attributes:
        busy: shards that other processes work on.
    """

    def __init__(self, store: Store, cache_keys: CacheKeys, classifier: Classifier) -> None:
        self.busy: list[PlannedShard] = []
        self._store = store
        self._cache_keys = cache_keys
        self._classifier = classifier
        self._locks: dict[PlannedShard, contextlib.ExitStack] = {}

    @property
    def in_flight(self) -> Collection[PlannedShard]:
        """The views and the number of each shard in flight."""
        return self._locks.keys()

    def requests(self, shards: Iterable[PlannedShard]) -> Iterator[ShardRequest]:
        """Yield a request for each shard that is missing and that nobody works on."""
        for wanted in shards:
            keys = {view: self._cache_keys.shard_key(view, wanted.shard) for view in wanted.views}
            if all(map(self._store.has, keys.values())):
                continue
            with contextlib.ExitStack() as lock:
                if not lock.enter_context(self._store.try_lock(self._name(wanted))):
                    self.busy.append(wanted)
                    continue
                missing = {view: key for view, key in keys.items() if not self._store.has(key)}
                if not missing or (tuple(missing), wanted.shard) in self._locks:
                    continue
                request = self._request(wanted, missing)
                self._locks[request.id] = lock.pop_all()
            yield request

    def release(self, request: ShardRequest) -> None:
        """Free the lock of a shard."""
        self._locks.pop(request.id).close()

    def close(self) -> None:
        """Free all locks."""
        for lock in self._locks.values():
            lock.close()
        self._locks.clear()

    def _name(self, wanted: PlannedShard) -> str:
        """Return the name of a shard's lock."""
        first = wanted.views[0]
        # FGSM shares the lock of its clean images, since one pass may predict both.
        locked_view = first if first.attack == "pgd" else first.images
        return f"{self._cache_keys.cache_entry(locked_view)}/{wanted.shard}"

    def _request(self, wanted: PlannedShard, missing: dict[View, ShardKey]) -> ShardRequest:
        images = wanted.views[0]
        return ShardRequest(
            missing,
            wanted.shard,
            self._cache_keys.examples(images, wanted.shard),
            self._cache_keys.fast_images(images),
            self._classifier.compute,
            self._classifier.outputs,
        )
