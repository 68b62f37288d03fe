"""Slices: the images of a set with one value of a column."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class SliceColumn:
    """The slice of each image of a set, for one column or several crossed ones.

    Attributes:
        names: names of the slices, such as `lighting=night`, or `lighting=night,camera=old`.
        numbers: (N,) position in `names` of the slice of each image, in the order of the images' indices.
    """

    names: tuple[str, ...]
    numbers: NDArray[np.intp]

    def rows(self, name: str) -> NDArray[np.bool_]:
        """Return (N,) True for each image of a slice, which may have none."""
        rows: NDArray[np.bool_] = self.numbers == (self.names.index(name) if name in self.names else -1)
        return rows


def column_of(name: str) -> str:
    """Return the column of a slice; crossed ones are joined by a comma.

    >>> column_of("lighting=night"), column_of("lighting=night,camera=old")
    ('lighting', 'lighting,camera')
    """
    return ",".join(one.partition("=")[0] for one in name.split(","))
