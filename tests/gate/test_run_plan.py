"""The lines on the setup of a run."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.gate import Gate, loaded_judge
from support.tuned import record

from quba_check.gate.run_plan import setup_lines
from quba_check.gate.session import GateSession
from quba_check.records.files import write_record

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
