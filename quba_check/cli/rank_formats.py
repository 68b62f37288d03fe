"""Output of `quba-check rank`: a table, JSON or CSV."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.cells import cell_len

from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.grading.population import Population
from quba_check.grading.published import Suspect
from quba_check.grading.score import full_weights
from quba_check.messages import listed
from quba_check.reports.tables import table_text, wrap_line
from quba_check.storage.csv_text import Cell, csv_text
from quba_check.study.dimension_ranks import value_text
from quba_check.study.excerpt import excerpt
from quba_check.study.ranking import GROUPS, Constraints, RankedModel
from quba_check.study.suspects import suspect_sentence

LEAST_WIDTH = 72
LONGEST_NAME = 28
OWN = ">"
MARKS: Mapping[Suspect, str] = {"double-softmax": "*", "train-mode": "+"}
"""Marks of models with suspect values, after their names."""
GAP = 2
_CUT = "..."


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

    @property
    def ranked(self) -> list[RankedModel]:
        """The models with a rank, best first."""
        return [model for model in self.models if model.rank is not None]

    @property
    def not_ranked(self) -> list[RankedModel]:
        """The models without a rank."""
        return [model for model in self.models if model.rank is None]

    @property
    def effective_weights(self) -> dict[str, float]:
        """The weight of each of the nine dimensions in the population's scores."""
        return self.population.weights(full_weights(self.weights))

    def shown(self, limit: int | None) -> list[RankedModel | None]:
        """Return the rows of a table with a limit; see `excerpt`."""
        return excerpt(self.ranked, limit)


def ranking_table(ranking: Ranking, limit: int, width: int) -> str:
    """Return heading, table and notes as text.

    Args:
        ranking: the models.
        limit: number of the population's models in the table; own models are always in it.
        width: columns of the terminal. Columns of the table that do not fit are left out.
    """
    width = max(width, LEAST_WIDTH)
    shown = ranking.shown(limit)
    lines = [line for text in _heading(ranking) for line in wrap_line(text, width)]
    table = _table(ranking, shown, width) if shown else ""
    notes = [line for text in _notes(ranking, shown) for line in wrap_line(text, width)]
    return "".join(f"{line}\n" for line in lines) + table + "".join(f"{line}\n" for line in notes)


def _heading(ranking: Ranking) -> Iterator[str]:
    population = ranking.population
    suite = f" on {population.suite}" if population.suite else ""
    yield f"{population.name}: {len(population.rows)} models{suite}, protocol {population.protocol}"
    changed = ", ".join(f"{name} {weight:g}" for name, weight in ranking.weights.items())
    yield f"weights: {f'{changed}; else ' if changed else ''}default"
    if constraints := _constraint_texts(ranking.constraints):
        yield f"constraints: {'; '.join(constraints)}"


def _constraint_texts(constraints: Constraints) -> list[str]:
    bounds = [f"{name} >= {bound:g}" for name, bound in constraints.least.items()]
    bounds += [f"{name} <= {bound:g}" for name, bound in constraints.most.items()]
    return bounds + [f"{group} {' or '.join(names)}" for group, names in constraints.groups.items()]


def _table(ranking: Ranking, shown: Sequence[RankedModel | None], width: int) -> str:
    """Return the table, with the most useful columns that fit the width."""
    columns = {
        "rank": [str(model.rank) if model else "" for model in shown],
        "model": [_name(model) if model else _CUT for model in shown],
        "score": [f"{model.score:.4f}" if model and model.score is not None else "" for model in shown],
    }
    right = {"rank", "score", "overall"}
    if ranking.constraints:
        columns["overall"] = [str(model.overall_rank) if model else "" for model in shown]
    first, others = _dimensions_by_interest(ranking)
    for name in first:
        _add(columns, right, name, shown)
    if any(model.groups for model in ranking.models):
        for group in GROUPS:
            columns[group] = [model.groups.get(group, "") if model else "" for model in shown]
    for name in others:
        _add(columns, right, name, shown)
    fitting: dict[str, list[str]] = {}
    room = width + GAP
    for heading, cells in columns.items():
        room -= max(map(cell_len, [*heading.split("\n"), *cells])) + GAP
        if room < 0:
            break
        fitting[heading] = cells
    return table_text(list(fitting), zip(*fitting.values(), strict=True), right=right)


def _add(
    columns: dict[str, list[str]], right: set[str], name: str, shown: Sequence[RankedModel | None]
) -> None:
    heading = name.replace("_", "\n")
    right.add(heading)
    columns[heading] = [
        value_text(name, model.values[name]) if model and name in model.values else "" for model in shown
    ]


def _dimensions_by_interest(ranking: Ranking) -> tuple[list[str], list[str]]:
    """Return the dimensions that options name, with accuracy and parameters, and the others with values."""
    weighted = [name for name, weight in ranking.weights.items() if weight > 0]
    named = [*ranking.constraints.dimensions, *weighted]
    order = dict.fromkeys([*named, "accuracy", "parameters", *PUBLISHED_DIMENSIONS])
    known = [name for name in order if name in ranking.population.dimensions]
    first = [name for name in known if name in (*named, "accuracy", "parameters")]
    return first, [name for name in known if name not in first]


def _name(model: RankedModel) -> str:
    name = model.id
    if cell_len(name) > LONGEST_NAME:
        name = f"{name[: LONGEST_NAME - len(_CUT)]}{_CUT}"
    marks = "".join(MARKS[cause] for cause in model.suspect)
    return f"{OWN} {name}" if model.is_own else f"{name} {marks}".rstrip()


def _notes(ranking: Ranking, shown: Sequence[RankedModel | None]) -> Iterator[str]:
    ranked = [model for model in ranking.ranked if not model.is_own]
    count = sum(1 for model in shown if model and not model.is_own)
    if not ranked:
        yield "no model meets the constraints"
    elif count < len(ranked):
        yield f"shown: {count} of {len(ranked)} ranked models; --limit N shows more"
    yield from _own_notes(ranking, len(ranked))
    yield from _suspect_notes(shown)
    yield from _missing_notes(ranking)
    lacking = [name for name in PUBLISHED_DIMENSIONS if name not in ranking.population.dimensions]
    if lacking:
        yield f"{ranking.population.name} has no values of {', '.join(lacking)}, so they weigh 0"
    about = (
        "score: weighted mean of the distances from the population's mean, in standard deviations; mean and "
        "deviation are those of the whole population"
    )
    yield about + (", whatever the constraints; overall: rank without them" if ranking.constraints else "")


def _own_notes(ranking: Ranking, models: int) -> Iterator[str]:
    own = [model for model in ranking.models if model.is_own]
    for model in own:
        about = f"{OWN} {model.id} ({model.file}): "
        if model.rank is None:
            score = "" if model.score is None else f"score {model.score:.4f}, "
            text = f"{about}{score}not ranked: {model.reason}"
            if model.is_of_other_suite:
                text += ". --allow-other-suite ranks it nevertheless"
            elif model.score is None:
                text += ". --weight NAME=0 leaves a dimension out for all models"
        else:
            text = f"{about}rank {model.rank} of {models + 1}"
            if model.rank_interval:
                text += " (95 % interval {} to {})".format(*model.rank_interval)
        yield "; ".join([text, *model.notes])
    if any(model.rank for model in own):
        yield f"{OWN}: your records; other ranks do not count them"
    if own and ranking.constraints.groups:
        yield f"{', '.join(ranking.constraints.groups)}: unknown for your records, so they are ranked anyway"


def _suspect_notes(shown: Sequence[RankedModel | None]) -> Iterator[str]:
    for cause, mark in MARKS.items():
        if any(model and cause in model.suspect for model in shown):
            yield f"{mark} {suspect_sentence(cause)}"


def _missing_notes(ranking: Ranking) -> Iterator[str]:
    reasons: dict[str, list[str]] = {}
    for model in ranking.not_ranked:
        if not model.is_own:
            reasons.setdefault(model.reason, []).append(model.id)
    for reason, names in reasons.items():
        yield f"not ranked ({len(names)}): {listed(names, at_most=3)}: {reason}"


def ranking_csv(ranking: Ranking, limit: int | None) -> str:
    """Return the models as CSV, one row each; numbers at full precision."""
    headings = ["rank", "model", "score", "overall_rank", "percentile", "record", *GROUPS, "suspect", "timm"]
    headings += [*PUBLISHED_DIMENSIONS, "rank_from", "rank_to", "notes"]
    return csv_text(headings, (_csv_row(model) for model in _selected(ranking, limit)))


def _csv_row(model: RankedModel) -> list[Cell]:
    groups = [model.groups.get(group) for group in GROUPS]
    values = [model.values.get(name) for name in PUBLISHED_DIMENSIONS]
    notes = [f"not ranked: {model.reason}"] if model.reason else []
    return [
        model.rank,
        model.id,
        model.score,
        model.overall_rank,
        model.percentile,
        model.file,
        *groups,
        " ".join(model.suspect),
        model.timm,
        *values,
        *(model.rank_interval or (None, None)),
        "; ".join([*notes, *model.notes]),
    ]


def ranking_json(ranking: Ranking, limit: int | None) -> str:
    """Return settings and models as JSON; numbers at full precision."""
    population, constraints = ranking.population, ranking.constraints
    content: dict[str, Any] = {
        "schema": 1,
        "population": {
            "name": population.name,
            "models": len(population.rows),
            "suite": population.suite,
            "protocol": population.protocol,
            "source": population.source,
        },
        "weights": ranking.effective_weights,
        "mu": population.mu,
        "sigma": population.sigma,
        "constraints": {
            "min": dict(constraints.least),
            "max": dict(constraints.most),
            **{group: list(names) for group, names in constraints.groups.items()},
        },
        "models": [_json_row(model) for model in _selected(ranking, limit)],
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _json_row(model: RankedModel) -> dict[str, Any]:
    return {
        "id": model.id,
        "rank": model.rank,
        "score": model.score,
        "overall_rank": model.overall_rank,
        "percentile": model.percentile,
        "record": model.file,
        "rank_interval": model.rank_interval,
        **{group: model.groups.get(group) for group in GROUPS},
        "suspect": list(model.suspect),
        "timm": model.timm,
        "values": dict(model.values),
        "not_ranked": model.reason or None,
        "notes": list(model.notes),
    }


def _selected(ranking: Ranking, limit: int | None) -> list[RankedModel]:
    """Return the models of a machine-readable format; a limit keeps own models."""
    if limit is None:
        return list(ranking.models)
    return [
        *(model for model in ranking.shown(limit) if model),
        *(model for model in ranking.not_ranked if model.is_own),
    ]
