"""Samples whose images come in groups, such as photos of a patient or copies.

The images of a group are one observation: their influences are summed before they are squared (cluster-robust
variance, Liang and Zeger, Biometrika 1986). Each sum is divided by the number of images outside its group
instead of all images, as in the jackknife over groups (CR3; Bell and McCaffrey, Survey Methodology 2002).

With few deviating groups that variance is too small: large ones are not yet among them. The design effect is
therefore at least that of the correlation within groups at all sizes, and at least the mean size divided by
the number of deviating groups. If no image deviates, G groups count as G images. That is exact if the size of
a group says nothing about its errors: at an error rate of p, it has none with a probability of at most 1 − p.

If d groups deviate, they may show too little of the correlation, most often in samples with too few errors.
The excess of the design effect over 1 is therefore raised by the part 4 / (d + 1) of it, at most to that of
equal images in a group. Groups of unequal sizes need less, since the correlation at all sizes widens their
limits: the part is multiplied by their effective number over their number. The constant is from simulations
(benchmarks/group_coverage.py --plain).

If the answers decide which images count, as for precision, their number in a group says a lot about its
errors. Sizes and correlation are then those of all images that could count.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from quba_check.stats.estimate import Influences, SampleName
from quba_check.stats.intervals import Limits, Scores

GroupIds = NDArray[np.int64]
"""(n,) identifier of the group of each image. Equal ones in several samples are one group."""
Sides = NDArray[np.int8]
"""(n,) side of a number that each image counts for, such as 1 for a class and 2 for others; 0 for none.

Below 0 for images that only the answers keep from counting: −1 for those that could count for side 1.
"""
LEAST_GROUPS = 10
"""Smallest number of groups for an interval."""
RAISE = 4
"""Raise of the excess of a design effect over 1, times the number of deviating groups and one."""
MOST_SCORE = 20.0
"""Largest score: from about 30 on, limits of shares cannot be computed in double precision."""


@dataclass(frozen=True, slots=True)
class GroupEffect:
    """The loss of information by groups.

    Attributes:
        factor: the design effect, the variance with groups over the variance without; at least 1, except for
            differences.
        freedom: degrees of freedom of the variance with groups; infinite if no image deviates.
        count: number of groups, of the sample or side that has the fewest.
    """

    factor: float
    freedom: float
    count: int

    def scores(self, z: Scores) -> Scores:
        """Return the scores of Student's t distribution with the probabilities of normal scores.

        >>> GroupEffect(1.0, 9.0, 10).scores(np.array([-1.959964, 0.0])).round(3).tolist()
        [-2.262, 0.0]
        """
        distance = scipy.special.stdtrit(self.freedom, scipy.special.ndtr(np.abs(z)))
        scores: Scores = np.sign(z) * np.minimum(distance, MOST_SCORE)
        return scores


def group_effect(
    influences: Mapping[SampleName, Influences],
    groups: Mapping[Any, GroupIds],
    sides: Mapping[SampleName, Sides] | None = None,
    *,
    is_difference: bool = False,
) -> GroupEffect | None:
    """Return the effect of groups on the error of a number; None without groups.

    The degrees of freedom are the effective number of groups of unequal sizes, less one. If their variance
    decides, they are at most those of a sum of such squares (Satterthwaite).

    Args:
        influences: by sample, (n,) in the unit of the number.
        groups: by sample, (n,) identifiers of groups; those of other numbers of images are not used.
        sides: by sample, the images that count, or could; without an entry all of them do.
        is_difference: the sides are subtracted, so that they may cancel in groups with images of several.

    Source: design effect: Kish, Survey Sampling, 1965; freedom: Satterthwaite, Biometrics Bulletin 1946, and
    Carter, Schnepel and Steigerwald, Review of Economics and Statistics 2017.

    >>> effect = group_effect({"clean": np.array([0.5, 0.5, -0.5, -0.5])}, {"clean": np.array([1, 1, 2, 2])})
    >>> effect.count, effect.factor
    (2, 4.0)
    """
    samples = [name for name in influences if len(groups.get(name, ())) == len(influences[name])]
    if not samples:
        return None
    chosen = {name: np.ones(len(groups[name]), np.int8) for name in samples} | dict(sides or {})
    parts = [
        _GroupsOfSide.of(influences[name][rows] * np.mean(rows), groups[name][rows], chosen[name][rows] > 0)
        for name in samples
        for rows in (np.abs(chosen[name]) == side for side in range(1, chosen[name].max() + 1))
    ]
    count = min(part.count for part in parts)
    freedom = min(part.effective for part in parts) - 1
    if count < 2:
        return GroupEffect(max(part.largest for part in parts), 1.0, count)
    joint = _numbered(np.concatenate([part.names for part in parts]))[1]
    # Contributions of single images in samples without groups.
    single = [influences[other] / len(influences[other]) for other in influences.keys() - {*samples}]
    masses = np.bincount(joint, np.concatenate([part.masses for part in parts])).astype(np.float64)
    masses = np.concatenate([masses, *(contribution**2 for contribution in single)])
    variance = float(masses.sum())
    floor = max(1.0, *(part.least for part in parts))
    if not variance:
        return GroupEffect(floor, math.inf, count)
    sums = np.bincount(joint, weights=np.concatenate([part.contributions for part in parts]))
    squares = np.concatenate([*single, sums]) ** 2
    total = float(squares.sum())
    number = len(squares)
    factor = total * (number - 1) / number / variance
    explained = 1 + sum(float(part.masses.sum()) * (part.correlated - 1) for part in parts) / variance
    if is_difference:
        within = sum(float(part.contributions @ part.contributions) for part in parts)
        shared = (float(sums @ sums) - within) / variance
        least = sum(len(groups[name]) for name in samples) / len(sums) / _effective_number(np.abs(sums))
        explained += shared
        floor = max(1 + shared, least, *(part.least for part in parts))
    if factor > max(explained, floor):
        excess = float(np.square(masses).sum()) - variance**2 / number
        freedom = min(freedom, 2 * variance**2 / excess if excess > 0 else math.inf)
    factor = max(factor, explained, floor)
    evenness = max(part.effective / len(part.names) for part in parts)
    raised = factor + (factor - 1) * RAISE * evenness / (_effective_number(squares) + 1)
    factor = max(factor, min(raised, sum(part.largest for part in parts)))
    return GroupEffect(factor, max(freedom, 1.0), count)


def limits_in_groups(
    limits: Callable[[Scores, float], Limits], z: Scores, effect: GroupEffect | None
) -> Limits | None:
    """Return limits with each group as one observation.

    Args:
        limits: returns limits at (K,) scores of a sample that is smaller by a factor, the design effect.
        z: (K,) normal scores.
        effect: that of the groups; None without groups.

    Returns:
        (K,) limits, None for too few groups.

    >>> limits_in_groups(lambda z, effect: z * effect, np.array([2.0]), None)
    array([2.])
    """
    if effect is None:
        return limits(z, 1.0)
    return None if effect.count < LEAST_GROUPS else limits(effect.scores(z), effect.factor)


def mean_group_size(group: GroupIds, counted: NDArray[np.bool_]) -> float:
    """Return the mean number of counted images of a group; 1 if none counts.

    Args:
        group: (n,) any identifiers of groups.
        counted: (n,) true for the images that count.

    >>> mean_group_size(np.array([4, 4, 4, 5, 6]), np.array([True, True, True, True, False]))
    2.0
    """
    images = int(np.count_nonzero(counted))
    return images / len(np.unique(group[counted])) if images else 1.0


def jackknife_effect(
    values: Sequence[float], error: float, groups: Mapping[SampleName, GroupIds]
) -> GroupEffect:
    """Return the effect of groups on a number whose influences are unknown.

    Args:
        values: (B,) values of the number without one block of groups each; if there are none, all images of a
            group count as equal.
        error: standard error of the number of independent images.
        groups: by sample, (n,) identifiers of groups; at least one sample.

    Source: delete-a-group jackknife: Kott, Journal of Official Statistics 2001.

    >>> images = np.repeat(np.arange(10), 3)
    >>> jackknife_effect([0.4, 0.6] * 5, 0.1, {"clean": images}).factor.__round__(3)
    9.0
    """
    parts = [_GroupsOfSide.of(np.zeros(len(group)), group) for group in groups.values()]
    count = min(part.count for part in parts)
    freedom = min(part.effective for part in parts) - 1
    if len(values) < LEAST_GROUPS:
        return GroupEffect(max(part.largest for part in parts), max(freedom, 1.0), count)
    squares = (np.array(values) - np.mean(values)) ** 2
    floor = max(part.least for part in parts) / _effective_number(squares)
    if not squares.any() or not error:
        return GroupEffect(floor, math.inf, count)
    factor = float(squares.sum()) * (1 - 1 / len(values)) / error**2
    return GroupEffect(max(1.0, factor, floor), max(min(freedom, len(values) - 1), 1.0), count)


@dataclass(frozen=True, slots=True)
class _GroupsOfSide:
    """The groups of the images that count for one side of a number.

    Attributes:
        names: (G,) identifiers, each once.
        count: number of groups with images that count.
        contributions: (G,) contribution of each group to the error.
        masses: (G,) parts of the variance of the mean influence of independent images.
        effective: effective number of groups of unequal sizes.
        largest: design effect if the images of a group are equal.
        correlated: design effect if the images of all groups have the same correlation (Fleiss and Cuzick,
            Applied Psychological Measurement 1979).
        least: mean size of a group divided by the number of deviating groups, or by 1 if there are none.
    """

    names: GroupIds
    count: int
    contributions: Influences
    masses: Influences
    effective: float
    largest: float
    correlated: float
    least: float

    @classmethod
    def of(
        cls, values: Influences, group: GroupIds, counted: NDArray[np.bool_] | None = None
    ) -> _GroupsOfSide:
        """Return the groups of (n,) influences and identifiers; n at least 1."""
        names, position, sizes = _numbered(group)
        sums = np.bincount(position, weights=values)
        n = len(values)
        squares = float(np.square(values).sum())
        largest = float(sizes @ sizes) / len(values)
        within = squares - float((np.square(sums) / sizes).sum())
        correlation = 1 - within / max(n - len(names), 1) * n / (squares or 1.0)
        contributions = sums / np.maximum(n - sizes, 1)
        correlated = 1 + max(correlation, 0.0) * (largest - 1)
        masses = np.bincount(position, (values / n) ** 2).astype(np.float64)
        least = n / len(names) / _effective_number(masses)
        count = len(names) if counted is None else int(np.count_nonzero(np.bincount(position, counted)))
        return cls(names, count, contributions, masses, n / largest, largest, correlated, least)


def _numbered(group: GroupIds) -> tuple[GroupIds, NDArray[np.intp], NDArray[np.intp]]:
    """Return the names of groups, each once, the position of each image's, and sizes."""
    if group.min() < 0 or group.max() > 2 * len(group):
        return np.unique(group, return_inverse=True, return_counts=True)
    sizes = np.bincount(group)  # many times as fast as sorting
    is_used = sizes > 0
    return np.flatnonzero(is_used), (np.cumsum(is_used) - 1)[group], sizes[is_used]


def _effective_number(weights: NDArray[np.float64]) -> float:
    """Return the effective number of weights; 1 if all are 0."""
    return float(weights.sum()) ** 2 / float(np.square(weights).sum()) if weights.any() else 1.0
