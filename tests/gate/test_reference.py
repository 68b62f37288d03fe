"""A session with a reference: parity, drops, preprocessing, and what the record keeps of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.gate import Gate, loaded_judge

from quba_check.errors import ModelError, OptionError
from quba_check.evaluation import Evaluation
from quba_check.gate.collector import ResultCollector
from quba_check.gate.provenance import inputs_hash
from quba_check.gate.result import DemandResult
from quba_check.gate.session import GateSession
from quba_check.predictor import NO_REFERENCE
from quba_check.records.record import Record

NET, OTHER = "acceptance.nets:net", "acceptance.nets:other"
PARITY = "parity:\n  agreement: {min: 0.99}\n  negative_flips: {max: 0}\n  probability_change: {max: 0}\n"
DROPS = "dimensions:\n  accuracy: {max_drop: 0}\n  class_balance: {max_relative_drop: 0}\n"


def results(session: GateSession) -> dict[str, DemandResult]:
    judge = loaded_judge(session)
    return {planned.demand.name: judge.judge(planned) for planned in session.demands(session.files)}


def outcomes(session: GateSession) -> set[str]:
    return {result.verdict.outcome for result in results(session).values()}


def record(session: GateSession) -> Record:
    collector = ResultCollector()
    for result in results(session).values():
        collector.add(result)
    demands = session.demands(session.files)
    names = {planned.node_id for planned in demands}
    (one,) = collector.records(session, demands, names, interrupted=False, stopped=False)
    return one


@pytest.mark.parametrize("uncertain", ["point", "fail", "allow"])
def test_a_model_is_the_same_as_itself_under_every_policy(gate: Gate, uncertain: str) -> None:
    session = gate.session(f"uncertain: {uncertain}\n{PARITY}{DROPS}", reference=NET)
    assert outcomes(session) == {"pass"}


def test_another_model_has_other_answers_and_a_noise_floor(gate: Gate) -> None:
    judged = results(gate.session(PARITY + DROPS, NET, reference=OTHER))
    assert judged["parity.agreement[min]"].verdict.outcome == "fail"
    assert judged["accuracy[max_drop]"].verdict.outcome == "pass"  # as many are gained as lost
    message = judged["class_balance[max_relative_drop]"].verdict.message
    assert f"in the reference {OTHER} to" in message
    assert "paired image by image" in message
    notes = [note for result in judged.values() for note in result.notes if "noise floor" in note]
    assert len(notes) == 1
    assert f"{OTHER} gives the same answer to 1.000 in batches of 3 and" in notes[0]


def test_the_noise_floor_is_measured_once(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    def floors() -> list[str]:
        judged = results(gate.session(PARITY, NET, reference=OTHER))
        return [note for one in judged.values() for note in one.notes if "noise floor" in note]

    first = floors()
    monkeypatch.setattr("quba_check.engine.worker.noise_floor", lambda *_: pytest.fail("measured again"))
    assert floors() == first


def test_the_record_keeps_the_reference(gate: Gate) -> None:
    one = record(gate.session(PARITY, OTHER, reference=NET))
    assert one.reference is not None
    assert (one.reference.name, one.model.name) == (NET, OTHER)
    assert one.reference.fingerprint != one.model.fingerprint
    assert record(gate.session(DROPS, OTHER)).reference is None


def test_a_changed_reference_is_another_input(gate: Gate) -> None:
    hashes = set()
    for reference in (NET, OTHER, None):
        session = gate.session(PARITY, reference=reference)
        loaded_judge(session)
        hashes.add(inputs_hash(session, session.demands(session.files)[0]))
    assert len(hashes) == 3


def test_both_protocols_share_the_loaded_reference(gate: Gate) -> None:
    session = gate.session(PARITY, reference=NET)
    first, second = session.loaded.reference("standard"), session.loaded.reference("released")
    assert first is not None
    assert second is not None
    assert first.classifier is second.classifier
    assert session.loaded.reference("standard") is first


def test_without_a_reference_parity_blocks(gate: Gate) -> None:
    judged = results(gate.session(f"{PARITY}  optional: true\n"))
    assert {result.verdict.outcome for result in judged.values()} == {"unmeasurable"}
    assert all(NO_REFERENCE in result.verdict.message for result in judged.values())


def test_a_baseline_without_its_predictions(gate: Gate, tmp_path: Path) -> None:
    baseline = tmp_path / "old.json"
    baseline.write_text(record(gate.session("dimensions: {accuracy: {min: 0.1}}", OTHER)).to_json())
    (one, *_) = results(gate.session(PARITY, baseline=baseline)).values()
    assert one.verdict.outcome == "unmeasurable"
    assert one.verdict.message.splitlines()[0] == (
        "parity.agreement could not be measured: old.json: its predictions on clean images are neither next "
        "to it nor in the store. Allowed: a record with its predictions next to it, of a run that measured "
        "the clean set."
    )


def test_a_reference_that_decides_nothing_is_reported(gate: Gate) -> None:
    notes = record(gate.session("dimensions: {accuracy: {min: 0.1}}", OTHER, reference=NET)).notes
    assert "the reference acceptance.nets:net decides nothing: no demand is on parity or has a drop" in notes


def test_a_model_without_preprocessing_takes_that_of_the_reference(
    gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plain_export.py").write_text(
        "from acceptance import nets\n\ndef net():\n    module = nets.net()\n    module.quba_config = {}\n"
        "    return module\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    session = gate.session(PARITY, "plain_export:net", reference=NET)
    one = record(session)
    (note,) = [note for note in one.notes if "preprocessing" in note]
    assert note.startswith(
        f"plain_export:net does not state its whole preprocessing; with that of the reference {NET}: "
    )
    (evaluation,) = session.evaluations.values()
    assert isinstance(evaluation.reference, Evaluation)
    described = evaluation.classifier.preprocessing.describe()
    assert described == evaluation.reference.classifier.preprocessing.describe()
    assert {row.outcome for row in one.verdicts} == {"pass"}


def test_a_provider_of_onnxruntime_is_for_the_export_alone(gate: Gate) -> None:
    session = gate.session(PARITY, reference=NET, device="tensorrt")
    reference = session.loaded.reference("standard")
    assert reference is not None
    assert reference.classifier.request is not None
    assert reference.classifier.request.device == "auto"
    with pytest.raises(ModelError, match=r"--quba-device=tensorrt runs ONNX files alone"):
        loaded_judge(session)


def test_a_reference_that_does_not_exist(gate: Gate) -> None:
    with pytest.raises(OptionError, match=r"^--quba-reference: nope\.pt: no such file in "):
        gate.session(PARITY, reference="nope.pt")
