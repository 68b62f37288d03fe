"""Softmax that a program quantises: rows of rounded probabilities, whose sums are not quite 1."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import openvino
import pytest
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static
from support.evaluations import new_evaluation
from support.loaded_models import load as load_model
from support.onnx_files import colours, export
from support.tflite_files import write_tflite
from support.tiny import write_suite
from torch import nn

from quba_check.engine.cache_keys import model_identity
from quba_check.models.classifier import Classifier
from quba_check.models.preprocessing.config import PreprocessingConfig

TEN = tuple("abcdefghij")
IMAGES = torch.randn(200, 3, 8, 8, generator=torch.Generator().manual_seed(0))
load = partial(load_model, classes=TEN, image_size=8)


def network(classes: int = 10) -> nn.Sequential:
    torch.manual_seed(0)
    conv, linear = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(4, classes)
    with torch.no_grad():
        linear.weight.mul_(8)
    return nn.Sequential(conv, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), linear).eval()


def identity(classifier: Classifier) -> object:
    return model_identity(classifier)["outputs"]


@pytest.mark.parametrize("form", [{"numbers": "int8"}, {"numbers": "uint8"}, {"float_output": True}])
def test_rows_of_a_quantised_softmax_are_probabilities(tmp_path: Path, form: dict[str, object]) -> None:
    path = write_tflite(network(), tmp_path / "x.tflite", softmax=True, **{"numbers": "int8"} | form)
    classifier = load(path)
    raw = classifier.raw(IMAGES)
    assert classifier.output_step == 1 / 256
    assert torch.equal(raw * 256, (raw * 256).round())
    assert float((raw.sum(1) - 1).abs().max()) > 3e-3
    classifier.outputs = classifier.output_kind(raw)
    assert classifier.outputs == "probabilities"
    torch.testing.assert_close(classifier.logits(raw).softmax(1), raw / raw.sum(1, keepdim=True))


def test_only_quantised_probabilities_have_another_key(tmp_path: Path) -> None:
    forms = {"float": {"softmax": True}, "logits": {"numbers": "int8"}}
    for name, form in forms.items():
        plain = load(write_tflite(network(), tmp_path / f"{name}.tflite", **form))
        assert (plain.output_step, identity(plain)) == (0.0, None)
    path = write_tflite(network(), tmp_path / "x.tflite", numbers="int8", softmax=True)
    assert identity(load(path)) == 1 / 256
    stated = PreprocessingConfig({"outputs": "sigmoids"}, "preprocessing.yaml")
    assert identity(load(path, preprocessing=stated)) == "sigmoids"


class Calibration(CalibrationDataReader):
    def __init__(self, name: str) -> None:
        self.batches = iter([{name: IMAGES[:20].numpy()}])

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self.batches, None)


@pytest.mark.parametrize(
    ("form", "step"), [(QuantFormat.QDQ, 1 / 255), (QuantFormat.QOperator, 1 / 256)], ids=["qdq", "operators"]
)
def test_steps_of_onnx_and_openvino_files(tmp_path: Path, form: QuantFormat, step: float) -> None:
    export(nn.Sequential(colours(10), nn.Softmax(1)).eval(), tmp_path / "float.onnx")
    plain = load(tmp_path / "float.onnx")
    assert (plain.output_step, identity(plain)) == (0.0, None)
    name = openvino.convert_model(tmp_path / "float.onnx").inputs[0].any_name
    quantize_static(tmp_path / "float.onnx", tmp_path / "x.onnx", Calibration(name), quant_format=form)
    files = [tmp_path / "x.onnx"]
    if form == QuantFormat.QDQ:  # OpenVINO does not read the other one
        openvino.save_model(openvino.convert_model(files[0]), tmp_path / "x.xml")
        files.append(tmp_path / "x.xml")
    for file in files:
        classifier = load(file)
        assert classifier.output_step == pytest.approx(step, rel=1e-3)
        raw = classifier.raw(IMAGES)
        assert float((raw.sum(1) - 1).abs().max()) > 3e-3
        assert classifier.output_kind(raw) == "probabilities"


def test_a_stated_kind_wins(tmp_path: Path) -> None:
    data = write_suite(tmp_path / "data")
    path = write_tflite(network(3), tmp_path / "x.tflite", numbers="int8", softmax=True)
    options = {"store": tmp_path / "store", "device": "cpu"}
    evaluation = new_evaluation(str(path), data, **options)
    measured = evaluation.measure("calibration_error")
    assert evaluation.classifier.outputs == "probabilities"
    stated = {
        kind: PreprocessingConfig({"outputs": kind}, "p.yaml") for kind in ("probabilities", "sigmoids")
    }
    values = {
        kind: new_evaluation(str(path), data, preprocessing=config, **options).measure("calibration_error")
        for kind, config in stated.items()
    }
    assert values["probabilities"].value == measured.value != values["sigmoids"].value
