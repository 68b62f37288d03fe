"""Recommended models as a table, JSON or CSV."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import Any

from quba_check.demands.demand import Demand
from quba_check.messages import listed
from quba_check.number_format import counted, format_distinct
from quba_check.reports.tables import json_text, table_text, wrap_line
from quba_check.storage.csv_text import CsvCell, csv_text
from quba_check.study.recommendation import STATUSES, CheckedModel, DemandCheck, Recommendation

WIDTH = 80
CSV_COLUMNS = (
    *("model", "timm", "status", "score", "score_suspect", "distance", "misses", "undecided", "warned"),
    "command",
)
COMMANDS = 5
"""Largest number of printed commands."""
DISTANCE = (
    "sum of the shortfalls of the missed blocking demands, each in standard deviations of the "
    "population (trimmed, as in the QUBA score); a score counts as it is"
)
MARGIN = "margin: of the closest blocking demand, in standard deviations of the population"


def command_of(candidate: CheckedModel, file: str) -> str | None:
    """Return the command that measures a model by the file.

    None without a name in timm.
    """
    return candidate.timm and f"pytest --model=timm:{candidate.timm} --quba-thresholds={shlex.quote(file)}"


def recommendation_text(
    recommendation: Recommendation, form: str, limit: int | None = None, *, file: str, other_suite: str = ""
) -> str:
    """Return the best models, undecided ones and the nearest ones.

    Args:
        recommendation: the models.
        form: `table`, `json` or `csv`; the last two have numbers at full precision.
        limit: largest number of models of each list; None for all.
        file: the threshold file as given.
        other_suite: name of a suite with other classes than those of the models, if any.
    """
    if form == "table":
        return "".join(f"{line}\n" for line in _table_lines(recommendation, limit, file, other_suite))
    selected = [candidate for status in STATUSES for candidate in recommendation.with_status(status)[:limit]]
    if form == "csv":
        return csv_text(CSV_COLUMNS, (_csv_row(candidate, file) for candidate in selected))
    return json_text(_content(recommendation, [_row(candidate, file) for candidate in selected]))


def _table_lines(
    recommendation: Recommendation, limit: int | None, file: str, other_suite: str
) -> Iterator[str]:
    meeting, undecided, missing = map(recommendation.with_status, STATUSES)
    yield from _heading(recommendation, meeting)
    if recommendation.undecidable and not recommendation.decidable:
        return
    yield ""
    candidates = (meeting or missing)[:limit]
    yield from _meeting_lines(candidates) if meeting else _nearest_lines(candidates)
    total = len(meeting or missing)
    if len(candidates) < total:
        yield f"shown: {len(candidates)} of {total}; --limit N shows more"
    if undecided:
        yield from ["", *_undecided_lines(undecided, limit)]
    commands = [command for candidate in candidates if (command := command_of(candidate, file))]
    if other_suite and commands:
        names = listed((candidate.timm for candidate in candidates if candidate.timm), COMMANDS)
        yield ""
        yield from _wrap(
            f"These models know other classes than those of {other_suite}. Fine-tune one: {names}"
        )
        yield f"  pytest --model=FINE_TUNED.pt --quba-arch=NAME --quba-thresholds={shlex.quote(file)}"
    elif commands:
        yield from ["", "Measure one on your images:", *(f"  {command}" for command in commands[:COMMANDS])]
    if commands and len(commands) < len(candidates):
        yield f"without a known name in timm: {len(candidates) - len(commands)} of these {len(candidates)}"


def _heading(recommendation: Recommendation, meeting: Sequence[CheckedModel]) -> Iterator[str]:
    population = recommendation.population
    thresholds = recommendation.thresholds
    decidable = len(recommendation.decidable)
    undecidable = len(recommendation.undecidable)
    if decidable:
        demands = "blocking demand" if decidable == 1 else "blocking demands"
        answer = f"{len(meeting)} of {len(population.rows)} models of {population.name} meet the {decidable} "
        answer += f"{demands} that it can answer"
        answer += f"; {undecidable} more cannot be decided" if undecidable else ""
    elif undecidable:
        answer = f"{population.name} can answer none of its blocking demands, so it recommends nothing"
    else:
        answer = "has no blocking demand, so every model passes; the order is that of the score"
    yield from _wrap(f"{thresholds.label}: {answer}")
    for demand, reason in recommendation.not_decidable.items():
        tier = "" if demand.tier == "block" else f" ({demand.tier})"
        yield from _wrap(f"not decidable: {demand.shown_name} {demand.bound_text}{tier}: {reason}")
    suite = f" on {population.suite}" if population.suite else ""
    note = f"values: protocol {population.protocol}{suite}, without intervals"
    if recommendation.protocol != population.protocol:
        states = "is for" if thresholds.protocol else "states no protocol, so it is for"
        note += f"; the file {states} protocol {recommendation.protocol}"
        answerable = set(thresholds.demands) - set(recommendation.not_decidable)
        if any(demand.is_on_grade for demand in answerable):
            note += ", which measures the adversarial_robustness in grades differently"
    yield from _wrap(note)


def _meeting_lines(candidates: Sequence[CheckedModel]) -> list[str]:
    closest = [candidate.closest for candidate in candidates]
    table = _table(
        {
            "model": [candidate.id for candidate in candidates],
            "score": [_score(candidate) for candidate in candidates],
            "margin": [
                "-" if check is None or check.margin is None else f"{check.margin:.2f}" for check in closest
            ],
            "closest demand": ["-" if check is None else check.demand.shown_name for check in closest],
            "warns": [
                listed(check.demand.target for check in candidate.warned) or "-" for candidate in candidates
            ],
        }
    )
    return [*table, *(_wrap(MARGIN) if any(closest) else []), *_suspect_score_note(candidates)]


def _table(columns: dict[str, list[str]]) -> list[str]:
    """Return the lines of a table without the columns that have no value."""
    used = {heading: cells for heading, cells in columns.items() if set(cells) != {"-"}}
    return table_text(list(used), zip(*used.values(), strict=True), right=("score", "margin")).splitlines()


def _nearest_lines(candidates: Sequence[CheckedModel]) -> list[str]:
    rows: list[tuple[str, ...]] = []
    for candidate in candidates:
        texts = [f"{_bound(check)} ({-(check.margin or 0):.2f})" for check in candidate.misses]
        texts += [f"{check.demand.target}: {check.reason}" for check in candidate.undecided]
        first = [(candidate.id, f"{candidate.distance:.2f}", text) for text in texts[:1]]
        rows += [*first, *(("", "", text) for text in texts[1:])]
    table = table_text(("nearest", "distance", "misses"), rows, right=("distance",)).splitlines()
    return [*table, *_wrap(f"distance: {DISTANCE}")] if rows else []


def _undecided_lines(undecided: Sequence[CheckedModel], limit: int | None) -> list[str]:
    """Return the undecided models that may meet the demands, and the number of the others."""
    possible = [model for model in undecided if model.meets_as_published is not False]
    heading = _wrap(
        f"not decided by trustworthy values: {counted(len(possible), 'model')} that may meet the demands, "
        f"and {len(undecided) - len(possible)} with a suspect value that misses one. Suspect is inferred "
        "from patterns of the table, not proven"
    )
    candidates = possible[:limit]
    if not candidates:
        return heading
    table = _table(
        {
            "model": [candidate.id for candidate in candidates],
            "score": [_score(candidate) for candidate in candidates],
            "depends on": [
                candidate.undecided[0].demand.target
                + (f", +{len(rest)}" if (rest := candidate.undecided[1:]) else "")
                for candidate in candidates
            ],
        }
    )
    more = f"shown: {limit} of {len(possible)}; --limit N shows more"
    cut = [more] if len(candidates) < len(possible) else []
    return [*heading, *table, *_suspect_score_note(candidates), *cut]


def _suspect_score_note(candidates: Sequence[CheckedModel]) -> list[str]:
    return (
        ["?: the score includes suspect values"]
        if any(candidate.is_score_suspect for candidate in candidates)
        else []
    )


def _score(candidate: CheckedModel) -> str:
    return (
        "-"
        if candidate.score is None
        else f"{candidate.score:.3f}{'?' if candidate.is_score_suspect else ' '}"
    )


def _bound(check: DemandCheck) -> str:
    """Return value and threshold, such as `accuracy 0.740 < 0.750`."""
    demand = check.demand
    if isinstance(check.value, str) or isinstance(demand.bound, str):
        return f"{demand.target} {check.value}, not {demand.bound_text}"
    value, bound = format_distinct(check.value or 0.0, demand.bound, demand.unit)
    sign = "<" if demand.key == "min" else ">"
    return f"{demand.target} {value} {sign} {bound}"


def _wrap(line: str) -> list[str]:
    return wrap_line(line, WIDTH)


def _row(candidate: CheckedModel, file: str) -> dict[str, Any]:
    return {
        **{name: getattr(candidate, name) for name in ("id", "timm", "status", "score")},
        "score_suspect": candidate.is_score_suspect,
        "distance": candidate.distance,
        "command": command_of(candidate, file),
        "demands": [
            {
                **_demand(check.demand),
                **{name: getattr(check, name) for name in ("decision", "value", "margin")},
                "reason": check.reason or None,
                "suspect": check.is_suspect,
            }
            for check in candidate.checks
        ],
    }


def _demand(demand: Demand) -> dict[str, Any]:
    return {"demand": demand.name, "bound": demand.bound, "tier": demand.tier}


def _csv_row(candidate: CheckedModel, file: str) -> tuple[CsvCell, ...]:
    """Return the cells of a model, with the names of its demands by decision."""
    by_decision = (candidate.misses, candidate.undecided, candidate.warned)
    demands = (" ".join(check.demand.name for check in checks) for checks in by_decision)
    is_suspect = "yes" if candidate.is_score_suspect else "no"
    numbers = (candidate.score, is_suspect, candidate.distance)
    return (candidate.id, candidate.timm, candidate.status, *numbers, *demands, command_of(candidate, file))


def _content(recommendation: Recommendation, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return settings, undecidable demands and models."""
    return {
        "schema": 1,
        "thresholds": recommendation.thresholds.label,
        "protocol": recommendation.protocol,
        "population": recommendation.population.name,
        "protocol_of_population": recommendation.population.protocol,
        "distance": DISTANCE,
        "not_decidable": [
            {**_demand(demand), "reason": reason} for demand, reason in recommendation.not_decidable.items()
        ],
        "models": rows,
    }
