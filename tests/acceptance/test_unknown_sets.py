"""A run on images of no class: a file that is no image blocks; without it the demands are judged."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from acceptance.runs import Judge

DEMANDS = """\
schema: 1
dimensions:
  unknown_detection: {min: 0.01, parts: {near_fpr95: {max: 1}}}
"""


def test_a_release_is_blocked_until_all_unknown_images_can_be_read(
    judge: Judge, tiny_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = judge.pytester.path / "data"
    shutil.copytree(tiny_data, data)
    file = data / "sketch" / "notes.png"
    file.write_text("no image", encoding="utf-8")
    with (data / "quba-data.yaml").open("a", encoding="utf-8") as manifest:
        manifest.write("  unknown: {near: sketch, far: night, score: energy}\n")
    monkeypatch.setenv("QUBA_DATA", str(data))
    text = (data / "quba-data.yaml").read_text(encoding="utf-8")
    (data / "quba-data.yaml").write_text(text.replace("path: sketch}", "path: night}"), encoding="utf-8")
    judge.write("thresholds/x.yaml", DEMANDS)
    result = judge("thresholds/x.yaml", "--quba-report=record.json")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert set(judge.outcomes().values()) == {"unmeasurable"}
    assert judge.record()["verdicts"][0]["message"].splitlines()[0] == (
        f"unknown_detection could not be measured: {file}: cannot be decoded as an image (no image format "
        "recognises it). Replace or remove the file."
    )
    file.unlink()
    result = judge("thresholds/x.yaml", "--quba-report=record.json", "--quba-html=page.html")
    assert result.ret == pytest.ExitCode.OK
    row = judge.record()["measurements"]["unknown_detection"]
    assert list(row["parts"]) == ["near", "far", "near_fpr95", "far_fpr95"]
    names = {cells[1] for cells in row["tables"]["most_confident"]["rows"]}
    assert "sketch/brick/001.png" in names
    assert "A known class among them" in (judge.pytester.path / "page.html").read_text(encoding="utf-8")
    assert judge.record()["suite"]["sets"]["unknown/near"]["images"] == 6
