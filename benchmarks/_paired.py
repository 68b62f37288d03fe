"""Alternate timing of two functions, so that a drifting machine affects both."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median


def compare(
    title: str,
    ours: Callable[[], object],
    other: Callable[[], object],
    repetitions: int = 5,
    clock: Callable[[], float] = time.perf_counter,
) -> None:
    """Print the medians of both and of the ratio other/ours, with the ratio's range."""
    ours()
    other()
    pairs = [(_seconds(ours, clock), _seconds(other, clock)) for _ in range(repetitions)]
    ratios = [theirs / mine for mine, theirs in pairs]
    mine, theirs = (median(side) for side in zip(*pairs, strict=True))
    print(
        f"{title:<58} {mine:8.4f} s {theirs:8.4f} s"
        f"  ratio {median(ratios):6.1f} ({min(ratios):.1f} to {max(ratios):.1f})"
    )


def _seconds(function: Callable[[], object], clock: Callable[[], float]) -> float:
    start = clock()
    function()
    return clock() - start
