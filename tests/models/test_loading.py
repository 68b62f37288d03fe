from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
import timm
import torch
from safetensors.torch import save_file
from support.loaded_models import load, refusal
from torch import nn

from quba_check.errors import OptionError
from quba_check.models.compute import PLAIN, RULE, ComputeSettings

ARCH = "mobilenetv3_small_050"


@pytest.fixture(scope="module")
def state():
    torch.manual_seed(0)
    return timm.create_model(ARCH, num_classes=10).state_dict()


@pytest.fixture
def checkpoint(state, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save(state, tmp_path / "net.pt")
    return tmp_path / "net.pt"


def test_a_state_dict_becomes_a_classifier(checkpoint, state):
    classifier = load("net.pt", arch=ARCH)
    assert (classifier.spec, classifier.name, classifier.classes) == ("net.pt", "net", 10)
    assert (str(classifier.device), classifier.precision, classifier.outputs) == ("cpu", "fp32", None)
    assert classifier.preprocessing.source == f"timm's {ARCH}"
    assert not any(part.training for part in classifier.module.modules())
    parameters = list(classifier.module.parameters())
    assert classifier.parameters == classifier.trainable == sum(p.numel() for p in parameters)
    assert not any(p.requires_grad for p in parameters)
    assert classifier.weight_bytes == sum(tensor.nbytes for tensor in state.values())
    assert classifier.file_bytes == checkpoint.stat().st_size
    assert torch.equal(classifier.module.state_dict()["classifier.bias"], state["classifier.bias"])
    assert classifier.raw(torch.zeros(2, 3, 64, 64)).shape == (2, 10)
    classifier.guard().check_state()


def test_equal_weights_have_equal_fingerprints_wherever_they_are_stored(checkpoint, state, tmp_path):
    first = load("net.pt", arch=ARCH)
    save_file(state, tmp_path / "other.safetensors")
    assert load("other.safetensors", arch=ARCH).fingerprint == first.fingerprint
    assert load("net.pt", arch=f"{ARCH}.lamb_in1k").fingerprint == first.fingerprint
    changed = {name: tensor.clone() for name, tensor in state.items()}
    changed["classifier.bias"][0] += 1e-3
    torch.save(changed, tmp_path / "changed.pt")
    assert load("changed.pt", arch=ARCH).fingerprint != first.fingerprint


def test_no_architecture(checkpoint):
    assert refusal("net.pt") == (
        "net.pt: holds weights alone, so name their architecture in timm, --quba-arch=NAME, or "
        "give --model=package.module:callable (docs/models.md)."
    )


def test_no_architecture_but_one_that_fits(checkpoint, tmp_path):
    checkpoint.rename(tmp_path / f"{ARCH}.pt")
    assert refusal(f"{ARCH}.pt") == (
        f"{ARCH}.pt: holds weights alone, so name their architecture in timm, --quba-arch=NAME, or "
        "give --model=package.module:callable (docs/models.md). "
        f"Its keys fit --quba-arch={ARCH}."
    )


@pytest.fixture(autouse=True)
def _short_search(monkeypatch):
    """Search near names alone: all of them would take seconds."""
    monkeypatch.setattr("quba_check.models.checkpoints.timm_architectures.POPULAR", ())


def test_keys_that_do_not_fit(checkpoint):
    assert refusal("net.pt", arch="mobilenetv3_small_075") == (
        "net.pt: its keys do not fit mobilenetv3_small_075: 192 of another shape "
        "(blocks.0.0.conv_pw.weight (8, 16, 1, 1) instead of (16, 16, 1, 1), "
        "blocks.0.0.bn2.weight (8,) instead of (16,), blocks.0.0.bn2.bias (8,) instead of (16,) "
        "and 189 more). "
        f"Did you mean --quba-arch={ARCH}?"
    )


def test_keys_that_fit_nothing_near(state, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({f"module.{name}": tensor for name, tensor in state.items() if "bn" not in name}, "net.pt")
    text = refusal("net.pt", arch=ARCH)
    assert text.startswith(f"net.pt: its keys without 'module.' do not fit {ARCH}: ")
    assert "missing (bn1.weight, bn1.bias, bn1.running_mean and " in text
    assert text.endswith(
        " more). For a model that timm lacks, give --model=package.module:callable (docs/models.md)."
    )


def test_unknown_architecture_is_reported_before_the_file_is_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.pt").write_bytes(b"not read")
    assert refusal("net.pt", arch="qqqqqqqqqq") == (
        f"--quba-arch: unknown architecture 'qqqqqqqqqq'. Allowed: the models of timm {timm.__version__}."
    )


def test_another_image_size_than_the_suites_is_noted(checkpoint):
    assert load("net.pt", arch=ARCH, image_size=224).notes == ()
    assert load("net.pt", arch=ARCH, image_size=64).notes == (
        f"images are prepared at 224 × 224 as timm's {ARCH} states, not at the suite's 64 × 64",
    )


def test_half_precision_weights_become_float32_with_a_note(checkpoint, state, tmp_path, monkeypatch):
    (tmp_path / "zoo_half.py").write_text(
        "from torch import nn\n"
        "def half():\n"
        "    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 10)).half()\n"
        "    net.quba_config = dict(input_size=(3, 2, 2), mean=(0.5,) * 3, std=(0.5,) * 3,\n"
        "                           interpolation='bilinear', crop_pct=1.0, outputs='logits')\n"
        "    net[1].bias.requires_grad_(False)\n"
        "    return net\n"
    )
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    classifier = load("zoo_half:half")
    assert classifier.notes == ("weights were converted from float16 to float32",)
    assert (classifier.weight_bytes, classifier.file_bytes) == (2 * 130, None)
    torch.save({name: tensor.half() for name, tensor in state.items()}, tmp_path / "half.pt")
    assert load("half.pt", arch=ARCH).weight_bytes == 2 * sum(tensor.numel() for tensor in state.values())
    assert classifier.module[1].weight.dtype == torch.float32
    assert classifier.raw(torch.zeros(1, 3, 2, 2)).shape == (1, 10)
    assert (classifier.parameters, classifier.trainable) == (130, 120)
    assert classifier.outputs == "logits"
    assert classifier.name == "zoo_half:half"


def test_source_files_of_callables_are_part_of_the_fingerprint(tmp_path, monkeypatch):
    source = tmp_path / "zoo_source.py"
    source.write_text(
        "from torch import nn\nimport torch\n"
        "def net():\n    torch.manual_seed(0)\n    return nn.Sequential(nn.Flatten(), nn.Linear(12, 10))\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    first = load("zoo_source:net", image_size=2)
    source.write_text(source.read_text() + "# changed\n")
    assert load("zoo_source:net", image_size=2).fingerprint != first.fingerprint
    assert first.notes == (
        (
            "zoo_source:net does not state its whole preprocessing; with the suite's defaults: "
            "2 × 2, bicubic, crop 1, ImageNet mean and std"
        ),
    )


@pytest.mark.parametrize("outputs", [{"outputs": "sigmoids"}, {}])
def test_demo_models_and_the_outputs_that_a_module_states(monkeypatch, outputs):
    module = nn.Sequential(nn.Flatten(), nn.Linear(12, 10))
    module.quba_config = {"input_size": (3, 2, 2), "mean": (0, 0, 0), "std": (1, 1, 1)} | outputs
    asked = []
    monkeypatch.setattr("quba_check.demo.network.demo_module", lambda name: asked.append(name) or module)
    classifier = load("demo-textured")
    assert asked == ["demo-textured"]
    assert (classifier.name, classifier.parameters) == ("demo-textured", 130)
    assert (classifier.compute.reason, classifier.is_open) == ("the demo runs on the plain path", False)
    assert classifier.outputs == outputs.get("outputs")


def test_device_and_precision_are_checked_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.pt").write_bytes(b"not read")
    with pytest.raises(OptionError, match=r"^--quba-device: got 'tpu'\."):
        load("net.pt", device="tpu")
    with pytest.raises(OptionError, match=r"^--quba-precision: got 'fp8'\."):
        load("net.pt", precision="fp8")


class Odd(nn.Module):
    def __init__(self, tensor):
        super().__init__()
        self.register_parameter("weight", tensor)


ODD = {
    "sparse": nn.Parameter(torch.eye(2).to_sparse()),
    "meta": nn.Parameter(torch.empty(2, device="meta")),
    "uninitialised": nn.UninitializedParameter(),
}


@pytest.mark.parametrize("form", ODD)
def test_tensors_of_a_module_that_cannot_be_computed_with(form, monkeypatch):
    monkeypatch.setattr(
        "quba_check.models.programs.functions._import_module",
        lambda *_: SimpleNamespace(net=lambda: Odd(ODD[form])),
    )
    assert refusal("zoo:net") == f"zoo:net: its tensor 'weight' is {form}. Allowed: dense tensors of numbers."


class Leaving(nn.Linear):
    @property
    def quba_config(self):
        raise SystemExit(0)


class Large(nn.Linear):
    def eval(self):
        raise MemoryError


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Leaving, "loading it raised SystemExit: 0"),
        (
            Large,
            "memory runs out while it is loaded (MemoryError). "
            "Free memory, or give a smaller model or another --quba-device.",
        ),
    ],
)
def test_whatever_a_module_raises_while_it_is_loaded(kind, text, monkeypatch):
    monkeypatch.setattr(
        "quba_check.models.programs.functions._import_module",
        lambda *_: SimpleNamespace(net=lambda: kind(2, 2)),
    )
    assert refusal("zoo:net") == f"zoo:net: {text}"


def test_compute_settings_follow_the_rule_unless_they_are_stated(checkpoint):
    auto = load("net.pt", arch=ARCH)
    rule = ComputeSettings(channels_last=True, requested="auto", reason=RULE)
    assert (auto.compute, auto.is_open) == (rule, True)
    stated = load("net.pt", arch=ARCH, precision="fp32")
    assert (stated.compute, stated.is_open) == (PLAIN, False)
    compiled = load("net.pt", arch=ARCH, precision="bf16", compile="on")
    assert compiled.compute == ComputeSettings("bf16", compiled=True, requested="bf16")
