"""Numbers as text for reports and messages."""

from __future__ import annotations

import math
from collections.abc import Callable

WIDEST = 0.9
"""Width above which an interval of a fraction or ratio says nothing."""

RELATIVE = "relative"
"""Unit of relative drops, shown in percent."""
UNIT_SIGNS = {"millions": " M", "megabytes": " MB", "gigaflops": " GFLOPs", RELATIVE: "%"}
"""Ends of values by unit; other units are not shown."""
_UNITS = ("bytes", "kB", "MB", "GB")


def format_value(value: float, unit: str, *, digits: int | None = None) -> str:
    """Return a value as text, with decimals by unit and size.

    Args:
        value: a finite number.
        unit: `images` have no decimals; `UNIT_SIGNS` are shown, all other units are not.
        digits: decimals; by default 3, or 4 for magnitudes under 0.1 other than 0.

    >>> format_value(0.41234, "fraction"), format_value(25.557032, "millions")
    ('0.412', '25.557 M')
    >>> format_value(0.00447, "fraction")
    '0.0045'
    >>> format_value(640, "images"), format_value(0.483, "relative")
    ('640', '48.3%')
    """
    if unit == "images":
        return f"{value:.0f}"
    decimals = digits if digits is not None else 4 if 0 < abs(value) < 0.1 else 3
    if unit == RELATIVE:
        value, decimals = 100 * value, max(decimals - 2, 0)
    return f"{value:.{decimals}f}{UNIT_SIGNS.get(unit, '')}"


def format_bound(bound: float | str, unit: str = "") -> str:
    """Return a bound as written in its file; `?` for an infinite one.

    >>> format_bound(0.45), format_bound(30.0, "millions"), format_bound("B"), format_bound(math.inf)
    ('0.45', '30 M', 'B', '?')
    """
    if isinstance(bound, str):
        return bound
    return f"{bound:.15g}{UNIT_SIGNS.get(unit, '')}" if math.isfinite(bound) else "?"


def interval_text(
    ends: tuple[float, float] | None,
    unit: str,
    n: int | None,
    *,
    write: Callable[[float, str], str] = format_value,
    between: str = "..",
) -> str:
    """Return an interval as text: empty if unknown, `too few images` if it says nothing.

    Args:
        ends: the limits; None if unknown.
        unit: the value's unit.
        n: number of images; None if unknown.
        write: formats one limit.
        between: separates the limits.

    >>> interval_text((0.41, 0.52), "fraction", 500), interval_text((0.02, 0.98), "fraction", 3)
    ('0.410..0.520', 'too few images (3)')
    """
    if ends is None:
        return ""
    if is_too_wide(ends, unit):
        return "too few images" if n is None else f"too few images ({n:,})"
    return between.join(write(end, unit) for end in ends)


def is_too_wide(ends: tuple[float, float], unit: str) -> bool:
    """True if an interval of a fraction or ratio covers nearly its whole range.

    >>> is_too_wide((0.02, 0.98), "fraction"), is_too_wide((-0.2, 1.4), "score")
    (True, False)
    """
    return unit in ("fraction", "ratio", RELATIVE) and ends[1] - ends[0] > WIDEST


def format_distinct(value: float, limit: float, unit: str) -> tuple[str, str]:
    """Return two different numbers as text, with enough decimals to look different.

    >>> format_distinct(0.4999996, 0.5, "fraction")
    ('0.4999996', '0.5000000')
    >>> format_distinct(0.412, 0.5, "fraction")
    ('0.412', '0.500')
    >>> format_distinct(0.0039, 0.8, "fraction"), format_distinct(0.09996, 0.1, "fraction")
    (('0.0039', '0.800'), ('0.09996', '0.10000'))
    """
    first = 4 if 0 < max(abs(value), abs(limit)) < 0.1 else 3
    for digits in range(first, 17):
        pair = format_value(value, unit, digits=digits), format_value(limit, unit, digits=digits)
        if pair[0] != pair[1] or value == limit:
            return pair if digits > first else (format_value(value, unit), format_value(limit, unit))
    return repr(value), repr(limit)


def format_gap(value: float, limit: float, unit: str) -> str:
    """Return the distance of two different numbers as text that does not read 0.

    >>> format_gap(0.412, 0.5, "fraction"), format_gap(0.4999996, 0.5, "fraction")
    ('0.088', '0.0000004')
    """
    gap = abs(value - limit)
    number = format_distinct(value, limit, unit)[0].removesuffix(UNIT_SIGNS.get(unit, ""))
    for digits in range(len(number.partition(".")[2]) + 2 * (unit == RELATIVE), 17):
        text = format_value(gap, unit, digits=digits)
        if any(digit in "123456789" for digit in text):
            return text
    return repr(gap)


def ordinal(value: float) -> str:
    """Return a percentile or a count as an ordinal number, rounded down.

    >>> ordinal(21.5), ordinal(89.99), ordinal(12), ordinal(100), ordinal(3.2)
    ('21st', '89th', '12th', '100th', '3rd')
    """
    number = math.floor(value)
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def format_bytes(size: float) -> str:
    """Return a size in decimal units, with two digits at least.

    >>> format_bytes(812), format_bytes(40_960), format_bytes(1_234_567), format_bytes(26e9)
    ('812 bytes', '41 kB', '1.2 MB', '26 GB')
    """
    if size < 1000:
        return f"{size:.0f} bytes"
    power = min(3, int(math.log10(size)) // 3)
    value = size / 1000**power
    return f"{value:.1f} {_UNITS[power]}" if value < 9.95 else f"{value:,.0f} {_UNITS[power]}"


def format_age(seconds: float) -> str:
    """Return a time span in its largest unit, rounded down.

    It has at least two of that unit.

    >>> [format_age(seconds) for seconds in (3.8, 119, 120, 7_300, 200_000)]
    ['3 s', '119 s', '2 min', '2 h', '2 days']
    """
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length:,.0f} {unit}"
    return f"{max(0.0, seconds) // 1:.0f} s"


def ceil_to_two_digits(count: int) -> int:
    """Round a count up to two significant digits.

    >>> ceil_to_two_digits(10_823), ceil_to_two_digits(7)
    (11000, 7)
    """
    step = int(10 ** max(0, len(str(count)) - 2))
    return -(-count // step) * step


def images_text(images: int, groups: int | None, effective: float | None) -> str:
    """Return a number of images, with groups and information, or of groups.

    >>> images_text(5403, 351, 480.2), images_text(50, 7, None)
    ('5,403 images in 351 groups, as informative as 480', '50 images in 7 groups')
    """
    if groups == images:
        return counted(images, "group")
    in_groups = "" if groups is None else f" in {counted(groups, 'group')}"
    informative = "" if effective is None else f", as informative as {effective:,.0f}"
    return f"{images:,} images{in_groups}{informative}"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun.

    >>> counted(1, "view"), counted(1200, "view")
    ('1 view', '1,200 views')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
