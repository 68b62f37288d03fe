"""OpenVINO files: outputs, counts, and the exact message for each unusable file."""

import re
from functools import partial
from pathlib import Path

import pytest

pytest.importorskip("openvino")

import numpy as np
import openvino
from openvino import opset13 as ops
from support.loaded_models import THREE, refusal
from support.loaded_models import load as load_model
from support.onnx_files import export, plain, to_openvino

load = partial(load_model, classes=THREE, image_size=8)


@pytest.fixture
def written(tmp_path):
    """A network as `net.xml` and `net.bin`."""
    return to_openvino(export(plain(), tmp_path / "net.onnx"))


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
    assert load(save(tmp_path / "x.xml", x, first)).facts.parameters == 9 + 3 + 3


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
    assert (
        classifier.facts.uncounted == "the OpenVINO file has the operator If, whose weights cannot be counted"
    )


def test_weights_that_are_missing(written):
    (written.parent / "weights").mkdir()
    written.with_suffix(".bin").rename(written.parent / "weights" / "net.bin")
    assert refusal(written) == (
        "net.xml: its weights are missing, got no file net.bin next to it. "
        "Copy both files of the model into one folder."
    )


@pytest.mark.parametrize(
    ("edit", "bytes_left", "shown"),
    [
        (lambda text: "<net/>", None, ""),
        (lambda text: text[:300], None, ""),
        (lambda text: text, 50, ""),
        (lambda text: text.replace('type="MatMul"', 'type="MatMulX"'), None, "MatMulX"),
    ],
)
def test_damaged_files(written, edit, bytes_left, shown):
    weights = written.with_suffix(".bin")
    written.write_text(edit(written.read_text()))
    weights.write_bytes(weights.read_bytes()[:bytes_left])
    text = refusal(written)
    assert re.match(r"net\.xml: openvino [\d.]+ cannot load it: \w+", text)
    assert ".cpp:" not in text  # the reason follows the places in source code
    assert shown in text
