import numpy as np
import pytest

from quba_check.demo import CLASSES, IMAGE_SIZE
from quba_check.demo.shapes import CONTOURS, Pose, coverage, place_shape

UPRIGHT = Pose(angle=0.0, scale=0.7, shift=(0.0, 0.0))


def test_every_class_has_a_shape() -> None:
    assert tuple(CONTOURS) == CLASSES == tuple(sorted(CLASSES))


@pytest.mark.parametrize("shape", CLASSES)
def test_every_pose_stays_inside_the_image_but_for_tips(shape: str) -> None:
    for seed in range(200):
        contours = place_shape(shape, Pose.random(np.random.default_rng(seed)))
        assert all(points.min() > -2 and points.max() < IMAGE_SIZE + 2 for points in contours)


def test_areas_by_hand() -> None:
    half = 0.7 * IMAGE_SIZE / 2
    areas = {
        "square": (1.64 * half) ** 2,
        "disc": np.pi * (0.92 * half) ** 2,
        "ring": np.pi * half**2 * (1 - 0.52**2),
        "cross": (4 - 4 * 0.64**2) * half**2,
    }
    for shape, area in areas.items():
        assert coverage(place_shape(shape, UPRIGHT)).sum() == pytest.approx(area, rel=0.04)
