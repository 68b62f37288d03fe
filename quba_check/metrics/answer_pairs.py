"""Two models' answers to the same images: agreement, flips, discordance and changes of probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Generic, Literal, Protocol, TypeVar

import numpy as np
import scipy
from numpy.typing import NDArray

from quba_check.stats.clusters import GroupIds

Mask = NDArray[np.bool_]
FlipKind = Literal["lost", "gained", "wrong to wrong"]
QUANTILE = 0.999
"""Share of images whose probabilities change by at most `probability_change`."""


class ModelAnswers(Protocol):
    """One model's answers, a row for each image."""

    @property
    def predicted(self) -> NDArray[np.int64]:
        """(n,) predicted class of each row."""

    @property
    def correct(self) -> Mask:
        """(n,) True for the rows with a right answer."""


AnswersT = TypeVar("AnswersT", bound=ModelAnswers)


@dataclass(frozen=True)
class PairedAnswers(Generic[AnswersT]):
    """The answers of a judged model and a reference to the same images.

    Attributes:
        judged: answers of the judged model.
        reference: answers of the reference.
    """

    judged: AnswersT
    reference: AnswersT

    @cached_property
    def differs(self) -> Mask:
        """(n,) True if the answers to a row differ; all others agree."""
        differs: Mask = self.judged.predicted != self.reference.predicted
        return differs

    @cached_property
    def flips(self) -> dict[FlipKind, Mask]:
        """(n,) rows of each kind of changed answer."""
        return flip_masks(self.reference.correct, self.judged.correct, self.differs)


@dataclass(frozen=True, slots=True)
class Discordance:
    """Numbers of images with only one of two models correct.

    Attributes:
        lost: only the first model is correct.
        gained: only the second model is correct.
        p: exact McNemar p-value, by groups if the images have them.
    """

    lost: int
    gained: int
    p: float

    @classmethod
    def of(cls, before: Mask, after: Mask, group: GroupIds | None = None) -> Discordance:
        """Return the discordance of two models.

        Args:
            before: (n,) bool, True if the first model is correct.
            after: (n,) bool, True if the second model is correct.
            group: (n,) identifiers of groups; None without groups.

        >>> Discordance.of(np.array([True, True, False]), np.array([False, False, True]))
        Discordance(lost=2, gained=1, p=1.0)
        """
        lost, gained, _ = flip_masks(before, after, before != after).values()
        counts = int(np.sum(lost)), int(np.sum(gained))
        if group is None:
            return cls(*counts, mcnemar(*counts))
        groups = np.unique(group, return_inverse=True)[1]
        net = np.bincount(groups, weights=gained.astype(np.float64) - lost)
        return cls(*counts, group_sign_flip(net.astype(np.int64)))


def mcnemar(lost: int, gained: int) -> float:
    """Exact two-sided p-value of "both models are right equally often" (McNemar's test).

    Args:
        lost: images on which only the first model is right.
        gained: images on which only the second model is right.

    Returns:
        A probability; 1 if the models differ on no image.

    Source: McNemar, Psychometrika 1947; the binomial form, not the χ² approximation.

    >>> round(mcnemar(10, 2), 4), mcnemar(0, 0), mcnemar(3, 3)
    (0.0386, 1.0, 1.0)
    """
    n = lost + gained
    return min(1.0, 2 * float(scipy.special.bdtr(min(lost, gained), n, 0.5))) if n else 1.0


def group_sign_flip(net: NDArray[np.int64]) -> float:
    """Exact two-sided p-value of McNemar's test for images in groups.

    Under the hypothesis "both models are right equally often", the net gain of each group has either sign
    with the same probability. With single images as groups this is `mcnemar`.

    Args:
        net: (G,) net gain of each group, any whole number: images that only the second model gets right, less
            those of the first.

    Returns:
        A probability; 1 if no group has a net gain.

    Source: the permutation test of whole clusters, as Obuchowski, Statistics in Medicine 1998, tests by a
    normal distribution.

    >>> round(group_sign_flip(np.array([-1] * 10 + [1] * 2)), 4), group_sign_flip(np.array([-4, -4, 2]))
    (0.0386, 0.5)
    """
    sizes = np.abs(net[net != 0])
    if not len(sizes):
        return 1.0
    chance = np.zeros(int(sizes.sum()) + 1)  # of each sum of gains
    chance[0] = 1.0
    for size in sizes.tolist():
        chance[size:] += chance[:-size].copy()
        chance /= 2
    gained = int(net[net > 0].sum())
    return min(1.0, 2 * float(min(chance[: gained + 1].sum(), chance[gained:].sum())))


def flip_masks(before: Mask, after: Mask, differs: Mask) -> dict[FlipKind, Mask]:
    """Return the images of each kind of changed answer.

    Lost answers are the negative flips of Yan et al. (CVPR 2021), gained ones the positive flips.

    Args:
        before: (n,) bool, True if the reference is correct.
        after: (n,) bool, True if the judged model is correct.
        differs: (n,) bool, True if their answers differ.

    >>> masks = flip_masks(np.array([True, False]), np.array([False, False]), np.array([True, True]))
    >>> [int(mask.sum()) for mask in masks.values()]
    [1, 0, 1]
    """
    return {"lost": before & ~after, "gained": after & ~before, "wrong to wrong": differs & ~before & ~after}


def probability_changes(before: NDArray[np.float32], after: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the largest change of a class's probability for each image, (n,) in [0, 1].

    Args:
        before: (n, C) probabilities of the reference, in [0, 1].
        after: (n, C) probabilities of the judged model.

    >>> probability_changes(np.array([[0.75, 0.25]], np.float32), np.array([[0.5, 0.5]], np.float32)).tolist()
    [0.25]
    """
    changes: NDArray[np.float32] = np.abs(after - before).max(axis=1)
    return changes


def quantile(values: NDArray[np.float32], share: float = QUANTILE) -> float:
    """Return the smallest value that at least a share of the values does not exceed.

    Args:
        values: (n,) numbers of any unit, n at least 1.
        share: the share, in (0, 1).

    >>> quantile(np.arange(1, 1001, dtype=np.float32)), quantile(np.float32([3, 1, 2]), 0.5)
    (999.0, 2.0)
    """
    return float(np.quantile(values, share, method="inverted_cdf"))
