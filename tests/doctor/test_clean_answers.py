"""Findings from the answers to clean images: swapped classes, and accuracies of a constant answer."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest
from syrupy.assertion import SnapshotAssertion

from quba_check.doctor.accuracy import SwappedPair, answer_findings, swapped_pairs
from quba_check.doctor.significance import ALPHA

CLASSES = ("ant", "bee", "cat", "dog")


def answers(*rows: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Labels and predictions with a confusion matrix: a row for each label."""
    matrix = np.array(rows)
    label, predicted = np.indices(matrix.shape)
    return label.ravel().repeat(matrix.ravel()), predicted.ravel().repeat(matrix.ravel())


SWAPPED = answers([90, 5, 5, 0], [5, 90, 5, 0], [10, 10, 10, 70], [5, 10, 70, 15])


def test_swapped_classes() -> None:
    assert swapped_pairs(*SWAPPED, 4) == [SwappedPair((2, 3), 140, 25)]


@pytest.mark.parametrize(
    "rows",
    [
        SWAPPED,
        answers(*np.eye(4, dtype=int)[::-1] * 30),  # two pairs
        answers([60, 0, 0], [20, 0, 0], [20, 0, 0]),  # as accurate as a constant answer, and less
        answers([59, 1, 0], [20, 0, 0], [20, 0, 0]),
    ],
)
def test_findings(rows: tuple[np.ndarray, np.ndarray], snapshot: SnapshotAssertion) -> None:
    assert "\n".join(one.text() for one in answer_findings("net.pt", *rows, CLASSES)) == snapshot


@pytest.mark.parametrize(
    "rows",
    [
        ([90, 5, 5], [5, 90, 5], [5, 5, 90]),
        ([0, 90, 10], [0, 90, 10], [10, 0, 90]),  # one class is never named
        ([45, 55, 0], [55, 45, 0], [0, 0, 90]),  # chance
        ([0, 90, 10], [10, 0, 90], [90, 10, 0]),  # a rotation, which no swap repairs
        ([0, 0, 0], [0, 0, 0], [0, 0, 0]),
    ],
)
def test_other_confusions_are_no_swaps(rows) -> None:
    assert swapped_pairs(*answers(*rows), 3) == []


def test_the_test_is_exact_with_holms_correction() -> None:
    """Of six pairs, the second smallest p-value is compared with a fifth of the level."""
    clear, n = [[0, 100, 0, 0], [100, 0, 0, 0]], 40
    for swapped in range(n // 4 + 1, n // 2 + 1):
        rows = (*clear, [0, 0, n // 2 - swapped, swapped], [0, 0, swapped, n // 2 - swapped])
        p_value = binomtest(2 * swapped, n, 0.5, alternative="greater").pvalue
        expected = [(0, 1), (2, 3)] if p_value <= ALPHA / 5 else [(0, 1)]
        assert [pair.classes for pair in swapped_pairs(*answers(*rows), 4)] == expected
    p_values = [binomtest(2 * k, n, 0.5, alternative="greater").pvalue for k in (14, 15)]
    assert p_values[1] < ALPHA / 5 < ALPHA < 3 * p_values[0]


@pytest.mark.parametrize("rows", [([60, 0], [19, 1]), ([60, 0], [0, 0]), ([0, 0], [0, 0])])
def test_accuracies_above_it_and_sets_of_one_class(rows) -> None:
    assert list(answer_findings("net.pt", *answers(*rows), CLASSES)) == []
