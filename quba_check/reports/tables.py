"""Tables as text of full width: no number is cut at the terminal's width."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Collection, Iterable, Mapping, Sequence

from rich.console import Console, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

SUBSTITUTES: Mapping[str, str] = {"→": "->", "…": "...", "±": "+-", "─": "-", "α": "alpha"}
"""ASCII substitutes for characters that quba-check itself prints."""


def table_text(
    headings: Sequence[str], rows: Iterable[Sequence[str | Text]], right: Collection[str] = ()
) -> str:
    """Return a table as text, without borders.

    Args:
        headings: of the columns.
        rows: the cells of each row, one per column.
        right: headings of the columns that are aligned to the right.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, no_wrap=True, justify="right" if heading in right else "left")
    for row in rows:
        table.add_row(*row)
    return plain_text(table)


def plain_text(content: RenderableType) -> str:
    """Render with rich; no line is wrapped, cut or padded with blanks."""
    console = Console(highlight=False, markup=False, emoji=False)
    unlimited = console.options.update(max_width=sys.maxsize)
    console.width = max(1, Measurement.get(console, unlimited, content).maximum)
    with console.capture() as capture:
        console.print(content)
    return "".join(f"{line.rstrip()}\n" for line in capture.get().splitlines())


def wrap_line(line: str, width: int) -> list[str]:
    """Wrap a line between words; continuation lines are indented by two more columns."""
    indent = " " * (len(line) - len(line.lstrip()))
    return textwrap.wrap(
        line, width, subsequent_indent=f"{indent}  ", break_long_words=False, break_on_hyphens=False
    )


def wrap_text(text: str, width: int) -> list[str]:
    """Wrap each line of a text as `wrap_line` does."""
    return [part for line in text.splitlines() for part in wrap_line(line, width)]


def fit_encoding(text: str, encoding: str | None) -> str:
    r"""Return a text with substitutes for characters missing from an encoding.

    Characters in `SUBSTITUTES` are replaced by ASCII, others by escapes. An encoding of None changes nothing.

    >>> print(fit_encoding("a → ü", "ascii"), fit_encoding("a → ü", "utf-8"))
    a -> \xfc a → ü
    """
    if encoding is None:
        return text
    for character, substitute in SUBSTITUTES.items():
        if character.encode(encoding, "ignore") == b"":
            text = text.replace(character, substitute)
    return text.encode(encoding, "backslashreplace").decode(encoding)
