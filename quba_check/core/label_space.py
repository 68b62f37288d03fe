"""Label spaces: groups of the model's own classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Rule = Literal["mean", "argmax", "map"]


@dataclass(frozen=True, slots=True)
class LabelSpace:
    """The classes of a space, each with the model's classes that belong to it.

    Attributes:
        name: name in views and manifests.
        classes: the K class names, in order.
        members: for each of the K classes, the indices of the model's classes that belong to it.
        by: rule of the predicted class. `mean`: the class with the highest mean probability over its members;
            `argmax`: the class of the most probable member, other classes being ignored;
            `map`: the class of the model's own prediction; a prediction outside all members is wrong.
    """

    name: str
    classes: tuple[str, ...]
    members: tuple[tuple[int, ...], ...]
    by: Rule

    @classmethod
    def own(cls, classes: tuple[str, ...]) -> LabelSpace:
        """Return the space of the model's own classes, each its only member."""
        return cls("own", classes, tuple((k,) for k in range(len(classes))), "argmax")

    def class_of(self) -> dict[int, int]:
        """Return the class of the space for each of the model's classes in it."""
        return {member: k for k, members in enumerate(self.members) for member in members}
