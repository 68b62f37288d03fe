"""A ranked population as a table, JSON or CSV."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.cells import cell_len

from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.grading.population import Population, full_weights
from quba_check.grading.published import PROPERTIES, Suspect, suspect_sentence
from quba_check.messages import grouped, listed
from quba_check.reports.tables import json_text, shorten, table_text, wrapped
from quba_check.storage.csv_text import csv_text
from quba_check.study.ranking import Constraints, RankedModel, dimension_value_text

LONGEST_NAME = 28
OWN = ">"
MARKS: Mapping[Suspect, str] = {"double-softmax": "*", "train-mode": "+"}
"""Marks of models with suspect values, after their names."""
RIGHT = ("rank", "score", "overall", *(name.replace("_", "\n") for name in PUBLISHED_DIMENSIONS))
CSV_COLUMNS = (
    *("rank", "model", "score", "overall_rank", "percentile", "record", *PROPERTIES, "suspect", "timm"),
    *(*PUBLISHED_DIMENSIONS, "rank_from", "rank_to", "notes"),
)
_GAP = 2


def excerpt(models: Sequence[RankedModel], n_best: int | None) -> list[RankedModel | None]:
    """Return the best models, and each own model with its neighbours; None for a gap.

    Args:
        models: ranked models, best first.
        n_best: number of models of the population; None for all.
    """
    of_population = [index for index, model in enumerate(models) if not model.is_own]
    near_records = {index + step for index, model in enumerate(models) if model.is_own for step in (-1, 0, 1)}
    rows: list[RankedModel | None] = []
    previous = -1
    for index in sorted({*of_population[:n_best], *near_records} & {*range(len(models))}):
        rows += [models[index]] if index == previous + 1 else [None, models[index]]
        previous = index
    return rows


@dataclass(frozen=True, slots=True)
class Ranking:
    """The models that a command ranks, and the settings behind their ranks.

    Attributes:
        population: the population.
        weights: the weights given in place of the defaults.
        constraints: the constraints.
        models: the ranked models, then those without a rank.
    """

    population: Population
    weights: Mapping[str, float]
    constraints: Constraints
    models: tuple[RankedModel, ...]

    def rows(self, limit: int | None) -> list[RankedModel | None]:
        """Return the rows of a table with a limit; see `excerpt`."""
        return excerpt([model for model in self.models if model.rank is not None], limit)

    def selected(self, limit: int | None) -> list[RankedModel]:
        """Return the models of a machine-readable format; a limit keeps own models."""
        if limit is None:
            return list(self.models)
        unranked = (model for model in self.models if model.is_own and model.rank is None)
        return [*filter(None, self.rows(limit)), *unranked]


def ranking_table(ranking: Ranking, limit: int, width: int) -> str:
    """Return heading, table and notes as text.

    Args:
        ranking: the models.
        limit: number of the population's models in the table; own models are always in it.
        width: columns of the terminal. Columns of the table that do not fit are left out.
    """
    rows = ranking.rows(limit)
    table = _table(ranking, rows, width) if rows else ""
    return wrapped(_heading(ranking), width) + table + wrapped(_notes(ranking, rows), width)


def _heading(ranking: Ranking) -> Iterator[str]:
    population = ranking.population
    constraints = ranking.constraints
    suite = f" on {population.suite}" if population.suite else ""
    yield f"{population.name}: {len(population.rows)} models{suite}, protocol {population.protocol}"
    changed = ", ".join(f"{name} {weight:g}" for name, weight in ranking.weights.items())
    yield f"weights: {f'{changed}; else ' if changed else ''}default"
    bounds = [f"{name} >= {bound:g}" for name, bound in constraints.least.items()]
    bounds += [f"{name} <= {bound:g}" for name, bound in constraints.most.items()]
    bounds += [f"{key} {' or '.join(names)}" for key, names in constraints.properties.items()]
    if bounds:
        yield f"constraints: {'; '.join(bounds)}"


def _table(ranking: Ranking, rows: Sequence[RankedModel | None], width: int) -> str:
    """Return the table, with the most useful columns that fit the width."""
    first, others = _dimensions_by_interest(ranking)
    has_properties = any(model.properties for model in ranking.models)
    names = ["rank", "model", "score", *(["overall"] if ranking.constraints else [])]
    names += [*first, *(PROPERTIES if has_properties else ()), *others]
    columns: dict[str, list[str]] = {}
    room = width + _GAP
    for name in names:
        heading = name.replace("_", "\n")
        cells = [_cell(model, name) if model else "..." if name == "model" else "" for model in rows]
        room -= max(map(cell_len, [*heading.split("\n"), *cells])) + _GAP
        if room < 0:
            break
        columns[heading] = cells
    return table_text(list(columns), zip(*columns.values(), strict=True), right=RIGHT)


def _cell(model: RankedModel, name: str) -> str:
    if name == "model":
        marks = "".join(MARKS[cause] for cause in model.suspect)
        short = shorten(model.id, LONGEST_NAME)
        return f"{OWN} {short}" if model.is_own else f"{short} {marks}".rstrip()
    score = "" if model.score is None else f"{model.score:.4f}"
    cells = {"rank": str(model.rank), "overall": str(model.overall_rank), "score": score}
    cells |= {str(key): value for key, value in model.properties.items()}
    cells |= {dimension: dimension_value_text(dimension, value) for dimension, value in model.values.items()}
    return cells.get(name, "")


def _dimensions_by_interest(ranking: Ranking) -> tuple[list[str], list[str]]:
    """Return the dimensions that options name, with accuracy and parameters, and the others with values."""
    weighted = [name for name, weight in ranking.weights.items() if weight > 0]
    named = dict.fromkeys([*ranking.constraints.dimensions, *weighted, "accuracy", "parameters"])
    known = ranking.population.dimensions
    others = [name for name in PUBLISHED_DIMENSIONS if name in known and name not in named]
    return [name for name in named if name in known], others


def _notes(ranking: Ranking, rows: Sequence[RankedModel | None]) -> Iterator[str]:
    ranked = sum(model.rank is not None and not model.is_own for model in ranking.models)
    count = sum(1 for model in rows if model and not model.is_own)
    if count < ranked or not ranked:
        cut = f"shown: {count} of {ranked} ranked models; --limit N shows more"
        yield cut if ranked else "no model meets the constraints"
    yield from _own_notes(ranking, ranked)
    for cause, mark in MARKS.items():
        if any(model and cause in model.suspect for model in rows):
            yield f"{mark} {suspect_sentence(cause)}"
    unranked = (model for model in ranking.models if model.rank is None and not model.is_own)
    for reason, names in grouped((model.reason, model.id) for model in unranked).items():
        yield f"not ranked ({len(names)}): {listed(names, at_most=3)}: {reason}"
    lacking = [name for name in PUBLISHED_DIMENSIONS if name not in ranking.population.dimensions]
    if lacking:
        yield f"{ranking.population.name} has no values of {', '.join(lacking)}, so they weigh 0"
    intro = (
        "score: weighted mean of the distances from the population's mean, in standard deviations; mean and "
        "deviation are those of the whole population"
    )
    yield intro + (", whatever the constraints; overall: rank without them" if ranking.constraints else "")


def _own_notes(ranking: Ranking, models: int) -> Iterator[str]:
    own_models = [model for model in ranking.models if model.is_own]
    for model in own_models:
        intro = f"{OWN} {model.id} ({model.file}): "
        if model.rank is None:
            score = "" if model.score is None else f"score {model.score:.4f}, "
            text = f"{intro}{score}not ranked: {model.reason}"
            if model.is_of_other_suite:
                text += ". --allow-other-suite ranks it nevertheless"
            elif model.score is None:
                text += ". --weight NAME=0 leaves a dimension out for all models"
        else:
            interval = " (95 % interval {} to {})".format(*model.rank_interval) if model.rank_interval else ""
            text = f"{intro}rank {model.rank} of {models + 1}{interval}"
        yield "; ".join([text, *model.notes])
    if any(model.rank for model in own_models):
        yield f"{OWN}: your records; other ranks do not count them"
    properties = ", ".join(ranking.constraints.properties)
    if own_models and properties:
        yield f"{properties}: unknown for your records, so they are ranked anyway"


def ranking_csv(ranking: Ranking, limit: int | None) -> str:
    """Return the models as CSV, one row each; numbers at full precision."""
    rows = []
    for row in map(_row, ranking.selected(limit)):
        first, last = row["rank_interval"] or (None, None)
        notes = [f"not ranked: {row['not_ranked']}"] if row["not_ranked"] else []
        row |= {"model": row["id"], "suspect": " ".join(row["suspect"]), "rank_from": first, "rank_to": last}
        row |= {**row["values"], "notes": "; ".join([*notes, *row["notes"]])}
        rows.append([row.get(name) for name in CSV_COLUMNS])
    return csv_text(CSV_COLUMNS, rows)


def ranking_json(ranking: Ranking, limit: int | None) -> str:
    """Return settings and models as JSON; numbers at full precision."""
    population = ranking.population
    constraints = ranking.constraints
    content: dict[str, Any] = {
        "schema": 1,
        "population": {
            "name": population.name,
            "models": len(population.rows),
            **{name: getattr(population, name) for name in ("suite", "protocol", "source")},
        },
        "weights": population.weights(full_weights(ranking.weights)),
        "mu": population.mu,
        "sigma": population.sigma,
        "constraints": {
            "min": dict(constraints.least),
            "max": dict(constraints.most),
            **{key: list(names) for key, names in constraints.properties.items()},
        },
        "models": [_row(model) for model in ranking.selected(limit)],
    }
    return json_text(content)


def _row(model: RankedModel) -> dict[str, Any]:
    return {
        **{name: getattr(model, name) for name in ("id", "rank", "score", "overall_rank", "percentile")},
        "record": model.file,
        "rank_interval": model.rank_interval,
        **{key: model.properties.get(key) for key in PROPERTIES},
        "suspect": list(model.suspect),
        "timm": model.timm,
        "values": dict(model.values),
        "not_ranked": model.reason or None,
        "notes": list(model.notes),
    }
