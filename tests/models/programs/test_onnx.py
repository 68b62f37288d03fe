"""ONNX files: outputs, properties, and the exact message for each unusable file."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from support.loaded_models import load as load_model
from support.loaded_models import refusal
from support.onnx_files import colours, export, mean_of_colours

from quba_check.errors import ModelError, UnmeasurableError
from quba_check.models.flops import count_flops
from quba_check.models.programs.onnx_runtime import read_graph

THREE = ("red", "green", "blue")
PARAMETERS = "parameters: elements of the weights in the ONNX graph, in which exporters fold layers together"
NO_IMAGES = "the graph does not take a batch of images, got the input"
ALLOWED = (
    "Allowed: one input of float numbers, shaped (images, 3, height, width) or (images, height, width, 3)."
)


load = partial(load_model, classes=THREE, image_size=8)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The same network for any number of images, and for two at a time."""
    folder = tmp_path_factory.mktemp("exported")
    net = colours()
    return net, export(net, folder / "any.onnx"), export(net, folder / "two.onnx", fixed=True)


def images(count: int, side: int = 8) -> torch.Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(count))


@pytest.mark.parametrize("count", [1, 2, 5])
def test_it_answers_as_the_network_that_was_exported(exported, count):
    net, any_number, two = exported
    for path in (any_number, two):
        answers = load(path).raw(images(count))
        assert answers.dtype == torch.float32
        assert not answers.requires_grad
        torch.testing.assert_close(answers, net(images(count)), atol=1e-5, rtol=1e-5)


def test_what_is_known_of_it(exported):
    path = exported[1]
    classifier = load(path)
    # The exporter folded the BatchNorm into the convolution, which leaves 4·27 + 4 and 3·4 + 3.
    assert classifier.parameters == 127
    assert classifier.trainable == 0
    assert classifier.weight_bytes == 4 * 127 + 8 * 4  # axes and a shape
    assert classifier.file_bytes == path.stat().st_size
    with pytest.raises(UnmeasurableError) as raised:
        count_flops(classifier)
    assert raised.value.reason == "torch counts no FLOPs in it: the model runs outside of torch"
    assert classifier.name == "any"
    assert classifier.no_gradient == "an ONNX model gives no gradients, which FGSM and PGD need"
    assert classifier.preprocessing.input_size == (3, 8, 8)
    assert classifier.preprocessing.source == (
        f"the input of {path} (interpolation, mean, std, crop_pct: the suite's defaults)"
    )
    assert classifier.notes == (
        PARAMETERS,
        f"{path} does not state its whole preprocessing; with the suite's defaults: 8 × 8, bicubic, "
        "crop 1, ImageNet mean and std",
    )


def test_a_fixed_batch_is_noted(exported):
    notes = load(exported[2]).notes
    assert notes[:2] == (PARAMETERS, "its batch size is fixed to 2: images are given in batches of that size")


def test_a_fixed_size_wins_over_the_suites(exported, tmp_path):
    assert load(exported[1], image_size=16).preprocessing.input_size == (3, 8, 8)
    free = mean_of_colours(tmp_path / "x.onnx")
    assert load(free, image_size=16).preprocessing.input_size == (3, 16, 16)


def test_the_fingerprint_is_of_the_content(tmp_path):
    first = load(mean_of_colours(tmp_path / "x.onnx"))
    moved = load((tmp_path / "x.onnx").rename(tmp_path / "y.onnx"))
    assert (moved.fingerprint, moved.checksum) == (first.fingerprint, first.checksum)
    other = load(mean_of_colours(tmp_path / "z.onnx", shape=("n", 3, 8, 8)))
    assert other.fingerprint != first.fingerprint
    assert other.checksum != first.checksum


@pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.DOUBLE])
def test_other_floats_are_cast(tmp_path, kind):
    classifier = load(mean_of_colours(tmp_path / "x.onnx", kind=kind))
    expected = images(4).mean(dim=(2, 3))
    torch.testing.assert_close(classifier.raw(images(4)), expected, atol=1e-3, rtol=1e-3)


def test_weights_may_be_stored_in_another_file(tmp_path):
    path = mean_of_colours(tmp_path / "x.onnx")
    whole = load(path)
    model = onnx.load(path)
    onnx.save(model, path, save_as_external_data=True, location="x.data", size_threshold=0)
    parted = load(path)
    assert parted.parameters == whole.parameters == 9
    torch.testing.assert_close(parted.raw(images(2)), whole.raw(images(2)))
    contents = (tmp_path / "x.data").read_bytes()
    (tmp_path / "x.data").write_bytes(contents[:-1] + b"\x01")
    assert load(path).fingerprint != parted.fingerprint
    (tmp_path / "x.data").unlink()
    assert refusal(path) == f"{tmp_path / 'x.data'}: cannot be read (No such file or directory)."


def test_weights_are_counted_wherever_they_are_stored(tmp_path):
    def tensor(shape, name="", dtype="float32"):
        return numpy_helper.from_array(torch.ones(shape).numpy().astype(dtype), name)

    inner = helper.make_graph(
        [helper.make_node("Identity", ["inner"], ["out"])],
        "branch",
        [],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [5])],
        [tensor(5, "inner")],
    )
    graph = helper.make_graph(
        [
            helper.make_node("Constant", [], ["c"], value=tensor((2, 2))),
            helper.make_node("Constant", [], ["one"], value=tensor(1)),
            helper.make_node("If", ["yes"], ["y"], then_branch=inner, else_branch=inner),
        ],
        "main",
        [],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [5])],
        [
            tensor((3, 7), "w"),
            tensor(11, "quantised", "int8"),
            tensor(13, "shape", "int64"),
            tensor((), "eps"),
        ],
    )
    onnx.save(helper.make_model(graph), tmp_path / "x.onnx")
    graph = read_graph(tmp_path / "x.onnx", spec="x.onnx")
    assert graph.weights.parameters == 4 + 2 * 5 + 21 + 11
    assert graph.weights.size == 4 * (4 + 1 + 2 * 5 + 21 + 1) + 11 + 8 * 13


def test_numbers_in_attributes_count(tmp_path):
    values = helper.make_tensor("v", TensorProto.FLOAT, [4], [1.0] * 4)
    indices = helper.make_tensor("i", TensorProto.INT64, [4], [0, 1, 2, 3])
    inner = helper.make_node("Constant", [], ["f"], value_floats=[0.5] * 7)
    function = helper.make_function("mine", "F", [], ["f"], [inner], [helper.make_opsetid("", 17)])
    graph = helper.make_graph(
        [
            helper.make_node("Constant", [], ["a"], value_floats=[0.5] * 30),
            helper.make_node("Constant", [], ["b"], value_float=0.5),
            helper.make_node(
                "Constant", [], ["c"], sparse_value=helper.make_sparse_tensor(values, indices, [9])
            ),
            helper.make_node("Constant", [], ["d"], value_ints=[1, 2, 3]),
        ],
        "constants",
        [],
        [helper.make_tensor_value_info("a", TensorProto.FLOAT, None)],
        sparse_initializer=[helper.make_sparse_tensor(values, indices, [9])],
    )
    onnx.save(helper.make_model(graph, functions=[function]), tmp_path / "x.onnx")
    graph = read_graph(tmp_path / "x.onnx", spec="x.onnx")
    assert graph.weights.parameters == 30 + 4 + 4 + 7
    assert graph.weights.size == 4 * (30 + 4 + 4 + 7) + 2 * 8 * 4  # with the indices of the sparse ones


def test_elements_that_are_narrower_than_a_byte(tmp_path):
    texts = helper.make_tensor("texts", TensorProto.STRING, [2], [b"cat", b"dog"])
    narrow = helper.make_tensor("narrow", TensorProto.INT4, [6], [1] * 6)
    output = helper.make_tensor_value_info("narrow", TensorProto.INT4, [6])
    graph = helper.make_graph([], "main", [], [output], [texts, narrow])
    onnx.save(helper.make_model(graph), tmp_path / "x.onnx")
    assert read_graph(tmp_path / "x.onnx", spec="x.onnx").weights.size == 3


@pytest.mark.parametrize("name", ["/etc/passwd", "../weights.data", "parts/../../weights.data", "a\0b.data"])
def test_weights_outside_of_the_folder_are_refused(tmp_path, name):
    path = mean_of_colours(tmp_path / "x.onnx")
    model = onnx.load(path)
    (weights,) = model.graph.initializer
    onnx.external_data_helper.set_external_data(weights, name)
    weights.ClearField("raw_data")
    onnx.save(model, path)
    with pytest.raises(ModelError) as raised:
        read_graph(path, spec="x.onnx")
    assert str(raised.value) == (
        f"x.onnx: keeps weights outside of its folder, got {name!r}. "
        "Allowed: files in the folder of the ONNX file. Save it again with onnx.save."
    )


def test_quantised_weights_count(tmp_path):
    from onnxruntime.quantization import QuantType, quantize_dynamic

    whole = mean_of_colours(tmp_path / "whole.onnx")
    quantize_dynamic(whole, tmp_path / "small.onnx", weight_type=QuantType.QInt8)
    weights = [tensor.data_type for tensor in onnx.load(tmp_path / "small.onnx").graph.initializer]
    assert TensorProto.INT8 in weights
    small = load(tmp_path / "small.onnx")
    assert small.parameters == load(whole).parameters == 9
    torch.testing.assert_close(small.raw(images(4)), load(whole).raw(images(4)), atol=0.02, rtol=0)


@pytest.mark.parametrize("shape", [("n", 3, "h", "w"), (4, 3, 8, 8)])
def test_a_graph_whose_scale_depends_on_the_batch_gets_one_image_at_a_time(tmp_path, shape):
    from onnxruntime.quantization import QuantType, quantize_dynamic

    whole = mean_of_colours(tmp_path / "whole.onnx", shape=shape)
    quantize_dynamic(whole, tmp_path / "small.onnx", weight_type=QuantType.QInt8)
    classifier = load(tmp_path / "small.onnx")
    pixels = images(4) * torch.tensor([0.1, 1, 10, 100])[:, None, None, None]
    alone = torch.cat([classifier.raw(pixels[k : k + 1]) for k in range(4)])
    assert torch.equal(classifier.raw(pixels), alone)
    assert not torch.allclose(classifier.module(pixels), alone, rtol=0.01)
    torch.testing.assert_close(alone, load(whole).raw(pixels), rtol=0.02, atol=0)
    assert classifier.takes_single_images
    assert any("is quantised dynamically" in note for note in classifier.notes)
    assert not any("is quantised dynamically" in note for note in load(whole).notes)


def test_of_several_outputs_the_table_is_read(tmp_path):
    classifier = load(mean_of_colours(tmp_path / "x.onnx", extra_outputs=["features"]))
    torch.testing.assert_close(classifier.raw(images(3)), images(3).mean(dim=(2, 3)))
    assert "the output 'logits' is used, of features, logits" in classifier.notes


def test_a_program_runs_as_it_is(tmp_path):
    path = mean_of_colours(tmp_path / "x.onnx")
    classifier = load(path, precision="bf16", compile="on")
    assert (classifier.compute.reason, classifier.is_open) == ("exported programs run as they are", False)
    assert classifier.precision == "fp32"
    assert f"{path} computes in its own precision, not in bf16" in classifier.notes
    assert (
        f"{path} is an exported program and runs as it is: --quba-compile has no effect" in classifier.notes
    )


def identity(path: Path, kind: int, shape: list[object], domain: str = "") -> Path:
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"], domain=domain)],
        "identity",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("y", kind, shape)],
    )
    opsets = [helper.make_opsetid("", 17), *([helper.make_opsetid(domain, 1)] if domain else [])]
    onnx.save(helper.make_model(graph, ir_version=10, opset_imports=opsets), path)
    return path


@pytest.mark.parametrize(
    ("kind", "shape", "described"),
    [
        (TensorProto.UINT8, ["n", 3, 8, 8], "'x' of tensor(uint8) ('n', 3, 8, 8)"),
        (TensorProto.FLOAT, ["n", 192], "'x' of tensor(float) ('n', 192)"),
        (TensorProto.FLOAT, ["n", 1, 8, 8], "'x' of tensor(float) ('n', 1, 8, 8)"),
        (TensorProto.FLOAT, ["n", 8, 8, 4], "'x' of tensor(float) ('n', 8, 8, 4)"),
    ],
)
def test_inputs_that_take_no_images(tmp_path, kind, shape, described):
    path = identity(tmp_path / "x.onnx", kind, shape)
    assert refusal(path) == f"{path}: {NO_IMAGES} {described}. {ALLOWED}"


def test_two_inputs(tmp_path):
    path = mean_of_colours(tmp_path / "x.onnx", extra_inputs=["mask"])
    assert refusal(path).startswith(f"{path}: {NO_IMAGES} 'images' of tensor(float) (")
    assert "), 'mask' of tensor(float) (" in refusal(path)


def test_an_operator_that_onnxruntime_does_not_know(tmp_path):

    path = identity(tmp_path / "x.onnx", TensorProto.FLOAT, ["n", 3, 8, 8], domain="of.mine")
    text = refusal(path)
    assert text.startswith(f"{path}: onnxruntime {onnxruntime.__version__} cannot load it: Fail: ")
    assert text.endswith("of.mine:Identity(-1) is not a registered function/op")


@pytest.mark.parametrize("content", [b"", b"no model at all", b"version https://git-lfs.github.com/spec/v1"])
def test_files_that_are_no_onnx(tmp_path, content):
    path = tmp_path / "x.onnx"
    path.write_bytes(content)
    assert refusal(path) == f"{path}: is not an ONNX file, or is damaged."


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_a_package_that_is_not_installed(tmp_path, monkeypatch, package):
    path = mean_of_colours(tmp_path / "x.onnx")
    monkeypatch.setitem(sys.modules, package, None)
    assert refusal(path) == (
        f"{path}: an ONNX model needs {package}, which is not installed. "
        'Install it: pip install "quba-check[onnx]".'
    )


def test_a_graph_that_fails_on_images(tmp_path):
    graph = helper.make_graph(
        [helper.make_node("Reshape", ["x", "to"], ["y"])],
        "reshape",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, "h", "w"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [helper.make_tensor("to", TensorProto.INT64, [2], [2, 5])],
    )
    path = tmp_path / "x.onnx"
    onnx.save(helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 17)]), path)
    with pytest.raises(ModelError, match=r"the model fails on a batch of 2 images of 3×8×8: .*Reshape node"):
        load(path).raw(images(2))


def test_a_gpu_that_onnxruntime_cannot_use(tmp_path, monkeypatch):

    path = mean_of_colours(tmp_path / "x.onnx")
    monkeypatch.setattr("quba_check.models.loading.resolve_device", lambda *_: torch.device("cuda", 0))
    classifier = load(path, device="auto")
    assert classifier.device == torch.device("cpu")
    runtime = f"onnxruntime {onnxruntime.__version__}"
    assert f"{path} runs on the CPU: {runtime} has no CUDA provider that works here" in classifier.notes
    assert refusal(path, THREE, device="cuda") == (
        f"{path}: {runtime} cannot run it on cuda. "
        "Install onnxruntime-gpu for CUDA, or give --quba-device=cpu."
    )


def test_a_provider_that_onnxruntime_lacks(tmp_path):

    path = mean_of_colours(tmp_path / "x.onnx")
    assert refusal(path, THREE, device="tensorrt") == (
        f"{path}: onnxruntime {onnxruntime.__version__} has no TensorrtExecutionProvider, which "
        f"--quba-device=tensorrt needs. Installed: {', '.join(onnxruntime.get_available_providers())}. "
        "Install a build of onnxruntime with it."
    )


SESSION = onnxruntime.InferenceSession


class ProviderSession:
    """A session of onnxruntime that takes any provider, or falls back to the CPU."""

    works = True

    def __init__(self, path, options, providers):
        self.providers = [*(providers if self.works else []), "CPUExecutionProvider"]
        self.session = SESSION(path, options, providers=["CPUExecutionProvider"])
        self.get_inputs, self.get_outputs = self.session.get_inputs, self.session.get_outputs
        self.run = self.session.run

    def get_providers(self):
        return self.providers


@pytest.fixture
def with_tensorrt(monkeypatch):
    """An onnxruntime with the provider of TensorRT, which computes on the CPU here."""
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["TensorrtExecutionProvider"])
    monkeypatch.setattr("onnxruntime.InferenceSession", ProviderSession)
    return ProviderSession


def test_a_provider_is_noted_and_its_predictions_are_its_own(tmp_path, with_tensorrt):
    path = mean_of_colours(tmp_path / "x.onnx")
    on_cpu, classifier = load(path), load(path, device="tensorrt")
    torch.testing.assert_close(classifier.raw(images(3)), on_cpu.raw(images(3)))
    assert classifier.device == torch.device("cpu")
    assert classifier.fingerprint != on_cpu.fingerprint
    assert any(note.endswith(" with TensorrtExecutionProvider") for note in classifier.notes)


def test_a_provider_that_does_not_work(tmp_path, with_tensorrt, monkeypatch):
    monkeypatch.setattr(with_tensorrt, "works", False)
    assert refusal(mean_of_colours(tmp_path / "x.onnx"), THREE, device="tensorrt").endswith(
        "cannot run it on tensorrt. Its TensorrtExecutionProvider does not work here. Give --quba-device=cpu."
    )


def test_a_graph_with_the_channels_last(tmp_path):
    path = identity(tmp_path / "x.onnx", TensorProto.FLOAT, ["n", 2, 2, 3])
    assert load(path).module(images(1, 2)).shape == (1, 2, 2, 3)
    assert torch.equal(load(path).module(images(1, 2)), images(1, 2).permute(0, 2, 3, 1))


def full_gpu(_):
    """Stands for a session whose GPU has no memory left."""
    raise ArithmeticError("[ONNXRuntimeError] : 6 : Failed to allocate memory for 4 bytes")


def test_lack_of_memory_is_torchs_error(tmp_path):
    path = mean_of_colours(tmp_path / "x.onnx")
    classifier = load(path)
    classifier.module._run = full_gpu
    with pytest.raises(torch.OutOfMemoryError, match="Failed to allocate memory for 4 bytes"):
        classifier.raw(images(1))
