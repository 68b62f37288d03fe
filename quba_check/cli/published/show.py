"""`quba-check published show`: one published model with its values and ranks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import click

from quba_check.cli.files import PUBLISHED_MODEL, write_output
from quba_check.dimensions import registry
from quba_check.grading.grade import letter
from quba_check.grading.population import Population
from quba_check.grading.published import (
    TIMM_PREFIX,
    PublishedModel,
    published_population,
    screened_population,
    suspect_sentences,
)
from quba_check.number_format import format_value, ordinal
from quba_check.reports.tables import table_text, terminal_width, wrapped
from quba_check.study.ranking import rank

SUSPECT = "?"
HEADINGS = ("dimension", "better", "value", "", "mean", "deviations", "rank")


@click.command("show", epilog="Example: quba-check published show EVA02-b-21k")
@click.argument("model", type=PUBLISHED_MODEL, metavar="ID")
def show(model: PublishedModel) -> None:
    """Show the nine values of a published model with its ranks, grade and doubts.

    ID: its name in the published table or in timm. 'quba-check published rank --limit 326' lists all of them.
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
    rows = value_rows(model.values, model.doubtful, populations[0])
    table = table_text(HEADINGS, rows, right=("value", "mean", "deviations", "rank"))
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


def value_rows(
    values: Mapping[str, float], doubtful: Collection[str], population: Population
) -> Iterator[tuple[str, ...]]:
    """Yield the cells below `HEADINGS` of each dimension that a model and a population have.

    Args:
        values: the model's values by dimension, each in the dimension's unit.
        doubtful: dimensions with a suspect value.
        population: the population. A rank is one more than the number of its models with a better value.
    """
    for name, mu in population.mu.items():
        if name not in values:
            continue
        dimension = registry[name]
        value = values[name]
        sign = 1 if dimension.better == "high" else -1
        others = [row.values[name] for row in population.rows if name in row.values]
        position = 1 + sum(sign * other > sign * value for other in others)
        distance = f"{sign * (value - mu) / population.sigma[name]:+.2f}"
        digits = 1 if dimension.unit == "millions" else 4
        value_text, mean = (format_value(number, dimension.unit, digits=digits) for number in (value, mu))
        doubt = SUSPECT if name in doubtful else ""
        yield name, dimension.better, value_text, doubt, mean, distance, f"{position} of {len(others)}"
