"""Comparison of two finished runs, and the wrong images of one."""

import json
from pathlib import Path

import pytest
from support.gate import Gate

from quba_check.cli.main import main


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
    assert comparison["before"]["notes"] == ["it never predicts brick; the other model does"]
    assert comparison["after"]["notes"] == ["it never predicts cloud; the other model does"]
    assert any(row["part"] == "sketch" and row["paired"] for row in comparison["changes"])
