"""The pool of workers of an executor. Imports neither torch nor Ray."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quba_check.executors.choice import ExecutorChoice

if TYPE_CHECKING:
    from quba_check.executors.ray.pool import RayPool
    from quba_check.executors.settings import ExecutorSettings


def open_pool(choice: ExecutorChoice, settings: ExecutorSettings | None = None) -> RayPool | None:
    """Return the pool of workers of an executor, None for this process.

    No process is started yet.

    Args:
        choice: the executor.
        settings: resources and environment of the workers.

    Raises:
        OptionError: Ray is not installed.
    """
    if choice.kind == "inline":
        return None
    from quba_check.executors.ray.pool import RayPool
    from quba_check.executors.settings import ExecutorSettings

    return RayPool(choice, (settings or ExecutorSettings.model_validate({})).ray)
