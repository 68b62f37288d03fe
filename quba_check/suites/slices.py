"""Slices of a set's images by the columns that its entry names."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from quba_check.core.slices import SliceColumn
from quba_check.errors import SuiteError
from quba_check.messages import one_line
from quba_check.suites.manifest.set_schema import SEPARATORS, AnySet

EMPTY = "(empty)"
"""Value of an empty cell."""
MOST_VALUES = 1000
"""Largest number of slices of a column."""


def slice_columns(declared: AnySet, cells: Sequence[tuple[str, ...]], where: str) -> dict[str, SliceColumn]:
    """Return the slices of images by column; crossed ones are joined by a comma.

    Args:
        declared: the set.
        cells: for each image the text of the columns that the set's entry names.
        where: the set, for messages.

    Raises:
        SuiteError: a column has too many values, or one that no name of a slice can hold.
    """
    columns = {}
    for crossed in declared.crossed:
        places = [declared.columns.index(column) for column in crossed]
        rows, numbers = np.unique(
            np.array([[one_line(row[place].strip()) or EMPTY for place in places] for row in cells]),
            axis=0,
            return_inverse=True,
        )
        name = ",".join(crossed)
        if len(rows) > MOST_VALUES:
            raise SuiteError(
                f"{where}: the slice column '{name}' has {len(rows):,} values. "
                f"Allowed: at most {MOST_VALUES:,}."
            )
        for column, value in (
            (column, value) for row in rows for column, value in zip(crossed, row, strict=True)
        ):
            if any(separator in value for separator in SEPARATORS):
                raise SuiteError(
                    f"{where}: the slice column '{column}' has the value '{value}'. "
                    "Allowed: values without = and commas."
                )
        names = (
            ",".join(f"{column}={value}" for column, value in zip(crossed, row, strict=True)) for row in rows
        )
        columns[name] = SliceColumn(tuple(names), numbers.reshape(-1))
    return columns
