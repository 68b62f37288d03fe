"""Records state which answers a run predicted, and which it took from a store."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from support.gate import Gate, terminal_text

from quba_check.records.record import Record

DEMANDS = "dimensions: {accuracy: {min: 0.1}, ood_robustness: {min: 0.1}}"
REUSED = re.compile(r"21 answers, all reused \(cpu, \d{4}-\d\d-\d\d\)")


@pytest.fixture
def gate(gate: Gate, tmp_path: Path) -> Gate:
    """The gate with a store of this test alone."""
    return replace(gate, store=tmp_path / "store")


def row(record: Record) -> tuple[int, int, bool]:
    assert record.predictions is not None
    return record.predictions.made_here, record.predictions.reused, record.predictions.fresh


def test_the_first_run_predicts_and_the_second_reuses(gate: Gate) -> None:
    first = gate.judge(DEMANDS)
    second = gate.judge(DEMANDS)
    assert (row(first), row(second)) == ((21, 0, True), (0, 21, False))
    assert first.predictions.text == "21 answers, all predicted by this run"
    assert REUSED.fullmatch(second.predictions.text)
    assert "answers" not in terminal_text(first)
    assert second.predictions.text in terminal_text(second).splitlines()
    (origin,) = second.predictions.origins
    assert (origin.device, origin.images, origin.when) == ("cpu", 21, second.environment.time[:10])


def test_fresh_answers_are_compared_with_stored_ones(gate: Gate) -> None:
    gate.judge(DEMANDS)
    record = gate.judge(DEMANDS, fresh=True)
    assert row(record) == (21, 0, True)
    assert (record.predictions.compared, record.predictions.differing) == (21, 0)
    assert record.warnings == ()


def test_fresh_answers_that_differ_are_a_warning(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    gate.judge(DEMANDS)
    monkeypatch.setattr("quba_check.engine.stored_check.TOLERANCE", {"fp32": -1.0})
    record = gate.judge(DEMANDS, fresh=True)
    assert record.warnings == (
        "21 of 21 stored answers differ from the fresh ones, which this run uses and has stored in their "
        "place",
    )


def test_a_threshold_file_makes_a_run_fresh(gate: Gate) -> None:
    gate.judge(DEMANDS)
    record = gate.judge(f"predictions: fresh\n{DEMANDS}")
    assert row(record) == (21, 0, True)
    assert row(gate.judge(DEMANDS)) == (0, 21, False)


def test_the_answers_of_a_reference_count(gate: Gate) -> None:
    record = gate.judge("parity: {agreement: {min: 0}}", reference="acceptance.nets:other")
    assert row(record) == (18, 0, True)
