"""A worker of Ray, with the orders that it has."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from quba_check.engine.order import Order, Predicted
from quba_check.errors import QubaError
from quba_check.executors.ray.worker import Machine
from quba_check.storage.shard import ShardKey

DEPTH = 2
"""Orders of a worker: one that it predicts, and the next, so that its device is never idle."""


@dataclass(eq=False)
class OrderStream:
    """The orders of one call of `RayExecutor.run`. Several calls may be under way.

    Attributes:
        repeated: orders of workers that died.
        results: what workers answered.
    """

    repeated: deque[Attempt] = field(default_factory=deque)
    results: deque[Predicted | QubaError] = field(default_factory=deque)


@dataclass(eq=False)
class Attempt:
    """An order, with the workers that died while they had it.

    Attributes:
        order: the order.
        stream: takes its result.
        strikes: workers that died while they had it.
        losses: workers that were lost together with their machines.
        nodes: machines of the workers that died.
    """

    order: Order
    stream: OrderStream
    strikes: int = 0
    losses: int = 0
    nodes: set[str] = field(default_factory=set)


@dataclass(eq=False)
class Slot:
    """A worker and its orders.

    Attributes:
        actor: Ray's handle of the worker.
        starting: answer about its machine; None once it is there.
        failed_starts: workers of this place that died before they had loaded a model, one after another.
        machine: its machine; None until it runs.
        loading: answer about its model; None while it loads none.
        key: key of the recipe that it loads or has loaded.
        attempts: its orders, by their answers.
        dropped: answers that nobody waits for any more.
        unverified: shards that it predicted since its model was last checked for changes.
        replaced: key of the recipe before this one, with the shards whose check comes with the answer about
            the model.
    """

    actor: Any
    starting: Any
    failed_starts: int = 0
    machine: Machine | None = None
    loading: Any = None
    key: str = ""
    attempts: dict[Any, Attempt] = field(default_factory=dict)
    dropped: set[Any] = field(default_factory=set)
    unverified: list[ShardKey] = field(default_factory=list)
    replaced: tuple[str, list[ShardKey]] = ("", [])

    @property
    def answers(self) -> Iterator[Any]:
        """All answers that are expected of the worker."""
        yield from (answer for answer in (self.starting, self.loading) if answer is not None)
        yield from self.attempts
        yield from self.dropped

    @property
    def has_room(self) -> bool:
        """True if the worker takes another order.

        One with dropped orders takes none, since an error of those would hit it too. An order that was
        already there when a worker died is predicted alone, to find out which of two was the reason.
        """
        is_alone = any(attempt.strikes for attempt in self.attempts.values())
        return not self.dropped and not is_alone and len(self.attempts) < DEPTH

    def is_loaded(self, key: str) -> bool:
        """Return True if the model of a recipe is loaded."""
        return self.machine is not None and self.loading is None and self.key == key

    def has_orders_of(self, stream: OrderStream) -> bool:
        """Return True if the worker has orders of a stream."""
        return any(attempt.stream is stream for attempt in self.attempts.values())

    def give(self, attempt: Attempt) -> None:
        """Send an order to the worker."""
        self.attempts[self.actor.predict.remote(attempt.order)] = attempt

    def drop(self, stream: OrderStream) -> None:
        """Wait for no order of a stream any more."""
        dropped = [answer for answer, attempt in self.attempts.items() if attempt.stream is stream]
        for answer in dropped:
            del self.attempts[answer]
        self.dropped.update(dropped)
