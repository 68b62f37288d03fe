"""What readers find."""

from __future__ import annotations

from dataclasses import dataclass

from quba_check.core.predictions import NO_CLASS


@dataclass(frozen=True, slots=True)
class Listed:
    """An image that a reader found.

    Attributes:
        path: its file, or the container that holds it, with forward slashes.
        label: its class, as a position in the class list.
        texture: class of its second cue; `NO_CLASS` where it has none.
        member: which image of the container it is; None where the file is the image.
    """

    path: str
    label: int
    texture: int = NO_CLASS
    member: str | None = None
