"""Ours against the images of imagecorruptions, given the same random stream."""

import warnings

import numpy as np
import pytest
from support.reference_corruptions import GOLDEN, GOLDEN_CASES, ours, reference, scene, theirs

from quba_check.core.view import CORRUPTIONS, EXTRA_CORRUPTIONS, SEVERITIES

# Share of values that may differ, by one grey level.
ALLOWED = dict.fromkeys((*CORRUPTIONS, *EXTRA_CORRUPTIONS), 0.0) | {
    "zoom_blur": 1e-4,  # float32 products, there float64
    "fog": 1e-4,  # a float64 height map, as in ImageNet-C; there float32
    "elastic_transform": 1e-4,  # float32 products, there float64
    "brightness": 0.05,  # the ratios of HSV instead of the way there and back
    "saturate": 0.05,
    "motion_blur": 0.1,  # a flat region keeps its level; there the last bit of a sum decides
    "snow": 1e-4,  # flakes moved in float32, there in float64
    "spatter": 1e-3,  # float32 mud, there float64
}


def check_equal(found: np.ndarray, expected: np.ndarray, name: str) -> None:
    difference = np.abs(found.astype(int) - expected)
    assert difference.max() <= 1
    # One value of a small image is more than the share.
    assert (difference > 0).sum() <= max(ALLOWED[name] * difference.size, 1 if ALLOWED[name] else 0)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_golden_images_come_out(name: str) -> None:
    with np.load(GOLDEN) as golden:
        for severity, height, width in GOLDEN_CASES:
            expected = golden[f"{name}-{severity}-{height}x{width}"]
            check_equal(ours(scene((height, width)), name, severity, severity), expected, name)


@pytest.mark.parametrize("name", [name for name in ALLOWED if name != "low_light"])
def test_every_severity_equals_the_package(name: str) -> None:
    reference()
    for severity in SEVERITIES:
        image = scene((90, 112) if name == "glass_blur" else (224, 200))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = theirs(image, name, severity, 7)
        check_equal(ours(image, name, severity, 7), expected, name)
