"""`quba-check rank`: a population by QUBA score, with own records ranked among its models."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from quba_check.cli.files import read_run, write_output
from quba_check.cli.parser import INPUT, Command, WholeNumber, format_option, store_option
from quba_check.cli.populations import population_option
from quba_check.core.dimension import PUBLISHED_DIMENSIONS, WEIGHTS, is_weight
from quba_check.errors import OptionError, UserError
from quba_check.grading.population import Population
from quba_check.grading.population_file import LARGEST, possible_values
from quba_check.messages import did_you_mean, listed
from quba_check.reports.ranking import Ranking, ranking_csv, ranking_json, ranking_table
from quba_check.reports.tables import terminal_width
from quba_check.study.ranking import GROUPS, Constraints, Group, check_groups
from quba_check.study.ranking import rank as rank_models

LIMIT = 20
"""Models in the table without --limit."""


class DimensionNumber(click.ParamType[tuple[str, float]]):
    """A dimension with a number, as `accuracy=2`."""

    name = "dimension=number"

    def convert(
        self, value: str | tuple[str, float], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, float]:
        """Return dimension and number, or refuse the value."""
        if isinstance(value, tuple):
            return value
        dimension, equals, text = value.partition("=")
        if not equals:
            self.fail(f"got '{value}'. Allowed: DIMENSION=NUMBER, such as accuracy=2.", param, ctx)
        if dimension not in PUBLISHED_DIMENSIONS:
            near = did_you_mean(dimension, PUBLISHED_DIMENSIONS)
            allowed = listed(PUBLISHED_DIMENSIONS)
            self.fail(f"unknown dimension, got '{dimension}'. Allowed: {allowed}.{near}", param, ctx)
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not self._is_allowed(dimension, number):
            self.fail(f"{dimension}: got '{text}'. Allowed: {self._allowed(dimension)}.", param, ctx)
        return dimension, number

    def _is_allowed(self, dimension: str, number: float) -> bool:
        least, most = possible_values(dimension)
        return least <= number <= most

    def _allowed(self, dimension: str) -> str:
        least, most = possible_values(dimension)
        if least == -LARGEST:
            return "a finite number"
        unit = ", in millions" if dimension == "parameters" else ""
        return f"a number from {least:g}" + (f" to {most:g}" if most < LARGEST else unit)


class DimensionWeight(DimensionNumber):
    """A dimension with its weight in the score."""

    def _is_allowed(self, dimension: str, number: float) -> bool:  # noqa: ARG002  as any dimension's
        return is_weight(number)

    def _allowed(self, dimension: str) -> str:  # noqa: ARG002
        return WEIGHTS


def _unique(
    ctx: click.Context, param: click.Parameter, pairs: Sequence[tuple[str, float]]
) -> dict[str, float]:
    """Return the pairs as a mapping, or refuse a repeated dimension."""
    numbers = dict(pairs)
    for name in numbers:
        given = [f"{number:g}" for other, number in pairs if other == name]
        if len(given) > 1:
            text = (
                f"{name} is given {len(given)} times, got {listed(given)}. Allowed: once for each dimension."
            )
            raise click.BadParameter(text, ctx, param)
    return numbers


def _dimension_option(
    flag: str, name: str, kind: DimensionNumber, metavar: str, help_text: str
) -> Callable[[Command], Command]:
    return click.option(
        flag,
        name,
        multiple=True,
        type=kind,
        callback=_unique,
        metavar=metavar,
        help=f"{help_text}; repeatable",
    )


_MOST = "rank only models with at most this value, such as parameters=30 (millions)"
_WEIGHT = "weight of a dimension in the score, in place of its default"


@click.command("rank", epilog="Example: quba-check rank demo.json --population demo --weight accuracy=2")
@click.argument("paths", nargs=-1, type=INPUT, metavar="[RECORD.json]...")
@population_option
@_dimension_option("--weight", "weights", DimensionWeight(), "DIM=W", _WEIGHT)
@_dimension_option("--min", "least", DimensionNumber(), "DIM=X", "rank only models with at least this value")
@_dimension_option("--max", "most", DimensionNumber(), "DIM=X", _MOST)
@click.option("--architecture", multiple=True, metavar="NAME", help="rank only these, such as transformer")
@click.option("--pretraining", multiple=True, metavar="NAME", help="rank only these, such as imagenet-21k")
@click.option("--training", multiple=True, metavar="NAME", help="rank only these, such as adversarial")
@click.option("--allow-other-suite", is_flag=True, help="also rank records of another suite, with a note")
@click.option(
    "--limit",
    type=WholeNumber(1),
    metavar="N",
    help=f"models to print next to yours (default: {LIMIT} in the table, else all)",
)
@format_option("table", "json", "csv")
@store_option
def rank(
    paths: tuple[Path, ...],
    population: Population,
    weights: dict[str, float],
    least: dict[str, float],
    most: dict[str, float],
    allow_other_suite: bool,
    limit: int | None,
    form: str,
    store: str | Path | None,
    **groups: tuple[str, ...],
) -> None:
    """Rank the models of a population by QUBA score, under any weights and constraints.

    RECORD.json: runs of your models, which are ranked among them. The options select models; the scores stay
    distances from the mean of the whole population.
    """
    selected: dict[Group, Sequence[str]] = {name: groups[name] for name in GROUPS if groups[name]}
    constraints = Constraints(least, most, selected)
    try:
        check_groups(population, constraints)
    except UserError as error:
        raise OptionError(f"quba-check rank: --{error}") from None
    own = [read_run(path, store) for path in dict.fromkeys(paths)]
    models = rank_models(population, weights, constraints, own, allow_other_suite=allow_other_suite)
    ranking = Ranking(population, weights, constraints, tuple(models))
    if form == "table":
        write_output(ranking_table(ranking, limit or LIMIT, terminal_width()))
    else:
        write_output((ranking_json if form == "json" else ranking_csv)(ranking, limit))
