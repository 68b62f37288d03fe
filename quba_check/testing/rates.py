"""How often a change to its image changes a model's answer, on a sample that is the same in every run.

hypothesis looks for single counterexamples and stops at the first. "A flip changes the answer in at most 5 %
of cases" is about a share: it needs a sample that is drawn before the answers are known, and an interval.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from quba_check.core.view import CLEAN_SET
from quba_check.errors import UserError, listed
from quba_check.stats.intervals import wilson_limits
from quba_check.testing.images import Pictures
from quba_check.testing.perturbations import Pixels

if TYPE_CHECKING:
    from quba_check.evaluation import Evaluation

CHUNK = 64
"""Images that are held in memory at a time."""
SHOWN = 3
SCORES = np.array([-1, 1]) * NormalDist().inv_cdf(0.975)


@dataclass(frozen=True, slots=True, repr=False)
class Share:
    """How often something happened; its text is a sentence, which a failed assertion shows.

    Attributes:
        what: what, in words.
        count: in how many cases.
        n: out of how many.
        interval: 95 % Wilson interval of the share in the set that the cases were drawn from.
        cases: names of the images that it happened to.
    """

    what: str
    count: int
    n: int
    interval: tuple[float, float]
    cases: tuple[str, ...] = ()

    @property
    def value(self) -> float:
        """The share, in [0, 1]."""
        return self.count / self.n

    def __repr__(self) -> str:
        low, high = self.interval
        cases = f": {listed(self.cases, SHOWN)}" if self.cases else ""
        return (
            f"{self.what} in {self.count} of {self.n} cases, {self.value:.1%} (95 % interval {low:.1%} to "
            f"{high:.1%}){cases}"
        )


def share_changed(
    quba: Evaluation,
    perturbation: Callable[[Pixels], Pixels],
    *,
    n: int = 200,
    set: str = CLEAN_SET,  # noqa: A002  the word that manifests and views use
    seed: int = 0,
) -> Share:
    """In what share of cases a change to the image changes the model's top-1, right or wrong.

    Args:
        quba: the evaluation, as the fixture of that name gives it.
        perturbation: from pixels, uint8 (H, W, 3), to pixels; applied to the image as it is stored, before
            the model's own preparation.
        n: images that are drawn, without replacement; all where the set has no more.
        set: the set that they are drawn from.
        seed: which ones.

    Returns:
        The share, and between what bounds that of the whole set is.

    Raises:
        UserError: there is no such set, an image cannot be decoded, or the model's answers cannot be used.
    """
    if n < 1:
        raise UserError(f"share_changed: n, got {n}. Allowed: a whole number from 1.")
    pictures = Pictures(quba.suite, set)
    drawn = np.random.default_rng(seed).choice(len(pictures), min(n, len(pictures)), replace=False)
    changed: list[str] = []
    order = sorted(int(index) for index in drawn)
    for start in range(0, len(order), CHUNK):
        chunk = [pictures[index] for index in order[start : start + CHUNK]]
        before, after = (
            quba.answers(images, crop=not pictures.is_prepared).predicted
            for images in (
                [picture.pixels for picture in chunk],
                [perturbation(picture.pixels) for picture in chunk],
            )
        )
        changed += [picture.name for picture, moved in zip(chunk, before != after, strict=True) if moved]
    return share_of(f"{perturbation!r} changed the answer", changed, len(order))


def share_of(what: str, cases: Sequence[str], n: int) -> Share:
    """The share of cases among n that were drawn at random, for rates of your own.

    >>> str(share_of("a fox was called a dog", ["fox3.png"], 50))
    'a fox was called a dog in 1 of 50 cases, 2.0% (95 % interval 0.4% to 10.5%): fox3.png'
    """
    low, high = wilson_limits(len(cases), n, SCORES)
    return Share(what, len(cases), n, (float(low), float(high)), tuple(cases))
