"""A labelled image of a set, and how many a set has."""

from __future__ import annotations

from dataclasses import dataclass

from quba_check.core.predictions import NO_CLASS


@dataclass(frozen=True, slots=True)
class Example:
    """A labelled image of a set.

    Attributes:
        index: its position in the set.
        name: path of its file, or of the container that holds it, relative to the suite's root, with forward
            slashes.
        label: its class in the label space that the set declares.
        texture: class of its second cue in that space; `NO_CLASS` where it has none.
        member: which image of the container it is; None where the file is the image.
        reader: the reader that opens the container; None where there is none.
        condition: corruption and severity, in a view where each image has its own.
    """

    index: int
    name: str
    label: int
    texture: int = NO_CLASS
    member: str | None = None
    reader: str | None = None
    condition: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class SetCount:
    """How many images a set has.

    Attributes:
        images: looked at.
        expected: as published; None where the manifest does not say.
        found: how many there are, where a limit left some out.
    """

    images: int
    expected: int | None
    found: int | None = None

    def __add__(self, other: SetCount) -> SetCount:
        known = self.expected is not None and other.expected is not None
        expected = (self.expected or 0) + (other.expected or 0) if known else None
        images = self.images + other.images
        found = (self.found or self.images) + (other.found or other.images)
        return SetCount(images, expected, found if found > images else None)
