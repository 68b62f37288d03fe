"""Comparison of two finished runs."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest
from acceptance.runs import Judge
from support.tiny import CLASSES

from quba_check.cli.main import main
from quba_check.core.view import CLEAN
from quba_check.records.per_image import PerImage
from quba_check.suites import open_suite


@pytest.fixture
def folder(two_runs: Judge, capsys: pytest.CaptureFixture[str]) -> Path:
    capsys.readouterr()
    return two_runs.pytester.path


def test_two_runs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net, other = str(folder / "net.json"), str(folder / "other.json")
    assert main(["compare", net, other, "--format", "json", "--flips", str(folder / "f.csv")]) == 0
    output = capsys.readouterr()
    comparison = json.loads(output.out)
    first = comparison["changes"][0]
    assert (first["dimension"], first["paired"]) == ("accuracy", True)
    flips = (folder / "f.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert first["lost"] + first["gained"] == len(flips)
    assert output.err == f"{folder / 'f.csv'}: {len(flips)} images with another answer\n"
    answers = comparison["answers"]
    assert (answers["images"], answers["changed"]) == (9, len(flips))
    assert [answers[name] for name in ("lost", "gained", "wrong_to_wrong")] == [
        *(first[name] for name in ("lost", "gained")),
        0,
    ]
    assert comparison["notes"] == [
        f"{folder / 'net.json'}: it never predicts brick; the other model does",
        f"{folder / 'other.json'}: it never predicts cloud; the other model does",
    ]
    assert any(row["part"] == "sketch" and row["paired"] for row in comparison["changes"])


def test_numpy_reads_the_file_next_to_a_record(folder: Path) -> None:
    with np.load(folder / "net.npz") as file:
        assert {"about", "names", "label", "top1"} <= set(file.files)
    clean = PerImage.from_bytes((folder / "net.npz").read_bytes(), "net.npz").clean
    assert clean is not None
    assert all((folder / "net.json").exists() and name.startswith("val/") for name in clean.names)


def test_failures(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert main(["failures", "net.json"]) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines()[:2] == [
        "nets:net on tiny: 3 of 9 clean images are wrong",
        "index   loss  confidence  label  predicted  path",
    ]
    assert captured.err == ""
    assert main(["failures", "net.json", "--csv", "all.csv"]) == 0
    assert capsys.readouterr() == ("", "all.csv: 3 wrong images\n")
    text = (folder / "all.csv").read_text(encoding="utf-8")
    assert main(["failures", "net.json", "--csv", "-"]) == 0
    assert capsys.readouterr() == (text, "")
    rows = list(csv.DictReader(text.splitlines()))
    assert list(rows[0]) == ["index", "path", "label", "predicted", "confidence", "loss"]
    examples = open_suite(Path(os.environ["QUBA_DATA"])).examples(CLEAN)
    for row in rows:
        example = examples[int(row["index"])]
        assert (row["path"], row["label"]) == (example.name, CLASSES[example.label])
        assert row["predicted"] != row["label"]
        # The true class is no likelier than the chosen one.
        assert float(row["loss"]) >= max(-np.log(float(row["confidence"])), np.log(2)) - 1e-5
    losses = [float(row["loss"]) for row in rows]
    assert losses == sorted(losses, reverse=True)
    assert main(["failures", "net.json", "--limit", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[2:4]] == [row["index"] for row in rows[:2]]
    assert lines[4:] == ["shown: 2 of 3; --limit N shows more, --csv FILE writes all"]


def test_a_file_that_is_read_is_not_replaced(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    assert main(["compare", "net.json", "other.json", "--flips=net.json"]) == 4
    error = "ERROR: --flips: got 'net.json', which this command reads. Allowed: another file.\n"
    assert capsys.readouterr() == ("", error)
