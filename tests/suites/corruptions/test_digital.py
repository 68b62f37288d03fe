from collections.abc import Callable
from unittest import mock

import numpy as np
import pytest
import scipy
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from quba_check.suites.corruptions import blur, corrupt, digital
from quba_check.suites.corruptions.digital import jpeg_round_trip, warp
from quba_check.suites.corruptions.strength import to_uint8

IMAGE = np.random.default_rng(0).integers(0, 256, (9, 12, 3), dtype=np.uint8)


def field(value: float) -> np.ndarray:
    return np.full((9, 12), value, dtype=np.float32)


def test_between_pixels_they_are_mixed() -> None:
    moved = warp(IMAGE, field(0), field(0.25))
    mixed = (0.75 * IMAGE[:, :-1].astype(float) + 0.25 * IMAGE[:, 1:]) / 255
    assert moved[:, :-1] == pytest.approx(mixed, abs=1e-6)


@pytest.mark.parametrize("push", [-3.0, 3.0, 30.0])
def test_beyond_its_edges_the_image_is_mirrored(push: float) -> None:
    there = np.pad(IMAGE, ((40, 40), (0, 0), (0, 0)), mode="symmetric")[40 + int(push) :][:9]
    assert warp(IMAGE, field(push), field(0)) == pytest.approx(there / 255)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3)))
    | st.integers(0, 255).map(lambda value: np.full((70, 66, 3), value, np.uint8)),
    st.integers(1, 5),
)
def test_contrast_has_the_mean_in_double_precision(image: np.ndarray, severity: int) -> None:
    factor = ((0.75, 0.5, 0.4, 0.3, 0.15), (0.4, 0.3, 0.2, 0.1, 0.05))[min(image.shape[:2]) > 64][
        severity - 1
    ]
    values = image / 255.0
    mean = values.mean(axis=(0, 1))
    expected = to_uint8((values - mean) * factor + mean)
    assert np.array_equal(corrupt(image, "contrast", severity, np.random.default_rng(0)), expected)


def all_exact(
    estimate: np.ndarray,
    error: float,
    to_pixels: Callable[[np.ndarray], np.ndarray],
    exact: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    assert 0 < error < 1e-13
    return exact(np.arange(estimate.size)).reshape(estimate.shape)


@pytest.mark.parametrize("rounded", [blur.rounded, all_exact])
@pytest.mark.parametrize(("height", "width", "smooth"), [(40, 64, 0.04), (5, 9, 0.04), (90, 66, 0.01)])
def test_pixels_move_by_the_fields_of_scipy(
    height: int, width: int, smooth: float, rounded: Callable[..., np.ndarray]
) -> None:
    image = np.zeros((height, width, 3), np.uint8)
    rng = np.random.default_rng(0)
    times, push = (18.0, 0.02 * height) if smooth == 0.04 else (30.0, 0.005 * height)
    expected = []
    for _ in range(2):
        noise = rng.uniform(-push, push, size=(height, width))
        smoothed = scipy.ndimage.gaussian_filter(noise, (height * smooth, width * smooth), truncate=3.0)
        expected.append((smoothed * times).astype(np.float32))
    with mock.patch.object(digital, "rounded", rounded), mock.patch.object(digital, "warp") as warped:
        warped.return_value = np.zeros(image.shape, np.float32)
        corrupt(image, "elastic_transform", 5, np.random.default_rng(0))
    assert np.array_equal(warped.call_args.args[1:], expected[::-1])


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
