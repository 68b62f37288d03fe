"""Preprocessing that models state, and the pixels of timm's own transform."""

from importlib.metadata import version

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from support.loaded_models import message, of_module, prepared
from support.timm_transforms import timm_transform
from torch import nn

from quba_check.models.preprocessing.config import INTERPOLATIONS, configs_of_module
from quba_check.models.preprocessing.preprocessing import Preprocessing, preprocessing_of

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def test_as_dict_is_plain():
    values = prepared().as_dict()
    assert (values["input_size"], values["std"]) == ([3, 48, 48], [0.2, 0.3, 0.25])
    assert Preprocessing(**values).describe() == prepared().describe()


def test_a_temperature_of_1_is_as_none():
    """Keys of stored predictions without a temperature stay as they are."""
    assert "temperature" not in prepared(temperature=1).as_dict()
    scaled = prepared(temperature=2.5)
    assert scaled.as_dict() == prepared().as_dict() | {"temperature": 2.5}
    assert scaled.describe() == f"{prepared().describe()}, logits divided by 2.5"


def test_suite_defaults():
    assert of(module(), None) == Preprocessing(
        (3, 224, 224), "bicubic", IMAGENET_MEAN, IMAGENET_STD, 0.875, "center", "the suite's defaults"
    )
    small = of(module(pretrained_cfg={}))
    assert small == of(module())
    assert (small.input_size, small.crop_pct) == ((3, 64, 64), 1.0)


def module(**attributes):
    module = nn.Identity()
    for name, value in attributes.items():
        setattr(module, name, value)
    return module


def of(module, image_size=64, source=""):
    configs = configs_of_module(module, spec="zoo:net", source=source)
    return preprocessing_of(configs, spec="zoo:net", image_size=image_size)


FULL = {
    "input_size": [3, 48, 48],
    "interpolation": "bilinear",
    "mean": [0.5, 0.4, 0.3],
    "std": (0.2, 0.3, 0.25),
    "crop_pct": 1,
}


def test_quba_config_that_leaves_out_keys_says_which():
    preprocessing = of(module(quba_config={"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}))
    assert preprocessing.input_size == (3, 64, 64)
    assert preprocessing.source == (
        "quba_config of zoo:net (input_size, interpolation, crop_pct: the suite's defaults)"
    )


def test_pretrained_cfg_is_read_as_timm_reads_it():
    config = {"input_size": (3, 96, 96), "mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5), "num_classes": 7}
    preprocessing = of(module(pretrained_cfg=config))
    assert preprocessing.input_size == (3, 96, 96)
    assert (preprocessing.interpolation, preprocessing.crop_pct) == ("bicubic", 0.875)
    assert preprocessing.source == "pretrained_cfg of zoo:net"
    assert of(module(pretrained_cfg=config), source="timm's resnet18").source == "timm's resnet18"


VALUES = {
    "input_size": (224, "224", (3, 224), (4, 28, 28), (3, 0, 28), [3, True, 224.5]),
    "mean": (0.5, [0.5, 0.5], (0.5, 0.5, float("nan")), [1e308, 0, 0], [[[]] * 99]),
    "std": ((0, 1, 1), [1e-320, 1, 1]),
    "interpolation": ("cubic", {}),
    "crop_pct": (0, -1, True, float("nan"), "all", 10**400),
    "crop_mode": ("centre",),
    "outputs": ("log",),
    "ignore": ([], [-1], [0, 0], ["background"]),
    "men": ((0, 0, 0),),
}


def test_values_that_cannot_be_used(snapshot):
    texts = [message(of, module(quba_config=[1]))]
    for key, value in ((key, value) for key, values in VALUES.items() for value in values):
        texts.append(message(of, module(quba_config={key: value})))
        if key not in ("men", "ignore"):
            own = message(of, module(pretrained_cfg={key: value}))
            assert own == texts[-1].replace("quba_config", "pretrained_cfg")
    assert texts[1] == (
        "zoo:net: quba_config: input_size cannot be used, got 224. "
        "Allowed: three whole numbers (channels, height, width), with 3 channels, or 1 for grey images."
    )
    assert "\n".join(texts) == snapshot


@pytest.mark.parametrize(
    "config", [{"crop_pct": 1e-9}, {"crop_pct": 1e300}, {"input_size": (3, 10**9, 2)}], ids=str
)
def test_images_of_impossible_sizes(config, snapshot):
    assert message(of, module(quba_config={"input_size": (3, 224, 224)} | config), 32) == snapshot


def test_equal_channels_and_the_imagenet_normalisation_are_short():
    assert of(module(), None).describe() == "224 × 224, bicubic, crop 0.875, ImageNet mean and std"
    grey = prepared(mean=(0.5, 0.5, 0.5), std=(1, 1, 1)).describe()
    assert grey.endswith(", mean 0.5, std 1")


SIDES = st.integers(1, 60)


def is_older(package: str, *release: int) -> bool:
    return tuple(map(int, version(package).split(".")[:3])) < release


def noise(height: int, width: int) -> Image.Image:
    rng = np.random.default_rng(height * 1000 + width)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize("mode", ["center", "squash", "border"])
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
    if mode == "center" and width != height and is_older("timm", 1, 0, 31):
        interpolation = "bilinear"  # timm ignored the stated one
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
