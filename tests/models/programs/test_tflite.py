"""TFLite files: outputs, counts, and the exact message for each unusable file."""

from functools import partial

import numpy as np
import torch
from support.loaded_models import THREE, refusal
from support.loaded_models import load as load_model
from support.onnx_files import plain
from support.tflite_files import TFLiteWriter, write_tflite

load = partial(load_model, classes=THREE, image_size=8)


def test_a_quantised_input_is_rounded_and_clipped(tmp_path):
    writer = TFLiteWriter()
    first = writer.tensor("images", (1, 1, 1, 3), "int8", scale=(0.5, 3))
    out = writer.tensor("logits", (1, 1, 1, 3), "float32")
    writer.operator("DEQUANTIZE", [first], [out])
    classifier = load(writer.write(tmp_path / "x.tflite", [first], [out]))
    values = torch.tensor([0.74, -1000.0, 1000.0]).view(1, 3, 1, 1)
    # By hand: 0.74 / 0.5 = 1.48 rounds to 1; the ends of int8 are (-128 - 3) / 2 and (127 - 3) / 2.
    assert classifier.module(values).flatten().tolist() == [0.5, -65.5, 62.0]


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
    assert load(writer.write(tmp_path / "x.tflite", [first], [mean])).facts.parameters == 35 + 5


def test_weights_in_another_file_are_refused(tmp_path):
    writer = TFLiteWriter()
    first = writer.tensor("images", (1, 4, 4, 3))
    mean = writer.tensor("mean", (1, 3))
    axes = writer.tensor("axes", (2,), "int32", np.array([1, 2]))
    writer.operator("MEAN", [first, axes], [mean])
    writer.tensors[writer.tensor("weights", (5, 7))].externalBuffer = 1
    path = writer.write(tmp_path / "x.tflite", [first], [mean])
    text = "x.tflite: it keeps weights in another file. Allowed: a TFLite file with its weights."
    assert refusal(path) == text


def test_a_damaged_file(tmp_path):
    path = write_tflite(plain(), tmp_path / "x.tflite")
    path.write_bytes(path.read_bytes()[:600])
    assert " cannot load it: ValueError: " in refusal(path)
