import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from quba_check.metrics.cues import CueHits, cue_hits

examples = settings(deadline=None, derandomize=True, max_examples=60)
triples = st.lists(st.tuples(*[st.integers(-1, 3)] * 3), min_size=1, max_size=40)


def test_the_worked_case_of_the_released_code():
    """Eight files, two of them without conflict: 2 shape hits, 3 texture hits, shape bias 0.4."""
    names = ["airplane", "bear", "bicycle", "bird", "car", "cat", "chair", "clock", "dog", "elephant"]
    names += ["knife", "oven", "truck"]
    files = "airplane-bicycle dog-bird cat-cat bear-clock knife-oven truck-car chair-chair bird-elephant"
    decisions = "airplane bird cat clock knife dog oven elephant"
    shape, texture = zip(*(file.split("-") for file in files.split()), strict=True)
    columns = [np.array([names.index(name) for name in row]) for row in (decisions.split(), shape, texture)]
    hits = cue_hits(*columns)
    assert hits == CueHits(conflicts=6, shape=2, texture=3)
    assert hits.shape / (hits.shape + hits.texture) == 0.4


@given(triples)
@examples
def test_equals_a_count_image_by_image(rows):
    expected = CueHits(
        conflicts=sum(shape != texture for _, shape, texture in rows),
        shape=sum(decision == shape != texture and decision >= 0 for decision, shape, texture in rows),
        texture=sum(decision == texture != shape and decision >= 0 for decision, shape, texture in rows),
    )
    assert cue_hits(*np.array(rows).T) == expected


@given(triples)
@examples
def test_exchanging_the_cues_exchanges_the_hits(rows):
    decision, shape, texture = np.array(rows).T
    hits, exchanged = cue_hits(decision, shape, texture), cue_hits(decision, texture, shape)
    assert (hits.shape, hits.texture) == (exchanged.texture, exchanged.shape)
    assert hits.shape + hits.texture <= hits.conflicts == exchanged.conflicts


def test_a_decision_of_no_class_hits_nothing():
    none = np.array([-1])
    assert cue_hits(none, none, np.array([2])) == CueHits(conflicts=1, shape=0, texture=0)


def test_counts_are_plain_numbers():
    hits = cue_hits(np.array([1]), np.array([1]), np.array([2]))
    assert {type(count) for count in (hits.conflicts, hits.shape, hits.texture)} == {int}
