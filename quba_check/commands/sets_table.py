"""What `quba-check suite describe` says of a data folder: one row a set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from quba_check.errors import listed
from quba_check.protocol.view import (
    CLEAN_SET,
    CORRUPTIONS,
    CORRUPTIONS_SET,
    CUE_CONFLICT_SET,
    MIXED_RAND_SET,
    MIXED_SAME_SET,
    SEVERITIES,
    View,
)

if TYPE_CHECKING:
    from rich.table import Table

    from quba_check.suites import Suite

COLUMNS = ("set", "images", "expected", "space", "classes", "per class", "where")
_NOTHING = "-"


def sets_table(suite: Suite) -> Table:
    """All sets that there are or could be: how many images and classes, in which label space, from where."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in COLUMNS:
        right = name in ("images", "expected", "classes", "per class")
        table.add_column(name, justify="right" if right else "left", overflow="fold")
    for row in described_sets(suite):
        table.add_row(*row)
    return table


def described_sets(suite: Suite) -> list[tuple[str, ...]]:
    """The rows: what the manifest declares, then what dimensions look at and it has no entry for.

    `classes` says how many classes of the set's label space have images; `per class` how many the class with
    the fewest and that with the most of them have (in a corruption and severity where the set has those).
    """
    present = {view: _images_of_classes(suite, view) for view in _read_views(suite)}
    counts = suite.counts()
    rows: list[tuple[str, ...]] = []
    for name, space in suite.facts.spaces.items():
        # Corruptions that are made of clean images have as many of each class.
        source = CLEAN_SET if suite.generates(View(name)) else name
        found = [images for view, images in present.items() if view.set == source]
        shown = space or "own"
        if name not in counts or not found:
            rows.append((name, "missing", _NOTHING, shown, _NOTHING, _NOTHING, _where(suite, name)))
            continue
        expected = counts[name].expected
        rows.append(
            (
                name,
                f"{counts[name].images:,}",
                _NOTHING if expected is None else f"{expected:,}",
                shown,
                f"{np.count_nonzero(sum(found)):,} of {len(found[0]):,}",
                _range(np.concatenate(found)),
                _where(suite, name),
            )
        )
    absent = (_NOTHING,) * 4
    return rows + [(name, "missing", *absent, "not in the manifest") for name in _undeclared(suite)]


def _read_views(suite: Suite) -> list[View]:
    return [view for view in suite.views() if not suite.generates(view)]


def _images_of_classes(suite: Suite, view: View) -> NDArray[np.intp]:
    """How many images each class of the set's label space has."""
    labels = [example.label for example in suite.examples(view)]
    return np.bincount(labels, minlength=len(suite.space_of(view.set).classes))


def _range(images: NDArray[np.intp]) -> str:
    """Fewest and most images of the classes that have any."""
    some = images[images > 0]
    fewest, most = int(some.min()), int(some.max())
    return f"{fewest:,}" if fewest == most else f"{fewest:,}-{most:,}"


def _undeclared(suite: Suite) -> list[str]:
    """Sets that the nine dimensions look at and that the manifest has no entry for."""
    sets = (CLEAN_SET, CORRUPTIONS_SET, MIXED_SAME_SET, MIXED_RAND_SET, CUE_CONFLICT_SET)
    absent = [name for name in sets if name not in suite.facts.spaces]
    return absent if suite.facts.shifts else [*absent, "shifts"]


def _where(suite: Suite, name: str) -> str:
    """Where a set is read from, and what is missing there."""
    whole = View(name)
    if reason := suite.missing(whole):
        return reason
    if suite.generates(whole):
        return "made from clean"
    found = suite.place(whole)
    place = str(found.relative_to(suite.root) if found.is_relative_to(suite.root) else found)
    if name != CORRUPTIONS_SET:
        return place
    conditions = [View(name, corruption, severity) for corruption in CORRUPTIONS for severity in SEVERITIES]
    absent = [str(view).partition("/")[2] for view in conditions if suite.missing(view)]
    shown = listed(absent, limit=2)
    return f"{place}; {len(absent)} of {len(conditions)} conditions missing: {shown}" if absent else place
