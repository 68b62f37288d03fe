"""The confusion matrix: cells, colours, numbers and words."""

from __future__ import annotations

import re

import pytest
from page.test_drawing import elements, texts

from quba_check.page.confusion import confusion_matrix
from quba_check.page.drawing import Chart

NAMES = ("cat", "dog", "owl")
CONFUSED = {(0, 1): (6, 0.6), (0, 2): (1, 0.06), (2, 1): (1200, 0.06)}


def cells(chart: Chart, class_: str) -> list[tuple[int, int]]:
    """Row and column of the cells of a colour, of a matrix with cells of 24 pixels."""
    paths = [path.attributes["d"] for path in elements(chart, "path", class_)]
    corners = [corner for path in paths for corner in re.findall(r"M([\d.]+) ([\d.]+)h", path)]
    return [((int(y) - 96) // 24, (int(x) - 128) // 24) for x, y in corners]


def test_right_answers_are_on_the_diagonal_and_the_largest_share_stands_out() -> None:
    chart = confusion_matrix("Confusion matrix", NAMES, {0: 3, 1: 0, 2: 18_800}, CONFUSED)
    assert cells(chart, "cell allowed") == [(0, 0), (2, 2)]
    assert cells(chart, "cell h0") == [(0, 1)]
    assert cells(chart, "cell h8") == [(0, 2), (2, 1)]
    assert texts(chart) == ["cat", "cat", "dog", "dog", "owl", "owl", "3", "19k", "6", "1", "1.2k"]
    assert chart.description == "3 classes; cat as dog 6, cat as owl 1, owl as dog 1,200"


@pytest.mark.parametrize(("classes", "width"), [(2, 380), (10, 380), (18, 380), (50, 128 + 50 * 14)])
def test_many_classes_make_it_wider(classes: int, width: int) -> None:
    names = [f"class {k}" for k in range(classes)]
    chart = confusion_matrix("Confusion matrix", names, dict.fromkeys(range(classes), 9), {(0, 1): (1, 0.1)})
    assert chart.width == width
    assert ("9" in texts(chart)) == (classes <= 10)
    assert len(chart.shapes) <= 4 + 2 * classes


def test_without_confusions() -> None:
    chart = confusion_matrix("Confusion matrix", NAMES, {0: 1, 1: 1, 2: 1}, {})
    assert chart.description == "3 classes; no confusion"
