"""Label spaces: how a model's own classes are read as coarser ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Rule = Literal["mean", "argmax", "map"]


@dataclass(frozen=True, slots=True)
class LabelSpace:
    """Classes of a space and the model's classes that belong to each.

    Attributes:
        name: how views and manifests call it.
        classes: the K class names, in order.
        members: for each of the K classes, the indices of the model's classes that belong to it.
        by: `mean`: the class with the highest mean probability over its members;
            `argmax`: the best of all members, the others ignored;
            `map`: the model's own top-1, then mapped; a choice outside all members counts as wrong.
    """

    name: str
    classes: tuple[str, ...]
    members: tuple[tuple[int, ...], ...]
    by: Rule

    @classmethod
    def own(cls, classes: tuple[str, ...]) -> LabelSpace:
        """The model's own classes, each its only member."""
        return cls("own", classes, tuple((k,) for k in range(len(classes))), "argmax")

    def class_of(self) -> dict[int, int]:
        """For each model class that belongs to a class of the space: which one."""
        return {member: k for k, members in enumerate(self.members) for member in members}
