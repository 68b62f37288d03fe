import numpy as np
import pytest

from quba_check.core.view import SEVERITIES
from quba_check.suites.corruptions import corrupt
from quba_check.suites.corruptions.noise import FULL_WELL, READ_NOISE, linear_light


def grey(side: int, value: int = 128) -> np.ndarray:
    return np.full((side, side, 3), value, dtype=np.uint8)


@pytest.mark.parametrize(("side", "severity", "expected"), [(64, 5, 0.10), (96, 2, 0.12)])
def test_gaussian_noise_has_its_published_strength(side: int, severity: int, expected: float) -> None:
    noisy = corrupt(grey(side), "gaussian_noise", severity, np.random.default_rng(0))
    assert noisy.std() / 255 == pytest.approx(expected, rel=0.03)


def test_shot_noise_varies_with_the_square_root_of_light() -> None:
    for value in (40, 160):
        spread = corrupt(grey(64, value), "shot_noise", 5, np.random.default_rng(0)).std() / 255
        assert spread == pytest.approx(np.sqrt(value / 255 / 50), rel=0.05)


def test_impulse_noise_sets_its_share_of_values_half_black_half_white() -> None:
    noisy = corrupt(grey(64), "impulse_noise", 5, np.random.default_rng(0))
    assert (noisy == 255).mean() == pytest.approx(0.035, abs=0.005)
    assert (noisy == 0).mean() == pytest.approx(0.035, abs=0.005)
    assert np.isin(noisy, (0, 128, 255)).all()


@pytest.mark.parametrize("severity", SEVERITIES)
def test_low_light_halves_the_linear_light(severity: int) -> None:
    """White at full exposure has 5,000 electrons; those of a darker photo have their own noise."""
    white = corrupt(grey(256, 255), "low_light", severity, np.random.default_rng(0))
    light = linear_light((white + 0.5) / 255.0)
    expected = 0.5**severity
    noise = np.sqrt(expected * FULL_WELL + READ_NOISE**2) / FULL_WELL
    assert light.mean() == pytest.approx(expected, rel=0.01)
    assert light.std() == pytest.approx(noise, rel=0.15)
