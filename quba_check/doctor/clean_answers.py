"""Findings from the answers to clean images: swapped classes, useless accuracy."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from quba_check.core.predictions import most_frequent_class
from quba_check.doctor.finding import Finding
from quba_check.doctor.significance import ALPHA, binomial_tail
from quba_check.messages import listed
from quba_check.number_format import format_distinct

Labels = NDArray[np.int64]
"""(N,) classes."""
_SHOWN = 3
_SCORE = 2.326
"""Normal score of the one-sided level 0.01."""


class SwappedPair(NamedTuple):
    """Two classes whose images mostly get each other's answer.

    Attributes:
        classes: numbers of the two classes.
        n_swapped: number of their images with the answer of the other class.
        n_correct: number of their images with the right answer.
    """

    classes: tuple[int, int]
    n_swapped: int
    n_correct: int


def swapped_pairs(label: Labels, predicted: Labels, n_classes: int) -> list[SwappedPair]:
    """Return the pairs of classes with significantly more swapped than correct answers.

    Each class is the most frequent answer to the other one's images. An exact binomial test for each pair,
    with Holm's correction over all pairs.

    Args:
        label: (N,) class of each image.
        predicted: (N,) predicted class of each image.
        n_classes: number of classes.

    >>> label = np.repeat([0, 1, 2], 20)
    >>> swapped_pairs(label, np.array([1, 0, 2])[label], 3)
    [SwappedPair(classes=(0, 1), n_swapped=40, n_correct=0)]
    """
    counts = Counter(zip(label.tolist(), predicted.tolist(), strict=True))
    scored: list[tuple[float, SwappedPair]] = []
    most_frequent: dict[int, int] = {}
    for (one, answer), _ in counts.most_common():
        most_frequent.setdefault(one, answer)
    for one, other in most_frequent.items():
        if one < other and most_frequent.get(other) == one:
            swapped = counts[one, other] + counts[other, one]
            pair = SwappedPair((one, other), swapped, counts[one, one] + counts[other, other])
            scored.append((binomial_tail(pair.n_swapped, pair.n_swapped + pair.n_correct, 0.5), pair))
    n_pairs = n_classes * (n_classes - 1) // 2
    ranked = enumerate(sorted(scored, key=lambda item: item[0]))
    significant = takewhile(lambda item: item[1][0] * (n_pairs - item[0]) <= ALPHA, ranked)
    return sorted((pair for _, (_, pair) in significant), key=lambda pair: pair.classes)


def answer_findings(spec: str, label: Labels, predicted: Labels, classes: Sequence[str]) -> Iterator[Finding]:
    """Yield the findings from the answers to all clean images.

    Args:
        spec: the model.
        label: (N,) class of each image.
        predicted: (N,) predicted class of each image.
        classes: names of the classes.
    """
    if pairs := swapped_pairs(label, predicted, len(classes)):
        yield swapped_finding(spec, pairs, classes)
    yield from constant_answer_findings(spec, label, predicted == label, label, classes)


def swapped_finding(spec: str, pairs: Sequence[SwappedPair], classes: Sequence[str]) -> Finding:
    """Return the finding for swapped classes."""
    names = listed(
        (f"'{classes[pair.classes[0]]}' and '{classes[pair.classes[1]]}'" for pair in pairs), _SHOWN
    )
    swapped, correct = sum(pair.n_swapped for pair in pairs), sum(pair.n_correct for pair in pairs)
    return Finding(
        check="class order",
        problem=f"{spec}: two classes look swapped: {names}."
        if len(pairs) == 1
        else f"{spec}: {len(pairs)} pairs of classes look swapped: {names}.",
        evidence=f"on the clean images of these classes {swapped:,} answers are the other class of the pair, "
        f"{correct:,} are right",
        fix="compare the class list in quba-data.yaml with that of training (quba-check doctor --order "
        "proposes an order), and the class folders with their images",
    )


def constant_answer_findings(
    spec: str, label: Labels, correct: NDArray[np.bool_], everything: Labels, classes: Sequence[str]
) -> Iterator[Finding]:
    """Report an accuracy that is not above the share of the most frequent class.

    Classes are weighted by their shares of all images. An accuracy from a part of the images must be
    significantly lower.

    Args:
        spec: the model.
        label: (N,) class of each image of a sample.
        correct: (N,) True for the right answers.
        everything: labels of all clean images.
        classes: names of the classes.
    """
    if not len(label):
        return
    frequent, share = most_frequent_class(everything)
    sampled, number, n = np.unique(label, return_inverse=True, return_counts=True)
    known, sizes = np.unique(everything, return_counts=True)
    size = sizes[np.searchsorted(known, sampled)]
    n_correct = np.bincount(number, weights=correct)
    accuracy, right = float((size / n * n_correct).sum() / size.sum()), n_correct / n
    variance = size**2 * right * (1 - right) / n * (1 - n / size)
    if accuracy + _SCORE * math.sqrt(variance.sum()) / int(size.sum()) <= share < 1:
        ours, constant = format_distinct(accuracy, share, "fraction")
        yield Finding(
            check="accuracy",
            problem=f"{spec}: accuracy {ours} on the clean set is not above {constant}, the share of its "
            f"most frequent class '{classes[frequent]}'.",
            evidence="a constant answer is as accurate; values relative to the clean accuracy (robustness, "
            "object focus) are no evidence of quality",
            fix="check weights, class list and preprocessing: quba-check doctor",
        )
