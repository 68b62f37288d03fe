import numpy as np
import pytest

from quba_check.suites.corruptions import corrupt


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
