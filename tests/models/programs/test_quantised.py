"""Quantised models of every kind: their answers, and parameters that are never too low."""

from __future__ import annotations

import functools
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import onnx
import openvino
import pytest
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_dynamic, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from support.loaded_models import load as load_model
from support.loaded_models import refusal
from support.onnx_files import export
from timm.models.vision_transformer import VisionTransformer
from torch import nn
from torch.ao.quantization import DeQuantStub, QuantStub, convert, get_default_qconfig, prepare
from torch.ao.quantization import quantize_dynamic as torch_dynamic
from torch.ao.quantization.fx import _decomposed  # noqa: F401  registers its operators

pytestmark = pytest.mark.filterwarnings("ignore")  # torch's quantisation and TorchScript are deprecated
IMAGES = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(1))
TEN = tuple("abcdefghij")
load = partial(load_model, classes=TEN, image_size=16)


def size(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


def spread(net: nn.Module) -> nn.Module:
    """Give a network weights that are all different, as after training."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return net.eval()


@pytest.fixture(scope="module")
def vit() -> nn.Module:
    torch.manual_seed(0)
    return spread(
        VisionTransformer(img_size=16, patch_size=8, embed_dim=24, depth=2, num_heads=2, num_classes=10)
    )


class Cnn(nn.Module):
    """A small network that torch.ao quantises statically."""

    def __init__(self) -> None:
        super().__init__()
        self.quant, self.dequant = QuantStub(), DeQuantStub()
        self.conv, self.act = nn.Conv2d(3, 8, 3, padding=1), nn.ReLU()
        self.pool, self.head = nn.AdaptiveAvgPool2d(1), nn.Linear(8, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.pool(self.act(self.conv(self.quant(images)))).flatten(1)
        return self.dequant(self.head(x))


@pytest.fixture(scope="module")
def cnn() -> nn.Module:
    torch.manual_seed(0)
    return spread(Cnn())


def static(cnn: nn.Module) -> nn.Module:
    net = Cnn().eval()
    net.load_state_dict(cnn.state_dict())
    net.qconfig = get_default_qconfig(torch.backends.quantized.engine)
    prepare(net, inplace=True)
    net(IMAGES)
    return convert(net)


class Calibration(CalibrationDataReader):
    """The images, once."""

    def __init__(self) -> None:
        self.batches = iter([{"x": IMAGES.numpy()}])

    def get_next(self) -> object:
        return next(self.batches, None)


@functools.cache
def exported(net: nn.Module) -> bytes:
    """The ONNX file of a network, made once."""
    with tempfile.TemporaryDirectory() as folder:
        return to_onnx(net, Path(folder) / "net.onnx").read_bytes()


def float_onnx(net: nn.Module, folder: Path) -> Path:
    (folder / "float.onnx").write_bytes(exported(net))
    return folder / "float.onnx"


def to_onnx(net: nn.Module, path: Path) -> Path:
    export(net, path, batch=4, side=16)
    model = onnx.load(path)
    (first,) = model.graph.input
    for node in model.graph.node:
        node.input[:] = ["x" if name == first.name else name for name in node.input]
    first.name = "x"
    onnx.save(model, path)
    quant_pre_process(path, path)
    return path


def script(net: nn.Module, folder: Path) -> Path:
    torch.jit.trace(net, IMAGES).save(folder / "net.pt")
    return folder / "net.pt"


def frozen(net: nn.Module, folder: Path) -> Path:
    torch.jit.freeze(torch.jit.trace(net, IMAGES).eval()).save(folder / "net.pt")
    return folder / "net.pt"


def dynamic_onnx(net: nn.Module, folder: Path) -> Path:
    quantize_dynamic(float_onnx(net, folder), folder / "net.onnx")
    return folder / "net.onnx"


def qdq_onnx(net: nn.Module, folder: Path) -> Path:
    quantize_static(float_onnx(net, folder), folder / "net.onnx", Calibration())
    return folder / "net.onnx"


def operators_onnx(net: nn.Module, folder: Path) -> Path:
    path = float_onnx(net, folder)
    quantize_static(path, folder / "net.onnx", Calibration(), quant_format=QuantFormat.QOperator)
    return folder / "net.onnx"


def dynamic_openvino(net: nn.Module, folder: Path) -> Path:
    openvino.save_model(openvino.convert_model(dynamic_onnx(net, folder)), folder / "net.xml")
    return folder / "net.xml"


WRITERS = {
    "openvino-dynamic": dynamic_openvino,
    "torchscript": lambda net, folder: script(torch_dynamic(net, {nn.Linear}), folder),
    "frozen": lambda net, folder: frozen(torch_dynamic(net, {nn.Linear}), folder),
    "onnx-dynamic": dynamic_onnx,
    "onnx-qdq": qdq_onnx,
}


@pytest.mark.parametrize("kind", WRITERS)
def test_a_quantised_vit_is_never_counted_too_low(vit, tmp_path, kind):
    classifier = load(WRITERS[kind](vit, tmp_path))
    assert not classifier.uncounted
    assert size(vit) <= classifier.parameters < 1.2 * size(vit)
    assert classifier.takes_single_images == (kind != "onnx-qdq")
    assert (classifier.raw(IMAGES) - vit(IMAGES)).abs().max() < 0.5


def qdq_openvino(net: nn.Module, folder: Path) -> Path:
    openvino.save_model(openvino.convert_model(qdq_onnx(net, folder)), folder / "net.xml")
    return folder / "net.xml"


STATIC_WRITERS = {
    "openvino": qdq_openvino,
    "torchscript": lambda net, folder: script(static(net), folder),
    "frozen": lambda net, folder: frozen(static(net), folder),
    "onnx-dynamic": dynamic_onnx,
    "onnx-qdq": qdq_onnx,
    "onnx-operators": operators_onnx,
}


@pytest.mark.parametrize("kind", STATIC_WRITERS)
def test_a_quantised_cnn_is_never_counted_too_low(cnn, tmp_path, kind):
    classifier = load(STATIC_WRITERS[kind](cnn, tmp_path))
    assert not classifier.uncounted
    assert size(cnn) <= classifier.parameters < 1.2 * size(cnn)
    assert (classifier.raw(IMAGES) - cnn(IMAGES)).abs().max() < 0.1
    assert classifier.takes_single_images == (kind == "onnx-dynamic")


@pytest.fixture
def as_callable(tmp_path, monkeypatch) -> Callable[[nn.Module], str]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    Path("zoo_int8.py").write_text("NET = None\ndef net():\n    return NET\n", encoding="utf-8")

    def spec(net: nn.Module) -> str:
        import zoo_int8

        zoo_int8.NET = net
        return "zoo_int8:net"

    yield spec
    sys.modules.pop("zoo_int8", None)


def test_callables(vit, cnn, as_callable):
    assert load(as_callable(torch_dynamic(vit, {nn.Linear}))).parameters == size(vit)
    assert load(as_callable(static(cnn))).parameters == size(cnn)


def test_packed_weights_that_cannot_be_unpacked(vit, tmp_path, monkeypatch):
    path = script(torch_dynamic(vit, {nn.Linear}), tmp_path)
    monkeypatch.setattr("quba_check.models.programs.weights._unpacked", lambda _: None)
    assert load(path).uncounted == "the program holds packed weights that cannot be counted"


def test_a_quantised_state_dict(cnn, vit, tmp_path):
    path = tmp_path / "int8.pt"
    for net in (static(cnn), torch_dynamic(vit, {nn.Linear})):
        for content in (net.state_dict(), {"state_dict": net.state_dict(), "epoch": 1}):
            torch.save(content, path)
            assert refusal(path, TEN, arch="resnet18") == (
                f"{path}: holds the state dict of a quantised module, which no architecture of timm takes. "
                "Write a function that builds and quantises the model and loads the file, and give "
                "--model=package.module:callable (docs/models.md)."
            )


class Pt2e(nn.Module):
    """The form of a layer that PT2E quantised: weights in 8 bits, next to those that they replaced."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(10, 48)), nn.Parameter(torch.randn(10))
        self.register_buffer("scale", self.weight.detach().abs().amax(1) / 127)
        self.register_buffer("zero_point", torch.zeros(10, dtype=torch.int64))
        rounded = (self.weight / self.scale[:, None]).detach().round()
        self.register_buffer("frozen", rounded.to(torch.int8))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        weight = torch.ops.quantized_decomposed.dequantize_per_channel(
            self.frozen, self.scale, self.zero_point, 0, -128, 127, torch.int8
        )
        return nn.functional.linear(nn.functional.avg_pool2d(images, 4).flatten(1), weight, self.bias)


def test_an_exported_program_of_pt2e(tmp_path):
    net = Pt2e().eval()
    program = torch.export.export(net, (IMAGES,))
    torch.export.save(program, tmp_path / "net.pt2")
    classifier = load(tmp_path / "net.pt2", trust_pickle=True)
    assert (classifier.raw(IMAGES) - net(IMAGES)).abs().max() < 1e-4
    # Weights and their scales in 8 bits, and biases; not the weights that they replaced.
    assert classifier.parameters == 480 + 10 + 10
