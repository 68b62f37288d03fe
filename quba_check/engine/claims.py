"""Claims on shards, so that processes on one store do not predict the same ones."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from quba_check.core.view import View
from quba_check.engine.cache_keys import CacheKeys
from quba_check.engine.order import Order
from quba_check.models.classifier import Classifier
from quba_check.storage.shard import ShardKey
from quba_check.storage.store import Store


@dataclass(frozen=True, slots=True)
class ShardJob:
    """One shard of one view, or of the clean set and its FGSM points together."""

    views: tuple[View, ...]
    shard: int


class Claims:
    """Locks on the shards of this process's orders.

    Args:
        store: the store of shards and locks.
        cache_keys: keys of the shards.
        classifier: its compute settings and outputs go with the orders.

    Attributes:
        busy: jobs that other processes work on.
    """

    def __init__(self, store: Store, cache_keys: CacheKeys, classifier: Classifier) -> None:
        self.busy: list[ShardJob] = []
        self._store = store
        self._cache_keys = cache_keys
        self._classifier = classifier
        self._locks: dict[tuple[tuple[View, ...], int], contextlib.ExitStack] = {}

    @property
    def in_flight(self) -> Collection[tuple[tuple[View, ...], int]]:
        """The views and the number of each shard in flight."""
        return self._locks.keys()

    def orders(self, jobs: Iterable[ShardJob]) -> Iterator[Order]:
        """Yield an order for each job with missing shards that nobody works on."""
        for job in jobs:
            keys = {view: self._cache_keys.shard_key(view, job.shard) for view in job.views}
            if all(map(self._store.has, keys.values())):
                continue
            with contextlib.ExitStack() as lock:
                if not lock.enter_context(self._store.try_lock(self._name(job))):
                    self.busy.append(job)
                    continue
                missing = {view: key for view, key in keys.items() if not self._store.has(key)}
                claim = tuple(missing), job.shard
                if not missing or claim in self._locks:
                    continue
                order = self._order(job, missing)
                self._locks[claim] = lock.pop_all()
            yield order

    def release(self, order: Order) -> None:
        """Free the lock of an order."""
        self._locks.pop((tuple(order.keys), order.shard)).close()

    def close(self) -> None:
        """Free all locks."""
        for lock in self._locks.values():
            lock.close()
        self._locks.clear()

    def _name(self, job: ShardJob) -> str:
        """Return the name of a job's lock."""
        first = job.views[0]
        # FGSM shares the lock of its clean images, since one pass may predict both.
        locked_view = first if first.attack == "pgd" else first.images
        return f"{self._cache_keys.cache_entry(locked_view)}/{job.shard}"

    def _order(self, job: ShardJob, missing: dict[View, ShardKey]) -> Order:
        images = job.views[0]
        return Order(
            job.views,
            job.shard,
            missing,
            self._cache_keys.examples(images, job.shard),
            self._cache_keys.fast_images(images),
            self._classifier.compute,
            self._classifier.outputs,
        )
