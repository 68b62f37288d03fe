"""Table of `quba-check suite describe`: one row for each set of a data folder."""

from __future__ import annotations

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
from quba_check.reports.tables import fitted_rows, shorten, wrap_line
from quba_check.suites import Suite

COLUMNS = ("set", "images", "expected", "space", "classes", "per class", "where")
_RIGHT = ("images", "expected", "classes", "per class")
_NOTHING = "-"


def sets_text(suite: Suite, width: int, *, rule: str = "─") -> str:
    """Return the suite's name and a table of its sets, at most `width` columns wide.

    The place of a set is the last cell of its row. If it does not fit, it follows on separate lines.

    Args:
        suite: the suite.
        width: columns of the terminal; with fewer than 72, lines may be longer.
        rule: the character of the rule below the head.
    """
    rows = [COLUMNS, *set_rows(suite)]
    cells = fitted_rows(COLUMNS[:-1], (row[:-1] for row in rows), ("set", "space"), width)
    widths = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for row, (*_, relative) in zip(cells, rows, strict=True):
        padded = [
            " " * (size - cell_len(cell)) + cell if name in _RIGHT else cell + " " * (size - cell_len(cell))
            for name, cell, size in zip(COLUMNS, row, widths, strict=False)
        ]
        line = "  ".join([*padded, relative])
        if cell_len(line) > width:
            lines.append("  ".join(padded).rstrip())
            line = "\n".join(shorten(part, width) for part in wrap_line(f"  {relative}", width) if lines[1:])
        lines += line.splitlines()
    head, relative = f"{suite.name}: {suite.facts.class_count:,} classes, in", one_line(suite.location)
    is_short = cell_len(f"{head} {relative}") <= width
    heading = [f"{head} {relative}"] if is_short else [head, f"  {shorten(relative, width - 2)}"]
    return "\n".join([*heading, lines[0], rule * max(map(cell_len, lines)), *lines[1:]])


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
        space_name = space or "own"
        if name not in counts or not per_class:
            rows.append((name, "missing", _NOTHING, space_name, _NOTHING, _NOTHING, _where(suite, name)))
            continue
        expected = counts[name].expected
        rows.append(
            (
                name,
                f"{counts[name].images:,}",
                _NOTHING if expected is None else f"{expected:,}",
                space_name,
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
    path = suite.set_path(whole)
    relative = str(path.relative_to(suite.root) if path.is_relative_to(suite.root) else path)
    if name != CORRUPTIONS_SET:
        return relative
    conditions = [View(name, corruption, severity) for corruption in CORRUPTIONS for severity in SEVERITIES]
    absent = [str(view).partition("/")[2] for view in conditions if suite.missing(view)]
    names = listed(absent, at_most=2)
    return (
        f"{relative}; {len(absent)} of {len(conditions)} conditions missing: {names}" if absent else relative
    )
