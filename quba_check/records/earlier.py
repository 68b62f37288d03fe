"""Records of earlier versions, with the names and the layout of this one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quba_check.core.measurement import MASKED
from quba_check.core.predictions import column_of
from quba_check.core.request import NUMBERS, Kind, name_on_slices, target_name

_SLICES, _SERVING, _DROP = "slices.", "serving", "accuracy_drop"
_OF_ACCURACY = {"unit": "fraction", "better": "high", "interval": None, "limits": None}
_OfSamples = Mapping[str, NDArray[np.float64]]
_ENDS: Mapping[str, Kind] = {"worst": "worst", "gap": "gap"}


def translated(content: Any) -> Any:
    """Return the content of a record, with earlier names in the present form.

    Slices were parts such as `slices.lighting.worst`, measured in one mapping for all columns; numbers behind
    a serving pipeline were parts of the dimension `serving`.
    """
    if not isinstance(content, dict) or not isinstance(content.get("measurements"), dict):
        return content
    rows = {name: _translated_row(name, row) for name, row in content["measurements"].items()}
    served = rows.pop(_SERVING, None)
    parts: dict[str, Any] = (served.get("parts") if isinstance(served, dict) else None) or {}
    for part, quantity in parts.items():
        dimension, name = renamed(_SERVING, str(part))
        row = rows.get(dimension) or {}
        if dimension == "parity" and "value" not in row:  # the record has no reference
            row = {**served, "parts": {}, "unmeasured": {"": {"unmeasurable": "there is no reference"}}}
        if part.endswith(_DROP):
            if part.removesuffix("_drop") in parts:
                continue
            quantity = {**quantity, **_OF_ACCURACY, "value": row.get("value", 0.0) - quantity["value"]}
        if "value" in row:
            rows[dimension] = row | {"parts": {**row.get("parts", {}), name: quantity}}
    verdicts = content.get("verdicts", ())
    if isinstance(verdicts, list | tuple):
        verdicts = [_translated_verdict(row) for row in verdicts]
    return _with_runtime(content) | {"measurements": rows, "verdicts": verdicts}


def _with_runtime(content: dict[str, Any]) -> dict[str, Any]:
    """Return a record with the name of the runtime, which was `compiled` or torch."""
    environment = content.get("environment")
    compute = environment.get("compute") if isinstance(environment, dict) else None
    if not isinstance(environment, dict) or not isinstance(compute, dict) or "compiled" not in compute:
        return content
    settings = {key: value for key, value in compute.items() if key != "compiled"}
    settings["runtime"] = "compile" if compute["compiled"] else "torch"
    return content | {"environment": environment | {"compute": settings}}


def renamed(dimension: str, part: str | None) -> tuple[str, str | None]:
    """Return the present dimension and part of those of an earlier version.

    >>> renamed("accuracy", "slices.light.worst"), renamed("serving", "app.agreement")
    (('accuracy', '@slice=light:worst'), ('parity', 'agreement@pipeline=app'))
    >>> renamed("serving", "app.accuracy_drop"), renamed("classes", "cat.recall@probability=0.3")
    (('accuracy', '@pipeline=app'), ('classes', 'cat.recall@probability=0.3'))
    """
    if part is not None and part.startswith(_SLICES):
        slices, kind = _slices_and_kind(part)
        return dimension, name_on_slices("", slices, kind)
    if part is not None and dimension == _SERVING:
        pipeline, _, number = part.rpartition(".")
        suffix = f"@pipeline={pipeline}"
        return ("accuracy", suffix) if number.startswith("accuracy") else ("parity", f"{number}{suffix}")
    return dimension, part


def renamed_target(target: str) -> str:
    """Return the present name of a target in a per-image file.

    >>> renamed_target("serving.app.accuracy"), renamed_target("accuracy.top5")
    ('accuracy@pipeline=app', 'accuracy.top5')
    """
    dimension, _, part = target.partition(".")
    is_renamed = (dimension == _SERVING or part.startswith(_SLICES)) and not part.endswith(_DROP)
    return target_name(*renamed(dimension, part)) if part and is_renamed else target


def with_served_accuracies(influences: Mapping[str, _OfSamples]) -> dict[str, _OfSamples]:
    """Add the influences of accuracies behind pipelines, of which only the drop is stored."""
    own, served = influences.get("accuracy", {}), {}
    for target, lost in influences.items():
        if target.startswith(f"{_SERVING}.") and target.endswith(f".{_DROP}") and own.keys() == lost.keys():
            name = renamed_target(target.removesuffix("_drop"))
            served[name] = {sample: own[sample] - one for sample, one in lost.items()}
    return {**served, **influences}


def _slices_and_kind(part: str) -> tuple[str, Kind]:
    """Return the slice or column of a part, and the kind of its number."""
    name = part.removeprefix(_SLICES)
    column, _, end = name.rpartition(".")
    return (column, _ENDS[end]) if end in _ENDS and "=" not in column else (name, "value")


def _translated_row(dimension: str, row: Any) -> Any:
    """Return a row with its slices by column, and signs of masked gradients.

    It has no value if the run stopped early.
    """
    if not isinstance(row, dict):
        return row
    if isinstance(stopped := row.get("stopped"), dict):
        counts = f"{stopped['images']:,} of {stopped['of']:,} images"
        return {"unmeasurable": f"stopped early after {counts}: its value over all of them is unknown"}
    if "masked" not in row:
        notes = (note for note in row.get("notes", ()) if note.startswith(MASKED))
        row = row | {"masked": [note.removeprefix(MASKED) for note in notes]}
    if "unsliced" not in row:
        return row
    kept = {key: value for key, value in row.items() if key not in ("slices", "gaps", "unsliced")}
    columns: dict[str, dict[str, Any]] = {}
    unmeasured = {}
    for key, group in (("values", "slices"), ("gaps", "gaps")):
        for name, quantity in (row.get(group) or {}).items():
            columns.setdefault(column_of(name), {}).setdefault(key, {})[name] = quantity
    for name, reason in (row["unsliced"] or {}).items():
        if "=" in name and ("@" not in name or column_of(name) in columns):
            columns.setdefault(column_of(name), {}).setdefault("unmeasured", {})[name] = reason
        elif dimension in NUMBERS:
            unmeasured[name] = reason
        else:
            columns.setdefault(name, {})["reason"] = reason
    return kept | {"slices": columns, "unmeasured": unmeasured}


def _translated_verdict(row: Any) -> Any:
    if not isinstance(row, dict) or "kind" in row:
        return row
    was, part = str(row.get("dimension")), row.get("part")
    dimension, name = renamed(was, part)
    is_sliced = str(part).startswith(_SLICES)
    changes: dict[str, Any] = {
        "dimension": dimension,
        "part": name,
        "kind": _slices_and_kind(str(part))[1] if is_sliced else "value",
        "requested": was in (*NUMBERS, _SERVING) or is_sliced,
    }
    if was == _SERVING and str(part).endswith(_DROP):
        changes["bound"] = "max_drop"
    return row | changes
