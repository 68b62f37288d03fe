"""A published model measured again, as a table or JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from quba_check.core.measurement import Measurement, Outcome
from quba_check.grading.published import PublishedModel, suspect_sentences
from quba_check.number_format import format_value, interval_text
from quba_check.reports.tables import json_text, table_text, wrapped
from quba_check.study.reproduction import Reproduction, reproduction_notes, scores

WIDTH = 80
HEADINGS = ("dimension", "published", "protocol", "measured", "95 % interval", "agrees")


def reproduction_text(model: PublishedModel, rows: tuple[Reproduction, ...]) -> str:
    """Return a table with a line per dimension and protocol, and notes."""
    table = table_text(HEADINGS, _cells(rows), right=("published", "measured"))
    known = {name: "-" if score is None else f"{score:.4f}" for name, score in scores(rows).items()}
    notes = [
        "agrees: the published value lies in the interval of protocol released",
        f"QUBA score: {', '.join(f'{name} {score}' for name, score in known.items())}",
        *reproduction_notes(rows),
        *suspect_sentences(model),
    ]
    heading = f"{model.id}: {model.family}, pretraining {model.pretraining}, training {model.training}\n"
    return heading + table + wrapped(notes, WIDTH)


def _cells(rows: Sequence[Reproduction]) -> Iterator[tuple[str, ...]]:
    """Yield a row per dimension and protocol."""
    for row in rows:
        first = (row.dimension, f"{row.published:g}{'?' if row.is_suspect else ' '}")
        agreement = {True: "yes", False: "no", None: "-"}[row.agrees]
        for protocol, outcome in row.outcomes.items():
            value, interval = "-", ""
            if isinstance(outcome, Measurement):
                value, ends = format_value(outcome.value, outcome.unit), outcome.interval
                interval = "" if ends is None else interval_text(ends, outcome.unit, None)
            yield (*first, protocol, value, interval, agreement)
            first, agreement = ("", ""), ""


def reproduction_json(model: PublishedModel, rows: tuple[Reproduction, ...]) -> str:
    """Return the values as JSON; numbers at full precision."""
    content = {
        "schema": 1,
        "id": model.id,
        "timm": model.timm,
        "suspect": list(model.suspect),
        "dimensions": {
            row.dimension: {
                "published": row.published,
                "suspect": row.is_suspect,
                "agrees": row.agrees,
                **{protocol: _outcome(outcome) for protocol, outcome in row.outcomes.items()},
            }
            for row in rows
        },
        "scores": scores(rows),
        "notes": list(reproduction_notes(rows)),
    }
    return json_text(content)


def _outcome(outcome: Outcome) -> dict[str, Any]:
    if isinstance(outcome, Measurement):
        return {"value": outcome.value, "interval": outcome.interval, "n": outcome.n}
    return {"unmeasurable": outcome.reason}
