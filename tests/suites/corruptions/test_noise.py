import numpy as np
import pytest

from quba_check.core.view import SEVERITIES
from quba_check.suites.corruptions import corrupt
from quba_check.suites.corruptions.noise import FULL_WELL, READ_NOISE, linear_light


@pytest.mark.parametrize("severity", SEVERITIES)
def test_low_light_halves_the_linear_light(severity: int) -> None:
    """White at full exposure has 5,000 electrons; those of a darker photo have their own noise."""
    white = corrupt(np.full((256, 256, 3), 255, np.uint8), "low_light", severity, np.random.default_rng(0))
    light = linear_light((white + 0.5) / 255.0)
    expected = 0.5**severity
    noise = np.sqrt(expected * FULL_WELL + READ_NOISE**2) / FULL_WELL
    assert light.mean() == pytest.approx(expected, rel=0.01)
    assert light.std() == pytest.approx(noise, rel=0.15)
