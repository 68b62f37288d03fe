"""Output of `quba-check recommend`: a table, JSON or CSV."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from typing import Any

from quba_check.demands.demand import Demand
from quba_check.messages import listed
from quba_check.number_format import format_distinct
from quba_check.reports.tables import table_text, wrap_line
from quba_check.storage.csv_text import Cell, csv_text
from quba_check.study.recommendation import STATUSES, SUSPECT, Candidate, DemandCheck, Recommendation

WIDTH = 80
COMMANDS = 5
"""Largest number of printed commands."""
DISTANCE = (
    "distance: sum of the shortfalls of the missed blocking demands, each in standard deviations of the "
    "population (trimmed, as in the QUBA score); a score counts as it is"
)
MARGIN = "margin: of the closest blocking demand, in standard deviations of the population"


def command_of(candidate: Candidate, file: str) -> str | None:
    """Return the command that measures a model by the file.

    None without a name in timm.
    """
    if candidate.timm is None:
        return None
    return f"pytest --model=timm:{candidate.timm} --quba-thresholds={shlex.quote(file)}"


def recommendation_table(recommendation: Recommendation, limit: int, *, file: str) -> str:
    """Return lists of the best models, and of undecided ones.

    Args:
        recommendation: the models.
        limit: largest number of models of each list.
        file: the threshold file as given.
    """
    meeting, undecided, missing = map(recommendation.with_status, STATUSES)
    lines = list(_heading(recommendation, meeting))
    if recommendation.undecidable and not recommendation.decidable:
        return "".join(f"{line}\n" for line in lines)
    lines.append("")
    shown = meeting[:limit]
    if shown:
        lines += _meeting_lines(shown)
    else:
        shown = missing[:limit]
        lines += _nearest_lines(shown)
    total = len(meeting or missing)
    if len(shown) < total:
        lines.append(f"shown: {len(shown)} of {total}; --limit N shows more")
    if undecided:
        lines += ["", *_undecided_lines(undecided, limit)]
    commands = [command for candidate in shown if (command := command_of(candidate, file))]
    if commands:
        lines += ["", "Measure one on your images:", *(f"  {command}" for command in commands[:COMMANDS])]
    if commands and len(commands) < len(shown):
        lines.append(f"without a known name in timm: {len(shown) - len(commands)} of these {len(shown)}")
    return "".join(f"{line}\n" for line in lines)


def _heading(recommendation: Recommendation, meeting: Sequence[Candidate]) -> Iterator[str]:
    population, thresholds = recommendation.population, recommendation.thresholds
    decidable = len(recommendation.decidable)
    demands = "blocking demand" if decidable == 1 else "blocking demands"
    total = len(population.rows)
    if decidable:
        yield from _wrap(
            f"{thresholds.shown}: {len(meeting)} of {total} models of {population.name} "
            f"meet the {decidable} {demands} that it can answer{_undecidable(recommendation)}"
        )
    elif recommendation.undecidable:
        yield from _wrap(
            f"{thresholds.shown}: {population.name} can answer none of its blocking "
            "demands, so it recommends nothing"
        )
    else:
        yield from _wrap(
            f"{thresholds.shown}: has no blocking demand, so every model passes; the order is that "
            "of the score"
        )
    for demand, reason in recommendation.not_decidable.items():
        tier = "" if demand.tier == "block" else f" ({demand.tier})"
        yield from _wrap(f"not decidable: {demand.name} {demand.threshold_text}{tier}: {reason}")
    suite = f" on {population.suite}" if population.suite else ""
    note = f"values: protocol {population.protocol}{suite}, without intervals"
    if recommendation.protocol != population.protocol:
        states = "is for" if thresholds.protocol else "states no protocol, so it is for"
        note += f"; the file {states} protocol {recommendation.protocol}"
        if _grade_demands(recommendation):
            note += ", which measures the adversarial_robustness in grades differently"
    yield from _wrap(note)


def _undecidable(recommendation: Recommendation) -> str:
    count = len(recommendation.undecidable)
    return f"; {count} more cannot be decided" if count else ""


def _grade_demands(recommendation: Recommendation) -> list[Demand]:
    return [
        demand
        for demand in recommendation.thresholds.demands
        if demand.is_on_grade and demand not in recommendation.not_decidable
    ]


def _meeting_lines(shown: Sequence[Candidate]) -> list[str]:
    rows: list[tuple[str, ...]] = []
    for candidate in shown:
        closest = candidate.closest
        rows.append(
            (
                candidate.id,
                _score(candidate),
                "-" if closest is None or closest.margin is None else f"{closest.margin:.2f}",
                "-" if closest is None else closest.demand.name,
                listed(check.demand.target for check in candidate.warned) or "-",
            )
        )
    headings = ["model", "score", "margin", "closest demand", "warns"]
    if not any(candidate.warned for candidate in shown):
        headings.pop()
        rows = [row[:-1] for row in rows]
    table = table_text(headings, rows, right=("score", "margin")).splitlines()
    margin = _wrap(MARGIN) if any(candidate.closest for candidate in shown) else []
    return [*table, *margin, *_suspect_score_note(shown)]


def _nearest_lines(shown: Sequence[Candidate]) -> list[str]:
    rows: list[tuple[str, ...]] = []
    for candidate in shown:
        cells = (candidate.id, f"{candidate.distance:.2f}")
        texts = [f"{_bound(check)} ({-(check.margin or 0):.2f})" for check in candidate.misses]
        texts += [f"{check.demand.target}: {check.reason}" for check in candidate.undecided]
        rows += [(*(cells if place == 0 else ("", "")), text) for place, text in enumerate(texts)]
    if not rows:
        return []
    table = table_text(("nearest", "distance", "misses"), rows, right=("distance",)).splitlines()
    return [*table, *_wrap(DISTANCE)]


def _undecided_lines(undecided: Sequence[Candidate], limit: int) -> list[str]:
    words: dict[bool | None, str] = {True: "yes", False: "no", None: "-"}
    columns = {
        "model": [one.id for one in undecided[:limit]],
        "score": [_score(one) for one in undecided[:limit]],
        "published": [words[one.meets_as_published] for one in undecided[:limit]],
        "depends on": [_first_and_count(one.undecided) for one in undecided[:limit]],
    }
    columns = {heading: cells for heading, cells in columns.items() if set(cells) != {"-"}}
    count = len(undecided)
    models = "model misses" if count == 1 else "models miss"
    heading = (
        f"not decided: {count} more {models} no demand with a trustworthy value, but the outcome depends on "
        "suspect or missing values (published: the outcome with those values). Suspect is inferred from "
        "patterns of the table, not proven"
    )
    table = table_text(list(columns), zip(*columns.values(), strict=True), right=("score",))
    lines = [*_wrap(heading), *table.splitlines(), *_suspect_score_note(undecided[:limit])]
    if count > limit:
        lines.append(f"shown: {limit} of {count}; --limit N shows more")
    return lines


def _first_and_count(checks: Sequence[DemandCheck]) -> str:
    more = f", +{len(checks) - 1}" if len(checks) > 1 else ""
    return f"{checks[0].demand.target}{more}"


def _suspect_score_note(shown: Sequence[Candidate]) -> list[str]:
    return ["?: the score includes suspect values"] if any(one.is_score_suspect for one in shown) else []


def _score(candidate: Candidate) -> str:
    if candidate.score is None:
        return "-"
    return f"{candidate.score:.3f}{'?' if candidate.is_score_suspect else ' '}"


def _bound(check: DemandCheck) -> str:
    """Return value and threshold, such as `accuracy 0.740 < 0.750`."""
    demand = check.demand
    if isinstance(check.value, str) or isinstance(demand.threshold, str):
        return f"{demand.target} {check.value}, not {demand.threshold_text}"
    value, bound = format_distinct(check.value or 0.0, demand.threshold, demand.unit)
    sign = "<" if demand.bound == "min" else ">"
    return f"{demand.target} {value} {sign} {bound}"


def _wrap(line: str) -> list[str]:
    return wrap_line(line, WIDTH)


def _selected(recommendation: Recommendation, limit: int | None) -> list[Candidate]:
    return [one for status in STATUSES for one in recommendation.with_status(status)[:limit]]


def recommendation_csv(recommendation: Recommendation, limit: int | None, *, file: str) -> str:
    """Return a row per model as CSV; numbers at full precision."""
    headings = ["model", "timm", "status", "score", "score_suspect", "distance", "misses", "undecided"]
    rows: list[list[Cell]] = [
        [
            one.id,
            one.timm,
            one.status,
            one.score,
            "yes" if one.is_score_suspect else "no",
            one.distance,
            " ".join(check.demand.name for check in one.misses),
            " ".join(check.demand.name for check in one.undecided),
            " ".join(check.demand.name for check in one.warned),
            command_of(one, file),
        ]
        for one in _selected(recommendation, limit)
    ]
    return csv_text([*headings, "warned", "command"], rows)


def recommendation_json(recommendation: Recommendation, limit: int | None, *, file: str) -> str:
    """Return settings, undecidable demands and models as JSON; numbers at full precision."""
    content = {
        "schema": 1,
        "thresholds": recommendation.thresholds.shown,
        "protocol": recommendation.protocol,
        "population": recommendation.population.name,
        "protocol_of_population": recommendation.population.protocol,
        "distance": DISTANCE.removeprefix("distance: "),
        "not_decidable": [
            {**_demand(demand), "reason": reason} for demand, reason in recommendation.not_decidable.items()
        ],
        "models": [
            {
                "id": one.id,
                "timm": one.timm,
                "status": one.status,
                "score": one.score,
                "score_suspect": one.is_score_suspect,
                "distance": one.distance,
                "command": command_of(one, file),
                "demands": [_check(check) for check in one.checks],
            }
            for one in _selected(recommendation, limit)
        ],
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _demand(demand: Demand) -> dict[str, Any]:
    return {"demand": demand.name, "limit": demand.threshold, "tier": demand.tier}


def _check(check: DemandCheck) -> dict[str, Any]:
    return {
        **_demand(check.demand),
        "decision": check.decision,
        "value": check.value,
        "margin": check.margin,
        "reason": check.reason or None,
        "suspect": check.reason.startswith(SUSPECT),
    }
