"""A run with a reference: parity, drops, preprocessing, and what the record keeps of it."""

from pathlib import Path

import pytest
from support.gate import Gate, loaded_judge

from quba_check.core.request import NO_REFERENCE
from quba_check.errors import ModelError, OptionError
from quba_check.gate.provenance import inputs_hash

NET = "acceptance.nets:net"
OTHER = "acceptance.nets:other"
PARITY = "parity:\n  agreement: {min: 0.99}\n  negative_flips: {max: 0}\n  probability_change: {max: 0}\n"
DROPS = "dimensions:\n  accuracy: {max_drop: 0}\n  class_balance: {max_relative_drop: 0}\n"
ACCURACY = "dimensions: {accuracy: {min: 0.1}}"


@pytest.mark.parametrize("uncertain", ["point", "fail", "allow"])
def test_a_model_is_the_same_as_itself_under_every_policy(gate: Gate, uncertain: str) -> None:
    outcomes = gate.outcomes(f"uncertain: {uncertain}\n{PARITY}{DROPS}", reference=NET)
    assert set(outcomes.values()) == {"pass"}


def test_another_model_has_other_answers_and_a_noise_floor(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = gate.judge(PARITY + DROPS, reference=OTHER)
    judged = {row.name: row for row in record.verdicts}
    assert judged["parity.agreement[min]"].outcome == "fail"
    assert judged["accuracy[max_drop]"].outcome == "pass"  # as many are gained as lost
    images = record.measured["parity"].table_rows("flipped_images", "image", "label")
    assert {Path(str(image)).parts[:2] for image, _ in images} <= {("val", str(label)) for _, label in images}
    message = judged["class_balance[max_relative_drop]"].message
    assert f"in the reference {OTHER} to" in message
    assert "paired image by image" in message
    (floor,) = [note for note in record.notes if "noise floor" in note]
    assert f"{OTHER} gives the same answer to 1.000 in batches of 3 and" in floor
    monkeypatch.setattr("quba_check.engine.worker.noise_floor", lambda *_: pytest.fail("measured again"))
    assert floor in gate.judge(PARITY, reference=OTHER).notes


def test_the_record_keeps_the_reference(gate: Gate) -> None:
    one = gate.judge(PARITY, model=OTHER, reference=NET)
    assert one.reference is not None
    assert (one.reference.name, one.model.name) == (NET, OTHER)
    assert one.reference.fingerprint != one.model.fingerprint
    assert gate.judge(DROPS, model=OTHER).reference is None


def test_a_changed_reference_is_another_input(gate: Gate) -> None:
    hashes = set()
    for reference in (NET, OTHER, None):
        session = gate.session(PARITY, reference=reference)
        loaded_judge(session)
        hashes.add(inputs_hash(session, session.demands(session.files)[0]))
    assert len(hashes) == 3


def test_both_protocols_share_the_loaded_reference(gate: Gate) -> None:
    session = gate.session(PARITY, reference=NET)
    first = session.loaded.reference("standard")
    second = session.loaded.reference("released")
    assert first is not None
    assert second is not None
    assert first.classifier is second.classifier
    assert session.loaded.reference("standard") is first


def test_without_a_reference_parity_blocks(gate: Gate) -> None:
    rows = gate.judge(f"{PARITY}  optional: true\n").verdicts
    assert {row.outcome for row in rows} == {"unmeasurable"}
    assert all(NO_REFERENCE in row.message for row in rows)


def test_a_baseline_without_its_predictions(gate: Gate) -> None:
    Path("old.json").write_text(gate.judge(ACCURACY, model=OTHER).to_json())
    (one, *_) = gate.judge(PARITY, baseline="old.json").verdicts
    assert one.outcome == "unmeasurable"
    assert one.message.splitlines()[0] == (
        "parity.agreement could not be measured: old.json: its predictions on clean images are neither next "
        "to it nor in the store. Allowed: a record with its predictions next to it, of a run that measured "
        "the clean set."
    )


def test_a_reference_that_decides_nothing_is_reported(gate: Gate) -> None:
    notes = gate.judge(ACCURACY, model=OTHER, reference=NET).notes
    assert "the reference acceptance.nets:net is not used: no demand is on parity or has a drop" in notes


def test_a_model_without_preprocessing_takes_that_of_the_reference(
    gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plain_export.py").write_text(
        "from acceptance import nets\n\ndef net():\n    module = nets.net()\n    module.quba_config = {}\n"
        "    return module\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    one = gate.judge(PARITY, model="plain_export:net", reference=NET)
    (note,) = [note for note in one.notes if "preprocessing" in note]
    beginning = "plain_export:net does not state its whole preprocessing; the rest is that of"
    assert note.startswith(f"{beginning} the reference {NET}")
    assert one.reference is not None
    ours, theirs = (dict(model.preprocessing) for model in (one.model, one.reference))
    assert ours.pop("source") != theirs.pop("source")
    assert ours == theirs
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
