"""Requests for shards in tests."""

from collections.abc import Sequence
from typing import Any

from quba_check.core.view import View
from quba_check.engine.shards import ShardRequest
from quba_check.models.compute import PLAIN
from quba_check.storage.shard import ShardKey


def request(view: View, shard: int, examples: Sequence[Any] = ()) -> ShardRequest:
    """Return a request in the plain settings."""
    return ShardRequest(view, ShardKey("entry", shard, "content", range(1)), examples, (), PLAIN, None)
