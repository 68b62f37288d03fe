"""Requests for shards in tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from quba_check.core.view import View
from quba_check.engine.shard_request import ShardRequest
from quba_check.models.compute import PLAIN


def request(view: View, key: Any, shard: int, examples: Sequence[Any] = ()) -> ShardRequest:
    """Return a request in the plain settings."""
    return ShardRequest(view, key, shard, examples, (), PLAIN, None)
