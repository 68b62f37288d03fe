"""Table of `quba-check suite describe`: one row for each set of a data folder."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len

from quba_check.core.predictions import NO_CLASS
from quba_check.core.view import (
    CLEAN_SET,
    CORRUPTIONS,
    CORRUPTIONS_SET,
    CUE_CONFLICT_SET,
    MIXED_RAND_SET,
    MIXED_SAME_SET,
    View,
)
from quba_check.messages import listed, one_line
from quba_check.reports.tables import table_text, wrapped
from quba_check.suites import Suite
from quba_check.suites.sampled_corruptions import conditions_of

COLUMNS = ("set", "images", "expected", "space", "classes", "per class", "where")
_NAMES = ("set", "space")
_RIGHT = ("images", "expected", "classes", "per class")
_NOTHING = "-"


def sets_text(suite: Suite, width: int) -> str:
    """Return the suite's name and a table of its sets.

    If the table is wider than `width` columns, paths and reasons follow below it, one for each set.
    """
    rows = set_rows(suite)
    table = table_text(COLUMNS, rows, _RIGHT)
    if max(map(cell_len, table.splitlines())) > width:
        table = table_text(COLUMNS[:-1], [row[:-1] for row in rows], _RIGHT, cut=_NAMES, width=width)
        table += "\n" + wrapped((f"{name}: {path}" for name, *_, path in rows), width)
    heading = f"{suite.name}: {suite.facts.class_count:,} classes, in {one_line(suite.location)}"
    return wrapped([heading], width) + table


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
    labels = [example.label for example in suite.examples(view) if example.label != NO_CLASS]
    return np.bincount(labels, minlength=len(suite.space_of(view.set).classes))


def _range(images: NDArray[np.intp]) -> str:
    """Return the smallest and largest number of images of a class with images."""
    positive = images[images > 0]
    if not len(positive):  # a set of no class
        return _NOTHING
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
    conditions = conditions_of((*CORRUPTIONS, *suite.facts.extra_corruptions))
    absent = [str(view).partition("/")[2] for view in conditions if suite.missing(view)]
    names = listed(absent, at_most=2)
    return (
        f"{relative}; {len(absent)} of {len(conditions)} conditions missing: {names}" if absent else relative
    )
