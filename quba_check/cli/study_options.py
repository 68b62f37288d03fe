"""Options that the commands about populations share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quba_check.errors import OptionError, PopulationError

if TYPE_CHECKING:
    from quba_check.grading.population import Population
    from quba_check.grading.published import PublishedModel


def named_population(command: str, name: str) -> Population:
    """Return the population of `--population`, or raise `OptionError`."""
    from quba_check.grading.reference import BUILT_IN, population

    try:
        return population(name)
    except PopulationError as error:
        problem = str(error).removeprefix("population: ")
    if "Allowed: " not in problem:
        problem += f" Allowed: {', '.join(BUILT_IN)}, or a file that 'quba-check population' made."
    raise OptionError(f"{command}: --population: {problem}")


def published_model(command: str, name: str) -> PublishedModel:
    """Return a published model by its name in the table or in timm.

    Raises:
        OptionError: there is no such model; the message has the nearest names.
    """
    from quba_check.grading.published import TIMM_PREFIX, models_by_name, nearest_names, published_models

    given = name.removeprefix(TIMM_PREFIX)
    if model := models_by_name().get(given):
        return model
    similar = ", ".join(f"'{other}'" for other in nearest_names(given))
    raise OptionError(
        f"{command}: ID: there is no published model '{name}'. Allowed: one of the "
        f"{len(published_models())} names in the published table, or the model's name in timm."
        f"{f' Did you mean {similar}?' if similar else ''}"
    )
