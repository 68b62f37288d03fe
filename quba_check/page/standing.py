"""Contents of the section "Where it stands": ranks, scatter, controls, and data for its script."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from markupsafe import Markup

from quba_check.dimensions import registry
from quba_check.errors import PopulationError
from quba_check.grading.population import Population
from quba_check.grading.published import PublishedModel, published_population, screened_population
from quba_check.messages import listed
from quba_check.page.columns import Column, shorten
from quba_check.page.drawing import Chart
from quba_check.page.reference import Reference
from quba_check.page.scatter import BOTTOM, LEFT, RIGHT, SCORE, STAR, TOP, Axis, scatter
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
DEFAULT_X, DEFAULT_Y = "parameters", SCORE
HIGHEST_WEIGHT, WEIGHT_STEP = 3, 0.05
"""Range of the sliders; addresses may have other weights."""
FILTERS: Mapping[str, Group] = {
    "family": "architecture",
    "pretraining": "pretraining",
    "training": "training",
}
"""Groups by the name of their filter in the address."""
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table.

    Attributes:
        rank: the rank, or a dash.
        name: the model.
        is_own: the model is a record's.
        score: the score as text.
        values: value of each dimension as text; suspect ones end in `?`.
        groups: architecture, pretraining and training.
    """

    rank: str
    name: str
    is_own: bool
    score: str
    values: tuple[str, ...]
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter of the chart and the table.

    Attributes:
        name: its name in the address.
        group: the group that it selects by.
        values: values of the group, the most frequent first.
        column: the value of each model of the population.
    """

    name: str
    group: Group
    values: tuple[str, ...]
    column: tuple[str, ...]

    @property
    def counts(self) -> list[tuple[str, int]]:
        """Each value with the number of its models."""
        return [(value, self.column.count(value)) for value in self.values]


@dataclass(frozen=True, slots=True)
class Standing:
    """The section.

    Attributes:
        problem: the reason for a section without ranks; empty if there are ranks.
        population: name of the population.
        models: number of its ranked models.
        status: number of ranked models, the first, and each record's rank; the script updates it.
        sentences: rank of each record, or the reason for none, with notes.
        axes: the qualities for the axes.
        dimensions: the weighted dimensions, with the default weight as text.
        filters: the filters; none for a population without groups.
        populations: names of the populations to choose from.
        chart: the default chart.
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
    axes: tuple[Axis, ...] = ()
    dimensions: tuple[tuple[str, str], ...] = ()
    filters: tuple[Filter, ...] = ()
    populations: tuple[str, ...] = ()
    chart: Chart | None = None
    rows: tuple[Row | None, ...] = ()
    doubts: tuple[str, ...] = ()
    study: tuple[StudyTable, ...] = ()
    data: Markup | None = None


def standing(records: Sequence[Column], reference: Reference) -> Standing:
    """Return the section about records in a population."""
    population = reference.population
    if population is None:
        return Standing(
            problem="No known population has the suite of this run. Make one of your models with "
            "quba-check population, and name it with --population."
        )
    try:
        models = _models(records, population)
    except PopulationError as problem:
        return Standing(problem=f"{problem}")
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


def _section(population: Population, models: Sequence[RankedModel], names: Sequence[str]) -> Standing:
    details = published_details(population)
    families = group_names(details.values(), "architecture")
    dimensions = tuple(population.mu)
    x = DEFAULT_X if DEFAULT_X in dimensions else dimensions[0]
    drawn = [model for model in models if not model.is_of_other_suite]
    ranked = [model for model in models if model.rank is not None]
    count = sum(not model.is_own for model in ranked)
    suspects = [cause for model in models for cause in model.suspect]
    own = sorted((model for model in models if model.is_own), key=lambda model: int(model.file or 0))
    return Standing(
        population=population.name,
        models=count,
        status=_status(ranked, own, names),
        sentences=tuple(
            (names[int(model.file or 0)], _standing_text(model, population, count), model.notes)
            for model in own
        ),
        axes=tuple(Axis(name) for name in (SCORE, *dimensions)),
        dimensions=tuple((name, f"{registry[name].weight:.2f}") for name in dimensions),
        filters=tuple(_filters(details)),
        populations=tuple(_choices(population)),
        chart=scatter(drawn, Axis(x), Axis(DEFAULT_Y), families, names),
        rows=tuple(
            None if model is None else _row(model, dimensions, names, details)
            for model in excerpt(ranked, ROWS)
        ),
        doubts=tuple(suspect_sentence(cause) for cause in dict.fromkeys(sorted(suspects))),
        study=study_tables(population),
        data=script_json(_data(population, models, names, dimensions, x)),
    )


def _allows_other_suite(column: Column, population: Population) -> bool:
    """True if the record was graded by this population in spite of another suite."""
    grades = column.record.grades
    return any(grade.population == population.name and grade.other_suite and grade.letter for grade in grades)


def _choices(population: Population) -> list[str]:
    """Return the populations that the page can show: those of the same models."""
    twins = (published_population(), screened_population())
    return [twin.name for twin in twins] if population in twins else [population.name]


def _status(ranked: Sequence[RankedModel], own: Sequence[RankedModel], names: Sequence[str]) -> str:
    theirs = [model for model in ranked if not model.is_own]
    first = [f"first: {_shown_id(model.id)}" for model in theirs if model.rank == 1]
    places = [
        f"{name}: {'not ranked' if model.rank is None else f'rank {model.rank} of {len(theirs) + 1}'}"
        for name, model in zip(names, own, strict=True)
    ]
    return "; ".join([f"{len(theirs)} models ranked", *first, *places])


def _standing_text(model: RankedModel, population: Population, count: int) -> str:
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


def _filters(details: Mapping[str, PublishedModel]) -> list[Filter]:
    """Return the filters; empty for a population without groups."""
    models = details.values()
    return [
        Filter(
            name,
            group,
            group_names(models, group),
            tuple(groups_of(model)[group] for model in models),
        )
        for name, group in FILTERS.items()
        if details
    ]


def _row(
    model: RankedModel,
    dimensions: Sequence[str],
    names: Sequence[str],
    details: Mapping[str, PublishedModel],
) -> Row:
    doubtful = details[model.id].doubtful if model.id in details and not model.is_own else ()
    return Row(
        rank="–" if model.rank is None else str(model.rank),
        name=names[int(model.file or 0)] if model.is_own else _shown_id(model.id),
        is_own=model.is_own,
        score="–" if model.score is None else f"{model.score:.3f}",
        values=tuple(
            f"{value_text(name, model.values[name])}{' ?' if name in doubtful else ''}"
            if name in model.values
            else "–"
            for name in dimensions
        ),
        groups=tuple(model.groups.get(group, "") for group in GROUPS),
    )


def _shown_id(name: str) -> str:
    return shorten(name, 60)


def _data(
    population: Population,
    models: Sequence[RankedModel],
    names: Sequence[str],
    dimensions: Sequence[str],
    x: str,
) -> Json:
    """Return the data of the script: populations column by column, and own models."""
    choices = _choices(population)
    details = published_details(population)
    whole = published_population() if details else population
    twins = {name: screened_population() if name == "screened" else whole for name in choices}
    return {
        "x": x,
        "y": DEFAULT_Y,
        "population": population.name,
        "populations": {
            name: {
                "mu": [twin.mu[dimension] for dimension in dimensions],
                "sigma": [twin.sigma[dimension] for dimension in dimensions],
            }
            for name, twin in twins.items()
        },
        "dimensions": list(dimensions),
        "titles": {name: Axis(name).title for name in (SCORE, *dimensions)},
        "box": [LEFT, RIGHT, TOP, BOTTOM],
        "star": STAR,
        "lower": [int(registry[name].better == "low") for name in dimensions],
        "weights": [registry[name].weight for name in dimensions],
        "ids": [_shown_id(row.id) for row in whole.rows],
        "values": [compact([row.values.get(name) for row in whole.rows]) for name in dimensions],
        "groups": [
            {
                "name": filter_.name,
                "values": filter_.values,
                "of": "".join(str(filter_.values.index(value)) for value in filter_.column),
            }
            for filter_ in _filters(details)
        ],
        "doubtful": [
            sum(1 << k for k, name in enumerate(dimensions) if name in details[row.id].doubtful)
            for row in whole.rows
        ]
        if details
        else [],
        "own": [
            {
                "name": names[int(model.file or 0)],
                "values": [model.values.get(name) for name in dimensions],
                "drawn": not model.is_of_other_suite,
            }
            for model in models
            if model.is_own
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


def script_json(content: Json) -> Markup:
    """Return JSON for a script element: it cannot end the element."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))  # noqa: S704  no tag can begin in it
