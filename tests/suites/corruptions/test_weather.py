import colorsys

import numpy as np

from quba_check.suites.corruptions import corrupt
from quba_check.suites.corruptions.weather import snowed

NOISE = np.random.default_rng(5).integers(20, 200, (48, 40, 3), dtype=np.uint8)


def test_fog_keeps_the_brightest_value() -> None:
    foggy = corrupt(NOISE, "fog", 5, np.random.default_rng(0))
    assert foggy.max() <= NOISE.max()
    assert foggy.std() < NOISE.std()


def test_fog_leaves_the_dark_dark() -> None:
    black = np.zeros((48, 48, 3), dtype=np.uint8)
    assert corrupt(black, "fog", 3, np.random.default_rng(0)).max() == 0


def test_brightness_raises_the_value_of_hsv() -> None:
    bright = corrupt(NOISE, "brightness", 3, np.random.default_rng(0))
    for before, after in zip(NOISE[:4].reshape(-1, 3), bright[:4].reshape(-1, 3), strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*(before / 255))
        expected = np.array(colorsys.hsv_to_rgb(hue, saturation, min(1.0, value + 0.15))) * 255
        assert np.all(np.abs(after - np.floor(expected)) <= 1)


def test_black_turns_grey() -> None:
    black = np.zeros((8, 8, 3), dtype=np.uint8)
    assert np.unique(corrupt(black, "brightness", 2, np.random.default_rng(0))).tolist() == [25]


def test_snow_falls_twice_and_whitens_the_scene() -> None:
    dark = np.full((8, 10, 3), 40, dtype=np.uint8)
    layer = np.zeros((8, 10), dtype=np.uint8)
    layer[1, 2] = 100
    snowy = snowed(dark, layer, 0.8)
    # 0.8 · 40 + 0.2 · (1.5 · 40 + 127.5) = 69.5
    assert snowy[0, 0].tolist() == [69, 69, 69]
    assert snowy[1, 2].tolist() == [169, 169, 169]
    assert snowy[-2, -3].tolist() == [169, 169, 169]
