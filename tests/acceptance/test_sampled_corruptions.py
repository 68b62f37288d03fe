"""A gate run under sampled corruptions: each image once instead of 75 times."""

from __future__ import annotations

from pathlib import Path

import pytest
from acceptance.runs import Judge, examined
from support.tiny import MANIFEST

FILE = "schema: 1\ndimensions:\n  corruption_robustness: {min: 0.1}\n"


@pytest.mark.usefixtures("without_stored_check")
def test_it_costs_one_pass_an_image_and_is_marked(
    judge_cold: Judge, tiny_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge_cold.write("thresholds/x.yaml", FILE)
    head = MANIFEST.partition("  corruptions:")[0]
    judge_cold.write("data/quba-data.yaml", f"{head}  corruptions: {{generate: from clean, sample: one}}\n")
    (judge_cold.pytester.path / "data" / "val").symlink_to(tiny_data / "val")
    monkeypatch.setenv("QUBA_DATA", str(judge_cold.pytester.path / "data"))
    result = judge_cold("thresholds/x.yaml", "--quba-report=record.json")
    assert result.ret == 0, result.outlines
    assert judge_cold.passes() == {"forward": examined() + 9 + 9}
    record = judge_cold.record()
    assert record["suite"]["sample"] == "one"
    assert record["measurements"]["corruption_robustness"]["n"] == 9
    assert record["measurements"]["corruption_robustness"]["parts"] == {}
    assert any(line.startswith("corruption_robustness: gate run: each image") for line in result.outlines)
    assert judge_cold("thresholds/x.yaml").ret == 0
    assert judge_cold.passes() == {"forward": 2 * examined() + 9 + 9}
