"""`quba-check published study`: correlations of a population's dimensions, and its groups compared."""

from __future__ import annotations

from collections.abc import Iterator

import click

from quba_check.cli.files import population_option, write_output
from quba_check.cli.parser import format_option
from quba_check.grading.population import Population
from quba_check.reports.tables import table_text, wrap_line, wrapped
from quba_check.storage.csv_text import CsvCell, csv_text
from quba_check.study.statistics import StudyTable, correlations, group_comparisons, study_tables


@click.command("study", epilog="Example: quba-check published study --population screened")
@population_option()
@format_option("table", "csv")
def study(population: Population, form: str) -> None:
    """Correlate the dimensions of a population, and compare groups of its models.

    Spearman correlations and Mann-Whitney tests, corrected by Holm. The published models also have groups
    (architecture, pretraining, training, zero-shot), and a comparison with and without suspect values.
    """
    if form == "csv":
        write_output(csv_text(HEADINGS, _csv_rows(population)))
    else:
        write_output("\n".join(map(_table_text, study_tables(population))))


WIDTH = 80
HEADINGS = (
    *("population", "analysis", "attribute", "group", "reference", "dimension", "second_dimension"),
    *("n", "n_reference", "estimate", "lower", "upper", "p", "p_holm"),
)


def _table_text(table: StudyTable) -> str:
    """Return title, table and notes; a row with only a first cell is a heading."""
    data = [row for row in table.rows if any(row[1:])]
    lines = table_text(table.columns, data).splitlines() if data else [""]
    for place, row in enumerate(table.rows, 1):
        if not any(row[1:]):
            lines.insert(place, "\n".join(wrap_line(row[0], WIDTH)))
    return "".join(f"{line}\n" for line in [table.title, *lines]) + wrapped(table.notes, WIDTH)


def _csv_rows(population: Population) -> Iterator[list[CsvCell]]:
    """Yield a row for each correlation and each comparison of groups; numbers at full precision."""
    for pair in correlations(population):
        rho = pair.result
        names: list[CsvCell] = [population.name, "spearman", None, None, None, pair.first, pair.second]
        yield [*names, rho.n, None, rho.rho, *rho.interval, rho.p, pair.adjusted]
    for row in group_comparisons(population):
        contrast = row.contrast
        result = row.result
        names = [population.name, "cliffs_delta", contrast.attribute, contrast.group, contrast.reference]
        missing: list[CsvCell] = [None] * 5
        numbers = missing if result is None else [result.delta, *result.interval, result.p, row.adjusted]
        yield [*names, row.dimension, None, *row.n, *numbers]
