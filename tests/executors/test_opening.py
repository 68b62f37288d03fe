"""Pools of workers by executor."""

from __future__ import annotations

from quba_check.executors.choice import INLINE
from quba_check.executors.opening import open_pool


def test_no_pool_is_needed_for_this_process() -> None:
    assert open_pool(INLINE) is None
