"""`quba-check rank`: a population by QUBA score, with own records ranked among its models."""

from __future__ import annotations

import math
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from quba_check.cli.parser import INPUT, WholeNumber, check_choice, store_option
from quba_check.cli.study_options import named_population
from quba_check.errors import OptionError, UserError
from quba_check.messages import did_you_mean, listed

if TYPE_CHECKING:
    from quba_check.grading.population import Population
    from quba_check.study.ranking import Constraints

FORMATS = ("table", "json", "csv")
LIMIT = 20
"""Models in the table without --limit."""
Pairs = tuple[tuple[str, float], ...]


class DimensionNumber(click.ParamType[tuple[str, float]]):
    """A dimension with a number, as `accuracy=2`."""

    name = "dimension=number"

    def __init__(self, *, is_weight: bool = False) -> None:
        self.is_weight = is_weight

    def convert(
        self, value: str | tuple[str, float], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, float]:
        """Return dimension and number, or raise `OptionError`."""
        from quba_check.core.dimension import PUBLISHED_DIMENSIONS

        if isinstance(value, tuple):
            return value
        flag = param.opts[0] if param is not None else ""
        where = f"{ctx.command_path if ctx is not None else 'quba-check'}: {flag}: "
        dimension, equals, text = value.partition("=")
        if not equals:
            raise OptionError(f"{where}got '{value}'. Allowed: DIMENSION=NUMBER, such as accuracy=2.")
        if dimension not in PUBLISHED_DIMENSIONS:
            raise OptionError(
                f"{where}unknown dimension, got '{dimension}'. Allowed: {listed(PUBLISHED_DIMENSIONS)}."
                f"{did_you_mean(dimension, PUBLISHED_DIMENSIONS)}"
            )
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not self._is_allowed(dimension, number):
            raise OptionError(f"{where}{dimension}: got '{text}'. Allowed: {self._allowed(dimension)}.")
        return dimension, number

    def _is_allowed(self, dimension: str, number: float) -> bool:
        from quba_check.core.dimension import is_weight
        from quba_check.grading.population_file import possible_values

        least, most = possible_values(dimension)
        return is_weight(number) if self.is_weight else least <= number <= most

    def _allowed(self, dimension: str) -> str:
        from quba_check.core.dimension import WEIGHTS
        from quba_check.grading.population_file import LARGEST, possible_values

        if self.is_weight:
            return WEIGHTS
        least, most = possible_values(dimension)
        if least == -LARGEST:
            return "a finite number"
        unit = ", in millions" if dimension == "parameters" else ""
        return f"a number from {least:g}" + (f" to {most:g}" if most < LARGEST else unit)


@click.command(
    "rank",
    short_help="rank a population by QUBA score, your records among them",
    epilog="Example: quba-check rank demo.json --population demo --weight accuracy=2",
)
@click.argument("paths", nargs=-1, type=INPUT, metavar="[RECORD.json]...")
@click.option(
    "--population",
    "name",
    default="published",
    metavar="NAME",
    help="published (default), screened, demo, or a file made by quba-check population",
)
@click.option(
    "--weight",
    "weights",
    multiple=True,
    type=DimensionNumber(is_weight=True),
    metavar="DIM=W",
    help="weight of a dimension in the score, in place of its default; repeatable",
)
@click.option(
    "--min",
    "least",
    multiple=True,
    type=DimensionNumber(),
    metavar="DIM=X",
    help="rank only models with at least this value; repeatable",
)
@click.option(
    "--max",
    "most",
    multiple=True,
    type=DimensionNumber(),
    metavar="DIM=X",
    help="rank only models with at most this value, such as parameters=30 (millions); repeatable",
)
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
@click.option("--format", "form", default=FORMATS[0], metavar="NAME", help="table (default), json, csv")
@store_option
def rank(
    paths: tuple[Path, ...],
    name: str,
    weights: Pairs,
    least: Pairs,
    most: Pairs,
    architecture: tuple[str, ...],
    pretraining: tuple[str, ...],
    training: tuple[str, ...],
    allow_other_suite: bool,
    limit: int | None,
    form: str,
    store: str | Path | None,
) -> None:
    """Rank the models of a population by QUBA score, under any weights and constraints.

    RECORD.json: runs of your models, which are ranked among them. The options select models; the scores stay
    distances from the mean of the whole population.
    """
    from quba_check.cli.rank_formats import Ranking, ranking_csv, ranking_json, ranking_table
    from quba_check.comparison.stored_run import stored_run
    from quba_check.records.files import read_record
    from quba_check.reports.tables import fit_encoding
    from quba_check.storage.places import default_place
    from quba_check.study.ranking import GROUPS, Constraints
    from quba_check.study.ranking import rank as rank_models

    check_choice(form, FORMATS, "quba-check rank: --format")
    groups = dict(zip(GROUPS, (architecture, pretraining, training), strict=True))
    constraints = Constraints(
        _unique("--min", least),
        _unique("--max", most),
        {group: names for group, names in groups.items() if names},
    )
    population = _population(name, constraints)
    folder = store or default_place()
    own = [stored_run(path, str(path), read_record(path), folder) for path in dict.fromkeys(paths)]
    given_weights = _unique("--weight", weights)
    models = rank_models(population, given_weights, constraints, own, allow_other_suite=allow_other_suite)
    ranking = Ranking(population, given_weights, constraints, tuple(models))
    if form == "table":
        text = ranking_table(ranking, limit or LIMIT, shutil.get_terminal_size().columns)
    else:
        text = (ranking_json if form == "json" else ranking_csv)(ranking, limit)
    sys.stdout.write(fit_encoding(text, sys.stdout.encoding))


def _unique(flag: str, pairs: Sequence[tuple[str, float]]) -> dict[str, float]:
    """Return the pairs as a mapping, or raise `OptionError` for a repeated dimension."""
    numbers = dict(pairs)
    for name in numbers:
        given = [f"{number:g}" for other, number in pairs if other == name]
        if len(given) > 1:
            raise OptionError(
                f"quba-check rank: {flag}: {name} is given {len(given)} times, got {listed(given)}. "
                "Allowed: once for each dimension."
            )
    return numbers


def _population(name: str, constraints: Constraints) -> Population:
    """Read a population and check that it has the groups of the constraints."""
    from quba_check.study.ranking import check_groups

    reference = named_population("quba-check rank", name)
    try:
        check_groups(reference, constraints)
    except UserError as error:
        raise OptionError(f"quba-check rank: --{error}") from None
    return reference
