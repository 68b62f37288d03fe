"""What all parts of a record have in common."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict
from pydantic_core import PydanticCustomError


def _check_whole(value: Any) -> Any:
    """Refuse `true` and `1.0`: they equal 1 in Python."""
    if type(value) is not int:
        raise PydanticCustomError("literal_error", "Input should be {expected}", {"expected": "1"})
    return value


SchemaVersion = Annotated[Literal[1], BeforeValidator(_check_whole)]
"""Version of a file format: the integer 1, not `true` or `1.0`."""


class JsonRow(BaseModel):
    """A part of a record: frozen; passes over keys that it does not know, writes NaN and infinity as such."""

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="constants")
