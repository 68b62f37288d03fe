"""The output and the files of a run in which every demand is met, by one process and by workers."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from acceptance.runs import NINE, Finished, Measured, Project, are_passes, closed_form

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


@pytest.fixture(scope="module", params=["-n0", pytest.param("-n2", marks=pytest.mark.slow)])
def workers(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, tiny_data: Path, workers: str) -> Project:
    return Project.at(tmp_path_factory.mktemp("passing") / "project", tiny_data)


@pytest.fixture(scope="module")
def run(project: Project, workers: str) -> Finished:
    return project.run(workers, "--junitxml=junit.xml", "--quba-record=record.json")


def test_the_summary_is_plain_text_of_eighty_columns_and_printed_once(run: Finished) -> None:
    assert (run.code, run.err) == (0, "")
    assert "\x1b" not in run.out
    _, start, summary = run.out.partition("= quba-check nets:net =")
    assert start
    assert "quba-check nets:net =" not in summary
    lines = summary.splitlines()[1:]
    assert [line for line in lines if len(line) > 80] == []
    assert lines[0] == "nets:net on tiny, protocol standard, cpu, fp32"
    for name in NINE:
        (row,) = (line for line in lines if line.startswith(f"{name} "))
        assert " PASS" in row
    (score,) = (line for line in lines if line.startswith("QUBA -20.536 "))
    assert "  grade F " in score
    assert "released: yes; 13 of 13 demands passed" in lines
    assert lines[-1].strip("= ").startswith("13 passed in ")


def test_every_image_passes_once(run: Finished, project: Project, workers: str) -> None:
    assert are_passes(project.passes(), closed_form(), processes=3 if workers == "-n2" else 0)


def test_the_record_states_model_suite_environment_and_grade(run: Finished, project: Project) -> None:
    record = project.record()
    model = record["model"]
    environment = record["environment"]
    assert (record["schema"], record["protocol"], record["interrupted"]) == (1, "standard", False)
    assert (model["spec"], model["parameters"], model["classes"]) == ("nets:net", 36, 3)
    sets = record["suite"]["sets"]
    assert (sets["clean"]["images"], sets["clean"]["expected"]) == (9, 9)
    assert sets["corruptions"]["images"] == 75 * 3
    assert list(record["measurements"]) == list(NINE)
    for row in record["measurements"].values():
        assert {"value", "unit", "n", "interval", "parts"} <= set(row)
    assert {"versions", "device", "precision", "seed", "time", "git"} <= set(environment)
    compute = environment["compute"]
    assert compute["batch_size"] == 16
    assert (compute["precision"], compute["requested"], compute["images"]) == ("fp32", "auto", 0)
    assert compute["reason"] == "the rule for the device and the kind of network"
    (grade,) = record["grades"]
    assert (grade["file"], grade["letter"], grade["complete"]) == ("thresholds/x.yaml", "F", True)


def test_record_has_the_verdicts_in_the_order_of_the_file(run: Finished, project: Project) -> None:
    rows = project.record()["verdicts"]
    assert [row["id"] for row in rows] == [f"thresholds/x.yaml::{demand}" for demand in DEMANDS]
    fog = {"dimension": "corruption_robustness", "part": "fog", "key": "min", "bound": 0.2, "message": ""}
    fog |= {"tier": "block", "outcome": "pass", "file": "thresholds/x.yaml", "line": 6}
    assert rows[4].items() >= (fog | {"policy": "point", "confidence": 0.95}).items()
    assert {row["outcome"] for row in rows} == {"pass"}


def test_values_and_predictions_are_those_of_one_process(
    run: Finished, project: Project, measured: Measured
) -> None:
    from safetensors.numpy import load_file

    rows = project.record()["measurements"]
    assert {name: row["value"] for name, row in rows.items()} == pytest.approx(measured.values, abs=1e-6)
    shards = sorted(path.relative_to(project.store) for path in project.store.glob("predictions/*/*"))
    assert shards == sorted(
        path.relative_to(measured.store) for path in measured.store.glob("predictions/*/*")
    )
    for shard in shards:
        ours = load_file(project.store / shard)
        theirs = load_file(measured.store / shard)
        assert ours["top1"].tolist() == theirs["top1"].tolist()
        assert ours["confidence"] == pytest.approx(theirs["confidence"], abs=1e-6)


def test_a_copy_of_the_record_is_kept_in_the_store(run: Finished, project: Project) -> None:
    (copy,) = (project.store / "runs").glob("*.json")
    assert json.loads(copy.read_text(encoding="utf-8")) == project.record()


def test_junit_carries_value_interval_bound_unit_and_protocol(run: Finished, project: Project) -> None:
    cases = ET.parse(project.root / "junit.xml").getroot().findall(".//testcase")  # noqa: S314  our own
    found = {
        case.attrib["name"]: {row.attrib["name"]: row.attrib["value"] for row in case.iter("property")}
        for case in cases
    }
    assert sorted(found) == sorted(DEMANDS)
    assert {case.attrib["classname"] for case in cases} == {"thresholds.x.yaml"}
    fog = project.record()["measurements"]["corruption_robustness"]["parts"]["fog"]
    common = {"protocol": "standard"}
    lower, upper = map(str, fog["interval"])
    assert found["corruption_robustness.fog[min]"] == common | {
        "value": str(fog["value"]),
        "interval_lower": lower,
        "interval_upper": upper,
        "min": "0.2",
        "unit": "ratio",
    }
    assert found["parameters[max]"] == common | {"value": "3.6e-05", "max": "1.0", "unit": "millions"}
    assert found["quba.grade[min]"] == common | {"value": "F", "min": "F", "unit": "grade"}


@pytest.mark.slow
def test_a_worker_that_dies_fails_its_demand_alone(
    tmp_path: Path, tiny_data: Path, measured: Measured
) -> None:
    project = Project.at(tmp_path / "project", tiny_data)
    flag = project.root / "died"
    died = project.run("-n2", "--quba-record=record.json", NETS_TRAP=f"exit 60 {flag}")
    assert flag.exists()
    assert died.code == pytest.ExitCode.TESTS_FAILED
    assert "Traceback" not in died.out + died.err
    record = project.record()
    outcomes = [row["outcome"] for row in record["verdicts"]]
    assert sorted(outcomes) == ["not run"] + ["pass"] * 12
    (lost,) = (row for row in record["verdicts"] if row["outcome"] == "not run")
    reason = f"crashed while running '{lost['id']}'"
    assert lost["message"].startswith(f"{lost['id'].partition('::')[2]} was not judged: worker 'gw")
    assert lost["message"].endswith(reason)
    assert f"FAILED {lost['id']}" in died.out
    assert reason in died.out
    assert f"{lost['id'].partition('::')[2]}: worker 'gw" in died.out
    assert record["interrupted"] is False
    assert "released: no; 12 of 13 demands passed, 1 not run" in died.out.splitlines()
    assert died.out.splitlines()[-1].strip("= ").startswith("1 failed, 12 passed in ")
