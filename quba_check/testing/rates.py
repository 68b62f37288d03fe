"""Shares of images with changed answers, on the same sample in every run.

hypothesis searches for single counterexamples and stops at the first. "A flip changes the answer in at most
5 % of cases" is about a share: it needs a sample drawn before the answers are known, and an interval.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from quba_check.core.view import CLEAN_SET
from quba_check.errors import UserError
from quba_check.messages import listed
from quba_check.stats.intervals import share_limits
from quba_check.testing.images import Pictures
from quba_check.testing.perturbations import Pixels

if TYPE_CHECKING:
    from quba_check.evaluation import Evaluation

CHUNK = 64
"""Images in memory at a time."""
SHOWN = 3
SCORES = np.array([-1, 1]) * NormalDist().inv_cdf(0.975)


@dataclass(frozen=True, slots=True, repr=False)
class Share:
    """The share of images with an event; its repr is a sentence for failed assertions.

    Attributes:
        what: the event, in words.
        count: number of images with the event.
        n: number of images in the sample.
        interval: exact 95 % interval of the share in the whole set.
        cases: names of the images with the event.
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
    set: str = CLEAN_SET,  # noqa: A002  the name in manifests and views
    seed: int = 0,
) -> Share:
    """Return the share of images with another prediction after a change, correct or not.

    Args:
        quba: the evaluation, as from the fixture of that name.
        perturbation: from pixels, uint8 (H, W, 3), to pixels; applied to the stored image, before the
            model's preprocessing.
        n: size of the sample, drawn without replacement; at most the whole set.
        set: the set to sample.
        seed: of the sample.

    Returns:
        The share in [0, 1], with an interval for the whole set.

    Raises:
        UserError: n is below 1, the set is missing, an image cannot be decoded, or the model fails.
    """
    if n < 1:
        raise UserError("n", where="share_changed", got=f"{n}", allowed="a whole number from 1")
    pictures = Pictures(quba.suite, set)
    sample = np.random.default_rng(seed).choice(len(pictures), min(n, len(pictures)), replace=False)
    indices = sorted(sample.tolist())
    changed: list[str] = []
    for start in range(0, len(indices), CHUNK):
        chunk = [pictures[index] for index in indices[start : start + CHUNK]]
        stored = [picture.pixels for picture in chunk]
        before, after = (
            quba.answers(images, crop=not pictures.is_prepared).predicted
            for images in (stored, list(map(perturbation, stored)))
        )
        changed += [picture.name for picture, differs in zip(chunk, before != after, strict=True) if differs]
    return share_of(f"{perturbation!r} changed the answer", changed, len(indices))


def share_of(what: str, cases: Sequence[str], n: int) -> Share:
    """Return the share of cases in a random sample of n images, for custom rates.

    Args:
        what: the event, in words.
        cases: names of the images with the event.
        n: size of the sample.

    >>> str(share_of("a fox was called a dog", ["fox3.png"], 50))
    'a fox was called a dog in 1 of 50 cases, 2.0% (95 % interval 0.1% to 10.6%): fox3.png'
    """
    low, high = share_limits(len(cases), n, SCORES)
    return Share(what, len(cases), n, (float(low), float(high)), tuple(cases))
