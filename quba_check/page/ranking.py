"""Contents of the section "Where it stands": ranks, controls, and data for its script."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from markupsafe import Markup

from quba_check.dimensions import registry
from quba_check.errors import PopulationError
from quba_check.grading import PublishedModel, published
from quba_check.grading.population import Population
from quba_check.grading.published import PROPERTIES, ModelProperty
from quba_check.messages import listed
from quba_check.page.columns import Column, Reference, shorten
from quba_check.reports.ranking import excerpt
from quba_check.study.ranking import RankedModel, dimension_value_text, property_values, rank
from quba_check.study.statistics import study_tables

ROWS = 20
"""Models in the table without JavaScript."""
LONGEST_ID = 60
DEFAULT_X = "parameters"
FILTERS: Mapping[str, ModelProperty] = {
    "family": "architecture",
    "pretraining": "pretraining",
    "training": "training",
}
"""Properties by the name of their filter in the address."""


def ranking(records: Sequence[Column], reference: Reference) -> dict[str, Any]:
    """Return the variables of the section about records in a population; empty without ranks.

    `problem` is the reason for a section without ranks, and then the only one next to `suite`.
    """
    population = reference.population
    if population is None:
        return {}
    suite = "" if reference.fits(column.record for column in records) else population.suite
    try:
        models = _models(records, population)
    except PopulationError as problem:
        return {} if suite else {"problem": str(problem), "suite": ""}
    details = published.published_details(population)
    dimensions = tuple(population.mu)
    names = [column.name for column in records]
    own_models = sorted((model for model in models if model.is_own), key=lambda model: int(model.file or 0))
    ranked = [model for model in models if model.rank is not None]
    count = sum(not model.is_own for model in ranked)
    suspects = sorted({cause for model in models for cause in model.suspect})
    twins = {twin.name: twin for twin in (published.published_population(), published.screened_population())}
    view = {
        "population": population.name,
        "problem": "",
        "suite": suite,
        "models": count,
        "own": list(zip(names, own_models, strict=True)),
        "titles": {"score": "QUBA score", **{name: _title(name) for name in dimensions}},
        "weights": {name: f"{registry[name].weight:.2f}" for name in dimensions},
        "filters": list(_filters(details.values())),
        "populations": twins if population in twins.values() else {population.name: population},
        "rows": [model and _cells(model, dimensions, names, details) for model in excerpt(ranked, ROWS)],
        "doubts": list(map(published.suspect_sentence, suspects)),
        "study": study_tables(population),
    }
    return {**view, "data": script_json(_script_data(view, details))}


def _models(records: Sequence[Column], population: Population) -> list[RankedModel]:
    """Return the models with their ranks.

    Own models have the number of their record as `file`.

    Raises:
        PopulationError: the population ranks no model.
    """
    if not population.mu:
        reasons = listed(dict.fromkeys(population.problems.values()), at_most=1)
        raise PopulationError(reasons or "it has no values of the nine dimensions", where=population.name)
    grades = [grade for column in records for grade in column.record.grades]
    return rank(
        population,
        dict.fromkeys(population.problems, 0.0),
        runs=[replace(column.run, file=str(column.number)) for column in records],
        # A record that this population graded in spite of another suite is ranked too.
        allow_other_suite=any(
            grade.population == population.name and grade.other_suite and grade.letter for grade in grades
        ),
    )


def _title(name: str) -> str:
    """Return a dimension in words, with the better direction if that is the lower one."""
    unit = ", millions" if name == "parameters" else ""
    return f"{name.replace('_', ' ')}{unit}{' (lower is better)' if registry[name].better == 'low' else ''}"


def _filters(models: Collection[PublishedModel]) -> Iterator[dict[str, Any]]:
    """Yield name, property, models by value, and each model's number of its value."""
    for name, key in FILTERS.items() if models else ():
        values = [model.properties[key] for model in models]
        names = property_values(models, key)
        counts = {value: values.count(value) for value in names}
        numbers = "".join(str(names.index(value)) for value in values)
        yield {"name": name, "group": key, "counts": counts, "of": numbers}


def _cells(
    model: RankedModel, dimensions: Sequence[str], names: Sequence[str], details: Mapping[str, PublishedModel]
) -> tuple[bool, list[str]]:
    """Return True for an own model, and the cells of its row."""
    doubtful = details[model.id].doubtful if model.id in details and not model.is_own else ()
    known = {name: dimension_value_text(name, value) for name, value in model.values.items()}
    known |= {name: f"{known[name]} ?" for name in doubtful if name in known}
    values = [known.get(name, "–") for name in dimensions]
    name = names[int(model.file or 0)] if model.is_own else shorten(model.id, LONGEST_ID)
    properties = [model.properties.get(key, "") for key in (PROPERTIES if details else ())]
    return model.is_own, [str(model.rank), name, f"{model.score:.3f}", *values, *properties]


def _script_data(view: Mapping[str, Any], details: Mapping[str, PublishedModel]) -> dict[str, Any]:
    """Return the data of the script; the models of the population column by column."""
    dimensions = list(view["weights"])
    populations: Mapping[str, Population] = view["populations"]
    whole = next(iter(populations.values()))
    return {
        "x": DEFAULT_X if DEFAULT_X in dimensions else dimensions[0],
        "y": "score",
        "titles": view["titles"],
        "population": view["population"],
        "populations": {
            name: {key: list(getattr(twin, key).values()) for key in ("mu", "sigma")}
            for name, twin in populations.items()
        },
        "groups": [
            {"name": group["name"], "values": list(group["counts"]), "of": group["of"]}
            for group in view["filters"]
        ],
        "own": [
            {
                "name": name,
                "values": [model.values.get(dimension) for dimension in dimensions],
                "drawn": not model.is_of_other_suite,
            }
            for name, model in view["own"]
        ],
        "dimensions": dimensions,
        "lower": [int(registry[name].better == "low") for name in dimensions],
        "weights": [registry[name].weight for name in dimensions],
        "ids": [shorten(row.id, LONGEST_ID) for row in whole.rows],
        "values": [[row.values.get(name) for row in whole.rows] for name in dimensions],
        "doubtful": [
            sum(1 << k for k, name in enumerate(dimensions) if name in details[row.id].doubtful)
            for row in whole.rows
            if details
        ],
    }


def script_json(content: dict[str, Any]) -> Markup:
    """Return JSON for a script element: it cannot end the element."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))  # noqa: S704  no tag can begin in it
