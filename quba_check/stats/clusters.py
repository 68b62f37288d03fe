"""Samples whose images come in groups, such as photos of a patient or copies.

The images of a group are one observation: their influences are summed before they are squared (cluster-robust
variance, Liang and Zeger, Biometrika 1986). Each sum is divided by the number of images outside its group
instead of all images, as in the jackknife over groups (CR3; Bell and McCaffrey, Survey Methodology 2002).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from quba_check.stats.estimate import Influences, Sample
from quba_check.stats.intervals import Scores

GroupIds = NDArray[np.int64]
"""(n,) identifier of the group of each image. Equal ones in several samples are one group."""
LEAST_GROUPS = 10
"""Smallest number of groups for an interval."""


@dataclass(frozen=True, slots=True)
class GroupEffect:
    """The loss of information by groups.

    Attributes:
        factor: the design effect, at least 1: the variance with groups over the variance without.
        freedom: degrees of freedom of the variance with groups.
        count: number of groups, of the sample that has the fewest.
    """

    factor: float
    freedom: float
    count: int

    def scores(self, z: Scores) -> Scores:
        """Return the scores of Student's t distribution with the probabilities of normal scores.

        >>> GroupEffect(1.0, 9.0, 10).scores(np.array([-1.959964, 0.0])).round(3).tolist()
        [-2.262, 0.0]
        """
        scores: Scores = np.sign(z) * scipy.special.stdtrit(self.freedom, scipy.special.ndtr(np.abs(z)))
        return scores


def group_effect(
    influences: Mapping[Sample, Influences], groups: Mapping[Sample, GroupIds]
) -> GroupEffect | None:
    """Return the effect of groups on the error of a number; None without groups.

    The degrees of freedom are those of the estimated variance, few if it comes from a few groups. They are at
    most the effective number of groups of unequal sizes, less one.

    Args:
        influences: by sample, (n,) in the unit of the number.
        groups: by sample, (n,) identifiers of groups; those of other numbers of images are not used.

    Source: design effect: Kish, Survey Sampling, 1965; freedom: Satterthwaite, Biometrics Bulletin 1946, and
    Carter, Schnepel and Steigerwald, Review of Economics and Statistics 2017.

    >>> effect = group_effect({"clean": np.array([0.5, 0.5, -0.5, -0.5])}, {"clean": np.array([1, 1, 2, 2])})
    >>> effect.count, effect.factor
    (2, 4.0)
    """
    samples = [name for name in influences if len(groups.get(name, ())) == len(influences[name])]
    if not samples:
        return None
    # Squared contributions of single images in samples without groups.
    squares = [(influences[other] / len(influences[other])) ** 2 for other in influences.keys() - {*samples}]
    variance = sum(float(np.sum((influences[one] / len(influences[one])) ** 2)) for one in influences)
    sizes = [np.unique(groups[sample], return_counts=True)[1] for sample in samples]
    size_effect = max(float(size @ size) / size.sum() for size in sizes)
    freedom = min(float(size.sum()) ** 2 / float(size @ size) for size in sizes) - 1
    count = min(map(len, sizes))
    if count < 2:
        return GroupEffect(size_effect, 1.0, count)
    squares.append(_contributions(influences, {sample: groups[sample] for sample in samples}) ** 2)
    joined = np.concatenate(squares)
    total, number = float(joined.sum()), len(joined)
    if not variance:  # nothing shows how equal the images of a group are
        return GroupEffect(size_effect, max(freedom, 1.0), count)
    factor = total * (number - 1) / number / variance
    if factor > 1:
        excess = float(joined @ joined) - total**2 / number
        freedom = min(freedom, 2 * total**2 / excess if excess > 0 else math.inf)
    return GroupEffect(max(factor, 1.0), max(freedom, 1.0), count)


def _contributions(influences: Mapping[Sample, Influences], groups: Mapping[Sample, GroupIds]) -> Influences:
    """Return the contribution of each group to the error, over all samples."""
    identifiers: list[GroupIds] = []
    sums: list[Influences] = []
    for sample, group in groups.items():
        names, position, sizes = np.unique(group, return_inverse=True, return_counts=True)
        identifiers.append(names)
        sums.append(np.bincount(position, weights=influences[sample]) / (len(group) - sizes))
    joint = np.unique(np.concatenate(identifiers), return_inverse=True)[1]
    return np.bincount(joint, weights=np.concatenate(sums)).astype(np.float64)
