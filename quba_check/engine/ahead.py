"""Shards that are predicted ahead of requests."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from quba_check.core.view import View
from quba_check.engine.shard_stream import ShardStream
from quba_check.errors import QubaError


class Ahead:
    """Shards of a whole plan in flight, while its requests are answered one by one.

    Args:
        open_stream: returns a stream of the shards of views; of those in a range, if it is not None.
        shards: returns the numbers of the shards of a view, of those in a range, if it is not None.
    """

    def __init__(
        self,
        open_stream: Callable[[Sequence[View], range | None], ShardStream],
        shards: Callable[[View, range | None], range],
    ) -> None:
        self._open_stream = open_stream
        self._shards = shards
        self._stream: ShardStream | None = None
        self._plan: tuple[frozenset[View], bool] | None = None
        self._has_failed = False

    def take(self, requested: Sequence[View], planned: Sequence[View], shards: range | None) -> None:
        """Store predicted shards until the requested ones are complete, as far as possible.

        The request that needs a faulty shard reports it, so after an error nothing is predicted ahead.

        Args:
            requested: the requested views.
            planned: views of later requests.
            shards: the requested shards of each view; None for all.
        """
        if self._has_failed:
            return
        plan = (frozenset({*requested, *planned}), shards is None)
        try:
            if self._stream is None or self._plan != plan:
                self.stop()
                following = None if shards is None else range(shards.start, sys.maxsize)
                self._plan, self._stream = plan, self._open_stream([*requested, *planned], following)
            for view in requested:
                while not self._stream.is_over(view, self._shards(view, shards)):
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
