import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quba_check.metrics import ranking

examples = settings(deadline=None, derandomize=True, max_examples=60)


def top_k_accuracy(probabilities, label, k):
    return float(ranking.is_in_top_k(probabilities, label, k).mean())


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


def test_of_equal_probabilities_the_lower_class_ranks_first():
    table = np.full((2, 3), 1 / 3, dtype=np.float32)
    assert top_k_accuracy(table, np.array([0, 1]), 1) == 0.5


def test_a_label_outside_the_table_is_never_among_the_first():
    assert top_k_accuracy(np.array([[0.5, 0.5]] * 3, dtype=np.float32), np.array([-1, 2, 1]), 2) == 1 / 3


def test_blocks_of_rows_join_without_a_seam(monkeypatch):
    rng = np.random.default_rng(0)
    table, label = rng.random((100, 7), dtype=np.float32), rng.integers(0, 7, 100)
    whole = top_k_accuracy(table, label, 3)
    monkeypatch.setattr(ranking, "ROW_BLOCK", 33)
    assert top_k_accuracy(table, label, 3) == whole


@pytest.mark.parametrize(("rows", "labels"), [(0, 0), (2, 3)])
def test_columns_that_do_not_fit_are_refused(rows, labels):
    with pytest.raises(ValueError) as caught:
        top_k_accuracy(np.zeros((rows, 2), np.float32), np.zeros(labels, np.int64), 1)
    assert str(caught.value) == (
        f"top-k accuracy: {rows} rows of probabilities for {labels} labels. "
        "Allowed: as many rows as labels, not empty."
    )
