"""Options that the commands about populations share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from quba_check.errors import OptionError, PopulationError, did_you_mean, listed

if TYPE_CHECKING:
    from quba_check.grading.population import Population


def check_format(command: str, form: str, allowed: Sequence[str]) -> None:
    """Raise `OptionError` for an unknown format.

    Args:
        command: the command in messages, such as `quba-check study`.
        form: the format as given.
        allowed: names of the formats.
    """
    if form not in allowed:
        raise OptionError(
            f"{command}: --format: got '{form}'. Allowed: {listed(allowed)}.{did_you_mean(form, allowed)}"
        )


def named_population(command: str, name: str) -> Population:
    """Return the population of `--population`, or raise `OptionError`."""
    from quba_check.grading.reference import population

    try:
        return population(name)
    except PopulationError as error:
        reason = str(error).removeprefix("population: ")
        raise OptionError(f"{command}: --population: {reason}") from None
