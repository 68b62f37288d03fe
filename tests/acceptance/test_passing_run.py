"""The output and the files of a run in which every demand is met."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from acceptance.runs import NINE, Finished, Measured, Project, closed_form

DEMANDS = (
    "accuracy[min]",
    "adversarial_robustness[min]",
    "adversarial_robustness.pgd[min]",
    "corruption_robustness[min]",
    "corruption_robustness.fog[min]",
    "ood_robustness[min]",
    "calibration_error[max]",
    "class_balance[min]",
    "object_focus[min]",
    "shape_bias[min]",
    "parameters[max]",
    "quba.score[min]",
    "quba.grade[min]",
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, tiny_data: Path) -> Project:
    return Project.at(tmp_path_factory.mktemp("passing") / "project", tiny_data)


@pytest.fixture(scope="module")
def run(project: Project) -> Finished:
    return project.run("-v", "--junitxml=junit.xml", "--quba-report=record.json")


def test_exit_code_and_no_word_on_stderr(run: Finished) -> None:
    assert (run.code, run.err) == (0, "")
    assert run.out.splitlines()[-1].strip("= ").startswith("13 passed in ")


def test_ids_as_they_can_be_typed(run: Finished) -> None:
    ids = [line.split(" PASSED")[0] for line in run.out.splitlines() if " PASSED" in line]
    assert ids == [f"thresholds/x.yaml::{demand}" for demand in DEMANDS]


def test_the_summary_is_plain_text_of_eighty_columns(run: Finished) -> None:
    assert "\x1b" not in run.out
    _, start, summary = run.out.partition("= quba-check nets:net =")
    assert start
    assert [line for line in summary.splitlines()[1:] if len(line) > 80] == []
    lines = summary.splitlines()
    assert lines[1] == "nets:net on tiny, protocol standard, cpu, fp32"
    for name in NINE:
        (row,) = (line for line in lines if line.startswith(f"{name} "))
        assert " PASS" in row
    (score,) = (line for line in lines if line.startswith("QUBA -20.536 "))
    assert "  grade F " in score
    assert "13 of 13 demands passed" in lines


def test_every_image_passes_once(run: Finished, project: Project) -> None:
    assert project.passes() == closed_form()


def test_record_has_every_key_of_the_contract(run: Finished, project: Project) -> None:
    record = project.record()
    assert {
        "schema",
        "model",
        "suite",
        "protocol",
        "measurements",
        "verdicts",
        "grades",
        "environment",
    } <= set(record)
    assert (record["schema"], record["protocol"], record["interrupted"]) == (1, "standard", False)
    assert {"spec", "name", "fingerprint", "parameters", "preparation", "classes"} <= set(record["model"])
    assert (record["model"]["spec"], record["model"]["parameters"], record["model"]["classes"]) == (
        "nets:net",
        36,
        3,
    )
    assert {"name", "root", "fingerprint", "sets"} <= set(record["suite"])
    clean = record["suite"]["sets"]["clean"]
    assert (clean["images"], clean["expected"]) == (9, 9)
    assert record["suite"]["sets"]["corruptions"]["images"] == 75 * 3
    assert list(record["measurements"]) == list(NINE)
    for row in record["measurements"].values():
        assert {"value", "unit", "n", "interval", "parts"} <= set(row)
        for part in row["parts"].values():
            assert {"value", "unit", "n", "interval"} <= set(part)
    assert {"versions", "device", "precision", "seed", "time", "git"} <= set(record["environment"])
    compute = record["environment"]["compute"]
    assert compute["batch_size"] == 16
    assert (compute["precision"], compute["requested"], compute["images"]) == ("fp32", "auto", 0)
    assert compute["reason"] == "the rule for the device and the kind of network"
    (grade,) = record["grades"]
    assert {
        "file",
        "score",
        "percentile",
        "letter",
        "population",
        "protocol_of_population",
        "complete",
        "missing",
    } <= set(grade)
    assert (grade["file"], grade["letter"], grade["complete"]) == ("thresholds/x.yaml", "F", True)


def test_record_has_the_verdicts_in_the_order_of_the_file(run: Finished, project: Project) -> None:
    rows = project.record()["verdicts"]
    assert [row["id"] for row in rows] == [f"thresholds/x.yaml::{demand}" for demand in DEMANDS]
    assert (
        rows[4].items()
        >= {
            "id": "thresholds/x.yaml::corruption_robustness.fog[min]",
            "dimension": "corruption_robustness",
            "part": "fog",
            "bound": "min",
            "limit": 0.2,
            "tier": "block",
            "outcome": "pass",
            "file": "thresholds/x.yaml",
            "line": 6,
            "message": "",
            "policy": "point",
            "confidence": 0.95,
        }.items()
    )
    assert {row["outcome"] for row in rows} == {"pass"}


def test_values_are_those_of_the_python_api(run: Finished, project: Project, measured: Measured) -> None:
    rows = project.record()["measurements"]
    assert {name: row["value"] for name, row in rows.items()} == pytest.approx(measured.values, abs=1e-6)


def test_a_copy_of_the_record_is_kept_in_the_store(run: Finished, project: Project) -> None:
    (copy,) = (project.store / "runs").glob("*.json")
    assert json.loads(copy.read_text(encoding="utf-8")) == project.record()


def test_junit_carries_value_interval_bound_unit_and_protocol(run: Finished, project: Project) -> None:
    cases = ET.parse(project.root / "junit.xml").getroot().findall(".//testcase")  # noqa: S314  our own
    found = {
        case.attrib["name"]: {row.attrib["name"]: row.attrib["value"] for row in case.iter("property")}
        for case in cases
    }
    assert list(found) == list(DEMANDS)
    assert {case.attrib["classname"] for case in cases} == {"thresholds.x.yaml"}
    fog = project.record()["measurements"]["corruption_robustness"]["parts"]["fog"]
    assert found["corruption_robustness.fog[min]"] == {
        "value": str(fog["value"]),
        "interval_low": str(fog["interval"][0]),
        "interval_high": str(fog["interval"][1]),
        "min": "0.2",
        "unit": "ratio",
        "protocol": "standard",
    }
    assert found["parameters[max]"] == {
        "value": "3.6e-05",
        "max": "1.0",
        "unit": "millions",
        "protocol": "standard",
    }
    assert found["quba.grade[min]"] == {"value": "F", "min": "F", "unit": "grade", "protocol": "standard"}
