"""OpenVINO files: outputs, counts, and the exact message for each unusable file."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import numpy as np
import openvino
import pytest
import torch
from openvino import opset13 as ops
from support.loaded_models import load as load_model
from support.loaded_models import refusal
from support.onnx_files import colours, export

from quba_check.models.programs.openvino_ir import PARAMETERS

THREE = ("red", "green", "blue")
load = partial(load_model, classes=THREE, image_size=8)


def images(count: int) -> torch.Tensor:
    return torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(count))


def convert(onnx: Path, path: Path, *, half: bool = False) -> Path:
    openvino.save_model(openvino.convert_model(onnx), path, compress_to_fp16=half)
    return path


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The same network for any number of images, for two at a time, and with weights in 16 bits."""
    folder = tmp_path_factory.mktemp("exported")
    net = colours()
    any_number = export(net, folder / "any.onnx")
    two = export(net, folder / "two.onnx", fixed=True)
    files = [convert(any_number, folder / "any.xml"), convert(two, folder / "two.xml")]
    return net, [*files, convert(any_number, folder / "half.xml", half=True)]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_it_answers_as_the_network_that_was_exported(exported, count):
    net, files = exported
    for path, tolerance in zip(files, (1e-5, 1e-5, 0.02), strict=True):
        classifier = load(path)
        torch.testing.assert_close(
            classifier.raw(images(count)), net(images(count)), atol=tolerance, rtol=1e-3
        )
        assert classifier.parameters == 127
        assert classifier.weight_bytes == path.with_suffix(".bin").stat().st_size


def test_answers_of_an_earlier_batch_stay(exported):
    classifier = load(exported[1][0])
    first = classifier.raw(images(2))
    before = first.clone()
    classifier.raw(images(2) * 3)
    assert torch.equal(first, before)


def test_what_is_known_of_it(exported, tmp_path):
    _, (any_number, two, half) = exported
    classifier = load(two)
    assert classifier.no_gradient == "an OpenVINO model gives no gradients, which FGSM and PGD need"
    assert classifier.preprocessing.input_size == (3, 8, 8)
    assert classifier.notes[:2] == (
        PARAMETERS,
        "its batch size is fixed to 2: images are given in batches of that size",
    )
    assert sorted(classifier.files) == ["two.bin", "two.xml"]
    assert len({load(path).fingerprint for path in (any_number, two, half)}) == 3


def save(path: Path, output: openvino.Node, first: openvino.Node) -> Path:
    openvino.save_model(openvino.Model([output], [first], "made"), path, compress_to_fp16=False)
    return path


def test_ranges_and_shapes_do_not_count(tmp_path):
    first = ops.parameter([-1, 3, 8, 8], np.float32, name="images")
    low, high = (ops.constant(np.full((1, 3, 1, 1), value, np.float32)) for value in (-1, 1))
    x = ops.fake_quantize(first, low, high, low, high, 256)
    x = ops.reduce_mean(x, ops.constant(np.array([2, 3], np.int64)), keep_dims=False)
    weights = ops.convert(ops.constant(np.ones((3, 3), np.int8)), np.float32)
    step = ops.constant(np.full((3, 1), 0.1, np.float32))
    x = ops.matmul(x, ops.multiply(weights, step), False, True)
    bias = ops.convert(ops.constant(np.arange(3, dtype=np.int32)), np.float32)
    x = ops.gather(ops.add(x, bias), ops.constant(np.arange(3, dtype=np.int32)), ops.constant(1))
    # Nine weights in 8 bits, their three steps, and three biases.
    assert load(save(tmp_path / "x.xml", x, first)).parameters == 9 + 3 + 3


def test_graphs_with_bodies_are_not_counted(tmp_path):
    first = ops.parameter([-1, 3, 8, 8], np.float32, name="images")
    x = ops.reduce_mean(first, ops.constant(np.array([2, 3], np.int64)), keep_dims=False)
    branches = []
    for factor in (1, 2):
        inner = ops.parameter([-1, 3], np.float32)
        scaled = ops.multiply(inner, ops.constant(np.full((1, 3), factor, np.float32)))
        branches.append((openvino.Model([scaled], [inner], "branch"), inner))
    condition = ops.greater(ops.reduce_sum(x, ops.constant([0, 1])), ops.constant(np.float32(0)))
    choice = ops.if_op(condition.output(0))
    choice.set_then_body(branches[0][0])
    choice.set_else_body(branches[1][0])
    choice.set_input(x.output(0), branches[0][1], branches[1][1])
    output = choice.set_output(branches[0][0].results[0], branches[1][0].results[0])
    classifier = load(save(tmp_path / "x.xml", output, first))
    assert classifier.uncounted == "the OpenVINO file has the operator If, whose weights cannot be counted"


def test_channels_last(tmp_path):
    first = ops.parameter([-1, 8, 8, 3], np.float32, name="images")
    path = save(tmp_path / "x.xml", ops.reduce_mean(first, ops.constant(np.array([1, 2])), False), first)
    torch.testing.assert_close(load(path).raw(images(2)), images(2).mean(dim=(2, 3)))


@pytest.mark.parametrize(
    ("shape", "dtype", "described"),
    [
        ([-1, 192], np.float32, "'images' of f32 (-1, 192)"),
        ([1, 3, 8, 8], np.uint8, "'images' of u8 (1, 3, 8, 8)"),
    ],
)
def test_inputs_that_take_no_images(tmp_path, shape, dtype, described):
    first = ops.parameter(shape, dtype, name="images")
    first.output(0).set_names({"images"})
    path = save(tmp_path / "x.xml", ops.convert(first, np.float32), first)
    assert refusal(path) == (
        f"{path}: the graph does not take a batch of images, got the input {described}. Allowed: one input "
        "of float numbers, shaped (images, 3, height, width) or (images, height, width, 3)."
    )


@pytest.mark.parametrize("elsewhere", [False, True])
def test_weights_that_are_missing_or_elsewhere(exported, tmp_path, elsewhere):
    path = tmp_path / "net.xml"
    path.write_bytes(exported[1][0].read_bytes())
    if elsewhere:
        (tmp_path / "weights").mkdir()
        (tmp_path / "weights" / "net.bin").write_bytes(exported[1][0].with_suffix(".bin").read_bytes())
    assert refusal(path) == (
        f"{path}: its weights are missing, got no file net.bin next to it. "
        "Copy both files of the model into one folder."
    )


@pytest.mark.parametrize("content", ["", "<html><body/></html>", "no XML", "<?xml version='1.0'?><a/>"])
def test_other_xml(tmp_path, content):
    path = tmp_path / "x.xml"
    path.write_text(content)
    path.with_suffix(".bin").write_bytes(b"")
    assert refusal(path) == f"{path}: is not an OpenVINO model, or is damaged."


@pytest.mark.parametrize("content", ["<net/>", "<net name='x' version='11'>"])
def test_damaged_files(tmp_path, content):
    path = tmp_path / "x.xml"
    path.write_text(content)
    path.with_suffix(".bin").write_bytes(b"")
    message = refusal(path)
    assert message.startswith(f"{path}: openvino ")
    assert " cannot load it: " in message


def test_weights_that_are_cut_off(exported, tmp_path):
    path = tmp_path / "net.xml"
    path.write_bytes(exported[1][0].read_bytes())
    path.with_suffix(".bin").write_bytes(exported[1][0].with_suffix(".bin").read_bytes()[:50])
    assert " cannot load it: " in refusal(path)


def test_a_package_that_is_not_installed(exported, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    path = exported[1][0]
    assert refusal(path) == (
        f"{path}: an OpenVINO model needs openvino, which is not installed. "
        'Install it: pip install "quba-check[openvino]".'
    )


def test_the_reason_follows_the_places_in_source_code(exported, tmp_path):
    path = tmp_path / "x.xml"
    path.with_suffix(".bin").write_bytes(exported[1][0].with_suffix(".bin").read_bytes())
    path.write_text(exported[1][0].read_text().replace('type="MatMul"', 'type="MatMulX"'))
    message = refusal(path)
    assert message.startswith(f"{path}: openvino ")
    assert ".cpp:" not in message
    assert "MatMulX" in message
