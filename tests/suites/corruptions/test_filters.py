import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quba_check.suites.corruptions.filters import gaussian_filter, motion_filter

NOISE = np.random.default_rng(0).random((40, 31, 3))


@pytest.mark.parametrize(("border", "mode"), [("nearest", "edge"), ("reflect", "symmetric")])
def test_a_gaussian_is_a_weighted_sum_over_a_continued_image(border: str, mode: str) -> None:
    reach = int(3.0 * 1.3 + 0.5)
    weights = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * 1.3**2))
    kernel = np.outer(weights, weights) / weights.sum() ** 2
    padded = np.pad(NOISE, ((reach, reach), (reach, reach), (0, 0)), mode=mode)
    slow = sum(
        kernel[y, x] * padded[y : y + 40, x : x + 31]
        for y in range(2 * reach + 1)
        for x in range(2 * reach + 1)
    )
    assert gaussian_filter(NOISE, (1.3, 1.3), border, truncate=3.0) == pytest.approx(slow, abs=1e-12)


def test_rows_and_columns_may_be_blurred_unlike() -> None:
    lines = np.zeros((9, 9))
    lines[4] = 1.0
    assert gaussian_filter(lines, (0.1, 2.0), "nearest", truncate=4.0) == pytest.approx(lines)
    assert gaussian_filter(lines, (2.0, 0.1), "nearest", truncate=4.0)[4, 4] < 0.3


@settings(deadline=None, derandomize=True, max_examples=20)
@given(st.integers(1, 70), st.integers(1, 70), st.floats(0.1, 3), st.sampled_from(["nearest", "reflect"]))
def test_a_gaussian_leaves_a_flat_image_of_any_size(
    height: int, width: int, sigma: float, border: str
) -> None:
    flat = np.full((height, width), 0.3)
    assert gaussian_filter(flat, (sigma, sigma), border, truncate=4.0) == pytest.approx(flat)


@pytest.mark.parametrize("degrees", [-135, -90, -45, 0, 30, 45])
def test_a_motion_trail_points_where_it_should(degrees: float) -> None:
    dot = np.zeros((61, 61))
    dot[30, 30] = 1.0
    smeared = motion_filter(dot, 10, 4.0, degrees)
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
    left = motion_filter(flat, 10, 3.0, 0.0)
    assert left[2, 5, 0] == pytest.approx(0.25 * weights[:6].sum())
    assert left[2, 0, 0] == pytest.approx(0.75 * weights[0] + 0.25 * weights[1:6].sum())
