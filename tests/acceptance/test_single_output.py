"""A network with one output for two classes, next to the same network with two."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.gate import Gate

NETS = """
import torch
from torch import nn

class Net(nn.Module):
    quba_config = {"input_size": (3, 8, 8), "mean": (0.5,) * 3, "std": (0.25,) * 3, "crop_pct": 1.0}

    def __init__(self, answer):
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(-1, 2, 192) / 40)
        self.answer = answer

    def forward(self, images):
        return self.answer(self.weight @ images.flatten(1).T + 0.3)

def one():
    return Net(lambda z: z[:, None])

def flat():
    return Net(lambda z: z)

def probability():
    return Net(lambda z: z.sigmoid())

def two():
    return Net(lambda z: torch.stack([z * 0, z], dim=1))

def reference():
    net = one()
    net.weight.data += 0.01
    return net
"""
THRESHOLDS = """
dimensions:
  accuracy: {min: 0.1}
  calibration_error: {max: 0.9, parts: {ece: {max: 0.9}}}
  adversarial_robustness: {min: 0}
  class_balance: {min: 0}
  unknown_detection: {min: 0}
classes:
  tumour:
    - {at: {probability: 0.3}, recall: {min: 0}}
    - {at: {probability: 0.6}, precision: {min: 0}}
answers:
  at: {probability: 0.7}
  accuracy: {min: 0}
parity:
  agreement: {min: 0}
  probability_change: {max: 1}
"""


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Gate:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "single_nets.py").write_text(NETS, encoding="utf-8")
    rng = np.random.default_rng(0)
    for name in ("clean/tumour", "clean/healthy", "birds"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(20):
            light = 115 if name == "clean/healthy" else 140
            pixels = rng.normal(light, 70, (8, 8, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / name / f"{number}.png")
    write_manifest(tmp_path / "data", "positive: tumour")
    return Gate(tmp_path, tmp_path / "data", tmp_path / "store")


def write_manifest(data: Path, line: str, classes: str = "[healthy, tumour]") -> None:
    sets = "sets:\n  clean: {path: clean, reader: folder}\n  unknown: {birds: birds}\n"
    text = f"schema: 1\nname: scans\nclasses: {classes}\n{line}\n{sets}"
    (data / "quba-data.yaml").write_text(text, encoding="utf-8")


def numbers(gate: Gate, model: str) -> dict[str, float]:
    """Return the value of each demand."""
    record = gate.judge(
        THRESHOLDS, model=f"single_nets:{model}", reference="single_nets:reference", device="cpu"
    )
    quantities = {row.id: record.quantity(row.dimension, row.part) for row in record.verdicts}
    return {name.partition("::")[2]: one.value for name, one in quantities.items() if one is not None}


def test_all_numbers_are_those_of_two_outputs(gate: Gate) -> None:
    expected = numbers(gate, "two")
    assert 0.6 < expected["accuracy[min]"] < 1
    assert len(expected) == 11
    for model in ("one", "flat", "probability"):
        assert numbers(gate, model) == pytest.approx(expected, abs=1e-6)


def test_the_positive_class_may_be_the_first(gate: Gate) -> None:
    expected = numbers(gate, "one")
    write_manifest(gate.data, "positive: tumour", "[tumour, healthy]")
    assert numbers(gate, "one") == pytest.approx(expected, abs=1e-6)
    write_manifest(gate.data, "positive: healthy", "[tumour, healthy]")
    assert numbers(gate, "one")["accuracy[min]"] == pytest.approx(1 - expected["accuracy[min]"])


def test_a_single_output_without_its_class(gate: Gate) -> None:
    write_manifest(gate.data, "")
    assert gate.error(THRESHOLDS, model="single_nets:one") == (
        "single_nets:one: the model gives 1 number per image, the suite has 2 classes. State the class that "
        "its one output means: positive: NAME in quba-data.yaml."
    )


@pytest.mark.parametrize(
    ("line", "classes", "text"),
    [
        ("positive: tumor", "[healthy, tumour]", "got 'tumor'. Allowed: healthy, tumour."),
        ("positive: a", "[a, b, c]", "got 'a'. Allowed: only with two classes."),
    ],
)
def test_a_positive_class_that_is_none(gate: Gate, line: str, classes: str, text: str) -> None:
    write_manifest(gate.data, line, classes)
    error = gate.error("dimensions: {accuracy: {min: 0}}", model="single_nets:one")
    assert error == f"{gate.data}/quba-data.yaml:4: positive: {text}"
