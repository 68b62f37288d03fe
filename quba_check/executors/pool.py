"""A pool of processes that hold models and predict shards of them."""

from __future__ import annotations

from typing import Protocol

from quba_check.engine.order import Executor
from quba_check.executors.recipe import Recipe


class WorkerPool(Protocol):
    """Processes of this or other machines.

    Each holds one model at a time, loaded from its recipe.
    """

    def executor(self, recipe: Recipe) -> Executor:
        """Return the executor that predicts shards of a recipe's model. No process is started yet."""

    def close(self) -> None:
        """End the processes; orders in flight are dropped."""
