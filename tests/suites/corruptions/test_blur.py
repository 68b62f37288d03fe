import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quba_check.core.view import SEVERITIES
from quba_check.suites.corruptions import corrupt
from quba_check.suites.corruptions.blur import enlarge, middle_slice, pixel_sources


@pytest.mark.parametrize("severity", SEVERITIES)
def test_motion_blur_leaves_a_flat_image(severity: int) -> None:
    for level in range(256):
        flat = np.full((66, 80, 3), level, dtype=np.uint8)
        assert np.array_equal(corrupt(flat, "motion_blur", severity, np.random.default_rng(level)), flat)


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
