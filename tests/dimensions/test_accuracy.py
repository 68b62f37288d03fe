from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.answers import answers, facts, reason, values

from quba_check.core.predictions import NO_CLASS
from quba_check.core.view import CLEAN
from quba_check.dimensions import accuracy, registry
from quba_check.dimensions.accuracy import label_ranks

ACCURACY = registry["accuracy"]


def clean(ranks, classes):
    """Class 0 is the label of every image and stands at the given rank of the model's answer."""
    scores = np.linspace(1, 0, classes, dtype=np.float32)
    probabilities = np.stack([np.insert(np.delete(scores, rank), 0, scores[rank]) for rank in ranks])
    return answers([0] * len(ranks), None, probabilities / probabilities.sum(axis=1, keepdims=True))


def measured(ranks, classes, **columns):
    return ACCURACY.measure({CLEAN: replace(clean(ranks, classes), **columns)}, facts(classes))


def test_top_k_accuracies():
    one = measured([0, 0, 4, 5, 6], 7)
    assert (one.value, one.unit, one.n) == (0.4, "fraction", 5)
    assert (one.parts["top5"].unit, one.parts["top5"].n) == ("fraction", 5)
    assert values(one) == {"top3": 0.4, "top5": 0.6}
    assert values(measured([2, 3, 9, 10], 11)) == {"top3": 1 / 4, "top5": 2 / 4, "top10": 3 / 4}


def test_classes_never_predicted_have_a_note():
    one = measured([0, 0, 1], 4, label=np.array([0, 2, 3]))
    assert one.notes == ("never predicted: class 2, class 3 (2 of 4 classes)",)
    assert [row[:2] for row in one.tables["confusions"].rows] == [
        ("class 2", "class 0"),
        ("class 3", "class 1"),
    ]


def test_one_of_several_right_classes_is_enough():
    # Class 0 is the label, at ranks 0, 4, 5 and 6; the answers are classes 0, 1, 1 and 1.
    right = np.array([[0, NO_CLASS], [0, 1], [0, NO_CLASS], [0, 5]])
    one = measured([0, 4, 5, 6], 7, acceptable=right)
    assert one.value == 0.5
    assert one.parts["top5"].value == 0.75  # of the last image, class 5 is fifth
    assert one.notes == ("several labels are right for 2 of 4 images; one of them is enough",)


@given(st.lists(st.tuples(*[st.integers(-1, 3)] * 4), min_size=1))
def test_correct_is_a_loop_over_the_right_classes(rows):
    predicted, *right = np.array(rows).T
    table = answers(right[0], predicted, acceptable=np.stack(right, 1))
    assert table.correct.tolist() == [one[0] in one[1:] and one[0] != NO_CLASS for one in rows]
    assert (table.correct | ~replace(table, acceptable=None).correct).all()


@pytest.mark.parametrize(("classes", "names"), [(3, []), (4, ["top3"]), (5, ["top3"]), (6, ["top3", "top5"])])
def test_parts_count_fewer_classes_than_there_are(classes, names):
    assert list(measured([0, 1, 2], classes).parts) == names
    assert [part.name for part in ACCURACY.parts(facts(classes).suite)] == names


def test_an_empty_clean_set_has_no_accuracy():
    text = "the set clean has no images; add some or leave it out of the suite"
    assert reason(ACCURACY, {CLEAN: answers([], [])}, facts(3)) == (text, True)


def top_k_accuracy(probabilities, label, k):
    return float((label_ranks(probabilities, label) < k).mean())


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(2, 9), st.integers(1, 9))
@settings(deadline=None, derandomize=True, max_examples=60)
def test_equals_a_stable_sort(seed, rows, classes, k):
    rng = np.random.default_rng(seed)
    probabilities = rng.integers(0, 5, (rows, classes)).astype(np.float32) / 5
    label = rng.integers(0, classes, rows)
    ranked = np.argsort(-probabilities, axis=1, kind="stable")[:, :k]
    expected = np.mean([label[i] in ranked[i] for i in range(len(label))])
    assert top_k_accuracy(probabilities, label, k) == pytest.approx(expected)


def test_a_label_outside_the_table_is_never_among_the_first():
    assert top_k_accuracy(np.array([[0.5, 0.5]] * 3, dtype=np.float32), np.array([-1, 2, 1]), 2) == 1 / 3


def test_blocks_of_rows_join_without_a_seam(monkeypatch):
    rng = np.random.default_rng(0)
    table = rng.random((100, 7), dtype=np.float32)
    label = rng.integers(0, 7, 100)
    whole = top_k_accuracy(table, label, 3)
    monkeypatch.setattr(accuracy, "ROW_BLOCK", 33)
    assert top_k_accuracy(table, label, 3) == whole
