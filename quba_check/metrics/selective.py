"""Selective prediction: error and share of the images that a model answers, surest first."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from quba_check.stats.clusters import GroupIds, group_effect
from quba_check.stats.estimate import Estimate, InfluenceBounds, SampleName

ImageScores = NDArray[np.float64]
AnyScores = NDArray[np.floating[Any]]
GOOD_SHARES = (0.1, 0.5)
"""Parts of the allowed error with which a model passes the first test of a sequence."""
POWER = 0.9
"""Probability that it does so."""
STEPS = 100
"""About the largest number of thresholds that are tested."""
ENOUGH_ANSWERS = 30
"""Smallest number of answers whose accuracy decides about a threshold."""
_ROUNDING = 1e-9


def risk_coverage(
    scores: AnyScores, correct: NDArray[np.bool_]
) -> tuple[AnyScores, NDArray[np.int64], NDArray[np.int64]]:
    """Return the risk-coverage curve. Images with equal scores are answered together.

    Args:
        scores: (n,) finite scores, higher for surer answers; n at least 1.
        correct: (n,) bool, True if the answer is right.

    Returns:
        From the strictest threshold to none: (K,) the distinct scores, falling, from which on an image is
        answered; (K,) the number of answered images; and (K,) that of wrong answers among them.

    Raises:
        ValueError: a score is NaN, as on sets that are decided without probabilities.

    Source: El-Yaniv and Wiener, JMLR 2010.

    >>> risk_coverage(np.array([0.9, 0.5, 0.5]), np.array([True, True, False]))[2].tolist()
    [0, 1]
    """
    if np.isnan(scores).any():
        raise ValueError("a score is not a number")
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    ends = np.flatnonzero(np.append(ranked[1:] < ranked[:-1], True))
    wrong = np.cumsum(~correct[order], dtype=np.int64)
    return ranked[ends], ends + 1, wrong[ends]


def aurc(scores: ImageScores, correct: NDArray[np.bool_], sample: SampleName = None) -> Estimate:
    r"""Area under the risk-coverage curve: the mean error rate of the surest images.

    ```math
    \mathrm{AURC} = \frac{1}{n} \sum_{i=1}^{n} \frac{\sum_j w_j [s_j \ge s_i]}{\sum_j [s_j \ge s_i]}
    ```

    w is 1 for wrong answers, s is the score. The mean is over all numbers of surest images. Images with equal
    scores are answered together, so that their order has no influence.

    Args:
        scores: (n,) finite scores, higher for surer answers; n at least 1.
        correct: (n,) bool, True if the answer is right.
        sample: name of these images.

    Returns:
        The area in [0, 1]; lower is better. The influences are the derivatives of the area by the weight of
        each image: by its error, by its rank, and by its share of the mean.

    Source: Geifman, Uziel and El-Yaniv, ICLR 2019.

    >>> round(aurc(np.array([0.9, 0.6, 0.5]), np.array([True, False, True])).value, 4)
    0.2778
    """
    (threshold, answered, wrong), n = risk_coverage(scores, correct), len(scores)
    risk = wrong / answered
    sizes = np.diff(answered, prepend=0)
    area = float(sizes @ risk) / n
    # Sums over the images that are at most as sure.
    reach = np.cumsum((sizes / answered)[::-1])[::-1]
    offset = np.cumsum((sizes * risk / answered)[::-1])[::-1]
    block = np.searchsorted(-threshold, -scores)
    influences = risk[block] - area + ~correct * reach[block] - offset[block]
    return Estimate(area, {sample: influences}, {sample: InfluenceBounds(area, float(reach[0]), n, n)})


def threshold_for_accuracy(scores: AnyScores, correct: NDArray[np.bool_], level: float) -> float | None:
    """Return the lowest threshold from which on all thresholds have an accuracy.

    The accuracy of few images is chance, and does not grow with every threshold. So the threshold is the
    lowest for which it and all higher ones with at least `ENOUGH_ANSWERS` images reach the level.

    Args:
        scores: (n,) finite scores, higher for surer answers; n at least 1.
        correct: (n,) bool, True if the answer is right.
        level: the accuracy, in (0, 1].

    Returns:
        One of the scores; None if there is none.

    >>> scores, correct = np.linspace(1, 0, 101), np.arange(101) < 40
    >>> threshold_for_accuracy(scores, correct, 0.8), threshold_for_accuracy(scores, ~correct, 0.8)
    (0.51, None)
    """
    thresholds, answered, wrong = risk_coverage(scores, correct)
    thresholds = thresholds[answered >= ENOUGH_ANSWERS]
    fails = ((answered - wrong) / answered < level)[answered >= ENOUGH_ANSWERS]
    passing = int(fails.argmax()) if fails.any() else len(fails)
    return float(thresholds[passing - 1]) if passing else None


def threshold_for_share(scores: AnyScores, level: float) -> float:
    """Return the highest threshold that at least a share of the images reaches.

    Args:
        scores: (n,) finite scores; n at least 1.
        level: the share, in (0, 1].

    >>> threshold_for_share(np.array([0.75, 0.5, 0.25]), 0.5)
    0.5
    """
    return float(np.sort(scores)[-max(1, math.ceil(level * len(scores) - _ROUNDING))])


def answered_by_class(
    predicted: NDArray[np.int64], confidence: NDArray[np.float32], levels: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Return (n,) True for the images whose predicted class reaches its own threshold.

    Args:
        predicted: (n,) predicted classes, below C; an image below 0 is not answered.
        confidence: (n,) float32, probability of the predicted class, in [0, 1].
        levels: (C,) threshold of each class, in [0, 1]; compared in float32, as probabilities are stored.

    >>> answered_by_class(np.array([0, 1]), np.array([0.8, 0.8], np.float32), np.array([0.8, 0.9])).tolist()
    [True, False]
    """
    answered: NDArray[np.bool_] = (predicted >= 0) & (confidence >= levels.astype(np.float32)[predicted])
    return answered


@dataclass(frozen=True, slots=True)
class Guarantee:
    """The lowest threshold that keeps the error among answered images below a bound.

    Attributes:
        threshold: an image is answered from this score on; None if no threshold is shown to keep the bound.
        answered: number of answered images, 0 without a threshold.
        wrong: number of wrong answers among them.
    """

    threshold: float | None = None
    answered: int = 0
    wrong: int = 0


def guaranteed_threshold(
    scores: ImageScores,
    correct: NDArray[np.bool_],
    *,
    error: float,
    confidence: float,
    groups: GroupIds | None = None,
) -> Guarantee:
    """Return the lowest threshold with a bounded error on new images (Learn then Test).

    Thresholds are tested in a fixed sequence from strict to loose: those that answer fixed numbers of images,
    extended to all images of an equal score. Each test is the binomial one, of "the error among the answered
    is above the bound"; the sequence ends at the first that does not reject. It depends on no label, so the
    found threshold has at most the stated error with the stated confidence, if looser thresholds never lower
    the error. Two starts share the level (see `first_tests`): a sequence that ended may start again.

    With groups, numbers of images are divided by the design effect of the answered, and the level is that of
    Student's t. This assumes that the size of a group says nothing about its errors (see `clusters`).

    Args:
        scores: (n,) finite scores, higher for surer answers; n at least 1.
        correct: (n,) bool, True if the answer is right.
        error: the bound, in (0, 1).
        confidence: probability of the guarantee, in (0, 1).
        groups: (n,) number of the group of each image, any whole number; None if each image is its own.

    Source: Angelopoulos, Bates, Candès, Jordan and Lei, arXiv 2110.01052, 2021; levels of several starts:
    Wiens, Pharmaceutical Statistics 2003.

    >>> guaranteed_threshold(np.arange(4.0).repeat(50), np.arange(200) >= 60, error=0.1, confidence=0.95)
    Guarantee(threshold=2.0, answered=100, wrong=0)
    """
    n = len(scores)
    order = np.argsort(-scores, kind="stable")
    thresholds, counts, errors = risk_coverage(scores, correct)
    starts = first_tests(n, error, confidence)
    if groups is not None:
        starts = _with_enough_groups(starts, error, groups[order])
    sizes = {*range(min(starts, default=n), n, max(1, n // STEPS)), *starts, n}
    best = Guarantee()
    level = 0.0
    before = 0
    for row in np.unique(np.searchsorted(counts, sorted(sizes))):
        answered = int(counts[row])
        wrong = int(errors[row])
        level += sum(own for start, own in starts.items() if before < start <= answered)
        before = answered
        passed = False
        if level:
            own = order[:answered]
            passed = _is_below(correct[own], error, level, None if groups is None else groups[own])
        if passed:
            best = Guarantee(float(thresholds[row]), answered, wrong)
        else:
            level = 0.0
    return best


def _with_enough_groups(starts: Mapping[int, float], error: float, groups: GroupIds) -> Mapping[int, float]:
    """Return the starts, moved to where enough groups are answered.

    Args:
        starts: levels by number of answered images.
        error: the allowed error.
        groups: (n,) group of each image, surest first.
    """
    distinct = np.sort(np.unique(groups, return_index=True)[1])  # positions of the first images of groups
    for levels in (starts, dict.fromkeys([*starts][:1], sum(starts.values()))):
        least = {start: least_answered(error, 1 - level) for start, level in levels.items()}
        if starts and max(least.values()) <= len(distinct):
            moved = {start: max(start, int(distinct[least[start] - 1]) + 1) for start in levels}
            return {m: sum(own for start, own in levels.items() if moved[start] == m) for m in moved.values()}
    return {}


def _is_below(correct: NDArray[np.bool_], error: float, level: float, groups: GroupIds | None) -> bool:
    """True if (n,) answers show an error rate below a bound, at a significance level."""
    n = len(correct)
    wrong = int(np.count_nonzero(~correct))
    effect = (
        None if groups is None else group_effect(Estimate.mean(~correct, None).influences, {None: groups})
    )
    if effect is None or effect.count == n:
        return binomial_p(wrong, n, error) <= level
    tail = float(scipy.special.ndtr(effect.scores(np.array([scipy.special.ndtri(level)])))[0])
    return binomial_p(wrong / effect.factor, n / effect.factor, error) <= tail


def binomial_p(wrong: float, answered: float, error: float) -> float:
    """Return the probability of at most so many wrong answers at an error rate.

    Args:
        wrong: wrong answers, 0 to `answered`; with groups both numbers are divided by the design effect.
        answered: number of answers, above 0.
        error: the rate, in (0, 1).

    >>> round(binomial_p(1, 2, 0.5), 4)
    0.75
    """
    return 1.0 if wrong >= answered else float(scipy.special.betainc(answered - wrong, wrong + 1, 1 - error))


def least_answered(error: float, confidence: float) -> int:
    """Return the smallest number of right answers that show an error below a bound.

    >>> least_answered(0.01, 0.95)
    299
    """
    return max(1, math.ceil(math.log1p(-confidence) / math.log1p(-error)))


@lru_cache
def first_tests(n: int, error: float, confidence: float) -> Mapping[int, float]:
    """Return the numbers of answered images that start a sequence of tests, with levels.

    A model with a tenth of the allowed error passes the first start with a probability of 90 %, and one with
    half of it the second: a start with fewer images ends a sequence by chance, one with more skips strict
    thresholds. A start beyond n leaves its level to the other one.

    Args:
        n: number of images.
        error: the allowed error, in (0, 1).
        confidence: one minus the sum of the levels.

    >>> first_tests(2000, 0.05, 0.95), first_tests(2000, 0.01, 0.95), first_tests(200, 0.01, 0.95)
    ({142: 0.025, 613: 0.025}, {473: 0.05}, {})
    """
    for shares in (GOOD_SHARES, GOOD_SHARES[:1]):
        level = round(1 - confidence, 9) / len(shares)
        least = least_answered(error, 1 - level)
        sizes = np.arange(least, n + 1)
        allowed = np.floor(scipy.special.bdtrik(level, sizes, error))  # largest number of wrong answers
        passing = [sizes[scipy.special.bdtr(allowed, sizes, error * share) >= POWER] for share in shares]
        if all(map(len, passing)):
            return {int(passed[0]): level for passed in passing}
    return {least: level} if least <= n else {}
