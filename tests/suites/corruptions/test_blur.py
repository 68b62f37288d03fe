import numpy as np
import pytest

from quba_check.suites.corruptions import blur, corrupt


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
