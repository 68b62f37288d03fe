"""Comparison of two finished runs, and the wrong images of one."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from support.gate import Gate
from support.tiny import CLASSES

from quba_check.cli.main import main
from quba_check.core.view import CLEAN
from quba_check.records.per_image import PerImage
from quba_check.suites import open_suite


@pytest.fixture
def folder(gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the records net.json and other.json; the second model gets fewer images right."""
    monkeypatch.chdir(tmp_path)
    for model in ("net", "other"):
        text = "dimensions: {accuracy: {min: 0.1}, ood_robustness: {min: 0.1}}"
        gate.judge(text, model=f"acceptance.nets:{model}", record=f"{model}.json")
    return tmp_path


def test_two_runs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "net.json", "other.json", "--format", "json", "--flips", "f.csv"]) == 0
    output = capsys.readouterr()
    comparison = json.loads(output.out)
    first = comparison["changes"][0]
    assert (first["dimension"], first["paired"]) == ("accuracy", True)
    flips = (folder / "f.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert first["lost"] + first["gained"] == len(flips)
    assert output.err == f"f.csv: {len(flips)} images with another answer\n"
    expected = {"images": 9, "changed": len(flips), "wrong_to_wrong": 0}
    expected |= {name: first[name] for name in ("lost", "gained")}
    assert comparison["answers"].items() >= expected.items()
    assert comparison["notes"] == [
        "net.json: it never predicts brick; the other model does",
        "other.json: it never predicts cloud; the other model does",
    ]
    assert any(row["part"] == "sketch" and row["paired"] for row in comparison["changes"])


def test_numpy_reads_the_file_next_to_a_record(folder: Path) -> None:
    with np.load(folder / "net.npz") as file:
        assert {"about", "names", "label", "top1"} <= set(file.files)
    clean = PerImage.from_bytes((folder / "net.npz").read_bytes(), "net.npz").clean
    assert clean is not None
    assert all(name.startswith("val/") for name in clean.names)


def test_failures(folder: Path, tiny_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["failures", "net.json", "--csv", "-"]) == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert len(rows) == 3
    examples = open_suite(tiny_data).examples(CLEAN)
    for row in rows:
        example = examples[int(row["index"])]
        assert (row["path"], row["label"]) == (example.name, CLASSES[example.label])
        assert row["predicted"] != row["label"]
        # The true class is no likelier than the chosen one.
        assert float(row["loss"]) >= max(-np.log(float(row["confidence"])), np.log(2)) - 1e-5
    confidences = [float(row["confidence"]) for row in rows]
    assert confidences == sorted(confidences, reverse=True)
