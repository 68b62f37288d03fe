"""Populations and published models on the command line."""

from __future__ import annotations

from collections.abc import Callable

from quba_check.cli.parser import Checked, Command, value_option
from quba_check.errors import OptionError, PopulationError
from quba_check.gate.options import Given
from quba_check.grading.population import Population
from quba_check.grading.population_file import BUILT_IN, population
from quba_check.grading.published import (
    TIMM_PREFIX,
    PublishedModel,
    models_by_name,
    nearest_names,
    published_models,
)


def parse_population(given: Given) -> Population:
    """Return a built-in population, or that of a file."""
    try:
        return population(given.value)
    except PopulationError as error:
        problem = f"{given.flag}: {str(error).removeprefix('population: ')}"
        allowed = f" Allowed: {', '.join(BUILT_IN)}, or a file that 'quba-check published population' made."
        raise OptionError(problem if "Allowed: " in problem else problem + allowed) from None


def parse_published_model(given: Given) -> PublishedModel:
    """Return a published model by its name in the table or in timm."""
    name = given.value.removeprefix(TIMM_PREFIX)
    if model := models_by_name().get(name):
        return model
    similar = ", ".join(f"'{other}'" for other in nearest_names(name))
    near = f" Did you mean {similar}?" if similar else ""
    raise OptionError(
        f"{given.flag}: there is no published model '{given.value}'. Allowed: one of the "
        f"{len(published_models())} names in the published table, or the model's name in timm.{near}"
    )


PUBLISHED = "published"
POPULATION, PUBLISHED_MODEL = Checked(parse_population), Checked(parse_published_model)


def population_option(words: str = PUBLISHED) -> Callable[[Command], Command]:
    """Return the option `--population`.

    Args:
        words: the default in the help; the option has no default but the published population.
    """
    text = f"published, screened, demo, or a population file (default: {words})"
    default = PUBLISHED if words == PUBLISHED else None
    return value_option("--population", "NAME", text, POPULATION, default=default)
