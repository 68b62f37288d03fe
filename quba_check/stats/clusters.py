"""Samples whose images come in groups, such as copies of one image.

The images of a group are one observation. Its influence is the sum over the group (cluster-robust variance,
Liang and Zeger, Biometrika 1986).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from quba_check.stats.estimate import Influences

Group = NDArray[np.intp]
"""(n,) number of the group of each image, from 0 without gaps."""


def cluster_sums(influences: Influences, group: Group) -> Influences:
    """Sum influences over groups.

    The first image of a group has the sum, the others 0: one observation, in the place of one.

    Args:
        influences: (n,) in the unit of the number.
        group: (n,) index of the group of each image, from 0 without gaps.

    Returns:
        (n,) in the same unit.

    >>> cluster_sums(np.array([0.5, -1.0, 0.5]), np.array([0, 1, 0])).tolist()
    [1.0, -1.0, 0.0]
    """
    _, first = np.unique(group, return_index=True)
    sums: Influences = np.zeros_like(influences)
    sums[first] = np.bincount(group, weights=influences)
    return sums


def size_effect(group: Group) -> float:
    """Return the factor by which groups of equal images increase the variance of a mean.

    n images in groups of these sizes count as n over this factor without groups.

    Args:
        group: (n,) index of the group of each image, from 0 without gaps.

    Source: Kish, Survey Sampling, 1965.

    >>> size_effect(np.array([0, 0, 1, 1])), size_effect(np.array([0, 1, 2, 3]))
    (2.0, 1.0)
    """
    sizes = np.bincount(group)
    return float(sizes @ sizes) / len(group)
