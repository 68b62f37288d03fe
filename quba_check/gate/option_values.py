"""Values of options and their checks."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from quba_check.core.protocols import PROTOCOLS
from quba_check.errors import OptionError
from quba_check.executors.choice import parse_executor
from quba_check.messages import did_you_mean, listed
from quba_check.models.request import check_compile, check_device, check_precision
from quba_check.storage.user_files import user_path, user_place

MOST_GIGABYTES = 1_000_000
MOST_DIGITS = 15
LARGEST_NUMBER = 10**MOST_DIGITS - 1


class Given(NamedTuple):
    """A value as given.

    Attributes:
        flag: the option.
        value: its value, None if not given.
        base: folder of relative paths.
    """

    flag: str
    value: Any
    base: Path


Parse = Callable[[Given], Any]
"""Checks a value and returns that of the field in `Options`, None for the default. Raises OptionError."""


def parse_text(given: Given) -> str | None:
    """Accept any text."""
    return given.value or None


def parse_texts(given: Given) -> tuple[str, ...]:
    """Accept any number of texts."""
    return tuple(given.value or ())


def parse_switch(given: Given) -> bool:
    """Accept a switch."""
    return bool(given.value)


def parse_path(given: Given) -> Path | None:
    """Accept a path; a relative one starts at the base folder."""
    return user_path(given.value, given.flag, given.base) if given.value else None


def parse_place(given: Given) -> str | Path | None:
    """Accept a folder or a URL."""
    return user_place(given.value, given.flag, given.base) if given.value else None


def file_ending_in(suffix: str) -> Parse:
    """Accept the paths of files with a suffix."""

    def parse(given: Given) -> Path | None:
        path = parse_path(given)
        if path is not None and path.suffix != suffix:
            raise OptionError(f"{given.flag}: got '{path.name}'. Allowed: a file name that ends in {suffix}.")
        return path

    return parse


def parse_protocol(given: Given) -> str | None:
    """Accept the name of a protocol."""
    value = given.value
    if value and value not in PROTOCOLS:
        near = did_you_mean(value, PROTOCOLS)
        raise OptionError(f"{given.flag}: unknown protocol '{value}'. Allowed: {listed(PROTOCOLS)}.{near}")
    return value or None


def _checked_by(check: Callable[[str], Any]) -> Parse:
    """Accept the texts that a function accepts, which raises OptionError for others."""
    return lambda given: check(given.value) if given.value else None


parse_device = _checked_by(check_device)
parse_compile = _checked_by(check_compile)
parse_precision = _checked_by(check_precision)
parse_executor_choice = _checked_by(parse_executor)


def parse_gigabytes(given: Given) -> float | None:
    """Accept a size in gigabytes."""
    if given.value in (None, ""):
        return None
    text = str(given.value)
    try:
        size = float(text)
    except ValueError:
        size = math.nan
    if not 0 <= size <= MOST_GIGABYTES:
        raise OptionError(f"{given.flag}: got '{text}'. Allowed: gigabytes from 0 to {MOST_GIGABYTES:,}.")
    return size


def whole_number(least: int, most: int = LARGEST_NUMBER, *, auto: bool = False) -> Parse:
    """Accept the whole numbers within bounds; `auto` means the default, if accepted."""

    def parse(given: Given) -> int | None:
        if given.value in (None, "") or (auto and given.value == "auto"):
            return None
        text = str(given.value)
        is_too_large = text.isdecimal() and (len(text) > MOST_DIGITS or int(text) > most)
        if is_too_large or not text.isdecimal() or int(text) < least:
            words = f"{'auto, or ' if auto else ''}a whole number from {least}"
            end = f" to {most:,}" if is_too_large else ""
            raise OptionError(f"{given.flag}: got '{text}'. Allowed: {words}{end}.")
        return int(text)

    return parse
