"""What keeps a JSON file from being a record, in words."""

from __future__ import annotations

import json
from typing import Any

from pydantic import ValidationError

SHOWN = 40
"""Characters of a wrong value that a message shows."""
_ALLOWED = {
    "finite_number": "a finite number",
    "float_type": "a number",
    "int_type": "a whole number",
    "greater_than_equal": "no number below 0",
}
"""What is allowed, by the kind of pydantic's error."""


def first_error(found: ValidationError, content: Any) -> str:
    """The first of pydantic's errors: where it is and what stands there.

    Args:
        found: what pydantic found.
        content: the file's content.
    """
    error = found.errors()[0]
    steps: list[str] = []
    for step in error["loc"]:
        # A location also names members of unions, which are in no file.
        inside = dict(enumerate(content)) if isinstance(content, list) else content
        if isinstance(inside, dict) and step in inside:
            content = inside[step]
            steps.append(str(step))
    place = f"{'.'.join(steps)}: " if steps else ""
    if error["type"] == "missing":
        return f"{place}the key '{error['loc'][-1]}' is missing"
    got = error.get("ctx", {}).get("got") or _shown(content)
    return f"{place}got {got}" if steps else "it is not a JSON object"


def first_allowed(found: ValidationError) -> str | None:
    """What could stand in place of the first mistake, where more is known than that it is none."""
    error = found.errors()[0]
    allowed: str | None = error.get("ctx", {}).get("allowed") or _ALLOWED.get(error["type"])
    return allowed


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "keys with values"
    if isinstance(value, list):
        return "a list"
    if value is None or isinstance(value, bool | float):
        return json.dumps(value)
    return repr(value)[:SHOWN]
