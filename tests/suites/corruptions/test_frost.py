from unittest import mock

import numpy as np
import pytest

from quba_check.suites.corruptions import corrupt, frost
from quba_check.suites.corruptions import frost_texture as ice

# Means of the red, green and blue of the five textures, measured on the published ones.
PUBLISHED_MEANS = [(78, 149, 166), (201, 205, 214), (201, 205, 214), (138, 153, 165), (112, 123, 135)]
PUBLISHED_SPREADS = [(27, 17, 15), (21, 22, 23), (21, 22, 23), (29, 29, 30), (44, 43, 42)]


@pytest.mark.parametrize("number", range(ice.PANES))
def test_a_pane_has_the_light_of_a_published_one(number: int) -> None:
    pane = ice.pane(number)
    assert pane.shape == (400, 600, 3)
    assert pane.mean(axis=(0, 1)) == pytest.approx(PUBLISHED_MEANS[number], abs=2)
    assert pane.std(axis=(0, 1)) == pytest.approx(PUBLISHED_SPREADS[number], abs=2)


def test_the_panes_are_drawn_and_fitted_once() -> None:
    image = np.full((72, 80, 3), 90, dtype=np.uint8)
    frost._glass.cache_clear()
    with mock.patch.object(frost, "pane", wraps=ice.pane) as drawn:
        for seed in range(40):
            corrupt(image, "frost", 1 + seed % 5, np.random.default_rng(seed))
    assert sorted(call.args[0] for call in drawn.call_args_list) == list(range(ice.PANES))
    ice.pane.cache_clear()
    with mock.patch.object(ice, "_crystals", wraps=ice._crystals) as painted:
        for _ in range(3):
            for number in range(ice.PANES):
                ice.pane(number)
    assert painted.call_count == ice.PANES


def test_scene_and_ice_are_weighed() -> None:
    scene, glass = np.full((2, 2, 3), 100, np.uint8), np.full((2, 2, 3), 201, np.uint8)
    assert np.unique(frost.frosted(scene, glass, 0.7, 0.7)).tolist() == [210]
    assert np.unique(frost.frosted(scene, glass, 1, 0.9)).tolist() == [255]


@pytest.mark.parametrize(
    ("height", "width", "size"),
    [(224, 224, (440, 660)), (440, 224, (484, 726)), (224, 1200, (880, 1320)), (32, 32, (67, 100))],
)
def test_a_texture_covers_an_image_with_a_margin(height: int, width: int, size: tuple[int, int]) -> None:
    fitted = frost.fitted(np.zeros((400, 600, 3), np.uint8), height, width)
    assert fitted.shape[:2] == pytest.approx(size, abs=1)
    assert fitted.shape[0] > height
    assert fitted.shape[1] > width
