"""Types of the values in threshold files."""

from __future__ import annotations

import re
from datetime import date
from fractions import Fraction
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, Discriminator, Field, Tag, WithJsonSchema

from quba_check.errors import InvalidValueError
from quba_check.strict_yaml.document import describe
from quba_check.strict_yaml.schema import Words

Letter = Literal["A", "B", "C", "D", "F"]
ShareNumber = Annotated[float, Field(ge=0, le=1)]
Level = Annotated[float, Field(gt=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Confidence = Annotated[float, Field(ge=0.5, le=0.9999)]

_PERCENTAGE = re.compile(r"\s*(-?[0-9]{1,9}(?:\.[0-9]*)?)\s*%\s*")


def as_share(value: Any) -> Any:
    """Return a percentage as a share; anything else unchanged.

    >>> as_share("2%"), as_share(0.5)
    (0.02, 0.5)
    """
    if isinstance(value, str) and (percentage := _PERCENTAGE.fullmatch(value)):
        return float(percentage[1]) / 100
    return value


def _number(value: Any) -> Any:
    number = as_share(value)
    if not isinstance(number, str):
        return number
    raise InvalidValueError(got=f"text '{value}'", allowed="a number, or a percentage such as 2%")


def _bound_schema(**limits: float) -> WithJsonSchema:
    """Return the JSON Schema of a number or percentage."""
    percentage = {"type": "string", "pattern": r"^\s*\d+(\.\d*)?\s*%\s*$"}
    return WithJsonSchema({"anyOf": [{"type": "number", **limits}, percentage]})


Bound = Annotated[float, BeforeValidator(_number), _bound_schema()]
DropBound = Annotated[float, BeforeValidator(_number), Field(ge=0), _bound_schema(minimum=0)]


def _day(value: Any) -> Any:
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise InvalidValueError(got=describe(value), allowed="a day, such as 2027-01-31") from None


LEAST_ATTACK = Fraction(1, 2550)
"""Smallest size of attacks: a tenth of a pixel value, since steps in float32 must change pixels."""


def _attack_size(value: Any) -> str:
    """Return a size of attacks as a reduced fraction."""
    try:
        size = Fraction(str(value))
    except (ValueError, ZeroDivisionError):
        size = Fraction(0)
    if not LEAST_ATTACK <= size <= 1:
        raise InvalidValueError(
            got=describe(value), allowed=f"a fraction from {LEAST_ATTACK} to 1, such as 4/255"
        )
    return str(size)


AttackSize = Annotated[
    str, BeforeValidator(_attack_size), WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "number"}]})
]


def _if_a(shape: type, tag: str, other: str) -> Discriminator:
    """Return what selects an alternative by the shape of a value, for precise errors."""
    return Discriminator(lambda value: tag if isinstance(value, shape) else other)


EntryType = TypeVar("EntryType")
Entries = Annotated[
    Annotated[EntryType, Tag("(keys)")]
    | Annotated[tuple[EntryType, ...], Field(min_length=1), Tag("(list)")],
    _if_a(list, "(list)", "(keys)"),
]
"""An entry, or a list of entries, which replaces an inherited one as a whole."""
SetNames = Annotated[
    Annotated[Words, Tag("(text)")] | Annotated[tuple[Words, ...], Field(min_length=1), Tag("(list)")],
    _if_a(list, "(list)", "(text)"),
]
Day = Annotated[date, BeforeValidator(_day)]
OwnLevels = Annotated[
    Annotated[ShareNumber, Tag("(number)")] | Annotated[dict[str, ShareNumber], Tag("(keys)")],
    _if_a(dict, "(keys)", "(number)"),
]
"""A probability, or that of each predicted class."""
