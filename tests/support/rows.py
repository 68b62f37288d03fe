"""Verdicts and a grade as records store them, for tests of reports and exports."""

from dataclasses import replace
from typing import Any

from quba_check.core.explanation import Explanation
from quba_check.records.record import Record

VERDICT: dict[str, Any] = {
    "id": "x.yaml::accuracy[min]",
    "dimension": "accuracy",
    "part": None,
    "key": "min",
    "bound": 0.85,
    "tier": "block",
    "outcome": "pass",
    "file": "x.yaml",
    "line": 3,
    "threshold_file": "x.yaml",
}
GRADE: dict[str, Any] = {
    "file": "x.yaml",
    "score": 0.5,
    "percentile": 81.25,
    "letter": "B",
    "population": "demo",
    "protocol_of_population": "standard",
    "complete": True,
}


def verdict(
    target: str = "accuracy", bound: float | str = 0.95, outcome: str = "fail", **changed: Any
) -> dict[str, Any]:
    """A verdict on a dimension or part, of `t.yaml`."""
    dimension, _, part = target.partition(".")
    name = f"t.yaml::{target}[{changed.get('key', 'min')}]"
    row = {"id": name, "dimension": dimension, "part": part or None, "bound": bound, "outcome": outcome}
    explained = changed.get("explanation")
    if isinstance(explained, Explanation):
        row["message"] = explained.text
    return VERDICT | {"file": "t.yaml", "threshold_file": "t.yaml"} | row | changed


def explained(content: Record) -> Record:
    """The record with the number behind each judged demand in its explanation, as a run writes it."""
    rows = []
    for row in content.verdicts:
        quantity = content.judged(row)
        grade = content.grade_of(row)
        number: dict[str, Any] = {}
        if grade is not None:
            value = grade.letter if isinstance(row.bound, str) else grade.score
            number = {"value": value, "unit": "score", "interval": grade.interval}
        elif quantity is not None and row.key in ("min", "max"):
            curve = quantity.curve
            ends = None if curve is None else curve.interval(row.confidence)
            number = {"value": quantity.value, "unit": quantity.unit, "interval": ends}
            number["n"] = quantity.different_images
        rows.append(row.model_copy(update={"explanation": replace(row.explanation, **number)}))
    return content.model_copy(update={"verdicts": tuple(rows)})
