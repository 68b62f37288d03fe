"""Shards in flight: jobs become orders of an executor, and results are stored."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator

from quba_check.core.view import View
from quba_check.engine.claims import Claims, ShardJob
from quba_check.engine.order import Executor, Predicted


class ShardStream:
    """Jobs on their way through an executor; `close` drops those left.

    Args:
        executor: predicts the shards.
        claims: locks of the shards.
        jobs: taken one by one, as the executor has room.
        write: stores a predicted shard.
    """

    def __init__(
        self,
        executor: Executor,
        claims: Claims,
        jobs: Iterable[ShardJob],
        write: Callable[[Predicted], None],
    ) -> None:
        self._claims = claims
        self._write = write
        self._taken: set[tuple[View, int]] = set()
        self._results = executor.run(claims.orders(self._noted(jobs)))

    @property
    def busy(self) -> list[ShardJob]:
        """The jobs that other processes work on."""
        return self._claims.busy

    @property
    def views(self) -> list[tuple[View, ...]]:
        """The views of each shard in flight."""
        return [views for views, _ in self._claims.in_flight]

    @property
    def has_shared_passes(self) -> bool:
        """True if one pass predicts several views of a shard in flight."""
        return any(len(views) > 1 for views in self.views)

    def advance(self) -> bool:
        """Store the next predicted shard; return False at the end.

        Raises:
            QubaError: a shard cannot be predicted or stored. Those in flight are dropped.
        """
        predicted = next(self._results, None)
        if predicted is None:
            return False
        self._write(predicted)
        self._claims.release(predicted.order)
        return True

    def is_over(self, view: View, shards: Collection[int]) -> bool:
        """Return True if shards of a view were taken, and none is in flight."""
        return all((view, number) in self._taken for number in shards) and not any(
            view in views and number in shards for views, number in self._claims.in_flight
        )

    def close(self) -> None:
        """Drop the shards in flight and free their locks."""
        self._results.close()
        self._claims.close()

    def _noted(self, jobs: Iterable[ShardJob]) -> Iterator[ShardJob]:
        for job in jobs:
            self._taken.update((view, job.shard) for view in job.views)
            yield job
