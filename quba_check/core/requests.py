"""Requests: numbers that threshold files ask for, next to the fixed parts of dimensions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from quba_check.core.view import CLEAN_SET

Rate = Literal["recall", "specificity", "precision", "npv"]
"""A share of images: a part of a class's row or column in the confusion matrix."""
RATES: tuple[Rate, ...] = get_args(Rate)


@dataclass(frozen=True, slots=True)
class ClassRequest:
    """A number of one class against the rest, or of a few classes taken together.

    Attributes:
        target: the key in the threshold file, such as `melanoma` or `benign|nevus`.
        classes: the classes' numbers, which count as one class.
        metric: the number.
        set: the set of images that it is measured on.
    """

    target: str
    classes: tuple[int, ...]
    metric: Rate
    set: str = CLEAN_SET

    @property
    def dimension(self) -> str:
        """The dimension that measures it."""
        return "classes"

    @property
    def name(self) -> str:
        """Name of the part: `melanoma.recall`."""
        return f"{self.target}.{self.metric}"


Request = ClassRequest
"""What a threshold file can ask for."""
