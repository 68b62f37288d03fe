"""`quba-check show`: one published model with its values and ranks."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from quba_check.cli.study_options import published_model

if TYPE_CHECKING:
    from quba_check.grading.population import Population
    from quba_check.grading.published import PublishedModel

LEAST_WIDTH = 72
SUSPECT = "?"


@click.command(
    "show",
    short_help="show the values and ranks of a published model",
    epilog="Example: quba-check show EVA02-b-21k",
)
@click.argument("name", metavar="ID")
def show(name: str) -> None:
    """Show the nine values of a published model with its ranks, grade and doubts.

    ID: its name in the published table or in timm. 'quba-check rank --limit 326' lists all of them.
    """
    from quba_check.reports.tables import fit_encoding, wrap_line

    model = published_model("quba-check show", name)
    width = max(shutil.get_terminal_size().columns, LEAST_WIDTH)
    head, foot = ([part for line in lines for part in wrap_line(line, width)] for lines in _lines(model))
    # The command is one line, so that it can be copied.
    rows = [*head, *_table(model).splitlines(), *foot, *_command_lines(model)]
    text = "".join(f"{row}\n" for row in rows)
    sys.stdout.write(fit_encoding(text, sys.stdout.encoding))


def _lines(model: PublishedModel) -> tuple[list[str], list[str]]:
    """Return the lines above and below the table."""
    from quba_check.grading.published import published_population, screened_population

    populations = published_population(), screened_population()
    head = [
        f"{model.id}: {model.family}, pretraining {model.pretraining}, training {model.training}",
        *(_score_line(model, population) for population in populations),
    ]
    return head, list(_doubts(model))


def _score_line(model: PublishedModel, population: Population) -> str:
    from quba_check.grading.grade import letter
    from quba_check.number_format import ordinal
    from quba_check.study.ranking import rank

    models = rank(population)
    ranked = next(row for row in models if row.id == model.id)
    if ranked.score is None or ranked.percentile is None:
        return f"{population.name}: not ranked: {ranked.reason}"
    count = sum(row.rank is not None for row in models)
    return (
        f"{population.name}: QUBA {ranked.score:.4f}, rank {ranked.rank} of {count}, "
        f"{ordinal(ranked.percentile)} percentile, grade {letter(ranked.percentile)}"
    )


def _table(model: PublishedModel) -> str:
    from quba_check.dimensions import registry
    from quba_check.grading.published import published_population
    from quba_check.number_format import format_value
    from quba_check.reports.tables import table_text
    from quba_check.study.dimension_ranks import dimension_ranks

    rows = []
    for row in dimension_ranks(model.values, published_population()):
        unit = registry[row.dimension].unit
        digits = 1 if unit == "millions" else 4
        rows.append(
            (
                row.dimension,
                registry[row.dimension].better,
                format_value(row.value, unit, digits=digits),
                SUSPECT if row.dimension in model.doubtful else "",
                format_value(row.mu, unit, digits=digits),
                f"{row.distance:+.2f}",
                f"{row.rank} of {row.models}",
            )
        )
    headings = ("dimension", "better", "value", "", "mean", "deviations", "rank")
    return table_text(headings, rows, right=("value", "mean", "deviations", "rank"))


def _doubts(model: PublishedModel) -> Iterator[str]:
    from quba_check.study.suspects import suspect_sentences

    yield "mean: trimmed mean of the published models; deviations: standard deviations, positive is better"
    yield from (f"{SUSPECT} {sentence}" for sentence in suspect_sentences(model))


def _command_lines(model: PublishedModel) -> Iterator[str]:
    from quba_check.grading.published import TIMM_PREFIX

    if model.timm is None:
        yield "timm: no name known"
    else:
        yield f"timm: {model.timm}"
        yield f"measure it: pytest --model={TIMM_PREFIX}{model.timm} --quba-data=DIR"
