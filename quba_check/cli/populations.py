"""Populations and published models on the command line."""

from __future__ import annotations

import click

from quba_check.errors import PopulationError
from quba_check.grading.population import Population
from quba_check.grading.published import (
    TIMM_PREFIX,
    PublishedModel,
    models_by_name,
    nearest_names,
    published_models,
)
from quba_check.grading.reference import BUILT_IN, population


class PopulationName(click.ParamType[Population]):
    """A built-in population or the file of one."""

    name = "population"

    def convert(
        self, value: str | Population, param: click.Parameter | None, ctx: click.Context | None
    ) -> Population:
        """Return the population, or refuse the name."""
        try:
            return value if isinstance(value, Population) else population(value)
        except PopulationError as error:
            problem = str(error).removeprefix("population: ")
            allowed = f" Allowed: {', '.join(BUILT_IN)}, or a file that 'quba-check population' made."
            return self.fail(problem if "Allowed: " in problem else problem + allowed, param, ctx)


class PublishedName(click.ParamType[PublishedModel]):
    """A published model, by its name in the table or in timm."""

    name = "published model"

    def convert(
        self, value: str | PublishedModel, param: click.Parameter | None, ctx: click.Context | None
    ) -> PublishedModel:
        """Return the model, or refuse the name with the nearest ones."""
        if isinstance(value, PublishedModel):
            return value
        given = value.removeprefix(TIMM_PREFIX)
        if model := models_by_name().get(given):
            return model
        similar = ", ".join(f"'{other}'" for other in nearest_names(given))
        near = f" Did you mean {similar}?" if similar else ""
        return self.fail(
            f"there is no published model '{value}'. Allowed: one of the {len(published_models())} names in "
            f"the published table, or the model's name in timm.{near}",
            param,
            ctx,
        )


POPULATION, PUBLISHED_MODEL = PopulationName(), PublishedName()
population_option = click.option(
    "--population",
    type=POPULATION,
    default="published",
    metavar="NAME",
    help="published (default), screened (without suspect values), demo, or a population file",
)
