"""The real loading code of `hf-hub:` and `timm:`, on a Hub cache that is filled by hand."""

from __future__ import annotations

import json
import os

import pytest
import timm
import torch
from safetensors.torch import save_file
from support.hub_cache import snapshot
from support.loaded_models import load, refusal
from timm.models import save_for_hf


@pytest.fixture
def owned(cache):
    torch.manual_seed(0)
    model = timm.create_model("test_vit", num_classes=10)
    config = {"pretrained_cfg": {**model.pretrained_cfg, "mean": (0.4, 0.4, 0.4)}}
    save_for_hf(model, snapshot(cache, "owner/net"), model_config=config, safe_serialization=True)
    return model


def message(spec, **options):
    return refusal(spec, **options).removeprefix(f"{spec}: ")


def test_a_model_of_the_hub(owned):
    classifier = load("hf-hub:owner/net")
    assert classifier.name == "owner/net"
    assert torch.equal(classifier.module.head.weight, owned.head.weight)
    assert classifier.preprocessing.mean == (0.4, 0.4, 0.4)
    assert classifier.preprocessing.source == "config.json of hf-hub:owner/net"


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
    save_file(model.state_dict(), snapshot(cache, "timm/test_vit.r160_in1k") / "model.safetensors")
    classifier = load("timm:test_vit.r160_in1k", classes=tuple(map(str, range(1000))))
    assert torch.equal(classifier.module.head.weight, model.head.weight)
    assert classifier.preprocessing.source == "timm's test_vit.r160_in1k"
    assert message("timm:test_vit.r160_in1k") == "the model has 1000 classes, the suite has 10."


def test_other_classes(owned):
    assert message("hf-hub:owner/net", classes="abc") == "the model has 10 classes, the suite has 3."


NO_NETWORK = "could not be loaded (without a network give a folder with config.json and the weights): "


def test_no_weights(cache, owned):
    for file in cache.rglob("model.safetensors"):
        file.unlink()
    assert message("hf-hub:owner/net").startswith(f"its weights {NO_NETWORK}")


def test_no_network(cache):
    assert message("hf-hub:owner/net").startswith(f"its config.json {NO_NETWORK}LocalEntryNotFoundError: ")


def test_pretrained_without_a_network(monkeypatch):
    def offline(*_args, **_how):
        raise OSError("cannot reach the hub\nlong story")

    monkeypatch.setattr(timm, "create_model", offline)
    assert message("timm:resnet18.a1_in1k") == (
        "its pretrained weights could not be loaded (without a network give a checkpoint file and "
        "--quba-arch=resnet18): OSError: cannot reach the hub"
    )


def test_pretrained_without_weights():
    name = next(name for name in timm.list_models("resnet*") if not timm.models.is_model_pretrained(name))
    assert message(f"timm:{name}") == (
        f"timm has no pretrained weights for '{name}'. Give a checkpoint file and --quba-arch={name}."
    )


def test_pretrained_unknown():
    assert message("timm:qqqqqqqqqq") == (
        f"unknown architecture 'qqqqqqqqqq'. Allowed: the models of timm {timm.__version__}."
    )
