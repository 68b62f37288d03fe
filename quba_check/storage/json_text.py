"""JSON that others may have written: whatever is wrong with it is a ValueError."""

from __future__ import annotations

import json
import math
from typing import Any

MOST_DIGITS = 18
"""Most digits of a whole number."""


def parse_json(content: bytes | str) -> Any:
    """Return the data of a JSON text.

    Raises:
        ValueError: it is not JSON in UTF-8, is nested too deeply, or has a key twice or a number that neither
            18 digits nor a float can hold. The message is a part of a sentence.

    >>> parse_json("[" * 100_000)
    Traceback (most recent call last):
    ValueError: it is nested too deeply
    """
    try:
        return json.loads(
            content.decode("utf-8-sig") if isinstance(content, bytes) else content,
            object_pairs_hook=_unique_keys,
            parse_int=_whole_number,
            parse_float=_finite_number,
        )
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise ValueError("it is not JSON") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [key for key, _ in pairs]
        twice = next(key for key in names if names.count(key) > 1)
        raise ValueError(f"the key '{twice}' appears twice")
    return content


def _whole_number(text: str) -> int:
    if len(text.removeprefix("-")) > MOST_DIGITS:
        raise ValueError(f"it has a whole number of more than {MOST_DIGITS} digits")
    return int(text)


def _finite_number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("it has a number too large to hold")
    return number
