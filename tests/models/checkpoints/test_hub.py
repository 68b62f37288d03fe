"""Configs that timm writes, and `hf-hub:` and `timm:` on a Hub cache that is filled by hand."""

import json
import os

import pytest
import timm
import torch
from safetensors.torch import save_file
from support.hub_cache import snapshot as hub_snapshot
from support.loaded_models import load, message, refusal
from timm.models import save_for_hf

from quba_check.core.classes import Head
from quba_check.errors import HeadError
from quba_check.models.checkpoints.build import check_head, read_config


def read(tmp_path, content):
    path = tmp_path / "config.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return read_config(path, spec="hub")


def test_the_older_form_without_a_pretrained_cfg(tmp_path):
    config = read(tmp_path, {"architecture": "resnet10t", "num_classes": 4, "mean": [0.5] * 3, "extra": 1})
    assert config.pretrained_cfg == {"architecture": "resnet10t", "num_classes": 4, "mean": [0.5] * 3}
    assert config.arguments == {}


CONFIGS = (
    *("", "[" * 100_000, "[]", {}, {"architectures": ["ViTForImageClassification"], "model_type": "vit"}),
    {"architecture": "resnet18", "num_classes": "ten"},
    {"architecture": "resnet18", "pretrained_cfg": {"num_classes": -1}},
    {"architecture": "resnet18", "num_classes": True},
)


def test_configs_that_cannot_be_used(tmp_path, snapshot):
    texts = [message(read, tmp_path, content) for content in CONFIGS]
    assert texts[0] == "hub: config.json: it is not JSON."
    assert "\n".join(texts) == snapshot


def test_a_model_of_another_size():
    check_head(3, Head(3), "net", "the model")
    with pytest.raises(HeadError, match=r"restricted to 3 of 5\. Give a model of 5 classes, or "):
        check_head(1000, Head(3, columns=(4, 0, 1), of=5), "net", "the model")


@pytest.fixture
def owned(cache):
    torch.manual_seed(0)
    model = timm.create_model("test_vit", num_classes=10)
    config = {"pretrained_cfg": {**model.pretrained_cfg, "mean": (0.4, 0.4, 0.4)}}
    save_for_hf(model, hub_snapshot(cache, "owner/net"), model_config=config, safe_serialization=True)
    return model


def test_a_model_of_the_hub(owned):
    classifier = load("hf-hub:owner/net")
    assert classifier.name == "owner/net"
    assert torch.equal(classifier.module.head.weight, owned.head.weight)
    assert classifier.preprocessing.mean == (0.4, 0.4, 0.4)
    assert classifier.preprocessing.source == "config.json of hf-hub:owner/net"
    text = "hf-hub:owner/net: the model has 10 classes, the suite has 3."
    assert refusal("hf-hub:owner/net", classes="abc") == text


class Trap:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_config_does_not_choose_the_file(cache, owned, tmp_path):
    (config,) = cache.rglob("config.json")
    content = json.loads(config.read_text())
    content["pretrained_cfg"] |= {"hf_hub_filename": "other.bin", "custom_load": "hf"}
    config.write_text(json.dumps(content))
    torch.save(Trap(tmp_path / "trap"), config.with_name("other.bin"))
    assert torch.equal(load("hf-hub:owner/net").module.head.weight, owned.head.weight)
    assert not (tmp_path / "trap").exists()


def test_a_model_of_timms_own(cache):
    torch.manual_seed(0)
    model = timm.create_model("test_vit")
    save_file(model.state_dict(), hub_snapshot(cache, "timm/test_vit.r160_in1k") / "model.safetensors")
    classifier = load("timm:test_vit.r160_in1k", classes=tuple(map(str, range(1000))))
    assert torch.equal(classifier.module.head.weight, model.head.weight)
    assert classifier.preprocessing.source == "timm's test_vit.r160_in1k"
    text = "timm:test_vit.r160_in1k: the model has 1000 classes, the suite has 10."
    assert refusal("timm:test_vit.r160_in1k") == text


def test_no_weights_and_no_network(cache, owned):
    next(cache.rglob("model.safetensors")).unlink()
    problem = "could not be loaded (without a network give a folder with config.json and the weights):"
    assert refusal("hf-hub:owner/net").startswith(f"hf-hub:owner/net: its weights {problem} ")
    text = refusal("hf-hub:other/net")
    assert text.startswith(f"hf-hub:other/net: its config.json {problem} LocalEntryNotFoundError: ")


def test_published_names_that_cannot_be_loaded(monkeypatch, snapshot):
    monkeypatch.setattr(timm, "create_model", lambda *_, **__: {}["no network"])
    without = next(name for name in timm.list_models("resnet*") if not timm.models.is_model_pretrained(name))
    texts = [refusal(f"timm:{name}") for name in ("resnet18.a1_in1k", without, "qqqqqqqqqq")]
    assert "\n".join(texts).replace(timm.__version__, "VERSION").replace(without, "WITHOUT") == snapshot
