"""Which background an object gets: depends on names and seed alone, and is spread evenly."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from quba_check.suites.object_focus.making import Pairing, pair_backgrounds

classes = st.dictionaries(st.sampled_from("abcd"), st.integers(2, 5), min_size=2).map(
    lambda sizes: {name: [f"{name}/{k}.png" for k in range(size)] for name, size in sizes.items()}
)


@settings(max_examples=60, deadline=None)
@given(classes, st.integers(0, 9), st.randoms())
def test_every_object_once_and_never_before_its_own_background(classes, seed, shuffler):
    pairs = pair_backgrounds(classes, seed)
    for name, of_class in pairs.items():
        assert [pair.foreground for pair in of_class] == sorted(classes[name])
        for pair in of_class:
            assert pair.foreground not in (pair.same, pair.rand)
            assert pair.same in classes[name]
            assert any(pair.rand in images for images in classes.values())
    shuffled = {name: shuffler.sample(images, len(images)) for name, images in reversed(classes.items())}
    assert pair_backgrounds(shuffled, seed) == pairs


def test_each_class_and_each_image_is_as_likely():
    # A class of two and one of ten: classes are drawn first, so that either gets half of the backgrounds.
    classes = {"a": [f"a/{k}" for k in range(2)], "b": [f"b/{k}" for k in range(1000)]}
    counted = Counter(pair.rand[0] for pair in pair_backgrounds(classes, 0)["b"])
    assert 450 < counted["a"] < 550
    many = {"a": [f"a/{k}" for k in range(5)], "b": ["b/0", "b/1"]}
    same = Counter(pair_backgrounds(many, seed)["a"][0].same for seed in range(800))
    assert same.keys() == {"a/1", "a/2", "a/3", "a/4"}
    assert all(150 < times < 250 for times in same.values())


def test_these_draws_stay_as_they_are():
    classes = {"a": ["a/1", "a/2", "a/3"], "b": ["b/1", "b/2"]}
    assert pair_backgrounds(classes, 1) == {
        "a": [Pairing("a/1", "a/2", "a/3"), Pairing("a/2", "a/1", "a/1"), Pairing("a/3", "a/1", "b/2")],
        "b": [Pairing("b/1", "b/2", "a/3"), Pairing("b/2", "b/1", "a/1")],
    }
    assert pair_backgrounds(classes, 0) != pair_backgrounds(classes, 1)
