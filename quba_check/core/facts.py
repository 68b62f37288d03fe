"""What a dimension may know of suite and model besides predictions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from quba_check.core.protocols import STANDARD, Protocol


def short_class_names(names: Sequence[str]) -> tuple[str, ...]:
    """Return class names up to the first comma, for messages.

    A name stays whole if another class has the same beginning.

    >>> short_class_names(["tench, Tinca tinca", "shirt, red", "shirt, blue"])
    ('tench', 'shirt, red', 'shirt, blue')
    """
    short = [name.partition(",")[0].strip() or name for name in names]
    times = Counter(short)
    return tuple(cut if times[cut] == 1 else name for cut, name in zip(short, names, strict=True))


@dataclass(frozen=True, slots=True)
class SuiteFacts:
    """What the manifest says, before any image is read.

    Attributes:
        name: the suite's name.
        class_count: number of classes of the model's own label space.
        shifts: names of the shifted sets, in manifest order; ood_robustness is over these.
        corruptions: names of the corruptions, in the field's usual order.
        spaces: for each declared set, the label space it declares; None is the model's own.
        generates_corruptions: corruptions are made from the clean set instead of read from files.
        samples_corruptions: each image is shown under one corruption at one severity, not under all.
        class_names: readable names of those classes; empty where they have none but their numbers.
    """

    name: str
    class_count: int
    shifts: tuple[str, ...]
    corruptions: tuple[str, ...]
    spaces: Mapping[str, str | None]
    generates_corruptions: bool = False
    samples_corruptions: bool = False
    class_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SetLabels:
    """The labels of a set's images, known before any of them is read.

    Attributes:
        label: (n,) class of each image in the label space of its set; below 0 for those without one.
        texture: (n,) class of the second cue, likewise; empty for sets that have none.
    """

    label: NDArray[np.int64]
    texture: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What is known of the model without showing it an image.

    Attributes:
        parameters: number of parameters of the module that classifies.
        trainable: how many of them require a gradient.
    """

    parameters: int
    trainable: int


@dataclass(frozen=True, slots=True)
class Facts:
    """Suite, model and protocol of a measurement."""

    suite: SuiteFacts
    model: ModelFacts
    protocol: Protocol = STANDARD
