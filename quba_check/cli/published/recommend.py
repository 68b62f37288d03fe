"""`quba-check published recommend`: the published models that would pass a threshold file."""

from __future__ import annotations

from pathlib import Path

import click

from quba_check.cli.files import facts_of, population_option, write_output
from quba_check.cli.parser import COUNT, INPUT, format_option, value_option
from quba_check.gate.threshold_files import thresholds_at
from quba_check.grading.population import Population
from quba_check.reports.recommendation import recommendation_text
from quba_check.study.recommendation import recommend as check_models
from quba_check.suites.manifest.definitions import is_subset_of_imagenet
from quba_check.verdicts.stored_verdicts import read_record

LIMIT = 10
"""Models of each list in the table without --limit."""


@click.command("recommend", epilog="Example: quba-check published recommend mobile")
@click.argument("file", type=INPUT, metavar="THRESHOLDS")
@population_option()
@format_option("table", "json", "csv")
@value_option("--limit", "N", f"models of each list (table: {LIMIT}; else all)", COUNT)
@value_option("--record", "RECORD.json", "record whose suite has the parts and classes of the file", INPUT)
def recommend(file: Path, population: Population, form: str, limit: int | None, record: Path | None) -> None:
    """List the published models that would pass a threshold file, or come nearest.

    THRESHOLDS: a threshold file or a shipped profile (default, mobile, own-data, safety-critical, server).
    Demands that the published table cannot answer are named and count neither way. A suspect value decides
    nothing.
    """
    facts = facts_of(read_record(record) if record else None)
    checked = check_models(thresholds_at(file, facts), population)
    is_known = bool(facts.class_names) and is_subset_of_imagenet(facts.class_names)
    other_suite = "" if is_known or facts.class_count == population.classes else facts.name
    limit = limit or (LIMIT if form == "table" else None)
    write_output(recommendation_text(checked, form, limit, file=str(file), other_suite=other_suite))
