"""Shards predicted by Ray, on this machine or on those of a cluster."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from itertools import chain

from quba_check.engine.order import Order, Predicted
from quba_check.errors import OptionError, QubaError
from quba_check.executors.choice import ExecutorChoice
from quba_check.executors.ray.cluster import check_installed
from quba_check.executors.ray.slot import Attempt, OrderStream
from quba_check.executors.ray.workers import RayWorkers
from quba_check.executors.recipe import Recipe
from quba_check.executors.settings import RaySettings
from quba_check.models.compute import ComputeSettings
from quba_check.storage.shard import ShardKey


class RayPool:
    """Workers of a cluster, which load one model after another.

    Args:
        choice: address of the cluster and number of workers.
        settings: resources and environment of workers.

    Raises:
        OptionError: Ray is not installed.
    """

    def __init__(self, choice: ExecutorChoice, settings: RaySettings) -> None:
        check_installed()
        self._workers = RayWorkers(choice, settings)

    def executor(self, recipe: Recipe) -> RayExecutor:
        """Return the executor of a recipe.

        Raises:
            OptionError: the device is a GPU by number.
        """
        device = recipe.request.device
        if device.startswith("cuda:"):
            raise OptionError(
                f"--quba-device: got '{device}' together with --quba-executor=ray, which gives each worker a "
                "GPU of its own. Allowed: auto, cuda, cpu."
            )
        return RayExecutor(self._workers, recipe)

    def close(self) -> None:
        """End the workers, and the cluster if it was started for this run."""
        self._workers.close()


class RayExecutor:
    """Predicts shards of one recipe with the workers of a cluster.

    Args:
        workers: the workers, of all recipes of a run.
        recipe: the model and its images.
    """

    def __init__(self, workers: RayWorkers, recipe: Recipe) -> None:
        self._workers = workers
        self._recipe = recipe
        self._key = recipe.key

    @property
    def name(self) -> str:
        """Words for reports, such as `ray, 8 workers`."""
        count = len(self._workers.slots)
        return f"ray, {count} worker{'s' * (count != 1)}" if count else "ray"

    def choose_compute(self) -> ComputeSettings:
        """Return the settings of the passes that a worker chooses."""
        self._workers.prepare(self._recipe, self._key)
        return self._workers.choose_compute()

    def run(self, orders: Iterable[Order]) -> Generator[Predicted, None, None]:
        """Yield orders as workers predict them; each worker has two.

        Another call, perhaps for another model, may run while this one is suspended.

        Raises:
            OptionError: the cluster cannot be used, or no worker runs.
            ModelError: the model is another one there, or an order ends one worker after another.
            QubaError: an order cannot be predicted.
        """
        source, stream, workers = iter(orders), OrderStream(), self._workers
        first = next(source, None)
        if first is None:  # no cluster is started for a run whose predictions are in the store
            return
        source = chain([first], source)
        try:
            while True:
                workers.prepare(self._recipe, self._key)
                has_more = self._give(stream, source)
                if not has_more and not any(slot.has_orders_of(stream) for slot in workers.slots):
                    return
                workers.receive()
                while stream.results:
                    result = stream.results.popleft()
                    if isinstance(result, QubaError):
                        raise result
                    yield result
        finally:
            for slot in workers.slots:
                slot.drop(stream)

    def changed(self) -> list[ShardKey]:
        """Return the shards since the last call whose workers have a changed model now."""
        return self._workers.changed(self._key)

    def _give(self, stream: OrderStream, source: Iterator[Order]) -> bool:
        """Give orders to workers with room; return False if there are none left."""
        while stream.repeated:
            if not self._repeat(stream.repeated[0]):
                return True
            stream.repeated.popleft()
        while slots := [slot for slot in self._workers.loaded() if slot.has_room]:
            order = next(source, None)
            if order is None:
                return False
            min(slots, key=lambda slot: len(slot.attempts)).give(Attempt(order, stream))
        return True

    def _repeat(self, attempt: Attempt) -> bool:
        """Give an order of a worker that died to another, if possible on another machine.

        Its stream gives no other order before that. An order that was there when a process died is predicted
        alone, to distinguish one that ends processes from its neighbour.
        """
        loaded = self._workers.loaded()
        elsewhere = [slot for slot in loaded if slot.machine and slot.machine.node not in attempt.nodes]
        slots = [slot for slot in elsewhere or loaded if slot.has_room]
        if attempt.strikes:
            slots = [slot for slot in slots if not slot.attempts]
        if slots:
            min(slots, key=lambda slot: len(slot.attempts)).give(attempt)
        return bool(slots)
