"""The executors, and the choice of one as a user writes it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pkgutil import resolve_name
from typing import TYPE_CHECKING

from quba_check.errors import OptionError
from quba_check.messages import did_you_mean

if TYPE_CHECKING:
    from quba_check.executors.remote_worker import WorkerPool

INLINE = "inline"
"""The choice of this process."""
ON_SLURM = "On SLURM, start Ray: srun ray symmetric-run … -- pytest … --quba-executor=ray:auto."


@dataclass(frozen=True, slots=True)
class ExecutorChoice:
    """An executor, which users write as its name alone or with an address.

    Attributes:
        name: its name.
        pool: `module:class` in this folder, a `WorkerPool` of an address.
        workers: words on the number of its workers, for messages.
        address: of the workers; empty for the default one.
    """

    name: str
    pool: str
    workers: str
    address: str = ""

    def open(self) -> WorkerPool:
        """Return the workers, none of which is started before the first model.

        Raises:
            OptionError: a library is not installed.
        """
        pool: type[WorkerPool] = resolve_name(f"{__package__}.{self.pool}")
        return pool(self.address)


EXECUTORS = (
    ExecutorChoice("ray", "ray.pool:RayPool", "Ray starts a worker for each GPU, else for each core"),
)
FORMS = (INLINE, *(f"{executor.name}{address}" for executor in EXECUTORS for address in ("", ":ADDRESS")))


def parse_executor(text: str) -> ExecutorChoice | None:
    """Return the executor that `--quba-executor` names; None for this process.

    Raises:
        OptionError: it is not one of `FORMS`.

    >>> parse_executor("ray:auto").address
    'auto'
    """
    if text == INLINE:
        return None
    name, colon, address = text.partition(":")
    for executor in EXECUTORS:
        if name == executor.name and (address or not colon):
            return replace(executor, address=address)
    hint = ON_SLURM if name == "slurm" else did_you_mean(text, FORMS)
    raise OptionError(where="--quba-executor", got=f"'{text}'", allowed=", ".join(FORMS), hint=hint)
