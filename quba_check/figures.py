"""How numbers are written for people."""

from __future__ import annotations


def figure(value: float, unit: str, *, digits: int | None = None) -> str:
    """A value with as many decimals as its unit and size ask for.

    Args:
        value: a finite number.
        unit: `images` are whole, `millions` carry an M, all others are plain.
        digits: decimals; by default 3, or 4 for magnitudes under 0.1 other than 0.

    >>> figure(0.41234, "fraction"), figure(0.00447, "fraction"), figure(25.557032, "millions")
    ('0.412', '0.0045', '25.557 M')
    >>> figure(640, "images")
    '640'
    """
    if unit == "images":
        return f"{value:.0f}"
    decimals = digits if digits is not None else 4 if 0 < abs(value) < 0.1 else 3
    return f"{value:.{decimals}f}" + (" M" if unit == "millions" else "")


def told_apart(value: float, limit: float, unit: str) -> tuple[str, str]:
    """Two different numbers with enough decimals to look different.

    >>> told_apart(0.4999996, 0.5, "fraction")
    ('0.4999996', '0.5000000')
    >>> told_apart(0.412, 0.5, "fraction")
    ('0.412', '0.500')
    """
    first = 4 if 0 < max(abs(value), abs(limit)) < 0.1 else 3
    for digits in range(first, 17):
        pair = figure(value, unit, digits=digits), figure(limit, unit, digits=digits)
        if pair[0] != pair[1] or value == limit:
            return pair
    return repr(value), repr(limit)
