"""The setup and the work of a run before it starts."""

from __future__ import annotations

from pathlib import Path

import pytest
from acceptance.runs import ALL, Passes
from support.gate import Gate, loaded_judge
from support.tuned import record
from syrupy.assertion import SnapshotAssertion

from quba_check.gate.run_plan import plan_run, setup_lines
from quba_check.gate.session import GateSession
from quba_check.records.files import write_record
from quba_check.reports.plan import plan_lines, plan_table

NET, OTHER = "acceptance.nets:net", "acceptance.nets:other"
PLAIN = "dimensions: {accuracy: {min: 0.5}}"
DROP = "dimensions: {accuracy: {max_drop: 0.1}}"


def lines(session: GateSession) -> list[str]:
    """The lines of a session whose models are loaded."""
    loaded_judge(session)
    return [*setup_lines(session, session.models)]


def test_a_run_without_a_baseline(gate: Gate, tiny_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tiny_data.parent)
    model = "8 × 8, bilinear, crop 1, mean 0.5, std 0.5 (from quba_config of"
    assert lines(gate.session(PLAIN, NET, OTHER)) == [
        f"model {NET}: {model} {NET})",
        f"model {OTHER}: {model} {OTHER})",
        "data tiny: data, 9 clean images",
    ]
    assert lines(gate.session(DROP, limit=3))[1:] == ["data tiny: data, 3 of 9 clean images", "no baseline"]


def test_a_run_that_needs_no_image_counts_none(gate: Gate, tiny_data: Path) -> None:
    (*_, data) = lines(gate.session("dimensions: {parameters: {max: 1}}"))
    assert data == f"data tiny: {tiny_data}"


def test_a_run_with_a_baseline(gate: Gate, tmp_path: Path) -> None:
    path = tmp_path / "released.json"
    write_record(record(), path)
    *_, last = lines(gate.session(PLAIN, baseline=path))
    assert last == "baseline released.json: r50, run of 2026-01-01"


def test_a_first_release(gate: Gate) -> None:
    assert lines(gate.session(f"baseline: release\n{DROP}"))[-1] == "no baseline: release"


def test_a_reference_is_the_baseline(gate: Gate) -> None:
    assert lines(gate.session(DROP, reference=OTHER))[-1] == f"baseline: the reference {OTHER}"


def test_a_model_that_could_not_be_loaded_has_no_line(gate: Gate, tiny_data: Path) -> None:
    assert [*setup_lines(gate.session(PLAIN), [NET])] == [f"data tiny: {tiny_data}"]


def test_the_table_of_all_dimensions(gate: Gate, snapshot: SnapshotAssertion, tmp_path: Path) -> None:
    assert plan_table(plan_run(gate.session(ALL, store=tmp_path / "store"))) == snapshot


def test_a_run_makes_the_planned_passes(gate: Gate, passes: Passes, tmp_path: Path) -> None:
    text = "dimensions: {adversarial_robustness: {min: 0}, object_focus: {min: 0}}"
    gate.judge(PLAIN, store=tmp_path / "store")
    plan = plan_run(gate.session(text, store=tmp_path / "store"))
    assert plan_lines(plan, None) == [
        "plan: 5 views, 39 images (9 in the store), 978 bytes to store",
        "at most 129 forward and 99 backward passes, time on cpu not known yet",
    ]
    gate.judge(text, store=tmp_path / "store")
    assert 0 < passes()["backward"] <= 99
    plan = plan_run(gate.session(text, store=tmp_path / "store"))
    assert plan_lines(plan, None)[1] == "all predictions are in the store"


def test_models_and_protocols_are_planned_once(gate: Gate, tmp_path: Path) -> None:
    text = "dimensions: {accuracy: {min: 0.1}, adversarial_robustness: {min: 0.1}}"
    session = gate.session(text, OTHER, NET, store=tmp_path / "store")
    again, released = tmp_path / "again.yaml", tmp_path / "released.yaml"
    again.write_text(f"schema: 1\n{text}\n")
    released.write_text(f"schema: 1\nprotocol: released\n{text}\n")
    session.select(session.demands([*session.files, released, again]))
    plan = plan_run(session)
    assert [(one.model, one.protocol, one.shared) for one in plan.models] == [
        (model, protocol, shared)
        for model in (OTHER, NET)
        for protocol, shared in (("standard", 0), ("released", 1))
    ]
    assert (len(plan.views), sum(view.images for view in plan.views)) == (10, 90)
