"""The choice of an executor, as a user writes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from quba_check.errors import OptionError
from quba_check.messages import did_you_mean

FORMS = ("inline", "ray", "ray:ADDRESS")
ON_SLURM = " On SLURM, start Ray: srun ray symmetric-run … -- pytest … --quba-executor=ray:auto."


@dataclass(frozen=True, slots=True)
class ExecutorChoice:
    """The choice of an executor.

    Attributes:
        kind: `inline` is this process.
        address: of a Ray cluster; empty for the default.
    """

    kind: Literal["inline", "ray"] = "inline"
    address: str = ""


INLINE = ExecutorChoice()


def parse_executor(text: str) -> ExecutorChoice:
    """Parse the value of `--quba-executor`.

    Raises:
        OptionError: it is not one of `FORMS`.

    >>> parse_executor("ray:auto")
    ExecutorChoice(kind='ray', address='auto')
    """
    kind, colon, address = text.partition(":")
    if kind == "inline" and not colon:
        return INLINE
    if kind == "ray" and (address or not colon):
        return ExecutorChoice("ray", address)
    hint = ON_SLURM if kind == "slurm" else did_you_mean(text, FORMS)
    raise OptionError(where="--quba-executor", got=f"'{text}'", allowed=", ".join(FORMS), hint=hint.strip())
