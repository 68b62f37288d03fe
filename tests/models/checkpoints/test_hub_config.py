from __future__ import annotations

import json

import pytest
import timm
from timm.models import save_for_hf

from quba_check.errors import ModelError
from quba_check.models.checkpoints.hub_config import read_config
from quba_check.models.preprocessing.preprocessing import timm_config


def read(tmp_path, text):
    (tmp_path / "config.json").write_text(text if isinstance(text, str) else json.dumps(text))
    return read_config(tmp_path / "config.json", spec="hub")


def test_what_timm_writes(tmp_path):
    model = timm.create_model("resnet10t", num_classes=3)
    save_for_hf(model, tmp_path, model_config={"label_names": ["a", "b", "c"]}, safe_serialization=True)
    config = read_config(tmp_path / "config.json", spec="hub")
    assert (config.architecture, config.classes) == ("resnet10t", 3)
    stated = config.preprocessing(spec="hub")
    assert stated.values["input_size"] == (3, 176, 176)
    assert stated.source == "config.json of hub"


def test_the_older_form_without_a_pretrained_cfg(tmp_path):
    config = read(tmp_path, {"architecture": "resnet10t", "num_classes": 4, "mean": [0.5] * 3, "extra": 1})
    assert (config.classes, config.model_args) == (4, {})
    assert config.preprocessing(spec="hub").values["mean"] == (0.5, 0.5, 0.5)


TRANSFORMERS = "its config.json is that of a transformers model"
NEWLINES = "'\\n\\n\\n\\n\\n\\n...n\\n\\n\\n\\n\\n\\n'"
INSTEAD = (
    "and timm's is needed. Write a function that returns the model's logits, "
    "and give package.module:callable."
)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"crop_pct": 0}, "crop_pct cannot be used, got 0. Allowed: a number above 0."),
        ({"crop_pct": -1}, "crop_pct cannot be used, got -1. Allowed: a number above 0."),
        ({"crop_pct": float("nan")}, "crop_pct cannot be used, got nan. Allowed: a number above 0."),
        ({"crop_pct": "all"}, "crop_pct cannot be used, got 'all'. Allowed: a number above 0."),
        (
            {"std": [0, 1, 1]},
            "std cannot be used, got [0, 1, 1]. Allowed: three numbers above 0, for values in [0, 1].",
        ),
        (
            {"std": [1e-320, 1, 1]},
            "std cannot be used, got [1e-320, 1, 1]. Allowed: three numbers above 0, for values in [0, 1].",
        ),
        (
            {"mean": [1e308, 0, 0]},
            "mean cannot be used, got [1e+308, 0, 0]. Allowed: three numbers, for values in [0, 1].",
        ),
        ({"mean": [0.5]}, "mean cannot be used, got [0.5]. Allowed: three numbers, for values in [0, 1]."),
        (
            {"mean": [[[]] * 99]},
            "mean cannot be used, got [[[], [], [], [], [], [], ...]]. "
            "Allowed: three numbers, for values in [0, 1].",
        ),
        (
            {"input_size": "224"},
            "input_size cannot be used, got '224'. Allowed: three whole numbers (3, height, width).",
        ),
        (
            {"input_size": [3, 224]},
            "input_size cannot be used, got [3, 224]. Allowed: three whole numbers (3, height, width).",
        ),
        (
            {"input_size": [3, True, 224.5]},
            "input_size cannot be used, got [3, True, 224.5]. "
            "Allowed: three whole numbers (3, height, width).",
        ),
        (
            {"interpolation": {}},
            "interpolation cannot be used, got {}. "
            "Allowed: nearest, bilinear, bicubic, box, hamming, lanczos.",
        ),
    ],
)
def test_values_that_cannot_be_used(tmp_path, value, message):
    config = read(tmp_path, {"architecture": "resnet10t", "pretrained_cfg": value})
    with pytest.raises(ModelError) as caught:
        config.preprocessing(spec="hub")
    assert str(caught.value) == f"hub: config.json: {message}"


def test_a_number_too_large_for_a_float():
    with pytest.raises(ModelError) as caught:
        timm_config({"crop_pct": 10**400}, where="net", source="net")
    assert str(caught.value) == (
        "net: crop_pct cannot be used, got 100000000000000000...0000000000000000000. "
        "Allowed: a number above 0."
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfe{}", "it is not JSON."),
        (b"[" * 100_000, "it is nested too deeply."),
        (b'{"a": ' + b"9" * 5_000 + b"}", "it has a whole number of more than 18 digits."),
    ],
)
def test_what_json_cannot_read(tmp_path, content, message):
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(ModelError) as caught:
        read_config(tmp_path / "config.json", spec="hub")
    assert str(caught.value) == f"hub: config.json: {message}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "config.json: it is not JSON."),
        ("[]", "its config.json is not timm's, the key 'architecture' is missing."),
        ({"architectures": {"a": 1}, "model_type": "\n" * 99}, f"{TRANSFORMERS} ({NEWLINES}), {INSTEAD}"),
        (
            {"architecture": "resnet18", "num_classes": "ten"},
            "config.json: num_classes cannot be used, got 'ten'. Allowed: a whole number.",
        ),
        (
            {"architecture": "resnet18", "pretrained_cfg": {"num_classes": -1}},
            "config.json: num_classes cannot be used, got -1. Allowed: a whole number.",
        ),
        (
            {"architecture": "resnet18", "num_classes": True},
            "config.json: num_classes cannot be used, got True. Allowed: a whole number.",
        ),
        ({}, "its config.json is not timm's, the key 'architecture' is missing."),
        (
            {"architectures": ["ViTForImageClassification"], "model_type": "vit"},
            "its config.json is that of a transformers model (ViTForImageClassification), "
            "and timm's is needed. Write a function that returns the model's logits, "
            "and give package.module:callable.",
        ),
        (
            {"model_type": "vit"},
            "its config.json is that of a transformers model (vit), and timm's is needed. "
            "Write a function that returns the model's logits, and give package.module:callable.",
        ),
    ],
)
def test_messages(tmp_path, text, message):
    with pytest.raises(ModelError) as caught:
        read(tmp_path, text)
    assert str(caught.value) == f"hub: {message}"
