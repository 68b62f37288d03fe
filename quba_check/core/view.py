"""A view: a set of images as shown to a model, with its stored columns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal, get_args

from quba_check.core.protocols import EPSILON

Attack = Literal["fgsm", "pgd"]
Columns = Literal["top1", "probabilities"]

CLEAN_SET = "clean"
CORRUPTIONS_SET = "corruptions"
MIXED_SAME_SET = "mixed_same"
MIXED_RAND_SET = "mixed_rand"
CUE_CONFLICT_SET = "cue_conflict"
UNKNOWN_PREFIX = "unknown/"
"""Beginning of the names of sets of no class, such as `unknown/near`."""
REFERENCE = "reference"
"""Variant of views that the model predicts with which the judged one is compared."""
SERVING = "serving/"
"""Prefix of variants of views that the judged model predicts behind a serving pipeline."""
SEVERITIES = (1, 2, 3, 4, 5)
CORRUPTIONS = (
    "gaussian_noise",
    "shot_noise",
    "impulse_noise",
    "defocus_blur",
    "glass_blur",
    "motion_blur",
    "zoom_blur",
    "snow",
    "frost",
    "fog",
    "brightness",
    "contrast",
    "elastic_transform",
    "pixelate",
    "jpeg_compression",
)
"""The fifteen common corruptions by their ImageNet-C folder names (Hendrycks & Dietterich, ICLR 2019)."""
ExtraCorruption = Literal["speckle_noise", "gaussian_blur", "spatter", "saturate", "low_light"]
EXTRA_CORRUPTIONS: tuple[str, ...] = get_args(ExtraCorruption)
"""Corruptions that a suite may add: the four further ones of ImageNet-C, and low light."""
PASSES: dict[Attack | None, tuple[int, int]] = {None: (1, 0), "fgsm": (2, 1), "pgd": (11, 10)}
"""Forward and backward passes of an image, by attack; of PGD at most."""


@dataclass(frozen=True, slots=True)
class View:
    """A set with a corruption or attack, a label space and columns.

    Attributes:
        set: name of a set of the suite (`clean`, `corruptions`, a shift such as `sketch`, …).
        corruption: corruption name, only with `set="corruptions"`.
        severity: 1 to 5, only with a corruption.
        attack: the adversarial attack applied to the images, if any.
        space: label space of labels and predictions; None is the one that the set declares.
        columns: `probabilities` keeps the N × C table of class probabilities next to the other columns.
        logits: True to keep the logsumexp and the largest of the logits as well.
        variant: the model that predicts: empty for the judged one, `reference` for the one that it is
            compared with, or the judged one behind a serving pipeline, `serving/NAME`.
        epsilon: the size of the attack; None for 8/255, which is stored as None too.

    Two views that differ only in `space` share their forward passes.

    Examples:
        >>> str(View("corruptions", corruption="fog", severity=3))
        'corruptions/fog/3'
        >>> str(View("clean", attack="pgd"))
        'clean+pgd'
        >>> str(View("clean", attack="pgd", epsilon=Fraction(4, 255)))
        'clean+pgd@4/255'
        >>> str(View("clean", variant="reference"))
        'clean by reference'
    """

    set: str
    corruption: str | None = None
    severity: int | None = None
    attack: Attack | None = None
    space: str | None = None
    columns: Columns = "top1"
    logits: bool = False
    variant: str = ""
    epsilon: Fraction | None = None

    def __post_init__(self) -> None:
        if self.epsilon == EPSILON:  # one view, and one cache key, for both spellings
            object.__setattr__(self, "epsilon", None)

    def __str__(self) -> str:
        where = "/".join(str(part) for part in (self.set, self.corruption, self.severity) if part is not None)
        size = "" if self.epsilon is None else f"@{self.epsilon}"
        shown = f"{where}+{self.attack}{size}" if self.attack else where
        return f"{shown} by {self.variant}" if self.variant else shown

    @property
    def radius(self) -> float:
        """ε of its attack: the largest change of a value."""
        return float(EPSILON if self.epsilon is None else self.epsilon)

    @property
    def images(self) -> View:
        """The view of the unattacked images in the set's declared space, by the judged model."""
        return View(self.set, self.corruption, self.severity)

    def read_in(self, space: str | None) -> View:
        """Return the same view in another label space."""
        return replace(self, space=space)


CLEAN = View(CLEAN_SET, columns="probabilities")
"""The clean set. All dimensions on it ask for this one view, so that it is predicted once."""

SAMPLED = View(CORRUPTIONS_SET, corruption="sampled")
"""Each image under one corruption at one severity; all conditions have equally many images."""

FGSM = View(CLEAN_SET, attack="fgsm")
PGD = View(CLEAN_SET, attack="pgd")
