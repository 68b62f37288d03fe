"""Quantised models: answers, parameters that are never too low, and rows of rounded probabilities."""

import functools
import tempfile
from functools import partial
from pathlib import Path

import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import onnx
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_dynamic, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from support.loaded_models import OR_CODE, images, refusal, size
from support.loaded_models import load as load_model
from support.onnx_files import colours, export, plain, to_openvino
from support.quick import mostly_slow
from support.tflite_files import write_tflite
from timm.models.vision_transformer import VisionTransformer
from torch import nn
from torch.ao.quantization import DeQuantStub, QuantStub, convert, get_default_qconfig, prepare
from torch.ao.quantization import quantize_dynamic as torch_dynamic
from torch.ao.quantization.fx import _decomposed  # noqa: F401  registers its operators

from quba_check.engine.cache_keys import model_identity
from quba_check.models.classifier import Classifier
from quba_check.models.preprocessing.config import PreprocessingConfig

pytestmark = pytest.mark.filterwarnings("ignore")  # torch's quantisation and TorchScript are deprecated
IMAGES = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(1))
load = partial(load_model, image_size=16)


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
    """Images, once."""

    def __init__(self, images: torch.Tensor = IMAGES) -> None:
        self.batches = iter([{"x": images.numpy()}])

    def get_next(self) -> object:
        return next(self.batches, None)


@functools.cache
def exported(net: nn.Module, side: int) -> bytes:
    """The ONNX file of a network, made once, with the input `x`."""
    with tempfile.TemporaryDirectory() as folder:
        path = export(net, Path(folder) / "net.onnx", side=side)
        model = onnx.load(path)
        (first,) = model.graph.input
        for node in model.graph.node:
            node.input[:] = ["x" if name == first.name else name for name in node.input]
        first.name = "x"
        onnx.save(model, path)
        quant_pre_process(path, path)
        return path.read_bytes()


def float_onnx(net: nn.Module, folder: Path, side: int = 16) -> Path:
    (folder / "float.onnx").write_bytes(exported(net, side))
    return folder / "float.onnx"


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


WRITERS = {
    "openvino-dynamic": lambda net, folder: to_openvino(dynamic_onnx(net, folder)),
    "torchscript": lambda net, folder: script(torch_dynamic(net, {nn.Linear}), folder),
    "frozen": lambda net, folder: frozen(torch_dynamic(net, {nn.Linear}), folder),
    "onnx-dynamic": dynamic_onnx,
    "onnx-qdq": qdq_onnx,
}


@pytest.mark.parametrize("kind", mostly_slow(WRITERS, ("torchscript", "onnx-dynamic")))
def test_a_quantised_vit_is_never_counted_too_low(vit, tmp_path, kind):
    classifier = load(WRITERS[kind](vit, tmp_path))
    assert not classifier.facts.uncounted
    assert size(vit) <= classifier.facts.parameters < 1.2 * size(vit)
    assert classifier.takes_single_images == (kind != "onnx-qdq")
    assert (classifier.raw(IMAGES) - vit(IMAGES)).abs().max() < 0.5


STATIC_WRITERS = {
    "openvino": lambda net, folder: to_openvino(qdq_onnx(net, folder)),
    "torchscript": lambda net, folder: script(static(net), folder),
    "frozen": lambda net, folder: frozen(static(net), folder),
    "onnx-dynamic": dynamic_onnx,
    "onnx-qdq": qdq_onnx,
    "onnx-operators": operators_onnx,
}


@pytest.mark.parametrize("kind", mostly_slow(STATIC_WRITERS, ("frozen", "onnx-qdq")))
def test_a_quantised_cnn_is_never_counted_too_low(cnn, tmp_path, kind):
    classifier = load(STATIC_WRITERS[kind](cnn, tmp_path))
    assert not classifier.facts.uncounted
    assert size(cnn) <= classifier.facts.parameters < 1.2 * size(cnn)
    assert (classifier.raw(IMAGES) - cnn(IMAGES)).abs().max() < 0.1
    assert classifier.takes_single_images == (kind == "onnx-dynamic")


def test_packed_weights_that_cannot_be_unpacked(vit, tmp_path, monkeypatch):
    path = script(torch_dynamic(vit, {nn.Linear}), tmp_path)
    monkeypatch.setattr("quba_check.models.programs.weights._unpacked", lambda _: None)
    assert load(path).facts.uncounted == "the program holds packed weights that cannot be counted"


def test_a_quantised_state_dict(cnn, vit, tmp_path):
    for net in (static(cnn), torch_dynamic(vit, {nn.Linear})):
        for content in (net.state_dict(), {"state_dict": net.state_dict(), "epoch": 1}):
            torch.save(content, tmp_path / "int8.pt")
            assert refusal(tmp_path / "int8.pt", arch="resnet18") == (
                "int8.pt: holds the state dict of a quantised module, which no architecture of timm takes. "
                f"Write a function that builds and quantises the model and loads the file, and {OR_CODE}"
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
    assert classifier.facts.parameters == 480 + 10 + 10


SMALL = images(200)


def network(classes: int = 10) -> nn.Sequential:
    net = plain(classes)
    with torch.no_grad():
        net[4].weight.mul_(8)
    return net


def identity(classifier: Classifier) -> object:
    return model_identity(classifier)["outputs"]


@pytest.mark.parametrize("form", [{"numbers": "int8"}, {"numbers": "uint8"}, {"float_output": True}])
def test_rows_of_a_quantised_softmax_are_probabilities(tmp_path: Path, form: dict[str, object]) -> None:
    path = write_tflite(network(), tmp_path / "x.tflite", softmax=True, **{"numbers": "int8"} | form)
    classifier = load(path)
    raw = classifier.raw(SMALL)
    assert classifier.output_step == 1 / 256
    assert torch.equal(raw * 256, (raw * 256).round())
    assert float((raw.sum(1) - 1).abs().max()) > 3e-3
    classifier.outputs = classifier.output_kind(raw)
    assert classifier.outputs == "probabilities"
    torch.testing.assert_close(classifier.logits(raw).softmax(1), raw / raw.sum(1, keepdim=True))


def test_only_quantised_probabilities_have_another_key(tmp_path: Path) -> None:
    forms = {"float": {"softmax": True}, "logits": {"numbers": "int8"}}
    for name, form in forms.items():
        classifier = load(write_tflite(network(), tmp_path / f"{name}.tflite", **form))
        assert (classifier.output_step, identity(classifier)) == (0.0, None)
    path = write_tflite(network(), tmp_path / "x.tflite", numbers="int8", softmax=True)
    assert identity(load(path)) == 1 / 256
    stated = PreprocessingConfig({"outputs": "sigmoids"}, "preprocessing.yaml")
    assert identity(load(path, preprocessing=stated)) == "sigmoids"


@pytest.mark.parametrize(
    ("form", "step"), [(QuantFormat.QDQ, 1 / 255), (QuantFormat.QOperator, 1 / 256)], ids=["qdq", "operators"]
)
def test_steps_of_onnx_and_openvino_files(tmp_path: Path, form: QuantFormat, step: float) -> None:
    whole = float_onnx(nn.Sequential(colours(10), nn.Softmax(1)).eval(), tmp_path, side=8)
    classifier = load(whole)
    assert (classifier.output_step, identity(classifier)) == (0.0, None)
    quantize_static(whole, tmp_path / "x.onnx", Calibration(SMALL[:20]), quant_format=form)
    files = [tmp_path / "x.onnx"]
    if form == QuantFormat.QDQ:  # OpenVINO does not read the other one
        files.append(to_openvino(files[0]))
    for file in files:
        classifier = load(file)
        assert classifier.output_step == pytest.approx(step, rel=1e-3)
        raw = classifier.raw(SMALL)
        assert float((raw.sum(1) - 1).abs().max()) > 3e-3
        assert classifier.output_kind(raw) == "probabilities"
