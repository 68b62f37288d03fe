"""A run of the gate on a zero-shot model."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from acceptance.runs import ALL, NINE
from support.clip_files import write_folder
from support.gate import Gate

PROMPTS = "prompts: {templates: ['a photo of a {}.', 'a {}'], names: {brick: red brick}}\n"


def test_all_nine_dimensions_are_measured_by_the_suites_words(
    gate: Gate, tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = Path(shutil.copytree(tiny_data, tmp_path / "data"))
    manifest = data / "quba-data.yaml"
    manifest.write_text(manifest.read_text(encoding="utf-8") + PROMPTS, encoding="utf-8")
    model = write_folder(tmp_path / "tiny-clip", seed=0)
    spec = "open_clip:local-dir:tiny-clip"

    record = gate.judge(ALL, model=spec, data=data)
    assert all("value" in record.measurements[name].model_fields_set for name in NINE)
    tower = sum(parameter.numel() for parameter in model.visual.parameters())
    assert record.measurements["parameters"].value == tower / 1e6
    assert (record.model.name, record.model.outputs) == ("tiny-clip", "logits")
    assert record.model.preparation["source"] == "open_clip's tiny-clip"
    assert record.notes == (
        "parameters: image tower alone; text weights are fixed",
        "zero-shot texts: the classes' own names (2), the suite's names (1) in the suite's 2 templates",
        "images are prepared at 16 × 16 as open_clip's tiny-clip states, not at the suite's 8 × 8",
        f"doctor: {spec}: accuracy 0.333 on the clean set is not above 0.333, the share of its most frequent "
        "class 'apple'. Fix: check weights, class list and preprocessing: quba-check doctor.",
    )

    # Other words are another model: its predictions are not those.
    manifest.write_text(manifest.read_text(encoding="utf-8").replace("red brick", "blue brick"))
    other = gate.judge("dimensions: {calibration_error: {max: 1}}", model=spec, data=data)
    assert other.model.fingerprint != record.model.fingerprint
    assert other.measurements["calibration_error"] != record.measurements["calibration_error"]
