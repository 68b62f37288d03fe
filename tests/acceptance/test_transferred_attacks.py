"""Exports without gradients, which are shown images that were attacked on their network."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, quantize_static
from PIL import Image
from support.gate import Gate
from support.onnx_files import colours, export
from torch import nn

from quba_check.engine.attacks import start_noise
from quba_check.records.record import Record

CONFIG = """
input_size: [3, 8, 8]
mean: [0.5, 0.5, 0.5]
std: [0.25, 0.25, 0.25]
interpolation: bilinear
crop_pct: 1.0
"""
NETS = """
from support.onnx_files import colours

CONFIG = {"input_size": (3, 8, 8), "mean": (0.5,) * 3, "std": (0.25,) * 3, "interpolation": "bilinear"}


def made(crop_pct=1.0):
    net = colours()
    net.quba_config = CONFIG | {"crop_pct": crop_pct}
    return net


def cropped():
    return made(0.875)


def other():
    net = made()
    net[5].weight.data = net[5].weight.data.roll(1, 0)
    return net
"""
PARTS = ("fgsm_accuracy", "pgd_accuracy", "worst_case")
THRESHOLDS = f"""
dimensions:
  adversarial_robustness: {{min: 0.01, parts: {{{", ".join(f"{part}: {{min: 0.01}}" for part in PARTS)}}}}}
"""
OTHERS = "corruption_robustness, ood_robustness, object_focus, shape_bias, class_balance, calibration_error"
GRADE = f"""
quba:
  min_score: -100
  population: demo
  allow_other_suite: true
  allow_missing: [{OTHERS}, parameters]
"""
RADIUS = 8 / 255
COLOURS = ("red", "green", "blue")


class Noise(CalibrationDataReader):
    """Four batches of normalised noise."""

    def __init__(self, name: str) -> None:
        generator = torch.Generator().manual_seed(0)
        self.batches = iter([{name: torch.randn(4, 3, 8, 8, generator=generator).numpy()} for _ in range(4)])

    def get_next(self) -> Any:
        """Return the next batch; None after the last."""
        return next(self.batches, None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A suite of three colours in noise, and a network as float and int8 ONNX files."""
    root = tmp_path_factory.mktemp("transfer")
    rng = np.random.default_rng(0)
    for number, name in enumerate(COLOURS):
        (root / "data" / "clean" / name).mkdir(parents=True)
        for k in range(30):
            pixels = rng.normal(120, 30, (8, 8, 3))
            pixels[..., number] += rng.uniform(0, 25)
            image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
            image.save(root / "data" / "clean" / name / f"{k:02}.png")
    manifest = (
        "schema: 1\nname: x\nclasses: [red, green, blue]\nsets: {clean: {path: clean, reader: folder}}\n"
    )
    (root / "data" / "quba-data.yaml").write_text(manifest)
    (root / "transfer_nets.py").write_text(NETS)
    (root / "prep.yaml").write_text(CONFIG)
    export(colours(), root / "float.onnx", batch=4)
    reader = Noise(onnx.load(root / "float.onnx").graph.input[0].name)
    quantize_static(root / "float.onnx", root / "int8.onnx", reader)
    stated = onnx.load(root / "float.onnx")
    for key, value in {"task": "classify", "imgsz": "[8, 8]", "names": "['red', 'green', 'blue']"}.items():
        stated.metadata_props.add(key=key, value=value)
    onnx.save(stated, root / "stated.onnx")
    return root


@pytest.fixture
def gate(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Gate:
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    return Gate(tmp_path, folder / "data", tmp_path / "store", "int8.onnx")


def judged(gate: Gate, text: str = THRESHOLDS, reference: str | None = "made", **options: Any) -> Record:
    """Return the record of an ONNX file."""
    options = {"preprocessing": "prep.yaml", "device": "cpu"} | options
    return gate.judge(text, reference=reference and f"transfer_nets:{reference}", **options)


def robustness(record: Record) -> Any:
    return record.measurements["adversarial_robustness"]


def own_loop(folder: Path, model: str) -> tuple[NDArray[np.bool_], ...]:
    """Return whether each image fools the network under PGD, and the file is right on clean, FGSM and PGD."""
    paths = sorted(
        (folder / "data" / "clean").rglob("*.png"), key=lambda path: (COLOURS.index(path.parent.name), path)
    )
    images = np.stack([np.array(Image.open(path)) for path in paths])
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    label = torch.arange(3).repeat_interleave(30)
    net = colours()
    session = onnxruntime.InferenceSession(folder / model)
    name = session.get_inputs()[0].name

    def is_right(points: torch.Tensor) -> NDArray[np.bool_]:
        scores = session.run(None, {name: ((points - 0.5) / 0.25).numpy()})[0]
        return np.asarray(scores.argmax(axis=1) == label.numpy())

    def step(points: torch.Tensor, size: float) -> tuple[torch.Tensor, NDArray[np.bool_]]:
        points = points.detach().requires_grad_()
        logits = net((points - 0.5) / 0.25)
        (direction,) = torch.autograd.grad(
            nn.functional.cross_entropy(logits, label, reduction="sum"), points
        )
        return (points + size * direction.sign()).detach(), (logits.argmax(1) != label).numpy()

    fgsm = step(pixels, RADIUS)[0].clamp(0, 1)
    noise = torch.stack([start_noise((3, 8, 8), k, 0, RADIUS) for k in range(len(pixels))])
    current = (pixels + noise).clamp(0, 1)
    fooled = np.zeros(len(pixels), bool)
    for _ in range(10):
        current, wrong = step(current, RADIUS / 4)
        current = current.clamp(min=pixels - RADIUS, max=pixels + RADIUS).clamp(0, 1)
        fooled |= wrong
    fooled |= step(current, 0)[1]
    return fooled, is_right(pixels), is_right(fgsm), is_right(current)


@pytest.mark.parametrize("model", ["float.onnx", "int8.onnx"])
def test_values_equal_an_own_loop_over_the_same_images(gate: Gate, folder: Path, model: str) -> None:
    row = robustness(judged(gate, model=model))
    fooled, clean, fgsm, pgd = own_loop(folder, model)
    assert row.parts["fgsm_accuracy"].value == pytest.approx(fgsm.mean())
    assert row.parts["pgd_accuracy"].value == pytest.approx(pgd.mean())
    assert row.parts["worst_case"].value == pytest.approx((clean & fgsm & pgd).mean() / clean.mean())
    assert row.value == pytest.approx(np.sqrt(fgsm.mean() * pgd.mean()) / clean.mean())
    assert 0.05 < pgd.mean() <= fgsm.mean() < clean.mean()
    assert row.notes == (
        "transferred: the images are attacked on the reference transfer_nets:made. An upper limit: an attack "
        f"on the model itself could be stronger. PGD fools the reference on {100 * fooled.mean():.1f} % of "
        f"the images, both on {100 * (fooled & ~pgd).mean():.1f} %",
    )


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"reference": None}, "; its network in torch, as --quba-reference, can be attacked in its place"),
        (
            {"reference": "cropped", "model": "stated.onnx", "preprocessing": None},
            ", and the reference prepares other pixels (8 × 8, bilinear, crop 0.875, mean 0.5, std 0.25)",
        ),
        ({"protocol": "released"}, ""),
    ],
)
def test_attacks_that_cannot_be_transferred(gate: Gate, options: dict[str, Any], reason: str) -> None:
    row = robustness(judged(gate, **options))
    assert row.unmeasurable == f"an ONNX model gives no gradients, which FGSM and PGD need{reason}"


def test_a_reference_of_other_weights(gate: Gate) -> None:
    notes = robustness(judged(gate, reference="other")).notes
    assert any("does not fit: few images fool both models" in note for note in notes)


def test_a_drop_needs_the_same_attacks(gate: Gate, tmp_path: Path) -> None:
    """The reference's own value is of attacks on itself."""
    text = "dimensions: {adversarial_robustness: {max_drop: 0.9}}"
    (row,) = judged(gate, text).verdicts
    assert row.outcome == "unmeasurable"
    assert "is of attacks computed on another model" in row.message
