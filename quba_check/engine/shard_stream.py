"""Shards in flight: they are locked, requested from an executor, and stored."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from quba_check.core.view import View
from quba_check.engine.cache_keys import CacheKeys
from quba_check.engine.shard_request import Executor, PlannedShard, ShardRequest, ShardResult
from quba_check.errors import QubaError
from quba_check.models.classifier import Classifier
from quba_check.storage.store import Store


@dataclass(eq=False)
class ShardStream:
    """Shards on their way through an executor; `close` drops those left.

    Each is locked until it is stored, so that processes on one store do not predict the same ones.

    Attributes:
        executor: predicts the shards.
        store: the store of shards and locks.
        cache_keys: keys of the shards.
        classifier: its compute settings and outputs go with the requests.
        shards: taken one by one, as the executor has room.
        write: stores a predicted shard.
        busy: shards that other processes work on.
    """

    executor: Executor
    store: Store
    cache_keys: CacheKeys
    classifier: Classifier
    shards: Iterable[PlannedShard]
    write: Callable[[ShardResult], None]
    busy: list[PlannedShard] = field(default_factory=list)
    _taken: set[PlannedShard] = field(default_factory=set)
    _locks: dict[PlannedShard, contextlib.ExitStack] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._results = self.executor.run(self.requests(self.shards))

    def advance(self) -> bool:
        """Store the next predicted shard; return False at the end.

        Raises:
            QubaError: a shard cannot be predicted or stored. Those in flight are dropped.
        """
        result = next(self._results, None)
        if result is None:
            return False
        self.write(result)
        self._locks.pop(result.request.id).close()
        return True

    def is_over(self, view: View, shards: Collection[int]) -> bool:
        """Return True if shards of a view were taken, and none is in flight."""
        return all(PlannedShard(view, number) in self._taken for number in shards) and not any(
            view == own and number in shards for own, number in self._locks
        )

    def close(self) -> None:
        """Drop the shards in flight and free their locks."""
        self._results.close()
        for lock in self._locks.values():
            lock.close()
        self._locks.clear()

    def requests(self, shards: Iterable[PlannedShard]) -> Iterator[ShardRequest]:
        """Yield a request for each shard that is missing and that nobody works on."""
        for wanted in shards:
            view, number = wanted
            self._taken.add(wanted)
            key = self.cache_keys.shard_key(view, number)
            if self.store.has(key):
                continue
            with contextlib.ExitStack() as lock:
                if not lock.enter_context(self.store.try_lock(f"{key.cache_entry}/{number}")):
                    self.busy.append(wanted)
                    continue
                if self.store.has(key) or wanted in self._locks:
                    continue
                self._locks[wanted] = lock.pop_all()
            yield shard_request(wanted, self.cache_keys, self.classifier)


@dataclass(eq=False)
class Ahead:
    """Shards of a whole plan in flight, while its requests are answered one by one.

    Attributes:
        open_stream: returns a stream of the shards of views.
        shards: returns the numbers of the shards of a view.
    """

    open_stream: Callable[[Sequence[View]], ShardStream]
    shards: Callable[[View], range]
    _stream: ShardStream | None = None
    _plan: frozenset[View] | None = None
    _has_failed: bool = False

    def take(self, requested: Sequence[View], planned: Sequence[View]) -> None:
        """Store predicted shards until the requested ones are complete, as far as possible.

        The request that needs a faulty shard reports it, so after an error nothing is predicted ahead.

        Args:
            requested: the requested views.
            planned: views of later requests.
        """
        if self._has_failed:
            return
        plan = frozenset({*requested, *planned})
        try:
            if self._stream is None or self._plan != plan:
                self.stop()
                self._plan, self._stream = plan, self.open_stream([*requested, *planned])
            for view in requested:
                while not self._stream.is_over(view, self.shards(view)):
                    if not self._stream.advance():
                        self.stop()
                        return
        except QubaError:
            self._has_failed = True
            self.stop()

    def stop(self) -> None:
        """Drop the shards in flight."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None


def shard_request(shard: PlannedShard, cache_keys: CacheKeys, classifier: Classifier) -> ShardRequest:
    """Return the request for a shard."""
    view, number = shard
    return ShardRequest(
        view,
        cache_keys.shard_key(view, number),
        cache_keys.examples(view, number),
        cache_keys.fast_images(view),
        classifier.compute,
        classifier.outputs,
        cache_keys.generation,
    )
