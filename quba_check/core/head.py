"""The outputs expected of a model, and the columns of the suite's classes."""

from __future__ import annotations

from dataclasses import dataclass

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

    >>> Head(3).size, Head(2, columns=(7, 4), of=10).size
    (3, 10)
    """

    classes: int
    columns: tuple[int, ...] | None = None
    of: int | None = None
    is_in_imagenet: bool = False

    @property
    def size(self) -> int:
        """Required number of outputs of a model."""
        return self.classes if self.of is None else self.of

    @property
    def note(self) -> str | None:
        """Note for the record if answers are restricted; None otherwise."""
        if self.columns is None:
            return None
        return f"answers are restricted to {self.classes:,} of the model's {self.size:,} classes"

    @property
    def expected(self) -> str:
        """The expected number of classes, as the end of an error message."""
        if self.columns is None:
            return f"the suite has {self.classes}"
        return f"the suite is restricted to {self.classes} of {self.size}"

    def advice(self, theirs: int) -> str:
        """Return advice on a model with another number of outputs; empty if there is none.

        >>> Head(2, columns=(7, 4), of=10).advice(2)
        'Give a model of 10 classes, or remove restrict from quba-data.yaml.'
        """
        if self.columns is not None:
            return f"Give a model of {self.size:,} classes, or remove restrict from quba-data.yaml."
        if self.is_in_imagenet and theirs == IMAGENET_SIZE:
            return (
                f"The suite's classes are {self.classes} of ImageNet's {theirs:,}. Score only their logits "
                "with restrict: true in quba-data.yaml, or keep all as possible answers with classes: "
                "imagenet and partial: true in its sets (folders named by synset)."
            )
        return ""
