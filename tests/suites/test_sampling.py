"""A limit leaves a seeded choice that has each class's share; sampled corruptions."""

from collections import Counter
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.suites import error_text, tree
from support.tiny import CLASSES, MANIFEST, write_pictures

from quba_check.core.view import CORRUPTIONS, SAMPLED, SEVERITIES, View
from quba_check.suites import SetCount, Suite, open_suite
from quba_check.suites.sampling import WHOLE, SubsetSampler

LABELS = st.lists(st.integers(0, 5), min_size=1, max_size=60)


@settings(max_examples=60)
@given(LABELS, st.integers(1, 70), st.integers(0, 3))
def test_a_limit_takes_each_classs_share(labels: list[int], limit: int, seed: int) -> None:
    positions = SubsetSampler(limit, seed).positions(labels)
    assert len(positions) == min(limit, len(labels))
    assert (np.diff(positions) > 0).all()
    share = len(positions) / len(labels)
    for label in set(labels):
        taken = np.count_nonzero(np.array(labels)[positions] == label)
        # Its place among the others is known up to one image of each class.
        assert abs(taken - share * labels.count(label)) <= 2


@settings(max_examples=30)
@given(LABELS, st.integers(1, 60), st.integers(0, 3))
def test_a_smaller_limit_takes_some_of_what_a_larger_one_takes(labels: list[int], n: int, seed: int) -> None:
    assert set(SubsetSampler(n, seed).positions(labels)) <= set(SubsetSampler(n + 1, seed).positions(labels))


def test_without_a_limit_all_are_taken_in_order() -> None:
    assert WHOLE.positions([2, 0, 1]).tolist() == [0, 1, 2]


def test_another_seed_takes_others() -> None:
    labels = [number // 50 for number in range(1000)]
    positions = [SubsetSampler(100, seed).positions(labels) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(positions[0], positions[1])
    assert len(np.intersect1d(positions[0], positions[2])) < 30


def test_every_image_has_the_same_chance() -> None:
    labels = [0] * 10 + [1] * 30
    taken = np.zeros(40)
    for seed in range(2000):
        taken[SubsetSampler(8, seed).positions(labels)] += 1
    np.testing.assert_allclose(taken / 2000, 0.2, atol=0.04)


@settings(max_examples=40)
@given(LABELS, st.integers(1, 8), st.integers(0, 3))
def test_conditions_come_in_balanced_turn(labels: list[int], conditions: int, seed: int) -> None:
    turns = SubsetSampler(seed=seed).assign_conditions(labels, conditions)
    counts = np.bincount(turns, minlength=conditions)
    assert counts.max() - counts.min() <= 1
    for label in set(labels):
        of_class = np.bincount(turns[np.array(labels) == label], minlength=conditions)
        assert of_class.max() - of_class.min() <= 2


HEAD = MANIFEST.partition("  corruptions:")[0]
PER_CLASS = 2


def suite(root: Path, corruptions: str, draw: SubsetSampler = WHOLE) -> Suite:
    (root / "quba-data.yaml").write_text(f"{HEAD}  corruptions: {{{corruptions}, sample: one}}\n")
    return open_suite(root, draw)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sampled")
    write_pictures(root / "val", 0, 30)
    files = product(CORRUPTIONS, SEVERITIES, CLASSES, range(PER_CLASS))
    return tree(root, *(f"c/{name}/{severity}/{label}/{k}.png" for name, severity, label, k in files))


def test_made_from_clean_images(data: Path) -> None:
    generated = suite(data, "generate: from clean")
    assert generated.facts.samples_corruptions
    assert generated.missing(SAMPLED) is None
    examples = generated.examples(SAMPLED)
    assert [(x.index, x.name, x.label) for x in examples] == [
        (x.index, x.name, x.label) for x in generated.examples(View("clean"))
    ]
    met = Counter(example.condition for example in examples)
    assert len(met) == 75
    assert set(met.values()) == {1, 2}
    assert generated.counts([SAMPLED]) == {"corruptions": SetCount(90, 9)}
    other = suite(data, "generate: from clean", SubsetSampler(seed=1)).examples(SAMPLED)
    assert sum(a.condition == b.condition for a, b in zip(examples, other, strict=True)) < 20


def test_read_from_files(data: Path) -> None:
    stored = suite(data, "reader: folder, path: c")
    assert stored.missing(SAMPLED) is None
    assert len(stored.examples(SAMPLED)) == PER_CLASS * len(CLASSES)
    for example in stored.examples(SAMPLED):
        name, severity = example.condition or ("", 0)
        view = View("corruptions", name, severity)
        (same,) = (x for x in stored.examples(view) if x.index == example.index)
        assert (same.name, same.label) == (example.name, example.label)


def test_other_images_under_a_corruption(data: Path, tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    for name in CORRUPTIONS:
        (tmp_path / "c" / name).symlink_to(data / "c" / name)
    (tmp_path / "c" / "fog").unlink()
    write_pictures(tmp_path / "c" / "fog" / "1", 0)
    assert error_text(suite(tmp_path, "reader: folder, path: c").examples, SAMPLED) == (
        f"{tmp_path}/c/fog/1: its images are not those of {tmp_path}/c/gaussian_noise/1. With sample: one "
        "every corruption shows the same images; sample: all takes any."
    )
