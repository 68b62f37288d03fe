"""Facts of images: by hand, by an independent computation, and decoded once."""

import sqlite3
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage
from support.suites import error_text, suite_of

from quba_check.core.view import CLEAN
from quba_check.storage.file_digests import ContentDigests
from quba_check.suites import image_facts as module
from quba_check.suites.image_facts import (
    MOST_BITS,
    TRAINING,
    ImageFacts,
    image_facts,
    is_one_picture,
    near_pairs,
    values_of,
)
from quba_check.suites.suite import Suite

RNG = np.random.default_rng(3)


def noise(height: int = 60, width: int = 90) -> Image.Image:
    return Image.fromarray(RNG.integers(0, 256, (height, width, 3), dtype=np.uint8))


def cats(root: Path, **images: Image.Image) -> Suite:
    (root / "cat").mkdir(parents=True)
    for name, image in images.items():
        image.save(root / "cat" / f"{name}.png")
    return suite_of(root, "sets:\n  clean: {reader: folder, path: ., partial: true}", "[cat, dog]")


def test_the_values_of_stripes_are_those_computed_by_hand():
    levels = np.zeros((224, 224), np.uint8)
    levels[:, ::2] = 100
    _, brightness, sharpness, _ = values_of(Image.fromarray(levels))
    assert brightness == pytest.approx(50 / 255)
    # left + right - 2 × own is 200 on black columns and -200 on grey ones.
    assert sharpness == pytest.approx(200**2)


def test_the_values_of_noise_are_those_of_other_libraries():
    image = noise(224, 224)
    phash, brightness, sharpness, size = values_of(image)
    grey = np.asarray(image, float) @ [0.299, 0.587, 0.114]
    assert brightness == pytest.approx(grey.mean() / 255, abs=0.002)
    laplacian = ndimage.laplace(np.asarray(image.convert("L"), float), mode="mirror")
    assert sharpness == pytest.approx(laplacian.var())
    small = np.asarray(image.convert("L").resize((32, 32), Image.Resampling.LANCZOS), float)
    cosines = np.cos(np.pi * np.outer(np.arange(8), 2 * np.arange(32) + 1) / 64)  # of a DCT-II
    low = (cosines @ small @ cosines.T).ravel()
    bits = "".join("1" if value > np.median(low) else "0" for value in low)
    assert phash % 2**64 == int(bits, 2)
    assert size == 224


@given(st.integers(8, 80), st.integers(8, 80), st.integers(0, 255))
def test_a_flat_image_has_its_level_as_brightness(width, height, level):
    _, brightness, sharpness, size = values_of(Image.new("L", (width, height), level))
    assert brightness == pytest.approx(level / 255)
    assert (sharpness, size) == (0, min(width, height))


def test_blur_lowers_sharpness_and_size_does_not_depend_on_the_reduced_decoding(tmp_path):
    photo = ndimage.gaussian_filter(RNG.normal(128, 400, (375, 500)), 4).clip(0, 255).astype(np.uint8)
    Image.fromarray(photo).convert("RGB").save(tmp_path / "a.jpg", quality=95)
    with Image.open(tmp_path / "a.jpg") as image:
        reduced = values_of(image)
    whole = values_of(Image.fromarray(photo))
    blurred = values_of(Image.fromarray(ndimage.gaussian_filter(photo, 5)))
    assert reduced[3] == whole[3] == 375
    assert reduced[1] == pytest.approx(whole[1], abs=0.005)
    assert reduced[2] == pytest.approx(whole[2], rel=0.1)
    assert (reduced[0] ^ whole[0]).bit_count() <= 2
    assert blurred[2] < whole[2] / 2


def test_facts_are_in_the_order_of_the_examples_and_decoded_once(tmp_path, monkeypatch):
    white = Image.new("RGB", (20, 10), "white")
    suite = cats(tmp_path / "data", a=white, b=Image.new("RGB", (8, 12)), c=white)
    digests = ContentDigests(tmp_path / "digests.sqlite")
    facts = image_facts(suite, CLEAN, digests)
    assert (len(facts), facts.size.tolist(), facts.brightness.tolist()) == (3, [10, 8, 10], [1, 0, 1])
    assert facts.content[0] == facts.content[2] != facts.content[1]
    assert [facts.phash.dtype, facts.brightness.dtype, facts.size.dtype] == [np.uint64, np.float32, np.int32]
    monkeypatch.setattr(module, "values_of", None)
    assert np.array_equal(image_facts(suite, CLEAN, digests).phash, facts.phash)


def test_a_damaged_table_is_an_error(tmp_path):
    suite = cats(tmp_path, a=noise())
    path = tmp_path / "digests.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE image_values_1 (content TEXT)")
    connection.close()
    assert error_text(image_facts, suite, CLEAN, ContentDigests(path)) == (
        f"{path}: digests and values of files cannot be kept here (no such column: hash). If the file is "
        "damaged, remove it: it is a cache."
    )


def pairs(hashes: list[int], sets: list[int]) -> list[tuple[int, int]]:
    n = len(hashes)
    zeros = np.zeros(n, np.float32)
    phash = np.array(hashes, np.uint64)
    facts = ImageFacts(tuple(map(str, range(n))), phash, zeros, zeros, zeros.astype(np.int32))
    return sorted(map(tuple, near_pairs(facts, np.array(sets, np.int64), np.arange(n)).tolist()))


@given(st.lists(st.tuples(st.integers(0, 64), st.integers(0, 63), st.integers(-1, 1)), max_size=40))
def test_the_pairs_are_those_of_a_comparison_of_all(images):
    # The first `bits` bits, rotated: distances of every size occur.
    hashes = [
        ((1 << bits) - 1 << turn | (1 << bits) - 1 >> 64 - turn) & 2**64 - 1 for bits, turn, _ in images
    ]
    sets = [number for *_, number in images]
    assert pairs(hashes, sets) == [
        (i, j)
        for i, j in combinations(range(len(hashes)), 2)
        if (hashes[i] ^ hashes[j]).bit_count() <= MOST_BITS and not sets[i] == sets[j] == TRAINING
    ]


def test_thousands_of_equal_hashes_have_few_pairs_that_connect_all():
    found = pairs([2**63] * 3_000, [0] * 3_000)
    assert len(found) <= 32 * 7 * 3_000
    assert {*found} >= {(k, k + 1) for k in range(2_999)}


FLAT = np.zeros((4, 3), np.uint8)
STRIPES = np.repeat(np.array([[0], [100], [0], [100]], np.uint8), 3, axis=1)


@pytest.mark.parametrize(
    ("first", "second", "is_one"),
    [
        (FLAT, FLAT + 2, True),  # with noise
        (FLAT, FLAT + 3, False),
        (FLAT + np.uint8([255, 0, 0]), FLAT + np.uint8([0, 0, 255]), False),
        # A deviation of 50 from the mean allows a difference of 5.
        (STRIPES, STRIPES + 5, True),
        (STRIPES, STRIPES + 6, False),
    ],
)
def test_pixels_confirm(first, second, is_one):
    assert is_one_picture(first[None], second[None]).tolist() == [is_one]
