import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quba_check.suites.corruptions import blur, corrupt
from quba_check.suites.corruptions.blur import enlarge, middle_slice, motion_filter, pixel_sources


@pytest.mark.parametrize(
    ("radius", "soft", "side", "weight"),
    [(0.3, 0.4, 17, 1), (3, 0.1, 17, 1), (8, 0.5, 17, 1.0129755), (10, 0.5, 21, 1.0107858)],
)
def test_a_disc_weighs_one(radius: float, soft: float, side: int, weight: float) -> None:
    disc = blur._disc(radius, soft)
    assert disc.shape == (side, side)
    # The rim of a large disc lies on the border, where softening mirrors it: as published, it weighs more.
    assert disc.sum() == pytest.approx(weight, abs=1e-6)
    assert disc == pytest.approx(disc.T, rel=1e-5)


def test_zoom_blur_keeps_the_middle_and_smears_the_rim() -> None:
    image = np.zeros((101, 101, 3), dtype=np.uint8)
    image[49:52, 49:52] = 240
    image[4:7, 49:52] = 240
    smeared = corrupt(image, "zoom_blur", 5, np.random.default_rng(0))
    assert smeared[50, 50, 0] > 230
    assert smeared[:20, 50, 0].max() < 100


def test_motion_blur_leaves_a_flat_image_but_for_rounding() -> None:
    flat = np.full((80, 90, 3), 77, dtype=np.uint8)
    assert np.abs(corrupt(flat, "motion_blur", 4, np.random.default_rng(0)).astype(int) - 77).max() <= 1


def one_by_one(height: int, width: int, reach: int, moves: np.ndarray) -> np.ndarray:
    """The published loop: from last to first, each pixel takes the colour that its neighbour has by then."""
    shown = np.arange(height * width).reshape(height, width)
    rows, columns = moves.shape[:2]
    for i in range(rows):
        for k in range(columns):
            y, x = height - reach - i, width - reach - k
            right, down = moves[i, k]
            shown[y, x] = shown[y + down, x + right]
    return shown.reshape(-1)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.integers(9, 30), st.integers(9, 30), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_chains_of_pixels_are_followed_to_their_end(height: int, width: int, reach: int, seed: int) -> None:
    size = (height - 2 * reach, width - 2 * reach, 2)
    moves = np.random.default_rng(seed).integers(-reach, reach, size=size, dtype=np.int8)
    assert np.array_equal(pixel_sources(height, width, reach, moves), one_by_one(height, width, reach, moves))


def test_the_middle_is_shown() -> None:
    assert middle_slice(224, 1.0) == slice(0, 224)
    assert middle_slice(224, 2.0) == slice(56, 168)
    assert middle_slice(7, 2.0) == slice(1, 5)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.integers(1, 80), st.integers(1, 80), st.floats(1.0, 5.0))
def test_it_is_the_zoom_of_scipy(height: int, width: int, factor: float) -> None:
    ndimage = pytest.importorskip("scipy.ndimage")
    image = np.random.default_rng(0).random((height, width))
    expected = ndimage.zoom(image, (factor, factor), order=1)
    np.testing.assert_allclose(enlarge(image, factor), expected, rtol=0, atol=1e-12)


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
