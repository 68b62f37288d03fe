"""Records of runs with demands of many kinds are read again, and none with another outcome."""

import json
from pathlib import Path

import pytest
from support.errors import error_text
from support.gate import SILENT, Gate, loaded_judge

from quba_check.errors import UserError
from quba_check.gate.collector import ResultCollector
from quba_check.gate.options import Options
from quba_check.gate.session import GateSession
from quba_check.records.record import Record
from quba_check.verdicts.stored_verdicts import check_verdicts, read_record

SLICED = """\
uncertain: {uncertain}
dimensions:
  accuracy:
    min: 0.1
    max_drop: 0.5
    max_relative_drop: 90%
    slices: {{half: {{min_images: 1, worst: {{min: 0.2}}, gap: {{max: 0.9}}}}}}
  adversarial_robustness: {{min: 0.9, tier: warn, parts: {{fgsm: {{min: 0.1, allow_masked: true}}}}}}
  class_balance: {{max_drop: 0.9, optional: true}}
classes: {{each: {{recall: {{min: 0.01, max_drop: 0.9}}}}, macro: {{f1: {{min: 0.1}}}}}}
answers: {{at: {{probability: 0.4}}, share: {{min: 0.2}}}}
"""


@pytest.mark.parametrize("uncertain", ["point", "fail", "allow"])
def test_a_run_with_demands_of_many_kinds_agrees_with_itself(gate: Gate, data: Path, uncertain: str) -> None:
    images = sorted((data / "val").glob("*/*"))
    rows = [f"{one.relative_to(data)},{one.parent.name},{'ab'[k % 2]}" for k, one in enumerate(images)]
    (data / "val.csv").write_text("\n".join(["path,label,half", *rows]))
    manifest = data / "quba-data.yaml"
    text = SLICED.format(uncertain=uncertain)
    clean = "clean: {reader: csv, path: val.csv, slices: [half]}"
    manifest.write_text(
        manifest.read_text().replace("clean: {reader: folder, path: val, expected: 9}", clean)
    )
    first = gate.judge(text, data=data, first_release=True, record="first.json")
    undecided = check_verdicts(read_record(Path("first.json")), "first.json")
    assert [row.name for row in undecided] == [row.name for row in first.verdicts if "drop" in row.key]
    gate.judge(text, data=data, baseline="first.json", record="next.json")
    run = read_record(Path("next.json"))
    assert len(run.verdicts) == len(first.verdicts)
    for row in run.verdicts:
        if row.outcome in ("pass", "fail", "uncertain"):
            content = json.loads(run.to_json())
            (own,) = (one for one in content["verdicts"] if one["id"] == row.id)
            own["outcome"] = "fail" if row.outcome == "pass" else "pass"
            edited = Record.model_validate(content)
            error = error_text(UserError, check_verdicts, edited, "next.json")
            assert error.startswith(f"next.json: the verdict on {row.name} contradicts the values")


def test_each_file_has_its_own_grade(gate: Gate, data: Path) -> None:
    """A demand of an extended file is graded by the settings of the file that extends it."""
    grade = "dimensions: {accuracy: {min: 0}}\nquba: {min_score: -100, allow_other_suite: true}"
    base = gate.write(grade).rename("base.yaml")
    own = gate.write("extends: base.yaml\nquba: {weights: {shape_bias: 9}}")
    run = judged_files(gate, base, own)
    first, second = (row.explanation.value for row in run.verdicts if row.dimension == "quba")
    assert first != second
    assert check_verdicts(Record.model_validate_json(run.to_json()), "r.json") == ()


def test_a_file_without_a_selected_demand_is_an_input(gate: Gate, data: Path) -> None:
    """Else the record of the other files would release the model if `unselected` is edited."""
    first = gate.write("dimensions: {parameters: {max: 1}}").rename("first.yaml")
    run = judged_files(gate, first, gate.write("dimensions: {accuracy: {min: 1}}"), selected="first.yaml")
    assert (run.overall_verdict, run.unselected) == ("partial", 1)
    content = json.loads(run.to_json()) | {"unselected": 0}
    assert error_text(UserError, check_verdicts, Record.model_validate(content), "r.json") == (
        "r.json: its demands are not those of 'x.yaml': one is missing, added or changed. Run the gate again."
    )


def test_a_drop_without_its_stated_baseline_has_no_p_value(gate: Gate) -> None:
    """Its drop from the reference is not judged, so that it may not correct other demands."""
    text = "uncertain: allow\nconfidence: 0.5\ndimensions: {accuracy: {min: 0.76"
    other = {"reference": "acceptance.nets:other"}
    first = gate.judge(f"{text}}}}}", **other)
    second = gate.judge(f"baseline: nobody\n{text}, max_drop: 0.9}}}}", **other)
    assert [row.outcome for row in second.verdicts] == [first.verdicts[0].outcome, "unmeasurable"]
    assert check_verdicts(Record.model_validate_json(second.to_json()), "r.json") == ()


def judged_files(gate: Gate, *files: Path, selected: str = "") -> Record:
    """Return the record of a run of files, with the demands whose id starts with a text."""
    options = Options(models=(gate.model,), data=gate.data, store=gate.store)
    session = GateSession(options, gate.root, files=files, callbacks=SILENT)
    demands = session.demands(session.files)
    chosen = [planned for planned in demands if planned.node_id.startswith(selected)]
    session.select(chosen)
    judge = loaded_judge(session)
    collector = ResultCollector()
    for planned in chosen:
        collector.add(judge.judge(planned))
    ids = {planned.node_id for planned in chosen}
    (run,) = collector.records(session, demands, ids, interrupted=False, stopped=False)
    return run
