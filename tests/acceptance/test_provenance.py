"""The record names what a run rests on: command, files read, model files, findings."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch
from acceptance.runs import QUICK, Judge
from torch import nn

from quba_check.cli.main import main
from quba_check.records.files import read_record

PARENT = "schema: 1\ndimensions:\n  accuracy: {min: 0.1}\n"
CHILD = "schema: 1\nextends: parent.yaml\ndimensions:\n  parameters: {max: 1}\n"
PREPROCESSING = "mean: [0.5, 0.5, 0.5]\n"


def sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_files_of_a_run(judge: Judge, tiny_data: Path) -> None:
    judge.write("child.yaml", CHILD)
    judge.write("parent.yaml", PARENT)
    judge.write("p.yaml", PREPROCESSING)
    assert judge("child.yaml", "--quba-report=old.json").ret == 0
    options = ("--quba-preprocessing=p.yaml", "--quba-baseline=old.json", "--quba-report=record.json")
    assert judge("child.yaml", *options).ret == 0
    folder = judge.pytester.path
    manifest = tiny_data / "quba-data.yaml"
    demands = hashlib.sha256(
        b'{"confidence":0.95,"demands":[["accuracy","min",0.1,"block",false,false],'
        b'["parameters","max",1.0,"block",false,false]],"protocol":null,"quba":null,"uncertain":"point"}'
    ).hexdigest()
    inputs = [
        ("threshold file", folder / "child.yaml", CHILD, demands),
        ("extended threshold file", folder / "parent.yaml", PARENT, None),
        ("manifest", manifest, manifest.read_text(encoding="utf-8"), None),
        ("preprocessing", folder / "p.yaml", PREPROCESSING, None),
        ("baseline", folder / "old.json", None, None),
    ]
    assert judge.record()["inputs"] == [
        {
            "kind": kind,
            "path": str(path).removeprefix(f"{folder}/"),
            "sha256": sha(path),
            "text": text,
            "demands": digest,
        }
        for kind, path, text, digest in inputs
    ]
    command = ["pytest", *QUICK, "child.yaml", *options, "--model=nets:net"]
    assert judge.record()["command"] == command
    assert judge.record()["model"]["files"] == {}
    read_record(folder / "record.json")


def test_secrets_of_other_plugins_and_the_environment_are_not_stored(
    judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_TOKEN", "s3cret")
    judge.write("gate.yaml", PARENT)
    judge.pytester.makeconftest(
        "def pytest_addoption(parser):\n    parser.addoption('--api-token')\n    parser.addini('token', '')\n"
    )
    result = judge("--api-token", "s3cret", "gate.yaml", "-o", "token=s3cret", "--quba-report", "record.json")
    assert result.ret == 0
    assert "s3cret" not in (judge.pytester.path / "record.json").read_text(encoding="utf-8")
    assert judge.record()["command"][3:] == [
        *("--api-token", "***", "gate.yaml", "-o", "***", "--quba-report", "record.json"),
        "--model=nets:net",
    ]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_digest_of_a_model_file(judge: Judge) -> None:
    judge.write("gate.yaml", PARENT.replace("accuracy: {min: 0.1}", "parameters: {max: 1}"))
    path = judge.pytester.path / "net.pt"
    torch.jit.script(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 3))).save(path)
    judge("gate.yaml", "--quba-report=record.json", model="net.pt")
    assert judge.record()["model"]["files"] == {"net.pt": sha(path)}
    assert main(["attest", "record.json", "-o", "statement.json"]) == 0
    statement = json.loads(Path("statement.json").read_text(encoding="utf-8"))
    assert statement["subject"] == [{"name": "net.pt", "digest": {"sha256": sha(path)}}]
    predicate = statement["predicate"]
    assert (predicate["result"], predicate["passedTests"]) == ("PASSED", ["gate.yaml::parameters[max]"])
    digests = [part["digest"]["sha256"] for part in predicate["configuration"]]
    assert digests[0] == sha(judge.pytester.path / "gate.yaml")
    assert digests[-1] == sha(judge.pytester.path / "record.json")


def test_findings_of_the_doctor(judge_cold: Judge) -> None:
    judge_cold.write("gate.yaml", PARENT)
    judge_cold("gate.yaml", "--quba-report=record.json", model="nets:LooksAlongTheBatch")
    (finding,) = judge_cold.record()["findings"]
    assert finding["severity"] == "problem"
    assert finding["title"] == "nets:LooksAlongTheBatch: an image's answer depends on the rest of its batch."
    evidence, fix = finding["text"].splitlines()
    assert evidence.startswith("evidence: in another batch, answers change by up to ")
    assert fix == (
        "fix: compute each image on its own: nothing in forward() may combine values along the batch"
    )
