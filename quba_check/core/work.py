"""The work of a run: planned before it starts, and reported as it is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from quba_check.core.view import View


@dataclass(frozen=True, slots=True)
class PlannedView:
    """The work on one stored view.

    Attributes:
        view: the view.
        cache_entry: hash of model, view and settings; the same for protocols that share the view.
        is_generated: True if the images are corrupted on the fly.
        images: images of the view.
        missing: images of shards that the store does not have.
        forward: forward passes to make, counted in images; of PGD at most.
        backward: backward passes to make, likewise.
        bytes: size of the predictions to store, without file headers.
    """

    view: View
    cache_entry: str
    is_generated: bool
    images: int
    missing: int
    forward: int
    backward: int
    bytes: int


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
