"""Table of `quba-check suite describe`: one row for each set of a data folder."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len

from quba_check.core.view import (
    CLEAN_SET,
    CORRUPTIONS,
    CORRUPTIONS_SET,
    CUE_CONFLICT_SET,
    MIXED_RAND_SET,
    MIXED_SAME_SET,
    SEVERITIES,
    View,
)
from quba_check.messages import listed, one_line

if TYPE_CHECKING:
    from quba_check.suites import Suite

COLUMNS = ("set", "images", "expected", "space", "classes", "per class", "where")
_RIGHT = ("images", "expected", "classes", "per class")
_NOTHING = "-"
_GAPS = ("   ", "  ")
_CUT = "..."
_SHORTEST_NAME = 12


def sets_text(suite: Suite, width: int, *, rule: str = "─") -> str:
    """Return the suite's name and a table of its sets, at most `width` columns wide.

    The place of a set is the last cell of its row. If it does not fit, it follows on separate lines.

    Args:
        suite: the suite.
        width: columns of the terminal; with fewer than 72, lines may be longer.
        rule: the character of the rule below the head.
    """
    *columns, places = map(list, zip(COLUMNS, *set_rows(suite), strict=True))
    for gap in _GAPS:
        rows = [
            (row, f"{row}{gap}{place}")
            for row, place in zip(_align(columns, width, gap), places, strict=True)
        ]
        if max(cell_len(whole) for _, whole in rows) <= width:
            break
    lines = []
    for place, (row, whole) in zip(places, rows, strict=True):
        if cell_len(whole) <= width:
            lines.append(whole)
        else:
            lines += [row.rstrip(), *(_wrap(place, width) if lines else [])]
    return "\n".join([*_heading(suite, width), lines[0], rule * max(map(cell_len, lines)), *lines[1:]])


def _heading(suite: Suite, width: int) -> list[str]:
    head = f"{suite.name}: {suite.facts.class_count:,} classes, in"
    location = one_line(suite.location)
    line = f"{head} {location}"
    return [line] if cell_len(line) <= width else [head, f"  {shorten(location, width - 2)}"]


def _align(columns: list[list[str]], width: int, gap: str) -> list[str]:
    """Return padded rows; names of sets and spaces are cut to fit the width."""
    names = [columns[COLUMNS.index(name)] for name in ("set", "space")]
    room = width - len(gap) * (len(columns) - 1)
    while (excess := sum(map(_widest, columns)) - room) > 0:
        longest = max(names, key=_widest)
        if _widest(longest) <= _SHORTEST_NAME:
            break
        target = max(_widest(longest) - excess, _SHORTEST_NAME)
        longest[:] = [shorten(cell, target) for cell in longest]
    padded = []
    for column in columns:
        size = _widest(column)
        blanks = [" " * (size - cell_len(cell)) for cell in column]
        right = column[0] in _RIGHT
        padded.append(
            [blank + cell if right else cell + blank for cell, blank in zip(column, blanks, strict=True)]
        )
    return [gap.join(cells) for cells in zip(*padded, strict=True)]


def _widest(column: Sequence[str]) -> int:
    return max(map(cell_len, column))


def _wrap(place: str, width: int) -> list[str]:
    """Return a place as indented lines; words too long for a line are shortened."""
    lines = textwrap.wrap(
        place,
        width,
        initial_indent="  ",
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [shorten(line, width) for line in lines]


def shorten(text: str, width: int) -> str:
    """Return a text, without its middle if it is longer than `width`.

    >>> shorten("/data/of/the/year/2024/val", 16)
    '/data/...024/val'
    """
    if cell_len(text) <= width:
        return text
    room = width - len(_CUT)
    head, tail = text[: room // 2], text[len(text) - (room - room // 2) :]
    return f"{head}{_CUT}{tail}"


def set_rows(suite: Suite) -> list[tuple[str, ...]]:
    """Return the rows: declared sets, then undeclared sets of the nine dimensions.

    `classes` is the number of classes of the set's label space with images; `per class` is the smallest and
    largest number of images of a class with images (per corruption and severity for corruptions).
    """
    present = {view: _images_per_class(suite, view) for view in suite.views() if not suite.is_generated(view)}
    counts = suite.counts()
    rows: list[tuple[str, ...]] = []
    for name, space in suite.facts.spaces.items():
        # Generated corruptions have the classes of the clean images.
        source = CLEAN_SET if suite.is_generated(View(name)) else name
        per_class = [images for view, images in present.items() if view.set == source]
        shown = space or "own"
        if name not in counts or not per_class:
            rows.append((name, "missing", _NOTHING, shown, _NOTHING, _NOTHING, _where(suite, name)))
            continue
        expected = counts[name].expected
        rows.append(
            (
                name,
                f"{counts[name].images:,}",
                _NOTHING if expected is None else f"{expected:,}",
                shown,
                f"{np.count_nonzero(sum(per_class)):,} of {len(per_class[0]):,}",
                _range(np.concatenate(per_class)),
                _where(suite, name),
            )
        )
    absent = (_NOTHING,) * 4
    return rows + [(name, "missing", *absent, "not in the manifest") for name in _undeclared_sets(suite)]


def _images_per_class(suite: Suite, view: View) -> NDArray[np.intp]:
    labels = [example.label for example in suite.examples(view)]
    return np.bincount(labels, minlength=len(suite.space_of(view.set).classes))


def _range(images: NDArray[np.intp]) -> str:
    """Return the smallest and largest number of images of a class with images."""
    positive = images[images > 0]
    fewest, most = int(positive.min()), int(positive.max())
    return f"{fewest:,}" if fewest == most else f"{fewest:,}-{most:,}"


def _undeclared_sets(suite: Suite) -> list[str]:
    """Return the sets that the nine dimensions need and the manifest does not declare."""
    sets = (CLEAN_SET, CORRUPTIONS_SET, MIXED_SAME_SET, MIXED_RAND_SET, CUE_CONFLICT_SET)
    absent = [name for name in sets if name not in suite.facts.spaces]
    return absent if suite.facts.shifts else [*absent, "shifts"]


def _where(suite: Suite, name: str) -> str:
    """Return the path of a set and the reason if it is missing or incomplete."""
    whole = View(name)
    if reason := suite.missing(whole):
        return reason.replace(f"{suite.location}/", "")
    if suite.is_generated(whole):
        return "made from clean"
    path = suite.place(whole)
    place = str(path.relative_to(suite.root) if path.is_relative_to(suite.root) else path)
    if name != CORRUPTIONS_SET:
        return place
    conditions = [View(name, corruption, severity) for corruption in CORRUPTIONS for severity in SEVERITIES]
    absent = [str(view).partition("/")[2] for view in conditions if suite.missing(view)]
    shown = listed(absent, at_most=2)
    return f"{place}; {len(absent)} of {len(conditions)} conditions missing: {shown}" if absent else place
