"""The choice of an executor, as a user writes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from quba_check.errors import OptionError
from quba_check.messages import did_you_mean

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
