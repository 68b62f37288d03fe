"""A gate session: excluded options, files, selected demands and planned views."""

import hashlib
import re
from pathlib import Path
from typing import Any

import pytest
from support.errors import error_text
from support.gate import Gate, loaded_judge
from support.tuned import record
from syrupy.assertion import SnapshotAssertion

from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.demands.profiles import DEMO_THRESHOLDS, shipped_profiles
from quba_check.dimensions import registry
from quba_check.errors import OptionError, UserError
from quba_check.executors.ray import pool
from quba_check.gate.models import Callbacks
from quba_check.gate.options import Options
from quba_check.gate.session import GateSession
from quba_check.gate.threshold_files import default_files
from quba_check.grading.population_file import DEMO_FILE
from quba_check.records.files import write_record

NET = "acceptance.nets:net"
OTHER = "acceptance.nets:other"
TWO = "dimensions:\n  accuracy: {min: 0.5}\n  calibration_error: {max: 0.9, tier: warn}"


@pytest.mark.parametrize(
    "options",
    [
        Options(("demo", NET)),
        Options(("demo",), data=Path("/project/data")),
        Options(("demo",), data="s3://bucket/data"),
    ],
    ids=["another model", "a folder", "a URL"],
)
def test_demo_models_take_no_other_model_and_no_data(options: Options, snapshot: SnapshotAssertion) -> None:
    assert error_text(OptionError, GateSession, options, Path("/project")) == snapshot


def test_demo_models_ignore_a_default_data_folder() -> None:
    assert GateSession(Options(("demo",), data=Path("/data"), data_is_default=True), Path("/project")).is_demo


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


def test_a_threshold_file_is_read_once(gate: Gate) -> None:
    session = gate.session(TWO)
    (file,) = session.files
    thresholds = session.thresholds(file)
    file.unlink()
    assert session.thresholds(file) is thresholds


def test_the_digest_of_a_baseline_is_of_the_record_that_was_read(gate: Gate, tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    write_record(record(), path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    session = gate.session(TWO, baseline=path)
    path.write_text("{}")
    assert session.approved.run_and_digest == (session.approved.run, digest)


def test_a_population_that_changes_during_the_run(gate: Gate, tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_bytes(DEMO_FILE.read_bytes())
    session = gate.session("quba: {min_score: -9, population: p.json, allow_other_suite: true}")
    (planned,) = session.demands(session.files)
    session.evaluation(planned.model, planned.protocol)
    path.write_text(path.read_text().replace("demo", "mine"))
    (message, *_) = loaded_judge(session).judge(planned).verdict.message.splitlines()
    assert message.endswith(f"{path}: the population changed during the run. Run the gate again.")


def test_the_option_decides_the_protocol_of_files_that_state_none(gate: Gate) -> None:
    session = gate.session(TWO, protocol="released")
    assert {planned.protocol for planned in session.demands(session.files)} == {"released"}


def test_selected_demands(gate: Gate) -> None:
    session = gate.session(TWO, NET, OTHER)
    assert [planned.node_id for planned in session.selected(NET, "standard")] == [
        f"x.yaml::accuracy[min-{NET}]",
        f"x.yaml::calibration_error[max-{NET}]",
    ]
    assert session.selected(NET, "released") == []
    session.select([])
    assert session.selected(NET, "standard") == []


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"store": "s4://x/y"}, "--quba-store: s4://x/y cannot be opened"),
        ({"executor": "ray"}, "--quba-executor: 'ray' needs ray, which is not installed"),
    ],
)
def test_store_and_executor_are_opened_before_a_model_is_loaded(
    gate: Gate, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], error: str
) -> None:
    monkeypatch.setattr(pool, "find_spec", lambda _: None)
    session = gate.session("dimensions:\n  accuracy: {min: 0.5}", "nowhere:net", **options)
    with pytest.raises(UserError, match=f"^{re.escape(error)}"):
        session.evaluation("nowhere:net", "standard")


def test_an_evaluation_plans_the_views_of_all_selected_demands(gate: Gate) -> None:
    session = gate.session("dimensions:\n  accuracy: {min: 0.5}\n  adversarial_robustness: {min: 0.1}")
    evaluation = session.evaluation(NET, "standard")
    accuracy, adversarial = (
        registry[name].views(session.suite.facts) for name in ("accuracy", "adversarial_robustness")
    )
    assert set(evaluation.engine.run_views) == {*accuracy, *adversarial}
    session.select(session.selected(NET, "standard")[:1])
    assert set(evaluation.engine.run_views) == set(accuracy)
    assert session.evaluation(NET, "standard") is evaluation


def test_both_protocols_share_the_loaded_model(gate: Gate) -> None:
    session = gate.session(TWO)
    standard, released = (session.evaluation(NET, protocol) for protocol in ("standard", "released"))
    assert standard.classifier is released.classifier
    assert released.protocol.name == "released"


def test_a_grade_out_of_reach_needs_no_measurement(gate: Gate) -> None:
    session = gate.session("dimensions: {parameters: {max: 1}}\nquba: {min_grade: C}")
    parameters, grade = session.demands(session.files)
    assert session.dimensions_of(parameters) == ("parameters",)
    assert session.dimensions_of(grade) == ()
    unreachable = session.unreachable_grade(grade)
    assert unreachable is not None
    assert unreachable.letter is None
    session = gate.session(
        "quba: {min_grade: C, allow_other_suite: true}\ndimensions: {parameters: {max: 1}}"
    )
    grade = next(each for each in session.demands(session.files) if each.demand.dimension == "quba")
    assert session.dimensions_of(grade) == PUBLISHED_DIMENSIONS
    assert session.unreachable_grade(grade) is None


def test_progress_names_the_model_if_there_are_several(gate: Gate, tmp_path: Path) -> None:
    steps: list[str] = []
    views: list[str] = []
    callbacks = Callbacks(lambda step: views.append(step.view), announce=steps.append)
    session = gate.session(TWO, NET, OTHER, callbacks=callbacks, store=tmp_path / "store")
    session.check()
    assert steps[-2:] == [f"loading model {NET}", f"loading model {OTHER}"]
    assert set(views) == {f"{NET}: clean", f"{OTHER}: clean"}


def test_a_refused_store_ends_a_demo_before_its_images_are_drawn(tmp_path: Path) -> None:
    steps: list[str] = []
    options = Options(("demo",), store="foo://x")
    session = GateSession(options, tmp_path, callbacks=Callbacks(announce=steps.append))
    with pytest.raises(UserError, match=r"^--quba-store: foo://x cannot be opened"):
        assert session.suite
    assert steps == []
