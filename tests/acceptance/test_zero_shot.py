"""The whole gate on a zero-shot model."""

from __future__ import annotations

import shutil

from acceptance.runs import NINE
from support.clip_files import write_folder

from quba_check.gate.progress import ProgressWriter

PROMPTS = "prompts: {templates: ['a photo of a {}.', 'a {}'], names: {brick: red brick}}\n"


def test_all_nine_dimensions_are_measured_by_the_suites_words(judge_cold, tiny_data, monkeypatch):
    folder = judge_cold.pytester.path
    data = folder / "data"
    shutil.copytree(tiny_data, data)
    manifest = data / "quba-data.yaml"
    manifest.write_text(manifest.read_text(encoding="utf-8") + PROMPTS, encoding="utf-8")
    monkeypatch.setenv("QUBA_DATA", str(data))
    model = write_folder(folder / "tiny-clip", seed=0)
    spec = "open_clip:local-dir:tiny-clip"

    views: list[str] = []
    monkeypatch.setattr(ProgressWriter, "measure", lambda _, words: views.append(words))
    judge_cold("thresholds/x.yaml", "--quba-report=record.json", model=spec)
    assert "class texts, 0 of 6 read" in views
    record = judge_cold.record()
    assert [name for name in NINE if "value" in record["measurements"][name]] == list(NINE)
    tower = sum(parameter.numel() for parameter in model.visual.parameters())
    assert record["measurements"]["parameters"]["value"] == tower / 1e6
    assert record["model"]["name"] == "tiny-clip"
    assert record["model"]["outputs"] == "logits"
    assert record["model"]["preparation"]["source"] == "open_clip's tiny-clip"
    assert record["notes"] == [
        "parameters: image tower alone; text weights are fixed",
        "zero-shot texts: the classes' own names (2), the suite's names (1) in the suite's 2 templates",
        "images are prepared at 16 × 16 as open_clip's tiny-clip states, not at the suite's 8 × 8",
        f"doctor: {spec}: accuracy 0.333 on the clean set is not above 0.333, the share of its most frequent "
        "class 'apple'. Fix: check weights, class list and preprocessing: quba-check doctor.",
    ]

    # Other words are another model: its predictions are not those.
    manifest.write_text(manifest.read_text(encoding="utf-8").replace("red brick", "blue brick"))
    judge_cold("thresholds/x.yaml::calibration_error[max]", "--quba-report=other.json", model=spec)
    other = judge_cold.record("other.json")
    assert other["model"]["fingerprint"] != record["model"]["fingerprint"]
    assert other["measurements"]["calibration_error"] != record["measurements"]["calibration_error"]
