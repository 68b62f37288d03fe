"""The transform with Pillow alone gives the pixels of timm's."""

from __future__ import annotations

import numpy as np
import pytest
import timm.data.constants as timm_constants
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from support.loaded_models import of_module, prepared
from support.timm_transforms import timm_transform
from torch import nn

from quba_check.models.preprocessing import config
from quba_check.models.preprocessing.config import CROP_MODES, INTERPOLATIONS
from quba_check.models.preprocessing.pillow_transform import PillowTransform

SIDES = st.integers(1, 60)


def noise(height: int, width: int) -> Image.Image:
    rng = np.random.default_rng(height * 1000 + width)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize("mode", CROP_MODES)
@pytest.mark.parametrize("is_square", [True, False])
@given(
    data=st.data(),
    image=st.tuples(SIDES, SIDES),
    interpolation=st.sampled_from(INTERPOLATIONS),
    crop_pct=st.sampled_from([0.5, 0.875, 0.9, 0.95, 1.0, 1.25]),
)
def test_it_equals_timms_transform(mode, is_square, data, image, interpolation, crop_pct):
    height = data.draw(st.integers(8, 40))
    width = height if is_square else data.draw(st.integers(8, 40))
    size = (3, height, width)
    preprocessing = prepared(input_size=size, interpolation=interpolation, crop_pct=crop_pct, crop_mode=mode)
    picture = noise(*image)
    for crop in (True, False):
        expected = outcome(timm_transform(preprocessing, crop=crop), picture)
        ours = outcome(preprocessing.transform(crop=crop), picture)
        if isinstance(expected, str):  # resized to no pixel
            assert ours == expected
        else:
            assert ours.dtype == torch.uint8
            assert torch.equal(ours, expected)


def test_inputs_are_timms_bit_for_bit():
    pixels = prepared().transform(crop=True)(noise(70, 91))
    inputs = of_module(nn.Identity(), preprocessing=prepared()).inputs(pixels[None])
    assert torch.equal(inputs[0], timm_transform(prepared(), normalize=True)(noise(70, 91)))


def outcome(transform, picture):
    try:
        return transform(picture)
    except ValueError as error:
        return str(error)


@pytest.mark.parametrize(
    ("mode", "size", "image", "resized"),
    [
        ("center", (224, 224), (375, 500), (256, 341)),  # 256 · 500 / 375 = 341.3
        ("center", (224, 224), (500, 375), (341, 256)),
        ("squash", (224, 224), (375, 500), (256, 256)),
        ("border", (224, 224), (375, 500), (192, 256)),
        ("center", (224, 448), (375, 500), (384, 512)),
    ],
)
def test_resized_sizes(mode, size, image, resized):
    assert PillowTransform(size, "bicubic", 0.875, mode).resized_size(image) == resized
    assert PillowTransform(size, "bicubic", 0.875, mode, crop=False).resized_size(image) == size


def test_an_odd_border():
    picture = Image.new("RGB", (2, 1), (9, 9, 9))
    pixels = PillowTransform((4, 4), "nearest", 1.0, "border", border=(1, 2, 3))(picture)
    assert pixels[:, 0, 0].tolist() == [1, 2, 3]
    assert (pixels[0] == 9).sum(dim=1).tolist() == [0, 4, 4, 0]


def test_the_constants_are_timms():
    names = {"IMAGENET": "IMAGENET_DEFAULT", "INCEPTION": "IMAGENET_INCEPTION", "CLIP": "OPENAI_CLIP"}
    for ours, theirs in names.items():
        for kind in ("MEAN", "STD"):
            assert getattr(config, f"{ours}_{kind}") == getattr(timm_constants, f"{theirs}_{kind}")
