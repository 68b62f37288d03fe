"""The corruptions give the pixels of their former, slower implementation, to the last bit."""

import cv2
import numpy as np
import pytest
import scipy
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from support.former_corruptions import FORMER
from support.reference_corruptions import scene

from quba_check.core.view import CORRUPTIONS, SEVERITIES
from quba_check.demo import CLASSES
from quba_check.demo.renditions import rendition
from quba_check.suites.corruptions import corrupt, filters
from quba_check.suites.corruptions.strength import Strength, to_float32, to_float64, to_uint8

SLOPE = np.add.outer(np.arange(70), np.arange(96))
IMAGES = {
    "scene": scene((224, 200)),
    "photo": cv2.resize(
        rendition(5, 0, CLASSES[0], CLASSES[0], CLASSES[0]).image, (160, 120), interpolation=cv2.INTER_CUBIC
    ),
    "small": rendition(5, 1, CLASSES[1], CLASSES[1], CLASSES[1]).image,
    "noise": np.random.default_rng(0).integers(0, 256, (75, 90, 3), dtype=np.uint8),
    "white": np.full((66, 80, 3), 255, dtype=np.uint8),
    "black": np.zeros((66, 80, 3), dtype=np.uint8),
    "flat": np.full((90, 65, 3), (77, 128, 254), dtype=np.uint8),
    # Means of neighbours are whole numbers, where a rounding error decides between two pixels.
    "slope": np.stack([SLOPE, 255 - SLOPE, SLOPE // 2], axis=2).astype(np.uint8),
    "edges": (np.indices((80, 68)).sum(axis=0) // 9 % 2 * 255)[..., None].repeat(3, axis=2).astype(np.uint8),
    "strip": np.random.default_rng(1).integers(0, 256, (9, 150, 3), dtype=np.uint8),
}


def former(image: np.ndarray, name: str, severity: int, seed: int) -> np.ndarray:
    strength = Strength(severity, min(image.shape[:2]))
    return FORMER[name](np.ascontiguousarray(image), strength, np.random.default_rng(seed))


def test_all_corruptions_are_compared_that_do_not_only_call_pillow() -> None:
    assert set(FORMER) | {"pixelate", "jpeg_compression"} == set(CORRUPTIONS)


@pytest.mark.parametrize("name", FORMER)
def test_pixels_are_those_of_the_former_implementation(name: str) -> None:
    for kind, image in IMAGES.items():
        for severity in SEVERITIES:
            found = corrupt(image, name, severity, np.random.default_rng(severity))
            assert np.array_equal(found, former(image, name, severity, severity)), (kind, severity)


@settings(deadline=None, derandomize=True, max_examples=40)
@given(
    arrays(np.uint8, st.tuples(st.integers(5, 80), st.integers(5, 80), st.just(3))),
    st.sampled_from(sorted(FORMER)),
    st.sampled_from(SEVERITIES),
)
def test_pixels_of_any_image_are_those_of_the_former_implementation(
    image: np.ndarray, name: str, severity: int
) -> None:
    found = corrupt(image, name, severity, np.random.default_rng(3))
    assert np.array_equal(found, former(image, name, severity, 3))


def test_conversions_round_as_before() -> None:
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

    def truncated(values: np.ndarray) -> np.ndarray:
        return values.astype(np.uint8)

    estimate = np.array([[3.5, 4.0], [4.99, 5.2]])
    assert filters.rounded(estimate, 0.1, truncated, exact).tolist() == [[3, 9], [9, 5]]
    assert asked == [1, 2]


@pytest.mark.parametrize("sigma", [0.05, 0.7, 1.5])
def test_the_error_of_an_estimated_blur_is_within_its_bound(sigma: float, monkeypatch) -> None:
    bounds: list[tuple[np.ndarray, float]] = []
    monkeypatch.setattr(filters, "rounded", lambda estimate, error, *_: bounds.append((estimate, error)))
    image = IMAGES["noise"]
    filters.gaussian_filter(image, sigma)
    filters.gaussian_filter(IMAGES["edges"], sigma)
    for (estimate, error), image in zip(bounds, (IMAGES["noise"], IMAGES["edges"]), strict=True):
        exact = scipy.ndimage.gaussian_filter(image.astype(float), sigma, mode="nearest", axes=(0, 1))
        assert np.abs(estimate - exact).max() < error / 2
