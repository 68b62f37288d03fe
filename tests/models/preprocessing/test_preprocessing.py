from __future__ import annotations

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from support.pairwise import pairwise
from support.preprocessings import prepared
from torch import nn

from quba_check.errors import ModelError
from quba_check.models.preprocessing.preprocessing import Preprocessing, configs_of_module, preprocessing_of

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def photo(width=91, height=70):
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.mark.parametrize(
    ("interpolation", "crop_mode", "size"),
    pairwise(
        ["bilinear", "bicubic", "nearest", "lanczos"],
        ["center", "squash", "border"],
        [(3, 48, 48), (3, 32, 40)],
    ),
)
def test_bit_equal_to_timms_evaluation_transform(interpolation, crop_mode, size):
    preprocessing = prepared(interpolation=interpolation, crop_mode=crop_mode, input_size=size)
    ordinary = timm.data.create_transform(
        input_size=size,
        interpolation=interpolation,
        mean=preprocessing.mean,
        std=preprocessing.std,
        crop_pct=0.875,
        crop_mode=crop_mode,
        is_training=False,
    )
    pixels = preprocessing.transform(crop=True)(photo())
    assert pixels.dtype == torch.uint8
    assert pixels.shape == size
    mean, std = (torch.tensor(triple).view(3, 1, 1) for triple in (preprocessing.mean, preprocessing.std))
    assert torch.equal((pixels.float().div(255) - mean) / std, ordinary(photo()))


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
    small = of(module())
    assert (small.input_size, small.crop_pct) == ((3, 64, 64), 1.0)


def module(**attributes):
    module = nn.Identity()
    for name, value in attributes.items():
        setattr(module, name, value)
    return module


def of(module, image_size=64, source=""):
    configs = configs_of_module(module, spec="zoo:net", source=source)
    return preprocessing_of(configs, spec="zoo:net", image_size=image_size)


def test_a_module_without_a_config_gets_the_suites_defaults():
    assert of(module(pretrained_cfg={})) == of(module())


FULL = {
    "input_size": [3, 48, 48],
    "interpolation": "bilinear",
    "mean": [0.5, 0.4, 0.3],
    "std": (0.2, 0.3, 0.25),
    "crop_pct": 1,
}


def test_quba_config_says_all():
    assert of(module(quba_config=FULL)) == prepared(crop_pct=1, source="quba_config of zoo:net")


def test_quba_config_wins_over_pretrained_cfg():
    assert of(module(quba_config=FULL, pretrained_cfg={"mean": (0, 0, 0)})).mean == (0.5, 0.4, 0.3)


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


KEYS = "input_size, interpolation, mean, std, crop_pct, crop_mode, outputs, temperature"
ALLOWED = {
    "input_size": "three whole numbers (3, height, width)",
    "mean": "three numbers, for values in [0, 1]",
    "std": "three numbers above 0, for values in [0, 1]",
    "interpolation": "nearest, bilinear, bicubic, box, hamming, lanczos",
    "crop_pct": "a number above 0",
    "crop_mode": "center, squash, border",
    "outputs": "logits, probabilities, sigmoids",
}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("input_size", value) for value in (224, "224", (3, 224), (1, 28, 28), (3, 0, 28))),
        ("input_size", [3, True, 224.5]),
        *(("mean", value) for value in (0.5, [0.5], (0.5, 0.5, float("nan")), [1e308, 0, 0])),
        *(("std", value) for value in ((0, 1, 1), [1e-320, 1, 1])),
        *(("interpolation", value) for value in ("cubic", {})),
        *(("crop_pct", value) for value in (0, -1, True, float("nan"), "all")),
        ("crop_mode", "centre"),
        ("outputs", "log"),
    ],
)
def test_values_that_cannot_be_used(key, value):
    for attribute in ("quba_config", "pretrained_cfg"):
        with pytest.raises(ModelError) as caught:
            of(module(**{attribute: {key: value}}))
        assert str(caught.value) == (
            f"zoo:net: {attribute}: {key} cannot be used, got {value!r}. Allowed: {ALLOWED[key]}."
        )


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"men": (0, 0, 0)}, f"unknown key 'men'. Allowed: {KEYS}. Did you mean 'mean'?"),
        ([1], f"is not a dict, got list. Allowed keys: {KEYS}."),
        (
            {"mean": [[[]] * 99]},
            f"mean cannot be used, got [[[], [], [], [], [], [], ...]]. Allowed: {ALLOWED['mean']}.",
        ),
        (
            {"crop_pct": 10**400},
            "crop_pct cannot be used, got 100000000000000000...0000000000000000000. "
            f"Allowed: {ALLOWED['crop_pct']}.",
        ),
    ],
)
def test_messages(config, message):
    with pytest.raises(ModelError) as caught:
        of(module(quba_config=config))
    assert str(caught.value) == f"zoo:net: quba_config: {message}"


@pytest.mark.parametrize(
    ("config", "size", "pixels"),
    [
        ({"crop_pct": 1e-9}, "(3, 224, 224) with crop_pct 1e-09", "2.24e+11"),
        ({"crop_pct": 1e300}, "(3, 224, 224) with crop_pct 1e+300", "2.24e-298"),
        ({"input_size": (3, 10**9, 2)}, "(3, 1000000000, 2) with crop_pct 1", "1e+09"),
    ],
)
def test_images_of_impossible_sizes(config, size, pixels):
    module = nn.Identity()
    module.quba_config = {"input_size": (3, 224, 224)} | config
    with pytest.raises(ModelError) as caught:
        preprocessing_of(configs_of_module(module, spec="net"), spec="net", image_size=32)
    assert str(caught.value).removeprefix(
        "net: images cannot be prepared as quba_config of net (interpolation, mean, std"
    ) == (
        f"{', crop_pct' if 'crop_pct' not in config else ''}: the suite's defaults) states: input_size "
        f"{size} resizes them to {pixels} pixels. Allowed: 1 to 20,000 pixels (input_size / crop_pct)."
    )


def test_equal_channels_and_the_imagenet_normalisation_are_short():
    assert of(module(), None).describe() == "224×224, bicubic, crop 0.875, ImageNet mean and std"
    grey = prepared(mean=(0.5, 0.5, 0.5), std=(1, 1, 1)).describe()
    assert grey.endswith(", mean 0.5, std 1")
