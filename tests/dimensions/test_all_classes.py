"""Tables and notes on confused classes, by hand."""

import numpy as np
import pytest
from scipy.stats import binomtest
from support.answers import answers as clean
from support.answers import facts

from quba_check.core.predictions import NO_CLASS
from quba_check.dimensions._all_classes import (
    class_table,
    confusion_table,
    never_predicted_notes,
    never_right_notes,
)

NAMES = ("cat", "dog", "owl", "yak")


def suite(names=NAMES):
    return facts(len(names), class_names=names).suite


def test_confusions_by_hand():
    table = confusion_table(
        clean([0, 0, 0, 0, 1, 1, 2, NO_CLASS, 2], [0, 1, 1, 2, 0, 1, 2, 0, NO_CLASS]), suite()
    )
    assert table.columns == ("label", "predicted", "images", "share")
    assert table.rows == (("cat", "dog", 2, 0.5), ("cat", "owl", 1, 0.25), ("dog", "cat", 1, 0.5))
    assert confusion_table(clean([0, 0], [0, 1]), suite(), largest=0).rows == ()


def test_another_right_class_is_no_confusion():
    acceptable = np.array([[0, 1], [0, NO_CLASS], [0, NO_CLASS]])
    table = clean([0, 0, 0], [1, 1, 1], acceptable=acceptable)
    assert confusion_table(table, suite()).rows == (("cat", "dog", 2, 2 / 3),)
    assert never_right_notes(table, suite()) == ("never predicted: cat (1 of 4 classes)",)


def test_class_table_by_hand():
    """3 cats, one called dog; a dog called dog; no owl, one cat called so; a yak called cat."""
    table = class_table(clean([0, 0, 0, 1, 3], [0, 1, 2, 1, 0]), suite())
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    assert [row["class"] for row in rows] == list(NAMES)
    assert [row["images"] for row in rows] == [3, 1, 0, 1]
    assert [row["recall"] for row in rows] == [1 / 3, 1, "", 0]
    assert [row["precision"] for row in rows] == [1 / 2, 1 / 2, 0, ""]
    assert [row["f1"] for row in rows] == pytest.approx([2 / 5, 2 / 3, 0, 0])
    for name, (count, n) in {"recall": (1, 3), "precision": (1, 2)}.items():
        limits = binomtest(count, n).proportion_ci(method="exact")
        ends = rows[0][f"{name}_lower"], rows[0][f"{name}_upper"]
        assert ends == pytest.approx((limits.low, limits.high))


def test_classes_never_predicted():
    one = clean([0, 1, 2, 3, 3], [0, 1, 0, 0, 0])
    assert never_predicted_notes(one, suite()) == ("never predicted: owl, yak (2 of 4 classes)",)
    assert never_predicted_notes(clean([0, 1], [0, 1]), suite()) == ()  # no image is of the others
    many = suite(tuple("abcdef"))
    five = clean([0, 1, 2, 3, 4], [5] * 5)
    assert never_predicted_notes(five, many) == ("never predicted: a, b, c and 2 more (5 of 6 classes)",)


def test_classes_never_right():
    """Owls are never predicted, yaks only for cats."""
    one = clean([0, 0, 1, 2, 3], [0, 3, 1, 0, 0])
    assert never_right_notes(one, suite()) == (
        "never predicted: owl (1 of 4 classes)",
        "predicted, but never right: yak (1 of 4 classes)",
    )
