"""Time budget of an examination, checked between its steps."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from quba_check.errors import QubaError

SECONDS, SHORT_SECONDS = 60.0, 20.0
"""Budget of the command, and of the short form before a gate run."""


class OutOfTimeError(QubaError):
    """The time budget ended before a step."""


class TimeBudget:
    """The time left for an examination, and the steps that it left out.

    Args:
        seconds: the budget, from now.
        clock: seconds of a monotonic clock.

    Attributes:
        left_out: names of the steps without time, in order.
    """

    def __init__(self, seconds: float = math.inf, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self._clock = clock
        self._start = clock()
        self.left_out: dict[str, None] = {}

    def is_spent(self, share: float = 1.0) -> bool:
        """True if a share of the budget is over."""
        return self._clock() - self._start >= share * self.seconds

    def check(self) -> None:
        """Raise `OutOfTimeError` if the budget is over."""
        if self.is_spent():
            raise OutOfTimeError

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Note a step during which the budget ends."""
        try:
            yield
        except OutOfTimeError:
            self.leave_out(name)

    def leave_out(self, step: str) -> None:
        """Note a step without time."""
        self.left_out[step] = None
