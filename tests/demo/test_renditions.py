from typing import get_args

import numpy as np
import pytest

from quba_check.demo import CLASSES, IMAGE_SIZE
from quba_check.demo.renditions import Style, rendition

STYLES: tuple[Style, ...] = get_args(Style)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("shape", CLASSES)
def test_the_same_factors_give_the_same_image(shape: str, style: Style) -> None:
    one, two = (rendition(3, 4, shape, "star", "heart", style) for _ in range(2))
    assert one.image.shape == (IMAGE_SIZE, IMAGE_SIZE, 3)
    assert one.image.dtype == np.uint8
    assert one.image.tobytes() == two.image.tobytes()
    assert one.mask.tobytes() == two.mask.tobytes()
    assert not np.array_equal(one.image, rendition(3, 5, shape, "star", "heart", style).image)
    assert not np.array_equal(one.image, rendition(4, 4, shape, "star", "heart", style).image)


# Mean colours of `rendition(2026, 0, "star", "disc", "ring", style)` in three by three fields, as RGB.
# Coarse on purpose: a sine may differ in its last bit between machines.
STORED: dict[Style, list[str]] = {
    "natural": [
        "63 127 185 63 114 158 54 104 148",
        "63 115 161 97 95 88 57 97 136",
        "54 104 149 52 92 127 49 90 127",
    ],
    "sketch": [
        "233 228 218 216 211 203 228 223 214",
        "224 219 210 199 195 188 223 218 210",
        "232 228 218 224 219 210 230 225 216",
    ],
    "edge": [
        "255 255 255 233 233 233 250 250 250",
        "236 236 236 211 211 211 237 237 237",
        "255 255 255 242 242 242 251 251 251",
    ],
    "silhouette": [
        "255 255 255 229 229 229 253 253 253",
        "233 233 233 41 41 41 236 236 236",
        "255 255 255 241 241 241 253 253 253",
    ],
    "stylized": ["67 39 51 83 55 66 68 41 53", "82 54 66 194 162 171 79 51 63", "67 39 51 74 47 58 68 40 52"],
    "negative": [
        "192 128 70 192 141 97 201 151 107",
        "192 140 94 158 160 167 198 158 119",
        "201 151 106 203 163 128 206 165 128",
    ],
}


@pytest.mark.parametrize("style", STYLES)
def test_images_are_those_that_the_models_were_measured_on(style: Style) -> None:
    image = rendition(2026, 0, "star", "disc", "ring", style).image
    thirds = image.reshape(3, 16, 3, 16, 3).mean(axis=(1, 3)).ravel()
    assert thirds == pytest.approx([int(value) for row in STORED[style] for value in row.split()], abs=1)


def test_texture_and_background_stay_on_their_side_of_the_mask() -> None:
    base = rendition(1, 2, "heart", "disc", "ring")
    inside = base.mask == 1
    outside = base.mask == 0
    assert inside.sum() > 100
    assert outside.sum() > 100
    other_texture = rendition(1, 2, "heart", "star", "ring")
    assert np.array_equal(base.mask, other_texture.mask)
    assert np.array_equal(base.image[outside], other_texture.image[outside])
    assert not np.array_equal(base.image[inside], other_texture.image[inside])
    other_background = rendition(1, 2, "heart", "disc", None)
    assert np.array_equal(base.mask, other_background.mask)
    assert np.array_equal(base.image[inside], other_background.image[inside])
    assert not np.array_equal(base.image[outside], other_background.image[outside])


def test_the_object_keeps_its_pose_in_all_styles() -> None:
    masks = [rendition(1, 2, "arrow", "disc", "ring", style).mask for style in STYLES]
    assert all(np.array_equal(masks[0], mask) for mask in masks)
