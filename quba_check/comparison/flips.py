"""Clean images on which one model is right and the other wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from quba_check.comparison.csv_text import csv_text
from quba_check.comparison.stored_run import StoredRun
from quba_check.errors import UserError

HEADINGS = ("image", "flip", "label", "before", "after")


@dataclass(frozen=True, slots=True)
class Flip:
    """An image whose answer became right or wrong.

    Attributes:
        image: its file, relative to the suite's folder.
        flip: `lost`: right before and wrong after; `gained`: the other way round.
        label: its class.
        before, after: the classes that the models chose.
    """

    image: str
    flip: str
    label: str
    before: str
    after: str


def flips(before: StoredRun, after: StoredRun) -> Iterator[Flip]:
    """The images whose answers became wrong or right, in the order of the set.

    Raises:
        UserError: the answers of a run are not there.
    """
    first, second = before.clean_answers("--flips: "), after.clean_answers("--flips: ")
    if list(first.names) != list(second.names):
        raise UserError(
            f"--flips: {before.file} and {after.file}: their clean images differ. "
            "Allowed: runs on the same images."
        )
    was, is_now = first.predicted == first.label, second.predicted == second.label
    for place in np.flatnonzero(was != is_now).tolist():
        yield Flip(
            second.names[place],
            "lost" if was[place] else "gained",
            second.classes[second.label[place]],
            second.classes[first.predicted[place]],
            second.classes[second.predicted[place]],
        )


def flips_csv(before: StoredRun, after: StoredRun) -> tuple[str, int]:
    """The flips as CSV text with a heading, and how many there are."""
    found = list(flips(before, after))
    rows = ((flip.image, flip.flip, flip.label, flip.before, flip.after) for flip in found)
    return csv_text(HEADINGS, rows), len(found)
