"""Pools of workers by executor. Imports neither torch nor the executors themselves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from quba_check.errors import OptionError
from quba_check.executors.choice import ExecutorChoice
from quba_check.storage.places import folder_of, local_folder

if TYPE_CHECKING:
    from quba_check.executors.pool import WorkerPool
    from quba_check.executors.settings import ExecutorSettings


def open_pool(
    choice: ExecutorChoice,
    store: str | Path,
    settings: ExecutorSettings | None = None,
    announce: Callable[[str], None] = lambda _: None,
) -> WorkerPool | None:
    """Return the pool of workers of an executor, None for this process.

    No process is started yet.

    Args:
        choice: the executor.
        store: folder or URL of the store.
        settings: resources and environment of the workers.
        announce: called with news of the workers.

    Raises:
        OptionError: the package of the executor is not installed, or its workers have no common folder.
    """
    if choice.kind == "inline":
        return None
    from quba_check.executors.settings import ExecutorSettings

    settings = settings or ExecutorSettings.model_validate({})
    if choice.kind == "ray":
        from quba_check.executors.ray.pool import RayPool

        return RayPool(choice, settings.ray)
    from quba_check.executors.slurm.pool import SlurmPool

    if folder_of(store) is None and not choice.address and settings.slurm.folder is None:
        raise OptionError(
            "--quba-executor: got 'slurm', and the store is a URL. Orders reach the jobs through a folder "
            "that all nodes share. Name one by the key folder in section slurm of --quba-executor-settings."
        )
    return SlurmPool(choice, settings.slurm, local_folder(store) / "slurm", announce)
