"""The deploy job's script examples/ci/policy.py: hostile statements are refused, each for its reason."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.gate import FACTS
from support.guides import POLICY
from support.tuned import record

from quba_check.demands.reading import read_thresholds
from quba_check.exports.attestation import statement
from quba_check.records.record import Record

DEMANDED = "dimensions: {accuracy: {min: 0.9}, parameters: {max: 1, tier: warn}}\n"
CONTENTS = {"clean": "1" * 32, "corruptions/fog/1": "2" * 32}
Judge = Callable[..., tuple[int, str]]


def run(folder: Path, file: str = "release.yaml", **changes: Any) -> Record:
    """The record of a passed run on a threshold file."""
    thresholds = read_thresholds(folder / file, label=file, suite=FACTS)
    suite = {"name": "tiny", "root": "/data", "fingerprint": "0" * 32, "contents": CONTENTS}
    suite["sets"] = {"clean": {"images": 400}, "corruptions": {"images": 400}}
    verdicts = [demand.verdict_row(f"{file}::{demand.name}", "pass") for demand in thresholds.demands]
    content = record(suite=suite, verdicts=verdicts, unselected=0).model_dump(by_alias=True)
    content["model"]["files"] = {"net.pt": "a" * 64}
    content["inputs"] = [row.model_dump() for row in thresholds.inputs]
    for key, value in changes.items():
        content[key] = content[key] | value if isinstance(value, dict) else value
    return Record.model_validate(content)


@pytest.fixture
def judge(tmp_path: Path) -> Judge:
    """The script on statements about records, with an approved statement."""
    (tmp_path / "release.yaml").write_text(f"schema: 1\n{DEMANDED}", encoding="utf-8")

    def verify(*runs: Record, approved: Record | None = None) -> tuple[int, str]:
        statements = [statement(one, file="quba.json", digest="d" * 64) for one in (approved, *runs) if one]
        if approved is None:
            statements.insert(0, statement(run(tmp_path), file="first.json", digest="e" * 64))
        (tmp_path / "approved.json").write_text(json.dumps(statements[0]), encoding="utf-8")
        verified = [{"verificationResult": {"statement": one}} for one in statements[1:]]
        result = subprocess.run(
            [sys.executable, str(POLICY), "approved.json"],
            cwd=tmp_path,
            input=json.dumps(verified),
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        return result.returncode, result.stdout + result.stderr

    return verify


LIMITED = {"limit": 1, "suite": {"contents": {"clean": "3" * 32}, "sets": {"clean": {"images": 1}}}}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (LIMITED, "PASSED with other images, limit"),
        ({"suite": {"contents": CONTENTS | {"clean": "4" * 32}}}, "PASSED with other images"),
        ({"suite": {"contents": {"clean": "1" * 32}}}, "PASSED with other images"),
        ({"unselected": 1}, "FAILED with other unselected"),
        ({"interrupted": True}, "FAILED with the approved terms"),
        ({"environment": {"seed": 7}}, "PASSED with other seed"),
        ({"protocol": "released"}, "PASSED with other protocol"),
        ({"measurements": {"accuracy": {"unmeasurable": "no images"}}}, "PASSED with other unmeasured"),
        (
            {"inputs": [{"kind": "preprocessing", "path": "p.yaml", "sha256": "5" * 64}]},
            "PASSED with other demands, preprocessing",
        ),
    ],
)
def test_runs_under_other_conditions(
    judge: Judge, tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    assert judge(run(tmp_path, **changes)) == (1, f"{reason}\n")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("lax.yaml", "extends: release.yaml\ndimensions: {accuracy: null}\n"),
        ("lax.yaml", "extends: release.yaml\ndimensions: {accuracy: {min: 0.1}}\n"),
        ("lax.yaml", "extends: release.yaml\ndimensions: {accuracy: {tier: info}}\n"),
        ("lax.yaml", "extends: release.yaml\ndimensions: {accuracy: {optional: true}}\n"),
        ("lax.yaml", "extends: release.yaml\nuncertain: allow\n"),
        ("lax.yaml", "extends: release.yaml\nconfidence: 0.5\n"),
        ("lax.yaml", "extends: release.yaml\nprotocol: released\n"),
        ("other/release.yaml", "extends: ../release.yaml\ndimensions: {accuracy: null}\n"),
    ],
)
def test_a_file_that_extends_the_approved_one(judge: Judge, tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(f"schema: 1\n{text}", encoding="utf-8")
    assert judge(run(tmp_path, name)) == (1, "PASSED with other demands\n")


def test_the_same_demands_in_other_words(judge: Judge, tmp_path: Path) -> None:
    (tmp_path / "gate.yaml").write_text(
        "schema: 1\nextends: release.yaml # of 2026\nname: gate\ndimensions: {accuracy: {tier: block}}\n"
    )
    assert judge(run(tmp_path, "gate.yaml")) == (0, "PASSED with the approved terms\n")


def test_of_several_runs_none_may_fail(judge: Judge, tmp_path: Path) -> None:
    good = run(tmp_path)
    rows = [row.model_copy(update={"outcome": "fail"}) for row in good.verdicts]
    bad = good.model_copy(update={"verdicts": tuple(rows)})
    assert judge(good, run(tmp_path, **LIMITED))[0] == 0
    assert judge(good, bad)[0] == 1
    assert judge() == (1, "")


@pytest.mark.parametrize("changes", [{"limit": 1}, {"unselected": 1}, {"inputs": []}])
def test_an_approved_statement_without_all_demands_or_images(
    judge: Judge, tmp_path: Path, changes: dict[str, Any]
) -> None:
    one = run(tmp_path, **changes)
    assert judge(one, approved=one) == (1, "approved.json: not a statement on all demands and all images\n")


def test_the_workflow_that_signs_and_deploys_is_one() -> None:
    words = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
    subprocess.run([*words, str(POLICY.with_name("attest.yml"))], check=True)


def test_a_record_of_an_earlier_version_is_refused(judge: Judge, tmp_path: Path) -> None:
    inputs = [{"kind": "threshold file", "path": "release.yaml", "sha256": "6" * 64}]
    assert judge(run(tmp_path, inputs=inputs)) == (1, "PASSED with other demands\n")
