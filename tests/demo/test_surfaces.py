import colorsys

import numpy as np
import pytest

from quba_check.demo import CLASSES, IMAGE_SIZE
from quba_check.demo.surfaces import PATTERNS, backdrop, pattern


def test_every_class_has_a_texture() -> None:
    assert tuple(PATTERNS) == CLASSES


@pytest.mark.parametrize("owner", CLASSES)
def test_patterns_fill_their_range_and_repeat_by_seed(owner: str) -> None:
    first = pattern(owner, np.random.default_rng(1))
    assert first.shape == (IMAGE_SIZE, IMAGE_SIZE)
    assert first.dtype == np.float32
    assert 0 <= first.min() < 0.25
    assert first.max() == 1
    assert 0.15 < first.mean() < 0.85
    assert np.array_equal(first, pattern(owner, np.random.default_rng(1)))
    assert not np.array_equal(first, pattern(owner, np.random.default_rng(2)))


def test_a_background_has_the_hue_of_its_class() -> None:
    for k, owner in enumerate(CLASSES):
        for seed in range(5):
            mean = backdrop(owner, np.random.default_rng(seed)).mean(axis=(0, 1))
            hue = colorsys.rgb_to_hsv(*mean)[0]
            assert (hue - k / len(CLASSES) + 0.5) % 1 - 0.5 == pytest.approx(0, abs=0.03)


def test_the_plain_background_is_grey() -> None:
    plain = backdrop(None, np.random.default_rng(0))
    assert np.ptp(plain, axis=2).max() < 1e-6
    assert 0.2 < plain.mean() < 0.95
