"""Before a run: its setup, its plan, and findings about demands, grades and images."""

import re
import shutil
from pathlib import Path

import pytest
from acceptance.runs import ALL, CLEAN_IMAGES, Passes, examined
from support.gate import Gate, loaded_judge, terminal_text
from support.tiny import CLASSES
from support.tuned import record as stored_record
from syrupy.assertion import SnapshotAssertion

from quba_check.core.grade import GradeRules
from quba_check.evaluation import Evaluation
from quba_check.gate.preflight import plan_run, setup_lines
from quba_check.gate.session import GateSession
from quba_check.grading import quba_score
from quba_check.records.files import write_record
from quba_check.records.record import Record
from quba_check.reports.plan import plan_table

NET = "acceptance.nets:net"
OTHER = "acceptance.nets:other"
PLAIN = "dimensions: {accuracy: {min: 0.5}}"
ACCURACY_DROP = "dimensions: {accuracy: {max_drop: 0.1}}"
ACCURACY = "dimensions: {accuracy: {min: 0.1}, parameters: {max: 1}}"
GRADE = "quba: {min_grade: F, allow_other_suite: true}"
DROP = "dimensions: {parameters: {max_drop: 0.1}}"
SHAPE = "shape_bias: the set 'cue_conflict' is missing: looked for "
BATCH = "acceptance.nets:LooksAlongTheBatch: an image's answer depends on the rest of its batch."
ALONE = "compute each image on its own: nothing in forward() may combine values along the batch"
FEW = (
    "class_balance needs two images in every class; 3 of 3 classes have fewer ('apple' has 1, 'brick' has 1, "
    "'cloud' has 1); add images of them to the clean set"
)
NO_POPULATION = (
    "published was measured on imagenet, this run on tiny. Allowed: a population of this suite (quba-check "
    "published population), or allow_other_suite: true"
)
CAVEAT = "published was measured on imagenet, this run on tiny"


def findings(record: Record) -> list[str]:
    return [" ".join(f"{row.title} {row.text}".split()) for row in record.findings]


def headlines(record: Record) -> dict[str, tuple[str, str]]:
    """The outcome and the first line of each demand's message."""
    return {row.name: (row.outcome, row.message.partition("\n")[0]) for row in record.verdicts}


def one_image_a_class(data: Path) -> None:
    for name in CLASSES:
        for path in sorted((data / "val" / name).iterdir())[1:]:
            path.unlink()
    manifest = data / "quba-data.yaml"
    manifest.write_text(manifest.read_text("utf-8").replace("expected: 9", "expected: 3"), "utf-8")


def test_a_finding_is_noted_and_changes_no_verdict(gate: Gate) -> None:
    record = gate.judge(ACCURACY, model="acceptance.nets:LooksAlongTheBatch")
    (finding,) = record.findings
    assert (finding.severity, finding.title) == ("problem", BATCH)
    assert re.fullmatch(
        r"evidence: in another batch, answers change by up to [\d.]+% of their range, no label changes\n"
        + re.escape(f"fix: {ALONE}"),
        finding.text,
    )
    assert record.notes == (f"doctor: {BATCH} Fix: {ALONE}.",)
    assert record.overall_verdict == "pass"


def test_a_healthy_model_has_no_findings(gate: Gate, passes: Passes, tmp_path: Path) -> None:
    record = gate.judge(ACCURACY, store=tmp_path / "store")
    assert (record.findings, record.notes) == ((), ())
    assert passes() == {"forward": CLEAN_IMAGES + examined()}


def test_broken_images_are_reported_until_they_are_replaced(gate: Gate, data: Path) -> None:
    image = data / "night" / "apple" / "000.png"
    whole = image.read_bytes()
    image.write_bytes(b"no image")
    assert findings(gate.judge(ACCURACY, data=data)) == [
        "night: images cannot be decoded: 1 of 6 checked. "
        "evidence: night/apple/000.png (no image format recognises it) fix: replace or remove the files"
    ]
    image.write_bytes(whole)
    assert findings(gate.judge(ACCURACY, data=data)) == []


def test_demands_without_images_cost_no_pass(gate: Gate, passes: Passes) -> None:
    assert gate.judge("dimensions: {parameters: {max: 1}}").overall_verdict == "pass"
    assert passes() == {}


def test_a_missing_set_is_noted_only_in_its_verdict(gate: Gate, data: Path) -> None:
    (data / "night").rename(data / "nights")
    record = gate.judge("dimensions: {ood_robustness: {min: 0.1}}", data=data)
    assert findings(record) == [
        f"ood_robustness cannot be measured: the set 'night' is missing: looked for {data / 'night'}. "
        "evidence: demanded by x.yaml:2 "
        "fix: add the images, or remove the demand, or set `optional: true` on it"
    ]
    assert record.notes == ()


def test_no_image_is_measured_for_a_grade_that_lacks_a_dimension(
    gate: Gate, data: Path, passes: Passes
) -> None:
    one_image_a_class(data)
    shutil.rmtree(data / "cc")
    record = gate.judge(GRADE, data=data)
    cues = f"{SHAPE}{data / 'cc'}"
    assert findings(record) == [
        f"no grade can be reached: class_balance: {FEW}; {cues}. evidence: demanded by x.yaml:2 fix: "
        "complete the sets, or name the dimensions under `allow_missing`, or remove the demand"
    ]
    assert passes() == {}
    assert all("value" not in row.model_fields_set for row in record.measurements.values())
    assert record.verdicts[0].message == (
        "quba.grade could not be measured: not graded: missing class_balance, shape_bias\n"
        f"  class_balance: {FEW}\n"
        f"  {cues}\n"
        "  demanded by x.yaml:2"
    )
    assert record.grades[0].missing == ("class_balance", "shape_bias")


def test_demands_next_to_an_unreachable_grade_are_measured_and_no_more(
    gate: Gate, data: Path, passes: Passes, tmp_path: Path
) -> None:
    shutil.rmtree(data / "cc")
    record = gate.judge(f"{GRADE}\n{ACCURACY}", data=data, store=tmp_path / "store")
    assert [row.outcome for row in record.verdicts] == ["unmeasurable", "pass", "pass"]
    assert passes() == {"forward": CLEAN_IMAGES + examined()}
    text = GRADE.replace("true", "true, allow_missing: [shape_bias]")
    assert gate.judge(text, data=data).overall_verdict == "pass"


def test_no_image_is_measured_for_a_grade_among_models_of_another_suite(gate: Gate, passes: Passes) -> None:
    record = gate.judge("quba: {min_grade: F, min_score: -100}")
    assert findings(record) == [
        "no grade can be reached: published was measured on imagenet, this run on tiny. evidence: "
        "demanded by x.yaml:2 fix: name a `population:` measured on this suite, or set "
        "`allow_other_suite: true`, or remove the demand"
    ]
    assert passes() == {}
    assert headlines(record) == {
        f"quba.{part}[min]": (
            "unmeasurable",
            f"quba.{part} could not be measured: not graded: {NO_POPULATION}",
        )
        for part in ("grade", "score")
    }
    (grade,) = record.grades
    assert (grade.letter, grade.percentile, grade.not_graded) == (None, None, NO_POPULATION)
    shown = " ".join(terminal_text(record).split())
    assert f"QUBA not graded: {NO_POPULATION} population published protocol standard" in shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (GRADE, f"percentile of published (326 models) other suite: {CAVEAT} protocol standard"),
        (ALL.partition("quba:")[0], f"QUBA score -20.536, not graded: {NO_POPULATION} protocol standard"),
    ],
    ids=["an allowed suite", "a score that no demand is on"],
)
def test_a_suite_that_is_not_that_of_the_population_is_a_caveat(gate: Gate, text: str, shown: str) -> None:
    record = gate.judge(text)
    assert record.overall_verdict == "pass"
    assert shown in " ".join(terminal_text(record).split())


def test_a_warning_about_a_grade_without_a_value_judges_nothing(gate: Gate) -> None:
    record = gate.judge("quba: {min_grade: F, tier: warn}")
    assert record.overall_verdict == "not judged"
    assert [row.severity for row in record.findings] == ["remark"]


def test_optional_covers_images_that_do_not_allow_a_value(gate: Gate, data: Path, passes: Passes) -> None:
    one_image_a_class(data)
    record = gate.judge("dimensions: {class_balance: {min: 0.1, optional: true}}", data=data)
    assert findings(record) == []
    assert headlines(record) == {"class_balance[min]": ("skipped", f"class_balance was skipped: {FEW}")}
    assert passes() == {}
    (finding,) = findings(gate.judge("dimensions: {class_balance: {min: 0.1}}", data=data))
    assert finding.startswith(f"class_balance cannot be measured: {FEW}. evidence: demanded by ")


def test_a_drop_without_a_baseline_is_reported_before_the_run(gate: Gate) -> None:
    record = gate.judge(DROP)
    problem = "parameters[max_drop] cannot be measured: there is no baseline to compare with."
    way_out = (
        "ame a record with --quba-baseline FILE.json (what-if: --baseline), or a model with --quba-reference"
    )
    assert findings(record) == [f"{problem} evidence: demanded by x.yaml:2 fix: n{way_out}"]
    assert record.findings[0].title == problem
    reason = f"there is no baseline to compare with. N{way_out}"
    message = f"parameters worsening could not be measured: {reason}"
    assert headlines(record) == {"parameters[max_drop]": ("unmeasurable", message)}
    record = gate.judge(DROP.replace("0.1", "0.1, optional: true"))
    assert findings(record) == []
    assert headlines(record)["parameters[max_drop]"][0] == "skipped"


def test_a_stop_in_the_name_of_a_baseline_does_not_end_the_reason(gate: Gate) -> None:
    record = gate.judge(f"baseline: 1. release/last\n{DROP}")
    assert findings(record) == [
        "parameters[max_drop] cannot be measured: first release: there is no approved record in "
        "1. release/last yet. evidence: demanded by x.yaml:3 fix: approve one with 'quba-check approve', or "
        "give --quba-first-release"
    ]


def test_a_drop_behind_a_pipeline_needs_no_baseline(gate: Gate, data: Path) -> None:
    manifest = data / "quba-data.yaml"
    manifest.write_text(manifest.read_text("utf-8") + "serving: {app: {jpeg: 90}}\n", "utf-8")
    record = gate.judge("dimensions: {accuracy: {pipeline: app, max_drop: 0.9}}", data=data)
    assert findings(record) == []
    assert headlines(record) == {"accuracy@pipeline=app[max_drop]": ("pass", "")}


def test_grades_in_python(gate: Gate, data: Path, tmp_path: Path) -> None:
    evaluation = Evaluation(gate.model, gate.data, store=gate.store)
    graded = evaluation.grade()
    assert (graded.letter, graded.percentile, graded.not_graded) == (None, None, NO_POPULATION)
    record = gate.judge(ALL)
    values = {name: row.value for name, row in record.measurements.items()}
    assert graded.score == quba_score(values)
    allowed = evaluation.grade(GradeRules(allow_other_suite=True))
    assert (allowed.score, allowed.letter is None) == (graded.score, False)
    shutil.rmtree(data / "cc")
    evaluation = Evaluation(gate.model, data, store=tmp_path / "empty")
    assert evaluation.grade().missing == ("shape_bias",)
    assert not list((tmp_path / "empty").rglob("*.safetensors"))


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
    assert lines(gate.session(ACCURACY_DROP, limit=3))[1:] == [
        "data tiny: data, 3 of 9 clean images",
        "no baseline",
    ]


def test_a_run_that_needs_no_image_counts_none(gate: Gate, tiny_data: Path) -> None:
    (*_, data) = lines(gate.session("dimensions: {parameters: {max: 1}}"))
    assert data == f"data tiny: {tiny_data}"


def test_a_run_with_a_baseline(gate: Gate, tmp_path: Path) -> None:
    path = tmp_path / "released.json"
    write_record(stored_record(), path)
    *_, last = lines(gate.session(PLAIN, baseline=path))
    assert last == "baseline released.json: r50, run of 2026-01-01"


def test_a_first_release(gate: Gate) -> None:
    assert lines(gate.session(f"baseline: release\n{ACCURACY_DROP}"))[-1] == "no baseline: release"


def test_a_reference_is_the_baseline(gate: Gate) -> None:
    assert lines(gate.session(ACCURACY_DROP, reference=OTHER))[-1] == f"baseline: the reference {OTHER}"


def test_a_model_that_could_not_be_loaded_has_no_line(gate: Gate, tiny_data: Path) -> None:
    assert [*setup_lines(gate.session(PLAIN), [NET])] == [f"data tiny: {tiny_data}"]


def test_the_table_of_all_dimensions(gate: Gate, snapshot: SnapshotAssertion, tmp_path: Path) -> None:
    assert plan_table(plan_run(gate.session(ALL, store=tmp_path / "store")), None) == snapshot


def test_models_and_protocols_are_planned_once(gate: Gate, tmp_path: Path) -> None:
    text = "dimensions: {accuracy: {min: 0.1}, adversarial_robustness: {min: 0.1}}"
    session = gate.session(text, OTHER, NET, store=tmp_path / "store")
    again = tmp_path / "again.yaml"
    released = tmp_path / "released.yaml"
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
