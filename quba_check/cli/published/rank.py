"""`quba-check published rank`: a population by QUBA score, with own records ranked among its models."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from quba_check.cli.files import Place, population_option, read_run, write_output
from quba_check.cli.parser import COUNT, INPUT, Checked, Command, format_option, store_option, value_option
from quba_check.core.dimension import PUBLISHED_DIMENSIONS, WEIGHTS, is_weight
from quba_check.errors import OptionError, UserError
from quba_check.gate.options import Given, Parse
from quba_check.grading.population import Population
from quba_check.grading.population_file import LARGEST, possible_values
from quba_check.grading.published import PROPERTIES, ModelProperty
from quba_check.messages import grouped, known_names, listed
from quba_check.reports.ranking import Ranking, ranking_csv, ranking_json, ranking_table
from quba_check.reports.tables import terminal_width
from quba_check.study.ranking import Constraints, check_properties
from quba_check.study.ranking import rank as rank_models

LIMIT = 20
"""Models in the table without --limit."""


def parse_dimension(given: Given) -> tuple[str, str, float]:
    """Return dimension, text and number of a value such as `accuracy=2`.

    The number is NaN for another text, and is not checked.
    """
    dimension, equals, text = given.value.partition("=")
    if not equals:
        raise OptionError(
            where=given.flag, got=f"'{given.value}'", allowed="DIMENSION=NUMBER, such as accuracy=2"
        )
    if dimension not in PUBLISHED_DIMENSIONS:
        raise OptionError(
            "unknown dimension",
            where=given.flag,
            got=f"'{dimension}'",
            **known_names(dimension, PUBLISHED_DIMENSIONS),
        )
    try:
        return dimension, text, float(text)
    except ValueError:
        return dimension, text, math.nan


def parse_weight(given: Given) -> tuple[str, float]:
    """Return a dimension with its weight in the score."""
    dimension, text, number = parse_dimension(given)
    if not is_weight(number):
        raise OptionError(where=f"{given.flag}: {dimension}", got=f"'{text}'", allowed=WEIGHTS)
    return dimension, number


def parse_bound(given: Given) -> tuple[str, float]:
    """Return a dimension with a number that it can have."""
    dimension, text, number = parse_dimension(given)
    least, most = possible_values(dimension)
    if not least <= number <= most:
        unit = ", in millions" if dimension == "parameters" else ""
        end = f" to {most:g}" if most < LARGEST else unit
        allowed = "a finite number" if least == -LARGEST else f"a number from {least:g}{end}"
        raise OptionError(where=f"{given.flag}: {dimension}", got=f"'{text}'", allowed=allowed)
    return dimension, number


def _unique(
    ctx: click.Context, param: click.Parameter, pairs: Sequence[tuple[str, float]]
) -> dict[str, float]:
    """Return the pairs as a mapping, or refuse a repeated dimension."""
    for name, numbers in grouped(pairs).items():
        if len(numbers) > 1:
            raise OptionError(
                f"{name} is given {len(numbers)} times",
                where=f"{ctx.command_path}: {param.opts[0]}",
                got=listed(f"{number:g}" for number in numbers),
                allowed="once for each dimension",
            )
    return dict(pairs)


def _dimension_option(
    flag: str, name: str, parse: Parse, metavar: str, text: str
) -> Callable[[Command], Command]:
    words = f"{text}; repeatable"
    kind = Checked(parse)
    return value_option(f"{flag} {name}", metavar, words, kind, multiple=True, callback=_unique)


_MOST = "rank only models with at most this value, such as parameters=30 (millions)"
_WEIGHT = "weight of a dimension in the score, in place of its default"


@click.command(
    "rank", epilog="Example: quba-check published rank demo.json --population demo --weight accuracy=2"
)
@click.argument("paths", nargs=-1, type=INPUT, metavar="[RECORD.json]...")
@population_option()
@_dimension_option("--weight", "weights", parse_weight, "DIM=W", _WEIGHT)
@_dimension_option("--min", "least", parse_bound, "DIM=X", "rank only models with at least this value")
@_dimension_option("--max", "most", parse_bound, "DIM=X", _MOST)
@value_option("--architecture", "NAME", "rank only these, such as transformer", multiple=True)
@value_option("--pretraining", "NAME", "rank only these, such as imagenet-21k", multiple=True)
@value_option("--training", "NAME", "rank only these, such as adversarial", multiple=True)
@click.option("--allow-other-suite", is_flag=True, help="also rank records of another suite, with a note")
@value_option(
    "--limit", "N", f"models to print next to yours (default: {LIMIT} in the table, else all)", COUNT
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
    store: Place,
    **properties: tuple[str, ...],
) -> None:
    """Rank the models of a population by QUBA score, under any weights and constraints.

    RECORD.json: runs of your models, which are ranked among them. The options select models; the scores stay
    distances from the mean of the whole population.
    """
    selected: dict[ModelProperty, Sequence[str]] = {
        name: properties[name] for name in PROPERTIES if properties[name]
    }
    constraints = Constraints(least, most, selected)
    try:
        check_properties(population, constraints)
    except UserError as error:
        raise OptionError(f"--{error}", where="quba-check published rank") from None
    runs = [read_run(path, store) for path in dict.fromkeys(paths)]
    models = rank_models(population, weights, constraints, runs, allow_other_suite=allow_other_suite)
    ranking = Ranking(population, weights, constraints, tuple(models))
    if form == "table":
        write_output(ranking_table(ranking, limit or LIMIT, terminal_width()))
    else:
        write_output((ranking_json if form == "json" else ranking_csv)(ranking, limit))
