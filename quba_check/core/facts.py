"""Facts about suite and model that dimensions may use in addition to predictions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from quba_check.core.protocols import STANDARD, Protocol
from quba_check.core.request import Request
from quba_check.core.serving import ServingPipeline
from quba_check.core.view import CLEAN_SET, UNKNOWN_PREFIX, View

ConfidenceScore = Literal["max_probability", "max_logit", "energy"]
"""A number for the confidence of an answer; see `dimensions.answers.image_scores`."""


def short_class_names(names: Sequence[str]) -> tuple[str, ...]:
    """Return class names up to the first comma, for messages.

    A name stays whole if another class starts with the same words.

    >>> short_class_names(["tench, Tinca tinca", "shirt, red", "shirt, blue"])
    ('tench', 'shirt, red', 'shirt, blue')
    """
    short = [name.partition(",")[0].strip() or name for name in names]
    times = Counter(short)
    return tuple(cut if times[cut] == 1 else name for cut, name in zip(short, names, strict=True))


def whole_class_names(names: Sequence[str]) -> dict[str, str]:
    """Return the whole name of each class by its short and its whole name.

    >>> whole_class_names(["tench, Tinca tinca"])
    {'tench': 'tench, Tinca tinca', 'tench, Tinca tinca': 'tench, Tinca tinca'}
    """
    return dict(zip([*short_class_names(names), *names], [*names, *names], strict=True))


LONGEST_NAME = 100
"""Largest length of a class name in a table."""


def table_class_names(names: Sequence[str], count: int) -> tuple[str, ...]:
    """Return a short name for each class of a table, or a number.

    >>> table_class_names(["tench, Tinca tinca", "goldfish"], 2), table_class_names([], 2)
    (('tench', 'goldfish'), ('class 0', 'class 1'))
    """
    if not names:
        return tuple(f"class {k}" for k in range(count))
    short = short_class_names(names)
    return tuple(name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…" for name in short)


GroupDecision = Literal["mean", "majority", "any"]


@dataclass(frozen=True, slots=True)
class DecidedSet:
    """A set with one row for each group of another set, such as each patient.

    Attributes:
        of: the other set.
        by: `mean`: the class with the highest mean probability; `majority`: the most frequent answer; `any`:
            the group is of a class if one of its images is called so.
        any_of: number of that class; None for other rules.
    """

    of: str
    by: GroupDecision
    any_of: int | None = None


@dataclass(frozen=True, slots=True)
class SuiteFacts:
    """Facts from the manifest and the threshold files, known before any image is read.

    Attributes:
        name: the suite's name.
        class_count: number of classes of the model's own label space.
        shifts: names of the shifted sets of ood_robustness, in manifest order.
        corruptions: names of the corruptions, in the order of ImageNet-C.
        extra_corruptions: names of further ones, which are reported and demandable, outside of the value.
        spaces: label space of each declared set; None is the model's own.
        generates_corruptions: True if corruptions are computed from the clean set instead of read from files.
        samples_corruptions: True if each image is shown under one corruption at one severity, not under all.
        class_names: readable names of the classes; empty if they only have numbers.
        space_classes: names of the classes of each other label space that a set declares.
        unknown: names of the sets of no class, in manifest order, without `unknown/`.
        unknown_score: score that separates them from the clean set.
        slices: names of the kinds of slices that sets declare, such as `lighting`; None if unknown.
        serving: pipelines of the applications that use the models, by name.
        requests: numbers that the demands of a run ask for, each a further part of its dimension.
        other: names of the labelled sets that no dimension counts, such as one to choose thresholds on.
        decided: sets with one row for each group of another set, by name.
    """

    name: str
    class_count: int
    shifts: tuple[str, ...]
    corruptions: tuple[str, ...]
    spaces: Mapping[str, str | None]
    generates_corruptions: bool = False
    samples_corruptions: bool = False
    class_names: tuple[str, ...] = ()
    space_classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    extra_corruptions: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    unknown_score: ConfidenceScore = "max_probability"
    slices: tuple[str, ...] | None = None
    requests: tuple[Request, ...] = ()
    serving: Mapping[str, ServingPipeline] = field(default_factory=dict)
    other: tuple[str, ...] = ()
    decided: Mapping[str, DecidedSet] = field(default_factory=dict)

    def requests_of(self, dimension: str) -> tuple[Request, ...]:
        """Return the requests of all images that are further parts of a dimension."""
        own = (
            request for request in self.requests if request.dimension == dimension and request.is_further_part
        )
        return tuple(dict.fromkeys(request.on_all_images for request in own))

    def score_columns(self, view: View) -> tuple[str, ...]:
        """Return the names of the columns that the score needs in addition to the probability.

        Views of suites with another score keep their columns, and their cache keys.
        """
        is_scored = view.set == CLEAN_SET or view.set.startswith(UNKNOWN_PREFIX)
        needs_logits = self.unknown_score != "max_probability" and is_scored and view.attack is None
        return ("logsumexp", "max_logit") if needs_logits or view.logits else ()

    def view_set(self, name: str) -> str:
        """Return the name in views of a set as a threshold file names it.

        Examples:
            >>> SuiteFacts("fruit", 3, (), (), {}, unknown=("birds",)).view_set("birds")
            'unknown/birds'
        """
        return f"{UNKNOWN_PREFIX}{name}" if name in self.unknown and name not in self.spaces else name

    def root_of(self, name: str) -> str:
        """Return the set with the images of a set.

        Corruptions and decided sets show the images of another set.

        Examples:
            >>> decided = {"patients": DecidedSet("fog", "mean")}
            >>> SuiteFacts("fruit", 3, (), ("fog",), {}, decided=decided).root_of("patients")
            'clean'
        """
        if name in self.decided:
            return self.root_of(self.decided[name].of)
        is_shown = name in (*self.corruptions, *self.extra_corruptions) and name not in self.spaces
        return CLEAN_SET if is_shown else name

    def class_names_of(self, set_name: str) -> tuple[str, ...]:
        """Return the names of the classes of a set; empty if they are unknown."""
        space = self.spaces.get(set_name)
        return self.class_names if space is None else self.space_classes.get(space, ())


@dataclass(frozen=True, slots=True)
class SetLabels:
    """The labels of a set's images, known before any image is read.

    Attributes:
        label: (n,) class of each image in the label space of its set; below 0 if it has none.
        texture: (n,) class of the second cue, likewise; empty for sets without cue conflict.
    """

    label: NDArray[np.int64]
    texture: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """Facts about a model that need no image.

    Attributes:
        parameters: number of parameters of the classifying module.
        trainable: number of those that require a gradient.
        uncounted: reason why they cannot be counted; empty if they can.
        outputs: kind of the model's outputs, such as `logits`; None until it is known.
        temperature: divisor of the logits, which the preprocessing states.
        weight_bytes: bytes of the weights as stored; None if unknown.
        file_bytes: bytes of the files that it was loaded from; None if they are not known.
        surrogate: name of the model that attacks are computed on; empty for itself.
        count_flops: returns the FLOPs of one image, or raises `UnmeasurableError`; None if there is no model.
    """

    parameters: int
    trainable: int
    uncounted: str = ""
    outputs: str | None = None
    temperature: float = 1.0
    weight_bytes: int | None = None
    file_bytes: int | None = None
    surrogate: str = ""
    count_flops: Callable[[], int] | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """Suite, model and protocol of a measurement.

    Attributes:
        suite: facts about the suite.
        model: facts about the model.
        protocol: the protocol.
        with_tables: False if nobody reads the tables of the measurement, as on slices: costly ones can be
            left out.
    """

    suite: SuiteFacts
    model: ModelFacts
    protocol: Protocol = STANDARD
    with_tables: bool = True
