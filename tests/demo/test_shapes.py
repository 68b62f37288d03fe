import itertools

import numpy as np
import pytest

from quba_check.demo import CLASSES, IMAGE_SIZE
from quba_check.demo.shapes import CONTOURS, Pose, coverage, lines, place_shape

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


def test_coverage_is_antialiased() -> None:
    mask = coverage(place_shape("triangle", UPRIGHT))
    assert mask.shape == (IMAGE_SIZE, IMAGE_SIZE)
    assert mask.dtype == np.float32
    assert (mask.min(), mask.max()) == (0, 1)
    assert 10 < ((mask > 0) & (mask < 1)).sum() < 200


def test_no_two_shapes_are_alike() -> None:
    masks = {shape: coverage(place_shape(shape, UPRIGHT)) for shape in CLASSES}
    for one, other in itertools.combinations(CLASSES, 2):
        shared = np.minimum(masks[one], masks[other]).sum()
        either = np.maximum(masks[one], masks[other]).sum()
        assert shared / either < 0.85, (one, other)


def test_a_line_follows_the_rim_and_its_width_counts() -> None:
    contours = place_shape("disc", UPRIGHT)
    thin = lines(contours, 1.0)
    thick = lines(contours, 3.0)
    circumference = 2 * np.pi * 0.92 * 0.7 * IMAGE_SIZE / 2
    assert thin.sum() == pytest.approx(circumference, rel=0.15)
    assert thick.sum() == pytest.approx(3 * circumference, rel=0.15)
    assert thin[24, 24] == 0


def test_a_shift_moves_and_a_turn_turns_clockwise() -> None:
    y, x = np.mgrid[:IMAGE_SIZE, :IMAGE_SIZE]
    still = coverage(place_shape("arrow", UPRIGHT))
    shifted = coverage(place_shape("arrow", Pose(0.0, 0.7, (0.25, 0.0))))
    assert (shifted * x).sum() / shifted.sum() - (still * x).sum() / still.sum() == pytest.approx(6, abs=0.1)
    turned = place_shape("arrow", Pose(np.pi / 2, 0.7, (0.0, 0.0)))[0]
    assert turned[0] == pytest.approx([24 + 0.7 * 24, 24])  # the tip, which pointed up, points right
    assert y[0, 0] == 0
