"""TFLite files: outputs, counts, and the exact message for each unusable file."""

from __future__ import annotations

import sys
import zipfile
from functools import partial

import numpy as np
import pytest
import torch
from support.loaded_models import load as load_model
from support.loaded_models import refusal
from support.tflite_files import TFLiteWriter, write_tflite
from torch import nn

from quba_check.models.programs.tflite import PARAMETERS

THREE = ("red", "green", "blue")
load = partial(load_model, classes=THREE, image_size=8)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    conv, linear = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(4, 3)
    return nn.Sequential(conv, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), linear).eval()


def images(count: int) -> torch.Tensor:
    return torch.randn(count, 3, 8, 8, generator=torch.Generator().manual_seed(count))


FORMS = {
    "float": ({}, 1e-6),
    "one": ({"batch": 1}, 1e-6),
    "two": ({"batch": 2}, 1e-6),
    "channels-first": ({"channels_last": False}, 1e-6),
    "half-weights": ({"half_weights": True}, 1e-3),
    "int8": ({"numbers": "int8"}, 0.02),
    "uint8": ({"numbers": "uint8"}, 0.02),
    "int8-one": ({"numbers": "int8", "batch": 1}, 0.02),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("count", [1, 5])
def test_it_answers_as_the_network(tmp_path, form, count):
    options, tolerance = FORMS[form]
    net = network()
    classifier = load(write_tflite(net, tmp_path / "x.tflite", **options))
    answers = classifier.raw(images(count))
    assert answers.dtype == torch.float32
    torch.testing.assert_close(answers, net(images(count)), atol=tolerance, rtol=0)
    # Batches of other sizes one after another give the same answers.
    assert torch.equal(torch.cat([classifier.raw(images(count)[k : k + 1]) for k in range(count)]), answers)
    assert classifier.parameters == sum(parameter.numel() for parameter in net.parameters()) == 127
    assert not classifier.uncounted
    narrow = "numbers" in options or "half_weights" in options
    assert (127 < classifier.weight_bytes < 4 * 127) if narrow else (classifier.weight_bytes == 4 * 127)


def test_a_quantised_input_is_rounded_and_clipped(tmp_path):
    writer = TFLiteWriter()
    first = writer.tensor("images", (1, 1, 1, 3), "int8", scale=(0.5, 3))
    out = writer.tensor("logits", (1, 1, 1, 3), "float32")
    writer.operator("DEQUANTIZE", [first], [out])
    classifier = load(writer.write(tmp_path / "x.tflite", [first], [out]))
    values = torch.tensor([0.74, -1000.0, 1000.0]).view(1, 3, 1, 1)
    # By hand: 0.74 / 0.5 = 1.48 rounds to 1; the ends of int8 are (-128 - 3) / 2 and (127 - 3) / 2.
    assert classifier.module(values).flatten().tolist() == [0.5, -65.5, 62.0]


def test_what_is_known_of_it(tmp_path):
    path = write_tflite(network(), tmp_path / "net.tflite", batch=2)
    classifier = load(path)
    assert classifier.no_gradient == "a TFLite model gives no gradients, which FGSM and PGD need"
    assert classifier.preprocessing.input_size == (3, 8, 8)
    assert classifier.notes[:2] == (
        PARAMETERS,
        "its batch size is fixed to 2: images are given in batches of that size",
    )
    assert list(classifier.files) == ["net.tflite"]
    assert classifier.trainable == 0
    moved = load(path.rename(tmp_path / "other.tflite"))
    assert moved.fingerprint == classifier.fingerprint
    assert load(write_tflite(network(), path)).fingerprint != classifier.fingerprint


def test_shared_shapes_and_single_numbers_do_not_count(tmp_path):
    writer = TFLiteWriter()
    first = writer.tensor("images", (1, 4, 4, 3))
    writer.tensor("shape", (4,), "int32", np.arange(4))
    writer.tensor("epsilon", (1,), "float32", np.ones(1))
    writer.tensor("weights", (5, 7), "int8", np.ones((5, 7)))
    writer.tensor("bias", (5,), "int32", np.ones(5), scale=(0.1, 0))
    mean = writer.tensor("mean", (1, 3))
    axes = writer.tensor("axes", (2,), "int32", np.array([1, 2]))
    writer.operator("MEAN", [first, axes], [mean])
    assert load(writer.write(tmp_path / "x.tflite", [first], [mean])).parameters == 35 + 5


def test_weights_in_another_file_are_refused(tmp_path):
    writer = TFLiteWriter()
    first, mean = writer.tensor("images", (1, 4, 4, 3)), writer.tensor("mean", (1, 3))
    axes = writer.tensor("axes", (2,), "int32", np.array([1, 2]))
    writer.operator("MEAN", [first, axes], [mean])
    writer.tensors[writer.tensor("weights", (5, 7))].externalBuffer = 1
    path = writer.write(tmp_path / "x.tflite", [first], [mean])
    assert refusal(path) == (
        f"{path}: it keeps weights in another file. Allowed: a TFLite file with its weights."
    )


def test_files_that_are_no_tflite(tmp_path):
    path = tmp_path / "x.tflite"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model", b"TFL3")
    assert refusal(path) == f"{path}: is not a TFLite file, or is damaged."
    for content in (b"", b"no model at all"):
        path.write_bytes(content)
        assert refusal(path) == f"{path}: is not a TFLite file, or is damaged."


def test_a_damaged_file(tmp_path):
    path = write_tflite(network(), tmp_path / "x.tflite")
    path.write_bytes(path.read_bytes()[:600])
    assert " cannot load it: ValueError: " in refusal(path)


@pytest.mark.parametrize(
    ("shape", "dtype", "described"),
    [
        ((1, 192), "float32", "'images' of float32 (1, 192)"),
        ((1, 8, 8, 1), "float32", "'images' of float32 (1, 8, 8, 1)"),
        ((1, 8, 8, 3), "uint8", "'images' of uint8 (1, 8, 8, 3)"),
    ],
)
def test_inputs_that_take_no_images(tmp_path, shape, dtype, described):
    writer = TFLiteWriter()
    first, out = writer.tensor("images", shape, dtype), writer.tensor("out", shape)
    order = writer.tensor("order", (len(shape),), "int32", np.arange(len(shape)))
    writer.operator("TRANSPOSE", [first, order], [out])
    path = writer.write(tmp_path / "x.tflite", [first], [out])
    assert refusal(path) == (
        f"{path}: the graph does not take a batch of images, got the input {described}. Allowed: one input "
        "of float numbers, shaped (images, 3, height, width) or (images, height, width, 3)."
    )


def test_a_package_that_is_not_installed(tmp_path, monkeypatch):
    path = write_tflite(network(), tmp_path / "x.tflite")
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    assert refusal(path) == (
        f"{path}: a TFLite model needs ai-edge-litert, which is not installed. "
        'Install it: pip install "quba-check[tflite]".'
    )
