"""Whether the label is among the classes ranked first."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ROW_BLOCK = 4096
"""Rows ranked at a time: bounds the memory of the comparison."""


def is_in_top_k(probabilities: NDArray[np.float32], label: NDArray[np.int64], k: int) -> NDArray[np.bool_]:
    """Whether the label of each image is among the k most probable classes.

    Of equally probable classes the one with the lower number ranks first, as argmax has it. A label outside
    the table's classes is never among them.

    Args:
        probabilities: (N, C) float32.
        label: (N,) class of each image.
        k: how many classes count.

    Returns:
        (N,), whose mean is the top-k accuracy.

    Raises:
        ValueError: there are no rows, or table and labels differ in length.

    >>> table = np.array([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]], dtype=np.float32)
    >>> is_in_top_k(table, np.array([1, 2]), k=2).tolist()
    [True, False]
    """
    rows, classes = probabilities.shape
    if rows == 0 or rows != len(label):
        raise ValueError(
            f"top-k accuracy: {rows} rows of probabilities for {len(label)} labels. "
            "Allowed: as many rows as labels, not empty."
        )
    hits = np.empty(rows, dtype=np.bool_)
    for first in range(0, rows, ROW_BLOCK):
        labels = label[first : first + ROW_BLOCK, None]
        known = (labels >= 0) & (labels < classes)
        table = probabilities[first : first + ROW_BLOCK]
        own = np.take_along_axis(table, np.where(known, labels, 0), axis=1)
        ahead = (table > own) | ((table == own) & (np.arange(classes) < labels))
        hits[first : first + ROW_BLOCK] = known[:, 0] & (ahead.sum(axis=1) < k)
    return hits
