"""Callbacks for progress, after every pass of a batch."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from quba_check.core.view import View
from quba_check.engine.plan import passes_per_image


@dataclass(frozen=True, slots=True)
class Step:
    """The work since the previous step of an engine.

    Attributes:
        view: name of the view.
        images: images finished.
        passes: forward and backward passes, counted in images.
        planned: passes that the plan of a run counts for the finished images.
        seconds: the time that they took.
    """

    view: str
    images: int
    passes: int
    planned: int
    seconds: float


Progress = Callable[[Step], None]
"""Called after every pass of a batch."""


class Reporter:
    """Calls back while an engine predicts shards.

    Args:
        progress: called after every pass of a batch.
        clock: seconds of a monotonic clock.
    """

    def __init__(
        self, progress: Progress | None = None, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._progress = progress
        self._clock = clock
        self._last = clock()

    def restart(self) -> None:
        """Count time from now on; until now it was spent on something else."""
        self._last = self._clock()

    def add(self, view: View, images: int, passes: int) -> None:
        """Report a pass of a batch.

        Args:
            view: the view.
            images: images that it finishes.
            passes: forward and backward passes, counted in images.
        """
        now = self._clock()
        seconds, self._last = now - self._last, now
        if self._progress is not None:
            planned = images * passes_per_image(view)
            self._progress(Step(str(view), images, passes, planned, seconds))
