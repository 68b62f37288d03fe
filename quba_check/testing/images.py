"""The labelled images of a set, decoded on access."""

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
                f"the set '{set_name}' contains many sets. Allowed: a single set of images; "
                "perturbations.Corruption corrupts its images."
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
