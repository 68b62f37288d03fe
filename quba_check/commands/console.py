"""Where commands print tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

WIDTH = 200
"""Columns that no table fills: a terminal may wrap a line, but no number is cut."""


def plain_console() -> Console:
    """A console that changes nothing in what is printed."""
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False, width=WIDTH)
