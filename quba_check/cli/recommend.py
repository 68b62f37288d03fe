"""`quba-check recommend`: the published models that would pass a threshold file."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from quba_check.cli.parser import INPUT, WholeNumber, check_choice
from quba_check.cli.study_options import named_population

FORMATS = ("table", "json", "csv")
LIMIT = 10
"""Models of each list in the table without --limit."""


@click.command(
    "recommend",
    short_help="list the published models that would pass a threshold file",
    epilog="Example: quba-check recommend mobile",
)
@click.argument("file", type=INPUT, metavar="THRESHOLDS")
@click.option(
    "--population",
    "name",
    default="published",
    metavar="NAME",
    help="published (default), screened (without suspect values), or a population file",
)
@click.option("--format", "form", default=FORMATS[0], metavar="NAME", help="table (default), json, csv")
@click.option(
    "--limit", type=WholeNumber(1), metavar="N", help=f"models of each list (table: {LIMIT}; else all)"
)
@click.option(
    "--record", "path", type=INPUT, metavar="RECORD.json", help="record whose suite has the parts of the file"
)
def recommend(file: Path, name: str, form: str, limit: int | None, path: Path | None) -> None:
    """List the published models that would pass a threshold file, or come nearest.

    THRESHOLDS: a threshold file or a shipped profile (default, mobile, safety-critical, server). Demands that
    the published table cannot answer are named and count neither way. A suspect value decides nothing.
    """
    from quba_check.cli.recommend_formats import (
        recommendation_csv,
        recommendation_json,
        recommendation_table,
    )
    from quba_check.gate.threshold_files import thresholds_at
    from quba_check.records.files import read_record
    from quba_check.reports.tables import fit_encoding
    from quba_check.study.recommendation import recommend as check_models
    from quba_check.suites.opening import published_facts
    from quba_check.tuning.record_facts import suite_facts

    check_choice(form, FORMATS, "quba-check recommend: --format")
    population = named_population("quba-check recommend", name)
    thresholds = thresholds_at(file, suite_facts(read_record(path)) if path else published_facts())
    recommendation = check_models(thresholds, population)
    if form == "table":
        text = recommendation_table(recommendation, limit or LIMIT, file=str(file))
    else:
        write = recommendation_json if form == "json" else recommendation_csv
        text = write(recommendation, limit, file=str(file))
    sys.stdout.write(fit_encoding(text, sys.stdout.encoding))
