"""Pixels of the corruptions, and the fast filters behind them against plain ones."""

from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import scipy
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from support.reference_corruptions import scene

from quba_check.core.view import CORRUPTIONS, EXTRA_CORRUPTIONS, SEVERITIES
from quba_check.suites.corruptions import blur, corrupt
from quba_check.suites.corruptions.strength import to_float32, to_float64, to_uint8

STORED = Path(__file__).with_name("pixels.npz")
"""Every third pixel of a scene under each condition, in two sizes."""
ROUNDED = {"motion_blur", "zoom_blur", "snow", "elastic_transform", "fog", "spatter", "low_light"}
"""Corruptions whose last bit may depend on the processor."""
SLOPE = np.add.outer(np.arange(30), np.arange(36)).astype(np.uint8)
IMAGES = st.sampled_from(
    [
        scene((40, 50)),
        np.full((30, 25, 3), (77, 128, 254), np.uint8),
        # Means of neighbours are whole numbers, where a rounding error decides between two pixels.
        np.stack([SLOPE, 255 - SLOPE, SLOPE // 2], axis=2),
        (np.indices((40, 34)).sum(axis=0) // 9 % 2 * 255)[..., None].repeat(3, axis=2).astype(np.uint8),
    ]
) | arrays(np.uint8, st.tuples(st.integers(5, 40), st.integers(5, 40), st.just(3)))


def shown(name: str, severity: int, side: int) -> np.ndarray:
    image = scene((side, side + 3))
    return corrupt(image, name, severity, np.random.default_rng(severity))[::3, ::3]


@pytest.mark.parametrize("name", [*CORRUPTIONS, *EXTRA_CORRUPTIONS])
def test_pixels_stay_the_same(name: str) -> None:
    with np.load(STORED) as stored:
        for side, expected in ((side, stored[f"{name}-{side}"]) for side in (48, 66)):
            pixels = np.stack([shown(name, severity, side) for severity in SEVERITIES])
            difference = np.abs(pixels.astype(int) - expected)
            assert difference.max() <= (name in ROUNDED)
            assert (difference > 0).mean() <= 1e-3


@settings(deadline=None, derandomize=True, max_examples=60)
@given(IMAGES, st.sampled_from([0.05, 0.25, 0.4, 0.7, 1.0, 1.5]))
def test_a_blur_is_that_of_scipy(image: np.ndarray, sigma: float) -> None:
    exact = scipy.ndimage.gaussian_filter(image / 255.0, sigma, mode="nearest", axes=(0, 1))
    assert np.array_equal(blur.gaussian_filter(image, sigma), to_uint8(exact))


def test_a_blur_of_few_flat_regions_is_that_of_scipy() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (240, 240, 3), dtype=np.uint8)
    for corner in range(0, 240, 24):
        image[corner : corner + 12, corner : corner + 12] = rng.integers(0, 256, 3)
    for sigma in (0.7, 0.9, 1.0, 1.1):
        exact = scipy.ndimage.gaussian_filter(image / 255.0, sigma, mode="nearest", axes=(0, 1))
        assert np.array_equal(blur.gaussian_filter(image, sigma), to_uint8(exact))


@settings(deadline=None, derandomize=True, max_examples=20)
@given(IMAGES, st.sampled_from([0.05, 0.7, 1.5]))
def test_the_error_of_an_estimated_blur_is_within_its_bound(image: np.ndarray, sigma: float) -> None:
    with mock.patch.object(blur, "rounded", lambda estimate, error, *_: (estimate, error)):
        estimate, error = blur.gaussian_filter(image, sigma)
    exact = scipy.ndimage.gaussian_filter(image.astype(float), sigma, mode="nearest", axes=(0, 1))
    assert np.abs(estimate - exact).max() < error / 2


@settings(deadline=None, derandomize=True, max_examples=60)
@given(IMAGES, st.sampled_from([(6, 1.5), (10, 3.0), (20, 15.0)]), st.floats(-135, 45))
def test_a_motion_is_a_sum_of_shifted_images(
    image: np.ndarray, kernel: tuple[int, float], degrees: float
) -> None:
    radius, sigma = kernel
    weights = np.exp(-(np.arange(2 * radius + 1) ** 2) / (2 * sigma**2))
    weights /= weights.sum()
    rows, columns = np.indices(image.shape[:2])
    exact = np.zeros(image.shape)
    for weight, (down, right) in zip(weights, blur._steps(len(weights), degrees), strict=True):
        if max(abs(down) / len(rows), abs(right) / columns.shape[1]) >= 1:
            break
        y, x = np.clip(rows - down, 0, rows.max()), np.clip(columns - right, 0, columns.max())
        exact += image[y, x] * weight
    blurred = blur.motion_filter(image, radius, sigma, degrees)
    assert np.abs(blurred - exact).max() < blur._ROUNDING


def test_conversions_round_as_published() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert np.array_equal(to_float64(levels), levels / 255.0)
    assert np.array_equal(to_float32(levels), levels.astype(np.float32) / np.float32(255))
    for dtype in (np.float32, np.float64):
        values = np.random.default_rng(0).uniform(-0.2, 1.2, 9999).astype(dtype)
        assert np.array_equal(to_uint8(values), (np.clip(values, 0, 1) * dtype(255)).astype(np.uint8))


def test_only_pixels_within_the_error_are_computed_exactly() -> None:
    asked: list[int] = []

    def exact(positions: np.ndarray) -> np.ndarray:
        asked.extend(positions.tolist())
        return np.full(len(positions), 9, dtype=np.uint8)

    estimate = np.array([[3.5, 4.0], [4.99, 5.2]])
    pixels = blur.rounded(estimate, 0.1, lambda values: values.astype(np.uint8), exact)
    assert pixels.tolist() == [[3, 9], [9, 5]]
    assert asked == [1, 2]
    assert blur.rounded(estimate[:, 1:] + 0.5, 0.1, np.uint8, mock.Mock()).tolist() == [[4], [5]]
