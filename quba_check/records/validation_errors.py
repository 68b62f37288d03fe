"""The first error of an invalid record, in words."""

from __future__ import annotations

import json
from typing import Any

from pydantic import ValidationError

SHOWN = 40
"""Largest number of characters of a wrong value in a message."""
_ALLOWED = {
    "finite_number": "a finite number",
    "float_type": "a number",
    "int_type": "a whole number",
    "greater_than_equal": "a number of at least 0",
}
"""Allowed values in words, by pydantic's type of error."""


def first_error(problem: ValidationError, content: Any) -> str:
    """Return place and value of the first error.

    Args:
        problem: pydantic's errors.
        content: the file's content.
    """
    error = problem.errors()[0]
    steps: list[str] = []
    for step in error["loc"]:
        # A location also names members of unions, which are not in the file.
        items = dict(enumerate(content)) if isinstance(content, list) else content
        if isinstance(items, dict) and step in items:
            content = items[step]
            steps.append(str(step))
    place = f"{'.'.join(steps)}: " if steps else ""
    if error["type"] == "missing":
        return f"{place}the key '{error['loc'][-1]}' is missing"
    got = error.get("ctx", {}).get("got") or _described(content)
    return f"{place}got {got}" if steps else "it is not a JSON object"


def first_allowed(problem: ValidationError) -> str | None:
    """Return the allowed values in place of the first error, if known."""
    error = problem.errors()[0]
    allowed: str | None = error.get("ctx", {}).get("allowed") or _ALLOWED.get(error["type"])
    return allowed


def _described(value: Any) -> str:
    if isinstance(value, dict):
        return "keys with values"
    if isinstance(value, list):
        return "a list"
    if value is None or isinstance(value, bool | float):
        return json.dumps(value)
    return repr(value)[:SHOWN]
