"""Contents of the section "Where it stands": ranks, controls, and data for its script."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from markupsafe import Markup

from quba_check.dimensions import registry
from quba_check.errors import PopulationError
from quba_check.grading.population import Population
from quba_check.grading.published import PublishedModel, published_population, screened_population
from quba_check.messages import listed
from quba_check.page.columns import Column, shorten
from quba_check.page.reference import Reference
from quba_check.study.dimension_ranks import value_text
from quba_check.study.excerpt import excerpt
from quba_check.study.ranking import (
    GROUPS,
    Group,
    RankedModel,
    group_names,
    groups_of,
    published_details,
    rank,
)
from quba_check.study.suspects import suspect_sentence
from quba_check.study.tables import StudyTable, study_tables

ROWS = 20
"""Models in the table without JavaScript."""
LONGEST_ID = 60
DEFAULT_X = "parameters"
HIGHEST_WEIGHT, WEIGHT_STEP = 3, 0.05
"""Range of the sliders; addresses may have other weights."""
FILTERS: Mapping[str, Group] = {
    "family": "architecture",
    "pretraining": "pretraining",
    "training": "training",
}
"""Groups by the name of their filter in the address."""


@dataclass(frozen=True, slots=True)
class ModelLine:
    """A row of the table.

    Attributes:
        is_own: the model is a record's.
        cells: rank, model, score, the values and the groups; suspect values end in `?`.
    """

    is_own: bool
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter of the chart and the table.

    Attributes:
        name: its name in the address.
        group: the group that it selects by.
        counts: number of models by value of the group, the most frequent first.
        column: the value of each model of the population.
    """

    name: str
    group: Group
    counts: Mapping[str, int]
    column: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RankingView:
    """The section.

    Attributes:
        problem: the reason for a section without ranks; empty if there are ranks.
        population: name of the population.
        models: number of its ranked models.
        status: number of ranked models, the first, and each record's rank; the script updates it.
        sentences: rank of each record, or the reason for none, with notes.
        titles: the qualities for the axes by name.
        dimensions: the weighted dimensions, with the default weight as text.
        filters: the filters; none for a population without groups.
        populations: names of the populations to choose from.
        rows: the first rows of the table; None for a gap.
        doubts: explanations of suspect values.
        study: correlations and groups of the population.
        data: data for the script, as JSON.
    """

    problem: str = ""
    population: str = ""
    models: int = 0
    status: str = ""
    sentences: tuple[tuple[str, str, tuple[str, ...]], ...] = ()
    titles: Mapping[str, str] = field(default_factory=dict)
    dimensions: tuple[tuple[str, str], ...] = ()
    filters: tuple[Filter, ...] = ()
    populations: tuple[str, ...] = ()
    rows: tuple[ModelLine | None, ...] = ()
    doubts: tuple[str, ...] = ()
    study: tuple[StudyTable, ...] = ()
    data: Markup | None = None


def ranking(records: Sequence[Column], reference: Reference) -> RankingView:
    """Return the section about records in a population."""
    population = reference.population
    if population is None:
        return RankingView(
            problem="No known population has the suite of this run. Make one of your models with "
            "quba-check population, and name it with --population."
        )
    try:
        models = _models(records, population)
    except PopulationError as problem:
        return RankingView(problem=f"{problem}")
    return _section(population, models, [column.name for column in records])


def _models(records: Sequence[Column], population: Population) -> list[RankedModel]:
    """Return the models with their ranks.

    Own models have the number of their record as `file`.

    Raises:
        PopulationError: the population ranks no model.
    """
    if not population.mu:
        reasons = listed(dict.fromkeys(population.problems.values()), at_most=1)
        raise PopulationError(f"{population.name}: {reasons or 'it has no values of the nine dimensions'}")
    return rank(
        population,
        dict.fromkeys(population.problems, 0.0),
        own=[replace(column.run, file=str(column.number)) for column in records],
        allow_other_suite=any(_allows_other_suite(column, population) for column in records),
    )


def _section(population: Population, models: Sequence[RankedModel], names: Sequence[str]) -> RankingView:
    details = published_details(population)
    dimensions = tuple(population.mu)
    ranked = [model for model in models if model.rank is not None]
    count = sum(not model.is_own for model in ranked)
    suspects = sorted({cause for model in models for cause in model.suspect})
    own = sorted((model for model in models if model.is_own), key=lambda model: int(model.file or 0))
    titles = {"score": "QUBA score", **{name: _title(name) for name in dimensions}}
    filters = tuple(_filters(details.values()))
    choices = _choices(population)
    return RankingView(
        population=population.name,
        models=count,
        status=_status(ranked, own, names),
        sentences=tuple(
            (name, _ranking_text(model, population, count), model.notes)
            for name, model in zip(names, own, strict=True)
        ),
        titles=titles,
        dimensions=tuple((name, f"{registry[name].weight:.2f}") for name in dimensions),
        filters=filters,
        populations=tuple(choices),
        rows=tuple(
            None if model is None else _line(model, dimensions, names, details)
            for model in excerpt(ranked, ROWS)
        ),
        doubts=tuple(map(suspect_sentence, suspects)),
        study=study_tables(population),
        data=script_json(
            {
                "x": DEFAULT_X if DEFAULT_X in dimensions else dimensions[0],
                "y": "score",
                "titles": titles,
                "population": population.name,
                "populations": {
                    name: {key: list(getattr(twin, key).values()) for key in ("mu", "sigma")}
                    for name, twin in choices.items()
                },
                "groups": [
                    {
                        "name": one.name,
                        "values": list(one.counts),
                        "of": "".join(str(list(one.counts).index(value)) for value in one.column),
                    }
                    for one in filters
                ],
                "own": [
                    {
                        "name": name,
                        "values": [model.values.get(dimension) for dimension in dimensions],
                        "drawn": not model.is_of_other_suite,
                    }
                    for name, model in zip(names, own, strict=True)
                ],
                **_model_data(next(iter(choices.values())), dimensions, details),
            }
        ),
    )


def _title(name: str) -> str:
    """Return a dimension in words, with the better direction if that is the lower one."""
    unit = ", millions" if name == "parameters" else ""
    return f"{name.replace('_', ' ')}{unit}{' (lower is better)' if registry[name].better == 'low' else ''}"


def _allows_other_suite(column: Column, population: Population) -> bool:
    """True if the record was graded by this population in spite of another suite."""
    grades = column.record.grades
    return any(grade.population == population.name and grade.other_suite and grade.letter for grade in grades)


def _choices(population: Population) -> dict[str, Population]:
    """Return the populations of the same models, the whole one first."""
    twins = {twin.name: twin for twin in (published_population(), screened_population())}
    return twins if population in twins.values() else {population.name: population}


def _status(ranked: Sequence[RankedModel], own: Sequence[RankedModel], names: Sequence[str]) -> str:
    theirs = [model for model in ranked if not model.is_own]
    first = [f"first: {shorten(model.id, LONGEST_ID)}" for model in theirs if model.rank == 1]
    places = [
        f"{name}: {'not ranked' if model.rank is None else f'rank {model.rank} of {len(theirs) + 1}'}"
        for name, model in zip(names, own, strict=True)
    ]
    return "; ".join([f"{len(theirs)} models ranked", *first, *places])


def _ranking_text(model: RankedModel, population: Population, count: int) -> str:
    if model.rank is None:
        return f"not ranked: {model.reason}"
    text = (
        f"rank {model.rank} of {count + 1} by QUBA score with the default weights, next to {count} models "
        f"of {population.name}"
    )
    if model.rank_interval is None:
        return text
    best, worst = model.rank_interval
    return f"{text}; 95 % interval: rank {best} to {worst}"


def _filters(models: Collection[PublishedModel]) -> Iterator[Filter]:
    """Yield the filters; none for a population without groups."""
    for name, group in FILTERS.items() if models else ():
        column = tuple(groups_of(model)[group] for model in models)
        counts = {value: column.count(value) for value in group_names(models, group)}
        yield Filter(name, group, counts, column)


def _line(
    model: RankedModel, dimensions: Sequence[str], names: Sequence[str], details: Mapping[str, PublishedModel]
) -> ModelLine:
    doubtful = details[model.id].doubtful if model.id in details and not model.is_own else ()
    values = (
        f"{value_text(name, model.values[name])}{' ?' if name in doubtful else ''}"
        if name in model.values
        else "–"
        for name in dimensions
    )
    name = names[int(model.file or 0)] if model.is_own else shorten(model.id, LONGEST_ID)
    groups = (model.groups.get(group, "") for group in (GROUPS if details else ()))
    return ModelLine(model.is_own, (str(model.rank), name, f"{model.score:.3f}", *values, *groups))


def _model_data(
    whole: Population, dimensions: Sequence[str], details: Mapping[str, PublishedModel]
) -> dict[str, Any]:
    """Return the models of a population for the script, column by column."""
    return {
        "dimensions": list(dimensions),
        "lower": [int(registry[name].better == "low") for name in dimensions],
        "weights": [registry[name].weight for name in dimensions],
        "ids": [shorten(row.id, LONGEST_ID) for row in whole.rows],
        "values": [compact([row.values.get(name) for row in whole.rows]) for name in dimensions],
        "doubtful": [
            sum(1 << k for k, name in enumerate(dimensions) if name in details[row.id].doubtful)
            for row in whole.rows
            if details
        ],
    }


def compact(values: Sequence[float | None]) -> Sequence[float | None] | str:
    """Return exact values in the shorter form: as numbers, or as text of base64-encoded float64.

    In the text, NaN is a missing value and the bytes are little-endian.

    >>> compact([0.25, None]), compact([0.1 + 0.2, 0.1 + 0.7])
    ([0.25, None], 'NDMzMzMz0z+ZmZmZmZnpPw==')
    """
    numbers = [float("nan") if value is None else value for value in values]
    text = base64.b64encode(struct.pack(f"<{len(numbers)}d", *numbers)).decode()
    return text if len(text) + 2 < len(json.dumps(values, separators=(",", ":"))) else values


def script_json(content: dict[str, Any]) -> Markup:
    """Return JSON for a script element: it cannot end the element."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))  # noqa: S704  no tag can begin in it
