"""What keeps a JSON file from being a record, in words."""

from __future__ import annotations

import json
from typing import Any

from pydantic import ValidationError

SHOWN = 40
"""Characters of a wrong value that a message shows."""


def first_mistake(found: ValidationError, content: Any) -> str:
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
    return f"{place}got {_shown(content)}" if steps else "it is not a JSON object"


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "keys with values"
    if isinstance(value, list):
        return "a list"
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return repr(value)[:SHOWN]
