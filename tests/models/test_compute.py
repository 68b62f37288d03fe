import json
from dataclasses import asdict
from types import SimpleNamespace

import pytest
import torch
from support.loaded_models import message, refusal

from quba_check.models.compute import (
    PLAIN,
    ComputeSettings,
    device_name,
    pin_arithmetic,
    resolve_device,
    resolve_precision,
)


def test_settings_survive_json() -> None:
    settings = ComputeSettings("bf16", True, "compile", "auto", "a test", 256, 1)
    assert ComputeSettings.from_dict(json.loads(json.dumps(asdict(settings)))) == settings


@pytest.mark.parametrize(
    "change", [{"precision": "fp8"}, {"channels_last": "yes"}, {"runtime": None}, {"candidates": 3}]
)
def test_other_values_are_refused(change: dict[str, object]) -> None:
    with pytest.raises((ValueError, TypeError)):
        ComputeSettings.from_dict(asdict(PLAIN) | change)


def test_plain_settings_have_the_cache_settings_of_earlier_versions() -> None:
    assert PLAIN.cache_settings() == {"precision": "fp32"}
    changed = ComputeSettings("bf16", channels_last=True, runtime="compile")
    assert changed.cache_settings() == {"precision": "bf16", "channels_last": True, "runtime": "compile"}


def machine(monkeypatch, *, gpus=0, mps=False):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


@pytest.mark.parametrize(
    ("text", "worker", "gpus", "mps", "device"),
    [
        ("auto", None, 0, False, "cpu"),
        ("auto", 3, 0, False, "cpu"),
        ("auto", None, 2, True, "cuda:0"),
        ("auto", 3, 2, False, "cuda:1"),
        ("auto", None, 0, True, "mps"),
        ("cuda", None, 2, False, "cuda:0"),
        ("cuda", 4, 3, False, "cuda:1"),
        ("cuda:1", 2, 2, False, "cuda:1"),
        ("cpu", 1, 2, True, "cpu"),
        ("mps", None, 0, True, "mps"),
        ("tensorrt", None, 2, False, "cpu"),
    ],
)
def test_devices(text, worker, gpus, mps, device, monkeypatch):
    machine(monkeypatch, gpus=gpus, mps=mps)
    assert str(resolve_device(text, worker)) == device


def test_a_provider_runs_onnx_files_alone():
    assert refusal("demo", device="tensorrt") == (
        "demo: --quba-device=tensorrt runs ONNX files alone. Allowed for other models: auto, cpu, cuda, "
        "cuda:N, mps."
    )


@pytest.mark.parametrize(
    ("text", "gpus", "devices"),
    [
        ("cuda:N", 1, "auto, cuda, cuda:0, cpu"),
        ("cuda", 0, "auto, cpu"),
        ("cuda:1", 0, "auto, cpu"),
        ("cuda:2", 2, "auto, cuda, cuda:0, cuda:1, cpu"),
        ("mps", 1, "auto, cuda, cuda:0, cpu"),
    ],
)
def test_devices_that_are_missing(text, gpus, devices, monkeypatch):
    machine(monkeypatch, gpus=gpus)
    missing = f"torch {torch.__version__} finds no {text} here. Allowed: {devices}."
    assert message(resolve_device, text) == f"--quba-device: {missing}"


@pytest.mark.parametrize(
    ("text", "device", "precision"),
    [("auto", "cpu", "fp32"), ("auto", "cuda", "fp32"), ("bf16", "cpu", "bf16"), ("fp16", "cuda", "fp16")],
)
def test_precisions(text, device, precision):
    assert resolve_precision(text, torch.device(device)) == precision


def test_unknown_names(snapshot):
    cpu = torch.device("cpu")
    texts = [
        message(resolve_device, "gpu"),
        *(message(resolve_precision, text, cpu) for text in ("fp", "fp16")),
    ]
    assert "\n".join(texts) == snapshot


def test_float32_is_float32_on_cuda(monkeypatch):
    monkeypatch.setattr(torch.backends.cuda, "matmul", SimpleNamespace(allow_tf32=True))
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", False)
    pin_arithmetic(torch.device("cpu"))
    assert torch.backends.cudnn.allow_tf32
    pin_arithmetic(torch.device("cuda", 0))
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32
    assert torch.backends.cudnn.deterministic


def test_the_name_of_a_device(monkeypatch):
    assert device_name(torch.device("cpu"))
    assert device_name(torch.device("mps")) == f"mps of {device_name(torch.device('cpu'))}"
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"GPU {device.index}")
    assert device_name(torch.device("cuda", 1)) == "GPU 1"
