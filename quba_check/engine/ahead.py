"""Shards that are predicted ahead of requests."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from quba_check.core.view import View
from quba_check.engine.shard_stream import ShardStream
from quba_check.errors import QubaError


class Ahead:
    """Shards of a whole plan in flight, while its requests are answered one by one.

    Args:
        open_stream: returns a stream of the shards of views.
        shards: returns the numbers of the shards of a view.
    """

    def __init__(
        self, open_stream: Callable[[Sequence[View]], ShardStream], shards: Callable[[View], range]
    ) -> None:
        self._open_stream = open_stream
        self._shards = shards
        self._stream: ShardStream | None = None
        self._plan: frozenset[View] | None = None
        self._has_failed = False

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
                self._plan, self._stream = plan, self._open_stream([*requested, *planned])
            for view in requested:
                while not self._stream.is_over(view, self._shards(view)):
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
