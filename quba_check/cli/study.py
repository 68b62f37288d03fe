"""`quba-check study`: correlations of a population's dimensions, and its groups compared."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from quba_check.cli.parser import check_choice
from quba_check.cli.study_options import named_population

if TYPE_CHECKING:
    from quba_check.grading.population import Population
    from quba_check.storage.csv_text import Cell
    from quba_check.study.statistics import Correlation, GroupComparison
    from quba_check.study.tables import StudyTable

FORMATS = ("table", "csv")
WIDTH = 80
HEADINGS = (
    *("population", "analysis", "attribute", "group", "reference", "dimension", "second_dimension"),
    *("n", "n_reference", "estimate", "lower", "upper", "p", "p_holm"),
)


@click.command(
    "study",
    short_help="correlate the dimensions of a population, and compare its groups",
    epilog="Example: quba-check study --population screened",
)
@click.option(
    "--population",
    "name",
    default="published",
    metavar="NAME",
    help="published (default), screened (without suspect values), demo, or a population file",
)
@click.option("--format", "form", default=FORMATS[0], metavar="NAME", help="table (default), csv")
def study(name: str, form: str) -> None:
    """Correlate the dimensions of a population, and compare groups of its models.

    Spearman correlations and Mann-Whitney tests, corrected by Holm. The published models also have groups
    (architecture, pretraining, training, zero-shot), and a comparison with and without suspect values.
    """
    from quba_check.reports.tables import fit_encoding
    from quba_check.storage.csv_text import csv_text
    from quba_check.study.tables import study_tables

    check_choice(form, FORMATS, "quba-check study: --format")
    population = named_population("quba-check study", name)
    if form == "csv":
        text = csv_text(HEADINGS, _csv_rows(population))
    else:
        text = "\n".join(_table_text(table) for table in study_tables(population))
    sys.stdout.write(fit_encoding(text, sys.stdout.encoding))


def _table_text(table: StudyTable) -> str:
    """Return title, table and notes; a row with only a first cell is a heading."""
    from quba_check.reports.tables import table_text, wrap_line

    data = [row for row in table.rows if any(row[1:])]
    heading, *printed = table_text(table.columns, data).splitlines() if data else [""]
    remaining = iter(printed)
    lines = [table.title, heading]
    for row in table.rows:
        lines += [next(remaining)] if any(row[1:]) else wrap_line(row[0], WIDTH)
    lines += [line for note in table.notes for line in wrap_line(note, WIDTH)]
    return "".join(f"{line}\n" for line in lines)


def _csv_rows(population: Population) -> Iterator[list[Cell]]:
    from quba_check.study.statistics import correlations, group_comparisons

    yield from (_correlation_row(population, one) for one in correlations(population))
    yield from (_group_row(population, one) for one in group_comparisons(population))


def _correlation_row(population: Population, one: Correlation) -> list[Cell]:
    result = one.result
    names: list[Cell] = [population.name, "spearman", None, None, None, one.first, one.second]
    return [*names, result.n, None, result.rho, *result.interval, result.p, one.adjusted]


def _group_row(population: Population, one: GroupComparison) -> list[Cell]:
    contrast, result = one.contrast, one.result
    names: list[Cell] = [population.name, "cliffs_delta", contrast.attribute, contrast.group]
    names += [contrast.reference, one.dimension, None, *one.n]
    if result is None:
        return [*names, None, None, None, None, None]
    return [*names, result.delta, *result.interval, result.p, one.adjusted]
