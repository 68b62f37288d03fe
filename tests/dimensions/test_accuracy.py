from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.bare import bare

from quba_check.core.facts import Facts, ModelFacts, SuiteFacts
from quba_check.core.measurement import Quantity
from quba_check.core.predictions import NO_CLASS, Predictions
from quba_check.core.view import CLEAN
from quba_check.dimensions import accuracy, registry
from quba_check.dimensions.accuracy import label_ranks
from quba_check.errors import UnmeasurableError

ACCURACY = registry["accuracy"]


def facts(classes):
    return Facts(SuiteFacts("tiny", classes, shifts=(), corruptions=(), spaces={}), ModelFacts(10, 10))


def clean(ranks, classes):
    """Class 0 is the label of every image and stands at the given rank of the model's answer."""
    n = len(ranks)
    answers = np.linspace(1, 0, classes, dtype=np.float32)
    probabilities = np.stack([np.insert(np.delete(answers, rank), 0, answers[rank]) for rank in ranks])
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    label = np.zeros(n, np.int64)
    top1 = probabilities.argmax(axis=1)
    return Predictions(
        np.arange(n), label, top1, probabilities.max(axis=1), probabilities[:, 0], probabilities=probabilities
    )


def test_top_k_accuracies():
    measured = ACCURACY.measure({CLEAN: clean([0, 0, 4, 5, 6], classes=7)}, facts(7))
    assert (measured.value, measured.unit, measured.n) == (0.4, "fraction", 5)
    assert bare(measured.parts) == {
        "top3": Quantity(0.4, "fraction", 5),
        "top5": Quantity(0.6, "fraction", 5),
    }
    many = ACCURACY.measure({CLEAN: clean([2, 3, 9, 10], classes=11)}, facts(11))
    values = {name: part.value for name, part in many.parts.items()}
    assert values == {"top3": 1 / 4, "top5": 2 / 4, "top10": 3 / 4}


def test_classes_never_predicted_have_a_note():
    table = replace(clean([0, 0, 1], classes=4), label=np.array([0, 2, 3]))
    measured = ACCURACY.measure({CLEAN: table}, facts(4))
    assert measured.notes == ("never predicted: class 2, class 3 (2 of 4 classes)",)
    assert [row[:2] for row in measured.tables["confusions"].rows] == [
        ("class 2", "class 0"),
        ("class 3", "class 1"),
    ]


@pytest.mark.parametrize(("part", "value"), [("top3", 1 / 4), ("top5", 2 / 4), ("top10", 3 / 4)])
def test_each_part_counts_its_own_hits(part, value):
    measured = ACCURACY.measure({CLEAN: clean([2, 3, 9, 10], classes=11)}, facts(11))
    assert measured.parts[part].value == value


def test_one_of_several_right_classes_is_enough():
    # Class 0 is the label, at ranks 0, 4, 5 and 6; the answers are classes 0, 1, 1 and 1.
    table = clean([0, 4, 5, 6], classes=7)
    right = np.array([[0, NO_CLASS], [0, 1], [0, NO_CLASS], [0, 5]])
    measured = ACCURACY.measure({CLEAN: replace(table, acceptable=right)}, facts(7))
    assert measured.value == 0.5
    assert measured.parts["top5"].value == 0.75  # of the last image, class 5 is fifth
    assert measured.notes == ("several labels are right for 2 of 4 images; one of them is enough",)


@given(st.lists(st.tuples(*[st.integers(-1, 3)] * 4), min_size=1))
def test_correct_is_a_loop_over_the_right_classes(rows):
    predicted, *right = np.array(rows).T
    zeros = np.zeros(len(rows), np.float32)
    table = Predictions(
        np.arange(len(rows)), right[0], predicted, zeros, zeros, acceptable=np.stack(right, 1)
    )
    assert table.correct.tolist() == [one[0] in one[1:] and one[0] != NO_CLASS for one in rows]
    alone = replace(table, acceptable=None)
    assert (table.correct | ~alone.correct).all()


@pytest.mark.parametrize(("classes", "names"), [(3, []), (4, ["top3"]), (5, ["top3"]), (6, ["top3", "top5"])])
def test_parts_count_fewer_classes_than_there_are(classes, names):
    measured = ACCURACY.measure({CLEAN: clean([0, 1, 2], classes)}, facts(classes))
    assert measured.value == pytest.approx(1 / 3)
    assert list(measured.parts) == names
    assert [part.name for part in ACCURACY.parts(facts(classes).suite)] == names


def test_an_empty_clean_set_has_no_accuracy():
    none = np.zeros(0, np.int64)
    empty = Predictions(none, none, none, none.astype(np.float32), none.astype(np.float32))
    with pytest.raises(UnmeasurableError) as caught:
        ACCURACY.measure({CLEAN: empty}, facts(3))
    assert caught.value.reason == "the set clean has no images; add some or leave it out of the suite"
    assert caught.value.missing_data


examples = settings(deadline=None, derandomize=True, max_examples=60)


def top_k_accuracy(probabilities, label, k):
    return float((label_ranks(probabilities, label) < k).mean())


@st.composite
def tables(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows, classes = draw(st.integers(1, 40)), draw(st.integers(2, 9))
    return rng.integers(0, 5, (rows, classes)).astype(np.float32) / 5, rng.integers(0, classes, rows)


@given(tables(), st.integers(1, 9))
@examples
def test_equals_a_stable_sort(table, k):
    probabilities, label = table
    ranked = np.argsort(-probabilities, axis=1, kind="stable")[:, :k]
    expected = np.mean([label[i] in ranked[i] for i in range(len(label))])
    assert top_k_accuracy(probabilities, label, k) == pytest.approx(expected)


def test_a_label_outside_the_table_is_never_among_the_first():
    assert top_k_accuracy(np.array([[0.5, 0.5]] * 3, dtype=np.float32), np.array([-1, 2, 1]), 2) == 1 / 3


def test_blocks_of_rows_join_without_a_seam(monkeypatch):
    rng = np.random.default_rng(0)
    table, label = rng.random((100, 7), dtype=np.float32), rng.integers(0, 7, 100)
    whole = top_k_accuracy(table, label, 3)
    monkeypatch.setattr(accuracy, "ROW_BLOCK", 33)
    assert top_k_accuracy(table, label, 3) == whole
