"""Pictures of misclassified images, as the page shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of a misclassified image.

    Attributes:
        source: its `data:` address, or a path relative to the page.
        label: the class of the image.
        answer: the class that the model chose.
        path: the file of the image, relative to the suite's folder.
        confidence: probability of the chosen class, in [0, 1]; None if unknown.
        lost: True if the baseline classifies the image correctly.
        width: width of the picture in pixels.
        height: height of the picture in pixels.
    """

    source: str
    label: str
    answer: str
    path: str
    confidence: float | None = None
    lost: bool = False
    width: int = 96
    height: int = 96


Pictures = Mapping[tuple[int, str], Sequence[Picture]]
"""Pictures of demands, by the number of the record (from 0) and the id of the verdict."""
