"""Values of options and their checks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from quba_check.errors import OptionError
from quba_check.models.request import check_choice
from quba_check.storage.user_files import is_url, user_location, user_path

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


def unchecked(given: Given) -> Any:
    """Return a value as given; None for empty text or a switch that is off."""
    return given.value or None


def parse_path(given: Given) -> Path | None:
    """Accept a path; a relative one starts at the base folder."""
    if given.value and is_url(given.value):
        raise OptionError(where=given.flag, got=f"the URL '{given.value}'", allowed="a path on this machine")
    return user_path(given.value, given.flag, given.base) if given.value else None


def parse_place(given: Given) -> str | Path | None:
    """Accept a folder or a URL."""
    return user_location(given.value, given.flag, given.base) if given.value else None


def file_ending_in(*suffixes: str) -> Parse:
    """Accept the paths of files, with one of the suffixes if any are given."""

    def parse(given: Given) -> Path | None:
        path = parse_path(given)
        if path is not None and (not path.name or path.is_dir()):
            kind = ", a folder" if path.is_dir() else ""
            raise OptionError(where=given.flag, got=f"'{given.value}'{kind}", allowed="a file name")
        if path is not None and suffixes and not path.name.endswith(suffixes):
            allowed = f"a file name that ends in {' or '.join(suffixes)}"
            raise OptionError(where=given.flag, got=f"'{path.name}'", allowed=allowed)
        return path

    return parse


BY_METAVAR: Mapping[str | None, Parse] = {
    "DIR": parse_place,
    "FILE.json": parse_path,
    "FILE.yaml": parse_path,
    "FILE.html": file_ending_in(".html"),
    "FILE.md": file_ending_in(".md"),
}
"""Checks of the values of options by their placeholder in the help; others are not checked."""


def one_of(*names: str) -> Parse:
    """Accept one of several names."""
    return lambda given: check_choice(given.flag, given.value, names) if given.value else None


def checked_by(check: Callable[[str], Any]) -> Parse:
    """Accept the texts that a function accepts, which raises OptionError for others."""
    return lambda given: check(given.value) if given.value else None


def number_within(low: int, high: int, words: str = "a number") -> Parse:
    """Accept the numbers within bounds."""

    def parse(given: Given) -> float | None:
        if given.value in (None, ""):
            return None
        try:
            number = float(given.value)
        except ValueError:
            number = math.nan
        if not low <= number <= high:
            allowed = f"{words} from {low:,} to {high:,}"
            raise OptionError(where=given.flag, got=f"'{given.value}'", allowed=allowed)
        return number

    return parse


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
            raise OptionError(where=given.flag, got=f"'{text}'", allowed=f"{words}{end}")
        return int(text)

    return parse
