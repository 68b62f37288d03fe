"""Pools of workers by executor."""

from __future__ import annotations

from pathlib import Path

from quba_check.executors.choice import INLINE
from quba_check.executors.opening import open_pool


def test_no_pool_is_needed_for_this_process(tmp_path: Path) -> None:
    assert open_pool(INLINE, tmp_path) is None
