import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from quba_check.suites.corruptions import glass


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
    assert np.array_equal(glass.sources(height, width, reach, moves), one_by_one(height, width, reach, moves))


def test_a_long_chain() -> None:
    still = np.zeros((16, 16, 2), dtype=np.int8)
    assert np.array_equal(glass.sources(20, 20, 2, still), np.arange(400))
    # Each pixel shows its right neighbour, which has been given the colour of the last of its row.
    shown = glass.sources(20, 20, 2, still + np.array([1, 0], dtype=np.int8)).reshape(20, 20)
    assert np.array_equal(shown[3:19, 3:], np.broadcast_to(np.arange(3, 19)[:, None] * 20 + 19, (16, 17)))


def test_an_image_too_small_to_be_shattered_is_only_blurred() -> None:
    image = np.random.default_rng(0).integers(0, 256, (2, 5, 3), dtype=np.uint8)
    moves = np.zeros((1, 0, 3, 2), dtype=np.int8)
    assert glass.shattered(image, 0.4, 1, moves).shape == image.shape
