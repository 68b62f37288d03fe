"""Images about which Pillow warns while warnings are errors."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from acceptance.runs import Judge
from PIL import Image


def test_an_image_about_which_pillow_warns_is_no_damage(
    judge_cold: Judge, tiny_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = judge_cold.pytester.path / "data"
    shutil.copytree(tiny_data, data)
    with Image.open(data / "sketch" / "brick" / "001.png") as opened:
        palette = opened.convert("P")
    for folder in ("val", "sketch"):  # read before the items, and by one
        path = next(iter(sorted((data / folder).glob("*/*.png"))))
        palette.save(path, transparency=bytes(range(16)))
    monkeypatch.setenv("QUBA_DATA", str(data))
    judge_cold.write(
        "thresholds/x.yaml", "schema: 1\ndimensions: {accuracy: {min: 0}, ood_robustness: {min: 0}}\n"
    )
    assert judge_cold("thresholds/x.yaml", "-W", "error").ret == pytest.ExitCode.OK
