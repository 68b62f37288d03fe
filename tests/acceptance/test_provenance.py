"""The command of a record, without what may be a secret, and the digest of a model file."""

import hashlib
from pathlib import Path

import pytest
from acceptance.runs import QUICK, Judge

from quba_check.verdicts.stored_verdicts import read_record


def test_secrets_of_other_plugins_and_the_environment_are_not_stored(
    judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_TOKEN", "s3cret")
    judge.write("gate.yaml", "schema: 1\ndimensions: {accuracy: {min: 0.1}}\n")
    judge.pytester.makeconftest(
        "def pytest_addoption(parser):\n    parser.addoption('--api-token')\n    parser.addini('token', '')\n"
    )
    result = judge("--api-token", "s3cret", "gate.yaml", "-o", "token=s3cret", "--quba-record", "record.json")
    assert result.ret == 0
    assert "s3cret" not in (judge.pytester.path / "record.json").read_text(encoding="utf-8")
    assert judge.record()["command"] == [
        *("pytest", *QUICK, "--api-token", "***", "gate.yaml", "-o", "***", "--quba-record", "record.json"),
        "--model=nets:net",
    ]
    read_record(judge.pytester.path / "record.json")


def sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
