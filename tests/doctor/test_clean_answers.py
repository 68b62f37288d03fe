"""Findings from the answers to clean images: swapped classes, and accuracies of a constant answer."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

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
    (finding,) = answer_findings("net.pt", *SWAPPED, CLASSES)
    assert finding.text() == (
        "net.pt: two classes look swapped: 'cat' and 'dog'.\n"
        "  evidence: on the clean images of these classes 140 answers are the other class of the pair, "
        "25 are right\n"
        "  fix: compare the class list in quba-data.yaml with that of training (quba-check doctor --order "
        "proposes an order), and the class folders with their images"
    )


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


def test_several_pairs_are_one_finding() -> None:
    finding = next(answer_findings("net.pt", *answers(*np.eye(4, dtype=int)[::-1] * 30), CLASSES))
    assert finding.problem == "net.pt: 2 pairs of classes look swapped: 'ant' and 'dog', 'bee' and 'cat'."


@pytest.mark.parametrize("n_correct", [60, 59])
def test_an_accuracy_that_is_not_above_the_most_frequent_class(n_correct) -> None:
    rows = ([n_correct, 60 - n_correct, 0], [20, 0, 0], [20, 0, 0])
    (finding,) = answer_findings("net.pt", *answers(*rows), CLASSES)
    assert finding.text() == (
        f"net.pt: accuracy 0.{n_correct}0 on the clean set is not above 0.600, the share of its most "
        "frequent class 'ant'.\n"
        "  evidence: a constant answer is as accurate; values relative to the clean accuracy (robustness, "
        "object focus) are no evidence of quality\n"
        "  fix: check weights, class list and preprocessing: quba-check doctor"
    )


@pytest.mark.parametrize("rows", [([60, 0], [19, 1]), ([60, 0], [0, 0]), ([0, 0], [0, 0])])
def test_accuracies_above_it_and_sets_of_one_class(rows) -> None:
    assert list(answer_findings("net.pt", *answers(*rows), CLASSES)) == []
