from __future__ import annotations

import json

import pytest
import timm
from timm.models import save_for_hf

from quba_check.errors import ModelError
from quba_check.models.hub_config import read_config


def read(tmp_path, text):
    (tmp_path / "config.json").write_text(text if isinstance(text, str) else json.dumps(text))
    return read_config(tmp_path / "config.json", spec="hub")


def test_what_timm_writes(tmp_path):
    model = timm.create_model("resnet10t", num_classes=3)
    save_for_hf(model, tmp_path, model_config={"label_names": ["a", "b", "c"]}, safe_serialization=True)
    found = read_config(tmp_path / "config.json", spec="hub")
    assert (found.architecture, found.classes) == ("resnet10t", 3)
    stated = found.preparation(spec="hub")
    assert stated.values["input_size"] == (3, 176, 176)
    assert stated.source == "config.json of hub"


def test_the_older_form_without_a_pretrained_cfg(tmp_path):
    found = read(tmp_path, {"architecture": "resnet10t", "num_classes": 4, "mean": [0.5] * 3, "extra": 1})
    assert (found.classes, found.model_args) == (4, {})
    assert found.preparation(spec="hub").values["mean"] == (0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "its config.json cannot be read as JSON (Expecting value: line 1 column 1 (char 0))."),
        ("[]", "its config.json is not timm's, the key 'architecture' is missing."),
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
