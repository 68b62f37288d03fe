"""A gate session: excluded options, files, selected demands and planned views."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import pytest
from gate.conftest import NewGate, loaded_judge
from support.tuned import record

from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.demands.profiles import DEMO_THRESHOLDS, shipped_profiles
from quba_check.dimensions import registry
from quba_check.errors import OptionError, UserError
from quba_check.executors.choice import ExecutorChoice
from quba_check.executors.ray import cluster
from quba_check.gate.models import Callbacks
from quba_check.gate.options import Options
from quba_check.gate.session import GateSession
from quba_check.gate.threshold_files import default_files
from quba_check.grading.population_file import DEMO_FILE
from quba_check.records.files import write_record

NET, OTHER = "acceptance.nets:net", "acceptance.nets:other"
TWO = "dimensions:\n  accuracy: {min: 0.5}\n  calibration_error: {max: 0.9, tier: warn}"


def test_demo_models_take_no_other_model_and_no_data_folder(tmp_path: Path) -> None:
    with pytest.raises(OptionError) as caught:
        GateSession(Options(models=("demo", NET)), tmp_path)
    assert str(caught.value) == (
        "--model: 'demo' brings its own images and thresholds; it cannot be judged together with "
        f"'{NET}'. Use two runs."
    )
    with pytest.raises(OptionError) as caught:
        GateSession(Options(models=("demo",), data=tmp_path / "data"), tmp_path)
    assert str(caught.value) == (
        "--quba-data: got 'data', but 'demo' brings its own images. Allowed: a data folder for any other "
        "model. Leave the option out, or name another model."
    )
    assert GateSession(Options(models=("demo",), data=tmp_path, data_is_default=True), tmp_path).is_demo


def test_demo_models_take_no_url(tmp_path: Path) -> None:
    with pytest.raises(OptionError) as caught:
        GateSession(Options(models=("demo",), data="s3://bucket/data"), tmp_path)
    assert str(caught.value).startswith(
        "--quba-data: got 's3://bucket/data', but 'demo' brings its own images. Allowed: a data folder for"
    )


def test_processes_of_one_run_share_its_id(tmp_path):
    options = Options(models=("demo",))
    ids = [GateSession(options, tmp_path, worker=w, started=1.5).request.run_id for w in (None, 0, 1)]
    assert len(set(ids)) == 1
    assert GateSession(options, tmp_path, started=2.5).request.run_id != ids[0]


def test_default_files(tmp_path: Path) -> None:
    profiles = shipped_profiles()
    assert default_files(Options((NET,)), tmp_path) == [profiles["default"]]
    assert default_files(Options(("demo",)), tmp_path) == [DEMO_THRESHOLDS]
    named = Options((NET,), thresholds=("mobile", "server"))
    assert default_files(named, tmp_path) == [profiles["mobile"], profiles["server"]]
    own = tmp_path / "thresholds" / "default.yaml"
    own.parent.mkdir()
    own.touch()
    assert default_files(Options((NET,)), tmp_path) == [own]


def test_a_threshold_file_is_read_once(new_gate: NewGate) -> None:
    gate = new_gate(TWO)
    (file,) = gate.files
    thresholds = gate.thresholds(file)
    file.unlink()
    assert gate.thresholds(file) is thresholds


def test_the_digest_of_a_baseline_is_of_the_record_that_was_read(new_gate: NewGate, tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    write_record(record(), path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    gate = new_gate(TWO, baseline=path)
    path.write_text("{}")
    assert gate.approved.run_and_digest == (gate.baseline, digest)


def test_a_population_that_changes_during_the_run(new_gate: NewGate, tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_bytes(DEMO_FILE.read_bytes())
    gate = new_gate("quba: {min_score: -9, population: p.json, allow_other_suite: true}")
    (planned,) = gate.demands(gate.files)
    gate.evaluation(planned.model, planned.protocol)
    path.write_text(path.read_text().replace("demo", "mine"))
    (message, *_) = loaded_judge(gate).judge(planned).verdict.message.splitlines()
    assert message.endswith(f"{path}: the population changed during the run. Run the gate again.")


def test_the_option_decides_the_protocol_of_files_that_state_none(new_gate: NewGate) -> None:
    gate = new_gate(TWO, protocol="released")
    assert {planned.protocol for planned in gate.demands(gate.files)} == {"released"}


def test_selected_and_blocking_demands(new_gate: NewGate) -> None:
    gate = new_gate(TWO, NET, OTHER)
    assert [planned.node_id for planned in gate.selected(NET, "standard")] == [
        f"x.yaml::accuracy[min-{NET}]",
        f"x.yaml::calibration_error[max-{NET}]",
    ]
    assert gate.selected(NET, "released") == []
    assert [planned.node_id for planned in gate.blocking(OTHER, gate.files[0])] == [
        f"x.yaml::accuracy[min-{OTHER}]"
    ]
    gate.select([])
    assert gate.selected(NET, "standard") == []


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"store": "s4://x/y"}, "--quba-store: s4://x/y cannot be opened"),
        ({"executor": ExecutorChoice("ray")}, "--quba-executor: 'ray' needs ray, which is not installed"),
    ],
)
def test_store_and_executor_are_opened_before_a_model_is_loaded(
    new_gate: NewGate, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], error: str
) -> None:
    monkeypatch.setattr(cluster, "find_spec", lambda _: None)
    gate = new_gate("dimensions:\n  accuracy: {min: 0.5}", "nowhere:net", **options)
    with pytest.raises(UserError, match=f"^{re.escape(error)}"):
        gate.evaluation("nowhere:net", "standard")


def test_an_evaluation_plans_the_views_of_all_selected_demands(new_gate: NewGate) -> None:
    gate = new_gate("dimensions:\n  accuracy: {min: 0.5}\n  adversarial_robustness: {min: 0.1}")
    evaluation = gate.evaluation(NET, "standard")
    accuracy, adversarial = (
        registry[name].views(gate.suite.facts) for name in ("accuracy", "adversarial_robustness")
    )
    assert set(evaluation.engine.run_views) == {*accuracy, *adversarial}
    gate.select(gate.selected(NET, "standard")[:1])
    assert set(evaluation.engine.run_views) == set(accuracy)
    assert gate.evaluation(NET, "standard") is evaluation


def test_both_protocols_share_the_loaded_model(new_gate: NewGate) -> None:
    gate = new_gate(TWO)
    standard, released = (gate.evaluation(NET, protocol) for protocol in ("standard", "released"))
    assert standard.classifier is released.classifier
    assert released.protocol.name == "released"


def test_a_grade_out_of_reach_needs_no_measurement(new_gate: NewGate) -> None:
    gate = new_gate("dimensions: {parameters: {max: 1}}\nquba: {min_grade: C}")
    parameters, grade = gate.demands(gate.files)
    assert gate.dimensions_of(parameters) == ("parameters",)
    assert gate.dimensions_of(grade) == ()
    unreachable = gate.unreachable_grade(grade)
    assert unreachable is not None
    assert unreachable.letter is None
    gate = new_gate("quba: {min_grade: C, allow_other_suite: true}\ndimensions: {parameters: {max: 1}}")
    grade = next(each for each in gate.demands(gate.files) if each.demand.dimension == "quba")
    assert gate.dimensions_of(grade) == PUBLISHED_DIMENSIONS
    assert gate.unreachable_grade(grade) is None


def test_progress_names_the_model_if_there_are_several(new_gate: NewGate, tmp_path: Path) -> None:
    steps: list[str] = []
    views: list[str] = []
    callbacks = Callbacks(lambda step: views.append(step.view), announce=steps.append)
    gate = new_gate(TWO, NET, OTHER, callbacks=callbacks, store=tmp_path / "store")
    gate.check(gate.demands(gate.files))
    assert steps[-2:] == [f"loading model {NET}", f"loading model {OTHER}"]
    assert set(views) == {f"{NET}: clean", f"{OTHER}: clean"}


def test_a_refused_store_ends_a_demo_before_its_images_are_drawn(tmp_path: Path) -> None:
    steps: list[str] = []
    options = Options(("demo",), store="foo://x")
    gate = GateSession(options, tmp_path, callbacks=Callbacks(announce=steps.append))
    with pytest.raises(UserError, match=r"^--quba-store: foo://x cannot be opened"):
        assert gate.suite
    assert steps == []
