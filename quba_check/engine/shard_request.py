"""Requests for shards, their results, and the executors between them."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from quba_check.core.view import View
from quba_check.models.compute import ComputeSettings
from quba_check.models.outputs import OutputKind
from quba_check.storage.shard import ShardKey
from quba_check.suites.example import Example


class PlannedShard(NamedTuple):
    """One shard of one view."""

    view: View
    shard: int


@dataclass(frozen=True, slots=True)
class ShardRequest:
    """A shard to predict, with all that it takes besides the model and the images.

    Nobody lists files or computes cache keys for it again, so that it can be predicted on another machine.

    Attributes:
        view: the view.
        key: its key.
        examples: the images of the shard.
        fast_images: see `CacheKeys.fast_images`.
        compute: settings of the passes.
        outputs: kind of the model's outputs; None if the shard is to determine it.
        generation: see `CacheKeys.generation`.
    """

    view: View
    key: ShardKey
    examples: Sequence[Example]
    fast_images: Sequence[bool]
    compute: ComputeSettings
    outputs: OutputKind | None
    generation: int = 1

    def __str__(self) -> str:
        return f"{self.view}, shard {self.key.shard}"

    @property
    def id(self) -> PlannedShard:
        """The view and the number of the shard."""
        return PlannedShard(self.view, self.key.shard)


@dataclass(frozen=True, slots=True)
class ShardResult:
    """A predicted shard.

    Attributes:
        request: the request.
        content: content of the stored file.
        outputs: kind of the model's outputs.
        passes: forward and backward passes, counted in images; 0 if they were reported one by one.
    """

    request: ShardRequest
    content: bytes
    outputs: OutputKind
    passes: int = 0


class Executor(Protocol):
    """Predicts shards, in this process or elsewhere."""

    @property
    def name(self) -> str:
        """Words for reports, such as `ray, 8 workers`; empty for this process."""

    def choose_compute(self) -> ComputeSettings:
        """Return the settings of the passes of a run, before its first shard."""

    def run(self, requests: Iterable[ShardRequest]) -> Generator[ShardResult, None, None]:
        """Yield the results of requests as they are predicted, in any order.

        There is one such iterator at a time; it is closed before the next.

        Args:
            requests: pulled one by one, as there is room. Shards that others work on are not among them.

        Raises:
            QubaError: a shard cannot be predicted. The others in flight are dropped, as they are when the
                iterator is closed.
        """

    def changed(self) -> list[ShardKey]:
        """Return the shards since the last call whose models changed while they predicted them."""
