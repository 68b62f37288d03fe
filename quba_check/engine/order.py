"""Orders for shards, and the executors that predict them."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from quba_check.core.view import View
from quba_check.models.compute import ComputeSettings
from quba_check.models.outputs import OutputKind
from quba_check.storage.shard import ShardKey
from quba_check.suites.example import Example


@dataclass(frozen=True, slots=True)
class Order:
    """A shard to predict, with all that it takes besides the model and the images.

    Nobody lists files or computes cache keys for it again, so that it can be predicted on another machine.

    Attributes:
        views: one view, or the clean set and its FGSM points together.
        shard: number of the shard.
        keys: key of each view that the store does not have.
        examples: the images of the shard.
        fast_images: see `CacheKeys.fast_images`.
        compute: settings of the passes.
        outputs: kind of the model's outputs; None if the shard is to determine it.
    """

    views: tuple[View, ...]
    shard: int
    keys: Mapping[View, ShardKey]
    examples: Sequence[Example]
    fast_images: Sequence[bool]
    compute: ComputeSettings
    outputs: OutputKind | None

    def __str__(self) -> str:
        return f"{' and '.join(map(str, self.keys))}, shard {self.shard}"


@dataclass(frozen=True, slots=True)
class Predicted:
    """A predicted order.

    Attributes:
        order: the order.
        files: content of the stored file of each view.
        outputs: kind of the model's outputs.
        passes: forward and backward passes, counted in images; 0 if they were reported one by one.
    """

    order: Order
    files: Mapping[View, bytes]
    outputs: OutputKind
    passes: int = 0


class Executor(Protocol):
    """Predicts orders, in this process or elsewhere."""

    @property
    def name(self) -> str:
        """Words for reports, such as `ray, 8 workers`; empty for this process."""

    def choose_compute(self) -> ComputeSettings:
        """Return the settings of the passes of a run, before its first order."""

    def run(self, orders: Iterable[Order]) -> Generator[Predicted, None, None]:
        """Yield orders as they are predicted, in any order.

        There is one such iterator at a time; it is closed before the next.

        Args:
            orders: pulled one by one, as there is room. Orders that others work on are not among them.

        Raises:
            QubaError: an order cannot be predicted. The others in flight are dropped, as they are when the
                iterator is closed.
        """

    def changed(self) -> list[ShardKey]:
        """Return the shards since the last call whose models changed while they predicted them."""
