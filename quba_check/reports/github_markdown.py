"""Text from outside as GitHub Markdown that shows it and never interprets it.

Such text stands only in code: there neither HTML, Markdown, mentions nor references of issues have an effect.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from quba_check.messages import one_line

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
    references = (
        character if character.isalnum() or not character.isascii() else f"&#{ord(character)};"
        for character in line
    )
    return f"<code>{''.join(references)}</code>"


def code_block(lines: Sequence[str], language: str = "text") -> str:
    """Return lines as a fenced block, longer than any fence inside."""
    content = [one_line(line) for line in lines]
    longest = max((len(run) for line in content for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([f"{fence}{language}", *content, fence])


def table_row(cells: Sequence[str]) -> str:
    """Return a row of a table from cells that are Markdown."""
    return f"| {' | '.join(cells)} |"
