"""Tables, wrapped lines, JSON and Markdown of reports.

No number is cut at the terminal's width. Text from outside stands in Markdown only as code, where neither
HTML, Markdown, mentions nor references of issues have an effect, or as `prose`.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import textwrap
from collections.abc import Collection, Iterable, Mapping, Sequence

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from quba_check.messages import one_line

SUBSTITUTES: Mapping[str, str] = {"→": "->", "…": "...", "±": "+-", "─": "-", "α": "alpha"}
"""ASCII substitutes for characters that quba-check itself prints."""


LEAST_WIDTH = 72
"""Smallest width of tables and texts; a narrower terminal wraps them."""
_GAP = 2
_CUT = "..."
_SHORTEST_NAME = 12


def table_text(
    headings: Sequence[str],
    rows: Iterable[Sequence[str | Text]],
    right: Collection[str] = (),
    *,
    cut: Collection[str] = (),
    width: int = sys.maxsize,
) -> str:
    """Return a table as text, without borders.

    Args:
        headings: of the columns.
        rows: the cells of each row, one per column.
        right: headings of the columns that are aligned to the right.
        cut: headings of the columns whose texts lose their middle if the table is wider than `width`.
        width: of the terminal.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, no_wrap=True, justify="right" if heading in right else "left")
    for row in _fitted_rows(headings, rows, cut, width) if cut else rows:
        table.add_row(*row)
    return plain_text(table)


def _fitted_rows(
    headings: Sequence[str], rows: Iterable[Sequence[str | Text]], cut: Collection[str], width: int
) -> list[list[str]]:
    """Return the rows of a table, cut to fit a width; see `table_text`."""
    columns = [[str(cell) for cell in column] for column in zip(headings, *rows, strict=True)]
    names = [columns[headings.index(name)] for name in cut]
    while (excess := sum(map(_widest, columns)) + _GAP * (len(columns) - 1) - width) > 0:
        longest = max(names, key=_widest)
        target = max(_widest(longest) - excess, _SHORTEST_NAME)
        if _widest(longest) <= target:
            break
        longest[:] = [shorten(cell, target) for cell in longest]
    return [list(row) for row in zip(*columns, strict=True)][1:]


def _widest(column: Sequence[str]) -> int:
    return max(map(cell_len, column))


def shorten(text: str, width: int) -> str:
    """Return a text, without its middle if it is longer than `width`.

    >>> shorten("/data/of/the/year/2024/val", 16)
    '/data/...024/val'
    """
    room = width - len(_CUT)
    if cell_len(text) <= width:
        return text
    return f"{text[: room // 2]}{_CUT}{text[len(text) - (room - room // 2) :]}"


def terminal_width(most: int = sys.maxsize) -> int:
    """Return the columns of the terminal, from `LEAST_WIDTH` to `most`."""
    return min(max(shutil.get_terminal_size().columns, LEAST_WIDTH), most)


def json_text(content: object, *, is_ascii: bool = False) -> str:
    """Return content as indented JSON, numbers at full precision."""
    return json.dumps(content, indent=2, ensure_ascii=is_ascii) + "\n"


def wrapped(lines: Iterable[str], width: int) -> str:
    """Return lines as text, each wrapped as by `wrap_line`."""
    return "".join(f"{part}\n" for line in lines for part in wrap_line(line, width) or [""])


def plain_text(content: RenderableType) -> str:
    """Render with rich; no line is wrapped, cut or padded with blanks."""
    console = Console(highlight=False, markup=False, emoji=False)
    unlimited = console.options.update(max_width=sys.maxsize)
    console.width = max(1, Measurement.get(console, unlimited, content).maximum)
    return printed(console, [content])


def printed(console: Console, parts: Iterable[RenderableType], *, soft_wrap: bool = False) -> str:
    """Return what a console prints, without trailing spaces."""
    with console.capture() as capture:
        for part in parts:
            console.print(part, soft_wrap=soft_wrap)
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


LONGEST = 80
"""Largest number of characters of a text inside a line; longer ones are cut in the middle."""
_UNSAFE = frozenset("`|\\")
"""Characters that end a code span, or a cell of a table."""


def code(text: str, longest: int = LONGEST) -> str:
    """Return a text as inline code, also for cells of tables.

    A text with a backtick, a backslash or a pipe becomes an HTML element, whose content has references in
    place of all punctuation.

    >>> code("resnet50"), code("a|b")
    ('`resnet50`', '<code>a&#124;b</code>')
    """
    line = one_line(text, longest).strip() or " "
    if line != " " and not _UNSAFE & set(line):
        return f"`{line}`"
    return f"<code>{_references(line)}</code>"


def prose(text: str) -> str:
    """Return a text as Markdown without markup; with a mention, as code.

    So is one with the number of an issue.

    >>> prose("a *b*"), prose("@someone")
    ('a &#42;b&#42;', '`@someone`')
    """
    return code(text) if {"@", "#"} & {*text} else _references(one_line(text))


def _references(line: str) -> str:
    """Return a line with references in place of all punctuation."""
    return re.sub("[^a-zA-Z0-9 \x80-\U0010ffff]", lambda found: f"&#{ord(found[0])};", line)


def code_block(lines: Sequence[str], language: str = "text") -> str:
    """Return lines as a fenced block, longer than any fence inside."""
    content = [one_line(line) for line in lines]
    longest = max((len(run) for line in content for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([f"{fence}{language}", *content, fence])


def markdown_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table from cells that are Markdown."""
    lines = (headings, ["---"] * len(headings), *rows)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
