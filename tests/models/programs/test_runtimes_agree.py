"""One trained float network in every runtime: answers within the noise that docs/models.md states."""

from __future__ import annotations

import re
from pathlib import Path

import openvino
import pytest
import torch
from sklearn.datasets import load_digits
from support.guides import DOCS
from support.loaded_models import load
from support.onnx_files import export
from support.tflite_files import write_tflite
from torch import nn


@pytest.fixture(scope="module")
def digits() -> tuple[torch.Tensor, torch.Tensor]:
    """Images (1797, 3, 8, 8) in [-1, 1], and their labels."""
    pixels, labels = load_digits(return_X_y=True)
    images = torch.tensor(pixels, dtype=torch.float32).view(-1, 1, 8, 8).expand(-1, 3, 8, 8)
    return (images / 8 - 1).contiguous(), torch.tensor(labels)


@pytest.fixture(scope="module")
def net(digits: tuple[torch.Tensor, torch.Tensor]) -> nn.Sequential:
    """A small network, trained for some seconds."""
    torch.manual_seed(0)
    conv, linear = nn.Conv2d(3, 32, 3, padding=1), nn.Linear(32, 10)
    net = nn.Sequential(conv, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), linear)
    images, labels = digits
    optimiser = torch.optim.Adam(net.parameters(), 0.02)
    for _ in range(100):
        optimiser.zero_grad()
        nn.functional.cross_entropy(net(images), labels).backward()
        optimiser.step()
    return net.eval().requires_grad_(requires_grad=False)


def as_onnx(net: nn.Sequential, folder: Path) -> Path:
    return export(net, folder / "net.onnx")


def as_openvino(net: nn.Sequential, folder: Path) -> Path:
    model = openvino.convert_model(export(net, folder / "net.onnx"))
    openvino.save_model(model, folder / "net.xml", compress_to_fp16=False)
    return folder / "net.xml"


def as_tflite(net: nn.Sequential, folder: Path) -> Path:
    return write_tflite(net, folder / "net.tflite")


WRITERS = {"onnx": as_onnx, "openvino": as_openvino, "tflite": as_tflite}


def stated_noise() -> float:
    """The largest change of a probability that the page states."""
    (number,) = re.findall(
        r"probabilities that differ by at most (\S+)\.\s", (DOCS / "models.md").read_text("utf-8")
    )
    return float(number)


@pytest.mark.parametrize("kind", WRITERS)
def test_a_float_network_answers_alike_in_every_runtime(net, digits, tmp_path, kind: str):
    images, labels = digits
    expected = net(images)
    assert (expected.argmax(1) == labels).float().mean() > 0.6
    answers = load(WRITERS[kind](net, tmp_path), image_size=8).raw(images)
    assert torch.equal(answers.argmax(1), expected.argmax(1))
    assert (answers.softmax(1) - expected.softmax(1)).abs().max() <= stated_noise()


def test_an_int8_file_answers_nearly_alike(net, digits, tmp_path):
    images, _ = digits
    int8 = load(write_tflite(net, tmp_path / "int8.tflite", numbers="int8"), image_size=8).raw(images)
    agreement = (int8.argmax(1) == net(images).argmax(1)).float().mean()
    assert 0.9 < agreement < 1  # a parity demand is for these
