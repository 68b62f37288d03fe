"""`quba-check published study`: correlations of a population's dimensions, and its groups compared."""

from __future__ import annotations

import click

from quba_check.cli.files import write_output
from quba_check.cli.parser import format_option
from quba_check.cli.populations import population_option
from quba_check.grading.population import Population
from quba_check.reports.study import study_csv, study_text


@click.command("study", epilog="Example: quba-check published study --population screened")
@population_option()
@format_option("table", "csv")
def study(population: Population, form: str) -> None:
    """Correlate the dimensions of a population, and compare groups of its models.

    Spearman correlations and Mann-Whitney tests, corrected by Holm. The published models also have groups
    (architecture, pretraining, training, zero-shot), and a comparison with and without suspect values.
    """
    write_output(study_csv(population) if form == "csv" else study_text(population))
