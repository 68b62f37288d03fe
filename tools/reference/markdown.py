"""Building blocks of Markdown pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

NOTICE = (
    "<!-- Generated from the code by `python -m tools.reference`. Change the code, then run it again. -->"
)
"""First line of each generated page."""


def page(title: str, *blocks: str) -> str:
    """Return a whole page: notice, title and blocks, separated by blank lines."""
    return "\n\n".join([NOTICE, f"# {title}", *(block for block in blocks if block)]) + "\n"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table. Empty columns after the first are left out."""
    cells = [[escaped(cell) for cell in row] for row in rows]
    used = [i for i in range(len(headings)) if i == 0 or any(row[i] for row in cells)]
    lines = [[headings[i] for i in used], *([row[i] for i in used] for row in cells)]
    shown = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join([shown[0], "|" + "---|" * len(used), *shown[1:]])


def escaped(cell: str) -> str:
    """Return text that fits into one cell."""
    return " ".join(cell.split()).replace("|", "\\|")


def code(text: str) -> str:
    """Return text as inline code, also if it contains backticks."""
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def codes(names: Iterable[str]) -> str:
    """Return names as inline code, separated by commas."""
    return ", ".join(code(name) for name in names)


def anchor(heading: str) -> str:
    """Return the anchor of a heading, the same on GitHub and on the site.

    >>> anchor("`dimensions.NAME` (a part)")
    'dimensionsname-a-part'
    """
    kept = "".join(character for character in heading.lower() if character.isalnum() or character in "_- ")
    return kept.replace(" ", "-")
