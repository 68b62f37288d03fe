"""ONNX files: outputs, properties, and the exact message for each unusable file."""

from functools import partial

import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from support.loaded_models import THREE, images, message, refusal, size
from support.loaded_models import load as load_model
from support.onnx_files import colours, export, mean_of_colours, plain

from quba_check.errors import UnmeasurableError
from quba_check.models.flops import count_flops
from quba_check.models.programs.onnx_runtime import read_graph

load = partial(load_model, classes=THREE, image_size=8)


@pytest.fixture
def colours_file(tmp_path):
    """An ONNX file that answers with the mean of each colour."""
    return mean_of_colours(tmp_path / "x.onnx")


def test_a_batchnorm_that_the_exporter_folds_does_not_count(tmp_path):
    classifier = load(export(colours(), tmp_path / "x.onnx"))
    assert classifier.facts.parameters == size(plain()) == 127
    with pytest.raises(UnmeasurableError) as raised:
        count_flops(classifier)
    assert raised.value.reason == "torch counts no FLOPs in it: the model runs outside of torch"


def test_a_free_size_is_the_suites(tmp_path):
    assert load(mean_of_colours(tmp_path / "x.onnx"), image_size=16).preprocessing.input_size == (3, 16, 16)


@pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.DOUBLE])
def test_other_floats_are_cast(tmp_path, kind):
    classifier = load(mean_of_colours(tmp_path / "x.onnx", kind=kind))
    expected = images(4).mean(dim=(2, 3))
    torch.testing.assert_close(classifier.raw(images(4)), expected, atol=1e-3, rtol=1e-3)


def test_weights_may_be_stored_in_another_file(colours_file, tmp_path):
    whole = load(colours_file)
    model = onnx.load(colours_file)
    onnx.save(model, colours_file, save_as_external_data=True, location="x.data", size_threshold=0)
    parted = load(colours_file)
    assert parted.facts.parameters == whole.facts.parameters == 9
    torch.testing.assert_close(parted.raw(images(2)), whole.raw(images(2)))
    contents = (tmp_path / "x.data").read_bytes()
    (tmp_path / "x.data").write_bytes(contents[:-1] + b"\x01")
    assert load(colours_file).fingerprint != parted.fingerprint
    (tmp_path / "x.data").unlink()
    assert refusal(colours_file) == "x.data: cannot be read (No such file or directory)."


def test_weights_are_counted_wherever_they_are_stored(tmp_path):
    def tensor(shape, name="", dtype="float32"):
        return numpy_helper.from_array(torch.ones(shape).numpy().astype(dtype), name)

    def constant(name, **value):
        return helper.make_node("Constant", [], [name], **value)

    def output(name, kind=TensorProto.FLOAT):
        return helper.make_tensor_value_info(name, kind, None)

    indices = helper.make_tensor("i", TensorProto.INT64, [4], [0, 1, 2, 3])
    sparse = helper.make_sparse_tensor(tensor(4, "v"), indices, [9])
    branch = helper.make_graph(
        [helper.make_node("Identity", ["inner"], ["out"])],
        "branch",
        [],
        [output("out")],
        [tensor(5, "inner")],
    )
    opset = [helper.make_opsetid("", 17)]
    function = helper.make_function("mine", "F", [], ["f"], [constant("f", value_floats=[0.5] * 7)], opset)
    nodes = [
        constant("c", value=tensor((2, 2))),
        constant("one", value=tensor(1)),
        helper.make_node("If", ["yes"], ["y"], then_branch=branch, else_branch=branch),
        constant("a", value_floats=[0.5] * 30),
        constant("b", value_float=0.5),
        constant("s", sparse_value=sparse),
        constant("d", value_ints=[1, 2, 3]),
    ]
    initialisers = [
        tensor((3, 7), "w"),
        tensor(11, "quantised", "int8"),
        tensor(13, "shape", "int64"),
        tensor((), "eps"),
        helper.make_tensor("narrow", TensorProto.INT4, [6], [1] * 6),
        helper.make_tensor("texts", TensorProto.STRING, [2], [b"cat", b"dog"]),
    ]
    graph = helper.make_graph(nodes, "main", [], [output("y")], initialisers, sparse_initializer=[sparse])
    onnx.save(helper.make_model(graph, functions=[function]), tmp_path / "x.onnx")
    weights = read_graph(tmp_path / "x.onnx", spec="x.onnx").weights
    floats = 4 + 2 * 5 + 30 + 4 + 4 + 7 + 21
    assert weights.parameters == floats + 11 + 6
    # Two single numbers, the integers of 8 and of 4 bits, the shape, and the indices of sparse tensors.
    assert weights.size == 4 * (floats + 2) + 11 + 3 + 8 * 13 + 2 * 8 * 4


@pytest.mark.parametrize("name", ["/etc/passwd", "../weights.data", "parts/../../weights.data", "a\0b.data"])
def test_weights_outside_of_the_folder_are_refused(colours_file, name):
    model = onnx.load(colours_file)
    (weights,) = model.graph.initializer
    onnx.external_data_helper.set_external_data(weights, name)
    weights.ClearField("raw_data")
    onnx.save(model, colours_file)
    assert message(read_graph, colours_file, spec="x.onnx") == (
        f"x.onnx: keeps weights outside of its folder, got {name!r}. "
        "Allowed: files in the folder of the ONNX file. Save it again with onnx.save."
    )


@pytest.mark.parametrize("shape", [("n", 3, "h", "w"), (4, 3, 8, 8)])
def test_a_graph_whose_scale_depends_on_the_batch_gets_one_image_at_a_time(tmp_path, shape):
    from onnxruntime.quantization import QuantType, quantize_dynamic

    whole = mean_of_colours(tmp_path / "whole.onnx", shape=shape)
    quantize_dynamic(whole, tmp_path / "small.onnx", weight_type=QuantType.QInt8)
    classifier = load(tmp_path / "small.onnx")
    pixels = images(4).abs() * torch.tensor([0.1, 1, 10, 100])[:, None, None, None]
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


def test_a_program_runs_as_it_is(colours_file):
    classifier = load(colours_file, precision="bf16", runtime="compile")
    assert (classifier.compute.reason, classifier.may_change_compute) == (
        "exported programs run as they are",
        False,
    )
    assert classifier.compute.precision == "fp32"
    assert classifier.libraries == {"onnxruntime": onnxruntime.__version__}
    assert f"{colours_file} computes in its own precision, not in bf16" in classifier.notes
    assert f"{colours_file}: --quba-runtime=compile has no effect on exported programs" in classifier.notes


def test_an_operator_that_onnxruntime_does_not_know(colours_file):
    model = onnx.load(colours_file)
    model.graph.node[1].domain = "of.mine"
    model.opset_import.append(helper.make_opsetid("of.mine", 1))
    onnx.save(model, colours_file)
    text = refusal(colours_file)
    assert text.startswith(f"x.onnx: onnxruntime {onnxruntime.__version__} cannot load it: Fail: ")
    assert text.endswith("of.mine:Flatten(-1) is not a registered function/op")


def test_a_gpu_that_onnxruntime_cannot_use(tmp_path, monkeypatch):

    path = mean_of_colours(tmp_path / "x.onnx")
    monkeypatch.setattr("quba_check.models.compute.resolve_device", lambda *_: torch.device("cuda", 0))
    classifier = load(path, device="auto")
    assert classifier.device == torch.device("cpu")
    runtime = f"onnxruntime {onnxruntime.__version__}"
    assert f"{path} runs on the CPU: {runtime} has no CUDA provider that works here" in classifier.notes
    assert refusal(path, THREE, device="cuda") == (
        f"x.onnx: {runtime} cannot run it on cuda. "
        "Install onnxruntime-gpu for CUDA, or give --quba-device=cpu."
    )


def test_a_provider_that_onnxruntime_lacks(tmp_path):

    path = mean_of_colours(tmp_path / "x.onnx")
    assert refusal(path, THREE, device="tensorrt") == (
        f"x.onnx: onnxruntime {onnxruntime.__version__} has no TensorrtExecutionProvider, which "
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


def test_a_provider_is_noted_and_its_predictions_are_its_own(colours_file, with_tensorrt):
    on_cpu = load(colours_file)
    classifier = load(colours_file, device="tensorrt")
    torch.testing.assert_close(classifier.raw(images(3)), on_cpu.raw(images(3)))
    assert classifier.device == torch.device("cpu")
    assert classifier.fingerprint != on_cpu.fingerprint
    assert any(note.endswith(" with TensorrtExecutionProvider") for note in classifier.notes)


def test_a_provider_that_does_not_work(tmp_path, with_tensorrt, monkeypatch):
    monkeypatch.setattr(with_tensorrt, "works", False)
    assert refusal(mean_of_colours(tmp_path / "x.onnx"), THREE, device="tensorrt").endswith(
        "cannot run it on tensorrt. Its TensorrtExecutionProvider does not work here. Give --quba-device=cpu."
    )
