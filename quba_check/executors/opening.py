"""The choice of an executor. Imports neither torch nor the executors themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from quba_check.errors import OptionError, did_you_mean
from quba_check.storage.places import folder_of, local_folder

if TYPE_CHECKING:
    from quba_check.executors.pool import WorkerPool
    from quba_check.executors.settings import ExecutorSettings

FORMS = ("inline", "ray", "ray:ADDRESS", "slurm", "slurm:local")


@dataclass(frozen=True, slots=True)
class ExecutorChoice:
    """The choice of an executor.

    Attributes:
        kind: `inline` is this process.
        address: of a Ray cluster, or `local` for SLURM's workers as processes of this machine; empty for the
            default.
        workers: largest number of workers; None for the executor's default.
    """

    kind: Literal["inline", "ray", "slurm"] = "inline"
    address: str = ""
    workers: int | None = None


INLINE = ExecutorChoice()


def parse_executor(text: str) -> ExecutorChoice:
    """Parse the value of `--quba-executor`.

    Raises:
        OptionError: it is not one of `FORMS`.

    >>> parse_executor("ray:auto")
    ExecutorChoice(kind='ray', address='auto', workers=None)
    """
    kind, colon, address = text.partition(":")
    if kind == "inline" and not colon:
        return INLINE
    if kind == "ray" and (address or not colon):
        return ExecutorChoice("ray", address)
    if kind == "slurm" and (address == "local" or not colon):
        return ExecutorChoice("slurm", address)
    near = did_you_mean(text, FORMS)
    raise OptionError(f"--quba-executor: got '{text}'. Allowed: {', '.join(FORMS)}.{near}")


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
