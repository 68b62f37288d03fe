"""`quba-check explain`: one page of text about a record."""

from __future__ import annotations

from pathlib import Path

import click

from quba_check.cli.files import facts_of, read_run, write_output
from quba_check.cli.parser import file_option, record_argument, store_option
from quba_check.cli.populations import population_option
from quba_check.gate.threshold_files import thresholds_at
from quba_check.grading.population import Population
from quba_check.grading.reference import population as read_population
from quba_check.reports.explanation import explanation_text
from quba_check.study.explanation import default_population
from quba_check.study.explanation import explain as explain_run


@click.command("explain", epilog="Example: quba-check explain textured.json")
@record_argument
@population_option("that of the grade")
@file_option("--thresholds", "FILE", "threshold file with the weights of the score")
@store_option
def explain(
    path: Path, population: Population | None, thresholds: Path | None, store: str | Path | None
) -> None:
    """Explain a record on one page of text.

    Its strengths and weaknesses in a population, the parts that cost each dimension most, the effect of one
    point on the score, and the caveats. A population of another suite is left out unless --population or
    --thresholds names it. Needs no model and no images.
    """
    run = read_run(path, store)
    quba = thresholds_at(thresholds, facts_of(run.record)).quba if thresholds else None
    default = quba.population if quba else default_population(run.record)
    compared = population or read_population(default)
    is_chosen = population is not None or quba is not None
    write_output(explanation_text(explain_run(run, compared, quba, is_chosen=is_chosen)))
