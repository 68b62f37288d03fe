"""Corruptions outside the fifteen: hand-computed cases and properties."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.reference_corruptions import scene

from quba_check.core.view import EXTRA_CORRUPTIONS, SEVERITIES
from quba_check.suites.corruptions import corrupt
from quba_check.suites.corruptions.extra import FULL_WELL, READ_NOISE, linear_light


def flat(value: int, side: int = 128) -> np.ndarray:
    return np.full((side, side, 3), value, np.uint8)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_low_light_halves_the_linear_light(severity: int) -> None:
    """White at full exposure has 5,000 electrons; those of a darker photo have their own noise."""
    white = corrupt(flat(255, 256), "low_light", severity, np.random.default_rng(0))
    light = linear_light((white + 0.5) / 255.0)
    expected = 0.5**severity
    noise = np.sqrt(expected * FULL_WELL + READ_NOISE**2) / FULL_WELL
    assert light.mean() == pytest.approx(expected, rel=0.01)
    assert light.std() == pytest.approx(noise, rel=0.15)


@pytest.mark.parametrize(
    ("colour", "severity", "expected"),
    [
        ((200, 100, 100), 1, (200, 169, 169)),  # saturation 0.5 · 0.3: 200 · (1 - 0.15) = 170
        ((200, 100, 150), 3, (200, 0, 100)),  # 0.5 · 2 = 1: the smallest value is 0
        ((100, 100, 100), 4, (100, 90, 90)),  # grey turns red: saturation 0.1
        ((0, 0, 0), 5, (0, 0, 0)),
    ],
)
def test_saturation_by_hand(colour: tuple[int, ...], severity: int, expected: tuple[int, ...]) -> None:
    image = np.full((100, 100, 3), colour, np.uint8)
    found = corrupt(image, "saturate", severity, np.random.default_rng(0))[0, 0]
    assert np.abs(found.astype(int) - expected).max() <= 1


def test_a_flat_scene_without_drops_stays_as_it_is() -> None:
    dry = corrupt(flat(90, 8), "spatter", 1, np.random.default_rng(0))
    assert np.isfinite(dry).all()
    assert (corrupt(flat(90), "gaussian_blur", 5, np.random.default_rng(0)) == 90).all()
    assert (corrupt(flat(0), "speckle_noise", 5, np.random.default_rng(0)) == 0).all()


@pytest.mark.parametrize("name", EXTRA_CORRUPTIONS)
@pytest.mark.parametrize("shape", [(32, 32), (96, 130)])
def test_severities_grow(name: str, shape: tuple[int, int]) -> None:
    image = scene(shape)
    changes = [
        np.abs(corrupt(image, name, severity, np.random.default_rng(3)) / 255 - image / 255).mean()
        for severity in SEVERITIES
    ]
    if name in ("spatter", "saturate"):  # water turns to mud; less saturation turns to more
        assert min(changes) > 0
    else:
        assert all(less < more for less, more in pairwise(changes))


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(EXTRA_CORRUPTIONS), st.sampled_from(SEVERITIES), st.integers(1, 90), st.integers(1, 90)
)
def test_every_size_keeps_its_shape(name: str, severity: int, height: int, width: int) -> None:
    image = np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    one, other = (corrupt(image, name, severity, np.random.default_rng(1)) for _ in range(2))
    assert one.shape == image.shape
    assert one.dtype == np.uint8
    np.testing.assert_array_equal(one, other)
