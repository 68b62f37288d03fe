import numpy as np
import pytest

from quba_check.suites.corruptions.filters import motion_filter


@pytest.mark.parametrize("degrees", [-135, -90, -45, 0, 30, 45])
def test_a_motion_trail_points_where_it_should(degrees: float) -> None:
    dot = np.zeros((61, 61))
    dot[30, 30] = 1.0
    smeared = motion_filter(dot, 10, 4.0, degrees, np.asarray)
    assert smeared.sum() == pytest.approx(1)
    y, x = np.mgrid[:61, :61] - 30
    # The image moves against the camera; whole pixels are a few degrees off.
    along = np.array([-np.sin(np.deg2rad(degrees)), -np.cos(np.deg2rad(degrees))])
    moved = np.array([(smeared * y).sum(), (smeared * x).sum()])
    assert moved @ along / np.linalg.norm(moved) > np.cos(np.deg2rad(6))


def test_a_trail_repeats_the_edge_and_ends_with_a_small_image() -> None:
    flat = np.full((5, 6, 3), 0.25)
    flat[:, 0] = 0.75
    weights = np.exp(-(np.arange(21) ** 2) / 18)
    weights /= weights.sum()
    # To the left, one column a step; a sixth step would leave the image.
    left = motion_filter(flat, 10, 3.0, 0.0, np.asarray)
    assert left[2, 5, 0] == pytest.approx(0.25 * weights[:6].sum())
    assert left[2, 0, 0] == pytest.approx(0.75 * weights[0] + 0.25 * weights[1:6].sum())
