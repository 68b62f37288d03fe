"""Shards in flight: they are requested from an executor, and results are stored."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator

from quba_check.core.view import View
from quba_check.engine.shard_locks import ShardLocks
from quba_check.engine.shard_request import Executor, PlannedShard, ShardResult


class ShardStream:
    """Shards on their way through an executor; `close` drops those left.

    Args:
        executor: predicts the shards.
        locks: locks of the shards.
        shards: taken one by one, as the executor has room.
        write: stores a predicted shard.
    """

    def __init__(
        self,
        executor: Executor,
        locks: ShardLocks,
        shards: Iterable[PlannedShard],
        write: Callable[[ShardResult], None],
    ) -> None:
        self._locks = locks
        self._write = write
        self._taken: set[tuple[View, int]] = set()
        self._results = executor.run(locks.requests(self._noted(shards)))

    @property
    def busy(self) -> list[PlannedShard]:
        """The shards that other processes work on."""
        return self._locks.busy

    @property
    def views(self) -> list[tuple[View, ...]]:
        """The views of each shard in flight."""
        return [views for views, _ in self._locks.in_flight]

    @property
    def has_shared_passes(self) -> bool:
        """True if one pass predicts several views of a shard in flight."""
        return any(len(views) > 1 for views in self.views)

    def advance(self) -> bool:
        """Store the next predicted shard; return False at the end.

        Raises:
            QubaError: a shard cannot be predicted or stored. Those in flight are dropped.
        """
        result = next(self._results, None)
        if result is None:
            return False
        self._write(result)
        self._locks.release(result.request)
        return True

    def is_over(self, view: View, shards: Collection[int]) -> bool:
        """Return True if shards of a view were taken, and none is in flight."""
        return all((view, number) in self._taken for number in shards) and not any(
            view in views and number in shards for views, number in self._locks.in_flight
        )

    def close(self) -> None:
        """Drop the shards in flight and free their locks."""
        self._results.close()
        self._locks.close()

    def _noted(self, shards: Iterable[PlannedShard]) -> Iterator[PlannedShard]:
        for wanted in shards:
            self._taken.update((view, wanted.shard) for view in wanted.views)
            yield wanted
