from __future__ import annotations

import pytest
import torch
from support.loaded_models import refusal

from quba_check.errors import OptionError
from quba_check.models.device import device_name, pin_arithmetic, resolve_device, resolve_precision

TORCH = torch.__version__


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


UNKNOWN = (
    "got '{}'. Allowed: auto, cpu, cuda, cuda:N, mps, tensorrt, openvino, rocm, migraphx, coreml, qnn, "
    "cann, xnnpack, directml. Did you mean '{}'?"
)
MISSING = f"torch {TORCH} finds no {{}} here. Allowed: {{}}."


@pytest.mark.parametrize(
    ("text", "gpus", "message"),
    [
        ("gpu", 0, UNKNOWN.format("gpu", "cpu")),
        ("cuda:N", 1, MISSING.format("cuda:N", "auto, cuda, cuda:0, cpu")),
        ("cuda", 0, MISSING.format("cuda", "auto, cpu")),
        ("cuda:1", 0, MISSING.format("cuda:1", "auto, cpu")),
        ("cuda:2", 2, MISSING.format("cuda:2", "auto, cuda, cuda:0, cuda:1, cpu")),
        ("mps", 1, MISSING.format("mps", "auto, cuda, cuda:0, cpu")),
    ],
)
def test_device_messages(text, gpus, message, monkeypatch):
    machine(monkeypatch, gpus=gpus)
    with pytest.raises(OptionError) as caught:
        resolve_device(text)
    assert str(caught.value) == f"--quba-device: {message}"


@pytest.mark.parametrize(
    ("text", "device", "precision"),
    [("auto", "cpu", "fp32"), ("auto", "cuda", "fp32"), ("bf16", "cpu", "bf16"), ("fp16", "cuda", "fp16")],
)
def test_precisions(text, device, precision):
    assert resolve_precision(text, torch.device(device)) == precision


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fp", "--quba-precision: got 'fp'. Allowed: auto, fp32, bf16, fp16. Did you mean 'fp32'?"),
        ("fp16", "--quba-precision: fp16 needs a GPU, got device cpu. Allowed: auto, fp32, bf16."),
    ],
)
def test_precision_messages(text, message):
    with pytest.raises(OptionError) as caught:
        resolve_precision(text, torch.device("cpu"))
    assert str(caught.value) == message


FLAGS = (
    (torch.backends.cuda.matmul, "allow_tf32"),
    (torch.backends.cudnn, "allow_tf32"),
    (torch.backends.cudnn, "deterministic"),
)


@pytest.fixture
def _flags_kept():
    before = [getattr(*flag) for flag in FLAGS]
    yield
    for flag, value in zip(FLAGS, before, strict=True):
        setattr(*flag, value)


@pytest.mark.usefixtures("_flags_kept")
def test_float32_is_float32_on_cuda():
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.deterministic = False
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
