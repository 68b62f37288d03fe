from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from quba_check.doctor.sampling import stratified
from quba_check.suites.suite import Example

LABELS = st.lists(st.integers(0, 4), min_size=1, max_size=40)


def examples(labels: list[int]) -> list[Example]:
    return [Example(index, f"{index}.png", label) for index, label in enumerate(labels)]


@given(labels=LABELS, limit=st.integers(1, 40), seed=st.integers(0, 9))
@settings(max_examples=50, deadline=None)
def test_every_class_has_had_its_turn_before_one_has_another(labels, limit, seed):
    drawn = stratified(examples(labels), limit, seed)
    assert len(drawn) == len(set(drawn)) == min(limit, len(labels))
    counts, there = Counter(example.label for example in drawn), Counter(labels)
    most = max(counts.values())
    assert all(counts[label] >= min(there[label], most - 1) for label in there)


@given(labels=LABELS, seed=st.integers(0, 9))
@settings(max_examples=30, deadline=None)
def test_a_shorter_sample_is_the_beginning_of_a_longer_one(labels, seed):
    whole = stratified(examples(labels), len(labels), seed)
    assert stratified(examples(labels), len(labels) // 2, seed) == whole[: len(labels) // 2]


def test_another_seed_draws_others():
    many = examples([k % 5 for k in range(200)])
    assert stratified(many, 20, 0) == stratified(many, 20, 0) != stratified(many, 20, 1)
