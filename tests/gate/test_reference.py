"""A session with a reference: parity, drops, preprocessing, and what the record keeps of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from gate.conftest import NewGate, loaded_judge

from quba_check.errors import ModelError, OptionError
from quba_check.evaluation import NO_REFERENCE, Evaluation
from quba_check.gate.collector import ResultCollector
from quba_check.gate.provenance import inputs_hash
from quba_check.gate.result import DemandResult
from quba_check.gate.session import GateSession
from quba_check.records.record import Record

NET, OTHER = "acceptance.nets:net", "acceptance.nets:other"
PARITY = "parity:\n  agreement: {min: 0.99}\n  negative_flips: {max: 0}\n  probability_change: {max: 0}\n"
DROPS = "dimensions:\n  accuracy: {max_drop: 0}\n  class_balance: {max_relative_drop: 0}\n"


def results(gate: GateSession) -> dict[str, DemandResult]:
    judge = loaded_judge(gate)
    return {planned.demand.name: judge.judge(planned) for planned in gate.demands(gate.files)}


def outcomes(gate: GateSession) -> set[str]:
    return {result.verdict.outcome for result in results(gate).values()}


def record(gate: GateSession) -> Record:
    collector = ResultCollector()
    for result in results(gate).values():
        collector.add(result)
    demands = gate.demands(gate.files)
    names = {planned.node_id for planned in demands}
    (one,) = collector.records(gate, demands, names, interrupted=False, stopped=False)
    return one


@pytest.mark.parametrize("uncertain", ["point", "fail", "allow"])
def test_a_model_is_the_same_as_itself_under_every_policy(new_gate: NewGate, uncertain: str) -> None:
    gate = new_gate(f"uncertain: {uncertain}\n{PARITY}{DROPS}", reference=NET)
    assert outcomes(gate) == {"pass"}


def test_another_model_has_other_answers_and_a_noise_floor(new_gate: NewGate) -> None:
    judged = results(new_gate(PARITY + DROPS, NET, reference=OTHER))
    assert judged["parity.agreement[min]"].verdict.outcome == "fail"
    assert judged["accuracy[max_drop]"].verdict.outcome == "pass"  # as many are gained as lost
    message = judged["class_balance[max_relative_drop]"].verdict.message
    assert f"in the reference {OTHER} to" in message
    assert "paired image by image" in message
    notes = [note for result in judged.values() for note in result.notes if "noise floor" in note]
    assert len(notes) == 1
    assert f"{OTHER} gives the same answer to 1.000 in batches of 3 and" in notes[0]


def test_the_noise_floor_is_measured_once(new_gate: NewGate, monkeypatch: pytest.MonkeyPatch) -> None:
    def floors() -> list[str]:
        judged = results(new_gate(PARITY, NET, reference=OTHER))
        return [note for one in judged.values() for note in one.notes if "noise floor" in note]

    first = floors()
    monkeypatch.setattr("quba_check.engine.worker.noise_floor", lambda *_: pytest.fail("measured again"))
    assert floors() == first


def test_the_record_keeps_the_reference(new_gate: NewGate) -> None:
    one = record(new_gate(PARITY, OTHER, reference=NET))
    assert one.reference is not None
    assert (one.reference.name, one.model.name) == (NET, OTHER)
    assert one.reference.fingerprint != one.model.fingerprint
    assert record(new_gate(DROPS, OTHER)).reference is None


def test_a_changed_reference_is_another_input(new_gate: NewGate) -> None:
    hashes = set()
    for reference in (NET, OTHER, None):
        gate = new_gate(PARITY, reference=reference)
        loaded_judge(gate)
        hashes.add(inputs_hash(gate, gate.demands(gate.files)[0]))
    assert len(hashes) == 3


def test_both_protocols_share_the_loaded_reference(new_gate: NewGate) -> None:
    gate = new_gate(PARITY, reference=NET)
    first, second = gate.loaded.reference("standard"), gate.loaded.reference("released")
    assert first is not None
    assert second is not None
    assert first.classifier is second.classifier
    assert gate.loaded.reference("standard") is first


def test_without_a_reference_parity_blocks(new_gate: NewGate) -> None:
    judged = results(new_gate(f"{PARITY}  optional: true\n"))
    assert {result.verdict.outcome for result in judged.values()} == {"unmeasurable"}
    assert all(NO_REFERENCE in result.verdict.message for result in judged.values())


def test_a_baseline_without_its_predictions(new_gate: NewGate, tmp_path: Path) -> None:
    baseline = tmp_path / "old.json"
    baseline.write_text(record(new_gate("dimensions: {accuracy: {min: 0.1}}", OTHER)).to_json())
    (one, *_) = results(new_gate(PARITY, baseline=baseline)).values()
    assert one.verdict.outcome == "unmeasurable"
    assert one.verdict.message.splitlines()[0] == (
        "parity.agreement could not be measured: old.json: its predictions on clean images are neither next "
        "to it nor in the store. Allowed: a record with its predictions next to it, of a run that measured "
        "the clean set."
    )


def test_a_reference_that_decides_nothing_is_reported(new_gate: NewGate) -> None:
    notes = record(new_gate("dimensions: {accuracy: {min: 0.1}}", OTHER, reference=NET)).notes
    assert "the reference acceptance.nets:net decides nothing: no demand is on parity or has a drop" in notes


def test_a_model_without_preprocessing_takes_that_of_the_reference(
    new_gate: NewGate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plain_export.py").write_text(
        "from acceptance import nets\n\ndef net():\n    module = nets.net()\n    module.quba_config = {}\n"
        "    return module\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    gate = new_gate(PARITY, "plain_export:net", reference=NET)
    one = record(gate)
    (note,) = [note for note in one.notes if "preprocessing" in note]
    assert note.startswith(
        f"plain_export:net does not state its whole preprocessing; with that of the reference {NET}: "
    )
    (evaluation,) = gate.evaluations.values()
    assert isinstance(evaluation.reference, Evaluation)
    described = evaluation.classifier.preprocessing.describe()
    assert described == evaluation.reference.classifier.preprocessing.describe()
    assert {row.outcome for row in one.verdicts} == {"pass"}


def test_a_provider_of_onnxruntime_is_for_the_export_alone(new_gate: NewGate) -> None:
    gate = new_gate(PARITY, reference=NET, device="tensorrt")
    reference = gate.loaded.reference("standard")
    assert reference is not None
    assert reference.classifier.request is not None
    assert reference.classifier.request.device == "auto"
    with pytest.raises(ModelError, match=r"--quba-device=tensorrt runs ONNX files alone"):
        loaded_judge(gate)


def test_a_reference_that_does_not_exist(new_gate: NewGate) -> None:
    with pytest.raises(OptionError, match=r"^--quba-reference: nope\.pt: no such file in "):
        new_gate(PARITY, reference="nope.pt")
