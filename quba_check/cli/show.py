"""`quba-check show`: one published model with its values and ranks."""

from __future__ import annotations

from collections.abc import Iterator

import click

from quba_check.cli.files import write_output
from quba_check.cli.populations import PUBLISHED_MODEL
from quba_check.dimensions import registry
from quba_check.grading.grade import letter
from quba_check.grading.population import Population
from quba_check.grading.published import (
    TIMM_PREFIX,
    PublishedModel,
    published_population,
    screened_population,
)
from quba_check.number_format import format_value, ordinal
from quba_check.reports.tables import table_text, terminal_width, wrapped
from quba_check.study.dimension_ranks import dimension_ranks
from quba_check.study.ranking import rank
from quba_check.study.suspects import suspect_sentences

SUSPECT = "?"
HEADINGS = ("dimension", "better", "value", "", "mean", "deviations", "rank")


@click.command("show", epilog="Example: quba-check show EVA02-b-21k")
@click.argument("model", type=PUBLISHED_MODEL, metavar="ID")
def show(model: PublishedModel) -> None:
    """Show the nine values of a published model with its ranks, grade and doubts.

    ID: its name in the published table or in timm. 'quba-check rank --limit 326' lists all of them.
    """
    populations = published_population(), screened_population()
    head = [
        f"{model.id}: {model.family}, pretraining {model.pretraining}, training {model.training}",
        *(_score_line(model, population) for population in populations),
    ]
    foot = [
        "mean: trimmed mean of the published models; deviations: standard deviations, positive is better",
        *(f"{SUSPECT} {sentence}" for sentence in suspect_sentences(model)),
    ]
    table = table_text(HEADINGS, _rows(model), right=("value", "mean", "deviations", "rank"))
    write_output(f"{wrapped(head, terminal_width())}{table}{wrapped(foot, terminal_width())}")
    # The command is one line, so that it can be copied.
    command = f"measure it: pytest --model={TIMM_PREFIX}{model.timm} --quba-data=DIR"
    write_output(f"timm: {model.timm}\n{command}\n" if model.timm else "timm: no name known\n")


def _score_line(model: PublishedModel, population: Population) -> str:
    models = rank(population)
    ranked = next(row for row in models if row.id == model.id)
    if ranked.score is None or ranked.percentile is None:
        return f"{population.name}: not ranked: {ranked.reason}"
    count = sum(row.rank is not None for row in models)
    return (
        f"{population.name}: QUBA {ranked.score:.4f}, rank {ranked.rank} of {count}, "
        f"{ordinal(ranked.percentile)} percentile, grade {letter(ranked.percentile)}"
    )


def _rows(model: PublishedModel) -> Iterator[tuple[str, ...]]:
    for row in dimension_ranks(model.values, published_population()):
        dimension = registry[row.dimension]
        value, mean = (
            format_value(number, dimension.unit, digits=1 if dimension.unit == "millions" else 4)
            for number in (row.value, row.mu)
        )
        doubt = SUSPECT if row.dimension in model.doubtful else ""
        rank_text = f"{row.rank} of {row.models}"
        yield row.dimension, dimension.better, value, doubt, mean, f"{row.distance:+.2f}", rank_text
