import colorsys
import itertools

import numpy as np
import pytest

from quba_check.demo import CLASSES, IMAGE_SIZE
from quba_check.demo.surfaces import PATTERNS, backdrop, blend, clouds, pattern, rgb, two_colours


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


def test_patterns_differ_in_their_spectrum() -> None:
    def spectrum(owner: str) -> np.ndarray:
        patterns = [pattern(owner, np.random.default_rng(seed)) for seed in range(30)]
        mean = np.mean([np.abs(np.fft.fft2(p - p.mean())) for p in patterns], axis=0).ravel()
        return mean / np.linalg.norm(mean)

    spectra = {owner: spectrum(owner) for owner in CLASSES}
    for one, other in itertools.combinations(CLASSES, 2):
        assert spectra[one] @ spectra[other] < 0.97, (one, other)


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


def test_clouds_are_smooth() -> None:
    field = clouds(np.random.default_rng(0))
    assert 0 <= field.min() < field.max() <= 1
    assert np.abs(np.diff(field, axis=0)).max() < 0.25


def test_one_colour_is_bright_and_the_other_dark() -> None:
    for seed in range(50):
        bright, dark = two_colours(np.random.default_rng(seed))
        assert bright.max() >= 0.75
        assert dark.max() <= 0.38


def test_mixing_by_hand() -> None:
    share = np.array([[0.0, 0.25]], dtype=np.float32)
    red = rgb(0.0, 1.0, 1.0)
    blue = rgb(2 / 3, 1.0, 1.0)
    assert blend(share, red, blue) == pytest.approx(np.array([[[0, 0, 1], [0.25, 0, 0.75]]]))
