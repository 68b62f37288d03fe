"""Tables as text: as wide as they are, whatever the terminal's width, so that no number is cut."""

from __future__ import annotations

import sys

from rich.console import Console, RenderableType
from rich.measure import Measurement


def plain_text(content: RenderableType) -> str:
    """What rich makes of something, with no line wrapped, cut, or ending in blanks."""
    console = Console(highlight=False, markup=False, emoji=False)
    console.width = max(1, _width(console, content))
    with console.capture() as capture:
        console.print(content)
    return "".join(f"{line.rstrip()}\n" for line in capture.get().splitlines())


def _width(console: Console, content: RenderableType) -> int:
    return Measurement.get(console, console.options.update(max_width=sys.maxsize), content).maximum
