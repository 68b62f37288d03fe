"""Deviations and sizes of groups of images."""

from __future__ import annotations

import numpy as np
import pytest

from quba_check.stats.clusters import cluster_sums, size_effect
from quba_check.stats.estimate import Estimate


def test_the_standard_error_of_copies_is_that_of_the_images() -> None:
    values = np.array([1.0, 0.0, 0.25, 0.5] * 50)
    single = Estimate.mean(values, "clean")
    copied = Estimate.mean(np.repeat(values, 3), "clean")
    sums = cluster_sums(copied.influences["clean"], np.repeat(np.arange(200), 3))
    assert sums.sum() == pytest.approx(0, abs=1e-9)
    error = Estimate(copied.value, {"clean": sums}).standard_error
    assert error == pytest.approx(single.standard_error, rel=0.005)


def test_groups_may_come_in_any_order() -> None:
    sums = cluster_sums(np.array([1.0, 2.0, 4.0, -7.0]), np.array([2, 0, 2, 1]))
    assert sums.tolist() == [5.0, 2.0, 0.0, -7.0]


def test_one_image_with_many_copies_is_one_image() -> None:
    assert 200 / size_effect(np.array([0] * 199 + [1])) == pytest.approx(1.01, abs=0.001)
