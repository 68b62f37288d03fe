"""Images as values: those of a set, decoded on access, and synthetic ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import overload

import numpy as np
from numpy.typing import NDArray

from quba_check.core.predictions import NO_CLASS
from quba_check.core.view import CORRUPTIONS_SET, View
from quba_check.errors import SuiteError
from quba_check.suites.suite import Suite
from quba_check.testing.perturbations import Pixels


@dataclass(frozen=True, slots=True)
class Picture:
    """A labelled image.

    Attributes:
        name: path relative to the suite's root, with the member of a container in brackets.
        label: class number in the label space of its set.
        class_name: name of the class; empty without a class.
        pixels: (H, W, 3) uint8, RGB.
    """

    name: str
    label: int
    class_name: str
    pixels: NDArray[np.uint8] = field(repr=False, compare=False)


class Pictures(Sequence[Picture]):
    """The images of a set, in its order.

    Args:
        suite: the suite.
        set_name: `clean`, a shift, `mixed_same`, …; for corrupted images use `perturbations.Corruption`.

    Attributes:
        suite: the suite.
        is_prepared: True if images are stored at their final size, so that they must not be cropped.

    Raises:
        SuiteError: the suite has no such set, or its layout is invalid.
    """

    def __init__(self, suite: Suite, set_name: str) -> None:
        if set_name == CORRUPTIONS_SET:
            raise SuiteError(
                f"the set '{set_name}' contains many sets",
                allowed="a single set of images; perturbations.Corruption corrupts its images",
            )
        self.suite = suite
        view = View(set_name)
        self._examples = suite.examples(view)
        self._classes = suite.space_of(set_name).classes
        self.is_prepared = suite.is_prepared(view)

    def __len__(self) -> int:
        return len(self._examples)

    @overload
    def __getitem__(self, index: int) -> Picture: ...

    @overload
    def __getitem__(self, index: slice) -> list[Picture]: ...

    def __getitem__(self, index: int | slice) -> Picture | list[Picture]:
        if isinstance(index, slice):
            return [self[position] for position in range(*index.indices(len(self)))]
        example = self._examples[index]
        class_name = "" if example.label == NO_CLASS else self._classes[example.label]
        return Picture(example.full_name, example.label, class_name, np.array(self.suite.image(example)))


Rgb = tuple[int, int, int]
"""Red, green and blue, 0 to 255."""


@dataclass(frozen=True, slots=True)
class Plain:
    """An image of one colour."""

    height: int
    width: int
    colour: Rgb = (0, 0, 0)

    @property
    def pixels(self) -> Pixels:
        """(height, width, 3) uint8."""
        return np.full((self.height, self.width, 3), self.colour, dtype=np.uint8)


@dataclass(frozen=True, slots=True)
class Gradient:
    """A gradient from one colour at the left to another at the right."""

    height: int
    width: int
    left: Rgb = (0, 0, 0)
    right: Rgb = (255, 255, 255)

    @property
    def pixels(self) -> Pixels:
        """(height, width, 3) uint8."""
        row = np.linspace(self.left, self.right, self.width)
        return np.repeat(np.rint(row)[None], self.height, axis=0).astype(np.uint8)


@dataclass(frozen=True, slots=True)
class Static:
    """An image of uniform noise."""

    height: int
    width: int
    seed: int = 0

    @property
    def pixels(self) -> Pixels:
        """(height, width, 3) uint8."""
        rng = np.random.default_rng(self.seed)
        return rng.integers(0, 256, (self.height, self.width, 3), dtype=np.uint8)
