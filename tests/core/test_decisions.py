"""Decisions in each kind of label space.

`golden_decisions.npz` holds 48 rows of 1,000-way logits and the classes that the released code of
arXiv 2503.17110 reads them as: in the 16 categories of model-vs-human, the 9 of ImageNet-9 (-1: none) and the
200 of ImageNet-R.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from quba_check.core.classes import LabelSpace
from quba_check.core.decisions import decision_columns, label_in, mean_probability
from quba_check.core.predictions import NO_CLASS
from quba_check.engine.decisions import probabilities
from quba_check.suites.label_spaces import built_in_space

MEAN = LabelSpace("pair", ("even", "odd"), ((0, 2), (1, 3)), "mean")
BEST = LabelSpace("some", ("one", "three"), ((1,), (3,)), "argmax")
MAPPED = LabelSpace("some", ("low", "high"), ((0, 1), (3,)), "map")


def softmax(logits: np.ndarray) -> np.ndarray:
    return probabilities(torch.from_numpy(logits)).numpy()


@pytest.mark.parametrize(
    ("name", "expected"), [("imagenet_to_16", "of16"), ("imagenet_to_in9", "of9"), ("imagenet_r", "of200")]
)
def test_decisions_are_those_of_the_released_code(name: str, expected: str) -> None:
    data = np.load(Path(__file__).with_name("golden_decisions.npz"))
    logits = data["logits"].astype(np.float32)
    label = np.zeros(len(logits), dtype=np.int64)
    found = decision_columns(logits, softmax(logits), label, built_in_space(name))
    np.testing.assert_array_equal(found["top1"], data[expected])


def test_own_space_takes_the_largest_logit_and_the_first_of_several() -> None:
    logits = np.array([[0, 3, 3, 1], [5, 0, 0, 0]], dtype=np.float32)
    label = np.array([2, 0])
    found = decision_columns(logits, softmax(logits), label, LabelSpace.own(("a", "b", "c", "d")))
    assert found["top1"].tolist() == [1, 0]
    assert found["true_probability"].tolist() == [softmax(logits)[0, 2], softmax(logits)[1, 0]]
    assert found["confidence"].tolist() == [softmax(logits)[0, 1], softmax(logits)[1, 0]]


def test_saturated_probabilities_do_not_decide() -> None:
    """float32 softmax gives 0 for both members; the logits still rank them."""
    logits = np.array([[500, 1, 0, 2]], dtype=np.float32)
    assert decision_columns(logits, softmax(logits), np.array([0]), BEST)["top1"].tolist() == [1]


def test_mean_rule_takes_the_mean_and_not_the_sum_or_the_best() -> None:
    p = np.array([[0.5, 0.3, 0.0, 0.2], [0.1, 0.4, 0.4, 0.1]], dtype=np.float32)
    three = LabelSpace("three", ("wide", "narrow"), ((0, 2, 3), (1,)), "mean")
    found = decision_columns(np.log(p + 1e-9), p, np.array([0, NO_CLASS]), three)
    assert found["top1"].tolist() == [1, 1]
    np.testing.assert_allclose(found["true_probability"], [0.7 / 3, np.nan], rtol=1e-6)
    np.testing.assert_allclose(found["confidence"], [0.3, 0.4], rtol=1e-6)


def test_ties_under_the_mean_rule() -> None:
    p = np.array([[0.25, 0.25, 0.25, 0.25]], dtype=np.float32)
    assert decision_columns(np.log(p), p, np.array([0]), MEAN, "first")["top1"].tolist() == [0]
    assert decision_columns(np.log(p), p, np.array([0]), MEAN, "last")["top1"].tolist() == [1]


def test_map_rule_counts_a_choice_outside_as_none() -> None:
    logits = np.array([[0, 1, 9, 0], [0, 1, 0, 9], [0, 9, 0, 0]], dtype=np.float32)
    found = decision_columns(logits, softmax(logits), np.array([0, 1, 1]), MAPPED)
    assert found["top1"].tolist() == [NO_CLASS, 1, 0]
    assert found["true_probability"][0] == softmax(logits)[0, 1]
    assert found["confidence"][0] == softmax(logits)[0, 2]


def test_labels_are_read_in_another_space() -> None:
    assert label_in(MAPPED, np.array([0, 1, 2, 3]), 4).tolist() == [0, 0, NO_CLASS, 1]


@given(seed=st.integers(0, 10_000))
@settings(deadline=None, derandomize=True, max_examples=30)
def test_mean_probability_is_a_plain_mean(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p = softmax(rng.normal(size=(4, 9)).astype(np.float32))
    members = ((3, 1), (0,), (8, 2, 5))
    slow = [[sum(float(row[m]) for m in group) / len(group) for group in members] for row in p]
    np.testing.assert_allclose(mean_probability(p, members), slow, rtol=1e-12)
