"""Classes of a suite: the outputs expected of a model, label spaces and prompts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

IMAGENET_SIZE = 1000


@dataclass(frozen=True, slots=True)
class Head:
    """The outputs of the models of a suite.

    Attributes:
        classes: number of classes of the suite.
        columns: index of the output of each of these classes; None if the outputs are the suite's classes,
            in order.
        of: number of outputs, if `columns` selects some of them.
        is_in_imagenet: True if the suite's classes are some of ImageNet's 1,000.
        ignored: positions of outputs that are no classes, such as "background".
        positive: the class that a single output stands for, of two; None if the suite states none.

    >>> Head(3).size, Head(2, columns=(7, 4), of=10).size
    (3, 10)
    """

    classes: int
    columns: tuple[int, ...] | None = None
    of: int | None = None
    is_in_imagenet: bool = False
    ignored: tuple[int, ...] = ()
    positive: int | None = None

    @property
    def size(self) -> int:
        """Required number of outputs of a model."""
        return self.classes if self.of is None else self.of

    def without(self, ignored: tuple[int, ...]) -> Head:
        """Return the head of models with further outputs that are no classes.

        >>> Head(3).without((0,)).columns, Head(2, columns=(7, 4), of=10).without((0, 11)).columns
        ((1, 2, 3), (8, 5))
        """
        size = self.size + len(ignored)
        kept = [position for position in range(size) if position not in ignored]
        columns = tuple(kept[position] for position in self.columns or range(self.classes))
        return replace(self, columns=columns, of=size, ignored=ignored)

    @property
    def note(self) -> str | None:
        """Note for the record if answers are restricted; None otherwise."""
        if self.columns is None or self.size == self.classes:
            return None
        return f"answers are restricted to {self.classes:,} of the model's {self.size:,} classes"

    @property
    def expected(self) -> str:
        """The expected number of classes, as the end of an error message."""
        if self.ignored:
            return f"ignore names {len(self.ignored)} of them, and the suite has {self.classes}"
        if self.of is None:
            return f"the suite has {self.classes}"
        return f"the suite is restricted to {self.classes} of {self.size}"

    def advice(self, theirs: int) -> str:
        """Return advice on a model with another number of outputs; empty if there is none.

        >>> Head(2, columns=(7, 4), of=10).advice(2)
        'Give a model of 10 classes, or remove restrict from quba-data.yaml.'
        """
        if self.ignored:
            return f"Give a model of {self.size:,} outputs, or change ignore in the preprocessing file."
        if theirs == self.size + 1:
            return (
                f"Give a model of {self.size:,} classes. If one output is no class, such as background as "
                "the first, state ignore: [0] in the file of --quba-preprocessing."
            )
        if theirs == 1 and self.classes == 2:
            return "State the class that its one output means: positive: NAME in quba-data.yaml."
        if self.of is not None:
            return f"Give a model of {self.size:,} classes, or remove restrict from quba-data.yaml."
        if self.is_in_imagenet and theirs == IMAGENET_SIZE:
            return (
                f"The suite's classes are {self.classes} of ImageNet's {theirs:,}. Score only their logits "
                "with restrict: true in quba-data.yaml, or keep all as possible answers with classes: "
                "imagenet and partial: true in its sets (folders named by synset)."
            )
        return ""


CombiningRule = Literal["mean", "argmax", "map"]


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
    by: CombiningRule

    @classmethod
    def own(cls, classes: tuple[str, ...]) -> LabelSpace:
        """Return the space of the model's own classes, each its only member."""
        return cls("own", classes, tuple((k,) for k in range(len(classes))), "argmax")

    def class_of(self) -> dict[int, int]:
        """Return the class of the space for each of the model's classes in it."""
        return {member: k for k, members in enumerate(self.members) for member in members}


PLACE = "{}"
"""Placeholder of the class name in a template."""


@dataclass(frozen=True, slots=True)
class Prompts:
    """Class names and templates of a suite.

    The model's loader fills in what the suite leaves out.

    Attributes:
        templates: texts with `{}` in the place of the class name; empty if the suite has none.
        names: name of a class in these texts, for the classes that the suite names.

    >>> Prompts(("a photo of a {}.", "art of {}."), {"n01440764": "tench"}).texts("tench")
    ('a photo of a tench.', 'art of tench.')
    """

    templates: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)

    def texts(self, name: str) -> tuple[str, ...]:
        """Return the templates with a class name in place of `{}`."""
        return tuple(template.replace(PLACE, name) for template in self.templates)
