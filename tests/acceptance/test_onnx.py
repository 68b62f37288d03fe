"""The whole gate on an ONNX file."""

from __future__ import annotations

import numpy as np
from acceptance.runs import CLEAN_IMAGES, NINE, OTHER_IMAGES, examined
from support.onnx_files import mean_of_colours

REASON = "an ONNX model gives no gradients, which FGSM and PGD need"


def test_eight_dimensions_are_measured_and_the_ninth_says_why_not(judge_cold, monkeypatch):
    from quba_check.models.programs.runtime import RuntimeProgram

    seen: list[int] = []
    forward = RuntimeProgram.forward
    monkeypatch.setattr(
        RuntimeProgram, "forward", lambda self, images: seen.append(len(images)) or forward(self, images)
    )
    mean_of_colours(judge_cold.pytester.path / "colours.onnx")
    result = judge_cold("thresholds/x.yaml", "--quba-report=record.json", model="colours.onnx")
    assert result.ret == 1

    record = judge_cold.record()
    measured = [name for name in NINE if "value" in record["measurements"][name]]
    assert measured == [name for name in NINE if name != "adversarial_robustness"]
    assert record["measurements"]["adversarial_robustness"]["unmeasurable"] == REASON
    assert record["measurements"]["parameters"]["value"] == 9e-6
    assert record["measurements"]["accuracy"]["value"] > 0.8
    assert record["model"]["outputs"] == "logits"
    assert record["notes"][0].startswith("parameters: elements of the weights in the ONNX graph")

    verdicts = {row["id"].partition("::")[2]: row for row in record["verdicts"]}
    failed = [name for name, row in verdicts.items() if row["outcome"] != "pass"]
    attacks = ["adversarial_robustness[min]", "adversarial_robustness.pgd[min]"]
    assert failed == [*attacks, "shape_bias[min]", "quba.score[min]", "quba.grade[min]"]
    for name in attacks:
        assert verdicts[name]["outcome"] == "unmeasurable"
        assert verdicts[name]["message"] == (
            f"{name.removesuffix('[min]')} could not be measured: {REASON}\n  demanded by thresholds/x.yaml:5"
        )
    # Each image is shown once after the doctor's look; no pass is spent on attacks.
    assert sum(seen) == examined() + CLEAN_IMAGES + OTHER_IMAGES
    assert np.array(seen).max() <= CLEAN_IMAGES
