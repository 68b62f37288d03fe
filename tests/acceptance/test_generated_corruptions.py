"""A suite that makes its corruptions: what record, remarks and grade say of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from acceptance.runs import Judge

THRESHOLDS = """\
schema: 1
name: gate
dimensions: {corruption_robustness: {min: 0.01}}
quba:
  min_score: -100
  population: %s
  allow_missing: [ood_robustness, object_focus, shape_bias]
  allow_other_suite: true
"""
REMARK = (
    "corruptions: generated@8+jpeg85 from the clean images, not the stored ImageNet-C "
    "(whose motion_blur and snow come from ImageMagick)"
)
NOTE = "generated corruptions: corruption_robustness is compared with values from the stored ImageNet-C"


@pytest.mark.parametrize(
    ("population", "is_noted"), [("published", True), pytest.param("demo", False, marks=pytest.mark.slow)]
)
def test_generated_sets_are_marked(
    judge_cold: Judge, tiny_data: Path, monkeypatch: pytest.MonkeyPatch, population: str, is_noted: bool
) -> None:
    text = (tiny_data / "quba-data.yaml").read_text(encoding="utf-8")
    stored = "{reader: folder, path: c, prepared: true}"
    assert stored in text
    text = text.replace(stored, "{generate: from clean, encode: jpeg85}").partition("  shifts:")[0]
    judge_cold.write("data/quba-data.yaml", text)
    data = judge_cold.pytester.path / "data"
    (data / "val").symlink_to(tiny_data / "val")
    monkeypatch.setenv("QUBA_DATA", str(data))
    judge_cold.write("thresholds/x.yaml", THRESHOLDS % population)
    result = judge_cold("thresholds/x.yaml", "--quba-report=record.json")
    assert result.ret == pytest.ExitCode.OK, result.outlines
    record = judge_cold.record()
    assert record["suite"]["sets"]["corruptions"] == {
        "images": 75 * 9,
        "expected": 75 * 9,
        "found": None,
        "groups": None,
        "slices": None,
        "generated": "generated@8+jpeg85",
        "preprocessing": "exact",
    }
    output = " ".join(" ".join(result.outlines).split())  # however it is wrapped
    assert REMARK in output
    assert (NOTE in record["grades"][0]["notes"]) == is_noted
    assert (NOTE in output) == is_noted
