from __future__ import annotations

import json

import pytest
import timm
from timm.models import save_for_hf

from quba_check.core.head import Head
from quba_check.errors import HeadError, ModelError
from quba_check.models.checkpoints.hub import check_head, read_config


def read(tmp_path, text):
    (tmp_path / "config.json").write_text(text if isinstance(text, str) else json.dumps(text))
    return read_config(tmp_path / "config.json", spec="hub")


def test_what_timm_writes(tmp_path):
    model = timm.create_model("resnet10t", num_classes=3)
    save_for_hf(model, tmp_path, model_config={"label_names": ["a", "b", "c"]}, safe_serialization=True)
    config = read_config(tmp_path / "config.json", spec="hub")
    assert (config.architecture, config.pretrained_cfg["num_classes"]) == ("resnet10t", 3)
    assert config.pretrained_cfg["input_size"] == [3, 176, 176]
    assert config.source == config.where == "config.json of hub"


def test_the_older_form_without_a_pretrained_cfg(tmp_path):
    config = read(tmp_path, {"architecture": "resnet10t", "num_classes": 4, "mean": [0.5] * 3, "extra": 1})
    assert config.pretrained_cfg == {"architecture": "resnet10t", "num_classes": 4, "mean": [0.5] * 3}
    assert config.arguments == {}


FOREIGN = (
    "its config.json is not timm's, the key 'architecture' is missing. For a model of another library, write "
    "a function that returns its logits, and give --model=package.module:callable (docs/models.md)."
)
CLASSES = "config.json: num_classes cannot be used, got {}. Allowed: a whole number."


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "config.json: it is not JSON."),
        ("[" * 100_000, "config.json: it is nested too deeply."),
        ("[]", FOREIGN),
        ({}, FOREIGN),
        ({"architectures": ["ViTForImageClassification"], "model_type": "vit"}, FOREIGN),
        ({"architecture": "resnet18", "num_classes": "ten"}, CLASSES.format("'ten'")),
        ({"architecture": "resnet18", "pretrained_cfg": {"num_classes": -1}}, CLASSES.format(-1)),
        ({"architecture": "resnet18", "num_classes": True}, CLASSES.format(True)),
    ],
)
def test_messages(tmp_path, content, message):
    with pytest.raises(ModelError) as caught:
        read(tmp_path, content)
    assert str(caught.value) == f"hub: {message}"


def test_a_model_of_another_size():
    check_head(3, Head(3), "net", "the model")
    with pytest.raises(HeadError, match=r"^net: the model has 1000 classes, the suite has 3\.$"):
        check_head(1000, Head(3), "net", "the model")
    with pytest.raises(HeadError, match=r"restricted to 3 of 5\. Give a model of 5 classes, or "):
        check_head(1000, Head(3, columns=(4, 0, 1), of=5), "net", "the model")
