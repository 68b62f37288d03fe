"""The choice of an executor, as a user writes it."""

from __future__ import annotations

from quba_check.errors import OptionError
from quba_check.messages import did_you_mean

FORMS = ("inline", "ray", "ray:ADDRESS")
ON_SLURM = " On SLURM, start Ray: srun ray symmetric-run … -- pytest … --quba-executor=ray:auto."


def parse_executor(text: str) -> str | None:
    """Return the address of the Ray cluster that `--quba-executor` names.

    It is empty for the default one, and None for this process.

    Raises:
        OptionError: it is not one of `FORMS`.

    >>> parse_executor("ray:auto")
    'auto'
    """
    kind, colon, address = text.partition(":")
    if kind == "inline" and not colon:
        return None
    if kind == "ray" and (address or not colon):
        return address
    hint = ON_SLURM if kind == "slurm" else did_you_mean(text, FORMS)
    raise OptionError(where="--quba-executor", got=f"'{text}'", allowed=", ".join(FORMS), hint=hint.strip())
