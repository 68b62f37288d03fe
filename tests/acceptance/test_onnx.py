"""A run of the gate on an ONNX file."""

from __future__ import annotations

from pathlib import Path

import pytest
from acceptance.runs import ALL, CLEAN_IMAGES, NINE, OTHER_IMAGES, examined
from support.gate import Gate
from support.onnx_files import mean_of_colours

from quba_check.models.programs.runtime import RuntimeProgram

REASON = (
    "an ONNX model gives no gradients, which FGSM and PGD need; its network in torch, as --quba-reference, "
    "can be attacked in its place"
)


def test_eight_dimensions_are_measured_and_the_ninth_says_why_not(
    gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    forward = RuntimeProgram.forward
    monkeypatch.setattr(
        RuntimeProgram, "forward", lambda self, images: seen.append(len(images)) or forward(self, images)
    )
    mean_of_colours(tmp_path / "colours.onnx")
    demands = ALL
    record = gate.judge(demands, model=str(tmp_path / "colours.onnx"), store=tmp_path / "store")
    rows = record.measurements
    assert [name for name in NINE if "value" not in rows[name].model_fields_set] == ["adversarial_robustness"]
    assert rows["adversarial_robustness"].unmeasurable == REASON
    assert rows["parameters"].value == 9e-6
    assert rows["accuracy"].value > 0.8
    assert record.model.outputs == "logits"
    assert record.notes[0].startswith("parameters: elements of the weights in the ONNX graph")
    failed = {row.name: row for row in record.verdicts if row.outcome != "pass"}
    attacks = ["adversarial_robustness[min]", "adversarial_robustness.pgd[min]"]
    assert list(failed) == [*attacks, "shape_bias[min]", "quba.score[min]", "quba.grade[min]"]
    for name in attacks:
        assert failed[name].outcome == "unmeasurable"
        target = name.removesuffix("[min]")
        assert failed[name].message.startswith(f"{target} could not be measured: {REASON}\n")
    # Each image is shown once after the doctor's look; no pass is spent on attacks.
    assert sum(seen) == examined() + CLEAN_IMAGES + OTHER_IMAGES
    assert max(seen) <= CLEAN_IMAGES
