from unittest import mock

import numpy as np
import pytest

from quba_check.suites.corruptions import corrupt, frost_texture, weather

# Means of the red, green and blue of the five textures, measured on the published ones.
PUBLISHED_MEANS = [(78, 149, 166), (201, 205, 214), (201, 205, 214), (138, 153, 165), (112, 123, 135)]
PUBLISHED_SPREADS = [(27, 17, 15), (21, 22, 23), (21, 22, 23), (29, 29, 30), (44, 43, 42)]


def test_snow_falls_twice_and_whitens_the_scene() -> None:
    dark = np.full((8, 10, 3), 40, dtype=np.uint8)
    layer = np.zeros((8, 10), dtype=np.uint8)
    layer[1, 2] = 100
    snowy = weather.add_snow(dark, layer, 0.8)
    # 0.8 · 40 + 0.2 · (1.5 · 40 + 127.5) = 69.5
    assert snowy[0, 0].tolist() == [69, 69, 69]
    assert snowy[1, 2].tolist() == [169, 169, 169]
    assert snowy[-2, -3].tolist() == [169, 169, 169]


@pytest.mark.parametrize("number", range(frost_texture.N_TEXTURES))
def test_a_texture_has_the_colours_of_a_published_one(number: int) -> None:
    pane = frost_texture.frost_texture(number)
    assert pane.shape == (400, 600, 3)
    assert pane.mean(axis=(0, 1)) == pytest.approx(PUBLISHED_MEANS[number], abs=2)
    assert pane.std(axis=(0, 1)) == pytest.approx(PUBLISHED_SPREADS[number], abs=2)


def test_textures_are_made_and_resized_once() -> None:
    image = np.full((72, 80, 3), 90, dtype=np.uint8)
    weather._texture_for.cache_clear()
    with mock.patch.object(weather, "frost_texture", wraps=frost_texture.frost_texture) as texture:
        for seed in range(40):
            corrupt(image, "frost", 1 + seed % 5, np.random.default_rng(seed))
    assert sorted(call.args[0] for call in texture.call_args_list) == list(range(frost_texture.N_TEXTURES))


def test_scene_and_ice_are_weighed() -> None:
    scene = np.full((2, 2, 3), 100, np.uint8)
    glass = np.full((2, 2, 3), 201, np.uint8)
    assert np.unique(weather.add_frost(scene, glass, 0.7, 0.7)).tolist() == [210]
    assert np.unique(weather.add_frost(scene, glass, 1, 0.9)).tolist() == [255]
    # 0.7 · 4 + 0.7 · 6 falls short of 7 in double precision.
    scene, glass = np.indices((256, 256), dtype=np.uint8)[:, :, :, None].repeat(3, axis=3)
    for weights in ((0.8, 0.6), (0.7, 0.7)):
        total = weights[0] * scene.astype(float) + weights[1] * glass.astype(float)
        assert np.array_equal(
            weather.add_frost(scene, glass, *weights), np.minimum(total, 255).astype(np.uint8)
        )


@pytest.mark.parametrize(
    ("height", "width", "size"),
    [(224, 224, (440, 660)), (440, 224, (484, 726)), (224, 1200, (880, 1320)), (32, 32, (67, 100))],
)
def test_a_texture_covers_an_image_with_a_margin(height: int, width: int, size: tuple[int, int]) -> None:
    fitted = weather.resize_texture(np.zeros((400, 600, 3), np.uint8), height, width)
    assert fitted.shape[:2] == pytest.approx(size, abs=1)
    assert fitted.shape[0] > height
    assert fitted.shape[1] > width
