import numpy as np
import pytest

from quba_check.suites.corruptions import corrupt
from quba_check.suites.corruptions.digital import jpeg_round_trip, warp

IMAGE = np.random.default_rng(0).integers(0, 256, (9, 12, 3), dtype=np.uint8)


def field(value: float) -> np.ndarray:
    return np.full((9, 12), value, dtype=np.float32)


def test_nothing_moves_without_a_push() -> None:
    assert warp(IMAGE, field(0), field(0)) == pytest.approx(IMAGE / 255)


def test_values_come_from_below_and_from_the_right() -> None:
    moved = warp(IMAGE, field(1), field(2))
    assert moved[:8, :10] == pytest.approx(IMAGE[1:, 2:] / 255)


def test_between_pixels_they_are_mixed() -> None:
    moved = warp(IMAGE, field(0), field(0.25))
    mixed = (0.75 * IMAGE[:, :-1].astype(float) + 0.25 * IMAGE[:, 1:]) / 255
    assert moved[:, :-1] == pytest.approx(mixed, abs=1e-6)


@pytest.mark.parametrize("push", [-3.0, 3.0, 30.0])
def test_beyond_its_edges_the_image_is_mirrored(push: float) -> None:
    there = np.pad(IMAGE, ((40, 40), (0, 0), (0, 0)), mode="symmetric")[40 + int(push) :][:9]
    assert warp(IMAGE, field(push), field(0)) == pytest.approx(there / 255)


def test_contrast_by_hand() -> None:
    image = np.zeros((8, 8, 3), dtype=np.uint8)
    image[:, 4:] = [200, 100, 50]
    # 0.15 x + 0.85 mean, the mean of red being 100
    assert corrupt(image, "contrast", 5, np.random.default_rng(0))[0, [0, 7], 0].tolist() == [85, 115]


def test_pixelate_leaves_blocks() -> None:
    image = np.random.default_rng(0).integers(0, 256, (80, 80, 3), dtype=np.uint8)
    blocks = corrupt(image, "pixelate", 5, np.random.default_rng(0)).reshape(20, 4, 20, 4, 3)
    assert np.array_equal(blocks, np.broadcast_to(blocks[:, :1, :, :1], blocks.shape))
    means = image.reshape(20, 4, 20, 4, 3).mean(axis=(1, 3))
    assert np.abs(blocks[:, 0, :, 0] - means).max() <= 1


@pytest.mark.parametrize(("quality", "gentle", "stronger"), [(None, 4, 5), (80, 1, 2), (40, 5, 4)])
def test_jpeg_compression_spares_images_stored_at_its_quality(quality, gentle, stronger):
    picture = np.kron(
        np.random.default_rng(0).integers(0, 255, (8, 8, 3), dtype=np.uint8), np.ones((4, 4, 1))
    )
    stored = (
        picture.astype(np.uint8) if quality is None else jpeg_round_trip(picture.astype(np.uint8), quality)
    )
    changes = [
        np.abs(
            corrupt(stored, "jpeg_compression", severity, np.random.default_rng(0)).astype(int) - stored
        ).mean()
        for severity in (gentle, stronger)
    ]
    assert changes[0] < changes[1]


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
