"""The records of collected results: order, missing results, counts and grades."""

from pathlib import Path

import numpy as np
import pytest
from support.gate import Gate, loaded_judge

from quba_check.doctor.examination import Examination
from quba_check.doctor.finding import Finding
from quba_check.gate.collector import NOT_CALLED, STOPPED, ResultCollector
from quba_check.gate.session import GateSession
from quba_check.records.files import write_record
from quba_check.records.per_image import CleanAnswers, PerImage
from quba_check.records.record import Record

THREE = "dimensions:\n  accuracy: {min: 0.5}\n  parameters: {max: 1}\n  class_balance: {min: 0.1}"


@pytest.fixture
def session(gate: Gate) -> GateSession:
    return gate.session(THREE)


def collected(session: GateSession) -> ResultCollector:
    """The results of all demands, the last one first."""
    collector = ResultCollector()
    judge = loaded_judge(session)
    for planned in reversed(session.demands(session.files)):
        collector.add(judge.judge(planned))
    return collector


def records(
    collector: ResultCollector, session: GateSession, *, selected: slice = slice(None), stopped: bool = False
) -> list[Record]:
    """The records of a run that selected some of the demands."""
    demands = session.demands(session.files)
    node_ids = {planned.node_id for planned in demands[selected]}
    return collector.records(session, demands, node_ids, interrupted=False, stopped=stopped)


def test_results_in_any_order_make_one_record_in_file_order(session: GateSession) -> None:
    (record,) = records(collected(session), session)
    assert [verdict.name for verdict in record.verdicts] == [
        "accuracy[min]",
        "parameters[max]",
        "class_balance[min]",
    ]
    assert record.overall_verdict == "pass"
    assert record.model.name == "acceptance.nets:net"
    assert list(record.suite.sets) == ["clean"]
    measured = {name for name, row in record.measurements.items() if "value" in row.model_fields_set}
    assert measured == {"accuracy", "parameters", "class_balance"}


def test_a_record_counts_the_models_judged_on_its_clean_images(gate: Gate, tmp_path: Path) -> None:
    session = gate.session(THREE, store=tmp_path / "store")
    collector = collected(session)
    (first,) = records(collector, session)
    assert not any("judged" in note for note in first.notes)
    other = {**first.suite.contents, "clean": "0" * 32}
    of_others = first.model_copy(update={"suite": first.suite.model_copy(update={"contents": other})})
    second = first.model_copy(update={"model": first.model.model_copy(update={"fingerprint": "2"})})
    of_others = of_others.model_copy(update={"model": first.model.model_copy(update={"fingerprint": "3"})})
    for number, record in enumerate((first, of_others, first, second, second)):
        write_record(record, session.store / "runs" / f"{number}.json")
    (session.store / "runs" / "damaged.json").write_bytes(first.suite.contents["clean"].encode())
    (session.store / "runs" / "0.npz").write_bytes(first.suite.contents["clean"].encode())
    (last,) = records(collector, session)
    assert last.notes[-1] == (
        "2nd model judged on these clean images: the best of several looks better than it is"
    )


def test_demands_without_a_result(session: GateSession) -> None:
    collector = ResultCollector()
    accuracy, parameters, balance = session.demands(session.files)
    collector.add(loaded_judge(session).judge(parameters))
    collector.crashed[accuracy.node_id] = "worker 'gw0' crashed"
    (record,) = records(collector, session)
    assert [(verdict.outcome, verdict.message) for verdict in record.verdicts] == [
        ("not run", "accuracy[min] was not judged: worker 'gw0' crashed"),
        ("pass", ""),
        ("not run", f"class_balance[min] was not judged: {NOT_CALLED}"),
    ]
    assert record.overall_verdict == "incomplete"
    (record,) = records(collector, session, stopped=True)
    assert record.verdicts[-1].message == f"class_balance[min] was not judged: {STOPPED}"
    assert balance.node_id not in collector.results


def test_a_later_result_replaces_an_earlier_one(session: GateSession) -> None:
    collector = ResultCollector()
    planned = session.demands(session.files)[1]
    result = loaded_judge(session).judge(planned)
    collector.add(result.model_copy(update={"notes": ("first",)}))
    collector.add(result.model_copy(update={"notes": ("second",)}))
    (record,) = records(collector, session)
    assert record.notes == ("second",)


@pytest.mark.parametrize("changed", ["model", "thresholds", "baseline"])
def test_a_result_on_other_files_does_not_count(
    gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    """A worker that read a file before or after it was replaced has judged something else."""
    first = gate.session(THREE)
    collector = collected(first)
    (record,) = records(collector, first)
    assert record.overall_verdict == "pass"
    options = {}
    if changed == "baseline":
        write_record(record, tmp_path / "old.json")
        options = {"baseline": tmp_path / "old.json"}
    session = gate.session(f"# of today\n{THREE}" if changed == "thresholds" else THREE, **options)
    if changed == "model":
        classifier = session.evaluation("acceptance.nets:net", "standard").classifier
        monkeypatch.setattr(classifier, "files", {"net.pt": "a" * 64})
    (record,) = records(collector, session)
    assert record.overall_verdict == "incomplete"
    assert [verdict.message for verdict in record.verdicts] == [
        f"{name} was not judged: another process of the run read another version of the model, the threshold "
        "file, the manifest, the preprocessing file or the baseline; run the gate again when nothing writes "
        "these files"
        for name in ("accuracy[min]", "parameters[max]", "class_balance[min]")
    ]
    assert not any("value" in row.model_fields_set for row in record.measurements.values())


def test_unselected_demands_are_counted(session: GateSession, tmp_path: Path) -> None:
    (record,) = records(ResultCollector(), session, selected=slice(1))
    assert [verdict.name for verdict in record.verdicts] == ["accuracy[min]"]
    assert record.unselected == 2
    other = tmp_path / "released.yaml"
    other.write_text("schema: 1\nprotocol: released\ndimensions: {parameters: {max: 1}}\n")
    session.files = (*session.files, other)
    (record,) = records(ResultCollector(), session, selected=slice(3))
    assert record.protocol == "standard"
    assert record.unselected == 1
    assert [each.protocol for each in records(ResultCollector(), session)] == ["standard", "released"]
    assert records(ResultCollector(), session, selected=slice(0)) == []


def test_values_by_image_go_next_to_the_record(session: GateSession) -> None:
    collector = ResultCollector()
    (empty,) = records(collector, session)
    assert collector.images_of(empty) is None
    result = loaded_judge(session).judge(session.demands(session.files)[0])
    collector.add(result)
    (record,) = records(collector, session)
    content = collector.images_of(record)
    assert content is not None
    assert content.startswith(b"PK")
    assert collector.results[result.verdict.id].images == ()


def test_clean_answers_are_findings_and_notes(session: GateSession) -> None:
    collector = ResultCollector()
    label = np.repeat([0, 1, 2], 60)
    predicted = np.where(np.arange(len(label)) % 4, np.array([1, 0, 2])[label], label)
    answers = CleanAnswers([], label, predicted, ("apple", "brick", "cloud"))
    collector.images["acceptance.nets:net", "standard"] = PerImage(clean=answers)
    found = Finding(check="sets", problem="before the run", evidence="", fix="", severity="remark")
    session.examinations["acceptance.nets:net"] = Examination(
        model="", suite="", root="", form="short", checks=(), findings=(found,)
    )
    (record,) = records(collector, session)
    problem = "acceptance.nets:net: two classes look swapped: 'apple' and 'brick'."
    assert [row.title for row in record.findings] == ["before the run", problem]
    assert [note for note in record.notes if note.startswith(f"doctor: {problem} Fix: ")] == [*record.notes]


def test_the_judged_grade_comes_before_one_of_the_values(gate: Gate) -> None:
    session = gate.session(f"{THREE}\nquba: {{min_score: -100, allow_other_suite: true}}")
    collector = ResultCollector()
    judge = loaded_judge(session)
    *others, score = session.demands(session.files)
    for planned in others:
        collector.add(judge.judge(planned))
    (without_score,) = records(collector, session)
    assert without_score.grades == () or without_score.grades[0].score is None
    collector.add(judge.judge(score))
    (record,) = records(collector, session)
    (grade,) = record.grades
    assert (grade.file, grade.score) == ("x.yaml", collector.results[score.node_id].grade.score)
