"""Records of earlier versions, with the names and the layout of this one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quba_check.core.predictions import column_of
from quba_check.core.request import NUMBERS, Kind, name_on_slices, target_name

_SLICES, _SERVING = "slices.", "serving"
_ENDS: Mapping[str, Kind] = {"worst": "worst", "gap": "gap"}


def translated(content: Any) -> Any:
    """Return the content of a record, with earlier names in the present form.

    Slices were parts such as `slices.lighting.worst`, measured in one mapping for all columns; numbers behind
    a serving pipeline were parts of the dimension `serving`.
    """
    if not isinstance(content, dict) or not isinstance(content.get("measurements"), dict):
        return content
    rows = {name: _translated_row(row) for name, row in content["measurements"].items()}
    served = rows.pop(_SERVING, None)
    parts = served.get("parts") if isinstance(served, dict) else None
    for part, quantity in parts.items() if isinstance(parts, dict) else ():
        dimension, name = renamed(_SERVING, str(part))
        row = rows.get(dimension)
        if dimension == "parity" and "value" not in (row or {}):  # the record has no reference
            row = {**served, "parts": {}, "unmeasured": {"": {"unmeasurable": "there is no reference"}}}
        if (
            isinstance(row, dict)
            and name is not None
            and "value" in row
            and not part.endswith("accuracy_drop")
        ):
            rows[dimension] = row | {"parts": {**row.get("parts", {}), name: quantity}}
    verdicts = content.get("verdicts", ())
    verdicts = (
        [_translated_verdict(row) for row in verdicts] if isinstance(verdicts, list | tuple) else verdicts
    )
    return content | {"measurements": rows, "verdicts": verdicts}


def renamed(dimension: str, part: str | None) -> tuple[str, str | None]:
    """Return the present dimension and part of those of an earlier version.

    >>> renamed("accuracy", "slices.light.worst"), renamed("serving", "app.agreement")
    (('accuracy', '@slice=light:worst'), ('parity', 'agreement@pipeline=app'))
    >>> renamed("serving", "app.accuracy_drop"), renamed("classes", "cat.recall@probability=0.3")
    (('accuracy', '@pipeline=app'), ('classes', 'cat.recall@probability=0.3'))
    """
    if part is not None and part.startswith(_SLICES):
        slices, _, kind = part.removeprefix(_SLICES).rpartition(".")
        if kind in _ENDS:
            return dimension, name_on_slices("", slices, _ENDS[kind])
        return dimension, name_on_slices("", part.removeprefix(_SLICES))
    if part is not None and dimension == _SERVING:
        pipeline, _, number = part.rpartition(".")
        is_accuracy = number.startswith("accuracy")
        return (
            ("accuracy", f"@pipeline={pipeline}")
            if is_accuracy
            else ("parity", f"{number}@pipeline={pipeline}")
        )
    return dimension, part


def renamed_target(target: str) -> str:
    """Return the present name of a target in a per-image file.

    >>> renamed_target("serving.app.accuracy"), renamed_target("accuracy.top5")
    ('accuracy@pipeline=app', 'accuracy.top5')
    """
    dimension, _, part = target.partition(".")
    return target_name(*renamed(dimension, part)) if dimension == _SERVING and part else target


def _translated_row(row: Any) -> Any:
    """Return the row of a measurement with its slices by column."""
    if not isinstance(row, dict) or "unsliced" not in row:
        return row
    kept = {key: value for key, value in row.items() if key not in ("slices", "gaps", "unsliced")}
    columns: dict[str, dict[str, Any]] = {}
    unmeasured = {}
    for key, group in (("values", "slices"), ("gaps", "gaps")):
        for name, quantity in (row.get(group) or {}).items():
            columns.setdefault(column_of(name), {}).setdefault(key, {})[name] = quantity
    for name, reason in (row["unsliced"] or {}).items():
        if "=" in name and column_of(name) in columns:
            columns[column_of(name)].setdefault("unmeasured", {})[name] = reason
        else:
            unmeasured[name] = reason
    return kept | {"slices": columns, "unmeasured": unmeasured}


def _translated_verdict(row: Any) -> Any:
    if not isinstance(row, dict) or "kind" in row:
        return row
    was, part = row.get("dimension"), row.get("part")
    dimension, name = renamed(str(was), part)
    ends = str(part).startswith(_SLICES) and str(part).rpartition(".")[2]
    changes: dict[str, Any] = {
        "dimension": dimension,
        "part": name,
        "kind": ends if ends in _ENDS else "value",
    }
    changes["requested"] = was in (*NUMBERS, _SERVING) or name != part
    if was == _SERVING and str(part).endswith("accuracy_drop"):
        changes["bound"] = "max_drop"
    return row | changes
