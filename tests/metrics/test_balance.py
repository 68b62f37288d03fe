import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quba_check.metrics.balance import ClassBalance, class_balance

examples = settings(deadline=None, derandomize=True, max_examples=60)
row = st.tuples(st.booleans(), st.floats(0, 1, width=32))
per_class = st.lists(st.lists(row, min_size=1, max_size=8), min_size=2, max_size=6)


def columns(classes):
    label = np.array([k for k, rows in enumerate(classes) for _ in rows])
    right = np.array([right for rows in classes for right, _ in rows])
    probability = np.array([p for rows in classes for _, p in rows], dtype=np.float32)
    return label, right, probability


def test_by_hand():
    """Accuracies 1 and 0.5 (sd 0.353553); spreads 0.1 and 0.2; means 0.8 and 0.5 (sd 0.212132)."""
    balance = class_balance(
        np.array([0, 1, 0, 1]),
        np.array([True, True, True, False]),
        np.array([0.9, 0.7, 0.7, 0.3], dtype=np.float32),
        classes=2,
    )
    assert balance.accuracy == pytest.approx(1 - 0.125**0.5)
    assert balance.confidence == pytest.approx(0.85)
    assert balance.between_class_confidence == pytest.approx(1 - 0.045**0.5)


@given(per_class)
@examples
def test_equals_the_standard_library(classes):
    means = [statistics.fmean(p for _, p in rows) for rows in classes]
    accuracies = [statistics.fmean(right for right, _ in rows) for rows in classes]
    spreads = [statistics.pstdev(p for _, p in rows) for rows in classes]
    balance = class_balance(*columns(classes), classes=len(classes))
    assert balance.accuracy == pytest.approx(1 - statistics.stdev(accuracies), abs=1e-9)
    assert balance.confidence == pytest.approx(1 - statistics.fmean(spreads), abs=1e-9)
    assert balance.between_class_confidence == pytest.approx(1 - statistics.stdev(means), abs=1e-9)


@given(per_class, st.randoms(use_true_random=False))
@examples
def test_range_order_of_images_and_names_of_classes(classes, random):
    label, right, probability = columns(classes)
    balance = class_balance(label, right, probability, classes=len(classes))
    looks = (balance.accuracy, balance.confidence, balance.between_class_confidence)
    assert all(0 <= look <= 1 for look in looks)
    rows = random.sample(range(len(label)), len(label))
    names = np.array(random.sample(range(len(classes)), len(classes)))
    again = class_balance(names[label[rows]], right[rows], probability[rows], classes=len(classes))
    assert (again.accuracy, again.confidence, again.between_class_confidence) == pytest.approx(looks)


def test_equal_classes_are_in_balance():
    balance = class_balance(
        np.repeat(np.arange(5), 2), np.ones(10, bool), np.full(10, 0.25, np.float32), classes=5
    )
    assert balance == ClassBalance(1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("label", "classes", "message"),
    [
        (
            [0, 0],
            1,
            "class balance: 1 of 1 classes have images. Allowed: at least two classes, all with images.",
        ),
        (
            [0, 2],
            3,
            "class balance: 2 of 3 classes have images. Allowed: at least two classes, all with images.",
        ),
    ],
)
def test_classes_without_images_are_refused(label, classes, message):
    with pytest.raises(ValueError) as caught:
        class_balance(np.array(label), np.ones(2, bool), np.ones(2, np.float32), classes=classes)
    assert str(caught.value) == message
